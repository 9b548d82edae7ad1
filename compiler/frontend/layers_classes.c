/* SPDX-License-Identifier: MIT */
/* layers_classes.c: classes as features: one_hot, and crosses of several into one. */
#include "rows.h"

/* Operand i as indices; NULL after a report. */
static Node *indices_of(Call *c, int i, Indices *out)
{
    if (indices_read(c, i, out))
        return out->node;
    diag_error(&c->ctx->diag, c->loc,
               "%s: its input holds no classes: give it 'classes' or 'tokens'", c->row->name);
    rows_notes(c);
    return NULL;
}

/* --- one_hot ---------------------------------------------------------------------------------- */

static Node *one_hot(Call *c)
{
    const Arg *count = &c->arg[0];
    Indices k;
    if (!indices_of(c, 0, &k))
        return NULL;
    if (count->given && (count->i < 1 || count->i > DIM_MAX)) {
        diag_error(&c->ctx->diag, count->loc, "one_hot: count: %lld is out of range: 1 to %lld",
                   (long long)count->i, (long long)DIM_MAX);
        return NULL;
    }
    if (!k.count && !count->given) {
        diag_error(&c->ctx->diag, c->loc, "one_hot: how many classes has '%s'? give 'count'",
                   k.input[0]->name);
        return NULL;
    }
    if (!k.count)
        k.input[0]->classes = k.count = count->i; /* the program then checks its range */
    int64_t wide = count->given ? count->i : k.count;
    if (k.count <= wide)
        return build_one_hot(c->g, k.node, wide, -1);
    diag_error(&c->ctx->diag, count->loc, "one_hot: count is %lld, but there are %lld classes",
               (long long)wide, (long long)k.count);
    rows_notes(c);
    return NULL;
}

/* --- cross ------------------------------------------------------------------------------------ */

static int64_t divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* What indices of `known` numbers are multiplied with before the next, below `count`, is added: near 0.618 buckets
 * (Knuth, vol. 3, 6.4), without a divisor in common with buckets, and such that nothing passes 2^24. 0: none. */
static int64_t multiplier(int64_t known, int64_t count, int64_t buckets)
{
    int64_t most = known > 1 ? (EXACT - count) / (known - 1) : EXACT;
    int64_t m = (int64_t)(0.6180339887498949 * (double)buckets);
    m = m < 1 ? 1 : m;
    m = m > most ? most : m;
    while (m > 0 && divisor(m, buckets) != 1)
        m--;
    return m;
}

/* What is known of the numbers so far: there are `known`, from 0. */
typedef struct Crossed {
    Node *node;
    int64_t known;
} Crossed;

/* One more operand, a digit that counts less than those before: false where numbers would pass 2^24. */
static bool add_digit(Graph *g, Crossed *to, const Indices *k, int64_t buckets)
{
    Node *x = rows_f32(g, k->node);
    bool hashed = buckets > 0 && to->known > buckets / k->count;
    int64_t m = hashed ? multiplier(to->known, k->count, buckets) : k->count;
    if (k->count > EXACT || m < 1 || to->known - 1 > (EXACT - k->count) / m)
        return false;
    to->known = (to->known - 1) * m + k->count;
    to->node = to->node ? build_binary(g, OP_add, rows_times(g, to->node, (double)m), x) : x;
    if (!hashed || to->known <= buckets)
        return true;
    Node *wide = build_const(g, (double)buckets);
    to->node = build_binary(g, OP_mod, to->node, wide);
    to->known = buckets;
    return true;
}

/* The indices as one number, the last counting least; with buckets reduced to below them. */
static Node *cross(Call *c)
{
    const Arg *buckets = &c->arg[0];
    Crossed all = {.known = 1};
    if (buckets->given && (buckets->i < 1 || buckets->i > EXACT)) {
        diag_error(&c->ctx->diag, buckets->loc, "cross: buckets: %lld is out of range: 1 to %d",
                   (long long)buckets->i, EXACT);
        return NULL;
    }
    for (int i = 0; i < c->n_in; i++) {
        Indices k;
        if (!indices_of(c, i, &k))
            return NULL;
        if (!k.count) {
            diag_error(&c->ctx->diag, c->loc, "cross: how many classes has '%s'? give it 'classes'",
                       k.input[0]->name);
            return NULL;
        }
        if (!add_digit(c->g, &all, &k, buckets->given ? buckets->i : 0)) {
            diag_error(&c->ctx->diag, c->loc, "cross: more than %d combinations: %s", EXACT,
                       buckets->given ? "give fewer buckets" : "give 'buckets'");
            return NULL;
        }
    }
    return build_cast(c->g, all.node, DT_i32);
}

/* --- rows ------------------------------------------------------------------------------------- */

const CallRow call_one_hot = {
    .name = "one_hot",
    .min_in = 1,
    .max_in = 1,
    .arg = {TAKES("count", int, "")},
    .build = one_hot,
    .flags = CALL_layer | CALL_function,
    .text = "1 at the position of the class, else 0, along a new last axis of `count` (default: "
            "the classes "
            "that there are)",
};

const CallRow call_cross = {
    .name = "cross",
    .min_in = 2,
    .max_in = 8,
    .arg = {TAKES("buckets", int, "")},
    .build = cross,
    .flags = CALL_function,
    .text = "the combination of classes a, b, ... as one class: a * count of b + b; with buckets "
            "hashed to "
            "below them",
};
