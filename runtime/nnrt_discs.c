/* SPDX-License-Identifier: MIT */
/* nnrt_discs.c: a data set that needs no files: pictures of discs of three kinds, and their boxes. Sample i depends on
 * the seed and i alone; all arithmetic is on integers, so that every machine makes the same bytes.
 *
 * Kind 0 is middling and red, kind 1 large and violet, kind 2 small and blue, as blood cells and platelets under a
 * microscope. Discs are wholly in the picture, and hardly over each other.
 */
#include "nnrt_data.h"

enum { DISCS_MOST = 6, DISCS_BOX = 5, DISCS_TRIES = 20, DISCS_COLOURS = 3 };

typedef struct discs_disc {
    int32_t kind, x, y, radius;
} discs_disc;

/* The picture's inputs, either of which the model may lack. */
typedef struct discs_inputs {
    const nnrt_value *image, *boxes;
    unsigned char *pixels;
    float *rows;
    int32_t channels, height, width, most;
} discs_inputs;

/* Whether it may lie there: it overlaps none of the others by much. */
static int discs_free(const discs_disc *disc, int n, const discs_disc *d)
{
    for (int i = 0; i < n; i++) {
        int64_t dx = disc[i].x - d->x, dy = disc[i].y - d->y;
        int64_t apart = (disc[i].radius + d->radius) * 7 / 8;
        if (dx * dx + dy * dy < apart * apart)
            return 0;
    }
    return 1;
}

/* Places up to DISCS_MOST of them; how many. */
static int discs_place(const discs_inputs *in, uint64_t *r, discs_disc *disc)
{
    static const int32_t least[] = {8, 12, 4}, largest[] = {11, 15, 6}; /* of 64 */
    int32_t side = in->height < in->width ? in->height : in->width;
    int n = 0, wanted = nnrt_synth_range(r, 1, in->most < DISCS_MOST ? in->most : DISCS_MOST);
    for (int tries = 0; n < wanted && tries < DISCS_TRIES; tries++) {
        discs_disc d = {.kind = nnrt_synth_range(r, 0, 2)};
        d.radius = nnrt_synth_range(r, least[d.kind] * side / 64, largest[d.kind] * side / 64);
        d.x = nnrt_synth_range(r, d.radius, in->width - 1 - d.radius);
        d.y = nnrt_synth_range(r, d.radius, in->height - 1 - d.radius);
        if (discs_free(disc, n, &d))
            disc[n++] = d;
    }
    return n;
}

static void discs_draw(const discs_inputs *in, uint64_t *r, const discs_disc *disc, int n,
                       unsigned char *pixels)
{
    static const int32_t colour[][DISCS_COLOURS] = {
        {200, 120, 120}, {130, 80, 160}, {90, 110, 190}};
    int32_t ground = nnrt_synth_range(r, 190, 230);
    for (int32_t c = 0; c < in->channels; c++)
        for (int32_t y = 0; y < in->height; y++)
            for (int32_t x = 0; x < in->width; x++) {
                int32_t light = ground;
                for (int i = 0; i < n; i++) {
                    int64_t dx = x - disc[i].x, dy = y - disc[i].y, reach = disc[i].radius;
                    if (dx * dx + dy * dy <= reach * reach)
                        light = colour[disc[i].kind][c % DISCS_COLOURS];
                }
                *pixels++ = (unsigned char)(light + nnrt_synth_range(r, -16, 16));
            }
}

/* Rows of class and box, then rows of -1. */
static void discs_list(const discs_inputs *in, const discs_disc *disc, int n, float *rows)
{
    for (int32_t i = 0; i < in->most; i++, rows += DISCS_BOX) {
        const discs_disc *d = &disc[i < n ? i : 0];
        const int32_t box[DISCS_BOX] = {d->kind, d->x - d->radius, d->y - d->radius,
                                        d->x + d->radius + 1, d->y + d->radius + 1};
        for (int k = 0; k < DISCS_BOX; k++)
            rows[k] = i < n ? (float)box[k] : -1.0f;
    }
}

/* The arrays of the inputs that the model has, and their sizes. */
static int discs_read(const nnrt_source *s, const nnrt_model *m, discs_inputs *in, nnrt_array *out,
                      nnrt_fault *fault)
{
    int image = nnrt_synth_input(m, "image"), boxes = nnrt_synth_input(m, "boxes"), status = 0;
    *in = (discs_inputs){.channels = 1, .height = 64, .width = 64, .most = DISCS_MOST};
    in->image = image < 0 ? NULL : &m->inputs[image];
    in->boxes = boxes < 0 ? NULL : &m->inputs[boxes];
    if (!in->image && !in->boxes)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "synthetic discs: expected an input 'image' or 'boxes', found neither");
    if ((in->image && (in->image->rank != 3 || in->image->dim[1] < 32 || in->image->dim[2] < 32)) ||
        (in->boxes && (in->boxes->rank != 2 || in->boxes->dim[1] != DISCS_BOX)))
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "synthetic discs: expected 'image' of [channels, height, width], 32 "
                         "pixels or more, and 'boxes' of [any, 5]");
    if (in->image) {
        status = nnrt_synth_array(s, m, image, NNRT_ARRAY_U8, out, fault);
        in->pixels = (unsigned char *)out[image].data;
        in->channels = (int32_t)in->image->dim[0];
        in->height = (int32_t)in->image->dim[1];
        in->width = (int32_t)in->image->dim[2];
    }
    if (in->boxes && !status) {
        status = nnrt_synth_array(s, m, boxes, NNRT_ARRAY_F32, out, fault);
        in->rows = (float *)out[boxes].data;
        in->most = (int32_t)in->boxes->dim[0];
    }
    return status;
}

int nnrt_discs_make(const nnrt_source *s, const nnrt_model *m, nnrt_array *out, nnrt_fault *fault)
{
    discs_inputs in;
    int status = discs_read(s, m, &in, out, fault);
    for (int64_t i = 0; i < s->count && !status; i++) {
        uint64_t r = nnrt_synth_state(s->seed, i);
        discs_disc disc[DISCS_MOST];
        int n = discs_place(&in, &r, disc);
        if (in.pixels)
            discs_draw(&in, &r, disc, n, in.pixels + i * in.image->count);
        if (in.rows)
            discs_list(&in, disc, n, in.rows + i * in.boxes->count);
    }
    return status;
}
