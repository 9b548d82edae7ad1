/* SPDX-License-Identifier: MIT */
/* metrics_boxes.c: how good detected boxes are, over the whole set: the graph hands out what was detected and what was
 * there, the program sorts and compares when it has all (runtime/nnrt_detections.c).
 */
#include "rows.h"

enum { DETECTED = 6, BOX = 5 };

/* Whether operand i is [N, any, numbers]; reports. */
static bool are_rows(Call *c, int i, int numbers, const char *what)
{
    const Shape *s = &c->in[i]->shape;
    char text[128];
    if (s->rank == 3 && s->batch == 0 && s->dim[2] == numbers)
        return true;
    diag_error(&c->ctx->diag, c->in_loc[i], "%s: %s, these are %s", c->row->name, what,
               shape_text(s, text));
    rows_notes(c);
    return false;
}

static bool keep(Call *c, Node **kept, Metric *metric)
{
    const Arg *classes = &c->arg[0], *iou = &c->arg[1], *one = &c->arg[2];
    if (!are_rows(c, 0, DETECTED, "detections are [N, top, 6], as nms gives them") ||
        !are_rows(c, 1, BOX, "boxes are [N, M, 5]: class, x0, y0, x1, y1"))
        return false;
    if (classes->i < 1 || classes->i > DIM_MAX) {
        diag_error(&c->ctx->diag, classes->loc, "%s: classes is 1 or more", c->row->name);
        return false;
    }
    if (!(iou->r > 0 && iou->r <= 1)) {
        diag_error(&c->ctx->diag, iou->loc, "%s: iou is above 0, and 1 at most", c->row->name);
        return false;
    }
    if (one->given && (one->i < 0 || one->i >= classes->i)) {
        diag_error(&c->ctx->diag, one->loc, "%s: class: %lld is none of %lld classes, from 0 on",
                   c->row->name, (long long)one->i, (long long)classes->i);
        return false;
    }
    metric->classes = classes->i;
    metric->threshold = iou->r;
    metric->one_class = one->given ? one->i + 1 : 0;
    kept[0] = rows_operand(c, 0);
    kept[1] = rows_operand(c, 1);
    return kept[0] && kept[1];
}

const MetricRow metric_map50 = {
    .name = "map50",
    .n_in = 2,
    .arg = {NEEDS("classes", int), TAKES("iou", real, "0.5"), TAKES("class", int, "")},
    .finish = FINISH_detections,
    .larger = true,
    .n_kept = 2,
    .keep = keep,
    .text =
        "mean average precision of detections [N, top, 6] of boxes [N, M, 5], a class for itself: "
        "right where a box that no better one has found overlaps by iou; of one class its own",
};
