/* SPDX-License-Identifier: MIT */
/* tables: multiplies the rows of a table once, not each time one is taken.
 *
 * needs   gradients not yet built
 * gives   (rows of a table by index) times a matrix, plus a vector, as rows by index of (the table times the matrix,
 *         plus the vector), where the table has fewer rows than are taken
 * breaks  nothing
 *
 * What an embedding of characters gives to a recurrent layer: the product of 65 rows instead of one of all positions;
 * in predict it depends on weights alone, so that it is kept from call to call. The gradient follows from the new form:
 * rows are added up by index before they are multiplied. That changes more of its rounding than the order of sums:
 * --exact leaves the pass out. */
#include "../ops/ops.h"
#include "passes.h"

enum { MOVES_MAX = 8 };

/* x as movement of rows: from in[0] of the last of `move` on, a gather. */
typedef struct Rows {
    Node *move[MOVES_MAX]; /* the first is x itself */
    int n;
    Node *gather;
} Rows;

/* Whether a movement leaves rows along the last axis as they are. */
static bool keeps_rows(const Node *y)
{
    const Shape *to = &y->shape, *from = &y->in[0]->shape;
    if (y->op == OP_transpose)
        return y->attr->axes[to->rank - 1] == from->rank - 1;
    return y->op == OP_reshape && to->rank > 0 && from->rank > 0 && to->batch != to->rank - 1 &&
           to->dim[to->rank - 1] == from->dim[from->rank - 1];
}

static bool find_rows(Node *x, Rows *r)
{
    r->n = 0;
    while (x->op != OP_gather) {
        if (op_rows[x->op].cls != CLASS_MOVE || r->n == MOVES_MAX || !keeps_rows(x))
            return false;
        r->move[r->n++] = x;
        x = x->in[0];
    }
    r->gather = x;
    return true;
}

/* The same movement of rows of another table with as many. */
static Node *take_rows(Graph *g, const Rows *r, Node *table)
{
    Node *in[2] = {table, r->gather->in[1]};
    Node *y = graph_add(g, OP_gather, 2, in, NULL);
    for (int i = r->n - 1; i >= 0; i--) {
        Shape s = r->move[i]->shape;
        s.dim[s.rank - 1] = table->shape.dim[1];
        y = r->move[i]->op == OP_reshape ? build_reshape(g, y, &s)
                                         : build_transpose(g, y, r->move[i]->attr->axes);
    }
    return y;
}

/* Whether a table has few enough rows: a batch takes each twice. */
static bool has_few_rows(const Graph *g, const Node *gather)
{
    enum { TIMES_LEAST = 2 };
    int64_t taken = shape_elements(&gather->in[1]->shape, g->program->train.batch);
    return gather->in[0]->shape.dim[0] * TIMES_LEAST <= taken;
}

static bool is_weight_matrix(const Node *w)
{
    return w->shape.rank == 2 && w->shape.batch < 0;
}

/* A vector that is added to every row of y. */
static bool is_row(const Node *x, const Node *y)
{
    const Shape *s = &x->shape;
    return s->rank == 1 && s->batch < 0 && s->dim[0] == y->shape.dim[y->shape.rank - 1];
}

static Node *multiply_table(Graph *g, Node *y, void *unused)
{
    (void)unused;
    Rows r;
    Node *table;
    if ((y->op != OP_matmul && y->op != OP_add) || !find_rows(y->in[0], &r))
        return y;
    if (y->op == OP_matmul && is_weight_matrix(y->in[1]) && has_few_rows(g, r.gather))
        table = build_matmul(g, r.gather->in[0], y->in[1]);
    else if (y->op == OP_add && r.gather->in[0]->op == OP_matmul && is_row(y->in[1], y) &&
             shape_equal(&y->in[0]->shape, &y->shape))
        table = build_binary(g, OP_add, r.gather->in[0], y->in[1]);
    else
        return y;
    return take_rows(g, &r, table);
}

void pass_tables(Graph *g)
{
    bool rows_are_asked_for = g->fn == FN_attribute; /* gradients by them */
    if (!g->program->exact && !g->outer && !rows_are_asked_for)
        graph_rewrite(g, multiply_table, NULL);
}
