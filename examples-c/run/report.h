#ifndef RUN_REPORT_H
#define RUN_REPORT_H

#include "mgenjit.h"

/* Prints an error, frees it, and returns the exit code for it. `subject` says what was done, where the error
 * itself does not; it may be NULL. */
int report_error(const char *subject, mgenjit_error *error);

/* An event hook: prints a line to stderr. */
void report_event(const mgenjit_event *event, void *user);

/* Prints to stderr where a module came from and what its steps took. */
void report_times(const mgenjit_module *module);

/* Prints the signatures of a module's functions to stdout, a line each. */
int report_functions(mgenjit_module *module, mgenjit_error **error);

/* Prints a call's result to stdout, on a line; nothing for void. */
void report_value(const mgenjit_value *value);

#endif
