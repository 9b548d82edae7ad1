/* SPDX-License-Identifier: MIT */
/* arena.c: all memory of a compilation, taken from chunks and freed at once. */
#include "base.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 16, CHUNK = 256 << 10, HUGE_BLOCK = CHUNK / 4 };

typedef struct Chunk Chunk;
struct Chunk {
    Chunk *next;
    size_t used, size; /* bytes after the head */
    size_t pad;        /* keeps what follows aligned */
};

struct Arena {
    Chunk *small; /* the newest chunk is first: only it has room */
    Chunk *huge;  /* one block each */
};

_Static_assert(sizeof(Chunk) % ALIGN == 0 && ALIGN % _Alignof(max_align_t) == 0, "alignment");

static _Noreturn void out_of_memory(void)
{
    fputs("nncc: out of memory\n", stderr);
    exit(4);
}

static unsigned char *bytes_of(Chunk *chunk)
{
    return (unsigned char *)(chunk + 1);
}

static Chunk *chunk_new(Chunk *next, size_t size)
{
    if (size > PTRDIFF_MAX - sizeof(Chunk)) /* no block can be as large */
        out_of_memory();
    Chunk *chunk = calloc(1, sizeof(Chunk) + size);
    if (!chunk)
        out_of_memory();
    chunk->next = next;
    chunk->size = size;
    return chunk;
}

static void chunks_free(Chunk *chunk)
{
    while (chunk) {
        Chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

Arena *arena_new(void)
{
    Arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        out_of_memory();
    return arena;
}

void arena_free(Arena *arena)
{
    if (!arena)
        return;
    chunks_free(arena->small);
    chunks_free(arena->huge);
    free(arena);
}

static size_t aligned(size_t size)
{
    if (size > SIZE_MAX - ALIGN)
        out_of_memory();
    return size == 0 ? ALIGN : (size + ALIGN - 1) / ALIGN * ALIGN;
}

void *arena_take(Arena *arena, size_t size)
{
    size = aligned(size);
    if (size > HUGE_BLOCK) {
        arena->huge = chunk_new(arena->huge, size);
        return bytes_of(arena->huge);
    }
    if (!arena->small || arena->small->size - arena->small->used < size)
        arena->small = chunk_new(arena->small, CHUNK - sizeof(Chunk));
    void *block = bytes_of(arena->small) + arena->small->used;
    arena->small->used += size;
    return block;
}

/* The last block of the newest chunk grows where it is: what lies behind it is still zero. */
static bool grow_in_place(Arena *arena, const void *old, size_t old_size, size_t new_size)
{
    Chunk *chunk = arena->small;
    if (!chunk || new_size > HUGE_BLOCK || old_size > HUGE_BLOCK)
        return false;
    size_t had = aligned(old_size), wants = aligned(new_size);
    if ((const unsigned char *)old + had != bytes_of(chunk) + chunk->used)
        return false;
    if (wants > had && chunk->size - chunk->used < wants - had)
        return false;
    if (wants > had)
        chunk->used += wants - had;
    return true;
}

void *arena_grow(Arena *arena, void *old, size_t old_size, size_t new_size)
{
    if (old && grow_in_place(arena, old, old_size, new_size))
        return old;
    void *block = arena_take(arena, new_size);
    if (old)
        memcpy(block, old, old_size < new_size ? old_size : new_size);
    return block;
}

char *arena_text(Arena *arena, const char *text, size_t length)
{
    if (length == SIZE_MAX)
        out_of_memory();
    char *copy = arena_take(arena, length + 1);
    if (length)
        memcpy(copy, text, length);
    return copy;
}

char *arena_format(Arena *arena, const char *format, ...)
{
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    char small[256]; /* most texts are shorter: formatted once */
    int n = vsnprintf(small, sizeof small, format, list);
    va_end(list);
    if (n < 0)
        out_of_memory();
    char *text = arena_take(arena, (size_t)n + 1);
    if ((size_t)n < sizeof small)
        memcpy(text, small, (size_t)n + 1);
    else
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}
