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

static bool conv_shape(Graph *g, Node *y)
{
    const Shape *x = &y->in[0]->shape, *w = &y->in[1]->shape;
    const Taps *t = &y->attr->taps;
    int64_t windows[SPATIAL_MAX], groups = t->groups > 0 ? t->groups : 1;
    if (!op_wants_f32(g, y) || !op_taps(g, y, x, windows))
        return false;
    int spatial = x->rank - 2;
    bool fits = w->rank == spatial + 2 && w->batch < 0 && y->in[1]->dtype == DT_f32 &&
                w->dim[spatial] * groups == x->dim[spatial + 1];
    for (int i = 0; fits && i < spatial; i++)
        fits = w->dim[i] == t->size[i];
    if (!fits) {
        char a[128], b[128];
        return op_error(g, y, "a weight of shape %s does not go over %s", shape_text(w, b),
                        shape_text(x, a));
    }
    if (!groups_fit(g, y, x->dim[spatial + 1], w->dim[spatial + 1]))
        return false;
    y->dtype = DT_f32;
    y->shape = *x;
    for (int i = 0; i < spatial; i++)
        y->shape.dim[1 + i] = windows[i];
    y->shape.dim[1 + spatial] = w->dim[1 + spatial];
    return true;
}

static bool conv_weight_shape(Graph *g, Node *y)
{
    const Shape *x = &y->in[0]->shape, *dy = &y->in[1]->shape;
    int64_t windows[SPATIAL_MAX];
    if (!op_wants_f32(g, y) || !op_taps(g, y, x, windows))
        return false;
    int spatial = x->rank - 2;
    bool fits = dy->rank == x->rank && dy->batch == x->batch && dy->dim[0] == x->dim[0] &&
                y->in[1]->dtype == DT_f32;
    for (int i = 0; fits && i < spatial; i++)
        fits = dy->dim[1 + i] == windows[i];
    if (!fits) {
        char a[128], b[128];
        return op_error(g, y, "windows over %s do not give %s", shape_text(x, a),
                        shape_text(dy, b));
    }
    if (!groups_fit(g, y, x->dim[spatial + 1], dy->dim[spatial + 1]))
        return false;
    y->dtype = DT_f32;
    y->shape = (Shape){.rank = spatial + 2, .batch = -1};
    for (int i = 0; i < spatial; i++)
        y->shape.dim[i] = y->attr->taps.size[i];
    y->shape.dim[spatial] = x->dim[spatial + 1] / y->attr->taps.groups;
    y->shape.dim[spatial + 1] = dy->dim[spatial + 1];
    return true;
}

/* --- values ----------------------------------------------------------------------------------- */

/* Calls visit for each window and tap of one sample: the positions (pixels) in x, in y and the tap. */
typedef struct Walk {
    const Taps *t;
    int spatial;
    const Shape *x, *y; /* [N, spatial.., channels] */
} Walk;

static int64_t walk_position(const Walk *w, const int64_t *o, const int64_t *k, int64_t *out,
                             int64_t *tap)
{
    int64_t in = 0;
    *out = *tap = 0;
    for (int i = 0; i < w->spatial; i++) {
        in = in * w->x->dim[1 + i] + o[i] * w->t->stride[i] + k[i] * w->t->dilation[i];
        *out = *out * w->y->dim[1 + i] + o[i];
        *tap = *tap * w->t->size[i] + k[i];
    }
    return in;
}

/* c[..] += a[..] * b[..] for all products of a convolution; which of x, w, y is the sum is told by
 * `sum`: 'y' or 'w'. */
static void accumulate(const Node *node, const Tensor *x, const Shape *w, double *weights,
                       const Shape *y, double *result, char sum)
{
    const Taps *t = &node->attr->taps;
    int spatial = x->shape.rank - 2;
    Walk walk = {t, spatial, &x->shape, y};
    int64_t channels = x->shape.dim[spatial + 1], out = y->dim[spatial + 1];
    int64_t each = w->dim[spatial], per = out / t->groups;
    Shape space = {.rank = 2 * spatial, .batch = -1};
    int64_t in_pixels = 1, out_pixels = 1;
    for (int i = 0; i < spatial; i++) {
        space.dim[i] = y->dim[1 + i];
        space.dim[spatial + i] = t->size[i];
        in_pixels *= x->shape.dim[1 + i];
        out_pixels *= y->dim[1 + i];
    }
    for (int64_t n = 0; n < x->shape.dim[0]; n++) {
        int64_t at[RANK_MAX] = {0};
        do {
            int64_t to, tap, from = walk_position(&walk, at, at + spatial, &to, &tap);
            const double *a = x->data + (n * in_pixels + from) * channels;
            double *c = result + (n * out_pixels + to) * out;
            for (int64_t m = 0; m < out; m++)
                for (int64_t i = 0; i < each; i++) {
                    double *b = &weights[(tap * each + i) * out + m];
                    if (sum == 'y')
                        c[m] += a[m / per * each + i] * *b;
                    else
                        *b += a[m / per * each + i] * c[m];
                }
        } while (op_next(&space, at));
    }
}

static void conv_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    for (int64_t i = 0; i < shape_count(&out->shape); i++)
        out->data[i] = 0;
    accumulate(y, &in[0], &in[1].shape, in[1].data, &out->shape, out->data, 'y');
}

static void conv_weight_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    for (int64_t i = 0; i < shape_count(&out->shape); i++)
        out->data[i] = 0;
    accumulate(y, &in[0], &out->shape, out->data, &in[1].shape, in[1].data, 'w');
}

/* --- the gradient in the input ---------------------------------------------------------------- */

/* How dy becomes dx along each spatial axis: element s * q + r of dx, r < phases, is the sum over j <
 * taps of dy[q - j] * w[s * j + r]. A stride beside a dilation: zeros between dy instead. */
typedef struct Back {
    int spatial;
    int64_t stride[SPATIAL_MAX]; /* of the phases; 1: there is one */
    int64_t phases[SPATIAL_MAX]; /* stride, or the taps where there are fewer */
    int64_t taps[SPATIAL_MAX];
    int64_t spread[SPATIAL_MAX]; /* distance of dy's elements before all else */
} Back;

static Back back_of(const Taps *t, int spatial)
{
    Back b = {.spatial = spatial};
    for (int i = 0; i < spatial; i++) {
        bool phased = t->dilation[i] == 1 || t->size[i] == 1;
        int64_t s = phased ? t->stride[i] : 1;
        b.stride[i] = s;
        b.spread[i] = phased ? 1 : t->stride[i];
        b.taps[i] = (t->size[i] + s - 1) / s;
        b.phases[i] = t->size[i] < s ? t->size[i] : s;
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

/* Phases of several axes and groups together may need more axes than a tensor has: then groups are
 * taken one by one. */
static Node *by_groups(Graph *g, Node *dy, Node *w, const Taps *t, const int64_t *extent)
{
    int64_t groups = t->groups, each = w->shape.dim[w->shape.rank - 1] / groups;
    int last = dy->shape.rank - 1;
    Taps one = *t;
    one.groups = 1;
    Node **part = arena_take(g->program->ctx->arena, sizeof *part * (size_t)groups);
    for (int64_t i = 0; i < groups; i++) {
        Node *d = build_slice(g, dy, last, i * each, (i + 1) * each, 1);
        Node *v = build_slice(g, w, last, i * each, (i + 1) * each, 1);
        part[i] = build_conv_input(g, d, v, &one, extent);
    }
    return build_concat(g, last, (int)groups, part);
}

Node *build_conv_input(Graph *g, Node *dy, Node *w, const Taps *t, const int64_t *extent)
{
    if (!dy || !w)
        return NULL;
    int spatial = dy->shape.rank - 2;
    Back b = back_of(t, spatial);
    bool phased = false;
    for (int i = 0; i < spatial; i++)
        phased |= b.phases[i] > 1;
    if (t->groups > 1 && phased && spatial == SPATIAL_MAX)
        return by_groups(g, dy, w, t, extent);
    int64_t around[RANK_MAX] = {0}, spread[RANK_MAX];
    Taps taps = {.groups = t->groups};
    for (int i = 0; i < RANK_MAX; i++)
        spread[i] = 1;
    for (int i = 0; i < spatial; i++) {
        taps.stride[i] = 1;
        taps.dilation[i] = b.stride[i] == 1 ? t->dilation[i] : 1;
        around[1 + i] = (b.taps[i] - 1) * taps.dilation[i];
        spread[1 + i] = b.spread[i];
    }
    Node *all = build_pad(g, dy, around, around, spread, 0);
    Node *y = build_conv(g, all, back_weight(g, w, &b, t->groups), &taps);
    bool strided = false;
    for (int i = 0; i < spatial; i++)
        strided |= b.stride[i] > 1;
    if (y && strided)
        y = beside(g, y, &b, t->groups, w->shape.dim[spatial]);
    return to_extent(g, y, spatial, extent);
}

static void conv_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    const Taps *t = &y->attr->taps;
    if (want[0])
        dx[0] = build_conv_input(g, dy, y->in[1], t, &y->in[0]->shape.dim[1]);
    if (want[1])
        dx[1] = build_conv_weight(g, y->in[0], dy, t);
}

const OpImpl op_conv = {
    .attrs = ATTR_taps, .shape = conv_shape, .grad = conv_grad, .eval = conv_eval};
const OpImpl op_conv_weight = {
    .attrs = ATTR_taps, .shape = conv_weight_shape, .eval = conv_weight_eval};

/* --- building --------------------------------------------------------------------------------- */

Node *build_conv(Graph *g, Node *x, Node *w, const Taps *taps)
{
    if (!x || !w)
        return NULL;
    Attr attr = {.taps = *taps};
    Node *in[2] = {x, w};
    for (int i = 0; i < w->shape.rank - 2 && i < SPATIAL_MAX; i++)
        attr.taps.size[i] = w->shape.dim[i];
    return graph_add(g, OP_conv, 2, in, &attr);
}

Node *build_conv_weight(Graph *g, Node *x, Node *dy, const Taps *taps)
{
    if (!x || !dy)
        return NULL;
    Attr attr = {.taps = *taps};
    Node *in[2] = {x, dy};
    return graph_add(g, OP_conv_weight, 2, in, &attr);
}
