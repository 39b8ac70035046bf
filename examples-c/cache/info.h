#ifndef CACHE_INFO_H
#define CACHE_INFO_H

#include "mgenjit.h"

/* Writes the members of a JSON object that tell of an entry. */
void json_info(const mgenjit_cache_info *info);

#endif
