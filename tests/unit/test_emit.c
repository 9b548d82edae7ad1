/* SPDX-License-Identifier: MIT */
/* Guards the emitted C of each op: every row of ops.def, forward and gradient, on random shapes
 * with broadcasting, batch axes and lengths around those of vectors and tiles, gives what the
 * interpreter gives, within the bounds of error_bound.h; fused and not; for several widths of
 * vector. */
#include "emit_run.h"
#include "op_makers.h"

static const int sizes[] = {1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 32, 33, 64};

static const Target targets[] = {
    {.name = "wide", .flags = "", .vector_bytes = 64, .registers = 32, .threads = true},
    {.name = "avx", .flags = "", .vector_bytes = 32, .registers = 16, .threads = true},
    {.name = "sse", .flags = "", .vector_bytes = 16, .registers = 16},
    {.name = "scalar", .flags = "", .vector_bytes = 4, .registers = 16},
};

static const Variant unfused = {.name = "-O0", .O0 = true, .unfused = true};

typedef struct Trial {
    OpKind op;
    int number;
} Trial;

/* predict gives the op's result; grad differentiates the sum of it times a weight. */
static void build_op(Fixture *f, const void *arg)
{
    static const Fn functions[] = {FN_predict, FN_grad};
    static const int batches[] = {8, 5, 1, 17};
    const Trial *t = arg;
    f->p->train.batch = batches[t->number % COUNT(batches)];
    f->p->has_loss = true;
    f->sizes = sizes;
    f->n_sizes = COUNT(sizes);
    for (int i = 0; i < COUNT(functions); i++) {
        Node *x[8] = {0};
        int n;
        emit_function(f, functions[i], (uint64_t)(t->op * 1000 + t->number));
        Node *y = call(f, t->op, t->number, &n, x);
        cr_assert_not_null(y, "%s: %s", op_rows[t->op].name, fixture_said(f));
        if (functions[i] == FN_predict) {
            emit_output(f, 0, y);
        } else {
            f->g->role = ROLE_loss;
            if (op_rows[t->op].flags & ONCE) /* what flows through it is not known */
                y = build_unary(f->g, OP_stop_gradient, y);
            graph_root(f->g, ROOT_loss, 0, weighed_sum(f->g, y, random_leaf(f, y->shape, 0.5, 2)));
        }
        graph_sort(f->g);
    }
}

/* EMIT_TRIALS: so many times as many. */
static int trials_of(OpKind op, int elementwise, int others)
{
    int times = getenv("EMIT_TRIALS") ? atoi(getenv("EMIT_TRIALS")) : 1;
    return times * (op_rows[op].cls == CLASS_EW ? elementwise : others);
}

static void check_ops(int elementwise, int others, const Variant *variant, const char *flags)
{
    EmitBatch b = emit_batch();
    for (int op = 0; op < OP_COUNT; op++)
        for (int i = 0; i < trials_of((OpKind)op, elementwise, others) && is_called((OpKind)op);
             i++) {
            char label[100];
            Trial t = {(OpKind)op, i};
            snprintf(label, sizeof label, "%s, trial %d, %s", op_rows[op].name, i, variant->name);
            if (getenv("EMIT_ONLY") && strcmp(getenv("EMIT_ONLY"), label) != 0)
                continue;
            emit_add(&b, build_op, &t, variant, &targets[i % COUNT(targets)], label);
        }
    emit_load(&b, flags);
    emit_run(&b);
    cr_log_info("%ld numbers compared, %ld left out", (long)b.compared, (long)b.skipped);
    cr_assert_eq(b.failures, 0, "%ld differences", (long)b.failures);
    cr_assert_lt(b.skipped, b.compared / 100);
    emit_done(&b);
}

/* Many, for what nncc may get wrong, which shows at any level; the last has fewer, as optimised as models are. */
Test(emit, each_op_and_its_gradient, .timeout = 300)
{
    check_ops(4, 16, &variant_all, "-O0 -march=native");
}

Test(emit, each_op_unfused, .timeout = 300)
{
    check_ops(1, 6, &unfused, "-O0 -march=native");
}

Test(emit, each_op_at_the_level_that_models_are_compiled_at, .timeout = 300)
{
    check_ops(2, 4, &variant_all, "-O3 -fno-math-errno -fno-trapping-math -march=native");
}
