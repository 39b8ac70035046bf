#ifndef RUN_PRINT_H
#define RUN_PRINT_H

#include "mgenjit.h"

/* Prints the signatures of a module's functions to stdout, a line each. Returns 1 for success. */
int print_functions(mgenjit_module *module, mgenjit_error **error);

/* Prints a call's result to stdout, on a line; nothing for void. */
void print_value(const mgenjit_value *value);

#endif
