/*
 * Exceptions with many images: throws in a second with 1, 100 and more modules, beside copies of the same code that the
 * system's loader has. The unwinder looks up each frame, so what counts is how it finds one image among many.
 *
 * usage: throws MODULE.ll FOLDER [COUNT...]
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/measure.h"
#include "mgenjit.h"

enum { ROUNDS = 7, CALLS = 500, ROUND_MS = 100 };

typedef long throws(long count);

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "throws: %s: %s\n", what, why);
    exit(1);
}

static void check(mgenjit_status status, mgenjit_error *error)
{
    if (status != MGENJIT_STATUS_OK)
        fail("libmgenjit", mgenjit_error_message(error));
}

static void *room(size_t count, size_t size)
{
    void *found = calloc(count, size);
    if (found == NULL)
        fail("memory", "there is none left");
    return found;
}

/* Throws in a second, with a throw in one of the functions after the other: the median of some rounds. */
static double rate(throws **functions, int count)
{
    double rates[ROUNDS];
    for (int i = 0; i < count; i++)
        functions[i](1);
    for (int round = 0; round < ROUNDS; round++) {
        double start = clock_milliseconds(), taken;
        size_t calls = 0;
        do {
            for (int i = 0; i < CALLS; i++, calls++)
                /* Not in the order in which they were mapped. */
                functions[calls * 7919 % (size_t)count](1);
            taken = clock_milliseconds() - start;
        } while (taken < ROUND_MS);
        rates[round] = (double)calls * 1e3 / taken;
    }
    return median(rates, ROUNDS);
}

static double rate_of_modules(const char *path, const char *cache, int count, const char *library)
{
    mgenjit_error *error = NULL;
    mgenjit_config *config;
    mgenjit_executor *executor;
    mgenjit_module **modules = room((size_t)count, sizeof *modules);
    throws **functions = room((size_t)count, sizeof *functions);

    check(mgenjit_config_new(&config, &error), error);
    check(mgenjit_config_set_cache_dir(config, cache, &error), error);
    check(mgenjit_executor_new(config, &executor, &error), error);
    for (int i = 0; i < count; i++)
        check(mgenjit_executor_compile_file(executor, path, &modules[i], &error), error);
    for (int i = 0; i < count; i++)
        check(mgenjit_module_lookup(modules[i], "throws", (void **)&functions[i], &error), error);
    double found = rate(functions, count);
    if (library != NULL)
        check(mgenjit_module_export(modules[0], MGENJIT_EXPORT_SHARED_LIBRARY, library, NULL, &error), error);
    for (int i = 0; i < count; i++)
        mgenjit_module_free(modules[i]);
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    free(modules);
    free(functions);
    return found;
}

static void copy(const char *from, const char *to)
{
    char buffer[1 << 14];
    size_t length;
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    if (in == NULL || out == NULL)
        fail(to, "it cannot be copied");
    while ((length = fread(buffer, 1, sizeof buffer, in)) > 0)
        fwrite(buffer, 1, length, out);
    fclose(in);
    if (fclose(out) != 0)
        fail(to, "it cannot be written");
}

/* Libraries are not closed: the next ones come to those that are there. */
static double rate_of_libraries(const char *library, const char *folder, int count)
{
    static throws **functions;
    static int open;
    functions = realloc(functions, (size_t)count * sizeof *functions);
    if (functions == NULL)
        fail("memory", "there is none left");
    for (; open < count; open++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/throws-%d.so", folder, open);
        copy(library, path);
        void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        remove(path);
        if (handle == NULL)
            fail("dlopen", dlerror());
        *(void **)&functions[open] = dlsym(handle, "throws");
    }
    return rate(functions, count);
}

int main(int argc, char **argv)
{
    static char *usual[] = {"1", "100", "1000", "10000", NULL};
    if (argc < 3)
        fail("usage", "throws MODULE.ll FOLDER [COUNT...]");
    char **counts = argc > 3 ? argv + 3 : usual;
    char library[4096];
    char cache[4096];
    snprintf(library, sizeof library, "%s/throws.so", argv[2]);
    snprintf(cache, sizeof cache, "%s/throws-cache", argv[2]);

    /* What C++ code throws with. */
    if (dlopen("libstdc++.so.6", RTLD_NOW | RTLD_GLOBAL) == NULL)
        fail("dlopen", dlerror());

    double modules[16];
    int known = 0;
    /* The modules first, and with none of the libraries there. */
    for (int i = 0; counts[i] != NULL && i < 16; i++, known++)
        modules[i] = rate_of_modules(argv[1], cache, atoi(counts[i]), i == 0 ? library : NULL);
    printf("%8s %16s %16s %8s\n", "images", "libmgenjit", "dlopen", "ratio");
    for (int i = 0; i < known; i++) {
        double libraries = rate_of_libraries(library, argv[2], atoi(counts[i]));
        printf("%8s %12.0f/s   %12.0f/s   %8.2f\n", counts[i], modules[i], libraries, libraries / modules[i]);
        fflush(stdout);
    }
    return 0;
}
