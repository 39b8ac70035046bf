#include "options.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/report.h"

static const char usage[] = "[options] [FILE...]\n";

static const char help[] =
    "\n"
    "Reads LLVM IR line by line: compiles definitions as they come, and computes everything else and\n"
    "prints its value. A function that is defined again is replaced for all that call it. :help tells\n"
    "what can be typed. Each FILE is loaded before, as by :load; a shared library, too.\n"
    "\n"
    "  --cpu NAME           what to compile for: native (default), or a level such as x86-64-v3 or armv8.2-a\n"
    "  --debug              announce the code to debuggers that attach later; see also $MGENJIT_DEBUG\n"
    SETUP_HELP
    "  -h, --help, --version\n"
    "\n"
    "On a terminal, lines are edited if libedit is installed, with a history in\n"
    "$XDG_STATE_HOME/mgenjit/repl-history, else in ~/.local/state. If stdin is no terminal, there are no\n"
    "prompts, and errors begin with <stdin>:LINE:COLUMN.\n"
    "\n"
    "Exit status: 0, or what code gave to exit, or (sysexits.h)\n"
    "  64 wrong usage             69 this machine lacks what --cpu needs\n"
    "  65 something failed that was not typed at a terminal, or a FILE could not be loaded\n"
    "  70 a fault ended the session\n";

enum { CPU = 256, DEBUG, HELP, VERSION };

static const struct argument_row rows[] = {
    {"cpu", VALUE, CPU},
    {"debug", NO_VALUE, DEBUG},
    {"help", NO_VALUE, HELP},
    {"h", NO_VALUE, HELP},
    {"version", NO_VALUE, VERSION},
    SETUP_OPTIONS,
    {NULL, NO_VALUE, 0},
};

static int wrong(const char *message, const char *what, int *exit_code)
{
    *exit_code = report_wrong_usage(usage, message, what);
    return 0;
}

/* Takes an option. Returns 1 to go on. */
static int take(struct repl_options *options, int option, const char *value, int *exit_code)
{
    mgenjit_error *error = NULL;
    *exit_code = EX_OK;
    if (setup_take(&options->setup, option, value, usage, exit_code))
        return *exit_code == EX_OK;
    switch (option) {
    case CPU:
        if (mgenjit_config_set_cpu(options->setup.config, value, &error) == MGENJIT_STATUS_OK)
            return 1;
        *exit_code = report_error(NULL, error);
        return 0;
    case DEBUG: mgenjit_config_set_debug(options->setup.config, true, NULL); return 1;
    case ARGUMENT_OPERAND: list_push(&options->files, value); return 1;
    case HELP:
        program_print_usage(stdout, usage);
        fputs(help, stdout);
        return 0;
    case VERSION: program_print_version(); return 0;
    case ARGUMENT_VALUE_MISSING: return wrong("a value is missing after ", value, exit_code);
    default: return wrong("wrong option: ", value, exit_code);
    }
}

int repl_options_parse(struct repl_options *options, int argc, char **argv, int *exit_code)
{
    struct arguments arguments = arguments_new(argc, argv);
    const char *value = NULL;
    int option;
    mgenjit_error *error = NULL;
    memset(options, 0, sizeof *options);
    if (mgenjit_config_new(&options->setup.config, &error) != MGENJIT_STATUS_OK) {
        *exit_code = report_error(NULL, error);
        return 0;
    }
    if (!list_new(&options->files, argc)) {
        *exit_code = EX_OSERR;
        return 0;
    }
    while ((option = arguments_next(&arguments, rows, &value)) != ARGUMENT_END)
        if (!take(options, option, value, exit_code))
            return 0;
    return 1;
}

void repl_options_free(struct repl_options *options)
{
    mgenjit_config_free(options->setup.config);
    list_free(&options->files);
}
