/* SPDX-License-Identifier: MIT */
/* layers_activation.c: activations: layers, functions and values of `activation:`. Values and
 * gradients are PyTorch's, at 0 and at corners too. What a `where` does not choose may be infinite,
 * but never has an infinite derivative, so no gradient becomes NaN.
 */
#include "rows.h"

#include <math.h>

enum { ACTIVATION = CALL_layer | CALL_function | CALL_activation };

/* --- one op ----------------------------------------------------------------------------------- */

static Node *relu(Call *c)
{
    return build_unary(c->g, OP_relu, rows_operand(c, 0));
}

static Node *sigmoid(Call *c)
{
    return build_unary(c->g, OP_sigmoid, rows_operand(c, 0));
}

static Node *tanh_(Call *c)
{
    return build_unary(c->g, OP_tanh, rows_operand(c, 0));
}

static Node *softplus(Call *c)
{
    return build_unary(c->g, OP_softplus, rows_operand(c, 0));
}

static Node *identity(Call *c)
{
    return c->in[0];
}

/* --- linear in parts -------------------------------------------------------------------------- */

static Node *relu6(Call *c)
{
    return rows_relu6(c->g, rows_operand(c, 0));
}

/* x > 0 ? x : slope * x */
static Node *leaky(Graph *g, Node *x, Node *slope)
{
    return build_where(g, rows_above(g, x, 0), x, build_binary(g, OP_mul, slope, x));
}

static Node *leaky_relu(Call *c)
{
    return leaky(c->g, rows_operand(c, 0), build_const(c->g, c->arg[0].r));
}

/* One slope for all, as PyTorch's default. */
static Node *prelu(Call *c)
{
    const Shape one = shape_of(1, (int64_t[]){1});
    Node *weight = call_weight(c, "weight", &one, (Init){INIT_constant, 0.25, 0}, 1, 1);
    Node *x = rows_operand(c, 0);
    if (x && x->shape.rank == 0)
        weight = build_squeeze(c->g, weight, 1, (int[]){0});
    return leaky(c->g, x, weight);
}

/* relu6(x + 3) / 6 */
static Node *hardsigmoid(Call *c)
{
    return rows_times(c->g, rows_relu6(c->g, rows_plus(c->g, rows_operand(c, 0), 3)), 1.0 / 6);
}

/* x < -3 ? 0 : x < 3 ? x * (x + 3) / 6 : x */
static Node *hardswish(Call *c)
{
    Graph *g = c->g;
    Node *x = rows_operand(c, 0), *three = build_const(g, 3);
    Node *middle = build_binary(g, OP_mul, x, rows_times(g, rows_plus(g, x, 3), 1.0 / 6));
    Node *upper = build_where(g, build_binary(g, OP_less, x, three), middle, x);
    return build_where(g, build_binary(g, OP_less, x, build_const(g, -3)), build_const(g, 0),
                       upper);
}

/* --- exponential ------------------------------------------------------------------------------ */

/* x > 0 ? x : alpha * expm1(x / scale). Of a positive x the second part sees 0: it cannot
 * overflow. */
static Node *exponential(Graph *g, Node *x, double alpha, double scale)
{
    Node *above = rows_above(g, x, 0);
    Node *below = build_where(g, above, build_const(g, 0), x);
    if (scale != 1)
        below = rows_times(g, below, 1 / scale);
    return build_where(g, above, x, rows_times(g, build_unary(g, OP_expm1, below), alpha));
}

static Node *elu(Call *c)
{
    return exponential(c->g, rows_operand(c, 0), c->arg[0].r, 1);
}

static Node *celu(Call *c)
{
    double alpha = c->arg[0].r;
    if (alpha == 0) {
        diag_error(&c->ctx->diag, c->arg[0].loc, "celu: alpha is a divisor and cannot be 0");
        return NULL;
    }
    return exponential(c->g, rows_operand(c, 0), alpha, alpha);
}

static Node *selu(Call *c)
{
    const double alpha = 1.6732632423543772848170429916717,
                 scale = 1.0507009873554804934193349852946;
    return rows_times(c->g, exponential(c->g, rows_operand(c, 0), alpha, 1), scale);
}

/* --- smooth ----------------------------------------------------------------------------------- */

/* x * (1 + erf(x / sqrt 2)) / 2, or x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2 */
static Node *gelu(Call *c)
{
    Graph *g = c->g;
    Node *x = rows_operand(c, 0), *inner;
    if (c->arg[0].b) {
        Node *cubic = rows_plus(g, rows_times(g, build_binary(g, OP_mul, x, x), 0.044715), 1);
        inner = rows_times(g, build_binary(g, OP_mul, x, cubic), sqrt(2 / M_PI));
        inner = build_unary(g, OP_tanh, inner);
    } else {
        inner = build_unary(g, OP_erf, rows_times(g, x, sqrt(0.5)));
    }
    return build_binary(g, OP_mul, x, rows_times(g, rows_plus(g, inner, 1), 0.5));
}

static Node *silu(Call *c)
{
    Node *x = rows_operand(c, 0);
    return build_binary(c->g, OP_mul, x, build_unary(c->g, OP_sigmoid, x));
}

static Node *mish(Call *c)
{
    Node *x = rows_operand(c, 0);
    Node *gate = build_unary(c->g, OP_tanh, build_unary(c->g, OP_softplus, x));
    return build_binary(c->g, OP_mul, x, gate);
}

static Node *softsign(Call *c)
{
    Node *x = rows_operand(c, 0);
    return build_binary(c->g, OP_div, x, rows_plus(c->g, build_unary(c->g, OP_abs, x), 1));
}

/* --- over an axis ----------------------------------------------------------------------------- */

static Node *softmax(Call *c)
{
    int axis = call_axis(c, &c->arg[0], c->arg[0].i, c->in[0]->shape.rank);
    return axis < 0 ? NULL : build_softmax(c->g, rows_operand(c, 0), axis);
}

static Node *log_softmax(Call *c)
{
    int axis = call_axis(c, &c->arg[0], c->arg[0].i, c->in[0]->shape.rank);
    return axis < 0 ? NULL : build_log_softmax(c->g, rows_operand(c, 0), axis);
}

/* --- rows ------------------------------------------------------------------------------------- */

#define ROW(row, function, says, ...)                                                              \
    const CallRow call_##row = {.name = #row,                                                      \
                                .min_in = 1,                                                       \
                                .max_in = 1,                                                       \
                                .arg = {__VA_ARGS__},                                              \
                                .build = function,                                                 \
                                .flags = ACTIVATION,                                               \
                                .text = says}

ROW(relu, relu, "max(x, 0)", NOTHING);
ROW(relu6, relu6, "max(0, min(x, 6))", NOTHING);
ROW(leaky_relu, leaky_relu, "x above 0, slope * x below", TAKES("slope", real, "0.01"));
ROW(elu, elu, "x above 0, alpha * (exp(x) - 1) below", TAKES("alpha", real, "1"));
ROW(selu, selu, "1.0507 * elu(x, 1.67326)", NOTHING);
ROW(celu, celu, "x above 0, alpha * (exp(x / alpha) - 1) below", TAKES("alpha", real, "1"));
ROW(gelu, gelu, "x * (1 + erf(x / sqrt(2))) / 2; tanh: the approximation by tanh",
    TAKES("tanh", bool, "false"));
ROW(silu, silu, "x * sigmoid(x)", NOTHING);
ROW(mish, mish, "x * tanh(softplus(x))", NOTHING);
ROW(sigmoid, sigmoid, "1 / (1 + exp(-x))", NOTHING);
ROW(hardsigmoid, hardsigmoid, "relu6(x + 3) / 6", NOTHING);
ROW(hardswish, hardswish, "x * relu6(x + 3) / 6", NOTHING);
ROW(tanh, tanh_, "the hyperbolic tangent", NOTHING);
ROW(softplus, softplus, "log(1 + exp(x))", NOTHING);
ROW(softsign, softsign, "x / (1 + |x|)", NOTHING);
ROW(softmax, softmax, "exp(x) / sum(exp(x)) along axis", TAKES("axis", int, "-1"));
ROW(log_softmax, log_softmax, "log(softmax(x)) along axis", TAKES("axis", int, "-1"));
ROW(identity, identity, "x", NOTHING);

const CallRow call_prelu = {.name = "prelu",
                            .min_in = 1,
                            .max_in = 1,
                            .build = prelu,
                            .flags = CALL_layer | CALL_activation | CALL_weights,
                            .text = "x above 0, weight * x below; weight: [1], at first 0.25"};
