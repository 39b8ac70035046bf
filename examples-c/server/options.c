#include "options.h"

#include <stdio.h>
#include <string.h>

#include "common/arguments.h"
#include "common/program.h"
#include "common/units.h"
#include "mgenjit.h"

static const char usage[] = "status|stats [--json]\n"
                            "stop [--force] [--timeout MS]\n";

static const char help[] =
    "\n"
    "Shows what the shared compile server of this user and build is doing, or stops it. Never starts one: programs start\n"
    "it when they need it, if MGENJIT_SERVER_MODE=shared or their configuration says so.\n"
    "\n"
    "  status           whether it runs, for whom, and what it is doing\n"
    "  stats            what it has done since it started\n"
    "  stop             stop it once it has answered its requests; programs that need one start another\n"
    "\n"
    "  --json           status, stats: print a JSON object; times are in milliseconds, memory is in bytes\n"
    "  --force          stop: stop it at once; its clients send their modules to another\n"
    "  --timeout MS     stop: how long to wait until it has stopped; 0: do not wait; default: 60000\n"
    "  -h, --help, --version\n"
    "\n"
    "The server's socket is in $XDG_RUNTIME_DIR/mgenjit, else in /run/user/UID/mgenjit, else in mgenjit-UID in\n"
    "$TMPDIR or /tmp.\n"
    "\n"
    "Exit status:\n"
    "  0  it runs; stop: it has stopped\n"
    "  1  none runs\n"
    "  2  wrong usage\n"
    "  3  it does not answer, cannot be reached, or has not stopped in time; or stdout could not be written\n";

enum { FORCE = 256, HELP, JSON, TIMEOUT, VERSION };

static const struct argument_row rows[] = {
    {"force", NO_VALUE, FORCE},
    {"help", NO_VALUE, HELP},
    {"h", NO_VALUE, HELP},
    {"json", NO_VALUE, JSON},
    {"timeout", VALUE, TIMEOUT},
    {"version", NO_VALUE, VERSION},
    {NULL, NO_VALUE, 0},
};

static int wrong(const char *message, const char *what, int *exit_code)
{
    fprintf(stderr, "%s: %s%s\n", program_name, message, what);
    program_print_usage(stderr, usage);
    fprintf(stderr, "Try %s --help.\n", program_name);
    *exit_code = EXIT_USAGE;
    return 0;
}

static int parse_command(const char *name, enum command *command)
{
    static const char *const names[] = {"status", "stats", "stop"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) {
            *command = (enum command)i;
            return 1;
        }
    return 0;
}

int server_options_parse(struct options *options, int argc, char **argv, int *exit_code)
{
    struct arguments arguments = arguments_new(argc, argv);
    const char *value, *command = NULL, *extra = NULL;
    int option, has_timeout = 0;

    memset(options, 0, sizeof *options);
    options->timeout = 60000;
    *exit_code = EXIT_DONE;
    while ((option = arguments_next(&arguments, rows, &value)) != ARGUMENT_END) {
        switch (option) {
        case FORCE: options->force = 1; break;
        case JSON: options->json = 1; break;
        case TIMEOUT:
            has_timeout = 1;
            if (!parse_count(value, &options->timeout))
                return wrong("not a number of milliseconds: ", value, exit_code);
            break;
        case HELP:
            program_print_usage(stdout, usage);
            fputs(help, stdout);
            return 0;
        case VERSION: program_print_version(); return 0;
        case ARGUMENT_OPERAND:
            if (command == NULL)
                command = value;
            else if (extra == NULL)
                extra = value;
            break;
        case ARGUMENT_VALUE_MISSING: return wrong("a value is missing after ", value, exit_code);
        default: return wrong("wrong option: ", value, exit_code);
        }
    }
    if (command == NULL)
        return wrong("no command was given", "", exit_code);
    if (!parse_command(command, &options->command))
        return wrong("no such command: ", command, exit_code);
    if (extra != NULL)
        return wrong("too many arguments: ", extra, exit_code);
    if (options->command == STOP && options->json)
        return wrong("--json is for status and stats", "", exit_code);
    if (options->command != STOP && (options->force || has_timeout))
        return wrong("--force and --timeout are for stop", "", exit_code);
    return 1;
}
