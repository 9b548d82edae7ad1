/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/simplify.c: each rule where it fires and where it must not, and that on
 * random graphs, their gradients included, no value changes.
 */
#include "pass_check.h"

/* What the graph's only output y becomes; its values must not change. */
static Node *simplify(Fixture *f, Node *y)
{
    cr_assert_not_null(y, "%s", fixture_said(f));
    f->g->roots.n = 0;
    graph_root(f->g, ROOT_output, 0, y);
    graph_sort(f->g);
    Tensor before = run(f)[0];
    pass_simplify(f->g);
    graph_verify(f->g, "simplify");
    cr_assert_eq(f->ctx.diag.errors, 0, "%s", fixture_said(f));
    Tensor after = run(f)[0];
    cr_assert(shape_equal(&before.shape, &after.shape), "the shape changed");
    for (int64_t i = 0; i < shape_count(&before.shape); i++)
        cr_expect(close_to(after.data[i], before.data[i], 1e-7, 1e-6), "value %d: %g became %g",
                  (int)i, before.data[i], after.data[i]);
    return f->g->roots.at[0].node;
}

static bool is_fill_of(const Node *x, double value)
{
    return x->op == OP_const && !x->attr->data && x->attr->value == value;
}

/* clang-format off */
/* Each rule starts from x, [N, 3]. */
#define RULE(name, ...)                                         \
    Test(simplify, name)                                        \
    {                                                           \
        Fixture *f = fixture_new(FN_predict);                   \
        Graph *g = f->g;                                        \
        Node *x = random_input(f, SHAPE(0, 1, 3), 0.5, 2), *y; \
        (void)y;                                                \
        __VA_ARGS__                                             \
        (void)g;                                                \
        (void)x;                                                \
        fixture_free(f);                                        \
    }
#define NUM(value) build_const(g, value)
#define BINARY(op, a, b) build_binary(g, OP_##op, a, b)
#define UNARY(op, a) build_unary(g, OP_##op, a)

/* --- constants -------------------------------------------------------------------------------- */

RULE(folds_rank_0_in_double,
    y = simplify(f, BINARY(add, NUM(0.1), NUM(0.2)));
    cr_expect(is_fill_of(y, 0.1 + 0.2));
)

RULE(folds_tensors_as_floats,
    Shape three = SHAPE(-1, 3);
    y = simplify(f, BINARY(mul, build_fill(g, &three, 0.1), build_fill(g, &three, 0.2)));
    cr_expect(is_fill_of(y, (float)((double)0.1f * (double)0.2f)));
)

RULE(keeps_what_is_not_finite,
    y = simplify(f, BINARY(div, NUM(1), NUM(0)));
    cr_expect_eq(y->op, OP_div);
    y = simplify(f, UNARY(log, NUM(-1)));
    cr_expect_eq(y->op, OP_log);
    y = simplify(f, BINARY(mul, NUM(1e30), NUM(1e30))); /* as a float: infinity */
    cr_expect_eq(y->op, OP_mul);
)

RULE(keeps_run_time_scalars,
    y = simplify(f, BINARY(mul, build_scalar(g, SCALAR_lr), NUM(2)));
    cr_expect_eq(y->op, OP_mul);
)

RULE(moves_constants,
    Shape four = SHAPE(-1, 2, 2);
    Shape line = SHAPE(-1, 4);
    y = simplify(f, build_reshape(g, build_swap(g, build_fill(g, &four, 3)), &line));
    cr_expect(is_fill_of(y, 3) && y->shape.rank == 1);
    y = simplify(f, build_expand(g, NUM(3), &four));
    cr_expect(is_fill_of(y, 3) && y->shape.rank == 2);
    y = simplify(f, build_slice(g, build_fill(g, &line, 3), 0, 1, 3, 1));
    cr_expect(is_fill_of(y, 3) && y->shape.dim[0] == 2);
    Attr pad = {.start = {1}, .step = {1}, .value = 3};
    Node *fill = build_fill(g, &line, 3);
    y = simplify(f, graph_add(g, OP_pad, 1, &fill, &pad));
    cr_expect(is_fill_of(y, 3) && y->shape.dim[0] == 5);
    pad.value = 4;
    fill = build_fill(g, &line, 3);
    y = simplify(f, graph_add(g, OP_pad, 1, &fill, &pad));
    cr_expect_eq(y->op, OP_pad);
)

RULE(tables_stay,
    Shape three = SHAPE(-1, 3);
    double table[] = {0, 0, 1};
    y = simplify(f, BINARY(add, x, build_data(g, &three, table)));
    cr_expect_eq(y->op, OP_add);
)

/* --- arithmetic ------------------------------------------------------------------------------- */

RULE(neutral_operands,
    cr_expect_eq(simplify(f, BINARY(add, x, NUM(0)))->op, OP_input);
    cr_expect_eq(simplify(f, BINARY(add, NUM(0), x))->op, OP_input);
    cr_expect_eq(simplify(f, BINARY(sub, x, NUM(0)))->op, OP_input);
    cr_expect_eq(simplify(f, BINARY(mul, x, NUM(1)))->op, OP_input);
    cr_expect_eq(simplify(f, BINARY(mul, NUM(1), x))->op, OP_input);
    cr_expect_eq(simplify(f, BINARY(div, x, NUM(1)))->op, OP_input);
)

/* What the neutral operand broadcast stays broadcast. */
RULE(neutral_operands_that_broadcast,
    Shape full = SHAPE(1, 2, 1, 3);
    y = simplify(f, BINARY(mul, x, build_fill(g, &full, 1)));
    cr_expect_eq(y->op, OP_expand);
    cr_expect(shape_equal(&y->shape, &full));
)

RULE(not_neutral,
    cr_expect_eq(simplify(f, BINARY(sub, NUM(0), x))->op, OP_sub);
    cr_expect_eq(simplify(f, BINARY(div, NUM(1), x))->op, OP_div);
    cr_expect_eq(simplify(f, BINARY(mul, x, NUM(0)))->op, OP_mul);  /* NaN, infinity */
    cr_expect_eq(simplify(f, BINARY(sub, x, x))->op, OP_sub);
    cr_expect_eq(simplify(f, BINARY(div, x, x))->op, OP_div);
)

RULE(signs,
    y = simplify(f, UNARY(neg, UNARY(neg, x)));
    cr_expect_eq(y->op, OP_input);
    cr_expect_eq(simplify(f, BINARY(mul, x, NUM(-1)))->op, OP_neg);
    cr_expect_eq(simplify(f, BINARY(mul, NUM(-1), x))->op, OP_neg);
    Node *e = UNARY(exp, x);
    y = simplify(f, BINARY(add, e, UNARY(neg, x)));
    cr_expect(y->op == OP_sub && y->in[0]->op == OP_exp);
    y = simplify(f, BINARY(add, UNARY(neg, x), e));
    cr_expect(y->op == OP_sub && y->in[0]->op == OP_exp);
    y = simplify(f, BINARY(sub, e, UNARY(neg, x)));
    cr_expect_eq(y->op, OP_add);
)

RULE(powers_of_two,
    y = simplify(f, BINARY(div, x, NUM(4)));
    cr_expect(y->op == OP_mul && y->in[1]->attr->value == 0.25);
    cr_expect_eq(simplify(f, BINARY(div, x, NUM(3)))->op, OP_div);
    cr_expect_eq(simplify(f, BINARY(div, x, NUM(0)))->op, OP_div);
    cr_expect_eq(simplify(f, BINARY(div, x, NUM(0x1p127)))->op, OP_div);
    y = simplify(f, BINARY(mul, BINARY(mul, x, NUM(2)), NUM(8)));
    cr_expect(y->op == OP_mul && y->in[0]->op == OP_input && y->in[1]->attr->value == 16);
    y = simplify(f, BINARY(mul, BINARY(mul, x, NUM(2)), NUM(0.5))); /* 2 x may overflow */
    cr_expect(y->op == OP_mul && y->in[0]->op == OP_mul);
    y = simplify(f, BINARY(mul, BINARY(mul, x, NUM(3)), NUM(7)));
    cr_expect(y->op == OP_mul && y->in[0]->op == OP_mul);
    y = simplify(f, BINARY(add, BINARY(add, x, NUM(3)), NUM(7)));
    cr_expect(y->op == OP_add && y->in[0]->op == OP_add);
)

RULE(powers,
    y = simplify(f, BINARY(pow, x, NUM(2)));
    cr_expect(y->op == OP_mul && y->in[0] == y->in[1]);
    y = simplify(f, BINARY(pow, x, NUM(3)));
    cr_expect(y->op == OP_mul && y->in[0]->op == OP_mul);
    cr_expect_eq(simplify(f, BINARY(pow, x, NUM(0.5)))->op, OP_sqrt);
    cr_expect_eq(simplify(f, BINARY(pow, x, NUM(1)))->op, OP_input);
    cr_expect_eq(simplify(f, BINARY(pow, x, NUM(-1)))->op, OP_reciprocal);
    cr_expect(is_fill_of(simplify(f, BINARY(pow, x, NUM(0))), 1));
    cr_expect_eq(simplify(f, BINARY(pow, x, NUM(2.5)))->op, OP_pow);
    cr_expect_eq(simplify(f, BINARY(pow, NUM(2), x))->op, OP_pow);
)

RULE(choices,
    Node *e = UNARY(exp, x);
    cr_expect_eq(simplify(f, build_where(g, NUM(1), x, e))->op, OP_input);
    cr_expect_eq(simplify(f, build_where(g, NUM(0), x, e))->op, OP_exp);
    cr_expect_eq(simplify(f, build_where(g, BINARY(less, e, NUM(2)), x, x))->op, OP_input);
    cr_expect_eq(simplify(f, build_where(g, BINARY(less, e, NUM(2)), x, e))->op, OP_where);
)

RULE(marks_of_differentiation,
    cr_expect_eq(simplify(f, UNARY(stop_gradient, x))->op, OP_input);
    cr_expect_eq(simplify(f, build_cast(g, x, DT_f32))->op, OP_input);
)

/* -(1 / n) as a tensor is one number, for the host, seen as a tensor. */
RULE(numbers_that_repeat,
    Shape one = SHAPE(-1, 1);
    Shape line = SHAPE(0, 1);
    Shape column = SHAPE(0, 1, 1);
    Node *share = BINARY(div, build_fill(g, &one, 1), build_scalar(g, SCALAR_n));
    y = simplify(f, UNARY(neg, build_reshape(g, build_expand(g, share, &line), &column)));
    cr_expect(y->op == OP_expand && y->in[0]->op == OP_neg && y->in[0]->shape.rank == 0);
    cr_expect_eq(count_ops(g, OP_expand) + count_ops(g, OP_reshape), 1);
    cr_expect_eq(g->nodes.n, 5);
    y = simplify(f, build_reshape(g, build_scalar(g, SCALAR_lr), &one));
    cr_expect_eq(y->op, OP_expand);
    Node *total = build_reduce(g, OP_reduce_sum, x, 0, NULL);
    y = simplify(f, UNARY(neg, build_expand(g, total, &x->shape)));
    cr_expect(y->op == OP_expand && y->in[0]->op == OP_neg);
)

RULE(expanded_operands,
    Node *row = random_input(f, SHAPE(-1, 3), 0.5, 2);
    y = simplify(f, BINARY(add, x, build_expand(g, row, &x->shape)));
    cr_expect(y->op == OP_add && y->in[1] == row);
    y = simplify(f, BINARY(add, build_fill(g, &x->shape, 2), x));
    cr_expect(y->op == OP_add && y->in[0]->shape.rank == 0);
    Node *other = build_expand(g, row, &x->shape);
    y = simplify(f, BINARY(add, build_expand(g, row, &x->shape), UNARY(exp, other)));
    cr_expect(y->op == OP_expand && y->in[0]->op == OP_add); /* on three numbers, once */
    cr_expect(shape_equal(&y->in[0]->shape, &row->shape));
    cr_expect_eq(count_ops(g, OP_expand), 1);
)

/* --- movement --------------------------------------------------------------------------------- */

RULE(movement_that_does_nothing,
    Attr pad = {.step = {1, 1}};
    cr_expect_eq(simplify(f, build_reshape(g, x, &x->shape))->op, OP_input);
    cr_expect_eq(simplify(f, build_transpose(g, x, (int[]){0, 1}))->op, OP_input);
    cr_expect_eq(simplify(f, build_expand(g, x, &x->shape))->op, OP_input);
    cr_expect_eq(simplify(f, build_slice(g, x, 1, 0, 3, 1))->op, OP_input);
    cr_expect_eq(simplify(f, graph_add(g, OP_pad, 1, &x, &pad))->op, OP_input);
    cr_expect_eq(simplify(f, build_concat(g, 1, 1, &x))->op, OP_input);
    Node *square = random_input(f, SHAPE(-1, 3, 3), 0, 1);
    cr_expect_eq(simplify(f, build_swap(g, square))->op, OP_transpose);
)

RULE(movement_after_movement,
    Shape three = SHAPE(0, 1, 3, 1);
    Shape other = SHAPE(0, 1, 1, 3);
    y = simplify(f, build_reshape(g, build_reshape(g, x, &three), &other));
    cr_expect(y->op == OP_reshape && y->in[0] == x);
    y = simplify(f, build_reshape(g, build_reshape(g, x, &three), &x->shape));
    cr_expect_eq(y->op, OP_input);
    cr_expect_eq(simplify(f, build_swap(g, build_swap(g, x)))->op, OP_input);
    Node *cube = random_input(f, SHAPE(-1, 2, 3, 4), 0, 1);
    int turn[] = {1, 2, 0};
    y = simplify(f, build_swap(g, build_transpose(g, cube, turn)));
    cr_expect(y->op == OP_transpose && y->in[0] == cube);
    cr_expect(y->attr->axes[0] == 1 && y->attr->axes[1] == 0 && y->attr->axes[2] == 2);
    Shape wide = SHAPE(1, 2, 1, 3);
    Node *sum = build_reduce(g, OP_reduce_sum, x, 1, (int[]){1});
    y = simplify(f, build_expand(g, build_expand(g, sum, &x->shape), &wide));
    cr_expect(y->op == OP_expand && y->in[0]->op == OP_reduce_sum);
)

RULE(slices_of_slices,
    Node *line = random_input(f, SHAPE(0, 1, 30), 0, 1);
    y = simplify(f, build_slice(g, build_slice(g, line, 1, 2, 29, 3), 1, 1, 8, 2));
    cr_expect(y->op == OP_slice && y->in[0] == line);
    cr_expect(y->attr->start[1] == 5 && y->attr->end[1] == 24 && y->attr->step[1] == 6);
)

RULE(padding_of_padding,
    Attr inner = {.start = {0, 1}, .end = {0, 2}, .step = {1, 2}, .value = 7};
    Attr outer = {.start = {0, 3}, .end = {0, 4}, .step = {1, 1}, .value = 7};
    Node *pad = graph_add(g, OP_pad, 1, &x, &inner);
    y = simplify(f, graph_add(g, OP_pad, 1, &pad, &outer));
    cr_expect(y->op == OP_pad && y->in[0] == x);
    cr_expect(y->attr->start[1] == 4 && y->attr->end[1] == 6 && y->attr->step[1] == 2);
    outer.step[1] = 2; /* between the padding as well */
    pad = graph_add(g, OP_pad, 1, &x, &inner);
    simplify(f, graph_add(g, OP_pad, 1, &pad, &outer));
    cr_expect_eq(count_ops(g, OP_pad), 2);
    inner.start[1] = inner.end[1] = 0;
    pad = graph_add(g, OP_pad, 1, &x, &inner);
    y = simplify(f, graph_add(g, OP_pad, 1, &pad, &outer));
    cr_expect(y->in[0] == x && y->attr->start[1] == 3 && y->attr->step[1] == 4);
    outer.value = 8;
    pad = graph_add(g, OP_pad, 1, &x, &inner);
    simplify(f, graph_add(g, OP_pad, 1, &pad, &outer));
    cr_expect_eq(count_ops(g, OP_pad), 2);
)

/* What is cut off again is not padded. */
RULE(slices_of_padding,
    int64_t around[] = {0, 2};
    y = simplify(f, build_slice(g, build_pad(g, x, around, around, NULL, 7), 1, 2, 5, 1));
    cr_expect_eq(y, x);
    y = simplify(f, build_slice(g, build_pad(g, x, around, around, NULL, 7), 1, 1, 4, 1));
    cr_expect(y->op == OP_pad && y->attr->start[1] == 1 && y->attr->end[1] == 0);
    cr_expect(y->in[0]->op == OP_slice && y->in[0]->shape.dim[1] == 2);
    y = simplify(f, build_slice(g, build_pad(g, x, around, around, NULL, 7), 1, 0, 2, 1));
    cr_expect(y->op == OP_slice && y->in[0]->op == OP_pad); /* nothing of x */
    y = simplify(f, build_slice(g, build_pad(g, x, around, around, NULL, 7), 1, 0, 5, 2));
    cr_expect(y->op == OP_slice && y->in[0]->op == OP_pad);
)

RULE(turned_round,
    Node *cube = random_input(f, SHAPE(0, 1, 4, 3, 1), 0, 1);
    y = simplify(f, build_flip(g, build_flip(g, cube, 1, (int[]){1}), 2, (int[]){1, 2}));
    cr_expect(y->op == OP_flip && y->in[0] == cube && y->attr->n_axes == 1);
    cr_expect_eq(y->attr->axes[0], 2);
    y = simplify(f, build_flip(g, build_flip(g, cube, 1, (int[]){2}), 1, (int[]){2}));
    cr_expect_eq(y, cube);
    Attr one = {.n_axes = 2, .axes = {1, 3}};
    y = simplify(f, graph_add(g, OP_flip, 1, &cube, &one));
    cr_expect(y->op == OP_flip && y->attr->n_axes == 1);
    y = simplify(f, build_flip(g, build_fill(g, &cube->shape, 3), 1, (int[]){1}));
    cr_expect(is_fill_of(y, 3));
)

RULE(parts_of_a_concatenation,
    Node *z = UNARY(exp, x);
    Node *both[] = {x, z};
    y = simplify(f, build_slice(g, build_concat(g, 1, 2, both), 1, 0, 3, 1));
    cr_expect_eq(y->op, OP_input);
    y = simplify(f, build_slice(g, build_concat(g, 1, 2, both), 1, 3, 6, 1));
    cr_expect_eq(y->op, OP_exp);
    y = simplify(f, build_slice(g, build_concat(g, 1, 2, both), 1, 4, 6, 1));
    cr_expect(y->op == OP_slice && y->in[0]->op == OP_exp && y->attr->start[1] == 1);
    y = simplify(f, build_slice(g, build_concat(g, 1, 2, both), 1, 2, 4, 1));
    cr_expect_eq(y->in[0]->op, OP_concat);
)

/* --- reductions ------------------------------------------------------------------------------- */

RULE(reductions_of_length_one,
    Node *z = random_input(f, SHAPE(0, 1, 1, 3), 0, 1);
    cr_expect_eq(simplify(f, build_reduce(g, OP_reduce_sum, z, 1, (int[]){1}))->op, OP_input);
    y = simplify(f, build_reduce(g, OP_reduce_max, z, 2, (int[]){0, 1}));
    cr_expect(y->op == OP_reduce_max && y->attr->n_axes == 1 && y->attr->axes[0] == 0);
    y = simplify(f, build_reduce(g, OP_reduce_sum, z, 1, (int[]){0})); /* the batch */
    cr_expect_eq(y->op, OP_reduce_sum);
)

RULE(reductions_of_constants,
    Shape six = SHAPE(-1, 2, 3);
    y = simplify(f, build_reduce(g, OP_reduce_sum, build_fill(g, &six, 0.5), 1, (int[]){1}));
    cr_expect(is_fill_of(y, 1.5) && y->shape.dim[0] == 2);
    y = simplify(f, build_reduce(g, OP_reduce_max, build_fill(g, &six, 0.5), 1, (int[]){1}));
    cr_expect(is_fill_of(y, 0.5));
    y = simplify(f, build_reduce(g, OP_reduce_sum, build_fill(g, &x->shape, 0.5), 0, NULL));
    cr_expect_eq(count_ops(g, OP_reduce_sum), 0); /* but a product with n */
    cr_expect_eq(count_ops(g, OP_scalar), 1);
)

RULE(reductions_of_what_repeats,
    Node *row = random_input(f, SHAPE(-1, 3), 0, 1);
    y = simplify(f, build_reduce(g, OP_reduce_sum, build_expand(g, row, &x->shape), 1, (int[]){0}));
    cr_expect_eq(count_ops(g, OP_reduce_sum), 0);
    y = simplify(f, build_reduce(g, OP_reduce_max, build_expand(g, row, &x->shape), 0, NULL));
    cr_expect_eq(count_ops(g, OP_reduce_max), 1);
    cr_expect_eq(count_ops(g, OP_mul), 0);
    y = simplify(f, build_reduce(g, OP_reduce_sum, build_expand(g, row, &x->shape), 1, (int[]){1}));
    cr_expect_eq(count_ops(g, OP_reduce_sum), 1); /* of three numbers, or of three in each sample */
)

/* --- graphs ----------------------------------------------------------------------------------- */

RULE(roots_and_assigns_stay,
    Var *v = random_var(f, "v", VAR_weight, SHAPE(-1, 3));
    build_assign(g, v, BINARY(add, build_var(g, v), NUM(0)));
    graph_root(g, ROOT_output, 0, BINARY(mul, x, NUM(1)));
    pass_simplify(g);
    cr_assert_eq(g->roots.n, 2);
    cr_expect_eq(graph_find_root(g, ROOT_assign, 0)->op, OP_assign);
    cr_expect_eq(graph_find_root(g, ROOT_output, 0), x);
)

RULE(new_nodes_keep_name_and_place,
    g->loc.line = 12;
    g->what = "square";
    g->role = ROLE_loss;
    y = BINARY(pow, x, NUM(2));
    y->name = "squared";
    g->loc.line = 0;
    y = simplify(f, y);
    cr_expect(y->op == OP_mul && y->loc.line == 12 && y->role == ROLE_loss);
    cr_expect_str_eq(y->name, "squared");
    cr_expect_str_eq(y->what, "square");
)

RULE(long_chains_collapse,
    y = x;
    for (int i = 0; i < 10000; i++)
        y = UNARY(neg, BINARY(add, build_reshape(g, y, &x->shape), NUM(0)));
    cr_expect_eq(simplify(f, y), x);
)

/* clang-format on */

/* A random value of the graph so far, of shape [N, 3] or what broadcasts to it. */
static Node *grow(Fixture *f, Node **pool, int n)
{
    static const OpKind unary[] = {OP_neg, OP_tanh, OP_stop_gradient, OP_sigmoid, OP_abs, OP_relu};
    static const OpKind binary[] = {OP_add, OP_sub, OP_mul, OP_max, OP_less};
    static const double numbers[] = {0, 1, -1, 2, 0.5, 4, 3};
    Graph *g = f->g;
    Node *a = pool[random_below(f, n)], *b = pool[random_below(f, n)];
    Shape full = SHAPE(0, 1, 3), line = SHAPE(0, 3);
    switch (random_below(f, 9)) {
    case 0: return build_unary(g, unary[random_below(f, COUNT(unary))], a);
    case 1: return build_const(g, numbers[random_below(f, COUNT(numbers))]);
    case 2: return build_fill(g, &full, numbers[random_below(f, COUNT(numbers))]);
    case 3: return build_expand(g, a, &full);
    case 4: return build_expand(g, build_reduce(g, OP_reduce_sum, a, 0, NULL), &full);
    case 5: return build_where(g, a, b, pool[0]);
    case 6: return build_binary(g, OP_div, a, build_const(g, numbers[1 + random_below(f, 6)]));
    case 7: return build_reshape(g, build_reshape(g, pool[0], &line), &full);
    default: return build_binary(g, binary[random_below(f, COUNT(binary))], a, b);
    }
}

/* Random graphs and their gradients, simplified and not, have the same values. */
Test(simplify, random_graphs_keep_their_values)
{
    for (int trial = 0; trial < 300; trial++) {
        Fixture *f = fixture_new(FN_grad);
        f->random = 7919u * (uint64_t)(trial + 1);
        Node *pool[24] = {random_input(f, SHAPE(0, 1, 3), -2, 2)}, *x = pool[0], *dx;
        for (int i = 1; i < COUNT(pool); i++)
            pool[i] = grow(f, pool, i);
        Node *y = pool[COUNT(pool) - 1],
             *loss = weighed_sum(f->g, y, random_input(f, SHAPE(0, 1, 3), 0.5, 2));
        autodiff(f->g, loss, 1, &x, &dx);
        graph_root(f->g, ROOT_loss, 0, loss);
        graph_root(f->g, ROOT_grad, 0, dx);
        graph_sort(f->g);
        Tensor *before = run(f);
        pass_simplify(f->g);
        graph_verify(f->g, "simplify");
        cr_assert_eq(f->ctx.diag.errors, 0, "%s", fixture_said(f));
        Tensor *after = run(f);
        for (int r = 0; r < f->g->roots.n; r++)
            for (int64_t i = 0; i < shape_count(&before[r].shape); i++)
                cr_assert(close_to(after[r].data[i], before[r].data[i], 1e-4, 1e-5),
                          "trial %d, root %d: %g became %g", trial, r, before[r].data[i],
                          after[r].data[i]);
        fixture_free(f);
    }
}

/* Slices, padding and flips one after the other, by which rules meet as they come. */
Test(simplify, random_movement_keeps_its_values)
{
    for (int trial = 0; trial < 500; trial++) {
        Fixture *f = fixture_new(FN_predict);
        RandomGraph r = {.f = f, .g = f->g};
        f->random = 104729u * (uint64_t)(trial + 1);
        Node *y = random_input(f, SHAPE(0, 1, 5, 4), -2, 2);
        for (int i = 0; i < 8; i++) {
            int axes[] = {1, 2}, n = 1 + random_below(f, 2);
            Node *x = random_below(f, 3) == 0   ? build_flip(f->g, y, n, axes)
                      : random_below(f, 2) == 0 ? any_slice(&r, y)
                                                : any_pad(&r, y);
            y = x ? x : y;
        }
        simplify(f, y);
        fixture_free(f);
    }
}

Test(simplify, random_models)
{
    check_random_models(pass_simplify, "simplify", 200);
}
