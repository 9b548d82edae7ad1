/* SPDX-License-Identifier: MIT */
/* layers_conv.c: convolutions and transposed convolutions over [N, C, spatial..].
 *
 * Weights have PyTorch's names and shapes. The weight of a transposed convolution [in, out/groups,
 * k..] is that of the convolution from out to in channels of which it is the gradient, so both go
 * channels last by one permutation.
 */
#include "rows.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

typedef struct Conv {
    int spatial;
    int64_t out, before[SPATIAL_MAX], after[SPATIAL_MAX];
    int64_t more[SPATIAL_MAX]; /* transposed: output_padding */
    bool bias;
    Taps taps;
} Conv;

/* --- arguments -------------------------------------------------------------------------------- */

/* The index of the row's argument of that name. */
static int arg_of(const Call *c, const char *name)
{
    for (int i = 0; i < ARGS_MAX && c->row->arg[i].name; i++)
        if (strcmp(c->row->arg[i].name, name) == 0)
            return i;
    BUG("%s has no argument '%s'", c->row->name, name);
}

/* A single number, 1 to DIM_MAX. */
static bool read_count(Call *c, const char *name, int64_t *out)
{
    const Arg *arg = &c->arg[arg_of(c, name)];
    *out = arg->i;
    if (arg->i >= 1 && arg->i <= DIM_MAX)
        return true;
    diag_error(&c->ctx->diag, arg->loc, "%s: %s: %" PRId64 " is out of range: 1 to %" PRId64,
               c->row->name, name, arg->i, (int64_t)DIM_MAX);
    return false;
}

/* `same`: as much as the kernel reaches beyond one position, an odd one at the end. */
static bool read_padding(Call *c, Conv *v)
{
    int i = arg_of(c, "padding");
    const Arg *arg = &c->arg[i];
    if (!arg->s) {
        bool good = spatial_arg(c, i, v->spatial, 0, v->before);
        for (int k = 0; good && k < v->spatial; k++)
            v->after[k] = v->before[k];
        return good;
    }
    for (int k = 0; k < v->spatial; k++) {
        int64_t total = (v->taps.size[k] - 1) * v->taps.dilation[k];
        v->before[k] = total / 2;
        v->after[k] = total - total / 2;
        if (v->taps.stride[k] == 1)
            continue;
        diag_error(&c->ctx->diag, arg->loc,
                   "%s: padding: 'same' goes with a stride of 1, not %" PRId64
                   ": give the padding as a number",
                   c->row->name, v->taps.stride[k]);
        return false;
    }
    return true;
}

/* Reports a number of channels that groups do not divide. */
static bool check_groups(Call *c, const Conv *v, int64_t channels, const char *which)
{
    if (channels % v->taps.groups == 0)
        return true;
    diag_error(&c->ctx->diag, c->arg[arg_of(c, "groups")].loc,
               "%s: groups: %" PRId64 " does not divide the %" PRId64 " channels %s", c->row->name,
               v->taps.groups, channels, which);
    rows_notes(c);
    return false;
}

static bool read_conv(Call *c, int64_t channels, Conv *v)
{
    return read_count(c, "out", &v->out) && read_count(c, "groups", &v->taps.groups) &&
           spatial_arg(c, arg_of(c, "kernel"), v->spatial, 1, v->taps.size) &&
           spatial_arg(c, arg_of(c, "stride"), v->spatial, 1, v->taps.stride) &&
           spatial_arg(c, arg_of(c, "dilation"), v->spatial, 1, v->taps.dilation) &&
           read_padding(c, v) && check_groups(c, v, channels, "that come in") &&
           check_groups(c, v, v->out, "that go out");
}

/* --- weights ---------------------------------------------------------------------------------- */

/* a * b, or more than a tensor holds, which call_weight refuses. */
static int64_t product(int64_t a, int64_t b)
{
    int64_t all;
    return __builtin_mul_overflow(a, b, &all) || all > ELEMENTS_MAX ? ELEMENTS_MAX + 1 : all;
}

/* [a, b, k..] of the layer, whose axis `rows` is that of what it gives, as [k.., b, a]; in *first what the bias begins as. PyTorch's
 * kaiming_uniform(a = sqrt 5), which takes b * taps for what comes in, is U(-bound, bound) with
 * bound 1 / sqrt(b * taps). */
static Node *weight_of(Call *c, const Conv *v, int64_t a, int64_t b, int rows, Init *first)
{
    Shape shape = {.rank = 2 + v->spatial, .batch = -1, .dim = {a, b}};
    int perm[RANK_MAX] = {0};
    int64_t fan_in = b, fan_out = a;
    for (int i = 0; i < v->spatial; i++) {
        shape.dim[2 + i] = v->taps.size[i];
        fan_in = product(fan_in, v->taps.size[i]);
        fan_out = product(fan_out, v->taps.size[i]);
        perm[i] = 2 + i;
    }
    perm[v->spatial] = 1;
    double bound = 1 / sqrt((double)fan_in);
    *first = (Init){INIT_uniform, -bound, bound};
    return build_transpose(c->g, call_matrix(c, &shape, *first, fan_in, fan_out, rows), perm);
}

/* y [N, spatial.., out] + bias, as [N, out, spatial..] */
static Node *finish(Call *c, const Conv *v, Node *y, Init first)
{
    const Shape row = shape_of(1, &v->out);
    if (y && v->bias)
        y = build_binary(c->g, OP_add, y, call_weight(c, "bias", &row, first, v->out, v->out));
    return spatial_result(c->g, y);
}

/* --- convolution ------------------------------------------------------------------------------ */

static Node *conv(Call *c, int spatial)
{
    Conv v = {.spatial = spatial, .bias = c->arg[arg_of(c, "bias")].b};
    Node *x = spatial_operand(c, spatial);
    if (!x || !read_conv(c, x->shape.dim[1 + spatial], &v) ||
        !spatial_fits(c, x, &v.taps, v.before, v.after))
        return NULL;
    Init first;
    Node *w = weight_of(c, &v, v.out, x->shape.dim[1 + spatial] / v.taps.groups, 0, &first);
    if (!w)
        return NULL;
    Node *padded = spatial_pad(c->g, x, v.before, v.after, 0);
    return finish(c, &v, build_conv(c->g, padded, w, &v.taps), first);
}

static Node *conv1d(Call *c)
{
    return conv(c, 1);
}

static Node *conv2d(Call *c)
{
    return conv(c, 2);
}

static Node *conv3d(Call *c)
{
    return conv(c, 3);
}

/* --- transposed ------------------------------------------------------------------------------- */

/* The spatial axes before `padding` is cut off both ends, and after; reports. */
static bool extents(Call *c, const Conv *v, const Node *x, int64_t *extent, int64_t *left)
{
    int more = arg_of(c, "output_padding");
    for (int i = 0; i < v->spatial; i++) {
        const Taps *t = &v->taps;
        if (v->more[i] >= t->stride[i] && v->more[i] >= t->dilation[i]) {
            diag_error(&c->ctx->diag, c->arg[more].loc,
                       "%s: output_padding: %" PRId64 " is not below the stride, %" PRId64
                       ", nor the dilation, %" PRId64,
                       c->row->name, v->more[i], t->stride[i], t->dilation[i]);
            return false;
        }
        extent[i] = (x->shape.dim[1 + i] - 1) * t->stride[i] + (t->size[i] - 1) * t->dilation[i] +
                    1 + v->more[i];
        left[i] = extent[i] - 2 * v->before[i];
        if (left[i] >= 1 && extent[i] <= DIM_MAX)
            continue;
        diag_error(
            &c->ctx->diag, c->loc,
            extent[i] > DIM_MAX ? "%s: axis %d would be %" PRId64 " long; at most %" PRId64
                                : "%s: axis %d is %" PRId64 " long, of which a padding of %" PRId64
                                  " on both sides leaves nothing",
            c->row->name, 2 + i, extent[i], extent[i] > DIM_MAX ? (int64_t)DIM_MAX : v->before[i]);
        rows_notes(c);
        return false;
    }
    return true;
}

static Node *conv_transpose(Call *c, int spatial)
{
    Conv v = {.spatial = spatial, .bias = c->arg[arg_of(c, "bias")].b};
    int64_t extent[SPATIAL_MAX], left[SPATIAL_MAX];
    Node *x = spatial_operand(c, spatial);
    if (!x || !read_conv(c, x->shape.dim[1 + spatial], &v) ||
        !spatial_arg(c, arg_of(c, "output_padding"), spatial, 0, v.more) ||
        !extents(c, &v, x, extent, left))
        return NULL;
    Init first;
    Node *w = weight_of(c, &v, x->shape.dim[1 + spatial], v.out / v.taps.groups, 1, &first);
    Node *y = build_conv_input_part(c->g, x, w, &v.taps, extent, v.before, left);
    return finish(c, &v, y, first);
}

static Node *conv_transpose1d(Call *c)
{
    return conv_transpose(c, 1);
}

static Node *conv_transpose2d(Call *c)
{
    return conv_transpose(c, 2);
}

/* --- rows ------------------------------------------------------------------------------------- */

#define CONV(kind, shapes)                                                                         \
    const CallRow call_##kind = {                                                                  \
        .name = #kind,                                                                             \
        .min_in = 1,                                                                               \
        .max_in = 1,                                                                               \
        .arg = {NEEDS("out", int),                                                                 \
                NEEDS("kernel", ints),                                                             \
                TAKES("stride", ints, "1"),                                                        \
                {"padding", ARG_ints, "0", "same"},                                                \
                TAKES("dilation", ints, "1"),                                                      \
                TAKES("groups", int, "1"),                                                         \
                TAKES("bias", bool, "true")},                                                      \
        .build = kind,                                                                             \
        .flags = CALL_layer | CALL_weights | CALL_spectral,                                        \
        .text = shapes "; weight: [out, C/groups, kernel...], bias: [out]",                        \
    }

CONV(conv1d, "[N, C, L] to [N, out, L']");
CONV(conv2d, "[N, C, H, W] to [N, out, H', W']");
CONV(conv3d, "[N, C, D, H, W] to [N, out, D', H', W']");

#define CONV_TRANSPOSE(kind, shapes)                                                               \
    const CallRow call_##kind = {                                                                  \
        .name = #kind,                                                                             \
        .min_in = 1,                                                                               \
        .max_in = 1,                                                                               \
        .arg = {NEEDS("out", int), NEEDS("kernel", ints), TAKES("stride", ints, "1"),              \
                TAKES("padding", ints, "0"), TAKES("output_padding", ints, "0"),                   \
                TAKES("groups", int, "1"), TAKES("dilation", ints, "1"),                           \
                TAKES("bias", bool, "true")},                                                      \
        .build = kind,                                                                             \
        .flags = CALL_layer | CALL_weights | CALL_spectral,                                        \
        .text = shapes ", L' = (L - 1) stride - 2 padding + dilation (kernel - 1) + "              \
                       "output_padding + 1; weight: [C, out/groups, kernel...], bias: [out]",      \
    }

CONV_TRANSPOSE(conv_transpose1d, "[N, C, L] to [N, out, L']");
CONV_TRANSPOSE(conv_transpose2d, "[N, C, H, W] to [N, out, H', W']");
