/* SPDX-License-Identifier: MIT */
/* order.c: chooses the order in which each weight is kept, for pass layout.
 *
 * A weight of a dense layer is saved [out, in] and read as its transpose; that of a convolution is
 * saved [M, C, kh, kw] and read [kh, kw, C, M]. The first product of the forward part that reads a
 * weight decides, else the first loop that pass expand has made of one: the weight is kept in the
 * order in which its elements are read there. State of the optimiser follows its weight. */
#include "order.h"

#include <string.h>

#include "../ops/ops.h"
#include "lower.h"

/* --- what movement does to the axes of a variable --------------------------------------------- */

/* Where the axes of a variable are in what has been made of it by movement: each axis as a product
 * of pieces, the outermost first. */
typedef struct Piece {
    int axis; /* of the variable, or -1 */
    int64_t size;
    bool inner; /* its neighbours are neighbours in the variable */
} Piece;

typedef struct Pieces {
    int n;
    Piece at[2 * RANK_MAX];
} Pieces;

typedef struct Track {
    int rank;
    Pieces axis[RANK_MAX];
} Track;

/* Takes the pieces of an axis of this length from the end of `all`; false where one cannot be
 * cut. */
static bool take_pieces(Pieces *all, int64_t length, Pieces *axis)
{
    Piece taken[2 * RANK_MAX];
    int n = 0;
    while (length > 1) {
        if (all->n == 0 || n == COUNT(taken))
            return false;
        Piece *last = &all->at[all->n - 1];
        if (length % last->size == 0) {
            length /= last->size;
            taken[n++] = *last;
            all->n--;
        } else if (last->size % length == 0) {
            taken[n++] = (Piece){last->axis, length, last->inner};
            last->size /= length;
            last->inner = false;
            length = 1;
        } else {
            return false;
        }
    }
    axis->n = n;
    for (int i = 0; i < n; i++)
        axis->at[i] = taken[n - 1 - i];
    return true;
}

static bool track_reshape(Track *t, const Shape *to)
{
    Pieces all = {.n = 0};
    for (int i = 0; i < t->rank; i++)
        for (int k = 0; k < t->axis[i].n; k++) {
            if (all.n == COUNT(all.at))
                return false;
            all.at[all.n++] = t->axis[i].at[k];
        }
    t->rank = to->rank;
    for (int i = to->rank - 1; i >= 0; i--)
        if (!take_pieces(&all, to->dim[i], &t->axis[i]))
            return false;
    return true;
}

/* Slices and padding: only of axes of one piece. */
static bool track_lengths(Track *t, const Shape *from, const Shape *to)
{
    for (int i = 0; i < t->rank; i++) {
        Pieces *p = &t->axis[i];
        if (from->dim[i] == to->dim[i])
            continue;
        if (p->n > 1)
            return false;
        if (p->n == 0)
            p->at[0] = (Piece){.axis = -1};
        p->n = to->dim[i] > 1;
        p->at[0].size = to->dim[i];
    }
    return true;
}

static bool track(Track *t, const Node *y)
{
    Track before = *t;
    switch (y->op) {
    case OP_transpose:
        for (int i = 0; i < t->rank; i++)
            t->axis[i] = before.axis[y->attr->axes[i]];
        return true;
    case OP_reshape: return track_reshape(t, &y->shape);
    case OP_slice:
    case OP_pad: return track_lengths(t, &y->in[0]->shape, &y->shape);
    case OP_flip: return true;
    default: return false;
    }
}

enum { MOVES_MAX = 24 }; /* between a weight and its product */

/* The order in which y's elements, which are `of`'s, moved, run over its axes; false where that has
 * no simple answer. Axes of length 1 come first. */
static bool order_read(const Node *y, const Node *of, int *perm)
{
    const Node *moves[MOVES_MAX];
    int n = 0, rank = 0;
    for (; y != of; y = y->in[0]) {
        if (n == MOVES_MAX)
            return false;
        moves[n++] = y;
    }
    Track t = {.rank = of->shape.rank};
    for (int i = 0; i < t.rank; i++) {
        t.axis[i].n = of->shape.dim[i] > 1;
        t.axis[i].at[0] = (Piece){i, of->shape.dim[i], true};
        if (of->shape.dim[i] == 1)
            perm[rank++] = i;
    }
    while (n > 0)
        if (!track(&t, moves[--n]))
            return false;
    for (int i = 0; i < t.rank; i++)
        for (int k = 0; k < t.axis[i].n; k++)
            if (t.axis[i].at[k].axis >= 0 && t.axis[i].at[k].inner)
                perm[rank++] = t.axis[i].at[k].axis;
    return rank == of->shape.rank;
}

/* Whether two orders are the same but for axes of length 1. */
static bool same_but_units(const Shape *s, const int *a, const int *b)
{
    for (int i = 0, k = 0;; i++, k++) {
        while (i < s->rank && shape_unit(s, a[i]))
            i++;
        while (k < s->rank && shape_unit(s, b[k]))
            k++;
        if (i == s->rank || k == s->rank)
            return i == s->rank && k == s->rank;
        if (a[i] != b[k])
            return false;
    }
}

/* --- votes ------------------------------------------------------------------------------------ */

typedef struct Vote {
    bool given;
    Shape view;
    int perm[RANK_MAX];
} Vote;

static bool is_forward(const Node *y)
{
    return y->role == ROLE_forward || y->role == ROLE_loss;
}

/* What a leaf of a body stands for, where all steps read the same. */
static const Node *through_scan(const Graph *g, const Node *leaf)
{
    if (leaf->op != OP_scan_operand || scan_is_state(g, leaf) || scan_is_slice(g, leaf))
        return leaf;
    for (int i = 0; i < g->outer->nodes.n; i++) {
        const Node *y = g->outer->nodes.at[i];
        if (y->op == OP_scan && y->attr->scan == g->scan)
            return through_scan(g->outer, y->in[leaf->attr->part]);
    }
    return leaf;
}

/* A product's operand that is a weight, perhaps transposed and then moved in other ways. */
static void vote(const Graph *g, const Node *operand, bool unless_as_it_is, Vote *votes)
{
    const Node *transpose = NULL, *w = operand;
    for (; op_rows[w->op].cls == CLASS_MOVE && w->n_in == 1; w = w->in[0])
        transpose = w->op == OP_transpose ? w : NULL;
    const Node *weight = through_scan(g, w);
    if (weight->op != OP_var || weight->attr->var->kind == VAR_carried ||
        votes[weight->attr->var->id].given || (unless_as_it_is && !transpose))
        return;
    Vote *v = &votes[weight->attr->var->id];
    int perm[RANK_MAX];
    v->given = true;
    for (int i = 0; i < RANK_MAX; i++)
        v->perm[i] = transpose && i < w->shape.rank ? transpose->attr->axes[i] : i;
    if (order_read(operand, w, perm) && !same_but_units(&w->shape, perm, v->perm))
        memcpy(v->perm, perm, sizeof *perm * (size_t)w->shape.rank);
}

/* The transpose that x is, but for elementwise ops behind it; or NULL. */
static const Node *transposed_last(const Node *x, int depth)
{
    const Node *found = x->op == OP_transpose ? x : NULL;
    if (op_rows[x->op].cls != CLASS_EW || depth == 0)
        return found;
    for (int i = 0; i < x->n_in && !found; i++)
        if (shape_equal(&x->in[i]->shape, &x->shape))
            found = transposed_last(x->in[i], depth - 1);
    return found;
}

enum { BEHIND_MAX = 8 }; /* elementwise ops between a transpose and what is flattened */

/* A dense layer of what has been flattened, [N, ..] to [N, K], and was transposed before: its weight
 * is kept [K, units], K in the order that the numbers have without the transpose. */
static void vote_flattened(const Node *y, Vote *votes)
{
    const Node *a = y->in[0], *w = y->in[1]->op == OP_transpose ? y->in[1]->in[0] : y->in[1];
    const Var *v = w->op == OP_var ? w->attr->var : NULL;
    if (!v || v->init.kind == INIT_orthogonal || votes[v->id].given || w->shape.rank != 2 ||
        w == y->in[1] || a->op != OP_reshape || a->shape.rank != 2 || a->shape.batch != 0)
        return;
    const Node *t = transposed_last(a->in[0], BEHIND_MAX);
    if (!t || t->shape.batch != 0 || t->attr->axes[0] != 0 || t->shape.dim[0] != a->shape.dim[0])
        return;
    Vote vote = {.given = true, .view = {.rank = 1, .batch = -1, .dim = {w->shape.dim[0]}}};
    int part[RANK_MAX] = {0}, n = 0;
    bool moved = false;
    for (int i = 1; i < t->shape.rank; i++)
        if (t->shape.dim[i] > 1) {
            part[t->attr->axes[i]] = vote.view.rank;
            vote.view.dim[vote.view.rank++] = t->shape.dim[i];
        }
    for (int i = 1; i < t->shape.rank; i++) {
        if (!part[i])
            continue;
        moved = moved || part[i] != n + 1;
        vote.perm[n++] = part[i];
    }
    vote.perm[n] = 0;
    if (moved)
        votes[v->id] = vote;
}

/* Rows of a matrix that are gathered are rows of it as it is saved. */
static void vote_gathers(const Graph *g, Vote *votes)
{
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *y = g->nodes.at[i];
        if (y->op != OP_gather || y->in[0]->op != OP_var)
            continue;
        Vote *v = &votes[y->in[0]->attr->var->id];
        v->given = true;
        for (int k = 0; k < RANK_MAX; k++)
            v->perm[k] = k;
    }
}

static void vote_products(const Graph *g, Vote *votes)
{
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *y = g->nodes.at[i];
        if (is_forward(y) && y->op == OP_matmul)
            vote_flattened(y, votes);
        if (is_forward(y) && (y->op == OP_matmul || y->op == OP_conv))
            vote(g, y->in[1], false, votes);
        if (y->op == OP_scan)
            vote_products(y->attr->scan->body, votes);
    }
}

/* Products that pass expand has made loops of. */
static void vote_loops(const Graph *g, Vote *votes)
{
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *y = g->nodes.at[i];
        for (int k = 0; k < y->n_in && y->op == OP_mul && is_forward(y); k++)
            vote(g, y->in[k], true, votes);
        if (y->op == OP_scan)
            vote_loops(y->attr->scan->body, votes);
    }
}

/* What is only read by convolutions, as predictions do, is kept in their panels of columns. */
static void cut_panels(Program *p, const Graph *g)
{
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *y = g->nodes.at[i];
        if (y->op != OP_conv || y->attr->taps.groups != 1)
            continue;
        const Node *w = y->in[1]->op == OP_transpose ? y->in[1]->in[0] : y->in[1];
        Var *v = w->op == OP_var ? w->attr->var : NULL;
        int rank = w->shape.rank;
        int columns = tile_conv_columns(p->target, w->shape.dim[0], op_product(&w->shape, 1, rank));
        if (!v || v->view.rank || v->init.kind == INIT_orthogonal || v->perm[rank - 1] != 0 ||
            rank == RANK_MAX || w->shape.dim[0] % columns || w->shape.dim[0] == columns)
            continue;
        v->view = (Shape){rank + 1, -1, {v->shape.dim[0] / columns, columns}};
        for (int k = 1; k < rank; k++)
            v->view.dim[k + 1] = v->shape.dim[k];
        for (int k = rank - 1; k > 0; k--)
            v->perm[k] = v->perm[k - 1] + 1;
        v->perm[0] = 0;
        v->perm[rank] = 1;
    }
}

void order_vars(Program *p)
{
    Arena *scratch = arena_new();
    Vote *votes = arena_take(scratch, sizeof *votes * (size_t)(p->vars.n + 1));
    for (int fn = 0; fn < FN_COUNT; fn++)
        if (p->fn[fn])
            vote_gathers(p->fn[fn], votes);
    for (int fn = 0; fn < FN_COUNT; fn++)
        if (p->fn[fn])
            vote_products(p->fn[fn], votes);
    for (int fn = 0; fn < FN_COUNT; fn++)
        if (p->fn[fn])
            vote_loops(p->fn[fn], votes);
    for (int i = 0; i < p->vars.n; i++) {
        Var *v = p->vars.at[i];
        const Var *as = v->laid_as ? v->laid_as : v;
        if (!votes[as->id].given)
            continue;
        memcpy(v->perm, votes[as->id].perm, sizeof v->perm);
        v->view = votes[as->id].view;
    }
    bool whole = !p->target || p->fn[FN_train] || p->fn[FN_accumulate] || p->fn[FN_grad];
    for (int fn = 0; fn < FN_COUNT && !whole; fn++)
        if (p->fn[fn])
            cut_panels(p, p->fn[fn]);
    arena_free(scratch);
}
