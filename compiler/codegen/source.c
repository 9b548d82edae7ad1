/* SPDX-License-Identifier: MIT */
/* source.c: the emitted file as a whole: banner with the tables of kernels and scratch,
 * guards, instance, kernels, functions. */
#include <string.h>

#include "emit.h"

/* --- the banner ------------------------------------------------------------------------------- */

/* The functions that the file has. */
static const Graph *emitted(const SourceText *s, int fn)
{
    return fn != FN_grad || emits_grad(s->p, s->options) ? s->p->fn[fn] : NULL;
}

/* Of the column of a function. */
static int column(int fn)
{
    int n = (int)strlen(fn_text((Fn)fn));
    return n > 5 ? n : 5;
}

int64_t kernel_turns(const Graph *g, int i)
{
    int64_t turns = 1;
    for (; g->outer; g = g->outer) {
        turns *= i < kernels_kept(g) ? 1 : g->scan->length;
        for (i = 0; g->outer->kernels.at[i]->scan == NULL ||
                    g->outer->kernels.at[i]->scan->attr->scan != g->scan;)
            i++;
    }
    return turns;
}

/* How often each function calls a kernel: by the kernel's name, FN_COUNT numbers. */
static Map count_calls(SourceText *s, int64_t *all)
{
    Map calls = map_new(s->arena);
    for (int f = 0; f < s->graphs.n; f++) {
        const Graph *g = s->graphs.at[f];
        for (int i = 0; emitted(s, g->fn) && i < g->kernels.n; i++) {
            if (g->kernels.at[i]->scan)
                continue;
            int64_t *count = map_get(&calls, g->kernels.at[i]->name);
            if (!count) {
                count = arena_take(s->arena, sizeof *count * FN_COUNT);
                map_set(&calls, g->kernels.at[i]->name, count);
            }
            count[g->fn] += kernel_turns(g, i);
            all[g->fn] += kernel_turns(g, i);
        }
    }
    return calls;
}

static void kernel_row(SourceText *s, const Kernel *k, const int64_t *count, int width)
{
    Str row = str_new(s->arena);
    str_add(&row, " *   %-*s", width, k->name);
    for (int f = 0; f < FN_COUNT; f++)
        if (emitted(s, f))
            str_add(&row, " %*s", column(f),
                    count[f] ? arena_format(s->arena, "%lld", (long long)count[f]) : "");
    out_raw(s->out, "%s %9.4g %9.4g  %s", row.at, k->flops * 1e-6, k->bytes / 1024, k->title);
}

/* A line a kernel: how often each function calls it, what a call costs, where it is from. */
static void kernel_rows(SourceText *s)
{
    enum { WIDTH = 44 }; /* that longer names pass */
    int64_t sum[FN_COUNT] = {0};
    Map calls = count_calls(s, sum);
    int width = 16;
    for (int i = 0; i < calls.n; i++) {
        int n = (int)strlen(calls.entry[i].key);
        if (n > width && n <= WIDTH)
            width = n;
    }
    Str head = str_new(s->arena), all = str_new(s->arena);
    str_add(&head, " *\n * %-*s", width + 2, "kernels, calls of");
    str_add(&all, " *   %-*s", width, "all");
    for (int f = 0; f < FN_COUNT; f++) {
        const Graph *g = emitted(s, f);
        if (g) {
            str_add(&head, " %*s", column(f), fn_text((Fn)f));
            str_add(&all, " %*lld", column(f), (long long)sum[f]);
        }
    }
    out_raw(s->out, "%s %9s %9s  from the model file", head.at, "MFLOP", "KB");
    for (int f = 0; f < s->graphs.n; f++) {
        const Graph *g = s->graphs.at[f];
        for (int i = 0; emitted(s, g->fn) && i < g->kernels.n; i++)
            if (g->kernels.at[i]->text)
                kernel_row(s, g->kernels.at[i], map_get(&calls, g->kernels.at[i]->name), width);
    }
    out_raw(s->out, "%s", all.at);
}

/* The buffer that is the next in size after `above`; of equal ones that with the lower id. */
static const Buffer *next_largest(const Graph *g, const Buffer *above)
{
    const Buffer *best = NULL;
    for (int i = 0; i < g->plan->buffers.n; i++) {
        const Buffer *b = g->plan->buffers.at[i];
        bool below =
            !above || b->bytes < above->bytes || (b->bytes == above->bytes && b->id > above->id);
        if (b->kind == BUF_scratch && !b->over && below && (!best || b->bytes > best->bytes))
            best = b;
    }
    return best;
}

/* A line a function: its scratch and the buffers that are the largest in it. */
static void scratch_rows(SourceText *s)
{
    enum { NAMED = 4 };
    bool any = false;
    for (int f = 0; f < FN_COUNT; f++) {
        const Graph *g = emitted(s, f);
        int n = 0;
        for (int i = 0; g && i < g->plan->buffers.n; i++)
            n += g->plan->buffers.at[i]->kind == BUF_scratch && !g->plan->buffers.at[i]->over;
        if (!n)
            continue;
        if (!any)
            out_raw(s->out, " *\n * %-34s %10s %10s  the largest (all: nncc --emit=report)",
                    "scratch", "bytes", "buffers");
        any = true;
        Str row = str_new(s->arena);
        const Buffer *b = NULL;
        for (int i = 0; i < NAMED && i < n; i++) {
            b = next_largest(g, b);
            str_add(&row, "%s%s %lld", i ? ", " : "", b->name, (long long)b->bytes);
        }
        out_raw(s->out, " *   %-32s %10lld %10d  %s", fn_text((Fn)f),
                (long long)g->plan->scratch_bytes, n, row.at);
    }
}

int caches_count(const Program *p)
{
    int n = 0;
    for (int i = 0; i < p->vars.n; i++)
        n += var_decodes(p->vars.at[i]);
    return n;
}

static void var_row(SourceText *s)
{
    out_raw(s->out, " *\n * %-34s %10s %10s", "variables", "bytes", "number");
    int caches = caches_count(s->p);
    out_raw(s->out, " *   %-32s %10lld %10d", arena_format(s->arena, "%s_vars", s->p->name),
            (long long)s->p->vars_bytes, s->p->vars.n - caches);
    int memory = 0;
    for (int i = 0; i < s->p->vars.n; i++)
        memory += s->p->vars.at[i]->kind == VAR_memory;
    if (memory)
        out_raw(s->out, " *   %-32s %10lld %10d", arena_format(s->arena, "%s_memory", s->p->name),
                (long long)s->p->memory_bytes, memory);
    if (caches > memory)
        out_raw(s->out, " *   %-32s %10lld %10d", arena_format(s->arena, "%s_cache", s->p->name),
                (long long)s->p->cache_bytes, caches - memory);
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
    if (s->options->tuned)
        out_raw(s->out, " * Products as measured: %s", comment_text(s->arena, s->options->tuned));
    kernel_rows(s);
    if (p->vars.n)
        var_row(s);
    scratch_rows(s);
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
        out_raw(o,
                "#include \"nnrt.h\"\n#include \"nnrt_company.h\"\n#include "
                "\"nnrt_math.h\"\n#include \"nnrt_rand.h\"\n"
                "#include \"nnrt_team.h\"\n%s%s%s",
                calls_samples(s, false) ? "#include \"nnrt_ctc.h\"\n" : "",
                calls_samples(s, true) ? "#include \"nnrt_boxes.h\"\n" : "",
                s->p->fn[FN_step] ? "#include \"nnrt_attend.h\"\n" : "");
    }
    out_raw(o,
            "#if NNRT_ABI != 13\n#error \"%s.c was made for another nnrt: run nncc again\"\n#endif",
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

int64_t scratch_bytes(const Program *p)
{
    int64_t scratch = 0;
    for (int f = 0; f < FN_COUNT; f++)
        if (p->fn[f] && p->fn[f]->plan->scratch_bytes > scratch)
            scratch = p->fn[f]->plan->scratch_bytes;
    return scratch;
}

int64_t sequence_room(const Program *p)
{
    return p->generate.bounded ? p->generate.length : p->generate.tokens;
}

int64_t decoding_bytes(const Program *p)
{
    enum { ALIGN = 64, A_TOKEN = 8 /* its score, its place in an order of them */ };
    const Generate *g = &p->generate;
    int64_t tokens = (g->classes * A_TOKEN + ALIGN - 1) / ALIGN * ALIGN;
    if (g->beam > 1) /* the tokens of each sequence, and of the best */
        tokens += ((g->beam + 1) * 4 * sequence_room(p) + ALIGN - 1) / ALIGN * ALIGN;
    return p->fn[FN_step] ? p->memory_bytes + g->beam * p->cache_bytes + tokens : 0;
}

static void instance(SourceText *s)
{
    Program *p = s->p;
    int64_t bytes = p->vars_bytes + scratch_bytes(p) + decoding_bytes(p);
    out_raw(s->out,
            "struct %s {\n    nnrt_instance head;\n    _Alignas(64) unsigned char arena[%lld]; /* "
            "%lld of variables, then scratch%s */\n};\n",
            p->name, (long long)(bytes ? bytes : 64), (long long)p->vars_bytes,
            p->fn[FN_step] ? ", then what decoding keeps" : "");
}

static void kernels(SourceText *s)
{
    for (int f = 0; f < s->graphs.n; f++) {
        const Graph *g = s->graphs.at[f];
        for (int i = 0; i < g->kernels.n; i++)
            if (g->kernels.at[i]->text)
                out_raw(s->out, "%s", g->kernels.at[i]->text);
    }
}

/* What lies between is compiled with registers of the target's whole width: clang halves vectors of 64
 * bytes for the Intel CPUs that it would rather have use 32. */
static void begin_wide(SourceText *s)
{
    if (s->p->target->vector_bytes == 64)
        out_raw(s->out, "#ifdef __clang__\n#pragma clang attribute push("
                        "__attribute__((min_vector_width(512))), apply_to = function)\n#endif\n");
}

static void end_wide(SourceText *s)
{
    if (s->p->target->vector_bytes == 64)
        out_raw(s->out, "#ifdef __clang__\n#pragma clang attribute pop\n#endif\n");
}

const char *emit_source(Program *p, const CodegenOptions *options)
{
    Out out = out_new(p->ctx->arena);
    SourceText s = {.p = p,
                    .options = options,
                    .arena = p->ctx->arena,
                    .out = &out,
                    .upper = upper_text(p->ctx->arena, p->name)};
    s.graphs = program_graphs(p, s.arena);
    name_vars(&s);
    find_marks(&s);
    banner(&s);
    if (options->single_file)
        out_raw(&out, "#ifndef _GNU_SOURCE\n#define _GNU_SOURCE\n#endif");
    if (options->header)
        out_raw(&out, "#include \"%s\"\n", options->header);
    else
        out_raw(&out, "%s", emit_header(p, options));
    guards(&s);
    instance(&s);
    emit_var_structs(&s);
    emit_tables(&s);
    begin_wide(&s);
    kernels(&s);
    emit_steps(&s);
    end_wide(&s);
    emit_model(&s);
    if (out.str.n > 1 && out.str.at[out.str.n - 2] == '\n')
        out.str.at[--out.str.n] = '\0';
    return options->single_file ? prefix_runtime(&s, out.str.at) : out.str.at;
}
