/* SPDX-License-Identifier: MIT */
/* blocks.c: named pieces of a network: their arguments, their copies, and what lies inside what.
 *
 * A use of a block is built by walking its layers once a copy, in a frame of their own: names
 * inside
 * are not seen outside, and of what is outside only `input` and the model's inputs are seen inside.
 */
#include "builder.h"

#include <string.h>

static const char *const common[] = {"name",   "input",  "activation", "init",
                                     "frozen", "shared", "repeat"};

Block *block_find(const Model *m, const char *name)
{
    return map_get(&m->blocks, name);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool is_common(const char *name)
{
    for (int i = 0; i < COUNT(common); i++)
        if (strcmp(common[i], name) == 0)
            return true;
    return false;
}

static void check_args(Model *m, const char *what, const Y *args)
{
    Diag *diag = &m->ctx->diag;
    if (!args || y_empty(args))
        return;
    if (args->kind != Y_map) {
        diag_error(diag, args->loc, "%s: args: expected a map of arguments and defaults, saw %s",
                   what, y_text(m->ctx, args));
        return;
    }
    for (int i = 0; i < args->pairs.n; i++) {
        const Y *key = args->pairs.at[i].key;
        const char *name;
        if (y_name(m->ctx, key, arena_format(m->ctx->arena, "%s: args", what), &name) &&
            is_common(name))
            diag_error(diag, key->loc, "%s: every block has '%s': an argument needs another name",
                       what, name);
    }
}

static bool read_body(Model *m, const Y *y, const char *what, Block *block)
{
    static const char *const keys[] = {"args", "layers"};
    Diag *diag = &m->ctx->diag;
    if (y->kind != Y_map) {
        diag_error(diag, y->loc, "%s: expected {args: {...}, layers: [...]}, saw %s", what,
                   y_text(m->ctx, y));
        return false;
    }
    y_keys(m->ctx, y, what, keys, COUNT(keys), NULL, 0);
    block->args = y_empty(y_get(y, "args")) ? NULL : y_get(y, "args");
    check_args(m, what, block->args);
    const Y *layers = y_get(y, "layers");
    if (layers && layers->kind == Y_list && layers->items.n) {
        block->layers = layers;
        return true;
    }
    diag_error(diag, layers ? layers->loc : block->loc,
               "%s: layers: expected a list of layers, saw %s", what,
               layers && layers->kind == Y_list ? "an empty list" : y_text(m->ctx, layers));
    return false;
}

static void read_block(Model *m, const YPair *pair)
{
    Block *block = arena_take(m->ctx->arena, sizeof *block);
    block->loc = pair->key->loc;
    if (!y_name(m->ctx, pair->key, "block", &block->name))
        return;
    if (call_find(block->name) || strcmp(block->name, "expr") == 0)
        diag_error(&m->ctx->diag, block->loc, "block '%s' has the name of a layer", block->name);
    else
        map_set(&m->blocks, block->name, block);
    read_body(m, pair->value, arena_format(m->ctx->arena, "block '%s'", block->name), block);
}

/* --- what uses what --------------------------------------------------------------------------- */

/* The kind of an item of a list of layers, where it can be seen without its scope; or NULL. */
static const Y *kind_of(const Y *item)
{
    if (item->kind == Y_scalar)
        return item;
    return item->kind == Y_map && item->pairs.n == 1 ? item->pairs.at[0].key : NULL;
}

/* Finds how deep blocks lie in this one. False, with a report, where one lies in itself. */
static bool check_depth(Model *m, Block *block, int above)
{
    if (block->depth > 0)
        return true;
    if (above > BLOCKS_NESTED_MAX) {
        diag_error(&m->ctx->diag, block->loc, "blocks are nested deeper than %d levels",
                   BLOCKS_NESTED_MAX);
        return false;
    }
    block->depth = -1;
    int depth = 0;
    for (int i = 0; block->layers && i < block->layers->items.n; i++) {
        const Y *kind = kind_of(block->layers->items.at[i]);
        Block *inner = kind ? block_find(m, kind->text) : NULL;
        if (!inner)
            continue;
        if (inner->depth < 0) {
            diag_error(&m->ctx->diag, kind->loc, "block '%s' is part of itself", inner->name);
            diag_note(&m->ctx->diag, inner->loc, "'%s' is given here", inner->name);
            return false;
        }
        if (!check_depth(m, inner, above + 1))
            return false;
        if (inner->depth > depth)
            depth = inner->depth;
    }
    block->depth = depth + 1;
    return true;
}

void blocks_read(Model *m, const Y *y)
{
    m->blocks = map_new(m->ctx->arena);
    if (y_empty(y))
        return;
    if (y->kind != Y_map) {
        diag_error(&m->ctx->diag, y->loc, "blocks: expected a map of blocks by name, saw %s",
                   y_text(m->ctx, y));
        return;
    }
    for (int i = 0; i < y->pairs.n; i++)
        read_block(m, &y->pairs.at[i]);
    for (int i = 0; i < m->blocks.n; i++)
        if (!check_depth(m, m->blocks.entry[i].value, 1)) {
            m->blocks = map_new(m->ctx->arena); /* nothing can be built of them */
            m->broken_blocks = true;
            return;
        }
}

/* --- arguments -------------------------------------------------------------------------------- */

static bool check_keys(Builder *b, const Block *block, const Written *w)
{
    VEC(const char *) known = {0};
    for (int i = 0; block->args && i < block->args->pairs.n; i++)
        vec_push(b->ctx->arena, &known, block->args->pairs.at[i].key->text);
    for (int i = 0; i < COUNT(common); i++)
        vec_push(b->ctx->arena, &known, common[i]);
    return y_keys(b->ctx, w->map, block->name, known.at, known.n, NULL, 0);
}

/* The scope of the block's layers: its arguments over the model's variables. NULL after a report.
 * */
static Scope *bind_args(Builder *b, const Block *block, const Written *w)
{
    Scope *scope = arena_take(b->ctx->arena, sizeof *scope);
    *scope = (Scope){&b->model->vars, map_new(b->ctx->arena)};
    int n = block->args ? block->args->pairs.n : 0;
    bool good = check_keys(b, block, w);
    if (n == 0 && w->args && !w->map) {
        diag_error(&b->ctx->diag, w->args->loc, "%s takes no argument", block->name);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        const YPair *arg = &block->args->pairs.at[i];
        const Y *given = w->map ? y_get(w->map, arg->key->text) : i == 0 ? w->args : NULL;
        const Y *bound = NULL;
        if (given)
            bound = y_bind(b->ctx, b->frame->scope, given, BOUND_MAX);
        else if (!y_empty(arg->value))
            bound = y_bind(b->ctx, scope, arg->value, BOUND_MAX);
        else
            diag_error(&b->ctx->diag, w->loc, "%s: '%s' is missing", block->name, arg->key->text);
        if (bound)
            map_set(&scope->values, arg->key->text, (void *)bound);
        good = good && bound;
    }
    return good ? scope : NULL;
}

/* --- building --------------------------------------------------------------------------------- */

/* One copy of the block, with paths `suffix` below the layer's; its result. */
static Value *build_copy(Builder *b, const Block *block, Written *w, const Scope *scope,
                         Value *given, const char *suffix)
{
    Arena *arena = b->ctx->arena;
    Frame *frame = frame_new(b, b->frame, block->layers, scope);
    frame->block = block;
    frame->given = given;
    frame->holder = w->value;
    const char *path = arena_format(arena, "%s%s%s", b->frame->path, w->value->name, suffix);
    Written copy = *w; /* whose activation may have weights */
    copy.shared = w->shared ? arena_format(arena, "%s%s", w->shared, suffix) : NULL;
    frame->path = arena_format(arena, "%s.", path);
    frame->weights = arena_format(arena, "%s%s.", w->value->weights, suffix);
    frame->shared = w->shared != NULL;
    frame->frozen = w->frozen;
    frame->init = w->init;

    Value *into = b->into;
    const char *place = b->place;
    frame_build(b, frame);
    b->into = into;
    b->place = path;
    b->g->loc = w->loc;
    b->g->what = w->kind;

    Value *result = value_new(b, w->value->name, w->loc);
    if (frame->several) {
        diag_error(&b->ctx->diag, block->loc,
                   "block '%s': its last layer gives several values; a block gives one",
                   block->name);
    } else if (frame->last) {
        frame->last->used = true;
        vec_push(arena, &result->from, frame->last);
        result->node = layer_activation(b, &copy, frame->last->node);
    }
    b->place = place;
    return result;
}

void block_build(Builder *b, Block *block, Written *w)
{
    int64_t copies = 1;
    const Y *repeat = y_get(w->map, "repeat");
    const char *what = arena_format(b->ctx->arena, "%s: repeat", w->kind);
    block->used = true;
    if (repeat && !y_int(b->ctx, b->frame->scope, repeat, what, 1, LAYERS_MAX, &copies))
        return;
    if (b->frame->depth >= BLOCKS_NESTED_MAX) { /* by way of a $name; others were found when read */
        diag_error(&b->ctx->diag, w->loc, "%s: blocks are nested deeper than %d levels", w->kind,
                   BLOCKS_NESTED_MAX);
        b->stopped = b->blind = true;
        return;
    }
    if (w->n_in != 1 || w->names) {
        diag_error(&b->ctx->diag, w->names ? w->names->loc : w->loc,
                   "%s: a block takes one input and gives one value", w->kind);
        return;
    }
    const Scope *scope = bind_args(b, block, w);
    if (!scope || !block->layers)
        return;
    Value *value = w->in[0] ? w->in[0] : value_new(b, "input", w->loc); /* broken: reported */
    for (int64_t i = 0; i < copies && !b->stopped && !block->failed; i++) {
        const char *suffix = repeat ? arena_format(b->ctx->arena, ".%lld", (long long)i) : "";
        int errors = b->ctx->diag.errors;
        value = build_copy(b, block, w, scope, value, suffix);
        if (b->ctx->diag.errors > errors) { /* the same would be said of each copy and use */
            if (!block->failed)
                diag_note(&b->ctx->diag, w->loc, "in this use of block '%s'", block->name);
            block->failed = true;
        }
    }
    if (block->failed) {
        b->blind = true;
        return;
    }
    vec_push(b->ctx->arena, &w->value->from, value);
    w->value->node = value->node;
}
