/* SPDX-License-Identifier: MIT */
/* layers_augment.c: `augment`: random changes to the images that training reads. The layer stands
 * on an input and is written into that input's description: the runtime changes the images before
 * the network sees them, so in the graph it is nothing.
 */
#include "builder.h"
#include "rows.h"

#include <string.h>

/* Transforms of one input: each has a stream of random numbers of its own. */
enum { AUGMENTS_MAX = 64, ELASTIC_SIGMA = 85 };

typedef struct TransformRow TransformRow;

/* A transform while its arguments are read. */
typedef struct Transform {
    Call *call;
    const TransformRow *row;
    Loc loc;
    const Arg *arg;
    int input; /* that it changes: index of Program.inputs */
} Transform;

struct TransformRow {
    const char *name;
    ArgRow arg[ARGS_MAX];
    AugmentKind kind;
    /* Fills `out`, whose kind is set; false after a report. */
    bool (*read)(const Transform *, Augment *out);
    double least, most; /* of what is drawn, or of the number that is given */
};

static const Input *input_of(const Transform *t)
{
    return &t->call->b->program->inputs.at[t->input];
}

/* The length of an axis of the image, from the last: 0 is its width. */
static int64_t length_of(const Transform *t, int from_last)
{
    const Shape *shape = &input_of(t)->shape;
    return shape->dim[shape->rank - 1 - from_last];
}

static bool out_of_range(const Transform *t, int arg, double value, double least, double most)
{
    diag_error(&t->call->ctx->diag, t->arg[arg].loc, "augment: %s: %g is out of range: %g to %g",
               t->row->name, value, least, most);
    return false;
}

/* --- transforms ------------------------------------------------------------------------------- */

/* v for middle - v .. middle + v, or [low, high]. */
static bool read_range(const Transform *t, double middle, double most_alone, Augment *out)
{
    const Arg *a = &t->arg[0];
    if (a->n == 1) {
        double v = a->reals[0];
        if (!(v >= 0 && v <= most_alone))
            return out_of_range(t, 0, v, 0, most_alone);
        out->low = middle - v;
        out->high = middle + v;
        return true;
    }
    if (a->n != 2 || !(a->reals[0] <= a->reals[1])) {
        diag_error(&t->call->ctx->diag, a->loc,
                   "augment: %s: expected a number or [low, high], the smaller first",
                   t->row->name);
        return false;
    }
    out->low = a->reals[0];
    out->high = a->reals[1];
    for (int i = 0; i < 2; i++)
        if (!(a->reals[i] >= t->row->least && a->reals[i] <= t->row->most))
            return out_of_range(t, 0, a->reals[i], t->row->least, t->row->most);
    return true;
}

static bool read_angle(const Transform *t, Augment *out)
{
    return read_range(t, 0, t->row->most, out);
}

static bool read_share(const Transform *t, Augment *out)
{
    return read_range(t, 0, 1, out);
}

static bool read_factor(const Transform *t, Augment *out)
{
    return read_range(t, 1, 1, out);
}

/* As read_factor, but never down to nothing. */
static bool read_scale(const Transform *t, Augment *out)
{
    return read_range(t, 1, 0.99, out);
}

static bool read_crop(const Transform *t, Augment *out)
{
    int64_t w = length_of(t, 0), h = length_of(t, 1);
    out->high = t->arg[0].r;
    if (out->high >= 0 && out->high <= (double)(w < h ? w : h))
        return true;
    return out_of_range(t, 0, out->high, 0, (double)(w < h ? w : h));
}

static bool read_flip(const Transform *t, Augment *out)
{
    out->high = t->arg[1].r;
    if (strcmp(t->arg[0].s, "vertical") == 0)
        out->kind = AUGMENT_flip_vertical;
    return (out->high >= 0 && out->high <= 1) || out_of_range(t, 1, out->high, 0, 1);
}

static bool read_noise(const Transform *t, Augment *out)
{
    out->high = t->arg[0].r;
    return (out->high >= 0 && out->high <= t->row->most) ||
           out_of_range(t, 0, out->high, 0, t->row->most);
}

/* What is filled becomes what the network sees as 0: the input's mean. */
static bool read_fill(const Transform *t, Augment *out)
{
    const struct Channels *mean = &t->call->b->model->inputs.at[t->input].mean;
    if (mean->n > 1 && input_of(t)->shape.rank == 3) {
        diag_error(&t->call->ctx->diag, t->loc,
                   "augment: %s fills with the mean of 'normalize', which for an image without "
                   "channels is one number, not a list",
                   t->row->name);
        return false;
    }
    out->n_fill = mean->n;
    out->fill = mean->at;
    return true;
}

static bool read_cutout(const Transform *t, Augment *out)
{
    int64_t w = length_of(t, 0), h = length_of(t, 1), most = 2 * (w > h ? w : h);
    out->high = t->arg[0].r;
    if (!(out->high >= 1 && out->high <= (double)most))
        return out_of_range(t, 0, out->high, 1, (double)most);
    return read_fill(t, out);
}

/* As many rows (time) or columns (frequency) at most, so many times. */
static bool read_mask(const Transform *t, Augment *out)
{
    int64_t length = length_of(t, out->kind == AUGMENT_time_mask);
    out->high = t->arg[0].r;
    if (!(out->high >= 1 && out->high <= (double)length))
        return out_of_range(t, 0, out->high, 1, (double)length);
    if (t->arg[1].i < 1 || t->arg[1].i > AUGMENTS_MAX)
        return out_of_range(t, 1, (double)t->arg[1].i, 1, AUGMENTS_MAX);
    return read_fill(t, out);
}

/* alpha: of a random step in [-1, 1], after smoothing over sigma pixels. */
static bool read_elastic(const Transform *t, Augment *out)
{
    out->high = t->arg[0].r;
    out->low = t->arg[1].r;
    if (!(out->high >= 0 && out->high <= t->row->most))
        return out_of_range(t, 0, out->high, 0, t->row->most);
    return (out->low >= 0.5 && out->low <= ELASTIC_SIGMA) ||
           out_of_range(t, 1, out->low, 0.5, ELASTIC_SIGMA);
}

/* No transform of one image: kept in the program, for the loss and the runtime. */
static bool read_mixup(const Transform *t, Augment *out)
{
    Program *p = t->call->b->program;
    (void)out;
    if (p->mixup > 0) {
        diag_error(&t->call->ctx->diag, t->loc, "augment: mixup is given twice");
        return false;
    }
    if (!(t->arg[0].r > 0 && t->arg[0].r <= t->row->most))
        return out_of_range(t, 0, t->arg[0].r, 0, t->row->most);
    p->mixup = t->arg[0].r;
    p->mixup_input = t->input;
    return true;
}

static const TransformRow transforms[] = {
    {"mixup", {NEEDS("alpha", real), NOTHING}, AUGMENT_rotate, read_mixup, 0, 100},
    {"rotate", {NEEDS("degrees", reals), NOTHING}, AUGMENT_rotate, read_angle, -180, 180},
    {"scale", {NEEDS("factor", reals), NOTHING}, AUGMENT_scale, read_scale, 0.01, 100},
    {"translate", {NEEDS("share", reals), NOTHING}, AUGMENT_translate, read_share, -1, 1},
    {"shear", {NEEDS("degrees", reals), NOTHING}, AUGMENT_shear, read_angle, -80, 80},
    {"crop", {NEEDS("pixels", int), NOTHING}, AUGMENT_crop, read_crop, 0, 0},
    {"flip",
     {WORDS("axis", "horizontal", "horizontal vertical both"), TAKES("p", real, "0.5"), NOTHING},
     AUGMENT_flip,
     read_flip,
     0,
     1},
    {"brightness", {NEEDS("factor", reals), NOTHING}, AUGMENT_brightness, read_factor, 0, 100},
    {"contrast", {NEEDS("factor", reals), NOTHING}, AUGMENT_contrast, read_factor, 0, 100},
    {"noise", {NEEDS("std", real), NOTHING}, AUGMENT_noise, read_noise, 0, 1e6},
    {"cutout", {NEEDS("side", int), NOTHING}, AUGMENT_cutout, read_cutout, 0, 0},
    {"time_mask",
     {NEEDS("width", int), TAKES("count", int, "1"), NOTHING},
     AUGMENT_time_mask,
     read_mask,
     0,
     0},
    {"freq_mask",
     {NEEDS("width", int), TAKES("count", int, "1"), NOTHING},
     AUGMENT_freq_mask,
     read_mask,
     0,
     0},
    {"elastic",
     {NEEDS("alpha", real), TAKES("sigma", real, "4"), NOTHING},
     AUGMENT_elastic,
     read_elastic,
     0,
     1e5},
};

static const TransformRow *transform_find(const char *name)
{
    for (int i = 0; i < COUNT(transforms); i++)
        if (strcmp(transforms[i].name, name) == 0)
            return &transforms[i];
    return NULL;
}

/* --- the list --------------------------------------------------------------------------------- */

static void unknown_transform(const Call *c, Loc loc, const char *name)
{
    const char *known[COUNT(transforms)];
    for (int i = 0; i < COUNT(transforms); i++)
        known[i] = transforms[i].name;
    const char *best = diag_nearest(name, known, COUNT(known));
    if (best)
        diag_error(&c->ctx->diag, loc, "augment: unknown transform '%s'; did you mean '%s'?", name,
                   best);
    else
        diag_error(&c->ctx->diag, loc, "augment: unknown transform '%s'", name);
}

/* One item of the list, `flip` or {rotate: 10}, added to `list`. */
static bool read_transform(Call *c, const Scope *scope, const Y *item, int input, Input *list)
{
    const Y *y = y_resolve(c->ctx, scope, item), *key = y, *args = NULL;
    if (!y)
        return false;
    if (y->kind == Y_map && y->pairs.n == 1) {
        key = y->pairs.at[0].key;
        args = y->pairs.at[0].value;
    }
    if (key->kind != Y_scalar) {
        diag_error(&c->ctx->diag, y->loc,
                   "augment: expected one transform an item, as '- rotate: 10' or '- flip'");
        return false;
    }
    const TransformRow *row = transform_find(key->text);
    Arg arg[ARGS_MAX];
    if (!row) {
        unknown_transform(c, key->loc, key->text);
        return false;
    }
    const char *what = arena_format(c->ctx->arena, "augment: %s", row->name);
    if (!args_read(c->ctx, scope, what, key->loc, row->arg, args, NULL, 0, arg))
        return false;
    Transform t = {c, row, key->loc, arg, input};
    Augment made = {.kind = row->kind};
    if (!row->read(&t, &made))
        return false;
    if (row->read == read_mixup)
        return true;
    vec_push(c->ctx->arena, &list->augment, made);
    if (row->kind == AUGMENT_flip && strcmp(arg[0].s, "both") == 0) {
        made.kind = AUGMENT_flip_vertical;
        vec_push(c->ctx->arena, &list->augment, made);
    }
    for (int64_t i = 1; row->read == read_mask && i < arg[1].i; i++)
        vec_push(c->ctx->arena, &list->augment, made);
    return true;
}

static bool read_transforms(Call *c, int input, Input *list)
{
    const Arg *a = &c->arg[0];
    bool good = true;
    if (a->y->kind != Y_list || a->y->items.n == 0) {
        diag_error(&c->ctx->diag, a->loc,
                   "augment: expected a list of transforms, as [{rotate: 10}, flip]");
        return false;
    }
    for (int i = 0; i < a->y->items.n; i++)
        good = read_transform(c, a->scope, a->y->items.at[i], input, list) && good;
    if (good && list->augment.n > AUGMENTS_MAX) {
        diag_error(&c->ctx->diag, a->loc, "augment: more than %d transforms of an input",
                   AUGMENTS_MAX);
        return false;
    }
    return good;
}

/* --- the layer -------------------------------------------------------------------------------- */

/* The index of the input that operand k is; -1 after a report. */
static int augmented_input(const Call *c, int k)
{
    const Builder *b = c->b;
    for (int i = 0; i < b->inputs.n; i++) {
        const Value *value = b->inputs.entry[i].value;
        if (value->node == c->in[k])
            return value->input;
    }
    diag_error(&c->ctx->diag, c->loc,
               "augment stands on an input, before any other layer: it changes images as they are "
               "read");
    rows_notes(c);
    return -1;
}

static bool check_image(const Call *c, int index)
{
    const Input *input = &c->b->program->inputs.at[index];
    char text[128];
    bool image = c->b->model->inputs.at[index].flat && input->dtype != DT_i32;
    if (image && (input->shape.rank == 3 || input->shape.rank == 4))
        return true;
    diag_error(&c->ctx->diag, c->loc,
               "augment: '%s' is %s%s; images are [C, H, W] or [H, W], of f32 or u8", input->name,
               !image ? "of integers" : "of shape ", !image ? "" : shape_text(&input->shape, text));
    diag_note(&c->ctx->diag, input->loc, "'%s' is made here", input->name);
    return false;
}

/* --- masks and boxes along with the image ------------------------------------------------------ */

/* Whether it is [M, 5], and no mask of a narrow image. */
static bool is_boxes(const Input *input, const Input *image)
{
    const Shape *s = &input->shape, *i = &image->shape;
    return s->rank == 3 && s->dim[2] == 5 && input->dtype == DT_f32 && !input->classes &&
           (s->dim[1] != i->dim[i->rank - 2] || i->dim[i->rank - 1] != 5);
}

static bool has_elastic(const Input *image)
{
    for (int i = 0; i < image->augment.n; i++)
        if (image->augment.at[i].kind == AUGMENT_elastic)
            return true;
    return false;
}

/* Operand k goes along with the image; false after a report. */
static bool read_along(Call *c, int k, int image_index)
{
    Program *p = c->b->program;
    int index = augmented_input(c, k);
    if (index < 0)
        return false;
    const Input *image = &p->inputs.at[image_index];
    Input *input = &p->inputs.at[index];
    const Shape *s = &input->shape, *i = &image->shape;
    bool boxes = is_boxes(input, image);
    bool mask = s->rank >= 3 && s->rank <= 4 && s->dim[s->rank - 1] == i->dim[i->rank - 1] &&
                s->dim[s->rank - 2] == i->dim[i->rank - 2];
    char text[128], size[128];
    if (!boxes && !mask)
        diag_error(&c->ctx->diag, c->loc,
                   "augment: '%s' is %s: what goes along with '%s' of %s is a mask as high and "
                   "wide, or boxes [M, 5]",
                   input->name, shape_text(s, text), image->name, shape_text(i, size));
    else if (index == image_index || input->augment.n ||
             (input->along && input->along != image_index + 1))
        diag_error(&c->ctx->diag, c->loc, "augment: '%s' is changed twice", input->name);
    else if (boxes && has_elastic(image))
        diag_error(&c->ctx->diag, c->loc, "augment: elastic does not go with boxes: '%s'",
                   input->name);
    else {
        input->along = image_index + 1;
        input->is_boxes = boxes;
        input->visible = c->arg[1].r;
        return true;
    }
    diag_note(&c->ctx->diag, input->loc, "'%s' is made here", input->name);
    return false;
}

static Node *augment(Call *c)
{
    int index = augmented_input(c, 0);
    if (index < 0 || !check_image(c, index))
        return NULL;
    Map *read = &c->b->model->augments;
    Input *input = &c->b->program->inputs.at[index];
    if (map_get(read, c->path)) /* by an earlier graph of this model */
        return c->in[0];
    map_set(read, c->path, input);
    if (!read_transforms(c, index, input))
        return NULL;
    if (!(c->arg[1].r >= 0 && c->arg[1].r <= 1)) {
        diag_error(&c->ctx->diag, c->arg[1].loc,
                   "augment: min_visibility: %g is out of range: 0 to 1", c->arg[1].r);
        return NULL;
    }
    for (int k = 1; k < c->n_in; k++)
        if (!read_along(c, k, index))
            return NULL;
    return c->in[0];
}

const CallRow call_augment = {
    .name = "augment",
    .min_in = 1,
    .max_in = 16,
    .arg = {NEEDS("transforms", yaml), TAKES("min_visibility", real, "0.1")},
    .build = augment,
    .flags = CALL_layer,
    .text = "in `train`, images changed at random as they are read, masks and boxes with them; "
            "else the "
            "first input itself",
};
