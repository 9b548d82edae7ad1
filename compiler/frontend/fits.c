/* SPDX-License-Identifier: MIT */
/* fits.c: layers whose buffers are fitted on training data: a graph of its own, FN_fit, gives what each of them
 * reads, and the program passes over the data with it before the first step.
 *
 * They are fitted in the order in which they stand, each once those before it are, so that one after another sees
 * what it will see in training. Nothing that is trained may come before. */
#include "builder.h"

static int find_fit(const Program *p, const Var *first)
{
    for (int i = 0; i < p->fits.n; i++)
        if (p->fits.at[i].var[0] == first)
            return i;
    return -1;
}

bool call_fit(Call *c, Fit *fit, Node *x)
{
    Program *p = c->b->program;
    if (c->g->outer) {
        diag_error(&c->ctx->diag, c->loc,
                   "%s: it is fitted before the first step, and cannot stand in the body of a scan",
                   c->row->name);
        return false;
    }
    int at = find_fit(p, fit->var[0]);
    if (at < 0) {
        at = p->fits.n;
        fit->name = c->path;
        fit->loc = c->loc;
        vec_push(c->ctx->arena, &p->fits, *fit);
    }
    /* Of a layer that is shared, the first use is what it is fitted on. */
    if (c->g->fn == FN_fit && !graph_find_root(c->g, ROOT_output, at))
        graph_root(c->g, ROOT_output, at, x);
    return true;
}

static const Var *trained(const Node *y)
{
    const Var *v = y->op == OP_var ? y->attr->var : NULL;
    return v && v->kind == VAR_weight && !v->frozen ? v : NULL;
}

/* A variable that is trained and that y, or one of its operands, or its body depends on; or NULL. */
static const Var *depends(const Node *y, const Var *const *of)
{
    const Var *found = trained(y);
    for (int i = 0; i < y->n_in && !found; i++)
        found = of[y->in[i]->id];
    const Graph *body = y->op == OP_scan ? y->attr->scan->body : NULL;
    for (int i = 0; body && i < body->nodes.n && !found; i++)
        found = trained(body->nodes.at[i]);
    return found;
}

bool fits_check(const Graph *g)
{
    const Program *p = g->program;
    const Var **of = arena_take(p->ctx->arena, sizeof *of * (size_t)(g->nodes.n + 1));
    bool good = true;
    for (int i = 0; i < g->nodes.n; i++)
        of[i] = depends(g->nodes.at[i], of);
    for (int i = 0; i < g->roots.n; i++) {
        const Fit *fit = &p->fits.at[g->roots.at[i].index];
        const Var *v = of[g->roots.at[i].node->id];
        if (!v)
            continue;
        diag_error(&p->ctx->diag, fit->loc,
                   "'%s' is fitted before the first step, but what it reads depends on '%s', "
                   "which is trained",
                   fit->name, v->name);
        diag_note(&p->ctx->diag, v->loc, "'%s' is made here", v->name);
        good = false;
    }
    return good;
}

/* Notes at the inputs that y comes from that values of theirs may be missing. */
void call_misses(Call *c, const Node *y)
{
    VEC(const Node *) pending = {0};
    bool *seen = arena_take(c->ctx->arena, (size_t)c->g->nodes.n + 1);
    vec_push(c->ctx->arena, &pending, y);
    while (pending.n) {
        const Node *x = pending.at[--pending.n];
        if (seen[x->id])
            continue;
        seen[x->id] = true;
        if (x->op == OP_input && x->dtype == DT_f32)
            c->b->program->inputs.at[x->attr->input].may_miss = true;
        for (int i = 0; i < x->n_in; i++)
            vec_push(c->ctx->arena, &pending, x->in[i]);
    }
}
