/* SPDX-License-Identifier: MIT */
/* layers_scan.c: scan: a loop over the time axis of [N, T, ...] whose step is a list of layers.
 *
 * The layers are built in the loop's body as in a block: `input` is what a step sees of the operand, each
 * state a value by its name. What they take from outside (weights, inputs, random numbers) is made outside
 * and handed in. */
#include "builder.h"
#include "steps.h"

#include <string.h>

enum { STATES_MAX = 32 };

typedef struct State {
    const char *name;
    Loc loc;
    Shape shape;       /* [N, ...] */
    const char *next;  /* the layer that gives its next value; NULL: the last */
    Node *leaf, *seen; /* what its next value belongs to, and what layers read */
} State;

typedef struct Cell { /* what is written */
    Call *c;
    const Y *body;
    int n;
    State state[STATES_MAX];
} Cell;

/* --- reading ---------------------------------------------------------------------------------- */

static bool report(Call *c, Loc loc, const char *text)
{
    diag_error(&c->ctx->diag, loc, "scan: %s", text);
    return false;
}

/* A number, or a list: the axes without the batch. */
static bool read_shape(Call *c, const Y *y, State *to)
{
    int64_t dim[ARG_LIST_MAX];
    int n = 0;
    if (!y_ints(c->ctx, c->scope, y, "scan: state", ARG_LIST_MAX, &n, dim))
        return false;
    if (n >= RANK_MAX - 1)
        return report(c, y->loc, "a state has too many axes");
    to->shape = (Shape){.rank = n + 1, .batch = 0, .dim = {1}};
    for (int i = 0; i < n; i++) {
        if (dim[i] < 1 || dim[i] > DIM_MAX)
            return report(c, y->loc, "an axis of a state is out of range");
        to->shape.dim[i + 1] = dim[i];
    }
    return true;
}

/* `h: 16`, `h: [4, 8]` or `h: {shape: 16, next: NAME}` */
static bool read_state(Cell *cell, const YPair *pair)
{
    static const char *const keys[] = {"shape", "next"};
    Call *c = cell->c;
    if (cell->n == STATES_MAX)
        return report(c, pair->key->loc, "too many states");
    State *s = &cell->state[cell->n++];
    *s = (State){.loc = pair->key->loc};
    const Y *y = y_resolve(c->ctx, c->scope, pair->value);
    if (!y || !y_name(c->ctx, pair->key, "scan: state", &s->name))
        return false;
    if (strcmp(s->name, "input") == 0)
        return report(c, s->loc, "'input' is what a step is given: no state may be called so");
    if (y->kind != Y_map)
        return read_shape(c, y, s);
    const Y *shape = y_get(y, "shape"), *next = y_get(y, "next");
    if (!y_keys(c->ctx, y, "scan: state", keys, COUNT(keys), NULL, 0))
        return false;
    if (!shape)
        return report(c, y->loc, "a state has a shape");
    return read_shape(c, shape, s) &&
           (!next || y_word(c->ctx, c->scope, next, "scan: next", &s->next));
}

static bool read_cell(Cell *cell)
{
    Call *c = cell->c;
    const Y *body = c->arg[0].y, *states = c->arg[1].y;
    if (body->kind != Y_list || body->items.n == 0)
        return report(c, body->loc, "body: expected a list of layers");
    cell->body = body;
    if (!states)
        return true;
    if (states->kind != Y_map)
        return report(c, states->loc, "state: expected a map of shapes by name");
    for (int i = 0; i < states->pairs.n; i++)
        if (!read_state(cell, &states->pairs.at[i]))
            return false;
    return true;
}

/* --- the body --------------------------------------------------------------------------------- */

/* A value of the body that is there before its layers. */
static Value *given_value(Builder *b, const char *name, Loc loc, Node *node)
{
    Value *value = value_new(b, name, loc);
    value->node = node;
    value->used = true;
    return value;
}

static Frame *body_frame(Cell *cell, Node *slice)
{
    Call *c = cell->c;
    Builder *b = c->b;
    Block *block = arena_take(c->ctx->arena, sizeof *block);
    *block = (Block){.name = "scan", .loc = c->loc, .layers = cell->body, .used = true};
    Frame *frame = frame_new(b, b->frame, cell->body, c->arg[0].scope);
    frame->block = block;
    frame->given = given_value(b, "input", c->loc, slice);
    frame->holder = b->into;
    frame->path = arena_format(c->ctx->arena, "%s.", c->path);
    frame->weights = arena_format(c->ctx->arena, "%s.", c->shared ? c->shared : c->path);
    frame->shared = c->shared != NULL;
    frame->frozen = c->frozen;
    frame->init = c->init;
    for (int i = 0; i < cell->n; i++) {
        State *s = &cell->state[i];
        map_set(&frame->values, s->name, given_value(b, s->name, s->loc, s->seen));
    }
    return frame;
}

/* The layers, built in the body; its last value, or NULL after a report. */
static Value *build_body(Cell *cell, Frame *frame, Graph *body)
{
    Builder *b = cell->c->b;
    Graph *outer = b->g;
    Value *into = b->into;
    const char *place = b->place;
    int n_random = b->n_random;
    b->g = body;
    frame_build(b, frame);
    b->g = outer;
    b->into = into;
    b->place = place;
    b->n_random = n_random;
    if (frame->several) {
        report(cell->c, cell->body->loc, "the last layer of its body gives several values");
        return NULL;
    }
    return frame->last;
}

/* The next value of a state, of the state's shape. */
static Node *next_of(Cell *cell, const Frame *frame, const State *s, Value *last)
{
    Call *c = cell->c;
    char has[128], wants[128];
    Value *value = s->next ? map_get(&frame->values, s->next) : last;
    if (!s->next && cell->n > 1) {
        report(c, s->loc,
               "of several states each says `next`, the layer that gives its next value");
        return NULL;
    }
    if (!value) {
        diag_error(&c->ctx->diag, s->loc, "scan: no layer of its body is called '%s'", s->next);
        return NULL;
    }
    value->used = true;
    vec_push(c->ctx->arena, &c->b->into->from, value);
    Node *next = value->node;
    if (!next || (next->dtype == DT_f32 && shape_equal(&next->shape, &s->shape)))
        return next;
    diag_error(&c->ctx->diag, s->loc, "scan: state '%s' has shape %s, its next value '%s' %s",
               s->name, shape_text(&s->shape, wants), value->name, shape_text(&next->shape, has));
    return NULL;
}

static bool link_states(Cell *cell, ScanBuilder *b, const Frame *frame, Value *last)
{
    for (int i = 0; i < cell->n; i++) {
        Node *next = next_of(cell, frame, &cell->state[i], last);
        if (!next)
            return false;
        scan_next(b, cell->state[i].leaf, next);
    }
    return true;
}

/* --- the layer -------------------------------------------------------------------------------- */

/* [N, T, ...] with the first two axes swapped. */
static Node *time_first(Graph *g, Node *x)
{
    int perm[RANK_MAX] = {1, 0};
    for (int i = 2; x && i < x->shape.rank; i++)
        perm[i] = i;
    return build_transpose(g, x, perm);
}

static bool check_operand(Call *c)
{
    const Shape *x = &c->in[0]->shape;
    char text[128];
    if (x->rank >= 2 && x->batch == 0 && x->rank < RANK_MAX)
        return true;
    diag_error(&c->ctx->diag, c->loc, "scan takes sequences, [N, T, ...], not %s",
               shape_text(x, text));
    rows_notes(c);
    return false;
}

static Node *scan(Call *c)
{
    Graph *g = c->g;
    Cell cell = {.c = c};
    Steps steps;
    if (!check_operand(c) || !read_cell(&cell) || !steps_read(c, 3, &steps))
        return NULL;
    steps_outside(c);
    Node *x = time_first(g, c->in[0]);
    ScanBuilder b = scan_begin(g, x->shape.dim[0], false);
    b.stash = steps_stash(&steps, b.length);
    Node *cut = scan_slice(&b, steps_cut(&steps, b.length, false));
    for (int i = 0; i < cell.n; i++) {
        State *s = &cell.state[i];
        s->leaf = scan_state(&b, steps_first(&steps, s->name, &s->shape));
        if (!s->leaf)
            return NULL;
        s->seen = steps_seen(b.body, cut, s->leaf);
    }
    Frame *frame = body_frame(&cell, scan_slice(&b, x));
    Value *last = build_body(&cell, frame, b.body);
    if (!last || !last->node || !link_states(&cell, &b, frame, last))
        return NULL;
    last->used = true;
    vec_push(c->ctx->arena, &c->b->into->from, last);
    Node *value = rows_f32(b.body, last->node);
    if (value->shape.batch != 0 || value->shape.rank == RANK_MAX) {
        report(c, last->made, "the last layer of its body gives no value a sample");
        return NULL;
    }
    int stack = scan_step(&b, value);
    if (!steps_bring_in(c, &b, false))
        return NULL;
    Node *end = scan_end(&b), *all = scan_stack(g, end, stack);
    for (int i = 0; i < cell.n; i++)
        steps_last(&steps, cell.state[i].name, scan_last(g, end, i));
    if (c->arg[2].s[0] == 's')
        return time_first(g, all);
    int64_t length = b.length;
    return build_reshape(g, build_slice(g, all, 0, length - 1, length, 1), &value->shape);
}

const CallRow call_scan = {
    .name = "scan",
    .min_in = 1,
    .max_in = 1,
    .arg = {NEEDS("body", yaml), TAKES("state", yaml, ""),
            WORDS("return", "sequence", "sequence last"), STEPS_ARGS},
    .build = scan,
    .flags = CALL_layer | CALL_weights,
    .text = "[N, T, ...] -> [N, T, ...]: the layers `body` at each step of T, `input` being what "
            "the step sees; "
            "`state`: shapes by name, 0 at first, next the value of the last layer, or of the "
            "layer that `{shape, next}` names; bptt, stateful, stash as rnn's",
};
