#ifndef REPL_SESSION_H
#define REPL_SESSION_H

#include <stddef.h>
#include <sys/stat.h>

#include "buffer.h"
#include "mgenjit.h"
#include "names.h"

/* What was defined so far, by name, and what a later text needs of it. */

struct parameter {
    char *type;
    /* As they stand behind the type, with a space before each. */
    char *attributes;
};

struct signature {
    /* The calling convention and the result's attributes, with a space behind each. */
    char *before;
    char *result;
    struct parameter *parameters;
    size_t count;
    int is_variadic;
};

/* What was compiled as one. */
struct unit {
    mgenjit_module *module;
    /* NULL: it was typed. */
    char *path;
    /* Of the file, before it was read. */
    struct stat status;
};

enum entity_kind { ENTITY_FUNCTION, ENTITY_VARIABLE, ENTITY_TYPE, ENTITY_OTHER };

struct entity {
    enum entity_kind kind;
    /* With its sigil. */
    char *name;
    /* What a later text needs to refer to it. */
    char *declaration;
    /* The item itself, if it was typed and defines it. */
    char *text;
    /* A variable's type; what a type is; a function's type, such as "i64 (i64)". */
    char *type;
    struct signature signature;
    /* Whether its item defines it, and so a unit has it; otherwise it is declared only. */
    int is_defined;
    struct unit *unit;
};

struct session {
    /* In the order in which they came. */
    struct entity **entities;
    size_t count;
    /* What of them a name stands for, by its place from 1 on. */
    struct names places;
    struct unit **units;
    size_t unit_count;
};

/* NULL: there is none of that name, which has its sigil. */
struct entity *session_find(const struct session *session, const char *name);

/* As session_find, or a function of the C library that is known without a declaration. */
const struct entity *session_function(struct session *session, const char *name);

/*
 * Reads an item of IR as what it defines or declares. NULL if it is nothing that a later text can refer to, or no IR. The
 * caller frees it.
 */
struct entity *entity_read(const char *item);
void entity_free(struct entity *entity);

/* Takes it over: a definition counts from now on, a declaration if there is nothing of the name. */
void session_add(struct session *session, struct entity *entity);

/* Takes it over. */
struct unit *session_add_unit(struct session *session, mgenjit_module *module, const char *path);

/* Adds what a text refers to and does not define: declarations, types and others, a line each. Returns the lines. */
size_t session_declare(struct session *session, const char *text, struct buffer *declarations);

void session_free(struct session *session);

#endif
