/* What C compilers put into objects, in one file. Each function returns 0 if all is as it should be. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int common_value; /* with -fcommon, a common symbol */
static __thread int counted = 7;
__thread int visible_counted = 8;
static int constructed;
int finished;

__attribute__((constructor)) static void construct(void)
{
    constructed = 42;
}

static void at_end(void)
{
    finished++;
}

__attribute__((weak)) int absent(void);

static int plain(int x)
{
    return x + 1;
}

static int (*resolve(void))(int)
{
    return plain;
}

int chosen(int x) __attribute__((ifunc("resolve")));

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void *in_thread(void *argument)
{
    counted++;
    visible_counted++;
    *(int *)argument = counted * 100 + visible_counted;
    return NULL;
}

int objects_c(void)
{
    int numbers[] = { 3, 1, 2 }, from_thread = 0;
    static const char *const names[] = { "zero", "one" };
    pthread_t thread;
    char text[32];
    qsort(numbers, 3, sizeof *numbers, compare);
    snprintf(text, sizeof text, "%d %s %.1f", numbers[0], names[1], sqrt(16.0));
    if (strcmp(text, "1 one 4.0") != 0)
        return 1;
    if (constructed != 42 || absent != NULL || chosen(1) != 2)
        return 2;
    if (pthread_create(&thread, NULL, in_thread, &from_thread) != 0 || pthread_join(thread, NULL) != 0)
        return 3;
    if (from_thread != 809 || counted != 7 || visible_counted != 8)
        return 4;
    common_value = 5;
    if (atexit(at_end) != 0 || errno == -1)
        return 5;
    switch (numbers[1]) {
    case 0: return 10;
    case 1: return 11;
    case 2: return 0;
    case 3: return 13;
    case 4: return 14;
    default: return 15;
    }
}
