/* SPDX-License-Identifier: MIT */
/* expr.c: the trees of expressions to nodes: operators, calls of functions and ops, indexing.
 *
 * Trees have a bounded height (parse.c), so these functions may recur. A part that could not be
 * built
 * is NULL and has been reported; what stands above it is then NULL without a word.
 */
#include "builder.h"

#include <string.h>

static Node *build(Builder *b, const Scope *scope, const Ex *ex);

/* All numbers of expressions are f32; class indices and bytes become such where they are computed
 * with. */
static Node *as_f32(Builder *b, Node *x)
{
    return x && x->dtype != DT_f32 ? build_cast(b->g, x, DT_f32) : x;
}

/* What nodes built from `ex` inherit. */
static void inherit(Builder *b, const Ex *ex, const char *what)
{
    b->g->loc = ex->loc;
    b->g->what = what;
}

/* --- values ----------------------------------------------------------------------------------- */

static Node *build_name(Builder *b, const char *name, Loc loc)
{
    Value *value = builder_find(b, name, loc);
    return value ? value_node(b, value) : NULL;
}

/* $NAME: a number, or the name of a value. */
static Node *build_dollar(Builder *b, const Scope *scope, const Ex *ex)
{
    double number;
    const Y *y = scope_find(scope, ex->name);
    if (!y) {
        scope_unknown(b->ctx, scope, ex->name, ex->loc);
        b->blind = true;
        return NULL;
    }
    if (y->kind == Y_scalar && !y->quoted && number_read(y->text, strlen(y->text), &number)) {
        inherit(b, ex, "number");
        return build_const(b->g, number);
    }
    if (y->kind == Y_scalar && name_valid(y->text))
        return build_name(b, y->text, ex->loc);
    diag_error(&b->ctx->diag, ex->loc, "'$%s' is %s, neither a number nor the name of a value",
               ex->name, y_text(b->ctx, y));
    b->blind = true;
    return NULL;
}

/* Where a value that `ex` names was made; else ex itself. For notes. */
static Loc made_at(const Builder *b, const Ex *ex)
{
    const Value *value = NULL;
    if (ex->kind == EX_name)
        value = map_get(&b->frame->values, ex->name);
    if (ex->kind == EX_name && !value)
        value = map_get(&b->inputs, ex->name);
    return value ? value->made : ex->loc;
}

/* --- operators -------------------------------------------------------------------------------- */

static Node *build_negative(Builder *b, const Scope *scope, const Ex *ex)
{
    const Ex *part = ex->arg.at[0].value;
    if (part->kind == EX_number) {
        inherit(b, ex, "number");
        return build_const(b->g, -part->number);
    }
    Node *x = as_f32(b, build(b, scope, part));
    inherit(b, ex, "neg");
    return x ? build_unary(b->g, OP_neg, x) : NULL;
}

static Node *build_operator(Builder *b, const Scope *scope, const Ex *ex)
{
    Node *left = as_f32(b, build(b, scope, ex->arg.at[0].value));
    Node *right = as_f32(b, build(b, scope, ex->arg.at[1].value));
    if (!left || !right)
        return NULL;
    inherit(b, ex, op_rows[ex->op].name);
    return ex->op == OP_matmul ? build_matmul(b->g, left, right)
                               : build_binary(b->g, ex->op, left, right);
}

/* --- indexing --------------------------------------------------------------------------------- */

/* A whole number of an index, counted from the end where negative; `otherwise` where it is left
 * out. */
static bool index_number(Builder *b, const Scope *scope, const Ex *ex, int64_t length,
                         int64_t otherwise, int64_t *out)
{
    double value;
    *out = otherwise;
    if (!ex)
        return true;
    if (!expr_evaluate(b->ctx, scope, ex, "index", &value))
        return false;
    if (value < -9e15 || value > 9e15 || value != (double)(int64_t)value) {
        diag_error(&b->ctx->diag, ex->loc, "index: expected a whole number");
        return false;
    }
    *out = (int64_t)value < 0 ? (int64_t)value + length : (int64_t)value;
    return true;
}

static int64_t within(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static Node *index_one(Builder *b, const Scope *scope, Node *x, int axis, const ExRange *range)
{
    int64_t length = x->shape.dim[axis], at;
    if (!index_number(b, scope, range->start, length, 0, &at))
        return NULL;
    if (at < 0 || at >= length) {
        diag_error(&b->ctx->diag, range->loc, "index: axis %d has %lld positions, 0 to %lld", axis,
                   (long long)length, (long long)length - 1);
        return NULL;
    }
    return build_slice(b->g, x, axis, at, at + 1, 1);
}

static Node *index_range(Builder *b, const Scope *scope, Node *x, int axis, const ExRange *range)
{
    int64_t length = x->shape.dim[axis], start, end, step;
    if (!index_number(b, scope, range->start, length, 0, &start) ||
        !index_number(b, scope, range->end, length, length, &end) ||
        !index_number(b, scope, range->step, 0, 1, &step))
        return NULL;
    if (step < 1 || step > DIM_MAX) {
        diag_error(&b->ctx->diag, range->step->loc, "index: a step is at least 1");
        return NULL;
    }
    start = within(start, 0, length);
    end = within(end, 0, length);
    if (start >= end) {
        diag_error(&b->ctx->diag, range->loc,
                   "index: nothing is left of axis %d, which has %lld positions", axis,
                   (long long)length);
        return NULL;
    }
    if (start == 0 && end == length && step == 1)
        return x;
    return build_slice(b->g, x, axis, start, end, step);
}

static Node *build_index(Builder *b, const Scope *scope, const Ex *ex)
{
    Node *x = build(b, scope, ex->arg.at[0].value);
    if (!x)
        return NULL;
    inherit(b, ex, "index");
    if (ex->range.n > x->shape.rank) {
        char shape[128];
        diag_error(&b->ctx->diag, ex->loc,
                   "index: %d indices, but the shape is %s, the batch counted as axis 0",
                   ex->range.n, shape_text(&x->shape, shape));
        return NULL;
    }
    int dropped[RANK_MAX], n_dropped = 0;
    for (int axis = 0; axis < ex->range.n; axis++) {
        const ExRange *range = &ex->range.at[axis];
        bool whole = range->is_range && !range->start && !range->end && !range->step;
        if (whole)
            continue;
        if (axis == x->shape.batch) {
            diag_error(&b->ctx->diag, range->loc, "index: axis %d is the batch and takes only ':'",
                       axis);
            return NULL;
        }
        x = range->is_range ? index_range(b, scope, x, axis, range)
                            : index_one(b, scope, x, axis, range);
        if (!x)
            return NULL;
        if (!range->is_range)
            dropped[n_dropped++] = axis;
    }
    return n_dropped ? build_squeeze(b->g, x, n_dropped, dropped) : x;
}

/* --- calls ------------------------------------------------------------------------------------ */

static int positional(const Ex *ex)
{
    int n = 0;
    while (n < ex->arg.n && !ex->arg.at[n].key)
        n++;
    return n;
}

static bool check_count(Builder *b, const Ex *ex, int n, int min, int max)
{
    if (n >= min && (max < 0 || n <= max))
        return true;
    diag_error(&b->ctx->diag, ex->loc, "%s takes %s%d operand%s, not %d", ex->name,
               min != max ? "at least " : "", min, min == 1 ? "" : "s", n);
    return false;
}

/* The first n arguments, as nodes; false where one is broken. All are built, so all errors show. */
static bool build_operands(Builder *b, const Scope *scope, const Ex *ex, int n, Node **in, Loc *loc)
{
    bool good = true;
    for (int i = 0; i < n; i++) {
        if (!ex->arg.at[i].value)
            continue; /* of several that may be given by name, a later one is */
        in[i] = build(b, scope, ex->arg.at[i].value);
        loc[i] = made_at(b, ex->arg.at[i].value);
        good = good && in[i];
    }
    return good;
}

/* Which of `names`, with blanks between them, `word` is; -1: none. */
static int place_of(const char *names, const char *word)
{
    size_t length = strlen(word);
    for (int i = 0; *names; i++) {
        size_t n = strcspn(names, " ");
        if (n == length && strncmp(names, word, n) == 0)
            return i;
        names += n + (names[n] == ' ');
    }
    return -1;
}

/* The call with operands that are given by name among those that are given by position, at their places; a
 * value of NULL where one between them is not given. NULL after a report. */
static const Ex *place_operands(Builder *b, const Ex *ex, const char *names)
{
    Arena *arena = b->ctx->arena;
    Ex *placed = arena_take(arena, sizeof *placed);
    VEC(ExArg) rest = {0};
    *placed = *ex;
    placed->arg.n = placed->arg.cap = 0;
    placed->arg.at = NULL;
    for (int i = 0; i < ex->arg.n; i++) {
        ExArg arg = ex->arg.at[i];
        int place = arg.key ? place_of(names, arg.key) : -1;
        if (place < 0) {
            if (arg.key)
                vec_push(arena, &rest, arg);
            else
                vec_push(arena, &placed->arg, arg);
            continue;
        }
        while (placed->arg.n <= place)
            vec_push(arena, &placed->arg, ((ExArg){0}));
        if (placed->arg.at[place].value) {
            diag_error(&b->ctx->diag, arg.key_loc, "%s: '%s' is given twice", ex->name, arg.key);
            b->blind = true;
            return NULL;
        }
        placed->arg.at[place].value = arg.value;
    }
    for (int i = 0; i < rest.n; i++)
        vec_push(arena, &placed->arg, rest.at[i]);
    return placed;
}

/* The operands of a call, with their places. */
typedef struct Operands {
    int n;
    Node **in;
    Loc *loc;
    bool counted, good; /* as many as are taken; all built */
} Operands;

static Operands operands_of(Builder *b, const Scope *scope, const Ex *ex, int min, int max)
{
    Operands o = {.n = positional(ex)};
    if (max >= 0 && o.n > max)
        o.n = max;
    o.counted = check_count(b, ex, o.n, min, max);
    b->blind = b->blind || !o.counted;
    if (!o.counted)
        return o;
    o.in = arena_take(b->ctx->arena, sizeof *o.in * (size_t)(o.n + 1));
    o.loc = arena_take(b->ctx->arena, sizeof *o.loc * (size_t)(o.n + 1));
    o.good = build_operands(b, scope, ex, o.n, o.in, o.loc);
    return o;
}

static Call call_of(Builder *b, const Scope *scope, const Ex *ex, const CallRow *row,
                    const Operands *o)
{
    return (Call){.b = b,
                  .g = b->g,
                  .ctx = b->ctx,
                  .row = row,
                  .loc = ex->loc,
                  .training = b->training,
                  .n_in = o->n,
                  .in = o->in,
                  .in_loc = o->loc,
                  .scope = scope};
}

/* The call without its argument `weight`, of which *weight is the value; NULL: it has none. */
static const Ex *take_weight(Builder *b, const Ex *ex, const ExArg **weight)
{
    Ex *rest = arena_take(b->ctx->arena, sizeof *rest);
    *rest = *ex;
    rest->arg.n = rest->arg.cap = 0;
    rest->arg.at = NULL;
    for (int i = 0; i < ex->arg.n; i++) {
        const ExArg *arg = &ex->arg.at[i];
        if (!*weight && arg->key && strcmp(arg->key, "weight") == 0)
            *weight = arg;
        else
            vec_push(b->ctx->arena, &rest->arg, *arg);
    }
    return rest;
}

/* The call without its first argument, which names a network; NULL after a report. */
static const Ex *take_network(Builder *b, const Ex *ex, Network **net)
{
    const Ex *first = positional(ex) ? ex->arg.at[0].value : NULL;
    *net = first && first->kind == EX_name ? network_find(b->model, first->name) : NULL;
    if (!*net) {
        diag_error(&b->ctx->diag, first ? first->loc : ex->loc,
                   "%s: its first argument is the name of one of 'networks'", ex->name);
        b->blind = true;
        return NULL;
    }
    Ex *rest = arena_take(b->ctx->arena, sizeof *rest);
    *rest = *ex;
    rest->arg.at++;
    rest->arg.n--;
    return rest;
}

/* The names by which operands of the call may be given; NULL: none. */
static const char *operand_names(Builder *b, const CallRow *row, const Network *net)
{
    Str names = str_new(b->ctx->arena);
    if (!net)
        return row->operands;
    str_add(&names, "%s", row->operands);
    for (int i = 2; i < net->inputs.n; i++)
        str_add(&names, " %s", net->inputs.at[i].name);
    return names.at;
}

/* Apart from build_call: a Call is large, and expressions nest. */
static __attribute__((noinline)) Node *run_row(Builder *b, const Scope *scope, const Ex *ex,
                                               const CallRow *row, const Operands *o,
                                               const ExArg *weight, Network *net)
{
    Call c = call_of(b, scope, ex, row, o);
    c.network = net;
    bool good = args_from_call(b->ctx, scope, row->arg, ex, o->n, c.arg) && o->good;
    if (weight) {
        c.weight = build(b, scope, weight->value);
        c.weight_loc = weight->key_loc;
        good = good && c.weight;
    }
    return good ? call_run(&c) : NULL;
}

static Node *build_row(Builder *b, const Scope *scope, const Ex *ex, const CallRow *row)
{
    const ExArg *weight = NULL;
    Network *net = NULL;
    if (row->flags & CALL_weighted)
        ex = take_weight(b, ex, &weight);
    if (row->flags & CALL_network && !(ex = take_network(b, ex, &net)))
        return NULL;
    const char *names = operand_names(b, row, net);
    if (names && !(ex = place_operands(b, ex, names)))
        return NULL;
    Operands o = operands_of(b, scope, ex, row->min_in, row->max_in);
    return o.counted ? run_row(b, scope, ex, row, &o, weight, net) : NULL;
}

static Node *build_op(Builder *b, const Scope *scope, const Ex *ex, OpKind op)
{
    int arity = op_rows[op].arity;
    if (positional(ex) != ex->arg.n) {
        diag_error(&b->ctx->diag, ex->arg.at[positional(ex)].key_loc, "%s takes no named argument",
                   ex->name);
        b->blind = true;
        return NULL;
    }
    if (!check_count(b, ex, ex->arg.n, arity < 0 ? 1 : arity, arity)) {
        b->blind = true;
        return NULL;
    }
    Node **in = arena_take(b->ctx->arena, sizeof *in * (size_t)ex->arg.n);
    Loc *loc = arena_take(b->ctx->arena, sizeof *loc * (size_t)ex->arg.n);
    bool good = build_operands(b, scope, ex, ex->arg.n, in, loc);
    inherit(b, ex, op_rows[op].name);
    for (int i = 0; good && i < ex->arg.n; i++)
        in[i] = as_f32(b, in[i]);
    return good ? graph_add(b->g, op, ex->arg.n, in, NULL) : NULL;
}

/* A call of a network; NULL after a report. */
static const NetworkCall *call_network(Builder *b, const Scope *scope, const Ex *ex, Network *net)
{
    if (!(ex = place_operands(b, ex, network_operands(b->ctx, net))))
        return NULL;
    if (positional(ex) != ex->arg.n) {
        diag_error(&b->ctx->diag, ex->arg.at[positional(ex)].key_loc, "%s has no input '%s'",
                   net->name, ex->arg.at[positional(ex)].key);
        b->blind = true;
        return NULL;
    }
    Operands o = operands_of(b, scope, ex, 0, -1);
    const NetworkCall *call = o.good ? network_call(b, net, o.n, o.in, o.loc, ex->loc) : NULL;
    b->blind |= !call;
    return call;
}

static Node *build_network(Builder *b, const Scope *scope, const Ex *ex, Network *net)
{
    const NetworkCall *call = call_network(b, scope, ex, net);
    if (!call || call->n_out == 1)
        return call ? call->out[0] : NULL;
    diag_error(
        &b->ctx->diag, ex->loc,
        "%s gives %d values: name them in a layer of its own, '- {name: [a, b], expr: %s(...)}'",
        net->name, call->n_out, net->name);
    b->blind = true;
    return NULL;
}

/* The network, or else the function, whose name is nearest. */
static const char *nearest_function(Builder *b, const char *name)
{
    VEC(const char *) known = {0};
    for (int i = 0; i < b->model->networks.n; i++)
        vec_push(b->ctx->arena, &known, b->model->networks.entry[i].key);
    const char *best = diag_nearest(name, known.at, known.n);
    return best ? best : call_nearest(b->ctx, name, CALL_function, true);
}

static Node *unknown_function(Builder *b, const Ex *ex)
{
    Diag *diag = &b->ctx->diag;
    const CallRow *row = call_find(ex->name);
    const char *best = NULL;
    b->blind = true;
    if (row && row->flags & CALL_weights)
        diag_error(diag, ex->loc, "'%s' has weights: it is a layer, not a function", ex->name);
    else if (row)
        diag_error(diag, ex->loc, "'%s' is a layer, not a function", ex->name);
    else if (metric_find(ex->name))
        diag_error(diag, ex->loc, "'%s' is a metric: it stands alone under 'metrics'", ex->name);
    else if ((best = nearest_function(b, ex->name)))
        diag_error(diag, ex->loc, "unknown function '%s'; did you mean '%s'?", ex->name, best);
    else
        diag_error(diag, ex->loc, "unknown function '%s'", ex->name);
    return NULL;
}

/* The call with a callee of `$NAME` replaced by the word that it stands for; NULL after a report.
 * */
static const Ex *resolve_callee(Builder *b, const Scope *scope, const Ex *ex)
{
    if (!ex->dollar)
        return ex;
    const Y *y = scope_find(scope, ex->name);
    if (!y)
        scope_unknown(b->ctx, scope, ex->name, ex->loc);
    else if (y->kind != Y_scalar || !name_valid(y->text))
        diag_error(&b->ctx->diag, ex->loc, "'$%s' is %s, not the name of a function", ex->name,
                   y_text(b->ctx, y));
    if (!y || y->kind != Y_scalar || !name_valid(y->text)) {
        b->blind = true;
        return NULL;
    }
    Ex *named = arena_take(b->ctx->arena, sizeof *named);
    *named = *ex;
    named->name = y->text;
    named->dollar = false;
    return named;
}

static Node *build_call(Builder *b, const Scope *scope, const Ex *written)
{
    const Ex *ex = resolve_callee(b, scope, written);
    if (!ex)
        return NULL;
    const CallRow *row = call_find(ex->name);
    if (row && row->flags & CALL_function)
        return build_row(b, scope, ex, row);
    Network *net = network_find(b->model, ex->name);
    if (net)
        return build_network(b, scope, ex, net);
    int op = op_find(ex->name);
    if (op >= 0 && op_rows[op].flags & CALL)
        return build_op(b, scope, ex, (OpKind)op);
    return unknown_function(b, ex);
}

static Node *build(Builder *b, const Scope *scope, const Ex *ex)
{
    switch (ex->kind) {
    case EX_number: inherit(b, ex, "number"); return build_const(b->g, ex->number);
    case EX_name: return build_name(b, ex->name, ex->loc);
    case EX_dollar: return build_dollar(b, scope, ex);
    case EX_unary: return build_negative(b, scope, ex);
    case EX_binary: return build_operator(b, scope, ex);
    case EX_call: return build_call(b, scope, ex);
    case EX_index: return build_index(b, scope, ex);
    case EX_list:
        diag_error(&b->ctx->diag, ex->loc,
                   "a list of numbers may only be an argument of a function");
        return NULL;
    }
    BUG("expression of kind %d", ex->kind);
}

Node *expr_build(Builder *b, const Y *y, const Scope *scope)
{
    Loc loc = b->g->loc;
    const char *what = b->g->what;
    const Y *resolved =
        y_resolve(b->ctx, scope, y); /* a block's argument may be the name of a value */
    const Ex *ex = resolved || !y ? expr_parse(b->ctx, resolved) : NULL;
    Node *node = ex ? build(b, scope, ex) : NULL;
    b->blind = b->blind || !ex;
    b->g->loc = loc;
    b->g->what = what;
    return node;
}

const NetworkCall *expr_network(Builder *b, const Y *y, const Scope *scope)
{
    const Loc loc = b->g->loc;
    const char *what = b->g->what;
    const Ex *ex = expr_parse(b->ctx, y);
    const Ex *named = ex && ex->kind == EX_call ? resolve_callee(b, scope, ex) : NULL;
    Network *net = named ? network_find(b->model, named->name) : NULL;
    if (ex && !net && !(ex->kind == EX_call && !named))
        diag_error(&b->ctx->diag, ex->loc,
                   "several names, but this is one value: only a network gives more");
    b->blind |= !net;
    const NetworkCall *call = net ? call_network(b, scope, named, net) : NULL;
    b->g->loc = loc;
    b->g->what = what;
    return call;
}

/* --- metrics ---------------------------------------------------------------------------------- */

static const MetricRow *find_metric(Builder *b, const Ex *ex)
{
    Diag *diag = &b->ctx->diag;
    const MetricRow *row = ex->kind == EX_call && !ex->dollar ? metric_find(ex->name) : NULL;
    if (row)
        return row;
    b->blind = true;
    VEC(const char *) known = {0};
    for (int i = 0; i < metric_count(); i++)
        vec_push(b->ctx->arena, &known, metric_at(i)->name);
    const char *best = NULL;
    if (ex->kind != EX_call)
        diag_error(diag, ex->loc, "expected a call of a metric, as 'accuracy(logits, label)'");
    else if ((best = diag_nearest(ex->name, known.at, known.n)))
        diag_error(diag, ex->loc, "unknown metric '%s'; did you mean '%s'?", ex->name, best);
    else
        diag_error(diag, ex->loc, "unknown metric '%s'", ex->name);
    return NULL;
}

/* The nodes of a metric, and what it says of them. */
static bool metric_parts(Call *c, const MetricRow *row, MetricParts *out)
{
    out->metric = (Metric){.finish = row->finish, .larger = row->larger};
    if (row->details && !row->details(c, &out->metric))
        return false;
    if (row->build && !row->build(c, out->sums))
        return false;
    for (int i = 0; i < row->n_sums; i++)
        if (!out->sums[i])
            return false;
    if (!row->keep)
        return true;
    Metric alone = out->metric;
    out->metric.n_kept = row->n_kept;
    if (!row->keep(c, out->kept, &out->metric))
        return false;
    for (int i = 0; i < out->metric.n_kept; i++)
        if (!out->kept[i])
            return false;
    if (!c->g->program->keeps)
        out->metric = alone;
    return true;
}

const MetricRow *expr_metric(Builder *b, const Y *y, const Scope *scope, MetricParts *out)
{
    const Ex *ex = expr_parse(b->ctx, y);
    b->blind = b->blind || !ex;
    const MetricRow *row = ex ? find_metric(b, ex) : NULL;
    if (!row)
        return NULL;
    if (row->operands && !(ex = place_operands(b, ex, row->operands)))
        return NULL;
    int most = row->max_in ? row->max_in : row->n_in;
    Operands o = operands_of(b, scope, ex, row->n_in, most);
    if (!o.counted)
        return NULL;
    CallRow called = {.name = row->name, .min_in = row->n_in, .max_in = most};
    Call c = call_of(b, scope, ex, &called, &o);
    bool good = args_from_call(b->ctx, scope, row->arg, ex, o.n, c.arg) && o.good;
    inherit(b, ex, row->name);
    return good && metric_parts(&c, row, out) ? row : NULL;
}
