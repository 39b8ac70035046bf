/* Loads many modules of one function, for benches/debugged.sh. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mgenjit.h"

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    const int count = argc > 1 ? atoi(argv[1]) : 1000;
    const double start = now();
    mgenjit_executor *executor;
    if (mgenjit_executor_new(NULL, &executor, NULL) != MGENJIT_STATUS_OK)
        return 1;
    for (int number = 0; number < count; number++) {
        char ir[200], name[20];
        void *address;
        snprintf(name, sizeof name, "f%d", number);
        snprintf(ir, sizeof ir, "define i32 @%s(i32 %%x) {\n  %%r = add i32 %%x, %d\n  ret i32 %%r\n}\n", name, number);
        if (mgenjit_executor_compile(executor, name, ir, strlen(ir), NULL, NULL) != MGENJIT_STATUS_OK
            || mgenjit_executor_lookup(executor, name, &address, NULL) != MGENJIT_STATUS_OK)
            return 1;
    }
    printf("%d modules in %.2f s\n", count, now() - start);
    mgenjit_executor_free(executor);
    return 0;
}
