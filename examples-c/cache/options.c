#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "common/arguments.h"
#include "common/level.h"
#include "common/program.h"
#include "common/setup.h"
#include "common/units.h"
#include "report.h"

static const struct command commands[] = {
    {"stats", "", 0, 0, "what the cache holds, and what it has done", "", command_stats},
    {"list", "", 0, 0, "its entries, in the order of their keys",
     "Pieces of modules are left out, but for --pieces. The name of a piece begins with its module's.\n", command_list},
    {"show", "KEY", 1, 1, "everything known about an entry, and its functions",
     "With --ir, --object, --image, --profile or --disassemble, that instead. The options of an entry say whether its code\n"
     "counts (profile=generate) or was optimised by a profile (profile=use).\n", command_show},
    {"verify", "[KEY...]", 0, MANY, "check entries, all if none is named",
     "Prints those that are damaged, and with --recompile those that now become different code. Pieces are compiled again\n"
     "with the modules that were made of them.\n",
     command_verify},
    {"trim", "", 0, 0, "remove what is over the limits",
     "Entries go first that saved little compile time for their size, and were not used for long.\n"
     "A limit that is not given is the default: 5G, and no limit of number and age.\n",
     command_trim},
    {"clear", "", 0, 0, "remove all entries but the pinned ones", "It asks first.\n", command_clear},
    {"remove", "KEY...", 1, MANY, "remove entries, pinned ones too",
     "Code that is already loaded from them keeps running. If a KEY is wrong, none is removed. The pieces of a module stay:\n"
     "other versions of it use them. Remove them by their own keys: list --pieces --keys --name 'NAME*'.\n",
     command_remove},
    {"pin", "KEY...", 1, MANY, "never evict these entries",
     "A module needs no pieces to be found: they are not pinned with it.\n", command_pin},
    {"unpin", "KEY...", 1, MANY, "let them be evicted again", "", command_unpin},
    {"explain", "FILE...", 1, MANY, "why a module would, or would not, be found in the cache",
     "Name FILE as the program that compiles it does: its path is the module's name. - is stdin. Several FILEs are the\n"
     "inputs of one module, in this order.\n"
     "Nothing is compiled. So IR that differs from an entry's only in what does not matter is not found here, although a\n"
     "compile would find it.\n",
     command_explain},
    {"export", "-o BUNDLE KEY...|--name GLOB|--all", 0, MANY, "write entries to one file",
     "Pieces of modules are only of use where modules are compiled. They are left out, but for --pieces.\n", command_export},
    {"import", "BUNDLE...", 1, MANY, "store the entries of such files",
     "Entries that are there already stay as they are.\n", command_import},
    {"remote", "status|push KEY...|pull KEY...|gc", 1, MANY, "what remotes have: the stores that machines share",
     "Compiles fetch from remotes, and put there, by themselves. This is for scripts, and to look what is wrong.\n"
     "  status  whether each answers\n"
     "  push    put entries there; with --name GLOB or --all, those\n"
     "  pull    fetch entries, by their whole keys\n"
     "  gc      remove what was put there too long ago (--max-age), and what was put first until the rest fits (--max-size);\n"
     "          for stores that have no such limits of their own\n"
     "Remotes are those of --remote or $MGENJIT_REMOTE. push and gc need one with |write or |read-write, which is assumed of\n"
     "--remote.\n",
     command_remote},
    {"rebuild", "", 0, 0, "rebuild the index from the entries", "", command_rebuild},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const char usage[] = "[--cache-dir DIR] COMMAND [options] [ARGS...]\n";

static const char help[] =
    "\n"
    "KEY is a key, 64 hexadecimal digits, or a unique prefix of one. It may be an alias: another key that leads to the\n"
    "entry, because its IR differs only in what does not matter.\n"
    "SIZE is in bytes, or as 500K, 1.5G (of 1024) or 500kB, 2GB (of 1000). DURATION is as 90s, 15min, 12h, 30d, 2w.\n"
    "--json prints a JSON object for each item, one a line, with exact numbers: bytes, and microseconds (since 1970).\n"
    "Bytes of a name that are not UTF-8 become U+FFFD.\n"
    "Colours and progress are shown on terminals only; $NO_COLOR turns colours off.\n"
    "\n"
    "Exit status (from 64 on as in sysexits.h):\n"
    "  0   done; verify: all is well; explain: it is there\n"
    "  1   verify: an entry is damaged, untrusted or different; explain: it is not there;\n"
    "      remote status: one does not answer;\n"
    "      stats: the history is unknown, because there is no index;\n"
    "      clear: you said no\n"
    "  64  wrong usage, or a KEY that is not unique\n"
    "  65  a bundle or an entry is damaged or not trusted, or IR is bad\n"
    "  66  no such entry, file or cache\n"
    "  69  no objdump, or no compile server, or a remote fails, or this machine lacks what --cpu needs\n"
    "  70  a defect of the library\n"
    "  73  a file could not be written\n"
    "  74  stdout could not be written\n"
    "  78  the cache cannot be used: its directory is not safe, or another process holds it\n";

enum id {
    ALL = 256,
    CACHE_DIR,
    CPU,
    DEBUG_IR,
    DISASSEMBLE,
    FEATURES,
    HELP,
    IMAGE,
    IR,
    JSON,
    KEEP,
    KEYS,
    LAYER,
    LONG,
    MAX_AGE,
    MAX_ENTRIES,
    MAX_SIZE,
    MIN_SIZE,
    NAME,
    OBJECT,
    OPT,
    OUTPUT,
    PARTITION,
    PIECES,
    PINNED,
    PINNED_TOO,
    PROFILE,
    RECOMPILE,
    REMOTE,
    SIGN,
    SORT,
    TARGET,
    TRUST,
    UNPINNED,
    UNUSED_FOR,
    VERSION,
    YES
};

/* An option, and the commands that take it, between spaces; "" for all. */
static const struct row {
    enum id id;
    const char *letter;
    const char *name;
    const char *value;
    const char *commands;
    const char *help;
} rows[] = {
    {NAME, NULL, "name", "GLOB", " list export remote ", "only modules whose name matches: * ? and [...], as in 'lib*'"},
    {NAME, NULL, "name", "NAME", " explain ", "the module's name, if it is not FILE"},
    {PINNED, NULL, "pinned", NULL, " list ", "only pinned entries"},
    {UNPINNED, NULL, "unpinned", NULL, " list ", "only entries that are not pinned"},
    {UNUSED_FOR, NULL, "unused-for", "DURATION", " list ", "only entries that were not used for this long"},
    {MIN_SIZE, NULL, "min-size", "SIZE", " list ", "only entries of at least this size"},
    {PIECES, NULL, "pieces", NULL, " list ", "pieces of modules, too"},
    {PIECES, NULL, "pieces", NULL, " export remote ", "with --name or --all: pieces of modules, too"},
    {SORT, NULL, "sort", "WHAT", " list ", "size, used, hits, saved or created, the most first; or name"},
    {LONG, "l", "long", NULL, " list ", "more about each entry"},
    {KEYS, NULL, "keys", NULL, " list ", "print whole keys and nothing else, for scripts"},
    {DISASSEMBLE, "d", "disassemble", NULL, " show ", "the machine code, by objdump ($OBJDUMP)"},
    {IR, NULL, "ir", "[=FILE]", " show ", "the IR that was compiled, to FILE or stdout"},
    {OBJECT, NULL, "object", "FILE", " show ", "the object file, to FILE or (-) stdout"},
    {IMAGE, NULL, "image", "FILE", " show ", "the shared object, to FILE or (-) stdout"},
    {PROFILE, NULL, "profile", "[=FILE]", " show ",
     "what was counted, by function, by llvm-profdata ($LLVM_PROFDATA); or the profile itself, to FILE"},
    {RECOMPILE, NULL, "recompile", NULL, " verify ", "compile each again, and compare"},
    {MAX_SIZE, NULL, "max-size", "SIZE", " trim remote ", "of all entries together, or none"},
    {MAX_ENTRIES, NULL, "max-entries", "N", " trim ", "their number, or none"},
    {MAX_AGE, NULL, "max-age", "DURATION", " trim ", "since an entry was last used, or none"},
    {MAX_AGE, NULL, "max-age", "DURATION", " remote ", "since an entry was put there, or none"},
    {PINNED_TOO, NULL, "pinned-too", NULL, " clear ", "remove pinned entries as well"},
    {YES, "y", "yes", NULL, " clear ", "do not ask; needed where stdin is not a terminal"},
    {OPT, "O", "opt", "LEVEL", " explain ", "the optimisation level: 0, 1, 2, 3, s, z; default: 2"},
    {PARTITION, NULL, "pieces", "WHICH", " explain ", "compiled in pieces: auto, off, or of N instructions; default: $MGENJIT_PIECES, else auto"},
    {DEBUG_IR, NULL, "debug-ir", NULL, " explain ", "compiled with the IR as the source for debuggers"},
    {CPU, NULL, "cpu", "NAME", " explain ", "what it is compiled for: native (default), or a level such as x86-64-v3 or armv8.2-a"},
    {TARGET, NULL, "target", "TRIPLE", " explain ", "another target; --cpu is then LLVM's name"},
    {FEATURES, NULL, "features", "LIST", " explain ", "features of the target's CPU, such as +sve,-crc"},
    {KEEP, NULL, "keep", "SYMBOL", " explain ", "a symbol that stays visible, and no other (repeatable)"},
    {OUTPUT, "o", "output", "BUNDLE", " export ", "the file to write"},
    {ALL, NULL, "all", NULL, " export remote ", "all modules"},
    {SIGN, NULL, "sign", "KEYFILE", " export remote ", "sign them with this private key"},
    {LAYER, NULL, "layer", "DIR", " explain ", "a read-only cache below this one, or a bundle (repeatable)"},
    {TRUST, NULL, "trust", "KEYFILE", " verify explain import remote ", "a trusted key: what none of them signed is refused (repeatable)"},
    {REMOTE, NULL, "remote", "[=URL]", " explain ", "ask remotes, too: those of URL or $MGENJIT_REMOTE"},
    {REMOTE, NULL, "remote", "URL", " remote ", "the remotes, with spaces between them; default: $MGENJIT_REMOTE"},
    {JSON, NULL, "json", NULL, " stats list show verify trim clear remove pin unpin explain export import remote rebuild ",
     "print JSON, one object a line"},
    {CACHE_DIR, NULL, "cache-dir", "DIR", "", "default: $MGENJIT_CACHE_DIR, else $XDG_CACHE_HOME/mgenjit,\n"
                                           "                         else ~/.cache/mgenjit"},
    {HELP, "h", "help", NULL, "", "this; after a COMMAND, about it"},
    {VERSION, NULL, "version", NULL, "", ""},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static int has_option(const struct command *command, const struct row *row)
{
    char name[16];
    if (row->commands[0] == '\0')
        return 1;
    if (command == NULL)
        return 0;
    snprintf(name, sizeof name, " %s ", command->name);
    return strstr(row->commands, name) != NULL;
}

static void print_options(const struct command *command)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        char text[64], letter[8] = "";
        if (!has_option(command, row) || row->help[0] == '\0')
            continue;
        if (row->letter != NULL)
            snprintf(letter, sizeof letter, "-%s, ", row->letter);
        snprintf(text, sizeof text, "%s--%s%s%s", letter, row->name,
                 row->value == NULL || row->value[0] == '[' ? "" : " ", row->value == NULL ? "" : row->value);
        printf("  %-21s  %s\n", text, row->help);
    }
}

static void print_help(const struct command *command)
{
    if (command != NULL) {
        printf("usage: %s %s [options] %s\n\n%c%s.\n%s\n", program_name, command->name, command->arguments,
               command->summary[0] - 'a' + 'A', command->summary + 1, command->details);
        print_options(command);
        printf("\nMore in %s --help.\n", program_name);
        return;
    }
    program_print_usage(stdout, usage);
    printf("\nInspects and changes a cache of compiled LLVM IR.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].summary);
    printf("\n");
    print_options(NULL);
    printf("  --version\n");
    printf("%s", help);
}

int options_wrong(const struct options *options, const char *message, const char *what)
{
    const char *command = options->command == NULL ? "" : options->command->name;
    const char *space = options->command == NULL ? "" : " ";
    fprintf(stderr, "%s%s%s: %s%s\n", program_name, space, command, message, what);
    if (options->command == NULL)
        program_print_usage(stderr, usage);
    fprintf(stderr, "Try %s%s%s --help.\n", program_name, space, command);
    return EXIT_USAGE;
}

static int parse_sort(const char *text, enum sort *sort)
{
    static const char *const names[] = {"", "size", "used", "hits", "saved", "created", "name"};
    for (size_t i = 1; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0) {
            *sort = (enum sort)i;
            return 1;
        }
    return 0;
}

/*
 * A limit: "none" is 0, which the library takes for no limit. So "0" is refused: it would remove nothing, while its
 * user may mean everything.
 */
static int parse_limit(const char *text, int (*parse)(const char *, uint64_t *), uint64_t *limit)
{
    if (strcmp(text, "none") == 0) {
        *limit = 0;
        return 1;
    }
    return parse(text, limit) && *limit > 0;
}

/* Microseconds, rounded up to seconds. */
static int parse_seconds(const char *text, uint64_t *seconds)
{
    uint64_t duration;
    if (!parse_duration(text, &duration))
        return 0;
    *seconds = duration / 1000000 + (duration % 1000000 != 0);
    return 1;
}

/* Takes one option. Returns 0, or an exit code if its value is wrong. */
static int take(struct options *options, enum id id, const char *value)
{
    uint64_t now = clock_now(), duration;
    switch (id) {
    case ALL: options->all = 1; break;
    case CACHE_DIR: options->cache_dir = value; break;
    case CPU: options->cpu = value; break;
    case DEBUG_IR: options->debug_ir = 1; break;
    case DISASSEMBLE: options->disassemble = 1; break;
    case FEATURES: options->features = value; break;
    case IMAGE: options->image_file = value; break;
    case IR:
        options->ir = 1;
        options->ir_file = value != NULL ? value : "-";
        break;
    case JSON: options->json = 1; break;
    case KEEP: list_push(&options->kept, value); break;
    case KEYS: options->keys_only = 1; break;
    case LAYER: list_push(&options->layers, value); break;
    case LONG: options->is_long = 1; break;
    case MAX_AGE:
        if (!parse_limit(value, parse_seconds, &options->max_age))
            return options_wrong(options, "not a duration, such as 12h, 30d or none: ", value);
        break;
    case MAX_ENTRIES:
        if (!parse_limit(value, parse_count, &options->max_entries))
            return options_wrong(options, "not a number from 1 on, or none: ", value);
        break;
    case MAX_SIZE:
        if (!parse_limit(value, parse_size, &options->max_bytes))
            return options_wrong(options, "not a size, such as 500M, 2G or none: ", value);
        break;
    case MIN_SIZE:
        if (!parse_size(value, &options->min_bytes))
            return options_wrong(options, "not a size, such as 100K or 2M: ", value);
        break;
    case NAME: options->name = value; break;
    case OBJECT: options->object_file = value; break;
    case OPT:
        if (!level_parse(value, &options->opt_level))
            return options_wrong(options, "not an optimisation level (0, 1, 2, 3, s, z): ", value);
        break;
    case OUTPUT: options->output = value; break;
    case PARTITION:
        options->has_partition = 1;
        if (!setup_pieces(value, &options->partition))
            return options_wrong(options, SETUP_NOT_PIECES, value);
        break;
    case PIECES: options->pieces = 1; break;
    case PINNED: options->pinned = 1; break;
    case PINNED_TOO: options->pinned_too = 1; break;
    case PROFILE:
        options->counts = value == NULL;
        options->profile_file = value;
        break;
    case RECOMPILE: options->recompile = 1; break;
    case REMOTE:
        options->has_remote = 1;
        options->remote = value;
        break;
    case SIGN: options->sign = value; break;
    case SORT:
        if (!parse_sort(value, &options->sort))
            return options_wrong(options, "not an order (size, used, hits, saved, created, name): ", value);
        break;
    case TARGET: options->target = value; break;
    case TRUST: list_push(&options->trusted, value); break;
    case UNPINNED: options->pinned = 2; break;
    case UNUSED_FOR:
        if (!parse_duration(value, &duration))
            return options_wrong(options, "not a duration, such as 90s, 12h or 30d: ", value);
        options->unused_since = duration < now ? now - duration : 1;
        break;
    case YES: options->yes = 1; break;
    case HELP:
    case VERSION: break;
    }
    return 0;
}

/* The options of a command, or those before it. */
static void describe(const struct command *command, struct argument_row *known)
{
    size_t count = 0;
    for (size_t i = 0; i < ROWS; i++) {
        if (!has_option(command, &rows[i]))
            continue;
        const char *value = rows[i].value;
        enum argument_value kind = value == NULL ? NO_VALUE : value[0] == '[' ? OPTIONAL_VALUE : VALUE;
        known[count++] = (struct argument_row){rows[i].name, kind, rows[i].id};
        if (rows[i].letter != NULL)
            known[count++] = (struct argument_row){rows[i].letter, kind, rows[i].id};
    }
    known[count] = (struct argument_row){NULL, NO_VALUE, 0};
}

/* Reads the options before the command, whose name becomes `*name`, or the command's own. Returns 1 to go on. */
static int read_options(struct options *options, struct arguments *arguments, const char **name, int *exit_code)
{
    struct argument_row known[2 * ROWS + 1];
    const char *value;
    int option;
    describe(options->command, known);
    while ((option = arguments_next(arguments, known, &value)) != ARGUMENT_END) {
        *exit_code = EXIT_DONE;
        switch (option) {
        case ARGUMENT_OPERAND:
            if (options->command == NULL) {
                *name = value;
                return 1;
            }
            list_push(&options->arguments, value);
            continue;
        case ARGUMENT_WRONG: *exit_code = options_wrong(options, "wrong option: ", value); return 0;
        case ARGUMENT_VALUE_MISSING:
            *exit_code = options_wrong(options, "a value is missing after ", value);
            return 0;
        case HELP: print_help(options->command); return 0;
        case VERSION: program_print_version(); return 0;
        default: *exit_code = take(options, (enum id)option, value);
        }
        if (*exit_code != EXIT_DONE)
            return 0;
    }
    return 1;
}

/* Checks what the table of options cannot express. Returns an exit code. */
static int check(const struct options *options)
{
    const struct command *command = options->command;
    int count = options->arguments.count;
    int parts = (options->ir != 0) + (options->object_file != NULL) + (options->image_file != NULL)
        + (options->profile_file != NULL) + options->counts;
    if (count < command->least)
        return options_wrong(options, "missing: ", command->arguments);
    if (count > command->most)
        return options_wrong(options, "too many arguments: ", options->arguments.items[command->most]);
    if (options->keys_only && (options->json || options->is_long))
        return options_wrong(options, "--keys prints nothing but keys: it cannot go with --json or --long", "");
    if (options->disassemble && (parts > 0 || options->json))
        return options_wrong(options, "--disassemble cannot go with other options", "");
    if (options->counts && parts > 1)
        return options_wrong(options, "--profile cannot go with other options", "");
    if (options->json && parts > 0)
        return options_wrong(options, "--json describes the entry: it cannot go with --ir, --object, --image or --profile", "");
    if (options->features != NULL && options->target == NULL)
        return options_wrong(options, "--features needs --target", "");
    if (command->run == command_export) {
        int kinds = (count > 0) + (options->name != NULL) + options->all;
        if (options->output == NULL)
            return options_wrong(options, "-o BUNDLE is missing", "");
        if (kinds != 1)
            return options_wrong(options, "give either keys, --name GLOB or --all", "");
        if (options->pieces && count > 0)
            return options_wrong(options, "--pieces goes with --name or --all: a piece has a key of its own", "");
    }
    return EXIT_DONE;
}

int cache_options_parse(struct options *options, int argc, char **argv, int *exit_code)
{
    struct arguments arguments = arguments_new(argc, argv);
    const char *name = NULL;
    memset(options, 0, sizeof *options);
    options->opt_level = MGENJIT_OPT_O2;
    options->max_bytes = options->max_entries = options->max_age = NO_LIMIT_GIVEN;
    if (!list_new(&options->arguments, argc) || !list_new(&options->trusted, argc)
        || !list_new(&options->layers, argc) || !list_new(&options->kept, argc)) {
        *exit_code = report_no_memory();
        return 0;
    }
    if (!read_options(options, &arguments, &name, exit_code))
        return 0;
    if (name == NULL) {
        *exit_code = options_wrong(options, "no command was given", "");
        return 0;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            options->command = &commands[i];
    if (options->command == NULL) {
        *exit_code = options_wrong(options, "no such command: ", name);
        return 0;
    }
    if (!read_options(options, &arguments, &name, exit_code))
        return 0;
    *exit_code = check(options);
    if (*exit_code == EXIT_DONE && options->command->run == command_remote) {
        struct list *arguments = &options->arguments;
        options->action = arguments->items[0];
        memmove(arguments->items, arguments->items + 1, sizeof *arguments->items * (size_t)--arguments->count);
    }
    return *exit_code == EXIT_DONE;
}

void cache_options_free(struct options *options)
{
    list_free(&options->arguments);
    list_free(&options->trusted);
    list_free(&options->layers);
    list_free(&options->kept);
}
