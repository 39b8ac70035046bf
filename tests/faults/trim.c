/* A cache is trimmed to its limits. */
#define OPERATION mgenjit_cache_trim(cache, NULL, NULL, &failure)
#include "one_operation.h"
