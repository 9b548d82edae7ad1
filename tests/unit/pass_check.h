/* SPDX-License-Identifier: MIT */
/* pass_check.h: what a program gives before and after a pass, by the interpreter: outputs, losses,
 * gradients, and variables as the step leaves them, in saved order. */
#ifndef PASS_CHECK_H
#define PASS_CHECK_H

#include "random_graph.h"

typedef struct Result { /* of one function */
    Tensor *roots;
    double **vars; /* by id */
} Result;

static inline void each_function(Fixture *f, void (*pass)(Graph *), const char *name)
{
    for (int fn = 0; fn < FN_COUNT; fn++)
        if (f->p->fn[fn]) {
            pass(f->p->fn[fn]);
            graph_verify(f->p->fn[fn], name);
        }
    cr_assert_eq(f->ctx.diag.errors, 0, "%s: %s", name, fixture_said(f));
}

FIXTURE void passes_until(Fixture *f, const char *last)
{
    for (int i = 0; i < pass_find(last); i++)
        each_function(f, pass_rows[i].run, pass_rows[i].name);
    emit_state(f);
}

FIXTURE Result result_of(Fixture *f, const Graph *g, int64_t n)
{
    Result r = {.vars = arena_take(f->ctx.arena, sizeof *r.vars * COUNT(f->vars))};
    for (int i = 0; i < f->p->vars.n; i++) {
        size_t size = sizeof(double) * (size_t)shape_count(&f->p->vars.at[i]->shape);
        r.vars[i] = memcpy(arena_take(f->ctx.arena, size), f->vars[i], size);
    }
    InterpInput in = {
        .n = n, .inputs = f->inputs, .vars = r.vars, .lr = 0.1, .step = 2, .seed = 7, .calls = 2};
    r.roots = graph_interpret(g, &in, f->ctx.arena);
    return r;
}

static inline void expect_numbers(const double *got, const double *want, int64_t n,
                                  const char *label)
{
    for (int64_t i = 0; i < n; i++)
        cr_assert(close_to(got[i], want[i], 1e-7, 1e-6), "%s, number %d: %g became %g", label,
                  (int)i, want[i], got[i]);
}

/* Takes every function through the pass; no value may change. */
FIXTURE void expect_same_values(Fixture *f, void (*pass)(Graph *), const char *label)
{
    int64_t n = f->p->train.batch > 0 && f->p->train.batch < SAMPLES ? f->p->train.batch : SAMPLES;
    Result before[FN_COUNT];
    for (int fn = 0; fn < FN_COUNT; fn++)
        if (f->p->fn[fn])
            before[fn] = result_of(f, f->p->fn[fn], n);
    each_function(f, pass, label);
    for (int fn = 0; fn < FN_COUNT; fn++) {
        const Graph *g = f->p->fn[fn];
        if (!g)
            continue;
        Result after = result_of(f, g, n);
        for (int i = 0; i < g->roots.n; i++) {
            const Tensor *a = &before[fn].roots[i], *b = &after.roots[i];
            if (g->roots.at[i].kind == ROOT_assign)
                continue;
            cr_assert(shape_equal(&a->shape, &b->shape), "%s: root %d changed its shape", label, i);
            expect_numbers(b->data, a->data, shape_count(&a->shape), label);
        }
        for (int i = 0; i < f->p->vars.n; i++)
            expect_numbers(after.vars[i], before[fn].vars[i], shape_count(&f->p->vars.at[i]->shape),
                           f->p->vars.at[i]->name);
    }
}

/* As many random models, all passes before this one run. */
FIXTURE void check_random_models(void (*pass)(Graph *), const char *name, int count)
{
    for (int seed = 1; seed <= count; seed++) {
        Fixture *f = emit_fixture("m", NULL);
        build_random_model(f, &(RandomModel){.seed = (uint64_t)seed});
        passes_until(f, name);
        expect_same_values(f, pass, arena_format(f->ctx.arena, "%s of model %d", name, seed));
        fixture_free(f);
    }
}

#endif
