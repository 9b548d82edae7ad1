/* SPDX-License-Identifier: MIT */
/* losses_boxes.c: boxes x0, y0, x1, y1 along the last axis: how far two agree, as a number and as a loss (giou:
 * Rezatofighi et al., 2019; torchvision's formulas, its 1e-7 in both denominators), and which of many are kept.
 */
#include "../ops/ops.h"
#include "rows.h"

#define SMALL 1e-7 /* keeps what has no area from giving NaN */

/* What two arrays of boxes have in common and have together, a pair each; what encloses both. */
typedef struct Overlap {
    Node *both, *all, *around;
} Overlap;

/* Number i along the last axis, which goes. */
static Node *corner(Graph *g, Node *x, int i)
{
    int axis = x->shape.rank - 1;
    return build_squeeze(g, build_slice(g, x, axis, i, i + 1, 1), 1, &axis);
}

/* max(0, a - b) */
static Node *extent(Graph *g, Node *a, Node *b)
{
    return build_unary(g, OP_relu, build_binary(g, OP_sub, a, b));
}

static Node *area(Graph *g, Node *const *at)
{
    Node *width = build_binary(g, OP_sub, at[2], at[0]);
    Node *height = build_binary(g, OP_sub, at[3], at[1]);
    return build_binary(g, OP_mul, width, height);
}

/* Whether both operands have four numbers along the last axis; reports. */
static bool are_boxes(Call *c)
{
    for (int i = 0; i < 2; i++) {
        const Shape *s = &c->in[i]->shape;
        char text[128];
        if (s->rank && s->batch != s->rank - 1 && s->dim[s->rank - 1] == 4)
            continue;
        diag_error(&c->ctx->diag, c->in_loc[i], "%s: boxes are [..., 4], these are %s",
                   c->row->name, shape_text(s, text));
        rows_notes(c);
        return false;
    }
    return true;
}

static bool overlap(Call *c, Overlap *o)
{
    Graph *g = c->g;
    Node *a, *b, *p[4], *q[4], *near[4], *far[4];
    if (!are_boxes(c) || !rows_pair(c, &a, &b) || !a || !b)
        return false;
    for (int i = 0; i < 4; i++) {
        p[i] = corner(g, a, i);
        q[i] = corner(g, b, i);
        near[i] = build_binary(g, i < 2 ? OP_max : OP_min, p[i], q[i]);
        far[i] = build_binary(g, i < 2 ? OP_min : OP_max, p[i], q[i]);
    }
    Node *width = extent(g, near[2], near[0]), *height = extent(g, near[3], near[1]);
    o->both = build_binary(g, OP_mul, width, height);
    Node *first = area(g, p), *second = area(g, q);
    o->all = build_binary(g, OP_sub, build_binary(g, OP_add, first, second), o->both);
    o->around = area(g, far);
    return o->both && o->all && o->around;
}

static Node *share(Graph *g, Node *of, Node *whole)
{
    return build_binary(g, OP_div, of, rows_plus(g, whole, SMALL));
}

static Node *box_iou(Call *c)
{
    Overlap o;
    return overlap(c, &o) ? share(c->g, o.both, o.all) : NULL;
}

static Node *iou_loss(Call *c)
{
    Overlap o;
    if (!overlap(c, &o))
        return NULL;
    Node *iou = share(c->g, o.both, o.all);
    return rows_reduce(c, &c->arg[0], build_binary(c->g, OP_sub, build_const(c->g, 1), iou));
}

static Node *giou_loss(Call *c)
{
    Graph *g = c->g;
    Overlap o;
    if (!overlap(c, &o))
        return NULL;
    Node *iou = share(g, o.both, o.all);
    Node *missed = share(g, build_binary(g, OP_sub, o.around, o.all), o.around);
    Node *loss = rows_plus(g, build_binary(g, OP_sub, missed, iou), 1);
    return rows_reduce(c, &c->arg[0], loss);
}

bool nms_arguments(Call *c, const Arg *iou, const Arg *top)
{
    if (!(iou->r >= 0 && iou->r <= 1)) {
        diag_error(&c->ctx->diag, iou->loc, "%s: iou is 0 to 1", c->row->name);
        return false;
    }
    if (top->i < 1 || top->i > BOXES_MAX) {
        diag_error(&c->ctx->diag, top->loc, "%s: top is 1 to %d, not %lld", c->row->name, BOXES_MAX,
                   (long long)top->i);
        return false;
    }
    return true;
}

Node *nms_build(Graph *g, Node *boxes, Node *scores, double iou, int64_t top)
{
    const Attr attr = {.n_numbers = 1, .numbers = {top}};
    Node *in[3] = {boxes, scores, build_const(g, iou)};
    return boxes && scores ? graph_add(g, OP_nms, 3, in, &attr) : NULL;
}

static Node *nms(Call *c)
{
    const Shape *b = &c->in[0]->shape, *s = &c->in[1]->shape;
    char text[2][128];
    if (b->rank != 3 || s->rank != 3 || b->batch != 0 || s->batch != 0 || b->dim[2] != 4 ||
        b->dim[1] != s->dim[1]) {
        diag_error(&c->ctx->diag, c->loc,
                   "%s: boxes are [N, K, 4] and scores [N, K, classes], these are %s and %s",
                   c->row->name, shape_text(b, text[0]), shape_text(s, text[1]));
        rows_notes(c);
        return NULL;
    }
    if (!nms_arguments(c, &c->arg[0], &c->arg[1]))
        return NULL;
    Node *boxes = rows_operand(c, 0), *scores = rows_operand(c, 1);
    return nms_build(c->g, boxes, scores, c->arg[0].r, c->arg[1].i);
}

#define PAIR(row, said, ...)                                                                       \
    const CallRow call_##row = {.name = #row,                                                      \
                                .min_in = 2,                                                       \
                                .max_in = 2,                                                       \
                                .arg = {__VA_ARGS__},                                              \
                                .build = row,                                                      \
                                .flags = CALL_function,                                            \
                                .text = said}

PAIR(box_iou, "intersection over union of boxes x0, y0, x1, y1, pair by pair", NOTHING);
PAIR(iou_loss, "1 - box_iou", WORDS("reduction", "mean", "mean sum none"));
PAIR(giou_loss, "1 - box_iou + the share of the box around both that neither covers",
     WORDS("reduction", "mean", "mean sum none"));
PAIR(nms,
     "non-maximum suppression of boxes [N, K, 4] with scores [N, K, classes], a class for itself: "
     "[N, top, 6], the best first: class, score, box; then -1",
     TAKES("iou", real, "0.5"), TAKES("top", int, "100"));
