/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/losses.c, losses_classes.c, losses_distance.c, losses_region.c and
 * classes.c: values and gradients of losses against formulas written here, at corners and extremes against PyTorch's numbers, all
 * combinations of weights, smoothing and ignored classes, where the class axis is, and what is
 * said of wrong shapes.
 */
#include "rows_run.h"

/* A model of predictions x and targets t, and a loss of them. */
static const char *loss_model(const char *x, const char *t, const char *loss)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "model: m\ninputs: {x: {%s}, t: {%s}}\nlayers:\n  - identity: {input: x, name: p}\n"
             "loss: \"%s\"\ntrain: {optimizer: adam}\n",
             x, t, loss);
    return text;
}

static Run loss_run(const char *x, const char *t, const char *loss, int64_t n)
{
    return run_of(loss_model(x, t, loss), n);
}

#define WRONG(x, t, loss, expected) wrong_model(loss_model(x, t, loss), expected)
#define FOUR                        "shape: [4]"

/* --- element by element ----------------------------------------------------------------------- */

typedef double Formula(double x, double t);

static double squared(double x, double t)
{
    return (x - t) * (x - t);
}

static double absolute(double x, double t)
{
    return fabs(x - t);
}

static double huber_half(double x, double t)
{
    double d = fabs(x - t);
    return d < 0.5 ? d * d / 2 : 0.5 * (d - 0.25);
}

static double with_logits(double x, double t)
{
    double p = 1 / (1 + exp(-x));
    return -t * log(p) - (1 - t) * log(1 - p);
}

static double hinged(double x, double t)
{
    return t * x < 1 ? 1 - t * x : 0;
}

static double divergence(double mean, double logvar)
{
    return -0.5 * (1 + logvar - mean * mean - exp(logvar));
}

/* The three reductions, of 3 samples of 4 numbers. */
static void expect_elements(const char *call, Formula *formula)
{
    static const struct {
        const char *reduction;
        double scale;
    } cases[] = {{"", 1.0 / 12}, {", reduction=mean", 1.0 / 12}, {", reduction=sum", 1}};
    for (int i = 0; i < COUNT(cases); i++) {
        char loss[128];
        snprintf(loss, sizeof loss, "%s%s)", call, cases[i].reduction);
        Run run = loss_run(FOUR, FOUR, loss, 3);
        double sum = 0;
        for (int k = 0; k < 12; k++)
            sum += formula(run.in[0][k], run.in[1][k]);
        cr_expect(near(loss_of(&run), sum * cases[i].scale, 1e-12), "%s", loss);
        check_gradients(&run);
    }
    char loss[128];
    snprintf(loss, sizeof loss, "sum(%s, reduction=none) * p)", call);
    Run run = loss_run(FOUR, FOUR, loss, 3);
    double sum = 0;
    for (int k = 0; k < 12; k++)
        sum += formula(run.in[0][k], run.in[1][k]) * run.in[0][k];
    cr_expect(near(loss_of(&run), sum, 1e-12), "%s", loss);
}

Test(losses, of_numbers)
{
    expect_elements("mse(p, t", squared);
    expect_elements("mae(p, t", absolute);
    expect_elements("huber(p, t, delta=0.5", huber_half);
    expect_elements("bce_with_logits(p, t", with_logits);
    expect_elements("bce(sigmoid(p), t", with_logits);
    expect_elements("hinge(p, t", hinged);
    expect_elements("kl_normal(p, t", divergence);
}

/* Values and slopes of one number a sample, by x alone. */
static void expect_points(const char *loss, int n, const double (*points)[4])
{
    double x[32], t[32];
    for (int i = 0; i < n; i++)
        x[i] = points[i][0], t[i] = points[i][1];
    char both[128];
    snprintf(both, sizeof both, "sum(%s)", loss);
    Run run = loss_run("shape: []", "shape: []", both, n);
    set_input(&run, 0, n, x);
    set_input(&run, 1, n, t);
    const double *slope = input_gradient(&run, 0);
    for (int i = 0; i < n; i++) {
        Run one = loss_run("shape: []", "shape: []", both, 1);
        set_input(&one, 0, 1, &x[i]);
        set_input(&one, 1, 1, &t[i]);
        double value = loss_of(&one);
        cr_expect(near(value, points[i][2], 1e-6), "%s of %g, %g is %.9g, not %.9g", loss, x[i],
                  t[i], value, points[i][2]);
        cr_expect(near(slope[i], points[i][3], 1e-6), "slope of %s at %g, %g is %.9g, not %.9g",
                  loss, x[i], t[i], slope[i], points[i][3]);
    }
}
#define POINTS(loss, ...)                                                                          \
    do {                                                                                           \
        static const double points[][4] = {__VA_ARGS__};                                           \
        expect_points(loss, COUNT(points), points);                                                \
    } while (0)

Test(losses, corners)
{
    POINTS("mae(p, t, reduction=none)", {1, 1, 0, 0}, {0, 2, 2, -1});
    POINTS("huber(p, t, reduction=none)", {1, 0, 0.5, 1}, {-1, 0, 0.5, -1}, {0, 0, 0, 0},
           {3, 0, 2.5, 1});
    POINTS("hinge(p, t, reduction=none)", {1, 1, 0, 0}, {0, -1, 1, 1}, {-2, -1, 0, 0});
    POINTS("kl_normal(p, t, reduction=none)", {0, 0, 0, 0}, {2, 1, 0.5 * (4 + M_E - 2), 2});
}

/* PyTorch bounds logarithms at -100 and the gradient's divisor at 1e-12. */
Test(losses, bce_near_0_and_1)
{
    POINTS("bce(p, t, reduction=none)", {0, 0, 0, 0}, {1, 1, 0, 0}, {0, 1, 100, -1e12},
           {1, 0, 100, 1e12}, {0, 0.5, 50, -0.5e12}, {1e-20, 1, 46.0517018599, -1e12},
           {1e-13, 1, 29.9336062090, -1e12}, {1e-10, 1, 23.0258509299, -1e10},
           {1e-45, 1, 100, -1e12}, {0.25, 1, 1.38629436112, -4},
           {0.25, 0, 0.287682072452, 1.33333333333});
}

Test(losses, bce_with_logits_at_any_size)
{
    POINTS("bce_with_logits(p, t, reduction=none)", {0, 0, 0.693147180560, 0.5},
           {0, 1, 0.693147180560, -0.5}, {0, 0.5, 0.693147180560, 0}, {800, 1, 0, 0},
           {800, 0, 800, 1}, {-800, 1, 800, -1}, {-800, 0, 0, 0});
    Run run = loss_run("shape: []", "shape: []", "sum(bce_with_logits(p, t))", 1);
    SET(&run, 0, 30);
    SET(&run, 1, 1);
    cr_expect_float_eq(loss_of(&run) / 9.357622968839299e-14, 1, 1e-9); /* log1p(exp(-30)), not 0 */
}

Test(losses, second_derivatives_go_on)
{
    Run run = loss_run("shape: []", "shape: []", "sum(bce_with_logits(p, t))", 2);
    SET(&run, 0, 0.5, 0);
    Graph *g = graph_of(&run, FN_grad);
    Node *x = NULL, *dx, *ddx;
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == OP_input && g->nodes.at[i]->attr->input == 0)
            x = g->nodes.at[i];
    autodiff(g, graph_find_root(g, ROOT_loss, 0), 1, &x, &dx);
    Shape scalar = shape_scalar();
    Node *sum = build_reshape(g, build_reduce(g, OP_reduce_sum, dx, 0, NULL), &scalar);
    graph_root(g, ROOT_output, 0, sum);
    graph_sort(g);
    autodiff(g, sum, 1, &x, &ddx);
    graph_root(g, ROOT_output, 1, ddx);
    graph_sort(g);
    EXPECT_NUMBERS(root_of(&run, g, ROOT_output, 1)->data, 1e-9, 0.235003712202 / 2, 0.125);
}

/* --- shapes of pairs -------------------------------------------------------------------------- */

Test(losses, a_column_and_a_list_are_the_same)
{
    Run run = loss_run("shape: [1]", "shape: []", "mse(p, t)", 3);
    SET(&run, 0, 1, 2, 3);
    SET(&run, 1, 1, 1, 1);
    cr_expect_float_eq(loss_of(&run), 5.0 / 3, 1e-12);
    Run turned = loss_run("shape: []", "shape: [1, 1]", "mse(p, t)", 3);
    SET(&turned, 0, 1, 2, 3);
    SET(&turned, 1, 1, 1, 1);
    cr_expect_float_eq(loss_of(&turned), 5.0 / 3, 1e-12);
    Run label = loss_run("shape: [1]", "classes: 2", "bce_with_logits(p, t)", 2);
    SET(&label, 0, 0, 0);
    SET(&label, 1, 0, 1);
    EXPECT_NUMBERS(input_gradient(&label, 0), 1e-12, 0.25, -0.25);
    Run sign = loss_run("shape: [1]", "classes: 2", "hinge(p, t, reduction=sum)", 2);
    SET(&sign, 0, 0.25, 0.25);
    SET(&sign, 1, 0, 1);
    cr_expect_float_eq(loss_of(&sign), 2, 1e-12);
    Run constant = loss_run("shape: [2]", "shape: []", "mse(p, 1) + 0 * sum(t)", 1);
    SET(&constant, 0, 3, 1);
    cr_expect_float_eq(loss_of(&constant), 2, 1e-12);
}

Test(losses, pairs_that_do_not_match)
{
    WRONG("shape: [3]", "shape: [2]", "mse(p, t)", "mse: shapes [N, 3] and [N, 2] do not match");
    WRONG("shape: [3]", "shape: [2]", "mse(p, t)", "'t' is made here");
    WRONG("shape: [3]", "shape: []", "bce(p, t)", "bce: shapes [N, 3] and [N] do not match");
    WRONG(FOUR, FOUR, "huber(p, t, delta=0)", "huber: delta is above 0");
    WRONG(FOUR, FOUR, "mse(p, t, reduction=average)", "unknown 'average'");
    WRONG(FOUR, FOUR, "mse(p, t, reduction=none)", "loss");
    WRONG(FOUR, FOUR, "mse(p)", "mse takes 2 operands, not 1");
    WRONG(FOUR, FOUR, "focal(p, t, gamma=0.5)", "focal: gamma is 0, or 1 or more");
    WRONG(FOUR, FOUR, "focal(p, t, alpha=2)", "focal: alpha is a share");
    WRONG(FOUR, "classes: 4", "focal(p, t, alpha=0.5)", "focal: alpha is for targets of 0 and 1");
    WRONG(FOUR, FOUR, "dice(p, t, smooth=-1)", "dice: smooth is 0 or more");
    WRONG(FOUR, FOUR, "triplet(p, t, t, p=0.5)", "triplet: p is 1 or more");
    WRONG(FOUR, "shape: [3]", "triplet(p, p, t)", "triplet: shapes [N, 4] and [N, 3] do not match");
    WRONG(FOUR, FOUR, "cosine_similarity(p, t, t)", "which belong together: one number a sample");
}

/* --- classes ---------------------------------------------------------------------------------- */

enum { N = 6, K = 3 };

typedef struct Case {      /* of softmax_cross_entropy over [N, K] */
    const double *weights; /* NULL: 1 */
    double smoothing;
    int ignore; /* -1: none */
} Case;

/* The definition, element by element; *weight: the sum of weights that count. */
static double entropy(const Case *c, const double *x, const double *y, double *each, double *weight)
{
    double sum = 0;
    *weight = 0;
    for (int i = 0; i < N; i++) {
        double total = 0, all = 0;
        int label = (int)y[i];
        each[i] = 0;
        for (int k = 0; k < K; k++)
            total += exp(x[i * K + k]);
        for (int k = 0; k < K; k++)
            all -= (c->weights ? c->weights[k] : 1) * (x[i * K + k] - log(total));
        if (label == c->ignore)
            continue;
        double w = c->weights ? c->weights[label] : 1;
        each[i] =
            (1 - c->smoothing) * -w * (x[i * K + label] - log(total)) + c->smoothing / K * all;
        sum += each[i];
        *weight += w;
    }
    return sum;
}

static void expect_entropy(const Case *c)
{
    static const double labels[N] = {0, 2, 1, 1, 0, 2};
    char options[256] = "", loss[512];
    if (c->weights)
        strcat(options, ", weights=[1, 0.5, 3]");
    if (c->smoothing > 0)
        strcat(options, ", smoothing=0.25");
    if (c->ignore >= 0)
        strcat(options, ", ignore=1");
    double each[N], weight, sum;

    snprintf(loss, sizeof loss, "softmax_cross_entropy(p, t%s)", options);
    Run mean = loss_run("shape: [3]", "classes: 3", loss, N);
    set_input(&mean, 1, N, labels);
    sum = entropy(c, mean.in[0], labels, each, &weight);
    cr_expect(near(loss_of(&mean), sum / weight, 1e-12), "%s", loss);
    check_gradients(&mean);
    cr_expect_eq(mean.p->inputs.at[1].has_ignore, c->ignore >= 0);

    snprintf(loss, sizeof loss, "softmax_cross_entropy(p, t%s, reduction=sum)", options);
    Run total = loss_run("shape: [3]", "classes: 3", loss, N);
    set_input(&total, 1, N, labels);
    cr_expect(near(loss_of(&total), sum, 1e-12), "%s", loss);

    snprintf(loss, sizeof loss, "sum(softmax_cross_entropy(p, t%s, reduction=none) * t)", options);
    Run none = loss_run("shape: [3]", "classes: 3", loss, N);
    set_input(&none, 1, N, labels);
    sum = 0;
    for (int i = 0; i < N; i++)
        sum += each[i] * labels[i];
    cr_expect(near(loss_of(&none), sum, 1e-12), "%s", loss);
}

Test(losses, softmax_cross_entropy)
{
    static const double weights[K] = {1, 0.5, 3};
    for (int i = 0; i < 8; i++) {
        const Case c = {i & 1 ? weights : NULL, i & 2 ? 0.25 : 0, i & 4 ? 1 : -1};
        expect_entropy(&c);
    }
}

Test(losses, softmax_cross_entropy_of_large_logits)
{
    Run run = loss_run("shape: [3]", "classes: 3", "softmax_cross_entropy(p, t)", 2);
    SET(&run, 0, 1000, -1000, 0, 1000, -1000, 0);
    SET(&run, 1, 0, 1);
    cr_expect_float_eq(loss_of(&run), 1000, 1e-9);
    EXPECT_NUMBERS(input_gradient(&run, 0), 1e-12, 0, 0, 0, 0.5, -0.5, 0);
}

Test(losses, logits_may_be_infinite_elsewhere)
{
    Run run = loss_run("shape: [3]", "classes: 3", "softmax_cross_entropy(p, t)", 1);
    SET(&run, 0, 1, -INFINITY, 1);
    SET(&run, 1, 2);
    cr_expect_float_eq(loss_of(&run), log(2), 1e-12);
    EXPECT_NUMBERS(input_gradient(&run, 0), 1e-12, 0.5, 0, -0.5);
}

/* All ignored: no NaN, and no gradient. */
Test(losses, nothing_counts)
{
    Run run = loss_run("shape: [3]", "classes: 3", "softmax_cross_entropy(p, t, ignore=-100)", 2);
    SET(&run, 1, -100, -100);
    cr_expect_eq(loss_of(&run), 0);
    EXPECT_NUMBERS(input_gradient(&run, 0), 0, 0, 0, 0, 0, 0, 0);
    cr_expect_eq(run.p->inputs.at[1].ignore, -100);
}

/* [N, 2, 3] logits whose classes are one axis, or the other: the same sums by hand. */
Test(losses, class_axis)
{
    Run last =
        loss_run("shape: [2, 3]", "classes: 3, shape: [2]", "softmax_cross_entropy(p, t)", 1);
    Run first =
        loss_run("shape: [2, 3]", "classes: 2, shape: [3]", "softmax_cross_entropy(p, t)", 1);
    Run named = loss_run("shape: [3, 3]", "classes: 3, shape: [3]",
                         "softmax_cross_entropy(p, t, axis=-1)", 1);
    const double *x = last.in[0], *z = named.in[0];
    SET(&last, 1, 2, 0);
    SET(&first, 1, 1, 0, 1);
    SET(&named, 1, 2, 0, 1);
    double a = log(exp(x[0]) + exp(x[1]) + exp(x[2])) - x[2] +
               log(exp(x[3]) + exp(x[4]) + exp(x[5])) - x[3];
    double b = log(exp(x[0]) + exp(x[3])) - x[3] + log(exp(x[1]) + exp(x[4])) - x[1] +
               log(exp(x[2]) + exp(x[5])) - x[5];
    double c = 0;
    for (int i = 0; i < 3; i++)
        c += log(exp(z[3 * i]) + exp(z[3 * i + 1]) + exp(z[3 * i + 2])) -
             z[3 * i + (int)named.in[1][i]];
    cr_expect_float_eq(loss_of(&last), a / 2, 1e-12);
    cr_expect_float_eq(loss_of(&first), b / 3, 1e-12);
    cr_expect_float_eq(loss_of(&named), c / 3, 1e-12);
    check_gradients(&first);
}

Test(losses, probabilities_as_targets)
{
    static const double weights[3] = {1, 0.5, 3};
    Run run = loss_run("shape: [3]", "shape: [3]",
                       "softmax_cross_entropy(p, t, weights=[1, 0.5, 3], smoothing=0.3)", 2);
    double sum = 0;
    for (int i = 0; i < 2; i++) {
        const double *x = run.in[0] + 3 * i, *q = run.in[1] + 3 * i;
        double total = exp(x[0]) + exp(x[1]) + exp(x[2]);
        for (int k = 0; k < 3; k++)
            sum -= weights[k] * (0.7 * q[k] + 0.1) * (x[k] - log(total));
    }
    cr_expect_float_eq(loss_of(&run), sum / 2, 1e-12);
    check_gradients(&run);
    WRONG("shape: [3]", "shape: [3]", "softmax_cross_entropy(p, t, ignore=1)",
          "targets are probabilities");
    WRONG("shape: [3, 4]", "shape: [3, 4]", "softmax_cross_entropy(p, t)",
          "axis 1 or axis 2: say which by axis=");
}

Test(losses, nll)
{
    Run run = loss_run("shape: [3]", "classes: 3", "nll(p, t, weights=[1, 2, 4], ignore=0)", 3);
    SET(&run, 0, -1, -2, -3, -4, -5, -6, -7, -8, -9);
    SET(&run, 1, 0, 1, 2);
    cr_expect_float_eq(loss_of(&run), (2 * 5 + 4 * 9) / 6.0, 1e-12);
    check_gradients(&run);
    Run log = loss_run("shape: [3]", "classes: 3",
                       "nll(log_softmax(p), t) - softmax_cross_entropy(p, t)", 4);
    cr_expect_float_eq(loss_of(&log), 0, 1e-12);
}

Test(losses, plain_integers_become_classes)
{
    Run run = loss_run("shape: [3]", "shape: [], dtype: i32", "softmax_cross_entropy(p, t)", 2);
    cr_expect_eq(run.p->inputs.at[1].classes, 3);
}

Test(losses, classes_reports)
{
    WRONG("shape: [3]", "classes: 4", "softmax_cross_entropy(p, t)",
          "'t' has 4 classes, axis 1 of the logits only 3");
    WRONG("shape: [3]", "shape: []", "softmax_cross_entropy(p, t)", "class indices are integers");
    WRONG("shape: [3]", "classes: 3, shape: [2]", "softmax_cross_entropy(p, t)",
          "classes of shape [N, 2] do not fit logits of shape [N, 3]");
    WRONG("shape: [3, 3]", "classes: 3, shape: [3]", "softmax_cross_entropy(p, t)",
          "say which by axis=");
    WRONG("shape: [3, 3]", "classes: 3, shape: [3]", "softmax_cross_entropy(p, t, axis=0)",
          "axis 0 is the batch");
    WRONG("shape: [3, 2]", "classes: 2, shape: [3]", "softmax_cross_entropy(p, t, axis=1)",
          "do not fit");
    WRONG("shape: [3]", "classes: 3", "softmax_cross_entropy(p, t, weights=[1, 2])",
          "expected 3 numbers, one a class");
    WRONG("shape: [3]", "classes: 3", "softmax_cross_entropy(p, t, weights=[1, 2, -1])",
          "none below 0");
    WRONG("shape: [3]", "classes: 3", "softmax_cross_entropy(p, t, smoothing=1.5)",
          "smoothing is a share");
    WRONG("shape: [3]", "classes: 3", "softmax_cross_entropy(p, t, ignore=99999999)",
          "ignore: 99999999 is out of range");
    WRONG("shape: [3]", "classes: 3", "softmax_cross_entropy(p, t, smoothin=0.1)",
          "did you mean 'smoothing'?");
    WRONG("shape: [3]", "classes: 3", "softmax_cross_entropy(p, t, ignore=1) + nll(p, t, ignore=2)",
          "ignored elsewhere");
}
