#ifndef REPL_OPTIONS_H
#define REPL_OPTIONS_H

#include "common/list.h"
#include "common/setup.h"

struct repl_options {
    struct setup setup;
    /* What is loaded before the first line is read. */
    struct list files;
};

/* Reads the command line. Returns 1 to go on, else 0: then `*exit_code` is what to end with. */
int repl_options_parse(struct repl_options *options, int argc, char **argv, int *exit_code);

void repl_options_free(struct repl_options *options);

#endif
