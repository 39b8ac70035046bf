#include "runtime.h"

#include <inttypes.h>
#include <stdlib.h>

struct rt_vector {
    int64_t *items;
    int64_t length;
    int64_t room;
};

rt_vector *rt_vector_new(void)
{
    rt_vector *vector = calloc(1, sizeof *vector);
    if (vector == NULL)
        rt_fail("no memory for a vector");
    return vector;
}

void rt_vector_free(rt_vector *vector)
{
    if (vector == NULL)
        return;
    free(vector->items);
    free(vector);
}

int64_t rt_vector_length(const rt_vector *vector)
{
    return vector->length;
}

static void grow(rt_vector *vector)
{
    int64_t room = vector->room == 0 ? 8 : 2 * vector->room;
    int64_t *items = NULL;
    if (room <= INT64_MAX / 2 / (int64_t)sizeof *items)
        items = realloc(vector->items, (size_t)room * sizeof *items);
    if (items == NULL)
        rt_fail("no memory for a vector of %" PRId64 " items", room);
    vector->items = items;
    vector->room = room;
}

void rt_vector_push(rt_vector *vector, int64_t item)
{
    if (vector->length == vector->room)
        grow(vector);
    vector->items[vector->length++] = item;
}

static void check(const rt_vector *vector, int64_t index)
{
    if (index < 0 || index >= vector->length)
        rt_fail("there is no item %" PRId64 " in a vector of %" PRId64, index, vector->length);
}

int64_t rt_vector_get(const rt_vector *vector, int64_t index)
{
    check(vector, index);
    return vector->items[index];
}

void rt_vector_set(rt_vector *vector, int64_t index, int64_t item)
{
    check(vector, index);
    vector->items[index] = item;
}
