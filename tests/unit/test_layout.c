/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/layout.c and order.c: no value changes, also of variables in saved order;
 * which weights are kept in which order; and that between layers that work channels last in a model
 * that is channels first no transpose remains, gradients and updates included.
 */
#include "pass_check.h"

#include <time.h>

Test(layout, random_models)
{
    check_random_models(pass_layout, "layout", 400);
}

/* --- layers, channels first ------------------------------------------------------------------- */

static const int last[2][RANK_MAX] = {{0, 2, 1}, {0, 2, 3, 1}};
static const int first[2][RANK_MAX] = {{0, 2, 1}, {0, 3, 1, 2}};
static const int conv_order[2][RANK_MAX] = {{2, 1, 0}, {2, 3, 1, 0}};

static Node *to_last(Graph *g, Node *x)
{
    return build_transpose(g, x, last[x->shape.rank - 3]);
}

static Node *to_first(Graph *g, Node *x)
{
    return build_transpose(g, x, first[x->shape.rank - 3]);
}

/* As saved, [M, C/groups, k..], read as [k.., C/groups, M]. */
static Node *conv_weight(Fixture *f, int spatial, int64_t m, int64_t c, int64_t k)
{
    Shape s = {.rank = 2 + spatial, .batch = -1, .dim = {m, c}};
    for (int i = 0; i < spatial; i++)
        s.dim[2 + i] = k;
    Var *v = emit_weight(f, s, -1, 1);
    return build_transpose(f->g, build_var(f->g, v), conv_order[spatial - 1]);
}

static Taps taps(int spatial, int64_t stride, int64_t groups)
{
    Taps t = {.groups = groups};
    for (int i = 0; i < spatial; i++) {
        t.stride[i] = stride;
        t.dilation[i] = 1;
    }
    return t;
}

/* A layer of 3 taps an axis that keeps lengths where stride is 1. */
static Node *conv_by(Fixture *f, Node *x, int64_t m, int64_t groups, int64_t stride)
{
    Graph *g = f->g;
    int spatial = x->shape.rank - 2;
    int64_t around[RANK_MAX] = {0};
    for (int i = 0; i < spatial; i++)
        around[1 + i] = 1;
    Node *w = conv_weight(f, spatial, m, x->shape.dim[1] / groups, 3);
    Taps t = taps(spatial, stride, groups);
    Node *y = build_conv(g, build_pad(g, to_last(g, x), around, around, NULL, 0), w, &t);
    Shape row = SHAPE(-1, m);
    return to_first(g, build_binary(g, OP_add, y, build_var(g, emit_weight(f, row, -1, 1))));
}

static Node *conv(Fixture *f, Node *x, int64_t m)
{
    return conv_by(f, x, m, 1, 1);
}

static Node *relu(Fixture *f, Node *x)
{
    return build_unary(f->g, OP_relu, x);
}

/* A number a channel. */
static Node *channels(Fixture *f, const Node *x)
{
    Shape row = SHAPE(-1, x->shape.dim[1]), s = {.rank = x->shape.rank, .batch = -1};
    for (int i = 0; i < s.rank; i++)
        s.dim[i] = i == 1 ? x->shape.dim[1] : 1;
    return build_reshape(f->g, build_var(f->g, emit_weight(f, row, 0.5, 1)), &s);
}

/* In training: over samples and pixels. */
static Node *batchnorm(Fixture *f, Node *x)
{
    static const int axes[] = {0, 2, 3};
    Graph *g = f->g;
    int n = x->shape.rank - 1;
    Node *d = build_binary(g, OP_sub, x, build_mean(g, x, n, axes));
    Node *var = build_mean(g, build_binary(g, OP_mul, d, d), n, axes);
    Node *sd = build_unary(g, OP_sqrt, build_binary(g, OP_add, var, build_const(g, 0.1)));
    Node *y = build_binary(g, OP_mul, build_binary(g, OP_div, d, sd), channels(f, x));
    return build_binary(g, OP_add, y, channels(f, x));
}

/* --- models ----------------------------------------------------------------------------------- */

typedef Node *Body(Fixture *f, Node *x);

static Node *chain(Fixture *f, Node *x)
{
    return conv(f, relu(f, conv(f, relu(f, conv(f, x, 16)), 16)), 16);
}

static Node *residual(Fixture *f, Node *x)
{
    Node *a = relu(f, batchnorm(f, conv(f, x, 16)));
    Node *b = batchnorm(f, conv(f, relu(f, batchnorm(f, conv(f, a, 16))), 16));
    return conv(f, relu(f, build_binary(f->g, OP_add, a, b)), 16);
}

static Node *joined(Fixture *f, Node *x)
{
    Node *a = relu(f, conv(f, x, 16)), *b = relu(f, conv(f, a, 17));
    return conv(f, build_concat(f->g, 1, 3, (Node *[]){a, b, a}), 16);
}

/* What squeeze and excitation does. */
static Node *gated(Fixture *f, Node *x)
{
    Node *a = relu(f, conv(f, x, 16));
    Node *mean = build_mean(f->g, a, a->shape.rank - 2, (int[]){2, 3});
    return conv(f, build_binary(f->g, OP_mul, a, build_unary(f->g, OP_sigmoid, mean)), 16);
}

static Node *dropped(Fixture *f, Node *x)
{
    Graph *g = f->g;
    Node *a = relu(f, conv(f, x, 16));
    Node *kept = build_binary(g, OP_less, build_random(g, OP_random_uniform, &a->shape, 3),
                              build_const(g, 0.75));
    return conv(f, build_binary(g, OP_mul, a, kept), 16);
}

/* [N, 16, ..] normalised in 4 groups of channels, and cut and turned on its way. */
static Node *grouped(Fixture *f, Node *x)
{
    Graph *g = f->g;
    Node *a = conv(f, x, 16);
    Shape s = {.rank = a->shape.rank + 1, .batch = 0, .dim = {1, 4, 4}};
    for (int i = 2; i < a->shape.rank; i++)
        s.dim[i + 1] = a->shape.dim[i];
    Node *b = build_reshape(g, a, &s);
    b = build_binary(g, OP_sub, b, build_mean(g, b, s.rank - 2, (int[]){2, 3, 4}));
    b = build_reshape(g, b, &a->shape);
    b = build_flip(g, build_slice(g, b, 2, 1, 5, 2), 1, (int[]){2});
    return conv(f, b, 16);
}

/* y [N, 5] of all numbers of a sample. */
static Node *dense(Fixture *f, Node *y)
{
    Graph *g = f->g;
    Shape flat = SHAPE(0, 1, shape_count(&y->shape));
    Node *w = build_var(g, emit_weight(f, SHAPE(-1, 5, flat.dim[1]), -1, 1));
    return build_matmul(g, build_reshape(g, y, &flat), build_swap(g, w));
}

static Node *flattened(Fixture *f, Node *x)
{
    return dense(f, relu(f, conv(f, x, 16)));
}

/* With something between that is not transposed alike, and the weight read as a whole. */
static Node *flattened_dropped(Fixture *f, Node *x)
{
    Graph *g = f->g;
    Node *y = flattened(f, x), *a = y->in[0], *w = y->in[1]->in[0];
    Node *kept = build_binary(g, OP_less, build_random(g, OP_random_uniform, &a->shape, 3),
                              build_const(g, 0.75));
    Node *size = build_reduce(g, OP_reduce_sum, build_binary(g, OP_mul, w, w), 0, NULL);
    y = build_matmul(g, build_binary(g, OP_mul, a, kept), y->in[1]);
    return build_binary(g, OP_mul, y, size);
}

static void train_by_momentum(Fixture *f)
{
    f->p->train.optimizer.kind = OPT_sgd;
    f->p->train.optimizer.arg[0] = 0.1;
    f->p->train.optimizer.arg[1] = 0.9;
    f->p->train.accumulate = 1;
    f->p->train.given = f->p->has_loss = true;
}

/* Predicts and trains the body on [N, 3, 6(, 5)], its loss a weighed sum; ready for layout. */
static Fixture *model(Body *body, int spatial)
{
    Fixture *f = emit_fixture("m", NULL);
    train_by_momentum(f);
    for (Fn fn = FN_predict; fn <= FN_train; fn++) {
        if (fn == FN_eval)
            continue;
        emit_function(f, fn, 1);
        Shape s = {.rank = 2 + spatial, .batch = 0, .dim = {1, 3, 6, 5}};
        Node *y = body(f, emit_input(f, s, DT_f32, 0, -1, 1));
        if (fn == FN_predict)
            emit_output(f, 0, y);
        f->g->role = ROLE_loss;
        if (fn == FN_train) {
            Node *weights = emit_input(f, y->shape, DT_f32, 0, -1, 1);
            graph_root(f->g, ROOT_loss, 0, weighed_sum(f->g, y, weights));
        }
        graph_sort(f->g);
    }
    cr_assert_eq(f->ctx.diag.errors, 0, "%s", fixture_said(f));
    passes_until(f, "layout");
    return f;
}

/* --- what must hold --------------------------------------------------------------------------- */

static bool is_leaf(const Node *x)
{
    while (op_rows[x->op].cls == CLASS_MOVE && x->n_in == 1)
        x = x->in[0];
    return op_rows[x->op].cls == CLASS_LEAF;
}

/* Transposes of what is computed, not of leaves. */
static int transposes(const Graph *g)
{
    int n = 0;
    for (int i = 0; i < g->nodes.n; i++)
        n += g->nodes.at[i]->op == OP_transpose && !is_leaf(g->nodes.at[i]);
    return n;
}

/* Those of them that end in another product or in a variable. */
static int transposes_between(const Graph *g)
{
    int n = 0;
    bool *used = arena_take(g->program->ctx->arena, (size_t)g->nodes.n + 1);
    for (int i = g->nodes.n - 1; i >= 0; i--) {
        const Node *y = g->nodes.at[i];
        bool reads = op_rows[y->op].cls == CLASS_MAT || y->op == OP_assign || used[i];
        for (int k = 0; k < y->n_in; k++)
            used[y->in[k]->id] = used[y->in[k]->id] || reads;
        n += used[i] && y->op == OP_transpose && !is_leaf(y);
    }
    return n;
}

static bool kept_as(const Var *v, const int *perm)
{
    for (int i = 0; i < v->shape.rank; i++)
        if (v->perm[i] != perm[i])
            return false;
    return true;
}

static void check_body(Body *body, const char *name)
{
    for (int spatial = 1; spatial <= 2; spatial++) {
        Fixture *f = model(body, spatial);
        expect_same_values(f, pass_layout, name);
        cr_expect_eq(transposes_between(f->p->fn[FN_predict]), 0, "%s", name);
        cr_expect_eq(transposes(f->p->fn[FN_predict]), 1, "%s: that of the output", name);
        for (int i = 0; i < f->p->vars.n; i++)
            if (f->p->vars.at[i]->shape.rank > 1)
                cr_expect(kept_as(f->p->vars.at[i], conv_order[spatial - 1]), "%s: %s", name,
                          f->p->vars.at[i]->name);
        const Graph *g = f->p->fn[FN_train];
        for (int i = 0; i < g->nodes.n; i++) { /* a weight is turned only for the gradient in x */
            const Node *y = g->nodes.at[i];
            if (y->op == OP_assign)
                cr_expect_neq(y->in[0]->op, OP_transpose, "%s: %s", name, y->attr->var->name);
        }
        cr_expect_eq(transposes_between(g), 0, "%s, %d axes: %d transposes", name, spatial,
                     transposes_between(g));
        fixture_free(f);
    }
}

Test(layout, chain)
{
    check_body(chain, "chain");
}
Test(layout, residual)
{
    check_body(residual, "residual");
}
Test(layout, concat)
{
    check_body(joined, "concat");
}
Test(layout, gate)
{
    check_body(gated, "gate");
}
Test(layout, dropout)
{
    check_body(dropped, "dropout");
}
Test(layout, groups_of_channels)
{
    check_body(grouped, "groups");
}

/* A dense layer of what is flattened reads it, and its weight, in the order of the feature map; so do
 * its gradients and the update. */
Test(layout, flattened)
{
    static const int perms[][4] = {{2, 1, 0}, {2, 3, 1, 0}};
    static const int64_t views[][4] = {{5, 16, 6}, {5, 16, 6, 5}};
    for (int spatial = 1; spatial <= 2; spatial++) {
        Fixture *f = model(flattened, spatial);
        expect_same_values(f, pass_layout, "flattened");
        for (int i = 0; i < f->p->vars.n; i++) {
            const Var *v = f->p->vars.at[i];
            if (!v->view.rank)
                continue;
            cr_expect_eq(v->view.rank, spatial + 2, "%s", v->name);
            for (int k = 0; k < v->view.rank; k++)
                cr_expect(v->view.dim[k] == views[spatial - 1][k] &&
                              v->perm[k] == perms[spatial - 1][k],
                          "%s", v->name);
        }
        for (Fn fn = FN_predict; fn <= FN_train; fn++)
            if (f->p->fn[fn])
                cr_expect_eq(transposes_between(f->p->fn[fn]), fn == FN_train,
                             "but for a product's left operand, read by columns");
        const Graph *g = f->p->fn[FN_train];
        for (int i = 0; i < g->nodes.n; i++)
            if (g->nodes.at[i]->op == OP_assign && g->nodes.at[i]->attr->var->view.rank)
                cr_expect_neq(op_rows[g->nodes.at[i]->in[0]->op].cls, CLASS_MOVE);
        fixture_free(f);
        f = model(flattened_dropped, spatial);
        expect_same_values(f, pass_layout, "flattened, dropout");
        fixture_free(f);
    }
}

/* The name of a layer's value is that of what stands for it. */
Test(layout, names_stay)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, SHAPE(0, 1, 4, 4, 2), -1, 1);
    Node *y = relu(f, to_first(f->g, build_unary(f->g, OP_exp, x)));
    y->name = "act";
    graph_root(f->g, ROOT_output, 0, build_unary(f->g, OP_tanh, to_last(f->g, y)));
    graph_sort(f->g);
    expect_same_values(f, pass_layout, "names");
    const Node *root = f->g->roots.at[0].node;
    cr_assert_eq(root->op, OP_tanh);
    cr_expect_eq(root->in[0]->op, OP_relu);
    cr_expect_str_eq(root->in[0]->name, "act");
    fixture_free(f);
}

/* --- which order wins ------------------------------------------------------------------------- */

/* y = x [N, 5] @ w^T and then w as it is; or the other way round. */
static void tied(bool turned_first)
{
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Var *v = random_var(f, "w", VAR_weight, SHAPE(-1, 40, 50));
    Node *w = build_var(g, v), *t = build_swap(g, w);
    Node *x = random_input(f, SHAPE(0, 1, turned_first ? 50 : 40), -1, 1);
    Node *y = build_matmul(g, build_matmul(g, x, turned_first ? t : w), turned_first ? w : t);
    graph_root(g, ROOT_output, 0, y);
    graph_sort(g);
    expect_same_values(f, pass_layout, "tied");
    cr_expect_eq(v->perm[0], turned_first);
    cr_expect_eq(count_ops(g, OP_transpose), 1);
    fixture_free(f);
}

/* The gradient of a table that a product reads transposed is made as the table is kept, since what else is added to
 * it is so. */
Test(layout, product_turned)
{
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Node *x = random_input(f, SHAPE(0, 1, 20), -1, 1),
         *dy = random_input(f, SHAPE(0, 1, 30), -1, 1);
    Node *table = build_unary(g, OP_exp, random_input(f, SHAPE(-1, 30, 20), -1, 1));
    Node *product = build_matmul(g, build_swap(g, x), dy);
    graph_root(g, ROOT_output, 0, build_binary(g, OP_add, build_swap(g, product), table));
    graph_sort(g);
    expect_same_values(f, pass_layout, "turned");
    Node *sum = g->roots.at[0].node;
    cr_assert_eq(sum->op, OP_add);
    cr_expect_eq(sum->in[0]->op, OP_matmul);
    cr_expect_eq(count_ops(g, OP_transpose), 1);
    fixture_free(f);
}

Test(layout, the_first_product_decides)
{
    tied(true);
    tied(false);
}

/* [C, M, k..] saved. Where windows do not overlap, and where each length of a stride makes a phase,
 * the product reads C rows, the channels M last. */
Test(layout, transposed_convolution)
{
    static const int perms[][4] = {{0, 2, 3, 1}, {0, 2, 3, 1}, {2, 3, 0, 1}, {0, 2, 3, 1}};
    static const int64_t sizes[] = {2, 4, 3, 5}, strides[] = {2, 2, 1, 3};
    for (int i = 0; i < COUNT(sizes); i++) {
        Fixture *f = fixture_new(FN_predict);
        Graph *g = f->g;
        Var *v = random_var(f, "w", VAR_weight, SHAPE(-1, 8, 9, sizes[i], sizes[i]));
        Node *x = random_input(f, SHAPE(0, 1, 8, 4, 4), -1, 1);
        Taps t = taps(2, strides[i], 1);
        Node *w = build_transpose(g, build_var(g, v), (int[]){2, 3, 1, 0});
        int64_t length = 3 * strides[i] + sizes[i];
        Node *y = build_conv_input(g, to_last(g, x), w, &t, (int64_t[]){length, length});
        graph_root(g, ROOT_output, 0, to_first(g, y));
        graph_sort(g);
        expect_same_values(f, pass_layout, "transposed convolution");
        cr_expect(kept_as(v, perms[i]), "size %d: %d %d %d %d", (int)sizes[i], v->perm[0],
                  v->perm[1], v->perm[2], v->perm[3]);
        if (sizes[i] == 2)
            cr_expect_eq(count_ops(g, OP_conv), 1);
        fixture_free(f);
    }
}

/* A weight that a loop reads, not a product. */
Test(layout, depthwise)
{
    for (int multiplier = 1; multiplier <= 2; multiplier++) {
        Fixture *f = emit_fixture("m", NULL);
        emit_function(f, FN_predict, 1);
        Node *x = emit_input(f, SHAPE(0, 1, 16, 6, 6), DT_f32, 0, -1, 1);
        emit_output(f, 0, conv_by(f, relu(f, x), 16 * multiplier, 16, 2));
        graph_sort(f->g);
        passes_until(f, "layout");
        expect_same_values(f, pass_layout, "depthwise");
        cr_expect(kept_as(f->p->vars.at[0], conv_order[1]));
        for (int i = 0; i < f->g->nodes.n; i++)
            cr_expect(f->g->nodes.at[i]->op != OP_transpose || i + 1 == f->g->nodes.n ||
                          f->g->nodes.at[i]->in[0]->op != OP_var,
                      "a weight is transposed");
        fixture_free(f);
    }
}

/* Channels last, flattened as if they were first: the transpose cannot pass. */
Test(layout, flatten)
{
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Node *x = build_unary(g, OP_exp, random_input(f, SHAPE(0, 1, 2, 3, 4), -1, 1));
    Shape flat = SHAPE(0, 1, 24);
    Node *w = build_var(g, random_var(f, "w", VAR_weight, SHAPE(-1, 24, 30)));
    graph_root(g, ROOT_output, 0, build_matmul(g, build_reshape(g, to_first(g, x), &flat), w));
    graph_sort(g);
    expect_same_values(f, pass_layout, "flatten");
    const Node *left = g->roots.at[0].node->in[0];
    cr_expect(left->op == OP_reshape && left->in[0]->op == OP_transpose);
    fixture_free(f);
}

/* A leaf, transposed, beside one that is not: nothing is gained. */
Test(layout, leaves_stay_transposed)
{
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Node *a = random_input(f, SHAPE(-1, 3, 4), -1, 1), *b = random_input(f, SHAPE(-1, 4, 3), -1, 1);
    graph_root(g, ROOT_output, 0, build_binary(g, OP_add, a, build_swap(g, b)));
    graph_sort(g);
    expect_same_values(f, pass_layout, "leaves");
    cr_expect_eq(g->roots.at[0].node->op, OP_add);
    fixture_free(f);
}

/* Two leaves, transposed differently: as many transposes whichever is sunk. */
Test(layout, leaves_that_differ)
{
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Node *a = build_transpose(g, random_input(f, SHAPE(-1, 2, 3, 4), -1, 1), (int[]){2, 0, 1});
    Node *b = build_transpose(g, random_input(f, SHAPE(-1, 2, 4, 3), -1, 1), (int[]){1, 0, 2});
    graph_root(g, ROOT_output, 0, build_binary(g, OP_add, a, b));
    graph_sort(g);
    expect_same_values(f, pass_layout, "leaves");
    cr_expect_eq(g->roots.at[0].node->op, OP_add);
    fixture_free(f);
}

/* One value beside several that are transposed, each in its way and twice. */
Test(layout, one_beside_many)
{
    static const int perms[][3] = {{1, 0, 2}, {2, 0, 1}, {1, 0, 2}, {2, 0, 1}};
    Fixture *f = fixture_new(FN_predict);
    Graph *g = f->g;
    Shape cube = SHAPE(-1, 3, 3, 3);
    Node *one = build_unary(g, OP_exp, random_input(f, cube, -1, 1));
    for (int i = 0; i < COUNT(perms); i++) {
        Node *x = build_unary(g, OP_exp, random_input(f, cube, -1, 1));
        x = build_binary(g, OP_sub, build_transpose(g, x, perms[i]), one);
        graph_root(g, ROOT_output, i, x);
    }
    graph_sort(g);
    expect_same_values(f, pass_layout, "one beside many");
    fixture_free(f);
}

/* --- how long it takes ------------------------------------------------------------------------ */

static Node *deep(Fixture *f, Node *x)
{
    Node *y = conv(f, x, 16);
    for (int i = 0; i < 200; i++) {
        f->next_var = 4; /* all read the same weights */
        Node *b = conv(f, relu(f, y), 16);
        for (int k = 0; k < 20; k++)
            b = build_unary(f->g, OP_tanh, build_binary(f->g, OP_mul, b, y));
        y = build_binary(f->g, OP_add, y, b);
    }
    return y;
}

Test(layout, is_linear)
{
    Fixture *f = model(deep, 2);
    int nodes = f->p->fn[FN_train]->nodes.n;
    clock_t start = clock();
    each_function(f, pass_layout, "layout");
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    cr_expect_gt(nodes, 15000);
    cr_expect_lt(seconds, 2, "%d nodes took %g s", nodes, seconds);
    cr_expect_eq(transposes_between(f->p->fn[FN_train]), 0);
    fixture_free(f);
}
