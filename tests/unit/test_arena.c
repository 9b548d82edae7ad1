/* SPDX-License-Identifier: MIT */
/* test_arena.c: guards the arena: blocks are zero, aligned and apart, whatever their sizes; growing
 * keeps what was there; memory that cannot be had ends the program with status 4. */
#include "base/base.h"

#include <criterion/criterion.h>
#include <string.h>

static bool all_bytes(const unsigned char *at, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (at[i] != value)
            return false;
    return true;
}

Test(arena, blocks_are_zero_aligned_and_apart)
{
    static const size_t size[] = {1, 15, 16, 17, 0, 4000, 65536, 65537, 300000, 3, 262144, 100};
    enum { N = 2000 };
    Arena *arena = arena_new();
    unsigned char **block = arena_take(arena, N * sizeof *block);
    for (int i = 0; i < N; i++) {
        size_t n = size[i % COUNT(size)] % 70000;
        block[i] = arena_take(arena, n);
        cr_assert(all_bytes(block[i], n, 0), "block %d", i);
        cr_assert_eq((uintptr_t)block[i] % _Alignof(max_align_t), 0u);
        memset(block[i], 1 + i % 255, n);
    }
    for (int i = 0; i < N; i++) /* nobody wrote over anybody */
        cr_assert(all_bytes(block[i], size[i % COUNT(size)] % 70000, (unsigned char)(1 + i % 255)));
    arena_free(arena);
}

Test(arena, huge_blocks_are_zero)
{
    Arena *arena = arena_new();
    unsigned char *small = arena_take(arena, 8), *huge = arena_take(arena, 5 << 20);
    cr_expect(all_bytes(huge, 5 << 20, 0));
    memset(huge, 255, 5 << 20);
    cr_expect(all_bytes(small, 8, 0));
    cr_expect(all_bytes(arena_take(arena, 64), 64, 0));
    arena_free(arena);
}

Test(arena, growing_keeps_what_was_there_and_adds_zeros)
{
    Arena *arena = arena_new();
    unsigned char *a = arena_take(arena, 10);
    memset(a, 7, 10);
    unsigned char *b = arena_grow(arena, a, 10, 100); /* the last block: where it is */
    cr_expect_eq(a, b);
    cr_expect(all_bytes(b, 10, 7) && all_bytes(b + 10, 90, 0));
    unsigned char *other = arena_take(arena, 10);
    memset(other, 9, 10);
    unsigned char *c = arena_grow(arena, b, 100, 200); /* not the last any more */
    cr_expect(all_bytes(c, 10, 7) && all_bytes(c + 10, 190, 0));
    cr_expect(all_bytes(other, 10, 9));
    for (size_t n = 200; n < 1 << 20; n *= 2)
        c = arena_grow(arena, c, n, 2 * n);
    cr_expect(all_bytes(c, 10, 7) && all_bytes(c + 10, 1 << 20, 0));
    cr_expect(all_bytes(other, 10, 9));
    arena_free(arena);
}

Test(arena, vectors_grow)
{
    Arena *arena = arena_new();
    VEC(int) a = {0}, b = {0};
    for (int i = 0; i < 100000; i++) {
        vec_push(arena, &a, i);
        vec_push(arena, &b, -i);
    }
    for (int i = 0; i < 100000; i++)
        cr_assert(a.at[i] == i && b.at[i] == -i);
    arena_free(arena);
}

Test(arena, texts)
{
    Arena *arena = arena_new();
    cr_expect_str_eq(arena_text(arena, "abcdef", 3), "abc");
    cr_expect_str_eq(arena_text(arena, NULL, 0), "");
    cr_expect_str_eq(arena_format(arena, "%s-%d", "x", 5), "x-5");
    char *wide = arena_format(arena, "%*d", 100000, 7);
    cr_expect_eq(strlen(wide), 100000u);
    cr_expect_eq(wide[99999], '7');
    arena_free(arena);
}

/* --- out of memory ---------------------------------------------------------------------------- */

/* Reachable when the program ends, so that a sanitizer sees no leak. */
static void take(size_t size)
{
    static Arena *arena;
    arena = arena_new();
    arena_take(arena, size);
}

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED /* a sanitizer stops a program that asks for so much */
Test(arena, out_of_memory_is_status_4, .exit_code = 4)
{
    take(SIZE_MAX / 4);
}
#endif

Test(arena, a_size_that_overflows_is_status_4, .exit_code = 4)
{
    take(SIZE_MAX - 3);
}

Test(arena, a_size_past_half_the_addresses_is_status_4, .exit_code = 4)
{
    take(SIZE_MAX / 2);
}
