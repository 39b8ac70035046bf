/*
 * Reads LLVM IR as it is typed or pasted, compiles it, and computes expressions.
 *
 * lines.c reads lines, scan.c finds where an item ends. definitions.c compiles definitions, session.c knows them: what a
 * later text needs of them is put before it. expression.c and instruction.c turn what is to be computed into IR,
 * evaluate.c runs that inside of what guard.c is, or by isolate.c, and value.c prints what came out. commands.c has what begins with a colon.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/files.h"
#include "common/report.h"
#include "common/tools.h"
#include "guard.h"
#include "isolate.h"
#include "lines.h"
#include "options.h"
#include "repl.h"
#include "scan.h"

struct repl repl;

/* What was read and is no whole item yet, from the beginning of a line on, and that line's number. */
static struct buffer input;
static size_t input_line = 1;

/* The item with blanks in the place of what is before it in its line: so columns are what they were. */
static char *padded(const struct item *item)
{
    struct buffer text = {NULL, 0, 0};
    const char *start = item->start;
    while (start > input.bytes && start[-1] != '\n')
        start--;
    for (; start < item->start; start++)
        buffer_add_bytes(&text, *start == '\t' ? "\t" : " ", ((unsigned char)*start & 0xc0) != 0x80 || *start == '\t');
    buffer_add_bytes(&text, item->start, (size_t)(item->end - item->start));
    return buffer_take(&text);
}

/* Removes what was dealt with, up to a place. What is left of that line stays, blanked, for its columns. */
static void advance(const char *end)
{
    size_t start = 0, length = (size_t)(end - input.bytes);
    for (size_t i = 0; i < length; i++)
        if (input.bytes[i] == '\n') {
            input_line++;
            start = i + 1;
        }
    for (size_t i = start; i < length; i++)
        if (input.bytes[i] != '\t')
            input.bytes[i] = ' ';
    memmove(input.bytes, input.bytes + start, input.length - start + 1);
    input.length -= start;
}

/* Deals with all whole items. Returns 0 at the end of the session. */
static int take_items(int is_all, int *is_open)
{
    struct item item;
    int goes_on = 1;
    *is_open = 0;
    while (goes_on && input.length > 0) {
        if (!item_find(input.bytes, is_all, &item)) {
            *is_open = 1;
            break;
        }
        size_t line = input_line;
        for (const char *at = input.bytes; at < item.start; at++)
            line += *at == '\n';
        char *text = padded(&item);
        advance(item.end);
        if (item.kind == ITEM_NONE) {
            free(text);
            break;
        }
        if (item.kind == ITEM_DEFINITION) {
            definitions_add(text, line);
        } else {
            definitions_compile();
            if (item.kind == ITEM_COMMAND)
                goes_on = command_run(text, line);
            else
                evaluate(text, line);
        }
        free(text);
    }
    return goes_on;
}

/* Whether a line may end an item that is open, so that it is worth a look. */
static int may_close(const char *line)
{
    return strpbrk(line, "}])\"") != NULL || *line == ':' || strncmp(line, "de", 2) == 0 || strpbrk(input.bytes, "([{") == NULL;
}

static void start_anew(void)
{
    puts("^C");
    buffer_clear(&input);
    input_line = 1;
}

static void read_all(void)
{
    int is_open = 0, goes_on = 1;
    while (goes_on) {
        /* What is pasted is compiled as one. */
        if (repl.is_interactive && !is_open && !lines_are_waiting()) {
            definitions_compile();
            input_line = 1;
        }
        char *line = NULL;
        enum line_end end = lines_read(is_open ? "    ...> " : "mgenjit> ", &line);
        if (end == LINE_INTERRUPTED) {
            start_anew();
            is_open = 0;
            continue;
        }
        if (end == LINE_NO_MORE)
            break;
        buffer_format(&input, "%s\n", line);
        if (!is_open || may_close(line))
            goes_on = take_items(0, &is_open);
        free(line);
    }
    if (goes_on) {
        if (repl.is_interactive)
            putchar('\n');
        take_items(1, &is_open);
    }
    definitions_compile();
}

static const char *log_path(void)
{
    static char path[PATH_SIZE];
    char name[64];
    const char *folder = state_folder();
    snprintf(name, sizeof name, "repl-lost-%ld.ll", (long)getpid());
    path[0] = '\0';
    if (folder != NULL)
        path_join(path, folder, name);
    return path[0] != '\0' ? path : NULL;
}

int repl_main(int argc, char **argv)
{
    struct repl_options options;
    mgenjit_error *error = NULL;
    int exit_code = EX_OSERR;
    if (!repl_options_parse(&options, argc, argv, &exit_code)) {
        repl_options_free(&options);
        return report_end(exit_code);
    }
    repl.config = options.setup.config;
    repl.shows_times = options.setup.time;
    repl.is_interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (mgenjit_config_set_replaceable(repl.config, true, &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_new(repl.config, &repl.executor, &error) != MGENJIT_STATUS_OK) {
        exit_code = report_error(NULL, error);
        repl_options_free(&options);
        return exit_code;
    }
    guard_start(log_path());
    lines_start(repl.is_interactive);
    for (int i = 0; i < options.files.count; i++)
        load_file(options.files.items[i]);
    int failed_to_load = repl.has_failed;
    if (repl.is_interactive)
        puts("mgenjit: LLVM IR, compiled as it comes. :help tells more, Ctrl-D ends.");
    read_all();
    isolate_stop();
    guard_stop();
    fflush(stdout);
    /* As if the code had called exit: its destructors run, and threads that it has left still have code. */
    exit(report_end(failed_to_load || (repl.has_failed && !repl.is_interactive) ? EX_DATAERR : EX_OK));
}
