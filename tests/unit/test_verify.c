/* SPDX-License-Identifier: MIT */
/* test_verify.c: guards the verifier: a sound graph passes, and each kind of damage that a pass
 * could do ends with status 70 and a sentence that names the pass and what is wrong. */
#include "graph_fixture.h"

#include <sys/wait.h>
#include <unistd.h>

/* w = w - lr * x^T y; outputs and a loss. Node ids are positions. */
static Fixture *sound(void)
{
    Fixture *f = fixture_new(FN_train);
    Graph *g = f->g;
    Var *w = random_var(f, "w", VAR_weight, SHAPE(-1, 4, 3));
    random_var(f, "v", VAR_weight, SHAPE(-1, 4, 3));
    vec_push(f->ctx.arena, &f->p->outputs, ((Output){.name = "y"}));
    Node *x = random_input(f, SHAPE(0, 1, 4), -1, 1), *k = build_var(g, w);
    Node *y = build_unary(g, OP_relu, build_matmul(g, x, k));
    graph_root(g, ROOT_output, 0, y);
    graph_root(g, ROOT_loss, 0, weighed_sum(g, y, NULL));
    Node *dw = build_matmul(g, build_swap(g, x), y);
    build_assign(g, w, build_binary(g, OP_sub, k, build_binary(g, OP_mul, dw, build_const(g, .1))));
    graph_sort(g);
    return f;
}

static Node *first(Graph *g, OpKind op)
{
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == op)
            return g->nodes.at[i];
    cr_assert_fail("no such op");
    return NULL;
}

static Root *root_of(Graph *g, RootKind kind)
{
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == kind)
            return &g->roots.at[i];
    cr_assert_fail("no such root");
    return NULL;
}

static void order(Fixture *f)
{
    Node *last = f->g->nodes.at[f->g->nodes.n - 2];
    f->g->nodes.at[f->g->nodes.n - 2] = f->g->nodes.at[0];
    f->g->nodes.at[0] = last;
    for (int i = 0; i < f->g->nodes.n; i++)
        f->g->nodes.at[i]->id = i;
}

static void numbering(Fixture *f)
{
    f->g->nodes.at[2]->id = 3;
}

static void arity(Fixture *f)
{
    first(f->g, OP_relu)->n_in = 0;
}

static void operand_gone(Fixture *f)
{
    first(f->g, OP_relu)->in[0] = NULL;
}

static void operand_foreign(Fixture *f)
{
    Node *copy = arena_take(f->ctx.arena, sizeof *copy), *y = first(f->g, OP_relu);
    *copy = *y->in[0];
    y->in[0] = copy;
}

static void attributes(Fixture *f)
{
    Attr *attr = arena_take(f->ctx.arena, sizeof *attr);
    *attr = (Attr){.n_axes = 2, .axes = {0, 9}};
    first(f->g, OP_transpose)->attr = attr;
}

static void attributes_gone(Fixture *f)
{
    first(f->g, OP_relu)->attr = NULL;
}

static void shape_elementwise(Fixture *f)
{
    first(f->g, OP_relu)->shape.dim[1] = 5;
}

static void shape_batch(Fixture *f)
{
    first(f->g, OP_relu)->shape.batch = -1;
}

static void shape_by_rule(Fixture *f)
{
    first(f->g, OP_transpose)->shape.dim[0] = 7;
}

static void dtype(Fixture *f)
{
    first(f->g, OP_relu)->dtype = DT_i32;
}

static void operand_dtype(Fixture *f)
{
    Node *y = first(f->g, OP_sub);
    Input c = {.name = "c", .dtype = DT_i32, .shape = y->shape};
    vec_push(f->ctx.arena, &f->p->inputs, c);
    y->in[0] = build_input(f->g, f->p->inputs.n - 1);
    graph_sort(f->g);
}

static void root_gone(Fixture *f)
{
    Node *x = random_input(f, SHAPE(-1), -1, 1);
    f->g->nodes.n--;
    root_of(f->g, ROOT_loss)->node = x;
}

static void loss_rank(Fixture *f)
{
    root_of(f->g, ROOT_loss)->node = root_of(f->g, ROOT_output)->node;
}

static void metric_of_samples(Fixture *f)
{
    graph_root(f->g, ROOT_metric, 0, root_of(f->g, ROOT_output)->node);
}

static void kept_without_samples(Fixture *f)
{
    graph_root(f->g, ROOT_kept, 0, root_of(f->g, ROOT_loss)->node);
}

static void assign_as_output(Fixture *f)
{
    root_of(f->g, ROOT_output)->node = root_of(f->g, ROOT_assign)->node;
}

static void assign_of_something_else(Fixture *f)
{
    root_of(f->g, ROOT_assign)->node = root_of(f->g, ROOT_output)->node;
}

static void assign_read(Fixture *f)
{
    Node *y = build_unary(f->g, OP_relu, root_of(f->g, ROOT_assign)->node);
    graph_root(f->g, ROOT_output, 0, y);
}

static void assign_no_root(Fixture *f)
{
    for (int i = 0; i < f->g->roots.n; i++)
        if (f->g->roots.at[i].kind == ROOT_assign)
            f->g->roots.at[i] = f->g->roots.at[--f->g->roots.n];
}

static void assign_twice(Fixture *f)
{
    Node *assign = root_of(f->g, ROOT_assign)->node;
    const Attr attr = {.var = assign->attr->var};
    Node *again = graph_add(f->g, OP_assign, 1, assign->in, &attr);
    graph_root(f->g, ROOT_assign, attr.var->id, again);
}

static void assign_index(Fixture *f)
{
    root_of(f->g, ROOT_assign)->index = 1;
}

/* Does the damage in a child and gives its exit status; *said is what it wrote to stderr. */
static int status_after(void (*damage)(Fixture *), char *said, size_t size)
{
    int ends[2], status = 0;
    size_t n = 0;
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        Fixture *f = sound();
        if (damage)
            damage(f);
        graph_verify(f->g, "fuse");
        fixture_free(f);
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t got; n < size - 1 && (got = read(ends[0], said + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    said[n] = '\0';
    close(ends[0]);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(verify, a_sound_graph_passes)
{
    char said[1024];
    cr_expect_eq(status_after(NULL, said, sizeof said), 0, "%s", said);
    cr_expect_str_empty(said);
}

Test(verify, damage_is_found_and_named)
{
    static const struct {
        void (*damage)(Fixture *);
        const char *says;
    } row[] = {
        {order, "does not come before it"},
        {numbering, "node 2 is numbered 3"},
        {arity, "relu with 0 operands"},
        {operand_gone, "operand 0 of relu"},
        {operand_foreign, "operand 0 of relu"},
        {attributes, "attributes of transpose"},
        {attributes_gone, "attributes of relu"},
        {shape_elementwise, "relu is f32 [N, 5], its rule says f32 [N, 3]"},
        {shape_batch, "relu is f32 [1, 3], its rule says f32 [N, 3]"},
        {shape_by_rule, "transpose is f32 [7, N], its rule says f32 [4, N]"},
        {dtype, "relu is i32 [N, 3], its rule says f32 [N, 3]"},
        {operand_dtype, "operands of sub"},
        {root_gone, "a root is not in the graph"},
        {loss_rank, "a loss of rank 2"},
        {metric_of_samples, "metric sums with a batch axis"},
        {kept_without_samples, "what is kept is not f32, batch first"},
        {assign_as_output, "an assign that is no root"},
        {assign_of_something_else, "a root that is none"},
        {assign_read, "an assign is read"},
        {assign_no_root, "1 assigns, 0 of them roots"},
        {assign_twice, "w is assigned twice"},
        {assign_index, "assign to w has index 1"},
    };
    for (int i = 0; i < COUNT(row); i++) {
        char said[4096];
        int status = status_after(row[i].damage, said, sizeof said);
        cr_expect_eq(status, 70, "row %d: status %d: %s", i, status, said);
        cr_expect(strstr(said, row[i].says), "row %d: no '%s' in: %s", i, row[i].says, said);
        cr_expect(strstr(said, "after fuse: "), "row %d: %s", i, said);
    }
}
