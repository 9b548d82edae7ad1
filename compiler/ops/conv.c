/* SPDX-License-Identifier: MIT */
/* conv.c: convolutions, channels last: [N, d.., C] [k.., C/groups, M] -> [N, o.., M].
 *
 * Nothing is padded here: pad is an op of its own. The gradient in the input is a convolution again;
 * with a stride, one that gives the `stride` neighbouring elements as channels, which then move
 * beside each other, so no product with the zeros between strides is computed. The gradient in the
 * weight is conv_weight.
 */
#include "impl.h"

/* --- shapes ----------------------------------------------------------------------------------- */

static bool groups_fit(Graph *g, const Node *y, int64_t channels, int64_t out)
{
    int64_t groups = y->attr->taps.groups;
    if (groups >= 1 && channels % groups == 0 && out % groups == 0)
        return true;
    return op_error(g, y, "%lld channels in, %lld out do not divide into %lld groups",
                    (long long)channels, (long long)out, (long long)groups);
}

static bool weight_error(Graph *g, const Node *y, const Shape *w, const Shape *x)
{
    char a[128], b[128];
    return op_error(g, y, "a weight of shape %s does not go over %s", shape_text(w, a),
                    shape_text(x, b));
}

static bool conv_shape(Graph *g, Node *y)
{
    const Shape *x = &y->in[0]->shape, *w = &y->in[1]->shape;
    const Taps *t = &y->attr->taps;
    int64_t windows[SPATIAL_MAX];
    int last = x->rank - 1;
    if (!op_wants_f32(g, y))
        return false;
    if (w->rank != x->rank || w->batch >= 0)
        return weight_error(g, y, w, x);
    if (!op_taps(g, y, x, windows) || !groups_fit(g, y, x->dim[last], w->dim[last]))
        return false;
    bool fits = w->dim[last - 1] == x->dim[last] / t->groups;
    for (int i = 0; i < last - 1; i++)
        fits = fits && w->dim[i] == t->size[i];
    if (!fits)
        return weight_error(g, y, w, x);
    y->dtype = DT_f32;
    y->shape = *x;
    for (int i = 0; i < last - 1; i++)
        y->shape.dim[1 + i] = windows[i];
    y->shape.dim[last] = w->dim[last];
    return true;
}

static bool conv_weight_shape(Graph *g, Node *y)
{
    const Shape *x = &y->in[0]->shape, *dy = &y->in[1]->shape;
    const Taps *t = &y->attr->taps;
    int64_t windows[SPATIAL_MAX];
    int last = x->rank - 1;
    if (!op_wants_f32(g, y) || !op_taps(g, y, x, windows))
        return false;
    bool fits = dy->rank == x->rank && dy->batch == x->batch && dy->dim[0] == x->dim[0];
    for (int i = 0; i < last - 1; i++)
        fits = fits && dy->dim[1 + i] == windows[i];
    if (!fits) {
        char a[128], b[128];
        return op_error(g, y, "windows over %s do not give %s", shape_text(x, a),
                        shape_text(dy, b));
    }
    if (!groups_fit(g, y, x->dim[last], dy->dim[last]))
        return false;
    y->dtype = DT_f32;
    y->shape = (Shape){.rank = last + 1, .batch = -1};
    for (int i = 0; i < last - 1; i++)
        y->shape.dim[i] = t->size[i];
    y->shape.dim[last - 1] = x->dim[last] / t->groups;
    y->shape.dim[last] = dy->dim[last];
    return true;
}

/* --- values ----------------------------------------------------------------------------------- */

/* A convolution's tensors: x and y [N, spatial.., channels], w [taps.., channels / groups, M]. */
typedef struct Conv {
    const Taps *taps;
    Tensor x, w, y;
} Conv;

/* Where tap k of window o lies in x, and both their own positions: by pixels and taps in row-major
 * order. */
static int64_t pixel(const Conv *c, const int64_t *o, const int64_t *k, int64_t *window,
                     int64_t *tap)
{
    const Taps *t = c->taps;
    int64_t at = 0;
    *window = *tap = 0;
    for (int i = 0; i < c->x.shape.rank - 2; i++) {
        at = at * c->x.shape.dim[1 + i] + o[i] * t->stride[i] + k[i] * t->dilation[i];
        *window = *window * c->y.shape.dim[1 + i] + o[i];
        *tap = *tap * t->size[i] + k[i];
    }
    return at;
}

/* What one tap adds: y += x * w by its channels, or w += x * y. The innermost loop goes over what lies side by side. */
static void add_tap(const Conv *c, const double *x, double *w, double *y, bool into_w)
{
    int rank = c->w.shape.rank;
    int64_t each = c->w.shape.dim[rank - 2], out = c->w.shape.dim[rank - 1];
    int64_t per_group = out / c->taps->groups;
    for (int64_t first = 0; first < out; first += per_group, x += each)
        for (int64_t i = 0; i < each; i++) {
            const double a = x[i];
            double *row = w + i * out + first, *sum = y + first;
            if (into_w)
                for (int64_t m = 0; m < per_group; m++)
                    row[m] += a * sum[m];
            else
                for (int64_t m = 0; m < per_group; m++)
                    sum[m] += a * row[m];
        }
}

static void accumulate(const Conv *c, bool into_w)
{
    const Shape *x = &c->x.shape, *y = &c->y.shape, *w = &c->w.shape;
    int spatial = x->rank - 2;
    int64_t pixels = op_product(x, 1, 1 + spatial), windows = op_product(y, 1, 1 + spatial);
    int64_t channels = x->dim[1 + spatial], out = y->dim[1 + spatial];
    Shape space = {.rank = 2 * spatial, .batch = -1};
    for (int i = 0; i < spatial; i++) {
        space.dim[i] = y->dim[1 + i];
        space.dim[spatial + i] = c->taps->size[i];
    }
    for (int64_t n = 0; n < x->dim[0]; n++) {
        int64_t at[RANK_MAX] = {0};
        do {
            int64_t window, tap, from = pixel(c, at, at + spatial, &window, &tap);
            add_tap(c, c->x.data + (n * pixels + from) * channels,
                    c->w.data + tap * w->dim[spatial] * out,
                    c->y.data + (n * windows + window) * out, into_w);
        } while (op_next(&space, at));
    }
}

static void clear(Tensor *out)
{
    for (int64_t i = 0, n = shape_count(&out->shape); i < n; i++)
        out->data[i] = 0;
}

static void conv_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    clear(out);
    accumulate(&(Conv){&y->attr->taps, in[0], in[1], *out}, false);
}

static void conv_weight_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    clear(out);
    accumulate(&(Conv){&y->attr->taps, in[0], *out, in[1]}, true);
}

/* --- the gradient in the input ---------------------------------------------------------------- */

/* How dy becomes dx along each spatial axis: element s * q + r of dx, r < phases, is the sum over j <
 * taps of dy[q - j] * w[s * j + r]. A stride beside a dilation, and groups over three axes (phases and
 * groups would be more axes than a tensor has): zeros between dy instead. */
typedef struct Back {
    int spatial;
    int64_t stride[SPATIAL_MAX]; /* of the phases; 1: there is one */
    int64_t phases[SPATIAL_MAX]; /* stride, or the taps where there are fewer */
    int64_t taps[SPATIAL_MAX];
    int64_t spread[SPATIAL_MAX]; /* distance of dy's elements before all else */
} Back;

/* size: the taps of w. */
static Back back_of(const Taps *t, int spatial, const int64_t *size)
{
    Back b = {.spatial = spatial};
    bool room = t->groups == 1 || spatial < SPATIAL_MAX;
    for (int i = 0; i < spatial; i++) {
        bool phased = room && (t->dilation[i] == 1 || size[i] == 1);
        int64_t s = phased ? t->stride[i] : 1;
        b.stride[i] = s;
        b.spread[i] = phased ? 1 : t->stride[i];
        b.taps[i] = (size[i] - 1) / s + 1;
        b.phases[i] = size[i] < s ? size[i] : s;
    }
    return b;
}

/* w [k.., c, M] as the weight that takes dy to dx: [taps.., M/groups, groups x phases.. x c]. */
static Node *back_weight(Graph *g, Node *w, const Back *b, int64_t groups)
{
    int spatial = b->spatial, flipped[SPATIAL_MAX], perm[RANK_MAX], d = 0;
    int64_t after[RANK_MAX] = {0};
    int64_t c = w->shape.dim[spatial], m = w->shape.dim[spatial + 1] / groups, out = groups * c;
    for (int i = 0; i < spatial; i++)
        after[i] = b->taps[i] * b->phases[i] - w->shape.dim[i];
    w = build_pad(g, w, NULL, after, NULL, 0);
    Shape split = {.batch = -1};
    bool phased = false;
    for (int i = 0; i < spatial; i++)
        phased |= b->phases[i] > 1;
    for (int i = 0; i < spatial; i++) {
        flipped[i] = split.rank;
        split.dim[split.rank++] = b->taps[i];
        if (phased)
            split.dim[split.rank++] = b->phases[i];
        out *= b->phases[i];
    }
    int at_c = split.rank;
    split.dim[split.rank++] = c;
    if (groups > 1)
        split.dim[split.rank++] = groups;
    split.dim[split.rank++] = m;
    w = build_flip(g, build_reshape(g, w, &split), spatial, flipped);
    for (int i = 0; i < spatial; i++)
        perm[d++] = flipped[i];
    perm[d++] = split.rank - 1;
    if (groups > 1)
        perm[d++] = at_c + 1;
    for (int i = 0; phased && i < spatial; i++)
        perm[d++] = flipped[i] + 1;
    perm[d++] = at_c;
    Shape joined = {.rank = spatial + 2, .batch = -1};
    for (int i = 0; i < spatial; i++)
        joined.dim[i] = b->taps[i];
    joined.dim[spatial] = m;
    joined.dim[spatial + 1] = out;
    return build_reshape(g, build_transpose(g, w, perm), &joined);
}

/* [N, q.., groups x phases.. x c] as [N, q x stride.., groups x c]. */
static Node *beside(Graph *g, Node *y, const Back *b, int64_t groups, int64_t c)
{
    if (!y)
        return NULL;
    int spatial = b->spatial, perm[RANK_MAX], d = 0;
    Shape split = {.rank = 1 + spatial, .batch = y->shape.batch}, joined = y->shape;
    for (int i = 0; i <= spatial; i++)
        split.dim[i] = y->shape.dim[i];
    int at_groups = split.rank;
    if (groups > 1)
        split.dim[split.rank++] = groups;
    int at_phase = split.rank;
    for (int i = 0; i < spatial; i++)
        split.dim[split.rank++] = b->phases[i];
    split.dim[split.rank++] = c;
    perm[d++] = 0;
    int64_t after[RANK_MAX] = {0};
    for (int i = 0; i < spatial; i++) {
        perm[d++] = 1 + i;
        after[d] = b->stride[i] - b->phases[i];
        perm[d++] = at_phase + i;
        joined.dim[1 + i] = y->shape.dim[1 + i] * b->stride[i];
    }
    if (groups > 1)
        perm[d++] = at_groups;
    perm[d++] = split.rank - 1;
    joined.dim[1 + spatial] = groups * c;
    y = build_transpose(g, build_reshape(g, y, &split), perm);
    return build_reshape(g, build_pad(g, y, NULL, after, NULL, 0), &joined);
}

/* dx cut or filled up with zeros to [N, extent.., C]. */
static Node *to_extent(Graph *g, Node *dx, int spatial, const int64_t *extent)
{
    int64_t after[RANK_MAX] = {0};
    for (int i = 0; dx && i < spatial; i++) {
        after[1 + i] = extent[i] - dx->shape.dim[1 + i];
        if (after[1 + i] < 0) {
            dx = build_slice(g, dx, 1 + i, 0, extent[i], 1);
            after[1 + i] = 0;
        }
    }
    return build_pad(g, dx, NULL, after, NULL, 0);
}

/* The least that `extent` is along each spatial axis; false after a report. */
static bool back_fits(Graph *g, const Node *dy, const Node *w, const Taps *t, const int64_t *extent)
{
    const Node y = {.op = OP_conv};
    const Shape *from = &dy->shape, *by = &w->shape;
    int spatial = from->rank - 2;
    bool fits = spatial >= 1 && spatial <= SPATIAL_MAX && from->batch <= 0 &&
                by->rank == from->rank && by->batch < 0 && dy->dtype == DT_f32 &&
                w->dtype == DT_f32 && by->dim[spatial + 1] == from->dim[spatial + 1] &&
                t->groups >= 1 && by->dim[spatial + 1] % t->groups == 0;
    for (int i = 0; fits && i < spatial; i++)
        fits = t->stride[i] >= 1 && t->stride[i] <= DIM_MAX && t->dilation[i] >= 1 &&
               t->dilation[i] <= DIM_MAX;
    if (!fits) {
        char a[128], b[128];
        return op_error(g, &y, "a weight of shape %s does not go back over %s", shape_text(by, a),
                        shape_text(from, b));
    }
    for (int i = 0; i < spatial; i++) {
        long long least = (from->dim[1 + i] - 1) * t->stride[i] + (by->dim[i] - 1) * t->dilation[i];
        if (extent[i] <= least)
            return op_error(g, &y, "axis %d becomes %lld long, not %lld", 1 + i, least + 1,
                            (long long)extent[i]);
    }
    return true;
}

/* All of it, phases as channels of one convolution. */
static Node *phases_together(Graph *g, Node *dy, Node *w, const Taps *t, const int64_t *extent)
{
    int spatial = dy->shape.rank - 2;
    Back b = back_of(t, spatial, w->shape.dim);
    int64_t around[RANK_MAX] = {0}, spread[RANK_MAX];
    Taps taps = {.groups = t->groups};
    bool strided = false;
    for (int i = 0; i < RANK_MAX; i++)
        spread[i] = 1;
    for (int i = 0; i < spatial; i++) {
        taps.stride[i] = 1;
        taps.dilation[i] = b.stride[i] == 1 ? t->dilation[i] : 1;
        around[1 + i] = (b.taps[i] - 1) * taps.dilation[i];
        spread[1 + i] = b.spread[i];
        strided |= b.stride[i] > 1;
    }
    Node *all = build_pad(g, dy, around, around, spread, 0);
    Node *dx = build_conv(g, all, back_weight(g, w, &b, t->groups), &taps);
    if (strided)
        dx = beside(g, dx, &b, t->groups, w->shape.dim[spatial]);
    return to_extent(g, dx, spatial, extent);
}

Node *build_conv_input_part(Graph *g, Node *dy, Node *w, const Taps *t, const int64_t *extent,
                            const int64_t *from, const int64_t *length)
{
    if (!dy || !w || !back_fits(g, dy, w, t, extent))
        return NULL;
    if (conv_phases_pay(&dy->shape, &w->shape, t, from, length))
        return conv_input_by_phases(g, dy, w, t, from, length);
    Node *dx = phases_together(g, dy, w, t, extent);
    for (int i = 0; dx && i < dy->shape.rank - 2; i++)
        if (length[i] != dx->shape.dim[1 + i])
            dx = build_slice(g, dx, 1 + i, from[i], from[i] + length[i], 1);
    return dx;
}

Node *build_conv_input(Graph *g, Node *dy, Node *w, const Taps *t, const int64_t *extent)
{
    static const int64_t from[SPATIAL_MAX];
    return build_conv_input_part(g, dy, w, t, extent, from, extent);
}

/* The gradient in x. Where x has been padded nobody asks for that of the border. */
static Node *gradient_in_x(Graph *g, const Node *y, Node *dy)
{
    const Node *x = y->in[0];
    const Taps *t = &y->attr->taps;
    const Attr *pad = x->attr;
    const int64_t *extent = &x->shape.dim[1];
    int64_t length[SPATIAL_MAX];
    bool padded = x->op == OP_pad && pad->start[0] == 0 && pad->end[0] == 0;
    for (int i = 0; padded && i < x->shape.rank - 2; i++) {
        length[i] = extent[i] - pad->start[1 + i] - pad->end[1 + i];
        padded = pad->step[1 + i] <= 1 && pad->start[1 + i] >= 0 && pad->end[1 + i] >= 0;
    }
    if (!padded || !conv_phases_pay(&dy->shape, &y->in[1]->shape, t, &pad->start[1], length))
        return build_conv_input(g, dy, y->in[1], t, extent);
    Node *dx = build_conv_input_part(g, dy, y->in[1], t, extent, &pad->start[1], length);
    return build_pad(g, dx, pad->start, pad->end, NULL, 0);
}

static void conv_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    const Taps *t = &y->attr->taps;
    if (want[0])
        dx[0] = gradient_in_x(g, y, dy);
    if (want[1])
        dx[1] = build_conv_weight(g, y->in[0], dy, t);
}

/* It is linear in both: the gradient has the place of the weight. */
static void conv_weight_grad(Graph *g, Node *y, Node *dw, const bool *want, Node **dx)
{
    const Taps *t = &y->attr->taps;
    if (want[0])
        dx[0] = build_conv_input(g, y->in[1], dw, t, &y->in[0]->shape.dim[1]);
    if (want[1])
        dx[1] = build_conv(g, y->in[0], dw, t);
}

const OpImpl op_conv = {
    .attrs = ATTR_taps, .shape = conv_shape, .grad = conv_grad, .eval = conv_eval};
const OpImpl op_conv_weight = {.attrs = ATTR_taps,
                               .shape = conv_weight_shape,
                               .grad = conv_weight_grad,
                               .eval = conv_weight_eval};

/* --- building --------------------------------------------------------------------------------- */

Node *build_conv(Graph *g, Node *x, Node *w, const Taps *taps)
{
    if (!x || !w)
        return NULL;
    Attr attr = {.taps = op_only_taps(taps, x->shape.rank - 2)};
    attr.taps.groups = taps->groups;
    for (int i = 0; i < w->shape.rank - 2 && i < SPATIAL_MAX; i++)
        attr.taps.size[i] = w->shape.dim[i];
    return graph_add(g, OP_conv, 2, (Node *[]){x, w}, &attr);
}

Node *build_conv_weight(Graph *g, Node *x, Node *dy, const Taps *taps)
{
    if (!x || !dy)
        return NULL;
    Attr attr = {.taps = op_only_taps(taps, x->shape.rank - 2)};
    attr.taps.groups = taps->groups;
    return graph_add(g, OP_conv_weight, 2, (Node *[]){x, dy}, &attr);
}
