#ifndef CACHE_COMMANDS_H
#define CACHE_COMMANDS_H

#include <limits.h>

#include "mgenjit.h"
#include "options.h"

/* What a command works on. */
struct context {
    const struct options *options;
    mgenjit_config *config;
    mgenjit_cache *cache;
};

/* Each does what the command of its name does, prints it, and returns an exit code. */
int command_clear(struct context *context);
int command_explain(struct context *context);
int command_export(struct context *context);
int command_import(struct context *context);
int command_list(struct context *context);
int command_pin(struct context *context);
int command_rebuild(struct context *context);
int command_remote(struct context *context);
int command_remove(struct context *context);
int command_show(struct context *context);
int command_stats(struct context *context);
int command_trim(struct context *context);
int command_unpin(struct context *context);
int command_verify(struct context *context);

struct command {
    const char *name;
    /* What follows the name, for the usage. */
    const char *arguments;
    /* How many arguments there may be; MANY for any number. */
    int least;
    int most;
    const char *summary;
    /* More about it, or "". */
    const char *details;
    int (*run)(struct context *context);
};

#define MANY INT_MAX

#endif
