#include "json.h"

#include <inttypes.h>
#include <stdio.h>

#include "text.h"

/* Whether the next item needs a comma. */
static int needs_comma;

static void put_string(const char *text)
{
    putchar('"');
    while (*text != '\0') {
        const char *start = text;
        int valid;
        uint32_t character = text_decode(&text, &valid);
        if (character == '"' || character == '\\')
            printf("\\%c", (int)character);
        /* U+2028 and U+2029 end a line to some readers; U+007F to U+009F would reach a terminal. */
        else if (character < 0x20 || (character >= 0x7f && character < 0xa0) || character >> 1 == 0x1014
                 || !valid)
            printf("\\u%04" PRIx32, character);
        else
            fwrite(start, 1, (size_t)(text - start), stdout);
    }
    putchar('"');
}

static void start(const char *name)
{
    if (needs_comma)
        putchar(',');
    needs_comma = 1;
    if (name != NULL) {
        put_string(name);
        putchar(':');
    }
}

void json_open(const char *name)
{
    start(name);
    putchar('{');
    needs_comma = 0;
}

void json_close(void)
{
    putchar('}');
    needs_comma = 1;
}

void json_open_array(const char *name)
{
    start(name);
    putchar('[');
    needs_comma = 0;
}

void json_close_array(void)
{
    putchar(']');
    needs_comma = 1;
}

void json_end(void)
{
    puts("}");
    needs_comma = 0;
}

void json_string(const char *name, const char *value)
{
    start(name);
    if (value == NULL)
        fputs("null", stdout);
    else
        put_string(value);
}

void json_number(const char *name, uint64_t value)
{
    start(name);
    printf("%" PRIu64, value);
}

void json_null(const char *name)
{
    start(name);
    fputs("null", stdout);
}

void json_bool(const char *name, int value)
{
    start(name);
    fputs(value ? "true" : "false", stdout);
}
