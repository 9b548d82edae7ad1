/* SPDX-License-Identifier: MIT */
/* conv_phases.c: the gradient of a strided convolution in its input, phase by phase.
 *
 * Element s * k + r of dx is a sum over the taps s * j + r alone: with 3 taps and stride 2 over two
 * axes, four phases of 4, 2, 2 and 1 taps. As channels of one convolution (conv.c) each would be
 * padded to 4. Here each is a convolution of its own, and only where something is asked for. */
#include "impl.h"

enum { PHASES_MAX = 8 };

/* Along one axis: element a + k * stride, k < count, of what is asked for is the sum over j < taps of
 * dy[first + k - j] * w[tap + j * stride]. */
typedef struct Phase {
    int64_t tap, taps, first, count;
} Phase;

static Phase phase_of(int64_t size, int64_t stride, int64_t from, int64_t length, int64_t a)
{
    int64_t tap = (from + a) % stride;
    return (Phase){tap, tap < size ? (size - 1 - tap) / stride + 1 : 0, (from + a) / stride,
                   (length - a + stride - 1) / stride};
}

/* Whether a phase reads anything along an axis of dy. */
static bool reads(const Phase *p, int64_t extent)
{
    return p->taps > 0 && p->count > 0 && p->first - (p->taps - 1) < extent;
}

bool conv_phases_pay(const Shape *dy, const Shape *w, const Taps *t, const int64_t *from,
                     const int64_t *length)
{
    enum { CHANNELS_LEAST = 16 }; /* fewer of them do not fill a vector by themselves */
    int spatial = dy->rank - 2;
    int64_t phases = 1;
    double whole = 1, apart = 1; /* multiplications for a pair of channels */
    for (int i = 0; i < spatial; i++) {
        int64_t s = t->stride[i], size = w->dim[i], most = (size - 1) / s + 1, sum = 0;
        if (t->dilation[i] != 1 || s > PHASES_MAX || (phases *= s) > PHASES_MAX)
            return false;
        for (int64_t a = 0; a < s; a++) {
            Phase p = phase_of(size, s, from[i], length[i], a);
            if (!reads(&p, dy->dim[1 + i]))
                return false;
            sum += p.taps * p.count;
        }
        apart *= (double)sum;
        whole *= (double)most * (double)s * (double)(dy->dim[1 + i] + most - 1);
    }
    return t->groups == 1 && phases > 1 && w->dim[spatial] >= CHANNELS_LEAST &&
           whole > 1.25 * apart;
}

typedef struct Apart {
    Graph *g;
    Node *dy, *w;
    const Taps *t;
    const int64_t *from, *length;
    int spatial;
    Phase phase[SPATIAL_MAX]; /* the one at hand */
} Apart;

/* One phase: [N, counts.., c]. */
static Node *one_phase(const Apart *p)
{
    Graph *g = p->g;
    Node *x = p->dy, *w = p->w;
    int64_t before[RANK_MAX] = {0}, after[RANK_MAX] = {0};
    int axes[SPATIAL_MAX];
    Taps taps = {.groups = 1};
    for (int i = 0; i < p->spatial; i++) {
        const Phase *q = &p->phase[i];
        int64_t lo = q->first - (q->taps - 1), hi = q->first + q->count;
        int64_t start = lo > 0 ? lo : 0, end = hi < x->shape.dim[1 + i] ? hi : x->shape.dim[1 + i];
        before[1 + i] = start - lo;
        after[1 + i] = hi - end;
        if (end - start != x->shape.dim[1 + i])
            x = build_slice(g, x, 1 + i, start, end, 1);
        w = build_slice(g, w, i, q->tap, w->shape.dim[i], p->t->stride[i]);
        taps.stride[i] = taps.dilation[i] = 1;
        axes[i] = i;
    }
    x = build_pad(g, x, before, after, NULL, 0);
    return build_conv(g, x, build_swap(g, build_flip(g, w, p->spatial, axes)), &taps);
}

/* All phases of the axes from `axis` on, those before it as they are at hand. */
static Node *joined_from(Apart *p, int axis)
{
    if (axis == p->spatial)
        return one_phase(p);
    Graph *g = p->g;
    Node *part[PHASES_MAX];
    int64_t s = p->t->stride[axis], most = 0;
    for (int64_t a = 0; a < s; a++) {
        p->phase[axis] = phase_of(p->w->shape.dim[axis], s, p->from[axis], p->length[axis], a);
        most = a ? most : p->phase[axis].count;
        int64_t after[RANK_MAX] = {0};
        after[1 + axis] = most - p->phase[axis].count;
        part[a] = build_pad(g, joined_from(p, axis + 1), NULL, after, NULL, 0);
        if (s > 1)
            part[a] = build_unsqueeze(g, part[a], 2 + axis);
    }
    if (s == 1)
        return part[0];
    Node *all = build_concat(g, 2 + axis, (int)s, part);
    Shape beside = {.rank = all->shape.rank - 1, .batch = all->shape.batch};
    for (int i = 0; i < beside.rank; i++)
        beside.dim[i] = i == 1 + axis ? most * s : all->shape.dim[i > 1 + axis ? i + 1 : i];
    all = build_reshape(g, all, &beside);
    if (beside.dim[1 + axis] == p->length[axis])
        return all;
    return build_slice(g, all, 1 + axis, 0, p->length[axis], 1);
}

Node *conv_input_by_phases(Graph *g, Node *dy, Node *w, const Taps *t, const int64_t *from,
                           const int64_t *length)
{
    Apart p = {g, dy, w, t, from, length, dy->shape.rank - 2, {{0}}};
    return joined_from(&p, 0);
}
