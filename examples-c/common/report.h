#ifndef COMMON_REPORT_H
#define COMMON_REPORT_H

#include "mgenjit.h"

/* What messages begin with. Each program defines it. */
extern const char program_name[];

/* Says what is wrong with the command line, with the usage, and returns the exit code for that. */
int report_wrong_usage(const char *usage, const char *message, const char *what);

/* Prints an error, frees it, and returns the exit code for it. `subject` says what was done, where the error
 * itself does not; it may be NULL. */
int report_error(const char *subject, mgenjit_error *error);

/* Prints to stderr where a module came from and what its steps took. */
void report_times(const mgenjit_module *module);

/* Prints the program's version and those of the library and of LLVM. */
void report_version(void);

/* Writes what stdout still holds. Returns `exit_code`, or another one if that failed. */
int report_end(int exit_code);

#endif
