/*
 * Calls a function of a shared library, and prints when it had returned: milliseconds of the monotonic clock.
 *
 * first_call_dlopen LIBRARY FUNCTION
 */

#include <dlfcn.h>
#include <stdio.h>

#include "common/measure.h"

int main(int argc, char **argv)
{
    long long (*function)(void);
    if (argc != 3)
        return 64;
    void *library = dlopen(argv[1], RTLD_NOW);
    *(void **)&function = library == NULL ? NULL : dlsym(library, argv[2]);
    if (function == NULL) {
        fprintf(stderr, "first_call_dlopen: %s\n", dlerror());
        return 1;
    }
    function();
    printf("%f\n", clock_milliseconds());
    return 0;
}
