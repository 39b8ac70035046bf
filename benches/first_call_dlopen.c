/*
 * Calls a function of a shared library as a program's main, and prints when it had returned: milliseconds of the
 * monotonic clock; 0; and the process's memory, see memory.h.
 *
 * first_call_dlopen LIBRARY FUNCTION
 */

#include <dlfcn.h>
#include <stdio.h>

#include "common/measure.h"
#include "memory.h"

int main(int argc, char **argv)
{
    long long (*function)(int, char **);
    if (argc != 3)
        return 64;
    void *library = dlopen(argv[1], RTLD_NOW);
    *(void **)&function = library == NULL ? NULL : dlsym(library, argv[2]);
    if (function == NULL) {
        fprintf(stderr, "first_call_dlopen: %s\n", dlerror());
        return 1;
    }
    function(1, argv);
    printf("%f 0 ", clock_milliseconds());
    print_memory();
    return 0;
}
