/* A scenario that is one operation on a cache of several entries: the file that includes this defines OPERATION. */
#include "operate.h"

static void prepare(void)
{
    prepare_modules();
}

static void act(void)
{
    mgenjit_cache *cache;
    mark("<act>");
    cache = open_limited_cache();
    (void)TRY_CACHE(OPERATION);
    mgenjit_cache_free(cache);
    mark("</act>");
}

static void check(scenario_fate fate)
{
    check_cache(fate);
}

SCENARIO
