/* SPDX-License-Identifier: MIT */
/* Guards what once went wrong in emitted C, a small graph each, found by test_emit and
 * test_emit_random; and that threads change no bit. */
#include "random_graph.h"

#ifdef _OPENMP
#include <omp.h>
#endif

static const Target target = {
    .name = "test", .flags = "", .vector_bytes = 32, .registers = 16, .threads = true};

static const char fast[] = "-O3 -fno-math-errno -fno-trapping-math -march=native";

typedef Node *Make(Fixture *);

/* As predict and, weighed, as the loss of grad and train. */
static void build_case(Fixture *f, const void *arg)
{
    static const Fn functions[] = {FN_predict, FN_train, FN_grad};
    Make *const *make = arg;
    f->p->train.batch = 5;
    f->p->has_loss = f->p->train.given = true;
    f->p->train.accumulate = 1;
    for (int i = 0; i < COUNT(functions); i++) {
        emit_function(f, functions[i], 1);
        Node *y = (*make)(f);
        cr_assert_not_null(y, "%s", fixture_said(f));
        if (functions[i] == FN_predict)
            emit_output(f, 0, y);
        else
            graph_root(f->g, ROOT_loss, 0, weighed_sum(f->g, y, emit_leaf(f, y->shape, 0.5, 2)));
        graph_sort(f->g);
    }
}

/* says: what stands in the emitted C; NULL: anything. */
static void check_case_for(Make *make, const Target *t, const char *says)
{
    static const Variant variants[] = {{.name = "all"},
                                       {.name = "O0", .O0 = true, .unfused = true}};
    EmitBatch b = emit_batch();
    for (int i = 0; i < COUNT(variants); i++)
        emit_add(&b, build_case, &make, &variants[i], t, variants[i].name);
    cr_expect(!says || strstr(b.text.at, says));
    emit_load(&b, fast);
    emit_run(&b);
    cr_assert_eq(b.failures, 0);
    cr_assert_gt(b.compared, 0);
    emit_done(&b);
}

static void check_case(Make *make)
{
    check_case_for(make, &target, NULL);
}

/* --- what went wrong -------------------------------------------------------------------------- */

/* Two stages that both reduce along the batch declared the same name twice. */
static Node *softmax_over_the_batch(Fixture *f)
{
    return build_softmax(f->g, emit_leaf(f, SHAPE(0, 1), -2, 2), 0);
}

Test(emit_cases, a_softmax_over_the_batch)
{
    check_case(softmax_over_the_batch);
}

/* A batch axis behind an axis of length 1 was taken modulo its factor. */
static Node *batch_behind_one(Fixture *f)
{
    Node *x = emit_leaf(f, SHAPE(0, 1, 4), -2, 2);
    return build_reshape(f->g, x, &SHAPE(1, 1, 2, 2));
}

Test(emit_cases, a_reshape_with_the_batch_behind_an_axis_of_one)
{
    check_case(batch_behind_one);
}

/* Random numbers were those of a full batch. */
static Node *random_inside(Fixture *f)
{
    Node *x = emit_leaf(f, SHAPE(1, 3, 1, 2), -2, 2);
    return build_binary(f->g, OP_mul, x, build_random(f->g, OP_random_uniform, &x->shape, 3));
}

Test(emit_cases, random_numbers_where_the_batch_is_not_first)
{
    check_case(random_inside);
}

static Node *random_normals(Fixture *f)
{
    Node *x = emit_leaf(f, SHAPE(0, 1, 37), -2, 2);
    Node *z = build_random(f->g, OP_random_normal, &x->shape, 5);
    return build_binary(f->g, OP_add, x, build_binary(f->g, OP_mul, x, z));
}

Test(emit_cases, normal_numbers)
{
    check_case(random_normals);
}

/* tanh(x) was kept for a later stage that kept what is made of it. */
static Node *cached_twice(Fixture *f)
{
    Node *x = build_unary(f->g, OP_tanh, emit_leaf(f, SHAPE(0, 1, 20), -2, 2));
    return build_softmax(f->g, build_unary(f->g, OP_exp, x), 1);
}

Test(emit_cases, a_row_keeps_only_what_it_reads)
{
    check_case(cached_twice);
}

/* No vars and no scratch: the instance is an unused parameter. */
static Node *nothing_kept(Fixture *f)
{
    return build_unary(f->g, OP_neg, emit_leaf(f, SHAPE(0, 1, 3), -2, 2));
}

Test(emit_cases, a_function_that_needs_no_memory)
{
    check_case(nothing_kept);
}

/* Names of the user's that kernels have for themselves, and that such a name becomes. */
static void build_named(Fixture *f, const void *arg)
{
    static const char *const names[] = {"i",  "x_i",   "x_x_i",  "key0", "lr",     "u",
                                        "t1", "w2",    "blocks", "k",    "size_t", "int32_t",
                                        "v",  "panel", "l0",     "rows", "u12",    "n"};
    (void)arg;
    emit_function(f, FN_predict, 1);
    Node *y = emit_input(f, SHAPE(0, 1, 33), DT_f32, 0, -1, 1);
    y = build_matmul(f->g, y, emit_leaf(f, SHAPE(-1, 33, 18), -1, 1));
    for (int i = 1; i < COUNT(names); i++) {
        Node *x = emit_input(f, SHAPE(0, 1, 18), DT_f32, 0, -1, 1);
        y = build_unary(f->g, OP_tanh, build_binary(f->g, OP_add, y, x));
    }
    y = build_binary(f->g, OP_mul, y, build_random(f->g, OP_random_uniform, &y->shape, 0));
    for (int i = 0; i < COUNT(names); i++)
        f->p->inputs.at[i].name = names[i];
    emit_output(f, 0, build_softmax(f->g, y, 1));
    graph_sort(f->g);
}

Test(emit_cases, names_that_kernels_use)
{
    EmitBatch b = emit_batch();
    emit_add(&b, build_named, NULL, &variant_all, &target, "names");
    emit_load(&b, fast);
    emit_run(&b);
    cr_assert_eq(b.failures, 0);
    emit_done(&b);
}

/* Without pass cse two updates have an `lr` each, and a kernel of both had two parameters lr. */
static void build_rates(Fixture *f, const void *arg)
{
    (void)arg;
    f->p->has_loss = f->p->train.given = true;
    f->p->train.optimizer = (Optimizer){.kind = OPT_sgd, .arg = {0.1}};
    emit_function(f, FN_train, 1);
    Node *w[2];
    for (int i = 0; i < 2; i++)
        w[i] = emit_leaf(f, SHAPE(-1, 3), -1, 1);
    Node *y = build_unary(f->g, OP_tanh, build_binary(f->g, OP_mul, w[0], w[1]));
    Node *x = emit_leaf(f, SHAPE(0, 1, 3), -1, 1);
    graph_root(f->g, ROOT_loss, 0, weighed_sum(f->g, x, y));
    graph_sort(f->g);
}

Test(emit_cases, two_updates_in_a_kernel_without_cse)
{
    static const Variant no_cse = {.name = "no-cse", .skip = "cse"};
    EmitBatch b = emit_batch();
    emit_add(&b, build_rates, NULL, &no_cse, &target, "rates");
    emit_load(&b, fast);
    emit_run(&b);
    cr_assert_eq(b.failures, 0);
    emit_done(&b);
}

/* w, one number a column of u, was updated before the columns of the stage had read it. */
static void build_row_weight(Fixture *f, const void *arg)
{
    (void)arg;
    f->p->has_loss = f->p->train.given = true;
    emit_function(f, FN_train, 1);
    Node *a = emit_leaf(f, SHAPE(-1, 3, 1), -1, 1), *u = emit_leaf(f, SHAPE(-1, 3, 8), -1, 1);
    Node *w = emit_leaf(f, SHAPE(-1, 8), -1, 1), *x = emit_leaf(f, SHAPE(0, 1, 8), -1, 1);
    Node *sum = build_reduce(f->g, OP_reduce_sum, build_binary(f->g, OP_mul, a, u), 1, (int[]){0});
    Node *y = build_unary(f->g, OP_tanh, build_binary(f->g, OP_mul, w, sum));
    Node *loss = build_binary(f->g, OP_add, weighed_sum(f->g, y, NULL), weighed_sum(f->g, x, NULL));
    graph_root(f->g, ROOT_loss, 0, loss);
    graph_sort(f->g);
}

Test(emit_cases, a_weight_is_updated_after_the_columns_that_read_it)
{
    EmitBatch b = emit_batch();
    emit_add(&b, build_row_weight, NULL, &variant_all, &target, "w");
    emit_load(&b, fast);
    emit_run(&b);
    cr_assert_eq(b.failures, 0);
    emit_done(&b);
}

/* Scalars that the host computes: min(n, infinity), by every row. */
static Node *infinite_scalar(Fixture *f)
{
    Node *n = build_scalar(f->g, SCALAR_n), *most = build_const(f->g, INFINITY);
    Node *x = emit_leaf(f, SHAPE(0, 1, 3), -2, 2);
    return build_binary(f->g, OP_div, x, build_binary(f->g, OP_min, n, most));
}

Test(emit_cases, a_scalar_that_is_infinite)
{
    check_case(infinite_scalar);
}

/* --- what must not go wrong ------------------------------------------------------------------- */

/* The largest of a row is found again by ==, so where x is computed twice it must be the same
 * number both times: the gradients of a row come to 1. (Bounds cannot tell: either may win.) */
static Node *row_of_products(Fixture *f)
{
    Node *x = emit_leaf(f, SHAPE(0, 1, 37), -2, 2), *w = emit_leaf(f, SHAPE(-1, 37), -2, 2);
    Node *y = build_binary(f->g, OP_add, build_binary(f->g, OP_mul, x, w), x);
    return build_binary(f->g, OP_add, y, emit_leaf(f, SHAPE(0, 1, 37), -2, 2));
}

static void build_largest(Fixture *f, const void *arg)
{
    (void)arg;
    f->p->train.batch = 33;
    f->p->has_loss = true;
    emit_function(f, FN_grad, 1);
    Node *most = build_reduce(f->g, OP_reduce_max, row_of_products(f), 1, (int[]){1});
    graph_root(f->g, ROOT_loss, 0, weighed_sum(f->g, most, NULL));
    graph_sort(f->g);
}

Test(emit_cases, the_largest_is_found_again)
{
    static const Variant variants[] = {{.name = "all"},
                                       {.name = "O0", .O0 = true, .unfused = true}};
    EmitBatch b = emit_batch();
    for (int i = 0; i < COUNT(variants); i++)
        emit_add(&b, build_largest, NULL, &variants[i], &target, variants[i].name);
    emit_load(&b, fast);
    for (int i = 0; i < COUNT(variants); i++) {
        EmitRun r = {.b = &b, .e = &b.programs.at[i], .fn = FN_grad, .n = 33, .arena = b.arena};
        emit_inputs(&r);
        emit_instance(&r);
        float *grads = emit_room(&r, 37 + 2 * 33 * 37);
        r.e->model->grad(r.m, 33, r.in, grads);
        for (int row = 0; row < 33; row++) { /* of the last input, which is added as it is */
            float sum = 0;
            for (int k = 0; k < 37; k++)
                sum += grads[37 + 33 * 37 + row * 37 + k];
            cr_assert_eq(sum, 1, "%s, row %d: %g", variants[i].name, row, (double)sum);
        }
        free(r.m);
    }
    emit_done(&b);
}

/* Rows longer than what is kept on the stack, sums down more columns than a block has. */
static Node *long_rows(Fixture *f)
{
    Node *x = build_unary(f->g, OP_tanh, emit_leaf(f, SHAPE(0, 1, 3, 1100), -2, 2));
    Node *y = build_softmax(f->g, x, 2);
    return build_binary(f->g, OP_add, y, build_reduce(f->g, OP_reduce_sum, x, 1, (int[]){1}));
}

Test(emit_cases, long_rows)
{
    check_case(long_rows);
}

/* A product with more rows, columns and steps than any block has, its operands moved and computed. */
static Node *large_product(Fixture *f)
{
    Node *x = build_unary(f->g, OP_sin, emit_leaf(f, SHAPE(1, 70, 1, 9), -2, 2));
    Node *rows = build_reshape(f->g, build_transpose(f->g, x, (int[]){1, 0, 2}), &SHAPE(0, 1, 630));
    return build_matmul(f->g, rows, build_swap(f->g, emit_leaf(f, SHAPE(-1, 133, 630), -1, 1)));
}

Test(emit_cases, a_large_product_of_what_is_computed)
{
    check_case(large_product);
}

/* --- numbers at the edges --------------------------------------------------------------------- */

static const double edges[] = {NAN, INFINITY, -INFINITY, 0, -0.0, 1, -1, 0.5};

/* op(a, b), or its reduction of rows, where a is a number a row and b one a column. */
static void build_edges(Fixture *f, const void *arg)
{
    OpKind op = *(const OpKind *)arg;
    f->p->train.batch = COUNT(edges);
    emit_function(f, FN_predict, 1);
    Node *x[3];
    for (int i = 0; i < 2; i++)
        x[i] = emit_input(f, SHAPE(0, 1, COUNT(edges)), DT_f32, 0, 0, 1);
    x[2] = build_const(f->g, 3);
    for (int i = 0; i < COUNT(edges) * COUNT(edges); i++) {
        f->inputs[0][i] = edges[i / COUNT(edges)];
        f->inputs[1][i] = edges[i % COUNT(edges)];
    }
    Node *y = op_rows[op].cls == CLASS_EW
                  ? graph_add(f->g, op, op_rows[op].arity, x, NULL)
                  : build_reduce(f->g, op, build_binary(f->g, OP_mul, x[0], x[1]), 1, (int[]){1});
    emit_output(f, 0, y);
    graph_sort(f->g);
}

static void check_edges(EmitBatch *b, Emitted *e)
{
    EmitRun r = {.b = b, .e = e, .fn = FN_predict, .n = COUNT(edges), .arena = b->arena};
    InterpInput run = {
        .n = r.n, .inputs = e->as_built->inputs, .vars = e->as_built->vars, .lr = 1, .step = 1};
    Tensor want = graph_interpret(e->as_built->p->fn[FN_predict], &run, b->arena)[0];
    int64_t n = shape_count(&want.shape);
    float *got = emit_room(&r, n);
    emit_inputs(&r);
    emit_instance(&r);
    e->model->predict(r.m, (int)r.n, r.in, &got);
    for (int64_t i = 0; i < n; i++)
        cr_expect(close_to((double)got[i], want.data[i], 0, 1e-6), "%s [%d]: %g, not %g", e->label,
                  (int)i, (double)got[i], want.data[i]);
    free(r.m);
}

Test(emit_cases, numbers_at_the_edges)
{
    static OpKind ops[OP_COUNT];
    EmitBatch b = emit_batch();
    for (int op = 0; op < OP_COUNT; op++) {
        ops[op] = (OpKind)op;
        if (op_rows[op].cls == CLASS_EW || op_rows[op].cls == CLASS_REDUCE)
            emit_add(&b, build_edges, &ops[op], &variant_all, &target, op_rows[op].name);
    }
    emit_load(&b, fast);
    for (int i = 0; i < b.programs.n; i++)
        check_edges(&b, &b.programs.at[i]);
    emit_done(&b);
}

/* --- threads ---------------------------------------------------------------------------------- */

#ifdef _OPENMP

static void build_shared(Fixture *f, const void *arg)
{
    f->p->share_ops = 1;
    build_random_model(f, arg);
}

static uint64_t bits_of(EmitBatch *b, int threads)
{
    b->bits = 0;
    omp_set_num_threads(threads);
    emit_run(b);
    return b->bits;
}

/* Every kernel that has rows is shared, however small. */
static void check_threads(uint64_t seed, int models)
{
    EmitBatch b = emit_batch();
    for (uint64_t i = 0; i < (uint64_t)models; i++) {
        char label[40];
        RandomModel m = {.seed = seed + i};
        snprintf(label, sizeof label, "model %d", (int)(seed + i));
        emit_add(&b, build_shared, &m, &variant_all, &target, label);
    }
    emit_load(&b, "-O1 -march=native");
    uint64_t without = bits_of(&b, 1);
    emit_load(&b, "-O1 -march=native -fopenmp");
    for (int threads = 1; threads <= 3; threads++)
        cr_assert_eq(bits_of(&b, threads), without, "other bits with %d threads", threads);
    cr_assert_eq(b.failures, 0);
    emit_done(&b);
}

Test(emit_cases, threads_change_no_bit, .timeout = 300)
{
    int models = getenv("EMIT_COUNT") ? atoi(getenv("EMIT_COUNT")) : 12;
    check_threads(getenv("EMIT_SEED") ? (uint64_t)atoi(getenv("EMIT_SEED")) : 1, models);
}

#endif

/* --- caches ----------------------------------------------------------------------------------- */

/* A product of more rows than the second cache holds, some more than whole parts of them, whose right operand the
 * first one does not hold: each tile is made once. */
static Node *product_in_parts(Fixture *f)
{
    Node *x = emit_leaf(f, SHAPE(0, 30, 40), -1, 1);
    return build_matmul(f->g, x, emit_leaf(f, SHAPE(-1, 40, 112), -1, 1));
}

Test(emit_cases, a_product_in_parts)
{
    static const Target targets[] = {
        {.name = "small", .vector_bytes = 32, .registers = 16, .l1 = 1 << 10, .l2 = 1 << 14},
        {.name = "wide", .vector_bytes = 64, .registers = 32, .l1 = 1 << 10, .l2 = 1 << 13}};
    for (int i = 0; i < COUNT(targets); i++) {
        Target t = targets[i];
        t.flags = "";
        t.threads = true;
        check_case_for(product_in_parts, &t, "const int near = ");
    }
}

/* --- few rows, parts of columns --------------------------------------------------------------- */

/* Columns that several panels hold, the last of them in part. */
static Node *wide_product(Fixture *f)
{
    Node *x = emit_leaf(f, SHAPE(0, 1, 60), -1, 1);
    Node *y = build_matmul(f->g, x, emit_leaf(f, SHAPE(-1, 60, 75), -1, 1));
    return build_unary(f->g, OP_tanh,
                       build_binary(f->g, OP_add, y, emit_leaf(f, SHAPE(-1, 75), -1, 1)));
}

/* The gates of a cell: parts of a product, beside each other, read at the same place. */
static Node *cell(Fixture *f, Node **all)
{
    enum { UNITS = 24 };
    Node *h = emit_leaf(f, SHAPE(0, 1, UNITS), -1, 1), *part[3];
    Node *y = build_matmul(f->g, h, emit_leaf(f, SHAPE(-1, UNITS, 3 * UNITS), -1, 1));
    *all = y = build_binary(f->g, OP_add, y, emit_leaf(f, SHAPE(0, 1, 3 * UNITS), -1, 1));
    for (int i = 0; i < 3; i++)
        part[i] = build_slice(f->g, y, 1, i * UNITS, (i + 1) * UNITS, 1);
    Node *z = build_unary(f->g, OP_sigmoid, part[0]), *r = build_unary(f->g, OP_sigmoid, part[1]);
    Node *next = build_unary(f->g, OP_tanh, build_binary(f->g, OP_mul, r, part[2]));
    Node *change = build_binary(f->g, OP_mul, z, build_binary(f->g, OP_sub, h, next));
    return build_binary(f->g, OP_add, next, change);
}

static Node *gates(Fixture *f)
{
    Node *all;
    return cell(f, &all);
}

/* The same, and the product, which something else reads as well. */
static Node *gates_and_all(Fixture *f)
{
    Node *all, *y = cell(f, &all);
    return build_concat(f->g, 1, 2, (Node *[]){y, all});
}

/* Parts that are not read at the same place: no gates. */
static Node *parts_elsewhere(Fixture *f)
{
    enum { UNITS = 24 };
    Node *x = emit_leaf(f, SHAPE(0, 1, UNITS), -1, 1);
    Node *y = build_matmul(f->g, x, emit_leaf(f, SHAPE(-1, UNITS, 2 * UNITS), -1, 1));
    Node *a = build_slice(f->g, y, 1, 0, UNITS, 1), *b = build_slice(f->g, y, 1, 1, UNITS + 1, 1);
    return build_binary(f->g, OP_mul, build_unary(f->g, OP_tanh, a), b);
}

static const Target many_registers = {
    .name = "many", .flags = "", .vector_bytes = 32, .registers = 32, .fma = true, .threads = true};

Test(emit_cases, few_rows_by_several_panels)
{
    check_case_for(wide_product, &target, "few_1x3x16(");
    check_case_for(wide_product, &many_registers, "few_2x3x16(");
}

Test(emit_cases, parts_of_a_product_are_gates)
{
    check_case_for(gates, &target, "for (int g = 0; g < 3; g++)");
    check_case_for(gates, &many_registers, "few_2x3x8(");
    check_case_for(gates_and_all, &target, "for (int g = 0; g < 3; g++)");
    check_case(parts_elsewhere);
}

/* --- parts beside each other ------------------------------------------------------------------ */

/* What one loop makes, beside each other: it is stored there. */
static Node *beside(Fixture *f)
{
    Node *a = build_unary(f->g, OP_tanh, emit_leaf(f, SHAPE(0, 1, 24), -1, 1));
    Node *b = build_unary(f->g, OP_sigmoid, a), *c = build_unary(f->g, OP_exp, b);
    Node *first = build_concat(f->g, 1, 2, (Node *[]){c, a});
    return build_concat(f->g, 1, 2, (Node *[]){first, b});
}

/* Parts that are wanted elsewhere, or twice, are stored twice. */
static Node *beside_again(Fixture *f)
{
    Node *a = build_unary(f->g, OP_tanh, emit_leaf(f, SHAPE(0, 1, 24), -1, 1));
    Node *b = build_unary(f->g, OP_sigmoid, a), *c = build_unary(f->g, OP_exp, b);
    Node *y = build_concat(f->g, 1, 4, (Node *[]){c, a, b, c});
    Node *sum = build_matmul(f->g, b, emit_leaf(f, SHAPE(-1, 24, 96), -1, 1));
    return build_binary(f->g, OP_mul, y, build_unary(f->g, OP_tanh, sum));
}

/* What a product's kernel stores beside each other, and of which something else takes parts. */
static Node *beside_and_parts(Fixture *f)
{
    Node *x = emit_leaf(f, SHAPE(0, 1, 24), -1, 1);
    Node *y = build_matmul(f->g, x, emit_leaf(f, SHAPE(-1, 24, 48), -1, 1));
    Node *a = build_unary(f->g, OP_tanh, y), *b = build_unary(f->g, OP_exp, a);
    Node *left = build_slice(f->g, b, 1, 0, 24, 1), *right = build_slice(f->g, b, 1, 24, 48, 1);
    Node *sin = build_unary(f->g, OP_sin, build_binary(f->g, OP_mul, left, right));
    return build_concat(f->g, 1, 2, (Node *[]){build_concat(f->g, 1, 2, (Node *[]){a, b}), sin});
}

Test(emit_cases, parts_are_stored_beside_each_other)
{
    check_case(beside_and_parts);
    check_case(beside_again);
    check_case_for(beside, &target, " * 72 + j + 48] = ");
}
