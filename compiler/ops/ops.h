/* SPDX-License-Identifier: MIT */
/* ops.h: what the compiler knows of an op. The rows are ops.def's; each has a record op_NAME. */
#ifndef NNCC_OPS_H
#define NNCC_OPS_H

#include "../ir/ir.h"

typedef enum {
    CLASS_LEAF,
    CLASS_EW,
    CLASS_REDUCE,
    CLASS_MOVE,
    CLASS_MAT,
    CLASS_SCAN,
    CLASS_EFFECT,
    CLASS_BUILT
} OpClass;

enum { COMMUTES = 1, NOGRAD = 2, CALL = 4, COSTLY = 8, BY_SAMPLE = 16, ONCE = 32 };

/* Which fields of Attr an op reads: printed, read back, compared by cse. */
enum {
    ATTR_axes = 1,
    ATTR_range = 2 /* start, end, step */,
    ATTR_value = 4,
    ATTR_data = 8,
    ATTR_var = 16,
    ATTR_input = 32,
    ATTR_scalar = 64,
    ATTR_stream = 128,
    ATTR_shape = 256 /* the node's own shape is given */,
    ATTR_dtype = 512,
    ATTR_taps = 1024,
    ATTR_scan = 2048,
    ATTR_part = 4096,
    ATTR_numbers = 8192
};

/* One elementwise application: operands in double, in the op's order. */
typedef double EwEval(const double *in);

typedef struct OpImpl {
    unsigned attrs;
    /* Sets y->shape and y->dtype from operands and attr, or reports at g->loc and gives false.
     * (ops with ATTR_shape: the shape is set already and is checked.) NULL: broadcast of all
     * operands, f32. */
    bool (*shape)(Graph *g, Node *y);
    /* Builds nodes: given the gradient dy of y (y's shape), the gradient dx[i] of each operand,
     * of the operand's own shape; NULL where none flows. Only called for f32 operands that
     * matter: want[i] says which. */
    void (*grad)(Graph *g, Node *y, Node *dy, const bool *want, Node **dx);
    /* The oracle. EW ops give ew; the others eval: in[] and out are row-major, shapes with n
     * applied. */
    EwEval *ew;
    void (*eval)(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out);
    int flops;     /* EW: floating-point operations an element, as cost models count */
    double (*cost)(const Node *);  /* BY_SAMPLE: operations a sample */
    int64_t (*work)(const Node *); /* BY_SAMPLE: floats that its kernel works in, a sample; NULL: none */
    const char *c; /* EW: C text with $0 $1 $2 for operands, fully parenthesised where needed:
                         "($0 + $1)", "nnrt_expf($0)"; random numbers: the function of a key and an
                         index that draws one */
} OpImpl;

typedef struct OpRow {
    const char *name;
    OpClass cls;
    int arity;
    unsigned flags;
} OpRow;

extern const OpRow op_rows[OP_COUNT];
extern const OpImpl *const op_impls[OP_COUNT];
#define OP(name, ...) extern const OpImpl op_##name;
#include "ops.def"
#undef OP

/* ops.c. -1: none of that name. */
int op_find(const char *name);
/* Whether y is drawn at random: a leaf with a stream. */
bool op_draws(const Node *y);

/* attention.c: the lengths of attention and attention_grad. `lengths`: the operand, or NULL. */
typedef struct AttentionSizes {
    int64_t queries, keys, heads, groups, dim;
    bool causal, alibi;
    const Node *lengths;
} AttentionSizes;
enum { ATTENTION_HEADS_MAX = 1024, ATTENTION_DIM_MAX = 256 };
AttentionSizes attention_sizes(const Node *);
/* Positions that the caches of a node attention_step have room for. */
int64_t attention_room(const Node *);
/* ALiBi's slopes: 2^(-8 / n), its square, ... for n heads, a power of 2; for others those of the power of
 * 2 below, then every other one of twice as many. */
void attention_slopes(int64_t heads, double *slope);

/* ctc.c: the lengths and attributes of ctc_loss and ctc_loss_grad. */
typedef struct CtcSizes {
    int64_t frames, classes, targets;
    int blank;
    bool zero_infinity;
} CtcSizes;
CtcSizes ctc_sizes(const Node *);
enum { CTC_BEAM_MAX = 1024 }; /* ctc_decode's prefixes */
enum { BOXES_MAX = 4096 };    /* that nms keeps of a sample */

/* Sum-reduces a gradient to the shape of an operand that was broadcast (helper for gradients). */
Node *op_unbroadcast(Graph *, Node *dy, const Shape *to);

/* The product of the lengths of axes [from, to), the batch counted as its factor of n. */
int64_t op_product(const Shape *shape, int from, int to);

#endif
