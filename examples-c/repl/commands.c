#define _GNU_SOURCE

#include "commands.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isolate.h"
#include "repl.h"
#include "scan.h"

typedef int command(const struct typed *typed, char *rest);

static int load(const struct typed *typed, char *rest)
{
    if (*rest == '\0')
        complain(typed, NULL, "which file? :load FILE");
    else
        load_file(rest);
    return 1;
}

static int reload(const struct typed *typed, char *rest)
{
    size_t files = 0, changed = 0;
    (void)typed;
    for (size_t i = 0; i < repl.session.unit_count; i++) {
        struct unit *unit = repl.session.units[i];
        if (unit->path == NULL || (*rest != '\0' && strcmp(unit->path, rest) != 0))
            continue;
        files++;
        if (*rest == '\0' && !has_changed(unit))
            continue;
        changed++;
        if (load_file(unit->path) && repl.is_interactive)
            printf("%s was loaded again\n", unit->path);
    }
    if (files == 0 && *rest != '\0')
        complain(typed, NULL, "%s was not loaded: :load it", rest);
    else if (files == 0)
        complain(typed, NULL, "no file was loaded: :load one");
    else if (changed == 0)
        remark("no file has changed");
    return 1;
}

static int list(enum entity_kind kind, const char *none)
{
    size_t count = 0;
    for (size_t i = 0; i < repl.session.count; i++) {
        const struct entity *entity = repl.session.entities[i];
        if (entity->kind != kind || !entity->is_defined)
            continue;
        describe(entity);
        count++;
    }
    if (count == 0)
        remark("%s", none);
    return 1;
}

static int functions(const struct typed *typed, char *rest)
{
    (void)typed;
    (void)rest;
    return list(ENTITY_FUNCTION, "no function is defined");
}

static int variables(const struct typed *typed, char *rest)
{
    (void)typed;
    (void)rest;
    return list(ENTITY_VARIABLE, "no variable is defined");
}

/* From the function's label to its end. */
static const char *find_assembly(const char *text, const char *name, size_t *length)
{
    struct buffer label = {NULL, 0, 0};
    buffer_format(&label, "\n%s:", name);
    const char *start = strstr(text, buffer_text(&label));
    if (start == NULL) {
        buffer_clear(&label);
        buffer_format(&label, "\n\"%s\":", name);
        start = strstr(text, buffer_text(&label));
    }
    buffer_free(&label);
    if (start == NULL)
        return NULL;
    start++;
    const char *end = strstr(start, "\n.Lfunc_end");
    *length = end != NULL ? (size_t)(end + 1 - start) : strlen(start);
    return start;
}

static const char *find_ir(const char *text, const char *name, size_t *length)
{
    struct item item;
    for (const char *at = text; item_find(at, 1, &item) && item.kind != ITEM_NONE; at = item.end) {
        char *copy = copy_bytes(item.start, (size_t)(item.end - item.start));
        struct entity *entity = entity_read(copy);
        int is_it = entity != NULL && entity->is_defined && strcmp(entity->name + 1, name) == 0;
        entity_free(entity);
        free(copy);
        *length = (size_t)(item.end - item.start);
        if (is_it)
            return item.start;
    }
    return NULL;
}

/* Prints what the optimised code of a function is, or of all that was compiled with what was compiled last. */
static void show(const struct typed *typed, const char *rest, int32_t kind)
{
    struct buffer name = {NULL, 0, 0};
    const struct entity *entity = NULL;
    const struct unit *unit = NULL;
    mgenjit_blob *blob = NULL;
    mgenjit_error *error = NULL;
    if (*rest != '\0') {
        buffer_format(&name, "%s%s", *rest == '@' ? "" : "@", rest);
        entity = session_find(&repl.session, buffer_text(&name));
    } else if (repl.session.unit_count > 0) {
        unit = repl.session.units[repl.session.unit_count - 1];
    }
    if (entity != NULL && entity->is_defined)
        unit = entity->unit;
    if (unit == NULL) {
        complain(typed, NULL, *rest == '\0' ? "nothing is defined yet" : "%s is not defined here", buffer_text(&name));
    } else if (mgenjit_module_export_blob(unit->module, kind, NULL, &blob, &error) != MGENJIT_STATUS_OK) {
        complain_error(error, NULL, 0, typed);
    } else {
        char *text = copy_bytes(mgenjit_blob_data(blob), mgenjit_blob_size(blob));
        size_t length = strlen(text);
        const char *start = text;
        if (entity != NULL)
            start = (kind == MGENJIT_EXPORT_ASSEMBLY ? find_assembly : find_ir)(text, entity->name + 1, &length);
        if (start == NULL)
            complain(typed, NULL, "%s has no code of its own", buffer_text(&name));
        else
            printf("%.*s%s", (int)length, start, length > 0 && start[length - 1] == '\n' ? "" : "\n");
        free(text);
    }
    mgenjit_blob_free(blob);
    buffer_free(&name);
}

static int assembly(const struct typed *typed, char *rest)
{
    show(typed, rest, MGENJIT_EXPORT_ASSEMBLY);
    return 1;
}

static int ir(const struct typed *typed, char *rest)
{
    show(typed, rest, MGENJIT_EXPORT_IR);
    return 1;
}

static int time_command(const struct typed *typed, char *rest)
{
    if (strcmp(rest, "on") == 0 || strcmp(rest, "off") == 0) {
        repl.shows_times = rest[1] == 'n';
    } else if (*rest != '\0') {
        int shown = repl.shows_times;
        repl.shows_times = 1;
        evaluate(rest, typed->line);
        repl.shows_times = shown;
    } else if (repl.last == NULL) {
        complain(typed, NULL, "nothing was compiled yet");
    } else {
        tell_times();
    }
    return 1;
}

static int isolate_command(const struct typed *typed, char *rest)
{
    if (strcmp(rest, "on") == 0 || strcmp(rest, "off") == 0)
        isolate_set(typed, rest[1] == 'n');
    else if (*rest != '\0')
        complain(typed, NULL, "on or off? :isolate [on|off]");
    else
        remark(isolate_is_on() ? "the code runs in a process of its own" : "the code runs in this process");
    return 1;
}

static int export_command(const struct typed *typed, char *rest)
{
    if (*rest == '\0')
        complain(typed, NULL, "to which file? :export FILE");
    else
        export_session(rest);
    return 1;
}

static int quit(const struct typed *typed, char *rest)
{
    (void)typed;
    (void)rest;
    return 0;
}

static int help(const struct typed *typed, char *rest);

static const struct {
    const char *name;
    command *run;
    const char *arguments;
    const char *summary;
} commands[] = {
    {":asm", assembly, "[FUNCTION]", "show the machine code of a function, or of what was defined last"},
    {":export", export_command, "FILE",
     "write all that is defined, by the name: .o .a .so .bc .ll .s .h, or a program with its main"},
    {":functions", functions, "", "list the functions that are defined, with their types"},
    {":help", help, "", "show this"},
    {":ir", ir, "[FUNCTION]", "show the optimised IR of a function, or of what was defined last"},
    {":isolate", isolate_command, "[on|off]",
     "run the code in a process of its own, so that a crash ends that and not the session"},
    {":load", load, "FILE", "compile a file (.ll .bc .o .a), or C and C++ by clang; .so: load a library"},
    {":quit", quit, "", "end; so does Ctrl-D"},
    {":reload", reload, "[FILE]", "compile the files that have changed again, or this one, whether it has or not"},
    {":time", time_command, "[on|off|EXPR]", "tell what the last input took, or each from now on, or an expression"},
    {":variables", variables, "", "list the variables that are defined, with their types"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const char introduction[] =
    "Definitions of LLVM IR are compiled as they come; defined again, a function is replaced for all that call it.\n"
    "Anything else is computed, and its value is printed:\n"
    "\n"
    "  fib(30)   fib(fib(5)) + 1   printf(\"%d\\n\", 5)   {i32, float} {i32 1, float 2.0}\n"
    "  @counter  @counter = 5      store i64 5, ptr @counter\n"
    "\n"
    "A variable is its value, or its address where a pointer is wanted. Numbers have the type that fits where they\n"
    "stand. Well-known functions of the C library need no declaration. Ctrl-C ends a call.\n"
    "\n";

static int help(const struct typed *typed, char *rest)
{
    (void)typed;
    (void)rest;
    fputs(introduction, stdout);
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-10s %-13s %s\n", commands[i].name, commands[i].arguments, commands[i].summary);
    return 1;
}

const char *command_name(int index)
{
    return index < COMMANDS ? commands[index].name : NULL;
}

int command_run(const char *text, size_t line)
{
    struct typed typed = {copy_text(text), line};
    char *start = typed.text + (skip_blanks(typed.text) - typed.text), *words = copy_text(start);
    size_t length = strcspn(words, " \t");
    char *rest = words + length + strspn(words + length, " \t"), *end = rest + strlen(rest);
    int found = -1, goes_on = 1, matches = 0;
    while (end > rest && isspace((unsigned char)end[-1]))
        *--end = '\0';
    words[length] = '\0';
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(words, commands[i].name) == 0) {
            found = i;
            matches = 1;
            break;
        } else if (length > 1 && strncmp(words, commands[i].name, length) == 0) {
            found = i;
            matches++;
        }
    if (matches != 1)
        complain(&typed, start, matches == 0 ? "there is no command %s: see :help" : "%s may be several commands: see :help",
                 words);
    else
        goes_on = commands[found].run(&typed, rest);
    fflush(stdout);
    free(words);
    free(typed.text);
    return goes_on;
}
