/* SPDX-License-Identifier: MIT */
/* step.c: the functions that an app calls: predict, eval, train_step, grad.
 *
 * Each is a list of kernel calls inside one parallel region, or none where no kernel is worth
 * sharing. Before it stand the buffers, a line each (the only place where an offset is written),
 * and the uniform scalars, in double. */
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
    return arena_format(s->arena, "u%d", y->id);
}

static void uniform_line(SourceText *s, const Node *y)
{
    static const char *const scalar[] = {
        [SCALAR_n] = "n",
        [SCALAR_step] = "(double)(m->head.step + 1)",
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
    out_wrap(s->out, "const double u%d = %s;", y->id, text.at);
}

/* Marks what the kernels' scalar parameters are made of. */
static void mark_uniforms(const Graph *g, bool *needed)
{
    for (int i = 0; i < g->kernels.n; i++)
        for (int a = 0; a < g->kernels.at[i]->args.n; a++)
            if (g->kernels.at[i]->args.at[a].kind == KARG_scalar)
                needed[g->kernels.at[i]->args.at[a].node->id] = true;
    for (int i = g->nodes.n - 1; i >= 0; i--)
        for (int k = 0; needed[i] && k < g->nodes.at[i]->n_in; k++)
            needed[g->nodes.at[i]->in[k]->id] = true;
}

static void emit_uniforms(SourceText *s, const Graph *g)
{
    bool *needed = arena_take(s->arena, (size_t)g->nodes.n + 1);
    mark_uniforms(g, needed);
    for (int i = 0; i < g->nodes.n; i++)
        if (needed[i] && g->nodes.at[i]->op != OP_const)
            uniform_line(s, g->nodes.at[i]);
}

/* --- random streams --------------------------------------------------------------------------- */

static void emit_keys(SourceText *s, const Graph *g)
{
    VEC(uint32_t) seen = {0};
    for (int i = 0; i < g->kernels.n; i++)
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

static const Buffer *root_of(const Buffer *b)
{
    while (b->over)
        b = b->over;
    return b;
}

/* What the function does with a buffer, by Buffer.id. */
typedef struct Use {
    bool passed;  /* to a kernel, under its own name */
    bool written; /* by a kernel, maybe as a buffer that lies over it */
    bool result;  /* read after the last kernel */
} Use;

static Use *find_uses(SourceText *s, const Graph *g)
{
    Use *uses = arena_take(s->arena, sizeof *uses * (size_t)(g->plan->buffers.n + 1));
    for (int i = 0; i < g->kernels.n; i++)
        for (int a = 0; a < g->kernels.at[i]->args.n; a++) {
            const KernelArg *arg = &g->kernels.at[i]->args.at[a];
            if (arg->kind != KARG_buffer)
                continue;
            uses[arg->buffer->id].passed = true;
            uses[root_of(arg->buffer)->id].written |= arg->written;
        }
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == ROOT_loss || g->roots.at[i].kind == ROOT_metric)
            uses[root_of(node_buffer(g, g->roots.at[i].node))->id].result = true;
    return uses;
}

static bool declared(const Use *uses, const Buffer *b)
{
    return !b->over && (uses[b->id].passed || uses[b->id].result);
}

/* Where variables and scratch begin; const where no variable is written. */
static void emit_bases(SourceText *s, const Graph *g, const Use *uses)
{
    bool vars = false, scratch = false, written = false;
    for (int i = 0; i < g->plan->buffers.n; i++) {
        const Buffer *b = g->plan->buffers.at[i];
        vars |= b->kind == BUF_var && declared(uses, b);
        written |= b->kind == BUF_var && declared(uses, b) && uses[i].written;
        scratch |= b->kind == BUF_scratch && declared(uses, b);
    }
    const char *keeps = written ? "" : "const ";
    if (vars)
        out_line(s->out, "%sfloat *const vars = (%sfloat *)m->head.vars;", keeps, keeps);
    if (scratch)
        out_line(s->out, "float *const scratch = (float *)m->head.scratch;");
}

static void emit_buffers(SourceText *s, const Graph *g)
{
    const Use *uses = find_uses(s, g);
    emit_bases(s, g, uses);
    for (int i = 0; i < g->plan->buffers.n; i++) {
        const Buffer *b = g->plan->buffers.at[i];
        if (!declared(uses, b))
            continue;
        const char *keeps = uses[i].written ? "" : "const ";
        switch (b->kind) {
        case BUF_var:
            out_line(s->out, "%sfloat *const %s = vars + %lld;", keeps, b->name,
                     (long long)s->p->vars.at[b->index]->offset / 4);
            break;
        case BUF_scratch:
            out_line(s->out, "%sfloat *const %s = scratch + %lld;", keeps, b->name,
                     (long long)b->offset / 4);
            break;
        case BUF_grads:
            out_line(s->out, "float *const %s = grads + %lld;", b->name,
                     (long long)(b->offset / 4));
            break;
        case BUF_input:
        case BUF_output:
        case BUF_data: break;
        }
    }
}

/* --- calls ------------------------------------------------------------------------------------ */

static const char *argument(SourceText *s, const KernelArg *a)
{
    switch (a->kind) {
    case KARG_key: return arena_format(s->arena, "key%u", (unsigned)a->node->attr->stream);
    case KARG_scalar: return arena_format(s->arena, "(float)%s", uniform_name(s, a->node));
    case KARG_buffer: break;
    }
    if (a->buffer->kind == BUF_data)
        return data_name(s, a->buffer);
    return root_of(a->buffer)->name;
}

static const char *call_text(SourceText *s, const Kernel *k)
{
    Str line = str_new(s->arena);
    str_add(&line, "%s(n", k->name);
    for (int i = 0; i < k->args.n; i++)
        str_add(&line, ", %s", argument(s, &k->args.at[i]));
    str_add(&line, ");");
    return line.at;
}

/* A run of kernels that one thread executes, or a shared one. */
static int emit_run(SourceText *s, const Graph *g, const char *const *calls, int from)
{
    int to = from + 1;
    bool shared = g->kernels.at[from]->shared;
    while (!shared && to < g->kernels.n && !g->kernels.at[to]->shared)
        to++;
    bool several = to > from + 1;
    if (!shared)
        out_raw(s->out, "#pragma omp single");
    if (several) {
        out_line(s->out, "{");
        s->out->depth++;
    }
    for (int i = from; i < to; i++)
        out_hang(s->out, "%s", calls[i]);
    if (several)
        out_close(s->out);
    return to;
}

static void emit_calls(SourceText *s, const Graph *g)
{
    enum { WIDTH = 88 }; /* of the longest call that needs no break, wherever it stands */
    const char **calls = arena_take(s->arena, sizeof *calls * (size_t)(g->kernels.n + 1));
    bool broken = false;
    for (int i = 0; i < g->kernels.n; i++) {
        calls[i] = call_text(s, g->kernels.at[i]);
        broken |= strlen(calls[i]) > WIDTH;
    }
    if (broken)
        out_line(s->out, "/* clang-format off */");
    if (g->plan->parallel) {
        out_raw(s->out, "#pragma omp parallel");
        out_line(s->out, "{");
        s->out->depth++;
        for (int i = 0; i < g->kernels.n;)
            i = emit_run(s, g, calls, i);
        out_close(s->out);
    } else {
        for (int i = 0; i < g->kernels.n; i++)
            out_hang(s->out, "%s", calls[i]);
    }
    if (broken)
        out_line(s->out, "/* clang-format on */");
}

/* Everything from the buffers to the last kernel. */
static void emit_body(SourceText *s, const Graph *g)
{
    emit_buffers(s, g);
    emit_uniforms(s, g);
    emit_keys(s, g);
    emit_calls(s, g);
}

/* --- the functions ---------------------------------------------------------------------------- */

static const char *result(const Graph *g, RootKind kind, int index)
{
    const Node *y = graph_find_root(g, kind, index);
    return y ? root_of(node_buffer(g, y))->name : NULL;
}

static void emit_metrics(SourceText *s, const Graph *g, const char *sums)
{
    for (int i = 0; i < s->p->n_sums; i++)
        out_line(s->out, "%s[%d] += (double)%s[0];", sums, i, result(g, ROOT_metric, i));
}

static void open_function(SourceText *s, const char *type, const char *name, Fn fn,
                          const char *what_is_wrong)
{
    out_raw(s->out, "%s", "");
    out_wrap(s->out, "%s %s_%s(%s *m, %s)", type, s->p->name, name, s->p->name,
             fn_parameters(s->arena, s->p, fn));
    out_raw(s->out, "{");
    s->out->depth = 1;
    out_loop(s->out, "if (%s_refuses(m, n))", s->p->name);
    out_line(s->out, "return %s;", what_is_wrong);
    out_end(s->out);
}

static void close_function(SourceText *s)
{
    s->out->depth = 0;
    out_raw(s->out, "}");
}

static void emit_predict(SourceText *s)
{
    open_function(s, "int", "predict", FN_predict, "-1");
    emit_body(s, s->p->fn[FN_predict]);
    out_line(s->out, "return 0;");
    close_function(s);
}

static void emit_eval(SourceText *s)
{
    const Graph *g = s->p->fn[FN_eval];
    open_function(s, "float", "eval", FN_eval, "__builtin_nanf(\"\")");
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
    if (fn == FN_train)
        out_line(s->out, "m->head.step++;");
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
}

static void emit_grad(SourceText *s)
{
    open_function(s, "float", "grad", FN_grad, "__builtin_nanf(\"\")");
    emit_body(s, s->p->fn[FN_grad]);
    out_line(s->out, "return %s[0];", result(s->p->fn[FN_grad], ROOT_loss, 0));
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
}
