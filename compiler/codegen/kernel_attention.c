/* SPDX-License-Identifier: MIT */
/* kernel_attention.c: the bodies of the kernels of attention and of its gradient.
 *
 * Forward, threads share heads and blocks of queries: a block goes over the keys that it may see, a block
 * at a time, and keeps the largest score and the sum of the weights so far (templates/attention.c). Of
 * the weights no more than a block by a block is ever there. The gradient makes them again from the logs
 * of their sums; threads share the groups of heads that read the same keys, as the gradients of those are
 * sums over all of their queries. Every sum runs in an order that the text fixes. */
#include "kernel_emit.h"

typedef struct Attend {
    Emit *e;
    const Node *y;
    AttentionSizes s;
    const AttentionPlan *plan;
    long long width;     /* of a row of a block: dim, rounded up to whole tiles */
    const char *samples; /* how many, as text */
    Ix b, i, j, h, g, d,
        c; /* sample, query, key, head, group, element of a head, of a result's row */
} Attend;

static Attend attend_of(Emit *e)
{
    const Node *y = e->k->product, *q = y->in[0];
    Attend a = {.e = e, .y = y, .s = attention_sizes(y), .plan = &e->low->attention};
    if (y->op != OP_attention_step) /* which has no blocks */
        a.width = (long long)tile_round_up(a.s.dim, a.plan->tile_n);
    a.samples = emit_extent(e, q->shape.dim[0], q->shape.batch == 0);
    a.b = ix_loop(&e->space, "b", axis_extent(&e->space, &q->shape, 0));
    a.i = ix_loop(&e->space, "i", a.s.queries);
    a.j = ix_loop(&e->space, "j", a.s.keys);
    a.h = ix_loop(&e->space, "h1", a.s.heads);
    a.g = ix_loop(&e->space, "g", a.s.groups);
    a.d = ix_loop(&e->space, "k", a.s.dim);
    a.c = ix_loop(&e->space, "c", y->shape.dim[2]);
    const Ix axes[3] = {a.b, a.i, a.c};
    for (int axis = 0, d = 0; axis < 3 && y->op != OP_attention_grad; axis++)
        if (!shape_unit(&y->shape, axis))
            e->loops[d++] = axes[axis];
    return a;
}

/* A call of a function of the template. */
static const char *name_of(Attend *a, const char *what)
{
    return arena_format(a->e->arena, "%s_%s_%dx%d", a->e->p->name, what, a->plan->tile_m,
                        a->plan->tile_n);
}

/* What of a product is needed: the queries that see a key are i0 - j0 behind it at least. */
typedef enum { ALL, FROM_SEEN, TO_SEEN, SEEN } Needed;

static const char *part_of(Attend *a, Needed needed)
{
    static const char all[] = "1 << 20",
                      ahead[] = "i0 - j0"; /* all: more than a block and a head */
    bool causal = a->s.causal;
    return arena_format(a->e->arena, "(%s){%s, %s, %s}", name_of(a, "part"),
                        causal && needed == FROM_SEEN ? ahead : all,
                        causal && needed == TO_SEEN ? ahead : all,
                        causal && needed == SEEN ? ahead : all);
}

/* --- blocks of operands ----------------------------------------------------------------------- */

/* An element of operand i of the node at (b, `row`, head or group, d). */
static const char *element(Attend *a, int i, Ix row, Ix head)
{
    return emit_bare(a->e, emit_value(a->e, a->y->in[i], (Ix[]){a->b, row, head, a->d}));
}

static void declare_block(Attend *a, const char *name)
{
    out_line(a->e->out, "_Alignas(64) float %s[%lld];", name, a->plan->block * a->width);
}

/* Zeros, where not all of a block will be written. */
static void clear_block(Attend *a, const char *name, const char *count)
{
    if (a->width != a->s.dim) {
        out_line(a->e->out, "__builtin_memset(%s, 0, sizeof %s);", name, name);
        return;
    }
    out_loop(a->e->out, "if (%s < %lld)", count, a->plan->block);
    out_line(a->e->out, "__builtin_memset(%s, 0, sizeof %s);", name, name);
    out_end(a->e->out);
}

/* Opens the loops over the rows of a block and their elements. */
static size_t open_rows(Attend *a, const char *count, const char *row, const char *from)
{
    Emit *e = a->e;
    out_open(e->out, "for (int u = 0; u < %s; u++)", count);
    size_t line = out_index(e->out, row, arena_format(e->arena, "%s + u", from));
    out_open(e->out, "for (int k = 0; k < %lld; k++)", (long long)a->s.dim);
    return line;
}

static void close_rows(Attend *a, size_t line, const char *row, int known)
{
    out_close(a->e->out);
    out_unindex(a->e->out, line, row);
    out_close(a->e->out);
    a->e->known.n = known;
}

/* Declares NAME_next: the rows of an operand from `later` rows behind `from` on, which is i0 or j0, for a product to
 * bring near; none where they do not lie in memory, or there are none. */
static void declare_next(Attend *a, const char *name, int operand, const Ix *at, const char *from,
                         long long later)
{
    Emit *e = a->e;
    const Node *x = a->y->in[operand], *base;
    const Ix *row = *from == 'i' ? &a->i : &a->j;
    int64_t rows = x->shape.dim[1];
    int i = row->t[0].atom, d = a->d.t[0].atom;
    Ix linear;
    if (rows <= later || !operand_strides(&e->space, x, at, i, d, &base, &linear)) {
        out_line(e->out, "const %s %s_next = {0};", name_of(a, "next"), name);
        return;
    }
    int64_t apart = ix_coefficient(&linear, i);
    linear = ix_add(&e->space, linear, ix_scale(*row, -apart));
    linear = ix_add(&e->space, linear, ix_scale(a->d, -ix_coefficient(&linear, d)));
    linear.c += later * apart;
    out_line(e->out, "const float *const %s_far = %s + %s + (ptrdiff_t)%s * %lld;", name,
             emit_buffer(e, node_buffer(e->g, base), false), ix_text(&e->space, &linear, true),
             from, (long long)apart);
    out_line(e->out, "const %s %s_next = {%s_far, %lld, %lld - %s, %lld};", name_of(a, "next"),
             name, name, (long long)apart, (long long)(rows - later), from, (long long)a->s.dim);
}

static void declare_next_keys(Attend *a, const char *name, int operand, long long later)
{
    declare_next(a, name, operand, (Ix[]){a->b, a->j, a->g, a->d}, "j0", later);
}

/* Keys (operand 1) or values (operand 2) from j0 on. */
static void load_keys(Attend *a, int operand, const char *name)
{
    int known = a->e->known.n;
    clear_block(a, name, "keys_here");
    size_t line = open_rows(a, "keys_here", "j", "j0");
    out_line(a->e->out, "%s[u * %lld + k] = %s;", name, a->width, element(a, operand, a->j, a->g));
    close_rows(a, line, "j", known);
}

/* The block, so wide, transposed. */
static void turn(Attend *a, const char *name, long long width, const char *to)
{
    long long block = a->plan->block;
    out_line(a->e->out, "%s_turn_%lld(%lld, %lld, %s, %lld, %s);", a->e->p->name, block, block,
             width, name, width, to);
}

/* Queries, scaled, from i0 on: as they are, and transposed. */
static void load_queries(Attend *a, const char *name)
{
    Emit *e = a->e;
    int known = e->known.n;
    const Ix at[] = {a->b, a->i, a->h, a->d};
    clear_block(a, name, "rows");
    size_t line = open_rows(a, "rows", "i", "i0");
    const char *value = emit_value(e, a->y->in[0], at);
    out_line(e->out, "%s[u * %lld + k] = %s * %s;", name, a->width,
             emit_number(e, 1 / __builtin_sqrt((double)a->s.dim)), value);
    close_rows(a, line, "i", known);
    turn(a, name, a->width, "qt_block");
}

/* --- what both have --------------------------------------------------------------------------- */

/* How many keys the sample has. */
static const char *known_keys(Attend *a)
{
    Emit *e = a->e;
    const char *all = arena_format(e->arena, "%lld", (long long)a->s.keys);
    if (!a->s.lengths)
        return all;
    int known = e->known.n;
    const char *length = emit_value(e, a->s.lengths, &a->b);
    out_line(e->out, "const float l1 = %s;", emit_bare(e, length));
    out_line(e->out,
             "const int all_keys = l1 < %s.0f ? l1 > 0.0f ? (int)__builtin_ceilf(l1) : 0 : %s;",
             all, all);
    e->known.n = known;
    return "all_keys";
}

/* How many keys the block of queries may see. */
static void declare_seen(Attend *a, const char *there)
{
    if (a->s.causal)
        out_line(a->e->out, "const int some_keys = i0 + rows < %s ? i0 + rows : %s;", there, there);
    else
        out_line(a->e->out, "const int some_keys = %s;", there);
}

static void declare_queries(Attend *a)
{
    long long all = (long long)a->s.queries, block = a->plan->block;
    if (all % block == 0)
        out_line(a->e->out, "const int rows = %lld;", block);
    else
        out_line(a->e->out, "const int rows = %lld - i0 < %lld ? (int)(%lld - i0) : %lld;", all,
                 block, all, block);
}

static void open_keys(Attend *a)
{
    long long block = a->plan->block;
    out_open(a->e->out, "for (int j0 = 0; j0 < some_keys; j0 += %lld)", block);
    out_line(a->e->out, "const int keys_here = some_keys - j0 < %lld ? some_keys - j0 : %lld;",
             block, block);
}

/* ALiBi's slope of each head. */
static void declare_slopes(Attend *a)
{
    Emit *e = a->e;
    if (!a->s.alibi)
        return;
    double slope[ATTENTION_HEADS_MAX];
    attention_slopes(a->s.heads, slope);
    Str list = str_new(e->arena);
    for (int64_t h = 0; h < a->s.heads; h++)
        str_add(&list, "%s%s", h ? ", " : "", emit_number(e, slope[h]));
    out_hang(e->out, "static const float slope_block[] = {%s};", list.at);
}

/* to = scores of the block: rows keys, columns queries. */
static void scores(Attend *a, const char *to)
{
    Emit *e = a->e;
    out_wrap(
        e->out,
        "%s(keys_here, %lld, %lld, k_block, %lld, 1, qt_block, %lld, %s, %lld, 0, %s, s_next);",
        name_of(a, "product"), a->plan->block, (long long)a->s.dim, a->width, a->plan->block, to,
        a->plan->block, part_of(a, SEEN));
    if (a->s.alibi)
        out_wrap(e->out, "%s(keys_here, i0 - j0, slope_block[h1], %s);", name_of(a, "slopes"), to);
    if (a->s.causal)
        out_wrap(e->out, "%s(keys_here, i0 - j0, %s);", name_of(a, "hide"), to);
}

/* How many positions the first query is behind the first key, as far as that hides any. */
static const char *ahead(const Attend *a)
{
    return a->s.causal ? "i0 - j0" : "1 << 20";
}

/* What a block is multiplied by, where any are dropped. */
static void make_drops(Attend *a)
{
    Emit *e = a->e;
    const AttentionSizes *s = &a->s;
    double p = a->y->attr->value;
    if (p == 0)
        return;
    out_wrap(e->out,
             "%s(keys_here, %s, (((uint64_t)b * %lld + (uint64_t)h1) * %lld + (uint64_t)i0) * %lld "
             "+ (uint64_t)j0, %lld, %s, %s, times_block);",
             name_of(a, "drop"), emit_key(e, a->y), (long long)s->heads, (long long)s->queries,
             (long long)s->keys, (long long)s->keys, emit_number(e, p),
             emit_number(e, 1 / (1 - p)));
}

static void drop(Attend *a, const char *of)
{
    if (a->y->attr->value != 0)
        out_line(a->e->out, "%s(keys_here, times_block, %s);", name_of(a, "times"), of);
}

/* --- forward ---------------------------------------------------------------------------------- */

static void store_value(Attend *a, const char *column, const char *text)
{
    Emit *e = a->e;
    int known = e->known.n;
    Ix at[RANK_MAX];
    size_t line = out_index(e->out, "c", column);
    emit_stand(e, a->y, at);
    emit_know(e, a->y, at, text);
    emit_stores(e, e->k->stores.n, e->k->stores.at);
    out_unindex(e->out, line, "c");
    e->known.n = known;
}

static void store_block(Attend *a)
{
    Emit *e = a->e;
    long long dim = (long long)a->s.dim, heads = (long long)a->s.heads;
    out_line(e->out, "float log_block[%lld];", a->plan->block);
    out_line(e->out, "%s(top_block, sum_block, log_block);", name_of(a, "done"));
    out_open(e->out, "for (int u = 0; u < rows; u++)");
    size_t line = out_index(e->out, "i", "i0 + u");
    out_open(e->out, "for (int k = 0; k < %lld; k++)", dim);
    store_value(a, arena_format(e->arena, "h1 * %lld + k", dim),
                arena_format(e->arena, "(o_block[u * %lld + k] * sum_block[u])", a->width));
    out_close(e->out);
    store_value(a, arena_format(e->arena, "%lld + h1", heads * dim), "log_block[u]");
    out_unindex(e->out, line, "i");
    out_close(e->out);
}

static void declare_drops(Attend *a)
{
    if (a->y->attr->value != 0)
        out_line(a->e->out, "_Alignas(64) float times_block[%lld];",
                 a->plan->block * a->plan->block);
}

static void begin_sums(Attend *a)
{
    Emit *e = a->e;
    long long block = a->plan->block;
    out_line(e->out, "_Alignas(64) float s_block[%lld];", block * block);
    declare_drops(a);
    out_line(e->out, "float top_block[%lld], sum_block[%lld];", block, block);
    out_open(e->out, "for (int u = 0; u < %lld; u++)", block);
    out_line(e->out, "top_block[u] = -1e30f;");
    out_line(e->out, "sum_block[u] = 0.0f;");
    out_close(e->out);
    out_line(e->out, "__builtin_memset(o_block, 0, sizeof o_block);");
}

void emit_attention(Emit *e)
{
    Attend a = attend_of(e);
    long long heads = (long long)a.s.heads, block = a.plan->block;
    long long blocks = (long long)tile_pieces(a.s.queries, block);
    declare_slopes(&a);
    emit_share(e, 1);
    out_open(e->out, "for (int t = 0; t < %s * %lld; t++)", a.samples, heads * blocks);
    size_t b = out_index(e->out, "b", arena_format(e->arena, "t / %lld", heads * blocks));
    out_line(e->out, "const int h1 = t / %lld %% %lld, i0 = t %% %lld * %lld;", blocks, heads,
             blocks, block);
    size_t g =
        out_index(e->out, "g", arena_format(e->arena, "h1 / %lld", heads / (long long)a.s.groups));
    declare_queries(&a);
    declare_seen(&a, known_keys(&a));
    declare_block(&a, "qt_block");
    declare_block(&a, "k_block");
    declare_block(&a, "o_block");
    begin_sums(&a);
    load_queries(&a, "k_block");
    open_keys(&a);
    load_keys(&a, 1, "k_block");
    declare_next_keys(&a, "s", 2, 0);
    scores(&a, "s_block");
    out_wrap(e->out, "%s(keys_here, %s, s_block, top_block, sum_block, %lld, o_block);",
             name_of(&a, "weights"), ahead(&a), a.width);
    make_drops(&a);
    drop(&a, "s_block");
    load_keys(&a, 2, "k_block");
    declare_next_keys(&a, "o", 1, block);
    out_wrap(
        e->out,
        "%s(rows, %lld, keys_here, s_block, 1, %lld, k_block, %lld, o_block, %lld, 1, %s, o_next);",
        name_of(&a, "product"), a.width, block, a.width, a.width, part_of(&a, TO_SEEN));
    out_close(e->out);
    store_block(&a);
    out_unindex(e->out, g, "g");
    out_unindex(e->out, b, "b");
    out_close(e->out);
}

/* --- the gradient ----------------------------------------------------------------------------- */

/* The index of the result, operand 3, or of its gradient, 4. */
static void value_at(Attend *a, Ix *at)
{
    at[0] = a->b;
    at[1] = a->i;
    at[2] = ix_add(&a->e->space, ix_scale(a->h, (long long)a->s.dim), a->d);
}

static void declare_next_values(Attend *a, const char *name, int operand)
{
    Ix at[3];
    value_at(a, at);
    declare_next(a, name, operand, at, "i0", a->plan->block);
}

/* A block of operand 3, the result, or 4, its gradient. */
static void load_values(Attend *a, int operand, const char *name)
{
    Emit *e = a->e;
    int known = e->known.n;
    long long dim = (long long)a->s.dim;
    clear_block(a, name, "rows");
    size_t line = open_rows(a, "rows", "i", "i0");
    size_t c = out_index(e->out, "c", arena_format(e->arena, "h1 * %lld + k", dim));
    Ix at[3];
    value_at(a, at);
    const char *value = emit_value(e, a->y->in[operand], at);
    out_line(e->out, "%s[u * %lld + k] = %s;", name, a->width, emit_bare(e, value));
    out_unindex(e->out, c, "c");
    close_rows(a, line, "i", known);
}

/* The gradient of a block of values, as it is and transposed; the logs of the sums; and what a query's
 * gradients of weights are less: the product of its value and the gradient of that. */
static void load_errors(Attend *a)
{
    Emit *e = a->e;
    long long block = a->plan->block;
    int known = e->known.n;
    load_values(a, 4, "dy_block");
    turn(a, "dy_block", a->width, "dyt_block");
    load_values(a, 3, "dq_block");
    out_line(e->out, "%s(%lld, dy_block, dq_block, s_block);", name_of(a, "dots"), a->width);
    turn(a, "s_block", tile_lanes(e->p->target), "ds_block");
    out_line(e->out, "%s(ds_block, rest_block);", name_of(a, "sums"));
    out_loop(e->out, "for (int u = rows; u < %lld; u++)", block);
    out_line(e->out, "log_block[u] = 1e30f;");
    out_end(e->out);
    out_open(e->out, "for (int u = 0; u < rows; u++)");
    size_t i = out_index(e->out, "i", "i0 + u");
    Ix log = ix_add(&e->space, a->h, ix_const((int64_t)a->s.heads * a->s.dim));
    const char *sum = emit_value(e, a->y->in[3], (Ix[]){a->b, a->i, log});
    out_line(e->out, "log_block[u] = %s;", emit_bare(e, sum));
    out_line(e->out, "rest_block[u] -= %s;", emit_value(e, a->y->in[4], (Ix[]){a->b, a->i, log}));
    out_unindex(e->out, i, "i");
    out_close(e->out);
    e->known.n = known;
}

/* Where the gradients of a sample's queries, keys and values begin in it, and from position to position. */
typedef struct Places {
    long long sample, k, v, q_step, k_step;
} Places;

static Places places_of(const Attend *a)
{
    const AttentionSizes *s = &a->s;
    long long q = (long long)(s->heads * s->dim), k = (long long)(s->groups * s->dim);
    if (s->queries == s->keys)
        return (Places){(long long)s->keys * (q + 2 * k), q, q + k, q + 2 * k, q + 2 * k};
    long long of_q = (long long)s->queries * q, of_k = (long long)s->keys * k;
    return (Places){of_q + 2 * of_k, of_q, of_q + of_k, q, k};
}

static void clear_gradients(Attend *a, const Places *p)
{
    Emit *e = a->e;
    out_open(e->out, "for (int j = 0; j < %lld; j++)", (long long)a->s.keys);
    out_open(e->out, "for (int k = 0; k < %lld; k++)", (long long)a->s.dim);
    out_line(e->out, "dk[(size_t)j * %lld + k] = 0.0f;", p->k_step);
    out_line(e->out, "dv[(size_t)j * %lld + k] = 0.0f;", p->k_step);
    out_close(e->out);
    out_close(e->out);
}

/* What a block of keys gives and gets of a block of queries; the products bring near the next blocks. */
static void add_block(Attend *a, const Places *p)
{
    Emit *e = a->e;
    long long block = a->plan->block, dim = (long long)a->s.dim, width = a->width;
    const char *product = name_of(a, "product");
    load_keys(a, 1, "k_block");
    load_keys(a, 2, "v_block");
    declare_next_keys(a, "s", 1, block);
    scores(a, "s_block");
    declare_next_keys(a, "ds", 2, block);
    out_wrap(e->out,
             "%s(keys_here, %lld, %lld, v_block, %lld, 1, dyt_block, %lld, ds_block, %lld, 0, %s, "
             "ds_next);",
             product, block, dim, width, block, block, part_of(a, SEEN));
    make_drops(a);
    drop(a, "ds_block");
    out_wrap(e->out, "%s(keys_here, %s, log_block, rest_block, s_block, ds_block);",
             name_of(a, "again"), ahead(a));
    drop(a, "s_block");
    declare_next_values(a, "dv", 4);
    out_wrap(e->out,
             "%s(keys_here, %lld, rows, s_block, %lld, 1, dy_block, %lld, dv + (size_t)j0 * %lld, "
             "%lld, 1, %s, dv_next);",
             product, dim, block, width, p->k_step, p->k_step, part_of(a, FROM_SEEN));
    declare_next(a, "dk", 0, (Ix[]){a->b, a->i, a->h, a->d}, "i0", block);
    out_wrap(e->out,
             "%s(keys_here, %lld, rows, ds_block, %lld, 1, q_block, %lld, dk + (size_t)j0 * %lld, "
             "%lld, 1, %s, dk_next);",
             product, dim, block, width, p->k_step, p->k_step, part_of(a, FROM_SEEN));
    declare_next_values(a, "dq", 3);
    out_wrap(e->out,
             "%s(rows, %lld, keys_here, ds_block, 1, %lld, k_block, %lld, dq_block, %lld, 1, %s, "
             "dq_next);",
             product, width, block, width, width, part_of(a, TO_SEEN));
}

static void store_queries(Attend *a, const Places *p)
{
    Emit *e = a->e;
    out_loop(e->out, "for (int u = 0; u < rows; u++)");
    out_loop(e->out, "for (int k = 0; k < %lld; k++)", (long long)a->s.dim);
    out_line(e->out, "dq[(size_t)(i0 + u) * %lld + k] = dq_block[u * %lld + k] * %s;", p->q_step,
             a->width, emit_number(e, 1 / __builtin_sqrt((double)a->s.dim)));
    out_end(e->out);
    out_end(e->out);
}

static void declare_blocks(Attend *a)
{
    static const char *const names[] = {"qt_block", "q_block", "dyt_block", "dy_block",
                                        "k_block",  "v_block", "dq_block"};
    long long block = a->plan->block;
    for (int i = 0; i < COUNT(names); i++)
        declare_block(a, names[i]);
    out_line(a->e->out, "_Alignas(64) float s_block[%lld], ds_block[%lld];", block * block,
             block * block);
    declare_drops(a);
    out_line(a->e->out, "float log_block[%lld], rest_block[%lld];", block, block);
}

void emit_attention_grad(Emit *e)
{
    Attend a = attend_of(e);
    Places p = places_of(&a);
    long long dim = (long long)a.s.dim, groups = (long long)a.s.groups, block = a.plan->block;
    const char *to = emit_buffer(e, node_buffer(e->g, a.y), true);
    declare_slopes(&a);
    emit_share(e, 1);
    out_open(e->out, "for (int t = 0; t < %s * %lld; t++)", a.samples, groups);
    out_line(e->out, "const int b = t / %lld, g = t %% %lld;", groups, groups);
    out_line(e->out, "float *const all = %s + (size_t)b * %lld;", to, p.sample);
    out_line(e->out, "float *const dk = all + %lld + g * %lld, *const dv = all + %lld + g * %lld;",
             p.k, dim, p.v, dim);
    const char *there = known_keys(&a);
    declare_blocks(&a);
    clear_gradients(&a, &p);
    out_open(e->out, "for (int h1 = g * %lld; h1 < (g + 1) * %lld; h1++)",
             (long long)a.s.heads / groups, (long long)a.s.heads / groups);
    out_open(e->out, "for (int i0 = 0; i0 < %lld; i0 += %lld)", (long long)a.s.queries, block);
    out_line(e->out, "float *const dq = all + h1 * %lld;", dim);
    declare_queries(&a);
    declare_seen(&a, there);
    load_queries(&a, "q_block");
    load_errors(&a);
    out_line(e->out, "__builtin_memset(dq_block, 0, sizeof dq_block);");
    open_keys(&a);
    add_block(&a, &p);
    out_close(e->out);
    store_queries(&a, &p);
    out_close(e->out);
    out_close(e->out);
    out_close(e->out);
}

/* --- decoding --------------------------------------------------------------------------------- */

/* The keys and values of this call's positions, from where its cache of the group begins. */
static void remember(Attend *a, long long room)
{
    Emit *e = a->e;
    long long dim = (long long)a->s.dim;
    int known = e->known.n;
    out_open(e->out, "for (int i = 0; i < %lld && at + i < %lld; i++)", (long long)a->s.queries,
             room);
    size_t j = out_index(e->out, "j", "i");
    out_open(e->out, "for (int k = 0; k < %lld; k++)", dim);
    out_line(e->out, "keys[(ptrdiff_t)k * %lld + at + i] = %s;", room, element(a, 1, a->j, a->g));
    out_line(e->out, "values[(ptrdiff_t)(at + i) * %lld + k] = %s;", dim,
             element(a, 2, a->j, a->g));
    out_close(e->out);
    out_unindex(e->out, j, "j");
    out_close(e->out);
    e->known.n = known;
}

static void load_query(Attend *a)
{
    Emit *e = a->e;
    int known = e->known.n;
    out_open(e->out, "for (int k = 0; k < %lld; k++)", (long long)a->s.dim);
    const char *value = emit_value(e, a->y->in[0], (Ix[]){a->b, a->i, a->h, a->d});
    out_line(e->out, "q_block[k] = %s * %s;", emit_number(e, 1 / __builtin_sqrt((double)a->s.dim)),
             value);
    out_close(e->out);
    e->known.n = known;
}

/* Threads share the groups of heads that read the same keys. */
void emit_attention_step(Emit *e)
{
    Attend a = attend_of(e);
    long long dim = (long long)a.s.dim, each = (long long)(a.s.heads / a.s.groups),
              room = (long long)attention_room(a.y);
    const char *keys = emit_buffer(e, node_buffer(e->g, a.y->in[3]), true);
    const char *values = emit_buffer(e, node_buffer(e->g, a.y->in[4]), true);
    out_line(e->out, "const int at = (int)%s;", emit_value(e, a.y->in[5], NULL));
    declare_slopes(&a);
    emit_share(e, 1);
    out_open(e->out, "for (int g = 0; g < %lld; g++)", (long long)a.s.groups);
    out_line(e->out, "float *const keys = %s + (ptrdiff_t)g * %lld;", keys, dim * room);
    out_line(e->out, "float *const values = %s + (ptrdiff_t)g * %lld;", values, dim * room);
    out_line(e->out, "_Alignas(64) float q_block[%lld], o_block[%lld];", dim, dim);
    remember(&a, room);
    out_open(e->out, "for (int t = 0; t < %lld; t++)", each * (long long)a.s.queries);
    size_t h = out_index(e->out, "h1", arena_format(e->arena, "g * %lld + t %% %lld", each, each));
    size_t i = out_index(e->out, "i", arena_format(e->arena, "t / %lld", each));
    out_line(e->out, "const int seen = at + t / %lld < %lld ? at + t / %lld + 1 : %lld;", each,
             room, each, room);
    load_query(&a);
    out_line(e->out, "nnrt_attend(seen, %lld, %s, q_block, keys, %lld, values, o_block);", dim,
             a.s.alibi ? arena_format(e->arena, "slope_block[g * %lld + t %% %lld]", each, each)
                       : "0.0f",
             room);
    out_open(e->out, "for (int k = 0; k < %lld; k++)", dim);
    store_value(&a, arena_format(e->arena, "(g * %lld + t %% %lld) * %lld + k", each, each, dim),
                "o_block[k]");
    out_close(e->out);
    out_unindex(e->out, i, "i");
    out_unindex(e->out, h, "h1");
    out_close(e->out);
    out_close(e->out);
}
