/* SPDX-License-Identifier: MIT */
/* layout: chooses the order in which weights are kept, and moves transposes to where they cost
 * least.
 *
 * needs   the forward part of every function; the first function comes first
 * gives   var->perm; var nodes in kept order; no transpose of a transpose, none that moves only
 *         axes of length 1, and none of what is computed that could have been sunk
 * breaks  nothing
 *
 * 1. Each variable is kept in the order that order.c chooses: nearly always that in which products
 *    read it. What reads it in another order does so through a transpose, and an update is
 *    transposed.
 * 2. Transposes are sunk: f(transpose(x)) becomes transpose(f(x)), until they meet another, vanish
 *    as moving nothing, or reach a product or window, whose index maps take them in. So of layers
 *    that work channels last in a model that is channels first, only the first and last transpose
 *    remain. What else f reads is transposed back, which costs nothing where it is one row or a
 *    scalar.
 *
 * One walk, operands first, takes a transpose through any chain.
 */
#include <string.h>

#include "../ops/ops.h"
#include "order.h"
#include "parts.h"
#include "passes.h"

/* --- orders of axes: result axis i is axis perm[i] of what is transposed ---------------------- */

static void invert(const int *perm, int rank, int *back)
{
    for (int i = 0; i < rank; i++)
        back[perm[i]] = i;
}

static bool is_identity(const int *perm, int rank)
{
    for (int i = 0; i < rank; i++)
        if (perm[i] != i)
            return false;
    return true;
}

static int count_long(const Shape *s)
{
    int n = 0;
    for (int i = 0; i < s->rank; i++)
        n += !shape_unit(s, i);
    return n;
}

/* Whether only axes of length 1 change their place. */
static bool moves_units(const Shape *s, const int *perm)
{
    for (int i = 0, last = -1; i < s->rank; i++) {
        if (shape_unit(s, perm[i]))
            continue;
        if (perm[i] < last)
            return false;
        last = perm[i];
    }
    return true;
}

static Shape permuted(const Shape *s, const int *perm)
{
    Shape to = {.rank = s->rank, .batch = -1};
    for (int i = 0; i < s->rank; i++) {
        to.dim[i] = s->dim[perm[i]];
        if (perm[i] == s->batch)
            to.batch = i;
    }
    return to;
}

static bool same_order(const Node *a, const Node *b)
{
    return a->shape.rank == b->shape.rank &&
           memcmp(a->attr->axes, b->attr->axes, sizeof *a->attr->axes * (size_t)a->shape.rank) == 0;
}

static Node *reshaped(Graph *g, Node *x, const Shape *shape)
{
    if (x->op == OP_reshape)
        x = x->in[0];
    return shape_equal(&x->shape, shape) ? x : build_reshape(g, x, shape);
}

/* --- variables -------------------------------------------------------------------------------- */

static bool is_first(const Graph *g)
{
    for (int fn = 0; fn < FN_COUNT; fn++)
        if (g->program->fn[fn])
            return g->program->fn[fn] == g;
    return false;
}

/* Variables in kept order, seen in saved order through a transpose. */
static Node *relay(Graph *g, Node *y, void *unused)
{
    (void)unused;
    const Var *v = y->attr->var;
    if (y->op != OP_var && y->op != OP_assign)
        return y;
    Shape view = var_view(v), parts = permuted(&view, v->perm), as_kept = var_kept_shape(v);
    if (is_identity(v->perm, view.rank) && !v->view.rank)
        return y;
    if (y->op == OP_assign) {
        Node *value = build_transpose(g, reshaped(g, y->in[0], &view), v->perm);
        value = reshaped(g, value, &as_kept);
        return graph_add(g, OP_assign, 1, &value, y->attr);
    }
    int back[RANK_MAX] = {0};
    invert(v->perm, view.rank, back);
    Node *kept = build_var(g, y->attr->var);
    kept->name = y->name;
    return reshaped(g, build_transpose(g, reshaped(g, kept, &parts), back), &v->shape);
}

/* --- transposing ------------------------------------------------------------------------------ */

/* What was transposed last, and how: a node that several read is not transposed for each. */
typedef struct Turned {
    Node *as;
    int perm[RANK_MAX];
} Turned;

typedef struct Sink {
    Graph *g;
    Arena *arena;
    VEC(Turned) turned; /* by node id */
} Sink;

/* Whether each part is one axis of what it becomes. */
static bool joins(const Node *x, Parts *p)
{
    return x->op == OP_reshape && x->in[0]->op == OP_transpose &&
           reshape_parts(&x->in[0]->shape, &x->shape, p) && count_long(&x->shape) == p->n &&
           count_long(&x->in[0]->shape) > p->n;
}

/* The transpose of axes that are joined of transposed ones: these are transposed before. */
static Node *transposed_before(Graph *g, Node *x, const Parts *p, const int *perm)
{
    const Node *t = x->in[0];
    int both[RANK_MAX] = {0}, n = 0;
    for (int i = 0; i < x->shape.rank; i++)
        for (int axis = 0; axis < t->shape.rank; axis++)
            if (p->to[perm[i]] >= 0 && p->from[axis] == p->to[perm[i]])
                both[n++] = t->attr->axes[axis];
    for (int axis = 0; axis < t->shape.rank; axis++)
        if (p->from[axis] < 0)
            both[n++] = t->attr->axes[axis];
    Shape shape = permuted(&x->shape, perm);
    return reshaped(g, build_transpose(g, t->in[0], both), &shape);
}

/* The transpose, with nothing left to merge. */
static Node *transposed(Graph *g, Node *x, const int *perm)
{
    Parts p;
    if (joins(x, &p) && !moves_units(&x->shape, perm))
        return transposed_before(g, x, &p, perm);
    int both[RANK_MAX] = {0};
    for (int i = 0; i < x->shape.rank; i++)
        both[i] = x->op == OP_transpose ? x->attr->axes[perm[i]] : perm[i];
    x = x->op == OP_transpose ? x->in[0] : x;
    if (!moves_units(&x->shape, both))
        return build_transpose(g, x, both);
    Shape shape = permuted(&x->shape, both);
    return reshaped(g, x, &shape);
}

/* Axes of length 1 before those of x; scalars stay. */
static Node *of_rank(Graph *g, Node *x, int rank)
{
    int extra = rank - x->shape.rank;
    if (extra == 0 || x->shape.rank == 0)
        return x;
    Shape s = {.rank = rank, .batch = x->shape.batch < 0 ? -1 : x->shape.batch + extra};
    for (int i = 0; i < rank; i++)
        s.dim[i] = i < extra ? 1 : x->shape.dim[i - extra];
    return reshaped(g, x, &s);
}

/* Cheap to compute in another order: elementwise of leaves and single rows. */
static bool is_made_of_leaves(const Node *x, int depth)
{
    OpClass c = op_rows[x->op].cls;
    if (c == CLASS_LEAF || count_long(&x->shape) <= 1)
        return true;
    if (depth == 0 || op_rows[x->op].flags & COSTLY || (c != CLASS_EW && c != CLASS_MOVE))
        return false;
    for (int i = 0; i < x->n_in; i++)
        if (!is_made_of_leaves(x->in[i], depth - 1))
            return false;
    return true;
}

enum { LEAF_DEPTH = 4 }; /* ops above leaves that are computed again */

static Node *turn(Sink *s, Node *x, const int *perm);

/* An elementwise op of transposed operands; y has as many axes as perm. */
static Node *turn_operands(Sink *s, Node *y, const int *perm)
{
    Node *in[3] = {NULL};
    Shape scalar = shape_scalar();
    for (int i = 0; i < y->n_in; i++) {
        Node *x = of_rank(s->g, y->in[i], y->shape.rank);
        in[i] = x->shape.rank ? turn(s, x, perm) : x;
    }
    Node *inner = graph_add_as(s->g, y->op, y->n_in, in, y->attr, &scalar, y->dtype);
    inner->name = y->name;
    return inner;
}

/* x transposed where it is made, if that is as well another leaf, or another order of loops. */
static Node *turn_at_source(Sink *s, Node *x, const int *perm)
{
    Graph *g = s->g;
    Shape shape = permuted(&x->shape, perm);
    int back[RANK_MAX] = {0};
    invert(perm, x->shape.rank, back);
    if (x->op == OP_const && !x->attr->data)
        return build_fill(g, &shape, x->attr->value);
    if (x->op == OP_iota)
        return build_iota(g, &shape, back[x->attr->axes[0]]);
    if (x->op == OP_expand) {
        Node *few = of_rank(g, x->in[0], x->shape.rank);
        return build_expand(g, few->shape.rank ? turn(s, few, perm) : few, &shape);
    }
    if (op_rows[x->op].cls == CLASS_EW && is_made_of_leaves(x, LEAF_DEPTH))
        return turn_operands(s, x, perm);
    return transposed(g, x, perm);
}

/* x transposed, by whatever costs least; what is new is written as x was. */
static Node *turn(Sink *s, Node *x, const int *perm)
{
    Graph *g = s->g, as = *g;
    size_t size = sizeof *perm * (size_t)x->shape.rank;
    if (moves_units(&x->shape, perm))
        return transposed(g, x, perm);
    int id = x->id;
    while (s->turned.n <= id)
        vec_push(s->arena, &s->turned, ((Turned){.as = NULL}));
    if (s->turned.at[id].as && memcmp(s->turned.at[id].perm, perm, size) == 0)
        return s->turned.at[id].as;
    g->loc = x->loc;
    g->role = x->role;
    g->what = x->what;
    Turned made = {.as = turn_at_source(s, x, perm)};
    memcpy(made.perm, perm, size);
    s->turned.at[id] = made;
    g->loc = as.loc;
    g->role = as.role;
    g->what = as.what;
    return made.as;
}

/* --- sinking ---------------------------------------------------------------------------------- */

static bool rests_on_leaf(const Node *x)
{
    while (op_rows[x->op].cls == CLASS_MOVE && x->n_in == 1)
        x = x->in[0];
    return op_rows[x->op].cls == CLASS_LEAF;
}

/* The transpose among y's operands that is sunk below y, or NULL. A transposed leaf is as good as
 * the leaf, so that it is sunk only where the other operands are transposed alike, or cost
 * nothing. */
static const Node *transpose_to_sink(const Node *y)
{
    const Node *leaf = NULL;
    bool alike = true;
    for (int i = 0; i < y->n_in; i++) {
        const Node *x = y->in[i];
        if (x->op != OP_transpose || x->shape.rank != y->shape.rank) {
            alike = alike && count_long(&x->shape) <= 1;
            continue;
        }
        if (!rests_on_leaf(x) &&
            (op_rows[y->op].cls != CLASS_EW || shape_equal(&x->shape, &y->shape)))
            return x;
        leaf = leaf ? leaf : x;
        alike = alike && same_order(leaf, x);
    }
    return alike ? leaf : NULL;
}

/* Puts the transpose behind what has been made of its operand, in y's place. */
static Node *behind(Graph *g, const Node *y, Node *inner, const int *perm)
{
    if (!inner->name)
        inner->name = y->name;
    return transposed(g, inner, perm);
}

/* Whether t is a product's only reader, which may as well be made the other way around. */
static bool turns_product(const Node *t)
{
    const Node *x = t->in[0];
    return x->op == OP_matmul && x->users == 1 && x->shape.rank == 2 && x->in[0]->shape.rank == 2 &&
           x->in[1]->shape.rank == 2;
}

/* Whether an operand of several axes that is made is not transposed as t is. */
static bool meets_other(const Node *y, const Node *t)
{
    for (int i = 0; i < y->n_in; i++) {
        const Node *x = y->in[i];
        if (count_long(&x->shape) > 1 && !rests_on_leaf(x) &&
            (x->op != OP_transpose || !same_order(x, t)))
            return true;
    }
    return false;
}

/* y of a product made the other way around, instead of a transposed one: of the gradient of a weight that is
 * kept as what else is added to it. */
static Node *with_product_turned(Graph *g, Node *y, const Node *t)
{
    Node **in = arena_take(g->program->ctx->arena, sizeof *in * (size_t)y->n_in);
    static const int swap[] = {1, 0};
    const Node *x = t->in[0];
    Node *left = transposed(g, x->in[1], swap);
    Node *right = transposed(g, x->in[0], swap);
    for (int i = 0; i < y->n_in; i++)
        in[i] = y->in[i] == t ? build_matmul(g, left, right) : y->in[i];
    return graph_add(g, y->op, y->n_in, in, y->attr);
}

static Node *sink_elementwise(Sink *s, Node *y)
{
    const Node *t = transpose_to_sink(y);
    int back[RANK_MAX] = {0};
    if (!t)
        return y;
    if (turns_product(t) && meets_other(y, t))
        return with_product_turned(s->g, y, t);
    invert(t->attr->axes, y->shape.rank, back);
    return behind(s->g, y, turn_operands(s, y, back), t->attr->axes);
}

static Node *sink_concat(Sink *s, Node *y)
{
    const Node *t = transpose_to_sink(y);
    int back[RANK_MAX] = {0};
    if (!t)
        return y;
    const int *perm = t->attr->axes;
    invert(perm, y->shape.rank, back);
    Node **in = arena_take(s->arena, sizeof *in * (size_t)y->n_in);
    for (int i = 0; i < y->n_in; i++)
        in[i] = turn(s, y->in[i], back);
    return behind(s->g, y, build_concat(s->g, perm[y->attr->axes[0]], y->n_in, in), perm);
}

/* Axes that are listed: of a reduction, of a flip. */
static Node *sink_listed(Graph *g, Node *y)
{
    const int *perm = y->in[0]->attr->axes;
    Attr attr = *y->attr;
    bool listed[RANK_MAX] = {false};
    for (int i = 0; i < attr.n_axes; i++)
        listed[perm[attr.axes[i]]] = true;
    for (int axis = 0, n = 0; axis < y->shape.rank; axis++)
        if (listed[axis])
            attr.axes[n++] = axis;
    return behind(g, y, graph_add(g, y->op, 1, y->in[0]->in, &attr), perm);
}

/* A range an axis: of a slice, of a pad. */
static Node *sink_ranges(Graph *g, Node *y)
{
    const int *perm = y->in[0]->attr->axes;
    Attr attr = *y->attr;
    for (int i = 0; i < y->shape.rank; i++) {
        attr.start[perm[i]] = y->attr->start[i];
        attr.end[perm[i]] = y->attr->end[i];
        attr.step[perm[i]] = y->attr->step[i];
    }
    return behind(g, y, graph_add(g, y->op, 1, y->in[0]->in, &attr), perm);
}

static Node *sink_expand(Graph *g, Node *y)
{
    const Node *t = y->in[0];
    int extra = y->shape.rank - t->shape.rank, perm[RANK_MAX] = {0}, back[RANK_MAX] = {0};
    for (int i = 0; i < y->shape.rank; i++)
        perm[i] = i < extra ? i : t->attr->axes[i - extra] + extra;
    invert(perm, y->shape.rank, back);
    Shape shape = permuted(&y->shape, back);
    return behind(g, y, build_expand(g, t->in[0], &shape), perm);
}

/* --- below a reshape -------------------------------------------------------------------------- */

/* Whether the axes of each part are neighbours, and in order, in what is transposed as well. Then
 * order[i] is its i-th part. */
static bool parts_stay(const Node *t, const Parts *p, int *order)
{
    int back[RANK_MAX] = {0}, last_part = -1, last_axis = -1, n = 0;
    bool seen[RANK_MAX] = {false};
    invert(t->attr->axes, t->shape.rank, back);
    for (int i = 0; i < t->shape.rank; i++) {
        int axis = back[i], part = p->from[axis];
        if (part < 0)
            continue;
        if (part == last_part ? axis < last_axis : seen[part])
            return false;
        if (part != last_part)
            order[n++] = part;
        seen[part] = true;
        last_part = part;
        last_axis = axis;
    }
    return true;
}

/* The reshape of what is transposed: parts in its order, then axes of length 1. */
static Node *sink_reshape(Graph *g, Node *y)
{
    bool twice = y->in[0]->op == OP_reshape;
    const Node *t = twice ? y->in[0]->in[0] : y->in[0];
    Parts p;
    int order[RANK_MAX + 1] = {0}, perm[RANK_MAX] = {0};
    if (t->op != OP_transpose || !reshape_parts(&t->shape, &y->shape, &p) ||
        !parts_stay(t, &p, order))
        return twice ? reshaped(g, y->in[0], &y->shape) : y;
    order[p.n] = -1;
    Shape shape = {.batch = -1};
    for (int i = 0; i <= p.n; i++)
        for (int axis = 0; axis < y->shape.rank; axis++) {
            if (p.to[axis] != order[i])
                continue;
            if (axis == y->shape.batch)
                shape.batch = shape.rank;
            perm[axis] = shape.rank;
            shape.dim[shape.rank++] = y->shape.dim[axis];
        }
    return behind(g, y, reshaped(g, t->in[0], &shape), perm);
}

/* --- joined axes of a matrix ------------------------------------------------------------------- */

static Node *sink(Graph *g, Node *y, void *arg);

/* An axis that is joined of parts which are transposed before that: their lengths, and their order
 * where they come from. */
typedef struct Joined {
    int n;
    int64_t dim[RANK_MAX];
    int perm[RANK_MAX];
} Joined;

static bool axis_joins(const Node *x, int axis, Joined *j)
{
    Parts p;
    int from[RANK_MAX];
    if (axis == x->shape.batch || !joins(x, &p) || p.to[axis] < 0)
        return false;
    const Node *t = x->in[0];
    j->n = 0;
    for (int i = 0; i < t->shape.rank; i++) {
        if (p.from[i] != p.to[axis])
            continue;
        int at = j->n++;
        j->dim[at] = t->shape.dim[i];
        from[at] = t->attr->axes[i];
        for (; at > 0 && from[j->perm[at - 1]] > from[j->n - 1]; at--)
            j->perm[at] = j->perm[at - 1];
        j->perm[at] = j->n - 1;
    }
    return !is_identity(j->perm, j->n);
}

/* The matrix x with an axis in parts; perm: where each of all axes comes from, or goes to. */
static Shape in_parts(const Shape *x, int axis, const Joined *j, int *perm)
{
    Shape s = {.batch = -1};
    for (int i = 0; i < x->rank; i++) {
        if (i == x->batch)
            s.batch = s.rank;
        for (int k = 0; k < (i == axis ? j->n : 1); k++)
            perm[s.rank + k] = s.rank + (i == axis ? j->perm[k] : 0);
        for (int k = 0; k < (i == axis ? j->n : 1); k++)
            s.dim[s.rank++] = i == axis ? j->dim[k] : x->dim[i];
    }
    return s;
}

/* The matrix x, the parts of an axis in the order in which they come. */
static Node *with_axis_turned(Sink *s, Node *x, int axis, const Joined *j)
{
    int perm[RANK_MAX];
    Shape shape = in_parts(&x->shape, axis, j, perm), whole = x->shape;
    x = sink(s->g, reshaped(s->g, x, &shape), s);
    x = sink(s->g, transposed(s->g, x, perm), s);
    return sink(s->g, reshaped(s->g, x, &whole), s);
}

/* The other way. */
static Node *with_axis_restored(Sink *s, Node *x, int axis, const Joined *j)
{
    int perm[RANK_MAX], back[RANK_MAX] = {0};
    Shape shape = in_parts(&x->shape, axis, j, perm), whole = x->shape;
    Shape turned = permuted(&shape, perm);
    invert(perm, shape.rank, back);
    return reshaped(s->g, transposed(s->g, reshaped(s->g, x, &turned), back), &whole);
}

/* Whether a weight of `columns` rows is kept with this axis in this order. */
static bool kept_so(const Program *p, const Joined *j, int64_t columns)
{
    for (int i = 0; i < p->vars.n; i++) {
        const Var *v = p->vars.at[i];
        bool same = v->view.rank == 1 + j->n && v->view.dim[0] == columns;
        for (int k = 0; k < j->n && same; k++)
            same = v->view.dim[1 + k] == j->dim[k] && v->perm[k] == 1 + j->perm[k];
        if (same)
            return true;
    }
    return false;
}

/* A product of matrices with a weight that is kept in the order of a joined axis: that axis is
 * summed over in this order, or left so in the result; and a gradient that goes to such a weight. */
static Node *sink_matmul(Sink *s, Node *y)
{
    Node *a = y->in[0], *b = y->in[1];
    Joined inner, rows, columns;
    if (a->shape.rank != 2 || b->shape.rank != 2)
        return y;
    bool sums = rests_on_leaf(b) && axis_joins(b, 0, &inner);
    bool to_columns = rests_on_leaf(b) && axis_joins(b, 1, &columns);
    bool to_rows = axis_joins(a, 0, &rows) && kept_so(s->g->program, &rows, y->shape.dim[1]);
    if (!sums && !to_columns && !to_rows)
        return y;
    if (sums) {
        a = with_axis_turned(s, a, 1, &inner);
        b = with_axis_turned(s, b, 0, &inner);
    }
    a = to_rows ? with_axis_turned(s, a, 0, &rows) : a;
    b = to_columns ? with_axis_turned(s, b, 1, &columns) : b;
    Node *product = build_matmul(s->g, a, b);
    product->name = y->name;
    product = to_rows ? with_axis_restored(s, product, 0, &rows) : product;
    return to_columns ? with_axis_restored(s, product, 1, &columns) : product;
}

/* x as `parts`, transposed, as `to`: where that is x before the same was done in the other direction,
 * or costs nothing; else NULL. */
static Node *before_join(Sink *s, Node *x, const Shape *parts, const int *back, const Shape *to)
{
    x = sink(s->g, reshaped(s->g, x, parts), s);
    x = sink(s->g, turn(s, x, back), s);
    x = sink(s->g, reshaped(s->g, x, to), s);
    return op_rows[x->op].cls == CLASS_MOVE && !is_made_of_leaves(x, LEAF_DEPTH) ? NULL : x;
}

/* An elementwise op whose operands were all transposed and joined alike is done before that. */
static Node *sink_joined(Sink *s, Node *y)
{
    const Node *first = NULL;
    Node *in[3] = {NULL};
    Parts p;
    int back[RANK_MAX] = {0};
    for (int i = 0; i < y->n_in; i++) {
        if (y->in[i]->shape.rank && !shape_equal(&y->in[i]->shape, &y->shape))
            return y;
        first = !first && joins(y->in[i], &p) ? y->in[i] : first;
    }
    if (!first)
        return y;
    const Node *t = first->in[0], *source = t->in[0];
    Shape to = (source->op == OP_reshape ? source->in[0] : source)->shape, scalar = shape_scalar();
    invert(t->attr->axes, t->shape.rank, back);
    for (int i = 0; i < y->n_in; i++) {
        in[i] = y->in[i];
        if (in[i]->shape.rank && !(in[i] = before_join(s, in[i], &t->shape, back, &to)))
            return y;
    }
    Node *inner = graph_add_as(s->g, y->op, y->n_in, in, y->attr, &scalar, y->dtype);
    inner->name = y->name;
    inner = reshaped(s->g, inner, &source->shape);
    return reshaped(s->g, transposed(s->g, inner, t->attr->axes), &y->shape);
}

/* A reduction over all of what was transposed and joined. */
static Node *sink_reduction_of_all(Graph *g, Node *y)
{
    Parts p;
    int axes[RANK_MAX];
    const Node *x = y->in[0];
    if (!joins(x, &p) || count_long(&y->shape))
        return y;
    Node *source = x->in[0]->in[0];
    for (int i = 0; i < source->shape.rank; i++)
        axes[i] = i;
    return reshaped(g, build_reduce_as(g, y, source, source->shape.rank, axes), &y->shape);
}

/* --- all nodes ------------------------------------------------------------------------------- */

static Node *sink(Graph *g, Node *y, void *arg)
{
    Sink *s = arg;
    if (op_rows[y->op].cls == CLASS_EW) {
        Node *sunk = y->shape.rank ? sink_joined(s, y) : y;
        return sunk == y && y->shape.rank ? sink_elementwise(s, y) : sunk;
    }
    if (y->op == OP_matmul)
        return sink_matmul(s, y);
    if (op_rows[y->op].cls == CLASS_REDUCE && y->in[0]->op == OP_reshape)
        return sink_reduction_of_all(g, y);
    if (y->op == OP_concat)
        return sink_concat(s, y);
    if (y->op == OP_transpose) {
        Parts p;
        bool done = y->in[0]->op != OP_transpose && !joins(y->in[0], &p) &&
                    !moves_units(&y->in[0]->shape, y->attr->axes);
        return done ? y : transposed(g, y->in[0], y->attr->axes);
    }
    if (y->op == OP_reshape)
        return sink_reshape(g, y);
    if (y->n_in != 1 || y->in[0]->op != OP_transpose)
        return y;
    if (op_rows[y->op].cls == CLASS_REDUCE)
        return sink_listed(g, y);
    if (rests_on_leaf(y)) /* index maps of one leaf, in whichever order */
        return y;
    switch (y->op) {
    case OP_flip: return sink_listed(g, y);
    case OP_slice:
    case OP_pad: return sink_ranges(g, y);
    case OP_expand: return sink_expand(g, y);
    default: return y;
    }
}

static void sink_all(Graph *g)
{
    Sink s = {.g = g, .arena = arena_new()};
    graph_count_users(g);
    graph_rewrite(g, sink, &s);
    arena_free(s.arena);
}

/* --- bodies ---------------------------------------------------------------------------------- */

typedef struct Pushed { /* a transpose of operand `part` of a scan, done inside */
    int part;
    const Node *transpose;
} Pushed;

static Node *transpose_inside(Graph *body, Node *y, void *arg)
{
    const Pushed *p = arg;
    const Node *x = p->transpose->in[0];
    if (y->op != OP_scan_operand || y->attr->part != p->part)
        return y;
    Node *leaf = graph_add_as(body, OP_scan_operand, 0, NULL, y->attr, &x->shape, x->dtype);
    leaf->name = y->name;
    return build_transpose(body, leaf, p->transpose->attr->axes);
}

/* What all steps read is read as it is kept; its transpose meets others inside. */
static void push_transposes(Graph *g)
{
    for (int i = 0; i < g->nodes.n; i++) {
        Node *y = g->nodes.at[i];
        bool any = false;
        for (int k = 0; y->op == OP_scan && k < y->n_in; k++) {
            const Scan *s = y->attr->scan;
            Pushed p = {k, y->in[k]};
            if (k < s->n_states + s->n_slices || p.transpose->op != OP_transpose)
                continue;
            graph_rewrite(s->body, transpose_inside, &p);
            y->in[k] = p.transpose->in[0];
            any = true;
        }
        if (any)
            sink_all(y->attr->scan->body);
    }
}

/* --- the pass --------------------------------------------------------------------------------- */

void pass_layout(Graph *g)
{
    if (is_first(g)) /* the pipeline takes every function through a pass before the next begins */
        order_vars(g->program);
    graph_rewrite(g, relay, NULL);
    sink_all(g);
    push_transposes(g);
}
