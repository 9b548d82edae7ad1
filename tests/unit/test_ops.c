/* SPDX-License-Identifier: MIT */
/* Guards compiler/ops/: every row of ops.def has what its class needs; every gradient agrees with
 * central differences of the interpreter, in first and second order, on random shapes with
 * broadcasting and batch axes; values at the edges; shape rules report what does not fit.
 * How ops are called says op_makers.h. */
#include "op_makers.h"

/* --- records ---------------------------------------------------------------------------------- */

Test(ops, every_row_has_its_record)
{
    for (int op = 0; op < OP_COUNT; op++) {
        const OpRow *row = &op_rows[op];
        const OpImpl *impl = op_impls[op];
        cr_assert_not_null(impl, "%s has no record", row->name);
        cr_expect_eq(op_find(row->name), op);
        if (row->cls == CLASS_SCAN || row->cls == CLASS_BUILT || op == OP_scan_operand)
            continue; /* the interpreter and autodiff do these themselves, or never see them */
        cr_expect_neq(!!(row->flags & (NOGRAD | ONCE)), impl->grad != NULL,
                      "%s: NOGRAD or a gradient, not both", row->name);
        cr_expect_eq(row->cls == CLASS_EW, impl->ew != NULL, "%s: ew is for elementwise ops",
                     row->name);
        bool draws = row->cls == CLASS_LEAF && impl->attrs & ATTR_stream;
        cr_expect_eq(row->cls == CLASS_EW || draws, impl->c != NULL,
                     "%s: C text is for elementwise ops and random numbers", row->name);
        cr_expect_neq(row->cls == CLASS_EW, impl->eval != NULL, "%s: eval is for the others",
                      row->name);
        cr_expect(row->cls == CLASS_EW || impl->shape, "%s has no shape rule", row->name);
    }
    cr_expect_eq(op_find("no such op"), -1);
}

Test(ops, c_texts_name_each_operand)
{
    for (int op = 0; op < OP_COUNT; op++) {
        const char *text = op_impls[op]->c;
        for (int i = 0; text && i < 4; i++) {
            char name[] = {'$', (char)('0' + i), '\0'};
            cr_expect_eq(strstr(text, name) != NULL, i < op_rows[op].arity, "%s: %s",
                         op_rows[op].name, text);
        }
    }
}

/* --- gradients against central differences ---------------------------------------------------- */

/* The value of root 0 of g. */
static double loss_of(Fixture *f, const Graph *g)
{
    return run_step(f, g, 0.1, 1)[0].data[0];
}

/* Compares each element of the gradient by x with the slope of loss between x - eps and x + eps. */
static void compare_slopes(Fixture *f, const Graph *loss, const Node *x, const double *grad,
                           const char *what)
{
    const double eps = 1e-6;
    double *at = f->inputs[x->attr->input];
    int64_t n = shape_elements(&x->shape, SAMPLES);
    for (int64_t i = 0; i < n; i++) {
        double here = at[i];
        at[i] = here + eps;
        double above = loss_of(f, loss);
        at[i] = here - eps;
        double below = loss_of(f, loss);
        at[i] = here;
        double slope = (above - below) / (2 * eps), given = grad ? grad[i] : 0;
        cr_assert(close_to(given, slope, 1e-5, 1e-3), "%s, element %d: gradient %g, slope %g", what,
                  (int)i, given, slope);
    }
}

/* A graph with one root alone, for the slopes. */
static Graph *only(Fixture *f, Node *root)
{
    Graph *g = graph_new(f->p, FN_eval);
    g->nodes = f->g->nodes;
    g->nodes.at = arena_take(f->ctx.arena, sizeof(Node *) * (size_t)f->g->nodes.n);
    memcpy(g->nodes.at, f->g->nodes.at, sizeof(Node *) * (size_t)f->g->nodes.n);
    g->nodes.cap = g->nodes.n;
    graph_root(g, ROOT_loss, 0, root);
    return g;
}

/* Differentiates `loss` by x[0 .. n - 1], compares, and gives the gradients in dx. */
static void check_gradient(Fixture *f, Node *loss, int n, Node **x, Node **dx, const char *what)
{
    Graph *alone = only(f, loss);
    autodiff(f->g, loss, n, x, dx);
    Graph *with = only(f, loss);
    int at[8] = {0}, roots = 1;
    for (int i = 0; i < n; i++)
        if (dx[i]) {
            cr_assert(shape_equal(&dx[i]->shape, &x[i]->shape), "%s: shape of gradient %d", what,
                      i);
            graph_root(with, ROOT_grad, i, dx[i]);
            at[i] = roots++;
        }
    graph_sort(with);
    Tensor *value = run_step(f, with, 0.1, 1);
    graph_sort(alone);
    for (int i = 0; i < n; i++)
        compare_slopes(f, alone, x[i], dx[i] ? value[at[i]].data : NULL, what);
    for (int i = 0; i < f->g->nodes.n; i++) /* graph_sort numbered them for the small graphs */
        f->g->nodes.at[i]->id = i;
}

static void check_op(OpKind op, int trial)
{
    Fixture *f = fixture_new(FN_grad);
    f->random = 88172645463325252u + (uint64_t)(op * 1000 + trial) * 2654435761u;
    const char *name = op_rows[op].name;
    Node *x[8] = {0}, *dx[8] = {0};
    int n;
    Node *y = call(f, op, trial, &n, x);
    cr_assert_not_null(y, "%s: %s", name, fixture_said(f));
    Node *loss = weighed_sum(f->g, y, random_input(f, y->shape, 0.5, 2));
    if (op_rows[op].flags & ONCE) {
        autodiff(f->g, loss, n, x, dx);
        cr_expect(strstr(fixture_said(f), "cannot be differentiated again"), "%s", name);
        fixture_free(f);
        return;
    }
    if (op_rows[op].flags & NOGRAD) {
        autodiff(f->g, loss, n, x, dx);
        for (int i = 0; i < n; i++)
            cr_assert_null(dx[i], "%s has no gradient", name);
        fixture_free(f);
        return;
    }
    check_gradient(f, loss, n, x, dx, name);

    if (op == OP_ctc_loss) { /* its gradient is an op that has none */
        fixture_free(f);
        return;
    }
    Node *second = NULL;
    for (int i = 0; i < n; i++)
        if (dx[i]) {
            Node *part = weighed_sum(f->g, dx[i], random_input(f, dx[i]->shape, 0.5, 2));
            second = second ? build_binary(f->g, OP_add, second, part) : part;
        }
    cr_assert_not_null(second, "%s gives no gradient at all", name);
    check_gradient(f, second, n, x, dx, arena_format(f->ctx.arena, "second order of %s", name));
    fixture_free(f);
}

Test(ops, gradients_agree_with_differences)
{
    for (int op = 0; op < OP_COUNT; op++)
        for (int trial = 0; trial < 16 && is_called((OpKind)op); trial++)
            check_op((OpKind)op, trial);
}

Test(ops, gradient_of_a_constant_power)
{
    static const double exponents[] = {0, 1, 2, 3, 0.5, -1, -2.5};
    for (int i = 0; i < COUNT(exponents); i++) {
        Fixture *f = fixture_new(FN_grad);
        Node *x = random_input(f, SHAPE(0, 1, 3), 0.4, 2), *dx;
        Node *y = build_binary(f->g, OP_pow, x, build_const(f->g, exponents[i]));
        check_gradient(f, weighed_sum(f->g, y, random_input(f, y->shape, 0.5, 2)), 1, &x, &dx,
                       "pow");
        cr_expect_eq(dx == NULL, exponents[i] == 0);
        fixture_free(f);
    }
}

/* d x ** b / dx at 0 with b = 2 given as a tensor, and at b = 0: no NaN. */
Test(ops, gradient_of_power_at_zero)
{
    Fixture *f = fixture_new(FN_grad);
    Node *x[2] = {random_input(f, SHAPE(-1, 2), 0, 0), random_input(f, SHAPE(-1, 2), 2, 2)}, *dx[2];
    f->inputs[1][1] = 0;
    autodiff(f->g, weighed_sum(f->g, build_binary(f->g, OP_pow, x[0], x[1]), NULL), 2, x, dx);
    graph_root(f->g, ROOT_grad, 0, dx[0]);
    graph_root(f->g, ROOT_grad, 1, dx[1]);
    graph_sort(f->g);
    Tensor *t = run(f);
    for (int i = 0; i < 4; i++)
        cr_expect_eq(t[i / 2].data[i % 2], 0, "%g", t[i / 2].data[i % 2]);
    fixture_free(f);
}

/* Equal elements share: half to each of max's operands, an equal part to each of the largest. */
Test(ops, ties_share_the_gradient)
{
    Fixture *f = fixture_new(FN_grad);
    Node *x[2] = {random_input(f, SHAPE(0, 1, 2), 1, 1), random_input(f, SHAPE(-1, 2), 1, 1)},
         *dx[2], *dmax, *drelu;
    autodiff(f->g, weighed_sum(f->g, build_binary(f->g, OP_max, x[0], x[1]), NULL), 2, x, dx);
    Node *most = build_reduce(f->g, OP_reduce_max, x[0], 0, NULL);
    autodiff(f->g, weighed_sum(f->g, most, NULL), 1, x, &dmax);
    Node *zero = build_binary(f->g, OP_sub, x[0], build_const(f->g, 1));
    autodiff(f->g, weighed_sum(f->g, build_unary(f->g, OP_relu, zero), NULL), 1, x, &drelu);
    graph_root(f->g, ROOT_grad, 0, dx[0]);
    graph_root(f->g, ROOT_grad, 1, dx[1]);
    graph_root(f->g, ROOT_grad, 2, dmax);
    graph_root(f->g, ROOT_grad, 3, drelu);
    graph_sort(f->g);
    Tensor *t = run(f);
    cr_expect_eq(t[0].data[3], 0.5);
    cr_expect_eq(t[1].data[1], 0.5 * SAMPLES);
    cr_expect_float_eq(t[2].data[0], 1.0 / (2 * SAMPLES), 1e-15);
    cr_expect_eq(t[3].data[0], 0);
    fixture_free(f);
}

/* --- values ----------------------------------------------------------------------------------- */

typedef struct Value {
    OpKind op;
    double in[3], out;
} Value;

static const Value values[] = {
    {OP_add, {1.5, -4}, -2.5},
    {OP_sub, {1.5, -4}, 5.5},
    {OP_mul, {1.5, -4}, -6},
    {OP_div, {1, 4}, 0.25},
    {OP_div, {1, 0}, INFINITY},
    {OP_pow, {2, -2}, 0.25},
    {OP_pow, {NAN, 0}, 1},
    {OP_pow, {-8, 1.5}, NAN},
    {OP_mod, {7.5, 2}, 1.5},
    {OP_mod, {-1, 3}, 2},
    {OP_mod, {1, -3}, -2},
    {OP_max, {1, 2}, 2},
    {OP_max, {2, 1}, 2},
    {OP_max, {NAN, 1}, NAN},
    {OP_max, {1, NAN}, NAN},
    {OP_min, {1, 2}, 1},
    {OP_min, {2, 1}, 1},
    {OP_min, {NAN, 1}, NAN},
    {OP_min, {1, NAN}, NAN},
    {OP_equal, {1, 1}, 1},
    {OP_equal, {NAN, NAN}, 0},
    {OP_not_equal, {1, 1}, 0},
    {OP_not_equal, {NAN, 1}, 1},
    {OP_less, {1, 2}, 1},
    {OP_less, {2, 2}, 0},
    {OP_less_equal, {2, 2}, 1},
    {OP_less_equal, {3, 2}, 0},
    {OP_greater, {2, 2}, 0},
    {OP_greater, {3, 2}, 1},
    {OP_greater_equal, {2, 2}, 1},
    {OP_greater_equal, {1, 2}, 0},
    {OP_where, {1, 2, NAN}, 2},
    {OP_where, {0, NAN, 3}, 3},
    {OP_neg, {2}, -2},
    {OP_abs, {-2}, 2},
    {OP_sign, {-3}, -1},
    {OP_sign, {0}, 0},
    {OP_sign, {5}, 1},
    {OP_floor, {-1.5}, -2},
    {OP_ceil, {-1.5}, -1},
    {OP_round, {2.5}, 2},
    {OP_round, {-1.5}, -2},
    {OP_sqrt, {9}, 3},
    {OP_sqrt, {-1}, NAN},
    {OP_reciprocal, {4}, 0.25},
    {OP_exp, {1}, 2.718281828459045},
    {OP_log, {2}, 0.6931471805599453},
    {OP_log1p, {1e-20}, 1e-20},
    {OP_expm1, {1e-20}, 1e-20},
    {OP_sin, {1}, 0.8414709848078965},
    {OP_cos, {1}, 0.5403023058681398},
    {OP_tanh, {0.5}, 0.46211715726000975},
    {OP_sigmoid, {0}, 0.5},
    {OP_sigmoid, {-1000}, 0},
    {OP_sigmoid, {1000}, 1},
    {OP_sigmoid, {2}, 0.8807970779778823},
    {OP_erf, {0.5}, 0.5204998778130465},
    {OP_softplus, {0}, 0.6931471805599453},
    {OP_softplus, {1000}, 1000},
    {OP_softplus, {-1000}, 0},
    {OP_relu, {-2}, 0},
    {OP_relu, {2}, 2},
    {OP_relu, {NAN}, NAN},
    {OP_cast, {7}, 7},
    {OP_stop_gradient, {7}, 7},
};

Test(ops, elementwise_values)
{
    bool seen[OP_COUNT] = {false};
    for (int i = 0; i < COUNT(values); i++) {
        const Value *v = &values[i];
        double got = op_impls[v->op]->ew(v->in);
        seen[v->op] = true;
        cr_expect(close_to(got, v->out, 0, 1e-15), "%s(%g, %g): %.17g, not %.17g",
                  op_rows[v->op].name, v->in[0], v->in[1], got, v->out);
    }
    for (int op = 0; op < OP_COUNT; op++)
        cr_expect(seen[op] || op_rows[op].cls != CLASS_EW, "%s: give a value in `values`",
                  op_rows[op].name);
}

/* The op of `x` as the only root, its elements compared with `want`. */
static void expect_values(Fixture *f, Node *y, int n, const double *want)
{
    cr_assert_not_null(y, "%s", fixture_said(f));
    f->g->roots.n = 0;
    graph_root(f->g, ROOT_output, 0, y);
    Graph *g = only(f, y);
    graph_sort(g);
    Tensor *t = run_step(f, g, 0.1, 1);
    cr_assert_eq(shape_count(&t[0].shape), n);
    for (int i = 0; i < n; i++)
        cr_expect(close_to(t[0].data[i], want[i], 0, 1e-15), "%s [%d]: %g, not %g",
                  op_rows[y->op].name, i, t[0].data[i], want[i]);
}

#define EXPECT(y, ...)                                                                             \
    expect_values(f, (y), (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)),                 \
                  (double[]){__VA_ARGS__})

Test(ops, values_of_the_others)
{
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Shape two_three = SHAPE(-1, 2, 3), batch = SHAPE(0, 1, 2), four = SHAPE(-1, 4);
    Node *x = build_data(g, &two_three, (double[]){1, 2, 3, 4, 5, 6});
    EXPECT(build_reduce(g, OP_reduce_sum, x, 1, (int[]){0}), 5, 7, 9);
    EXPECT(build_reduce(g, OP_reduce_max, x, 1, (int[]){1}), 3, 6);
    EXPECT(build_reduce(g, OP_reduce_min, x, 0, NULL), 1);
    Node *holed = build_data(g, &four, (double[]){1, NAN, 3, 2});
    EXPECT(build_reduce(g, OP_reduce_max, holed, 0, NULL), NAN);
    EXPECT(build_reduce(g, OP_reduce_min, holed, 0, NULL), NAN);
    EXPECT(build_swap(g, x), 1, 4, 2, 5, 3, 6);
    EXPECT(build_slice(g, x, 1, 0, 3, 2), 1, 3, 4, 6);
    EXPECT(build_concat(g, 0, 2, (Node *[]){x, build_slice(g, x, 0, 1, 2, 1)}), 1, 2, 3, 4, 5, 6, 4,
           5, 6);
    EXPECT(build_matmul(g, x, build_swap(g, x)), 14, 32, 32, 77);
    EXPECT(build_reduce(g, OP_reduce_sum, build_fill(g, &batch, 1), 1, (int[]){0}), SAMPLES,
           SAMPLES);
    EXPECT(build_iota(g, &batch, 0), 0, 0, 1, 1, 2, 2);
    EXPECT(build_iota(g, &batch, 1), 0, 1, 0, 1, 0, 1);
    EXPECT(build_scalar(g, SCALAR_n), SAMPLES);
    Attr attr = {.value = 9, .start = {0, 1}, .end = {0, 0}, .step = {1, 2}};
    EXPECT(graph_add(g, OP_pad, 1, &x, &attr), 9, 1, 9, 2, 9, 3, 9, 4, 9, 5, 9, 6);
    fixture_free(f);
}

Test(ops, random_numbers_differ_by_stream_and_stay_in_range)
{
    Fixture *f = fixture_new(FN_predict);
    Shape shape = SHAPE(-1, 1000);
    for (uint32_t stream = 0; stream < 2; stream++)
        graph_root(f->g, ROOT_output, (int)stream,
                   build_random(f->g, OP_random_uniform, &shape, stream));
    graph_sort(f->g);
    Tensor *t = run(f);
    double sum = 0;
    int same = 0;
    for (int i = 0; i < 1000; i++) {
        cr_assert(t[0].data[i] >= 0 && t[0].data[i] < 1);
        sum += t[0].data[i];
        same += t[0].data[i] == t[1].data[i];
    }
    cr_expect_float_eq(sum / 1000, 0.5, 0.04);
    cr_expect_lt(same, 5);
    fixture_free(f);
}

Test(ops, random_normal_is_normal)
{
    Fixture *f = fixture_new(FN_predict);
    graph_root(f->g, ROOT_output, 0, build_random(f->g, OP_random_normal, &SHAPE(-1, 10000), 1));
    graph_root(f->g, ROOT_output, 1, build_random(f->g, OP_random_normal, &SHAPE(-1, 10000), 2));
    graph_sort(f->g);
    Tensor *t = run(f);
    double sum = 0, squares = 0, products = 0;
    for (int i = 0; i < 10000; i++) {
        sum += t[0].data[i];
        squares += t[0].data[i] * t[0].data[i];
        products += t[0].data[i] * t[1].data[i];
    }
    cr_expect_float_eq(sum / 10000, 0, 0.05);
    cr_expect_float_eq(squares / 10000, 1, 0.07);
    cr_expect_float_eq(products / 10000, 0, 0.05);
    fixture_free(f);
}

/* --- shape rules ------------------------------------------------------------------------------ */

/* Each wrong call gives NULL and one error that holds these words. */
static void expect_error(Fixture *f, Node *y, const char *words)
{
    static const char nothing[] = "";
    cr_expect_null(y, "accepted: %s", words);
    const char *said = f->ctx.diag.errors ? fixture_said(f) : nothing;
    cr_expect(strstr(said, words), "wanted '%s', said '%s'", words, said);
}

Test(ops, matmul_rejects)
{
    static const struct {
        Shape a, b;
        const char *words;
    } wrong[] = {
        {{2, 0, {1, 784}},
         {2, -1, {700, 10}},
         "shapes [N, 784] and [700, 10] do not multiply: the last axis of the "
         "first is 784, the last but one of the second 700"},
        {{1, -1, {3}}, {2, -1, {3, 4}}, "two axes or more"},
        {{2, 0, {1, 3}}, {2, 1, {3, 1}}, "two batch axes"},
        {{3, 0, {1, 2, 3}}, {3, 2, {1, 3, 1}}, "two batch axes"},
        {{3, -1, {2, 2, 3}}, {3, -1, {3, 3, 2}}, "leading axes do not broadcast"},
        {{2, 1, {2, 1}}, {2, -1, {1, 4}}, "do not multiply"},
    };
    for (int i = 0; i < COUNT(wrong); i++) {
        Fixture *f = fixture_new(FN_predict);
        Node *a = random_input(f, wrong[i].a, -1, 1), *b = random_input(f, wrong[i].b, -1, 1);
        expect_error(f, build_matmul(f->g, a, b), wrong[i].words);
        cr_expect_eq(f->ctx.diag.errors, 1);
        fixture_free(f);
    }
}

Test(ops, movements_reject)
{
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Node *x = random_input(f, SHAPE(0, 1, 2, 3), -1, 1),
         *z = random_input(f, SHAPE(-1, 2, 4), -1, 1);
    Shape seven = SHAPE(0, 1, 7), mixed = SHAPE(1, 2, 1, 3), fixed = SHAPE(-1, 2, 3);
    expect_error(f, build_reshape(g, x, &seven),
                 "[N, 2, 3] cannot become [N, 7]: 6 and 7 numbers a sample");
    expect_error(f, build_reshape(g, x, &mixed), "mixed");
    expect_error(f, build_reshape(g, x, &fixed), "batch axis");
    expect_error(f, build_expand(g, z, &fixed), "[2, 4] does not broadcast to [2, 3]");
    expect_error(f, build_slice(g, z, 1, 3, 3, 1), "no part from 3 to 3");
    expect_error(f, build_slice(g, z, 1, 0, 5, 1), "no part from 0 to 5");
    expect_error(f, build_slice(g, z, 1, 0, 3, 0), "steps of 0");
    Attr cut = {.start = {0, 1, 0}, .end = {1, 2, 3}, .step = {2, 1, 1}};
    expect_error(f, graph_add(g, OP_slice, 1, &x, &cut), "batch axis cannot be cut");
    Attr pad = {.start = {1, 0, 0}, .step = {1, 1, 1}};
    expect_error(f, graph_add(g, OP_pad, 1, &x, &pad), "batch axis cannot be padded");
    pad.start[0] = -1;
    expect_error(f, graph_add(g, OP_pad, 1, &z, &pad), "cannot be padded by -1 before");
    expect_error(f, build_concat(g, 0, 2, (Node *[]){x, x}), "along the batch axis");
    expect_error(f, build_concat(g, 0, 2, (Node *[]){z, x}), "do not join along axis 0");
    Attr perm = {.n_axes = 2, .axes = {1, 1}};
    expect_error(f, graph_add(g, OP_transpose, 1, &z, &perm), "named twice");
    Attr axes = {.n_axes = 1, .axes = {2}};
    expect_error(f, graph_add(g, OP_reduce_sum, 1, &z, &axes), "axis 2");
    cr_expect_eq(f->ctx.diag.errors, 14);
    fixture_free(f);
}

Test(ops, effects_and_leaves_reject)
{
    Fixture *f = fixture_new(FN_train);
    Var *var = random_var(f, "fc1.weight", VAR_weight, SHAPE(-1, 2, 3));
    Node *x = random_input(f, SHAPE(-1, 3, 2), -1, 1);
    expect_error(f, build_assign(f->g, var, x),
                 "'fc1.weight' of shape [2, 3] cannot become a tensor of shape [3, 2]");
    cr_expect_eq(f->g->roots.n, 0);
    expect_error(f, build_cast(f->g, x, DT_u8), "not made u8");
    Attr attr = {.input = 5};
    expect_error(f, graph_add(f->g, OP_input, 0, NULL, &attr), "no input 5");
    fixture_free(f);
}

/* A weight shared by all rows is one product, not a sum of one a sample. */
Test(ops, gradient_of_a_shared_weight_is_one_product)
{
    Fixture *f = fixture_new(FN_grad);
    Node *x = random_input(f, SHAPE(0, 1, 5, 3), -1, 1),
         *w = random_input(f, SHAPE(-1, 3, 2), -1, 1), *dw;
    autodiff(f->g, weighed_sum(f->g, build_matmul(f->g, x, w), NULL), 1, &w, &dw);
    cr_assert_eq(dw->op, OP_matmul);
    cr_expect_eq(dw->in[0]->shape.batch, 1);
    cr_expect_eq(dw->in[0]->shape.dim[1], 5);
    fixture_free(f);
}
