/*
 * Compiles IR files through the library, each at four levels, and prints what the cache says that it took:
 *
 *     name level cost bytes          microseconds, bytes of the entry's file
 *
 * measure CACHE_DIR < list, which has a line `name path` for each file
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "mgenjit.h"

static void check(mgenjit_status status, mgenjit_error *error)
{
    if (status == MGENJIT_STATUS_OK)
        return;
    fprintf(stderr, "measure: %s\n", mgenjit_error_message(error));
    exit(1);
}

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    *length = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*length + 1);
    if (text == NULL || fread(text, 1, *length, file) != *length) {
        perror(path);
        exit(1);
    }
    fclose(file);
    return text;
}

int main(int argc, char **argv)
{
    char name[PATH_SIZE];
    char path[PATH_SIZE];
    mgenjit_executor *executors[4];
    mgenjit_config *config = NULL;
    mgenjit_cache *cache;
    mgenjit_cache_iterator *iterator;
    mgenjit_cache_info info;
    mgenjit_error *error = NULL;

    if (argc != 2)
        return 64;
    check(mgenjit_config_new(&config, &error), error);
    check(mgenjit_config_set_cache_dir(config, argv[1], &error), error);
    for (int level = 0; level < 4; level++) {
        check(mgenjit_config_set_opt_level(config, level, &error), error);
        check(mgenjit_executor_new(config, &executors[level], &error), error);
    }
    while (scanf("%4095s %4095s", name, path) == 2) {
        size_t length;
        char *text = read_file(path, &length);
        for (int level = 0; level < 4; level++)
            if (mgenjit_executor_compile(executors[level], name, text, length, NULL, &error) != MGENJIT_STATUS_OK) {
                /* The others are worth having. */
                fprintf(stderr, "measure: left out: %s\n", mgenjit_error_message(error));
                mgenjit_error_free(error);
                error = NULL;
                break;
            }
        free(text);
    }

    check(mgenjit_cache_open(config, &cache, &error), error);
    check(mgenjit_cache_iterate(cache, NULL, &iterator, &error), error);
    for (;;) {
        info.size = sizeof info;
        check(mgenjit_cache_iterator_next(iterator, &info, &error), error);
        if (info.key == NULL)
            break;
        printf("%s %d %llu %llu\n", info.name, info.opt_level, (unsigned long long)info.compile_us,
               (unsigned long long)info.bytes);
    }
    mgenjit_cache_iterator_free(iterator);
    mgenjit_cache_free(cache);
    for (int level = 0; level < 4; level++)
        mgenjit_executor_free(executors[level]);
    mgenjit_config_free(config);
    return 0;
}
