/* SPDX-License-Identifier: MIT */
/* scan.c: loops over a body: the shape rules of a scan, of what its body reads, and of its results. The
 * interpreter runs bodies itself (ir/interp.c); gradients are scans (passes/scan_grad.c). */
#include "impl.h"

/* --- scan_operand: in a body, operand attr.part of the scan, or a slice of it ---------------- */

static bool scan_operand_shape(Graph *g, Node *y)
{
    if (!g->outer)
        return op_error(g, y, "stands outside of a body");
    return y->attr->part >= 0 || op_error(g, y, "there is no operand %d", y->attr->part);
}

const OpImpl op_scan_operand = {.attrs = ATTR_part | ATTR_shape | ATTR_dtype,
                                .shape = scan_operand_shape};

/* --- scan ------------------------------------------------------------------------------------- */

static bool mismatch(Graph *g, const Node *y, const char *what, int i, const Shape *has,
                     const Shape *wants)
{
    char a[128], b[128];
    return op_error(g, y, "%s %d has shape %s, not %s", what, i, shape_text(has, a),
                    shape_text(wants, b));
}

/* Whether a leaf of the body is what the scan has as that operand. */
static bool check_leaf(Graph *g, const Node *y, const Node *leaf)
{
    const Scan *s = y->attr->scan;
    int i = leaf->attr->part;
    if (i >= y->n_in)
        return op_error(g, y, "the body reads operand %d of %d", i, y->n_in);
    const Node *x = y->in[i];
    Shape wants = x->shape;
    if (i >= s->n_states && i < s->n_states + s->n_slices) {
        if (x->shape.rank < 1 || x->shape.batch == 0 || x->shape.dim[0] != s->length)
            return op_error(g, y, "operand %d is no stack of %lld slices", i, (long long)s->length);
        wants = scan_slice_shape(&x->shape);
    }
    if (!shape_equal(&leaf->shape, &wants))
        return mismatch(g, y, "what the body reads of operand", i, &leaf->shape, &wants);
    return leaf->dtype == x->dtype || op_error(g, y, "operand %d is %s, its body reads %s", i,
                                               dtype_text(x->dtype), dtype_text(leaf->dtype));
}

/* Whether each state has one next value, of its own shape. */
static bool check_states(Graph *g, const Node *y)
{
    const Scan *s = y->attr->scan;
    for (int i = 0; i < s->n_states; i++) {
        const Node *next = graph_find_root(s->body, ROOT_next, i);
        if (!next || next->dtype != DT_f32 || y->in[i]->dtype != DT_f32)
            return op_error(g, y, "state %d has no next value, or is not f32", i);
        if (!shape_equal(&next->shape, &y->in[i]->shape))
            return mismatch(g, y, "the next value of state", i, &next->shape, &y->in[i]->shape);
    }
    return true;
}

static bool check_roots(Graph *g, const Node *y)
{
    const Scan *s = y->attr->scan;
    for (int i = 0; i < s->body->roots.n; i++) {
        const Root *r = &s->body->roots.at[i];
        int n = r->kind == ROOT_next ? s->n_states : scan_stacks(s);
        if ((r->kind != ROOT_next && r->kind != ROOT_step) || r->index >= n ||
            graph_find_root(s->body, r->kind, r->index) != r->node)
            return op_error(g, y, "root %d of its body is none of a body, or given twice", i);
        if (r->kind == ROOT_step && (r->node->shape.rank == RANK_MAX || r->node->dtype != DT_f32))
            return op_error(g, y, "stack %d has too many axes, or is not f32", r->index);
    }
    return true;
}

static bool scan_shape(Graph *g, Node *y)
{
    const Scan *s = y->attr->scan;
    y->shape = shape_scalar();
    y->dtype = DT_f32;
    if (!s || s->length < 1 || s->n_states < 0 || s->n_slices < 0 ||
        s->n_states + s->n_slices > y->n_in)
        return op_error(g, y, "has no body, or too few operands");
    for (int i = 0; i < s->body->nodes.n; i++) {
        const Node *x = s->body->nodes.at[i];
        if (x->op == OP_scan_operand && !check_leaf(g, y, x))
            return false;
        if (x->op == OP_input || x->op == OP_var || x->op == OP_assign || x->op == OP_scalar)
            return op_error(g, y, "its body holds %s", op_rows[x->op].name);
    }
    return check_states(g, y) && check_roots(g, y);
}

const OpImpl op_scan = {.attrs = ATTR_scan, .shape = scan_shape};

/* --- scan_result: the last value of a state, then the stacks ---------------------------------- */

static bool scan_result_shape(Graph *g, Node *y)
{
    const Node *scan = y->in[0];
    int i = y->attr->part;
    if (scan->op != OP_scan)
        return op_error(g, y, "its operand is no scan");
    const Scan *s = scan->attr->scan;
    if (i < 0 || i >= s->n_states + scan_stacks(s))
        return op_error(g, y, "the scan has no result %d", i);
    y->dtype = DT_f32;
    if (i < s->n_states) {
        y->shape = scan->in[i]->shape;
        return true;
    }
    const Node *step = graph_find_root(s->body, ROOT_step, i - s->n_states);
    y->shape = scan_stacked_shape(&step->shape, s->length);
    return true;
}

const OpImpl op_scan_result = {.attrs = ATTR_part, .shape = scan_result_shape};
