/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/autodiff.c: what is differentiated and what is not, that nothing else is
 * built, what gradient nodes are called, and that depth costs no stack. That each op's gradient is
 * right is test_ops.c's.
 */
#include "graph_fixture.h"

/* loss = sum(tanh(x w) * u), and a metric that depends on w as well. */
typedef struct Small {
    Fixture *f;
    Var *w, *u;
    Node *x, *loss;
} Small;

static Small small_new(Fn fn)
{
    Small s = {.f = fixture_new(fn)};
    Graph *g = s.f->g;
    s.w = random_var(s.f, "w", VAR_weight, SHAPE(-1, 3, 2));
    s.u = random_var(s.f, "u", VAR_weight, SHAPE(-1, 2));
    s.x = random_input(s.f, SHAPE(0, 1, 3), -1, 1);
    Node *hidden = build_unary(g, OP_tanh, build_matmul(g, s.x, build_var(g, s.w)));
    hidden->name = "hidden";
    s.loss = weighed_sum(g, build_binary(g, OP_mul, hidden, build_var(g, s.u)), NULL);
    graph_root(g, ROOT_loss, 0, s.loss);
    graph_root(g, ROOT_metric, 0, build_reduce(g, OP_reduce_sum, s.loss, 0, NULL));
    return s;
}

static int count_grads(const Graph *g)
{
    int n = 0;
    for (int i = 0; i < g->roots.n; i++)
        n += g->roots.at[i].kind == ROOT_grad;
    return n;
}

Test(autodiff, weights_of_a_training_step)
{
    Small s = small_new(FN_train);
    pass_autodiff(s.f->g);
    graph_verify(s.f->g, "autodiff");
    cr_expect_eq(count_grads(s.f->g), 2);
    Node *dw = graph_find_root(s.f->g, ROOT_grad, s.w->id);
    cr_assert_not_null(dw);
    cr_expect(shape_equal(&dw->shape, &s.w->shape));
    cr_expect_not_null(graph_find_root(s.f->g, ROOT_grad, s.u->id));
    fixture_free(s.f);
}

Test(autodiff, gradients_agree_with_differences)
{
    Small s = small_new(FN_train);
    pass_autodiff(s.f->g);
    Tensor *t = run(s.f);
    double grad = t[2].data[4], eps = 1e-6, *at = &s.f->vars[s.w->id][4];
    cr_assert_eq(s.f->g->roots.at[2].index, s.w->id);
    *at += eps;
    double above = run(s.f)[0].data[0];
    *at -= 2 * eps;
    double below = run(s.f)[0].data[0];
    cr_expect_float_eq(grad, (above - below) / (2 * eps), 1e-7);
    fixture_free(s.f);
}

Test(autodiff, predict_and_eval_are_left_alone)
{
    static const Fn fns[] = {FN_predict, FN_eval};
    for (int i = 0; i < COUNT(fns); i++) {
        Small s = small_new(fns[i]);
        int n = s.f->g->nodes.n;
        pass_autodiff(s.f->g);
        cr_expect_eq(s.f->g->nodes.n, n);
        cr_expect_eq(count_grads(s.f->g), 0);
        fixture_free(s.f);
    }
}

/* With w frozen the product's and tanh's gradients are not built. */
Test(autodiff, what_no_weight_needs_is_not_built)
{
    Small s = small_new(FN_train);
    s.w->frozen = true;
    int products = count_ops(s.f->g, OP_matmul);
    pass_autodiff(s.f->g);
    cr_expect_eq(count_grads(s.f->g), 1);
    cr_expect_eq(count_ops(s.f->g, OP_matmul), products);
    cr_expect_eq(count_ops(s.f->g, OP_transpose), 0);
    fixture_free(s.f);
}

/* Neither are they, even for a moment, in autodiff(): no node more than u needs. */
Test(autodiff, nothing_is_built_in_vain)
{
    Small s = small_new(FN_train);
    Graph *g = s.f->g;
    Node *u = NULL, *du;
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == OP_var && g->nodes.at[i]->attr->var == s.u)
            u = g->nodes.at[i];
    int n = g->nodes.n;
    autodiff(g, s.loss, 1, &u, &du);
    g->roots.n = 0;
    graph_root(g, ROOT_grad, 0, du);
    int built = g->nodes.n - n, used = 0;
    graph_sort(g);
    for (int i = 0; i < g->nodes.n; i++)
        used += g->nodes.at[i]->role == ROLE_backward;
    cr_expect_eq(built, used);
    fixture_free(s.f);
}

Test(autodiff, buffers_and_states_are_not_trained)
{
    Small s = small_new(FN_train);
    s.w->kind = VAR_buffer;
    s.u->kind = VAR_state;
    pass_autodiff(s.f->g);
    cr_expect_eq(count_grads(s.f->g), 0);
    fixture_free(s.f);
}

/* grad: every trained weight and every f32 input, zeros where the loss does not depend on it. */
Test(autodiff, grad_has_zeros_for_the_rest)
{
    Small s = small_new(FN_grad);
    Var *unused = random_var(s.f, "unused", VAR_weight, SHAPE(-1, 5));
    Var *frozen = random_var(s.f, "frozen", VAR_weight, SHAPE(-1, 5));
    frozen->frozen = true;
    random_input(s.f, SHAPE(0, 1, 4), -1, 1);
    Input labels = {.name = "labels", .dtype = DT_i32, .shape = SHAPE(0, 1)};
    vec_push(s.f->ctx.arena, &s.f->p->inputs, labels);
    pass_autodiff(s.f->g);
    graph_verify(s.f->g, "autodiff");

    int vars = s.f->p->vars.n;
    cr_expect_eq(count_grads(s.f->g), 5);
    cr_expect_not_null(graph_find_root(s.f->g, ROOT_grad, s.w->id));
    Node *zero = graph_find_root(s.f->g, ROOT_grad, unused->id);
    cr_assert_not_null(zero);
    cr_expect(zero->op == OP_const && zero->attr->value == 0 && zero->shape.dim[0] == 5);
    Node *dx = graph_find_root(s.f->g, ROOT_grad, vars),
         *dz = graph_find_root(s.f->g, ROOT_grad, vars + 1);
    cr_assert(dx && dz);
    cr_expect(shape_equal(&dx->shape, &s.x->shape));
    cr_expect_eq(dx->op, OP_matmul);
    cr_expect_eq(dz->op, OP_const);
    cr_expect_null(graph_find_root(s.f->g, ROOT_grad, frozen->id));
    cr_expect_null(graph_find_root(s.f->g, ROOT_grad, vars + 2));
    fixture_free(s.f);
}

/* In train a weight on which the loss does not depend is not touched. */
Test(autodiff, train_has_no_zeros)
{
    Small s = small_new(FN_train);
    random_var(s.f, "unused", VAR_weight, SHAPE(-1, 5));
    pass_autodiff(s.f->g);
    cr_expect_eq(count_grads(s.f->g), 2);
    fixture_free(s.f);
}

/* A weight read by several nodes and several times: the sum. */
Test(autodiff, shared_weights_sum)
{
    Fixture *f = fixture_new(FN_train);
    Var *w = random_var(f, "w", VAR_weight, SHAPE(-1, 2));
    Node *a = build_var(f->g, w), *b = build_var(f->g, w);
    Node *product = build_binary(f->g, OP_mul, a, build_binary(f->g, OP_mul, a, b)); /* w ** 3 */
    graph_root(f->g, ROOT_loss, 0, weighed_sum(f->g, product, NULL));
    pass_autodiff(f->g);
    cr_assert_eq(count_grads(f->g), 1);
    double at = f->vars[0][1], got = run(f)[1].data[1];
    cr_expect_float_eq(got, 3 * at * at, 1e-12);
    fixture_free(f);
}

/* By a value in the middle: what is before it takes no part. */
Test(autodiff, by_an_inner_value)
{
    Fixture *f = fixture_new(FN_grad);
    Node *x = random_input(f, SHAPE(-1, 2), 0.5, 1), *h = build_unary(f->g, OP_exp, x), *dx[3];
    Node *y = weighed_sum(f->g, build_binary(f->g, OP_mul, h, h), NULL);
    Node *other = build_const(f->g, 1);
    autodiff(f->g, y, 3, (Node *[]){h, y, other}, dx);
    cr_assert(dx[0] && dx[1]);
    cr_expect_null(dx[2]);
    cr_expect(dx[1]->op == OP_const && dx[1]->attr->value == 1);
    graph_root(f->g, ROOT_grad, 0, dx[0]);
    graph_sort(f->g);
    cr_expect_float_eq(run(f)[0].data[0], 2 * exp(f->inputs[0][0]), 1e-12);
    fixture_free(f);
}

Test(autodiff, stop_gradient_stops)
{
    Fixture *f = fixture_new(FN_grad);
    Node *x = random_input(f, SHAPE(-1, 2), 0.5, 1), *dx;
    Node *y = build_binary(f->g, OP_mul, x, build_unary(f->g, OP_stop_gradient, x));
    autodiff(f->g, weighed_sum(f->g, y, NULL), 1, &x, &dx);
    graph_root(f->g, ROOT_grad, 0, dx);
    graph_sort(f->g);
    cr_expect_eq(run(f)[0].data[1], f->inputs[0][1]);
    Node *stopped = build_unary(f->g, OP_stop_gradient, x);
    Node *sum = weighed_sum(f->g, build_unary(f->g, OP_exp, stopped), NULL);
    int n = f->g->nodes.n;
    autodiff(f->g, sum, 1, &x, &dx);
    cr_expect_null(dx);
    cr_expect_eq(f->g->nodes.n, n, "built in vain");
    fixture_free(f);
}

/* Gradient nodes: role, place and kind of what they come from, the name of what they belong to. */
Test(autodiff, nodes_are_named)
{
    Small s = small_new(FN_train);
    Graph *g = s.f->g;
    for (int i = 0; i < g->nodes.n; i++) {
        g->nodes.at[i]->loc = (Loc){.line = 10 + i};
        g->nodes.at[i]->what = op_rows[g->nodes.at[i]->op].name;
    }
    g->loc = (Loc){.line = 99};
    g->what = "outside";
    g->role = ROLE_metric;
    pass_autodiff(g);
    Node *dw = graph_find_root(g, ROOT_grad, s.w->id);
    cr_expect_str_eq(dw->name, "w");
    cr_expect_str_eq(dw->what, "matmul");
    cr_expect_eq(dw->role, ROLE_backward);
    cr_expect(dw->loc.line >= 10 && dw->loc.line < 99);
    int named = 0;
    for (int i = 0; i < g->nodes.n; i++) {
        Node *node = g->nodes.at[i];
        named += node->role == ROLE_backward && node->name && strcmp(node->name, "hidden") == 0;
    }
    cr_expect_gt(named, 0, "nothing is called the gradient of hidden");
    cr_expect(g->loc.line == 99 && g->role == ROLE_metric && strcmp(g->what, "outside") == 0);
    fixture_free(s.f);
}

Test(autodiff, depth_costs_no_stack)
{
    Fixture *f = fixture_new(FN_train);
    Var *w = random_var(f, "w", VAR_weight, SHAPE(-1, 2));
    Node *x = build_var(f->g, w);
    for (int i = 0; i < 65536; i++)
        x = build_unary(f->g, OP_neg, x);
    graph_root(f->g, ROOT_loss, 0, weighed_sum(f->g, x, NULL));
    pass_autodiff(f->g);
    cr_expect_eq(count_ops(f->g, OP_neg), 2 * 65536);
    fixture_free(f);
}
