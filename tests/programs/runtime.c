/* The runtime of word_count.ll: a growable vector of integers and an ordered map from strings to integers. */
#include <stdlib.h>
#include <string.h>

typedef struct int_vector {
    long *items;
    size_t length, room;
} int_vector;

typedef struct string_map {
    char **names;
    int_vector values;
    size_t room;
} string_map;

/* The program's: how it orders words, and where it counts. */
int compare(const char *a, const char *b) __asm__("words.compare");
extern long total __asm__("words.total");

string_map *map_new(void) __asm__("map.new");
void map_add(string_map *map, const char *name, long length, long count) __asm__("map.add");
long map_length(const string_map *map) __asm__("map.length");
void map_visit(const string_map *map, void (*visit)(const char *, long)) __asm__("map.visit");
void map_free(string_map *map) __asm__("map.free");
long map_total(void) __asm__("map.total");

static void vector_insert(int_vector *vector, size_t index, long item)
{
    if (vector->length == vector->room) {
        vector->room = vector->room ? 2 * vector->room : 2;
        vector->items = realloc(vector->items, vector->room * sizeof(long));
        if (vector->items == NULL)
            abort();
    }
    memmove(vector->items + index + 1, vector->items + index, (vector->length - index) * sizeof(long));
    vector->items[index] = item;
    vector->length++;
}

string_map *map_new(void)
{
    string_map *map = calloc(1, sizeof *map);
    if (map == NULL)
        abort();
    return map;
}

void map_add(string_map *map, const char *name, long length, long count)
{
    char *copy = strndup(name, (size_t)length);
    size_t low = 0, high = map->values.length;
    if (copy == NULL)
        abort();
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const int order = compare(copy, map->names[middle]);
        if (order == 0) {
            map->values.items[middle] += count;
            free(copy);
            return;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    if (map->values.length == map->room) {
        map->room = map->room ? 2 * map->room : 2;
        map->names = realloc(map->names, map->room * sizeof *map->names);
        if (map->names == NULL)
            abort();
    }
    memmove(map->names + low + 1, map->names + low, (map->values.length - low) * sizeof *map->names);
    map->names[low] = copy;
    vector_insert(&map->values, low, count);
}

long map_length(const string_map *map)
{
    return (long)map->values.length;
}

long map_total(void)
{
    return total;
}

void map_visit(const string_map *map, void (*visit)(const char *, long))
{
    for (size_t i = 0; i < map->values.length; i++)
        visit(map->names[i], map->values.items[i]);
}

void map_free(string_map *map)
{
    for (size_t i = 0; i < map->values.length; i++)
        free(map->names[i]);
    free(map->names);
    free(map->values.items);
    free(map);
}
