/* Functions that a host calls in a process of their own. */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static int64_t total;

int64_t add(int64_t a, int64_t b)
{
    return a + b;
}

double half(double x, float y)
{
    return x / 2 + y;
}

_Bool negative(int8_t x)
{
    return x < 0;
}

void nothing(void)
{
}

int64_t count(int64_t by)
{
    total += by;
    return total;
}

int64_t sum(const int64_t *numbers, int64_t length)
{
    int64_t result = 0;
    for (int64_t i = 0; i < length; i++)
        result += numbers[i];
    return result;
}

void *fill(int64_t *numbers, int64_t length)
{
    for (int64_t i = 0; i < length; i++)
        numbers[i] = i;
    return numbers;
}

__attribute__((noinline)) int crash(int64_t at)
{
    *(volatile int *)at = 1;
    return 0;
}

int leave(int status)
{
    _exit(status);
}

int give_up(void)
{
    abort();
}

int loop(void)
{
    for (volatile int i = 0;; i++)
        ;
}

int64_t process(void)
{
    return getpid();
}

int starts(void)
{
    return fork() >= 0;
}

int exhaust(void)
{
    for (;;)
        *(volatile char *)malloc(1 << 20) = 1;
}
