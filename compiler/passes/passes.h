/* SPDX-License-Identifier: MIT */
/* passes.h: the passes, each `void pass_NAME(Graph *)` in its own file, and the driver that runs
 * them. */
#ifndef NNCC_PASSES_H
#define NNCC_PASSES_H

#include "../ir/ir.h"

typedef enum { PASS_ALWAYS, PASS_OPTIMISES } PassWhen;

typedef struct PassRow {
    const char *name;
    PassWhen when;
    void (*run)(Graph *);
    const char *text;
} PassRow;

extern const PassRow pass_rows[];
extern const int pass_count;

#define PASS(name, ...) void pass_##name(Graph *);
#include "passes.def"
#undef PASS

typedef struct PassOptions {
    bool O0;
    int n_skip;
    const char *const *skip; /* --no-pass */
    const char *dump_after;  /* prints the graph to stdout after this pass; "all": after each */
    bool time;               /* --time-passes: to stderr, summed over functions */
    bool keep_going;         /* false: stop after dump_after */
} PassOptions;

/* -1: none of that name. */
int pass_find(const char *name);
/* Runs the pipeline on each function of the program, verifying after every pass. Gives false when
 * a pass reported an error. */
bool passes_run(Program *, const PassOptions *);

/* Differentiates: the gradient of `y` (rank 0) by each of xs, as nodes of the same graph; NULL
 * where nothing depends on it. What no x needs is never built. (autodiff.c; used by pass
 * autodiff) */
void autodiff(Graph *, Node *y, int n, Node *const *xs, Node **dxs);

/* The same of several nodes at once, of any shape: dys[i] is the gradient by ys[i]; NULL: 1
 * everywhere. (autodiff.c) */
void autodiff_from(Graph *, int n_ys, Node *const *ys, Node *const *dys, int n, Node *const *xs,
                   Node **dxs);
/* Makes function attribute of its graph as the frontend has built it: gradients of the chosen score, and what is
 * made of them. (attribute.c; used by pass autodiff) */
void attribute(Graph *);
/* Builds the gradient of a scan: given those of its results (NULL: none), dx[i] of the operands that
 * are wanted, NULL where none flows. (scan_grad.c; used by autodiff) */
void scan_grad(Graph *, Node *scan, Node *const *dresults, const bool *want, Node **dx);

/* The graph of the next `length` positions of a model of sequences, from that of all of them, `from`, whose
 * output 0 are the scores; FN_prefill or FN_step. Adds the caches to the program's variables. NULL after a
 * report: some node looks ahead. (decode.c) */
Graph *decode_graph(const Graph *from, Fn, int64_t length);
/* The graph that fills what the others read of other inputs (variables of kind VAR_memory), which must have been
 * made before: FN_encode. */
Graph *decode_encoder(const Graph *from);
/* Whether it has loops over the positions, so that decode_graph takes one position at a time. */
bool decode_by_steps(const Graph *from);

#endif
