/*
 * An expression becomes IR:
 *
 *     expression = sum ; or `@x = sum`, which stores
 *     sum        = product, with + and - between several
 *     product    = operand, with *, / and % between several
 *     operand    = NUMBER | "text" | 'c' | c"bytes" | true | false | null | @name | name(sum, ...) | (sum) | TYPE sum
 *                | a constant as IR writes it, where the type is known
 *
 * A number has the type that is wanted where it stands. instruction.c has what is no expression but an instruction of IR.
 */
#include "expression.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan.h"
#include "translate.h"
#include "value.h"

void fail_at(struct translation *t, const char *at, const char *format, ...)
{
    struct buffer message = {NULL, 0, 0};
    va_list values;
    va_start(values, format);
    buffer_format_list(&message, format, values);
    va_end(values);
    complain(t->typed, at, "%s", buffer_text(&message));
    buffer_free(&message);
    longjmp(t->failed, 1);
}

char *keep(struct translation *t, char *text)
{
    t->kept = reallocate(t->kept, (t->kept_count + 1) * sizeof *t->kept);
    return t->kept[t->kept_count++] = text;
}

char *keep_format(struct translation *t, const char *format, ...)
{
    struct buffer text = {NULL, 0, 0};
    va_list values;
    va_start(values, format);
    buffer_format_list(&text, format, values);
    va_end(values);
    return keep(t, buffer_take(&text));
}

void add_typed(struct translation *t, const char *start, const char *end)
{
    const char *newline = strrchr(buffer_text(&t->body), '\n');
    size_t line = 1, column = newline == NULL ? t->body.length + 1 : strlen(newline);
    for (const char *at = buffer_text(&t->body); *at != '\0'; at++)
        line += *at == '\n';
    t->origins = reallocate(t->origins, (t->origin_count + 1) * sizeof *t->origins);
    const struct origin origin = {line, column, 1, t->typed, start};
    t->origins[t->origin_count++] = origin;
    for (; start < end; start++)
        buffer_add_bytes(&t->body, *start == '\n' ? " " : start, 1);
}

static int is_integer(const char *type)
{
    return type != NULL && type[0] == 'i' && isdigit((unsigned char)type[1]);
}

static int is_floating(const char *type)
{
    return type != NULL && (strcmp(type, "double") == 0 || strcmp(type, "float") == 0 || strcmp(type, "half") == 0
                            || strcmp(type, "bfloat") == 0 || strcmp(type, "x86_fp80") == 0 || strcmp(type, "fp128") == 0);
}

static int is_pointer(const char *type)
{
    return type != NULL && (strncmp(type, "ptr", 3) == 0 || type[strlen(type) - 1] == '*');
}

static int is_scalar(const char *type)
{
    return is_integer(type) || is_floating(type) || is_pointer(type);
}

/* Whether two types are the same, whatever blanks they have. */
static int same_type(const char *a, const char *b)
{
    struct token one, other;
    if (is_pointer(a) && is_pointer(b) && strstr(a, "addrspace") == NULL && strstr(b, "addrspace") == NULL)
        return 1;
    do {
        one = token_next(&a);
        other = token_next(&b);
        if (one.length != other.length || memcmp(one.start, other.start, one.length) != 0)
            return 0;
    } while (one.kind != TOKEN_END);
    return 1;
}

/* A constant of floating point: exact, whatever the type. */
static struct value floating(struct translation *t, const char *type, double number)
{
    struct value value = {NULL, NULL, NULL, NULL};
    uint64_t bits;
    if (strcmp(type, "float") == 0)
        number = (double)(float)number;
    memcpy(&bits, &number, sizeof bits);
    value.type = keep(t, copy_text(type));
    value.operand = keep_format(t, "0x%016" PRIX64, bits);
    if (strcmp(type, "double") == 0 || strcmp(type, "float") == 0)
        return value;
    unsigned n = t->temporaries++;
    buffer_format(&t->body, "  %%t%u = %s double %s to %s\n", n, strcmp(type, "half") == 0 || strcmp(type, "bfloat") == 0
                  ? "fptrunc" : "fpext", value.operand, type);
    value.operand = keep_format(t, "%%t%u", n);
    return value;
}

static struct value integer(struct translation *t, const char *start, const char *end, const char *type)
{
    struct value value = {NULL, NULL, NULL, NULL};
    int is_negative = *start == '-';
    const char *digits = start + is_negative;
    int is_hexadecimal = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    uint64_t number = strtoull(digits, NULL, is_hexadecimal ? 16 : 10);
    int is_wide = errno == ERANGE;
    if (type == NULL)
        type = !is_wide && number <= (uint64_t)INT32_MAX + (unsigned)is_negative ? "i32"
               : !is_wide && number <= (uint64_t)INT64_MAX + (unsigned)is_negative ? "i64" : "i128";
    unsigned bits = (unsigned)strtoul(type + 1, NULL, 10);
    uint64_t limit = bits >= 64 ? UINT64_MAX : is_negative ? (uint64_t)1 << (bits - 1) : ((uint64_t)1 << bits) - 1;
    if (bits == 64 && is_negative)
        limit = (uint64_t)1 << 63;
    if (bits <= 64 && (is_wide || number > limit))
        fail_at(t, start, "%.*s does not fit %s", (int)(end - start), start, type);
    value.type = keep(t, copy_text(type));
    value.operand = is_hexadecimal && !is_wide ? keep_format(t, "%s%" PRIu64, is_negative ? "-" : "", number)
                    : is_hexadecimal           ? keep_format(t, "u%.*s", (int)(end - start), start)
                                               : keep(t, copy_bytes(start, (size_t)(end - start)));
    if (bits == 1)
        value.operand = keep(t, copy_text(number != 0 ? "true" : "false"));
    return value;
}

static struct value number(struct translation *t, const char *type)
{
    const char *start = t->at;
    int is_negative = *start == '-';
    int is_hexadecimal = start[is_negative] == '0' && tolower((unsigned char)start[is_negative + 1]) == 'x';
    char *end;
    errno = 0;
    double floating_number = strtod(start, &end);
    const char *whole = start + is_negative + (is_hexadecimal ? 2 : 0);
    while (isxdigit((unsigned char)*whole) && (is_hexadecimal || isdigit((unsigned char)*whole)))
        whole++;
    if (end == start || (isalnum((unsigned char)*end) || *end == '_'))
        fail_at(t, start, "this is no number");
    t->at = end;
    errno = 0;
    if (is_floating(type)) {
        /* As IR has it, the bits of the number. */
        if (is_hexadecimal && whole == end) {
            const uint64_t bits = strtoull(start + is_negative, NULL, 16);
            memcpy(&floating_number, &bits, sizeof floating_number);
        }
        return floating(t, type, floating_number);
    }
    if (whole != end)
        return floating(t, is_integer(type) ? (fail_at(t, start, "an integer is expected here, of type %s", type), "") : "double",
                        floating_number);
    if (is_pointer(type)) {
        struct value value = integer(t, start, end, "i64");
        struct value pointer = {keep(t, copy_text(type)), NULL, NULL, NULL};
        pointer.operand = keep_format(t, "inttoptr (i64 %s to %s)", value.operand, type);
        return pointer;
    }
    return integer(t, start, end, is_integer(type) ? type : NULL);
}

/* A byte of a text, with the escapes of C. Moves behind it. */
static unsigned char read_byte(const char **at)
{
    static const char escapes[] = "n\nt\tr\ra\ab\bf\fv\v0\0e\033";
    unsigned char byte = (unsigned char)*(*at)++;
    if (byte != '\\')
        return byte;
    byte = (unsigned char)*(*at)++;
    const char *escape = memchr(escapes, byte, sizeof escapes - 1);
    if (byte == 'x' && isxdigit((unsigned char)**at)) {
        const char digits[3] = {**at, isxdigit((unsigned char)(*at)[1]) ? (*at)[1] : '\0', '\0'};
        *at += strlen(digits);
        return (unsigned char)strtoul(digits, NULL, 16);
    }
    return escape != NULL && (escape - escapes) % 2 == 0 ? (unsigned char)escape[1] : byte;
}

/* A text in quotes. */
static struct value string(struct translation *t)
{
    const char *start = t->at, *end = skip_string(start + 1);
    struct value value = {keep(t, copy_text("ptr")), NULL, NULL, NULL};
    struct buffer bytes = {NULL, 0, 0};
    size_t length = 1;
    if (end == NULL)
        fail_at(t, start, "the closing quote is missing");
    for (const char *at = start + 1; at < end - 1; length++)
        buffer_format(&bytes, "\\%02X", read_byte(&at));
    value.operand = keep_format(t, "@mgenjit.repl.text.%u", t->strings);
    buffer_format(&t->constants, "@mgenjit.repl.text.%u = private constant [%zu x i8] c\"%s\\00\"\n", t->strings++, length,
                  buffer_text(&bytes));
    buffer_free(&bytes);
    t->at = end;
    return value;
}

/* A character of C: an int, or of the integer type that is wanted. */
static struct value character(struct translation *t, const char *type)
{
    const char *start = t->at, *at = start + 1;
    unsigned char byte = *at != '\0' && *at != '\n' ? read_byte(&at) : 0;
    if (*at != '\'')
        fail_at(t, start, "this is no character of one byte");
    struct value value = {keep(t, copy_text(is_integer(type) ? type : "i32")), keep_format(t, "%u", byte), NULL, NULL};
    t->at = at + 1;
    return value;
}

/* What stands here, as it is. */
static struct value raw(struct translation *t, const char *type)
{
    const char *start = skip_blanks(t->at), *end = skip_element(start);
    while (end > start && isspace((unsigned char)end[-1]))
        end--;
    if (end == start)
        fail_at(t, start, "something is missing here");
    struct value value = {keep(t, copy_text(type)), keep(t, copy_bytes(start, (size_t)(end - start))), start, NULL};
    t->at = end;
    return value;
}

static struct value load(struct translation *t, struct value value)
{
    if (value.variable == NULL)
        return value;
    unsigned n = t->temporaries++;
    struct value loaded = {value.variable, keep_format(t, "%%t%u", n), NULL, NULL};
    buffer_format(&t->body, "  %%t%u = load %s, ptr %s\n", n, value.variable, value.operand);
    return loaded;
}

/* An address where one is wanted, a variable's value elsewhere. */
static struct value settled(struct translation *t, struct value value, const char *type, int is_variadic)
{
    if (value.variable == NULL)
        return value;
    if (!is_pointer(type) && (!is_variadic || is_scalar(value.variable)))
        return load(t, value);
    value.variable = NULL;
    return value;
}

/* What C does with an argument for "...". */
static struct value promoted(struct translation *t, struct value value)
{
    unsigned bits = is_integer(value.type) ? (unsigned)strtoul(value.type + 1, NULL, 10) : 32;
    int is_narrow = is_floating(value.type) && strlen(value.type) < 6 + 1 && strcmp(value.type, "double") != 0
                    && strcmp(value.type, "fp128") != 0;
    if (bits >= 32 && !is_narrow)
        return value;
    unsigned n = t->temporaries++;
    const char *wide = bits < 32 ? "i32" : "double";
    buffer_format(&t->body, "  %%t%u = %s %s %s to %s\n", n, bits == 1 ? "zext" : bits < 32 ? "sext" : "fpext", value.type,
                  value.operand, wide);
    struct value wider = {keep(t, copy_text(wide)), keep_format(t, "%%t%u", n), NULL, NULL};
    return wider;
}

static struct value sum(struct translation *t, const char *type);

/* An argument for a parameter, or for "..." if the type is NULL. */
static struct value argument(struct translation *t, const char *type, const char *name)
{
    const char *start = skip_blanks(t->at);
    struct value value = settled(t, sum(t, type), type, type == NULL);
    if (type == NULL)
        return promoted(t, value);
    if (!same_type(value.type, type))
        fail_at(t, start, "%s takes %s here, and this is %s", name, type, value.type);
    return value;
}

/* The type that a parameter points to which stands for the result, as `sret(%T)`. NULL: it is no such parameter. */
static char *result_parameter(struct translation *t, const struct signature *signature)
{
    const char *at = signature->count > 0 ? strstr(signature->parameters[0].attributes, " sret(") : NULL;
    const char *end = at != NULL ? skip_type(at + 6, 1) : NULL;
    return end != NULL ? keep(t, copy_bytes(at + 6, (size_t)(end - at - 6))) : NULL;
}

static void add_call(struct translation *t, const struct entity *function, const struct value *arguments, size_t count)
{
    const struct signature *signature = &function->signature;
    const char *open = strchr(function->type + strlen(signature->result), '(');
    buffer_format(&t->body, "call %s%s %s ", signature->before, signature->result, open);
    add_name(&t->body, function->name);
    buffer_add(&t->body, "(");
    for (size_t i = 0; i < count; i++) {
        buffer_format(&t->body, "%s\n    %s%s ", i > 0 ? "," : "", arguments[i].type,
                      i < signature->count ? signature->parameters[i].attributes : "");
        if (arguments[i].typed != NULL)
            add_typed(t, arguments[i].typed, arguments[i].typed + strlen(arguments[i].operand));
        else
            buffer_add(&t->body, arguments[i].operand);
    }
    buffer_add(&t->body, ")\n");
}

/* A call, from its opening parenthesis on. */
static struct value call(struct translation *t, const struct entity *function, const char *start)
{
    const struct signature *signature = &function->signature;
    const char *result = result_parameter(t, signature), *name = function->name + 1;
    struct value *arguments = NULL;
    size_t count = 0;
    t->at = skip_blanks(t->at + 1);
    if (result != NULL) {
        struct value place = {signature->parameters[0].type, keep_format(t, "%%t%u", t->temporaries++), NULL, NULL};
        buffer_format(&t->body, "  %s = alloca %s\n", place.operand, result);
        arguments = (struct value *)(void *)keep(t, allocate(sizeof *arguments));
        arguments[count++] = place;
    }
    while (*t->at != ')') {
        if (count >= signature->count && !signature->is_variadic)
            fail_at(t, t->at, "%s takes no more than %zu argument%s: %s", name, signature->count - (result != NULL),
                    signature->count == 1 ? "" : "s", function->type);
        struct value *more = allocate((count + 1) * sizeof *more);
        memcpy(more, arguments != NULL ? arguments : more, count * sizeof *more);
        arguments = (struct value *)(void *)keep(t, (char *)(void *)more);
        arguments[count] = argument(t, count < signature->count ? signature->parameters[count].type : NULL, name);
        count++;
        t->at = skip_blanks(t->at);
        if (*t->at == ',')
            t->at = skip_blanks(t->at + 1);
        else if (*t->at != ')')
            fail_at(t, t->at, "',' or ')' is missing here");
    }
    if (count < signature->count)
        fail_at(t, start, "%s takes %zu argument%s, and gets %zu: %s", name, signature->count - (result != NULL),
                signature->count - (result != NULL) == 1 ? "" : "s", count - (result != NULL), function->type);
    t->at++;
    struct value value = {signature->result, NULL, NULL, NULL};
    if (strcmp(signature->result, "void") != 0) {
        value.operand = keep_format(t, "%%t%u", t->temporaries++);
        buffer_format(&t->body, "  %s = ", value.operand);
    }
    add_call(t, function, arguments, count);
    if (result == NULL)
        return value;
    struct value memory = {keep(t, copy_text("ptr")), arguments[0].operand, NULL, keep(t, copy_text(result))};
    return memory;
}

static struct value name(struct translation *t)
{
    const char *start = t->at;
    struct token token = token_next(&t->at);
    char *text = token.kind == TOKEN_NAME ? token_name(&token) : NULL;
    if (text == NULL) {
        text = allocate(token.length + 2);
        text[0] = '@';
        memcpy(text + 1, token.start, token.length);
    }
    keep(t, text);
    const struct entity *entity = session_function(&repl.session, text);
    const char *next = skip_blanks(t->at);
    if (entity == NULL && *next == '(')
        fail_at(t, start, "%s is not known: define it, or declare it as in `declare i32 @%s(i32)`", text, text + 1);
    if (entity == NULL)
        fail_at(t, start, "%s is not known: there is no function and no variable of that name", text);
    if (entity->kind == ENTITY_FUNCTION && *next == '(') {
        t->at = next;
        return call(t, entity, start);
    }
    if (*next == '(')
        fail_at(t, start, "%s is a variable, and cannot be called", text);
    struct buffer quoted = {NULL, 0, 0};
    add_name(&quoted, text);
    struct value value = {keep(t, copy_text("ptr")), keep(t, buffer_take(&quoted)), NULL, NULL};
    if (entity->kind == ENTITY_VARIABLE)
        value.variable = keep(t, copy_text(entity->type));
    return value;
}

static struct value constant_word(struct translation *t, const char *type)
{
    const char *after = t->at;
    struct token token = token_next(&after);
    int is_truth = token_is(&token, "true") || token_is(&token, "false");
    if (!is_truth && !token_is(&token, "null"))
        return name(t);
    const char *own = is_truth ? "i1" : "ptr";
    if (type != NULL && (is_truth ? is_integer(type) : is_pointer(type)))
        own = type;
    struct value value = {keep(t, copy_text(own)), keep(t, copy_bytes(token.start, token.length)), NULL, NULL};
    if (is_truth && strcmp(own, "i1") != 0)
        value.operand = keep(t, copy_text(token_is(&token, "true") ? "1" : "0"));
    t->at = after;
    return value;
}

static int is_constant_of_ir(const struct token *token)
{
    static const char *const words[] = {"zeroinitializer", "undef", "poison", "none", "inttoptr", "ptrtoint", "bitcast",
                                        "getelementptr", "trunc", "splat", "blockaddress", "dso_local_equivalent", NULL};
    for (size_t i = 0; words[i] != NULL; i++)
        if (token_is(token, words[i]))
            return 1;
    return 0;
}

static struct value operand(struct translation *t, const char *type)
{
    t->at = skip_blanks(t->at);
    const char *after = t->at;
    struct token token = token_next(&after);
    if (token.kind == TOKEN_END)
        fail_at(t, t->at, "something is missing here");
    const char *end = is_type(t->at) && !(token.kind == TOKEN_WORD && *after == '(') ? skip_type(t->at, 1) : NULL;
    /* `<float 1.0>` is no type, if nothing follows whose type it could be. */
    int is_whole = end == NULL || strchr(",)]}", *skip_blanks(end)) != NULL;
    if (type != NULL && ((token.kind == TOKEN_OTHER && strchr("{[<", *token.start) != NULL && is_whole)
                         || is_constant_of_ir(&token) || (token_is(&token, "c") && *after == '"')))
        return raw(t, type);
    if (end != NULL) {
        char *own = keep(t, copy_bytes(t->at, (size_t)(end - t->at)));
        const char *start = skip_blanks(end);
        t->at = end;
        struct value value = settled(t, operand(t, own), own, 0);
        if (!same_type(value.type, own))
            fail_at(t, start, "this is %s, not %s", value.type, own);
        return value;
    }
    switch (token.kind) {
    case TOKEN_STRING: return string(t);
    case TOKEN_NUMBER: return number(t, type);
    case TOKEN_WORD: return constant_word(t, type);
    case TOKEN_NAME:
        if (*token.start == '@')
            return name(t);
        if (*token.start == '%')
            fail_at(t, t->at, "%.*s is known inside of its function alone", (int)token.length, token.start);
        break;
    default: break;
    }
    if (*t->at == '.' || *t->at == '+')
        return number(t, type);
    if (*t->at == '\'')
        return character(t, type);
    if (*t->at != '(')
        fail_at(t, t->at, "this is no expression");
    t->at++;
    struct value value = sum(t, type);
    t->at = skip_blanks(t->at);
    if (*t->at != ')')
        fail_at(t, t->at, "')' is missing here");
    t->at++;
    return value;
}

static struct value combine(struct translation *t, char sign, struct value left, struct value right, const char *at)
{
    static const char *const integers[] = {"add", "sub", "mul", "sdiv", "srem"};
    static const char *const numbers[] = {"fadd", "fsub", "fmul", "fdiv", "frem"};
    const size_t which = (size_t)(strchr("+-*/%", sign) - "+-*/%");
    if (!same_type(left.type, right.type))
        fail_at(t, at, "%s and %s do not go together", left.type, right.type);
    if (!is_integer(left.type) && !is_floating(left.type))
        fail_at(t, at, "%s cannot be computed with", left.type);
    /* LLVM would make any number of it. */
    if (is_integer(left.type) && (sign == '/' || sign == '%') && strcmp(right.operand, "0") == 0)
        fail_at(t, at, "this is a division by zero");
    unsigned n = t->temporaries++;
    buffer_format(&t->body, "  %%t%u = %s %s %s, %s\n", n, (is_integer(left.type) ? integers : numbers)[which], left.type,
                  left.operand, right.operand);
    struct value value = {left.type, keep_format(t, "%%t%u", n), NULL, NULL};
    return value;
}

/* Whether a number stands here, which takes the type of what it is combined with. */
static int is_number(const char *at)
{
    struct token token = token_next(&at);
    return token.kind == TOKEN_NUMBER;
}

/* The type of what a number is combined with, if that is known before it is translated: of the first name that follows. */
static const char *type_ahead(struct translation *t, const char *at)
{
    for (;;) {
        struct token token = token_next(&at);
        if (token.kind == TOKEN_NUMBER && memchr(token.start, '.', token.length) != NULL)
            return "double";
        if (token.kind == TOKEN_NAME || token.kind == TOKEN_WORD) {
            const char *text = token.kind == TOKEN_NAME ? keep(t, token_name(&token))
                                                        : keep_format(t, "@%.*s", (int)token.length, token.start);
            const struct entity *entity = session_function(&repl.session, text);
            return entity == NULL ? NULL : entity->kind == ENTITY_FUNCTION ? entity->signature.result : entity->type;
        }
        if (token.kind != TOKEN_NUMBER && (token.kind != TOKEN_OTHER || strchr("+-*/%(", *token.start) == NULL))
            return NULL;
    }
}

static struct value chain(struct translation *t, const char *type, const char *signs, struct value (*part)(struct translation *, const char *))
{
    const char *wanted = type;
    t->at = skip_blanks(t->at);
    if (wanted == NULL && is_number(t->at))
        wanted = type_ahead(t, t->at);
    struct value left = part(t, wanted);
    for (;;) {
        const char *at = skip_blanks(t->at);
        if (*at == '\0' || strchr(signs, *at) == NULL)
            return left;
        left = load(t, left);
        t->at = at + 1;
        left = combine(t, *at, left, load(t, part(t, left.type)), at);
    }
}

static struct value product(struct translation *t, const char *type)
{
    return chain(t, type, "*/%", operand);
}

static struct value sum(struct translation *t, const char *type)
{
    return chain(t, type, "+-", product);
}

/* `@x = sum`: stores, and is the value. Returns 0 if it is something else. */
static int assignment(struct translation *t, struct value *value)
{
    const char *after = t->at, *start = skip_blanks(t->at);
    struct token token = token_next(&after), sign = token_next(&after);
    if ((token.kind != TOKEN_NAME && token.kind != TOKEN_WORD) || !token_is(&sign, "=") || *after == '=')
        return 0;
    if (*token.start == '%')
        fail_at(t, start, "%.*s would be known inside of a function alone: give the instruction without it",
                (int)token.length, token.start);
    t->at = start;
    const int length = (int)(token.length - (*token.start == '@'));
    const char *plain = token.start + (*token.start == '@');
    char *sigil = keep_format(t, "@%.*s", length, plain);
    if (token.kind == TOKEN_WORD && session_find(&repl.session, sigil) == NULL)
        fail_at(t, start, "there is no variable %s: define it, as in `%s = global i32 5`", sigil, sigil);
    struct value variable = name(t);
    if (variable.variable == NULL)
        fail_at(t, start, "this is no variable");
    t->at = after;
    after = skip_blanks(after);
    struct value given = settled(t, sum(t, variable.variable), variable.variable, 0);
    if (!same_type(given.type, variable.variable))
        fail_at(t, after, "%s is %s, and this is %s", sigil, variable.variable, given.type);
    buffer_format(&t->body, "  store %s ", given.type);
    if (given.typed != NULL)
        add_typed(t, given.typed, given.typed + strlen(given.operand));
    else
        buffer_add(&t->body, given.operand);
    buffer_format(&t->body, ", ptr %s\n", variable.operand);
    *value = variable;
    return 1;
}

/* Adds the IR that prints the value. */
static void finish(struct translation *t, struct value value, struct compiled_expression *result)
{
    const char *place = value.operand;
    result->type = copy_text(value.variable != NULL ? value.variable : value.type);
    result->has_strings = t->strings > 0;
    if (value.operand != NULL && value.variable == NULL) {
        place = "%value";
        buffer_format(&t->body, "  %%value = alloca %s\n  store %s ", value.type, value.type);
        if (value.typed != NULL)
            add_typed(t, value.typed, value.typed + strlen(value.operand));
        else
            buffer_add(&t->body, value.operand);
        buffer_add(&t->body, ", ptr %value\n");
    }
    if (place != NULL)
        result->slots = add_stores(&t->body, result->type, place);
    buffer_add(&result->ir, buffer_text(&t->constants));
    buffer_add(&result->ir, "define void @" EXPRESSION_NAME "(ptr %slots) {\n");
    size_t before = 0;
    for (const char *at = buffer_text(&result->ir); *at != '\0'; at++)
        before += *at == '\n';
    buffer_format(&result->ir, "%s  ret void\n}\n", buffer_text(&t->body));
    for (size_t i = 0; i < t->origin_count; i++)
        t->origins[i].line += before;
    result->origins = t->origins;
    result->origin_count = t->origin_count;
    t->origins = NULL;
}

int expression_translate(const struct typed *typed, struct compiled_expression *result)
{
    struct translation t;
    volatile int is_done = 0;
    memset(&t, 0, sizeof t);
    memset(result, 0, sizeof *result);
    t.typed = typed;
    t.at = skip_blanks(typed->text);
    if (setjmp(t.failed) == 0) {
        struct value value;
        if (!instruction(&t, &value) && !assignment(&t, &value))
            value = sum(&t, NULL);
        t.at = skip_blanks(t.at);
        if (*t.at != '\0')
            fail_at(&t, t.at, "more follows here than one expression");
        finish(&t, value, result);
        is_done = 1;
    }
    for (size_t i = 0; i < t.kept_count; i++)
        free(t.kept[i]);
    free(t.kept);
    free(t.origins);
    buffer_free(&t.body);
    buffer_free(&t.constants);
    return is_done;
}

void expression_free(struct compiled_expression *expression)
{
    free(expression->type);
    free(expression->origins);
    buffer_free(&expression->ir);
}
