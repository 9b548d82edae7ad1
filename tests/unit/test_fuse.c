/* SPDX-License-Identifier: MIT */
/* test_fuse.c: guards what pass fuse gathers and what it must not: how many kernels a graph
 * becomes, which values are stored, and that variables are updated after their last read. What
 * the kernels compute is test_emit's business. */
#include <criterion/criterion.h>

#include "../../compiler/ops/ops.h"
#include "../../compiler/passes/lower.h"
#include "../../compiler/passes/passes.h"

static const Target target = {
    .name = "test", .flags = "", .vector_bytes = 32, .registers = 16, .threads = true};

typedef struct Net {
    Ctx ctx;
    Program p;
    Graph *g;
} Net;

static Net *net_new(int inputs, int64_t width)
{
    Arena *arena = arena_new();
    Net *t = arena_take(arena, sizeof *t);
    t->ctx.arena = arena;
    t->ctx.diag.out = stderr;
    t->ctx.diag.limit = 20;
    t->p.ctx = &t->ctx;
    t->p.name = "net";
    t->p.file = "net.yaml";
    t->p.target = &target;
    t->p.train.batch = 8;
    for (int i = 0; i < inputs; i++) {
        Input in = {.name = arena_format(arena, "x%d", i),
                    .shape = shape_of(2, (int64_t[]){1, width})};
        in.shape.batch = 0;
        vec_push(arena, &t->p.inputs, in);
    }
    Output out = {.name = "y"};
    vec_push(arena, &t->p.outputs, out);
    t->g = graph_new(&t->p, FN_train);
    t->p.fn[FN_train] = t->g;
    return t;
}

static Var *weight(Net *t, const char *name, int rank, const int64_t *dim)
{
    Shape s = shape_of(rank, dim);
    return program_var(&t->p, name, VAR_weight, &s, (Init){0}, (Loc){1, 1, 1});
}

static void lower(Net *t)
{
    graph_sort(t->g);
    pass_simplify(t->g);
    pass_cse(t->g);
    pass_split(t->g);
    pass_layout(t->g);
    pass_fuse(t->g);
    pass_schedule(t->g);
    pass_memory(t->g);
}

static int count(Net *t, KernelKind kind)
{
    int n = 0;
    for (int i = 0; i < t->g->kernels.n; i++)
        n += t->g->kernels.at[i]->kind == kind;
    return n;
}

static void done(Net *t)
{
    arena_free(t->ctx.arena);
}

Test(fuse, an_elementwise_chain_is_one_kernel_that_stores_its_end)
{
    Net *t = net_new(2, 40);
    Graph *g = t->g;
    Node *y = build_input(g, 0), *x = build_input(g, 1);
    for (int i = 0; i < 5; i++)
        y = build_binary(g, OP_mul, build_unary(g, OP_tanh, build_binary(g, OP_add, y, x)), y);
    graph_root(g, ROOT_output, 0, y);
    lower(t);
    cr_assert_eq(g->kernels.n, 1);
    cr_assert_eq(g->kernels.at[0]->stores.n, 1);
    cr_assert_eq(g->plan->scratch_bytes, 0);
    done(t);
}

Test(fuse, softmax_is_one_row_kernel)
{
    Net *t = net_new(1, 10);
    graph_root(t->g, ROOT_output, 0, build_softmax(t->g, build_input(t->g, 0), 1));
    lower(t);
    cr_assert_eq(t->g->kernels.n, 1);
    const Lowered *low = t->g->kernels.at[0]->lowered;
    cr_assert(low->domain.reduced[1] && !low->domain.reduced[0]);
    done(t);
}

Test(fuse, cross_entropy_and_its_gradient_are_one_pass)
{
    Net *t = net_new(2, 10);
    Graph *g = t->g;
    Node *x = build_input(g, 0);
    Node *rows = build_reduce(
        g, OP_reduce_sum, build_binary(g, OP_mul, build_log_softmax(g, x, 1), build_input(g, 1)), 1,
        (int[]){1});
    Node *loss = build_reshape(g, build_mean(g, rows, 0, NULL), &(Shape){.batch = -1});
    Node *dx;
    autodiff(g, loss, 1, &x, &dx);
    graph_root(g, ROOT_output, 0, dx);
    graph_root(g, ROOT_loss, 0, loss);
    lower(t);
    /* The rows and the gradient, then the sum over the batch. */
    cr_assert_eq(g->kernels.n, 2);
    cr_assert_eq(g->kernels.at[0]->stores.n, 2);
    done(t);
}

Test(fuse, bias_and_activation_ride_on_the_product)
{
    Net *t = net_new(1, 40);
    Graph *g = t->g;
    Var *w = weight(t, "w", 2, (int64_t[]){30, 40}), *b = weight(t, "b", 1, (int64_t[]){30});
    Node *y = build_matmul(g, build_input(g, 0), build_swap(g, build_var(g, w)));
    y = build_unary(g, OP_relu, build_binary(g, OP_add, y, build_var(g, b)));
    graph_root(g, ROOT_output, 0, y);
    lower(t);
    cr_assert_eq(g->kernels.n, 1);
    cr_assert_eq(count(t, KERNEL_matmul), 1);
    cr_assert_eq(w->perm[0], 1, "the weight is kept as its transpose");
    done(t);
}

Test(fuse, a_weights_update_rides_on_its_gradient_after_the_last_read)
{
    Net *t = net_new(1, 40);
    Graph *g = t->g;
    Var *w = weight(t, "w", 2, (int64_t[]){40, 40});
    Node *leaf = build_var(g, w);
    Node *h = build_unary(g, OP_tanh, build_matmul(g, build_input(g, 0), build_swap(g, leaf)));
    Node *y = build_unary(g, OP_tanh, build_matmul(g, h, build_swap(g, leaf)));
    Node *loss = build_reshape(g, build_mean(g, y, 0, NULL), &(Shape){.batch = -1});
    Node *dw;
    autodiff(g, loss, 1, &leaf, &dw);
    build_assign(
        g, w,
        build_binary(g, OP_sub, leaf, build_binary(g, OP_mul, build_scalar(g, SCALAR_lr), dw)));
    graph_root(g, ROOT_loss, 0, loss);
    lower(t);
    const Kernel *update = graph_find_root(g, ROOT_assign, w->id)->kernel;
    cr_assert_eq(update->kind, KERNEL_matmul);
    for (int i = update->id + 1; i < g->kernels.n; i++)
        for (int k = 0; k < g->kernels.at[i]->reads.n; k++)
            cr_assert(g->kernels.at[i]->reads.at[k]->var != w, "kernel %d reads w after its update",
                      i);
    done(t);
}

Test(fuse, what_is_read_elsewhere_in_a_row_is_not_fused)
{
    Net *t = net_new(1, 40);
    Graph *g = t->g;
    Node *a = build_unary(g, OP_exp, build_input(g, 0));
    Node *left = build_slice(g, a, 1, 0, 20, 1), *right = build_slice(g, a, 1, 20, 40, 1);
    graph_root(g, ROOT_output, 0, build_binary(g, OP_mul, left, right));
    lower(t);
    cr_assert_eq(g->kernels.n, 2, "exp is costly: it is stored, not computed in two places");
    done(t);
}

Test(fuse, a_cheap_value_is_computed_again_rather_than_stored)
{
    Net *t = net_new(1, 40);
    Graph *g = t->g;
    Node *a = build_binary(g, OP_div, build_input(g, 0), build_const(g, 3));
    Node *left = build_slice(g, a, 1, 0, 20, 1), *right = build_slice(g, a, 1, 20, 40, 1);
    graph_root(g, ROOT_output, 0, build_binary(g, OP_mul, left, right));
    lower(t);
    cr_assert_eq(g->kernels.n, 1);
    done(t);
}

/* y tanh(y) between two products: y is kept for the gradient, its tanh is not. */
Test(fuse, a_function_of_what_the_gradient_reads_is_computed_again)
{
    Net *t = net_new(1, 40);
    Graph *g = t->g;
    Node *w[] = {build_var(g, weight(t, "w", 2, (int64_t[]){40, 40})),
                 build_var(g, weight(t, "v", 2, (int64_t[]){40, 40}))};
    Node *y = build_matmul(g, build_input(g, 0), build_swap(g, w[0])), *dw[2];
    y = build_binary(g, OP_mul, y, build_unary(g, OP_tanh, y));
    y = build_matmul(g, y, build_swap(g, w[1]));
    Node *loss = build_reshape(g, build_mean(g, build_binary(g, OP_mul, y, y), 0, NULL),
                               &(Shape){.batch = -1});
    autodiff(g, loss, 2, w, dw);
    for (int i = 0; i < 2; i++)
        build_assign(g, w[i]->attr->var, build_binary(g, OP_sub, w[i], dw[i]));
    graph_root(g, ROOT_loss, 0, loss);
    lower(t);
    int functions = 0;
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *f = g->nodes.at[i];
        functions += f->op == OP_tanh;
        cr_assert(f->op != OP_tanh || !f->kernel, "it is stored");
        for (int k = 0; k < f->n_in; k++)
            cr_assert(f->role == ROLE_forward || !f->kernel || f->in[k]->op != OP_tanh,
                      "%s of it is stored", op_rows[f->op].name);
    }
    cr_assert_eq(functions, 1);
    done(t);
}

Test(fuse, reductions_over_other_axes_are_other_kernels)
{
    Net *t = net_new(1, 40);
    Graph *g = t->g;
    vec_push(t->ctx.arena, &t->p.outputs, ((Output){.name = "z"}));
    Node *a = build_unary(g, OP_exp, build_input(g, 0));
    graph_root(g, ROOT_output, 0, build_reduce(g, OP_reduce_sum, a, 1, (int[]){1}));
    graph_root(g, ROOT_output, 1, build_reduce(g, OP_reduce_sum, a, 1, (int[]){0}));
    lower(t);
    cr_assert_eq(g->kernels.n, 2);
    done(t);
}

Test(fuse, unfused_stores_every_value)
{
    Net *t = net_new(2, 40);
    Graph *g = t->g;
    t->p.unfused = true;
    Node *y = build_binary(g, OP_add, build_input(g, 0), build_input(g, 1));
    y = build_unary(g, OP_neg, build_unary(g, OP_exp, y));
    graph_root(g, ROOT_output, 0, y);
    lower(t);
    cr_assert_eq(g->kernels.n, 3);
    done(t);
}

Test(memory, buffers_that_live_at_once_never_overlap)
{
    Net *t = net_new(1, 64);
    Graph *g = t->g;
    t->p.unfused = true; /* many buffers */
    Node *y = build_input(g, 0), *kept[6];
    for (int i = 0; i < 6; i++)
        kept[i] = y = build_unary(g, i % 2 ? OP_exp : OP_tanh, y);
    for (int i = 4; i >= 0; i--)
        y = build_binary(g, OP_mul, y, kept[i]);
    graph_root(g, ROOT_output, 0, y);
    lower(t);
    const Plan *p = g->plan;
    for (int i = 0; i < p->buffers.n; i++)
        for (int k = 0; k < i; k++) {
            const Buffer *a = p->buffers.at[i], *b = p->buffers.at[k];
            if (a->kind != BUF_scratch || b->kind != BUF_scratch || a->first > b->last ||
                b->first > a->last)
                continue;
            cr_assert(a->offset >= b->offset + b->bytes || b->offset >= a->offset + a->bytes,
                      "%s on %s", a->name, b->name);
        }
    cr_assert_leq(p->scratch_bytes, 7 * 8 * 64 * 4);
    done(t);
}

Test(memory, a_value_lies_over_what_dies_with_it)
{
    Net *t = net_new(1, 64);
    Graph *g = t->g;
    Node *w[2];
    for (int i = 0; i < 2; i++)
        w[i] = build_var(g, weight(t, i ? "b" : "a", 2, (int64_t[]){64, 64}));
    Node *h = build_unary(g, OP_tanh, build_matmul(g, build_input(g, 0), w[0]));
    Node *y =
        build_binary(g, OP_mul, build_matmul(g, build_input(g, 0), w[1]), h); /* h dies here */
    graph_root(g, ROOT_output, 0, build_softmax(g, y, 1));
    lower(t);
    int over = 0;
    for (int i = 0; i < g->plan->buffers.n; i++)
        over += g->plan->buffers.at[i]->over != NULL;
    cr_assert_eq(over, 1);
    done(t);
}

Test(memory, names_of_buffers_are_words_that_c_leaves_free)
{
    Net *t = net_new(1, 8);
    Graph *g = t->g;
    t->p.inputs.at[0].name = "int";
    t->p.outputs.at[0].name = "i";
    graph_root(g, ROOT_output, 0, build_unary(g, OP_exp, build_input(g, 0)));
    lower(t);
    cr_assert_str_eq(g->plan->buffers.at[0]->name, "x_int");
    cr_assert_str_eq(node_buffer(g, g->roots.at[0].node)->name, "x_i");
    done(t);
}
