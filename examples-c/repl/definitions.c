/*
 * Definitions that follow each other are compiled as one, as far as they do not define a name twice: what is pasted may
 * refer to what comes later in it. One that is wrong is left out, and the others are compiled without it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "isolate.h"
#include "log.h"
#include "repl.h"
#include "scan.h"

/* How many of the functions that were defined at once are shown. */
enum { SHOWN = 16 };

static struct typed *waiting;
static size_t count;
static struct names defined;

mgenjit_status compile_text(const char *name, const char *text, size_t length, mgenjit_module **module, mgenjit_error **error)
{
    mgenjit_source *source = NULL;
    mgenjit_task *task = NULL;
    bool is_done = false;
    mgenjit_status status = mgenjit_source_new(name, &source, error);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_source_add(source, name, text, length, error);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_executor_compile_async(repl.executor, source, NULL, NULL, NULL, &task, error);
    while (status == MGENJIT_STATUS_OK && !is_done) {
        status = mgenjit_task_wait(task, 50, &is_done, error);
        if (guard_is_interrupted())
            mgenjit_task_cancel(task, NULL);
    }
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_task_result(task, module, error);
    mgenjit_task_free(task);
    mgenjit_source_free(source);
    return status;
}

/* What only its module could see is made visible: the session is one module to whoever types. Columns stay. */
static void make_visible(char *text)
{
    const char *at = text;
    struct token token = token_next(&at);
    int is_function = token_is(&token, "define");
    /* What has a number for a name cannot be seen. */
    if (!is_function && (token.kind != TOKEN_NAME || *token.start != '@' || strchr("0123456789", token.start[1]) != NULL))
        return;
    do {
        token = token_next(&at);
        if (token_is(&token, "private") || token_is(&token, "internal"))
            memset(text + (token.start - text), ' ', token.length);
    } while (token.kind == TOKEN_WORD || (!is_function && token_is(&token, "=")));
}

/* Whether all brackets are closed. What is not would take in what follows. */
static int is_closed(const char *text)
{
    struct buffer lines = {NULL, 0, 0};
    struct item item;
    buffer_format(&lines, "%s\n", text);
    int is = item_find(buffer_text(&lines), 0, &item);
    buffer_free(&lines);
    return is;
}

void definitions_add(const char *text, size_t line)
{
    int is_alone = !is_closed(text);
    char *copy = copy_text(text);
    make_visible(copy);
    struct entity *entity = entity_read(copy);
    if (entity != NULL) {
        if (is_alone || names_find(&defined, entity->name) != NULL)
            definitions_compile();
        names_put(&defined, entity->name, &defined);
        entity_free(entity);
    }
    waiting = reallocate(waiting, (count + 1) * sizeof *waiting);
    waiting[count].text = copy;
    waiting[count].line = line;
    count++;
    if (is_alone)
        definitions_compile();
}

void describe(const struct entity *entity)
{
    size_t length = strlen(entity->type);
    if (entity->kind == ENTITY_FUNCTION)
        length = strlen(entity->signature.result);
    printf("%.*s %s%s\n", (int)length, entity->type, entity->name,
           entity->kind == ENTITY_FUNCTION ? entity->type + length + 1 : "");
}

static void tell(const struct entity *old, const struct entity *new, size_t *told)
{
    if (old != NULL && old->is_defined && new->kind == ENTITY_FUNCTION && old->kind == ENTITY_FUNCTION
        && strcmp(old->type, new->type) != 0)
        remark("%s was `%s` and is `%s`: what calls it as it was must be defined again", new->name, old->type, new->type);
    if (!repl.is_interactive || ++*told > SHOWN)
        return;
    describe(new);
}

/* Takes over what an item defines. */
static void record_item(struct unit *unit, const char *text, int is_typed, size_t *told)
{
    struct entity *entity = entity_read(text);
    if (entity == NULL)
        return;
    struct entity *old = session_find(&repl.session, entity->name);
    if (entity->is_defined) {
        entity->unit = unit;
        if (is_typed)
            entity->text = copy_text(text);
        tell(old, entity, told);
    }
    session_add(&repl.session, entity);
}

/* Whether an item of a file is of no use outside of it. */
static int is_local(const char *text)
{
    const char *at = text;
    struct token token = token_next(&at);
    if (token.kind == TOKEN_NAME && strchr("!$", *token.start) != NULL)
        return 1;
    if (token_is(&token, "attributes"))
        return 1;
    if (!token_is(&token, "define") && (token.kind != TOKEN_NAME || *token.start != '@'))
        return 0;
    do {
        token = token_next(&at);
        if (token_is(&token, "private") || token_is(&token, "internal"))
            return 1;
    } while (token.kind == TOKEN_WORD || token_is(&token, "="));
    return 0;
}

void record(struct unit *unit, const char *text)
{
    struct item item;
    size_t told = 0;
    for (const char *at = text; item_find(at, 1, &item) && item.kind != ITEM_NONE; at = item.end) {
        char *copy = copy_bytes(item.start, (size_t)(item.end - item.start));
        if (item.kind == ITEM_DEFINITION && !is_local(copy))
            record_item(unit, copy, 0, &told);
        free(copy);
    }
    if (told > SHOWN)
        printf("and %zu more\n", told - SHOWN);
}

static void drop(size_t index)
{
    free(waiting[index].text);
    memmove(&waiting[index], &waiting[index + 1], (count - index - 1) * sizeof *waiting);
    count--;
}

/* Whether an item says what the whole text is for: IR wants it before anything else. */
static int is_preamble(const char *text)
{
    struct token token = token_next(&text);
    return token_is(&token, "target") || token_is(&token, "source_filename");
}

/* Adds those items that are of the preamble, or those that are not, with their origins from a line on. Returns the next one. */
static size_t add_items(struct buffer *text, int of_preamble, struct origin *origins, size_t line)
{
    for (size_t i = 0; i < count; i++) {
        size_t lines = 1;
        if (is_preamble(waiting[i].text) != of_preamble)
            continue;
        for (const char *at = waiting[i].text; *at != '\0'; at++)
            lines += *at == '\n';
        const struct origin origin = {line, 1, lines, &waiting[i], waiting[i].text};
        origins[i] = origin;
        buffer_format(text, "%s\n", waiting[i].text);
        line += lines;
    }
    return line;
}

/* Puts the text together. The origins are those of the items. */
static void compose(struct buffer *text, struct origin *origins)
{
    struct buffer items = {NULL, 0, 0};
    size_t line = add_items(text, 1, origins, 1);
    add_items(&items, 0, origins, line);
    size_t before = session_declare(&repl.session, buffer_text(&items), text);
    for (size_t i = 0; i < count; i++)
        if (!is_preamble(waiting[i].text))
            origins[i].line += before;
    buffer_add(text, buffer_text(&items));
    buffer_free(&items);
}

static void take_over(mgenjit_module *module)
{
    struct unit *unit = session_add_unit(&repl.session, module, NULL);
    mgenjit_error *error = NULL;
    size_t told = 0;
    for (size_t i = 0; i < count; i++) {
        record_item(unit, waiting[i].text, 1, &told);
        log_add(waiting[i].text);
    }
    if (told > SHOWN)
        printf("and %zu more\n", told - SHOWN);
    set_last(module, 0);
    repl.last_call_us = UINT64_MAX;
    if (repl.shows_times)
        tell_times();
    /* So that what calls these calls them from now on. What needs something that is not defined yet waits for it. */
    if (isolate_is_on() || mgenjit_executor_link(repl.executor, &error) == MGENJIT_STATUS_OK)
        return;
    if (mgenjit_error_status(error) == MGENJIT_STATUS_UNRESOLVED)
        mgenjit_error_free(error);
    else
        complain_error(error, NULL, 0, &waiting[0]);
}

enum outcome { DONE, AGAIN, ONE_BY_ONE };

/* Compiles what waits. If one of several is wrong, the others are to be tried without it. */
static enum outcome compile_waiting(void)
{
    struct buffer text = {NULL, 0, 0};
    struct origin *origins = allocate(count * sizeof *origins);
    mgenjit_module *module = NULL;
    mgenjit_error *error = NULL;
    enum outcome outcome = DONE;
    compose(&text, origins);
    if (compile_text("<stdin>", buffer_text(&text), text.length, &module, &error) == MGENJIT_STATUS_OK) {
        take_over(module);
    } else {
        const struct origin *origin =
            origin_of(origins, count, mgenjit_error_line(error), mgenjit_error_column(error));
        size_t index = origin != NULL ? (size_t)(origin - origins) : 0;
        if (count > 1)
            outcome = origin != NULL ? AGAIN : ONE_BY_ONE;
        if (outcome == ONE_BY_ONE)
            mgenjit_error_free(error);
        else
            complain_error(error, origins, count, &waiting[0]);
        if (outcome == AGAIN)
            drop(index);
    }
    free(origins);
    buffer_free(&text);
    return outcome;
}

static void compile_one_by_one(void)
{
    struct typed *all = waiting;
    size_t all_count = count;
    count = 1;
    for (size_t i = 0; i < all_count; i++) {
        waiting = &all[i];
        compile_waiting();
    }
    waiting = all;
    count = all_count;
}

void definitions_compile(void)
{
    enum outcome outcome = AGAIN;
    while (count > 0 && outcome == AGAIN)
        outcome = compile_waiting();
    if (outcome == ONE_BY_ONE)
        compile_one_by_one();
    while (count > 0)
        drop(count - 1);
    names_free(&defined);
}
