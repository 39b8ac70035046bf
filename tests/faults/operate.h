/* A cache of some modules, an operation that changes it, and what must hold afterwards. */
#ifndef OPERATE_H
#define OPERATE_H

#include "scenario.h"
#include "../c/entries.h"

enum { MODULES = 4, KEPT = 2 };

/* Compiles or hits module `number`, and uses it. */
static inline int use_module(mgenjit_executor *executor, int number)
{
    char ir[128];
    mgenjit_module *module = NULL;
    void *address = NULL;
    int origin;
    snprintf(ir, sizeof ir, "define i64 @f(i64 %%x) {\n  %%y = mul i64 %%x, %d\n  ret i64 %%y\n}\n", number + 3);
    CHECK(TRY(mgenjit_executor_compile(executor, "operated", ir, strlen(ir), &module, &failure)));
    CHECK(TRY(mgenjit_module_lookup(module, "f", &address, &failure)));
    CHECK_INT((number + 3) * 7, ((long long (*)(long long))address)(7));
    origin = mgenjit_module_origin(module);
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    return origin;
}

static inline mgenjit_cache_statistics statistics_of(mgenjit_cache *cache)
{
    mgenjit_cache_statistics statistics;
    memset(&statistics, 0, sizeof statistics);
    statistics.size = sizeof statistics;
    CHECK_OK(mgenjit_cache_stats(cache, &statistics, &failure));
    return statistics;
}

static inline void prepare_modules(void)
{
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    mgenjit_cache *cache = NULL;
    CHECK_OK(mgenjit_config_set_max_servers(config, 1, &failure));
    executor = new_executor(config);
    for (int i = 0; i < MODULES; i++)
        CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_module(executor, i));
    /* The index is whole, and does not know yet of a hit. */
    CHECK_OK(mgenjit_cache_open(config, &cache, &failure));
    CHECK_INT(MODULES, statistics_of(cache).entries);
    mgenjit_cache_free(cache);
    CHECK_INT(MGENJIT_ORIGIN_CACHE, use_module(executor, 0));
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
}

/* A cache that is trimmed to KEPT entries. */
static inline mgenjit_cache *open_limited_cache(void)
{
    mgenjit_config *config = default_config();
    mgenjit_cache *cache = NULL;
    CHECK_OK(mgenjit_config_set_cache_limits(config, 0, KEPT, 0, &failure));
    CHECK_OK(mgenjit_cache_open(config, &cache, &failure));
    mgenjit_config_free(config);
    return cache;
}

static inline void age_folder(const char *name)
{
    char *command = NULL;
    CHECK(asprintf(&command, "find '%s/%s' -type f -exec touch -d '3 hours ago' {} +", getenv("MGENJIT_CACHE_DIR"), name)
          > 0);
    CHECK_INT(0, system(command));
    free(command);
}

static inline void check_folder_empty(const char *name)
{
    char *command = NULL;
    CHECK(asprintf(&command, "test -z \"$(find '%s/%s' -type f)\"", getenv("MGENJIT_CACHE_DIR"), name) > 0);
    if (system(command) != 0)
        check_failed(__FILE__, __LINE__, "%s is not empty", name);
    free(command);
}

/* Totals agree with the files after at most one operation that looks at all of them, and what was counted is
 * counted once. */
static inline void check_cache(scenario_fate fate)
{
    mgenjit_cache *cache = open_limited_cache();
    mgenjit_cache_statistics statistics;
    mgenjit_executor *executor;
    const char *folder = getenv("MGENJIT_CACHE_DIR");
    /* Unless the disk is bad, nothing was lost or is counted twice. */
    if (fate == KILLED || fate == UNHARMED || fate == FAILED) {
        statistics = statistics_of(cache);
        CHECK_INT(MODULES, statistics.stores);
        CHECK_INT(MODULES, statistics.misses_new);
        CHECK_INT(1, statistics.hits);
    }
    CHECK_OK(mgenjit_cache_rebuild(cache, NULL, NULL, &failure));
    statistics = statistics_of(cache);
    CHECK_INT(list_entries(folder), statistics.entries);
    age_folder("v4/tmp");
    age_folder("v4/locks");
    CHECK_OK(mgenjit_cache_trim(cache, NULL, NULL, &failure));
    check_folder_empty("v4/tmp");
    check_folder_empty("v4/locks");
    statistics = statistics_of(cache);
    CHECK_INT(list_entries(folder), statistics.entries);
    CHECK(entry_count <= KEPT);
    mgenjit_cache_free(cache);
    executor = new_executor(NULL);
    for (int i = 0; i < 2; i++)
        use_module(executor, i);
    mgenjit_executor_free(executor);
}

#endif
