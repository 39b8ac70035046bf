#ifndef RUN_OPTIONS_H
#define RUN_OPTIONS_H

#include <stdint.h>

struct list {
    char **items;
    int count;
};

struct options {
    char *file;
    /* The program's: arguments[0] is the file. */
    char **arguments;
    int argument_count;
    int32_t opt_level;
    const char *cpu;
    const char *cache_dir;
    int no_cache;
    struct list additions;
    struct list libraries;
    struct list calls;
    int time;
    int verbose;
    int list;
};

/*
 * Reads the command line. Returns 1 if there is something to run, else 0: then `*exit_code` is what to end
 * with, and what there is to say has been said. The strings are those of `argv`.
 */
int options_parse(struct options *options, int argc, char **argv, int *exit_code);

void options_free(struct options *options);

#endif
