/* SPDX-License-Identifier: MIT */
/* base.h: what every stage stands on and that knows nothing of networks. Grouped by file. */
#ifndef NNCC_BASE_H
#define NNCC_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* --- arena.c: all memory of a compilation, freed at once -------------------------------------- */

typedef struct Arena Arena;

Arena *arena_new(void);
void arena_free(Arena *);
/* Zeroed, aligned for any type. Never NULL: out of memory ends the program with status 4. */
void *arena_take(Arena *, size_t size);
void *arena_grow(Arena *, void *old, size_t old_size, size_t new_size); /* copies */
char *arena_text(Arena *, const char *text, size_t length);             /* NUL-terminated copy */
char *arena_format(Arena *, const char *format, ...) PRINTF(2, 3);

/* A typed growable array: VEC(Node *) nodes; vec_push(arena, &nodes, node); nodes.at[i] */
#define VEC(T) \
    struct {   \
        T *at; \
        int n, cap; \
    }
#define vec_push(arena, v, item)                                                                  \
    do {                                                                                          \
        if ((v)->n == (v)->cap) {                                                                 \
            int cap_ = (v)->cap ? 2 * (v)->cap : 8;                                               \
            (v)->at = arena_grow(arena, (v)->at, sizeof *(v)->at * (size_t)(v)->n,                \
                                 sizeof *(v)->at * (size_t)cap_);                                 \
            (v)->cap = cap_;                                                                      \
        }                                                                                         \
        (v)->at[(v)->n++] = (item);                                                               \
    } while (0)

/* --- map.c: text to pointer, insertion order kept --------------------------------------------- */

typedef struct Map {
    Arena *arena;
    struct MapEntry {
        const char *key;
        void *value;
    } *entry; /* in insertion order */
    int n, cap;
    int *slot; /* open addressing: index + 1 into entry */
    int n_slots;
} Map;

Map map_new(Arena *);
void *map_get(const Map *, const char *key);          /* NULL: none */
void map_set(Map *, const char *key, void *value);    /* value not NULL */

/* --- str.c: text being built ------------------------------------------------------------------ */

typedef struct Str {
    Arena *arena;
    char *at; /* always NUL-terminated */
    size_t n, cap;
} Str;

Str str_new(Arena *);
void str_add(Str *, const char *format, ...) PRINTF(2, 3);
void str_put(Str *, const char *text, size_t length);
/* The shortest decimal that reads back as the same float (or double): 0.1, 1e-05, inf, nan. Uses
 * no locale. The buffer holds 32 bytes. */
const char *number_text(char *buffer, double value, bool as_float);

/* --- diag.c: everything a user is told -------------------------------------------------------- */

typedef struct Loc { /* a range of one line of the model file; line 0: nowhere */
    int line, col;   /* from 1, col in bytes */
    int length;      /* bytes to underline, at least 1 */
} Loc;

typedef struct Diag {
    const char *file;   /* as given on the command line */
    const char *text;   /* the model file's bytes, for the source line; may be NULL */
    size_t size;
    FILE *out;          /* stderr, or what a test gives */
    int limit;          /* --error-limit */
    int errors, warnings;
    bool quiet_notes;   /* the limit was passed: notes are dropped as well */
} Diag;

/* Prints as clang does: file:line:col: error: text, the source line, a caret with tildes. Control
 * characters in texts are shown as \xNN. Never exits. */
void diag_error(Diag *, Loc, const char *format, ...) PRINTF(3, 4);
void diag_warning(Diag *, Loc, const char *format, ...) PRINTF(3, 4);
void diag_note(Diag *, Loc, const char *format, ...) PRINTF(3, 4);
/* The known word nearest to `word` by edit distance (at most a third of its length, at least 1 for
 * words of 3 and more), or NULL. */
const char *diag_nearest(const char *word, const char *const *known, int n);
/* A bug of ours: prints our file and line, asks for a report, exits with 70. */
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bug_at(const char *file, int line, const char *format, ...) PRINTF(3, 4);

/* --- sha256.c --------------------------------------------------------------------------------- */

void sha256_hex(const void *bytes, size_t size, char hex[65]);

#endif
