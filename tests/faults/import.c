/* A bundle is imported into an empty cache. */
#include "operate.h"

static char *bundle(void)
{
    return join(getenv("CHECK_FOLDER"), "bundle");
}

/* The modules are compiled in another cache, which goes again. */
static void prepare(void)
{
    char *source = join(getenv("CHECK_FOLDER"), "source"), *command = NULL;
    mgenjit_config *config = default_config();
    mgenjit_executor *executor;
    mgenjit_cache *cache = NULL;
    mgenjit_cache_iterator *iterator = NULL;
    mgenjit_cache_info info;
    char keys[MODULES][MGENJIT_KEY_SIZE];
    const char *pointers[MODULES];
    CHECK_OK(mgenjit_config_set_cache_dir(config, source, &failure));
    CHECK_OK(mgenjit_config_set_max_servers(config, 1, &failure));
    executor = new_executor(config);
    for (int i = 0; i < MODULES; i++)
        CHECK_INT(MGENJIT_ORIGIN_COMPILED, use_module(executor, i));
    mgenjit_executor_free(executor);
    CHECK_OK(mgenjit_cache_open(config, &cache, &failure));
    CHECK_OK(mgenjit_cache_iterate(cache, NULL, &iterator, &failure));
    for (int i = 0; i < MODULES; i++) {
        info.size = sizeof info;
        CHECK_OK(mgenjit_cache_iterator_next(iterator, &info, &failure));
        CHECK(info.key != NULL);
        snprintf(keys[i], sizeof keys[i], "%s", info.key);
        pointers[i] = keys[i];
    }
    mgenjit_cache_iterator_free(iterator);
    CHECK_OK(mgenjit_cache_export(cache, bundle(), pointers, MODULES, NULL, NULL, &failure));
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
    CHECK(asprintf(&command, "rm -rf '%s'", source) > 0);
    CHECK_INT(0, system(command));
}

static mgenjit_cache *open_default(void)
{
    mgenjit_cache *cache = NULL;
    CHECK_OK(mgenjit_cache_open(NULL, &cache, &failure));
    return cache;
}

static void act(void)
{
    mgenjit_cache *cache;
    mark("<act>");
    cache = open_default();
    (void)TRY_CACHE(mgenjit_cache_import(cache, bundle(), NULL, NULL, NULL, &failure));
    mgenjit_cache_free(cache);
    mark("</act>");
}

/* What was stored is whole; once more stores the rest, and then all of it hits, without a server. */
static void check(scenario_fate fate)
{
    mgenjit_cache *cache = open_default();
    mgenjit_executor *executor;
    mgenjit_status status;
    uint64_t imported = 0;
    int there = list_entries(getenv("MGENJIT_CACHE_DIR"));
    CHECK(there <= MODULES);
    check_reset();
    status = mgenjit_cache_import(cache, bundle(), &imported, NULL, NULL, &failure);
    if (fate == DAMAGED && status != MGENJIT_STATUS_OK) {
        /* The bundle itself was harmed, which is seen. */
        CHECK(status == MGENJIT_STATUS_DAMAGED || status == MGENJIT_STATUS_IO
              || status == MGENJIT_STATUS_INVALID_ARGUMENT);
        mgenjit_cache_free(cache);
        return;
    }
    check_status(__FILE__, __LINE__, "import", MGENJIT_STATUS_OK, status);
    if (fate != DAMAGED)
        CHECK_INT(MODULES - there, imported);
    CHECK_OK(mgenjit_cache_rebuild(cache, NULL, NULL, &failure));
    CHECK_INT(MODULES, statistics_of(cache).entries);
    age_folder("v4/tmp");
    CHECK_OK(mgenjit_cache_trim(cache, NULL, NULL, &failure));
    check_folder_empty("v4/tmp");
    mgenjit_cache_free(cache);
    CHECK(setenv("MGENJIT_SERVER", "/nowhere", 1) == 0);
    executor = new_executor(NULL);
    for (int i = 0; i < MODULES; i++)
        CHECK_INT(MGENJIT_ORIGIN_CACHE, use_module(executor, i));
    mgenjit_executor_free(executor);
}

SCENARIO
