/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/tables.c and sink.c: which products become products of a table, which loops take rows by
 * themselves, and that no value changes. */
#include "pass_check.h"

enum { DIM = 5, WIDE = 7, BATCH = 4 };

/* Rows of a table of so many, by index: [N, steps, DIM]. */
static Node *taken(Fixture *f, int64_t rows, int64_t steps)
{
    Node *table = emit_leaf(f, SHAPE(-1, rows, DIM), -1, 1);
    return build_binary(f->g, OP_gather, table, emit_tokens(f, SHAPE(0, 1, steps), rows));
}

/* Their product with a matrix, steps first, plus a vector: [steps, N, WIDE]. */
static Node *share(Fixture *f, int64_t rows, int64_t steps)
{
    Node *x = build_transpose(f->g, taken(f, rows, steps), (int[]){1, 0, 2});
    Node *y = build_matmul(f->g, x, emit_leaf(f, SHAPE(-1, DIM, WIDE), -1, 1));
    return build_binary(f->g, OP_add, y, emit_leaf(f, SHAPE(-1, WIDE), -1, 1));
}

static Fixture *fixture_of(void)
{
    Fixture *f = emit_fixture("tables", target_find("generic"));
    f->p->train.batch = BATCH;
    emit_function(f, FN_predict, 1);
    return f;
}

/* Rows of what the last product that there is multiplies. */
static int64_t rows_multiplied(const Graph *g)
{
    int64_t rows = 0;
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == OP_matmul)
            rows = g->nodes.at[i]->shape.rank == 2 ? g->nodes.at[i]->shape.dim[0] : -1;
    return rows;
}

Test(tables, few_rows_are_multiplied_once)
{
    Fixture *f = fixture_of();
    emit_output(f, 0, share(f, 6, 3)); /* taken 12 times */
    graph_sort(f->g);
    expect_same_values(f, pass_tables, "tables");
    cr_expect_eq(rows_multiplied(f->g), 6);
    for (int i = 0; i < f->g->nodes.n; i++) /* the vector is added to the table as well */
        if (f->g->nodes.at[i]->op == OP_add)
            cr_expect_eq(f->g->nodes.at[i]->shape.dim[0], 6);
    fixture_free(f);
}

Test(tables, many_rows_are_not)
{
    Fixture *f = fixture_of();
    emit_output(f, 0, share(f, 7, 3));
    graph_sort(f->g);
    expect_same_values(f, pass_tables, "tables");
    cr_expect_eq(rows_multiplied(f->g), -1);
    fixture_free(f);
}

Test(tables, exact_programs_keep_their_products)
{
    Fixture *f = fixture_of();
    f->p->exact = true;
    emit_output(f, 0, share(f, 6, 3));
    graph_sort(f->g);
    pass_tables(f->g);
    cr_expect_eq(rows_multiplied(f->g), -1);
    fixture_free(f);
}

/* h' = tanh(x + h), or h' = tanh(x w), over the rows of all steps. */
static void build_loop(Fixture *f, bool multiplies)
{
    Node *x = build_transpose(f->g, taken(f, 6, 3), (int[]){1, 0, 2});
    ScanBuilder s = scan_begin(f->g, 3, false);
    Node *h = scan_state(&s, emit_leaf(f, SHAPE(0, 1, DIM), -1, 1));
    Node *row = scan_slice(&s, x);
    if (multiplies)
        row = build_matmul(s.body, row, scan_other(&s, emit_leaf(f, SHAPE(-1, DIM, DIM), -1, 1)));
    Node *next = build_unary(s.body, OP_tanh, build_binary(s.body, OP_add, row, h));
    scan_next(&s, h, next);
    int stack = scan_step(&s, next);
    emit_output(f, 0, scan_stack(f->g, scan_end(&s), stack));
    graph_sort(f->g);
}

static const Graph *body_of(const Graph *g)
{
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == OP_scan)
            return g->nodes.at[i]->attr->scan->body;
    return g;
}

static int gathers(const Graph *g)
{
    int n = 0;
    for (int i = 0; i < g->nodes.n; i++)
        n += g->nodes.at[i]->op == OP_gather;
    return n;
}

Test(sink, a_step_takes_its_rows)
{
    Fixture *f = fixture_of();
    build_loop(f, false);
    expect_same_values(f, pass_sink, "sink");
    cr_expect_eq(gathers(f->g), 0);
    cr_expect_eq(gathers(body_of(f->g)), 1);
    fixture_free(f);
}

Test(sink, rows_that_are_multiplied_stay_outside)
{
    Fixture *f = fixture_of();
    build_loop(f, true);
    expect_same_values(f, pass_sink, "sink");
    cr_expect_eq(gathers(f->g), 1);
    cr_expect_eq(gathers(body_of(f->g)), 0);
    fixture_free(f);
}
