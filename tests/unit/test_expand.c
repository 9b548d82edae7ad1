/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/expand.c: which products become loops, what stays a product, and that no
 * value and no name changes.
 */
#include "pass_check.h"
#include "targets/targets.h"

Test(expand, random_models)
{
    check_random_models(pass_expand, "expand", 200);
}

static int products(const Graph *g)
{
    return count_ops(g, OP_matmul) + count_ops(g, OP_conv) + count_ops(g, OP_conv_weight);
}

/* The output "y" after the pass, whose products have become loops, or not. */
static Node *expand(Fixture *f, Node *y, bool loops, const char *label)
{
    cr_assert_not_null(y, "%s: %s", label, fixture_said(f));
    y->name = "y";
    y->role = ROLE_loss;
    y->loc.line = 17;
    y->what = "it";
    graph_root(f->g, ROOT_output, 0, y);
    graph_sort(f->g);
    int before = products(f->g);
    expect_same_values(f, pass_expand, label);
    cr_expect_eq(products(f->g), loops ? 0 : before, "%s", label);
    Node *root = f->g->roots.at[0].node;
    cr_expect_str_eq(root->name, "y");
    cr_expect_str_eq(root->what, "it");
    cr_expect(root->role == ROLE_loss && root->loc.line == 17);
    return root;
}

/* --- matmul ----------------------------------------------------------------------------------- */

static void matmul(Shape a, Shape b, bool loops)
{
    Fixture *f = fixture_new(FN_predict);
    Node *x = random_input(f, a, -1, 1), *w = random_input(f, b, -1, 1);
    expand(f, build_matmul(f->g, x, w), loops, "matmul");
    fixture_free(f);
}

Test(expand, matmul)
{
    matmul(SHAPE(0, 1, 16), SHAPE(-1, 16, 16), true);
    matmul(SHAPE(0, 1, 16), SHAPE(-1, 16, 17), false);
    matmul(SHAPE(0, 1, 4, 8), SHAPE(-1, 8, 8), true);
    matmul(SHAPE(0, 1, 5, 8), SHAPE(-1, 8, 8), false);
    matmul(SHAPE(1, 3, 1, 2), SHAPE(-1, 2, 4), true);
    matmul(SHAPE(-1, 2, 1, 2, 3), SHAPE(-1, 3, 3, 2), true);
    matmul(SHAPE(1, 4, 1), SHAPE(0, 1, 4), true); /* summed over the batch */
    matmul(SHAPE(-1, 1, 1, 1, 1, 1, 2, 3), SHAPE(-1, 3, 2), true);
    matmul(SHAPE(-1, 1, 1, 1, 1, 1, 1, 2, 3), SHAPE(-1, 3, 2), false); /* too many axes */
}

/* --- convolutions ----------------------------------------------------------------------------- */

typedef struct Case {
    int spatial;
    int64_t length, size, stride, dilation;
    int64_t channels, groups, out;
    bool loops;
} Case;

static const Case cases[] = {
    /* depthwise: a channel each, or several */
    {1, 20, 3, 1, 1, 24, 24, 24, true},
    {2, 8, 3, 1, 1, 16, 16, 16, true},
    {2, 9, 3, 2, 1, 16, 16, 16, true},
    {2, 9, 3, 1, 2, 16, 16, 48, true},
    {2, 8, 2, 2, 1, 16, 16, 32, true}, /* windows that tile */
    {3, 5, 3, 1, 1, 12, 12, 12, true},
    {3, 5, 3, 1, 1, 12, 12, 24, false}, /* needs nine axes */
    /* few multiplications */
    {1, 10, 3, 1, 1, 2, 1, 4, true},  /* 192 */
    {1, 13, 3, 1, 1, 2, 1, 4, false}, /* 264 */
    {2, 4, 2, 2, 1, 2, 1, 8, true},   /* 256 */
    {2, 4, 2, 1, 1, 2, 1, 3, true},   /* 216 */
    {2, 4, 2, 1, 1, 2, 1, 4, false},  /* 288 */
    {2, 4, 3, 1, 1, 1, 1, 3, true},
    {3, 2, 2, 1, 1, 1, 1, 1, false}, /* nine axes */
    /* neither */
    {2, 6, 3, 1, 1, 1, 1, 16, false}, /* one channel is no depthwise convolution */
    {2, 6, 3, 1, 1, 16, 4, 16, false},
    {2, 3, 2, 1, 1, 4, 2, 4, false}, /* small, in groups */
};

static Taps taps_of(const Case *c)
{
    Taps t = {.groups = c->groups};
    for (int i = 0; i < c->spatial; i++) {
        t.size[i] = c->size;
        t.stride[i] = c->stride;
        t.dilation[i] = c->dilation;
    }
    return t;
}

/* [N, length.., channels]. */
static Shape image(const Case *c, int64_t length, int64_t channels)
{
    Shape s = {.rank = 2 + c->spatial, .batch = 0, .dim = {1}};
    for (int i = 0; i < c->spatial; i++)
        s.dim[1 + i] = length;
    s.dim[1 + c->spatial] = channels;
    return s;
}

static Shape weight(const Case *c)
{
    Shape s = {.rank = 2 + c->spatial, .batch = -1};
    for (int i = 0; i < c->spatial; i++)
        s.dim[i] = c->size;
    s.dim[c->spatial] = c->channels / c->groups;
    s.dim[c->spatial + 1] = c->out;
    return s;
}

Test(expand, conv)
{
    for (int i = 0; i < COUNT(cases); i++) {
        const Case *c = &cases[i];
        Fixture *f = fixture_new(FN_predict);
        Taps t = taps_of(c);
        Node *x = random_input(f, image(c, c->length, c->channels), -1, 1);
        Node *w = build_var(f->g, random_var(f, "w", VAR_weight, weight(c)));
        const char *label = arena_format(f->ctx.arena, "case %d", i);
        Node *y = expand(f, build_conv(f->g, x, w, &t), c->loops, label);
        /* The channels come last also where they are summed. */
        for (int k = 0; c->loops && k < f->g->nodes.n; k++) {
            const Node *sum = f->g->nodes.at[k];
            if (sum->op == OP_reduce_sum)
                cr_expect_gt(sum->shape.dim[sum->shape.rank - 1], 1 - (c->out == 1), "%s", label);
        }
        cr_expect_eq(y->shape.dim[c->spatial + 1], c->out);
        fixture_free(f);
    }
}

/* With a target, whole vectors of channels that stand alone have a template. */
Test(expand, depthwise_template)
{
    static const struct {
        int64_t channels, out, dilation;
        bool stays;
    } of[] = {{32, 32, 1, true}, {24, 24, 1, false}, {32, 64, 1, false}, {32, 32, 2, false}};
    for (int i = 0; i < COUNT(of); i++) {
        Fixture *f = fixture_new(FN_predict);
        f->p->target = target_find("x86-64-v4");
        Case c = {2, 9, 3, 1, of[i].dilation, of[i].channels, of[i].channels, of[i].out, true};
        Taps t = taps_of(&c);
        Node *x = random_input(f, image(&c, c.length, c.channels), -1, 1);
        Node *w = build_var(f->g, random_var(f, "w", VAR_weight, weight(&c)));
        expand(f, build_conv(f->g, x, w, &t), !of[i].stays, "depthwise");
        fixture_free(f);
    }
}

Test(expand, conv_weight)
{
    for (int i = 0; i < COUNT(cases); i++) {
        const Case *c = &cases[i];
        Fixture *f = fixture_new(FN_predict);
        Taps t = taps_of(c);
        int64_t windows = (c->length - (c->size - 1) * c->dilation - 1) / c->stride + 1;
        Node *x = random_input(f, image(c, c->length, c->channels), -1, 1);
        Node *dy = random_input(f, image(c, windows, c->out), -1, 1);
        expand(f, build_conv_weight(f->g, x, dy, &t), c->loops,
               arena_format(f->ctx.arena, "case %d", i));
        fixture_free(f);
    }
}

/* A batch that is not one sample a row: [2N, ..]. */
Test(expand, rows_of_samples)
{
    Fixture *f = fixture_new(FN_predict);
    Taps t = {.size = {3}, .stride = {1}, .dilation = {1}, .groups = 4};
    Node *x = random_input(f, SHAPE(0, 2, 7, 4), -1, 1);
    Node *w = build_var(f->g, random_var(f, "w", VAR_weight, SHAPE(-1, 3, 1, 8)));
    Node *y = build_conv(f->g, x, w, &t);
    expand(f, build_conv_weight(f->g, x, y, &t), true, "2N");
    fixture_free(f);
}
