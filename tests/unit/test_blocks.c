/* SPDX-License-Identifier: MIT */
/* test_blocks.c: guards blocks.c: arguments and scopes, copies and their weights' names, nesting,
 * cycles, and blocks that would expand for ever.
 */
#include "frontend_read.h"

TestSuite(blocks, .timeout = 30);

static char *model_of(const char *blocks, const char *layers)
{
    char *text = malloc(strlen(blocks) + strlen(layers) + 200);
    sprintf(text,
            "vars: {wide: 6}\ninputs: {x: {shape: [4]}, mask: {shape: [4]}}\nblocks:\n%slayers:\n"
            "  - {expr: x * mask}\n%s",
            blocks, layers);
    return text;
}

static const Program *good(const char *blocks, const char *layers)
{
    return good_model(model_of(blocks, layers));
}

static void wrong(const char *blocks, const char *layers, const char *expected)
{
    wrong_model(model_of(blocks, layers), expected);
}

/* All variables' names, with blanks between. */
static const char *names(const Program *p)
{
    Str s = str_new(ctx.arena);
    for (int i = 0; i < p->vars.n; i++)
        str_add(&s, "%s%s", i ? " " : "", p->vars.at[i]->name);
    return s.n ? s.at : "";
}

static const char *const res = "  res:\n    args: {width: 8, act: relu}\n    layers:\n"
                               "      - dense: {units: $width, activation: $act, bias: false}\n"
                               "      - dense: {units: 4, bias: false, name: down}\n"
                               "      - {expr: input + down}\n";

Test(blocks, names_of_weights)
{
    cr_assert_str_eq(names(good(res, "  - res: {name: h}\n")), "h.dense_1.weight h.down.weight");
    cr_assert_str_eq(names(good(res, "  - res: {name: h, repeat: 1}\n")),
                     "h.0.dense_1.weight h.0.down.weight");
    cr_assert_str_eq(
        names(good(res, "  - res: {repeat: 2}\n")),
        "res_1.0.dense_1.weight res_1.0.down.weight res_1.1.dense_1.weight res_1.1.down.weight");
    cr_assert_str_eq(
        names(good(res, "  - res\n  - res\n")),
        "res_1.dense_1.weight res_1.down.weight res_2.dense_1.weight res_2.down.weight");
}

Test(blocks, arguments)
{
    cr_assert_eq(good(res, "  - res\n")->vars.at[0]->shape.dim[0], 8);
    cr_assert_eq(good(res, "  - res: 16\n")->vars.at[0]->shape.dim[0], 16);
    cr_assert_eq(good(res, "  - res: {width: $wide * 2}\n")->vars.at[0]->shape.dim[0], 12);
    good(res, "  - res: {act: {leaky_relu: 0.2}}\n");
    good(res, "  - res: {act: tanh}\n");
}

Test(blocks, arguments_are_of_the_caller)
{
    static const char *const both =
        "  in:\n    args: {width: 3}\n    layers: [{dense: $width}]\n"
        "  out:\n    args: {width: 5}\n    layers: [{in: {width: $width + 1}}, {in: {}}]\n";
    const Program *p = good(both, "  - out\n");
    cr_assert_str_eq(names(p),
                     "out_1.in_1.dense_1.weight out_1.in_1.dense_1.bias out_1.in_2.dense_1.weight "
                     "out_1.in_2.dense_1.bias");
    cr_assert_eq(p->vars.at[0]->shape.dim[0], 6);
    cr_assert_eq(p->vars.at[2]->shape.dim[0], 3);
}

Test(blocks, defaults_may_use_what_stands_before)
{
    static const char *const block =
        "  b:\n    args: {n: $wide, m: $n * 2}\n    layers: [{dense: $m}]\n";
    cr_assert_eq(good(block, "  - b\n")->vars.at[0]->shape.dim[0], 12);
    cr_assert_eq(good(block, "  - b: 2\n")->vars.at[0]->shape.dim[0], 4);
}

Test(blocks, copies_feed_each_other)
{
    Program *p = good_model(model_of(res, "  - res: {repeat: 3, name: h}\n"));
    const Node *node = graph_find_root(model_graph(p, FN_predict), ROOT_output, 0);
    for (int i = 2; i >= 0; i--) {
        char name[40];
        sprintf(name, "h.%d.down", i);
        cr_assert_eq(node->op, OP_add);
        cr_assert_str_eq(node->in[1]->name, name);
        node = node->in[0];
    }
    cr_assert_str_eq(node->name, "expr_1");
}

Test(blocks, values)
{
    Program *p = good_model(
        model_of(res, "  - res: {name: h, activation: tanh}\n  - {name: e, expr: h * 2}\n"));
    const Node *e = graph_find_root(model_graph(p, FN_predict), ROOT_output, 0);
    cr_assert_eq(e->in[0]->op, OP_tanh);
    cr_assert_str_eq(e->in[0]->name, "h");
}

Test(blocks, shared_frozen_init)
{
    const Program *p =
        good(res, "  - res: {name: a, init: ones, frozen: true}\n  - res: {name: b, shared: a}\n");
    cr_assert_str_eq(names(p), "a.dense_1.weight a.down.weight");
    cr_assert(p->vars.at[0]->frozen);
    cr_assert_eq(p->vars.at[1]->init.a, 1);
    p = good(res, "  - res: {name: a, repeat: 2}\n  - res: {name: b, shared: a, repeat: 2}\n");
    cr_assert_eq(p->vars.n, 4);
    wrong(res, "  - res: {name: a}\n  - res: {name: b, shared: a, repeat: 2}\n",
          "'a.0.dense_1' has no weight 'weight'");
    wrong(res, "  - res: {name: a}\n  - res: {name: b, shared: a, width: 9}\n", "has shape [8, 4]");
}

Test(blocks, activation_with_weights)
{
    cr_assert_str_eq(
        names(good("  b: {layers: [relu]}\n", "  - b: {repeat: 2, name: h, activation: prelu}\n")),
        "h.0.prelu.weight h.1.prelu.weight");
}

Test(blocks, what_is_seen_inside)
{
    good("  b: {layers: [{expr: input + mask}]}\n", "  - b\n"); /* the model's inputs */
    wrong("  b: {layers: [{expr: input + fc}]}\n", "  - dense: {units: 4, name: fc}\n  - b\n",
          "in block 'b' is called 'fc'");
    wrong("  b: {layers: [{relu: {name: r}}]}\n", "  - b\n  - relu: {input: r}\n", "is called 'r'");
    wrong("  b: {layers: [{relu: {name: input}}]}\n", "  - b\n", "no layer may be called so");
}

Test(blocks, a_model_input_called_input)
{
    good_model("inputs: {input: {shape: [4]}}\nblocks: {b: {layers: [{expr: input * 2}]}}\n"
               "layers:\n  - {expr: input + 1}\n  - b\n");
}

Test(blocks, wrong)
{
    wrong(res, "  - res: {wdith: 3}\n", "did you mean 'width'?");
    wrong(res, "  - res: {width: many}\n", "saw 'many'");
    wrong(res, "  - res: {repeat: 0}\n", "repeat: 0 is out of range");
    wrong(res, "  - res: {repeat: -1}\n", "repeat: -1 is out of range");
    wrong(res, "  - res: {repeat: 1.5}\n", "whole number");
    wrong(res, "  - res: {repeat: 65537}\n", "out of range");
    wrong(res, "  - res: {input: [x, mask]}\n", "takes one input");
    wrong(res, "  - res: {name: [a, b]}\n", "gives one value");
    wrong("  b: {args: {name: 1}, layers: [relu]}\n", "  - b\n", "an argument needs another name");
    wrong("  b: {args: [n], layers: [relu]}\n", "  - b\n", "expected a map of arguments");
    wrong("  b: {args: {n: }, layers: [{dense: $n}]}\n", "  - b\n", "'n' is missing");
    wrong("  b: {layers: []}\n", "  - b\n", "an empty list");
    wrong("  b: {layer: [relu]}\n", "  - b\n", "did you mean 'layers'?");
    wrong("  b: [relu]\n", "  - b\n", "saw a list");
    wrong("  relu: {layers: [tanh]}\n", "  - relu\n", "has the name of a layer");
    wrong("  b: {layers: [relu]}\n", "  - b: 3\n", "takes no argument");
    wrong("  b: {layers: [{split: {axis: 1, sizes: [2, 2], name: [p, q]}}]}\n", "  - b\n",
          "a block gives one");
}

Test(blocks, mistakes_inside_are_reported_once)
{
    cr_assert_null(read_model(
        model_of("  b: {layers: [{dense: many}]}\n", "  - b: {repeat: 9}\n  - b\n  - b\n")));
    cr_assert_eq(ctx.diag.errors, 1, "%s", reports());
}

Test(blocks, unused_inside)
{
    cr_assert_null(read_model(
        model_of("  b: {layers: [{dense: 3}, {relu: {input: input}}]}\n", "  - b: {repeat: 9}\n")));
    cr_assert_eq(ctx.diag.errors, 1, "%s", reports());
    cr_assert_not_null(strstr(reports(), "'dense_1' is not used"), "%s", reports());
}

Test(blocks, unused_block_is_a_warning)
{
    good("  b: {layers: [relu]}\n", "  - relu\n");
    cr_assert_eq(ctx.diag.warnings, 1, "%s", reports());
}

Test(blocks, cycles)
{
    wrong("  a: {layers: [a]}\n", "  - a\n", "'a' is part of itself");
    wrong("  a: {layers: [b]}\n  b: {layers: [{c: {}}]}\n  c: {layers: [relu, a]}\n", "  - relu\n",
          "is part of itself");
    wrong("  a: {args: {k: a}, layers: [$k]}\n", "  - a\n", "nested deeper than 64");
}

/* Blocks b0 to b(n-1), each `uses` times the next; the last a relu. */
static char *chain(int n, int uses)
{
    char *text = malloc((size_t)n * 64 + 64 * (size_t)uses), *p = text;
    for (int i = 0; i < n; i++) {
        p += sprintf(p, "  b%d: {layers: [", i);
        for (int k = 0; k < (i + 1 < n ? uses : 1); k++)
            p += i + 1 < n ? sprintf(p, "%sb%d", k ? ", " : "", i + 1) : sprintf(p, "relu");
        p += sprintf(p, "]}\n");
    }
    return text;
}

Test(blocks, nesting)
{
    good(chain(BLOCKS_NESTED_MAX, 1), "  - b0\n");
    wrong(chain(BLOCKS_NESTED_MAX + 1, 1), "  - b0\n", "nested deeper than 64");
    wrong(chain(10000, 1), "  - b0\n", "nested deeper than 64");
}

Test(blocks, explosion)
{
    wrong(chain(60, 2), "  - b0\n", "more than 65536 layers");
    wrong(chain(30, 10), "  - b0: {repeat: 65536}\n", "more than 65536 layers");
}

Test(blocks, long_arguments_are_refused)
{
    Str s = str_new(start("", 0)->arena);
    str_add(&s, "  - b: {n: [");
    for (int i = 0; i < 1000; i++)
        str_add(&s, "1, ");
    str_add(&s, "1]}\n");
    wrong("  b: {args: {n: 1}, layers: [relu]}\n", strdup(s.at), "too many values");
}
