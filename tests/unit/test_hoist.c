/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/hoist.c and over_time.c: what leaves a loop and what stays, that no value changes,
 * forwards and backwards.
 */
#include "scan_loop.h"

static const Scan *scan_at(const Graph *g, int i)
{
    for (int k = 0; k < g->nodes.n; k++)
        if (g->nodes.at[k]->op == OP_scan && i-- == 0)
            return g->nodes.at[k]->attr->scan;
    cr_assert_fail("no scan %d", i);
    return NULL;
}

static void expect_same(const Tensor *a, const Tensor *b, int n)
{
    for (int i = 0; i < n; i++) {
        cr_assert(shape_equal(&a[i].shape, &b[i].shape));
        for (int64_t k = 0; k < shape_count(&a[i].shape); k++)
            cr_assert(close_to(a[i].data[k], b[i].data[k], 1e-12, 1e-10), "root %d, number %d", i,
                      (int)k);
    }
}

/* Of the loop's gradient: one product a step remains in each direction, that of the state. */
static void check_loop(bool backwards)
{
    Loop l = loop_new(backwards);
    Graph *g = l.f->g;
    pass_autodiff(g);
    graph_sort(g);
    Tensor *before = run(l.f);
    pass_hoist(g);
    graph_verify(g, "hoist");
    expect_same(run(l.f), before, g->roots.n);
    cr_expect_eq(count_ops(g, OP_scan), 2);
    for (int i = 0; i < 2; i++)
        cr_expect_eq(count_ops(scan_at(g, i)->body, OP_matmul), 1, "scan %d", i);
    cr_expect_eq(count_ops(scan_at(g, 1)->body, OP_reduce_sum), 0);
    cr_expect_eq(scan_at(g, 1)->n_states, 2); /* the gradients of h and c; no sums */
    cr_expect_eq(count_ops(g, OP_matmul), 4); /* x w and its two gradients, that of u */
    fixture_free(l.f);
}

Test(hoist, products_of_a_loop_and_its_gradient)
{
    check_loop(false);
    check_loop(true);
}

/* y = f(x) of each step, where f is all that the loop does. */
static Node *each_step(Fixture *f, Node *x, Node *(*make)(Graph *, Node *))
{
    ScanBuilder s = scan_begin(f->g, x->shape.dim[0], false);
    Node *y = make(s.body, scan_slice(&s, x));
    int stack = scan_step(&s, y);
    return scan_stack(f->g, scan_end(&s), stack);
}

/* Every kind of op that moves axes, reduces, multiplies and broadcasts. x: [N, 2, 3] */
static Node *everything(Graph *g, Node *x)
{
    static const int perm[3] = {0, 2, 1};
    int last = 2;
    Shape flat = {.rank = 2, .batch = 0, .dim = {1, 6}}, row = {.rank = 1, .batch = -1, .dim = {3}};
    double numbers[3] = {1, -2, 0.5};
    Node *t = build_transpose(g, x, perm);                                         /* [N, 3, 2] */
    Node *p = build_matmul(g, x, t);                                               /* [N, 2, 2] */
    Node *c = build_concat(g, 2, 2, (Node *[]){p, build_slice(g, x, 2, 0, 3, 2)}); /* [N, 2, 4] */
    Node *pad = build_pad(g, build_flip(g, c, 1, &last), (int64_t[]){0, 1, 0}, NULL, NULL, 0.5);
    Node *top = build_reduce(g, OP_reduce_max, pad, 1, &last);               /* [N, 3, 1] */
    Node *both = build_binary(g, OP_mul, top, build_data(g, &row, numbers)); /* [N, 3, 3] */
    Node *f = build_reshape(g, x, &flat);
    Node *sum = build_reduce(g, OP_reduce_sum, f, 1, (int[]){1}); /* [N, 1] */
    Shape wide = both->shape;
    sum = build_expand(g, build_unsqueeze(g, sum, 2), &wide);
    return build_binary(g, OP_add, both, build_binary(g, OP_add, sum, build_iota(g, &row, 0)));
}

Test(hoist, every_op_for_all_steps_at_once)
{
    Fixture *f = fixture_new(FN_grad);
    Node *y = each_step(f, random_input(f, SHAPE(1, 5, 1, 2, 3), -1, 1), everything);
    graph_root(f->g, ROOT_output, 0, y);
    Output out = {.name = "y"};
    vec_push(f->ctx.arena, &f->p->outputs, out);
    Tensor *before = run(f);
    pass_hoist(f->g);
    graph_verify(f->g, "hoist");
    cr_expect_eq(count_ops(f->g, OP_scan), 0);
    expect_same(run(f), before, 1);
    fixture_free(f);
}

static Node *cheap(Graph *g, Node *x)
{
    return build_unary(g, OP_neg, x);
}

Test(hoist, cheap_things_stay)
{
    Fixture *f = fixture_new(FN_grad);
    Node *y = each_step(f, random_input(f, SHAPE(1, 5, 1, 2), -1, 1), cheap);
    graph_root(f->g, ROOT_output, 0, y);
    Output out = {.name = "y"};
    vec_push(f->ctx.arena, &f->p->outputs, out);
    pass_hoist(f->g);
    cr_expect_eq(count_ops(f->g, OP_scan), 1);
    cr_expect_eq(count_ops(scan_at(f->g, 0)->body, OP_neg), 1);
    fixture_free(f);
}
