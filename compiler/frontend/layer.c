/* SPDX-License-Identifier: MIT */
/* layer.c: one layer as it is written: its kind, the arguments that all layers share, and its call.
 * */
#include "builder.h"

#include <string.h>

static const char *const common[] = {"name",   "input",  "activation",   "init",
                                     "frozen", "shared", "spectral_norm"};
static const char *const of_weights[] = {"init", "frozen", "shared", "spectral_norm"};

/* --- the item of the list --------------------------------------------------------------------- */

static bool known_kind(Builder *b, const char *kind)
{
    return block_find(b->model, kind) || network_find(b->model, kind) || call_find(kind);
}

/* A map of several keys: most often arguments that stand beside the kind, not under it. */
static bool report_keys(Builder *b, const Y *item)
{
    for (int i = 0; i < item->pairs.n; i++) {
        const char *kind = item->pairs.at[i].key->text;
        if (!known_kind(b, kind))
            continue;
        diag_error(&b->ctx->diag, item->pairs.at[i].key->loc,
                   "%s: arguments stand under the kind: "
                   "'- %s: {...}'",
                   kind, kind);
        diag_note(&b->ctx->diag, item->pairs.at[i == 0].key->loc, "'%s' stands beside it",
                  item->pairs.at[i == 0].key->text);
        return false;
    }
    diag_error(&b->ctx->diag, item->loc,
               "expected a layer: '- kind', '- kind: {arguments}' or "
               "'- {name: NAME, expr: ...}'");
    return false;
}

/* Takes the item apart; false after a report. */
static bool read_item(Builder *b, const Y *item, Written *w)
{
    item = y_resolve(b->ctx, b->frame->scope, item);
    if (!item)
        return false;
    w->loc = item->loc;
    if (item->kind == Y_scalar && *item->text) {
        w->kind = item->text;
        return true;
    }
    const Y *expr = y_get(item, "expr");
    if (expr) {
        w->kind = "expr";
        w->args = w->map = item;
        for (int i = 0; i < item->pairs.n; i++)
            if (item->pairs.at[i].value == expr)
                w->loc = item->pairs.at[i].key->loc;
        return true;
    }
    if (item->kind != Y_map || item->pairs.n != 1)
        return report_keys(b, item);
    w->kind = item->pairs.at[0].key->text;
    w->loc = item->pairs.at[0].key->loc;
    w->args = item->pairs.at[0].value;
    if (y_empty(w->args)) {
        w->args = NULL;
        return true;
    }
    w->args = y_resolve(b->ctx, b->frame->scope, w->args);
    w->map = w->args && w->args->kind == Y_map ? w->args : NULL;
    return w->args != NULL;
}

/* --- names ------------------------------------------------------------------------------------ */

const char *frame_count(Builder *b, const char *kind)
{
    int *count = map_get(&b->frame->counts, kind);
    if (!count) {
        count = arena_take(b->ctx->arena, sizeof *count);
        map_set(&b->frame->counts, kind, count);
    }
    return arena_format(b->ctx->arena, "%s_%d", kind, ++*count);
}

static void read_name(Builder *b, Written *w)
{
    const char *name = frame_count(b, w->kind);
    const Y *given = y_resolve(b->ctx, b->frame->scope, y_get(w->map, "name"));
    Loc loc = w->loc;
    if (given && given->kind == Y_list) {
        w->names = given;
        if (given->items.n && given->items.at[0]->kind == Y_scalar &&
            name_valid(given->items.at[0]->text))
            name = given->items.at[0]->text;
    } else if (given && y_name(b->ctx, given, "name", &name))
        loc = given->loc;
    w->value = value_new(b, name, w->loc);
    w->value->kind = w->kind;
    w->value->path = arena_format(b->ctx->arena, "%s%s", b->frame->path, name);
    w->value->named = given != NULL;
    w->value->holder = b->frame->holder;
    w->value->weights = arena_format(b->ctx->arena, "%s%s", b->frame->weights, name);
    vec_push(b->ctx->arena, &b->all, w->value);
    if (w->names)
        return;
    w->value->made = loc; /* a clash is shown at the name */
    w->clash = !frame_add(b, w->value);
    w->value->made = w->loc;
}

/* --- operands --------------------------------------------------------------------------------- */

static void add_operand(Builder *b, Written *w, const Y *y)
{
    const char *name;
    w->in[w->n_in++] = NULL;
    if (!y_word(b->ctx, b->frame->scope, y, "input", &name)) {
        b->blind = true;
        return;
    }
    if (name_valid(name)) {
        w->in[w->n_in - 1] = builder_find(b, name, y->loc);
        return;
    }
    diag_error(&b->ctx->diag, y->loc,
               "input: %s is not a name; what is computed is a layer of its own: "
               "'- {name: NAME, expr: ...}'",
               y_text(b->ctx, y));
    b->blind = true;
}

/* The layer before; of the first: what the block was given, or the first of the inputs. */
static void default_operand(Builder *b, Written *w)
{
    Frame *frame = b->frame;
    if (frame->several) {
        diag_error(&b->ctx->diag, w->loc,
                   "%s: the layer before gives several values: name one with 'input'", w->kind);
        b->blind = true;
        return;
    }
    Value *value = frame->last ? frame->last : frame->block ? frame->given : NULL;
    if (!value && b->inputs.n)
        value = b->inputs.entry[0].value;
    if (value)
        builder_use(b, value);
    w->in[0] = value;
}

static void read_operands(Builder *b, Written *w)
{
    const Y *input = y_resolve(b->ctx, b->frame->scope, y_get(w->map, "input"));
    int n = input && input->kind == Y_list ? input->items.n : 1;
    w->in = arena_take(b->ctx->arena, sizeof *w->in * (size_t)(n + 1));
    if (!input && y_get(w->map, "input")) {
        b->blind = true;
    } else if (!input) {
        default_operand(b, w);
        w->n_in = 1;
    } else if (input->kind == Y_list) {
        for (int i = 0; i < n; i++)
            add_operand(b, w, input->items.at[i]);
    } else {
        add_operand(b, w, y_get(w->map, "input"));
    }
}

/* --- init, frozen, shared, spectral_norm ------------------------------------------------------ */

static Value *find_shared(Builder *b, const char *name)
{
    for (const Frame *frame = b->frame; frame; frame = frame->outer) {
        Value *value = map_get(&frame->values, name);
        if (value && value->weights)
            return value;
    }
    return NULL;
}

static const char *const of_its_own[] = {"init", "spectral_norm"};

static bool read_shared(Builder *b, Written *w, const Y *y)
{
    const char *name;
    if (!y_word(b->ctx, b->frame->scope, y, "shared", &name))
        return false;
    Value *value = find_shared(b, name);
    if (!value || value == w->value) {
        VEC(const char *) known = {0};
        for (int i = 0; i < b->frame->values.n; i++)
            vec_push(b->ctx->arena, &known, b->frame->values.entry[i].key);
        const char *best = diag_nearest(name, known.at, known.n);
        diag_error(&b->ctx->diag, y->loc, "shared: no layer before this one is called '%s'%s%s%s",
                   name, best ? "; did you mean '" : "", best ? best : "", best ? "'?" : "");
        return false;
    }
    for (int i = 0; i < COUNT(of_its_own); i++) {
        const Y *own = y_get(w->map, of_its_own[i]);
        if (!own)
            continue;
        diag_error(&b->ctx->diag, own->loc,
                   "'%s' does not go with 'shared': the weights are those of '%s'", of_its_own[i],
                   name);
        return false;
    }
    builder_use(b, value);
    w->shared = value->weights;
    return true;
}

/* What is said of weights, by the layer or by the block it lies in. */
static bool read_weights(Builder *b, Written *w)
{
    Frame *frame = b->frame;
    const Y *frozen = y_get(w->map, "frozen"), *shared = y_get(w->map, "shared"),
            *init = y_get(w->map, "init");
    bool good = true;
    w->frozen = frame->frozen;
    if (frozen) {
        bool own = false;
        good = y_bool(b->ctx, frame->scope, frozen, "frozen", &own);
        w->frozen = w->frozen || own;
    }
    if (init)
        w->init = y_bind(b->ctx, frame->scope, init, BOUND_MAX);
    if (shared)
        good = read_shared(b, w, shared) && good;
    else if (frame->shared)
        w->shared = w->value->weights;
    if (!init && !w->shared)
        w->init = frame->init;
    w->value->weights = w->shared ? w->shared : w->value->weights;
    return good && (!init || w->init);
}

static bool read_spectral(Builder *b, Written *w, const CallRow *row)
{
    const Y *y = y_get(w->map, "spectral_norm");
    if (!y)
        return true;
    if (row->flags & CALL_spectral)
        return y_bool(b->ctx, b->frame->scope, y, "spectral_norm", &w->spectral);
    diag_error(&b->ctx->diag, y->loc,
               "%s: 'spectral_norm' goes with dense, embedding and convolutions", w->kind);
    return false;
}

static bool check_weightless(Builder *b, const Written *w)
{
    bool good = true;
    for (int i = 0; i < COUNT(of_weights); i++) {
        const Y *y = y_get(w->map, of_weights[i]);
        if (!y)
            continue;
        diag_error(&b->ctx->diag, y->loc, "%s has no weights: '%s' has nothing to act on", w->kind,
                   of_weights[i]);
        good = false;
    }
    return good;
}

/* --- building --------------------------------------------------------------------------------- */

Node *layer_activation(Builder *b, const Written *w, Node *x)
{
    const Y *activation = y_get(w->map, "activation");
    if (!activation || !x)
        return x;
    CallRow row = {.name = w->kind};
    Call c = {.b = b,
              .g = b->g,
              .ctx = b->ctx,
              .row = &row,
              .loc = w->loc,
              .path = b->place,
              .training = b->training,
              .scope = b->frame->scope,
              .frozen = w->frozen,
              .shared = w->shared};
    return call_activation(&c, activation, x);
}

static bool has_arg(const CallRow *row, const char *name)
{
    for (int i = 0; i < ARGS_MAX && row->arg[i].name; i++)
        if (strcmp(row->arg[i].name, name) == 0)
            return true;
    return false;
}

static bool check_operands(Builder *b, Written *w, const CallRow *row)
{
    bool lists = row->arg[0].name && row->arg[0].type >= ARG_ints;
    if (w->args && w->args->kind == Y_list && row->max_in != 1 && !lists) { /* - add: [a, b] */
        diag_error(&b->ctx->diag, w->args->loc,
                   "%s: operands are named with 'input': '- %s: {input: [a, b]}'", w->kind,
                   w->kind);
        w->args = NULL;
        b->blind = true;
        return false;
    }
    if (w->n_in >= row->min_in && (row->max_in < 0 || w->n_in <= row->max_in))
        return true;
    diag_error(&b->ctx->diag, w->loc, "%s takes %s%d operand%s, not %d%s", w->kind,
               row->min_in != row->max_in ? "at least " : "", row->min_in,
               row->min_in == 1 ? "" : "s", w->n_in,
               w->n_in == 1 && !y_get(w->map, "input") ? ": name them with 'input: [a, b]'" : "");
    return false;
}

/* Adds the parts of a layer that gives several values under the names it was given; `weights`: its first name stands
 * for weights that others may share. */
static void add_parts(Builder *b, Written *w, int n_parts, Node *const *parts, bool weights)
{
    b->frame->several = true;
    int n = w->names ? w->names->items.n : 0;
    if (n_parts && n != n_parts)
        diag_error(&b->ctx->diag, w->names ? w->names->loc : w->loc, "%s gives %d value%s: %s",
                   w->kind, n_parts, n_parts == 1 ? "" : "s",
                   n_parts == 1 ? "one name" : "'name: [a, b]' names each");
    for (int i = 0; i < n; i++) {
        const Y *y = y_resolve(b->ctx, b->frame->scope, w->names->items.at[i]);
        const char *name;
        if (!y || !y_name(b->ctx, y, "name", &name))
            continue;
        Value *part = value_new(b, name, y->loc);
        part->node = i < n_parts ? parts[i] : NULL;
        part->weights = i == 0 && weights ? w->value->weights : NULL;
        vec_push(b->ctx->arena, &part->from, w->value);
        if (part->node && !part->node->name)
            part->node->name = arena_format(b->ctx->arena, "%s%s", b->frame->path, name);
        frame_add(b, part);
    }
}

/* The call of a row: reads its arguments, runs it. Apart from build_row, since a Call is large. */
static void run_row(Builder *b, Written *w, const CallRow *row, Node **in, Loc *loc, bool good)
{
    Call c = {.b = b,
              .g = b->g,
              .ctx = b->ctx,
              .row = row,
              .loc = w->loc,
              .path = b->place,
              .training = b->training,
              .n_in = w->n_in,
              .in = in,
              .in_loc = loc,
              .init = w->init,
              .scope = b->frame->scope,
              .frozen = w->frozen,
              .spectral = w->spectral,
              .shared = w->shared};
    good = args_read(b->ctx, c.scope, row->name, w->loc, row->arg, w->args, common, COUNT(common),
                     c.arg) &&
           good;
    for (int i = 0; w->names && i < w->names->items.n && i < COUNT(c.part_names); i++)
        c.part_names[i] =
            w->names->items.at[i]->kind == Y_scalar ? w->names->items.at[i]->text : NULL;
    if (row->flags & CALL_several) {
        c.n_parts = 0;
        if (good)
            call_run(&c);
        add_parts(b, w, c.n_parts, c.parts, (row->flags & CALL_weights) != 0);
        return;
    }
    w->value->node = good ? call_run(&c) : NULL;
}

/* What a layer is given, as nodes. */
typedef struct Given {
    Node **in; /* NULL where it is broken */
    Loc *loc;  /* where each was made */
    bool whole;
} Given;

static Given given_nodes(Builder *b, const Written *w)
{
    Given g = {.whole = true};
    g.in = arena_take(b->ctx->arena, sizeof *g.in * (size_t)(w->n_in + 1));
    g.loc = arena_take(b->ctx->arena, sizeof *g.loc * (size_t)(w->n_in + 1));
    for (int i = 0; i < w->n_in; i++) {
        g.in[i] = w->in[i] ? value_node(b, w->in[i]) : NULL;
        g.loc[i] = w->in[i] ? w->in[i]->made : w->loc;
        g.whole = g.whole && g.in[i];
    }
    return g;
}

static void build_row(Builder *b, Written *w, const CallRow *row)
{
    bool good = check_operands(b, w, row) && !w->clash;
    if (row->flags & CALL_weights)
        good = read_weights(b, w) && read_spectral(b, w, row) && good;
    else
        good = check_weightless(b, w) && good;
    if (w->names && !(row->flags & CALL_several)) {
        diag_error(&b->ctx->diag, w->names->loc, "%s gives one value: one name", w->kind);
        good = false;
    }
    const Given given = given_nodes(b, w);
    run_row(b, w, row, given.in, given.loc, good && given.whole);
    if (!has_arg(row, "activation"))
        w->value->node = layer_activation(b, w, w->value->node);
}

static void build_expr(Builder *b, Written *w)
{
    static const char *const keys[] = {"expr", "name", "activation"};
    y_keys(b->ctx, w->map, "expr", keys, COUNT(keys), NULL, 0);
    const Y *y = y_get(w->map, "expr");
    if (w->names) {
        const NetworkCall *call = expr_network(b, y, b->frame->scope);
        add_parts(b, w, call ? call->n_out : 0, call ? call->out : NULL, false);
        return;
    }
    w->value->node = expr_build(b, y, b->frame->scope);
    w->value->node = layer_activation(b, w, w->value->node);
}

/* A network that is used like a layer. */
static void build_network(Builder *b, Written *w, Network *net)
{
    static const char *const keys[] = {"input", "name", "activation"};
    const Given given = given_nodes(b, w);
    bool good = !w->clash && y_keys(b->ctx, w->map, net->name, keys, COUNT(keys), NULL, 0);
    if (w->args && !w->map) {
        diag_error(&b->ctx->diag, w->args->loc, "%s: its inputs are named with 'input'", net->name);
        good = false;
    }
    const NetworkCall *call =
        good ? network_call(b, net, w->n_in, given.in, given.loc, w->loc) : NULL;
    if (w->names || (call && call->n_out != 1)) {
        add_parts(b, w, call ? call->n_out : 0, call ? call->out : NULL, false);
        return;
    }
    w->value->node = layer_activation(b, w, call ? call->out[0] : NULL);
}

static void unknown_kind(Builder *b, const Written *w)
{
    Diag *diag = &b->ctx->diag;
    VEC(const char *) known = {0};
    for (int i = 0; i < b->model->blocks.n; i++)
        vec_push(b->ctx->arena, &known, b->model->blocks.entry[i].key);
    for (int i = 0; i < b->model->networks.n; i++)
        vec_push(b->ctx->arena, &known, b->model->networks.entry[i].key);
    for (int i = 0; i < call_count(); i++)
        if (call_at(i)->flags & CALL_layer)
            vec_push(b->ctx->arena, &known, call_at(i)->name);
    int op = op_find(w->kind);
    const char *best = NULL;
    if (call_find(w->kind) || (op >= 0 && op_rows[op].flags & CALL))
        diag_error(diag, w->loc, "'%s' is a function, not a layer: '- {name: NAME, expr: %s(...)}'",
                   w->kind, w->kind);
    else if (b->model->broken_blocks)
        b->blind = true;
    else if ((best = diag_nearest(w->kind, known.at, known.n)))
        diag_error(diag, w->loc, "unknown layer '%s'; did you mean '%s'?", w->kind, best);
    else
        diag_error(diag, w->loc, "unknown layer '%s'", w->kind);
}

/* Builds whatever kind of layer it is into w->value. */
static void build_kind(Builder *b, Written *w)
{
    Block *block = block_find(b->model, w->kind);
    Network *net = network_find(b->model, w->kind);
    const CallRow *row = call_find(w->kind);
    if (strcmp(w->kind, "expr") == 0 && y_get(w->map, "expr")) {
        b->frame->several = false;
        build_expr(b, w);
        return;
    }
    read_operands(b, w);
    b->frame->several = false;
    if (block) {
        if (read_weights(b, w) && !w->clash)
            block_build(b, block, w);
    } else if (net) {
        build_network(b, w, net);
    } else if (row && row->flags & CALL_layer) {
        build_row(b, w, row);
    } else {
        unknown_kind(b, w);
    }
}

const char *layer_build(Builder *b, const Y *item)
{
    Written w = {.kind = ""};
    if (!builder_count(b, item->loc)) {
        b->frame->last = value_new(b, "?", item->loc);
        return "?";
    }
    if (!read_item(b, item, &w)) {
        b->frame->last = value_new(b, "?", item->loc);
        b->frame->several = false;
        b->blind = true;
        return "?";
    }
    read_name(b, &w);
    const char *path = w.value->path;
    Value *into = b->into;
    b->into = w.value;
    b->place = path;
    b->n_random = 0;
    b->g->loc = w.loc;
    b->g->role = ROLE_forward;
    b->g->what = w.kind;
    build_kind(b, &w);
    if (w.value->node && !w.value->node->name) {
        w.value->node->name = path;
        w.value->node->loc = w.loc;
    }
    b->frame->last = w.value;
    b->into = into;
    return w.kind;
}
