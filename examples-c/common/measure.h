#ifndef COMMON_MEASURE_H
#define COMMON_MEASURE_H

#include <stddef.h>

/* Milliseconds of the monotonic clock. */
double clock_milliseconds(void);

/* The median of some values, which it sorts. */
double median(double *values, size_t count);

struct process_result {
    /* On clock_milliseconds: just before it was started, and after it ended. */
    double started;
    double ended;
    /* Its exit status, or 128 + the signal that killed it. */
    int status;
    /* What it wrote to stdout, with a NUL after it; to be freed. */
    char *output;
    size_t output_length;
};

/* Runs a program, found on PATH, to its end. Returns 0, or an errno if it could not be started. */
int process_run(const char *const *argv, struct process_result *result);

#endif
