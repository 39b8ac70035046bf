/* Opening caches, and counting what is in them. */
#ifndef CACHES_H
#define CACHES_H

#include "entries.h"

/* A configuration for this directory, whose events are counted if `events` is not NULL. */
static inline mgenjit_config *config_for(const char *folder, check_events *events)
{
    mgenjit_config *config = events != NULL ? new_watched_config(events) : default_config();
    CHECK_OK(mgenjit_config_set_cache_dir(config, folder, &failure));
    return config;
}

static inline mgenjit_cache *open_cache(const mgenjit_config *config)
{
    mgenjit_cache *cache = NULL;
    CHECK_OK(mgenjit_cache_open(config, &cache, &failure));
    return cache;
}

static inline mgenjit_cache_statistics statistics_of(mgenjit_cache *cache)
{
    mgenjit_cache_statistics statistics;
    statistics.size = sizeof statistics;
    CHECK_OK(mgenjit_cache_stats(cache, &statistics, &failure));
    return statistics;
}

static inline mgenjit_cache_statistics statistics_in(const char *folder)
{
    mgenjit_config *config = config_for(folder, NULL);
    mgenjit_cache *cache = open_cache(config);
    mgenjit_cache_statistics statistics = statistics_of(cache);
    mgenjit_cache_free(cache);
    mgenjit_config_free(config);
    return statistics;
}

/* Compiles ENTRY_IR with this configuration, or finds it, and uses the code. Returns where it came from. */
static inline int use_with(const mgenjit_config *config)
{
    mgenjit_executor *executor = new_executor(config);
    int origin = use_entry(executor);
    mgenjit_executor_free(executor);
    return origin;
}

/* The keys of all entries, of which there are at most 64. */
static inline int list_keys(mgenjit_cache *cache, char keys[64][MGENJIT_KEY_SIZE])
{
    mgenjit_cache_iterator *iterator = NULL;
    mgenjit_cache_info info;
    int count = 0;
    CHECK_OK(mgenjit_cache_iterate(cache, NULL, &iterator, &failure));
    for (;;) {
        info.size = sizeof info;
        CHECK_OK(mgenjit_cache_iterator_next(iterator, &info, &failure));
        if (info.key == NULL)
            break;
        CHECK(count < 64);
        snprintf(keys[count++], MGENJIT_KEY_SIZE, "%s", info.key);
    }
    mgenjit_cache_iterator_free(iterator);
    return count;
}

static inline char *write_file(const char *name, const char *text, mode_t mode)
{
    char *path = in_folder(name);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
    CHECK(chmod(path, mode) == 0);
    return path;
}

/* From here on there is no server: whatever is not in a cache cannot run. */
static inline void lose_the_server(void)
{
    CHECK(setenv("MGENJIT_SERVER", "/nowhere/mgenjit-server", 1) == 0);
}

#endif
