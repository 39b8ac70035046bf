/* A cache is trimmed to its limits. */
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
    (void)TRY_CACHE(mgenjit_cache_trim(cache, NULL, NULL, &failure));
    mgenjit_cache_free(cache);
    mark("</act>");
}

static void check(scenario_fate fate)
{
    check_cache(fate);
}

SCENARIO
