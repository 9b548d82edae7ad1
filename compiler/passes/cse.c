/* SPDX-License-Identifier: MIT */
/* cse: merges equal nodes.
 *
 * needs   a graph in order
 * gives   no two nodes with the same op, operands, attributes, shape and type; roots are kept
 * breaks  nothing
 *
 * One walk in order with a hash table: operands are merged before what reads them, so equal nodes
 * have the very same operands. Those of a commutative op are compared in either order.
 */
#include "../ops/ops.h"
#include "passes.h"

#include <string.h>

typedef struct Table { /* open addressing, a power of two long */
    Node **slot;
    size_t mask;
} Table;

/* --- what makes two nodes equal --------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static bool commutes(const Node *node)
{
    return op_rows[node->op].flags & COMMUTES;
}

static uint64_t hash_attr(uint64_t hash, const Node *node)
{
    const Attr *attr = node->attr;
    unsigned reads = op_impls[node->op]->attrs;
    if (reads & ATTR_axes)
        hash = mix(hash, attr->axes, sizeof attr->axes);
    if (reads & ATTR_numbers)
        hash = mix(hash, attr->numbers, sizeof attr->numbers);
    if (reads & ATTR_range)
        hash = mix(mix(hash, attr->start, sizeof attr->start), attr->end, sizeof attr->end);
    if (reads & ATTR_taps)
        hash = mix(hash, &attr->taps, sizeof attr->taps);
    if (reads & ATTR_value)
        hash = mix(hash, &attr->value, sizeof attr->value);
    if ((reads & ATTR_data) && attr->data)
        hash = mix(hash, attr->data, sizeof *attr->data * (size_t)shape_count(&node->shape));
    if (reads & ATTR_var)
        hash = mix(hash, &attr->var->id, sizeof attr->var->id);
    if (reads & ATTR_input)
        hash = mix(hash, &attr->input, sizeof attr->input);
    if (reads & (ATTR_part | ATTR_scalar))
        hash = mix(hash, &attr->part, sizeof attr->part);
    if (reads & ATTR_scan)
        hash = mix(hash, &attr->scan->length, sizeof attr->scan->length);
    if (reads & ATTR_scalar)
        hash = mix(hash, &attr->scalar, sizeof attr->scalar);
    return reads & ATTR_stream ? mix(hash, &attr->stream, sizeof attr->stream) : hash;
}

static uint64_t hash_node(const Node *node)
{
    uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), &node->op, sizeof node->op);
    uint64_t operands = 0;
    for (int i = 0; i < node->n_in; i++)
        operands = commutes(node) ? operands + (uint64_t)node->in[i]->id
                                  : operands * 31 + (uint64_t)node->in[i]->id;
    hash = mix(hash, &operands, sizeof operands);
    hash = mix(hash, node->shape.dim, sizeof *node->shape.dim * (size_t)node->shape.rank);
    hash = hash_attr(hash, node);
    return hash ^ hash >> 32;
}

static bool same_operands(const Node *a, const Node *b)
{
    if (a->n_in != b->n_in)
        return false;
    if (commutes(a) && a->in[0] == b->in[1] && a->in[1] == b->in[0])
        return true;
    for (int i = 0; i < a->n_in; i++)
        if (a->in[i] != b->in[i])
            return false;
    return true;
}

/* Tables of constants; both absent counts as equal. NaNs and zeros are compared by their bits. */
static bool same_data(const Node *a, const Node *b)
{
    const double *p = a->attr->data, *q = b->attr->data;
    return p == q || (p && q && memcmp(p, q, sizeof *p * (size_t)shape_count(&a->shape)) == 0);
}

static bool same_attr(const Node *a, const Node *b)
{
    const Attr *p = a->attr, *q = b->attr;
    unsigned reads = op_impls[a->op]->attrs;
    if ((reads & ATTR_axes) &&
        (p->n_axes != q->n_axes || memcmp(p->axes, q->axes, sizeof p->axes) != 0))
        return false;
    if ((reads & ATTR_numbers) &&
        (p->n_numbers != q->n_numbers || memcmp(p->numbers, q->numbers, sizeof p->numbers) != 0))
        return false;
    if ((reads & ATTR_range) && (memcmp(p->start, q->start, sizeof p->start) != 0 ||
                                 memcmp(p->end, q->end, sizeof p->end) != 0 ||
                                 memcmp(p->step, q->step, sizeof p->step) != 0))
        return false;
    if ((reads & ATTR_taps) && memcmp(&p->taps, &q->taps, sizeof p->taps) != 0)
        return false;
    /* Bits, not values: 0 is not -0, and a NaN is itself. */
    /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
    if ((reads & ATTR_value) && memcmp(&p->value, &q->value, sizeof p->value) != 0)
        return false;
    return !((reads & ATTR_data) && !same_data(a, b)) &&
           !((reads & ATTR_var) && p->var != q->var) &&
           !((reads & ATTR_input) && p->input != q->input) &&
           !((reads & (ATTR_part | ATTR_scalar)) && p->part != q->part) &&
           !((reads & ATTR_scan) && p->scan != q->scan) &&
           !((reads & ATTR_scalar) && p->scalar != q->scalar) &&
           !((reads & ATTR_stream) && p->stream != q->stream);
}

static bool same_node(const Node *a, const Node *b)
{
    return a->op == b->op && a->dtype == b->dtype && shape_equal(&a->shape, &b->shape) &&
           same_operands(a, b) && same_attr(a, b);
}

/* --- the walk --------------------------------------------------------------------------------- */

static Node *merge(Graph *g, Node *node, void *arg)
{
    (void)g;
    const Table *table = arg;
    size_t at = (size_t)hash_node(node) & table->mask;
    while (table->slot[at] && !same_node(table->slot[at], node))
        at = (at + 1) & table->mask;
    Node *first = table->slot[at];
    if (!first)
        return table->slot[at] = node;
    if (!first->name && first->role == node->role)
        first->name = node->name;
    return first;
}

void pass_cse(Graph *g)
{
    Arena *scratch = arena_new();
    size_t size = 16;
    while (size < 2 * (size_t)g->nodes.n)
        size *= 2;
    Table table = {arena_take(scratch, sizeof *table.slot * size), size - 1};
    graph_rewrite(g, merge, &table);
    arena_free(scratch);
}
