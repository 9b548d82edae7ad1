/* SPDX-License-Identifier: MIT */
/* losses_ctc.c: the loss of connectionist temporal classification, and what is read of it: PyTorch's
 * CTCLoss, of samples first.
 */
#include "ctc.h"

#include <string.h>

bool ctc_blank(Call *c, const Arg *blank)
{
    int64_t classes = c->in[0]->shape.dim[2];
    if (blank->i >= 0 && blank->i < classes)
        return true;
    diag_error(&c->ctx->diag, blank->loc, "%s: blank is %lld; there are %lld classes, from 0 on",
               c->row->name, (long long)blank->i, (long long)classes);
    return false;
}

bool ctc_logits(Call *c)
{
    const Shape *s = &c->in[0]->shape;
    char text[128];
    if (s->rank == 3 && s->batch == 0)
        return true;
    diag_error(&c->ctx->diag, c->loc, "%s: logits are [N, frames, classes], these are %s",
               c->row->name, shape_text(s, text));
    rows_notes(c);
    return false;
}

Node *ctc_length(Call *c, int i, const char *name, int64_t all)
{
    if (i < c->n_in && c->in[i])
        return rows_each(c, c->in[i], c->loc, name);
    return build_const(c->g, (double)all);
}

Node *ctc_targets(Call *c)
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

static Node *ctc(Call *c)
{
    Graph *g = c->g;
    const Arg *blank = &c->arg[0], *zero_infinity = &c->arg[1], *reduction = &c->arg[2];
    if (!ctc_logits(c) || !ctc_blank(c, blank))
        return NULL;
    Node *targets = ctc_targets(c);
    if (!targets)
        return NULL;
    Node *labels = ctc_length(c, 3, "target_lengths", targets->shape.dim[1]);
    Node *in[4] = {build_log_softmax(g, rows_operand(c, 0), 2), targets,
                   ctc_length(c, 2, "input_lengths", c->in[0]->shape.dim[1]), labels};
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
