#include "scan.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int is_name_character(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '$' || c == '.' || c == '_' || (c & 0x80) != 0;
}

const char *skip_blanks(const char *at)
{
    for (;;) {
        at += strspn(at, " \t\r\n\f\v");
        if (*at != ';')
            return at;
        at += strcspn(at, "\n");
    }
}

const char *skip_string(const char *at)
{
    for (; *at != '"'; at++) {
        if (*at == '\0' || *at == '\n')
            return NULL;
        if (*at == '\\' && at[1] != '\0' && at[1] != '\n')
            at++;
    }
    return at + 1;
}

struct token token_next(const char **at)
{
    const char *start = skip_blanks(*at), *end = start;
    struct token token = {TOKEN_OTHER, start, 0};
    if (*start == '\0') {
        token.kind = TOKEN_END;
    } else if (strchr("@%#!$", *start) != NULL && (start[1] == '"' || is_name_character(start[1]))) {
        token.kind = TOKEN_NAME;
        end++;
        if (*end == '"')
            end = skip_string(end + 1);
        else
            while (is_name_character(*end))
                end++;
    } else if (*start == '"') {
        token.kind = TOKEN_STRING;
        end = skip_string(start + 1);
    } else if (isdigit((unsigned char)*start) || (*start == '-' && isdigit((unsigned char)start[1]))) {
        token.kind = TOKEN_NUMBER;
        /* With the sign of an exponent, but not of one in a hexadecimal number. */
        for (end++; is_name_character(*end) || *end == '+'; end++)
            if ((*end == '-' || *end == '+') && !(tolower((unsigned char)end[-1]) == 'e' && start[1] != 'x'))
                break;
    } else if (isalpha((unsigned char)*start) || *start == '_' || *start == '.') {
        token.kind = TOKEN_WORD;
        while (is_name_character(*end))
            end++;
    } else {
        end++;
    }
    /* A string that is not closed is what the line has. */
    if (end == NULL)
        end = start + strcspn(start, "\n");
    token.length = (size_t)(end - start);
    *at = end;
    return token;
}

int token_is(const struct token *token, const char *text)
{
    return strlen(text) == token->length && memcmp(text, token->start, token->length) == 0;
}

static int hexadecimal(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

char *token_name(const struct token *token)
{
    struct buffer name = {NULL, 0, 0};
    const char *end = token->start + token->length;
    buffer_add_bytes(&name, token->start, 1);
    if (token->length < 3 || token->start[1] != '"') {
        buffer_add_bytes(&name, token->start + 1, token->length - 1);
        return buffer_take(&name);
    }
    for (const char *at = token->start + 2; at < end - 1; at++) {
        char byte = *at;
        if (*at == '\\' && at + 2 < end && isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2])) {
            byte = (char)(16 * hexadecimal(at[1]) + hexadecimal(at[2]));
            at += 2;
        } else if (*at == '\\' && at[1] == '\\') {
            at++;
        }
        buffer_add_bytes(&name, &byte, 1);
    }
    return buffer_take(&name);
}

void add_name(struct buffer *buffer, const char *name)
{
    const char *at = name + 1;
    while (is_name_character(*at) && (*at & 0x80) == 0)
        at++;
    if (*at == '\0' && name[1] != '\0' && !(isdigit((unsigned char)name[1]) && name[1 + strspn(name + 1, "0123456789")] != '\0')) {
        buffer_add(buffer, name);
        return;
    }
    buffer_format(buffer, "%c\"", name[0]);
    for (at = name + 1; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ')
            buffer_format(buffer, "\\%02x", (unsigned char)*at);
        else
            buffer_add_bytes(buffer, at, 1);
    }
    buffer_add(buffer, "\"");
}

/* What no line inside of an item begins with: so an item that is not closed does not take all that follows. */
static int begins_item(const char *line)
{
    return *line == ':' || strncmp(line, "define ", 7) == 0 || strncmp(line, "declare ", 8) == 0;
}

const char *skip_brackets(const char *at)
{
    int depth = 0;
    for (;;) {
        const char *before = at;
        struct token token = token_next(&at);
        for (; before < token.start; before++)
            if (*before == '\n' && begins_item(before + 1))
                return NULL;
        if (token.kind == TOKEN_END)
            return NULL;
        if (token.kind != TOKEN_OTHER)
            continue;
        if (strchr("([{", *token.start) != NULL)
            depth++;
        else if (strchr(")]}", *token.start) != NULL && --depth == 0)
            return at;
    }
}

/* From a "<" to behind its ">". In types there is no other use of it. */
static const char *skip_angles(const char *at)
{
    int depth = 0;
    for (;;) {
        struct token token = token_next(&at);
        if (token.kind == TOKEN_END)
            return NULL;
        if (token.kind != TOKEN_OTHER)
            continue;
        depth += *token.start == '<';
        if (*token.start == '>' && --depth == 0)
            return at;
    }
}

static int is_type_word(const struct token *token)
{
    static const char *const words[] = {"void", "half", "bfloat", "float", "double", "x86_fp80", "fp128", "ppc_fp128",
                                        "x86_amx", "ptr", "label", "metadata", "token", "opaque", "target"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (token_is(token, words[i]))
            return 1;
    if (token->length < 2 || token->start[0] != 'i')
        return 0;
    for (size_t i = 1; i < token->length; i++)
        if (!isdigit((unsigned char)token->start[i]))
            return 0;
    return 1;
}

int is_type(const char *at)
{
    struct token token = token_next(&at);
    if (token.kind == TOKEN_OTHER)
        return strchr("{[<", *token.start) != NULL;
    return token.kind == TOKEN_NAME ? *token.start == '%' : token.kind == TOKEN_WORD && is_type_word(&token);
}

const char *skip_type(const char *at, int whole)
{
    if (!is_type(at))
        return NULL;
    const char *end = at;
    struct token token = token_next(&end);
    if (token.kind == TOKEN_OTHER)
        end = *token.start == '<' ? skip_angles(token.start) : skip_brackets(token.start);
    else if (token_is(&token, "target"))
        end = *skip_blanks(end) == '(' ? skip_brackets(skip_blanks(end)) : NULL;
    while (end != NULL) {
        const char *next = skip_blanks(end);
        if (*next == '*')
            end = next + 1;
        else if (strncmp(next, "addrspace", 9) == 0 && *skip_blanks(next + 9) == '(')
            end = skip_brackets(skip_blanks(next + 9));
        else if (whole && *next == '(')
            end = skip_brackets(next);
        else
            break;
    }
    return end;
}

const char *skip_element(const char *at)
{
    for (;;) {
        const char *before = skip_blanks(at);
        struct token token = token_next(&at);
        if (token.kind == TOKEN_END)
            return before;
        if (token.kind != TOKEN_OTHER)
            continue;
        if (strchr(",)]}", *token.start) != NULL)
            return before;
        if (strchr("([{", *token.start) != NULL) {
            at = skip_brackets(before);
            if (at == NULL)
                return before + strlen(before);
        } else if (*token.start == '<' && skip_angles(before) != NULL) {
            at = skip_angles(before);
        }
    }
}

/* Where a function's definition ends: with the body, which follows the parameters. NULL: not in this text. */
static const char *end_of_function(const char *at)
{
    int named = 0, has_parameters = 0;
    char previous = '\0';
    for (;;) {
        const char *before = at, *next = at;
        struct token token = token_next(&next);
        for (; before < token.start; before++)
            if (*before == '\n' && begins_item(before + 1))
                return before;
        if (token.kind == TOKEN_END)
            return NULL;
        at = next;
        named |= token.kind == TOKEN_NAME && *token.start == '@';
        if (token.kind == TOKEN_OTHER && strchr("([{", *token.start) != NULL) {
            int is_body = *token.start == '{' && has_parameters && previous != '<';
            at = skip_brackets(token.start);
            if (at == NULL || is_body)
                return at;
            has_parameters |= named && *token.start == '(';
        }
        previous = *token.start;
    }
}

/* Where a text that is no function ends: with the line in which all brackets are closed. NULL: not in this text. */
static const char *end_of_line(const char *at)
{
    char previous = '\0';
    for (;;) {
        const char *before = at;
        struct token token = token_next(&at);
        const char *newline = memchr(before, '\n', (size_t)(token.start - before));
        if (newline != NULL && (strchr("=,", previous) == NULL || previous == '\0'))
            return newline;
        if (token.kind == TOKEN_END)
            return newline;
        previous = *token.start;
        if (token.kind == TOKEN_OTHER && strchr("([{", previous) != NULL) {
            at = skip_brackets(token.start);
            if (at == NULL)
                return NULL;
        }
    }
}

/* An unclosed item that another one follows ends before that. NULL if none follows. */
static const char *next_item(const char *at)
{
    while ((at = strchr(at, '\n')) != NULL)
        if (begins_item(++at))
            return at - 1;
    return NULL;
}

/* A string that is not closed ends what is to be computed with its line, whatever brackets are open. NULL: there is none. */
static const char *end_of_open_string(const char *at)
{
    for (struct token token = token_next(&at); token.kind != TOKEN_END; token = token_next(&at))
        if (token.kind == TOKEN_STRING && skip_string(token.start + 1) == NULL)
            return strchr(token.start, '\n');
    return NULL;
}

/* Whether what follows `@name =` defines it, so that it is no assignment. */
static int is_global(const char *at)
{
    static const char *const words[] = {
        "global", "constant", "alias", "ifunc", "external", "private", "internal", "available_externally", "linkonce",
        "weak", "common", "appending", "extern_weak", "linkonce_odr", "weak_odr", "dso_local", "dso_preemptable",
        "default", "hidden", "protected", "dllimport", "dllexport", "thread_local", "unnamed_addr",
        "local_unnamed_addr", "addrspace", "externally_initialized", NULL};
    struct token token = token_next(&at);
    for (size_t i = 0; words[i] != NULL; i++)
        if (token_is(&token, words[i]))
            return 1;
    return token.kind == TOKEN_END;
}

static enum item_kind kind_of(const char *at)
{
    static const char *const words[] = {"define", "declare", "attributes", "module", "target", "source_filename",
                                        "uselistorder", "uselistorder_bb", NULL};
    struct token first = token_next(&at);
    if (first.kind == TOKEN_OTHER && *first.start == ':')
        return ITEM_COMMAND;
    if (first.kind == TOKEN_OTHER && (*first.start == '!' || *first.start == '^'))
        return ITEM_DEFINITION;
    if (first.kind == TOKEN_NAME && strchr("!$", *first.start) != NULL)
        return ITEM_DEFINITION;
    if (first.kind == TOKEN_NAME) {
        struct token next = token_next(&at);
        if (!token_is(&next, "="))
            return ITEM_EXPRESSION;
        struct token what = token_next(&at);
        if (*first.start == '%')
            return token_is(&what, "type") ? ITEM_DEFINITION : ITEM_EXPRESSION;
        return is_global(what.start) ? ITEM_DEFINITION : ITEM_EXPRESSION;
    }
    for (size_t i = 0; first.kind == TOKEN_WORD && words[i] != NULL; i++)
        if (token_is(&first, words[i]))
            return *skip_blanks(at) == '(' ? ITEM_EXPRESSION : ITEM_DEFINITION;
    return ITEM_EXPRESSION;
}

int item_find(const char *text, int is_all, struct item *item)
{
    const char *start = skip_blanks(text), *end;
    struct token first = {TOKEN_END, start, 0};
    item->kind = ITEM_NONE;
    item->start = item->end = start;
    if (*start == '\0')
        return 1;
    item->kind = kind_of(start);
    end = start;
    first = token_next(&end);
    if (item->kind == ITEM_COMMAND)
        end = strchr(start, '\n');
    else
        end = item->kind == ITEM_DEFINITION && token_is(&first, "define") ? end_of_function(start) : end_of_line(start);
    if (end == NULL && item->kind == ITEM_EXPRESSION)
        end = end_of_open_string(start);
    if (end == NULL)
        end = next_item(start);
    if (end == NULL && !is_all)
        return 0;
    if (end == NULL) {
        end = start + strlen(start);
        while (isspace((unsigned char)end[-1]))
            end--;
    }
    item->end = end;
    return 1;
}
