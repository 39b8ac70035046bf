/* All entries are removed. */
#define OPERATION mgenjit_cache_clear(cache, 1, NULL, NULL, &failure)
#include "one_operation.h"
