/* SPDX-License-Identifier: MIT */
/* Guards compiler/passes/decode.c and op attention_step: the graphs of the next positions, one or a chunk at a
 * time, give in the interpreter what the whole graph gives at those positions; what looks ahead is refused where
 * it stands. */
#include "rows_run.h"

enum { TOKENS = 6 };

#define MODEL(layers)                                                                              \
    "inputs: {x: {tokens: 5, shape: [6]}}\nlayers:\n  - embedding: {count: 5, dim: 4}\n" layers    \
    "generate: {}\n"

/* The same with another input. */
#define WITH(input, layers)                                                                        \
    "inputs: {x: {tokens: 5, shape: [6]}, " input                                                  \
    "}\nlayers:\n  - embedding: {count: 5, dim: 4, input: x, name: e}\n" layers "  - dense: 5\n"   \
    "generate: {}\n"

static Run with_tokens(Run run)
{
    for (int i = 0; i < TOKENS; i++)
        run.in[0][i] = (i * 3 + 1) % 5;
    return run;
}

/* What function encode leaves, as the emitted one does. */
static void encode(Run *run, const Graph *from)
{
    const Graph *g = decode_encoder(from);
    cr_assert_not_null(g, "%s", reports());
    InterpInput in = {.n = 1, .inputs = run->in, .vars = run->var};
    const Tensor *value = graph_interpret(g, &in, ctx.arena);
    for (int i = 0; i < g->roots.n; i++)
        memcpy(run->var[g->roots.at[i].index], value[i].data,
               sizeof(double) * (size_t)shape_count(&value[i].shape));
}

/* The scores of all positions, by the interpreter, fed in calls of `chunk` and, where that is 1, of one. */
static void check(const char *text, int64_t chunk, bool bounded)
{
    Run run = with_tokens(run_of(text, 1));
    const Graph *whole = model_scores(run.p);
    const Tensor *all = root_of(&run, whole, ROOT_output, 0);
    const Graph *g = decode_graph(whole, chunk > 1 ? FN_prefill : FN_step, chunk);
    cr_assert_not_null(g, "%s", reports());
    cr_assert_eq(run.p->generate.bounded, bounded);
    for (int i = 0; i < run.p->vars.n; i++)
        if (var_decodes(run.p->vars.at[i]))
            run.var[i] = calloc((size_t)shape_count(&run.p->vars.at[i]->shape), sizeof **run.var);
    cr_assert_leq(run.p->vars.n, RUN_MAX);
    encode(&run, whole);
    int64_t classes = run.p->generate.classes;
    for (int64_t at = 0; at < TOKENS; at += chunk)
        for (int64_t last = 0; last < chunk; last++) {
            double *tokens = run.in[0] + at;
            double *inputs[RUN_MAX] = {tokens, run.in[1], run.in[2]};
            InterpInput in = {.n = 1, .inputs = inputs, .vars = run.var, .at = at, .last = last};
            const Tensor *part = graph_interpret(g, &in, ctx.arena);
            for (int i = 0; g->roots.at[i].kind != ROOT_output; i++)
                part++; /* what states become */
            for (int64_t k = 0; k < classes; k++)
                cr_expect_float_eq(part->data[k], all->data[(at + last) * classes + k], 1e-9,
                                   "position %d, score %d: %g, not %g", (int)(at + last), (int)k,
                                   part->data[k], all->data[(at + last) * classes + k]);
        }
}

static const char attentions[] =
    MODEL("  - positional: learned\n  - positional: sinusoidal\n"
          "  - attention: {heads: 2, kv_heads: 1, bias: false, causal: true, positions: rope}\n"
          "  - attention: {heads: 2, bias: false, causal: true, positions: alibi}\n"
          "  - layernorm\n  - dense: {units: 5, bias: false}\n");

Test(decode, attention_by_steps_and_chunks)
{
    check(attentions, 1, true);
    check(attentions, 3, true);
    check(attentions, 6, true);
}

Test(decode, loops_keep_their_states)
{
    check(MODEL("  - lstm: {hidden: 3, layers: 2}\n  - dense: 5\n"), 1, false);
    check(MODEL("  - gru: 3\n  - rnn: 3\n  - dense: 5\n"), 1, false);
    check(MODEL("  - scan: {state: {h: 4}, body: [{add: {input: [input, h]}}, tanh]}\n"
                "  - dense: 5\n"),
          1, false);
}

Test(decode, what_other_inputs_give_is_made_once)
{
    static const char *const models[] = {
        WITH("z: {shape: [3, 4]}, n: {shape: []}",
             "  - transformer_encoder: {heads: 2, ffn: 5, lengths: n, input: z}\n"
             "  - transformer_decoder: {heads: 2, ffn: 5, causal: true, memory_lengths: n, "
             "input: [e, transformer_encoder_1]}\n"),
        WITH("z: {shape: [6, 4]}", "  - {name: s, expr: e + tanh(z)}\n"),
        WITH("z: {shape: [6, 4]}, n: {shape: []}",
             "  - lstm: {hidden: 2, layers: 2, bidirectional: true, lengths: n, input: z}\n"
             "  - gru: {hidden: 4, return: last}\n"
             "  - {name: s, expr: \"e + reshape(gru_1, shape=[1, 4])\"}\n"
             "  - attention: {heads: 2, input: [s, lstm_1, lstm_1]}\n"),
        WITH("z: {shape: [1, 4]}", "  - {name: s, expr: e * z}\n"),
        WITH("z: {tokens: 7, shape: [9]}",
             "  - embedding: {count: 7, dim: 4, input: z}\n"
             "  - attention: {heads: 1, input: [e, embedding_2, embedding_2]}\n")};
    for (int i = 0; i < COUNT(models); i++)
        for (int64_t chunk = 1; chunk <= 3; chunk++)
            if (chunk != 2)
                check(models[i], chunk, i < 2);
}

/* What a model is refused for, in one report. */
static void refused(const char *text, const char *where, const char *why)
{
    Run run = with_tokens(run_of(text, 1));
    cr_expect_null(decode_graph(model_scores(run.p), FN_step, 1));
    cr_expect(strstr(reports(), where) && strstr(reports(), why), "'%s' '%s': said\n%s", where, why,
              reports());
    cr_expect_eq(ctx.diag.errors, 1);
}

Test(decode, what_looks_ahead_is_refused)
{
    refused(MODEL("  - attention: 2\n  - dense: 5\n"), "4:5", "causal: true");
    refused(MODEL("  - lstm: {hidden: 3, bidirectional: true}\n  - dense: 5\n"), "4:5",
            "one direction");
    refused(
        MODEL("  - {name: s, expr: \"embedding_1 - mean(embedding_1, axis=1, keepdims=true)\"}\n"
              "  - dense: 5\n"),
        "4:36", "still to come");
    refused(MODEL("  - permute: {axes: [0, 2, 1]}\n  - dense: 6\n  - permute: {axes: [0, 2, 1]}\n"
                  "  - dense: 5\n"),
            "5:5", "still to come");
    refused(MODEL("  - reshape: {shape: [24]}\n  - dense: 30\n  - reshape: {shape: [6, 5]}\n"),
            "6:5", "still to come");
    refused(
        WITH("z: {shape: [6, 4]}", "  - attention: {heads: 2, causal: true, input: [e, z, z]}\n"),
        "4:5", "positions of its keys");
    refused(WITH("n: {shape: []}", "  - attention: {heads: 2, causal: true, lengths: n}\n"), "4:5",
            "has lengths");
}
