#ifndef CACHE_OPTIONS_H
#define CACHE_OPTIONS_H

#include <stdint.h>

#include "common/list.h"

/* How `list` is sorted. Unsorted, it is in the order of the keys, and nothing is kept in memory. */
enum sort { SORT_NONE, SORT_SIZE, SORT_USED, SORT_HITS, SORT_SAVED, SORT_CREATED, SORT_NAME };

/* A limit that the command line does not give. */
#define NO_LIMIT_GIVEN UINT64_MAX

struct command;

struct options {
    const struct command *command;
    /* What follows the command and is no option. */
    struct list arguments;
    const char *cache_dir;
    int json;
    /* A pattern of names; for `explain`, a name. */
    const char *name;
    /* As in mgenjit_cache_filter. */
    int32_t pinned;
    uint64_t unused_since;
    uint64_t min_bytes;
    /* Whether pieces are meant as well. */
    int pieces;
    enum sort sort;
    int is_long;
    int keys_only;
    int disassemble;
    int ir;
    /* Files for parts of an entry; "-" is stdout. */
    const char *ir_file;
    const char *object_file;
    const char *image_file;
    const char *profile_file;
    int counts;
    int recompile;
    /* 0: no limit. The age is in seconds. */
    uint64_t max_bytes;
    uint64_t max_entries;
    uint64_t max_age;
    int pinned_too;
    int yes;
    int32_t opt_level;
    /* As in mgenjit_config_set_partition, if it is given. */
    int has_partition;
    int32_t partition;
    int debug_ir;
    const char *cpu;
    const char *target;
    const char *features;
    /* Symbols that stay visible. */
    struct list kept;
    int all;
    const char *output;
    const char *sign;
    struct list trusted;
    struct list layers;
    /* What `remote` does. */
    const char *action;
    /* Remotes, with spaces between them; NULL: those of the environment, if `has_remote`. */
    const char *remote;
    int has_remote;
};

/*
 * Reads the command line. Returns 1 if there is something to do, else 0: then everything was printed, and
 * `*exit_code` is the exit code. The strings are those of `argv`.
 */
int cache_options_parse(struct options *options, int argc, char **argv, int *exit_code);

void cache_options_free(struct options *options);

/* Says what is wrong with the command line, and returns the exit code for that. */
int options_wrong(const struct options *options, const char *message, const char *what);

#endif
