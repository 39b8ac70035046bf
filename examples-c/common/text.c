#include "text.h"

uint32_t text_decode(const char **text, int *valid)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)*text;
    uint32_t character = bytes[0];
    size_t more = character < 0x80 ? 0 : character >= 0xf0 ? 3 : character >= 0xe0 ? 2 : 1;
    *valid = character < 0x80 || (character >= 0xc2 && character < 0xf5);
    if (*valid && more > 0)
        character &= 0x3fu >> more;
    for (size_t i = 1; *valid && i <= more; i++) {
        *valid = (bytes[i] & 0xc0) == 0x80;
        character = character << 6 | (bytes[i] & 0x3fu);
    }
    /* Too long a form, half of a pair of UTF-16, or more than there is. */
    *valid = *valid && character >= least[more] && character < 0x110000 && character >> 11 != 0x1b;
    *text += *valid ? 1 + more : 1;
    return *valid ? character : 0xfffd;
}

size_t text_width(const char *text)
{
    size_t width = 0;
    int valid;
    while (*text != '\0') {
        text_decode(&text, &valid);
        width++;
    }
    return width;
}

static int is_harmless(uint32_t character)
{
    return character >= 0x20 && (character < 0x7f || character > 0x9f) && character != 0x2028 && character != 0x2029
           && (character < 0x202a || character > 0x202e) && (character < 0x2066 || character > 0x2069);
}

static void put(FILE *file, const char *text, int lines)
{
    while (*text != '\0') {
        const char *start = text;
        int valid;
        uint32_t character = text_decode(&text, &valid);
        if (!valid)
            fprintf(file, "\\x%02x", (unsigned)(unsigned char)*start);
        else if (is_harmless(character) || (lines && character == '\n'))
            fwrite(start, 1, (size_t)(text - start), file);
        else if (character == '\n')
            fputs("\\n", file);
        else if (character == '\t')
            fputs("\\t", file);
        else if (character < 0x80)
            fprintf(file, "\\x%02x", (unsigned)character);
        else
            fprintf(file, "\\u%04x", (unsigned)character);
    }
}

void text_put(FILE *file, const char *text)
{
    put(file, text, 0);
}

void text_put_lines(FILE *file, const char *text)
{
    put(file, text, 1);
}
