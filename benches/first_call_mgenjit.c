/*
 * Calls a function of an IR file, compiled or from the cache, as a program's main, and prints when it had returned:
 * milliseconds of the monotonic clock; how many of them went into hashing; and the process's memory, see memory.h.
 *
 * first_call_mgenjit CACHE_DIR FILE FUNCTION
 */

#include <stdio.h>

#include "common/measure.h"
#include "memory.h"
#include "mgenjit.h"

int main(int argc, char **argv)
{
    mgenjit_config *config = NULL;
    mgenjit_executor *executor = NULL;
    mgenjit_module *module = NULL;
    mgenjit_error *error = NULL;
    mgenjit_times times;
    long long (*function)(int, char **) = NULL;

    if (argc != 4)
        return 64;
    if (mgenjit_config_new(&config, &error) != MGENJIT_STATUS_OK
        || mgenjit_config_set_cache_dir(config, argv[1], &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_new(config, &executor, &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_compile_file(executor, argv[2], &module, &error) != MGENJIT_STATUS_OK
        || mgenjit_executor_lookup(executor, argv[3], (void **)&function, &error) != MGENJIT_STATUS_OK) {
        fprintf(stderr, "first_call_mgenjit: %s\n", mgenjit_error_message(error));
        return 1;
    }
    function(1, argv);
    double returned = clock_milliseconds();

    times.size = sizeof times;
    mgenjit_module_times(module, &times, NULL);
    printf("%f %f ", returned, (double)times.hash_us / 1e3);
    print_memory();
    return 0;
}
