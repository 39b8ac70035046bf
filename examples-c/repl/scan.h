#ifndef REPL_SCAN_H
#define REPL_SCAN_H

#include <stddef.h>

#include "buffer.h"

/* The text of IR, as far as the REPL must understand it: words, names, brackets, types, and where an item ends. */

enum token_kind {
    TOKEN_END,
    /* A name with its sigil: @f, %T, #0, !1, $c. */
    TOKEN_NAME,
    TOKEN_WORD,
    TOKEN_NUMBER,
    TOKEN_STRING,
    /* One other character. */
    TOKEN_OTHER
};

struct token {
    enum token_kind kind;
    const char *start;
    size_t length;
};

/* Skips blanks, newlines and comments. */
const char *skip_blanks(const char *at);

/* Reads the next token and moves behind it. */
struct token token_next(const char **at);

int token_is(const struct token *token, const char *text);

/* A name without quotes and escapes, with its sigil. The caller frees it. */
char *token_name(const struct token *token);

/* Adds a name as IR writes it, with quotes if it needs them. */
void add_name(struct buffer *buffer, const char *name);

/* From an opening bracket to behind the one that closes it. NULL if none does before the text ends or another item begins. */
const char *skip_brackets(const char *at);

/* From behind the opening quote to behind the closing one. NULL if there is none in the line. */
const char *skip_string(const char *at);

/* Whether a type begins here. */
int is_type(const char *at);

/* From a type to behind it, with what follows a result's type in a function's type if `whole`. NULL if none begins here. */
const char *skip_type(const char *at, int whole);

/* From an element of a list to the comma or the closing bracket that ends it, or to the end of the text. */
const char *skip_element(const char *at);

enum item_kind { ITEM_NONE, ITEM_COMMAND, ITEM_EXPRESSION, ITEM_DEFINITION };

struct item {
    enum item_kind kind;
    const char *start;
    const char *end;
};

/*
 * Finds the first item of a text. Returns 0 if more lines are needed to know where it ends. If there are none (`is_all`),
 * it ends with the text.
 */
int item_find(const char *text, int is_all, struct item *item);

#endif
