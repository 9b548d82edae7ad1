/* SPDX-License-Identifier: MIT */
/* losses_ctc.c: the loss of connectionist temporal classification, PyTorch's CTCLoss with samples first; the
 * labels that a network trained with it says, and their error rate.
 */
#include "../ops/ops.h"
#include "rows.h"

#include <string.h>

static bool read_blank(Call *c, const Arg *blank)
{
    int64_t classes = c->in[0]->shape.dim[2];
    if (blank->i >= 0 && blank->i < classes)
        return true;
    diag_error(&c->ctx->diag, blank->loc, "%s: blank is %lld; there are %lld classes, from 0 on",
               c->row->name, (long long)blank->i, (long long)classes);
    return false;
}

/* Whether operand 0 is [N, frames, classes], and the argument one of the classes. */
static bool read_logits(Call *c, const Arg *blank)
{
    const Shape *s = &c->in[0]->shape;
    char text[128];
    if (s->rank == 3 && s->batch == 0)
        return read_blank(c, blank);
    diag_error(&c->ctx->diag, c->loc, "%s: logits are [N, frames, classes], these are %s",
               c->row->name, shape_text(s, text));
    rows_notes(c);
    return false;
}

/* Operand i, a number a sample, as [N] f32; where it is not given, `all` as one number. */
static Node *length(Call *c, int i, const char *name, int64_t all)
{
    if (i < c->n_in && c->in[i])
        return rows_each(c, c->in[i], c->loc, name);
    return build_const(c->g, (double)all);
}

/* Operand 1, class indices of operand 0's last axis, as [N, S] i32. */
static Node *read_targets(Call *c)
{
    Node *x = classes_integers(c);
    char text[128];
    if (!x || !classes_within(c, x, 2))
        return NULL;
    if (x->shape.rank < 1 || x->shape.rank > 2 || x->shape.batch != 0) {
        diag_error(&c->ctx->diag, c->loc, "%s: targets are [N, labels], these are %s", c->row->name,
                   shape_text(&x->shape, text));
        rows_notes(c);
        return NULL;
    }
    if (x->shape.rank == 1)
        x = build_unsqueeze(c->g, x, 1);
    return x->dtype == DT_i32 ? x : build_cast(c->g, x, DT_i32);
}

/* Whether all targets fit into all frames, where the lengths of neither are given. */
static bool fit(Call *c, const Node *targets)
{
    long long labels = (long long)targets->shape.dim[1], frames = (long long)c->in[0]->shape.dim[1];
    if (c->n_in > 2 || labels <= frames)
        return true;
    diag_error(&c->ctx->diag, c->loc,
               "%s: %lld targets do not fit into %lld frames: give target_lengths", c->row->name,
               labels, frames);
    rows_notes(c);
    return false;
}

static Node *ctc(Call *c)
{
    Graph *g = c->g;
    const Arg *blank = &c->arg[0], *zero_infinity = &c->arg[1], *reduction = &c->arg[2];
    if (!read_logits(c, blank))
        return NULL;
    Node *targets = read_targets(c);
    if (!targets || !fit(c, targets))
        return NULL;
    Node *labels = length(c, 3, "target_lengths", targets->shape.dim[1]);
    Node *in[4] = {build_log_softmax(g, rows_operand(c, 0), 2), targets,
                   length(c, 2, "input_lengths", c->in[0]->shape.dim[1]), labels};
    const Attr attr = {.n_numbers = 2, .numbers = {blank->i, zero_infinity->b}};
    if (!in[0] || !in[2] || !labels)
        return NULL;
    Node *loss = graph_add(g, OP_ctc_loss, 4, in, &attr);
    if (loss && strcmp(reduction->s, "mean") == 0) {
        Node *most = build_const(g, (double)targets->shape.dim[1]);
        Node *bounded = build_binary(g, OP_min, build_unary(g, OP_ceil, labels), most);
        loss = build_binary(g, OP_div, loss, build_binary(g, OP_max, bounded, build_const(g, 1)));
    }
    return rows_reduce(c, reduction, loss);
}

/* The labels that operand 0 says: [N, frames], then -1. */
static Node *decoded(Call *c, Node *lengths, const Arg *blank, const Arg *beam)
{
    if (beam->i < 1 || beam->i > CTC_BEAM_MAX) {
        diag_error(&c->ctx->diag, beam->loc, "%s: beam is 1 to %d, not %lld", c->row->name,
                   CTC_BEAM_MAX, (long long)beam->i);
        return NULL;
    }
    Node *p = rows_operand(c, 0);
    Node *in[2] = {beam->i > 1 ? build_log_softmax(c->g, p, 2) : p, lengths};
    const Attr attr = {.n_numbers = 2, .numbers = {blank->i, beam->i}};
    return in[0] && in[1] ? graph_add(c->g, OP_ctc_decode, 2, in, &attr) : NULL;
}

static Node *ctc_decode(Call *c)
{
    if (!read_logits(c, &c->arg[0]))
        return NULL;
    return decoded(c, length(c, 1, "input_lengths", c->in[0]->shape.dim[1]), &c->arg[0],
                   &c->arg[1]);
}

static bool error_rate(Call *c, Node **sums)
{
    Graph *g = c->g;
    const Arg *separator = &c->arg[2];
    if (!read_logits(c, &c->arg[0]))
        return false;
    Node *targets = read_targets(c);
    if (!targets)
        return false;
    int64_t classes = c->in[0]->shape.dim[2];
    if (separator->given && (separator->i < 0 || separator->i >= classes)) {
        diag_error(&c->ctx->diag, separator->loc,
                   "%s: separator is %lld; there are %lld classes, from 0 on", c->row->name,
                   (long long)separator->i, (long long)classes);
        return false;
    }
    Node *frames = length(c, 2, "input_lengths", c->in[0]->shape.dim[1]);
    Node *in[3] = {frames ? decoded(c, frames, &c->arg[0], &c->arg[1]) : NULL, targets,
                   length(c, 3, "target_lengths", targets->shape.dim[1])};
    const Attr attr = {.n_numbers = 1, .numbers = {separator->given ? separator->i : -1}};
    Node *both = in[0] && in[2] ? graph_add(g, OP_edit_distance, 3, in, &attr) : NULL;
    if (!both)
        return false;
    sums[0] = rows_sum(g, build_slice(g, both, 1, 0, 1, 1));
    sums[1] = rows_sum(g, build_slice(g, both, 1, 1, 2, 1));
    return true;
}

const CallRow call_ctc = {
    .name = "ctc",
    .min_in = 2,
    .max_in = 4,
    .arg = {TAKES("blank", int, "0"), TAKES("zero_infinity", bool, "false"),
            WORDS("reduction", "mean", "mean sum none")},
    .build = ctc,
    .flags = CALL_function,
    .text = "CTC loss of logits [N, T, classes] and targets [N, S], with how many frames and "
            "targets of a sample count; mean: each divided by its target length",
    .operands = "logits targets input_lengths target_lengths",
};

const CallRow call_ctc_decode = {
    .name = "ctc_decode",
    .min_in = 1,
    .max_in = 2,
    .arg = {TAKES("blank", int, "0"), TAKES("beam", int, "1")},
    .build = ctc_decode,
    .flags = CALL_function,
    .text = "the labels of logits [N, T, classes], then -1: [N, T]; the best path, or with a beam "
            "the likeliest of so many prefixes",
    .operands = "logits input_lengths",
};

const MetricRow metric_error_rate = {
    .name = "error_rate",
    .n_in = 2,
    .max_in = 4,
    .arg = {TAKES("blank", int, "0"), TAKES("beam", int, "1"), TAKES("separator", int, "")},
    .finish = FINISH_mean,
    .n_sums = 2,
    .build = error_rate,
    .text = "the edit distance of ctc_decode(logits) from the targets over their number; with a "
            "separator, that of the words that this label divides",
    .operands = "logits targets input_lengths target_lengths",
};
