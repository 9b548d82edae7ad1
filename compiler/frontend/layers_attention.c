/* SPDX-License-Identifier: MIT */
/* layers_attention.c: multi-head attention (PyTorch's MultiheadAttention, batch first), grouped heads,
 * rotary positions and ALiBi.
 */
#include "attention.h"

#include <math.h>
#include <string.h>

/* --- projections ------------------------------------------------------------------------------ */

/* PyTorch's xavier_uniform of a weight [out, in]. */
static Init xavier(int64_t in, int64_t out)
{
    double bound = sqrt(6.0 / (double)(in + out));
    return (Init){INIT_uniform, -bound, bound};
}

typedef struct
    Heads { /* what is computed on: q [N, Tq, heads, dim], k and v [N, Tk, kv_heads, dim] */
    Node *q, *k, *v;
} Heads;

static Node *weight(Call *c, const Attention *a, const char *name, int rank, int64_t out,
                    int64_t in, Init init)
{
    const Shape shape = shape_of(rank, (int64_t[]){out, in});
    return call_weight(c, arena_format(c->ctx->arena, "%s%s", a->prefix, name), &shape, init, in,
                       out);
}

static Node *rows_from(Graph *g, Node *x, int64_t first, int64_t n)
{
    return build_slice(g, x, 0, first, first + n, 1);
}

/* One weight for q, k and v, one after the other: one product where they are made of one value. */
static bool project_together(Call *c, const Attention *a, Node *const *x, Node **out)
{
    Graph *g = c->g;
    int64_t e = x[0]->shape.dim[2];
    Node *w = weight(c, a, "in_proj_weight", 2, 3 * e, e, xavier(e, 3 * e));
    Node *b =
        a->bias ? weight(c, a, "in_proj_bias", 1, 3 * e, 1, (Init){INIT_constant, 0, 0}) : NULL;
    if (!w || (a->bias && !b))
        return false;
    if (x[0] == x[1] && x[1] == x[2]) {
        Node *all = rows_linear(g, x[0], w, b);
        for (int i = 0; i < 3; i++)
            out[i] = build_slice(g, all, 2, i * e, (i + 1) * e, 1);
        return out[2] != NULL;
    }
    if (x[1] == x[2]) {
        Node *both =
            rows_linear(g, x[1], rows_from(g, w, e, 2 * e), b ? rows_from(g, b, e, 2 * e) : NULL);
        for (int i = 0; i < 2; i++)
            out[1 + i] = build_slice(g, both, 2, i * e, (i + 1) * e, 1);
    }
    for (int i = 0; i < (x[1] == x[2] ? 1 : 3); i++)
        out[i] =
            rows_linear(g, x[i], rows_from(g, w, i * e, e), b ? rows_from(g, b, i * e, e) : NULL);
    return out[0] && out[2];
}

/* A weight each: grouped heads as dense layers are, else PyTorch's for keys of another width. */
static bool project_apart(Call *c, const Attention *a, Node *const *x, Node **out)
{
    static const char *const names[] = {"q_proj", "k_proj", "v_proj"};
    Graph *g = c->g;
    Arena *arena = c->ctx->arena;
    bool grouped = a->heads != a->kv_heads;
    int64_t e = x[0]->shape.dim[2], dim = e / a->heads;
    Node *all = NULL;
    if (a->bias && !grouped)
        all = weight(c, a, "in_proj_bias", 1, 3 * e, 1, (Init){INIT_constant, 0, 0});
    if (a->bias && !grouped && !all)
        return false;
    for (int i = 0; i < 3; i++) {
        int64_t in = x[i]->shape.dim[2], width = dim * (i ? a->kv_heads : a->heads);
        const char *name = arena_format(arena, grouped ? "%s.weight" : "%s_weight", names[i]);
        Node *w = weight(c, a, name, 2, width, in, grouped ? rows_uniform(in) : xavier(in, width));
        Node *b = all ? rows_from(g, all, i * e, e) : NULL;
        if (a->bias && grouped)
            b = weight(c, a, arena_format(arena, "%s.bias", names[i]), 1, width, 1,
                       rows_uniform(in));
        if (!w || (a->bias && !b))
            return false;
        out[i] = rows_linear(g, x[i], w, b);
    }
    return out[0] && out[1] && out[2];
}

/* [N, T, heads * dim] as [N, T, heads, dim] */
static Node *as_heads(Graph *g, Node *x, int64_t heads)
{
    Shape s = x->shape;
    s.dim[s.rank++] = s.dim[2] / heads;
    s.dim[2] = heads;
    return build_reshape(g, x, &s);
}

/* --- positions -------------------------------------------------------------------------------- */

/* Rotary positions: elements i and i + dim / 2 of a head are turned by t / 10000^(2i / dim). */
static Node *rotate(Graph *g, Node *x)
{
    int64_t length = x->shape.dim[1], dim = x->shape.dim[3], half = dim / 2;
    const Shape table = shape_of(3, (int64_t[]){length, 1, half});
    Node *rate = build_unary(
        g, OP_exp, rows_times(g, build_iota(g, &table, 2), -2 * log(10000) / (double)dim));
    Node *angle = build_binary(g, OP_mul, build_iota(g, &table, 0), rate);
    Node *cosine = build_unary(g, OP_cos, angle), *sine = build_unary(g, OP_sin, angle);
    Node *a = build_slice(g, x, 3, 0, half, 1), *b = build_slice(g, x, 3, half, dim, 1);
    Node *parts[2] = {build_binary(g, OP_sub, build_binary(g, OP_mul, a, cosine),
                                   build_binary(g, OP_mul, b, sine)),
                      build_binary(g, OP_add, build_binary(g, OP_mul, b, cosine),
                                   build_binary(g, OP_mul, a, sine))};
    return build_concat(g, 3, 2, parts);
}

/* --- attention -------------------------------------------------------------------------------- */

/* [N, T, groups * each, dim] as [N, groups, each, T, dim] */
static Node *by_group(Graph *g, Node *x, int64_t groups)
{
    static const int perm[] = {0, 2, 3, 1, 4};
    Shape s = x->shape;
    s.rank = 5;
    s.dim[4] = s.dim[3];
    s.dim[3] = s.dim[2] / groups;
    s.dim[2] = groups;
    return build_transpose(g, build_reshape(g, x, &s), perm);
}

/* -slope * |i - j| */
static Node *alibi(Call *c, const Attention *a, const Shape *scores)
{
    Graph *g = c->g;
    double *slope = arena_take(c->ctx->arena, sizeof *slope * (size_t)a->heads);
    attention_slopes(a->heads, slope);
    for (int64_t i = 0; i < a->heads; i++)
        slope[i] = -slope[i];
    const Shape of_head = shape_of(4, (int64_t[]){a->kv_heads, a->heads / a->kv_heads, 1, 1});
    const Shape square = shape_of(2, (int64_t[]){scores->dim[3], scores->dim[4]});
    Node *distance = build_binary(g, OP_sub, build_iota(g, &square, 0), build_iota(g, &square, 1));
    return build_binary(g, OP_mul, build_data(g, &of_head, slope),
                        build_unary(g, OP_abs, distance));
}

/* 1 where a query may see a key, broadcast to the scores; NULL: everywhere. */
static Node *visible(Graph *g, const Attention *a, const Shape *scores)
{
    const Shape square = shape_of(2, (int64_t[]){scores->dim[3], scores->dim[4]});
    Node *j = build_iota(g, &square, 1), *seen = NULL;
    if (a->causal)
        seen = build_binary(g, OP_less_equal, j, build_iota(g, &square, 0));
    if (!a->lengths)
        return seen;
    const Shape each = {.rank = 5, .batch = 0, .dim = {1, 1, 1, 1, 1}};
    Node *within = build_binary(g, OP_less, j, build_reshape(g, a->lengths, &each));
    return seen ? build_binary(g, OP_mul, seen, within) : within;
}

/* softmax(q k^T / sqrt(dim)) v, a query that sees no key gives 0. */
static Node *attend(Call *c, const Attention *a, const Heads *h)
{
    static const int back[] = {0, 3, 1, 2, 4};
    enum { HIDDEN = -1000000000 };
    Graph *g = c->g;
    Node *q = by_group(g, h->q, a->kv_heads), *k = by_group(g, h->k, a->kv_heads);
    double scale = 1 / sqrt((double)h->q->shape.dim[3]);
    Node *scores = rows_times(g, build_matmul(g, q, build_swap(g, k)), scale);
    if (!scores)
        return NULL;
    if (a->positions == POSITIONS_alibi)
        scores = build_binary(g, OP_add, scores, alibi(c, a, &scores->shape));
    Node *seen = visible(g, a, &scores->shape), *zero = build_const(g, 0);
    if (seen)
        scores = build_where(g, seen, scores, build_const(g, HIDDEN));
    Node *p = build_softmax(g, scores, -1);
    if (a->lengths)
        p = build_where(g, seen, p, zero);
    p = rows_dropout(c, p, a->dropout);
    Node *y = build_transpose(g, build_matmul(g, p, by_group(g, h->v, a->kv_heads)), back);
    return y ? build_reshape(g, y,
                             &(Shape){.rank = 3,
                                      .batch = 0,
                                      .dim = {1, h->q->shape.dim[1],
                                              h->q->shape.dim[2] * h->q->shape.dim[3]}})
             : NULL;
}

/* Whether the op that never writes the weights takes it: not of very wide heads; of a few positions loops
 * are faster, but where decoding looks back. */
static bool is_whole(const Call *c, const Attention *a, const Heads *h)
{
    enum { FEW = 16 };
    bool few = h->q->shape.dim[1] < FEW || h->k->shape.dim[1] < FEW;
    return (!few || c->g->program->generate.given) && a->heads <= ATTENTION_HEADS_MAX &&
           h->q->shape.dim[3] <= ATTENTION_DIM_MAX && a->dropout < 1;
}

static Node *attend_whole(Call *c, const Attention *a, const Heads *h)
{
    Node *in[4] = {h->q, h->k, h->v, a->lengths};
    Attr attr = {.n_axes = 2, .axes = {a->causal, a->positions == POSITIONS_alibi}};
    if (c->training && a->dropout > 0) {
        attr.value = a->dropout;
        attr.stream = call_stream(c);
    }
    Node *y = graph_add(c->g, OP_attention, a->lengths ? 4 : 3, in, &attr);
    return y ? build_slice(c->g, y, 2, 0, a->heads * h->q->shape.dim[3], 1) : NULL;
}

/* --- checks ----------------------------------------------------------------------------------- */

static bool wrong(Call *c, Loc loc, const char *what)
{
    diag_error(&c->ctx->diag, loc, "%s: %s", c->row->name, what);
    return false;
}

static bool check_shapes(Call *c, Node *const *x)
{
    char text[128];
    for (int i = 0; i < 3; i++)
        if (x[i]->shape.rank != 3 || x[i]->shape.batch != 0 || x[i]->shape.dim[0] != 1) {
            diag_error(&c->ctx->diag, c->loc, "%s: takes [N, T, E], saw %s", c->row->name,
                       shape_text(&x[i]->shape, text));
            rows_notes(c);
            return false;
        }
    if (x[1]->shape.dim[1] == x[2]->shape.dim[1])
        return true;
    diag_error(&c->ctx->diag, c->loc, "%s: %lld keys, but %lld values", c->row->name,
               (long long)x[1]->shape.dim[1], (long long)x[2]->shape.dim[1]);
    rows_notes(c);
    return false;
}

static bool check_heads(Call *c, const Attention *a, int64_t width)
{
    Arena *arena = c->ctx->arena;
    if (a->heads < 1 || width % a->heads)
        return wrong(c, a->heads_arg->loc,
                     arena_format(arena, "heads: %lld heads do not divide a width of %lld",
                                  (long long)a->heads, (long long)width));
    if (a->kv_heads < 1 || a->heads % a->kv_heads)
        return wrong(c, a->kv_heads_arg->loc,
                     arena_format(arena, "kv_heads: %lld do not divide %lld heads",
                                  (long long)a->kv_heads, (long long)a->heads));
    if (a->positions == POSITIONS_rope && width / a->heads % 2)
        return wrong(c, c->loc,
                     arena_format(arena, "rope turns pairs: a head of width %lld is odd",
                                  (long long)(width / a->heads)));
    return true;
}

Node *attention_lengths(Call *c, const Arg *arg)
{
    return rows_each(c, call_value(c, arg), arg->loc, c->row->arg[arg - c->arg].name);
}

Node *attention_build(Call *c, const Attention *a, Node *const *x)
{
    Graph *g = c->g;
    Node *out[3] = {NULL};
    if (!check_shapes(c, x) || !check_heads(c, a, x[0]->shape.dim[2]))
        return NULL;
    int64_t e = x[0]->shape.dim[2];
    bool together = a->heads == a->kv_heads && x[1]->shape.dim[2] == e && x[2]->shape.dim[2] == e;
    if (!(together ? project_together : project_apart)(c, a, x, out))
        return NULL;
    Heads h = {as_heads(g, out[0], a->heads), as_heads(g, out[1], a->kv_heads),
               as_heads(g, out[2], a->kv_heads)};
    if (a->positions == POSITIONS_rope) {
        h.q = rotate(g, h.q);
        h.k = rotate(g, h.k);
    }
    Node *y = is_whole(c, a, &h) ? attend_whole(c, a, &h) : attend(c, a, &h);
    Node *w = weight(c, a, "out_proj.weight", 2, e, e, rows_uniform(e));
    Node *b = a->bias ? weight(c, a, "out_proj.bias", 1, e, 1, (Init){INIT_constant, 0, 0}) : NULL;
    return y && w && (b || !a->bias) ? rows_linear(g, y, w, b) : NULL;
}

/* --- the layer -------------------------------------------------------------------------------- */

static Node *attention(Call *c)
{
    Node *x[3];
    if (c->n_in == 2) {
        diag_error(&c->ctx->diag, c->loc, "attention: takes one value, or three: [q, k, v]");
        return NULL;
    }
    for (int i = 0; i < 3; i++)
        x[i] = rows_operand(c, c->n_in == 3 ? i : 0);
    const char *positions = c->arg[5].s;
    Attention a = {.prefix = "",
                   .heads_arg = &c->arg[0],
                   .kv_heads_arg = &c->arg[3],
                   .heads = c->arg[0].i,
                   .causal = c->arg[1].b,
                   .bias = c->arg[2].b,
                   .kv_heads = c->arg[3].given ? c->arg[3].i : c->arg[0].i,
                   .dropout = c->arg[4].r};
    a.positions = strcmp(positions, "rope") == 0    ? POSITIONS_rope
                  : strcmp(positions, "alibi") == 0 ? POSITIONS_alibi
                                                    : POSITIONS_none;
    if (!(a.dropout >= 0 && a.dropout <= 1)) {
        wrong(c, c->arg[4].loc, "dropout is a probability, 0 to 1");
        return NULL;
    }
    if (c->arg[6].given && !(a.lengths = attention_lengths(c, &c->arg[6])))
        return NULL;
    return x[0] && x[1] && x[2] ? attention_build(c, &a, x) : NULL;
}

const CallRow call_attention = {
    .name = "attention",
    .min_in = 1,
    .max_in = 3,
    .arg = {NEEDS("heads", int), TAKES("causal", bool, "false"), TAKES("bias", bool, "true"),
            TAKES("kv_heads", int, ""), TAKES("dropout", real, "0"),
            WORDS("positions", "none", "none rope alibi"), TAKES("lengths", word, "")},
    .build = attention,
    .flags = CALL_layer | CALL_weights,
    .text = "multi-head attention of [N, T, E], or of [q, k, v]; in_proj_weight: [3E, E], "
            "in_proj_bias, "
            "out_proj.weight, out_proj.bias; with kv_heads: q_proj, k_proj, v_proj; keys from "
            "`lengths` on "
            "do not count",
};
