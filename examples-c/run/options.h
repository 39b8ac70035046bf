#ifndef RUN_OPTIONS_H
#define RUN_OPTIONS_H

#include "common/list.h"
#include "common/setup.h"
#include "isolated.h"

struct options {
    struct setup setup;
    /* The program's: arguments[0] is the file. */
    const char *const *arguments;
    int argument_count;
    /* The file and what is compiled together with it. */
    struct list files;
    struct list keep;
    struct list additions;
    struct list libraries;
    struct list calls;
    int list;
    /* Where the profile goes; NULL: nothing is counted. */
    const char *profile;
    /* Whether the program runs in a process of its own, and what it gets there. */
    int is_isolated;
    struct isolated isolated;
};

/*
 * Reads the command line. Returns 1 if there is something to run, else 0: then `*exit_code` is what to end
 * with, and what there is to say has been said. The strings are those of `argv`.
 */
int run_options_parse(struct options *options, int argc, char **argv, int *exit_code);

void run_options_free(struct options *options);

#endif
