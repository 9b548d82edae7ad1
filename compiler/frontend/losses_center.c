/* SPDX-License-Identifier: MIT */
/* losses_center.c: objects as points: what a network learns that says of each cell of a map whether an object of a
 * class has its centre there, where in the cell, and how large it is (CenterNet: Zhou et al., "Objects as points",
 * 2019), made of boxes in the network; its losses; and boxes of what it says.
 *
 * Boxes of a sample are [M, 5]: class, x0, y0, x1, y1 in pixels; a class below 0 is no box. Cells of the map are
 * `stride` pixels wide and high. A map of boxes is [4, H, W]: how far behind the cell's corner the centre lies, x and
 * y, 0 to 1, and width and height, all in cells.
 */
#include "../ops/ops.h"
#include "rows.h"

#include <math.h>

/* Boxes in cells, [N, M] each: class, centre, its cell, width and height. */
typedef struct Centers {
    Node *kind, *x, *y, *column, *row, *width, *height;
    int64_t count;
} Centers;

/* Number i of a box as [N, M]. */
static Node *number(Graph *g, Node *boxes, int i)
{
    const int axis = 2;
    return build_squeeze(g, build_slice(g, boxes, axis, i, i + 1, 1), 1, &axis);
}

static bool read_stride(Call *c, const Arg *stride)
{
    if (stride->i >= 1)
        return true;
    diag_error(&c->ctx->diag, stride->loc, "%s: stride is 1 or more", c->row->name);
    return false;
}

/* Operand 0, [N, M, 5], in cells of so many pixels; reports another shape. */
static bool read_centers(Call *c, const Arg *stride, Centers *to)
{
    Graph *g = c->g;
    const Shape *s = &c->in[0]->shape;
    char text[128];
    if (!read_stride(c, stride))
        return false;
    if (s->rank != 3 || s->batch != 0 || s->dim[2] != 5) {
        diag_error(&c->ctx->diag, c->in_loc[0],
                   "%s: boxes are [N, M, 5]: class, x0, y0, x1, y1; these are %s", c->row->name,
                   shape_text(s, text));
        rows_notes(c);
        return false;
    }
    Node *boxes = rows_operand(c, 0), *at[4];
    for (int i = 0; i < 4; i++)
        at[i] = rows_times(g, number(g, boxes, 1 + i), 1.0 / (double)stride->i);
    to->count = s->dim[1];
    to->kind = number(g, boxes, 0);
    to->x = rows_times(g, build_binary(g, OP_add, at[0], at[2]), 0.5);
    to->y = rows_times(g, build_binary(g, OP_add, at[1], at[3]), 0.5);
    to->column = build_unary(g, OP_floor, to->x);
    to->row = build_unary(g, OP_floor, to->y);
    to->width = build_unary(g, OP_relu, build_binary(g, OP_sub, at[2], at[0]));
    to->height = build_unary(g, OP_relu, build_binary(g, OP_sub, at[3], at[1]));
    return boxes && to->height;
}

/* Argument `size`: height and width of the map, or one number for both; reports. */
static bool read_map(Call *c, const Arg *size, int64_t *height, int64_t *width)
{
    *height = size->list[0];
    *width = size->list[size->n - 1];
    if (size->n <= 2 && *height >= 1 && *width >= 1 && *height <= DIM_MAX && *width <= DIM_MAX)
        return true;
    diag_error(&c->ctx->diag, size->loc, "%s: size is [height, width] of the map, in cells",
               c->row->name);
    return false;
}

/* 0, 1, 2, .. as [1, 1, length] */
static Node *cells(Graph *g, int64_t length)
{
    return build_iota(g, &(Shape){.rank = 3, .batch = -1, .dim = {1, 1, length}}, 2);
}

/* [N, M, length]: 1 where x [N, M] is the index, else 0. */
static Node *one_hot(Graph *g, Node *x, int64_t length)
{
    Node *each = build_unsqueeze(g, x, 2);
    return build_binary(g, OP_equal, each, cells(g, length));
}

/* --- the heat map ----------------------------------------------------------------------------- */

/* (b + sqrt(b^2 - 4 a k)) / 2a, or with OP_sub the smaller root of a r^2 - b r + k. */
static Node *root(Graph *g, double a, Node *b, Node *k, OpKind which)
{
    Node *square = build_binary(g, OP_mul, b, b);
    Node *inside = build_binary(g, OP_sub, square, rows_times(g, k, 4 * a));
    Node *apart = build_unary(g, OP_sqrt, build_unary(g, OP_relu, inside));
    return rows_times(g, build_binary(g, which, b, apart), 0.5 / a);
}

/* How far the corners of a box may move, so that it still overlaps with itself by `overlap` (Law and Deng,
 * "CornerNet", 2018): the least of one inwards and one outwards, both inwards, both outwards. */
static Node *radius(Graph *g, const Centers *b, double overlap)
{
    Node *sum = build_binary(g, OP_add, b->width, b->height);
    Node *area = build_binary(g, OP_mul, b->width, b->height);
    Node *lost = rows_times(g, area, 1 - overlap);
    Node *aside = root(g, 1, sum, rows_times(g, lost, 1 / (1 + overlap)), OP_sub);
    Node *inwards = root(g, 4, rows_times(g, sum, 2), lost, OP_sub);
    Node *twice = rows_times(g, sum, -2 * overlap), *minus = build_unary(g, OP_neg, lost);
    Node *outwards = root(g, 4 * overlap, twice, minus, OP_add);
    return build_binary(g, OP_min, build_binary(g, OP_min, aside, inwards), outwards);
}

/* exp(-(i - middle)^2 / 2 sigma^2) of positions i of an axis: [N, M, length]. */
static Node *bell(Graph *g, Node *middle, Node *sigma, int64_t length)
{
    Node *at = build_unsqueeze(g, middle, 2);
    Node *away = build_binary(g, OP_sub, cells(g, length), at);
    Node *scaled = build_binary(g, OP_div, away, build_unsqueeze(g, sigma, 2));
    Node *square = build_binary(g, OP_mul, scaled, scaled);
    return build_unary(g, OP_exp, rows_times(g, square, -0.5));
}

/* x [N, M, length] with its last axis as axis `at` of five, the others of length 1. */
static Node *spread(Graph *g, Node *x, int at)
{
    if (!x)
        return NULL;
    Shape s = {.rank = 5, .batch = 0, .dim = {x->shape.dim[0], x->shape.dim[1], 1, 1, 1}};
    s.dim[at] = x->shape.dim[2];
    return build_reshape(g, x, &s);
}

/* [N, classes, H, W]: the largest of the bells around all boxes of the class. */
static Node *center_heatmap(Call *c)
{
    Graph *g = c->g;
    const Arg *classes = &c->arg[0], *size = &c->arg[1], *stride = &c->arg[2],
              *overlap = &c->arg[3];
    Centers b;
    int64_t height, width;
    if (!read_map(c, size, &height, &width) || !read_centers(c, stride, &b))
        return NULL;
    if (classes->i < 1 || classes->i > DIM_MAX) {
        diag_error(&c->ctx->diag, classes->loc, "%s: classes is 1 or more", c->row->name);
        return NULL;
    }
    if (!(overlap->r > 0 && overlap->r < 1)) {
        diag_error(&c->ctx->diag, overlap->loc, "%s: overlap is between 0 and 1", c->row->name);
        return NULL;
    }
    Node *r = radius(g, &b, overlap->r);
    Node *sigma = rows_plus(g, rows_times(g, r, 1.0 / 3), 1.0 / 6); /* (2 r + 1) / 6 */
    Node *down = bell(g, b.row, sigma, height);
    Node *along = bell(g, b.column, sigma, width);
    Node *is = spread(g, one_hot(g, b.kind, classes->i), 2);
    Node *upright = build_binary(g, OP_mul, is, spread(g, down, 3));
    Node *each = build_binary(g, OP_mul, upright, spread(g, along, 4));
    const int boxes = 1;
    return build_squeeze(g, build_reduce(g, OP_reduce_max, each, 1, &boxes), 1, &boxes);
}

/* --- the map of boxes ------------------------------------------------------------------------- */

/* [N, M]: 1 for each box that has its centre on the map, the first of those in a cell. */
static Node *firsts(Graph *g, const Centers *b, int64_t height, int64_t width)
{
    Node *zero = build_const(g, 0);
    Node *inside = build_binary(g, OP_greater_equal, b->kind, zero);
    Node *const at[2] = {b->column, b->row};
    for (int i = 0; i < 2; i++) {
        Node *end = build_const(g, (double)(i ? height : width));
        Node *from = build_binary(g, OP_greater_equal, at[i], zero);
        Node *to = build_binary(g, OP_less, at[i], end);
        inside = build_binary(g, OP_mul, inside, build_binary(g, OP_mul, from, to));
    }
    Node *lines = rows_times(g, b->row, (double)width);
    Node *cell = build_binary(g, OP_add, lines, b->column);
    Node *own = build_unsqueeze(g, cell, 2), *others = build_unsqueeze(g, cell, 1);
    Node *same = build_binary(g, OP_equal, own, others);
    const Shape square = {.rank = 3, .batch = -1, .dim = {1, b->count, b->count}};
    Node *number = build_iota(g, &square, 1), *other = build_iota(g, &square, 2);
    Node *before = build_binary(g, OP_less, other, number);
    before = build_binary(g, OP_mul, before, build_unsqueeze(g, inside, 1));
    const int axis = 2;
    Node *taken = build_reduce(g, OP_reduce_max, build_binary(g, OP_mul, same, before), 1, &axis);
    taken = build_squeeze(g, taken, 1, &axis);
    return build_binary(g, OP_mul, inside, build_binary(g, OP_sub, build_const(g, 1), taken));
}

/* [N, 5, H, W]: 1 in cells with a centre, and there the map of boxes; 0 elsewhere. A product: of what a box has to
 * say in its row, [5 H, M], with the column that it says it in, [M, W]. */
static Node *center_targets(Call *c)
{
    enum { NUMBERS = 5 };
    Graph *g = c->g;
    Centers b;
    int64_t height, width;
    if (!read_map(c, &c->arg[0], &height, &width) || !read_centers(c, &c->arg[1], &b))
        return NULL;
    Node *counts = firsts(g, &b, height, width);
    Node *right = build_binary(g, OP_sub, b.x, b.column),
         *below = build_binary(g, OP_sub, b.y, b.row);
    Node *const said[NUMBERS] = {build_const(g, 1), right, below, b.width, b.height};
    Node *rows = one_hot(g, b.row, height), *columns = one_hot(g, b.column, width);
    Node *part[NUMBERS];
    for (int i = 0; i < NUMBERS; i++) {
        Node *value = build_unsqueeze(g, build_binary(g, OP_mul, counts, said[i]), 2);
        part[i] = build_binary(g, OP_mul, rows, value);
    }
    Node *left = build_concat(g, 2, NUMBERS, part);
    Node *map = build_matmul(g, build_swap(g, left), columns);
    if (!map)
        return NULL;
    const Shape shape = {.rank = 4, .batch = 0, .dim = {map->shape.dim[0], NUMBERS, height, width}};
    return build_reshape(g, map, &shape);
}

/* --- losses ----------------------------------------------------------------------------------- */

/* x^k of an x of 0 to 1, by products where k is a small whole number. */
static Node *power(Graph *g, Node *x, double k)
{
    if (k != 2 && k != 4)
        return build_binary(g, OP_pow, x, build_const(g, k));
    Node *square = build_binary(g, OP_mul, x, x);
    return k == 2 ? square : build_binary(g, OP_mul, square, square);
}

/* The focal loss of CornerNet and CenterNet: of logits and a heat map, over the number of centres, cells where the
 * map is 1. */
static Node *center_focal(Call *c)
{
    Graph *g = c->g;
    Node *x, *t, *one = build_const(g, 1);
    double alpha = c->arg[0].r, beta = c->arg[1].r;
    if (!(alpha >= 1 && beta >= 1)) {
        diag_error(&c->ctx->diag, c->arg[alpha >= 1].loc, "%s: alpha and beta are 1 or more",
                   c->row->name);
        return NULL;
    }
    if (!rows_pair(c, &x, &t))
        return NULL;
    Node *minus = build_unary(g, OP_neg, x);
    Node *p = build_unary(g, OP_sigmoid, x), *q = build_unary(g, OP_sigmoid, minus);
    Node *here = power(g, q, alpha), *elsewhere = power(g, p, alpha);
    here = build_binary(g, OP_mul, here, build_unary(g, OP_softplus, minus));
    elsewhere = build_binary(g, OP_mul, elsewhere, build_unary(g, OP_softplus, x));
    Node *far = power(g, build_binary(g, OP_sub, one, t), beta);
    elsewhere = build_binary(g, OP_mul, elsewhere, far);
    Node *centers = rows_above(g, t, 1 - 1e-6);
    Node *sum = rows_sum(g, build_where(g, centers, here, elsewhere));
    Node *count = build_binary(g, OP_max, rows_sum(g, centers), one);
    return build_binary(g, OP_div, sum, count);
}

/* |p - t| of a map of boxes in the cells of center_targets that have a centre, over their number; widths and heights
 * times `size`. */
static Node *center_l1(Call *c)
{
    Graph *g = c->g;
    const Shape *p = &c->in[0]->shape, *t = &c->in[1]->shape;
    char text[2][128];
    bool good = p->rank == 4 && t->rank == 4 && p->batch == 0 && t->batch == 0 && p->dim[1] == 4 &&
                t->dim[1] == 5 && p->dim[2] == t->dim[2] && p->dim[3] == t->dim[3];
    if (!good) {
        diag_error(&c->ctx->diag, c->loc,
                   "%s: a map of boxes is [N, 4, H, W], what center_targets gives [N, 5, H, W]; "
                   "these are %s and %s",
                   c->row->name, shape_text(p, text[0]), shape_text(t, text[1]));
        rows_notes(c);
        return NULL;
    }
    Node *map = rows_operand(c, 0), *targets = rows_operand(c, 1);
    Node *counts = build_slice(g, targets, 1, 0, 1, 1);
    Node *away = build_binary(g, OP_sub, map, build_slice(g, targets, 1, 1, 5, 1));
    away = build_binary(g, OP_mul, build_unary(g, OP_abs, away), counts);
    Node *places = rows_sum(g, build_slice(g, away, 1, 0, 2, 1));
    Node *sizes = rows_times(g, rows_sum(g, build_slice(g, away, 1, 2, 4, 1)), c->arg[0].r);
    Node *count = rows_sum(g, counts);
    count = build_binary(g, OP_max, count, build_const(g, 1));
    return build_binary(g, OP_div, build_binary(g, OP_add, places, sizes), count);
}

/* --- boxes of what the network says ----------------------------------------------------------- */

/* x [N, C, H, W] as [N, H * W, C]. */
static Node *by_cell(Graph *g, Node *x)
{
    if (!x)
        return NULL;
    const int perm[] = {0, 2, 3, 1};
    const Shape *s = &x->shape;
    const Shape to = {.rank = 3, .batch = 0, .dim = {s->dim[0], s->dim[2] * s->dim[3], s->dim[1]}};
    return build_reshape(g, build_transpose(g, x, perm), &to);
}

/* Probabilities of logits [N, C, H, W], as [N, H * W, C]: 0 where one of the eight cells around says more. */
static Node *peaks(Graph *g, Node *logits)
{
    const int perm[] = {0, 2, 3, 1}, taps_at[] = {3, 4};
    const int64_t border[RANK_MAX] = {0, 1, 1, 0};
    const Taps taps = {.size = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}};
    Node *x = build_transpose(g, logits, perm);
    Node *windows = build_window(g, build_pad(g, x, border, border, NULL, -INFINITY), &taps);
    Node *most = build_squeeze(g, build_reduce(g, OP_reduce_max, windows, 2, taps_at), 2, taps_at);
    Node *is = build_binary(g, OP_greater_equal, x, most);
    Node *p = build_binary(g, OP_mul, is, build_unary(g, OP_sigmoid, x));
    if (!p)
        return NULL;
    const Shape *s = &p->shape;
    const Shape to = {.rank = 3, .batch = 0, .dim = {s->dim[0], s->dim[1] * s->dim[2], s->dim[3]}};
    return build_reshape(g, p, &to);
}

/* A map of boxes [N, 4, H, W] as [N, H * W, 4]: x0, y0, x1, y1 in pixels. */
static Node *corners(Graph *g, Node *map, double stride)
{
    const Shape place = {
        .rank = 4, .batch = -1, .dim = {1, 1, map->shape.dim[2], map->shape.dim[3]}};
    Node *at[4];
    for (int i = 0; i < 2; i++) {
        Node *offset = build_slice(g, map, 1, i, i + 1, 1);
        Node *middle = build_binary(g, OP_add, offset, build_iota(g, &place, 3 - i));
        Node *half = rows_times(g, build_slice(g, map, 1, 2 + i, 3 + i, 1), 0.5);
        at[i] = build_binary(g, OP_sub, middle, half);
        at[2 + i] = build_binary(g, OP_add, middle, half);
    }
    return by_cell(g, rows_times(g, build_concat(g, 1, 4, at), stride));
}

static Node *center_decode(Call *c)
{
    Graph *g = c->g;
    const Shape *heat = &c->in[0]->shape, *map = &c->in[1]->shape;
    const Arg *stride = &c->arg[0], *iou = &c->arg[1], *top = &c->arg[2];
    char text[2][128];
    bool good = heat->rank == 4 && map->rank == 4 && heat->batch == 0 && map->batch == 0 &&
                map->dim[1] == 4 && heat->dim[2] == map->dim[2] && heat->dim[3] == map->dim[3];
    if (!good) {
        diag_error(&c->ctx->diag, c->loc,
                   "%s: logits are [N, classes, H, W], a map of boxes [N, 4, H, W]; these are %s "
                   "and %s",
                   c->row->name, shape_text(heat, text[0]), shape_text(map, text[1]));
        rows_notes(c);
        return NULL;
    }
    if (!read_stride(c, stride) || !nms_arguments(c, iou, top))
        return NULL;
    Node *boxes = corners(g, rows_operand(c, 1), (double)stride->i);
    return nms_build(g, boxes, peaks(g, rows_operand(c, 0)), iou->r, top->i);
}

#define CENTER(row, least, said, ...)                                                              \
    const CallRow call_##row = {.name = #row,                                                      \
                                .min_in = least,                                                   \
                                .max_in = least,                                                   \
                                .arg = {__VA_ARGS__},                                              \
                                .build = row,                                                      \
                                .flags = CALL_function,                                            \
                                .text = said}

CENTER(center_heatmap, 1,
       "[N, classes, H, W] of boxes [N, M, 5] (class, x0, y0, x1, y1): 1 in the cell of a centre, "
       "around it exp(-d^2 / 2 sigma^2)",
       NEEDS("classes", int), NEEDS("size", ints), NEEDS("stride", int),
       TAKES("overlap", real, "0.7"));
CENTER(
    center_targets, 1,
    "[N, 5, H, W] of boxes [N, M, 5]: 1 in cells with a centre, and there its offset x, y, width "
    "and height, in cells",
    NEEDS("size", ints), NEEDS("stride", int));
CENTER(center_focal, 2,
       "the focal loss of logits and center_heatmap, over the number of centres: (1 - p)^alpha "
       "-log p there, else (1 - t)^beta p^alpha -log(1 - p)",
       TAKES("alpha", real, "2"), TAKES("beta", real, "4"));
CENTER(
    center_l1, 2,
    "|p - t| of a map of boxes [N, 4, H, W] in the centres of center_targets, over their number; "
    "widths and heights times `size`",
    TAKES("size", real, "0.1"));
CENTER(center_decode, 2,
       "boxes of logits [N, classes, H, W] and a map of boxes [N, 4, H, W]: nms of the cells that "
       "say more than those around: [N, top, 6]",
       NEEDS("stride", int), TAKES("iou", real, "0.5"), TAKES("top", int, "100"));
