/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/losses_boxes.c and losses_center.c: overlaps and losses of boxes against numbers worked out
 * by hand and against differences, which boxes are kept, the heat map and the map of boxes of a small picture, cell by
 * cell, what is decoded of them, and what is said of wrong shapes.
 */
#include "rows_run.h"

static const char *model(const char *inputs, const char *given)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "model: m\ninputs: {%s}\nlayers:\n  - {name: p, expr: \"%s\"}\n"
             "loss: mean(p)\ntrain: {optimizer: adam}\n",
             inputs, given);
    return text;
}

static const char *loss_model(const char *inputs, const char *loss)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "model: m\ninputs: {%s}\nlayers:\n  - {name: p, expr: a}\nloss: \"%s\"\n"
             "train: {optimizer: adam}\n",
             inputs, loss);
    return text;
}

#define PAIRS                          "a: {shape: [4]}, b: {shape: [4]}"
#define BOXES                          "a: {shape: [2, 5]}"
#define WRONG(inputs, given, expected) wrong_model(model(inputs, given), expected)

/* --- overlaps --------------------------------------------------------------------------------- */

/* Equal; half of one; apart; touching; one inside the other. */
static const double first[] = {0, 0, 2, 2, 0, 0, 2, 2, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 4, 4};
static const double second[] = {0, 0, 2, 2, 1, 0, 3, 2, 3, 0, 4, 1, 1, 0, 2, 1, 1, 1, 3, 3};

static Run of_pairs(const char *given)
{
    Run run = run_of(model(PAIRS, given), 5);
    set_input(&run, 0, 20, first);
    set_input(&run, 1, 20, second);
    return run;
}

Test(boxes, overlaps)
{
    Run run = of_pairs("box_iou(a, b)");
    EXPECT_NUMBERS(output_of(&run)->data, 1e-6, 1, 1.0 / 3, 0, 0, 0.25);
    run = of_pairs("iou_loss(a, b, reduction=none)");
    EXPECT_NUMBERS(output_of(&run)->data, 1e-6, 0, 2.0 / 3, 1, 1, 0.75);
    run = of_pairs("giou_loss(a, b, reduction=none)");
    EXPECT_NUMBERS(output_of(&run)->data, 1e-6, 0, 2.0 / 3, 1.5, 1, 0.75);
}

Test(boxes, slopes)
{
    static const double a[] = {0, 0, 2.1, 1.9, 0.3, 0.2, 1.4, 2.2, 0, 0, 1, 1};
    static const double b[] = {0.4, -0.3, 2.6, 1.5, 0.1, 0.6, 1.7, 1.8, 3, 0, 4, 1.2};
    const char *losses[] = {"iou_loss(a, b)", "giou_loss(a, b, reduction=sum)",
                            "mean(box_iou(a, b))", "smooth_l1(a, b, beta=0.35)"};
    for (int i = 0; i < COUNT(losses); i++) {
        Run run = run_of(loss_model(PAIRS, losses[i]), 3);
        set_input(&run, 0, 12, a);
        set_input(&run, 1, 12, b);
        check_gradients(&run);
    }
    WRONG("a: {shape: [4]}, b: {shape: [3]}", "box_iou(a, b)", "boxes are [..., 4]");
    wrong_model(loss_model("a: {shape: [3, 4]}, b: {shape: [2, 4]}", "iou_loss(a, b)"),
                "do not match");
    WRONG(PAIRS, "smooth_l1(a, b, beta=0)", "beta is above 0");
}

Test(boxes, smooth_l1)
{
    Run run = run_of(
        model("a: {shape: [3]}, b: {shape: [3]}", "smooth_l1(a, b, beta=0.5, reduction=none)"), 1);
    SET(&run, 0, 0.25, 2, -1);
    SET(&run, 1, 0, 0, -0.5);
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, 0.0625, 1.75, 0.25);
}

/* --- suppression ------------------------------------------------------------------------------ */

Test(boxes, suppression)
{
    const char *inputs = "a: {shape: [4, 4]}, b: {shape: [4, 2]}";
    Run run = run_of(model(inputs, "nms(a, b, iou=0.4, top=4)"), 1);
    SET(&run, 0, 0, 0, 2, 2, 0, 0, 2, 2.5, 5, 5, 6, 6, 1, 0, 3, 2);
    SET(&run, 1, 0.9, 0, 0.8, 0.3, 0.1, -1, 0.7, 0);
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, 0, 0.9, 0, 0, 2, 2, 0, 0.7, 1, 0, 3, 2, 1, 0.3, 0,
                   0, 2, 2.5, 0, 0.1, 5, 5, 6, 6);
    run = run_of(model(inputs, "nms(a, b, iou=0.2, top=3)"), 1);
    SET(&run, 0, 0, 0, 2, 2, 0, 0, 2, 2.5, 5, 5, 6, 6, 1, 0, 3, 2);
    SET(&run, 1, 0.9, 0, 0.8, 0, 0, -1, 0.7, 0);
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, 0, 0.9, 0, 0, 2, 2, -1, -1, -1, -1, -1, -1, -1, -1,
                   -1, -1, -1, -1);
    WRONG(inputs, "nms(b, a)", "boxes are [N, K, 4]");
    WRONG(inputs, "nms(a, b, iou=2)", "iou is 0 to 1");
    WRONG(inputs, "nms(a, b, top=0)", "top is 1 to");
}

/* --- centres ---------------------------------------------------------------------------------- */

/* A box of 8 x 4 pixels, its centre (10, 6), and one that is none. */
static const double boxes[] = {1, 6, 4, 14, 8, -1, 0, 0, 9, 9};

static double bell(double d, double sigma)
{
    return exp(-d * d / (2 * sigma * sigma));
}

Test(boxes, heat_map)
{
    Run run = run_of(model(BOXES, "center_heatmap(a, classes=2, size=[3, 5], stride=4)"), 1);
    set_input(&run, 0, 10, boxes);
    const double *y = output_of(&run)->data;
    /* 2 x 1 cells, overlap 0.7: the smaller roots of r^2 - 3 r + 0.6 / 1.7 and 4 r^2 - 6 r + 0.6, the larger of
     * 2.8 r^2 + 4.2 r - 0.6 */
    double aside = (3 - sqrt(9 - 2.4 / 1.7)) / 2, inwards = (6 - sqrt(36 - 9.6)) / 8;
    double outwards = (-4.2 + sqrt(17.64 + 6.72)) / 5.6;
    double sigma = (2 * fmin(aside, fmin(inwards, outwards)) + 1) / 6;
    for (int k = 0; k < 30; k++) {
        double want = k < 15 ? 0 : bell(k / 5 % 3 - 1, sigma) * bell(k % 5 - 2, sigma);
        cr_expect(near(y[k], want, 1e-12), "%d: %g, not %g", k, y[k], want);
    }
    cr_expect_eq(y[15 + 7], 1.0);
    WRONG(BOXES, "center_heatmap(a, classes=0, size=3, stride=4)", "classes is 1 or more");
    WRONG(BOXES, "center_heatmap(a, classes=1, size=[1, 2, 3], stride=4)", "size is");
    WRONG(BOXES, "center_heatmap(a, classes=1, size=3, stride=0)", "stride is 1 or more");
    WRONG(BOXES, "center_heatmap(a, classes=1, size=3, stride=1, overlap=1)", "overlap is between");
    WRONG("a: {shape: [5]}", "center_heatmap(a, classes=1, size=3, stride=1)",
          "boxes are [N, M, 5]");
}

Test(boxes, targets)
{
    Run run = run_of(model(BOXES, "center_targets(a, size=[3, 5], stride=4)"), 2);
    /* of two in a cell the first counts; one whose centre is outside does not */
    SET(&run, 0, 1, 6, 4, 14, 8, 0, 6, 4, 13, 8, 0, 30, 0, 34, 4, 2, 0, 1, 2, 3);
    const double *y = output_of(&run)->data;
    const double here[] = {1, 0.5, 0.5, 2, 1}, there[] = {1, 0.25, 0.5, 0.5, 0.5};
    for (int k = 0; k < 75; k++) {
        cr_expect(near(y[k], k % 15 == 7 ? here[k / 15] : 0, 1e-12), "%d: %g", k, y[k]);
        cr_expect(near(y[75 + k], k % 15 == 0 ? there[k / 15] : 0, 1e-12), "%d: %g", k, y[75 + k]);
    }
}

Test(boxes, center_losses)
{
    Run run =
        run_of(loss_model("a: {shape: [1, 1, 3]}, b: {shape: [1, 1, 3]}", "center_focal(a, b)"), 1);
    SET(&run, 0, 0.5, -1, 2);
    SET(&run, 1, 2, 0.5, 0); /* 1, but for differences on both sides */
    double p[3];
    for (int i = 0; i < 3; i++)
        p[i] = 1 / (1 + exp(-run.in[0][i]));
    double want = -pow(1 - p[0], 2) * log(p[0]) - 0.0625 * p[1] * p[1] * log(1 - p[1]) -
                  p[2] * p[2] * log(1 - p[2]);
    cr_expect(near(loss_of(&run), want, 1e-12));
    check_gradients(&run);
    run = run_of(
        loss_model("a: {shape: [4, 1, 2]}, b: {shape: [5, 1, 2]}", "center_l1(a, b, size=0.5)"), 1);
    SET(&run, 0, 0.5, 9, 0.25, 9, 3, 9, 1, 9);
    SET(&run, 1, 1.5, 0, 0.75, 0, 0.5, 0, 1, 0, 2.5, 0);
    cr_expect(near(loss_of(&run), 0.25 + 0.25 + 0.5 * (2 + 1.5), 1e-12));
    check_gradients(&run);
    WRONG(PAIRS, "center_l1(a, b)", "a map of boxes is [N, 4, H, W]");
    WRONG(PAIRS, "center_focal(a, b, beta=0)", "alpha and beta are 1 or more");
}

/* What the targets of a picture say is decoded to its boxes. */
Test(boxes, decoding)
{
    const char *inputs = "a: {shape: [2, 2, 3]}, b: {shape: [4, 2, 3]}";
    Run run = run_of(model(inputs, "center_decode(a, b, stride=4, top=2)"), 1);
    /* class 0: a peak in row 0, column 1, whose neighbours say less; class 1: none that is likely */
    SET(&run, 0, -3, 2, -2, -3, 1, -3, -9, -9, -9, -9, -9, -8);
    SET(&run, 1, 0, 0.5, 0, 0, 0, 0.25, 0, 0.25, 0, 0, 0, 0.5, 0, 1, 0, 0, 0, 2, 0, 0.5, 0, 0, 0,
        1);
    double likely = 1 / (1 + exp(-2)), faint = 1 / (1 + exp(8));
    EXPECT_NUMBERS(output_of(&run)->data, 1e-12, 0, likely, 4, 0, 8, 2, 1, faint, 5, 4, 13, 8);
    WRONG(inputs, "center_decode(b, a, stride=4)", "a map of boxes [N, 4, H, W]");
}
