#ifndef REPL_TRANSLATE_H
#define REPL_TRANSLATE_H

#include <setjmp.h>

#include "buffer.h"
#include "repl.h"

/* An expression while it becomes IR. */
struct translation {
    const struct typed *typed;
    /* What is not read yet. */
    const char *at;
    struct buffer body;
    struct buffer constants;
    unsigned temporaries;
    unsigned strings;
    struct origin *origins;
    size_t origin_count;
    /* Texts that live as long as this. */
    char **kept;
    size_t kept_count;
    jmp_buf failed;
};

struct value {
    char *type;
    /* As IR names it; NULL if there is no value. */
    char *operand;
    /* Where it was typed, if the operand is what stands there. */
    const char *typed;
    /* The type of the variable whose address it is. NULL: it is what it is. */
    char *variable;
};

/* Says what is wrong, and gives the translation up. */
void fail_at(struct translation *t, const char *at, const char *format, ...);

/* Keeps a text, and returns it. */
char *keep(struct translation *t, char *text);
char *keep_format(struct translation *t, const char *format, ...);

/* Adds what was typed to the body, and notes where that is. */
void add_typed(struct translation *t, const char *start, const char *end);

/* Takes an instruction of IR. Returns 0 if it is none. */
int instruction(struct translation *t, struct value *value);

#endif
