/* The command `doctor`: its options, and how what checks.c finds is printed. */

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "checks.h"
#include "common/arguments.h"
#include "common/json.h"
#include "common/report.h"
#include "common/table.h"
#include "common/text.h"
#include "common/tools.h"

static const char usage[] = "[--json] [--cache-dir DIR]\n";

static const char help[] =
    "\n"
    "Checks everything that compiling needs by compiling a small module, and says how to fix what is wrong.\n"
    "\n"
    "  --cache-dir DIR  look at this cache; default: $MGENJIT_CACHE_DIR, else $XDG_CACHE_HOME/mgenjit,\n"
    "                   else ~/.cache/mgenjit\n"
    "  --json           print a JSON object for each check, one a line: name, state (ok, warning, problem),\n"
    "                   found, advice\n"
    "  -h, --help, --version\n"
    "\n"
    "Exit status:\n"
    "  0   all works, though there may be warnings\n"
    "  1   there is a problem\n"
    "  64  wrong usage\n"
    "  74  stdout could not be written\n";

enum { CACHE_DIR = 1, HELP, JSON, VERSION };

static const struct argument_row rows[] = {
    {"cache-dir", VALUE, CACHE_DIR}, {"help", NO_VALUE, HELP}, {"h", NO_VALUE, HELP},
    {"json", NO_VALUE, JSON},        {"version", NO_VALUE, VERSION},
    {NULL, NO_VALUE, 0},
};

static const char *const states[] = {"ok", "warning", "problem"};

static void show_json(const struct finding *finding)
{
    json_open(NULL);
    json_string("name", finding->name);
    json_string("state", states[finding->state]);
    json_string("found", finding->found);
    json_string("advice", finding->advice);
    json_end();
}

/* Prints a text of several lines, those after the first below it. */
static void put_lines(const char *text)
{
    while (*text != '\0') {
        char line[4096];
        size_t length = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        text_put(stdout, line);
        putchar('\n');
        text += length + (text[length] == '\n');
        if (*text != '\0')
            printf("%-20s", "");
    }
}

static void show(const struct finding *finding)
{
    static const enum color colors[] = {GREEN, YELLOW, RED};
    printf("%s%-8s%s %-10s ", color(colors[finding->state]), states[finding->state], color_end(), finding->name);
    put_lines(finding->found);
    if (finding->advice[0] != '\0') {
        printf("%-20s", "");
        put_lines(finding->advice);
    }
}

int doctor_main(int argc, char **argv)
{
    struct arguments arguments = arguments_new(argc, argv);
    const char *value, *cache_dir = NULL;
    int option, json = 0;

    while ((option = arguments_next(&arguments, rows, &value)) != ARGUMENT_END) {
        switch (option) {
        case CACHE_DIR: cache_dir = value; break;
        case JSON: json = 1; break;
        case HELP:
            program_print_usage(stdout, usage);
            fputs(help, stdout);
            return report_end(EX_OK);
        case VERSION: program_print_version(); return report_end(EX_OK);
        case ARGUMENT_OPERAND: return report_wrong_usage(usage, "too many arguments: ", value);
        case ARGUMENT_VALUE_MISSING: return report_wrong_usage(usage, "a value is missing after ", value);
        default: return report_wrong_usage(usage, "wrong option: ", value);
        }
    }
    return report_end(checks_run(cache_dir, json ? show_json : show) == STATE_PROBLEM);
}
