/* SPDX-License-Identifier: MIT */
/* kernel_emit.h: what the files that write one kernel's function share. */
#ifndef NNCC_KERNEL_EMIT_H
#define NNCC_KERNEL_EMIT_H

#include "../ops/ops.h"
#include "../passes/lower.h"
#include "codegen.h"

/* The C text of a node's value at one index. */
typedef struct Known {
    const Node *node;
    Ix at[RANK_MAX];
    const char *text;
} Known;

typedef VEC(Known) KnownList;

typedef struct Emit {
    const Program *p;
    const Graph *g;
    Kernel *k;
    const Lowered *low;
    Arena *arena;
    Out *out;
    IxSpace space;
    Ix loops[RANK_MAX]; /* of the domain's axes, in force */
    KnownList known;    /* values in scope: cut back to an earlier length when a scope ends */
    int n_temps;
    /* By node id; all zero between kernels: */
    int *uses;   /* operands in this kernel that read it */
    int *level;  /* the stage of a loop kernel in which it can be computed */
    bool *fresh; /* a store of this kernel that is in its buffer already */
    VEC(KernelArg) args;
} Emit;

/* --- kernel_expr.c ---------------------------------------------------------------------------- */

/* The value of y at an index, as C text: a name, a literal or a short expression. Writes the lines
 * that compute it first. */
const char *emit_value(Emit *, const Node *y, const Ix *at);
/* The same where the node stands in the domain. */
const char *emit_standing(Emit *, const Node *y);
/* Where the node stands; false: nowhere. */
bool emit_stand(const Emit *, const Node *y, Ix *at);
/* From here on, y at this index is called `text`. */
void emit_know(Emit *, const Node *y, const Ix *at, const char *text);
/* Stores nodes where they stand. All values are computed first: a store may lie over what another
 * reads. */
void emit_stores(Emit *, int n, Node *const *stores);
/* The parameter for a buffer, a uniform scalar or a stream of random numbers; added at first use.
 */
const char *emit_buffer(Emit *, Buffer *, bool written);
const char *emit_temp(Emit *, const char *letter); /* a new local name: t1, t2, ... */
/* A new local name, of y's type, for the text of its value. */
const char *emit_named(Emit *, const Node *y, const char *text);
/* The parameter for the random numbers of y's stream. */
const char *emit_key(Emit *, const Node *y);
/* The literal of a number, as a float. */
const char *emit_number(Emit *, double value);
/* The text without parentheses that enclose all of it. */
const char *emit_bare(Emit *, const char *text);
/* "x[i * 784 + j]" of a stored node. */
const char *emit_element(Emit *, const Node *y, const Ix *at, bool written);
/* `a` and `b` combined by a reduction: "a + b". */
const char *emit_combine(Emit *, OpKind reduce, const char *a, const char *b);
const char *emit_identity(OpKind reduce); /* "0.0f", ... */
/* The pragma of a loop whose turns threads share, the first `loops` loops as one. No thread waits at its
 * end. */
void emit_share(Emit *, int loops);
/* Opens for (int INDEX = from; INDEX < to; INDEX += step) with the turns shared likewise, in the same way, but
 * without a call of OpenMP's own division, which may take longer than few samples do. `to` is a sum or a product as
 * text. */
void emit_shared_for(Emit *, const char *index, int64_t from, const char *to, int64_t step);
/* The line where threads wait for each other, between loops that they share. */
void emit_wait(Emit *);
/* "n", "n * 4", "784": the extent of an axis. */
const char *emit_extent(Emit *, int64_t dim, bool batch);

/* Where a loop over a variable is cut, so that in each piece the same operands of concat and pad are read:
 * piece i is of the values at[i] to at[i + 1] - 1. */
enum { PIECES_MAX = 4 };
typedef struct Pieces {
    int n;
    int64_t at[PIECES_MAX + 1];
} Pieces;

/* One piece: 0 to `extent` - 1. */
Pieces pieces_whole(int64_t extent);
/* Cuts at what y, indexed by `at`, asks of `loop`, where that is a multiple of `multiple`; one piece again
 * where it would be too many. */
void pieces_cut(Emit *, Pieces *, const Node *y, const Ix *at, const Ix *loop, int64_t multiple);
/* The one piece, from .. to - 1, in which y reads of no operand's border. */
void pieces_inside(Emit *, const Node *y, const Ix *at, const Ix *loop, int64_t *from, int64_t *to);

/* --- kernel_param.c --------------------------------------------------------------------------- */

/* What parameter i is called in a body until all kernels are compared. */
const char *param_canonical(Arena *, int i);
int param_index(const char *word, size_t length); /* the i of such a word; -1: another word */
/* Sets the names of a function's n parameters, from their full names. */
void param_name(Arena *, int n, KernelArg *);
bool param_known(int n, const KernelArg *, const char *name); /* whether one is called so */

/* --- kernel_family.c -------------------------------------------------------------------------- */

typedef struct Member {
    Kernel *k;
    const char *text;  /* its body, parameters under canonical names */
    VEC(long) numbers; /* of the text, in order */
} Member;

typedef struct FamilyParam {
    const char *name;
    int place; /* in Member.numbers */
} FamilyParam;

/* Kernels whose bodies differ in numbers alone. */
typedef struct Family {
    VEC(Member) members;
    VEC(FamilyParam) params;
    VEC(const char *) instead; /* by place: the text for the number; NULL: the same in all */
    bool written;              /* as one body; else each member has its own text */
} Family;

/* The text without its numbers: equal for the members of a family. */
const char *family_key(Arena *, const char *text);
void family_add(Arena *, Family *, Kernel *, const char *text);
/* Makes parameters of the numbers that differ, named beside the n others; false: too many. */
bool family_find_params(Arena *, Family *, int n, const KernelArg *);
/* The text with the parameters' names and, where there is a family, its numbers. */
const char *family_text(Arena *, const char *text, const Family *, const KernelArg *);

/* --- kernel_tiles.c --------------------------------------------------------------------------- */

/* The functions of templates/ that are in the emitted file so far. */
typedef struct Tiles {
    const Program *p;
    Arena *arena;
    Map written; /* by name */
} Tiles;

Tiles tiles_begin(const Program *);
/* Writes those that kernel k calls and that are not there yet. */
void tiles_write(Tiles *, Out *, const Kernel *k);

/* --- kernel_cost.c ---------------------------------------------------------------------------- */

/* Sets the kernel's operations and bytes: of a call with a full batch, and what of them no sample adds to. */
void kernel_cost(const Graph *, Kernel *);
/* Whether it is worth a barrier and has loops that threads may divide. Its cost is known. */
bool kernel_is_shared(const Program *, const Kernel *);

/* From how many samples on it is. */
int64_t kernel_shared_from(const Program *, const Kernel *);

/* --- kernel_loops.c, kernel_matmul.c, kernel_conv.c: the body, to e->out ------------------------------------- */

void emit_loops(Emit *);
void emit_matmul(Emit *);
/* The name of a matmul kernel's register tile of so many columns: "tile_12x32", "tile_12x16of32". */
const char *matmul_tile(Arena *, const Kernel *, int columns);
/* That of its tile of few rows: "few_2x4x32", rows, panels and columns of a panel. */
const char *matmul_few(Arena *, const Target *, const MatmulPlan *);
/* "depthwise_7x32_taps3_step1": the register tile of a convolution whose channels stand alone. */
const char *depthwise_tile(Arena *, const ConvPlan *);
void emit_conv(Emit *);
void emit_conv_weight(Emit *);
void emit_scatter(Emit *);   /* kernel_scatter.c */
void emit_attention(Emit *); /* kernel_attention.c */
void emit_attention_grad(Emit *);
void emit_samples(Emit *); /* kernel_samples.c */
void emit_attention_step(Emit *);
/* The weight of e->k->product, packed. */
void emit_matmul_pack(Emit *);
void emit_conv_pack(Emit *);

#endif
