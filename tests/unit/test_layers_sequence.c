/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/layers_sequence.c, layers_attention.c and layers_transformer.c: numbers worked
 * out apart from them, gradients against differences, weights' names, what is said of wrong arguments.
 * tests/torch/cases_sequence.py compares them with PyTorch. */
#include "rows_run.h"

#define WRONG(shape, layers, expected) wrong_model(model_of(shape, layers), expected)

static const char *tokens_model(const char *layers)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "model: m\ninputs: {x: {tokens: 5, shape: [3]}}\nlayers:\n%s  - identity: {name: "
             "last}\noutputs: "
             "{y: last}\nloss: mean(last * last * last + last)\ntrain: {optimizer: adam}\n",
             layers);
    return text;
}

Test(sequence, embedding)
{
    Run run = run_of(tokens_model("  - embedding: {count: 5, dim: 2, name: e}\n"), 2);
    SET(&run, 0, 4, 0, 4, 1, 1, 3);
    const double *w = run.var[var_index(&run, "e.weight")];
    const Tensor *y = output_of(&run);
    expect_shape(y, "[2, 3, 2]");
    for (int p = 0; p < 6; p++)
        for (int j = 0; j < 2; j++)
            cr_expect_eq(y->data[2 * p + j], w[2 * (int)run.in[0][p] + j]);
    check_gradients(&run);
    cr_expect(run.p->inputs.at[0].looked_up);
    wrong_model(tokens_model("  - embedding: {count: 4, dim: 2}\n"),
                "'x' has 5 tokens, the table only 4");
    WRONG("[3]", "  - embedding: {count: 4, dim: 2}\n", "holds no tokens");
    WRONG("[3]", "  - embedding: {count: 4}\n", "'dim' is missing");
}

Test(sequence, positional)
{
    Run run = run_of(model_of("[3, 5]", "  - positional\n  - positional: {kind: sinusoidal}\n"), 2);
    const double *w = run.var[var_index(&run, "positional_1.weight")];
    const Tensor *y = output_of(&run);
    for (int i = 0; i < 30; i++) {
        int t = i / 5 % 3, d = i % 5;
        double angle = t / pow(10000, d / 2 * 2 / 5.0), wave = d % 2 ? cos(angle) : sin(angle);
        cr_expect_float_eq(y->data[i], run.in[0][i] + w[i % 15] + wave, 1e-12);
    }
    check_gradients(&run);
    WRONG("[3]", "  - positional\n", "takes [N, T, dim]");
    WRONG("[3, 5]", "  - positional: {length: 2}\n", "length is 2, the input has 3 positions");
}

/* One head, one query a key: worked out by hand. */
Test(sequence, attention_of_one_head)
{
    Run run = run_of(model_of("[3, 2]", "  - attention: {heads: 1, causal: true, name: a}\n"), 2);
    const double *w = run.var[var_index(&run, "a.in_proj_weight")];
    const double *b = run.var[var_index(&run, "a.in_proj_bias")];
    const double *out = run.var[var_index(&run, "a.out_proj.weight")];
    const double *shift = run.var[var_index(&run, "a.out_proj.bias")];
    const Tensor *y = output_of(&run);
    for (int s = 0; s < 2; s++) {
        double qkv[3][6];
        for (int t = 0; t < 3; t++)
            for (int r = 0; r < 6; r++)
                qkv[t][r] = b[r] + w[2 * r] * run.in[0][6 * s + 2 * t] +
                            w[2 * r + 1] * run.in[0][6 * s + 2 * t + 1];
        for (int t = 0; t < 3; t++) {
            double sum = 0, value[2] = {0};
            for (int j = 0; j <= t; j++) {
                double p = exp((qkv[t][0] * qkv[j][2] + qkv[t][1] * qkv[j][3]) / sqrt(2));
                sum += p;
                value[0] += p * qkv[j][4];
                value[1] += p * qkv[j][5];
            }
            for (int r = 0; r < 2; r++)
                cr_expect_float_eq(
                    y->data[6 * s + 2 * t + r],
                    shift[r] + (out[2 * r] * value[0] + out[2 * r + 1] * value[1]) / sum, 1e-12);
        }
    }
    check_gradients(&run);
}

/* So few positions are loops, so many the op: both differentiate, and agree in what no query sees. */
Test(sequence, attention_by_loops_and_whole)
{
    static const char *const lengths[] = {"5", "16"};
    for (int i = 0; i < COUNT(lengths); i++) {
        char shape[32];
        snprintf(shape, sizeof shape, "[%s, 4]", lengths[i]);
        Run run = run_of(model_of(shape, "  - {name: n, expr: \"sum(x, axis=1)[:, 0:1] * 0 + 3\"}\n"
                                         "  - attention: {heads: 2, kv_heads: 1, positions: alibi, "
                                         "dropout: 0.5, lengths: n, name: a, input: x}\n"),
                         2);
        cr_expect_eq(graph_of(&run, FN_predict)->nodes.n > 0, true);
        check_gradients(&run);
        double before = loss_of(&run);
        int length = i ? 16 : 5; /* a key past the length: only its own query changes */
        run.in[0][4 * (length - 1)] += 0.25;
        const Tensor *y = output_of(&run);
        double first = y->data[0];
        run.in[0][4 * (length - 1)] -= 0.25;
        cr_expect_float_eq(output_of(&run)->data[0], first, 1e-12);
        cr_expect_float_eq(loss_of(&run), before, 1e-12);
    }
}

Test(sequence, transformers)
{
    Run run =
        run_of(model_of("[3, 4]",
                        "  - transformer_encoder: {heads: 2, ffn: 5, activation: tanh, norm: pre, "
                        "dropout: 0.25, name: t}\n"),
               2);
    check_gradients(&run);
    var_index(&run, "t.layers.0.self_attn.in_proj_weight");
    var_index(&run, "t.layers.0.linear1.bias");
    var_index(&run, "t.layers.0.norm2.weight");
    WRONG("[3, 4]", "  - transformer_encoder: {heads: 3, ffn: 5}\n", "do not divide");
    WRONG("[3, 4]", "  - transformer_encoder: {heads: 2, ffn: 5, layers: 0}\n", "out of range");
    WRONG("[3, 4]", "  - transformer_decoder: {heads: 2}\n", "takes 2 operands");
    WRONG("[3, 4]", "  - attention: {heads: 4, positions: rope}\n", "a head of width 1 is odd");
}
