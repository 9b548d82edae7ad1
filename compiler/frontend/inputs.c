/* SPDX-License-Identifier: MIT */
/* inputs.c: the inputs of a model: shapes, classes, tokens, and their normalisation in the network.
 * */
#include "builder.h"
#include "rows.h"

#include <string.h>

/* --- shapes ----------------------------------------------------------------------------------- */

/* `shape:` (without the batch) to a shape with it: [N, ...]. */
static bool read_shape(Model *m, const Y *y, const char *what, Shape *shape)
{
    int n;
    int64_t dims[RANK_MAX], count = 1;
    if (!y_ints(m->ctx, &m->vars, y, what, RANK_MAX - 1, &n, dims))
        return false;
    *shape = (Shape){.rank = n + 1, .batch = 0, .dim = {1}};
    for (int i = 0; i < n; i++) {
        if (dims[i] < 1 || dims[i] > DIM_MAX) {
            diag_error(&m->ctx->diag, y->loc, "%s: an axis of %lld; axes are 1 to %lld long", what,
                       (long long)dims[i], (long long)DIM_MAX);
            return false;
        }
        if (__builtin_mul_overflow(count, dims[i], &count) || count > ELEMENTS_MAX) {
            diag_error(&m->ctx->diag, y->loc, "%s: more than %lld numbers a sample", what,
                       (long long)ELEMENTS_MAX);
            return false;
        }
        shape->dim[i + 1] = dims[i];
    }
    return true;
}

/* --- normalize -------------------------------------------------------------------------------- */

/* The axis that a list of n numbers runs along: images are N C H W, sequences N T C; -1: none fits.
 * */
static int channel_axis(const Shape *shape, int n)
{
    if (shape->rank > 1 && shape->dim[1] == n)
        return 1;
    return shape->rank == 3 && shape->dim[2] == n ? 2 : -1;
}

static bool read_channels(Model *m, const Y *y, const char *what, const Shape *shape,
                          struct Channels *out)
{
    const Y *list = y_resolve(m->ctx, &m->vars, y);
    if (!list)
        return !y;
    out->n = list->kind == Y_list ? list->items.n : 1;
    out->at = arena_take(m->ctx->arena, sizeof *out->at * (size_t)(out->n + 1));
    if (list->kind != Y_list)
        return y_real(m->ctx, &m->vars, y, what, out->at);
    bool good = true;
    for (int i = 0; i < out->n; i++)
        good = y_real(m->ctx, &m->vars, list->items.at[i], what, &out->at[i]) && good;
    out->axis = channel_axis(shape, out->n);
    if (good && out->axis < 0) {
        char text[128];
        diag_error(&m->ctx->diag, list->loc,
                   "%s: a list of %d numbers, but the channel axis of %s is %lld long", what,
                   out->n, shape_text(shape, text),
                   shape->rank > 1 ? (long long)shape->dim[1] : 1LL);
        good = false;
    }
    return good;
}

static bool read_normalize(Model *m, const Y *y, const char *name, const Shape *shape,
                           InputNote *note)
{
    static const char *const keys[] = {"mean", "std"};
    if (!y)
        return true;
    const char *what = arena_format(m->ctx->arena, "input '%s': normalize", name);
    y = y_resolve(m->ctx, &m->vars, y);
    if (!y)
        return false;
    if (y->kind != Y_map) {
        diag_error(&m->ctx->diag, y->loc, "%s: expected {mean: M, std: S}, saw %s", what,
                   y_text(m->ctx, y));
        return false;
    }
    bool good = y_keys(m->ctx, y, what, keys, COUNT(keys), NULL, 0);
    good = read_channels(m, y_get(y, "mean"), what, shape, &note->mean) && good;
    good = read_channels(m, y_get(y, "std"), what, shape, &note->std) && good;
    for (int i = 0; good && i < note->std.n; i++)
        if (!(note->std.at[i] > 0)) {
            diag_error(&m->ctx->diag, y_get(y, "std")->loc, "%s: std is not above 0", what);
            good = false;
        }
    return good;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Classes and tokens: i32, below a count. */
static bool read_classes(Model *m, const Y *y, const char *key, const char *what, Input *input)
{
    static const char *const others[] = {"dtype", "normalize"};
    Ctx *ctx = m->ctx;
    bool good = true;
    for (int i = 0; i < COUNT(others); i++)
        if (y_get(y, others[i])) {
            diag_error(&ctx->diag, y_get(y, others[i])->loc, "%s: '%s' does not go with '%s'", what,
                       others[i], key);
            good = false;
        }
    if (y_get(y, "classes") && y_get(y, "tokens")) {
        diag_error(&ctx->diag, y_get(y, "tokens")->loc, "%s: either 'classes' or 'tokens'", what);
        good = false;
    }
    input->dtype = DT_i32;
    const char *both = arena_format(ctx->arena, "%s: %s", what, key);
    return y_int(ctx, &m->vars, y_get(y, key), both, 1, DIM_MAX, &input->classes) && good;
}

static bool read_dtype(Model *m, const Y *y, const char *what, DType *out)
{
    const char *word = "";
    *out = DT_f32;
    if (!y)
        return true;
    if (!y_word(m->ctx, &m->vars, y, arena_format(m->ctx->arena, "%s: dtype", what), &word))
        return false;
    static const DType all[] = {DT_f32, DT_i32, DT_u8};
    for (int i = 0; i < COUNT(all); i++)
        if (strcmp(word, dtype_text(all[i])) == 0) {
            *out = all[i];
            return true;
        }
    diag_error(&m->ctx->diag, y->loc, "%s: unknown dtype '%s'; expected f32, i32 or u8", what,
               word);
    return false;
}

static bool read_input(Model *m, const Y *y, Input *input, InputNote *note)
{
    static const char *const keys[] = {"shape", "dtype", "normalize", "classes", "tokens"};
    const char *what = arena_format(m->ctx->arena, "input '%s'", input->name);
    y = y_resolve(m->ctx, &m->vars, y);
    if (!y)
        return false;
    if (y->kind != Y_map) {
        diag_error(&m->ctx->diag, y->loc, "%s: expected {shape: [...]} or {classes: C}, saw %s",
                   what, y_text(m->ctx, y));
        return false;
    }
    bool good = y_keys(m->ctx, y, what, keys, COUNT(keys), NULL, 0);
    const char *counted = y_get(y, "classes") ? "classes" : y_get(y, "tokens") ? "tokens" : NULL;
    const Y *shape = y_get(y, "shape");
    if (shape) {
        good =
            read_shape(m, shape, arena_format(m->ctx->arena, "%s: shape", what), &input->shape) &&
            good;
    } else if (!y_get(y, "classes") && good) {
        diag_error(&m->ctx->diag, input->loc, "%s: 'shape' is missing", what);
        good = false;
    }
    good = good && (shape || counted);
    if (counted)
        return read_classes(m, y, counted, what, input) && good;
    note->flat = true;
    good = read_dtype(m, y_get(y, "dtype"), what, &input->dtype) && good;
    return good && read_normalize(m, y_get(y, "normalize"), input->name, &input->shape, note);
}

void inputs_read(Model *m, const Y *y)
{
    Ctx *ctx = m->ctx;
    if (!y || y->kind != Y_map || y->pairs.n == 0) {
        diag_error(&ctx->diag, y ? y->loc : m->end,
                   "inputs: expected a map of inputs by name, saw %s",
                   y && y->kind == Y_map ? "an empty map" : y_text(ctx, y));
        return;
    }
    for (int i = 0; i < y->pairs.n; i++) {
        const YPair *pair = &y->pairs.at[i];
        Input input = {.name = pair->key->text,
                       .loc = pair->key->loc,
                       .shape = {.rank = 1, .batch = 0, .dim = {1}}};
        InputNote note = {0};
        note.broken = !y_name(ctx, pair->key, "input", &input.name);
        note.broken = !read_input(m, pair->value, &input, &note) || note.broken;
        vec_push(ctx->arena, &m->program->inputs, input);
        vec_push(ctx->arena, &m->inputs, note);
    }
}

bool input_declared(Model *m, const Y *y, const char *name, Input *out)
{
    static const char *const others[] = {"dtype", "normalize"};
    InputNote note = {0};
    *out = (Input){.name = name, .loc = y->loc, .shape = {.rank = 1, .batch = 0, .dim = {1}}};
    for (int i = 0; i < COUNT(others); i++)
        if (y_get(y, others[i])) {
            diag_error(
                &m->ctx->diag, y_get(y, others[i])->loc,
                "input '%s': a network takes values as they are: '%s' is for the model's inputs",
                name, others[i]);
            return false;
        }
    return read_input(m, y, out, &note);
}

/* --- building --------------------------------------------------------------------------------- */

/* One number, or one a channel, to broadcast over the input. */
static Node *channel_numbers(Builder *b, const struct Channels *numbers, int rank)
{
    if (numbers->n == 1)
        return build_const(b->g, numbers->at[0]);
    Shape shape = {.rank = rank, .batch = -1};
    for (int i = 0; i < rank; i++)
        shape.dim[i] = i == numbers->axis ? numbers->n : 1;
    return build_data(b->g, &shape, numbers->at);
}

/* Of indices that the runtime packs as own + classes * (1 + other), where samples are mixed in pairs: own. Those below
 * `classes` are of samples that are not. Exact in f32 below 2^24. */
static Node *mixed_classes(Builder *b, const Input *input, Node *packed)
{
    Graph *g = b->g;
    double count = (double)input->classes;
    Node *x = build_cast(g, packed, DT_f32);
    Node *half = rows_plus(g, x, 0.5);
    Node *pair = build_unary(g, OP_floor, rows_times(g, half, 1 / count));
    Node *rest = rows_times(g, pair, -count);
    MixedClasses m = {.input = packed};
    m.own = build_cast(g, build_binary(g, OP_add, x, rest), DT_i32);
    Node *other = rows_plus(g, pair, -1);
    other = build_binary(g, OP_max, other, build_const(g, 0));
    m.other = build_cast(g, other, DT_i32);
    if (!m.own || !m.other)
        return NULL;
    vec_push(b->ctx->arena, &b->mixed, m);
    return m.own;
}

Node *input_build(Builder *b, int i)
{
    const Input *input = &b->program->inputs.at[i];
    const InputNote *note = &b->model->inputs.at[i];
    if (note->broken)
        return NULL;
    Graph *g = b->g;
    Loc loc = g->loc;
    Role role = g->role;
    const char *what = g->what;
    g->loc = input->loc;
    g->role = ROLE_forward;
    g->what = "input";

    Node *x = build_input(g, i);
    x->name = input->name;
    bool steps = fn_trains(g->fn);
    if (b->program->mixup > 0 && steps && input->classes && input->shape.rank == 1 &&
        input->classes <= MIXED_CLASSES_MAX)
        x = mixed_classes(b, input, x);
    g->what = "normalize";
    if (note->flat && input->dtype != DT_f32)
        x = build_cast(g, x, DT_f32);
    if (note->mean.n)
        x = build_binary(g, OP_sub, x, channel_numbers(b, &note->mean, input->shape.rank));
    if (note->std.n)
        x = build_binary(g, OP_div, x, channel_numbers(b, &note->std, input->shape.rank));
    g->loc = loc;
    g->role = role;
    g->what = what;
    return x;
}
