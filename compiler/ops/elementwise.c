/* SPDX-License-Identifier: MIT */
/* elementwise.c: ops on single numbers, with NumPy's broadcasting: one line an op.
 *
 * EW(name, gradient, flops, C text, value): the value is the oracle, in double, of operands A, B
 * and C; the text is what kernels print, with nnrt_math.h's functions. In it every $i may stand
 * several times, so what replaces it is a name or a number. Texts are written so that compilers
 * vectorise loops over them without -ffast-math: comparisons whose arms are compared as well, or
 * masks, but no `?:` with an arm of its own. flops are what the arithmetic comes to, a division 1.
 */
#include "../ir/arith.h"
#include "impl.h"

#include <math.h>

/* --- gradients: where an operand was broadcast, the gradient is summed back to its shape ------ */

static Node *unary(Graph *g, OpKind op, Node *a)
{
    return build_unary(g, op, a);
}

static Node *back(Graph *g, Node *dx, const Node *x)
{
    return op_unbroadcast(g, dx, &x->shape);
}

static void add_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    for (int i = 0; i < 2; i++)
        if (want[i])
            dx[i] = back(g, dy, y->in[i]);
}

static void sub_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    if (want[0])
        dx[0] = back(g, dy, y->in[0]);
    if (want[1])
        dx[1] = unary(g, OP_neg, back(g, dy, y->in[1]));
}

static void mul_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    if (y->in[0] == y->in[1]) { /* a square */
        dx[0] = mul(g, mul(g, dy, num(g, 2)), y->in[0]);
        return;
    }
    for (int i = 0; i < 2; i++)
        if (want[i])
            dx[i] = back(g, mul(g, dy, y->in[1 - i]), y->in[i]);
}

static void div_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    Node *a = y->in[0], *b = y->in[1], *share = build_binary(g, OP_div, dy, b);
    if (want[0])
        dx[0] = back(g, share, a);
    if (want[1])
        dx[1] = unary(g, OP_neg, back(g, mul(g, share, y), b));
}

/* d/da a**b = b a**(b - 1), which is 0 and not 0 * inf where b is 0. */
static Node *pow_grad_base(Graph *g, Node *a, Node *b, Node *dy)
{
    if (b->op == OP_const && !b->attr->data) {
        double exponent = b->attr->value;
        if (exponent == 0)
            return NULL;
        if (exponent == 1)
            return dy;
        Node *power = exponent == 2 ? a : build_binary(g, OP_pow, a, num(g, exponent - 1));
        return mul(g, mul(g, dy, num(g, exponent)), power);
    }
    Node *power = build_binary(g, OP_pow, a, sub(g, b, num(g, 1)));
    Node *slope = mul(g, dy, mul(g, b, power));
    return build_where(g, build_binary(g, OP_equal, b, num(g, 0)), num(g, 0), slope);
}

/* d/db a**b = a**b log a, which is 0 where a is 0 and b is not negative. */
static Node *pow_grad_exponent(Graph *g, Node *y, Node *dy)
{
    Node *a = y->in[0], *b = y->in[1];
    Node *flat = mul(g, build_binary(g, OP_equal, a, num(g, 0)),
                     build_binary(g, OP_greater_equal, b, num(g, 0)));
    return build_where(g, flat, num(g, 0), mul(g, dy, mul(g, y, unary(g, OP_log, a))));
}

static void pow_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    if (want[0])
        dx[0] = back(g, pow_grad_base(g, y->in[0], y->in[1], dy), y->in[0]);
    if (want[1])
        dx[1] = back(g, pow_grad_exponent(g, y, dy), y->in[1]);
}

/* To the operand that won; half to each where they are equal. */
static Node *winner(Graph *g, OpKind wins, Node *a, Node *b, Node *dy)
{
    Node *half =
        build_where(g, build_binary(g, OP_equal, a, b), mul(g, dy, num(g, 0.5)), num(g, 0));
    return back(g, build_where(g, build_binary(g, wins, a, b), dy, half), a);
}

static void max_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    for (int i = 0; i < 2; i++)
        if (want[i])
            dx[i] = winner(g, OP_greater, y->in[i], y->in[1 - i], dy);
}

static void min_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    for (int i = 0; i < 2; i++)
        if (want[i])
            dx[i] = winner(g, OP_less, y->in[i], y->in[1 - i], dy);
}

static void where_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    if (want[1])
        dx[1] = back(g, build_where(g, y->in[0], dy, num(g, 0)), y->in[1]);
    if (want[2])
        dx[2] = back(g, build_where(g, y->in[0], num(g, 0), dy), y->in[2]);
}

/* a - b floor(a / b), whose floor is constant. */
static void mod_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    Node *a = y->in[0], *b = y->in[1];
    if (want[0])
        dx[0] = back(g, dy, a);
    if (want[1]) {
        Node *times = unary(g, OP_floor, build_binary(g, OP_div, a, b));
        dx[1] = back(g, unary(g, OP_neg, mul(g, dy, times)), b);
    }
}

/* A gradient of one operand is an expression of x, y and dy. */
/* clang-format off */
#define GRAD(name, expression)                                                             \
    static void name##_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx) \
    {                                                                                      \
        Node *x = y->in[0];                                                                \
        (void)x;                                                                           \
        (void)want;                                                                        \
        dx[0] = (expression);                                                              \
    }

GRAD(neg, unary(g, OP_neg, dy))
GRAD(abs, mul(g, dy, unary(g, OP_sign, x)))
GRAD(sqrt, build_binary(g, OP_div, mul(g, dy, num(g, 0.5)), y))
GRAD(reciprocal, unary(g, OP_neg, mul(g, dy, mul(g, y, y))))
GRAD(exp, mul(g, dy, y))
GRAD(log, build_binary(g, OP_div, dy, x))
GRAD(log1p, build_binary(g, OP_div, dy, add(g, x, num(g, 1))))
GRAD(expm1, mul(g, dy, add(g, y, num(g, 1))))
GRAD(sin, mul(g, dy, unary(g, OP_cos, x)))
GRAD(cos, unary(g, OP_neg, mul(g, dy, unary(g, OP_sin, x))))
GRAD(tanh, mul(g, dy, sub(g, num(g, 1), mul(g, y, y))))
GRAD(sigmoid, mul(g, dy, mul(g, sub(g, num(g, 1), y), y)))
GRAD(erf, mul(g, mul(g, dy, num(g, 1.1283791670955126 /* 2 / sqrt pi */)),
              unary(g, OP_exp, unary(g, OP_neg, mul(g, x, x)))))
GRAD(softplus, mul(g, dy, unary(g, OP_sigmoid, x)))
GRAD(relu, build_where(g, build_binary(g, OP_greater, y, num(g, 0)), dy, num(g, 0)))
/* clang-format on */

/* --- values ----------------------------------------------------------------------------------- */

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double softplus(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

/* To f32; whole numbers to i32. */
static bool cast_shape(Graph *g, Node *y)
{
    y->shape = y->in[0]->shape;
    return y->dtype == DT_f32 || (y->dtype == DT_i32 && y->in[0]->dtype == DT_f32) ||
           op_error(g, y, "numbers are not made %s", dtype_text(y->dtype));
}

/* --- the ops ---------------------------------------------------------------------------------- */

#define A in[0]
#define B in[1]
#define C in[2]
/* clang-format off */
#define EW(name, gradient, cost, text, ...)                              \
    static double name##_ew(const double *in)                            \
    {                                                                    \
        return __VA_ARGS__;                                              \
    }                                                                    \
    const OpImpl op_##name = {.grad = gradient, .ew = name##_ew, .flops = cost, .c = text};

EW(add, add_grad, 1, "($0 + $1)", A + B)
EW(sub, sub_grad, 1, "($0 - $1)", A - B)
EW(mul, mul_grad, 1, "($0 * $1)", A * B)
EW(div, div_grad, 1, "($0 / $1)", A / B)
EW(pow, pow_grad, 40, "nnrt_powf($0, $1)", pow(A, B))
EW(mod, mod_grad, 3, "($0 - $1 * __builtin_floorf($0 / $1))", A - B * floor(A / B))
EW(max, max_grad, 1, "((($0 > $1) | ($0 != $0)) ? $0 : $1)", isnan(A) || A > B ? A : B)
EW(min, min_grad, 1, "((($0 < $1) | ($0 != $0)) ? $0 : $1)", isnan(A) || A < B ? A : B)
EW(equal, NULL, 1, "($0 == $1 ? 1.0f : 0.0f)", A == B)
EW(not_equal, NULL, 1, "($0 != $1 ? 1.0f : 0.0f)", A != B)
EW(less, NULL, 1, "($0 < $1 ? 1.0f : 0.0f)", A < B)
EW(less_equal, NULL, 1, "($0 <= $1 ? 1.0f : 0.0f)", A <= B)
EW(greater, NULL, 1, "($0 > $1 ? 1.0f : 0.0f)", A > B)
EW(greater_equal, NULL, 1, "($0 >= $1 ? 1.0f : 0.0f)", A >= B)
EW(where, where_grad, 1, "nnrt_select(-($0 != 0.0f), $1, $2)", A != 0 ? B : C)
EW(neg, neg_grad, 1, "(-$0)", -A)
EW(abs, abs_grad, 1, "nnrt_absf($0)", fabs(A))
EW(sign, NULL, 1, "(float)(($0 > 0.0f) - ($0 < 0.0f))", (A > 0) - (A < 0))
EW(floor, NULL, 1, "__builtin_floorf($0)", floor(A))
EW(ceil, NULL, 1, "__builtin_ceilf($0)", ceil(A))
EW(round, NULL, 1, "__builtin_rintf($0)", nearbyint(A))
EW(sqrt, sqrt_grad, 1, "nnrt_sqrtf($0)", sqrt(A))
EW(reciprocal, reciprocal_grad, 1, "(1.0f / $0)", 1 / A)
EW(exp, exp_grad, 14, "nnrt_expf($0)", exp(A))
EW(log, log_grad, 20, "nnrt_logf($0)", log(A))
EW(log1p, log1p_grad, 22, "nnrt_log1pf($0)", log1p(A))
EW(expm1, expm1_grad, 16, "nnrt_expm1f($0)", expm1(A))
EW(sin, sin_grad, 16, "nnrt_sinf($0)", sin(A))
EW(cos, cos_grad, 16, "nnrt_cosf($0)", cos(A))
EW(tanh, tanh_grad, 24, "nnrt_tanhf($0)", tanh(A))
EW(sigmoid, sigmoid_grad, 17, "nnrt_sigmoidf($0)", sigmoid(A))
EW(erf, erf_grad, 30, "nnrt_erff($0)", erf(A))
EW(softplus, softplus_grad, 36, "nnrt_softplusf($0)", softplus(A))
EW(relu, relu_grad, 1, "($0 < 0.0f ? 0.0f : $0)", A < 0 ? 0 : A)
EW(stop_gradient, NULL, 0, "$0", A)
/* clang-format on */

static double cast_ew(const double *in)
{
    return A;
}

const OpImpl op_cast = {.attrs = ATTR_dtype, .shape = cast_shape, .ew = cast_ew, .c = "(float)$0"};
