/* SPDX-License-Identifier: MIT */
/* step.c: the functions that an app calls: predict, eval, train_step, grad, attribute, sample; those that decode. An eval that
 * begins with all of predict calls it. */
#include <string.h>

#include "calls.h"

/* --- a function that begins with all of another ----------------------------------------------- */

static bool same_uniform(const Node *a, const Node *b)
{
    if (a->op != b->op || a->n_in != b->n_in ||
        (a->op == OP_const && a->attr->value != b->attr->value) ||
        (a->op == OP_scalar &&
         (a->attr->scalar != b->attr->scalar || a->attr->part != b->attr->part)))
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
    for (int i = 0; i < g->roots.n; i++) {
        const Root *r = &g->roots.at[i];
        if (r->kind != ROOT_metric)
            continue;
        const char *from = buffer_root(node_buffer(g, r->node))->name;
        if (r->node->shape.rank == 0) {
            out_line(s->out, "%s[%d] += (double)%s[0];", sums, r->index, from);
            continue;
        }
        out_loop(s->out, "for (int i = 0; i < %lld; i++)", (long long)shape_count(&r->node->shape));
        out_line(s->out, "%s[%d + i] += (double)%s[i];", sums, r->index, from);
        out_end(s->out);
    }
}

/* Losses that have a name are figures: their sum by samples, and how many these were. */
static void emit_losses(SourceText *s, const Graph *g, const char *sums)
{
    const Program *p = s->p;
    int first = 0;
    for (int i = 0; i < p->metrics.n; first += p->metrics.at[i++].n_sums) {
        int loss = p->metrics.at[i].loss;
        const char *from = loss ? result(g, ROOT_loss, loss) : NULL;
        if (!from)
            continue;
        out_line(s->out, "%s[%d] += (double)%s[0] * n;", sums, first, from);
        out_line(s->out, "%s[%d] += n;", sums, first + 1);
    }
}

/* Hands out what metrics over all samples need of these. */
static void emit_kept(SourceText *s, const Graph *g)
{
    for (int i = 0; i < g->roots.n; i++) {
        const Root *r = &g->roots.at[i];
        if (r->kind == ROOT_kept)
            out_line(s->out, "nnrt_keep(&m->head, %d, %s, (size_t)n * %lld);", r->index,
                     buffer_root(node_buffer(g, r->node))->name,
                     (long long)s->p->kept.at[r->index].count);
    }
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
    const CallList *calls = list_calls(s, g, from);
    emit_buffers(s, calls, output);
    emit_uniforms(s, g, from);
    Str call = str_new(s->arena);
    for (int i = 0; i < p->inputs.n; i++)
        if (input_used(p, FN_predict, i))
            str_add(&call, ", %s", c_name(s->arena, p->inputs.at[i].name));
    for (int i = 0; i < p->outputs.n; i++)
        str_add(&call, ", %s", output[i]->name);
    out_hang(s->out, "%s_predict(m, n%s);", p->name, call.at);
    emit_calls(s, calls);
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
        emit_losses(s, g, "sums");
        out_close(s->out);
    } else {
        out_line(s->out, "(void)sums;");
    }
    emit_kept(s, g);
    out_line(s->out, "return %s[0];", result(g, ROOT_loss, 0));
    close_function(s);
}

/* One of the two halves of a training step with accumulation, or the whole step without. */
static void emit_train_part(SourceText *s, Fn fn)
{
    const Graph *g = s->p->fn[fn];
    emit_body(s, g);
    out_line(s->out, "m->head.calls++;");
    if (fn != FN_accumulate) {
        out_line(s->out, "m->head.step++;");
        out_line(s->out, "m->head.changes++;");
    }
    if (s->p->n_sums) {
        out_open(s->out, "if (m->head.metric_sums)");
        emit_metrics(s, g, "m->head.metric_sums");
        emit_losses(s, g, "m->head.metric_sums");
        out_close(s->out);
    }
    emit_kept(s, g);
    out_line(s->out, "return %s[0];", result(g, ROOT_loss, 0));
}

/* Steps in which not all players have their turn. */
static void emit_rounds(SourceText *s)
{
    const Program *p = s->p;
    if (p->rounds.n < 2)
        return;
    Str turns = str_new(s->arena);
    for (int i = 0; i < p->players.n; i++) {
        long long every = p->players.at[i].every;
        const char *separator = i ? " | " : "";
        if (every == 1)
            str_add(&turns, "%s%uu", separator, 1U << i);
        else
            str_add(&turns, "%s(unsigned)((m->head.step + 1) %% %lld == 0) << %d", separator, every,
                    i);
    }
    out_wrap(s->out, "const unsigned turns = %s;", turns.at);
    for (int i = 1; i < p->rounds.n; i++) {
        out_open(s->out, "if (turns == %uu)", p->rounds.at[i]);
        emit_train_part(s, (Fn)(FN_round_1 + i - 1));
        out_close(s->out);
    }
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
    emit_rounds(s);
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

static void emit_attribute(SourceText *s)
{
    const Graph *g = s->p->fn[FN_attribute];
    long long scores = graph_find_root(g, ROOT_output, 0)->shape.dim[1];
    open_function(s, "int", "attribute", FN_attribute, "-1");
    out_line(s->out, "static const char why[] = \"the chosen score is not from 0 to %lld\";",
             scores - 1);
    out_open(s->out, "if (chosen < 0 || chosen >= %lld)", scores);
    out_line(s->out, "__builtin_memcpy(m->head.error, why, sizeof why);");
    out_line(s->out, "return -1;");
    out_close(s->out);
    emit_body(s, g);
    out_line(s->out, "return 0;");
    close_function(s);
}

static void emit_sample(SourceText *s)
{
    open_function(s, "int", "sample", FN_sample, "-1");
    emit_body(s, s->p->fn[FN_sample]);
    out_line(s->out, "return 0;");
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

/* What the other functions that decode read of other inputs, of one sample. Private to NAME_generate. */
static void emit_encode(SourceText *s)
{
    const Program *p = s->p;
    const char *m = p->name;
    Str line = str_new(s->arena);
    for (int i = 0; i < p->inputs.n; i++)
        if (input_used(p, FN_encode, i))
            str_add(&line, ", %s", input_parameter(s->arena, p, i));
    s->noted = false;
    out_raw(s->out, "\n/* Keeps what all positions see. 0, or -1: a token is out of range. */");
    out_wrap(s->out, "static int %s_encode(nnrt_instance *head%s)", m, line.at);
    out_raw(s->out, "{");
    s->out->depth = 1;
    out_line(s->out, "struct %s *const m = (struct %s *)head;", m, m);
    out_line(s->out, "enum { n = 1 };");
    refuse_tokens(s, FN_encode, "-1");
    emit_body(s, p->fn[FN_encode]);
    out_line(s->out, "return 0;");
    close_function(s);
}

void emit_steps(SourceText *s)
{
    if (s->p->fn[FN_predict] || s->p->fn[FN_eval] || s->p->fn[FN_train] || s->p->fn[FN_grad] ||
        s->p->fn[FN_attribute] || s->p->fn[FN_sample])
        emit_refuses(s);
    if (s->p->fn[FN_predict])
        emit_predict(s);
    if (s->p->fn[FN_eval])
        emit_eval(s);
    if (s->p->fn[FN_train])
        emit_train(s);
    if (s->p->fn[FN_grad])
        emit_grad(s);
    if (s->p->fn[FN_attribute])
        emit_attribute(s);
    if (s->p->fn[FN_sample])
        emit_sample(s);
    if (s->p->fn[FN_encode])
        emit_encode(s);
    if (s->p->fn[FN_prefill])
        emit_decoding(s, FN_prefill);
    if (s->p->fn[FN_step])
        emit_decoding(s, FN_step);
    if (s->p->fn[FN_fit])
        emit_fit_values(s);
}
