/* SPDX-License-Identifier: MIT */
/* body.c: what a function that an app calls does: the calls of its kernels (calls.c), and before them the buffers in
 * scratch (where they lie each time in a repeat is written there) and the uniform scalars, in double. */
#include <string.h>

#include "calls.h"

/* --- uniform scalars -------------------------------------------------------------------------- */

/* The ops that scalars are made of, in double. */
static const char *const double_text[OP_COUNT] = {
    [OP_add] = "$0 + $1",
    [OP_sub] = "$0 - $1",
    [OP_mul] = "$0 * $1",
    [OP_div] = "$0 / $1",
    [OP_pow] = "__builtin_pow($0, $1)",
    [OP_max] = "__builtin_fmax($0, $1)",
    [OP_min] = "__builtin_fmin($0, $1)",
    [OP_equal] = "(double)($0 == $1)",
    [OP_not_equal] = "(double)($0 != $1)",
    [OP_less] = "(double)($0 < $1)",
    [OP_less_equal] = "(double)($0 <= $1)",
    [OP_greater] = "(double)($0 > $1)",
    [OP_greater_equal] = "(double)($0 >= $1)",
    [OP_where] = "$0 != 0 ? $1 : $2",
    [OP_neg] = "-$0",
    [OP_abs] = "__builtin_fabs($0)",
    [OP_sign] = "(double)(($0 > 0) - ($0 < 0))",
    [OP_floor] = "__builtin_floor($0)",
    [OP_ceil] = "__builtin_ceil($0)",
    [OP_round] = "__builtin_rint($0)",
    [OP_sqrt] = "__builtin_sqrt($0)",
    [OP_reciprocal] = "1 / $0",
    [OP_exp] = "__builtin_exp($0)",
    [OP_log] = "__builtin_log($0)",
    [OP_log1p] = "__builtin_log1p($0)",
    [OP_expm1] = "__builtin_expm1($0)",
    [OP_sin] = "__builtin_sin($0)",
    [OP_cos] = "__builtin_cos($0)",
    [OP_tanh] = "__builtin_tanh($0)",
    [OP_sigmoid] = "1 / (1 + __builtin_exp(-$0))",
    [OP_erf] = "__builtin_erf($0)",
    [OP_softplus] = "__builtin_log1p(__builtin_exp(-__builtin_fabs($0))) + __builtin_fmax($0, 0)",
    [OP_relu] = "__builtin_fmax($0, 0)",
    [OP_stop_gradient] = "$0"};

const char *uniform_name(SourceText *s, const Node *y)
{
    if (y->op == OP_const) {
        char text[32];
        if (y->attr->value - y->attr->value != 0)
            return y->attr->value > 0   ? "__builtin_inf()"
                   : y->attr->value < 0 ? "(-__builtin_inf())"
                                        : "__builtin_nan(\"\")";
        number_text(text, y->attr->value, false);
        bool whole = !strpbrk(text, ".en");
        return arena_format(s->arena, y->attr->value < 0 ? "(%s%s)" : "%s%s", text,
                            whole ? ".0" : "");
    }
    /* Those of bodies have a number of their own in front. */
    return y->mark ? arena_format(s->arena, "u%d_%d", y->mark, y->id)
                   : arena_format(s->arena, "u%d", y->id);
}

static void uniform_line(SourceText *s, const Node *y)
{
    static const char *const scalar[] = {
        [SCALAR_n] = "n",
        [SCALAR_step] = "(double)(m->head.step + 1)",
        [SCALAR_at] = "(double)at",
        [SCALAR_last] = "(double)last",
        [SCALAR_chosen] = "(double)chosen",
        [SCALAR_mix] = "m->head.mix",
        [SCALAR_lr] = ("nnrt_lr(&m->head.model->train.schedule, m->head.lr, m->head.step, "
                       "m->head.total_steps, m->head.epoch_steps)")};
    Str text = str_new(s->arena);
    const char *c = y->op == OP_scalar ? scalar[y->attr->scalar] : double_text[y->op];
    if (y->op == OP_scalar && y->attr->part)
        c = arena_format(s->arena, "nnrt_player_lr(&m->head, %d)", y->attr->part);
    if (!c)
        BUG("no scalar text of %s", op_rows[y->op].name);
    for (; *c; c++) {
        if (*c == '$')
            str_add(&text, "%s", uniform_name(s, y->in[*++c - '0']));
        else
            str_put(&text, c, 1);
    }
    out_wrap(s->out, "const double %s = %s;", uniform_name(s, y), text.at);
}

/* Marks what the scalar parameters of the kernels from `from` on are made of. */
static void mark_uniforms(const Graph *g, int from, bool *needed)
{
    for (int i = from; i < g->kernels.n; i++)
        for (int a = 0; a < g->kernels.at[i]->args.n; a++)
            if (g->kernels.at[i]->args.at[a].kind == KARG_scalar)
                needed[g->kernels.at[i]->args.at[a].node->id] = true;
    for (int i = g->nodes.n - 1; i >= 0; i--)
        for (int k = 0; needed[i] && k < g->nodes.at[i]->n_in; k++)
            needed[g->nodes.at[i]->in[k]->id] = true;
}

/* Gives the scalars of a function and its bodies the numbers in their names. bodies: how many there were before. Gives
 * how many there are then. */
static int number_uniforms(const Graph *g, int from, int bodies)
{
    const int number = bodies++;
    for (int i = 0; i < g->nodes.n; i++)
        g->nodes.at[i]->mark = number;
    for (int i = from; i < g->kernels.n; i++)
        if (g->kernels.at[i]->scan)
            bodies = number_uniforms(g->kernels.at[i]->scan->attr->scan->body, 0, bodies);
    return bodies;
}

void name_uniforms(const Graph *g, int from)
{
    number_uniforms(g, from, 0);
}

void emit_uniforms(SourceText *s, const Graph *g, int from)
{
    bool *needed = arena_take(s->arena, (size_t)g->nodes.n + 1);
    mark_uniforms(g, from, needed);
    for (int i = 0; i < g->nodes.n; i++)
        if (needed[i] && g->nodes.at[i]->op != OP_const)
            uniform_line(s, g->nodes.at[i]);
    for (int i = from; i < g->kernels.n; i++)
        if (g->kernels.at[i]->scan)
            emit_uniforms(s, g->kernels.at[i]->scan->attr->scan->body, 0);
}

/* --- random streams --------------------------------------------------------------------------- */

/* Samples are drawn at a call that no training has. */
static void emit_keys(SourceText *s, const CallList *c)
{
    const char *when =
        c->g->fn == FN_sample ? "seed, NNRT_SAMPLE_STEP" : "m->head.seed, (uint64_t)m->head.calls";
    for (int i = 0; i < c->keys.n; i++)
        out_line(s->out, "const nnrt_rand_key key%u = nnrt_rand_key_of(%s, %uu);",
                 (unsigned)c->keys.at[i], when, (unsigned)c->keys.at[i]);
}

/* --- buffers ---------------------------------------------------------------------------------- */

bool writes_vars(const Graph *g, int from)
{
    for (int i = from; i < g->kernels.n; i++)
        for (int a = 0; a < g->kernels.at[i]->args.n; a++) {
            const KernelArg *arg = &g->kernels.at[i]->args.at[a];
            if (arg->kind != KARG_buffer || !arg->written)
                continue;
            const Buffer *b = buffer_root(arg->buffer);
            if (b->kind == BUF_var && !var_decodes(b->var))
                return true;
        }
    return false;
}

/* Whether the text names a buffer, by Buffer.id: the calls, a call before them, what is read after them. */
static bool *find_named(SourceText *s, const CallList *c, const Buffer *const *filled)
{
    const Graph *g = c->g;
    bool *named = arena_take(s->arena, (size_t)g->plan->buffers.n + 1);
    for (int i = 0; i < g->plan->buffers.n; i++)
        named[i] = c->passed[i];
    for (int i = 0; filled && i < s->p->outputs.n; i++)
        named[filled[i]->id] = true;
    for (int i = 0; i < g->roots.n; i++)
        if (root_is_result(g->roots.at[i].kind))
            named[buffer_root(node_buffer(g, g->roots.at[i].node))->id] = true;
    return named;
}

/* Where variables and scratch begin; const where no variable is written. */
static void emit_bases(SourceText *s, const CallList *c, bool scratch)
{
    const Program *p = s->p;
    const char *keeps = writes_vars(c->g, c->from) ? "" : "const ", *m = p->name;
    if (c->reaches[PART_vars])
        out_line(s->out, "%sstruct %s_vars *const v = (%sstruct %s_vars *)m->head.vars;", keeps, m,
                 keeps, m);
    if (c->reaches[PART_memory])
        out_line(s->out,
                 "struct %s_memory *const a = (struct %s_memory *)(m->head.scratch + %lld);", m, m,
                 (long long)scratch_bytes(p));
    if (c->reaches[PART_caches])
        out_line(s->out,
                 "struct %s_cache *const c = (struct %s_cache *)(m->head.scratch + %lld)%s;", m, m,
                 (long long)(scratch_bytes(p) + p->memory_bytes),
                 p->generate.beam > 1 ? " + m->head.sequence" : "");
    if (scratch)
        out_line(s->out, "float *const scratch = (float *)m->head.scratch;");
}

static void flush_declaration(SourceText *s, Str *line)
{
    if (line->n)
        out_line(s->out, "%s;", line->at);
    *line = str_new(s->arena);
}

/* Integers, which lie in scratch as floats do. */
static void declare_integers(SourceText *s, const Buffer *b)
{
    const char *type = b->dtype == DT_i32 ? "int32_t" : "uint8_t";
    out_wrap(s->out, "%s *%s = (%s *)(scratch + %lld);", type, b->name, type,
             (long long)b->offset / 4);
}

/* "float *x = scratch + 0, *y = scratch + 64;": as many to a line as fit. */
static void declare(SourceText *s, Str *line, const Buffer *b)
{
    enum { COLUMNS = 100 - 4 - 1 };
    const char *part =
        arena_format(s->arena, "*%s = %s + %lld", b->name,
                     b->kind == BUF_grads ? "grads" : "scratch", (long long)b->offset / 4);
    if (line->n && line->n + strlen(part) + 2 > COLUMNS - 4 * (size_t)(s->out->depth - 1))
        flush_declaration(s, line);
    str_add(line, "%s%s", line->n ? ", " : "float ", part);
}

void emit_buffers(SourceText *s, const CallList *c, const Buffer *const *filled)
{
    const Plan *plan = c->g->plan;
    const bool *named = find_named(s, c, filled);
    bool scratch = c->uses_scratch;
    for (int i = 0; i < plan->buffers.n; i++)
        scratch |= named[i] && plan->buffers.at[i]->kind == BUF_scratch;
    emit_bases(s, c, scratch);
    Str line = str_new(s->arena);
    for (int i = 0; i < plan->buffers.n; i++) {
        const Buffer *b = plan->buffers.at[i];
        if (named[i] && (b->kind == BUF_scratch || b->kind == BUF_grads))
            b->dtype == DT_f32 ? declare(s, &line, b) : declare_integers(s, b);
    }
    flush_declaration(s, &line);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Whether there is something in scratch that predict counts on. */
static bool keeps_in_predict(const Program *p)
{
    return p->fn[FN_predict] && graph_keeps(p->fn[FN_predict]);
}

void emit_body(SourceText *s, const Graph *g)
{
    const CallList *c = list_calls(s, g, 0);
    emit_buffers(s, c, NULL);
    emit_uniforms(s, g, 0);
    emit_keys(s, c);
    if (g->fn == FN_predict && graph_keeps(g))
        out_line(s->out, "const int stale = nnrt_stale(&m->head);");
    emit_calls(s, c);
    if (g->fn != FN_predict && keeps_in_predict(s->p))
        out_line(s->out, "m->head.kept = 0;");
}
