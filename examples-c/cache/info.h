#ifndef CACHE_INFO_H
#define CACHE_INFO_H

#include <stdint.h>

#include "mgenjit.h"

/* Writes the members of a JSON object that tell of an entry. */
void json_info(const mgenjit_cache_info *info);

/* The level as mgenjit.h calls it, such as "O2". */
const char *opt_level_name(int32_t level);

#endif
