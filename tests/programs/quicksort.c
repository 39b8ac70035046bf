#include <stddef.h>

static void swap(int *a, int *b)
{
    const int saved = *a;
    *a = *b;
    *b = saved;
}

void quicksort(int *items, long count)
{
    while (count > 1) {
        const int pivot = items[count / 2];
        long low = 0, high = count - 1;
        while (low <= high) {
            while (items[low] < pivot)
                low++;
            while (items[high] > pivot)
                high--;
            if (low <= high)
                swap(&items[low++], &items[high--]);
        }
        quicksort(items, high + 1);
        items += low;
        count -= low;
    }
}

/* The nth number of a sequence that looks random. */
static unsigned sequence(unsigned state)
{
    return state * 1664525u + 1013904223u;
}

int main(void)
{
    enum { COUNT = 10000 };
    static int items[COUNT];
    unsigned state = 1;
    for (int i = 0; i < COUNT; i++)
        items[i] = (int)(state = sequence(state));
    quicksort(items, COUNT);
    for (int i = 1; i < COUNT; i++)
        if (items[i - 1] > items[i])
            return 1;
    return 0;
}
