#include "names.h"

#include <stdlib.h>
#include <string.h>

#include "buffer.h"

static struct name_slot *slot_of(const struct names *names, const char *name)
{
    size_t hash = 5381;
    for (const char *at = name; *at != '\0'; at++)
        hash = 33 * hash + (unsigned char)*at;
    size_t index = hash % names->room;
    while (names->slots[index].name != NULL && strcmp(names->slots[index].name, name) != 0)
        index = (index + 1) % names->room;
    return &names->slots[index];
}

void *names_find(const struct names *names, const char *name)
{
    return names->room > 0 ? slot_of(names, name)->value : NULL;
}

static void grow(struct names *names)
{
    struct names old = *names;
    names->room = 2 * old.room + 31;
    names->slots = allocate(names->room * sizeof *names->slots);
    for (size_t i = 0; i < old.room; i++)
        if (old.slots[i].name != NULL)
            *slot_of(names, old.slots[i].name) = old.slots[i];
    free(old.slots);
}

void names_put(struct names *names, const char *name, void *value)
{
    if (2 * names->count >= names->room)
        grow(names);
    struct name_slot *slot = slot_of(names, name);
    if (slot->name == NULL) {
        slot->name = copy_text(name);
        names->count++;
    }
    slot->value = value;
}

void names_free(struct names *names)
{
    for (size_t i = 0; i < names->room; i++)
        free(names->slots[i].name);
    free(names->slots);
    memset(names, 0, sizeof *names);
}
