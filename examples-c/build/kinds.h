#ifndef BUILD_KINDS_H
#define BUILD_KINDS_H

#include <stdint.h>

/* What a module can be exported as. */
struct kind {
    const char *name;
    /* What the name of such a file ends with; NULL: with anything else. */
    const char *suffix;
    int32_t number;
    /* Whether it is text, which a terminal can show. */
    int is_text;
};

/* The kind of that name; NULL if there is none. */
const struct kind *kind_named(const char *name);

/* The kind that a file's name tells. */
const struct kind *kind_of_file(const char *path);

#endif
