/* What leads to several functions, of which one is local, and copies different sizes. */
#include <string.h>

typedef int (*step)(int);

static int usual(int n)
{
    return n + 1;
}

int seldom(int n)
{
    return n * 3;
}

static int rare(int n)
{
    return n * 5;
}

step steps[8] = {usual, usual, usual, seldom, usual, rare, usual, usual};

__attribute__((noinline)) int go(int n)
{
    return steps[n & 7](n);
}

__attribute__((noinline)) void copy(char *to, const char *from, unsigned long size)
{
    memcpy(to, from, size);
}

int main(void)
{
    static char from[4096], to[4096];
    unsigned sum = 0;
    for (int i = 0; i < 1000; i++) {
        sum += go(i);
        copy(to, from, i % 3 == 0 ? 16 : i % 7 == 0 ? 700 : i % 11 == 0 ? 100 : 8);
    }
    return sum == 0;
}
