/* SPDX-License-Identifier: MIT */
/* report_page.c: --emit=report as a page: the layers, each function's kernels with what they cost and fuse, where each
 * buffer lies. report.c is the same as text. */
#include <string.h>

#include "../../runtime/nnrt_page.h"
#include "../passes/lower.h"
#include "emit.h"
#include "layers_picture.h"

/* What times are estimated with, since the target is not measured here: one core, two vector units. */
#define PAGE_HERTZ       3e9
#define PAGE_HERTZ_SMALL 4e8  /* of a processor without threads and vectors */
#define PAGE_BYTES       10e9 /* a second, from memory */

static double core_flops(const Target *t)
{
    bool small = !t->threads && t->vector_bytes <= 4;
    double lanes = t->vector_bytes / 4.0, units = small ? 1 : 2;
    return (small ? PAGE_HERTZ_SMALL : PAGE_HERTZ) * lanes * units * (t->fma ? 2 : 1);
}

/* Seconds that computing, or reading and writing, takes at least. */
static double least_seconds(const Program *p, const Kernel *k)
{
    double computing = k->flops / core_flops(p->target), memory = k->bytes / PAGE_BYTES;
    return computing > memory ? computing : memory;
}

/* Of a call that finds the weights as the call before left them. */
static double graph_seconds(const Graph *g)
{
    double sum = 0;
    for (int i = 0; i < g->kernels.n; i++)
        sum += g->kernels.at[i]->kept ? 0 : least_seconds(g->program, g->kernels.at[i]);
    return sum;
}

/* --- kernels ---------------------------------------------------------------------------------- */

/* The ops of a kernel, those that follow one another counted: "conv, add, relu x 2". */
static void put_fused(const Kernel *k, FILE *f)
{
    const char *last = NULL;
    int times = 0, n = 0;
    for (int i = 0; i <= k->nodes.n; i++) {
        const Node *y = i < k->nodes.n ? k->nodes.at[i] : NULL;
        if (y && op_rows[y->op].cls == CLASS_LEAF)
            continue;
        const char *op = y ? op_rows[y->op].name : NULL;
        if (last && op && strcmp(op, last) == 0) {
            times++;
            continue;
        }
        if (last)
            fprintf(f, times > 1 ? "%s%s \xC3\x97 %d" : "%s%s", n++ ? ", " : "", last, times);
        last = op;
        times = 1;
    }
}

static void put_kernel(const Graph *g, const Kernel *k, int deep, double all, FILE *f)
{
    char time[NNRT_AMOUNT], flops[NNRT_AMOUNT], bytes[NNRT_AMOUNT];
    double seconds = least_seconds(g->program, k), share = all > 0 ? 100 * seconds / all : 0;
    fprintf(f, "<tr><td class=\"n\">%s%d</td><th scope=\"row\">", deep ? "\xE2\x86\xB3 " : "",
            k->id + 1);
    nnrt_html_say(f, k->name);
    fprintf(f, "\n<br /><span class=\"soft\">line ");
    nnrt_html_say(f, k->title);
    fprintf(f, "%s%s%s</span></th><td class=\"w\">", k->kept ? ", kept" : "",
            k->shared ? "" : ", one thread", k->same ? ", shares its code" : "");
    if (k->scan)
        fprintf(f, "a loop of %lld steps, the next %d rows a step",
                (long long)k->scan->attr->scan->length, k->scan->attr->scan->body->kernels.n);
    else
        put_fused(k, f);
    fprintf(f,
            "</td><td class=\"n\">%s</td><td><span class=\"bar\"><i "
            "style=\"width:%.1f%%\"></i></span></td>"
            "<td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%.3g</td></tr>\n",
            nnrt_html_seconds(time, seconds), share > 100 ? 100 : share,
            nnrt_html_amount(flops, k->flops, "FLOP"), nnrt_html_amount(bytes, k->bytes, "B"),
            k->bytes > 0 ? k->flops / k->bytes : 0);
    const Graph *body = k->scan ? k->scan->attr->scan->body : NULL;
    for (int i = 0; body && i < body->kernels.n; i++)
        put_kernel(body, body->kernels.at[i], deep + 1, seconds, f);
}

static void put_kernels(const Graph *g, FILE *f)
{
    double all = graph_seconds(g);
    fputs("<div class=\"scroll\"><table class=\"kernels\">\n<thead><tr><th "
          "class=\"n\">#</th><th>kernel</th><th>fuses</th>"
          "<th class=\"n\">time</th><th></th><th class=\"n\">work</th><th class=\"n\">memory</th>"
          "<th class=\"n\">FLOP/B</th></tr></thead>\n<tbody>\n",
          f);
    for (int i = 0; i < g->kernels.n; i++)
        put_kernel(g, g->kernels.at[i], 0, all, f);
    fputs("</tbody></table></div>\n", f);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void put_memory(const Graph *g, Arena *arena, FILE *f)
{
    const Plan *plan = g->plan;
    nnrt_extent *extents = arena_take(arena, sizeof *extents * (size_t)(plan->buffers.n + 1));
    const char **names = arena_take(arena, sizeof *names * (size_t)(g->kernels.n + 1));
    int n = 0;
    for (int i = 0; i < g->kernels.n; i++)
        names[i] = g->kernels.at[i]->name;
    for (int i = 0; i < plan->buffers.n; i++) {
        const Buffer *b = plan->buffers.at[i];
        if (b->kind != BUF_scratch || b->bytes <= 0 || b->first >= g->kernels.n)
            continue;
        int last = b->last < g->kernels.n ? b->last : g->kernels.n - 1; /* kept for the next call */
        extents[n] = (nnrt_extent){b->name, b->first, last, n % NNRT_COLORS, b->offset, b->bytes};
        n++;
    }
    if (!n)
        return;
    fputs("<h3>Memory</h3>\n<p class=\"soft\">Scratch: which bytes hold what, from which kernel to "
          "which. Where boxes "
          "lie over each other, a result takes the place of what it was made of.</p>\n",
          f);
    nnrt_svg_memory(f, n, extents, g->kernels.n, names, plan->scratch_bytes);
}

/* --- the page --------------------------------------------------------------------------------- */

static void put_function(const Graph *g, Arena *arena, FILE *f)
{
    char flops[NNRT_AMOUNT], bytes[NNRT_AMOUNT], time[NNRT_AMOUNT];
    nnrt_html_section(f, fn_text(g->fn), fn_text(g->fn));
    fprintf(f, "<p class=\"soft\">%d kernels, %s, %s of scratch, %s at least.</p>\n", g->kernels.n,
            nnrt_html_amount(flops, g->plan->flops, "FLOP"),
            nnrt_html_amount(bytes, (double)g->plan->scratch_bytes, "B"),
            nnrt_html_seconds(time, graph_seconds(g)));
    put_kernels(g, f);
    put_memory(g, arena, f);
    nnrt_html_section_end(f);
}

static void put_cards(const Program *p, FILE *f)
{
    char text[NNRT_AMOUNT];
    double batch = (double)p->train.batch;
    fputs("<div class=\"cards\">\n", f);
    nnrt_html_card(f, "parameters", nnrt_html_amount(text, (double)params_count(p), ""));
    nnrt_html_card(f, "an instance",
                   nnrt_html_amount(
                       text, (double)(p->vars_bytes + scratch_bytes(p) + decoding_bytes(p)), "B"));
    if (p->fn[FN_predict])
        nnrt_html_card(f, "a sample, predict",
                       nnrt_html_amount(text, p->fn[FN_predict]->plan->flops / batch, "FLOP"));
    if (p->fn[FN_train])
        nnrt_html_card(f, "a sample, train",
                       nnrt_html_amount(text, p->fn[FN_train]->plan->flops / batch, "FLOP"));
    for (int i = 0; p->fn[FN_train] && i < p->players.n; i++)
        nnrt_html_card(
            f, arena_format(p->ctx->arena, "a sample, the turn of %s", p->players.at[i].loss),
            nnrt_html_amount(text, turn_flops(p->fn[FN_train], i) / batch, "FLOP"));
    nnrt_html_card(f, "samples a batch", nnrt_html_amount(text, batch, ""));
    fputs("</div>\n", f);
}

static void put_variables(const Program *p, FILE *f)
{
    static const char *const kind[] = {"weight", "buffer", "state"};
    char shape[128], bytes[NNRT_AMOUNT];
    nnrt_html_section(f, "variables", "Variables");
    fputs("<details><summary>Every weight, and the optimiser's state</summary><div "
          "class=\"scroll\"><table>\n"
          "<thead><tr><th>name</th><th>kind</th><th>shape</th><th "
          "class=\"n\">memory</th></tr></thead>\n<tbody>\n",
          f);
    for (int i = 0; i < p->vars.n; i++) {
        const Var *v = p->vars.at[i];
        bool known = v->kind == VAR_weight || v->kind == VAR_buffer;
        fputs("<tr><th scope=\"row\">", f);
        nnrt_html_say(f, v->name);
        fprintf(f, "</th><td>%s</td><td>%s</td><td class=\"n\">%s</td></tr>\n",
                kind[known ? v->kind != VAR_weight : 2], shape_text(&v->shape, shape),
                nnrt_html_amount(bytes, 4 * (double)shape_count(&v->shape), "B"));
    }
    fputs("</tbody></table></div></details>\n", f);
    nnrt_html_section_end(f);
}

void emit_report_page(Program *p, const Picture *picture, FILE *f)
{
    Arena *arena = p->ctx->arena;
    const char *lead =
        arena_format(arena, "What nncc makes of %s for %s.", p->file, p->target->name);
    nnrt_html_begin(f, p->name, lead);
    put_cards(p, f);
    if (picture) {
        nnrt_html_section(f, "layers", "Layers");
        fputs("<p class=\"soft\">As the model file has them, with the shape that each gives.</p>\n",
              f);
        picture_put(picture, arena, f);
        nnrt_html_section_end(f);
    }
    fprintf(f,
            "<p class=\"soft\" style=\"margin-top:32px\">Times are estimates, not measured: what "
            "one core takes at "
            "least, at %.3g GFLOP/s (%d-byte vectors at %.1f GHz) and 10 GB/s; threads share the "
            "larger kernels. "
            "<code>bench --profile</code> of the program measures.</p>\n",
            core_flops(p->target) * 1e-9, p->target->vector_bytes,
            (!p->target->threads && p->target->vector_bytes <= 4 ? PAGE_HERTZ_SMALL : PAGE_HERTZ) *
                1e-9);
    for (int fn = 0; fn < FN_COUNT; fn++)
        if (p->fn[fn])
            put_function(p->fn[fn], arena, f);
    put_variables(p, f);
    nnrt_html_end(f, "nncc " NNCC_VERSION);
}
