/* SPDX-License-Identifier: MIT */
/* test_graph.c: guards graphs: what may be added and what is said of the rest, order, rewriting,
 * roots, and that depth costs no stack. */
#include "graph_fixture.h"

static Node *input_of(Fixture *f, DType dtype, Shape shape, const char *name, int line)
{
    Input input = {.name = name, .dtype = dtype, .shape = shape};
    vec_push(f->ctx.arena, &f->p->inputs, input);
    f->g->loc = (Loc){line, 5, 3};
    Node *x = build_input(f->g, f->p->inputs.n - 1);
    x->name = name;
    return x;
}

/* --- adding ----------------------------------------------------------------------------------- */

Test(graph, nodes_inherit_what_is_built)
{
    Fixture *f = fixture_new(FN_predict);
    f->g->loc = (Loc){7, 3, 4};
    f->g->role = ROLE_loss;
    f->g->what = "mse";
    Node *x = random_input(f, SHAPE(0, 1, 3), -1, 1);
    Node *in[] = {x, x};
    Node *y = graph_add(f->g, OP_mul, 2, in, NULL);
    in[0] = in[1] = NULL; /* the node has a copy */
    cr_expect(y->in[0] == x && y->in[1] == x && y->n_in == 2);
    cr_expect(y->loc.line == 7 && y->role == ROLE_loss && y->what == f->g->what && !y->name);
    cr_expect_not_null(y->attr);
    cr_expect_eq(y->dtype, DT_f32);
    cr_expect(shape_equal(&y->shape, &x->shape));
    fixture_free(f);
}

Test(graph, attributes_are_copied)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(-1, 4), -1, 1);
    Attr attr = {.start = {1}, .end = {3}, .step = {1}};
    Node *y = graph_add(f->g, OP_slice, 1, &x, &attr);
    attr.start[0] = 0;
    cr_expect_eq(y->attr->start[0], 1);
    fixture_free(f);
}

Test(graph, null_goes_through_in_silence)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(-1, 4), -1, 1);
    int n = f->g->nodes.n;
    cr_expect_null(build_binary(f->g, OP_add, x, NULL));
    cr_expect_null(build_softmax(f->g, NULL, 0));
    cr_expect_null(build_assign(f->g, random_var(f, "w", VAR_weight, SHAPE(-1, 4)), NULL));
    cr_expect_eq(f->g->nodes.n, n);
    cr_expect_eq(f->g->roots.n, 0);
    cr_expect_eq(f->ctx.diag.errors, 0);
    fixture_free(f);
}

Test(graph, a_failed_broadcast_names_both_ends)
{
    Fixture *f = fixture_new(FN_predict);
    Node *a = input_of(f, DT_f32, SHAPE(0, 1, 10), "fc1", 9);
    Node *b = input_of(f, DT_f32, SHAPE(0, 1, 12), "fc2", 11);
    f->g->loc = (Loc){14, 5, 3};
    int n = f->g->nodes.n;
    cr_expect_null(build_binary(f->g, OP_add, a, b));
    cr_expect_eq(f->g->nodes.n, n);
    cr_expect_str_eq(fixture_said(f),
                     "test.yaml:14:5: error: add: shapes [N, 10] and [N, 12] do not broadcast: "
                     "axis 1 is 10 and 12\n"
                     "test.yaml:9:5: note: 'fc1' is made here\n"
                     "test.yaml:11:5: note: 'fc2' is made here\n");
    fixture_free(f);
}

Test(graph, a_failed_broadcast_of_unlike_ranks)
{
    Fixture *f = fixture_new(FN_predict);
    Node *a = input_of(f, DT_f32, SHAPE(0, 1, 10), NULL, 1);
    Node *b = input_of(f, DT_f32, SHAPE(0, 1), NULL, 1);
    f->g->loc = (Loc){0};
    f->g->what = "residual";
    cr_expect_null(build_binary(f->g, OP_add, a, b));
    cr_expect_str_eq(fixture_said(f),
                     "test.yaml: error: residual: shapes [N, 10] and [N] do not broadcast: "
                     "axis 1 is 10 and axis 0 is N\n");
    fixture_free(f);
}

Test(graph, one_operand_twice_is_noted_once)
{
    Fixture *f = fixture_new(FN_predict);
    Node *c = input_of(f, DT_i32, SHAPE(0, 1), "label", 3);
    f->g->loc = (Loc){5, 1, 1};
    cr_expect_null(build_binary(f->g, OP_mul, c, c));
    cr_expect_str_eq(fixture_said(f), "test.yaml:5:1: error: mul: operand 1 is i32, not f32\n"
                                      "test.yaml:3:5: note: 'label' is made here\n");
    fixture_free(f);
}

Test(graph, types_of_operands)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = input_of(f, DT_f32, SHAPE(0, 1), NULL, 1);
    Node *c = input_of(f, DT_i32, SHAPE(0, 1), NULL, 1);
    Node *bytes = input_of(f, DT_u8, SHAPE(0, 1), NULL, 1);
    cr_expect_eq(build_binary(f->g, OP_equal, c, c)->dtype, DT_f32);
    cr_expect_eq(build_binary(f->g, OP_less, bytes, bytes)->dtype, DT_f32);
    cr_expect_eq(build_cast(f->g, bytes, DT_f32)->dtype, DT_f32);
    cr_expect_eq(f->ctx.diag.errors, 0);
    cr_expect_null(build_binary(f->g, OP_equal, x, c));
    cr_expect_null(build_binary(f->g, OP_add, x, c));
    cr_expect_null(build_where(f->g, c, x, x));
    cr_expect_null(build_unary(f->g, OP_exp, bytes));
    cr_expect_eq(f->ctx.diag.errors, 4);
    fixture_free(f);
}

Test(graph, sizes_at_and_above_the_limit)
{
    Fixture *f = fixture_new(FN_predict);
    cr_expect_not_null(build_fill(f->g, &SHAPE(0, 1, 1 << 20, 1 << 20), 0));
    cr_expect_not_null(build_fill(f->g, &SHAPE(-1, DIM_MAX), 0));
    cr_expect_eq(f->ctx.diag.errors, 0);
    cr_expect_null(build_fill(f->g, &SHAPE(-1, 1 << 20, (1 << 20) + 1), 0));
    cr_expect_null(build_fill(f->g, &SHAPE(-1, (int64_t)DIM_MAX + 1), 0));
    cr_expect_null(build_fill(f->g, &SHAPE(-1, 3, 0), 0));
    cr_expect_null(build_fill(f->g, &SHAPE(-1, -4), 0));
    Node *wide = build_fill(f->g, &SHAPE(-1, 1 << 20, 1), 0);
    cr_expect_null(build_binary(f->g, OP_add, wide, build_fill(f->g, &SHAPE(-1, 1 << 21), 0)));
    cr_expect_eq(f->ctx.diag.errors, 5);
    fixture_free(f);
}

Test(graph, a_wrong_number_of_operands_is_a_bug, .exit_code = 70)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(-1, 4), -1, 1);
    graph_add(f->g, OP_add, 1, &x, NULL);
}

/* --- order ------------------------------------------------------------------------------------ */

static bool in_order(const Graph *g)
{
    for (int i = 0; i < g->nodes.n; i++) {
        if (g->nodes.at[i]->id != i)
            return false;
        for (int k = 0; k < g->nodes.at[i]->n_in; k++)
            if (g->nodes.at[i]->in[k]->id >= i)
                return false;
    }
    return true;
}

Test(graph, sorting_drops_what_no_root_needs)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(-1, 4), -1, 1);
    build_unary(f->g, OP_exp, x);
    Node *y = build_unary(f->g, OP_relu, x);
    build_binary(f->g, OP_add, y, x);
    graph_root(f->g, ROOT_output, 0, y);
    graph_sort(f->g);
    cr_expect_eq(f->g->nodes.n, 2);
    cr_expect(f->g->nodes.at[0] == x && f->g->nodes.at[1] == y && y->id == 1);
    fixture_free(f);
}

Test(graph, sorting_what_is_sorted_changes_nothing)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(-1, 4), -1, 1), *all[100];
    for (int i = 0; i < COUNT(all); i++)
        all[i] = build_binary(f->g, OP_add, i ? all[random_below(f, i)] : x, x);
    for (int i = 0; i < COUNT(all); i++)
        graph_root(f->g, ROOT_output, i, all[i]);
    graph_sort(f->g);
    cr_assert_eq(f->g->nodes.n, 101);
    for (int i = 0; i < COUNT(all); i++)
        cr_expect_eq(f->g->nodes.at[i + 1], all[i]);
    fixture_free(f);
}

Test(graph, sorting_puts_operands_first)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(-1, 4), -1, 1), *all[100];
    for (int i = 0; i < COUNT(all); i++) {
        Node *a = i ? all[random_below(f, i)] : x, *b = i ? all[random_below(f, i)] : x;
        all[i] = build_binary(f->g, OP_add, a, b);
        graph_root(f->g, ROOT_output, i, all[i]);
    }
    for (int i = f->g->nodes.n - 1; i > 0; i--) { /* shuffle */
        int k = random_below(f, i + 1);
        Node *other = f->g->nodes.at[i];
        f->g->nodes.at[i] = f->g->nodes.at[k];
        f->g->nodes.at[k] = other;
    }
    graph_sort(f->g);
    cr_expect_eq(f->g->nodes.n, 101);
    cr_expect(in_order(f->g));
    fixture_free(f);
}

static Node *same(Graph *g, Node *y, void *arg)
{
    (void)g;
    (void)arg;
    return y;
}

Test(graph, depth_costs_no_stack)
{
    enum { DEPTH = 300000 };
    Fixture *f = fixture_new(FN_predict);
    Node *y = random_input(f, SHAPE(-1, 4), -1, 1);
    for (int i = 0; i < DEPTH; i++)
        y = build_unary(f->g, OP_relu, y);
    for (int i = 0, j = f->g->nodes.n - 1; i < j; i++, j--) { /* the deepest order */
        Node *other = f->g->nodes.at[i];
        f->g->nodes.at[i] = f->g->nodes.at[j];
        f->g->nodes.at[j] = other;
    }
    graph_root(f->g, ROOT_output, 0, y);
    graph_sort(f->g);
    cr_expect_eq(f->g->nodes.n, DEPTH + 1);
    cr_expect(in_order(f->g));
    cr_expect_not(graph_rewrite(f->g, same, NULL));
    cr_expect_eq(f->g->nodes.n, DEPTH + 1);
    fixture_free(f);
}

Test(graph, a_cycle_is_a_bug, .exit_code = 70)
{
    Fixture *f = fixture_new(FN_predict);
    Node *a = build_unary(f->g, OP_relu, random_input(f, SHAPE(-1, 4), -1, 1));
    Node *b = build_unary(f->g, OP_relu, a);
    a->in[0] = b;
    graph_root(f->g, ROOT_output, 0, b);
    graph_sort(f->g);
}

Test(graph, users_are_operands_and_roots)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(-1, 4), -1, 1);
    Node *y = build_binary(f->g, OP_mul, x, x), *z = build_binary(f->g, OP_add, y, x);
    graph_root(f->g, ROOT_output, 0, z);
    graph_root(f->g, ROOT_output, 1, y);
    graph_count_users(f->g);
    graph_count_users(f->g);
    cr_expect(x->users == 3 && y->users == 2 && z->users == 1);
    fixture_free(f);
}

/* --- rewriting -------------------------------------------------------------------------------- */

typedef struct Seen {
    Node *nodes[16];
    int n;
} Seen;

/* relu(relu(a)) is relu(a); neg becomes 0 - a. */
static Node *rewrite(Graph *g, Node *y, void *arg)
{
    Seen *seen = arg;
    seen->nodes[seen->n++] = y;
    if (y->op == OP_relu && y->in[0]->op == OP_relu)
        return y->in[0];
    if (y->op == OP_neg)
        return build_binary(g, OP_sub, build_const(g, 0), y->in[0]);
    return y;
}

Test(graph, rewriting_sees_operands_already_replaced)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(-1, 4), -1, 1);
    Node *once = build_unary(f->g, OP_relu, x);
    Node *thrice = build_unary(f->g, OP_relu, build_unary(f->g, OP_relu, once));
    f->g->loc = (Loc){8, 1, 1};
    f->g->role = ROLE_backward;
    f->g->what = "negate";
    Node *neg = build_unary(f->g, OP_neg, thrice);
    neg->name = "out";
    Node *end = build_unary(f->g, OP_exp, neg);
    graph_root(f->g, ROOT_output, 0, end);
    graph_root(f->g, ROOT_output, 1, neg);
    f->g->loc = (Loc){99, 1, 1};
    f->g->role = ROLE_update;
    f->g->what = "other";
    Seen seen = {0};
    cr_expect(graph_rewrite(f->g, rewrite, &seen));
    cr_expect_eq(seen.n, 6); /* nodes made on the way are not rewritten again */
    Node *sub = end->in[0];
    cr_expect_eq(sub->op, OP_sub);
    cr_expect_eq(sub->in[1], once);
    cr_expect_eq(graph_find_root(f->g, ROOT_output, 1), sub);
    cr_expect(sub->loc.line == 8 && sub->role == ROLE_backward);
    cr_expect_str_eq(sub->what, "negate");
    cr_expect_str_eq(sub->name, "out");
    cr_expect_null(sub->in[0]->name);
    cr_expect(f->g->loc.line == 99 && f->g->role == ROLE_update && !strcmp(f->g->what, "other"));
    cr_expect_eq(f->g->nodes.n, 5);
    cr_expect(in_order(f->g));
    graph_verify(f->g, "rewriting");
    seen.n = 0;
    cr_expect_not(graph_rewrite(f->g, rewrite, &seen));
    fixture_free(f);
}

/* --- roots, variables, functions -------------------------------------------------------------- */

Test(graph, roots_are_found_by_kind_and_index)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(-1), -1, 1), *y = build_unary(f->g, OP_relu, x);
    graph_root(f->g, ROOT_output, 0, x);
    graph_root(f->g, ROOT_output, 3, y);
    graph_root(f->g, ROOT_loss, 0, y);
    graph_root(f->g, ROOT_metric, 0, NULL);
    cr_expect_eq(f->g->roots.n, 3);
    cr_expect_eq(graph_find_root(f->g, ROOT_output, 3), y);
    cr_expect_eq(graph_find_root(f->g, ROOT_output, 0), x);
    cr_expect_eq(graph_find_root(f->g, ROOT_loss, 0), y);
    cr_expect_null(graph_find_root(f->g, ROOT_output, 1));
    cr_expect_null(graph_find_root(f->g, ROOT_metric, 0));
    fixture_free(f);
}

Test(graph, variables_are_found_by_name)
{
    Fixture *f = fixture_new(FN_train);
    char name[] = "fc1.weight";
    cr_expect_null(program_find_var(f->p, name));
    Shape shape = SHAPE(-1, 3, 4);
    Init init = {INIT_uniform, -1, 1};
    Var *w = program_var(f->p, name, VAR_weight, &shape, init, (Loc){4, 5, 6});
    name[0] = 'x';
    Var *b = program_var(f->p, "fc1.bias", VAR_buffer, &shape, init, (Loc){0});
    cr_expect_eq(program_find_var(f->p, "fc1.weight"), w);
    cr_expect_eq(program_find_var(f->p, "fc1.bias"), b);
    cr_expect_null(program_find_var(f->p, name));
    cr_expect(w->id == 0 && b->id == 1 && f->p->vars.at[1] == b);
    cr_expect(w->kind == VAR_weight && w->init.kind == INIT_uniform && w->loc.line == 4);
    cr_expect(w->perm[0] == 0 && w->perm[1] == 1 && !w->frozen && !w->laid_as);
    fixture_free(f);
}

Test(graph, a_name_twice_is_a_bug, .exit_code = 70)
{
    Fixture *f = fixture_new(FN_train);
    random_var(f, "w", VAR_weight, SHAPE(-1, 4));
    random_var(f, "w", VAR_weight, SHAPE(-1, 4));
}

Test(graph, names_of_functions)
{
    cr_expect_str_eq(fn_text(FN_predict), "predict");
    cr_expect_str_eq(fn_text(FN_grad), "grad");
}
