/* What has a hot path and a cold one, and a local function that is called both ways. */
#include <string.h>

static __attribute__((noinline)) int rare(int n)
{
    int sum = 0;
    for (int i = 0; i < 10; i++)
        sum += n ^ i;
    return sum;
}

static __attribute__((noinline)) int usual(int n)
{
    return n * 3 + 1;
}

int choose(int n)
{
    return n % 1000 == 999 ? rare(n) : usual(n);
}

int never(int n)
{
    char text[64];
    memset(text, n, sizeof text);
    return text[n % 64] + rare(n);
}

int work(int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += choose(i);
    return n < 0 ? never(n) : sum;
}

#ifdef EDITED
int edited(int n)
{
    return n > 3 ? work(n) : never(n);
}
#endif

int main(int argc, char **argv)
{
    (void)argv;
#ifdef OTHER_WAY
    return work(-argc) == 0;
#endif
    return work(1000 * argc) == 0;
}
