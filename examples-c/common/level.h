#ifndef COMMON_LEVEL_H
#define COMMON_LEVEL_H

#include <stdint.h>

/* Reads an optimisation level, such as "2", "s" or "O3", to one of MGENJIT_OPT_…. Returns 0 if it is none. */
int level_parse(const char *text, int32_t *level);

/* The name of one of MGENJIT_OPT_…, as in "O2". */
const char *level_name(int32_t level);

#endif
