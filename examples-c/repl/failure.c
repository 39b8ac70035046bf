#define _POSIX_C_SOURCE 200809L

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/line.h"
#include "common/message.h"
#include "common/program.h"
#include "repl.h"

/* What is printed of a long line. */
enum { SHOWN = 200 };

/* The line that a place is in, and a caret below the place. */
static void show_place(const char *text, const char *at)
{
    const char *start = at;
    while (start > text && start[-1] != '\n')
        start--;
    const char *shown = at - start > SHOWN ? at - SHOWN / 2 : start;
    while (((unsigned char)*shown & 0xc0) == 0x80)
        shown++;
    int length = (int)strcspn(shown, "\n");
    fprintf(stderr, "%.*s\n", length > 2 * SHOWN ? 2 * SHOWN : length, shown);
    for (const char *c = shown; c < at; c++)
        if (*c == '\t')
            fputc('\t', stderr);
        else if (((unsigned char)*c & 0xc0) != 0x80)
            fputc(' ', stderr);
    fputs("^\n", stderr);
}

static void begin(const struct typed *typed, const char *at)
{
    size_t line = typed != NULL ? typed->line : 0;
    const char *start = typed != NULL ? typed->text : "";
    for (const char *c = start; at != NULL && c < at; c++)
        if (*c == '\n') {
            line++;
            start = c + 1;
        }
    line_clear();
    fflush(stdout);
    if (repl.is_interactive) {
        fputs("error: ", stderr);
        if (typed != NULL && at != NULL && strchr(typed->text, '\n') != NULL)
            fprintf(stderr, "line %zu: ", line - typed->line + 1);
        return;
    }
    fprintf(stderr, "%s: ", program_name);
    if (typed != NULL)
        fprintf(stderr, "<stdin>:%zu:", line);
    if (typed != NULL && at != NULL)
        fprintf(stderr, "%zu:", (size_t)(at - start) + 1);
    fputs(typed != NULL ? " " : "", stderr);
}

void complain(const struct typed *typed, const char *at, const char *format, ...)
{
    va_list values;
    repl.has_failed = 1;
    begin(typed, at);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    if (at != NULL)
        show_place(typed->text, at);
}

void remark(const char *format, ...)
{
    va_list values;
    line_clear();
    fflush(stdout);
    if (!repl.is_interactive)
        fprintf(stderr, "%s: ", program_name);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
}

const struct origin *origin_of(const struct origin *origins, size_t count, size_t line, size_t column)
{
    const struct origin *found = NULL;
    for (size_t i = 0; i < count; i++)
        if (line >= origins[i].line && line < origins[i].line + origins[i].lines
            && (line > origins[i].line || column >= origins[i].column || column == 0))
            found = &origins[i];
    return found;
}

/* The place in what was typed. */
static const char *place_of(const struct origin *origin, size_t line, size_t column)
{
    const char *at = origin->at;
    size_t skipped = line > origin->line ? 1 : origin->column;
    for (size_t i = origin->line; i < line; i++) {
        const char *newline = strchr(at, '\n');
        if (newline == NULL)
            return at + strlen(at);
        at = newline + 1;
    }
    for (size_t i = skipped; i < column && *at != '\0' && *at != '\n'; i++)
        at++;
    return at;
}

/* Without the name and the place that it begins with. */
static const char *bare_message(const char *message, size_t line, size_t column)
{
    char place[64];
    snprintf(place, sizeof place, ":%zu:%zu: ", line, column);
    const char *at = line > 0 ? strstr(message, place) : NULL;
    const char *newline = strchr(message, '\n');
    return at != NULL && (newline == NULL || at < newline) ? at + strlen(place) : message;
}

/* What is not defined, in words that fit here. */
static void complain_missing(mgenjit_error *error, const struct typed *typed)
{
    struct buffer names = {NULL, 0, 0};
    size_t count = mgenjit_error_symbol_count(error);
    for (size_t i = 0; i < count; i++)
        buffer_format(&names, "%s`%s`", i == 0 ? "" : i + 1 < count ? ", " : " and ", mgenjit_error_symbol(error, i));
    complain(typed, NULL, "%s %s not defined: define %s, or :load what does", buffer_text(&names), count == 1 ? "is" : "are",
             count == 1 ? "it" : "them");
    buffer_free(&names);
}

void complain_error(mgenjit_error *error, const struct origin *origins, size_t count, const struct typed *typed)
{
    size_t line = mgenjit_error_line(error), column = mgenjit_error_column(error);
    const struct origin *origin = line > 0 ? origin_of(origins, count, line, column) : NULL;
    const char *text = bare_message(mgenjit_error_message(error), line, column);
    char *message = message_for_tools(text);
    if (message != NULL)
        text = message;
    if (mgenjit_error_status(error) == MGENJIT_STATUS_UNRESOLVED && mgenjit_error_symbol_count(error) > 0)
        complain_missing(error, typed);
    else if (origin != NULL)
        complain(origin->typed, place_of(origin, line, column), "%s", text);
    else
        complain(typed, NULL, "%s", text);
    free(message);
    mgenjit_error_free(error);
}

void complain_file(const char *message, const struct typed *line, size_t column)
{
    char *words = message_for_tools(message);
    repl.has_failed = 1;
    begin(NULL, NULL);
    fprintf(stderr, "%s\n", words != NULL ? words : message);
    free(words);
    if (line != NULL && column > 0 && column <= strlen(line->text) + 1)
        show_place(line->text, line->text + column - 1);
}
