/* SPDX-License-Identifier: MIT */
/* decode.c: derives, from the graph of a model of sequences, the graph of its next positions.
 *
 * The graph gives scores [N, T, classes] of tokens [N, T]. What is derived from it takes `length` tokens of one
 * sample, from position `at` (SCALAR_at) on, and gives the scores of one of them. Every node is asked for in one
 * of two ways: `along` an axis, which is the axis of positions, or `whole`, where it has none. An op says by its
 * case in `along` how it acts on that axis:
 *
 *   position by position   elementwise ops, reductions of other axes, products whose rows positions are, movement
 *                          that keeps the axis: the same op, `length` long
 *   knows the position     what no token goes into: an index is moved on by `at`, of a table rows are taken
 *   looks back             attention keeps keys and values in caches; a scan keeps its states, and its body takes
 *                          the place of the loop
 *   looks aside            what is made of other inputs, as a translation's source, is the same at every position:
 *                          function encode makes it once, and leaves it in variables of kind VAR_memory
 *
 * Everything else would need positions that are still to come, and is refused where it stands in the model
 * file. Caches are variables of kind VAR_cache: all zeros before the first position. */
#include <string.h>

#include "../ops/ops.h"
#include "passes.h"

typedef struct Copies { /* of one node */
    Node *whole;
    Node *along[RANK_MAX]; /* by the axis of positions */
} Copies;

typedef struct Decode {
    Graph *g;
    const Graph *from;
    Arena *arena;
    int64_t length;  /* positions of a call */
    int64_t all;     /* that the model was made for */
    bool *of_tokens; /* by id of a node of `from` */
    bool *of_others; /* the same: depends on another input */
    bool encodes;    /* the graph is that of what does not depend on tokens */
    Copies *copies;  /* by id of a node of `from` */
    Node *at, *rows; /* SCALAR_at; the positions of this call, i32 [length] */
    bool failed, bounded;
} Decode;

static Node *along(Decode *d, const Node *y, int axis);
static Node *whole(Decode *d, const Node *y);

static Node *refuse(Decode *d, const Node *y, const char *why)
{
    Diag *diag = &d->g->program->ctx->diag;
    if (!d->failed) {
        diag_error(diag, y->loc, "generate: '%s' %s", y->what ? y->what : op_rows[y->op].name, why);
        diag_note(diag, d->g->program->generate.loc,
                  "the model is to be decoded token by token here");
    }
    d->failed = true;
    return NULL;
}

static Node *mixes(Decode *d, const Node *y)
{
    return refuse(d, y,
                  "needs positions that are still to come: it cannot be decoded token by token");
}

/* The shape of y of one sample, `length` positions along axis; -1: none. */
static Shape shape_here(const Decode *d, const Node *y, int axis)
{
    Shape s = y->shape;
    s.batch = -1;
    if (axis >= 0)
        s.dim[axis] = d->length;
    return s;
}

static Node *add(Decode *d, const Node *y, Node *const *in, const Attr *attr, int axis)
{
    Shape s = shape_here(d, y, axis);
    for (int i = 0; i < y->n_in; i++)
        if (!in[i])
            return NULL;
    d->g->loc = y->loc;
    d->g->role = ROLE_forward;
    d->g->what = y->what;
    Node *copy = graph_add_as(d->g, y->op, y->n_in, in, attr, &s, y->dtype);
    if (copy)
        copy->name = y->name;
    return copy;
}

/* --- positions -------------------------------------------------------------------------------- */

/* at, at + 1, ...: along an axis of that shape, which is `length` long. */
static Node *positions(Decode *d, const Shape *shape, int axis)
{
    if (!d->at)
        d->at = build_scalar(d->g, SCALAR_at);
    return build_binary(d->g, OP_add, build_iota(d->g, shape, axis), d->at);
}

/* x with axis `from` moved to `to`. */
static Node *move_axis(Graph *g, Node *x, int from, int to)
{
    int perm[RANK_MAX], n = 0;
    for (int i = 0; x && i < x->shape.rank; i++)
        if (i != from)
            perm[n++] = i;
    for (int i = n; i > to; i--)
        perm[i] = perm[i - 1];
    perm[to] = from;
    return from == to ? x : build_transpose(g, x, perm);
}

/* Rows of x, along an axis, by their indices [n]. */
static Node *take(Graph *g, Node *x, int axis, Node *rows)
{
    Node *first = move_axis(g, x, axis, 0);
    if (!first)
        return NULL;
    Shape s = first->shape;
    const Shape matrix = shape_of(2, (int64_t[]){s.dim[0], op_product(&s, 1, s.rank)});
    Node *taken = build_binary(g, OP_gather, build_reshape(g, first, &matrix), rows);
    s.dim[0] = rows->shape.dim[0];
    return move_axis(g, build_reshape(g, taken, &s), 0, axis);
}

/* The rows of a table that stand at the positions of this call; past the last one, that. */
static Node *table_rows(Decode *d, const Node *y, int axis)
{
    d->bounded = true;
    d->g->loc = y->loc;
    d->g->what = y->what;
    if (!d->rows) {
        const Shape list = shape_of(1, &d->length);
        Node *last = build_const(d->g, (double)(d->all - 1));
        d->rows =
            build_cast(d->g, build_binary(d->g, OP_min, positions(d, &list, 0), last), DT_i32);
    }
    return take(d->g, whole(d, y), axis, d->rows);
}

/* --- looking back ----------------------------------------------------------------------------- */

/* What node y of the model keeps, the same in all functions that decode. */
static Var *kept_var(Decode *d, const Node *y, const char *what, const Shape *shape, VarKind kind)
{
    Program *p = d->g->program;
    const char *name = arena_format(d->arena, "generate.%d.%s", y->id, what);
    Var *v = program_find_var(p, name);
    return v ? v : program_var(p, name, kind, shape, (Init){INIT_constant, 0, 0}, y->loc);
}

static Var *cache(Decode *d, const Node *y, const char *what, const Shape *shape)
{
    return kept_var(d, y, what, shape, VAR_cache);
}

/* The cache of a state of a scan. */
static Var *state_cache(Decode *d, const Node *scan, int state)
{
    Shape shape = scan->in[state]->shape;
    shape.batch = -1;
    return cache(d, scan, arena_format(d->arena, "state%d", state), &shape);
}

/* Attention to what is the same at every position. */
static Node *attention_aside(Decode *d, const Node *y)
{
    AttentionSizes s = attention_sizes(y);
    if (s.causal || s.alibi)
        return refuse(d, y, "counts positions of its keys, which are not those of the tokens");
    Node *in[4] = {along(d, y->in[0], 1)};
    for (int i = 1; i < y->n_in; i++)
        if (!(in[i] = whole(d, y->in[i])))
            return NULL;
    return add(d, y, in, y->attr, 1);
}

static Node *attention(Decode *d, const Node *y)
{
    enum { BLOCK = 64 }; /* as nnrt_attend reads keys */
    AttentionSizes s = attention_sizes(y);
    if (!d->of_tokens[y->in[1]->id] && !d->of_tokens[y->in[2]->id])
        return attention_aside(d, y);
    if (!s.causal)
        return refuse(
            d, y, "sees positions that are still to come: 'causal: true' makes it look back only");
    if (s.lengths)
        return refuse(d, y, "has lengths: of a text that is still being written nobody knows them");
    d->bounded = true;
    int64_t room = (d->all + BLOCK - 1) / BLOCK * BLOCK;
    const Shape keys = shape_of(3, (int64_t[]){s.groups, s.dim, room});
    const Shape values = shape_of(3, (int64_t[]){s.groups, room, s.dim});
    Node *in[6];
    for (int i = 0; i < 3; i++)
        if (!(in[i] = along(d, y->in[i], 1)))
            return NULL;
    if (!d->at)
        d->at = build_scalar(d->g, SCALAR_at);
    in[3] = build_var(d->g, cache(d, y, "keys", &keys));
    in[4] = build_var(d->g, cache(d, y, "values", &values));
    in[5] = d->at;
    Attr attr = {.n_axes = 2, .axes = {1, s.alibi}};
    d->g->loc = y->loc;
    d->g->what = y->what;
    Node *step = graph_add(d->g, OP_attention_step, 6, in, &attr);
    if (step)
        step->name = y->name;
    return step;
}

/* What leaf x of a scan's body is in this step. */
static Node *scan_leaf(Decode *d, const Node *scan, const Node *x)
{
    const Scan *s = scan->attr->scan;
    int part = x->attr->part;
    const Node *operand = scan->in[part];
    if (part < s->n_states) {
        if (operand->op != OP_const || operand->attr->data || operand->attr->value != 0)
            return refuse(d, scan,
                          "begins with states that are computed: only zeros can be decoded");
        return build_var(d->g, state_cache(d, scan, part));
    }
    if (part >= s->n_states + s->n_slices)
        return whole(d, operand);
    Node *slice = along(d, operand, 0);
    Shape shape = scan_slice_shape(&operand->shape);
    shape.batch = -1;
    return slice ? build_reshape(d->g, slice, &shape) : NULL;
}

/* The body of a scan in the place of its one step; its states become caches. */
static bool unroll(Decode *d, const Node *scan)
{
    const Scan *s = scan->attr->scan;
    Node **copy = arena_take(d->arena, sizeof *copy * (size_t)(s->body->nodes.n + 1));
    if (s->backwards || d->length != 1) {
        refuse(d, scan, "runs from the end: only one direction can be decoded token by token");
        return false;
    }
    for (int i = 0; i < s->body->nodes.n; i++) {
        const Node *x = s->body->nodes.at[i];
        if (x->op == OP_scan || x->op == OP_scan_result) {
            refuse(d, x, "is a loop inside a loop, which cannot be decoded token by token");
            return false;
        }
        Node **in = arena_take(d->arena, sizeof *in * (size_t)(x->n_in + 1));
        for (int k = 0; k < x->n_in; k++)
            in[k] = copy[x->in[k]->id];
        copy[i] = x->op == OP_scan_operand ? scan_leaf(d, scan, x) : add(d, x, in, x->attr, -1);
        if (!copy[i])
            return false;
    }
    for (int i = 0; i < s->body->roots.n; i++) {
        const Root *r = &s->body->roots.at[i];
        Node *value = copy[r->node->id];
        if (r->kind == ROOT_next) {
            build_assign(d->g, state_cache(d, scan, r->index), value);
            continue;
        }
        Shape stacked = scan_stacked_shape(&value->shape, 1);
        for (int k = 0; k < d->from->nodes.n; k++) {
            const Node *y = d->from->nodes.at[k];
            if (y->op == OP_scan_result && y->in[0] == scan &&
                y->attr->part == s->n_states + r->index)
                d->copies[k].along[0] = build_reshape(d->g, value, &stacked);
        }
    }
    return true;
}

static Node *scan_result(Decode *d, const Node *y, int axis)
{
    const Node *scan = y->in[0];
    if (y->attr->part < scan->attr->scan->n_states || axis != 0)
        return refuse(d, y, "gives its last state, not one a position: 'return: sequence' does");
    return unroll(d, scan) ? d->copies[y->id].along[0] : NULL;
}

/* --- position by position --------------------------------------------------------------------- */

/* The axis of operand x that lies on `axis` of y after broadcasting; -1: it has none, or one of length 1. */
static int aligned(const Node *y, const Node *x, int axis)
{
    int own = axis - (y->shape.rank - x->shape.rank);
    return own < 0 || shape_unit(&x->shape, own) ? -1 : own;
}

static Node *broadcast(Decode *d, const Node *x, int axis)
{
    return axis < 0 ? whole(d, x) : along(d, x, axis);
}

static Node *elementwise(Decode *d, const Node *y, int axis)
{
    Node *in[4] = {NULL};
    for (int i = 0; i < y->n_in; i++)
        if (!(in[i] = broadcast(d, y->in[i], aligned(y, y->in[i], axis))))
            return NULL;
    return add(d, y, in, y->attr, axis);
}

static Node *product(Decode *d, const Node *y, int axis)
{
    const Node *a = y->in[0], *b = y->in[1];
    int last = y->shape.rank - 1;
    Node *in[2] = {NULL};
    if (axis == last - 1) {
        in[0] = along(d, a, a->shape.rank - 2);
        in[1] = in[0] ? whole(d, b) : NULL;
    } else if (axis == last) {
        in[1] = along(d, b, b->shape.rank - 1);
        in[0] = in[1] ? whole(d, a) : NULL;
    } else {
        in[0] = broadcast(d, a, aligned(y, a, axis));
        in[1] = in[0] ? broadcast(d, b, aligned(y, b, axis)) : NULL;
    }
    return add(d, y, in, NULL, axis);
}

/* The axis of x that is `axis` of its reshape y; -1: it is cut or joined. */
static int reshaped_axis(const Node *y, int axis)
{
    const Shape *x = &y->in[0]->shape;
    int64_t before = op_product(&y->shape, 0, axis), same = 1;
    for (int i = 0; i < x->rank; same *= x->dim[i++])
        if (same == before && x->dim[i] == y->shape.dim[axis])
            return i;
    return -1;
}

/* A table may have rows for more positions than there are. */
static bool is_leaf(const Node *y)
{
    return op_rows[y->op].cls == CLASS_LEAF;
}

static Node *movement(Decode *d, const Node *y, int axis)
{
    Attr attr = *y->attr;
    int own = axis;
    if (y->op == OP_reshape)
        own = reshaped_axis(y, axis);
    else if (y->op == OP_transpose)
        own = y->attr->axes[axis];
    else if (y->op == OP_expand)
        own = aligned(y, y->in[0], axis);
    else if (y->op == OP_slice &&
             (attr.start[axis] || attr.step[axis] != 1 ||
              (attr.end[axis] != y->in[0]->shape.dim[axis] && !is_leaf(y->in[0]))))
        own = -1;
    else if (y->op == OP_pad && (attr.start[axis] || attr.end[axis] || attr.step[axis] != 1))
        own = -1;
    if (own < 0 && y->op != OP_expand)
        return mixes(d, y);
    Node *x = broadcast(d, y->in[0], own);
    Shape s = shape_here(d, y, axis);
    if (y->op == OP_slice && x && shape_equal(&x->shape, &s))
        return x; /* of attention_step's result nothing is to be cut off */
    if (y->op == OP_slice)
        attr.end[axis] = d->length;
    return add(d, y, &x, &attr, axis);
}

static Node *several(Decode *d, const Node *y, int axis)
{
    Node **in = arena_take(d->arena, sizeof *in * (size_t)(y->n_in + 1));
    if (y->attr->axes[0] == axis)
        return mixes(d, y);
    for (int i = 0; i < y->n_in; i++)
        if (!(in[i] = along(d, y->in[i], axis)))
            return NULL;
    return add(d, y, in, y->attr, axis);
}

static bool names_axis(const Node *y, int axis)
{
    for (int i = 0; i < y->attr->n_axes; i++)
        if (y->attr->axes[i] == axis)
            return true;
    return false;
}

static Node *leaf_along(Decode *d, const Node *y, int axis)
{
    Shape s = shape_here(d, y, axis);
    if (y->op == OP_iota)
        return y->attr->axes[0] == axis ? positions(d, &s, axis)
                                        : build_iota(d->g, &s, y->attr->axes[0]);
    if (y->op == OP_input)
        return axis == 1 ? add(d, y, NULL, y->attr, axis) : mixes(d, y);
    if (y->op == OP_const && !y->attr->data)
        return add(d, y, NULL, y->attr, axis);
    return table_rows(d, y, axis);
}

/* What function encode leaves of y, a node that depends on other inputs than the tokens. */
static Node *memory(Decode *d, const Node *y)
{
    Shape shape = y->shape;
    shape.batch = -1;
    d->g->loc = y->loc;
    d->g->what = y->what;
    Node *kept = build_var(d->g, kept_var(d, y, "memory", &shape, VAR_memory));
    return kept && y->dtype != DT_f32 ? build_cast(d->g, kept, y->dtype) : kept;
}

static Node *along_new(Decode *d, const Node *y, int axis)
{
    Node *in[2] = {NULL};
    if (d->of_others[y->id] && !d->of_tokens[y->id])
        return table_rows(d, y, axis);
    switch (op_rows[y->op].cls) {
    case CLASS_LEAF: return leaf_along(d, y, axis);
    case CLASS_EW: return elementwise(d, y, axis);
    case CLASS_REDUCE:
        if (names_axis(y, axis))
            return mixes(d, y);
        in[0] = along(d, y->in[0], axis);
        return add(d, y, in, y->attr, axis);
    default: break;
    }
    switch (y->op) {
    case OP_reshape:
    case OP_transpose:
    case OP_expand:
    case OP_slice:
    case OP_pad: return movement(d, y, axis);
    case OP_flip: return names_axis(y, axis) ? mixes(d, y) : elementwise(d, y, axis);
    case OP_concat: return several(d, y, axis);
    case OP_gather:
        if (axis >= y->in[1]->shape.rank)
            return mixes(d, y);
        in[0] = whole(d, y->in[0]);
        in[1] = along(d, y->in[1], axis);
        return add(d, y, in, y->attr, axis);
    case OP_matmul: return product(d, y, axis);
    case OP_attention: return axis == 1 ? attention(d, y) : mixes(d, y);
    case OP_scan_result: return scan_result(d, y, axis);
    default: return mixes(d, y);
    }
}

/* y at the positions of this call, which lie along `axis`. */
static Node *along(Decode *d, const Node *y, int axis)
{
    Node **copy = &d->copies[y->id].along[axis];
    if (!*copy && !d->failed)
        *copy = along_new(d, y, axis);
    return d->failed ? NULL : *copy;
}

/* A loop over other inputs, as it is. */
static Node *loop(Decode *d, const Node *y)
{
    const Scan *s = y->attr->scan;
    Graph *outer = d->g;
    size_t n = (size_t)(s->body->nodes.n + y->n_in + 1);
    Node **in = arena_take(d->arena, sizeof *in * n), **copy = arena_take(d->arena, sizeof *in * n);
    Node **leaf = arena_take(d->arena, sizeof *in * n);
    for (int i = 0; i < y->n_in; i++)
        if (!(in[i] = whole(d, y->in[i])))
            return NULL;
    outer->loc = y->loc;
    outer->what = y->what;
    ScanBuilder b = scan_begin(outer, s->length, s->backwards);
    for (int i = 0; i < y->n_in; i++)
        leaf[i] = (i < s->n_states                 ? scan_state
                   : i < s->n_states + s->n_slices ? scan_slice
                                                   : scan_other)(&b, in[i]);
    d->g = b.body;
    for (int i = 0; i < s->body->nodes.n; i++) {
        const Node *x = s->body->nodes.at[i];
        if (x->op == OP_scan || x->op == OP_scan_result)
            return refuse(d, x, "is a loop inside a loop, which decoding does not take");
        Node **operand = arena_take(d->arena, sizeof *operand * (size_t)(x->n_in + 1));
        for (int k = 0; k < x->n_in; k++)
            operand[k] = copy[x->in[k]->id];
        copy[i] = x->op == OP_scan_operand ? leaf[x->attr->part] : add(d, x, operand, x->attr, -1);
    }
    d->g = outer;
    for (int i = 0; i < s->n_states; i++)
        scan_next(&b, leaf[i], copy[graph_find_root(s->body, ROOT_next, i)->id]);
    for (int i = 0, stacks = scan_stacks(s); i < stacks; i++)
        scan_step(&b, copy[graph_find_root(s->body, ROOT_step, i)->id]);
    return scan_end(&b);
}

static Node *loop_result(Decode *d, const Node *y)
{
    Node **scan = &d->copies[y->in[0]->id].whole;
    int states = y->in[0]->attr->scan->n_states, part = y->attr->part;
    if (!*scan)
        *scan = loop(d, y->in[0]);
    Node *result =
        part < states ? scan_last(d->g, *scan, part) : scan_stack(d->g, *scan, part - states);
    if (result)
        result->name = y->name;
    return result;
}

/* y, which is the same at every position. */
static Node *whole(Decode *d, const Node *y)
{
    Node **copy = &d->copies[y->id].whole;
    if (*copy || d->failed)
        return d->failed ? NULL : *copy;
    if (d->of_tokens[y->id])
        return mixes(d, y);
    if (d->of_others[y->id] && !d->encodes)
        return *copy = memory(d, y);
    if (y->op == OP_scan_result && d->encodes)
        return *copy = loop_result(d, y);
    if (y->op == OP_scan || y->op == OP_scan_result)
        return mixes(d, y);
    Node **in = arena_take(d->arena, sizeof *in * (size_t)(y->n_in + 1));
    for (int i = 0; i < y->n_in; i++)
        if (!(in[i] = whole(d, y->in[i])))
            return NULL;
    return *copy = add(d, y, in, y->attr, -1);
}

/* --- the scores of one position --------------------------------------------------------------- */

/* Whether y's rows along axis are each made of the same row of one operand, *i, and of nothing else of them. */
static bool passes_row(const Decode *d, const Node *y, int axis, int *i)
{
    int n = 0;
    if (y->op == OP_matmul && axis == y->shape.rank - 2 && !d->of_tokens[y->in[1]->id]) {
        *i = 0;
        return y->in[0]->shape.rank == y->shape.rank;
    }
    if (op_rows[y->op].cls != CLASS_EW)
        return false;
    for (int k = 0; k < y->n_in; k++)
        if (aligned(y, y->in[k], axis) >= 0) {
            *i = k;
            n++;
        }
    return n == 1 && y->in[*i]->shape.rank == y->shape.rank;
}

/* y at the one position SCALAR_last of this call: the row is taken as early as may be, before the product that
 * makes the scores. */
static Node *last_row(Decode *d, const Node *y, int axis)
{
    int row = 0;
    if (d->length == 1)
        return along(d, y, axis);
    if (!passes_row(d, y, axis, &row)) {
        const Shape one = shape_of(1, (int64_t[]){1});
        Node *which = build_expand(d->g, build_scalar(d->g, SCALAR_last), &one);
        Node *index = build_cast(d->g, which, DT_i32); /* first, whatever the compiler's order */
        return take(d->g, along(d, y, axis), axis, index);
    }
    Node *in[4] = {NULL};
    for (int k = 0; k < y->n_in; k++)
        if (!(in[k] = k == row ? last_row(d, y->in[k], axis) : whole(d, y->in[k])))
            return NULL;
    int64_t length = d->length;
    d->length = 1;
    Node *copy = add(d, y, in, y->attr, axis);
    d->length = length;
    return copy;
}

static void find_inputs(Decode *d, int tokens)
{
    for (int i = 0; i < d->from->nodes.n; i++) {
        const Node *y = d->from->nodes.at[i];
        d->of_tokens[i] = y->op == OP_input && y->attr->input == tokens;
        d->of_others[i] = y->op == OP_input && y->attr->input != tokens;
        for (int k = 0; k < y->n_in; k++) {
            d->of_tokens[i] |= d->of_tokens[y->in[k]->id];
            d->of_others[i] |= d->of_others[y->in[k]->id];
        }
    }
}

static Decode decode_of(const Graph *from, Fn fn, int64_t length)
{
    Program *p = from->program;
    size_t n = (size_t)from->nodes.n + 1;
    Arena *arena = p->ctx->arena;
    Decode d = {.g = graph_new(p, fn),
                .from = from,
                .arena = arena,
                .length = length,
                .all = p->generate.length,
                .of_tokens = arena_take(arena, n),
                .of_others = arena_take(arena, n),
                .copies = arena_take(arena, sizeof *d.copies * n)};
    find_inputs(&d, p->generate.input);
    return d;
}

Graph *decode_graph(const Graph *from, Fn fn, int64_t length)
{
    Program *p = from->program;
    Decode d = decode_of(from, fn, length);
    const Node *scores = graph_find_root(from, ROOT_output, 0);
    if (!d.of_tokens[scores->id])
        refuse(&d, scores, "does not depend on the tokens");
    Node *y = d.failed ? NULL : last_row(&d, scores, 1);
    if (!y || d.failed)
        return NULL;
    graph_root(d.g, ROOT_output, 0, y);
    p->generate.bounded |= d.bounded;
    graph_sort(d.g);
    return d.g;
}

Graph *decode_encoder(const Graph *from)
{
    Program *p = from->program;
    Decode d = decode_of(from, FN_encode, 0);
    d.encodes = true;
    for (int i = 0; i < from->nodes.n && !d.failed; i++) {
        const Node *y = from->nodes.at[i];
        Var *v = program_find_var(p, arena_format(d.arena, "generate.%d.memory", y->id));
        Node *value = v ? whole(&d, y) : NULL;
        if (value)
            build_assign(d.g, v, value->dtype == DT_f32 ? value : build_cast(d.g, value, DT_f32));
    }
    if (d.failed)
        return NULL;
    graph_sort(d.g);
    return d.g;
}

bool decode_by_steps(const Graph *from)
{
    for (int i = 0; i < from->nodes.n; i++)
        if (from->nodes.at[i]->op == OP_scan)
            return true;
    return false;
}
