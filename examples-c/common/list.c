#include "list.h"

#include <stdlib.h>

int list_new(struct list *list, int argc)
{
    list->count = 0;
    list->items = malloc(sizeof *list->items * ((size_t)argc + 1));
    return list->items != NULL;
}

void list_push(struct list *list, const char *item)
{
    list->items[list->count++] = item;
}

struct list list_part(const struct list *list, int index)
{
    return (struct list){list->items + index, 1};
}

void list_free(struct list *list)
{
    free(list->items);
}
