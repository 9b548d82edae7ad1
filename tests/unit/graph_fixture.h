/* SPDX-License-Identifier: MIT */
/* graph_fixture.h: small graphs for the tests of ops and passes: made, interpreted, asked. */
#ifndef GRAPH_FIXTURE_H
#define GRAPH_FIXTURE_H

#include "ir/ir.h"
#include "ops/ops.h"
#include "passes/passes.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define FIXTURE static inline __attribute__((unused))

enum {
    SAMPLES = 3, /* n of every run */
    RANDOM_ELEMENTS = 1024 /* of a random shape, a sample */
};

typedef struct Fixture Fixture;
struct Fixture {
    Ctx ctx;
    Program *p;
    Graph *g;
    FILE *out; /* what diagnostics say */
    uint64_t random;
    double *inputs[64], *vars[64];
    /* What random_leaf gives; NULL: random_input. */
    Node *(*leaf)(Fixture *, Shape, double lo, double hi);
    /* What random_tokens gives; NULL: an input of random whole numbers. */
    Node *(*tokens)(Fixture *, Shape, int64_t below);
    const int *sizes; /* axes of random shapes are one of these long; NULL: 1, 2 or 3 */
    int n_sizes;
    int next_input, next_var; /* of emit_run.h: leaves of the function being built */
};

FIXTURE Fixture *fixture_new(Fn fn)
{
    Arena *arena = arena_new();
    Fixture *f = arena_take(arena, sizeof *f);
    f->ctx.arena = arena;
    f->out = tmpfile();
    f->ctx.diag = (Diag){.file = "test.yaml", .out = f->out, .limit = 1000};
    f->p = arena_take(arena, sizeof *f->p);
    f->p->ctx = &f->ctx;
    f->g = f->p->fn[fn] = graph_new(f->p, fn);
    f->random = 1;
    return f;
}

FIXTURE void fixture_free(Fixture *f)
{
    fclose(f->out);
    arena_free(f->ctx.arena);
}

/* What diagnostics have said so far. */
FIXTURE const char *fixture_said(Fixture *f)
{
    size_t size = 1 << 16;
    char *text = arena_take(f->ctx.arena, size);
    fflush(f->out);
    rewind(f->out);
    text[fread(text, 1, size - 1, f->out)] = '\0';
    return text;
}

/* --- numbers ---------------------------------------------------------------------------------- */

FIXTURE uint64_t random_bits(Fixture *f)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return f->random;
}

FIXTURE int random_below(Fixture *f, int n)
{
    return (int)((random_bits(f) >> 20) % (uint64_t)n);
}

FIXTURE double random_in(Fixture *f, double lo, double hi)
{
    return lo + (hi - lo) * (double)(random_bits(f) >> 11) * 0x1p-53;
}

/* [dims...], of which axis `batch` (or none: -1) is the batch. */
#define SHAPE(batch_axis, ...)                                                                     \
    ((Shape){.rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                    \
             .batch = (batch_axis),                                                                \
             .dim = {__VA_ARGS__}})

/* --- leaves with values ----------------------------------------------------------------------- */

/* An f32 input of any shape, with random values in [lo, hi]. */
FIXTURE Node *random_input(Fixture *f, Shape shape, double lo, double hi)
{
    int i = f->p->inputs.n;
    Input input = {.name = arena_format(f->ctx.arena, "x%d", i), .dtype = DT_f32, .shape = shape};
    cr_assert_lt(i, COUNT(f->inputs));
    vec_push(f->ctx.arena, &f->p->inputs, input);
    int64_t n = shape_elements(&shape, SAMPLES);
    f->inputs[i] = arena_take(f->ctx.arena, sizeof(double) * (size_t)n);
    for (int64_t k = 0; k < n; k++)
        f->inputs[i][k] = random_in(f, lo, hi);
    return build_input(f->g, i);
}

/* What ops are tried on: f32, random values in [lo, hi]. */
FIXTURE Node *random_leaf(Fixture *f, Shape shape, double lo, double hi)
{
    return f->leaf ? f->leaf(f, shape, lo, hi) : random_input(f, shape, lo, hi);
}

/* i32, random whole numbers from 0 to below - 1. */
FIXTURE Node *random_tokens(Fixture *f, Shape shape, int64_t below)
{
    if (f->tokens)
        return f->tokens(f, shape, below);
    Node *x = random_input(f, shape, 0, (double)below);
    Input *input = &f->p->inputs.at[x->attr->input];
    input->dtype = x->dtype = DT_i32;
    input->classes = below;
    for (int64_t k = 0, n = shape_elements(&shape, SAMPLES); k < n; k++)
        f->inputs[x->attr->input][k] = floor(f->inputs[x->attr->input][k]);
    return x;
}

/* The length of an axis, at most `most`. */
FIXTURE int64_t random_size(Fixture *f, int64_t most)
{
    int64_t size = f->sizes ? f->sizes[random_below(f, f->n_sizes)] : 1 + random_below(f, 3);
    return size <= most ? size : 1;
}

/* A variable with random values in [-1, 1]. */
FIXTURE Var *random_var(Fixture *f, const char *name, VarKind kind, Shape shape)
{
    Init init = {.kind = INIT_constant};
    Var *var = program_var(f->p, name, kind, &shape, init, (Loc){.line = f->p->vars.n + 1});
    int64_t n = shape_count(&shape);
    cr_assert_lt(var->id, COUNT(f->vars));
    f->vars[var->id] = arena_take(f->ctx.arena, sizeof(double) * (size_t)n);
    for (int64_t k = 0; k < n; k++)
        f->vars[var->id][k] = random_in(f, -1, 1);
    return var;
}

/* Zeros for variables that a pass has made. */
FIXTURE void fixture_fill_vars(Fixture *f)
{
    for (int i = 0; i < f->p->vars.n; i++)
        if (!f->vars[i]) {
            size_t n = (size_t)shape_count(&f->p->vars.at[i]->shape);
            f->vars[i] = arena_take(f->ctx.arena, sizeof(double) * n);
        }
}

/* --- running ---------------------------------------------------------------------------------- */

/* One tensor a root, in the order of g->roots. */
FIXTURE Tensor *run_step(Fixture *f, const Graph *g, double lr, int64_t step)
{
    fixture_fill_vars(f);
    InterpInput in = {.n = SAMPLES,
                      .inputs = f->inputs,
                      .vars = f->vars,
                      .lr = lr,
                      .step = step,
                      .seed = 7,
                      .calls = step};
    return graph_interpret(g, &in, f->ctx.arena);
}

FIXTURE Tensor *run(Fixture *f)
{
    return run_step(f, f->g, 0.1, 1);
}

/* --- asking ----------------------------------------------------------------------------------- */

FIXTURE int count_ops(const Graph *g, OpKind op)
{
    int n = 0;
    for (int i = 0; i < g->nodes.n; i++)
        n += g->nodes.at[i]->op == op;
    return n;
}

/* Rank 0: the sum of all elements of x * weight (weight NULL: 1). */
FIXTURE Node *weighed_sum(Graph *g, Node *x, Node *weight)
{
    Shape scalar = shape_scalar();
    Node *product = weight ? build_binary(g, OP_mul, x, weight) : x;
    Node *sum = build_reduce(g, OP_reduce_sum, product, 0, NULL);
    return sum->shape.rank ? build_reshape(g, sum, &scalar) : sum;
}

FIXTURE bool close_to(double a, double b, double atol, double rtol)
{
    return fabs(a - b) <= atol + rtol * fabs(b) || (isnan(a) && isnan(b)) || a == b;
}

#endif
