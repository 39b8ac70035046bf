#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "mgenjit.h"

static const char usage[] = "usage: run [options] FILE.ll|FILE.bc [ARGS...]\n";

static const char help[] =
    "\n"
    "Compiles LLVM IR, or finds the code in the cache, and calls its main with ARGS.\n"
    "Ends with main's exit status.\n"
    "\n"
    "  --call 'NAME(ARGS)'  call this function instead of main, and print its result (repeatable);\n"
    "                       arguments: 1, -2, 0xff, 3.5, true, false, \"text\", null\n"
    "  -O0 -O1 -O2 -O3 -Os -Oz, --opt LEVEL\n"
    "                       how far to optimise; default: 2\n"
    "  --cpu NAME           what to compile for: native (default), x86-64, x86-64-v2, -v3, -v4\n"
    "  --add FILE           a further module that the program needs (repeatable)\n"
    "  --lib PATH           a shared library that the program needs (repeatable)\n"
    "  --cache-dir DIR      where compiled code is kept; default: $MGENJIT_CACHE_DIR,\n"
    "                       else $XDG_CACHE_HOME/mgenjit, else ~/.cache/mgenjit\n"
    "  --no-cache           neither look in the cache nor store in it\n"
    "  --list               list the functions with their signatures, and run nothing\n"
    "  --time               tell on stderr what each step took, and whether the cache had the code\n"
    "  --verbose            tell on stderr what happens, as it happens\n"
    "  --help, --version\n"
    "\n"
    "Exit status, other than the program's own (sysexits.h):\n"
    "  64 wrong usage             70 a crash of the compile server or a defect of the library\n"
    "  65 the IR is bad           71 the code could not be mapped\n"
    "  66 no such file            74 stdout could not be written\n"
    "  69 no compile server, a library is missing, or this machine is not up to --cpu\n";

enum { ADD = 256, CACHE_DIR, CALL, CPU, HELP, LIB, LIST, NO_CACHE, TIME, VERBOSE, VERSION };

static const struct option long_options[] = {
    {"add", required_argument, NULL, ADD},
    {"cache-dir", required_argument, NULL, CACHE_DIR},
    {"call", required_argument, NULL, CALL},
    {"cpu", required_argument, NULL, CPU},
    {"help", no_argument, NULL, HELP},
    {"lib", required_argument, NULL, LIB},
    {"list", no_argument, NULL, LIST},
    {"no-cache", no_argument, NULL, NO_CACHE},
    {"opt", required_argument, NULL, 'O'},
    {"time", no_argument, NULL, TIME},
    {"verbose", no_argument, NULL, VERBOSE},
    {"version", no_argument, NULL, VERSION},
    {NULL, 0, NULL, 0},
};

static int wrong(const char *message, const char *what, int *exit_code)
{
    fprintf(stderr, "run: %s%s\n%sTry run --help.\n", message, what, usage);
    *exit_code = EX_USAGE;
    return 0;
}

static int parse_opt_level(const char *text, int32_t *level)
{
    static const char names[] = "0123sz";
    static const int32_t levels[] = {MGENJIT_OPT_O0, MGENJIT_OPT_O1, MGENJIT_OPT_O2,
                                     MGENJIT_OPT_O3, MGENJIT_OPT_OS, MGENJIT_OPT_OZ};
    if (text[0] == 'O')
        text++;
    const char *found = text[0] != '\0' && text[1] == '\0' ? strchr(names, text[0]) : NULL;
    if (found == NULL)
        return 0;
    *level = levels[found - names];
    return 1;
}

/* A list never holds more than argv does. */
static int list_new(struct list *list, int capacity)
{
    list->count = 0;
    list->items = malloc(sizeof *list->items * (size_t)capacity);
    return list->items != NULL;
}

static void list_push(struct list *list, char *item)
{
    list->items[list->count++] = item;
}

int options_parse(struct options *options, int argc, char **argv, int *exit_code)
{
    memset(options, 0, sizeof *options);
    options->opt_level = MGENJIT_OPT_O2;
    if (!list_new(&options->additions, argc) || !list_new(&options->libraries, argc)
        || !list_new(&options->calls, argc)) {
        *exit_code = EX_OSERR;
        return 0;
    }

    opterr = 0;
    int option;
    /* "+": what follows FILE is the program's, "-x" too. ":": tell a missing value from a wrong option. */
    while ((option = getopt_long(argc, argv, "+:O:", long_options, NULL)) != -1) {
        switch (option) {
        case 'O':
            if (!parse_opt_level(optarg, &options->opt_level))
                return wrong("not an optimisation level (0, 1, 2, 3, s, z): ", optarg, exit_code);
            break;
        case ADD: list_push(&options->additions, optarg); break;
        case CACHE_DIR: options->cache_dir = optarg; break;
        case CALL: list_push(&options->calls, optarg); break;
        case CPU: options->cpu = optarg; break;
        case LIB: list_push(&options->libraries, optarg); break;
        case LIST: options->list = 1; break;
        case NO_CACHE: options->no_cache = 1; break;
        case TIME: options->time = 1; break;
        case VERBOSE: options->verbose = 1; break;
        case HELP:
            printf("%s%s", usage, help);
            *exit_code = EX_OK;
            return 0;
        case VERSION:
            printf("run, with libmgenjit %s and LLVM %s\n", mgenjit_version_string(), mgenjit_llvm_version());
            *exit_code = EX_OK;
            return 0;
        case ':': return wrong("a value is missing after ", argv[optind - 1], exit_code);
        default: return wrong("wrong option: ", argv[optind - 1], exit_code);
        }
    }

    if (optind == argc)
        return wrong("no file was given", "", exit_code);
    options->file = argv[optind];
    options->arguments = argv + optind;
    options->argument_count = argc - optind;
    if (options->argument_count > 1 && (options->calls.count > 0 || options->list))
        return wrong("arguments are for main, which is not called here: ", argv[optind + 1], exit_code);
    return 1;
}

void options_free(struct options *options)
{
    free(options->additions.items);
    free(options->libraries.items);
    free(options->calls.items);
}
