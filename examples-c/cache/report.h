#ifndef CACHE_REPORT_H
#define CACHE_REPORT_H

#include "mgenjit.h"

/* Exit codes; from 64 on as in sysexits.h. Scripts rely on them: see --help. */
enum {
    EXIT_DONE = 0,
    EXIT_NOT_WELL = 1,
    EXIT_USAGE = 64,
    EXIT_BAD_DATA = 65,
    EXIT_NOT_FOUND = 66,
    EXIT_UNAVAILABLE = 69,
    EXIT_DEFECT = 70,
    EXIT_OS = 71,
    EXIT_CANNOT_WRITE = 73,
    EXIT_OUTPUT = 74,
    EXIT_CACHE = 78
};

/* Prints an error, frees it, and returns the exit code for it. */
int report_cache_error(mgenjit_error *error);

/* The exit code for a status. */
int report_exit_code(mgenjit_status status);

/* Prints "cache: what: why", the reason being `error`, an errno. */
void report_failure(const char *what, int error);

int report_no_memory(void);

#endif
