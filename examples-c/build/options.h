#ifndef BUILD_OPTIONS_H
#define BUILD_OPTIONS_H

#include "common/list.h"
#include "common/setup.h"
#include "kinds.h"
#include "mgenjit.h"

struct options {
    struct setup setup;
    const struct kind *kind;
    /* The file to write; "-" is stdout. */
    const char *output;
    struct list files;
    struct list keep;
    /* Each file is a module of its own. */
    int separate;
    mgenjit_export_options *export;
};

/*
 * Reads the command line. Returns 1 if there is something to build, else 0: then everything was printed, and
 * `*exit_code` is the exit code. The strings are those of `argv`.
 */
int build_options_parse(struct options *options, int argc, char **argv, int *exit_code);

void build_options_free(struct options *options);

#endif
