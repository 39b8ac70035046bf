/*
 * In one process, round by round: IR that is in the cache to a callable address, and away again; and dlopen,
 * dlsym, dlclose of a shared library of the same code. Prints the medians in milliseconds: the way to the
 * address, there and back, and hashing the IR, of the first; then there, and there and back, of the second.
 *
 * in_process CACHE_DIR FILE FUNCTION ROUNDS [LIBRARY]
 *
 * Without a library it does only the first: so that a tracer can count what one hit costs.
 */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/measure.h"
#include "mgenjit.h"

/* Of each round. */
struct times {
    double *there;
    double *back;
    double *hash;
};

static int fail(const char *message)
{
    fprintf(stderr, "in_process: %s\n", message);
    return 1;
}

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    fseek(file, 0, SEEK_END);
    *length = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*length);
    if (bytes != NULL && fread(bytes, 1, *length, file) != *length)
        bytes = NULL;
    fclose(file);
    return bytes;
}

/* One compile call, and its times as those of the round `i`. Returns the module's origin, or 0. */
static int32_t compile(mgenjit_executor *executor, const char *ir, size_t length, const char *name,
                       struct times *times, size_t i)
{
    mgenjit_module *module = NULL;
    mgenjit_error *error = NULL;
    mgenjit_times steps;
    void *address = NULL;

    double start = clock_milliseconds();
    if (mgenjit_executor_compile(executor, NULL, ir, length, &module, &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_lookup(executor, name, &address, &error) != MGENJIT_STATUS_OK) {
        fail(mgenjit_error_message(error));
        return 0;
    }
    double there = clock_milliseconds();
    int32_t origin = mgenjit_module_origin(module);
    steps.size = sizeof steps;
    mgenjit_module_times(module, &steps, NULL);

    double back_start = clock_milliseconds();
    mgenjit_module_remove(module, NULL);
    mgenjit_module_free(module);
    double back = clock_milliseconds() - back_start;

    times->there[i] = there - start;
    times->back[i] = there - start + back;
    times->hash[i] = (double)steps.hash_us / 1e3;
    return origin;
}

static int open_library(const char *path, const char *name, struct times *times, size_t i)
{
    double start = clock_milliseconds();
    void *library = dlopen(path, RTLD_NOW);
    if (library == NULL || dlsym(library, name) == NULL)
        return 0;
    times->there[i] = clock_milliseconds() - start;
    dlclose(library);
    times->back[i] = clock_milliseconds() - start;
    return 1;
}

static struct times times_new(size_t rounds)
{
    struct times times = {malloc(rounds * sizeof(double)), malloc(rounds * sizeof(double)),
                          malloc(rounds * sizeof(double))};
    return times;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 64;
    size_t rounds = strtoul(argv[4], NULL, 10);
    if (rounds == 0)
        return 64;
    size_t length = 0;
    char *ir = read_file(argv[2], &length);
    struct times ours = times_new(rounds);
    struct times theirs = times_new(rounds);
    mgenjit_config *config = NULL;
    mgenjit_executor *executor = NULL;

    if (ir == NULL)
        return fail("cannot read the IR");
    if (mgenjit_config_new(&config, NULL) != MGENJIT_STATUS_OK
        || mgenjit_config_set_cache_dir(config, argv[1], NULL) != MGENJIT_STATUS_OK
        || mgenjit_executor_new(config, &executor, NULL) != MGENJIT_STATUS_OK)
        return fail("no executor");

    /* The first may be a miss. */
    if (compile(executor, ir, length, argv[3], &ours, 0) == 0)
        return 1;
    for (size_t i = 0; i < rounds; i++) {
        if (compile(executor, ir, length, argv[3], &ours, i) != MGENJIT_ORIGIN_CACHE)
            return fail("a compile call was no hit");
        if (argc > 5 && !open_library(argv[5], argv[3], &theirs, i))
            return fail(dlerror());
    }
    printf("%f %f %f", median(ours.there, rounds), median(ours.back, rounds), median(ours.hash, rounds));
    if (argc > 5)
        printf(" %f %f", median(theirs.there, rounds), median(theirs.back, rounds));
    putchar('\n');
    return 0;
}
