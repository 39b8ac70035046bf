#include "ways.h"

#include <stdio.h>

#include "common/measure.h"
#include "common/report.h"
#include "common/unit.h"

/* How often the code is taken from the cache. */
enum { WARM_ROUNDS = 15 };

static void add(struct way *way, const char *library_folder, const char *name)
{
    path_join(way->paths[way->path_count++], library_folder, name);
}

void ways_describe(struct way ways[WAYS], const char *library_folder, const char *program)
{
    static const char *const names[WAYS] = {"as IR, optimised together", "as a static archive",
                                            "as a shared library"};
    for (int i = 0; i < WAYS; i++) {
        ways[i].name = names[i];
        snprintf(ways[i].paths[ways[i].path_count++], PATH_SIZE, "%s", program);
    }
    add(&ways[0], library_folder, "vector.bc");
    add(&ways[0], library_folder, "map.bc");
    add(&ways[0], library_folder, "fail.bc");
    add(&ways[1], library_folder, "libruntime.a");
    path_join(ways[2].library, library_folder, "libruntime.so");
}

/* Compiles the program in a new executor, and finds its function. */
static mgenjit_status compile(struct way *way, const mgenjit_config *config, mgenjit_module **module,
                              mgenjit_error **error)
{
    static const char *const work = "work";
    const char *paths[MOST_FILES];
    struct list files = {paths, 0};
    struct list keep = {(const char **)&work, 1};
    for (int i = 0; i < way->path_count; i++)
        list_push(&files, way->paths[i]);

    mgenjit_status status = mgenjit_executor_new(config, &way->executor, error);
    if (status == MGENJIT_STATUS_OK && way->library[0] != '\0')
        status = mgenjit_executor_load_library(way->executor, way->library, error);
    if (status == MGENJIT_STATUS_OK)
        status = unit_compile(way->executor, &files, &keep, module, error);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_module_lookup(*module, work, (void **)&way->work, error);
    return status;
}

/* As `compile`, by a new executor in the place of the last one, and timed. */
static mgenjit_status compile_timed(struct way *way, const mgenjit_config *config, mgenjit_module **module,
                                    double *milliseconds, mgenjit_error **error)
{
    mgenjit_module_free(*module);
    mgenjit_executor_free(way->executor);
    *module = NULL;
    way->executor = NULL;
    double start = clock_milliseconds();
    mgenjit_status status = compile(way, config, module, error);
    *milliseconds = clock_milliseconds() - start;
    return status;
}

/* Asks the cache how large the module's entry is. */
static mgenjit_status read_sizes(struct way *way, const mgenjit_config *config, const mgenjit_module *module,
                                 mgenjit_error **error)
{
    mgenjit_cache *cache = NULL;
    mgenjit_cache_entry *entry = NULL;
    mgenjit_cache_info info;
    info.size = sizeof info;
    mgenjit_status status = mgenjit_cache_open(config, &cache, error);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_cache_entry_open(cache, mgenjit_module_key(module), &entry, error);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_cache_entry_info(entry, &info, error);
    if (status == MGENJIT_STATUS_OK) {
        way->image_bytes = info.image_bytes;
        way->entry_bytes = info.bytes;
    }
    mgenjit_cache_entry_free(entry);
    mgenjit_cache_free(cache);
    return status;
}

int way_prepare(struct way *way, const char *folder)
{
    char cache[PATH_SIZE];
    mgenjit_config *config = NULL;
    mgenjit_module *module = NULL;
    mgenjit_error *error = NULL;
    double times[WARM_ROUNDS];

    path_join(cache, folder, way->name);
    mgenjit_status status = mgenjit_config_new(&config, &error);
    if (status == MGENJIT_STATUS_OK)
        status = mgenjit_config_set_cache_dir(config, cache, &error);
    if (status == MGENJIT_STATUS_OK)
        status = compile_timed(way, config, &module, &way->cold_time, &error);
    for (int i = 0; status == MGENJIT_STATUS_OK && i < WARM_ROUNDS; i++)
        status = compile_timed(way, config, &module, &times[i], &error);
    if (status == MGENJIT_STATUS_OK)
        status = read_sizes(way, config, module, &error);
    if (status == MGENJIT_STATUS_OK)
        way->warm_time = median(times, WARM_ROUNDS);
    mgenjit_module_free(module);
    mgenjit_config_free(config);
    return status == MGENJIT_STATUS_OK ? 0 : report_error(way->name, error);
}

int64_t way_run(struct way *way, int64_t limit)
{
    double start = clock_milliseconds();
    int64_t result = way->work(limit);
    double time = clock_milliseconds() - start;
    if (way->run_time == 0 || time < way->run_time)
        way->run_time = time;
    return result;
}

void way_free(struct way *way)
{
    mgenjit_executor_free(way->executor);
}
