/* SPDX-License-Identifier: MIT */
/* about.c: what a program's `train --report` tells beside numbers: the optimiser, and the memory plan of a step. */
#include "emit.h"

bool tells_about(const SourceText *s)
{
    return s->options->main && s->p->fn[FN_train];
}

/* "adam: lr 0.001, betas 0.9 0.999, eps 1e-08". */
static const char *optimizer_text(SourceText *s)
{
    const Optimizer *o = &s->p->train.optimizer;
    const OptimizerRow *row = &optimizer_rows[o->kind];
    Str t = str_new(s->arena);
    char number[32];
    str_add(&t, "%s:", row->name);
    for (int i = 0, at = 0; i < OPTIMIZER_ARGS && row->arg[i].name; i++) {
        str_add(&t, "%s %s", i ? "," : "", row->arg[i].name);
        if (row->arg[i].type == ARG_bool) {
            str_add(&t, o->arg[at++] != 0 ? " true" : " false");
            continue;
        }
        for (int k = 0; k < (row->arg[i].type == ARG_reals ? 2 : 1); k++)
            str_add(&t, " %s", number_text(number, o->arg[at++], false));
    }
    return t.at;
}

static int emit_settings(SourceText *s)
{
    const Train *t = &s->p->train;
    const double clip[] = {t->clip_norm, t->clip_value};
    int n = 1;
    out_open(s->out, "static const char *const %s_settings[][2] =", s->p->name);
    out_line(s->out, "{\"optimizer\", \"%s\"},", optimizer_text(s));
    for (int i = 0; i < 2; i++)
        if (clip[i] > 0) {
            out_line(s->out, "{\"%s\", \"%s\"},", i ? "clip_value" : "clip_norm",
                     real_text(s->arena, clip[i]));
            n++;
        }
    s->out->depth--;
    out_line(s->out, "};");
    return n;
}

/* The buffers that have a place in scratch, and how many there are. */
static int emit_blocks(SourceText *s, const Graph *g)
{
    int n = 0;
    for (int i = 0; i < g->plan->buffers.n; i++) {
        const Buffer *b = g->plan->buffers.at[i];
        if (b->kind != BUF_scratch || b->bytes <= 0 || b->first >= g->kernels.n)
            continue;
        int last = b->last < g->kernels.n ? b->last : g->kernels.n - 1; /* kept for the next call */
        if (!n++)
            out_open(s->out, "static const nnrt_block %s_blocks[] =", s->p->name);
        out_line(s->out, "{\"%s\", %lld, %lld, %d, %d},", b->name, (long long)b->offset,
                 (long long)b->bytes, b->first, last);
    }
    if (n) {
        s->out->depth--;
        out_line(s->out, "};");
    }
    return n;
}

void emit_about(SourceText *s)
{
    const char *m = s->p->name;
    const Graph *g = s->p->fn[FN_train];
    if (!tells_about(s))
        return;
    out_line(s->out,
             "/* For train --report: settings, and where buffers of a step lie: offset, bytes, "
             "first and last kernel. */");
    int settings = emit_settings(s), blocks = emit_blocks(s, g);
    out_open(s->out, "static const char *const %s_calls[] =", m);
    for (int i = 0; i < g->kernels.n; i++)
        out_line(s->out, "\"%s\",", g->kernels.at[i]->name);
    s->out->depth--;
    out_line(s->out, "};");
    out_open(s->out, "static const nnrt_about %s_about =", m);
    out_line(s->out, ".n_settings = %d, .settings = %s_settings, .n_calls = %d, .calls = %s_calls,",
             settings, m, g->kernels.n, m);
    if (blocks)
        out_line(s->out, ".n_blocks = %d, .blocks = %s_blocks,", blocks, m);
    out_line(s->out, ".scratch_bytes = %lld,", (long long)g->plan->scratch_bytes);
    s->out->depth--;
    out_line(s->out, "};");
}
