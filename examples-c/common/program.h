#ifndef COMMON_PROGRAM_H
#define COMMON_PROGRAM_H

#include <stdio.h>

/* What messages begin with: "run", or "mgenjit run". main sets it. */
extern const char *program_name;

/* Prints how the program is called: `usage` has a line for each way, without the program's name. */
void program_print_usage(FILE *file, const char *usage);

/* Prints which version this is, and those of the library and of LLVM. */
void program_print_version(void);

#endif
