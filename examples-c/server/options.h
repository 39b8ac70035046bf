#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <stdint.h>

/* What the process ends with. Scripts count on them: see --help. */
enum { EXIT_DONE = 0, EXIT_NO_SERVER = 1, EXIT_USAGE = 2, EXIT_FAILED = 3 };

enum command { STATUS, STATS, STOP };

struct options {
    enum command command;
    int json;
    int force;
    /* How long the end of a server is waited for, in milliseconds. */
    uint64_t timeout;
};

/*
 * Reads the command line. Returns 1 if there is something to do, else 0: then `*exit_code` is what to end with, and
 * what there is to say has been said.
 */
int server_options_parse(struct options *options, int argc, char **argv, int *exit_code);

#endif
