/* SPDX-License-Identifier: MIT */
/* map.c: text to pointer by open addressing; entries stay in insertion order. Keys are copied. */
#include "base.h"

#include <string.h>

/* Eight bytes at a time, as FNV-1a takes one: keys may be whole kernels. */
static uint64_t hash_of(const char *key)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t n = strlen(key); n > 0;) {
        uint64_t word = 0;
        size_t take = n < sizeof word ? n : sizeof word;
        memcpy(&word, key, take);
        hash = (hash ^ word) * 1099511628211u;
        hash ^= hash >> 32;
        key += take;
        n -= take;
    }
    return hash;
}

/* The slot that holds `key`, or the free one where it would go. */
static int *slot_of(const Map *map, const char *key)
{
    unsigned mask = (unsigned)map->n_slots - 1;
    unsigned at = (unsigned)hash_of(key) & mask;
    while (map->slot[at] && strcmp(map->entry[map->slot[at] - 1].key, key) != 0)
        at = (at + 1) & mask;
    return &map->slot[at];
}

static void more_slots(Map *map)
{
    map->n_slots = map->n_slots ? 2 * map->n_slots : 16;
    map->slot = arena_take(map->arena, sizeof *map->slot * (size_t)map->n_slots);
    for (int i = 0; i < map->n; i++)
        *slot_of(map, map->entry[i].key) = i + 1;
}

Map map_new(Arena *arena)
{
    return (Map){.arena = arena};
}

void *map_get(const Map *map, const char *key)
{
    if (map->n == 0)
        return NULL;
    int i = *slot_of(map, key);
    return i ? map->entry[i - 1].value : NULL;
}

void map_set(Map *map, const char *key, void *value)
{
    if (!value)
        BUG("map_set: '%s' without a value", key);
    if (map->n >= map->n_slots / 2)
        more_slots(map);
    int *slot = slot_of(map, key);
    if (*slot) {
        map->entry[*slot - 1].value = value;
        return;
    }
    if (map->n == map->cap) {
        int cap = map->cap ? 2 * map->cap : 8;
        map->entry = arena_grow(map->arena, map->entry, sizeof *map->entry * (size_t)map->n,
                                sizeof *map->entry * (size_t)cap);
        map->cap = cap;
    }
    map->entry[map->n].key = arena_text(map->arena, key, strlen(key));
    map->entry[map->n].value = value;
    *slot = ++map->n;
}
