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

/* Keys of entries. The caller frees the items. */
struct keys {
    key_text *items;
    size_t count;
    size_t room;
    /* Pieces that are left out. */
    size_t pieces;
};

/*
 * The keys that the command line names, or those of all entries that the options' filter lets through, without pieces unless
 * they are asked for. Returns an exit code, and prints what is wrong.
 */
int entries_choose(struct context *context, struct keys *keys);

/* Pointers to all keys, to be freed. NULL: there is no memory. */
const char **keys_pointers(const struct keys *keys);

#endif
