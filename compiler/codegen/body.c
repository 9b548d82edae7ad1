/* SPDX-License-Identifier: MIT */
/* body.c: what a function that an app calls does.
 *
 * A list of kernel calls inside one parallel region, or none where no kernel is worth sharing. Before it stand
 * the buffers in scratch (the only place where their offsets are written) and the uniform scalars, in double. */
#include <string.h>

#include "emit.h"

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

static const char *uniform_name(SourceText *s, const Node *y)
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
        [SCALAR_lr] = ("nnrt_lr(&m->head.model->train.schedule, m->head.lr, m->head.step, "
                       "m->head.total_steps, m->head.epoch_steps)")};
    Str text = str_new(s->arena);
    const char *c = y->op == OP_scalar ? scalar[y->attr->scalar] : double_text[y->op];
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

/* bodies: how many there were before. Gives how many there are then. */
static int emit_uniforms_from(SourceText *s, const Graph *g, int from, int bodies)
{
    const int number = bodies++;
    for (int i = 0; i < g->nodes.n; i++)
        g->nodes.at[i]->mark = number;
    bool *needed = arena_take(s->arena, (size_t)g->nodes.n + 1);
    mark_uniforms(g, from, needed);
    for (int i = 0; i < g->nodes.n; i++)
        if (needed[i] && g->nodes.at[i]->op != OP_const)
            uniform_line(s, g->nodes.at[i]);
    for (int i = from; i < g->kernels.n; i++)
        if (g->kernels.at[i]->scan)
            bodies = emit_uniforms_from(s, g->kernels.at[i]->scan->attr->scan->body, 0, bodies);
    return bodies;
}

void emit_uniforms(SourceText *s, const Graph *g, int from)
{
    emit_uniforms_from(s, g, from, 0);
}

/* --- random streams --------------------------------------------------------------------------- */

static void emit_keys(SourceText *s, const Graph *g, int from)
{
    VEC(uint32_t) seen = {0};
    for (int i = from; i < g->kernels.n; i++)
        for (int a = 0; a < g->kernels.at[i]->args.n; a++) {
            const KernelArg *arg = &g->kernels.at[i]->args.at[a];
            if (arg->kind != KARG_key)
                continue;
            uint32_t stream = arg->node->attr->stream;
            bool known = false;
            for (int k = 0; k < seen.n; k++)
                known |= seen.at[k] == stream;
            if (known)
                continue;
            vec_push(s->arena, &seen, stream);
            out_line(s->out,
                     "const nnrt_rand_key key%u = nnrt_rand_key_of(m->head.seed, "
                     "(uint64_t)m->head.calls, %uu);",
                     (unsigned)stream, (unsigned)stream);
        }
}

/* --- buffers ---------------------------------------------------------------------------------- */

/* What the function does with a buffer, by Buffer.id. */
typedef struct Use {
    bool passed;  /* to a kernel, under its own name */
    bool written; /* by a kernel, maybe as a buffer that lies over it */
    bool result;  /* read after the last kernel */
} Use;

static Use *find_uses(SourceText *s, const Graph *g, int from, const Buffer *const *filled)
{
    Use *uses = arena_take(s->arena, sizeof *uses * (size_t)(g->plan->buffers.n + 1));
    for (int i = from; i < g->kernels.n; i++)
        for (int a = 0; a < g->kernels.at[i]->args.n; a++) {
            const KernelArg *arg = &g->kernels.at[i]->args.at[a];
            if (arg->kind != KARG_buffer)
                continue;
            uses[arg->buffer->id].passed = true;
            uses[buffer_root(arg->buffer)->id].written |= arg->written;
        }
    for (int i = 0; filled && i < s->p->outputs.n; i++)
        uses[filled[i]->id].passed = uses[filled[i]->id].written = true;
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == ROOT_loss || g->roots.at[i].kind == ROOT_metric)
            uses[buffer_root(node_buffer(g, g->roots.at[i].node))->id].result = true;
    return uses;
}

static bool declared(const Use *uses, const Buffer *b)
{
    return !b->over && (uses[b->id].passed || uses[b->id].result);
}

/* Where variables and scratch begin; const where no variable is written. */
static void emit_bases(SourceText *s, const Graph *g, const Use *uses)
{
    bool vars = false, scratch = false, written = false, caches = false, memory = false;
    const Program *p = s->p;
    for (int i = 0; i < g->plan->buffers.n; i++) {
        const Buffer *b = g->plan->buffers.at[i];
        bool var = b->kind == BUF_var && declared(uses, b), weight = var && !var_decodes(b->var);
        caches |= var && b->var->kind == VAR_cache;
        memory |= var && b->var->kind == VAR_memory;
        vars |= weight;
        written |= weight && uses[i].written;
        scratch |= b->kind == BUF_scratch && declared(uses, b);
    }
    const char *keeps = written ? "" : "const ", *m = s->p->name;
    if (vars)
        out_line(s->out, "%sstruct %s_vars *const v = (%sstruct %s_vars *)m->head.vars;", keeps, m,
                 keeps, m);
    if (memory)
        out_line(s->out,
                 "struct %s_memory *const a = (struct %s_memory *)(m->head.scratch + %lld);", m, m,
                 (long long)scratch_bytes(p));
    if (caches && p->generate.beam > 1)
        out_line(s->out,
                 "struct %s_cache *const c = (struct %s_cache *)(m->head.scratch + %lld) + "
                 "m->head.sequence;",
                 m, m, (long long)(scratch_bytes(p) + p->memory_bytes));
    else if (caches)
        out_line(s->out, "struct %s_cache *const c = (struct %s_cache *)(m->head.scratch + %lld);",
                 m, m, (long long)(scratch_bytes(p) + p->memory_bytes));
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

/* Those of the kernels from `from` on, and those that predict has filled before, if any. */
void emit_buffers(SourceText *s, const Graph *g, int from, const Buffer *const *filled)
{
    const Use *uses = find_uses(s, g, from, filled);
    emit_bases(s, g, uses);
    Str line = str_new(s->arena);
    for (int i = 0; i < g->plan->buffers.n; i++) {
        const Buffer *b = g->plan->buffers.at[i];
        if (declared(uses, b) && (b->kind == BUF_scratch || b->kind == BUF_grads))
            b->dtype == DT_f32 ? declare(s, &line, b) : declare_integers(s, b);
    }
    flush_declaration(s, &line);
}

/* --- calls ------------------------------------------------------------------------------------ */

static const char *argument(SourceText *s, const Frame *f, const KernelArg *a)
{
    switch (a->kind) {
    case KARG_key: return arena_format(s->arena, "key%u", (unsigned)a->node->attr->stream);
    case KARG_scalar: return arena_format(s->arena, "(float)%s", uniform_name(s, a->node));
    case KARG_team: return "&team";
    case KARG_buffer: return buffer_address(s, f, a->buffer);
    }
    BUG("an argument of no kind");
}

static const char *call_text(SourceText *s, const Frame *f, const Kernel *k)
{
    Str line = str_new(s->arena);
    str_add(&line, "%s(n", k->name);
    for (int i = 0; i < k->args.n; i++)
        str_add(&line, ", %s", argument(s, f, &k->args.at[i]));
    str_add(&line, ");");
    return line.at;
}

/* The calls of a function's kernels, or of a body's. */
typedef struct Calls {
    Frame frame;
    const Graph *g;
    const char **text;        /* by kernel, from the first that is called on */
    SpanList *reads, *writes; /* by kernel: in all steps of the frames around it */
    struct Calls **body;      /* by kernel: a scan's; else NULL */
} Calls;

static void find_spans(SourceText *s, Calls *c, int i)
{
    const Kernel *k = c->g->kernels.at[i];
    for (int a = 0; a < k->args.n; a++)
        if (k->args.at[a].kind == KARG_buffer)
            buffer_spans(s, &c->frame, k->args.at[a].buffer,
                         k->args.at[a].written ? &c->writes[i] : &c->reads[i]);
}

static Calls *calls_of(SourceText *s, Frame frame, int from, int depth)
{
    const Graph *g = frame.g;
    size_t n = (size_t)g->kernels.n + 1;
    Calls *c = arena_take(s->arena, sizeof *c);
    c->frame = frame;
    c->g = g;
    c->text = arena_take(s->arena, sizeof *c->text * n);
    c->reads = arena_take(s->arena, sizeof *c->reads * n);
    c->writes = arena_take(s->arena, sizeof *c->writes * n);
    c->body = arena_take(s->arena, sizeof(Calls *) * n);
    for (int i = from; i < g->kernels.n; i++) {
        const Kernel *k = g->kernels.at[i];
        find_spans(s, c, i);
        if (!k->scan) {
            c->text[i] = call_text(s, &c->frame, k);
            continue;
        }
        const char *t = depth ? arena_format(s->arena, "t%d", depth + 1) : "t";
        Frame body = {.g = k->scan->attr->scan->body, .outer = &c->frame, .scan = k, .t = t};
        c->body[i] = calls_of(s, body, 0, depth + 1);
    }
    return c;
}

/* --- who waits for whom ----------------------------------------------------------------------- */

/* Whether one of two kernels writes what the other reads or writes. */
static bool in_conflict(const Calls *c, int a, int b)
{
    return spans_meet(&c->writes[a], &c->writes[b]) || spans_meet(&c->writes[a], &c->reads[b]) ||
           spans_meet(&c->reads[a], &c->writes[b]);
}

/* Whether threads wait for each other inside a kernel. */
static bool waits_inside(const Kernel *k)
{
    for (int i = 0; i < k->args.n; i++)
        if (k->args.at[i].kind == KARG_team)
            return true;
    return false;
}

/* Whether kernel `next` must not begin before all threads are done with those from `since` on. What is
 * not shared is all one thread's. */
static bool must_wait(const Calls *c, int since, int next)
{
    const Kernel *k = c->g->kernels.at[next];
    for (int i = since; i < next; i++)
        if ((k->shared || c->g->kernels.at[i]->shared) && in_conflict(c, i, next))
            return true;
    return false;
}

/* --- the calls -------------------------------------------------------------------------------- */

/* Kernels that no thread shares, in a row: how many from `from` on without a wait between them. */
static int alone(const Graph *g, int from, int to)
{
    int n = 0;
    while (from + n < to && !g->kernels.at[from + n]->shared)
        n++;
    return n;
}

/* Behind the call of a kernel, where times are noted. */
static void emit_mark(SourceText *s, const Kernel *k, bool parallel)
{
    if (s->noted && parallel)
        out_line(s->out, "nnrt_mark_all(&team, profile, %d);", mark_number(s, k));
    else if (s->noted)
        out_line(s->out, "nnrt_mark(profile, %d);", mark_number(s, k));
}

static void emit_some_calls(SourceText *s, const Calls *c, bool parallel, int from, int to);

/* Whether predict makes what a scan's body needs before its first step only after a weight has changed. */
static bool keeps_first(const Calls *body)
{
    return body->frame.scan->keeps_first && body->frame.outer->g->fn == FN_predict;
}

/* A scan: what is done once, then the loop. */
static void emit_scan(SourceText *s, const Calls *c, bool parallel)
{
    const Scan *scan = c->g->scan;
    int once = kernels_kept(c->g);
    const char *t = c->frame.t;
    long long last = (long long)scan->length - 1;
    if (once && !keeps_first(c))
        emit_some_calls(s, c, parallel, 0, once);
    if (scan->backwards)
        out_open(s->out, "for (int %s = %lld; %s >= 0; %s--)", t, last, t, t);
    else
        out_open(s->out, "for (int %s = 0; %s < %lld; %s++)", t, t, last + 1, t);
    emit_some_calls(s, c, parallel, once, c->g->kernels.n);
    out_close(s->out);
}

/* Kernels from .. to-1 as one thread calls them. */
static void emit_plain_calls(SourceText *s, const Calls *c, int from, int to)
{
    for (int i = from; i < to; i++) {
        if (c->body[i]) {
            emit_scan(s, c->body[i], false);
            continue;
        }
        out_hang(s->out, "%s", c->text[i]);
        emit_mark(s, c->g->kernels.at[i], false);
    }
}

/* Kernels from .. to-1 in a parallel region, by one of its threads. */
static void emit_alone(SourceText *s, const Calls *c, int from, int to)
{
    const int last = to - 1;
    const bool several = last > from || c->body[last];
    out_raw(s->out, "#pragma omp master");
    if (several) {
        out_line(s->out, "{");
        s->out->depth++;
    }
    emit_plain_calls(s, c, from, last);
    if (c->body[last])
        emit_scan(s, c->body[last], false);
    else
        out_hang(s->out, "%s", c->text[last]);
    if (several)
        out_close(s->out);
    if (!c->body[last])
        emit_mark(s, c->g->kernels.at[last], true);
}

/* Inside a parallel region: kernels from .. to-1, and waits between those in conflict and at the end. */
static void emit_shared_calls(SourceText *s, const Calls *c, int from, int to)
{
    int since = from;
    for (int i = from, n; i < to; i += n) {
        const Kernel *k = c->g->kernels.at[i];
        n = k->shared ? 1 : alone(c->g, i, to);
        bool wait = false;
        for (int j = i; j < i + n; j++)
            wait |= must_wait(c, since, j);
        if (wait) {
            out_line(s->out, "nnrt_wait(&team);");
            since = i;
        }
        if (!k->shared) {
            emit_alone(s, c, i, i + n);
        } else if (c->body[i]) {
            emit_scan(s, c->body[i], true);
            since = i + 1; /* each step ends with a wait */
        } else {
            out_hang(s->out, "%s", c->text[i]);
            emit_mark(s, k, true);
        }
        if (waits_inside(k))
            since = i;
    }
    if (since < to)
        out_line(s->out, "nnrt_wait(&team);");
}

/* Kernels from .. to-1. */
static void emit_some_calls(SourceText *s, const Calls *c, bool parallel, int from, int to)
{
    if (parallel)
        emit_shared_calls(s, c, from, to);
    else
        emit_plain_calls(s, c, from, to);
}

/* All kernels from `from` on, those that are kept where there is something new for them. */
static void emit_all_calls(SourceText *s, const Calls *c, bool parallel, int from)
{
    const Graph *g = c->g;
    bool keeps = g->fn == FN_predict && from == 0;
    int kept = keeps ? kernels_kept(g) : from;
    if (keeps && graph_keeps(g)) {
        out_open(s->out, "if (stale)");
        emit_some_calls(s, c, parallel, from, kept);
        for (int i = kept; i < g->kernels.n; i++)
            if (c->body[i] && keeps_first(c->body[i]))
                emit_some_calls(s, c->body[i], parallel, 0, kernels_kept(c->body[i]->g));
        out_close(s->out);
    }
    emit_some_calls(s, c, parallel, kept, g->kernels.n);
}

/* Whether some call is longer than a line. */
static bool is_broken(const Calls *c, int from)
{
    enum { WIDTH = 88 }; /* of the longest call that needs no break, wherever it stands */
    for (int i = from; i < c->g->kernels.n; i++)
        if (c->body[i] ? is_broken(c->body[i], 0) : strlen(c->text[i]) > WIDTH)
            return true;
    return false;
}

void emit_calls(SourceText *s, const Graph *g, int from)
{
    const Calls *c = calls_of(s, (Frame){.g = g}, from, 0);
    bool broken = is_broken(c, from), parallel = false;
    for (int i = from; i < g->kernels.n; i++)
        parallel |= g->kernels.at[i]->shared;
    if (parallel)
        out_line(s->out, "nnrt_team team = {0};");
    if (broken)
        out_line(s->out, "/* clang-format off */");
    if (parallel) {
        out_raw(s->out, "#pragma omp parallel");
        out_line(s->out, "{");
        s->out->depth++;
        if (s->noted)
            out_line(s->out, "nnrt_mark_all(&team, profile, -1);");
        emit_all_calls(s, c, true, from);
        out_close(s->out);
    } else {
        if (s->noted)
            out_line(s->out, "nnrt_mark(profile, -1);");
        emit_all_calls(s, c, false, from);
    }
    if (broken)
        out_line(s->out, "/* clang-format on */");
}

/* Whether there is something in scratch that predict counts on. */
static bool keeps_in_predict(const Program *p)
{
    return p->fn[FN_predict] && graph_keeps(p->fn[FN_predict]);
}

void emit_body(SourceText *s, const Graph *g)
{
    emit_buffers(s, g, 0, NULL);
    emit_uniforms(s, g, 0);
    emit_keys(s, g, 0);
    if (g->fn == FN_predict && graph_keeps(g))
        out_line(s->out, "const int stale = nnrt_stale(&m->head);");
    emit_calls(s, g, 0);
    if (g->fn != FN_predict && keeps_in_predict(s->p))
        out_line(s->out, "m->head.kept = 0;");
}
