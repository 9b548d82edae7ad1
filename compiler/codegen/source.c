/* SPDX-License-Identifier: MIT */
/* source.c: the emitted file as a whole: banner with the tables of kernels and of the arena,
 * guards, instance, kernels, functions. */
#include <string.h>

#include "emit.h"

/* --- the banner ------------------------------------------------------------------------------- */

static void kernel_rows(SourceText *s, const Graph *g)
{
    int widest = 0;
    for (int i = 0; i < g->kernels.n; i++)
        if ((int)strlen(g->kernels.at[i]->name) > widest)
            widest = (int)strlen(g->kernels.at[i]->name);
    out_raw(s->out, " *\n * %-*s %9s %9s  from the model file: writes", widest + 6, fn_text(g->fn),
            "MFLOP", "KB");
    for (int i = 0; i < g->kernels.n; i++) {
        const Kernel *k = g->kernels.at[i];
        char shape[128];
        const Node *y = k->stores.at[0];
        out_raw(s->out, " * %5d %-*s %9.4g %9.4g  %s: %s %s%s", i + 1, widest, k->name,
                k->flops * 1e-6, k->bytes / 1024, k->title, node_buffer(g, y)->name,
                shape_text(&y->shape, shape), k->stores.n > 1 ? ", ..." : "");
    }
}

static void arena_rows(SourceText *s, const Graph *g)
{
    bool any = false;
    for (int i = 0; i < g->plan->buffers.n; i++) {
        const Buffer *b = g->plan->buffers.at[i];
        if (b->kind != BUF_scratch)
            continue;
        if (!any)
            out_raw(s->out, " *\n * scratch of %-23s %10s %10s  alive", fn_text(g->fn), "bytes",
                    "at");
        any = true;
        out_raw(s->out, " *   %-32s %10lld %10lld  %d-%d%s%s", b->name, (long long)b->bytes,
                (long long)b->offset, b->first + 1, b->last + 1, b->over ? " over " : "",
                b->over ? b->over->name : "");
    }
}

static void var_rows(SourceText *s)
{
    out_raw(s->out, " *\n * %-34s %10s %10s  saved", "variables", "bytes", "at");
    for (int i = 0; i < s->p->vars.n; i++) {
        const Var *v = s->p->vars.at[i];
        char saved[128], kept[128];
        Shape k = var_kept_shape(v);
        shape_text(&v->shape, saved);
        shape_text(&k, kept);
        bool same = strcmp(saved, kept) == 0 && (v->shape.rank < 2 || v->perm[0] == 0);
        out_raw(s->out, " *   %-32s %10lld %10lld  %s%s%s", v->name,
                (long long)(4 * shape_count(&v->shape)), (long long)v->offset, saved,
                same ? "" : ", kept ", same ? "" : kept);
    }
}

static void banner(SourceText *s)
{
    Program *p = s->p;
    const char *file = comment_text(s->arena, p->file);
    out_raw(s->out, "/* %s.c: trains and runs one network, and no other.", p->name);
    out_raw(s->out, " * Made by nncc " NNCC_VERSION ".  Edit %s, then:  %s", file,
            comment_text(s->arena, s->options->command));
    out_raw(s->out, " * For %s. Compile with: -O3 -fopenmp%s%s", p->target->name,
            *p->target->flags ? " " : "", p->target->flags);
    for (int f = 0; f < FN_COUNT; f++)
        if (p->fn[f] && (f != FN_grad || emits_grad(p, s->options)))
            kernel_rows(s, p->fn[f]);
    if (p->vars.n)
        var_rows(s);
    for (int f = 0; f < FN_COUNT; f++)
        if (p->fn[f] && (f != FN_grad || emits_grad(p, s->options)))
            arena_rows(s, p->fn[f]);
    out_raw(s->out, " */");
}

/* --- the rest --------------------------------------------------------------------------------- */

static void guards(SourceText *s)
{
    Out *o = s->out;
    const Target *t = s->p->target;
    if (s->options->single_file) {
        emit_runtime(s);
    } else {
        out_raw(o, "#include \"nnrt.h\"\n#include \"nnrt_math.h\"\n#include \"nnrt_rand.h\"\n");
    }
    out_raw(o,
            "#if NNRT_ABI != 3\n#error \"%s.c was made for another nnrt: run nncc again\"\n#endif",
            s->p->name);
    out_raw(o,
            "#if defined(__clang__) ? __clang_major__ < 14 : __GNUC__ < 11\n"
            "#error \"%s.c needs gcc 11 or clang 14, or a later one\"\n#endif",
            s->p->name);
    if (t->macro)
        out_raw(o, "#ifndef %s\n#error \"%s.c is made for %s: compile it with %s\"\n#endif",
                t->macro, s->p->name, t->name, t->flags);
    out_raw(o, "#ifndef _OPENMP\n#pragma GCC diagnostic ignored \"-Wunknown-pragmas\"\n#endif\n");
}

static void instance(SourceText *s)
{
    Program *p = s->p;
    int64_t scratch = 0;
    for (int f = 0; f < FN_COUNT; f++)
        if (p->fn[f] && p->fn[f]->plan->scratch_bytes > scratch)
            scratch = p->fn[f]->plan->scratch_bytes;
    int64_t bytes = p->vars_bytes + scratch;
    out_raw(s->out,
            "struct %s {\n    nnrt_instance head;\n    _Alignas(64) unsigned char arena[%lld]; /* "
            "%lld of variables, then scratch */\n};\n",
            p->name, (long long)(bytes ? bytes : 64), (long long)p->vars_bytes);
}

static void kernels(SourceText *s)
{
    for (int f = 0; f < FN_COUNT; f++) {
        const Graph *g = s->p->fn[f];
        for (int i = 0; g && i < g->kernels.n; i++)
            if (g->kernels.at[i]->text)
                out_raw(s->out, "%s", g->kernels.at[i]->text);
    }
}

const char *emit_source(Program *p, const CodegenOptions *options)
{
    Out out = out_new(p->ctx->arena);
    SourceText s = {.p = p,
                    .options = options,
                    .arena = p->ctx->arena,
                    .out = &out,
                    .upper = upper_text(p->ctx->arena, p->name)};
    banner(&s);
    if (options->single_file)
        out_raw(&out, "#ifndef _GNU_SOURCE\n#define _GNU_SOURCE\n#endif");
    if (options->header)
        out_raw(&out, "#include \"%s\"\n", options->header);
    else
        out_raw(&out, "%s", emit_header(p, options));
    guards(&s);
    instance(&s);
    emit_tables(&s);
    kernels(&s);
    emit_steps(&s);
    emit_model(&s);
    if (out.str.n > 1 && out.str.at[out.str.n - 2] == '\n')
        out.str.at[--out.str.n] = '\0';
    return options->single_file ? prefix_runtime(&s, out.str.at) : out.str.at;
}
