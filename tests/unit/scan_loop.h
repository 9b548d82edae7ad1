/* SPDX-License-Identifier: MIT */
/* scan_loop.h: a loop of two states for the tests of scans. */
#ifndef SCAN_LOOP_H
#define SCAN_LOOP_H

#include "../../compiler/passes/passes.h"
#include "graph_fixture.h"

enum { STEPS = 4, UNITS = 3 };

/* Two states, h and c: h' = tanh(x w + h u + b) * sigmoid(c), c' = c * 0.5 + h'. Stacks h' and what it
 * is the product of. loss = a weighed sum of a stack and the last c. */
typedef struct Loop {
    Fixture *f;
    Var *w, *u, *b;
    Node *x, *h0, *scan, *stack, *last;
} Loop;

FIXTURE Loop loop_new(bool backwards)
{
    Loop l = {.f = fixture_new(FN_grad)};
    Graph *g = l.f->g;
    l.w = random_var(l.f, "w", VAR_weight, SHAPE(-1, 2, UNITS));
    l.u = random_var(l.f, "u", VAR_weight, SHAPE(-1, UNITS, UNITS));
    l.b = random_var(l.f, "b", VAR_weight, SHAPE(-1, UNITS));
    l.x = random_input(l.f, SHAPE(1, STEPS, 1, 2), -1, 1);
    l.h0 = random_input(l.f, SHAPE(0, 1, UNITS), -1, 1);
    Node *c0 = random_input(l.f, SHAPE(0, 1, UNITS), -1, 1);
    ScanBuilder s = scan_begin(g, STEPS, backwards);
    Node *h = scan_state(&s, l.h0), *c = scan_state(&s, c0), *x = scan_slice(&s, l.x);
    Node *w = scan_other(&s, build_var(g, l.w)), *u = scan_other(&s, build_var(g, l.u));
    Node *b = scan_other(&s, build_var(g, l.b));
    Node *sum =
        build_binary(s.body, OP_add, build_matmul(s.body, x, w), build_matmul(s.body, h, u));
    Node *t = build_unary(s.body, OP_tanh, build_binary(s.body, OP_add, sum, b));
    Node *next = build_binary(s.body, OP_mul, t, build_unary(s.body, OP_sigmoid, c));
    Node *half = build_binary(s.body, OP_mul, c, build_const(s.body, 0.5));
    scan_next(&s, h, next);
    scan_next(&s, c, build_binary(s.body, OP_add, half, next));
    int stack = scan_step(&s, next);
    l.scan = scan_end(&s);
    l.stack = scan_stack(g, l.scan, stack);
    l.last = scan_last(g, l.scan, 1);
    Shape all = {.rank = 3, .batch = -1, .dim = {STEPS, 1, UNITS}};
    double weight[STEPS * UNITS];
    for (int i = 0; i < COUNT(weight); i++)
        weight[i] = 0.3 * i - 1;
    Node *loss = build_binary(g, OP_add, weighed_sum(g, l.stack, build_data(g, &all, weight)),
                              weighed_sum(g, l.last, NULL));
    graph_root(g, ROOT_loss, 0, loss);
    graph_root(g, ROOT_output, 0, l.stack);
    Output out = {.name = "y"};
    vec_push(l.f->ctx.arena, &l.f->p->outputs, out);
    return l;
}

/* The gradient of every variable and input, against differences. */
FIXTURE void check_gradients(Fixture *f)
{
    Graph *g = f->g;
    pass_autodiff(g);
    graph_verify(g, "autodiff");
    Tensor *t = run(f);
    double eps = 1e-6;
    for (int r = 0; r < g->roots.n; r++) {
        const Root *root = &g->roots.at[r];
        if (root->kind != ROOT_grad)
            continue;
        bool var = root->index < f->p->vars.n;
        double *at = var ? f->vars[root->index] : f->inputs[root->index - f->p->vars.n];
        for (int64_t i = 0; i < shape_count(&t[r].shape); i++) {
            double x = at[i];
            at[i] = x + eps;
            double above = run(f)[0].data[0];
            at[i] = x - eps;
            double below = run(f)[0].data[0];
            at[i] = x;
            cr_assert(close_to(t[r].data[i], (above - below) / (2 * eps), 1e-6, 1e-5),
                      "root %d, number %d: %g, not %g", r, (int)i, t[r].data[i],
                      (above - below) / (2 * eps));
        }
    }
}

#endif
