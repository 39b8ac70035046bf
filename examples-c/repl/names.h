#ifndef REPL_NAMES_H
#define REPL_NAMES_H

#include <stddef.h>

/* What is known by a name. {NULL, 0, 0} is empty. */
struct names {
    struct name_slot {
        char *name;
        void *value;
    } *slots;
    size_t count;
    size_t room;
};

/* NULL: there is nothing of that name. */
void *names_find(const struct names *names, const char *name);

/* Adds a value, or puts it in the place of another. It is not NULL. */
void names_put(struct names *names, const char *name, void *value);

void names_free(struct names *names);

#endif
