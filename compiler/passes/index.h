/* SPDX-License-Identifier: MIT */
/* index.h: index maps: which element of an operand an element of a result reads.
 *
 * An Ix is an affine form c + sum of k_i * atom_i. An atom is a loop variable, or the quotient or
 * remainder of another Ix by a constant, which appear where a reshape splits an axis that is not
 * aligned with the loops. Every atom is in 0 .. extent-1, so ranges are exact and most quotients
 * vanish. */
#ifndef NNCC_INDEX_H
#define NNCC_INDEX_H

#include "../ir/ir.h"

enum { IX_TERMS = 16 };

typedef struct Ix {
    int64_t c;
    int n;
    struct IxTerm {
        int atom;
        int64_t k;
    } t[IX_TERMS]; /* ascending by atom, no k is 0 */
} Ix;

typedef enum { ATOM_loop, ATOM_div, ATOM_mod } AtomKind;

typedef struct Atom {
    AtomKind kind;
    int64_t from;     /* 0, but for a loop variable while it is narrowed */
    int64_t extent;   /* its values are from .. extent-1 (with a full batch) */
    const char *name; /* ATOM_loop: in the emitted C */
    Ix of;            /* ATOM_div, ATOM_mod */
    int64_t by;
} Atom;

typedef struct IxSpace {
    Arena *arena;
    int64_t batch; /* most samples: the extent of a batch axis is dim * batch */
    VEC(Atom) atoms;
} IxSpace;

IxSpace ix_space(Arena *, int64_t batch);
Ix ix_const(int64_t c);
Ix ix_loop(IxSpace *, const char *name,
           int64_t extent); /* a new loop variable; extent 1 gives the constant 0 */
/* What is built until ix_widen is for values from .. to-1 of the loop variable `atom` alone. */
typedef struct IxNarrow {
    int atom, atoms;
    int64_t extent;
} IxNarrow;
IxNarrow ix_narrow(IxSpace *, int atom, int64_t from, int64_t to);
void ix_widen(IxSpace *, const IxNarrow *);
Ix ix_add(const IxSpace *, Ix a, Ix b);
Ix ix_scale(Ix a, int64_t k);
Ix ix_div(IxSpace *, Ix a, int64_t by); /* floor; a is never negative where it is used */
Ix ix_mod(IxSpace *, Ix a, int64_t by);
bool ix_equal(const Ix *, const Ix *);
int64_t ix_min(const IxSpace *, const Ix *);
int64_t ix_max(const IxSpace *, const Ix *);
int64_t ix_coefficient(const Ix *,
                       int atom); /* of a loop variable; 0: it does not occur affinely */
bool ix_uses(const IxSpace *, const Ix *, int atom); /* anywhere, inside quotients as well */
/* The C text: "i * 784 + j + 3"; parenthesised where it is a sum and `tight` is set. It is an int,
 * and a ptrdiff_t where an int could be too small. */
const char *ix_text(const IxSpace *, const Ix *, bool tight);

/* A condition on an index: lo <= e < hi and e divisible by step. */
typedef struct Guard {
    Ix e;
    bool test_lo, test_hi;
    int64_t hi;
    int64_t step;
} Guard;

/* Whether no value of the index meets it. */
bool guard_never(const IxSpace *, const Guard *);

/* The extent of an axis with a full batch. */
int64_t axis_extent(const IxSpace *, const Shape *, int axis);
/* The index of operand `i` of `node` (any class but REDUCE and MAT) where the node's own index is
 * `at`. pad and concat: also the conditions under which the operand is read at all (n_guards of
 * them, at most RANK_MAX). */
void index_operand(IxSpace *, const Node *node, int i, const Ix *at, Ix *out, Guard *guards,
                   int *n_guards);
/* Row-major position of the element `at` in a buffer of this shape whose axes are kept in order
 * perm (NULL: as they are). */
Ix index_linear(IxSpace *, const Shape *, const int *perm, const Ix *at);

#endif
