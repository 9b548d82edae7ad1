/* SPDX-License-Identifier: MIT */
/* generate.c: `generate:`: which input holds the tokens so far, which value scores the next one, and how it is
 * chosen where a call does not say. */
#include "builder.h"
#include "rows.h"

#include <string.h>

enum { LOGITS, INPUT, TOKENS, TEMPERATURE, TOP_K, TOP_P, SEED, START, END, BEAM, LENGTH_PENALTY };

enum { BEAM_MAX = 64 }; /* NNRT_BEAM_MAX of nnrt.h */

static const ArgRow args[] = {TAKES("logits", yaml, ""),
                              TAKES("input", word, ""),
                              TAKES("tokens", int, "200"),
                              TAKES("temperature", real, "1"),
                              TAKES("top_k", int, "0"),
                              TAKES("top_p", real, "1"),
                              TAKES("seed", int, "1"),
                              TAKES("start", int, ""),
                              TAKES("end", int, ""),
                              TAKES("beam", int, "1"),
                              TAKES("length_penalty", real, "0.6"),
                              NOTHING};

static bool is_sequence(const Input *in)
{
    return in->classes > 0 && in->shape.rank == 2 && in->dtype == DT_i32;
}

/* The input that is named, or the first whose samples are tokens; -1 after a report. */
static int find_input(const Model *m, const Arg *named, Loc loc)
{
    const Program *p = m->program;
    for (int i = 0; i < p->inputs.n; i++) {
        const Input *in = &p->inputs.at[i];
        if (named->given ? strcmp(in->name, named->s) != 0 : !is_sequence(in))
            continue;
        if (is_sequence(in))
            return i;
        diag_error(&m->ctx->diag, named->loc,
                   "generate: input '%s' is no sequence of tokens: it wants "
                   "'tokens' and one axis",
                   in->name);
        return -1;
    }
    if (named->given)
        diag_error(&m->ctx->diag, named->loc, "generate: there is no input '%s'", named->s);
    else
        diag_error(&m->ctx->diag, loc,
                   "generate: the model has no input that is a sequence of tokens, as "
                   "{tokens: 65, shape: [128]}");
    return -1;
}

static bool within(const Model *m, const Arg *a, const char *name, bool good, const char *wanted)
{
    if (!good)
        diag_error(&m->ctx->diag, a->loc, "generate: %s is out of range: %s", name, wanted);
    return good;
}

/* A token, or -1, which is not written. */
static bool is_token(const Model *m, const Arg *a, const char *name, int64_t classes)
{
    return within(m, a, name, !a->given || (a->i >= 0 && a->i < classes),
                  arena_format(m->ctx->arena, "tokens are 0 to %lld", (long long)classes - 1));
}

static bool search_read(const Model *m, const Arg *a, Generate *g)
{
    g->start = a[START].given ? a[START].i : -1;
    g->end = a[END].given ? a[END].i : -1;
    g->beam = a[BEAM].i;
    g->length_penalty = a[LENGTH_PENALTY].r;
    return is_token(m, &a[START], "start", g->classes) && is_token(m, &a[END], "end", g->classes) &&
           within(m, &a[BEAM], "beam", g->beam >= 1 && g->beam <= BEAM_MAX,
                  arena_format(m->ctx->arena, "1 to %d sequences", BEAM_MAX)) &&
           within(m, &a[LENGTH_PENALTY], "length_penalty",
                  g->length_penalty >= 0 && g->length_penalty <= 10, "0 (none) to 10");
}

void generate_read(Model *m, const Y *root)
{
    Generate *g = &m->program->generate;
    const Y *y = y_get(root, "generate");
    Arg a[ARGS_MAX];
    if (!y)
        return;
    Loc loc = y->loc;
    for (int i = 0; i < root->pairs.n; i++)
        if (root->pairs.at[i].value == y)
            loc = root->pairs.at[i].key->loc;
    *g = (Generate){.loc = loc, .input = -1, .start = -1, .end = -1, .beam = 1};
    if (!args_read(m->ctx, &m->vars, "generate", loc, args, y, NULL, 0, a) ||
        (g->input = find_input(m, &a[INPUT], loc)) < 0)
        return;
    const Input *in = &m->program->inputs.at[g->input];
    g->classes = in->classes;
    g->given =
        within(m, &a[TOKENS], "tokens", a[TOKENS].i >= 1, "1 and more") &&
        within(m, &a[TEMPERATURE], "temperature", a[TEMPERATURE].r >= 0 && a[TEMPERATURE].r <= 1e6,
               "0 (the likeliest) and more") &&
        within(m, &a[TOP_K], "top_k", a[TOP_K].i >= 0, "0 (all) and more") &&
        within(m, &a[TOP_P], "top_p", a[TOP_P].r > 0 && a[TOP_P].r <= 1, "above 0, up to 1") &&
        within(m, &a[SEED], "seed", a[SEED].i >= 0, "0 and more") && search_read(m, a, g);
    m->scores = a[LOGITS].given ? a[LOGITS].y : NULL;
    g->length = in->shape.dim[1];
    g->tokens = a[TOKENS].i;
    g->temperature = a[TEMPERATURE].r;
    g->top_k = a[TOP_K].i;
    g->top_p = a[TOP_P].r;
    g->seed = (uint64_t)a[SEED].i;
}

/* Reports scores that are none of the next token at each position. */
static bool scores_fit(Builder *b, const Node *y, Loc loc)
{
    const Generate *g = &b->program->generate;
    const Shape wanted = {.rank = 3, .batch = 0, .dim = {1, g->length, g->classes}};
    char is[128], wants[128];
    if (!shape_equal(&y->shape, &wanted)) {
        diag_error(&b->ctx->diag, loc,
                   "generate: the scores are %s, but of '%s' %s are wanted: one a token at "
                   "each position",
                   shape_text(&y->shape, is), b->program->inputs.at[g->input].name,
                   shape_text(&wanted, wants));
        return false;
    }
    if (y->what && strcmp(y->what, "softmax") == 0) {
        diag_error(&b->ctx->diag, loc,
                   "generate: these are probabilities, but scores before the softmax are "
                   "wanted: 'logits: NAME' says which");
        return false;
    }
    return true;
}

Node *generate_scores(Builder *b, bool check)
{
    const Program *p = b->program;
    const Y *y = b->model->scores, *outputs = b->model->outputs;
    if (!p->generate.given)
        return NULL;
    if (!y && p->outputs.n != 1) {
        if (check && !b->blind && !b->ctx->diag.errors)
            diag_error(&b->ctx->diag, p->generate.loc,
                       "generate: which value scores the next token? 'logits: NAME' says it");
        return NULL;
    }
    Y last = {.kind = Y_scalar};
    if (!y && outputs) {
        y = outputs->kind == Y_list ? outputs->items.at[0] : outputs->pairs.at[0].value;
    } else if (!y) {
        last.loc = p->outputs.at[0].loc;
        last.text = p->outputs.at[0].name;
        y = &last;
    }
    Node *scores = output_build(b, "generate", y->loc, y);
    return scores && (!check || scores_fit(b, scores, y->loc)) ? scores : NULL;
}
