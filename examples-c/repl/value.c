#define _GNU_SOURCE

#include "value.h"

#include <ctype.h>
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "isolate.h"
#include "repl.h"
#include "scan.h"

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 unsigned_wide;

/* What is shown of a text that a pointer points to. */
enum { TEXT = 80 };

/* What IR calls a long double. */
#if LDBL_MANT_DIG == 113
#define LONG_DOUBLE "fp128"
#else
#define LONG_DOUBLE "x86_fp80"
#endif

enum shape { INTEGER, FLOATING, POINTER, VECTOR, ARRAY, STRUCTURE, NOTHING, UNKNOWN };

struct form {
    enum shape shape;
    /* Of an integer. */
    unsigned bits;
    /* Of a vector and an array. */
    unsigned long long count;
    /* Of a vector and an array: the element's type. Of a structure: the list of its types. */
    const char *inside;
    int is_packed;
};

static int starts(const char *type, const char *word)
{
    struct token token = token_next(&type);
    return token_is(&token, word);
}

/* `4 x i32` */
static void read_count(const char *at, struct form *form)
{
    char *end;
    form->count = strtoull(at, &end, 10);
    struct token word = token_next((const char **)&end);
    form->inside = skip_blanks(end);
    if (!token_is(&word, "x"))
        form->shape = UNKNOWN;
}

static struct form form_of(const char *type)
{
    struct form form = {UNKNOWN, 0, 0, NULL, 0};
    static const char *const floating[] = {"half", "bfloat", "float", "double", LONG_DOUBLE};
    type = skip_blanks(type);
    for (size_t i = 0; i < sizeof floating / sizeof floating[0]; i++)
        if (starts(type, floating[i]))
            form.shape = FLOATING;
    if (*type == 'i' && isdigit((unsigned char)type[1])) {
        form.bits = (unsigned)strtoul(type + 1, NULL, 10);
        form.shape = form.bits <= 128 ? INTEGER : UNKNOWN;
    } else if (starts(type, "ptr") || (skip_type(type, 1) != NULL && skip_type(type, 1)[-1] == '*')) {
        form.shape = POINTER;
    } else if (starts(type, "void")) {
        form.shape = NOTHING;
    } else if (*type == '{' || (*type == '<' && *skip_blanks(type + 1) == '{')) {
        form.shape = STRUCTURE;
        form.is_packed = *type == '<';
        form.inside = strchr(type, '{') + 1;
    } else if (*type == '<' || *type == '[') {
        form.shape = *type == '<' ? VECTOR : ARRAY;
        read_count(type + 1, &form);
    } else if (*type == '%') {
        const char *at = type;
        struct token token = token_next(&at);
        char *name = token_name(&token);
        const struct entity *entity = session_find(&repl.session, name);
        free(name);
        if (entity != NULL && entity->kind == ENTITY_TYPE && !starts(entity->type, "opaque"))
            return form_of(entity->type);
    }
    return form;
}

/* The next type of a structure's list, which `*at` moves behind. NULL at the end. The caller frees it. */
static char *next_member(const char **at)
{
    const char *start = skip_blanks(*at), *end = skip_type(start, 1);
    if (end == NULL || *start == '}')
        return NULL;
    *at = skip_blanks(end);
    if (**at == ',')
        (*at)++;
    return copy_bytes(start, (size_t)(end - start));
}

static char *element_type(const struct form *form)
{
    const char *end = skip_type(form->inside, 1);
    return end == NULL ? copy_text("void") : copy_bytes(form->inside, (size_t)(end - form->inside));
}

struct stores {
    struct buffer *body;
    size_t slots;
    unsigned temporaries;
};

/* Stores a scalar, which is an operand. */
static void store_scalar(struct stores *stores, const char *type, const struct form *form, const char *operand)
{
    const unsigned n = stores->temporaries++;
    const char *wider = form->bits < 64 ? "i64" : "i128";
    buffer_format(stores->body, "  %%slot.%u = getelementptr i8, ptr %%slots, i64 %zu\n", n,
                  SLOT_SIZE * stores->slots++);
    if (form->shape == INTEGER && form->bits != 64 && form->bits != 128) {
        buffer_format(stores->body, "  %%wide.%u = %s %s %s to %s\n  store %s %%wide.%u, ptr %%slot.%u\n", n,
                      form->bits == 1 ? "zext" : "sext", type, operand, wider, wider, n, n);
    } else if (form->shape == FLOATING && (starts(type, "half") || starts(type, "bfloat"))) {
        buffer_format(stores->body, "  %%wide.%u = fpext %s %s to float\n  store float %%wide.%u, ptr %%slot.%u\n", n, type,
                      operand, n, n);
    } else if (form->shape == POINTER) {
        buffer_format(stores->body, "  %%wide.%u = ptrtoint %s %s to i64\n  store i64 %%wide.%u, ptr %%slot.%u\n", n, type,
                      operand, n, n);
    } else {
        buffer_format(stores->body, "  store %s %s, ptr %%slot.%u\n", type, operand, n);
    }
}

static void store(struct stores *stores, const char *type, const char *at);

/* Its elements need not be bytes, so it is loaded as a whole. */
static void store_vector(struct stores *stores, const char *type, const struct form *form, const char *at)
{
    const unsigned n = stores->temporaries++;
    char operand[32], *element = element_type(form);
    const struct form inside = form_of(element);
    buffer_format(stores->body, "  %%all.%u = load %s, ptr %s\n", n, type, at);
    for (unsigned long long i = 0; inside.shape != UNKNOWN && i < form->count && stores->slots < MAX_SLOTS; i++) {
        buffer_format(stores->body, "  %%one.%u.%llu = extractelement %s %%all.%u, i64 %llu\n", n, i, type, n, i);
        snprintf(operand, sizeof operand, "%%one.%u.%llu", n, i);
        store_scalar(stores, element, &inside, operand);
    }
    free(element);
}

static void store_part(struct stores *stores, const char *whole, const char *type, unsigned long long index, const char *at)
{
    char part[32];
    snprintf(part, sizeof part, "%%part.%u", stores->temporaries++);
    buffer_format(stores->body, "  %s = getelementptr %s, ptr %s, i32 0, i32 %llu\n", part, whole, at, index);
    store(stores, type, part);
}

static void store(struct stores *stores, const char *type, const char *at)
{
    const struct form form = form_of(type);
    const char *members = form.inside;
    char *member, operand[32];
    if (stores->slots >= MAX_SLOTS)
        return;
    switch (form.shape) {
    case NOTHING:
    case UNKNOWN: return;
    case VECTOR: store_vector(stores, type, &form, at); return;
    case ARRAY:
        member = element_type(&form);
        for (unsigned long long i = 0; i < form.count && stores->slots < MAX_SLOTS; i++)
            store_part(stores, type, member, i, at);
        free(member);
        return;
    case STRUCTURE:
        for (unsigned long long i = 0; (member = next_member(&members)) != NULL; i++) {
            store_part(stores, type, member, i, at);
            free(member);
        }
        return;
    case INTEGER:
    case FLOATING:
    case POINTER:
        snprintf(operand, sizeof operand, "%%loaded.%u", stores->temporaries++);
        buffer_format(stores->body, "  %s = load %s, ptr %s\n", operand, type, at);
        store_scalar(stores, type, &form, operand);
    }
}

size_t add_stores(struct buffer *body, const char *type, const char *at)
{
    struct stores stores = {body, 0, 0};
    store(&stores, type, at);
    return stores.slots;
}

struct slots {
    const char *at;
    size_t left;
};

static int take(struct slots *slots, void *value, size_t size)
{
    if (slots->left == 0)
        return 0;
    memcpy(value, slots->at, size);
    slots->at += SLOT_SIZE;
    slots->left--;
    return 1;
}

static void print_wide(wide value)
{
    char digits[48], *at = digits + sizeof digits;
    unsigned_wide rest = value < 0 ? -(unsigned_wide)value : (unsigned_wide)value;
    *--at = '\0';
    do
        *--at = (char)('0' + (int)(rest % 10));
    while ((rest /= 10) != 0);
    printf("%s%s", value < 0 ? "-" : "", at);
}

/* As few digits as read back as the same number, but no fewer than the type can always keep. */
static void print_number(long double number, int low, int high, int is_float)
{
    char text[64];
    int precision = low;
    do
        snprintf(text, sizeof text, "%.*Lg", precision, number);
    while ((is_float ? (long double)strtof(text, NULL) : strtold(text, NULL)) != number && ++precision <= high);
    fputs(text, stdout);
}

static void print_double(double number)
{
    char text[64];
    int precision = DBL_DIG;
    do
        snprintf(text, sizeof text, "%.*g", precision, number);
    while (strtod(text, NULL) != number && ++precision <= 17);
    fputs(text, stdout);
}

static void print_floating(const char *type, struct slots *slots)
{
    float single = 0;
    double number = 0;
    long double extended = 0;
    if (starts(type, "double")) {
        take(slots, &number, sizeof number);
        print_double(number);
    } else if (starts(type, LONG_DOUBLE)) {
        take(slots, &extended, sizeof extended);
        print_number(extended, LDBL_DIG, DECIMAL_DIG, 0);
    } else {
        take(slots, &single, sizeof single);
        print_number((long double)single, FLT_DIG, 9, 1);
    }
}

/* A byte as IR writes it in a string. */
static void print_byte(unsigned char byte)
{
    if (byte < ' ' || byte > '~' || byte == '"' || byte == '\\')
        printf("\\%02X", byte);
    else
        putchar(byte);
}

/* The text at an address, if there is one: readable, with an end, and of two characters or more. */
static void print_text(uint64_t address)
{
    char text[TEXT + 1];
    /* It is one of another process. */
    if (isolate_is_on())
        return;
    /* The next page may not be there. */
    const size_t left = 4096 - address % 4096, first = left < TEXT ? left : TEXT;
    struct iovec here = {text, TEXT};
    struct iovec there[] = {{(void *)(uintptr_t)address, first}, {(void *)(uintptr_t)(address + first), TEXT - first}};
    ssize_t length = address == 0 ? 0 : process_vm_readv(getpid(), &here, 1, there, 2, 0);
    ssize_t used = 0;
    while (used < length && (text[used] >= ' ' || text[used] == '\n' || text[used] == '\t' || (text[used] & 0x80) != 0))
        used++;
    int is_cut = used == TEXT;
    if (used < 2 || (!is_cut && (used == length || text[used] != '\0')))
        return;
    fputs(" \"", stdout);
    for (ssize_t i = 0; i < used; i++) {
        const char *const escapes = "\nn\tt\"\"\\\\", *escape = strchr(escapes, text[i]);
        if (escape != NULL && (escape - escapes) % 2 == 0)
            printf("\\%c", escape[1]);
        else
            putchar(text[i]);
    }
    fputs(is_cut ? "\"..." : "\"", stdout);
}

static void print_value(const char *type, struct slots *slots, int is_inside);

static void print_integer(const struct form *form, struct slots *slots)
{
    wide value = 0;
    int64_t narrow = 0;
    if (form->bits <= 64) {
        take(slots, &narrow, sizeof narrow);
        value = narrow;
    } else {
        take(slots, &value, sizeof value);
    }
    if (form->bits == 1)
        fputs(value != 0 ? "true" : "false", stdout);
    else
        print_wide(value);
}

/* An array of bytes is a text. */
static int print_bytes(const struct form *form, const char *element, struct slots *slots)
{
    const struct form inside = form_of(element);
    if (inside.shape != INTEGER || inside.bits != 8)
        return 0;
    fputs("c\"", stdout);
    for (unsigned long long i = 0; i < form->count; i++) {
        int64_t byte;
        if (!take(slots, &byte, sizeof byte)) {
            fputs("\"...", stdout);
            return 1;
        }
        print_byte((unsigned char)byte);
    }
    putchar('"');
    return 1;
}

static void print_elements(const struct form *form, struct slots *slots)
{
    char *element = element_type(form);
    if (form->shape == VECTOR || !print_bytes(form, element, slots)) {
        putchar(form->shape == VECTOR ? '<' : '[');
        for (unsigned long long i = 0; i < form->count; i++) {
            if (i > 0)
                fputs(", ", stdout);
            if (slots->left == 0) {
                fputs("...", stdout);
                break;
            }
            print_value(element, slots, 1);
        }
        putchar(form->shape == VECTOR ? '>' : ']');
    }
    free(element);
}

static void print_structure(const struct form *form, struct slots *slots)
{
    const char *members = form->inside;
    char *member;
    const char *separator = "";
    fputs(form->is_packed ? "<{ " : "{ ", stdout);
    while ((member = next_member(&members)) != NULL) {
        fputs(separator, stdout);
        if (slots->left == 0)
            fputs("...", stdout);
        else
            print_value(member, slots, 1);
        free(member);
        separator = ", ";
    }
    fputs(form->is_packed ? " }>" : " }", stdout);
}

static void print_value(const char *type, struct slots *slots, int is_inside)
{
    const struct form form = form_of(type);
    uint64_t address = 0;
    switch (form.shape) {
    case NOTHING: return;
    case UNKNOWN: printf("(a value of type %s)", type); return;
    case INTEGER: print_integer(&form, slots); return;
    case FLOATING: print_floating(type, slots); return;
    case VECTOR:
    case ARRAY: print_elements(&form, slots); return;
    case STRUCTURE: print_structure(&form, slots); return;
    case POINTER:
        take(slots, &address, sizeof address);
        if (address == 0)
            fputs("null", stdout);
        else
            printf("0x%" PRIx64, address);
        if (!is_inside)
            print_text(address);
    }
}

void print_slots(const char *type, const char *slots)
{
    struct slots all = {slots, MAX_SLOTS};
    if (form_of(type).shape == NOTHING)
        return;
    print_value(type, &all, 0);
    putchar('\n');
}
