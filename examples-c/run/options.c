#include "options.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/level.h"
#include "common/report.h"

static const char usage[] = "[options] FILE [ARGS...]\n";

static const char help[] =
    "\n"
    "Compiles LLVM IR, or finds the code in the cache, and calls its main with ARGS.\n"
    "Exits with main's status. FILE is IR text, bitcode, an object file or a static archive;\n"
    "- is stdin.\n"
    "\n"
    "  --call 'NAME(ARGS)'  call this function instead of main, and print its result (repeatable);\n"
    "                       arguments: 1, -2, 0xff, 3.5, true, false, \"text\", null\n"
    "  --with FILE          compile it together with FILE, optimised as one (repeatable)\n"
    "  --keep SYMBOL        make all other symbols internal, except main if it is called (repeatable)\n"
    "  --add FILE           a further module that the program needs (repeatable)\n"
    "  --lib PATH           a shared library that the program needs (repeatable)\n"
    "  --cpu NAME           what to compile for: native (default), or a level such as x86-64-v3 or armv8.2-a\n"
    "  --debug              announce the code to debuggers that attach later; see also $MGENJIT_DEBUG\n"
    "  --tiers FIRST,THEN   run code of the level FIRST, as in O0,O2, unless the cache has some of THEN, which is compiled\n"
    "                       in the background; default: $MGENJIT_TIERS\n"
    "  --list               list the functions with their signatures, and run nothing\n"
    "  --profile-generate FILE\n"
    "                       count what the program does, and add that to FILE when it ends; for --profile-use\n"
    "  --isolated           run the program in a process of its own, which can open no file and no socket, start no\n"
    "                       process and signal no other; behind it, these say what it may do:\n"
    "  --time TIME, --cpu TIME\n"
    "                       how long it may run, and how much processor time it may use: 5s, 500ms, 2m\n"
    "  --memory SIZE        how much memory it may have: 64M, 1G\n"
    "  --processes COUNT    how many processes and threads it may be, each with its share of the memory; default: 1 process\n"
    "  --output SIZE        how much it may write; its output is then shown when it has ended\n"
    "  --read PATH, --write PATH\n"
    "                       let it read, or also write, this file or folder (repeatable)\n"
    "  --env NAME=VALUE     a variable of its environment, which is empty (repeatable)\n"
    "  --network            let it use the network\n";

static const char more_help[] =
    SETUP_HELP
    "  -h, --help, --version\n"
    "\n"
    "On a terminal, --verbose also shows the progress of a long compile.\n"
    "\n"
    "Exit status, other than the program's own (sysexits.h):\n"
    "  64 wrong usage             70 a crash of the compile server or a defect of the library\n"
    "  65 a file's content is bad 71 the code could not be mapped\n"
    "  66 no such file            74 stdout could not be written\n"
    "  69 no compile server, a library is missing, or this machine lacks what --cpu needs\n"
    "With --isolated: 124 its time was up, 128 + N signal N ended it.\n";

enum {
    ADD = 256, CALL, CPU, CPU_TIME, DEBUG, ENVIRONMENT, HELP, ISOLATED, KEEP, LIB, LIST, MEMORY, NETWORK, OUTPUT, PROCESSES, PROFILE, READ, TIERS,
    TIME, VERSION, WITH, WRITE
};

#define OPTIONS \
    {"add", VALUE, ADD}, \
    {"call", VALUE, CALL}, \
    {"debug", NO_VALUE, DEBUG}, \
    {"help", NO_VALUE, HELP}, \
    {"h", NO_VALUE, HELP}, \
    {"isolated", NO_VALUE, ISOLATED}, \
    {"keep", VALUE, KEEP}, \
    {"lib", VALUE, LIB}, \
    {"list", NO_VALUE, LIST}, \
    {"profile-generate", VALUE, PROFILE}, \
    {"tiers", VALUE, TIERS}, \
    {"version", NO_VALUE, VERSION}, \
    {"with", VALUE, WITH}, \
    SETUP_OPTIONS, \
    {NULL, NO_VALUE, 0}

static const struct argument_row rows[] = {
    {"cpu", VALUE, CPU},
    OPTIONS,
};

/* Those behind --isolated. The first of a name counts. */
static const struct argument_row isolated_rows[] = {
    {"cpu", VALUE, CPU_TIME},
    {"env", VALUE, ENVIRONMENT},
    {"memory", VALUE, MEMORY},
    {"network", NO_VALUE, NETWORK},
    {"output", VALUE, OUTPUT},
    {"processes", VALUE, PROCESSES},
    {"read", VALUE, READ},
    {"time", VALUE, TIME},
    {"write", VALUE, WRITE},
    OPTIONS,
};

static int wrong(const char *message, const char *what, int *exit_code)
{
    *exit_code = report_wrong_usage(usage, message, what);
    return 0;
}

/* Returns 0 if it is none of tiers. */
static int set_tiers(mgenjit_config *config, const char *text)
{
    char first_text[4];
    const char *comma = strchr(text, ',');
    int32_t first, then;
    if (comma == NULL || (size_t)(comma - text) >= sizeof first_text)
        return 0;
    memcpy(first_text, text, (size_t)(comma - text));
    first_text[comma - text] = '\0';
    return level_parse(first_text, &first) && level_parse(comma + 1, &then)
           && mgenjit_config_set_tiers(config, first, then, NULL) == MGENJIT_STATUS_OK;
}

/* Takes an option that says what a program in a process of its own may do. Returns 1 to go on. */
static int take_isolated(struct isolated *isolated, int option, const char *value, int *exit_code)
{
    mgenjit_isolation *isolation = isolated->isolation;
    mgenjit_error *error = NULL;
    mgenjit_status status = MGENJIT_STATUS_OK;
    uint64_t number = 0;
    if ((option == TIME || option == CPU_TIME) && !isolated_duration(value, &number))
        return wrong("not a time, such as 5s or 500ms: ", value, exit_code);
    if ((option == MEMORY || option == OUTPUT) && !isolated_size(value, &number))
        return wrong("not a size, such as 64M or 1G: ", value, exit_code);
    if (option == PROCESSES && !isolated_count(value, &number))
        return wrong("not a number of processes, such as 8: ", value, exit_code);
    switch (option) {
    case TIME: status = mgenjit_isolation_set_timeout(isolation, number, &error); break;
    case CPU_TIME: status = mgenjit_isolation_set_cpu_time(isolation, number, &error); break;
    case MEMORY: status = mgenjit_isolation_set_memory(isolation, number, &error); break;
    case OUTPUT: isolated->output = number; break;
    case PROCESSES: status = mgenjit_isolation_set_processes(isolation, number, &error); break;
    case READ: status = mgenjit_isolation_allow_path(isolation, value, MGENJIT_ACCESS_READ, &error); break;
    case WRITE: status = mgenjit_isolation_allow_path(isolation, value, MGENJIT_ACCESS_WRITE, &error); break;
    case NETWORK: status = mgenjit_isolation_allow_network(isolation, true, &error); break;
    case ENVIRONMENT:
        if (strchr(value, '=') == NULL)
            return wrong("not of the form NAME=VALUE: ", value, exit_code);
        list_push(&isolated->variables, value);
    }
    if (status == MGENJIT_STATUS_OK)
        return 1;
    *exit_code = report_error(NULL, error);
    return 0;
}

/* Takes an option. Returns 1 to go on. */
static int take(struct options *options, int option, const char *value, int *exit_code)
{
    mgenjit_error *error = NULL;
    *exit_code = EX_OK;
    if (setup_take(&options->setup, option, value, usage, exit_code))
        return *exit_code == EX_OK;
    switch (option) {
    case ADD: list_push(&options->additions, value); return 1;
    case CALL: list_push(&options->calls, value); return 1;
    case CPU:
        if (mgenjit_config_set_cpu(options->setup.config, value, &error) == MGENJIT_STATUS_OK)
            return 1;
        *exit_code = report_error(NULL, error);
        return 0;
    case DEBUG: mgenjit_config_set_debug(options->setup.config, true, NULL); return 1;
    case ISOLATED: options->is_isolated = 1; return 1;
    case CPU_TIME:
        /* A name of a CPU begins with a letter. */
        if (!isdigit((unsigned char)value[0]))
            return take(options, CPU, value, exit_code);
        return take_isolated(&options->isolated, option, value, exit_code);
    case ENVIRONMENT:
    case MEMORY:
    case NETWORK:
    case OUTPUT:
    case PROCESSES:
    case READ:
    case TIME:
    case WRITE: return take_isolated(&options->isolated, option, value, exit_code);
    case KEEP: list_push(&options->keep, value); return 1;
    case LIB: list_push(&options->libraries, value); return 1;
    case LIST: options->list = 1; return 1;
    case PROFILE: options->profile = value; return 1;
    case TIERS:
        if (set_tiers(options->setup.config, value))
            return 1;
        return wrong("not two optimisation levels, as in O0,O2: ", value, exit_code);
    case WITH: list_push(&options->files, value); return 1;
    case HELP:
        program_print_usage(stdout, usage);
        fputs(help, stdout);
        fputs(more_help, stdout);
        return 0;
    case VERSION: program_print_version(); return 0;
    case ARGUMENT_VALUE_MISSING: return wrong("a value is missing after ", value, exit_code);
    default: return wrong("wrong option: ", value, exit_code);
    }
}

int run_options_parse(struct options *options, int argc, char **argv, int *exit_code)
{
    struct arguments arguments = arguments_new(argc, argv);
    const char *value;
    int option;
    memset(options, 0, sizeof *options);
    mgenjit_error *error = NULL;
    if (mgenjit_config_new(&options->setup.config, &error) != MGENJIT_STATUS_OK) {
        *exit_code = report_error(NULL, error);
        return 0;
    }
    if (!isolated_new(&options->isolated, argc, &error)) {
        *exit_code = report_error(NULL, error);
        return 0;
    }
    if (!list_new(&options->files, argc) || !list_new(&options->keep, argc) || !list_new(&options->additions, argc)
        || !list_new(&options->libraries, argc) || !list_new(&options->calls, argc)) {
        *exit_code = EX_OSERR;
        return 0;
    }

    /* The file, which comes last. */
    list_push(&options->files, NULL);
    /* What follows FILE is the program's, "-x" too. */
    const struct argument_row *known = rows;
    while ((option = arguments_next(&arguments, known, &value)) != ARGUMENT_OPERAND) {
        if (option == ISOLATED)
            known = isolated_rows;
        if (option == ARGUMENT_END)
            return wrong("no file was given", "", exit_code);
        if (!take(options, option, value, exit_code))
            return 0;
    }

    /* The last word, whatever came behind it. */
    if (options->profile != NULL)
        mgenjit_config_set_profile_generate(options->setup.config, true, NULL);

    int place = arguments.next - 1;
    options->files.items[0] = value;
    options->arguments = (const char *const *)argv + place;
    options->argument_count = argc - place;
    int calls_main = options->calls.count == 0 && !options->list;
    if (options->argument_count > 1 && !calls_main)
        return wrong("arguments are for main, which is not called here: ", options->arguments[1], exit_code);
    if (options->is_isolated && !calls_main)
        return wrong("--isolated runs main, and neither --call nor --list", "", exit_code);
    if (options->is_isolated && options->profile != NULL)
        return wrong("--profile-generate counts what runs in this process, without --isolated", "", exit_code);
    if (options->keep.count > 0 && calls_main)
        list_push(&options->keep, "main");
    return 1;
}

void run_options_free(struct options *options)
{
    mgenjit_config_free(options->setup.config);
    isolated_free(&options->isolated);
    list_free(&options->files);
    list_free(&options->keep);
    list_free(&options->additions);
    list_free(&options->libraries);
    list_free(&options->calls);
}
