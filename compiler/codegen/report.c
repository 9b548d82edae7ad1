/* SPDX-License-Identifier: MIT */
/* report.c: --emit=report: what was fused, what each kernel costs, where each buffer lies. */
#include <string.h>

#include "../ops/ops.h"
#include "../passes/lower.h"
#include "emit.h"

static void kernel(const Graph *g, const Kernel *k, FILE *f);

/* A scan: what the kernels of its body do, their numbers being those of a step. */
static void steps(const Kernel *k, FILE *f)
{
    const Scan *s = k->scan->attr->scan;
    const Plan *plan = s->body->plan;
    int once = kernels_kept(s->body);
    fprintf(f, "      %lld steps%s of %d kernels, %d before the first, %lld bytes of scratch\n",
            (long long)s->length, s->backwards ? " backwards" : "", s->body->kernels.n - once, once,
            (long long)plan->scratch_bytes);
    for (int i = 0; i < s->body->kernels.n; i++)
        kernel(s->body, s->body->kernels.at[i], f);
    fprintf(f, "      the end of the body\n");
}

static void fused(const Kernel *k, FILE *f)
{
    /* by pack_b, pack_a */
    static const char *const packs[2][2] = {{"nothing", "the left operand"},
                                            {"the right operand", "both operands"}};
    const Lowered *low = k->lowered;
    fprintf(f, "      fuses");
    for (int i = 0; i < k->nodes.n; i++)
        if (op_rows[k->nodes.at[i]->op].cls != CLASS_LEAF)
            fprintf(f, " %s", op_rows[k->nodes.at[i]->op].name);
    fprintf(f, "\n");
    if (!k->product && domain_reduces(&low->domain))
        fprintf(f, "      one pass over each row\n");
    const ConvPlan *c = &low->conv;
    if (k->kind == KERNEL_matmul)
        fprintf(f, "      tile %d x %d, packs %s\n", low->plan.tile_m, low->plan.tile_n,
                packs[low->plan.pack_b][low->plan.pack_a]);
    else if (k->kind == KERNEL_conv)
        fprintf(f, "      tile %d x %d pixels x %d channels, packs %s\n", c->tile_h, c->tile_w,
                c->tile_n, packs[c->pack_other][c->pack_x]);
    else if (k->kind == KERNEL_conv_weight)
        fprintf(f, "      tile %d taps and channels x %d channels, packs %s\n", c->tile_m,
                c->tile_n, packs[c->pack_other][c->pack_x]);
}

/* The product as a file of choices calls it, and what its plan chose of what there was. */
static void choices(const Kernel *k, FILE *f)
{
    const Lowered *low = k->lowered;
    const Choosing *c = k->kind == KERNEL_matmul ? &low->plan.choosing : &low->conv.choosing;
    if (!k->product || k->kind == KERNEL_pack || !c->key)
        return;
    fprintf(f, "      product %s\n      choices", c->key);
    for (int i = 0; i < c->n; i++) {
        const Knob *knob = &c->knobs[i];
        fprintf(f, " %s=%lld", choice_names[knob->kind], (long long)knob->value);
        if (knob->most > knob->least)
            fprintf(f, "(%lld-%lld/%lld)", (long long)knob->least, (long long)knob->most,
                    (long long)knob->step);
    }
    fprintf(f, "\n");
}

static void kernel(const Graph *g, const Kernel *k, FILE *f)
{
    char shape[128];
    fprintf(f, "  %3d %s  (%s)%s\n", k->id + 1, k->name, k->title, k->shared ? "" : "  one thread");
    if (k->scan)
        steps(k, f);
    else
        fused(k, f);
    choices(k, f);
    for (int i = 0; i < k->stores.n; i++) {
        const Buffer *b = node_buffer(g, k->stores.at[i]);
        fprintf(f, "      stores %s %s%s%s\n", b->name, shape_text(&k->stores.at[i]->shape, shape),
                b->over ? " over " : "", b->over ? b->over->name : "");
    }
    fprintf(f, "      %.4g MFLOP, %.4g KB, %.3g FLOP a byte%s%s\n", k->flops * 1e-6,
            k->bytes / 1024, k->bytes > 0 ? k->flops / k->bytes : 0,
            k->same ? ", the same code as " : "", k->same ? k->same->name : "");
}

static bool whole_gradients(const Program *p)
{
    return p->train.clip_norm > 0 || p->train.accumulate > 1;
}

double turn_flops(const Graph *g, int turn)
{
    double sum = 0;
    for (int i = 0; i < g->kernels.n; i++) {
        const Kernel *k = g->kernels.at[i];
        const Node *y = k->scan ? k->scan : k->stores.n ? k->stores.at[0] : k->product;
        sum += y && y->turn == turn ? k->flops : 0;
    }
    return sum;
}

/* What each player's turn costs. */
static void turns(const Graph *g, FILE *f)
{
    const Program *p = g->program;
    for (int i = 0; i < p->players.n; i++)
        if (fn_players(p, g->fn) >> i & 1)
            fprintf(f, "  the turn of %s: %.6g MFLOP\n", p->players.at[i].loss,
                    turn_flops(g, i) * 1e-6);
}

static void function(const Graph *g, FILE *f)
{
    const Program *p = g->program;
    fprintf(f, "%s: %d kernels, %.6g MFLOP, %lld bytes of scratch\n", fn_text(g->fn), g->kernels.n,
            g->plan->flops * 1e-6, (long long)g->plan->scratch_bytes);
    turns(g, f);
    for (int i = 0; i < g->kernels.n; i++)
        kernel(g, g->kernels.at[i], f);
    if (fn_trains(g->fn) && whole_gradients(p))
        fprintf(f,
                "  %s need whole gradients, so updates are kernels of their own and the arena is "
                "larger\n",
                p->train.clip_norm > 0 ? "clip_norm and such" : "accumulated steps");
    fprintf(f, "  scratch                              bytes         at  alive\n");
    for (int i = 0; i < g->plan->buffers.n; i++) {
        const Buffer *b = g->plan->buffers.at[i];
        if (b->kind == BUF_scratch)
            fprintf(f, "    %-30s %10lld %10lld  %d-%d%s%s\n", b->name, (long long)b->bytes,
                    (long long)b->offset, b->first + 1, b->last + 1, b->over ? " over " : "",
                    b->over ? b->over->name : "");
    }
}

void emit_report(Program *p, FILE *f)
{
    int64_t caches = p->memory_bytes + p->generate.beam * p->cache_bytes;
    fprintf(f, "%s from %s for %s, batch %lld\n", p->name, p->file, p->target->name,
            (long long)p->train.batch);
    for (int fn = 0; fn < FN_COUNT; fn++)
        if (p->fn[fn])
            function(p->fn[fn], f);
    for (int i = 0; i < p->vars.n; i++) {
        const Var *v = p->vars.at[i];
        char shape[128];
        if (var_decodes(v))
            fprintf(f, "%s %-30s %10lld bytes at %lld, %s, of line %d\n",
                    v->kind == VAR_cache ? "cache" : "memory", v->name,
                    4 * (long long)shape_count(&v->shape), (long long)v->offset,
                    shape_text(&v->shape, shape), v->loc.line);
    }
    fprintf(f, "arena: %lld bytes of variables, %lld of scratch", (long long)p->vars_bytes,
            (long long)scratch_bytes(p));
    fprintf(f, caches ? ", %lld of caches\n" : "\n", (long long)caches);
}
