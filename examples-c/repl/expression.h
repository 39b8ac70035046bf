#ifndef REPL_EXPRESSION_H
#define REPL_EXPRESSION_H

#include "buffer.h"
#include "repl.h"

/* The IR of a function that computes an expression. */
struct compiled_expression {
    /* All but the declarations of what it refers to. */
    struct buffer ir;
    /* The type of its value, and whether there are slots to store it to. */
    char *type;
    size_t slots;
    /* Where in `ir` the texts are that were taken as they were typed. */
    struct origin *origins;
    size_t origin_count;
    /* Whether it has strings, to which code may keep pointers. */
    int has_strings;
};

/* The function's name. It takes a pointer to the slots. */
#define EXPRESSION_NAME "mgenjit.repl.expression"

/* Translates an expression. Returns 0 and says why, if it is none. */
int expression_translate(const struct typed *typed, struct compiled_expression *result);

void expression_free(struct compiled_expression *expression);

#endif
