#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/events.h"
#include "common/line.h"
#include "common/report.h"

static const char usage[] = "-o OUT [options] FILES...\n";

static const char help[] =
    "\n"
    "Compiles FILES ahead of time, or finds their code in the cache, and writes it to OUT. FILES are IR text,\n"
    "bitcode, object files and static archives; - is stdin. They are compiled together and optimised as one.\n"
    "\n"
    "  -o, --output OUT     the file to write; it appears only when it is complete; - is stdout, for text\n"
    "  --kind KIND          what to write: exe, lib, archive, object, asm, bitcode, ir, header;\n"
    "                       default: by the end of OUT, .so (or .so.1) .a .o .s .bc .ll .h; else exe\n"
    "  --separate           each of FILES is a module of its own, not optimised together\n"
    "  --keep SYMBOL        make all other symbols internal, except main for an exe (repeatable)\n"
    "  --target TRIPLE      what to compile for, such as aarch64-linux-gnu; default: this machine\n"
    "  --cpu NAME           of this machine: native (default), or a level such as x86-64-v3 or armv8.2-a;\n"
    "                       of a --target: LLVM's name, such as cortex-a72\n"
    "  --features LIST      of a --target, such as +sve,-crc\n"
    "  --static             link an exe statically\n"
    "  --soname NAME        of a lib\n"
    "  -l NAME              link an exe or lib with a library; a path if it has a slash (repeatable)\n"
    "  --link-flag FLAG     for the linker of an exe or lib, as it is: --link-flag=-g (repeatable)\n"
    "  --linker PROGRAM     the C compiler driver that links: such as clang-22, aarch64-linux-gnu-gcc, or wasm-ld;\n"
    "                       default: $MGENJIT_CC, else cc\n"
    "  --linker-timeout SECONDS\n"
    "                       stop a linker that takes longer; 0: never; default: 300\n"
    SETUP_HELP
    "  -h, --help, --version\n"
    "\n"
    "On a terminal, a line on stderr shows the progress of a long compile.\n"
    "\n"
    "Exit status (sysexits.h):\n"
    "  0  OUT was written         70 a crash of the compile server or a defect of the library\n"
    "  64 wrong usage             73 OUT could not be written\n"
    "  65 a file's content is bad, or cannot be exported as KIND\n"
    "  66 no such file            74 stdout could not be written\n"
    "  69 no compile server, or the linker is missing or failed\n";

enum { CPU = 256, FEATURES, HELP, KEEP, KIND, LINKER, LINKER_TIMEOUT, LINK_FLAG, SEPARATE, SONAME, STATIC, TARGET,
       VERSION };

static const struct argument_row rows[] = {
    {"cpu", VALUE, CPU},
    {"features", VALUE, FEATURES},
    {"help", NO_VALUE, HELP},
    {"h", NO_VALUE, HELP},
    {"keep", VALUE, KEEP},
    {"kind", VALUE, KIND},
    {"linker", VALUE, LINKER},
    {"linker-timeout", VALUE, LINKER_TIMEOUT},
    {"link-flag", VALUE, LINK_FLAG},
    {"output", VALUE, 'o'},
    {"separate", NO_VALUE, SEPARATE},
    {"soname", VALUE, SONAME},
    {"static", NO_VALUE, STATIC},
    {"target", VALUE, TARGET},
    {"version", NO_VALUE, VERSION},
    {"l", VALUE, 'l'},
    {"o", VALUE, 'o'},
    SETUP_OPTIONS,
    {NULL, NO_VALUE, 0},
};

/* Options that depend on others. They are checked when all have been read. */
struct pending {
    const char *target;
    const char *cpu;
    const char *features;
    /* Whether there are options that only some kinds have. */
    int has_soname;
    int is_static;
    int has_link_arguments;
};

static int wrong(const char *message, const char *what, int *exit_code)
{
    *exit_code = report_wrong_usage(usage, message, what);
    return 0;
}

/* Returns 1 if there is no error. */
static int check(mgenjit_error *error, int *exit_code)
{
    if (error != NULL)
        *exit_code = report_error(NULL, error);
    return error == NULL;
}

/* Takes an option. Returns 1 to go on. */
static int take(struct options *options, struct pending *pending, int option, const char *value, int *exit_code)
{
    mgenjit_config *config = options->setup.config;
    mgenjit_error *error = NULL;
    uint64_t milliseconds;

    *exit_code = EX_OK;
    if (setup_take(&options->setup, option, value, usage, exit_code))
        return *exit_code == EX_OK;
    switch (option) {
    case 'o': options->output = value; break;
    case 'l':
        pending->has_link_arguments = 1;
        mgenjit_export_options_add_library(options->export, value, &error);
        break;
    case LINK_FLAG:
        pending->has_link_arguments = 1;
        mgenjit_export_options_add_flag(options->export, value, &error);
        break;
    case CPU: pending->cpu = value; break;
    case FEATURES: pending->features = value; break;
    case KEEP: list_push(&options->keep, value); break;
    case KIND:
        options->kind = kind_named(value);
        if (options->kind == NULL)
            return wrong("not a kind (exe, lib, archive, object, asm, bitcode, ir, header): ", value, exit_code);
        break;
    case LINKER: mgenjit_config_set_linker(config, value, &error); break;
    case LINKER_TIMEOUT:
        if (!setup_seconds(value, &milliseconds))
            return wrong("not a number of seconds: ", value, exit_code);
        mgenjit_config_set_linker_timeout(config, milliseconds, &error);
        break;
    case SEPARATE: options->separate = 1; break;
    case SONAME:
        pending->has_soname = 1;
        mgenjit_export_options_set_soname(options->export, value, &error);
        break;
    case STATIC:
        pending->is_static = 1;
        mgenjit_export_options_set_static(options->export, true, &error);
        break;
    case TARGET: pending->target = value; break;
    case HELP:
        program_print_usage(stdout, usage);
        fputs(help, stdout);
        return 0;
    case VERSION: program_print_version(); return 0;
    case ARGUMENT_OPERAND: list_push(&options->files, value); break;
    case ARGUMENT_VALUE_MISSING: return wrong("a value is missing after ", value, exit_code);
    default: return wrong("wrong option: ", value, exit_code);
    }
    return check(error, exit_code);
}

/* Checks the options together. Returns 1 to go on. */
static int settle(struct options *options, const struct pending *pending, int *exit_code)
{
    mgenjit_config *config = options->setup.config;
    mgenjit_error *error = NULL;

    if (options->output == NULL)
        return wrong("-o OUT is missing", "", exit_code);
    if (options->output[0] == '\0')
        return wrong("-o OUT has no name", "", exit_code);
    if (options->files.count == 0)
        return wrong("no file was given", "", exit_code);
    int is_stdout = strcmp(options->output, "-") == 0;
    if (is_stdout && options->kind == NULL)
        return wrong("-o - needs a --kind", "", exit_code);
    if (options->kind == NULL)
        options->kind = kind_of_file(options->output);
    if (is_stdout && !options->kind->is_text)
        return wrong("-o - is for text (asm, ir, header), not for --kind ", options->kind->name, exit_code);

    int is_exe = options->kind->number == MGENJIT_EXPORT_EXECUTABLE;
    int is_lib = options->kind->number == MGENJIT_EXPORT_SHARED_LIBRARY;
    if (pending->has_soname && !is_lib)
        return wrong("--soname is for --kind lib, not ", options->kind->name, exit_code);
    if (pending->is_static && !is_exe)
        return wrong("--static is for --kind exe, not ", options->kind->name, exit_code);
    if (pending->has_link_arguments && !is_lib && !is_exe)
        return wrong("-l and --link-flag are for --kind exe and lib, not ", options->kind->name, exit_code);
    if (options->separate && options->keep.count > 0)
        return wrong("--keep is for files that are compiled together, not with --separate", "", exit_code);
    if (pending->features != NULL && pending->target == NULL)
        return wrong("--features needs a --target", "", exit_code);

    if (options->keep.count > 0 && is_exe)
        list_push(&options->keep, "main");
    if (pending->target != NULL)
        mgenjit_config_set_target(config, pending->target, pending->cpu, pending->features, &error);
    else
        mgenjit_config_set_cpu(config, pending->cpu, &error);
    return check(error, exit_code);
}

int build_options_parse(struct options *options, int argc, char **argv, int *exit_code)
{
    struct arguments arguments = arguments_new(argc, argv);
    struct pending pending;
    const char *value;
    int option;

    memset(&pending, 0, sizeof pending);
    memset(options, 0, sizeof *options);
    mgenjit_error *error = NULL;
    /* The level is said, so that $MGENJIT_TIERS does not count: what is built is the best code, not the soonest. */
    if (mgenjit_config_new(&options->setup.config, &error) == MGENJIT_STATUS_OK
        && mgenjit_config_set_opt_level(options->setup.config, MGENJIT_OPT_O2, &error) == MGENJIT_STATUS_OK)
        mgenjit_export_options_new(&options->export, &error);
    if (!check(error, exit_code))
        return 0;
    if (!list_new(&options->files, argc) || !list_new(&options->keep, argc)) {
        *exit_code = EX_OSERR;
        return 0;
    }

    /* --verbose has another hook, which shows progress as well. */
    if (line_is_possible()) {
        mgenjit_config_set_event_hook(options->setup.config, events_show_progress, NULL, NULL, &error);
        if (!check(error, exit_code))
            return 0;
    }
    while ((option = arguments_next(&arguments, rows, &value)) != ARGUMENT_END)
        if (!take(options, &pending, option, value, exit_code))
            return 0;
    return settle(options, &pending, exit_code);
}

void build_options_free(struct options *options)
{
    mgenjit_config_free(options->setup.config);
    mgenjit_export_options_free(options->export);
    list_free(&options->files);
    list_free(&options->keep);
}
