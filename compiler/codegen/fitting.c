/* SPDX-License-Identifier: MIT */
/* fitting.c: of a program whose model has layers that are fitted on training data: the function that gives what each
 * of them reads, and the table from which the runtime knows them (runtime/nnrt_fit.c). */
#include "calls.h"
#include "emit.h"

void emit_fit_values(SourceText *s)
{
    static const char *const type[] = {"float", "int32_t", "uint8_t"};
    const Graph *g = s->p->fn[FN_fit];
    const char *m = s->p->name;
    bool reads = false;
    s->noted = false;
    out_raw(s->out, "\n/* What each layer reads that is fitted on training data. */");
    out_wrap(s->out,
             "static void %s_fit_values(nnrt_instance *head, int n, const void *const *in, "
             "float *const *out)",
             m);
    out_raw(s->out, "{");
    s->out->depth = 1;
    out_line(s->out, "struct %s *const m = (struct %s *)head;", m, m);
    for (int i = 0; i < g->plan->buffers.n; i++) {
        const Buffer *b = g->plan->buffers.at[i];
        if (b->kind == BUF_output)
            out_line(s->out, "float *const %s = out[%d];", b->name, b->index);
        if (b->kind != BUF_input)
            continue;
        reads = true;
        out_line(s->out, "const %s *const %s = in[%d];", type[b->dtype], b->name, b->index);
    }
    if (!reads)
        out_line(s->out, "(void)in;");
    emit_body(s, g);
    s->out->depth = 0;
    out_raw(s->out, "}");
}

/* A layer: how its features lie in a sample, and where its numbers are kept. */
static void layer_row(SourceText *s, const Fit *fit, const Shape *x)
{
    static const char *const kind[] = {"NNRT_FIT_STANDARDIZE", "NNRT_FIT_MEAN", "NNRT_FIT_MEDIAN",
                                       "NNRT_FIT_PCA"};
    int64_t inner = 1;
    for (int i = fit->axis + 1; i < x->rank; i++)
        inner *= x->dim[i];
    Str line = str_new(s->arena);
    for (int i = 0; i < FIT_VARS && fit->var[i]; i++)
        str_add(&line, "%s%d", i ? ", " : "", fit->var[i]->id);
    out_line(s->out, "{.kind = %s, .name = \"%s\", .count = %lld, .features = %lld, .inner = %lld,",
             kind[fit->kind], fit->name, (long long)shape_count(x), (long long)x->dim[fit->axis],
             (long long)inner);
    out_line(s->out, " .var = {%s}, .eps = %s},", line.at, real_text(s->arena, fit->eps));
}

void emit_fitting(SourceText *s)
{
    const Program *p = s->p;
    const Graph *g = p->fn[FN_fit];
    if (!g)
        return;
    out_open(s->out, "static const nnrt_fit_layer %s_fit_layers[] =", p->name);
    for (int i = 0; i < p->fits.n; i++)
        layer_row(s, &p->fits.at[i], &graph_find_root(g, ROOT_output, i)->shape);
    s->out->depth--;
    out_line(s->out, "};");
    out_line(s->out,
             "static const nnrt_fitting %s_fitting = {.n = %d, .layers = %s_fit_layers, "
             ".values = %s_fit_values};",
             p->name, p->fits.n, p->name, p->name);
}
