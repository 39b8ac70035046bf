/* What debuggers are shown. Tests name these lines. */
#include <stdio.h>
#include <unistd.h>

struct pair {
    int first;
    long second;
};

volatile int ticks;

static __attribute__((noinline)) long add_up(struct pair *pair)
{
    pair->second += pair->first;
    return pair->second;
}

static inline __attribute__((always_inline)) int inlined(int n)
{
    ticks += n;
    return n + ticks;
}

int fib(int n)
{
    struct pair pair = { n, 2 };
    long sum = add_up(&pair);
    if (n < 2)
        return n + (sum < 0);
    int before = fib(n - 1);
    return before + fib(n - 2);
}

int with_inlined(int n)
{
    return inlined(n);
}

static __thread int of_thread = 41;

int main(int argc, char **argv)
{
    (void)argv;
    of_thread++;
    printf("%d\n", fib(5));
    fflush(stdout);
    while (argc > 1) {
        ticks++;
        usleep(1000);
    }
    return 0;
}
