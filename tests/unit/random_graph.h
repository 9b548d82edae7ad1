/* SPDX-License-Identifier: MIT */
/* random_graph.h: random models for test_emit_random: inputs, weights, 1 to 30 nodes of random ops
 * on earlier ones, outputs, a loss, metrics and an optimiser, all from one number. */
#ifndef RANDOM_GRAPH_H
#define RANDOM_GRAPH_H

#include "emit_run.h"
#include "frontend/frontend.h"

enum { GRAPH_POOL = 64, GRAPH_ELEMENTS = 640 /* a sample's, of a node */ };

typedef struct RandomGraph {
    Fixture *f;
    Graph *g;
    Node *pool[GRAPH_POOL]; /* f32 */
    int n;
    uint32_t streams;
} RandomGraph;

static const int graph_sizes[] = {1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 32, 33, 64};

FIXTURE int below(RandomGraph *r, int n)
{
    return random_below(r->f, n);
}

FIXTURE bool chance(RandomGraph *r, int in)
{
    return below(r, in) == 0;
}

FIXTURE Node *num(RandomGraph *r, double value)
{
    return build_const(r->g, value);
}

FIXTURE Node *unary(RandomGraph *r, OpKind op, Node *x)
{
    return build_unary(r->g, op, x);
}

FIXTURE Node *binary(RandomGraph *r, OpKind op, Node *a, Node *b)
{
    return build_binary(r->g, op, a, b);
}

/* An earlier node, more often a late one. */
FIXTURE Node *pick(RandomGraph *r)
{
    int a = below(r, r->n), b = below(r, r->n);
    return r->pool[chance(r, 2) ? a : a > b ? a : b];
}

/* --- operands --------------------------------------------------------------------------------- */

FIXTURE Shape random_axes(RandomGraph *r, int batch, int most)
{
    Shape s = {.rank = batch == 0, .batch = batch, .dim = {1}};
    int64_t room = GRAPH_ELEMENTS;
    for (int axes = 1 + below(r, most); axes > 0; axes--) {
        int64_t size = random_size(r->f, room);
        room /= size;
        s.dim[s.rank++] = size;
    }
    return s;
}

/* A shape that broadcasts to x's without a batch axis. */
FIXTURE Shape weight_shape(RandomGraph *r, const Shape *x)
{
    int drop = chance(r, 2) ? below(r, x->rank + 1) : 0;
    Shape s = {.rank = x->rank - drop, .batch = -1};
    for (int i = 0; i < s.rank; i++)
        s.dim[i] = i + drop == x->batch || chance(r, 4) ? 1 : x->dim[i + drop];
    return s;
}

FIXTURE Node *random_weight(RandomGraph *r, Shape s)
{
    if (r->f->next_var >= 8)
        return build_fill(r->g, &s, 0.75);
    if (chance(r, 6) && shape_count(&s) <= 64) {
        double data[64];
        for (int i = 0; i < 64; i++)
            data[i] = emit_number(77, (uint64_t)i, -1, 1);
        return build_data(r->g, &s, data);
    }
    return build_var(r->g, emit_weight(r->f, s, -1, 1));
}

/* Something that broadcasts with x. */
FIXTURE Node *partner(RandomGraph *r, Node *x)
{
    for (int i = 0; i < 6; i++) {
        Node *y = pick(r);
        Shape s;
        int a, b;
        if (shape_broadcast(&x->shape, &y->shape, &s, &a, &b) &&
            shape_count(&s) <= GRAPH_ELEMENTS && s.rank <= 5)
            return y;
    }
    if (chance(r, 3))
        return num(r, (below(r, 9) - 4) * 0.5);
    if (chance(r, 3) && x->shape.rank)
        return build_iota(r->g, &x->shape, below(r, x->shape.rank));
    return random_weight(r, weight_shape(r, &x->shape));
}

/* Axes for a reduction: one or more; -1s after. */
FIXTURE int random_subset(RandomGraph *r, int rank, int *axes)
{
    int n = 0;
    for (int i = 0; i < rank; i++)
        if (chance(r, 2))
            axes[n++] = i;
    if (!n)
        axes[n++] = below(r, rank);
    return n;
}

/* --- ops -------------------------------------------------------------------------------------- */

/* In about [0.3, 1.3], for what wants it. */
FIXTURE Node *positive(RandomGraph *r, Node *x)
{
    return binary(r, OP_add, unary(r, OP_sigmoid, x), num(r, 0.3));
}

FIXTURE Node *any_unary(RandomGraph *r, Node *x)
{
    static const OpKind free[] = {
        OP_neg,  OP_abs,  OP_sin,  OP_cos,   OP_tanh, OP_sigmoid, OP_erf,  OP_softplus,
        OP_relu, OP_relu, OP_tanh, OP_floor, OP_ceil, OP_round,   OP_sign, OP_stop_gradient};
    static const OpKind of_positive[] = {OP_sqrt, OP_log, OP_reciprocal, OP_log1p};
    switch (below(r, 4)) {
    case 0: return unary(r, of_positive[below(r, COUNT(of_positive))], positive(r, x));
    case 1: return unary(r, chance(r, 2) ? OP_exp : OP_expm1, unary(r, OP_tanh, x));
    default: return unary(r, free[below(r, COUNT(free))], x);
    }
}

FIXTURE Node *any_binary(RandomGraph *r, Node *x)
{
    static const OpKind free[] = {OP_add, OP_sub, OP_mul, OP_mul, OP_add, OP_max, OP_min};
    static const OpKind compare[] = {OP_equal,      OP_not_equal, OP_less,
                                     OP_less_equal, OP_greater,   OP_greater_equal};
    Node *y = partner(r, x);
    if (chance(r, 2)) {
        Node *t = x;
        x = y;
        y = t;
    }
    switch (below(r, 6)) {
    case 0: return binary(r, OP_div, x, positive(r, y));
    case 1:
        return chance(r, 2) ? binary(r, OP_pow, positive(r, x), unary(r, OP_tanh, y))
                            : binary(r, OP_pow, positive(r, x), num(r, 0.5 * below(r, 7)));
    case 2: {
        Node *c = binary(r, compare[below(r, COUNT(compare))], x, y);
        return chance(r, 3) ? c : build_where(r->g, c, x, chance(r, 2) ? y : num(r, 0.25));
    }
    default: return binary(r, free[below(r, COUNT(free))], x, y);
    }
}

FIXTURE Node *any_reduction(RandomGraph *r, Node *x)
{
    static const OpKind ops[] = {OP_reduce_sum, OP_reduce_max, OP_reduce_min};
    int axes[RANK_MAX], n;
    if (!x->shape.rank)
        return unary(r, OP_tanh, x);
    n = random_subset(r, x->shape.rank, axes);
    switch (below(r, 6)) {
    case 0: return build_softmax(r->g, x, axes[0]);
    case 1: return build_log_softmax(r->g, x, axes[0]);
    case 2: return build_mean(r->g, x, n, axes);
    case 3: { /* normalised */
        Node *mean = build_mean(r->g, x, n, axes), *d = binary(r, OP_sub, x, mean);
        Node *square = build_mean(r->g, binary(r, OP_mul, d, d), n, axes);
        return binary(r, OP_div, d, unary(r, OP_sqrt, binary(r, OP_add, square, num(r, 0.5))));
    }
    default: return build_reduce(r->g, ops[below(r, COUNT(ops))], x, n, axes);
    }
}

/* Taps over the axes of x between the first and the last. */
FIXTURE Taps taps_over(RandomGraph *r, const Shape *x)
{
    Taps t = {.groups = 0};
    for (int i = 0; i < x->rank - 2; i++) {
        int64_t length = x->dim[1 + i];
        t.size[i] = 1 + below(r, (int)(length < 3 ? length : 3));
        t.stride[i] = chance(r, 3) ? t.size[i] : 1 + below(r, 3);
        int64_t most = t.size[i] > 1 ? (length - 1) / (t.size[i] - 1) : 1;
        t.dilation[i] = 1 + below(r, (int)(most < 2 ? most : 2));
    }
    return t;
}

/* x as [N, 1 to 3 axes, channels], or NULL. */
FIXTURE Node *spatial_of(RandomGraph *r, Node *x)
{
    if (x->shape.rank == 2 && x->shape.batch <= 0)
        x = build_unsqueeze(r->g, x, 1 + below(r, 2));
    return x->shape.rank >= 3 && x->shape.rank <= 5 && x->shape.batch <= 0 ? x : NULL;
}

/* The mean, the largest (ties shared, or the first's) or the sum of squares of each window. */
FIXTURE Node *any_pooling(RandomGraph *r, Node *x)
{
    x = spatial_of(r, x);
    if (!x)
        return NULL;
    int spatial = x->shape.rank - 2, axes[SPATIAL_MAX];
    Taps t = taps_over(r, &x->shape);
    Node *y = build_window(r->g, x, &t);
    if (!y || shape_count(&y->shape) > 4 * GRAPH_ELEMENTS)
        return NULL;
    for (int i = 0; i < spatial; i++)
        axes[i] = 1 + spatial + i;
    switch (below(r, 4)) {
    case 0: y = build_mean(r->g, y, spatial, axes); break;
    case 1: y = build_pool_max(r->g, y, spatial, axes); break;
    case 2: y = build_reduce(r->g, OP_reduce_max, y, spatial, axes); break;
    default: y = build_reduce(r->g, OP_reduce_sum, binary(r, OP_mul, y, y), spatial, axes); break;
    }
    return build_squeeze(r->g, y, spatial, axes);
}

/* A convolution, in groups where the channels allow it; or what goes back through one. */
FIXTURE Node *any_convolution(RandomGraph *r, Node *x)
{
    x = spatial_of(r, x);
    if (!x)
        return NULL;
    int last = x->shape.rank - 1;
    int64_t channels = x->shape.dim[last], extent[SPATIAL_MAX] = {0};
    Taps t = taps_over(r, &x->shape);
    Shape w = {.rank = x->shape.rank, .batch = -1};
    t.groups = chance(r, 2) ? 1 : channels % 3 == 0 ? 3 : channels % 2 == 0 ? 2 : channels;
    w.dim[last - 1] = channels / t.groups;
    w.dim[last] = t.groups * random_size(r->f, 16);
    bool back = chance(r, 4);
    if (back) {
        w.dim[last] = channels;
        w.dim[last - 1] = random_size(r->f, 16);
    }
    for (int i = 0; i < last - 1; i++) {
        w.dim[i] = t.size[i];
        extent[i] = (x->shape.dim[1 + i] - 1) * t.stride[i] + (t.size[i] - 1) * t.dilation[i] + 1 +
                    below(r, 2);
    }
    if (shape_count(&w) > GRAPH_ELEMENTS ||
        shape_count(&x->shape) / channels * w.dim[last] > 2 * GRAPH_ELEMENTS)
        return NULL;
    Node *v = random_weight(r, w);
    if (!back)
        return build_conv(r->g, x, v, &t);
    int64_t count = t.groups * w.dim[last - 1];
    for (int i = 0; i < last - 1; i++)
        count *= extent[i];
    return count > GRAPH_ELEMENTS ? NULL : build_conv_input(r->g, x, v, &t, extent);
}

FIXTURE Node *any_flip(RandomGraph *r, Node *x)
{
    int axis = below(r, x->shape.rank);
    return axis == x->shape.batch ? NULL : build_flip(r->g, x, 1, &axis);
}

/* At least two axes, the batch not last. */
FIXTURE Node *matrix_of(RandomGraph *r, Node *x)
{
    while (x && x->shape.rank < 2)
        x = build_unsqueeze(r->g, x, x->shape.rank);
    return x;
}

FIXTURE Node *any_product(RandomGraph *r, Node *x)
{
    x = matrix_of(r, x);
    const Shape *s = &x->shape;
    int rank = s->rank, last = rank - 1;
    Node *y = NULL;
    if (chance(r, 3) && rank == 2 && s->batch == 0) { /* the batch in k */
        for (int i = 0; i < 4 && !y; i++) {
            Node *z = pick(r);
            if (z->shape.rank == 2 && z->shape.batch == 0 && z->shape.dim[0] == s->dim[0])
                y = z;
        }
        return build_matmul(r->g, build_swap(r->g, x), y ? y : unary(r, OP_sin, x));
    }
    if (chance(r, 3) && rank >= 3 && s->batch != last - 1 && s->batch != last) { /* of itself */
        y = chance(r, 2) ? x : unary(r, OP_cos, x);
        return chance(r, 2) ? build_matmul(r->g, x, build_swap(r->g, y))
                            : build_matmul(r->g, build_swap(r->g, x), y);
    }
    if (s->batch == last) /* n or k */
        x = build_swap(r->g, x), s = &x->shape;
    Shape w = {.rank = 2, .batch = -1, .dim = {s->dim[last], random_size(r->f, 64)}};
    if (shape_count(s) / s->dim[last] * w.dim[1] > GRAPH_ELEMENTS)
        w.dim[1] = 1 + below(r, 3);
    if (chance(r, 4) && rank == 3 && s->batch != 0) {
        w = (Shape){.rank = 3, .batch = -1, .dim = {s->dim[0], w.dim[0], w.dim[1]}};
    }
    bool swapped = chance(r, 2);
    if (swapped) {
        int64_t t = w.dim[w.rank - 1];
        w.dim[w.rank - 1] = w.dim[w.rank - 2];
        w.dim[w.rank - 2] = t;
    }
    y = random_weight(r, w);
    if (swapped)
        y = build_swap(r->g, y);
    if (w.rank == 2 && chance(r, 5)) /* from the left: the batch in n */
        return build_matmul(r->g, build_swap(r->g, y), build_swap(r->g, x));
    return build_matmul(r->g, x, y);
}

/* Merges two axes, or splits one, the batch with nothing new before it. */
FIXTURE Node *any_reshape(RandomGraph *r, Node *x)
{
    const Shape *s = &x->shape;
    Shape to = {.rank = 0, .batch = -1};
    int at = below(r, s->rank + 1);
    if (chance(r, 2) && at + 1 < s->rank && at + 1 != s->batch) { /* merge at, at + 1 */
        for (int i = 0; i < s->rank; i++) {
            if (i == at + 1) {
                to.dim[to.rank - 1] *= s->dim[i];
                continue;
            }
            if (i == s->batch)
                to.batch = to.rank;
            to.dim[to.rank++] = s->dim[i];
        }
        return build_reshape(r->g, x, &to);
    }
    for (int i = 0; i < s->rank; i++) {
        int64_t dim = s->dim[i], part = 1;
        static const int parts[] = {2, 3, 4, 5, 8};
        for (int k = 0; k < COUNT(parts); k++)
            if (dim % parts[k] == 0 && chance(r, 2))
                part = parts[k];
        if (i == s->batch)
            to.batch = to.rank;
        if (i == at && part > 1 && s->rank < 5) {
            to.dim[to.rank++] = i == s->batch || chance(r, 2) ? dim / part : part;
            to.dim[to.rank] = dim / to.dim[to.rank - 1];
            to.rank++;
        } else {
            to.dim[to.rank++] = dim;
        }
    }
    return build_reshape(r->g, x, &to);
}

FIXTURE Node *any_slice(RandomGraph *r, Node *x)
{
    int axis = below(r, x->shape.rank);
    if (axis == x->shape.batch)
        return NULL;
    int64_t dim = x->shape.dim[axis], start = below(r, (int)dim);
    int64_t end = start + 1 + below(r, (int)(dim - start));
    return build_slice(r->g, x, axis, start, end, 1 + below(r, 3));
}

FIXTURE Node *any_pad(RandomGraph *r, Node *x)
{
    Attr attr = {.value = chance(r, 2) ? 0 : 0.3};
    int64_t count = 1;
    for (int i = 0; i < x->shape.rank; i++) {
        bool still = i == x->shape.batch || chance(r, 2);
        attr.start[i] = still ? 0 : below(r, 3);
        attr.end[i] = still ? 0 : below(r, 3);
        attr.step[i] = still ? 1 : 1 + below(r, 2);
        count *= attr.start[i] + attr.end[i] + (x->shape.dim[i] - 1) * attr.step[i] + 1;
    }
    return count > GRAPH_ELEMENTS ? NULL : graph_add(r->g, OP_pad, 1, &x, &attr);
}

FIXTURE Node *any_concat(RandomGraph *r, Node *x)
{
    int axis = below(r, x->shape.rank);
    if (axis == x->shape.batch || shape_count(&x->shape) * 3 > GRAPH_ELEMENTS)
        return NULL;
    Node *in[3] = {x, NULL, NULL};
    int n = 2 + below(r, 2);
    for (int i = 1; i < n; i++) {
        in[i] = unary(r, i == 1 ? OP_tanh : OP_neg, x);
        for (int k = 0; k < 4; k++) {
            Node *y = pick(r);
            Shape s = y->shape;
            if (s.rank == x->shape.rank)
                s.dim[axis] = x->shape.dim[axis];
            if (shape_equal(&s, &x->shape))
                in[i] = y;
        }
    }
    return build_concat(r->g, axis, n, in);
}

FIXTURE Node *any_transpose(RandomGraph *r, Node *x)
{
    int perm[RANK_MAX];
    for (int i = 0; i < x->shape.rank; i++) {
        int at = below(r, i + 1);
        perm[i] = perm[at];
        perm[at] = i;
    }
    return build_transpose(r->g, x, perm);
}

FIXTURE Node *any_movement(RandomGraph *r, Node *x)
{
    if (!x->shape.rank)
        return build_unsqueeze(r->g, x, 0);
    switch (below(r, 11)) {
    case 0: return any_slice(r, x);
    case 1: return any_pad(r, x);
    case 2: return any_concat(r, x);
    case 3: return any_transpose(r, x);
    case 4: return x->shape.rank < 5 ? build_unsqueeze(r->g, x, below(r, x->shape.rank + 1)) : NULL;
    case 5: return build_squeeze(r->g, x, 0, NULL);
    case 6: return any_flip(r, x);
    case 7:
    case 8: return any_pooling(r, x);
    default: return any_reshape(r, x);
    }
}

/* In training alone. */
FIXTURE Node *dropout(RandomGraph *r, Node *x)
{
    if (r->g->fn != FN_train)
        return unary(r, OP_stop_gradient, x);
    Node *kept = binary(r, OP_less, build_random(r->g, OP_random_uniform, &x->shape, r->streams++),
                        num(r, 0.75));
    return binary(r, OP_mul, x, binary(r, OP_div, kept, num(r, 0.75)));
}

FIXTURE void step(RandomGraph *r)
{
    Node *x = pick(r), *y = NULL;
    switch (below(r, 12)) {
    case 0:
    case 1: y = any_unary(r, x); break;
    case 2:
    case 3:
    case 4: y = any_binary(r, x); break;
    case 5:
    case 6: y = any_reduction(r, x); break;
    case 7:
    case 8: y = chance(r, 3) ? any_convolution(r, x) : any_product(r, x); break;
    case 9:
    case 10: y = any_movement(r, x); break;
    default: y = dropout(r, x); break;
    }
    cr_assert_eq(r->f->ctx.diag.errors, 0, "%s", fixture_said(r->f));
    if (!y || shape_count(&y->shape) > 2 * GRAPH_ELEMENTS)
        return;
    if (chance(r, 5))
        y = unary(r, OP_tanh, y);
    y->name = chance(r, 3) ? arena_format(r->f->ctx.arena, "layer%d", r->n) : NULL;
    r->pool[r->n++] = y;
}

/* --- the whole -------------------------------------------------------------------------------- */

FIXTURE void add_inputs(RandomGraph *r)
{
    for (int i = 1 + below(r, 3); i > 0; i--) {
        Shape s = random_axes(r, 0, 3);
        r->pool[r->n++] = emit_input(r->f, s, DT_f32, 0, -2, 2);
    }
    if (chance(r, 3)) {
        Shape one = {.rank = 1, .batch = 0, .dim = {1}};
        int64_t classes = 2 + below(r, 9);
        Node *x = emit_input(r->f, one, DT_i32, classes, 0, (double)classes);
        r->pool[r->n++] = build_one_hot(r->g, x, classes, 1);
        Shape table = {.rank = 2, .batch = -1, .dim = {classes, random_size(r->f, 64)}};
        if (chance(r, 2))
            r->pool[r->n++] = build_binary(r->g, OP_gather, random_weight(r, table), x);
    }
    if (chance(r, 4)) {
        Node *x = emit_input(r->f, random_axes(r, 0, 2), DT_u8, 0, 0, 256);
        r->pool[r->n++] = binary(r, OP_div, build_cast(r->g, x, DT_f32), num(r, 255));
    }
}

/* Rank 0: the mean of the squares of some late nodes, each by a weight of its own. */
FIXTURE Node *random_loss(RandomGraph *r)
{
    Node *sum = NULL;
    Shape scalar = shape_scalar();
    for (int i = 0; i < 1 + r->n / 8; i++) {
        Node *x = i == 0 ? r->pool[r->n - 1] : pick(r);
        Node *term = chance(r, 2) ? binary(r, OP_mul, x, x) : unary(r, OP_sin, x);
        Node *mean = build_mean(r->g, term, 0, NULL);
        if (mean->shape.rank)
            mean = build_reshape(r->g, mean, &scalar);
        sum = sum ? binary(r, OP_add, sum, mean) : mean;
    }
    return sum;
}

FIXTURE void random_function(Fixture *f, Fn fn, uint64_t seed, int steps)
{
    emit_function(f, fn, seed);
    RandomGraph r = {.f = f, .g = f->g};
    r.g->loc = (Loc){.line = 1};
    add_inputs(&r);
    for (int i = 0; i < steps && r.n < GRAPH_POOL - 4; i++) {
        r.g->loc.line = i + 2;
        step(&r);
    }
    int outputs = 1 + below(&r, 3);
    for (int i = 0; i < outputs && fn == FN_predict; i++)
        emit_output(f, i, i == 0 ? r.pool[r.n - 1] : pick(&r));
    r.g->role = ROLE_loss;
    if (fn != FN_predict)
        graph_root(r.g, ROOT_loss, 0, random_loss(&r));
    if (fn == FN_eval || fn == FN_train || fn == FN_accumulate)
        for (int i = 0; i < f->p->n_sums; i++) {
            Shape scalar = shape_scalar();
            r.g->role = ROLE_metric;
            Node *sum = build_reduce(r.g, OP_reduce_sum, pick(&r), 0, NULL);
            graph_root(r.g, ROOT_metric, i, build_reshape(r.g, sum, &scalar));
        }
    graph_sort(r.g);
}

FIXTURE void random_optimizer(Fixture *f)
{
    static const double args[OPT_COUNT][OPTIMIZER_ARGS] = {
        [OPT_sgd] = {0.1, 0.9, 1, 0.01},
        [OPT_adam] = {0.1, 0.9, 0.99, 1e-3, 0.01, 1},
        [OPT_adamw] = {0.1, 0.9, 0.99, 1e-3, 0.01},
        [OPT_rmsprop] = {0.1, 0.9, 1e-2, 0.5, 0, 0.01},
        [OPT_adagrad] = {0.1, 1e-2, 0.1, 0.01},
        [OPT_adadelta] = {1, 0.9, 1e-2, 0.01},
        [OPT_adamax] = {0.1, 0.9, 0.99, 1e-3, 0.01},
        [OPT_nadam] = {0.1, 0.9, 0.99, 1e-3, 0.01, 4e-3},
        [OPT_lion] = {0.01, 0.9, 0.99, 0.01},
        [OPT_lamb] = {0.1, 0.9, 0.99, 1e-3, 0.01},
    };
    Train *t = &f->p->train;
    t->optimizer.kind = random_below(f, 2) ? OPT_sgd : random_below(f, OPT_COUNT);
    memcpy(t->optimizer.arg, args[t->optimizer.kind], sizeof t->optimizer.arg);
    if (random_below(f, 2) && t->optimizer.kind == OPT_sgd) {
        t->optimizer.arg[2] = 0;
        t->optimizer.arg[1] *= random_below(f, 2);
    }
    t->accumulate = random_below(f, 6) == 0 ? 2 : 1;
    t->clip_norm = random_below(f, 5) == 0 ? 0.5 : 0;
    t->clip_value = random_below(f, 6) == 0 ? 0.05 : 0;
}

typedef struct RandomModel {
    uint64_t seed;
    int steps;        /* at most; 0: 1 to 30 */
    const char *only; /* a function's name; NULL: two or three of them */
} RandomModel;

/* An EmitBuild; arg: a RandomModel. */
FIXTURE void build_random_model(Fixture *f, const void *arg)
{
    static const int batches[] = {8, 5, 1, 17, 33, 3};
    const RandomModel *m = arg;
    f->sizes = graph_sizes;
    f->n_sizes = COUNT(graph_sizes);
    f->random = m->seed * 0xD1B54A32D192ED03u + 12345;
    random_bits(f);
    int steps = 1 + random_below(f, 30);
    f->p->train.batch = batches[random_below(f, COUNT(batches))];
    f->p->has_loss = true;
    f->p->train.given = true;
    f->p->n_sums = random_below(f, 3);
    random_optimizer(f);
    bool wanted[FN_COUNT] = {[FN_predict] = true, [FN_eval] = random_below(f, 4) == 0};
    wanted[random_below(f, 2) ? FN_train : FN_grad] = true;
    wanted[FN_accumulate] = wanted[FN_train] && f->p->train.accumulate > 1;
    if (m->steps && m->steps < steps)
        steps = m->steps;
    for (int fn = 0; fn < FN_COUNT; fn++)
        if (wanted[fn] && (!m->only || strcmp(m->only, fn_text((Fn)fn)) == 0))
            random_function(f, (Fn)fn, m->seed, steps);
}

#endif
