/* A module that says its TAG when it comes and when it goes. */
#include <stdlib.h>

void note(int what);

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

static void handler(void) { note(TAG + 1); }

__attribute__((constructor)) static void constructed(void)
{
    note(TAG);
    atexit(handler);
}

__attribute__((destructor)) static void destructed(void) { note(TAG + 2); }

int JOIN(tagged_, TAG)(void)
{
    return TAG;
}
