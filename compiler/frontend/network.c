/* SPDX-License-Identifier: MIT */
/* network.c: the values of a network or a block by name, and the walk over its layers.
 *
 * A mistake is reported once: what could not be built stays in the tables as a broken value
 * (without
 * a node), and whatever is made of it is broken without a word.
 */
#include "builder.h"

#include <string.h>

/* --- values ----------------------------------------------------------------------------------- */

Value *value_new(Builder *b, const char *name, Loc made)
{
    Value *value = arena_take(b->ctx->arena, sizeof *value);
    *value = (Value){.name = name, .made = made, .input = -1};
    return value;
}

const char *block_what(const Block *block)
{
    return block->what ? block->what : "block";
}

void builder_use(Builder *b, Value *value)
{
    value->used = true;
    if (b->into)
        vec_push(b->ctx->arena, &b->into->from, value);
    else
        vec_push(b->ctx->arena, &b->roots, value);
}

Node *value_node(Builder *b, Value *value)
{
    if (!value->node && value->input >= 0)
        value->node = input_build(b, value->input);
    return value->node;
}

/* The layer further down that bears the name, for a note; or NULL. */
static const Y *find_later(const Frame *frame, const char *name)
{
    for (int i = 0; frame->layers && i < frame->layers->items.n; i++) {
        const Y *item = frame->layers->items.at[i];
        if (item->kind != Y_map || item->pairs.n == 0)
            continue;
        const Y *given =
            y_get(item, "expr") ? y_get(item, "name") : y_get(item->pairs.at[0].value, "name");
        if (given && given->kind == Y_scalar && strcmp(given->text, name) == 0)
            return given;
    }
    return NULL;
}

static void report_unknown(Builder *b, const char *name, Loc loc)
{
    const Frame *frame = b->frame;
    Diag *diag = &b->ctx->diag;
    const Y *later = find_later(frame, name);
    if (later) {
        diag_error(diag, loc, "'%s' is used before it is made", name);
        diag_note(diag, later->loc, "'%s' is made here", name);
        return;
    }
    VEC(const char *) known = {0};
    for (int i = 0; i < frame->values.n; i++)
        vec_push(b->ctx->arena, &known, frame->values.entry[i].key);
    for (int i = 0; i < b->inputs.n; i++)
        vec_push(b->ctx->arena, &known, b->inputs.entry[i].key);
    const char *best = diag_nearest(name, known.at, known.n);
    const char *where = frame->block ? arena_format(b->ctx->arena, " in %s '%s'",
                                                    block_what(frame->block), frame->block->name)
                                     : "";
    if (best)
        diag_error(diag, loc, "no layer or input%s is called '%s'; did you mean '%s'?", where, name,
                   best);
    else
        diag_error(diag, loc, "no layer or input%s is called '%s'", where, name);
}

Value *builder_find(Builder *b, const char *name, Loc loc)
{
    Frame *frame = b->frame;
    Value *value = map_get(&frame->values, name);
    if (!value && frame->block && strcmp(name, "input") == 0)
        value = frame->given;
    if (!value)
        value = map_get(&b->inputs, name);
    if (value && value == b->into) {
        diag_error(&b->ctx->diag, loc, "'%s' is made of itself", name);
        b->blind = true;
        return NULL;
    }
    if (value) {
        builder_use(b, value);
        return value;
    }
    b->blind = true;
    if (!b->stopped && !map_get(&b->unknown, name)) {
        map_set(&b->unknown, name, b);
        report_unknown(b, name, loc);
    }
    return NULL;
}

/* --- frames ----------------------------------------------------------------------------------- */

bool frame_add(Builder *b, Value *value)
{
    Frame *frame = b->frame;
    const Value *before = map_get(&frame->values, value->name);
    if (!before && !frame->block)
        before = map_get(&b->inputs, value->name);
    if (frame->block && strcmp(value->name, "input") == 0) {
        diag_error(&b->ctx->diag, value->made,
                   "in a %s 'input' is what the %s was given: no layer may be "
                   "called so",
                   block_what(frame->block), block_what(frame->block));
    } else if (before) {
        diag_error(&b->ctx->diag, value->made, "the name '%s' is taken", value->name);
        diag_note(&b->ctx->diag, before->made, "'%s' is made here", value->name);
    } else {
        map_set(&frame->values, value->name, value);
        return true;
    }
    return false;
}

Frame *frame_new(Builder *b, Frame *outer, const Y *layers, const Scope *scope)
{
    Frame *frame = arena_take(b->ctx->arena, sizeof *frame);
    *frame = (Frame){.outer = outer,
                     .layers = layers,
                     .scope = scope,
                     .values = map_new(b->ctx->arena),
                     .counts = map_new(b->ctx->arena),
                     .path = "",
                     .weights = "",
                     .depth = outer ? outer->depth + 1 : 0};
    return frame;
}

bool builder_count(Builder *b, Loc loc)
{
    if (b->stopped)
        return false;
    b->n_layers++;
    const Diag *diag = &b->ctx->diag;
    if (b->n_layers > LAYERS_MAX)
        diag_error(&b->ctx->diag, loc, "more than %d layers, blocks expanded", LAYERS_MAX);
    else if (b->g->nodes.n > NODES_MAX)
        diag_error(&b->ctx->diag, loc, "the network has more than %d operations", NODES_MAX);
    else if (diag->limit <= 0 || diag->errors <= diag->limit)
        return true;
    b->stopped = b->blind = true;
    return false;
}

static void item_build(Builder *b, const Y *item)
{
    Frame *frame = b->frame;
    Built built = {.first = frame->values.n};
    built.kind = layer_build(b, item);
    built.end = frame->values.n;
    built.last = frame->last;
    built.several = frame->several;
    vec_push(b->ctx->arena, &frame->built, built);
}

void frame_build(Builder *b, Frame *frame)
{
    Frame *before = b->frame;
    b->frame = frame;
    for (int i = 0; frame->layers && i < frame->layers->items.n && !b->stopped; i++)
        item_build(b, frame->layers->items.at[i]);
    b->frame = before;
}

/* --- again, for the next player --------------------------------------------------------------- */

static bool is_stale(const Builder *b, const bool *stale, const Node *y)
{
    return y && y->id < b->g->nodes.n && b->g->nodes.at[y->id] == y && stale[y->id];
}

static bool is_built_stale(const Builder *b, const Frame *frame, const Built *built,
                           const bool *stale)
{
    bool any = is_stale(b, stale, built->last->node);
    for (int i = built->first; i < built->end; i++)
        any |= is_stale(b, stale, ((const Value *)frame->values.entry[i].value)->node);
    return any;
}

/* Takes the values that an item gave before to the frame that is built now. */
static void keep_built(Builder *b, const Frame *from, Built built)
{
    Frame *frame = b->frame;
    int first = frame->values.n;
    frame_count(b, built.kind);
    for (int i = built.first; i < built.end; i++)
        map_set(&frame->values, from->values.entry[i].key, from->values.entry[i].value);
    built.first = first;
    built.end = frame->values.n;
    frame->last = built.last;
    frame->several = built.several;
    vec_push(b->ctx->arena, &frame->built, built);
}

void frame_again(Builder *b, const bool *stale)
{
    const Frame *from = b->frame;
    int kept = 0;
    for (int i = 0; i < b->calls.n; i++) {
        NetworkCall *call = b->calls.at[i];
        bool good = true;
        for (int k = 0; k < call->n_out; k++)
            good &= !is_stale(b, stale, call->out[k]);
        if (good)
            b->calls.at[kept++] = call;
    }
    b->calls.n = kept;
    b->frame = frame_new(b, NULL, from->layers, from->scope);
    b->frame->shared = true; /* the weights are there */
    for (int i = 0; i < from->built.n && !b->stopped; i++) {
        if (is_built_stale(b, from, &from->built.at[i], stale))
            item_build(b, from->layers->items.at[i]);
        else
            keep_built(b, from, from->built.at[i]);
    }
}

Builder *builder_new(Model *m, Fn fn)
{
    Arena *arena = m->ctx->arena;
    Builder *b = arena_take(arena, sizeof *b);
    *b = (Builder){.model = m,
                   .ctx = m->ctx,
                   .program = m->program,
                   .g = graph_new(m->program, fn),
                   .inputs = map_new(arena),
                   .unknown = map_new(arena),
                   .made = map_new(arena),
                   .latest = map_new(arena),
                   .place = "",
                   .training = fn_trains(fn) || fn == FN_grad,
                   .calls_of = map_new(arena)};
    for (int i = 0; i < m->program->inputs.n; i++) {
        const Input *input = &m->program->inputs.at[i];
        Value *value = value_new(b, input->name, input->loc);
        value->input = i;
        map_set(&b->inputs, input->name, value);
    }
    b->frame = frame_new(b, NULL, m->layers, &m->vars);
    return b;
}

/* --- what nothing depends on ------------------------------------------------------------------ */

static void mark_reached(Builder *b)
{
    VEC(Value *) pending = {0};
    for (int i = 0; i < b->roots.n; i++)
        vec_push(b->ctx->arena, &pending, b->roots.at[i]);
    while (pending.n) {
        Value *value = pending.at[--pending.n];
        if (value->reached)
            continue;
        value->reached = true;
        for (int i = 0; i < value->from.n; i++)
            if (!value->from.at[i]->reached)
                vec_push(b->ctx->arena, &pending, value->from.at[i]);
    }
}

static bool is_reached(const Value *value)
{
    return value->reached || value->used;
}

static const char *place_text(Builder *b, Loc loc)
{
    return arena_format(b->ctx->arena, "%d:%d", loc.line, loc.col);
}

void builder_report_unused(Builder *b)
{
    Map places = map_new(b->ctx->arena); /* a layer of a block is reported once, not once a copy */
    mark_reached(b);
    for (int i = 0; i < b->all.n; i++) /* nor where another walk over it is used */
        if (is_reached(b->all.at[i]))
            map_set(&places, place_text(b, b->all.at[i]->made), b);
    for (int i = 0; i < b->all.n; i++) {
        const Value *value = b->all.at[i];
        const char *place = place_text(b, value->made);
        if ((value->holder && !value->holder->reached) || map_get(&places, place))
            continue;
        map_set(&places, place, b);
        diag_error(&b->ctx->diag, value->made,
                   "'%s' is not used: no output, loss or metric depends on it", value->name);
    }
    for (int i = 0; i < b->inputs.n; i++) {
        const Value *value = b->inputs.entry[i].value;
        if (!value->reached && !value->used)
            diag_error(&b->ctx->diag, value->made, "input '%s' is not used", value->name);
    }
}
