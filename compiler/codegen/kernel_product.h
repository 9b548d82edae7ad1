/* SPDX-License-Identifier: MIT */
/* kernel_product.h: what the files that print a product's kernel share. */
#ifndef NNCC_KERNEL_PRODUCT_H
#define NNCC_KERNEL_PRODUCT_H

#include "kernel_emit.h"

enum { LINE_FLOATS = 16 }; /* of a cache line */

typedef struct Product {
    Emit *e;
    const Node *y;
    const MatmulPlan *plan;
    Ix lead[RANK_MAX]; /* index of the leading axes */
    Ix i, j, k;
    const char *row;                 /* the loop variable i, as text */
    const char *rows, *cols, *inner; /* extents, as text; cols: of a part of them, if any */
    const char *pragma;
    /* Where the number of row u, part g and column v of `tile` is. */
    int64_t tile_row, tile_part;
} Product;

/* An operand that is packed in panels, along `name`, j or i. */
typedef struct Packed {
    const Node *x;
    const Ix *at;
    const char *name, *size; /* size: how long it is, as text */
    int64_t full;            /* the same with a full batch */
    int width;               /* of a panel */
    const char *to;
} Packed;

/* The left operand from row i0 on, and how far apart its rows and its inner steps are. */
typedef struct Left {
    const char *from;
    long long row, step;
} Left;

/* --- kernel_panels.c -------------------------------------------------------------------------- */

/* Numbers and extents as text; an extent as it may stand behind `*`. */
const char *number(Product *, int64_t);
const char *axis_text(Product *, const Shape *, int axis);
const char *factor(Product *, const char *extent);
/* The loop variable's atom; -1 where the loop has one turn. */
int atom_of(const Ix *loop);
/* "x + i0 * 784": where a plain operand lies at these two loop variables, which the text leaves out, and how
 * far apart neighbours along each are. */
const char *plain_text(Product *, const Node *base, Ix linear, const Ix *first, const Ix *second,
                       int64_t apart[2]);
/* Panels of `width` columns (of rows, for the left operand) of an operand: [panels][inner][width]. */
void pack(Product *, const Packed *);
/* Whether the left operand takes rows of a table along the inner steps: it is then packed as it is read, [rows][inner],
 * by the second. */
bool packs_by_rows(Product *, const Node *x, const Ix *at);
void pack_rows(Product *, const Node *x, const Ix *at);
/* Where the right operand is packed, by this kernel or by another before; where this kernel packs the left one. */
const char *packed_right(Product *);
const char *packed_left(Product *);

/* --- kernel_matmul.c -------------------------------------------------------------------------- */

/* The left operand from row i0 on; `at`: its index. */
Left left_at(Product *, const Node *a, const Ix *at);
/* The loops that store a tile's numbers. */
void store_tile(Product *, const char *rows, const char *cols);
/* Asks for what the tile's stores update in place. */
void fetch_updated(Product *, const char *rows, const char *cols);

/* --- kernel_strips.c -------------------------------------------------------------------------- */

/* Strips of the result, shared among threads, each summed by blocks of inner steps. */
void strips(Product *, const Ix *a_at, const Ix *b_at);

#endif
