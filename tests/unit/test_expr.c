/* SPDX-License-Identifier: MIT */
/* test_expr.c: guards expr.c: what expressions build, their shapes, and what they may not. */
#include "frontend_read.h"

TestSuite(expr, .timeout = 10);

/* A model of inputs x [N,4], m [N,3,4], label [N] and the layer e: EXPR, its output. */
static char *model_of(const char *expr)
{
    char *text = malloc(strlen(expr) + 400);
    sprintf(text,
            "model: m\nvars: {two: 2, f: relu, v: x}\n"
            "inputs: {x: {shape: [4]}, m: {shape: [3, 4]}, label: {classes: 9}}\n"
            "layers:\n  - {name: all, expr: \"mean(x) + mean(m) + mean(label)\"}\n"
            "  - name: e\n    expr: \"%s\"\noutputs: {all: \"e * 1\", s: \"all * x\"}\n",
            expr);
    return text;
}

/* The node that `e` is. */
static const Node *built(const char *expr)
{
    Program *p = good_model(model_of(expr));
    Graph *g = model_graph(p, FN_predict);
    cr_assert_not_null(g, "%s", reports());
    const Node *root = graph_find_root(g, ROOT_output, 0);
    cr_assert_not_null(root);
    return root->in[0];
}

static void has_shape(const char *expr, const char *expected)
{
    char text[128];
    cr_assert_str_eq(shape_text(&built(expr)->shape, text), expected, "%s is %s", expr, text);
}

static void wrong(const char *expr, const char *expected)
{
    wrong_model(model_of(expr), expected);
}

Test(expr, operators)
{
    cr_assert_eq(built("x + 1")->op, OP_add);
    cr_assert_eq(built("x - 1")->op, OP_sub);
    cr_assert_eq(built("x * 2")->op, OP_mul);
    cr_assert_eq(built("x / 2")->op, OP_div);
    cr_assert_eq(built("x ** 2")->op, OP_pow);
    cr_assert_eq(built("x < 2")->op, OP_less);
    cr_assert_eq(built("x != 2")->op, OP_not_equal);
    const Node *neg = built("-x ** 2");
    cr_assert_eq(neg->op, OP_neg);
    cr_assert_eq(neg->in[0]->op, OP_pow);
}

Test(expr, places_names_and_kinds)
{
    const Node *e = built("x + 2 * x");
    cr_assert_str_eq(e->name, "e");
    cr_assert_str_eq(e->what, "add");
    cr_assert_eq(e->role, ROLE_forward);
    cr_assert_str_eq(e->in[1]->what, "mul");
    cr_assert_eq(e->in[1]->loc.line, 7);
    cr_assert_eq(e->in[1]->loc.col, 16); /* of 2 * x */
    cr_assert_eq(e->in[1]->loc.length, 5);
}

Test(expr, negative_numbers_are_numbers)
{
    const Node *e = built("x * -3");
    cr_assert_eq(e->in[1]->op, OP_const);
    cr_assert_eq(e->in[1]->attr->value, -3);
}

Test(expr, shapes)
{
    has_shape("x * 1", "[N, 4]");
    has_shape("m * m[:, 0:1]", "[N, 3, 4]");
    has_shape("m[:, :, 0:1] @ m[:, 0:1]", "[N, 3, 4]");
}

Test(expr, indices)
{
    has_shape("m[:, -1]", "[N, 4]");
    has_shape("m[:, 1:3, 0]", "[N, 2]");
    has_shape("m[:, 0, 0]", "[N]");
    has_shape("m[:, :, ::2]", "[N, 3, 2]");
    has_shape("m[:, :, 1:-1]", "[N, 3, 2]");
    has_shape("m[:, :, :100]", "[N, 3, 4]");
    has_shape("m[:, :, $two]", "[N, 3]");
    has_shape("m[:, :, $two - 1:4]", "[N, 3, 3]");
    has_shape("m[:, 1:][:, 1:]", "[N, 1, 4]");
    has_shape("x[:]", "[N, 4]");
}

Test(expr, slices_are_where_they_say)
{
    const Node *e = built("x[:, -3:-1]");
    cr_assert_eq(e->op, OP_slice);
    cr_assert_eq(e->attr->start[1], 1);
    cr_assert_eq(e->attr->end[1], 3);
    cr_assert_eq(e->attr->step[1], 1);
}

Test(expr, wrong_indices)
{
    wrong("x[0]", "axis 0 is the batch and takes only ':'");
    wrong("x[0:1]", "axis 0 is the batch");
    wrong("x[:, 4]", "0 to 3");
    wrong("x[:, -5]", "0 to 3");
    wrong("x[:, 2:2]", "nothing is left");
    wrong("x[:, 3:1]", "nothing is left");
    wrong("x[:, ::0]", "a step is at least 1");
    wrong("x[:, ::-1]", "a step is at least 1");
    wrong("x[:, 0.5]", "whole number");
    wrong("x[:, 1e30]", "whole number");
    wrong("x[:, 0, 0]", "3 indices");
    wrong("x[:, x]", "expected a number");
    wrong("2[:]", "1 indices");
}

Test(expr, calls)
{
    cr_assert_eq(built("max(x, 0)")->op, OP_max);
    cr_assert_eq(built("tanh(x)")->op, OP_tanh);
    cr_assert_eq(built("where(x > 0, x, -x)")->op, OP_where);
    cr_assert_eq(built("$f(x)")->op, OP_relu);
    cr_assert_eq(built("stop_gradient(x)")->op, OP_stop_gradient);
    has_shape("softmax(m, axis=1)", "[N, 3, 4]");
    has_shape("mean(m, axis=1)", "[N, 4]");
    has_shape("mean(m, axis=[1, 2])", "[N]");
    has_shape("mean(m, axis=-1, keepdims=true)", "[N, 3, 1]");
    has_shape("concat(x, x, axis=1)", "[N, 8]");
}

Test(expr, values_by_variable)
{
    cr_assert_str_eq(built("-$v")->in[0]->name, "x");
    cr_assert_eq(built("x * $two")->in[1]->attr->value, 2);
}

Test(expr, classes_are_numbers_where_computed_with)
{
    const Node *e = built("(label == 3) * 1");
    cr_assert_eq(e->dtype, DT_f32);
}

Test(expr, wrong_calls)
{
    wrong("sqrt(x, x)", "sqrt takes 1 operand, not 2");
    wrong("sqrt()", "sqrt takes 1 operand, not 0");
    wrong("max(x)", "not 1");
    wrong("sqrt(x, axis=1)", "no named argument");
    wrong("softmax(x, axis=1, axis=1)", "given twice");
    wrong("softmax(x, 1, 2)", "too many arguments");
    wrong("softmax(x, axis=1.5)", "whole number");
    wrong("softmax(x, axis=one)", "expected a number");
    wrong("mean(x, keepdims=1)", "expected true or false");
    wrong("mean(x, axis=[1, x])", "expected a number");
    wrong("mse(x, x, reduction=avg)", "reduction: unknown 'avg'");
    wrong("dense(x)", "'dense' has weights");
    wrong("accuracy(x, label)", "is a metric");
    wrong("pca(x)", "'pca' has weights: it is a layer");
    wrong("sotfmax(x)", "did you mean 'softmax'?");
    wrong("reduce_sum(x)", "unknown function"); /* ops without CALL are nobody's business */
    wrong("const(x)", "unknown function");
    wrong("$two(x)", "not the name of a function");
    wrong("$nobody(x)", "no variable or argument");
    wrong("x + $f(x, x)", "too many arguments");
    wrong("x + [1]", "a list of numbers");
    wrong("x + e", "'e' is made of itself");
}

Test(expr, wrong_shapes)
{
    wrong("x + m[:, 0, 0:3]", "do not broadcast: axis 1 is 4 and 3");
    wrong("x @ x", "do not multiply");
    wrong("x + m", "do not broadcast");
}

/* All mistakes of one expression that do not follow from each other. */
Test(expr, several)
{
    cr_assert_null(read_model(model_of("sqrt(foo) + bar * softmax(x, axes=1)")));
    cr_assert_not_null(strstr(reports(), "'foo'"));
    cr_assert_not_null(strstr(reports(), "'bar'"));
    cr_assert_not_null(strstr(reports(), "'axes'"));
    cr_assert_eq(ctx.diag.errors, 3, "%s", reports());
}
