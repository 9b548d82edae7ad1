/* SPDX-License-Identifier: MIT */
/* Guards the names of values in the emitted C: what means something else there is renamed, nothing
 * else is, and no two names become one. */
#include "graph_fixture.h"
#include "passes/kernel.h"

static const char *const changed[] = {
    "int",      "class",  "this",      "template", "n",      "m",       "sums",  "grads",
    "lr",       "NULL",   "EOF",       "errno",    "stdin",  "t1",      "u22",   "key3",
    "i",        "size_t", "INT32_MAX", "_x",       "__line", "nnrt_lr", "omp_x", "NNRT_ABI",
    "offsetof", "and",    "wchar_t",   "team",     "stale",  "profile",
};

static const char *const kept[] = {
    "image", "label", "x",  "y",     "fc1", "conv2d_1", "loss", "Int",       "keys", "nn", "uu1",
    "t1a",   "X",     "XY", "image", "in",  "out",      "pi",   "key_value", "rgb",  "x_",
};

Test(names, what_means_something_else_is_renamed)
{
    Arena *arena = arena_new();
    for (int i = 0; i < COUNT(changed); i++)
        cr_expect_str_eq(c_name(arena, changed[i]), arena_format(arena, "x_%s", changed[i]));
    for (int i = 0; i < COUNT(kept); i++)
        cr_expect_str_eq(c_name(arena, kept[i]), kept[i]);
    arena_free(arena);
}

Test(names, no_two_become_one)
{
    Arena *arena = arena_new();
    for (int i = 0; i < COUNT(changed); i++) {
        const char *name = changed[i];
        Map seen = map_new(arena);
        for (int k = 0; k < 4; k++) { /* int, x_int, x_x_int, ... */
            const char *c = c_name(arena, name);
            cr_expect_null(map_get(&seen, c), "%s twice", c);
            map_set(&seen, c, arena);
            name = arena_format(arena, "x_%s", name);
        }
    }
    arena_free(arena);
}
