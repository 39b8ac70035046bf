#include "session.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "library.h"
#include "scan.h"

struct entity *session_find(const struct session *session, const char *name)
{
    size_t place = (size_t)(uintptr_t)names_find(&session->places, name);
    return place > 0 ? session->entities[place - 1] : NULL;
}

const struct entity *session_function(struct session *session, const char *name)
{
    struct entity *entity = session_find(session, name);
    const char *declaration = name[0] == '@' ? library_declaration(name + 1) : NULL;
    if (entity != NULL || declaration == NULL)
        return entity;
    session_add(session, entity_read(declaration));
    return session_find(session, name);
}

static int is_one_of(const struct token *token, const char *const *words)
{
    for (; *words != NULL; words++)
        if (token_is(token, *words))
            return 1;
    return 0;
}

/* What a declaration is without. */
static const char *const linkages[] = {
    "private", "internal", "available_externally", "linkonce", "weak", "common", "appending", "extern_weak",
    "linkonce_odr", "weak_odr", "external", "dso_local", "dso_preemptable", "default", "hidden", "protected",
    "dllimport", "dllexport", NULL};

/* Skips what may be in parentheses behind a word, or a number, as in `align 8` and `cc 10`. */
static const char *skip_operand(const char *at)
{
    const char *next = skip_blanks(at);
    if (*next == '(') {
        const char *end = skip_brackets(next);
        return end != NULL ? end : next + strlen(next);
    }
    const char *end = next;
    struct token token = token_next(&end);
    return token.kind == TOKEN_NUMBER ? end : at;
}

/* A type as it stands. Pointers that say to what they point are as those that do not. */
static char *copy_type(const char *start, const char *end)
{
    while (end > start && strchr(" \t\n", end[-1]) != NULL)
        end--;
    return end > start && end[-1] == '*' ? copy_text("ptr") : copy_bytes(start, (size_t)(end - start));
}

/* One parameter, up to `end`: its type and its attributes, without its name. */
static int read_parameter(const char *at, const char *end, struct parameter *parameter)
{
    const char *after = skip_type(at, 1);
    struct buffer attributes = {NULL, 0, 0};
    if (after == NULL || after > end)
        return 0;
    parameter->type = copy_type(at, after);
    while (skip_blanks(after) < end) {
        const char *start = skip_blanks(after);
        after = start;
        struct token token = token_next(&after);
        if (token.kind == TOKEN_NAME && *token.start == '%')
            break;
        if (token.kind == TOKEN_WORD)
            after = skip_operand(after);
        else if (token.kind == TOKEN_STRING && *skip_blanks(after) == '=') {
            after = skip_blanks(after) + 1;
            token_next(&after);
        }
        buffer_add(&attributes, " ");
        buffer_add_bytes(&attributes, start, (size_t)(after - start));
    }
    parameter->attributes = buffer_take(&attributes);
    return 1;
}

static int read_parameters(const char *at, struct signature *signature)
{
    at = skip_blanks(at);
    if (*at == ')')
        return 1;
    for (;;) {
        const char *start = skip_blanks(at), *end = skip_element(start);
        if (strncmp(start, "...", 3) == 0) {
            signature->is_variadic = 1;
        } else {
            signature->parameters =
                reallocate(signature->parameters, (signature->count + 1) * sizeof *signature->parameters);
            if (!read_parameter(start, end, &signature->parameters[signature->count]))
                return 0;
            signature->count++;
        }
        if (*end != ',')
            return *end == ')';
        at = end + 1;
    }
}

static void free_signature(struct signature *signature)
{
    for (size_t i = 0; i < signature->count; i++) {
        free(signature->parameters[i].type);
        free(signature->parameters[i].attributes);
    }
    free(signature->parameters);
    free(signature->before);
    free(signature->result);
}

static void add_types(struct buffer *buffer, const struct signature *signature, int with_attributes)
{
    buffer_add(buffer, "(");
    for (size_t i = 0; i < signature->count; i++)
        buffer_format(buffer, "%s%s%s", i > 0 ? ", " : "", signature->parameters[i].type,
                      with_attributes ? signature->parameters[i].attributes : "");
    if (signature->is_variadic)
        buffer_add(buffer, signature->count > 0 ? ", ..." : "...");
    buffer_add(buffer, ")");
}

/* The two texts that are made of a signature. */
static void describe_function(struct entity *entity)
{
    struct buffer declaration = {NULL, 0, 0}, type = {NULL, 0, 0};
    struct signature *signature = &entity->signature;
    buffer_format(&declaration, "declare %s%s ", signature->before, signature->result);
    add_name(&declaration, entity->name);
    add_types(&declaration, signature, 1);
    buffer_format(&type, "%s ", signature->result);
    add_types(&type, signature, 0);
    entity->declaration = buffer_take(&declaration);
    entity->type = buffer_take(&type);
}

/* Of what follows `define` or `declare`. */
static int read_function(const char *at, struct entity *entity)
{
    struct buffer before = {NULL, 0, 0};
    struct signature *signature = &entity->signature;
    entity->kind = ENTITY_FUNCTION;
    while (!is_type(at)) {
        const char *start = skip_blanks(at);
        at = start;
        struct token token = token_next(&at);
        /* As in `!dbg !5`, of which a declaration has no need. */
        if (is_one_of(&token, linkages) || (token.kind == TOKEN_NAME && *token.start == '!'))
            continue;
        if (token.kind != TOKEN_WORD && token.kind != TOKEN_STRING)
            break;
        at = skip_operand(at);
        if (*skip_blanks(at) == '=') {
            at = skip_blanks(at) + 1;
            token_next(&at);
        }
        buffer_add_bytes(&before, start, (size_t)(at - start));
        buffer_add(&before, " ");
    }
    signature->before = buffer_take(&before);
    at = skip_blanks(at);
    const char *end = skip_type(at, 0);
    if (end == NULL)
        return 0;
    signature->result = copy_type(at, end);
    struct token name = token_next(&end);
    if (name.kind != TOKEN_NAME || *name.start != '@' || *skip_blanks(end) != '(')
        return 0;
    entity->name = token_name(&name);
    if (!read_parameters(skip_blanks(end) + 1, signature))
        return 0;
    describe_function(entity);
    return 1;
}

/* What a function's type says, as of an alias. */
static int read_function_type(const char *type, struct entity *entity)
{
    const char *end = skip_type(type, 0);
    if (end == NULL || *skip_blanks(end) != '(')
        return 0;
    entity->kind = ENTITY_FUNCTION;
    entity->signature.before = copy_text("");
    entity->signature.result = copy_type(type, end);
    if (!read_parameters(skip_blanks(end) + 1, &entity->signature))
        return 0;
    describe_function(entity);
    return 1;
}

/* Of what follows `@name =`. */
static int read_global(const char *at, struct entity *entity)
{
    struct buffer declaration = {NULL, 0, 0};
    add_name(&declaration, entity->name);
    buffer_add(&declaration, " = external ");
    entity->kind = ENTITY_VARIABLE;
    entity->is_defined = 1;
    for (;;) {
        const char *start = skip_blanks(at);
        at = start;
        struct token token = token_next(&at);
        int is_alias = token_is(&token, "alias") || token_is(&token, "ifunc");
        int ends = is_alias || token_is(&token, "global") || token_is(&token, "constant");
        if (token_is(&token, "external") || token_is(&token, "extern_weak"))
            entity->is_defined = 0;
        int has_operand = token_is(&token, "thread_local") || token_is(&token, "addrspace");
        if (token.kind != TOKEN_WORD)
            break;
        if (has_operand)
            at = skip_operand(at);
        if (has_operand || (ends && !is_alias)) {
            buffer_add_bytes(&declaration, start, (size_t)(at - start));
            buffer_add(&declaration, " ");
        }
        if (!ends)
            continue;
        start = skip_blanks(at);
        const char *end = skip_type(start, is_alias);
        if (end == NULL)
            break;
        char *type = copy_type(start, end);
        if (is_alias && read_function_type(type, entity)) {
            free(type);
            buffer_free(&declaration);
            return 1;
        }
        buffer_format(&declaration, "%s%s", is_alias ? "global " : "", type);
        entity->type = type;
        entity->declaration = buffer_take(&declaration);
        return 1;
    }
    buffer_free(&declaration);
    return 0;
}

/* Of an item that begins with a name: `@x =`, `%T = type`, `!0 =`, `$c =`. */
static int read_named(const struct token *name, const char *at, const char *item, struct entity *entity)
{
    struct token sign = token_next(&at);
    if (!token_is(&sign, "="))
        return 0;
    entity->name = token_name(name);
    if (*name->start == '@')
        return read_global(at, entity);
    entity->kind = ENTITY_OTHER;
    entity->declaration = copy_text(item);
    if (*name->start != '%')
        return 1;
    struct token word = token_next(&at);
    const char *start = skip_blanks(at), *end = skip_type(start, 1);
    if (!token_is(&word, "type") || end == NULL)
        return 0;
    entity->kind = ENTITY_TYPE;
    entity->type = copy_bytes(start, (size_t)(end - start));
    return 1;
}

struct entity *entity_read(const char *item)
{
    struct entity *entity = allocate(sizeof *entity);
    const char *at = item;
    struct token first = token_next(&at);
    int is_known = 0;
    if (token_is(&first, "define") || token_is(&first, "declare")) {
        entity->is_defined = token_is(&first, "define");
        is_known = read_function(at, entity);
    } else if (token_is(&first, "attributes")) {
        struct token name = token_next(&at);
        is_known = name.kind == TOKEN_NAME && read_named(&name, at, item, entity);
    } else if (first.kind == TOKEN_NAME) {
        is_known = read_named(&first, at, item, entity);
    }
    if (is_known)
        return entity;
    entity_free(entity);
    return NULL;
}

void entity_free(struct entity *entity)
{
    if (entity == NULL)
        return;
    free_signature(&entity->signature);
    free(entity->name);
    free(entity->declaration);
    free(entity->text);
    free(entity->type);
    free(entity);
}

void session_add(struct session *session, struct entity *entity)
{
    struct entity *old = session_find(session, entity->name);
    int can_be_declared = entity->kind == ENTITY_FUNCTION || entity->kind == ENTITY_VARIABLE;
    if (old != NULL && old->is_defined && can_be_declared && !entity->is_defined) {
        entity_free(entity);
        return;
    }
    if (old == NULL) {
        session->entities = reallocate(session->entities, (session->count + 1) * sizeof(struct entity *));
        session->entities[session->count++] = entity;
        names_put(&session->places, entity->name, (void *)(uintptr_t)session->count);
        return;
    }
    session->entities[(size_t)(uintptr_t)names_find(&session->places, entity->name) - 1] = entity;
    entity_free(old);
}

struct unit *session_add_unit(struct session *session, mgenjit_module *module, const char *path)
{
    struct unit *unit = allocate(sizeof *unit);
    unit->module = module;
    unit->path = path != NULL ? copy_text(path) : NULL;
    session->units = reallocate(session->units, (session->unit_count + 1) * sizeof(struct unit *));
    session->units[session->unit_count++] = unit;
    return unit;
}

/* The names that the items of a text begin with. */
static void add_defined(struct names *names, const char *text)
{
    struct item item;
    for (const char *at = text; item_find(at, 1, &item) && item.kind != ITEM_NONE; at = item.end) {
        char *copy = copy_bytes(item.start, (size_t)(item.end - item.start));
        struct entity *entity = entity_read(copy);
        if (entity != NULL)
            names_put(names, entity->name, names);
        entity_free(entity);
        free(copy);
    }
}

/* Adds the declarations of what a text refers to, and of what these refer to. Types come before what uses them. */
static void declare(struct session *session, const char *text, struct names *done, struct buffer *declarations);

static void declare_one(struct session *session, const char *name, struct names *done, struct buffer *declarations)
{
    const struct entity *entity = names_find(done, name) != NULL ? NULL : session_function(session, name);
    if (entity == NULL)
        return;
    names_put(done, name, done);
    declare(session, entity->declaration, done, declarations);
    buffer_format(declarations, "%s\n", entity->declaration);
}

static void declare(struct session *session, const char *text, struct names *done, struct buffer *declarations)
{
    for (const char *at = text;;) {
        struct token token = token_next(&at);
        if (token.kind == TOKEN_END)
            return;
        if (token.kind == TOKEN_NAME) {
            char *name = token_name(&token);
            declare_one(session, name, done, declarations);
            free(name);
        }
        /* A bare one has the name of what it stands at. */
        for (size_t i = 0; token_is(&token, "comdat") && i < session->count; i++)
            if (session->entities[i]->name[0] == '$')
                declare_one(session, session->entities[i]->name, done, declarations);
    }
}

size_t session_declare(struct session *session, const char *text, struct buffer *declarations)
{
    struct names done = {NULL, 0, 0};
    const size_t before = declarations->length;
    size_t lines = 0;
    add_defined(&done, text);
    declare(session, text, &done, declarations);
    for (const char *at = buffer_text(declarations) + before; *at != '\0'; at++)
        lines += *at == '\n';
    names_free(&done);
    return lines;
}

void session_free(struct session *session)
{
    for (size_t i = 0; i < session->count; i++)
        entity_free(session->entities[i]);
    for (size_t i = 0; i < session->unit_count; i++) {
        mgenjit_module_free(session->units[i]->module);
        free(session->units[i]->path);
        free(session->units[i]);
    }
    free(session->entities);
    free(session->units);
    names_free(&session->places);
}
