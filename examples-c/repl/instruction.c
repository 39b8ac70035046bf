/* An instruction of IR, as in `store i64 5, ptr @x`. Its value, if it has one whose type is easily told, is printed. */
#include <string.h>

#include "scan.h"
#include "translate.h"

enum rule {
    /* The type stands behind the opcode and its flags. */
    FIRST,
    /* As FIRST, before a function's parameters. */
    CALL,
    /* i1, or as many as the operands have elements. */
    COMPARISON,
    /* The type stands at the end. */
    LAST,
    POINTER,
    SECOND,
    NONE
};

static const struct {
    const char *opcode;
    enum rule rule;
} opcodes[] = {
    {"add", FIRST},       {"sub", FIRST},        {"mul", FIRST},         {"udiv", FIRST},        {"sdiv", FIRST},
    {"urem", FIRST},      {"srem", FIRST},       {"shl", FIRST},         {"lshr", FIRST},        {"ashr", FIRST},
    {"and", FIRST},       {"or", FIRST},         {"xor", FIRST},         {"fadd", FIRST},        {"fsub", FIRST},
    {"fmul", FIRST},      {"fdiv", FIRST},       {"frem", FIRST},        {"fneg", FIRST},        {"freeze", FIRST},
    {"load", FIRST},      {"insertelement", FIRST}, {"insertvalue", FIRST}, {"icmp", COMPARISON},   {"fcmp", COMPARISON},
    {"trunc", LAST},      {"zext", LAST},        {"sext", LAST},         {"fptrunc", LAST},      {"fpext", LAST},
    {"fptosi", LAST},     {"fptoui", LAST},      {"sitofp", LAST},       {"uitofp", LAST},       {"ptrtoint", LAST},
    {"inttoptr", LAST},   {"bitcast", LAST},     {"addrspacecast", LAST}, {"getelementptr", POINTER}, {"alloca", POINTER},
    {"select", SECOND},   {"call", CALL},        {"tail", CALL},         {"notail", CALL},       {"store", NONE},
    {"fence", NONE},      {"atomicrmw", NONE},   {"cmpxchg", NONE},      {"extractvalue", NONE}, {"extractelement", NONE},
    {"shufflevector", NONE}, {"va_arg", NONE},
};

/* The first type from here on, behind the opcode and its flags. */
static char *first_type(struct translation *t, const char *at, int whole)
{
    while (!is_type(at)) {
        struct token token = token_next(&at);
        if (token.kind == TOKEN_END)
            return NULL;
        if (token.kind == TOKEN_WORD && *skip_blanks(at) == '(')
            at = skip_brackets(skip_blanks(at));
        if (at == NULL)
            return NULL;
    }
    at = skip_blanks(at);
    const char *end = skip_type(at, whole);
    return end == NULL ? NULL : keep(t, copy_bytes(at, (size_t)(end - at)));
}

/* The type behind the last `to`. */
static char *last_type(struct translation *t, const char *at)
{
    char *found = NULL;
    for (struct token token = token_next(&at); token.kind != TOKEN_END; token = token_next(&at))
        if (token_is(&token, "to"))
            found = first_type(t, at, 1);
    return found;
}

static char *type_of(struct translation *t, enum rule rule, const char *at)
{
    char *type;
    switch (rule) {
    case FIRST: return first_type(t, at, 1);
    case CALL: return first_type(t, at, 0);
    case COMPARISON:
        type = first_type(t, at, 1);
        if (type != NULL && *type == '<' && strchr(type, 'x') != NULL)
            return keep_format(t, "%.*sx i1>", (int)(strchr(type, 'x') - type), type);
        return keep(t, copy_text("i1"));
    case LAST: return last_type(t, at);
    case POINTER: return keep(t, copy_text("ptr"));
    case SECOND:
        at = skip_element(at);
        return *at == ',' ? first_type(t, at + 1, 1) : NULL;
    case NONE: break;
    }
    return NULL;
}

int instruction(struct translation *t, struct value *value)
{
    const char *start = t->at, *after = t->at, *end = start + strlen(start);
    struct token token = token_next(&after);
    size_t i = 0, count = sizeof opcodes / sizeof opcodes[0];
    while (i < count && !token_is(&token, opcodes[i].opcode))
        i++;
    /* A function may be called `add`, too. */
    if (i == count || token.kind != TOKEN_WORD || *skip_blanks(after) == '(' || *skip_blanks(after) == '\0')
        return 0;
    value->type = type_of(t, opcodes[i].rule, after);
    value->operand = value->variable = NULL;
    value->typed = NULL;
    if (value->type != NULL && strcmp(value->type, "void") != 0)
        value->operand = keep(t, copy_text("%result"));
    else
        value->type = keep(t, copy_text("void"));
    buffer_add(&t->body, value->operand != NULL ? "  %result = " : "  ");
    add_typed(t, start, end);
    buffer_add(&t->body, "\n");
    t->at = end;
    return 1;
}
