/* SPDX-License-Identifier: MIT */
/* kernel.h: the kernel model: what a graph is lowered to, from pass fuse to the emitted C.
 *
 * Every node ends in one of four ways: it is *stored* by a kernel (node->kernel) in a Buffer, it
 * is *inlined* into each kernel that needs it (elementwise and movement nodes, reductions of a
 * row), it is *uniform* (a rank-0 value made of run-time scalars and constants alone: computed
 * once a call, on the host, in double, and handed to kernels as a float), or it is a leaf.
 *
 * A loop kernel has an iteration space of axes, outer (`rows`, shared among threads) and inner
 * (`cols`), and runs over a row in as many passes as its reductions depend on each other. A
 * matmul kernel is a template with load expressions (a graph of inlined nodes over (m, k) and (k,
 * n)) and a store expression (a graph of elementwise nodes over (m, n) with several stores). */
#ifndef NNCC_KERNEL_H
#define NNCC_KERNEL_H

#include "../ir/ir.h"
#include "../targets/targets.h"

typedef enum {
    BUF_input,  /* a pointer that the caller gives; index: of Program.inputs */
    BUF_output, /* the same; index: of Program.outputs */
    BUF_grads, /* in what NAME_grad's caller gives, `offset` bytes from its start; index: as ROOT_grad */
    BUF_var,    /* in the instance's vars, at var->offset */
    BUF_operand, /* in a body: operand `index` of the scan, as this step sees it */
    BUF_next,   /* in a body: what becomes of state `index`, where it is not stacked */
    BUF_step,   /* in a body: the slice of this step of stack `index` */
    BUF_data,   /* static const data of the emitted file (const nodes with data) */
    BUF_scratch /* in the instance's scratch, at `offset` */
} BufferKind;

typedef struct Buffer {
    BufferKind kind;
    int index;
    int id; /* in Plan.buffers */
    const char *
        name; /* its C name, unique in the function: fc1, d_fc1, fc1_weight, adam_exp_avg_fc1_weight */
    Node *node; /* the node it holds; of var buffers the leaf; NULL: a kernel's own workspace */
    Var *var;
    DType dtype;
    Shape shape;
    int perm[RANK_MAX];  /* kept order: kept axis i is shape's axis perm[i] */
    int64_t bytes;       /* with a full batch, rounded up to NNRT_ALIGN */
    int64_t offset;      /* scratch, grads: bytes */
    int first, last;     /* scratch: kernels (positions in g->kernels) between which it is alive */
    struct Buffer *over; /* scratch: lies on this buffer, which dies in the kernel that writes it */
} Buffer;

/* pack: makes the form in which a product reads its weight. scan: a loop over the kernels of a body; has no
 * function of its own. */
typedef enum {
    KERNEL_loop,
    KERNEL_matmul,
    KERNEL_conv,
    KERNEL_conv_weight,
    KERNEL_pack,
    KERNEL_scatter,
    KERNEL_attention,
    KERNEL_attention_grad,
    KERNEL_samples,
    KERNEL_attention_step,
    KERNEL_scan
} KernelKind;

typedef enum { KARG_key, KARG_buffer, KARG_scalar, KARG_team } KernelArgKind;

/* A parameter of the kernel's function, after `int n`. */
typedef struct KernelArg {
    KernelArgKind kind;
    Buffer *buffer; /* KARG_buffer */
    bool written;   /* KARG_buffer: not const */
    Node *
        node; /* KARG_scalar: a uniform node, passed as float; KARG_key: a random number (its stream) */
    const char *name;      /* the parameter's name */
    const char *full_name; /* that of the buffer, scalar or stream in the functions that call */
} KernelArg;

struct Kernel {
    KernelKind kind;
    int id;             /* position in g->kernels */
    const char *name;   /* the emitted function: mnist_fc1_fwd */
    const char *title;  /* one line for the kernel table: "8 dense, relu" (YAML lines and ops) */
    const char *serves; /* other layers whose kernels have the same text; or NULL */
    VEC(Node *) stores; /* nodes it stores, in order */
    VEC(Node *) nodes;  /* all nodes computed in it, operands first (inlined ones included) */
    Node *product; /* of all but KERNEL_loop: the node of class MAT (pack: whose weight it packs) */
    const Node *scan; /* of KERNEL_scan; else NULL */
    VEC(KernelArg) args;         /* filled by kernel_text */
    VEC(Buffer *) reads, writes; /* filled by pass fuse/schedule: what it loads and stores */
    struct Kernel *pack;         /* of a product: the kernel that packs its weight; or NULL */
    Buffer *packed;              /* of the two: what it packs */
    Buffer *workspace;           /* of a product: operands it packs itself; of a scan: its body's scratch; or NULL */
    bool kept;   /* runs only after a weight has changed; what it stores stays where it is */
    bool keeps_first; /* of a scan: what its body makes before the first step is kept so */
    bool shared; /* its loops are shared among threads; else one thread runs it */
    int64_t shared_from; /* from so many samples on that is worth it; below, it is over before a second has begun */
    double flops, bytes;   /* of a full batch */
    double fixed_flops, fixed_bytes; /* of these, what a batch of any size takes */
    const char *text;      /* the function's C text, comment included; NULL where `same` is set */
    struct Family *family; /* those equal to it but for numbers: private to codegen */
    Kernel *same;  /* a kernel (of any function of the program) with equal text, emitted instead */
    void *lowered; /* loops, placements: private to passes/lower and codegen/kernel_*.c */
};

/* How many kernels of a graph, its first, run before anything else is called again: in predict and eval
 * those that are kept, in a body those that run once, before the first step. (pack.c) */
int kernels_kept(const Graph *);

/* kernels.c: whether a kernel stores a variable's new value; whether it reads what another stores: y, or, where that is
 * NULL, anything. Takes a kernel out of those in order. */
bool kernel_updates(const Kernel *);
bool kernel_reads(const Kernel *, const Kernel *of, const Node *y);
void kernel_remove(Graph *, const Kernel *);

typedef struct Plan {
    VEC(Buffer *) buffers;
    Buffer **of_node;      /* by node id; NULL where the node has none */
    Buffer **turn; /* of a body, by state: memory that its values have in turn with the result; or NULL */
    int64_t scratch_bytes; /* of this function, or of a step of this body */
    double flops;          /* a full batch */
    bool parallel;         /* some kernel is shared: the function opens a parallel region */
} Plan;

/* Whether a call of predict finds something of the call before: what kernels keep, or scans before their first step. */
bool graph_keeps(const Graph *);

/* names.c: `name`, or x_name where the name is a word of C, of the headers or of the kernels
 * themselves. */
const char *c_name(Arena *, const char *name);

/* True for nodes that are computed on the host (see above); leaves `scalar` and scalar `const`
 * included. */
bool node_uniform(const Node *);
/* The buffer that holds a node's value, or NULL. */
Buffer *node_buffer(const Graph *, const Node *);

#endif
