#ifndef COMMON_REPORT_H
#define COMMON_REPORT_H

#include "mgenjit.h"
#include "program.h"

/* Says what is wrong with the command line, with the usage, and returns the exit code for that. */
int report_wrong_usage(const char *usage, const char *message, const char *what);

/* Prints an error, frees it, and returns the exit code for it. `subject` says what was done, where the error
 * itself does not; it may be NULL. */
int report_error(const char *subject, mgenjit_error *error);

/* Prints to stderr where a module came from and what its steps took. */
void report_times(const mgenjit_module *module);

/* Writes what stdout still holds. Returns `exit_code`, or another one if that failed. */
int report_end(int exit_code);

#endif
