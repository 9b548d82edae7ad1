/* SPDX-License-Identifier: MIT */
/* ir.h: a network as a graph of tensors in SSA form, and the program it belongs to.
 *
 * A Node is one application of an op and at the same time the tensor that it gives. Shapes are
 * static but for the batch: at most one axis of a tensor, `batch`, has the run-time number of
 * samples n as a factor, so its extent is dim[batch] * n. A Graph is one function of the model
 * (predict, train, ...); a Program holds the functions of one model and what they share:
 * variables, inputs, training. */
#ifndef NNCC_IR_H
#define NNCC_IR_H

#include "../base/base.h"

enum { RANK_MAX = 8 };
#define ELEMENTS_MAX ((int64_t)1 << 40) /* numbers in a tensor */
#define DIM_MAX      INT32_MAX

typedef enum { DT_f32, DT_i32, DT_u8 } DType;

typedef struct Shape {
    int rank;
    int batch;             /* the axis that is dim[batch] * n long, or -1 */
    int64_t dim[RANK_MAX]; /* the rest of the array is 0 */
} Shape;

typedef struct Ctx { /* one compilation */
    Arena *arena;
    Diag diag;
} Ctx;

typedef struct Node Node;
typedef struct Graph Graph;
typedef struct Program Program;
typedef struct Kernel Kernel; /* passes/kernel.h */

/* --- variables: tensors that outlive a step --------------------------------------------------- */

typedef enum {
    INIT_constant,
    INIT_uniform,
    INIT_normal,
    INIT_truncated_normal,
    INIT_orthogonal
} InitKind;

typedef struct Init { /* the same numbers as nnrt_init_kind; see nnrt.h */
    InitKind kind;
    double a, b;
} Init;

typedef enum {
    VAR_weight, /* in weights files; trained unless frozen */
    VAR_buffer, /* in weights files; never trained */
    VAR_state,  /* of the optimiser; in checkpoints */
    VAR_cache,  /* of decoding: what it keeps of positions past; in no file, each instance's own */
    VAR_memory, /* the same of what all positions see: made once, by function encode */
    VAR_carried /* a row a sample, from one batch to the next; in checkpoints */
} VarKind;

typedef struct Var {
    const char *name; /* as saved: fc1.weight */
    VarKind kind;
    bool frozen;
    unsigned players; /* a bit each: of Program.players, those that update it */
    Shape shape;      /* as saved; no batch; VAR_carried: as many rows as a batch has at most */
    Init init;
    Loc loc;
    double rate;         /* the learning rate, as a factor of the optimiser's */
    double weight_decay; /* instead of the optimiser's; NaN: that */
    int id;              /* index in Program.vars */
    struct Var *laid_as; /* state of the optimiser: kept in the order of this weight; or NULL */
    Shape view;          /* the saved shape, axes cut in parts that perm counts; rank 0: as saved */
    int perm
        [RANK_MAX]; /* kept order: kept axis i is axis perm[i] of the view (set by pass layout) */
    int64_t
        offset; /* bytes in the vars part of an instance, of a cache in that of caches (set by pass memory) */
} Var;

/* --- nodes ------------------------------------------------------------------------------------ */

typedef enum {
#define OP(name, ...) OP_##name,
#include "../ops/ops.def"
#undef OP
    OP_COUNT
} OpKind;

/* Scalars known only at run time, the same for a whole step; computed on the host in double. */
typedef enum {
    SCALAR_n,      /* samples in this call */
    SCALAR_lr,     /* the learning rate of this step, schedule applied */
    SCALAR_step,   /* optimiser steps taken, this one included: 1, 2, ... */
    SCALAR_at,     /* decoding: positions before the first of this call */
    SCALAR_last,   /* decoding: which position of this call is wanted, from 0 */
    SCALAR_chosen, /* attribute: of which score gradients are wanted, from 0 */
    SCALAR_mix     /* mixup: the share that a sample has of the one it is mixed with */
} Scalar;

enum { SPATIAL_MAX = 3 };

/* How a window of taps goes over the spatial axes of [N, spatial.., C]; by spatial axis. All
 * lists end with 0s. */
typedef struct Taps {
    int64_t size[SPATIAL_MAX];     /* taps along it; unwindow: also `from` */
    int64_t stride[SPATIAL_MAX];   /* distance between windows */
    int64_t dilation[SPATIAL_MAX]; /* distance between taps */
    int64_t from[SPATIAL_MAX];     /* unwindow: how long the axis was that the windows went over */
    int64_t groups;                /* conv, conv_weight; else 0 */
} Taps;

enum { NUMBERS_MAX = 4 };

/* What an op needs beyond its operands; ops.def says which fields an op reads. Zero otherwise. */
typedef struct Attr {
    int n_axes;
    /* reduce: the axes, ascending; transpose: out axis i is in axis axes[i]; concat, iota: axes[0] */
    int axes[RANK_MAX];
    int n_numbers; /* ctc_loss and its like: what ops.def says, -1 and above */
    int64_t numbers[NUMBERS_MAX];
    int64_t start[RANK_MAX]; /* slice: first index; pad: zeros before */
    int64_t end[RANK_MAX];   /* slice: one past the last; pad: after */
    int64_t step[RANK_MAX];  /* slice: stride >= 1; pad: distance between elements, 1: adjacent */
    Taps taps;               /* window, unwindow, conv, conv_weight */
    double
        value; /* const: every element, where data is NULL; pad: what fills; reduce_max, reduce_min: 1
                     where the first of equal ones takes the gradient, 0: they share it */
    const double *data;      /* const: elements in row-major order */
    Var *var;                /* var, assign */
    int input;               /* input: index in Program.inputs */
    int part;                /* scan_operand, scan_result: which; updated: by which player */
    const struct Scan *scan; /* scan */
    Scalar scalar;           /* scalar; lr: of player `part` */
    uint32_t stream;         /* random_uniform, random_normal: which stream of random numbers */
} Attr;

/* A loop of `length` steps over a body, a graph of its own. What the body reads are nodes scan_operand:
 * operand i of the scan node, which are, in this order, the first values of n_states states, n_slices
 * tensors of which each step sees one slice (their first axis is `length` long), and what is the same in
 * every step. What it gives are its roots: ROOT_next, the next value of each state, and ROOT_step, of
 * which the scan stacks the values of all steps. Nodes scan_result of the scan node are its results: the
 * last value of each state, then the stacks. */
typedef struct Scan {
    struct Graph *body;
    int n_states, n_slices;
    int64_t length;
    bool backwards; /* the last slice first; stacks are filled from their end */
    int64_t stash;  /* > 0: its gradient keeps states at every so many steps alone (pass stash) */
    bool pieces;    /* each step is a loop over a piece of steps; hoist moves nothing out of it */
} Scan;

typedef enum { ROLE_forward, ROLE_loss, ROLE_metric, ROLE_backward, ROLE_update } Role;

struct Node {
    OpKind op;
    DType dtype;
    Role role;
    int turn; /* the player for whose turn it was built first */
    int id;   /* position in Graph.nodes after graph_sort: operands have smaller ones */
    Shape shape;
    int n_in;
    Node **in;
    const Attr *attr; /* never NULL */
    Loc loc;          /* the layer, expression or key it was written as */
    /* The value's name in the model (fc1, logits), or NULL; of a gradient: that of what it belongs to. */
    const char *name;
    const char *what; /* what a reader calls it: "dense", "relu", "softmax_cross_entropy", "adam" */
    /* Scratch of passes; meaningless between them unless passes.h says so. */
    Node *to; /* graph_rewrite: what replaces it */
    int mark;
    int users;      /* graph_count_users */
    bool uniform;   /* after pass fuse: computed on the host, see node_uniform */
    Kernel *kernel; /* after pass fuse: the kernel that stores it, or NULL where it is inlined */
    /* After pass beside: the node in whose memory it is stored, from whole_at of that axis on; or NULL. */
    Node *whole;
    int whole_axis;
    int64_t whole_at;
};

typedef enum {
    ROOT_output,  /* index: of Program.outputs */
    ROOT_loss,    /* index 0: the loss that is minimised, rank 0; 1 + i: of Program.losses */
    ROOT_metric,  /* index: of its first metric sum, counted over all metrics in order; no batch */
    ROOT_grad,    /* index: of Program.vars, or Program.vars.n + index of Program.inputs */
    ROOT_assign,  /* an assign node; index: of Program.vars */
    ROOT_next,    /* in a body: the next value of state `index` */
    ROOT_step,    /* in a body: what the scan stacks, stack `index` */
    ROOT_kept,    /* index: of Program.kept; f32, batch first */
    ROOT_minimize /* index: of Program.players: what that player minimises; until pass autodiff */
} RootKind;

/* What a function gives or adds to when its kernels are done: it reads these in its own memory. */
static inline bool root_is_result(RootKind kind)
{
    return kind == ROOT_loss || kind == ROOT_metric || kind == ROOT_kept;
}

typedef struct Root {
    RootKind kind;
    int index;
    Node *node;
    int turn; /* grad: of Program.players, whose loss it is the gradient of */
} Root;

/* Decoding (passes/decode.c). encode: what all positions see of other inputs; prefill, step: many positions of a
 * prompt at once and one position a call. attribute: why predict gives what it does (passes/attribute.c). */
typedef enum {
    FN_predict,
    FN_eval,
    FN_train,
    FN_accumulate,
    FN_grad,
    FN_encode,
    FN_prefill,
    FN_step,
    FN_fit, /* what is fitted on training data reads: output i is the operand of Program.fits i */
    FN_attribute,
    FN_sample,  /* what is drawn: inference, but random functions draw */
    FN_round_1, /* steps in which not all players have their turn: see Program.rounds */
    FN_round_2,
    FN_round_3,
    FN_COUNT
} Fn;

struct Graph {
    Program *program;
    Fn fn;
    const Graph *outer; /* of a body: the graph of its scan; else NULL */
    const Scan *scan;   /* of a body: its scan */
    VEC(Node *) nodes;  /* operands first */
    VEC(Root) roots;
    VEC(Kernel *) kernels; /* after pass fuse; in order of execution after pass schedule */
    struct Plan *plan;     /* after pass memory */
    /* What new nodes inherit: set by whoever builds. */
    Loc loc;
    Role role;
    int turn;
    const char *what;
};

/* What numbers are from and up to; infinite where that is not known. */
typedef struct Bounds {
    double low, high;
} Bounds;

#include "program.h"

/* --- shape.c ---------------------------------------------------------------------------------- */

Shape shape_of(int rank, const int64_t *dim); /* no batch */
Shape shape_scalar(void);
bool shape_equal(const Shape *, const Shape *);
bool shape_unit(const Shape *, int axis); /* of length 1, whatever the batch */
int64_t shape_count(const Shape *);       /* numbers; a sample's where there is a batch axis */
int64_t shape_elements(const Shape *, int64_t n); /* numbers with n samples */
/* "[N, 784]", "[4N, 10]", "[]": into a buffer of 128 bytes. */
const char *shape_text(const Shape *, char *buffer);
/* NumPy's broadcast of two shapes. On failure false, and *axis_a, *axis_b the axes that differ. */
bool shape_broadcast(const Shape *a, const Shape *b, Shape *out, int *axis_a, int *axis_b);
const char *dtype_text(DType);

/* --- graph.c ---------------------------------------------------------------------------------- */

Graph *graph_new(Program *, Fn);
/* Adds a node. Its shape and dtype come from the op's shape rule, which reports wrong operands at
 * g->loc and then gives NULL; every builder passes NULL operands through (NULL in, NULL out), so
 * one mistake is reported once. `attr` is copied; NULL: all zero. */
Node *graph_add(Graph *, OpKind, int n_in, Node *const *in, const Attr *attr);
/* The same for ops whose shape or dtype is given, not derived (ATTR_shape, ATTR_dtype: reshape,
 * expand, const, iota, cast, ...): the shape rule finds them set in y and checks them. After a
 * failed rule both note where named operands are made; rules do not. */
Node *graph_add_as(Graph *, OpKind, int n_in, Node *const *in, const Attr *attr, const Shape *,
                   DType);
/* Sets y's shape and dtype by its op's rule, or the broadcast of its class, and checks that it is
 * not too large. Reports at g->loc, then gives false. (graph_add does it; verify.c again.) */
bool graph_shape(Graph *, Node *y);
/* Nodes again in an order where operands come first, dead ones dropped, ids renumbered. The order
 * follows from the roots and operands alone, not from the order in which nodes were made. */
void graph_sort(Graph *);
/* Whether x is a node of the graph, as it was sorted last. */
bool graph_has(const Graph *, const Node *x);
void graph_count_users(Graph *); /* roots count as a use */
void graph_root(Graph *, RootKind, int index, Node *);
Node *graph_find_root(const Graph *, RootKind, int index);
/* Whether the node is what a root stands for. */
bool graph_is_root(const Graph *, const Node *);
/* Rebuilds in one walk: `rewrite` sees each node with its operands already replaced, and gives what
 * stands for it (itself, or another node). Then graph_sort. Returns whether anything changed. */
bool graph_rewrite(Graph *, Node *(*rewrite)(Graph *, Node *, void *), void *arg);
Var *program_var(Program *, const char *name, VarKind, const Shape *, Init,
                 Loc); /* new; name unique */
Var *program_find_var(const Program *, const char *name);
const char *fn_text(Fn);
/* What the function's output `index` is called. */
const char *graph_output_name(const Graph *, int index);
/* How many outputs the function of a graph has. */
int graph_output_count(const Graph *);
/* Whether a call of the function is a training step, or a part of one: train, accumulate, the rounds. */
bool fn_trains(Fn);
/* Of a function that trains: the players who have a turn in it, a bit each. */
unsigned fn_players(const Program *, Fn);
/* The last player before `turn` who updates the variable in the function of the graph; -1: none. */
int var_updated_by(const Graph *, const Var *, int turn);
/* Whether the function decodes: encode, prefill, step; their graphs are of one sample, without a batch axis. */
bool fn_decodes(Fn);

/* --- var.c: kept order and saved order of a variable ------------------------------------------ */

/* Whether it belongs to decoding: VAR_cache, VAR_memory. It is in no file. */
bool var_decodes(const Var *);

/* Keeps it in the order in which it is saved, as a new one is. */
void var_keep_as_saved(Var *);
/* The saved shape, axes cut in parts where it is kept so. */
Shape var_view(const Var *);
Shape var_kept_shape(
    const Var
        *); /* of its node in the graph: the view, axes in order perm, neighbours that are parts of one saved
                  * axis as one */
/* Its first `count` numbers. */
void var_to_kept(const Var *, const double *saved, double *kept, int64_t count);
void var_to_saved(const Var *, const double *kept, double *saved, int64_t count);

/* --- build.c: short forms, used by layers, gradients and passes ------------------------------- */

Node *build_const(Graph *, double value); /* rank 0 */
Node *build_fill(Graph *, const Shape *, double value);
Node *build_data(Graph *, const Shape *, const double *data);
Node *build_input(Graph *, int input);
Node *build_var(Graph *, Var *);
Node *build_scalar(Graph *, Scalar);
Node *build_unary(Graph *, OpKind, Node *);
Node *build_binary(Graph *, OpKind, Node *, Node *);
Node *build_where(Graph *, Node *condition, Node *yes, Node *no);
/* Reductions in the graph always keep reduced axes as length 1. Axes may be negative; n 0: all. */
Node *build_reduce(Graph *, OpKind, Node *, int n, const int *axes);
/* reduce_max of which the first of equal maxima, in row-major order of the axes, takes the gradient. */
Node *build_pool_max(Graph *, Node *, int n, const int *axes);
/* The reduction that y is, of another operand or over other axes. */
Node *build_reduce_as(Graph *, const Node *y, Node *, int n, const int *axes);
/* mean: reduce_sum over count, where the count may contain n. */
Node *build_mean(Graph *, Node *, int n, const int *axes);
Node *build_squeeze(Graph *, Node *, int n, const int *axes); /* drops axes of length 1 */
Node *build_unsqueeze(Graph *, Node *, int axis);
Node *build_reshape(Graph *, Node *, const Shape *);
Node *build_transpose(Graph *, Node *, const int *perm); /* out axis i is in axis perm[i] */
Node *build_swap(Graph *, Node *);                       /* the last two axes */
Node *build_expand(Graph *, Node *, const Shape *);
Node *build_slice(Graph *, Node *, int axis, int64_t start, int64_t end, int64_t step);
Node *build_concat(Graph *, int axis, int n, Node *const *);
Node *build_matmul(Graph *, Node *, Node *);
Node *build_flip(Graph *, Node *, int n, const int *axes); /* those axes run backwards */
/* Zeros (or `value`) before and after each axis, and step - 1 between neighbours; NULL lists: none. */
Node *build_pad(Graph *, Node *, const int64_t *before, const int64_t *after, const int64_t *step,
                double value);
/* conv.c. Channels last: x [N, spatial.., C], w [taps.., C/groups, M] -> [N, spatial.., M]; nothing is
 * padded. taps->size is taken from w. */
Node *build_conv(Graph *, Node *x, Node *w, const Taps *);
/* The gradient of build_conv in w: x [N, spatial.., C], dy [N, spatial.., M] -> [taps.., C/groups, M]. */
Node *build_conv_weight(Graph *, Node *x, Node *dy, const Taps *);
/* The gradient of build_conv in x, and what a transposed convolution gives: dy [N, spatial.., M], w as
 * of build_conv -> [N, extent.., C]. `extent`, by spatial axis, is at least (dy's - 1) * stride +
 * dilation * (taps - 1) + 1; what lies past that is 0. */
Node *build_conv_input(Graph *, Node *dy, Node *w, const Taps *, const int64_t *extent);
/* Of that, along each spatial axis, `length` elements after `from`. */
Node *build_conv_input_part(Graph *, Node *dy, Node *w, const Taps *, const int64_t *extent,
                            const int64_t *from, const int64_t *length);
/* window.c. [N, spatial.., C] -> [N, windows.., taps.., C]. */
Node *build_window(Graph *, Node *x, const Taps *);
Node *build_iota(Graph *, const Shape *, int axis); /* f32: the index along axis */
/* op: random_uniform, random_normal */
Node *build_random(Graph *, OpKind op, const Shape *, uint32_t stream);
Node *build_cast(Graph *, Node *, DType);
Node *build_size(Graph *, const Shape *); /* rank 0: how many numbers, with n */
/* 1 where the class index (i32, shape without `axis`) equals the position along `axis`, else 0. */
Node *build_one_hot(Graph *, Node *classes, int64_t count, int axis);
Node *build_softmax(Graph *, Node *, int axis);
Node *build_log_softmax(Graph *, Node *, int axis);
/* The variable becomes `value` at the end of the step, whatever was assigned to it before; and its root. */
Node *build_assign(Graph *, Var *, Node *value);
/* The variable as it is after what was assigned to it so far. */
Node *build_latest(Graph *, Var *);
/* The variable as player `turn` leaves it: until pass optimizer a leaf. */
Node *build_updated(Graph *, Var *, int turn);

/* --- scan.c: building loops ------------------------------------------------------------------- */

/* Leaves of a body, and what they stand for in the graph around it. */
typedef struct ScanLink {
    Node *leaf, *operand;
} ScanLink;

/* A scan under construction. Nodes for the body are added to `body`. */
typedef struct ScanBuilder {
    Graph *outer, *body;
    int64_t length;
    bool backwards, pieces;
    int64_t stash;
    VEC(ScanLink) states, slices, others;
} ScanBuilder;

ScanBuilder scan_begin(Graph *outer, int64_t length, bool backwards);
/* Each gives the leaf of the body by which it is read there. */
Node *scan_state(ScanBuilder *, Node *first);
Node *scan_slice(ScanBuilder *, Node *stack);
Node *scan_other(ScanBuilder *, Node *same_in_every_step);
void scan_next(ScanBuilder *, Node *state_leaf, Node *next);
int scan_step(ScanBuilder *, Node *value); /* stacks it; which stack it is */
/* The scan node, when every state has its next value. Numbers the body's leaves. */
Node *scan_end(ScanBuilder *);
/* A scan with a copy of another's body, over other operands and so many steps. */
Node *scan_again(Graph *, const Node *scan, Node *const *in, int64_t length);
Node *scan_last(Graph *, Node *scan, int state);  /* the last value of a state */
Node *scan_stack(Graph *, Node *scan, int stack); /* a stack: [length, ..] */
int scan_stacks(const Scan *);                    /* how many there are */
/* The stack of a node of the body, which the scan fills from now on if it did not. */
Node *scan_stack_of(Graph *, Node *scan, Node *value);
/* A stack of a state as it was before each step: its first value, then its next one of the steps before. */
Node *scan_before(Graph *, Node *scan, int state);
/* In a body: whether the leaf scan_operand is a state, a slice; else it is the same in every step. */
bool scan_is_state(const Graph *body, const Node *leaf);
bool scan_is_slice(const Graph *body, const Node *leaf);
/* Whether what a state is last is the last slice of a stack: its next value is stacked. */
bool scan_is_stacked(const Scan *, int state);
/* The functions of a program in order, behind each body the graph around it. */
typedef VEC(Graph *) GraphList;
GraphList program_graphs(const Program *, Arena *);
/* The shape of a stack of tensors of this shape, and of a slice of such a stack. */
/* Adds to one graph the nodes of another, which is in order; copy[i]: that of node i. Bodies are copied as
 * well; roots are not. */
void graph_copy_nodes(Graph *to, const Graph *from, Node **copy);
Shape scan_stacked_shape(const Shape *, int64_t length);
Shape scan_slice_shape(const Shape *);

/* --- print.c, read.c, dot.c, verify.c, interp.c ----------------------------------------------- */

void graph_print(const Graph *, FILE *);     /* --emit=ir, --dump-after */
void program_print(const Program *, FILE *); /* inputs, vars, then each function */
/* Reads what program_print writes; diagnostics in ctx->diag, then NULL. */
Program *program_read(Ctx *, const char *text, size_t size);
void graph_dot(const Graph *, FILE *);

/* layers.c. Nodes that were written as one layer, joined as far as they read each other. */
typedef struct Layer {
    int first;        /* its node with the lowest id */
    const Node *last; /* what it gives */
    const char *what; /* dense, relu, var */
    const char *name; /* in the model, or NULL */
    Loc loc;
    Role role;
    int64_t params; /* numbers that it trains */
} Layer;

typedef struct Layers {
    int n, cap;
    Layer *at; /* in the order of their first nodes */
    int *of;   /* by node id: which layer it is of */
} Layers;

Layers graph_layers(const Graph *, Arena *);

/* bounds.c. Of the numbers of a node, by the ops that it is computed with. The graph is in order. */
Bounds graph_bounds(const Graph *, const Node *, Arena *);

/* What must hold after each pass: order, arity, shapes by the rules, dtypes, roots. A violation is
 * a bug of ours; `after` names the pass. */
void graph_verify(const Graph *, const char *after);

typedef struct Tensor {
    Shape shape; /* with n applied: no batch axis */
    double *data;
} Tensor;

/* At which step the loops are around what is evaluated, the innermost first. */
typedef struct InterpTurn {
    const struct InterpTurn *outer; /* NULL: none */
    int64_t at;
} InterpTurn;

typedef struct InterpInput {
    int64_t n;             /* samples */
    double *const *inputs; /* one an input; NULL where not needed */
    double *const *vars;   /* one a var, in saved order; assign writes them */
    double lr;
    int64_t step;  /* SCALAR_step */
    uint64_t seed; /* random ops draw nnrt_rand's numbers: (seed, calls, stream, turn, index) */
    int64_t calls;
    int64_t at, last; /* decoding: SCALAR_at, SCALAR_last */
    int64_t chosen;   /* attribute: SCALAR_chosen */
    double mix;       /* SCALAR_mix */
    const InterpTurn *turn; /* in a body; NULL: in a function */
} InterpInput;

/* Evaluates the graph in double, op by op, in order. Gives one tensor a root (assign roots: the
 * value). */
Tensor *graph_interpret(const Graph *, const InterpInput *, Arena *);

#endif
