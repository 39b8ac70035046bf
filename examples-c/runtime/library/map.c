#include "runtime.h"

#include <stdlib.h>
#include <string.h>

struct slot {
    /* NULL: the slot is free. */
    char *name;
    uint64_t hash;
    int64_t item;
};

/* A table with linear probing. Half of the slots, at least, are free. */
struct rt_map {
    struct slot *slots;
    /* A power of two. */
    size_t room;
    size_t length;
};

static struct slot *new_slots(size_t room)
{
    struct slot *slots = calloc(room, sizeof *slots);
    if (slots == NULL)
        rt_fail("no memory for a map of %zu slots", room);
    return slots;
}

rt_map *rt_map_new(void)
{
    rt_map *map = malloc(sizeof *map);
    if (map == NULL)
        rt_fail("no memory for a map");
    map->room = 16;
    map->length = 0;
    map->slots = new_slots(map->room);
    return map;
}

void rt_map_free(rt_map *map)
{
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->room; i++)
        free(map->slots[i].name);
    free(map->slots);
    free(map);
}

int64_t rt_map_length(const rt_map *map)
{
    return (int64_t)map->length;
}

/* FNV-1a. */
static uint64_t hash_of(const char *name)
{
    uint64_t hash = 14695981039346656037u;
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash;
}

/* The slot of a name, or the free one where it belongs. */
static struct slot *find(const rt_map *map, const char *name, uint64_t hash)
{
    size_t i = hash & (map->room - 1);
    while (map->slots[i].name != NULL && (map->slots[i].hash != hash || strcmp(map->slots[i].name, name) != 0))
        i = (i + 1) & (map->room - 1);
    return &map->slots[i];
}

static void grow(rt_map *map)
{
    struct rt_map larger = {new_slots(2 * map->room), 2 * map->room, map->length};
    for (size_t i = 0; i < map->room; i++)
        if (map->slots[i].name != NULL)
            *find(&larger, map->slots[i].name, map->slots[i].hash) = map->slots[i];
    free(map->slots);
    *map = larger;
}

int64_t rt_map_get(const rt_map *map, const char *name, int64_t otherwise)
{
    const struct slot *slot = find(map, name, hash_of(name));
    return slot->name != NULL ? slot->item : otherwise;
}

void rt_map_set(rt_map *map, const char *name, int64_t item)
{
    uint64_t hash = hash_of(name);
    struct slot *slot = find(map, name, hash);
    if (slot->name != NULL) {
        slot->item = item;
        return;
    }
    if (2 * (map->length + 1) > map->room) {
        grow(map);
        slot = find(map, name, hash);
    }
    size_t size = strlen(name) + 1;
    slot->name = malloc(size);
    if (slot->name == NULL)
        rt_fail("no memory for a name of %zu bytes", size);
    memcpy(slot->name, name, size);
    slot->hash = hash;
    slot->item = item;
    map->length++;
}
