/* SPDX-License-Identifier: MIT */
/* kernel_expr.c: the C text of a value at an index: loads, index maps, elementwise expressions.
 *
 * A value that is read once is written where it is read, as long as the line stays short; any
 * other gets a local name. Values are remembered by node and index, so nothing is computed twice
 * in a scope. */
#include <string.h>

#include "kernel_emit.h"

enum {
    TEXT_MAX = 64, /* of a value that is written where it is read */
    LINE_WIDTH = 95
};

const char *emit_temp(Emit *e, const char *letter)
{
    return arena_format(e->arena, "%s%d", letter, ++e->n_temps);
}

void emit_know(Emit *e, const Node *y, const Ix *at, const char *text)
{
    Known k = {.node = y, .text = text};
    memcpy(k.at, at, sizeof *at * (size_t)y->shape.rank);
    vec_push(e->arena, &e->known, k);
}

static const char *find_known(const Emit *e, const Node *y, const Ix *at)
{
    for (int i = e->known.n - 1; i >= 0; i--) {
        const Known *k = &e->known.at[i];
        bool same = k->node == y;
        for (int d = 0; same && d < y->shape.rank; d++)
            same = ix_equal(&k->at[d], &at[d]);
        if (same)
            return k->text;
    }
    return NULL;
}

/* --- parameters ------------------------------------------------------------------------------- */

static const char *add_arg(Emit *e, KernelArg arg)
{
    arg.name = param_canonical(e->arena, e->args.n);
    vec_push(e->arena, &e->args, arg);
    return arg.name;
}

const char *emit_buffer(Emit *e, Buffer *b, bool written)
{
    while (b->over)
        b = b->over;
    for (int i = 0; i < e->args.n; i++)
        if (e->args.at[i].kind == KARG_buffer && e->args.at[i].buffer == b) {
            e->args.at[i].written |= written;
            return e->args.at[i].name;
        }
    return add_arg(
        e, (KernelArg){.kind = KARG_buffer, .buffer = b, .written = written, .full_name = b->name});
}

/* Without pass cse there may be several nodes of one scalar. */
static bool same_scalar(const Node *a, const Node *b)
{
    return a == b ||
           (a->op == OP_scalar && b->op == OP_scalar && a->attr->scalar == b->attr->scalar);
}

static const char *scalar_arg(Emit *e, const Node *y)
{
    for (int i = 0; i < e->args.n; i++)
        if (e->args.at[i].kind == KARG_scalar && same_scalar(e->args.at[i].node, y))
            return e->args.at[i].name;
    int count = 1;
    for (int i = 0; i < e->args.n; i++)
        count += e->args.at[i].kind == KARG_scalar;
    const char *name = y->op == OP_scalar && y->attr->scalar == SCALAR_lr
                           ? "lr"
                           : arena_format(e->arena, "s%d", count);
    return add_arg(e, (KernelArg){.kind = KARG_scalar, .node = (Node *)y, .full_name = name});
}

const char *emit_key(Emit *e, const Node *y)
{
    for (int i = 0; i < e->args.n; i++)
        if (e->args.at[i].kind == KARG_key && e->args.at[i].node->attr->stream == y->attr->stream)
            return e->args.at[i].name;
    const char *name = arena_format(e->arena, "key%u", (unsigned)y->attr->stream);
    return add_arg(e, (KernelArg){.kind = KARG_key, .node = (Node *)y, .full_name = name});
}

/* --- threads ---------------------------------------------------------------------------------- */

void emit_share(Emit *e, int loops)
{
    if (!e->k->shared)
        return;
    const char *together = loops > 1 ? arena_format(e->arena, " collapse(%d)", loops) : "";
    out_raw(e->out, "#pragma omp for%s schedule(static) nowait", together);
}

void emit_shared_for(Emit *e, const char *index, int64_t from, const char *to, int64_t step)
{
    const char *by = step == 1 ? "++" : arena_format(e->arena, " += %lld", (long long)step);
    if (!e->k->shared) {
        out_open(e->out, "for (int %s = %lld; %s < %s; %s%s)", index, (long long)from, index, to,
                 index, by);
        return;
    }
    const char *turns = to, *scale = "", *start = "";
    if (from != 0 || step != 1) {
        turns = emit_temp(e, "w");
        long long more = step - 1 - from;
        out_line(e->out, "const int %s = (%s %c %lld) / %lld;", turns, to, more < 0 ? '-' : '+',
                 more < 0 ? -more : more, (long long)step);
    }
    if (step != 1)
        scale = arena_format(e->arena, " * %lld", (long long)step);
    if (from != 0)
        start = arena_format(e->arena, "%lld + ", (long long)from);
    const char *end = emit_temp(e, "w");
    out_line(e->out, "const int %s = %snnrt_part(%s, 1)%s;", end, start, turns, scale);
    out_open(e->out, "for (int %s = %snnrt_part(%s, 0)%s; %s < %s; %s%s)", index, start, turns,
             scale, index, end, index, by);
}

void emit_wait(Emit *e)
{
    if (!e->k->shared)
        return;
    const char *team = NULL;
    for (int i = 0; i < e->args.n; i++)
        if (e->args.at[i].kind == KARG_team)
            team = e->args.at[i].name;
    if (!team)
        team = add_arg(e, (KernelArg){.kind = KARG_team, .full_name = "team"});
    out_line(e->out, "nnrt_wait(%s);", team);
}

/* --- texts ------------------------------------------------------------------------------------ */

static const char *literal(Emit *e, double value, bool floating)
{
    char text[32];
    if (!floating)
        return arena_format(e->arena, "%lld", (long long)value);
    if (value != value)
        return "__builtin_nanf(\"\")";
    if ((float)value == __builtin_inff() || (float)value == -__builtin_inff())
        return value > 0 ? "__builtin_inff()" : "(-__builtin_inff())";
    number_text(text, (float)value, true);
    const char *point = strpbrk(text, ".e") ? "" : ".0";
    return arena_format(e->arena, value < 0 ? "(%s%sf)" : "%s%sf", text, point);
}

const char *emit_number(Emit *e, double value)
{
    return literal(e, value, true);
}

const char *emit_extent(Emit *e, int64_t dim, bool batch)
{
    if (!batch)
        return arena_format(e->arena, "%lld", (long long)dim);
    return dim == 1 ? "n" : arena_format(e->arena, "n * %lld", (long long)dim);
}

const char *emit_element(Emit *e, const Node *y, const Ix *at, bool written)
{
    if (y->whole) {
        int axis = y->whole_axis;
        Ix in_whole[RANK_MAX];
        memcpy(in_whole, at, sizeof *at * (size_t)y->shape.rank);
        in_whole[axis] = ix_add(&e->space, at[axis], ix_const(y->whole_at));
        return emit_element(e, y->whole, in_whole, written);
    }
    Buffer *b = node_buffer(e->g, y);
    const char *name = emit_buffer(e, b, written);
    Ix linear = index_linear(&e->space, &y->shape, NULL, at);
    return arena_format(e->arena, "%s[%s]", name, ix_text(&e->space, &linear, false));
}

/* A word or a literal: safe to write more than once. */
static bool is_atom(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");
    return text[n] == '\0';
}

const char *emit_bare(Emit *e, const char *text)
{
    size_t n = strlen(text);
    if (n < 2 || text[0] != '(' || text[n - 1] != ')')
        return text;
    int depth = 0;
    for (size_t i = 0; i < n; i++) {
        depth += (text[i] == '(') - (text[i] == ')');
        if (depth == 0 && i + 1 < n)
            return text;
    }
    return arena_text(e->arena, text + 1, n - 2);
}

static const char *ctype(const Node *y)
{
    return y->dtype == DT_f32 ? "float" : "int";
}

const char *emit_named(Emit *e, const Node *y, const char *text)
{
    const char *name = emit_temp(e, "t");
    out_line(e->out, "const %s %s = %s;", ctype(y), name, emit_bare(e, text));
    return name;
}

/* How tightly the outermost operator of a text in parentheses binds: 2 products, 1 sums, 0 others. */
static int binds(const char *text)
{
    int depth = 0, least = 2;
    bool any = false;
    for (const char *c = text; *c; c++) {
        depth += (*c == '(' || *c == '[') - (*c == ')' || *c == ']');
        if (*c != ' ' || depth != 1)
            continue;
        bool product = (c[1] == '*' || c[1] == '/') && c[2] == ' ';
        bool sum = (c[1] == '+' || c[1] == '-') && c[2] == ' ';
        any |= product || sum;
        least = product ? least : sum ? (least < 1 ? least : 1) : 0;
        c += product || sum ? 2 : 0;
    }
    return any ? least : 0;
}

/* An operand as it may stand at `c` of an op's text, without parentheses that it does not need. */
static const char *as_operand(Emit *e, const char *text, const char *c, const char *at)
{
    bool opens = at > c && (at[-1] == '(' || (at[-1] == ' ' && at[-2] == ','));
    if (opens && (at[2] == ')' || at[2] == ','))
        return emit_bare(e, text); /* an argument of a function */
    bool sum = strcmp(c, "($0 + $1)") == 0 || strcmp(c, "($0 - $1)") == 0;
    bool product = strcmp(c, "($0 * $1)") == 0 || strcmp(c, "($0 / $1)") == 0;
    if (text[0] != '(' || (!sum && !product) || emit_bare(e, text) == text || text[1] == '-')
        return text;
    return binds(text) >= (sum ? 1 : 2) + (at[1] == '1') ? emit_bare(e, text) : text;
}

/* Fills the $0 $1 $2 of an op's C text. */
static const char *fill(Emit *e, const char *c, const char *const *in)
{
    Str s = str_new(e->arena);
    for (const char *at = c; *at; at++) {
        if (*at == '$') {
            str_add(&s, "%s", as_operand(e, in[at[1] - '0'], c, at));
            at++;
        } else {
            str_put(&s, at, 1);
        }
    }
    return s.at;
}

static int mentions(const char *c, int operand)
{
    int n = 0;
    for (; *c; c++)
        n += c[0] == '$' && c[1] == '0' + operand;
    return n;
}

const char *emit_combine(Emit *e, OpKind reduce, const char *a, const char *b)
{
    const char *in[2] = {a, b};
    OpKind op = reduce == OP_reduce_sum ? OP_add : reduce == OP_reduce_max ? OP_max : OP_min;
    return emit_bare(e, fill(e, op_impls[op]->c, in));
}

const char *emit_identity(OpKind reduce)
{
    return reduce == OP_reduce_sum   ? "0.0f"
           : reduce == OP_reduce_max ? "-__builtin_inff()"
                                     : "__builtin_inff()";
}

/* --- values ----------------------------------------------------------------------------------- */

/* where: a comparison chooses by itself, not by the number that it gives. */
static const char *choice(Emit *e, const char *c, const char *const *in)
{
    static const char number[] = " ? 1.0f : 0.0f)";
    size_t n = strlen(in[0]), m = sizeof number - 1;
    if (n <= m || in[0][0] != '(' || strcmp(in[0] + n - m, number) != 0)
        return fill(e, c, in);
    const char *test = arena_text(e->arena, in[0] + 1, n - m - 1);
    return arena_format(e->arena, "nnrt_select(-(%s), %s, %s)", test, emit_bare(e, in[1]),
                        emit_bare(e, in[2]));
}

/* Gives names to the longest operands until a line holds what is made of all. */
static void shorten(Emit *e, const Node *y, Ix (*at)[RANK_MAX], const char **in)
{
    const char *c = op_impls[y->op]->c;
    for (;;) {
        size_t length = strlen(c),
               room = 76 - 4 * (size_t)(e->out->depth < 10 ? e->out->depth : 10);
        int longest = -1;
        for (int i = 0; i < y->n_in; i++) {
            length += strlen(in[i]);
            if (!is_atom(in[i]) && (longest < 0 || strlen(in[i]) > strlen(in[longest])))
                longest = i;
        }
        if (length <= room || longest < 0)
            return;
        in[longest] = emit_named(e, y->in[longest], in[longest]);
        emit_know(e, y->in[longest], at[longest], in[longest]);
    }
}

/* Whether the kernel reads y from memory: another's store, a leaf, or a store of its own that is
 * done. */
static bool in_memory(const Emit *e, const Node *y)
{
    return node_lies(y) || (y->kernel && y->kernel != e->k) || (e->fresh && e->fresh[y->id]);
}

static bool is_product(const Emit *e, const Node *x)
{
    return x->op == OP_mul && !x->uniform && !in_memory(e, x);
}

/* a * b + c * d, where one of the products may be fused with the sum: the text says which, as gcc
 * takes either, by what else it has done to the loop. NULL: it is no such sum; nor
 * is x - x, which is 0 as it stands. */
static const char *sum_of_products(Emit *e, const Node *y, const Ix *at)
{
    if (!e->p->target->fma || e->p->target->vector_bytes < 16 ||
        (y->op != OP_add && y->op != OP_sub) || !is_product(e, y->in[0]) ||
        !is_product(e, y->in[1]) || y->in[0] == y->in[1])
        return NULL;
    Ix first[RANK_MAX], second[RANK_MAX], operand[RANK_MAX];
    Guard guards[RANK_MAX];
    int n;
    const char *in[2];
    index_operand(&e->space, y, 0, at, first, guards, &n);
    index_operand(&e->space, y, 1, at, second, guards, &n);
    for (int i = 0; i < 2; i++) {
        index_operand(&e->space, y->in[0], i, first, operand, guards, &n);
        in[i] = emit_value(e, y->in[0]->in[i], operand);
    }
    const char *rest = emit_named(e, y->in[1], emit_value(e, y->in[1], second));
    int longest = strlen(in[1]) > strlen(in[0]);
    size_t room = 46 - 4 * (size_t)(e->out->depth < 8 ? e->out->depth : 8);
    if (strlen(in[0]) + strlen(in[1]) > room && !is_atom(in[longest]))
        in[longest] = emit_named(e, y->in[0]->in[longest], in[longest]);
    return arena_format(e->arena, "__builtin_fmaf(%s, %s, %s%s)", emit_bare(e, in[0]),
                        emit_bare(e, in[1]), y->op == OP_sub ? "-" : "", rest);
}

static const char *elementwise(Emit *e, const Node *y, const Ix *at)
{
    const char *fused = sum_of_products(e, y, at);
    if (fused)
        return fused;
    const char *in[3] = {"", "", ""};
    const char *c = op_impls[y->op]->c;
    Ix operand[3][RANK_MAX];
    for (int i = 0; i < y->n_in; i++) {
        Guard guards[RANK_MAX];
        int n;
        index_operand(&e->space, y, i, at, operand[i], guards, &n);
        in[i] = emit_value(e, y->in[i], operand[i]);
        if (mentions(c, i) > 1 && !is_atom(in[i])) {
            in[i] = emit_named(e, y->in[i], in[i]);
            emit_know(e, y->in[i], operand[i], in[i]);
        }
    }
    shorten(e, y, operand, in);
    if (y->op == OP_where)
        return choice(e, c, in);
    if (y->op == OP_cast && y->dtype == DT_i32)
        c = "(int32_t)$0";
    return y->op == OP_stop_gradient ? in[0] : fill(e, c, in);
}

static const char *guard_text(Emit *e, const Guard *g, int n)
{
    Str s = str_new(e->arena);
    for (int i = 0; i < n; i++) {
        const char *x = ix_text(&e->space, &g[i].e, false);
        if (g[i].test_lo)
            str_add(&s, "%s%s >= 0", s.n ? " && " : "", x);
        if (g[i].test_hi)
            str_add(&s, "%s%s < %lld", s.n ? " && " : "", x, (long long)g[i].hi);
        if (g[i].step > 1)
            str_add(&s, "%s%s %% %lld == 0", s.n ? " && " : "", ix_text(&e->space, &g[i].e, true),
                    (long long)g[i].step);
    }
    return s.at;
}

static bool is_read(const Emit *e, const Guard *g, int n)
{
    for (int i = 0; i < n; i++)
        if (guard_never(&e->space, &g[i]))
            return false;
    return true;
}

/* The operand that is read wherever the index is, in the range at hand; its index. -1: it depends. */
static int read_always(Emit *e, const Node *y, const Ix *at, Ix *operand)
{
    for (int i = 0; i < y->n_in; i++) {
        Guard guards[RANK_MAX];
        int n;
        index_operand(&e->space, y, i, at, operand, guards, &n);
        if (n == 0)
            return i;
    }
    return -1;
}

/* pad, concat, unwindow: only the operand that covers the index is read, each in a scope of its own. */
static const char *guarded(Emit *e, const Node *y, const Ix *at)
{
    Ix whole[RANK_MAX];
    int always = read_always(e, y, at, whole);
    if (always >= 0)
        return emit_value(e, y->in[always], whole);
    const char *name = emit_temp(e, "t");
    const char *otherwise = y->op == OP_pad ? literal(e, y->attr->value, true) : "0.0f";
    out_line(e->out, "%s %s = %s;", ctype(y), name, y->dtype == DT_f32 ? otherwise : "0");
    for (int i = 0; i < y->n_in; i++) {
        Ix operand[RANK_MAX];
        Guard guards[RANK_MAX];
        int n, known = e->known.n;
        index_operand(&e->space, y, i, at, operand, guards, &n);
        if (!is_read(e, guards, n))
            continue;
        if (n)
            out_open(e->out, "if (%s)", guard_text(e, guards, n));
        const char *value = emit_value(e, y->in[i], operand);
        out_line(e->out, "%s = %s;", name, emit_bare(e, value));
        if (n)
            out_close(e->out);
        e->known.n = known;
    }
    return name;
}

/* A random number's index is the element's position among those that this call has: unlike in a
 * buffer, a batch axis is n long wherever it stands. */
static const char *random_text(Emit *e, const Node *y, const Ix *at)
{
    const char *draw = op_impls[y->op]->c, *key = emit_key(e, y);
    const Shape *s = &y->shape;
    Ix before = ix_const(0), from = ix_const(0);
    int64_t sample = 1;
    for (int d = 0; d < s->rank; d++) {
        Ix *to = d < s->batch ? &before : &from;
        *to = ix_add(&e->space, ix_scale(*to, s->dim[d]), at[d]);
        sample *= d < s->batch ? 1 : s->dim[d];
    }
    const char *index = ix_text(&e->space, &from, true);
    if (!before.n && !before.c)
        return arena_format(e->arena, "%s(%s, (uint64_t)%s)", draw, key, index);
    return arena_format(e->arena, "%s(%s, (uint64_t)%s * (uint64_t)(%s) + %s)", draw, key,
                        ix_text(&e->space, &before, true), emit_extent(e, sample, true),
                        arena_format(e->arena, "(uint64_t)%s", index));
}

/* gather: the index has a local name, by which the row of the matrix is called. */
static const char *gathered(Emit *e, const Node *y, const Ix *at)
{
    Ix operand[RANK_MAX];
    Guard guards[RANK_MAX];
    int n;
    Ix index[RANK_MAX];
    index_operand(&e->space, y, 0, at, operand, guards, &n);
    if (!operand[0].n) /* a table of one row */
        return emit_value(e, y->in[0], operand);
    index_operand(&e->space, y, 1, at, index, guards, &n);
    const char *row = emit_value(e, y->in[1], index);
    if (!is_atom(row)) {
        row = emit_named(e, y->in[1], row);
        emit_know(e, y->in[1], index, row);
    }
    e->space.atoms.at[operand[0].t[0].atom].name = row;
    return emit_value(e, y->in[0], operand);
}

static const char *moved(Emit *e, const Node *y, const Ix *at)
{
    Ix operand[RANK_MAX];
    Guard guards[RANK_MAX];
    int n;
    if (y->op == OP_gather)
        return gathered(e, y, at);
    if (y->op == OP_pad || y->op == OP_concat || y->op == OP_unwindow)
        return guarded(e, y, at);
    domain_operand(&e->space, e->loops, y, 0, at, operand, guards, &n);
    return emit_value(e, y->in[0], operand);
}

static const char *compute(Emit *e, const Node *y, const Ix *at)
{
    switch (op_rows[y->op].cls) {
    case CLASS_EW: return elementwise(e, y, at);
    case CLASS_MOVE:
    case CLASS_EFFECT: return moved(e, y, at);
    case CLASS_REDUCE:
        if (!node_reduces(y)) /* only over axes of length 1 */
            return moved(e, y, at);
        BUG("a %s is read before it is made", op_rows[y->op].name);
    default: BUG("a %s inside a loop", op_rows[y->op].name);
    }
}

const char *emit_value(Emit *e, const Node *y, const Ix *at)
{
    if (y->op == OP_const && !y->attr->data)
        return literal(e, y->attr->value, y->dtype == DT_f32);
    const char *text = find_known(e, y, at);
    if (text)
        return text;
    if (y->uniform)
        return scalar_arg(e, y);
    if (y->op == OP_iota)
        return arena_format(e->arena, "(float)%s", ix_text(&e->space, &at[y->attr->axes[0]], true));
    if (in_memory(e, y))
        text = emit_element(e, y, at, false);
    else if (op_draws(y))
        text = random_text(e, y, at);
    else
        text = compute(e, y, at);
    if (e->uses[y->id] <= 1 && strlen(text) <= TEXT_MAX)
        return text;
    if (!is_atom(text))
        text = emit_named(e, y, text);
    emit_know(e, y, at, text);
    return text;
}

bool emit_stand(const Emit *e, const Node *y, Ix *at)
{
    Place place = domain_place(&e->low->domain, &y->shape);
    if (place == PLACE_none)
        return false;
    domain_index(&e->low->domain, &y->shape, place, e->loops, at);
    return true;
}

const char *emit_standing(Emit *e, const Node *y)
{
    Ix at[RANK_MAX];
    if (!emit_stand(e, y, at))
        BUG("a %s stands nowhere in its kernel", op_rows[y->op].name);
    return emit_value(e, y, at);
}

void emit_stores(Emit *e, int n, Node *const *stores)
{
    const char **value = arena_take(e->arena, sizeof *value * (size_t)(n + 1));
    Ix at[RANK_MAX];
    for (int i = 0; i < n; i++) {
        emit_stand(e, stores[i], at);
        value[i] = emit_value(e, stores[i], at);
        if (n == 1 || is_atom(value[i]))
            continue;
        value[i] = emit_named(e, stores[i], value[i]);
        emit_know(e, stores[i], at, value[i]);
    }
    for (int i = 0; i < n; i++) {
        emit_stand(e, stores[i], at);
        const char *to = emit_element(e, stores[i], at, true);
        if (strlen(to) + strlen(value[i]) + 4 * (size_t)e->out->depth > LINE_WIDTH)
            value[i] = emit_named(e, stores[i], value[i]);
        out_line(e->out, "%s = %s;", to, emit_bare(e, value[i]));
    }
}

/* --- pieces of loops -------------------------------------------------------------------------- */

Pieces pieces_whole(int64_t extent)
{
    return (Pieces){.n = 1, .at = {0, extent}};
}

typedef struct Cutting {
    Emit *e;
    Pieces *pieces;
    int atom;
    int64_t multiple;
    int visits;   /* left */
    bool over;    /* too many cuts */
    bool narrows; /* instead of cutting, the one piece to what meets all conditions */
} Cutting;

static void cut_at(Cutting *c, int64_t x)
{
    enum { SHORTEST = 8 }; /* a piece: shorter ones are not worth their text */
    Pieces *p = c->pieces;
    int i = 1;
    if (x <= 0 || x >= p->at[p->n] || x % c->multiple || c->over)
        return;
    while (p->at[i] < x)
        i++;
    if (p->at[i] == x)
        return;
    c->over = p->n == PIECES_MAX || x - p->at[i - 1] < SHORTEST || p->at[i] - x < SHORTEST;
    if (c->over)
        return;
    p->n++;
    for (int k = p->n; k > i; k--)
        p->at[k] = p->at[k - 1];
    p->at[i] = x;
}

/* To the values at which a condition holds. */
static void narrow_to(Pieces *p, const Guard *g)
{
    if (g->test_lo && -g->e.c > p->at[0])
        p->at[0] = -g->e.c;
    if (g->test_hi && g->hi - g->e.c < p->at[1])
        p->at[1] = g->hi - g->e.c;
}

/* The values of the variable at which a condition begins or ceases to hold. */
static void cut_guard(Cutting *c, const Guard *g)
{
    if (g->e.n != 1 || g->e.t[0].atom != c->atom || g->e.t[0].k != 1 || g->step > 1)
        return;
    if (c->narrows) {
        narrow_to(c->pieces, g);
        return;
    }
    if (g->test_lo)
        cut_at(c, -g->e.c);
    if (g->test_hi)
        cut_at(c, g->hi - g->e.c);
}

static void cut_below(Cutting *c, const Node *y, const Ix *at)
{
    OpClass class = op_rows[y->op].cls;
    if (in_memory(c->e, y) || y->uniform || y->op == OP_gather || --c->visits < 0 ||
        (class != CLASS_EW && class != CLASS_MOVE && class != CLASS_EFFECT))
        return;
    for (int i = 0; i < y->n_in; i++) {
        Ix operand[RANK_MAX];
        Guard guards[RANK_MAX];
        int n;
        index_operand(&c->e->space, y, i, at, operand, guards, &n);
        for (int k = 0; k < n; k++)
            cut_guard(c, &guards[k]);
        cut_below(c, y->in[i], operand);
    }
}

enum { VISITS = 400 };

void pieces_cut(Emit *e, Pieces *pieces, const Node *y, const Ix *at, const Ix *loop,
                int64_t multiple)
{
    if (!loop->n)
        return;
    Cutting c = {
        .e = e, .pieces = pieces, .atom = loop->t[0].atom, .multiple = multiple, .visits = VISITS};
    cut_below(&c, y, at);
    if (c.over)
        *pieces = pieces_whole(pieces->at[pieces->n]);
}

void pieces_inside(Emit *e, const Node *y, const Ix *at, const Ix *loop, int64_t *from, int64_t *to)
{
    Pieces piece = {.n = 1, .at = {*from, *to}};
    Cutting c = {
        .e = e, .pieces = &piece, .atom = loop->t[0].atom, .visits = VISITS, .narrows = true};
    cut_below(&c, y, at);
    *from = piece.at[0];
    *to = piece.at[1];
}
