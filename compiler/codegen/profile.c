/* SPDX-License-Identifier: MIT */
/* profile.c: what a program's `bench --profile` knows of the kernels: a table of those that predict and
 * train_step call, and the number of each in it, by which marks behind the calls name it. What those of train_step
 * store, for the report of a loss that is not finite. */
#include "emit.h"

/* Whether the functions of the file note the times of kernels. */
bool notes_times(const SourceText *s, Fn fn)
{
    return s->options->main && (fn == FN_predict || fn_trains(fn));
}

/* Numbers the kernels in the order of the calls, those of one name once. */
void find_marks(SourceText *s)
{
    s->marks = map_new(s->arena);
    for (int f = 0; f < s->graphs.n; f++) {
        const Graph *g = s->graphs.at[f];
        for (int i = 0; notes_times(s, g->fn) && i < g->kernels.n; i++) {
            const Kernel *k = g->kernels.at[i];
            if (k->scan || map_get(&s->marks, k->name))
                continue;
            Mark *mark = arena_take(s->arena, sizeof *mark);
            *mark = (Mark){.number = s->marks.n, .k = k};
            map_set(&s->marks, k->name, mark);
        }
    }
}

int mark_number(const SourceText *s, const Kernel *k)
{
    return ((const Mark *)map_get(&s->marks, k->name))->number;
}

void emit_marks(SourceText *s)
{
    if (!s->marks.n)
        return;
    out_line(s->out,
             "/* For bench --profile, of a full batch: flops, bytes; of these, of any batch. */");
    out_open(s->out, "static const nnrt_kernel %s_kernels[] =", s->p->name);
    for (int i = 0; i < s->marks.n; i++) {
        const Kernel *k = ((const Mark *)s->marks.entry[i].value)->k;
        out_line(s->out, "{\"%s\", %.0f, %.0f, %.0f, %.0f},", k->name, k->flops, k->bytes,
                 k->fixed_flops, k->fixed_bytes);
    }
    s->out->depth--;
    out_line(s->out, "};");
}

/* A layer's name, or where it has none what a reader calls it. */
static const char *place_name(const Node *y)
{
    return y->name ? y->name : y->what ? y->what : "?";
}

void emit_places(SourceText *s)
{
    static const int role[] = {/* as nnrt_place_role */
                               [ROLE_forward] = 0,
                               [ROLE_loss] = 1,
                               [ROLE_metric] = 0,
                               [ROLE_backward] = 2,
                               [ROLE_update] = 3};
    for (int f = 0; f < COUNT(s->places); f++) {
        if (!s->places[f].n)
            continue;
        out_line(s->out, "/* What train_step%s stores, in order. */",
                 f ? ", where it only accumulates," : "");
        out_open(s->out, "static const nnrt_place %s_places_%d[] =", s->p->name, f);
        for (int i = 0; i < s->places[f].n; i++) {
            const Stored *p = &s->places[f].at[i];
            if (p->times)
                out_line(s->out, "{.times = %lld},", (long long)p->times);
            else
                out_line(s->out, "{\"%s\", %d, %d, %d, 0},", place_name(p->y), role[p->y->role],
                         p->y->loc.line, p->y->loc.col);
        }
        s->out->depth--;
        out_line(s->out, "};");
    }
}
