#define _POSIX_C_SOURCE 200809L

#include "call.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/report.h"
#include "print.h"

static int wrong(const struct call *call, const char *message, const char *what)
{
    fprintf(stderr, "%s: --call '%s': %s%s\n", program_name, call->source, message, what);
    return EX_USAGE;
}

static char *skip_space(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

/* Decodes a string in place, from its opening quote to the closing one: the decoded text is never longer. Returns what follows the closing quote, or NULL if there is none. */
static char *read_quoted(char *text)
{
    static const char escapes[] = "n\nt\tr\r0\0";
    char *out = text;
    for (; *text != '"'; text++) {
        if (*text == '\0')
            return NULL;
        if (*text == '\\' && text[1] != '\0') {
            text++;
            size_t i = 0;
            while (i < sizeof escapes - 1 && escapes[i] != *text)
                i += 2;
            *out++ = i < sizeof escapes - 1 ? escapes[i + 1] : *text;
        } else {
            *out++ = *text;
        }
    }
    *out = '\0';
    return text + 1;
}

int call_parse(struct call *call, const char *source)
{
    memset(call, 0, sizeof *call);
    call->source = source;
    call->text = strdup(source);
    if (call->text == NULL)
        return EX_OSERR;

    char *text = skip_space(call->text);
    if (*text == '@')
        text++;
    char *end;
    if (*text == '"') {
        call->name = text + 1;
        end = read_quoted(text + 1);
    } else {
        call->name = text;
        end = text + strcspn(text, "(");
    }
    char *parenthesis = end == NULL ? NULL : skip_space(end);
    if (parenthesis == NULL || *parenthesis != '(')
        return wrong(call, "not a call such as 'add(1, 2)'", "");
    while (end > call->name && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    call->arguments = parenthesis + 1;
    return 0;
}

static int read_integer(const char *text, int32_t type, mgenjit_value *value)
{
    int negative = *text == '-';
    const char *digits = text + negative;
    int base = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') ? 16 : 10;
    char *end;
    if (!isdigit((unsigned char)*digits))
        return 0;
    errno = 0;
    /* All 64 bits, whether they are meant signed or unsigned. */
    int64_t integer = negative ? strtoll(text, &end, base) : (int64_t)strtoull(text, &end, base);
    if (errno != 0 || *end != '\0')
        return 0;
    *value = mgenjit_integer(type, integer);
    return 1;
}

static int read_double(const char *text, double *number)
{
    char *end;
    *number = strtod(text, &end);
    return end != text && *end == '\0';
}

static int read_truth(const char *text, mgenjit_value *value)
{
    int is_true = strcmp(text, "true") == 0;
    if (!is_true && strcmp(text, "false") != 0)
        return 0;
    *value = mgenjit_i1(is_true);
    return 1;
}

static int read_null(const char *text, mgenjit_value *value)
{
    if (strcmp(text, "null") != 0)
        return 0;
    *value = mgenjit_pointer(NULL);
    return 1;
}

/* An argument for "...": as C would take the literal. */
static int read_untyped(const char *text, mgenjit_value *value)
{
    double number;
    if (read_truth(text, value) || read_null(text, value))
        return 1;
    if (read_integer(text, MGENJIT_TYPE_I64, value)) {
        if (value->of.integer == (int32_t)value->of.integer)
            value->kind = MGENJIT_TYPE_I32;
        return 1;
    }
    if (!read_double(text, &number))
        return 0;
    *value = mgenjit_double(number);
    return 1;
}

static int read_typed(const char *text, int32_t type, mgenjit_value *value)
{
    double number;
    switch (type) {
    case MGENJIT_TYPE_I1: return read_truth(text, value) || read_integer(text, type, value);
    case MGENJIT_TYPE_FLOAT:
    case MGENJIT_TYPE_DOUBLE:
        if (!read_double(text, &number))
            return 0;
        *value = type == MGENJIT_TYPE_FLOAT ? mgenjit_float((float)number) : mgenjit_double(number);
        return 1;
    case MGENJIT_TYPE_POINTER: return read_null(text, value);
    case MGENJIT_TYPE_OTHER: return 0;
    default: return read_integer(text, type, value);
    }
}

static const char *expectation(int32_t type)
{
    switch (type) {
    case MGENJIT_TYPE_I1: return "true or false is expected, not ";
    case MGENJIT_TYPE_FLOAT:
    case MGENJIT_TYPE_DOUBLE: return "a number is expected, not ";
    case MGENJIT_TYPE_POINTER: return "\"text\" or null is expected, not ";
    case MGENJIT_TYPE_OTHER: return "a parameter's type is one that --call cannot pass: ";
    default: return "an integer of at most 64 bits is expected, not ";
    }
}

/* Reads the arguments into `values`, which has room for all. Returns 0 or an exit code. */
static int read_arguments(struct call *call, const mgenjit_function *function, mgenjit_value *values, size_t *count)
{
    char *text = skip_space(call->arguments);
    *count = 0;
    if (*text != ')') {
        for (;;) {
            int has_type = *count < mgenjit_function_parameter_count(function);
            int32_t type = has_type ? mgenjit_function_parameter_type(function, *count) : MGENJIT_TYPE_VOID;
            mgenjit_value *value = &values[*count];
            char *end;
            char separator;
            text = skip_space(text);
            if (*text == '"') {
                end = read_quoted(text + 1);
                if (end == NULL)
                    return wrong(call, "a closing quote is missing", "");
                end = skip_space(end);
                separator = *end;
                if (has_type && type != MGENJIT_TYPE_POINTER)
                    return wrong(call, expectation(type), "a text");
                *value = mgenjit_pointer(text + 1);
            } else {
                end = text + strcspn(text, ",)");
                separator = *end;
                char *last = end;
                while (last > text && isspace((unsigned char)last[-1]))
                    last--;
                *last = '\0';
                if (!(has_type ? read_typed(text, type, value) : read_untyped(text, value)))
                    return wrong(call, has_type ? expectation(type) : "not an argument: ", *text ? text : "nothing");
            }
            (*count)++;
            text = end;
            if (separator == ')')
                break;
            if (separator != ',')
                return wrong(call, "',' or ')' is missing after an argument", "");
            text++;
        }
    }
    if (*skip_space(text + 1) != '\0')
        return wrong(call, "more follows after the ')': ", skip_space(text + 1));
    return 0;
}

int call_run(struct call *call, mgenjit_executor *executor)
{
    mgenjit_function *function = NULL;
    mgenjit_error *error = NULL;
    mgenjit_value result;
    size_t count = 1;

    for (const char *c = call->arguments; *c != '\0'; c++)
        count += *c == ',';
    mgenjit_value *values = malloc(count * sizeof *values);
    if (values == NULL)
        return EX_OSERR;

    int exit_code = 0;
    if (mgenjit_executor_lookup_function(executor, call->name, &function, &error) == MGENJIT_STATUS_OK) {
        exit_code = read_arguments(call, function, values, &count);
        if (exit_code == 0
            && mgenjit_function_call(function, values, count, &result, &error) == MGENJIT_STATUS_OK)
            print_value(&result);
    }
    if (error != NULL)
        exit_code = report_error(call->source, error);
    mgenjit_function_free(function);
    free(values);
    return exit_code;
}

void call_free(struct call *call)
{
    free(call->text);
}
