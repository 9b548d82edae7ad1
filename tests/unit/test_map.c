/* SPDX-License-Identifier: MIT */
/* test_map.c: guards the map: what was set last is found, order is kept, and keys are copied. */
#include "base/base.h"

#include <criterion/criterion.h>
#include <string.h>

Test(map, finds_what_was_set_last)
{
    Arena *arena = arena_new();
    Map map = map_new(arena);
    int one, two, three;
    cr_expect_null(map_get(&map, "a"));
    map_set(&map, "a", &one);
    map_set(&map, "", &two);
    cr_expect_eq(map_get(&map, "a"), &one);
    cr_expect_eq(map_get(&map, ""), &two);
    cr_expect_null(map_get(&map, "b"));
    map_set(&map, "a", &three);
    cr_expect_eq(map_get(&map, "a"), &three);
    cr_expect_eq(map.n, 2);
    arena_free(arena);
}

Test(map, an_empty_map_of_zeros_can_be_asked)
{
    Map map = {0};
    cr_expect_null(map_get(&map, "a"));
}

Test(map, keys_are_copied)
{
    Arena *arena = arena_new();
    Map map = map_new(arena);
    char key[] = "key";
    map_set(&map, key, &map);
    strcpy(key, "no!");
    cr_expect_eq(map_get(&map, "key"), &map);
    cr_expect_null(map_get(&map, "no!"));
    arena_free(arena);
}

Test(map, many_keys_keep_their_order)
{
    enum { N = 50000 };
    Arena *arena = arena_new();
    Map map = map_new(arena);
    int *values = arena_take(arena, N * sizeof *values);
    char key[32];
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof key, "h.%d.weight", i);
        map_set(&map, key, &values[i]);
    }
    cr_assert_eq(map.n, N);
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof key, "h.%d.weight", i);
        cr_assert_eq(map_get(&map, key), &values[i]);
        cr_assert_str_eq(map.entry[i].key, key);
        cr_assert_eq(map.entry[i].value, &values[i]);
    }
    cr_expect_null(map_get(&map, "h.50000.weight"));
    arena_free(arena);
}

Test(map, a_value_is_not_null, .exit_code = 70)
{
    Map map = map_new(arena_new());
    map_set(&map, "a", NULL);
}
