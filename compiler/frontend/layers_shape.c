/* SPDX-License-Identifier: MIT */
/* layers_shape.c: layers that move numbers and compute none. Axes count the batch as 0; the shapes
 * of arguments leave it out.
 */
#include "rows.h"

/* Reports, with the operand's shape; gives NULL. */
static Node *wrong(Call *c, Loc loc, const char *why)
{
    char text[128];
    diag_error(&c->ctx->diag, loc, "%s: %s %s", c->row->name, shape_text(&c->in[0]->shape, text),
               why);
    rows_notes(c);
    return NULL;
}

/* --- flatten, reshape, permute ---------------------------------------------------------------- */

/* [N, all the rest] */
static Node *flatten(Call *c)
{
    const Shape *x = &c->in[0]->shape;
    if (x->rank == 0 || x->batch > 0)
        return wrong(c, c->loc, "does not begin with the batch");
    Shape rest = {.rank = x->rank - 1, .batch = -1},
          y = {.rank = 2, .batch = x->batch, .dim = {x->dim[0]}};
    for (int i = 0; i < rest.rank; i++)
        rest.dim[i] = x->dim[i + 1];
    y.dim[1] = shape_count(&rest);
    return build_reshape(c->g, c->in[0], &y);
}

/* Fills in the one -1; false after a report. */
static bool complete(Call *c, const Arg *shape, int64_t count, int64_t *dim)
{
    int open = -1;
    int64_t known = 1;
    for (int i = 0; i < shape->n; i++) {
        dim[i] = shape->list[i];
        bool good = dim[i] == -1 ? open < 0
                                 : dim[i] >= 1 && dim[i] <= DIM_MAX &&
                                       !__builtin_mul_overflow(known, dim[i], &known);
        if (!good) {
            diag_error(&c->ctx->diag, shape->loc,
                       "reshape: axes are 1 to %lld long, one of them -1 for the rest",
                       (long long)DIM_MAX);
            return false;
        }
        if (dim[i] == -1)
            open = i;
    }
    if (open < 0 ? known == count : count % known == 0) {
        if (open >= 0)
            dim[open] = count / known;
        return true;
    }
    char why[128];
    snprintf(why, sizeof why, "holds %lld numbers%s, which %lld does not %s", (long long)count,
             c->in[0]->shape.batch < 0 ? "" : " a sample", (long long)known,
             open < 0 ? "equal" : "divide");
    wrong(c, shape->loc, why);
    return false;
}

/* The same numbers in another shape; a tensor without a batch is given its whole shape. */
static Node *reshape(Call *c)
{
    const Shape *x = &c->in[0]->shape;
    const Arg *shape = &c->arg[0];
    int first = x->batch == 0;
    if (x->batch > 0)
        return wrong(c, c->loc, "does not begin with the batch");
    if (shape->n + first > RANK_MAX) {
        diag_error(&c->ctx->diag, shape->loc,
                   "reshape: a tensor has at most %d axes, the batch included", RANK_MAX);
        return NULL;
    }
    Shape y = {.rank = shape->n + first, .batch = x->batch, .dim = {x->dim[0]}};
    int64_t count = shape_count(x) / (first ? x->dim[0] : 1);
    if (!complete(c, shape, count, y.dim + first))
        return NULL;
    return build_reshape(c->g, c->in[0], &y);
}

/* Axis i of the result is axis axes[i] of x. */
static Node *permute(Call *c)
{
    const Arg *axes = &c->arg[0];
    int rank = c->in[0]->shape.rank, perm[RANK_MAX];
    if (axes->n != rank) {
        char why[128];
        snprintf(why, sizeof why, "has %d axes, the batch counted as 0; axes names %d", rank,
                 axes->n);
        return wrong(c, axes->loc, why);
    }
    for (int i = 0; i < rank; i++) {
        perm[i] = call_axis(c, axes, axes->list[i], rank);
        if (perm[i] < 0)
            return NULL;
        for (int k = 0; k < i; k++)
            if (perm[k] == perm[i]) {
                diag_error(&c->ctx->diag, axes->loc, "permute: axis %d is named twice", perm[i]);
                return NULL;
            }
    }
    return build_transpose(c->g, c->in[0], perm);
}

/* --- slice, pad ------------------------------------------------------------------------------- */

/* A bound as Python has it: negative from the end, and cut to what there is. */
static int64_t bound(int64_t written, int64_t length)
{
    int64_t at = written < 0 && written >= -length ? written + length : written;
    return at < 0 ? 0 : at > length ? length : at;
}

static Node *slice(Call *c)
{
    const Arg *start = &c->arg[1], *end = &c->arg[2], *step = &c->arg[3];
    int axis = call_inner_axis(c, &c->arg[0], c->arg[0].i, c->in[0]->shape.rank);
    if (axis < 0)
        return NULL;
    int64_t length = c->in[0]->shape.dim[axis];
    int64_t from = bound(start->i, length), to = end->given ? bound(end->i, length) : length;
    if (step->i < 1 || step->i > DIM_MAX) {
        diag_error(&c->ctx->diag, step->loc, "slice: a step is at least 1");
        return NULL;
    }
    if (from < to)
        return build_slice(c->g, c->in[0], axis, from, to, step->i);
    char why[128];
    snprintf(why, sizeof why, "has %lld positions along axis %d: nothing is left of it",
             (long long)length, axis);
    return wrong(c, c->loc, why);
}

/* [before, after], or one number for both; false after a report. */
static bool read_widths(Call *c, const Arg *arg, const Y *y, int64_t *before, int64_t *after)
{
    int n;
    int64_t width[2] = {0, 0};
    if (!y_ints(c->ctx, arg->scope, y, "pad: axes", 2, &n, width))
        return false;
    *before = width[0];
    *after = n == 1 && y->kind != Y_list ? width[0] : width[1];
    bool good = (n == 2 || y->kind != Y_list) && *before >= 0 && *after >= 0 &&
                *before <= DIM_MAX && *after <= DIM_MAX;
    if (!good)
        diag_error(&c->ctx->diag, y->loc, "pad: expected [before, after], neither below 0");
    return good;
}

/* `axes: {2: [1, 1]}` */
static Node *pad(Call *c)
{
    const Arg *axes = &c->arg[0];
    const Shape *x = &c->in[0]->shape;
    if (axes->y->kind != Y_map) {
        diag_error(&c->ctx->diag, axes->loc,
                   "pad: axes: expected a map, as {2: [1, 1], 3: [0, 2]}");
        return NULL;
    }
    Attr attr = {.value = c->arg[1].r};
    bool seen[RANK_MAX] = {false};
    for (int i = 0; i < x->rank; i++)
        attr.step[i] = 1;
    for (int i = 0; i < axes->y->pairs.n; i++) {
        const YPair *pair = &axes->y->pairs.at[i];
        const Arg key = {.loc = pair->key->loc};
        int64_t written;
        if (!y_int(c->ctx, axes->scope, pair->key, "pad: axis", -RANK_MAX, RANK_MAX, &written))
            return NULL;
        int axis = call_inner_axis(c, &key, written, x->rank);
        if (axis < 0 || !read_widths(c, axes, pair->value, &attr.start[axis], &attr.end[axis]))
            return NULL;
        if (seen[axis]) {
            diag_error(&c->ctx->diag, key.loc, "pad: axis %d is named twice", axis);
            return NULL;
        }
        seen[axis] = true;
    }
    Node *numbers = rows_operand(c, 0);
    return graph_add(c->g, OP_pad, 1, &numbers, &attr);
}

/* --- squeeze, unsqueeze ----------------------------------------------------------------------- */

/* Without the axes named, which are of length 1; or without all of length 1 but the batch. */
static Node *squeeze(Call *c)
{
    const Arg *arg = &c->arg[0];
    int axes[RANK_MAX], n = arg->given ? arg->n : 0;
    if (arg->given && (n < 1 || n > RANK_MAX)) {
        diag_error(&c->ctx->diag, arg->loc, "squeeze: axis: from 1 to %d axes are named", RANK_MAX);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        axes[i] = call_inner_axis(c, arg, arg->list[i], c->in[0]->shape.rank);
        if (axes[i] < 0)
            return NULL;
    }
    return build_squeeze(c->g, c->in[0], n, axes);
}

/* With one more axis of length 1, at `axis` of the result. */
static Node *unsqueeze(Call *c)
{
    int axis = call_axis(c, &c->arg[0], c->arg[0].i, c->in[0]->shape.rank + 1);
    return axis < 0 ? NULL : build_unsqueeze(c->g, c->in[0], axis);
}

/* --- concat, stack, split --------------------------------------------------------------------- */

static Node **operands(Call *c)
{
    Node **xs = arena_take(c->ctx->arena, sizeof *xs * (size_t)c->n_in);
    for (int i = 0; i < c->n_in; i++)
        xs[i] = rows_operand(c, i);
    return xs;
}

/* Reports two operands whose shapes differ elsewhere than along `axis` (-1: anywhere). */
static bool alike(Call *c, int axis)
{
    const Shape *a = &c->in[0]->shape;
    for (int i = 1; i < c->n_in; i++) {
        const Shape *b = &c->in[i]->shape;
        bool good = a->rank == b->rank && a->batch == b->batch;
        for (int k = 0; good && k < a->rank; k++)
            good = k == axis || a->dim[k] == b->dim[k];
        if (good)
            continue;
        char texts[2][128];
        diag_error(&c->ctx->diag, c->loc, "%s: shapes %s and %s differ%s", c->row->name,
                   shape_text(a, texts[0]), shape_text(b, texts[1]),
                   axis < 0 ? ""
                            : arena_format(c->ctx->arena, " elsewhere than along axis %d", axis));
        rows_notes(c);
        return false;
    }
    return true;
}

/* One after the other along an axis that they have. */
static Node *concat(Call *c)
{
    int axis = call_inner_axis(c, &c->arg[0], c->arg[0].i, c->in[0]->shape.rank);
    return axis < 0 || !alike(c, axis) ? NULL : build_concat(c->g, axis, c->n_in, operands(c));
}

/* One after the other along a new axis. */
static Node *stack(Call *c)
{
    int axis = call_axis(c, &c->arg[0], c->arg[0].i, c->in[0]->shape.rank + 1);
    if (axis < 0 || !alike(c, -1))
        return NULL;
    Node **xs = operands(c);
    for (int i = 0; i < c->n_in; i++)
        xs[i] = build_unsqueeze(c->g, xs[i], axis);
    return build_concat(c->g, axis, c->n_in, xs);
}

/* How long part i of n is; `chunk`: as long as this, but for the last; 0: all alike. */
static int64_t part_length(const Arg *sizes, int i, int n, int64_t length)
{
    if (!sizes->given)
        return length / n;
    if (sizes->n > 1 || sizes->list[0] >= length)
        return sizes->list[i];
    int64_t left = length - i * sizes->list[0];
    return left < sizes->list[0] ? left : sizes->list[0];
}

/* How many parts there are; 0 after a report. One size is that of every part but a shorter last. */
static int part_count(Call *c, int64_t length)
{
    const Arg *sizes = &c->arg[1];
    int names = 0;
    while (names < COUNT(c->part_names) && c->part_names[names])
        names++;
    int64_t n = names, sum = 0;
    bool good = true;
    if (sizes->given) {
        for (int i = 0; i < sizes->n; i++) {
            good = good && sizes->list[i] >= 1 && sizes->list[i] <= length;
            sum += good ? sizes->list[i] : 0;
        }
        bool chunks = good && sizes->n == 1;
        n = chunks ? (length + sizes->list[0] - 1) / sizes->list[0] : sizes->n;
        good = good && (chunks || sum == length);
    } else {
        good = names > 0 && length % names == 0;
    }
    if (good && n >= 1 && n <= COUNT(c->parts))
        return (int)n;
    char why[160];
    if (sizes->given)
        snprintf(why, sizeof why,
                 "has %lld positions there, which the sizes do not cut into 1 to %d parts",
                 (long long)length, COUNT(c->parts));
    else if (names)
        snprintf(why, sizeof why, "has %lld positions there, which are not %d equal parts",
                 (long long)length, names);
    else
        snprintf(why, sizeof why, "is cut into how many parts? 'name: [a, b]' names each");
    wrong(c, c->loc, why);
    return 0;
}

/* Parts one after the other along an axis. */
static Node *split(Call *c)
{
    int axis = call_inner_axis(c, &c->arg[0], c->arg[0].i, c->in[0]->shape.rank);
    if (axis < 0)
        return NULL;
    int64_t length = c->in[0]->shape.dim[axis], at = 0;
    int n = part_count(c, length);
    for (int i = 0; i < n; i++) {
        int64_t size = part_length(&c->arg[1], i, n, length);
        c->parts[i] = build_slice(c->g, c->in[0], axis, at, at + size, 1);
        at += size;
    }
    c->n_parts = n;
    return n ? c->parts[0] : NULL;
}

/* --- rows ------------------------------------------------------------------------------------- */

enum { BOTH = CALL_layer | CALL_function };

const CallRow call_flatten = {.name = "flatten",
                              .min_in = 1,
                              .max_in = 1,
                              .build = flatten,
                              .flags = BOTH,
                              .text = "[N, all the rest]"};
const CallRow call_reshape = {
    .name = "reshape",
    .min_in = 1,
    .max_in = 1,
    .arg = {NEEDS("shape", ints)},
    .build = reshape,
    .flags = BOTH,
    .text = "the same numbers in another shape, without the batch; one axis may be -1"};
const CallRow call_permute = {.name = "permute",
                              .min_in = 1,
                              .max_in = 1,
                              .arg = {NEEDS("axes", ints)},
                              .build = permute,
                              .flags = BOTH,
                              .text = "axis i is axis axes[i] of x"};
const CallRow call_slice = {
    .name = "slice",
    .min_in = 1,
    .max_in = 1,
    .arg = {NEEDS("axis", int), TAKES("start", int, "0"), TAKES("end", int, ""),
            TAKES("step", int, "1")},
    .build = slice,
    .flags = BOTH,
    .text = "positions start to end - 1 of an axis; negative ones count from its end"};
const CallRow call_pad = {.name = "pad",
                          .min_in = 1,
                          .max_in = 1,
                          .arg = {NEEDS("axes", yaml), TAKES("value", real, "0")},
                          .build = pad,
                          .flags = CALL_layer,
                          .text = "value before and after: axes: {2: [before, after]}"};
const CallRow call_squeeze = {
    .name = "squeeze",
    .min_in = 1,
    .max_in = 1,
    .arg = {TAKES("axis", ints, "")},
    .build = squeeze,
    .flags = BOTH,
    .text = "without the axes named, of length 1; by default all but the batch"};
const CallRow call_unsqueeze = {.name = "unsqueeze",
                                .min_in = 1,
                                .max_in = 1,
                                .arg = {NEEDS("axis", int)},
                                .build = unsqueeze,
                                .flags = BOTH,
                                .text = "with an axis of length 1 at axis"};
const CallRow call_concat = {.name = "concat",
                             .min_in = 1,
                             .max_in = -1,
                             .arg = {TAKES("axis", int, "1")},
                             .build = concat,
                             .flags = BOTH,
                             .text = "one after the other along axis"};
const CallRow call_stack = {.name = "stack",
                            .min_in = 1,
                            .max_in = -1,
                            .arg = {TAKES("axis", int, "1")},
                            .build = stack,
                            .flags = BOTH,
                            .text = "one after the other along a new axis"};
const CallRow call_split = {
    .name = "split",
    .min_in = 1,
    .max_in = 1,
    .arg = {TAKES("axis", int, "1"), TAKES("sizes", ints, "")},
    .build = split,
    .flags = CALL_layer | CALL_several,
    .text = "parts along axis: of the sizes listed, of one size, or equal ones"};
