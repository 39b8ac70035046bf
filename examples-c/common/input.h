#ifndef COMMON_INPUT_H
#define COMMON_INPUT_H

#include "mgenjit.h"

/* What messages call a file of the command line. */
const char *input_name(const char *path);

/* Adds a file to a source; "-" is what stdin still has, which is read. */
mgenjit_status input_add(mgenjit_source *source, const char *path, mgenjit_error **error);

#endif
