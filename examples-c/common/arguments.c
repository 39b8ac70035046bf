#include "arguments.h"

#include <stddef.h>
#include <string.h>

struct arguments arguments_new(int argc, char **argv)
{
    return (struct arguments){.argc = argc, .argv = argv, .next = 1};
}

/* The option with this name, or the only one that begins so. */
static const struct argument_row *find(const struct argument_row *rows, const char *name, size_t length)
{
    const struct argument_row *found = NULL;
    int count = 0;
    for (const struct argument_row *row = rows; row->name != NULL; row++) {
        if (row->name[1] == '\0' || strncmp(row->name, name, length) != 0)
            continue;
        if (row->name[length] == '\0')
            return row;
        count++;
        found = row;
    }
    return count == 1 ? found : NULL;
}

static int take_long(struct arguments *arguments, const struct argument_row *rows, const char **value)
{
    const char *word = arguments->argv[arguments->next++];
    size_t length = strcspn(word + 2, "=");
    const char *given = word[2 + length] == '=' ? word + 2 + length + 1 : NULL;
    const struct argument_row *row = find(rows, word + 2, length);
    *value = word;
    if (row == NULL || (row->value == NO_VALUE && given != NULL))
        return ARGUMENT_WRONG;
    if (row->value == VALUE && given == NULL) {
        if (arguments->next >= arguments->argc)
            return ARGUMENT_VALUE_MISSING;
        given = arguments->argv[arguments->next++];
    }
    *value = given;
    return row->number;
}

static int take_letter(struct arguments *arguments, const struct argument_row *rows, const char **value)
{
    const struct argument_row *row = rows;
    char letter = *arguments->letters++;
    const char *rest = *arguments->letters != '\0' ? arguments->letters : NULL;
    while (row->name != NULL && (row->name[0] != letter || row->name[1] != '\0'))
        row++;
    arguments->wrong[0] = '-';
    arguments->wrong[1] = letter;
    *value = arguments->wrong;
    if (rest == NULL || (row->name != NULL && row->value != NO_VALUE))
        arguments->letters = NULL;
    if (row->name == NULL)
        return ARGUMENT_WRONG;
    if (row->value == VALUE && rest == NULL) {
        if (arguments->next >= arguments->argc)
            return ARGUMENT_VALUE_MISSING;
        rest = arguments->argv[arguments->next++];
    }
    *value = row->value == NO_VALUE ? NULL : rest;
    return row->number;
}

int arguments_next(struct arguments *arguments, const struct argument_row *rows, const char **value)
{
    if (arguments->letters != NULL)
        return take_letter(arguments, rows, value);
    if (arguments->next >= arguments->argc)
        return ARGUMENT_END;
    const char *word = arguments->argv[arguments->next];
    if (!arguments->only_operands && strcmp(word, "--") == 0) {
        arguments->only_operands = 1;
        arguments->next++;
        return arguments_next(arguments, rows, value);
    }
    if (arguments->only_operands || word[0] != '-' || word[1] == '\0') {
        arguments->next++;
        *value = word;
        return ARGUMENT_OPERAND;
    }
    if (word[1] == '-')
        return take_long(arguments, rows, value);
    arguments->next++;
    arguments->letters = word + 1;
    return take_letter(arguments, rows, value);
}
