#define _POSIX_C_SOURCE 200809L

#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "level.h"
#include "line.h"
#include "message.h"

int report_wrong_usage(const char *usage, const char *message, const char *what)
{
    fprintf(stderr, "%s: %s%s\n", program_name, message, what);
    program_print_usage(stderr, usage);
    fprintf(stderr, "Try %s --help.\n", program_name);
    return EX_USAGE;
}

static int exit_code_of(mgenjit_status status)
{
    switch (status) {
    case MGENJIT_STATUS_INVALID_ARGUMENT: return EX_USAGE;
    case MGENJIT_STATUS_IO: return EX_NOINPUT;
    case MGENJIT_STATUS_PARSE:
    case MGENJIT_STATUS_VERIFY:
    case MGENJIT_STATUS_TARGET:
    case MGENJIT_STATUS_CODEGEN:
    case MGENJIT_STATUS_LINK:
    case MGENJIT_STATUS_UNRESOLVED:
    case MGENJIT_STATUS_NOT_FOUND:
    case MGENJIT_STATUS_TYPE:
    case MGENJIT_STATUS_DAMAGED:
    case MGENJIT_STATUS_UNSUPPORTED:
    case MGENJIT_STATUS_TIMEOUT:
    case MGENJIT_STATUS_MEMORY:
    case MGENJIT_STATUS_TOO_LARGE: return EX_DATAERR;
    case MGENJIT_STATUS_SERVER_UNAVAILABLE:
    case MGENJIT_STATUS_SERVER_MISMATCH:
    case MGENJIT_STATUS_CPU:
    case MGENJIT_STATUS_LIBRARY:
    case MGENJIT_STATUS_LINKER: return EX_UNAVAILABLE;
    case MGENJIT_STATUS_LOAD: return EX_OSERR;
    default: return EX_SOFTWARE;
    }
}

/* Prints the source line and a caret under the column, which counts bytes: a tab stays a tab, and a
 * character of several bytes in UTF-8 takes one place. */
static void print_source_line(const char *line, uint32_t column)
{
    fprintf(stderr, "%s\n", line);
    if (column == 0)
        return;
    for (uint32_t i = 0; i + 1 < column && line[i] != '\0'; i++) {
        unsigned char byte = (unsigned char)line[i];
        if (byte == '\t')
            fputc('\t', stderr);
        else if ((byte & 0xc0) != 0x80)
            fputc(' ', stderr);
    }
    fputs("^\n", stderr);
}

int report_error(const char *subject, mgenjit_error *error)
{
    uint32_t column = mgenjit_error_column(error);
    const char *source_line = mgenjit_error_source_line(error);
    mgenjit_status status = mgenjit_error_status(error);
    char *message = message_for_tools(mgenjit_error_message(error));

    line_clear();
    /* The message already names the file, and the place in it. */
    fprintf(stderr, "%s: ", program_name);
    if (subject != NULL)
        fprintf(stderr, "%s: ", subject);
    fprintf(stderr, "%s\n", message != NULL ? message : mgenjit_error_message(error));
    free(message);
    if (source_line != NULL)
        print_source_line(source_line, column);
    mgenjit_error_free(error);
    return exit_code_of(status);
}

/* Tells how a module was made of pieces: how many the cache had, and the names of some that were compiled. */
static void report_pieces(const mgenjit_module *module)
{
    enum { NAMED = 8 };
    size_t all = mgenjit_module_piece_count(module), compiled = 0;
    mgenjit_piece piece;
    piece.size = sizeof piece;
    for (size_t i = 0; i < all; i++)
        if (mgenjit_module_piece(module, i, &piece, NULL) == MGENJIT_STATUS_OK)
            compiled += piece.compiled;
    if (all == 0)
        return;
    dprintf(STDERR_FILENO, "%zu of %zu pieces found", all - compiled, all);
    if (compiled > 0)
        dprintf(STDERR_FILENO, "; compiled %zu", compiled);
    size_t named = 0;
    for (size_t i = 0; i < all && compiled < all && named < NAMED; i++)
        if (mgenjit_module_piece(module, i, &piece, NULL) == MGENJIT_STATUS_OK && piece.compiled)
            dprintf(STDERR_FILENO, "%s%zu with `%s`", named++ == 0 ? ": " : ", ", i + 1, piece.name);
    dprintf(STDERR_FILENO, "%s\n", compiled > named && named > 0 ? ", …" : "");
}

void report_times(const mgenjit_module *module)
{
    mgenjit_times times;
    times.size = sizeof times;
    if (mgenjit_module_times(module, &times, NULL) != MGENJIT_STATUS_OK)
        return;
    const struct {
        const char *name;
        uint64_t microseconds;
    } rows[] = {
        {"hash the IR", times.hash_us},
        {"look in the cache", times.find_us},
        {"wait for another's compile", times.wait_us},
        {"start a compile server", times.start_us},
        {"compile", times.compile_us},
        {"  read the module", times.parse_us},
        {"  optimise", times.optimise_us},
        {"  generate code", times.codegen_us},
        {"  link", times.link_us},
        {"store in the cache", times.store_us},
        {"map", times.map_us},
        {"bind symbols, construct", times.bind_us},
        {"total", times.hash_us + times.find_us + times.wait_us + times.start_us + times.compile_us + times.store_us + times.map_us
                      + times.bind_us},
    };

    dprintf(STDERR_FILENO, "%s: %s, level %s\nkey %s\n", mgenjit_module_name(module),
            mgenjit_module_origin(module) == MGENJIT_ORIGIN_CACHE ? "from the cache (hit)" : "compiled (miss)",
            level_name(mgenjit_module_opt_level(module)),
            mgenjit_module_key(module));
    if (mgenjit_module_origin(module) == MGENJIT_ORIGIN_COMPILED)
        report_pieces(module);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].microseconds > 0)
            dprintf(STDERR_FILENO, "  %-28s %9" PRIu64 " µs\n", rows[i].name, rows[i].microseconds);
}

int report_end(int exit_code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit_code;
    fprintf(stderr, "%s: stdout: %s\n", program_name, strerror(errno));
    return EX_IOERR;
}
