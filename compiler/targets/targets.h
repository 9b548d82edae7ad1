/* SPDX-License-Identifier: MIT */
/* targets.h: what a target is: data, not code. The rows are targets.def's. */
#ifndef NNCC_TARGETS_H
#define NNCC_TARGETS_H

#include <stdbool.h>

typedef struct Target {
    const char *name;  /* x86-64-v3 */
    const char *flags; /* what the C compiler is given: "-march=x86-64-v3" */
    const char
        *macro; /* the emitted file's #error unless this is defined ("__AVX2__"); NULL: none */
    int vector_bytes; /* 4: no vectors worth having */
    int registers;    /* vector registers */
    bool fma;
    int l1, l2, l3;     /* bytes, of a core (l3: its share) */
    bool threads;       /* OpenMP makes sense */
    int tile_m, tile_n; /* matmul tile in registers: rows, vectors; 0: derived from registers */
} Target;

/* NULL: none of that name. `native` is a row made from the CPU that nncc runs on. */
const Target *target_find(const char *name);
/* What the system calls the CPU that nncc runs on, NUL-terminated; "unknown" where it says nothing. */
void target_cpu(char *name, int size);
int target_count(void);
const Target *target_at(int i); /* without native */

#endif
