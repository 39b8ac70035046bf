/* Functions that a host calls in a process of their own. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int64_t total;

int64_t count(int64_t by)
{
    total += by;
    return total;
}

int64_t *keep(int64_t value)
{
    int64_t *kept = malloc(sizeof *kept);
    *kept = value;
    return kept;
}

int64_t kept(const int64_t *at)
{
    return *at;
}

__attribute__((noinline)) int crash(int64_t at)
{
    *(volatile int *)at = 1;
    return 0;
}

int leave(int status)
{
    exit(status);
}

int loop(void)
{
    for (volatile int i = 0;; i++)
        ;
}

int exhaust(void)
{
    for (;;)
        *(volatile char *)malloc(1 << 20) = 1;
}

void say(int64_t number)
{
    printf("number %d\n", (int)number);
    fprintf(stderr, "error %d\n", (int)number);
}

void shout(int64_t size)
{
    for (int64_t i = 0; i < size; i++)
        putchar('x');
    fflush(stdout);
}

int64_t sum(int64_t count, ...)
{
    uint64_t result = 0;
    va_list arguments;
    va_start(arguments, count);
    for (int64_t i = 0; i < count; i++)
        result += va_arg(arguments, uint64_t);
    va_end(arguments);
    return (int64_t)result;
}

int64_t parent(void)
{
    return getppid();
}

int64_t process(void)
{
    return getpid();
}
