#ifndef COMMON_LIST_H
#define COMMON_LIST_H

/* Strings of the command line. */
struct list {
    const char **items;
    int count;
};

/* Makes room for as many strings as argv has. Returns 0 if there is not enough memory. */
int list_new(struct list *list, int argc);

void list_push(struct list *list, const char *item);

/* The item at `index` as a list, which is not to be freed. */
struct list list_part(const struct list *list, int index);

void list_free(struct list *list);

#endif
