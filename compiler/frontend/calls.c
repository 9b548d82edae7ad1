/* SPDX-License-Identifier: MIT */
/* calls.c: the table of what can be called, and what build functions of its rows need: weights,
 * buffers, random numbers, axes, activations.
 */
#include "builder.h"

#include <string.h>

/* --- the table -------------------------------------------------------------------------------- */

#define CALL(name) extern const CallRow call_##name;
#include "functions.def"
#include "layers.def"
#include "losses.def"
#undef CALL

static const CallRow *const rows[] = {
#define CALL(name) &call_##name,
#include "functions.def"
#include "layers.def"
#include "losses.def"
#undef CALL
};

int call_count(void)
{
    return COUNT(rows);
}

const CallRow *call_at(int i)
{
    return rows[i];
}

const CallRow *call_find(const char *name)
{
    for (int i = 0; i < COUNT(rows); i++)
        if (strcmp(rows[i]->name, name) == 0)
            return rows[i];
    return NULL;
}

const char *call_nearest(Ctx *ctx, const char *name, unsigned flags, bool ops)
{
    VEC(const char *) known = {0};
    for (int i = 0; i < COUNT(rows); i++)
        if (rows[i]->flags & flags)
            vec_push(ctx->arena, &known, rows[i]->name);
    for (int i = 0; ops && i < OP_COUNT; i++)
        if (op_rows[i].flags & CALL)
            vec_push(ctx->arena, &known, op_rows[i].name);
    return diag_nearest(name, known.at, known.n);
}

/* --- running ---------------------------------------------------------------------------------- */

Node *call_run(Call *c)
{
    Graph *g = c->g;
    Loc loc = g->loc;
    const char *what = g->what;
    int errors = c->ctx->diag.errors;
    g->loc = c->loc;
    g->what = c->row->name;
    Node *result = c->row->build(c);
    if (!result && c->ctx->diag.errors == errors && !c->b->blind)
        BUG("%s gave neither a result nor a report", c->row->name);
    g->loc = loc;
    g->what = what;
    return result;
}

/* --- weights ---------------------------------------------------------------------------------- */

/* Whether the product of the axes is in range; reports. */
static bool check_size(Call *c, const char *name, const Shape *shape)
{
    int64_t count = 1;
    bool fits = shape->rank <= RANK_MAX;
    for (int i = 0; fits && i < shape->rank; i++)
        fits = shape->dim[i] >= 1 && shape->dim[i] <= DIM_MAX &&
               !__builtin_mul_overflow(count, shape->dim[i], &count) && count <= ELEMENTS_MAX;
    if (!fits)
        diag_error(&c->ctx->diag, c->loc,
                   "%s: '%s.%s' is too large: axes are 1 to %lld long, and hold %lld numbers "
                   "at most",
                   c->row->name, c->path, name, (long long)DIM_MAX, (long long)ELEMENTS_MAX);
    return fits;
}

/* The variable that exists already, where it is what this call wants. */
static Var *check_var(Call *c, Var *var, VarKind kind, const Shape *shape)
{
    if (var->kind == kind && shape_equal(&var->shape, shape))
        return var;
    char has[128], wants[128];
    diag_error(&c->ctx->diag, c->loc, "%s: '%s' has shape %s; %s is wanted here", c->row->name,
               var->name, shape_text(&var->shape, has), shape_text(shape, wants));
    diag_note(&c->ctx->diag, var->loc, "'%s' is made here", var->name);
    return NULL;
}

static Var *find_var(Call *c, const char *name, VarKind kind, const Shape *shape, Init init,
                     int64_t fan_in, int64_t fan_out)
{
    if (!check_size(c, name, shape))
        return NULL;
    const char *full = arena_format(c->ctx->arena, "%s.%s", c->shared ? c->shared : c->path, name);
    Var *var = program_find_var(c->b->program, full);
    if (!c->shared && map_get(&c->b->made, full)) { /* a block's `prelu` and its activation's */
        diag_error(&c->ctx->diag, c->loc, "%s: the name '%s' is taken by other weights",
                   c->row->name, full);
        return NULL;
    }
    map_set(&c->b->made, full, c->b);
    if (var)
        return check_var(c, var, kind, shape);
    if (c->shared) {
        diag_error(&c->ctx->diag, c->loc, "%s: '%s' has no weight '%s' to share", c->row->name,
                   c->shared, name);
        return NULL;
    }
    if (kind == VAR_weight && c->init && shape->rank >= 2 &&
        !init_read(c->ctx, c->scope, c->init, fan_in, fan_out, &init))
        return NULL;
    var = program_var(c->b->program, full, kind, shape, init, c->loc);
    var->frozen = c->frozen;
    var->players = kind == VAR_weight ? players_of(c->b->model, full) : 0;
    return var;
}

Node *call_weight(Call *c, const char *name, const Shape *shape, Init otherwise, int64_t fan_in,
                  int64_t fan_out)
{
    Var *var = find_var(c, name, VAR_weight, shape, otherwise, fan_in, fan_out);
    if (!var)
        return NULL;
    int by = c->b->program->players.n ? var_updated_by(c->b->g, var, c->b->turn) : -1;
    Node *node = by >= 0 ? build_updated(c->g, var, by) : build_var(c->g, var);
    return c->frozen && !var->frozen ? build_unary(c->g, OP_stop_gradient, node) : node;
}

Node *call_buffer_as(Call *c, const char *name, const Shape *shape, Init init)
{
    Var *var = find_var(c, name, VAR_buffer, shape, init, 1, 1);
    return var ? build_var(c->g, var) : NULL;
}

Node *call_buffer(Call *c, const char *name, const Shape *shape, double value)
{
    return call_buffer_as(c, name, shape, (Init){INIT_constant, value, 0});
}

Node *call_latest(Call *c, Node *buffer)
{
    Node *latest = buffer ? map_get(&c->b->latest, buffer->attr->var->name) : NULL;
    return latest ? latest : buffer;
}

void call_become(Call *c, Node *buffer, Node *value)
{
    Graph *g = c->g;
    if (!buffer || !value)
        return;
    Var *var = buffer->attr->var;
    map_set(&c->b->latest, var->name, value);
    if (fn_trains(g->fn) || g->outer) /* the body of a scan refuses it */
        build_assign(g, var, value);
}

Var *call_carried(Call *c, const char *name, const Shape *shape)
{
    const char *full = arena_format(c->ctx->arena, "%s.%s", c->path, name);
    if (!check_size(c, name, shape))
        return NULL;
    if (map_get(&c->b->made, full)) {
        diag_error(&c->ctx->diag, c->loc, "%s: the name '%s' is taken by other weights",
                   c->row->name, full);
        return NULL;
    }
    map_set(&c->b->made, full, c->b);
    Var *var = program_find_var(c->b->program, full);
    if (!var)
        var = program_var(c->b->program, full, VAR_carried, shape, (Init){INIT_constant, 0, 0},
                          c->loc);
    return var;
}

/* --- values by name --------------------------------------------------------------------------- */

Node *call_value(Call *c, const Arg *arg)
{
    Value *value = builder_find(c->b, arg->s, arg->loc);
    Node *node = value ? value_node(c->b, value) : NULL;
    c->b->blind |= !node; /* it may have been reported before */
    return node;
}

/* --- random numbers, axes, ignored classes ---------------------------------------------------- */

uint32_t call_stream(Call *c)
{
    Builder *b = c->b;
    Map *streams = &b->model->streams;
    const char *key = arena_format(c->ctx->arena, "%s#%d", b->place, b->n_random++);
    uint32_t *stream = map_get(streams, key);
    if (!stream) {
        stream = arena_take(c->ctx->arena, sizeof *stream);
        *stream = (uint32_t)streams->n;
        map_set(streams, key, stream);
    }
    return *stream;
}

int call_axis(Call *c, const Arg *arg, int64_t axis, int rank)
{
    if (axis >= -rank && axis < rank)
        return (int)(axis < 0 ? axis + rank : axis);
    diag_error(&c->ctx->diag, arg->loc,
               "%s: axis %lld is outside a tensor of %d axes, the batch counted as 0", c->row->name,
               (long long)axis, rank);
    return -1;
}

int call_inner_axis(Call *c, const Arg *arg, int64_t written, int rank)
{
    int axis = call_axis(c, arg, written, rank);
    if (axis < 0 || axis != c->in[0]->shape.batch)
        return axis;
    diag_error(&c->ctx->diag, arg->loc, "%s: axis %d is the batch", c->row->name, axis);
    return -1;
}

void program_ignore(Call *c, Node *classes, int64_t ignore)
{
    while (classes->n_in == 1)
        classes = classes->in[0];
    if (classes->op != OP_input)
        return;
    Input *input = &c->b->program->inputs.at[classes->attr->input];
    if (input->has_ignore && input->ignore != ignore)
        diag_error(&c->ctx->diag, c->loc,
                   "%s: ignores %lld of '%s', of which %lld is ignored elsewhere", c->row->name,
                   (long long)ignore, input->name, (long long)input->ignore);
    input->has_ignore = true;
    input->ignore = ignore;
}

/* --- activations ------------------------------------------------------------------------------ */

static Node *unknown_activation(Call *c, Loc loc, const char *name, bool known)
{
    const char *best = call_nearest(c->ctx, name, CALL_activation, false);
    if (known)
        diag_error(&c->ctx->diag, loc, "activation: '%s' is no activation", name);
    else if (best)
        diag_error(&c->ctx->diag, loc, "activation: unknown '%s'; did you mean '%s'?", name, best);
    else
        diag_error(&c->ctx->diag, loc, "activation: unknown '%s'", name);
    return NULL;
}

Node *call_activation(Call *c, const Y *activation, Node *x)
{
    const Y *y = y_resolve(c->ctx, c->scope, activation), *args = NULL;
    const char *name;
    if (!x || !y)
        return NULL;
    if (y->kind == Y_map && y->pairs.n == 1) { /* {leaky_relu: {slope: 0.2}} */
        args = y->pairs.at[0].value;
        y = y->pairs.at[0].key;
    }
    if (!y_word(c->ctx, c->scope, y, "activation", &name))
        return NULL;
    const CallRow *row = call_find(name);
    if (!row || !(row->flags & CALL_activation))
        return unknown_activation(c, y->loc, name, row != NULL);
    Call a = {.b = c->b,
              .g = c->g,
              .ctx = c->ctx,
              .row = row,
              .loc = y->loc,
              .path = c->path,
              .training = c->training,
              .n_in = 1,
              .in = &x,
              .in_loc = &c->loc,
              .scope = c->scope,
              .frozen = c->frozen,
              .shared = c->shared};
    if (row->flags & CALL_weights) { /* fc1.prelu.weight, beside fc1.weight */
        a.path = arena_format(c->ctx->arena, "%s.%s", c->path, name);
        a.shared = c->shared ? arena_format(c->ctx->arena, "%s.%s", c->shared, name) : NULL;
    }
    return args_read(c->ctx, c->scope, name, y->loc, row->arg, args, NULL, 0, a.arg) ? call_run(&a)
                                                                                     : NULL;
}
