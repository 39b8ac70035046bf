#ifndef COMMON_TABLE_H
#define COMMON_TABLE_H

#include <stddef.h>

enum color { PLAIN, BOLD, FAINT, RED, GREEN, YELLOW, CYAN };

/* Starts and ends a colour on stdout, if it is a terminal and its user wants colours; else "". */
const char *color(enum color color);
const char *color_end(void);

/* Widths are fixed, so that a row can be printed before the next one is known. The last column has none. */
struct column {
    const char *title;
    size_t width;
    /* 1 for numbers, at the right. */
    int is_right;
    enum color color;
};

void table_header(const struct column *columns, size_t count);

/* The last cell may be any text. */
void table_row(const struct column *columns, size_t count, const char *const *cells);

/* A line of a form: a label, and any text. */
void table_fact(const char *label, const char *text);

#endif
