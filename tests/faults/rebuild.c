/* The index is made anew. */
#define OPERATION mgenjit_cache_rebuild(cache, NULL, NULL, &failure)
#include "one_operation.h"
