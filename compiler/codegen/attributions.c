/* SPDX-License-Identifier: MIT */
/* attributions.c: the table of what function attribute gives, for programs. */
#include "emit.h"

void emit_attributions(SourceText *s)
{
    static const char *const kind[] = {[ATTRIBUTE_scores] = "SCORES",
                                       [ATTRIBUTE_input] = "INPUT",
                                       [ATTRIBUTE_tokens] = "TOKENS",
                                       [ATTRIBUTE_norms] = "NORMS",
                                       [ATTRIBUTE_layer] = "LAYER"};
    const Program *p = s->p;
    if (!p->fn[FN_attribute])
        return;
    out_open(s->out, "static const nnrt_attribution %s_attributions[] =", p->name);
    for (int i = 0; i < p->attributions.n; i++) {
        const Attribution *a = &p->attributions.at[i];
        const Shape *shape = &graph_find_root(p->fn[FN_attribute], ROOT_output, i)->shape;
        const char *layer = a->layer ? arena_format(s->arena, "\"%s\"", a->layer) : "NULL";
        out_line(
            s->out,
            "{.kind = NNRT_ATTRIBUTION_%s, .input = %d, .layer = %s, .by_default = %d, .rank = "
            "%d, .dim = %s, .count = %lld},",
            kind[a->kind], a->input, layer, a->by_default, shape->rank - 1,
            dims_text(s->arena, shape, 1), (long long)shape_count(shape));
    }
    s->out->depth--;
    out_line(s->out, "};");
}
