/* SPDX-License-Identifier: MIT */
/* steps.c: truncated back-propagation, and states that are carried from batch to batch.
 *
 * With `bptt: k` the sequence is cut in pieces of k steps, in both directions at the same places: where a piece
 * begins, the body reads a state whose gradient is stopped (Williams and Peng, "An efficient gradient-based
 * algorithm for on-line training of recurrent network trajectories", 1990). Which steps these are is computed,
 * so that nothing grows with their number. */
#include "steps.h"

#include <math.h>

/* A number of steps, where it is given. */
static bool read_count(Call *c, const Arg *arg, const char *name, int64_t *out)
{
    *out = arg->given ? arg->i : 0;
    if (!arg->given || (arg->i >= 1 && arg->i <= DIM_MAX))
        return true;
    diag_error(&c->ctx->diag, arg->loc, "%s: %s: %lld is out of range: 1 to %lld steps",
               c->row->name, name, (long long)arg->i, (long long)DIM_MAX);
    return false;
}

bool steps_read(Call *c, int first, Steps *out)
{
    const Arg *arg = &c->arg[first];
    *out = (Steps){.c = c, .stateful = arg[1].b};
    bool good = read_count(c, &arg[0], "bptt", &out->bptt);
    return read_count(c, &arg[2], "stash", &out->stash) && good;
}

int64_t steps_stash(const Steps *s, int64_t length)
{
    int64_t k = s->stash ? s->stash : (int64_t)ceil(s->c->g->program->stash * sqrt((double)length));
    return k > 0 && k < length ? k : 0;
}

/* Whether states are carried in this function: in those that go over a set, batch by batch. */
static bool carries(const Steps *s)
{
    Fn fn = s->c->g->fn;
    return s->stateful && (fn_trains(fn) || fn == FN_eval);
}

Node *steps_first(const Steps *s, const char *name, const Shape *state)
{
    if (!carries(s))
        return build_fill(s->c->g, state, 0);
    Var *var = call_carried(s->c, name, state);
    return var ? build_var(s->c->g, var) : NULL;
}

void steps_last(const Steps *s, const char *name, Node *last)
{
    const char *full = arena_format(s->c->ctx->arena, "%s.%s", s->c->path, name);
    Var *var = carries(s) ? program_find_var(s->c->g->program, full) : NULL;
    if (var && last)
        build_assign(s->c->g, var, last);
}

Node *steps_cut(const Steps *s, int64_t length, bool backwards)
{
    Graph *g = s->c->g;
    if (!s->c->training || !s->bptt || s->bptt >= length)
        return NULL;
    const Shape time = shape_of(2, (int64_t[]){length, 1});
    /* Backwards a piece begins with its last step, the one before the next piece. */
    Node *step = rows_plus(g, build_iota(g, &time, 0), backwards ? 1 : 0);
    Node *k = build_const(g, (double)s->bptt);
    Node *whole = build_unary(g, OP_floor, build_binary(g, OP_div, step, k));
    return build_binary(g, OP_equal, build_binary(g, OP_mul, whole, k), step);
}

Node *steps_seen(Graph *body, Node *cut, Node *state)
{
    return cut ? build_where(body, cut, build_unary(body, OP_stop_gradient, state), state) : state;
}
