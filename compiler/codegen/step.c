/* SPDX-License-Identifier: MIT */
/* step.c: the functions that an app calls: predict, eval, train_step, grad.
 *
 * Each is a list of kernel calls inside one parallel region, or none where no kernel is worth
 * sharing. Before it stand the buffers in scratch (the only place where their offsets are written)
 * and the uniform scalars, in double. An eval that begins with all of predict calls it. */
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

static void emit_uniforms(SourceText *s, const Graph *g, int from)
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
    bool vars = false, scratch = false, written = false, caches = false;
    for (int i = 0; i < g->plan->buffers.n; i++) {
        const Buffer *b = g->plan->buffers.at[i];
        bool cache = b->kind == BUF_var && b->var->kind == VAR_cache;
        caches |= cache && declared(uses, b);
        vars |= b->kind == BUF_var && !cache && declared(uses, b);
        written |= b->kind == BUF_var && !cache && declared(uses, b) && uses[i].written;
        scratch |= b->kind == BUF_scratch && declared(uses, b);
    }
    const char *keeps = written ? "" : "const ", *m = s->p->name;
    if (vars)
        out_line(s->out, "%sstruct %s_vars *const v = (%sstruct %s_vars *)m->head.vars;", keeps, m,
                 keeps, m);
    if (caches)
        out_line(s->out, "struct %s_cache *const c = (struct %s_cache *)(m->head.scratch + %lld);",
                 m, m, (long long)scratch_bytes(s->p));
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
static void emit_buffers(SourceText *s, const Graph *g, int from, const Buffer *const *filled)
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

/* A scan: what is done once, then the loop. */
static void emit_scan(SourceText *s, const Calls *c, bool parallel)
{
    const Scan *scan = c->g->scan;
    int once = kernels_kept(c->g);
    const char *t = c->frame.t;
    long long last = (long long)scan->length - 1;
    if (once)
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
    int kept = g->fn == FN_predict && from == 0 ? kernels_kept(g) : from;
    if (kept > from) {
        out_open(s->out, "if (stale)");
        emit_some_calls(s, c, parallel, from, kept);
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

static void emit_calls(SourceText *s, const Graph *g, int from)
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
    return p->fn[FN_predict] && kernels_kept(p->fn[FN_predict]);
}

/* Everything from the buffers to the last kernel. */
static void emit_body(SourceText *s, const Graph *g)
{
    emit_buffers(s, g, 0, NULL);
    emit_uniforms(s, g, 0);
    emit_keys(s, g, 0);
    if (g->fn == FN_predict && kernels_kept(g))
        out_line(s->out, "const int stale = nnrt_stale(&m->head);");
    emit_calls(s, g, 0);
    if (g->fn != FN_predict && keeps_in_predict(s->p))
        out_line(s->out, "m->head.kept = 0;");
}

/* --- a function that begins with all of another ----------------------------------------------- */

static bool same_uniform(const Node *a, const Node *b)
{
    if (a->op != b->op || a->n_in != b->n_in ||
        (a->op == OP_const && a->attr->value != b->attr->value) ||
        (a->op == OP_scalar && a->attr->scalar != b->attr->scalar))
        return false;
    for (int i = 0; i < a->n_in; i++)
        if (!same_uniform(a->in[i], b->in[i]))
            return false;
    return true;
}

/* Whether a call of g passes what one of `head` does; *output: what stands for an output of `head`,
 * by its index. */
static bool same_argument(SourceText *s, const KernelArg *of_head, const KernelArg *of_g,
                          const Buffer **output)
{
    if (of_head->kind != of_g->kind || of_head->kind == KARG_key)
        return false;
    if (of_head->kind == KARG_team)
        return true;
    if (of_head->kind == KARG_scalar)
        return same_uniform(of_head->node, of_g->node);
    const Buffer *a = buffer_root(of_head->buffer), *b = buffer_root(of_g->buffer);
    if (a->kind == BUF_output) {
        bool known = output[a->index] != NULL;
        if (!known)
            output[a->index] = b;
        return output[a->index] == b && b->kind == BUF_scratch;
    }
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case BUF_var:
    case BUF_input: return a->index == b->index;
    case BUF_data: return strcmp(data_name(s, a), data_name(s, b)) == 0;
    case BUF_scratch: return a->offset == b->offset;
    default: return false;
    }
}

/* Whether the first kernels of g are those of `head`, in the same memory but for its outputs. */
static bool begins_with(SourceText *s, const Graph *g, const Graph *head, const Buffer **output)
{
    if (!head || head->kernels.n > g->kernels.n)
        return false;
    for (int i = 0; i < head->kernels.n; i++) {
        const Kernel *a = head->kernels.at[i], *b = g->kernels.at[i];
        if (strcmp(a->name, b->name) != 0 || a->args.n != b->args.n)
            return false;
        for (int k = 0; k < a->args.n; k++)
            if (!same_argument(s, &a->args.at[k], &b->args.at[k], output))
                return false;
    }
    for (int i = 0; i < s->p->outputs.n; i++)
        if (!output[i])
            return false;
    return true;
}

/* --- the functions ---------------------------------------------------------------------------- */

static const char *result(const Graph *g, RootKind kind, int index)
{
    const Node *y = graph_find_root(g, kind, index);
    return y ? buffer_root(node_buffer(g, y))->name : NULL;
}

static void emit_metrics(SourceText *s, const Graph *g, const char *sums)
{
    for (int i = 0; i < s->p->n_sums; i++)
        out_line(s->out, "%s[%d] += (double)%s[0];", sums, i, result(g, ROOT_metric, i));
}

static void close_function(SourceText *s)
{
    s->out->depth = 0;
    out_raw(s->out, "}");
}

/* A form of the function that notes times where `profile` is given. It is inlined in the two that call
 * it: one without marks, and one for bench --profile. */
static void noted_head(SourceText *s, const char *type, const char *name, Fn fn)
{
    out_raw(s->out,
            "/* %s, which notes in `profile` how long its kernels take, unless that is NULL. */",
            name);
    out_hang(s->out,
             "static inline __attribute__((always_inline)) %s %s_%s_noted(%s *m, %s, "
             "nnrt_profile *const profile)",
             type, s->p->name, name, s->p->name, fn_parameters(s->arena, s->p, fn));
}

/* The public function that passes on to the form with marks. */
static void emit_unnoted(SourceText *s, const char *type, const char *name, Fn fn)
{
    const char *m = s->p->name;
    out_raw(s->out, "%s", "");
    out_wrap(s->out, "%s %s_%s(%s *m, %s)", type, m, name, m, fn_parameters(s->arena, s->p, fn));
    out_raw(s->out, "{");
    s->out->depth = 1;
    out_wrap(s->out, "return %s_%s_noted(m, n%s, NULL);", m, name,
             fn_arguments(s->arena, s->p, fn));
    close_function(s);
}

/* No index of a table's row is read that is not below their number. */
static void refuse_tokens(SourceText *s, Fn fn, const char *what_is_wrong)
{
    const Program *p = s->p;
    for (int i = 0; i < p->inputs.n; i++) {
        const Input *in = &p->inputs.at[i];
        bool used = input_used(p, fn, i) || (fn == FN_train && input_used(p, FN_accumulate, i));
        if (!in->looked_up || !used)
            continue;
        out_line(s->out,
                 "static const char why_%d[] = \"%s holds a number that is not from 0 to %lld\";",
                 i, in->name, (long long)in->classes - 1);
        out_hang(s->out, "if (nnrt_refuses_tokens(&m->head, %s, (size_t)n * %lld, %lld, why_%d))",
                 c_name(s->arena, in->name), (long long)shape_count(&in->shape),
                 (long long)in->classes, i);
        s->out->depth++;
        out_line(s->out, "return %s;", what_is_wrong);
        s->out->depth--;
    }
}

static void open_function(SourceText *s, const char *type, const char *name, Fn fn,
                          const char *what_is_wrong)
{
    out_raw(s->out, "%s", "");
    s->noted = notes_times(s, fn);
    if (s->noted)
        noted_head(s, type, name, fn);
    else
        out_wrap(s->out, "%s %s_%s(%s *m, %s)", type, s->p->name, name, s->p->name,
                 fn_parameters(s->arena, s->p, fn));
    out_raw(s->out, "{");
    s->out->depth = 1;
    out_loop(s->out, "if (%s_refuses(m, n))", s->p->name);
    out_line(s->out, "return %s;", what_is_wrong);
    out_end(s->out);
    refuse_tokens(s, fn, what_is_wrong);
}

static void emit_predict(SourceText *s)
{
    open_function(s, "int", "predict", FN_predict, "-1");
    emit_body(s, s->p->fn[FN_predict]);
    out_line(s->out, "return 0;");
    close_function(s);
    if (s->noted)
        emit_unnoted(s, "int", "predict", FN_predict);
}

/* The body of eval where predict's kernels are its first: a call of predict, then the others. */
static void emit_rest_of_eval(SourceText *s, const Graph *g, const Buffer *const *output)
{
    const Program *p = s->p;
    int from = p->fn[FN_predict]->kernels.n;
    emit_buffers(s, g, from, output);
    emit_uniforms(s, g, from);
    Str call = str_new(s->arena);
    for (int i = 0; i < p->inputs.n; i++)
        if (input_used(p, FN_predict, i))
            str_add(&call, ", %s", c_name(s->arena, p->inputs.at[i].name));
    for (int i = 0; i < p->outputs.n; i++)
        str_add(&call, ", %s", output[i]->name);
    out_hang(s->out, "%s_predict(m, n%s);", p->name, call.at);
    emit_calls(s, g, from);
}

static void emit_eval(SourceText *s)
{
    const Graph *g = s->p->fn[FN_eval];
    const Buffer **output = arena_take(s->arena, sizeof(Buffer *) * (size_t)(s->p->outputs.n + 1));
    open_function(s, "float", "eval", FN_eval, "__builtin_nanf(\"\")");
    if (begins_with(s, g, s->p->fn[FN_predict], output))
        emit_rest_of_eval(s, g, output);
    else
        emit_body(s, g);
    if (s->p->n_sums) {
        out_open(s->out, "if (sums)");
        emit_metrics(s, g, "sums");
        out_close(s->out);
    } else {
        out_line(s->out, "(void)sums;");
    }
    out_line(s->out, "return %s[0];", result(g, ROOT_loss, 0));
    close_function(s);
}

/* One of the two halves of a training step with accumulation, or the whole step without. */
static void emit_train_part(SourceText *s, Fn fn)
{
    const Graph *g = s->p->fn[fn];
    emit_body(s, g);
    out_line(s->out, "m->head.calls++;");
    if (fn == FN_train) {
        out_line(s->out, "m->head.step++;");
        out_line(s->out, "m->head.changes++;");
    }
    if (s->p->n_sums) {
        out_open(s->out, "if (m->head.metric_sums)");
        emit_metrics(s, g, "m->head.metric_sums");
        out_close(s->out);
    }
    out_line(s->out, "return %s[0];", result(g, ROOT_loss, 0));
}

static void emit_train(SourceText *s)
{
    open_function(s, "float", "train_step", FN_train, "__builtin_nanf(\"\")");
    if (s->p->fn[FN_accumulate]) {
        out_open(s->out, "if (m->head.calls %% %lld != %lld)", (long long)s->p->train.accumulate,
                 (long long)(s->p->train.accumulate - 1));
        emit_train_part(s, FN_accumulate);
        out_close(s->out);
    }
    emit_train_part(s, FN_train);
    close_function(s);
    if (s->noted)
        emit_unnoted(s, "float", "train_step", FN_train);
}

static void emit_grad(SourceText *s)
{
    open_function(s, "float", "grad", FN_grad, "__builtin_nanf(\"\")");
    emit_body(s, s->p->fn[FN_grad]);
    out_line(s->out, "return %s[0];", result(s->p->fn[FN_grad], ROOT_loss, 0));
    close_function(s);
}

/* prefill and step: the scores of one position of one sample. Private to NAME_generate, which checks tokens. */
static void emit_decoding(SourceText *s, Fn fn)
{
    const Graph *g = s->p->fn[fn];
    const char *m = s->p->name;
    const Buffer *scores = node_buffer(g, graph_find_root(g, ROOT_output, 0));
    const char *tokens = NULL;
    for (int i = 0; i < g->plan->buffers.n; i++)
        if (g->plan->buffers.at[i]->kind == BUF_input)
            tokens = g->plan->buffers.at[i]->name;
    bool several = fn == FN_prefill;
    s->noted = false;
    out_raw(
        s->out,
        "\n/* The scores of what follows the tokens, the first of which is at position `at`%s. */",
        several ? ": after number `last`" : "");
    out_wrap(s->out,
             "static void %s_%s(nnrt_instance *head, const int32_t *%s, int64_t at%s, float *%s)",
             m, fn_text(fn), tokens, several ? ", int last" : "", scores->name);
    out_raw(s->out, "{");
    s->out->depth = 1;
    out_line(s->out, "struct %s *const m = (struct %s *)head;", m, m);
    out_line(s->out, "enum { n = 1 };");
    if (!g->program->generate.bounded)
        out_line(s->out, "(void)at;");
    emit_body(s, g);
    close_function(s);
}

/* What the functions share: the check of n. */
static void emit_refuses(SourceText *s)
{
    const char *m = s->p->name;
    out_raw(s->out, "\n/* Whether a call cannot take n samples; the instance then says why. */");
    out_raw(s->out, "static int %s_refuses(struct %s *m, int n)\n{", m, m);
    s->out->depth = 1;
    out_line(s->out, "static const char why[] = \"n is not from 1 to %lld\";",
             (long long)s->p->train.batch);
    out_loop(s->out, "if (n >= 1 && n <= %s_BATCH)", s->upper);
    out_line(s->out, "return 0;");
    out_end(s->out);
    out_line(s->out, "__builtin_memcpy(m->head.error, why, sizeof why);");
    out_line(s->out, "return 1;");
    close_function(s);
}

void emit_steps(SourceText *s)
{
    if (s->p->fn[FN_predict] || s->p->fn[FN_eval] || s->p->fn[FN_train] || s->p->fn[FN_grad])
        emit_refuses(s);
    if (s->p->fn[FN_predict])
        emit_predict(s);
    if (s->p->fn[FN_eval])
        emit_eval(s);
    if (s->p->fn[FN_train])
        emit_train(s);
    if (s->p->fn[FN_grad])
        emit_grad(s);
    if (s->p->fn[FN_prefill])
        emit_decoding(s, FN_prefill);
    if (s->p->fn[FN_step])
        emit_decoding(s, FN_step);
}
