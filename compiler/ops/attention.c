/* SPDX-License-Identifier: MIT */
/* attention.c: softmax(q k^T / sqrt(dim)) v by heads, and its gradient, kept whole so that the kernel
 * never writes the weights.
 *
 * q [N, Tq, heads, dim], k and v [N, Tk, groups, dim]: `heads / groups` neighbouring heads read the same
 * keys. The result, [N, Tq, heads * dim + heads], holds behind the values of a query the log of the sum
 * of the exponentials of each head, from which the gradient makes the weights again. A query that sees
 * no key gives 0, and hidden_log.
 */
#include <math.h>

#include "../../runtime/nnrt_rand.h"
#include "impl.h"

static const double hidden_log = 1e30; /* e^(x - this) is 0 */

void attention_slopes(int64_t heads, double *slope)
{
    int64_t power = 1;
    while (2 * power <= heads)
        power *= 2;
    for (int64_t i = 0; i < heads; i++)
        slope[i] = i < power ? exp2(-8.0 * (double)(i + 1) / (double)power)
                             : exp2(-4.0 * (double)(2 * (i - power) + 1) / (double)power);
}

AttentionSizes attention_sizes(const Node *y)
{
    const Shape *q = &y->in[0]->shape, *k = &y->in[1]->shape;
    int lengths = y->op == OP_attention ? 3 : y->op == OP_attention_grad ? 5 : y->n_in;
    AttentionSizes s = {.queries = q->dim[1],
                        .keys = k->dim[1],
                        .heads = q->dim[2],
                        .groups = k->dim[2],
                        .dim = q->dim[3],
                        .causal = y->attr->axes[0] != 0,
                        .alibi = y->attr->axes[1] != 0};
    s.lengths = y->n_in > lengths ? y->in[lengths] : NULL;
    return s;
}

int64_t attention_room(const Node *y)
{
    return y->in[4]->shape.dim[1];
}

static bool attention_error(Graph *g, const Node *y, const char *why)
{
    char q[128], k[128], v[128];
    return op_error(g, y, "queries %s, keys %s and values %s: %s", shape_text(&y->in[0]->shape, q),
                    shape_text(&y->in[1]->shape, k), shape_text(&y->in[2]->shape, v), why);
}

static bool operands_fit(Graph *g, const Node *y, int lengths)
{
    const Shape *q = &y->in[0]->shape, *k = &y->in[1]->shape;
    for (int i = 0; i < y->n_in; i++)
        if (y->in[i]->dtype != DT_f32)
            return attention_error(g, y, "not all operands are f32");
    if (y->attr->n_axes != 2 || y->n_in < lengths || y->n_in > lengths + 1)
        return attention_error(g, y, "operands or attributes are missing");
    if (q->rank != 4 || k->rank != 4 || q->batch > 0 || q->batch != k->batch ||
        q->dim[0] != k->dim[0] || !shape_equal(k, &y->in[2]->shape))
        return attention_error(g, y, "they are not [N, T, heads, dim] of the same samples");
    if (q->dim[3] != k->dim[3] || q->dim[2] % k->dim[2] || q->dim[2] > ATTENTION_HEADS_MAX ||
        q->dim[3] > ATTENTION_DIM_MAX)
        return attention_error(g, y, "their heads do not fit");
    const Shape each = {.rank = 1, .batch = q->batch, .dim = {q->dim[0]}};
    if (y->n_in > lengths && !shape_equal(&y->in[lengths]->shape, &each))
        return attention_error(g, y, "there is not one length a sample");
    return true;
}

static bool attention_shape(Graph *g, Node *y)
{
    if (y->n_in < 3 || !operands_fit(g, y, 3))
        return false;
    const Shape *q = &y->in[0]->shape;
    y->dtype = DT_f32;
    y->shape = (Shape){.rank = 3, .batch = q->batch, .dim = {q->dim[0], q->dim[1]}};
    y->shape.dim[2] = q->dim[2] * q->dim[3] + q->dim[2];
    return true;
}

/* The gradients of q, k and v behind each other, a position's where there are as many queries as keys. */
static bool attention_grad_shape(Graph *g, Node *y)
{
    if (y->n_in < 5 || !operands_fit(g, y, 5))
        return false;
    AttentionSizes s = attention_sizes(y);
    const Shape *q = &y->in[0]->shape;
    bool together = s.queries == s.keys;
    int64_t of_q = s.heads * s.dim, of_k = 2 * s.groups * s.dim;
    y->dtype = DT_f32;
    y->shape = (Shape){.rank = 3, .batch = q->batch, .dim = {q->dim[0]}};
    y->shape.dim[1] = together ? s.keys : 1;
    y->shape.dim[2] = together ? of_q + of_k : s.queries * of_q + s.keys * of_k;
    return true;
}

/* --- the oracle ------------------------------------------------------------------------------- */

typedef struct Row { /* one query of one head */
    AttentionSizes s;
    const double *q, *k, *v; /* the query; key 0 and value 0 of its group */
    int64_t step;            /* from key to key */
    int64_t seen;            /* keys it may see, from the first on */
    double slope;
    int64_t at;
    double drop; /* the probability; 0: no weight is dropped */
    nnrt_rand_key key;
    uint64_t first; /* the index of the number that decides about key 0 */
} Row;

static Row row_of(const Node *y, const InterpInput *run, const Tensor *in, int64_t sample,
                  int64_t t, int64_t head, const double *slopes)
{
    AttentionSizes s = attention_sizes(y);
    int64_t group = head / (s.heads / s.groups), step = s.groups * s.dim;
    Row r = {.s = s, .step = step, .at = t, .seen = s.keys, .slope = s.alibi ? slopes[head] : 0};
    r.drop = y->attr->value;
    r.key = op_key(y, run);
    r.first = (uint64_t)(((sample * s.heads + head) * s.queries + t) * s.keys);
    r.q = in[0].data + ((sample * s.queries + t) * s.heads + head) * s.dim;
    r.k = in[1].data + sample * s.keys * step + group * s.dim;
    r.v = in[2].data + sample * s.keys * step + group * s.dim;
    if (s.lengths) {
        double length = in[y->n_in - 1].data[sample];
        r.seen = length < 0 ? 0 : length < (double)s.keys ? (int64_t)ceil(length) : s.keys;
    }
    if (s.causal && t + 1 < r.seen)
        r.seen = t + 1;
    return r;
}

static double product(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double score(const Row *r, int64_t j)
{
    double distance = (double)(r->at > j ? r->at - j : j - r->at);
    return product(r->q, r->k + j * r->step, r->s.dim) / sqrt((double)r->s.dim) -
           r->slope * distance;
}

/* What a weight is multiplied by. */
static double kept(const Row *r, int64_t j)
{
    if (r->drop == 0)
        return 1;
    return (double)nnrt_rand_uniform(r->key, r->first + (uint64_t)j) >= (float)r->drop
               ? 1 / (1 - r->drop)
               : 0;
}

static double log_of_sum(const Row *r)
{
    double most = -INFINITY, sum = 0;
    for (int64_t j = 0; j < r->seen; j++)
        most = fmax(most, score(r, j));
    for (int64_t j = 0; j < r->seen; j++)
        sum += exp(score(r, j) - most);
    return r->seen ? most + log(sum) : hidden_log;
}

static void attention_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    AttentionSizes s = attention_sizes(y);
    double slopes[ATTENTION_HEADS_MAX];
    attention_slopes(s.heads, slopes);
    int64_t width = s.heads * s.dim + s.heads;
    for (int64_t i = 0, n = out->shape.dim[0] * s.queries * s.heads; i < n; i++) {
        int64_t head = i % s.heads, position = i / s.heads;
        Row r = row_of(y, run, in, position / s.queries, position % s.queries, head, slopes);
        double *to = out->data + position * width, *value = to + head * s.dim, log = log_of_sum(&r);
        to[s.heads * s.dim + head] = log;
        for (int64_t d = 0; d < s.dim; d++)
            value[d] = 0;
        for (int64_t j = 0; j < r.seen; j++) {
            double p = exp(score(&r, j) - log) * kept(&r, j);
            for (int64_t d = 0; d < s.dim; d++)
                value[d] += p * r.v[j * r.step + d];
        }
    }
}

/* Where the gradients of a sample's q, k and v begin, and from position to position. */
typedef struct Places {
    double *q, *k, *v;
    int64_t q_step, k_step;
} Places;

static Places places_of(const AttentionSizes *s, double *sample)
{
    int64_t of_q = s->heads * s->dim, of_k = s->groups * s->dim;
    if (s->queries == s->keys)
        return (Places){sample, sample + of_q, sample + of_q + of_k, of_q + 2 * of_k,
                        of_q + 2 * of_k};
    double *k = sample + s->queries * of_q;
    return (Places){sample, k, k + s->keys * of_k, of_q, of_k};
}

/* Adds what one query of one head gives. */
static void add_gradients(const Row *r, const double *value, const double *log, const double *dy,
                          double d_log, double *dq, double *dk, double *dv, int64_t step)
{
    int64_t dim = r->s.dim;
    double rest = product(value, dy, dim) - d_log;
    for (int64_t j = 0; j < r->seen; j++) {
        const double *k = r->k + j * r->step, *v = r->v + j * r->step;
        double p = exp(score(r, j) - *log);
        double keep = kept(r, j);
        double ds = p * (keep * product(dy, v, dim) - rest) / sqrt((double)dim);
        for (int64_t d = 0; d < dim; d++) {
            dq[d] += ds * k[d];
            dk[j * step + d] += ds * r->q[d];
            dv[j * step + d] += p * keep * dy[d];
        }
    }
}

static void attention_grad_eval(const Node *y, const InterpInput *run, const Tensor *in,
                                Tensor *out)
{
    AttentionSizes s = attention_sizes(y);
    double slopes[ATTENTION_HEADS_MAX];
    attention_slopes(s.heads, slopes);
    int64_t width = s.heads * s.dim + s.heads, logs = s.heads * s.dim;
    int64_t each = out->shape.dim[1] * out->shape.dim[2];
    for (int64_t i = 0, n = shape_count(&out->shape); i < n; i++)
        out->data[i] = 0;
    for (int64_t i = 0, n = out->shape.dim[0] * s.queries * s.heads; i < n; i++) {
        int64_t head = i % s.heads, position = i / s.heads, sample = position / s.queries;
        int64_t t = position % s.queries, group = head / (s.heads / s.groups);
        Row r = row_of(y, run, in, sample, t, head, slopes);
        Places to = places_of(&s, out->data + sample * each);
        const double *of = in[3].data + position * width, *dy = in[4].data + position * width;
        add_gradients(&r, of + head * s.dim, of + logs + head, dy + head * s.dim, dy[logs + head],
                      to.q + t * to.q_step + head * s.dim, to.k + group * s.dim,
                      to.v + group * s.dim, to.k_step);
    }
}

/* --- the gradient ----------------------------------------------------------------------------- */

/* The part of the gradients from `first` on, as x's shape. */
static Node *part(Graph *g, Node *all, int64_t first, const Shape *x)
{
    int64_t of_position = op_product(x, 2, 4);
    int64_t n = all->shape.dim[1] == 1 ? x->dim[1] * of_position : of_position;
    return build_reshape(g, build_slice(g, all, 2, first, first + n, 1), x);
}

/* The parts of `all`, gradients of q, k and v behind each other, that are wanted; y has these for operands. */
static void cut(Graph *g, const Node *y, Node *all, const bool *want, Node **dx)
{
    AttentionSizes s = attention_sizes(y);
    int64_t times_q = all->shape.dim[1] == 1 ? s.queries : 1,
            times_k = all->shape.dim[1] == 1 ? s.keys : 1;
    int64_t k_at = times_q * s.heads * s.dim, v_at = k_at + times_k * s.groups * s.dim;
    int64_t first[3] = {0, k_at, v_at};
    for (int i = 0; i < 3; i++)
        if (want[i])
            dx[i] = part(g, all, first[i], &y->in[i]->shape);
}

static void attention_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    Node *in[6] = {y->in[0], y->in[1], y->in[2], y, dy, y->n_in > 3 ? y->in[3] : NULL};
    Node *all = graph_add(g, OP_attention_grad, y->n_in > 3 ? 6 : 5, in, y->attr);
    cut(g, y, all, want, dx);
}

static void attention_grad_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    static const bool all[3] = {true, true, true};
    Node *parts[3];
    cut(g, y, dy, all, parts);
    attention_grad_again(g, y, parts, want, dx);
}

const OpImpl op_attention = {.attrs = ATTR_axes | ATTR_value | ATTR_stream,
                             .shape = attention_shape,
                             .grad = attention_grad,
                             .eval = attention_eval};
const OpImpl op_attention_grad = {.attrs = ATTR_axes | ATTR_value | ATTR_stream,
                                  .shape = attention_grad_shape,
                                  .grad = attention_grad_grad,
                                  .eval = attention_grad_eval};

/* --- decoding: the next positions of one sample ------------------------------------------------ */

static bool is_cache(const Node *x, int64_t a, int64_t b, int64_t c)
{
    const Shape wanted = shape_of(3, (int64_t[]){a, b, c});
    return x->op == OP_var && x->attr->var->kind == VAR_cache && shape_equal(&x->shape, &wanted);
}

static bool attention_step_shape(Graph *g, Node *y)
{
    const Shape *q = &y->in[0]->shape, *k = &y->in[1]->shape;
    if (y->attr->n_axes != 2 || !y->attr->axes[0] || q->rank != 4 || k->rank != 4 ||
        q->dim[0] != 1 || k->dim[0] != 1 || q->batch >= 0 || k->batch >= 0 ||
        q->dim[1] != k->dim[1] || !shape_equal(k, &y->in[2]->shape))
        return attention_error(g, y, "they are not the next positions of one sample");
    if (q->dim[3] != k->dim[3] || q->dim[2] % k->dim[2] || q->dim[2] > ATTENTION_HEADS_MAX ||
        q->dim[3] > ATTENTION_DIM_MAX)
        return attention_error(g, y, "their heads do not fit");
    int64_t room = y->in[4]->shape.rank == 3 ? attention_room(y) : 0;
    if (!is_cache(y->in[3], k->dim[2], k->dim[3], room) ||
        !is_cache(y->in[4], k->dim[2], room, k->dim[3]) || y->in[5]->shape.rank != 0)
        return attention_error(g, y, "their caches do not fit");
    y->dtype = DT_f32;
    y->shape = shape_of(3, (int64_t[]){1, q->dim[1], q->dim[2] * q->dim[3]});
    return true;
}

/* Adds position u of this call to the caches; past their room nothing is kept. */
static void remember(const Node *y, const InterpInput *run, const Tensor *in, int64_t u, int64_t at)
{
    int64_t groups = in[1].shape.dim[2], dim = in[1].shape.dim[3], room = attention_room(y);
    double *keys = run->vars[y->in[3]->attr->var->id], *values = run->vars[y->in[4]->attr->var->id];
    for (int64_t i = 0; i < groups * dim && at + u < room; i++) {
        keys[i * room + at + u] = in[1].data[u * groups * dim + i];
        values[(i / dim * room + at + u) * dim + i % dim] = in[2].data[u * groups * dim + i];
    }
}

static void attention_step_eval(const Node *y, const InterpInput *run, const Tensor *in,
                                Tensor *out)
{
    int64_t heads = in[0].shape.dim[2], groups = in[1].shape.dim[2], dim = in[0].shape.dim[3];
    int64_t at = (int64_t)in[5].data[0], room = attention_room(y), n = in[0].shape.dim[1];
    const double *keys = run->vars[y->in[3]->attr->var->id];
    const double *values = run->vars[y->in[4]->attr->var->id];
    double slopes[ATTENTION_HEADS_MAX];
    attention_slopes(heads, slopes);
    for (int64_t u = 0; u < n; u++)
        remember(y, run, in, u, at);
    for (int64_t i = 0; i < n * heads; i++) {
        int64_t head = i % heads, group = head / (heads / groups), here = at + i / heads;
        const double *q = in[0].data + i * dim;
        double *to = out->data + i * dim, total = 0, most = -INFINITY;
        for (int turn = 0; turn < 2; turn++)
            for (int64_t j = 0; j <= here && j < room; j++) {
                double s = 0;
                for (int64_t d = 0; d < dim; d++)
                    s += q[d] * keys[(group * dim + d) * room + j];
                s = s / sqrt((double)dim) -
                    (y->attr->axes[1] ? slopes[head] * (double)(here - j) : 0);
                if (!turn) {
                    most = fmax(most, s);
                    continue;
                }
                total += exp(s - most);
                for (int64_t d = 0; d < dim; d++)
                    to[d] = (j ? to[d] : 0) + exp(s - most) * values[(group * room + j) * dim + d];
            }
        for (int64_t d = 0; d < dim; d++)
            to[d] /= total;
    }
}

const OpImpl op_attention_step = {
    .attrs = ATTR_axes, .shape = attention_step_shape, .eval = attention_step_eval};
