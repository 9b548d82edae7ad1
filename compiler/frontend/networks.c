/* SPDX-License-Identifier: MIT */
/* networks.c: `networks:`, pieces of a model with inputs, layers and outputs of their own, and calls of them.
 *
 * A network is a function: each call walks its layers once more over the values it is given, with the same weights,
 * which begin with its name. The same call of the same values is the same value: it is computed once, draws its random
 * numbers once and moves its running statistics once.
 */
#include "builder.h"
#include "rows.h"

#include <string.h>

/* --- reading ---------------------------------------------------------------------------------- */

Network *network_find(const Model *m, const char *name)
{
    return map_get(&m->networks, name);
}

/* A map of inputs by name, with shape or classes, or a list of names. */
static void read_inputs(Model *m, Network *net, const Y *y)
{
    const char *what = arena_format(m->ctx->arena, "network '%s': inputs", net->name);
    if (!y) {
        vec_push(m->ctx->arena, &net->inputs, ((NetworkInput){.name = "input", .loc = net->loc}));
        return;
    }
    if (y->kind == Y_scalar || (!y->pairs.n && !y->items.n)) {
        diag_error(&m->ctx->diag, y->loc,
                   "%s: expected names, as [z, label], or a map of shapes by name", what);
        return;
    }
    for (int i = 0; i < y->pairs.n + y->items.n; i++) {
        const Y *key = y->pairs.n ? y->pairs.at[i].key : y->items.at[i];
        NetworkInput input = {.loc = key->loc};
        if (!y_name(m->ctx, key, what, &input.name))
            continue;
        if (y->pairs.n)
            input_declared(m, y->pairs.at[i].value, input.name, &input.declared);
        input.is_declared = y->pairs.n > 0;
        vec_push(m->ctx->arena, &net->inputs, input);
    }
}

static bool read_body(Model *m, Network *net, const Y *y)
{
    static const char *const keys[] = {"inputs", "layers", "outputs"};
    const char *what = arena_format(m->ctx->arena, "network '%s'", net->name);
    Diag *diag = &m->ctx->diag;
    if (y->kind != Y_map) {
        diag_error(diag, y->loc, "%s: expected {inputs: ..., layers: [...], outputs: ...}, saw %s",
                   what, y_text(m->ctx, y));
        return false;
    }
    m->blind |= !y_keys(m->ctx, y, what, keys, COUNT(keys), NULL, 0);
    read_inputs(m, net, y_empty(y_get(y, "inputs")) ? NULL : y_get(y, "inputs"));
    net->outputs = y_empty(y_get(y, "outputs")) ? NULL : y_get(y, "outputs");
    const Y *layers = y_get(y, "layers");
    if (!layers || layers->kind != Y_list || !layers->items.n) {
        diag_error(diag, layers ? layers->loc : net->loc,
                   "%s: layers: expected a list of layers, saw %s", what,
                   layers && layers->kind == Y_list ? "an empty list" : y_text(m->ctx, layers));
        return false;
    }
    net->block.layers = layers;
    return true;
}

static void read_network(Model *m, const YPair *pair)
{
    Network *net = arena_take(m->ctx->arena, sizeof *net);
    Diag *diag = &m->ctx->diag;
    *net = (Network){.loc = pair->key->loc};
    if (!y_name(m->ctx, pair->key, "network", &net->name))
        return;
    net->block = (Block){.name = net->name, .loc = net->loc, .what = "network"};
    int op = op_find(net->name);
    if (call_find(net->name) || metric_find(net->name) || strcmp(net->name, "expr") == 0 ||
        (op >= 0 && op_rows[op].flags & CALL))
        diag_error(diag, net->loc, "network '%s' has the name of a layer or function", net->name);
    else if (block_find(m, net->name))
        diag_error(diag, net->loc, "network '%s' has the name of a block", net->name);
    else
        map_set(&m->networks, net->name, net);
    net->block.failed = !read_body(m, net, pair->value);
}

void networks_read(Model *m, const Y *y)
{
    m->networks = map_new(m->ctx->arena);
    if (y_empty(y))
        return;
    if (y->kind != Y_map) {
        diag_error(&m->ctx->diag, y->loc, "networks: expected a map of networks by name, saw %s",
                   y_text(m->ctx, y));
        return;
    }
    for (int i = 0; i < y->pairs.n; i++)
        read_network(m, &y->pairs.at[i]);
}

void networks_warn_unused(Model *m)
{
    for (int i = 0; i < m->networks.n; i++) {
        const Network *net = m->networks.entry[i].value;
        if (!net->block.used)
            diag_warning(&m->ctx->diag, net->loc, "network '%s' is not used", net->name);
    }
}

const char *network_operands(Ctx *ctx, const Network *net)
{
    Str names = str_new(ctx->arena);
    for (int i = 0; i < net->inputs.n; i++)
        str_add(&names, "%s%s", i ? " " : "", net->inputs.at[i].name);
    return names.at;
}

/* --- calling ---------------------------------------------------------------------------------- */

/* What is given for an input, checked against what the network says of it; NULL after a report. */
static Node *given_node(Builder *b, const Network *net, int i, Node *x, Loc loc)
{
    const NetworkInput *input = &net->inputs.at[i];
    char has[128], wants[128];
    if (!input->is_declared)
        return x;
    bool counted = input->declared.dtype == DT_i32;
    if (!counted)
        x = rows_f32(b->g, x);
    if (x->dtype != input->declared.dtype) {
        diag_error(&b->ctx->diag, loc, "%s: '%s' takes class indices or tokens, not numbers",
                   net->name, input->name);
    } else if (!shape_equal(&x->shape, &input->declared.shape)) {
        diag_error(&b->ctx->diag, loc, "%s: '%s' has shape %s; %s is given", net->name, input->name,
                   shape_text(&input->declared.shape, wants), shape_text(&x->shape, has));
    } else {
        return x;
    }
    diag_note(&b->ctx->diag, input->loc, "'%s' is made here", input->name);
    return NULL;
}

static bool same_call(const NetworkCall *a, const NetworkCall *b)
{
    bool same = a->net == b->net && a->g == b->g;
    for (int i = 0; same && i < a->net->inputs.n; i++)
        same = a->in[i] == b->in[i];
    return same;
}

/* The frame of a call: its inputs by name, paths and weights that begin with the network's. */
static Frame *call_frame(Builder *b, Network *net, Node **in, const Loc *loc)
{
    Arena *arena = b->ctx->arena;
    int *calls = map_get(&b->calls_of, net->name);
    if (!calls)
        map_set(&b->calls_of, net->name, calls = arena_take(arena, sizeof *calls));
    Frame *frame = frame_new(b, NULL, net->block.layers, &b->model->vars);
    frame->depth = b->frame->depth + 1;
    frame->block = &net->block;
    frame->weights = arena_format(arena, "%s.", net->name);
    frame->shared = ++*calls > 1;
    /* Other random numbers in each call; no layer is called by a number. */
    frame->path = frame->shared ? arena_format(arena, "%s.%d.", net->name, *calls) : frame->weights;
    for (int i = 0; i < net->inputs.n; i++) {
        const NetworkInput *input = &net->inputs.at[i];
        Value *value = value_new(b, input->name, loc[i]);
        value->node = in[i];
        value->used = true;
        map_set(&frame->values, input->name, value);
        frame->given = i ? frame->given : value;
    }
    return frame;
}

static Node *output_node(Builder *b, const Y *y)
{
    Node *node = expr_build(b, y, b->frame->scope);
    b->blind |= !node;
    return node;
}

/* The results of a call whose layers are built: `outputs`, or the last layer. */
static void collect(Builder *b, const Network *net, NetworkCall *call)
{
    const Y *y = net->outputs;
    Frame *frame = b->frame;
    if (!y) {
        if (frame->several)
            diag_error(&b->ctx->diag, net->loc,
                       "network '%s': its last layer gives several values: name its 'outputs'",
                       net->name);
        else if (frame->last)
            builder_use(b, frame->last);
        call->n_out = 1;
        call->out[0] = frame->last && !frame->several ? frame->last->node : NULL;
        return;
    }
    int n = y->kind == Y_scalar ? 1 : y->pairs.n + y->items.n;
    if (n > NETWORK_OUTPUTS_MAX) {
        diag_error(&b->ctx->diag, y->loc, "network '%s': more than %d outputs", net->name,
                   NETWORK_OUTPUTS_MAX);
        n = 0;
    }
    call->n_out = n;
    for (int i = 0; i < n; i++)
        call->out[i] = output_node(b, y->kind == Y_scalar ? y
                                      : y->kind == Y_list ? y->items.at[i]
                                                          : y->pairs.at[i].value);
}

/* Walks the layers; the call's results, NULL where they are broken. */
static void run_call(Builder *b, Network *net, NetworkCall *call, const Loc *loc)
{
    Frame *before = b->frame;
    Value *into = b->into;
    const char *place = b->place;
    const Graph as = *b->g;
    int n_random = b->n_random, errors = b->ctx->diag.errors;
    net->calling = true;
    Frame *frame = call_frame(b, net, call->in, loc);
    frame_build(b, frame);
    b->into = into;
    b->place = frame->path;
    b->n_random = 0;
    b->frame = frame;
    collect(b, net, call);
    b->frame = before;
    b->place = place;
    b->n_random = n_random;
    b->g->loc = as.loc;
    b->g->what = as.what;
    b->g->role = as.role;
    net->calling = false;
    net->block.failed = b->ctx->diag.errors > errors;
}

const NetworkCall *network_call(Builder *b, Network *net, int n, Node **in, const Loc *at, Loc loc)
{
    NetworkCall *call = arena_take(b->ctx->arena, sizeof *call);
    *call = (NetworkCall){.net = net, .g = b->g};
    Diag *diag = &b->ctx->diag;
    bool good = true;
    net->block.used = true;
    if (n != net->inputs.n) {
        diag_error(diag, loc, "%s takes %d input%s (%s), not %d", net->name, net->inputs.n,
                   net->inputs.n == 1 ? "" : "s", network_operands(b->ctx, net), n);
        good = false;
    } else if (net->calling || b->frame->depth >= BLOCKS_NESTED_MAX) {
        diag_error(diag, loc, "network '%s' is part of itself", net->name);
        good = false;
    }
    call->in = arena_take(b->ctx->arena, sizeof *call->in * (size_t)(n + 1));
    for (int i = 0; good && i < n; i++) {
        call->in[i] = in[i] ? given_node(b, net, i, in[i], loc) : NULL;
        good = call->in[i] != NULL;
    }
    b->blind |= !good || net->block.failed;
    if (!good || net->block.failed)
        return NULL;
    for (int i = 0; i < b->calls.n; i++)
        if (same_call(b->calls.at[i], call))
            return b->calls.at[i];
    run_call(b, net, call, at);
    if (net->block.failed)
        return NULL;
    vec_push(b->ctx->arena, &b->calls, call);
    return call;
}
