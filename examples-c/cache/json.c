#include "json.h"

#include <inttypes.h>
#include <stdio.h>

#include "text.h"

/* Whether something stands before what comes next. */
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

void json_bool(const char *name, int value)
{
    start(name);
    fputs(value ? "true" : "false", stdout);
}

const char *opt_level_name(int32_t level)
{
    switch (level) {
    case MGENJIT_OPT_O0: return "O0";
    case MGENJIT_OPT_O1: return "O1";
    case MGENJIT_OPT_O2: return "O2";
    case MGENJIT_OPT_O3: return "O3";
    case MGENJIT_OPT_OS: return "Os";
    case MGENJIT_OPT_OZ: return "Oz";
    default: return "?";
    }
}

void json_info(const mgenjit_cache_info *info)
{
    json_string("key", info->key);
    json_string("name", info->name);
    json_string("opt_level", opt_level_name(info->opt_level));
    json_bool("pinned", info->pinned);
    json_string("triple", info->triple);
    json_string("cpu", info->cpu);
    json_string("machine", info->machine);
    json_string("llvm_version", info->llvm_version);
    json_string("version", info->version);
    json_string("build", info->build);
    json_number("ir_bytes", info->ir_bytes);
    json_number("bytes", info->bytes);
    json_number("image_bytes", info->image_bytes);
    json_number("compile_time", info->compile_time);
    json_number("created", info->created);
    json_number("last_used", info->last_used);
    json_number("hits", info->hits);
    json_number("saved_time", info->saved_time);
}
