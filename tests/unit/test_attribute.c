/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/attribute.c and compiler/passes/attribute.c: what can be explained and by what, that the
 * score is before a softmax, and that its gradients are those of its value in double. */
#include "frontend_read.h"
#include "passes/passes.h"

#define INPUTS "model: m\ninputs: {x: {shape: [1, 8, 8]}, kind: {classes: 3}}\n"

static Program *model_of(const char *layers)
{
    return good_model(arena_format(arena_new(), INPUTS "%s", layers));
}

static Graph *attributes(Program *p)
{
    Graph *g = model_graph(p, FN_attribute);
    cr_assert_not_null(g, "%s", reports());
    return g;
}

static const char maps[] = "blocks:\n"
                           "  pair:\n"
                           "    layers:\n"
                           "      - conv2d: {out: 2, kernel: 3, padding: 1, name: conv}\n"
                           "      - relu: {name: act}\n"
                           "layers:\n"
                           "  - conv2d: {out: 2, kernel: 3, padding: 1}\n"
                           "  - pair: {repeat: 2, name: deep}\n"
                           "  - maxpool2d: {kernel: 2, name: pooled}\n"
                           "  - maxpool2d: 4\n"
                           "  - flatten\n"
                           "  - embedding: {count: 3, dim: 2, input: kind, name: table}\n"
                           "  - concat: {input: [flatten_1, table], axis: 1}\n"
                           "  - dense: {units: 3, name: logits}\n"
                           "outputs: {probs: softmax(logits)}\n";

Test(attribute, inputs_tokens_and_layers_are_listed)
{
    static const struct {
        AttributeKind kind;
        const char *name, *layer;
    } wanted[] = {{ATTRIBUTE_scores, "scores", NULL},
                  {ATTRIBUTE_input, "d_x", NULL},
                  {ATTRIBUTE_tokens, "tokens_kind", NULL},
                  {ATTRIBUTE_norms, "norms_kind", NULL},
                  {ATTRIBUTE_layer, "cam_conv2d_1", "conv2d_1"},
                  {ATTRIBUTE_layer, "cam_deep", "deep"},
                  {ATTRIBUTE_layer, "cam_deep_0_conv", "deep.0.conv"},
                  {ATTRIBUTE_layer, "cam_deep_1_conv", "deep.1.conv"},
                  {ATTRIBUTE_layer, "cam_pooled", "pooled"}};
    Program *p = model_of(maps);
    attributes(p);
    cr_assert_eq(p->attributions.n, COUNT(wanted));
    for (int i = 0; i < COUNT(wanted); i++) {
        const Attribution *a = &p->attributions.at[i];
        cr_expect_eq(a->kind, wanted[i].kind, "%d", i);
        cr_expect_str_eq(a->name, wanted[i].name);
        cr_expect((a->layer == NULL) == (wanted[i].layer == NULL));
        cr_expect(!a->layer || strcmp(a->layer, wanted[i].layer) == 0, "%s", a->layer);
        cr_expect_eq(a->by_default, strcmp(a->name, "cam_deep") == 0, "%s", a->name);
    }
}

Test(attribute, the_score_is_before_a_softmax_or_sigmoid)
{
    static const char *const outputs[] = {"softmax(logits)", "log_softmax(logits)",
                                          "sigmoid(logits)", "logits"};
    for (int i = 0; i < COUNT(outputs); i++) {
        Program *p =
            model_of(arena_format(arena_new(),
                                  "layers: [flatten: {input: x}, dense: {units: 3, name: logits}]\n"
                                  "outputs: {o: %s, other: kind}\n",
                                  outputs[i]));
        const Node *y = graph_find_root(attributes(p), ROOT_output, 0);
        cr_expect_str_eq(y->name ? y->name : "", "logits", "%s", outputs[i]);
    }
}

Test(attribute, classes_of_more_axes_are_summed)
{
    Program *p = model_of("layers: [conv2d: {out: 5, kernel: 1, input: x, name: c}]\n"
                          "outputs: {o: \"softmax(c, axis=1)\", other: kind}\n");
    const Node *y = graph_find_root(attributes(p), ROOT_output, 0);
    cr_expect_eq(y->shape.rank, 2);
    cr_expect_eq(y->shape.dim[1], 5);
}

Test(attribute, what_has_no_gradient_is_not_listed)
{
    Program *p = model_of("layers: [flatten: {input: x}, {name: y, expr: flatten_1 > 0}]\noutputs: "
                          "{o: y, other: kind}\n");
    attributes(p);
    cr_expect_eq(p->attributions.n, 1);
}

/* A value of each variable and input: no two alike, without order. */
static double *numbers(int64_t n, double phase)
{
    double *at = malloc(sizeof *at * (size_t)(n + 1));
    for (int64_t i = 0; i < n; i++)
        at[i] = ((double)((i * 7919 + 13) % 101) / 101 - 0.5 + phase) / 2;
    return at;
}

Test(attribute, gradients_agree_with_differences)
{
    Program *p = model_of(maps);
    Graph *g = p->fn[FN_attribute] = attributes(p);
    double **vars = malloc(sizeof *vars * (size_t)(p->vars.n + 1));
    for (int i = 0; i < p->vars.n; i++)
        vars[i] = numbers(shape_count(&p->vars.at[i]->shape), 0.03 * i);
    double kind[2] = {2, 0}, *x = numbers(128, 0.1), *inputs[2] = {x, kind};
    InterpInput run = {.n = 2, .inputs = inputs, .vars = vars, .chosen = 1};
    pass_autodiff(g);
    graph_verify(g, "autodiff");
    const Tensor *at = graph_interpret(g, &run, ctx.arena);
    for (int k = 0; k < 128; k += 5) {
        double eps = 1e-6, old = x[k];
        x[k] = old + eps;
        double above = graph_interpret(g, &run, ctx.arena)[0].data[k / 64 * 3 + 1];
        x[k] = old - eps;
        double below = graph_interpret(g, &run, ctx.arena)[0].data[k / 64 * 3 + 1];
        x[k] = old;
        cr_expect_float_eq(at[1].data[k], (above - below) / (2 * eps), 1e-7, "%d", k);
    }
    for (int i = 0; i < 64; i++) /* Grad-CAM is nowhere below 0 */
        cr_expect_geq(at[4].data[i], 0);
    cr_expect_eq(at[8].shape.rank, 3);
    cr_expect_eq(at[8].shape.dim[1], 4);
}
