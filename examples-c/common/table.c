#define _POSIX_C_SOURCE 200809L

#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

static int has_colors(void)
{
    static int known = -1;
    if (known < 0) {
        const char *no_color = getenv("NO_COLOR");
        const char *terminal = getenv("TERM");
        known = isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0') && terminal != NULL
                && strcmp(terminal, "dumb") != 0;
    }
    return known;
}

const char *color(enum color color)
{
    static const char *const starts[] = {"",         "\033[1m",  "\033[2m", "\033[31m",
                                         "\033[32m", "\033[33m", "\033[36m"};
    return has_colors() ? starts[color] : "";
}

const char *color_end(void)
{
    return has_colors() ? "\033[0m" : "";
}

static void pad(size_t count)
{
    printf("%*s", (int)count, "");
}

/* Prints a cell of a column that is not the last. */
static void put_cell(const struct column *column, const char *text, enum color chosen)
{
    size_t width = text_width(text);
    size_t space = width < column->width ? column->width - width : 0;
    if (column->is_right)
        pad(space);
    if (chosen == PLAIN)
        text_put(stdout, text);
    else
        printf("%s%s%s", color(chosen), text, color_end());
    pad((column->is_right ? 0 : space) + 2);
}

void table_header(const struct column *columns, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++)
        put_cell(&columns[i], columns[i].title, BOLD);
    printf("%s%s%s\n", color(BOLD), columns[count - 1].title, color_end());
}

void table_row(const struct column *columns, size_t count, const char *const *cells)
{
    for (size_t i = 0; i + 1 < count; i++)
        put_cell(&columns[i], cells[i], columns[i].color);
    text_put(stdout, cells[count - 1]);
    putchar('\n');
}

void table_fact(const char *label, const char *text)
{
    static const struct column column = {"", 14, 0, BOLD};
    pad(2);
    put_cell(&column, label, BOLD);
    text_put(stdout, text);
    putchar('\n');
}
