#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"
#include "common/json.h"
#include "common/level.h"
#include "common/program.h"
#include "common/table.h"
#include "common/text.h"
#include "common/units.h"
#include "entries.h"
#include "info.h"
#include "progress.h"
#include "report.h"

extern char **environ;

static const struct column piece_columns[] = {
    {"", 5, 1, FAINT},             {"KEY", 12, 0, YELLOW},    {"FUNCTIONS", 9, 1, PLAIN},
    {"INSTRUCTIONS", 12, 1, PLAIN}, {"COMPILED", 9, 1, PLAIN}, {"", 5, 0, PLAIN},
    {"WITH", 0, 0, PLAIN},
};

enum { PIECE_COLUMNS = sizeof piece_columns / sizeof piece_columns[0] };

/* The pieces that a module was made of, a row for each. */
static void print_pieces(const mgenjit_cache_entry *entry)
{
    size_t count = mgenjit_cache_entry_piece_count(entry);
    printf("\n%s%zu %s%s\n", color(BOLD), count, count == 1 ? "piece" : "pieces", color_end());
    table_header(piece_columns, PIECE_COLUMNS);
    for (size_t i = 0; i < count; i++) {
        char number[24], key[13], functions[16], instructions[16], time[UNITS_SIZE];
        mgenjit_piece piece;
        piece.size = sizeof piece;
        if (mgenjit_cache_entry_piece(entry, i, &piece, NULL) != MGENJIT_STATUS_OK)
            continue;
        snprintf(number, sizeof number, "%zu", i + 1);
        snprintf(key, sizeof key, "%s", piece.key);
        snprintf(functions, sizeof functions, "%" PRIu32, piece.functions);
        snprintf(instructions, sizeof instructions, "%" PRIu32, piece.instructions);
        const char *const cells[] = {number,
                                     key,
                                     functions,
                                     instructions,
                                     format_duration(time, piece.compile_us),
                                     piece.compiled ? "" : "found",
                                     piece.name};
        table_row(piece_columns, PIECE_COLUMNS, cells);
    }
}

static void json_piece(const mgenjit_piece *piece)
{
    json_open(NULL);
    json_string("name", piece->name);
    json_string("key", piece->key);
    json_number("functions", piece->functions);
    json_number("instructions", piece->instructions);
    json_bool("compiled", piece->compiled);
    json_number("compile_time", piece->compile_us);
    json_close();
}

static void print_json(const mgenjit_cache_entry *entry, const mgenjit_cache_info *info)
{
    size_t aliases = mgenjit_cache_entry_alias_count(entry);
    size_t inputs = mgenjit_cache_entry_input_count(entry);
    size_t functions = mgenjit_cache_entry_function_count(entry);
    json_open(NULL);
    json_info(info);
    json_string("features", mgenjit_cache_entry_features(entry));
    json_string("options", mgenjit_cache_entry_options(entry));
    json_string("path", mgenjit_cache_entry_path(entry));
    json_open_array("aliases");
    for (size_t i = 0; i < aliases; i++)
        json_string(NULL, mgenjit_cache_entry_alias(entry, i));
    json_close_array();
    json_open_array("inputs");
    for (size_t i = 0; i < inputs; i++) {
        json_open(NULL);
        json_string("name", mgenjit_cache_entry_input_name(entry, i));
        json_number("bytes", mgenjit_cache_entry_input_size(entry, i));
        json_close();
    }
    json_close_array();
    json_open_array("made_of");
    for (size_t i = 0; i < mgenjit_cache_entry_piece_count(entry); i++) {
        mgenjit_piece piece;
        piece.size = sizeof piece;
        if (mgenjit_cache_entry_piece(entry, i, &piece, NULL) == MGENJIT_STATUS_OK)
            json_piece(&piece);
    }
    json_close_array();
    json_open_array("functions");
    for (size_t i = 0; i < functions; i++) {
        json_open(NULL);
        json_string("signature", mgenjit_cache_entry_signature(entry, i));
        json_string("prototype", mgenjit_cache_entry_prototype(entry, i));
        json_close();
    }
    json_close_array();
    json_end();
}

/* Prints the features that the code may use, from a text such as "+avx2,-avx512f", in lines that fit. */
static void print_features(const char *features)
{
    enum { LINE = 80 };
    char line[LINE + 64];
    size_t length = 0;
    const char *label = "features";
    while (*features != '\0') {
        size_t size = strcspn(features, ",");
        if (features[0] == '+' && size < 64) {
            if (length > 0 && length + size > LINE) {
                table_fact(label, line);
                label = "";
                length = 0;
            }
            length += (size_t)sprintf(line + length, "%s%.*s", length > 0 ? " " : "", (int)size - 1, features + 1);
        }
        features += size + (features[size] == ',');
    }
    if (length > 0)
        table_fact(label, line);
}

static void print_table(const mgenjit_cache_entry *entry, const mgenjit_cache_info *info)
{
    size_t aliases = mgenjit_cache_entry_alias_count(entry);
    size_t inputs = mgenjit_cache_entry_input_count(entry);
    size_t functions = mgenjit_cache_entry_function_count(entry);
    char text[256], one[UNITS_SIZE], two[UNITS_SIZE];

    printf("%s", color(BOLD));
    text_put(stdout, info->name);
    printf("%s\n", color_end());
    table_fact("key", info->key);
    for (size_t i = 0; i < aliases; i++)
        table_fact(i == 0 ? "other keys" : "", mgenjit_cache_entry_alias(entry, i));
    table_fact("file", mgenjit_cache_entry_path(entry));
    if (info->image_bytes > 0)
        snprintf(text, sizeof text, "%s, of that code %s", format_size(one, info->bytes),
                 format_size(two, info->image_bytes));
    else
        snprintf(text, sizeof text, info->is_piece ? "%s, a piece of a module" : "%s, to export only",
                 format_size(one, info->bytes));
    table_fact("size", text);
    if (inputs == 1)
        table_fact("IR", format_size(one, info->ir_bytes));
    for (size_t i = 0; inputs > 1 && i < inputs; i++) {
        char line[512];
        snprintf(line, sizeof line, "%s, %s", mgenjit_cache_entry_input_name(entry, i),
                 format_size(one, mgenjit_cache_entry_input_size(entry, i)));
        table_fact(i == 0 ? "inputs" : "", line);
    }
    table_fact("optimised", level_name(info->opt_level));
    if (mgenjit_cache_entry_options(entry)[0] != '\0')
        table_fact("options", mgenjit_cache_entry_options(entry));
    snprintf(text, sizeof text, "%s, in %s", format_time(one, info->created_us),
             format_duration(two, info->compile_us));
    table_fact("compiled", text);
    snprintf(text, sizeof text, "%s, %s", format_time(one, info->last_used_us), format_ago(two, info->last_used_us));
    table_fact("last used", text);
    snprintf(text, sizeof text, "%" PRIu64 ", which saved %s", info->hits, format_duration(one, info->saved_us));
    table_fact("hits", text);
    table_fact("pinned", info->pinned ? "yes" : "no");
    if (!info->is_piece)
        table_fact("target", info->triple);
    table_fact("CPU", info->cpu);
    print_features(mgenjit_cache_entry_features(entry));
    table_fact("machine", info->machine);
    snprintf(text, sizeof text, "libmgenjit %s, build %s, LLVM %s", info->version, info->build,
             info->llvm_version);
    table_fact("compiler", text);

    if (info->pieces > 0)
        print_pieces(entry);
    if (info->is_piece)
        return;
    printf("\n%s%zu %s%s\n", color(BOLD), functions, functions == 1 ? "function" : "functions", color_end());
    for (size_t i = 0; i < functions; i++) {
        const char *prototype = mgenjit_cache_entry_prototype(entry, i);
        fputs("  ", stdout);
        text_put(stdout, prototype != NULL ? prototype : mgenjit_cache_entry_signature(entry, i));
        putchar('\n');
    }
}

/* Runs a program that shows something, which a variable may name. */
static int show_by(const char *variable, const char *usual, const char **argv, const char *hint)
{
    const char *program = getenv(variable);
    pid_t child;
    int status = 0;

    if (program == NULL || program[0] == '\0')
        program = usual;
    argv[0] = program;
    fflush(stdout);
    int failure = posix_spawnp(&child, program, NULL, NULL, (char *const *)argv, environ);
    if (failure != 0) {
        report_failure(program, failure);
        if (failure == ENOENT)
            fputs(hint, stderr);
        return EXIT_UNAVAILABLE;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? EXIT_DONE : EXIT_UNAVAILABLE;
}

/* Runs objdump on an entry's file, which it takes for a shared object. */
static int disassemble(const char *path)
{
    const char *argv[] = {NULL, "-d", "--no-show-raw-insn", path, NULL};
    return show_by("OBJDUMP", "objdump", argv, "It comes with binutils; $OBJDUMP may name another one.\n");
}

/* Whether it is what counters counted; else it is of samples. */
static int is_of_counters(const char *bytes, size_t size)
{
    return size > 0 && ((size > 6 && memcmp(bytes, "\xfflprof", 6) == 0) || bytes[0] == ':' || bytes[0] == '#');
}

/* Has llvm-profdata print what an entry's profile says of each function. */
static int show_profile(const mgenjit_cache_entry *entry)
{
    mgenjit_blob *blob = NULL;
    mgenjit_error *error = NULL;
    if (mgenjit_cache_entry_read(entry, MGENJIT_PART_PROFILE, &blob, &error) != MGENJIT_STATUS_OK)
        return report_cache_error(error);
    const char *bytes = (const char *)mgenjit_blob_data(blob);
    size_t size = mgenjit_blob_size(blob);
    FILE *file = tmpfile();
    int exit_code = EXIT_CANNOT_WRITE;
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fflush(file) != 0) {
        report_failure("a temporary file", errno);
    } else {
        char path[32];
        snprintf(path, sizeof path, "/dev/fd/%d", fileno(file));
        const char *counters[] = {NULL, "show", "--all-functions", "--counts", path, NULL};
        const char *samples[] = {NULL, "show", "--sample", path, NULL};
        exit_code = show_by("LLVM_PROFDATA", "llvm-profdata-22", is_of_counters(bytes, size) ? counters : samples,
                            "It comes with LLVM; $LLVM_PROFDATA may name another one.\n");
    }
    if (file != NULL)
        fclose(file);
    mgenjit_blob_free(blob);
    return exit_code;
}

static int is_text(const mgenjit_blob *blob)
{
    return memchr(mgenjit_blob_data(blob), '\0', mgenjit_blob_size(blob)) == NULL;
}

/* Writes to a file, or to stdout for "-". A file that could not be written is not removed: it may be a device or a
 * link that was there before. */
static int write_blob(const char *path, const mgenjit_blob *blob)
{
    size_t size = mgenjit_blob_size(blob);
    if (strcmp(path, "-") == 0) {
        if (isatty(STDOUT_FILENO) && !is_text(blob)) {
            fprintf(stderr, "%s: this is binary, and stdout is a terminal: name a file\n", program_name);
            return EXIT_USAGE;
        }
        fwrite(mgenjit_blob_data(blob), 1, size, stdout);
        return EXIT_DONE;
    }
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        report_failure(path, errno);
        return EXIT_CANNOT_WRITE;
    }
    int is_written = fwrite(mgenjit_blob_data(blob), 1, size, file) == size;
    int error = errno;
    if (fclose(file) != 0 && is_written) {
        is_written = 0;
        error = errno;
    }
    if (!is_written) {
        report_failure(path, error);
        return EXIT_CANNOT_WRITE;
    }
    return EXIT_DONE;
}

static int write_part(const mgenjit_cache_entry *entry, int32_t part, const char *path)
{
    mgenjit_blob *blob = NULL;
    mgenjit_error *error = NULL;
    if (mgenjit_cache_entry_read(entry, part, &blob, &error) != MGENJIT_STATUS_OK)
        return report_cache_error(error);
    int exit_code = write_blob(path, blob);
    mgenjit_blob_free(blob);
    return exit_code;
}

static int write_parts(const mgenjit_cache_entry *entry, const struct options *options)
{
    const struct {
        int32_t part;
        const char *path;
    } parts[] = {
        {MGENJIT_PART_IR, options->ir_file},
        {MGENJIT_PART_OBJECT, options->object_file},
        {MGENJIT_PART_IMAGE, options->image_file},
        {MGENJIT_PART_PROFILE, options->profile_file},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int exit_code = parts[i].path == NULL ? EXIT_DONE : write_part(entry, parts[i].part, parts[i].path);
        if (exit_code != EXIT_DONE)
            return exit_code;
    }
    return EXIT_DONE;
}

int command_show(struct context *context)
{
    const struct options *options = context->options;
    mgenjit_cache_entry *entry = NULL;
    mgenjit_error *error = NULL;
    mgenjit_cache_info info;
    key_text *keys = NULL;
    size_t count;

    int exit_code = entries_resolve(context, &keys, &count);
    if (exit_code != EXIT_DONE)
        return exit_code;
    info.size = sizeof info;
    if (mgenjit_cache_entry_open(context->cache, keys[0], &entry, &error) != MGENJIT_STATUS_OK
        || mgenjit_cache_entry_info(entry, &info, &error) != MGENJIT_STATUS_OK)
        exit_code = report_cache_error(error);
    else if (options->disassemble && info.is_piece) {
        fprintf(stderr, "%s: %s has no code of its own: show the module that was made of it\n", program_name, info.name);
        exit_code = EXIT_USAGE;
    } else if (options->disassemble && info.image_bytes == 0) {
        fprintf(stderr, "%s: %s is for %s: write its object with --object, for that target's objdump\n", program_name, info.name,
                info.triple);
        exit_code = EXIT_USAGE;
    } else if (options->disassemble)
        exit_code = disassemble(mgenjit_cache_entry_path(entry));
    else if (options->counts)
        exit_code = show_profile(entry);
    else if (options->ir_file != NULL || options->object_file != NULL || options->image_file != NULL
             || options->profile_file != NULL)
        exit_code = write_parts(entry, options);
    else if (options->json)
        print_json(entry, &info);
    else
        print_table(entry, &info);
    mgenjit_cache_entry_free(entry);
    free(keys);
    return exit_code;
}
