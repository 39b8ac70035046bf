#ifndef CACHE_ENTRIES_H
#define CACHE_ENTRIES_H

#include "commands.h"

typedef char key_text[MGENJIT_KEY_SIZE];

/*
 * Finds the whole keys of all arguments, before any is used. Returns an exit code, and prints what is wrong. The caller
 * frees the keys.
 */
int entries_resolve(struct context *context, key_text **keys, size_t *count);

/* What is done with an entry. Returns an exit code; anything but 0 ends the round. */
typedef int (*entries_visit)(struct context *context, const mgenjit_cache_info *info, void *user);

/* Visits the entries that the options' filter lets through, in the order of their keys. Returns an exit code. */
int entries_each(struct context *context, entries_visit visit, void *user);

#endif
