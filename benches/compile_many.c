/*
 * Compiles IR files one after the other, and calls the main of each.
 *
 * compile_many CACHE_DIR FILE...
 */

#include <stdio.h>

#include "mgenjit.h"

static int fail(mgenjit_error *error)
{
    fprintf(stderr, "compile_many: %s\n", mgenjit_error_message(error));
    return 1;
}

int main(int argc, char **argv)
{
    mgenjit_config *config = NULL;
    mgenjit_executor *executor = NULL;
    mgenjit_error *error = NULL;

    if (argc < 2)
        return 64;
    if (mgenjit_config_new(&config, &error) != MGENJIT_STATUS_OK
        || mgenjit_config_set_cache_dir(config, argv[1], &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_new(config, &executor, &error) != MGENJIT_STATUS_OK)
        return fail(error);
    for (int i = 2; i < argc; i++) {
        mgenjit_module *module = NULL;
        int (*function)(int, char **) = NULL;
        if (mgenjit_executor_compile_file(executor, argv[i], &module, &error) != MGENJIT_STATUS_OK
            || mgenjit_executor_lookup(executor, "main", (void **)&function, &error) != MGENJIT_STATUS_OK)
            return fail(error);
        function(1, argv);
        /* The next one has a main too. */
        if (mgenjit_module_remove(module, &error) != MGENJIT_STATUS_OK)
            return fail(error);
    }
    mgenjit_executor_free(executor);
    mgenjit_config_free(config);
    return 0;
}
