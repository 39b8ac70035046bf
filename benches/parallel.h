#ifndef PARALLEL_H
#define PARALLEL_H

#include <stddef.h>

/*
 * The milliseconds that programs take, of which so many run at once, from the start of the first to the end of the
 * last. All have to succeed. What they print is lost. No other child process may run.
 */
double run_parallel(const char *const *const *commands, size_t count, size_t at_once);

#endif
