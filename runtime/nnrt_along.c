/* SPDX-License-Identifier: MIT */
/* nnrt_along.c: masks and boxes that are changed together with their image: turned, moved, cut and
 * flipped by what was drawn for that; colours, noise and the like are the image's alone. */
#include <math.h>
#include <string.h>

#include "nnrt_augmenting.h"

enum { ALONG_BOX = 5 }; /* numbers of a box: class, x0, y0, x1, y1; class -1: there is none */

/* Sizes of the image. */
typedef struct along_size {
    int64_t h, w;
} along_size;

/* --- masks: where each pixel comes from ------------------------------------------------------- */

/* A map of pixels to those that they are taken from, -1: from outside; and as much room again. */
typedef struct along_pixels {
    along_size size;
    int32_t *at, *spare;
} along_pixels;

/* One step back: pixel (x, y) of the result is what was at (from_x, from_y). */
static void along_take(const along_pixels *p, int64_t i, double from_x, double from_y)
{
    int64_t x = (int64_t)floor(from_x + 0.5), y = (int64_t)floor(from_y + 0.5);
    int in = x >= 0 && x < p->size.w && y >= 0 && y < p->size.h;
    p->spare[i] = in ? p->at[y * p->size.w + x] : -1;
}

static void along_swap(along_pixels *p)
{
    int32_t *kept = p->at;
    p->at = p->spare;
    p->spare = kept;
}

static void along_pixels_affine(along_pixels *p, const nnrt_augment_map *m)
{
    double cx = (double)(p->size.w - 1) / 2, cy = (double)(p->size.h - 1) / 2;
    for (int64_t i = 0; i < p->size.h * p->size.w; i++) {
        double x = (double)(i % p->size.w) - cx, y = (double)(i / p->size.w) - cy;
        along_take(p, i, m->xx * x + m->xy * y + m->x0 + cx, m->yx * x + m->yy * y + m->y0 + cy);
    }
    along_swap(p);
}

/* Moved by whole pixels, or mirrored: x to sx x + dx, and so on. */
static void along_pixels_move(along_pixels *p, int sx, int64_t dx, int sy, int64_t dy)
{
    for (int64_t i = 0; i < p->size.h * p->size.w; i++)
        along_take(p, i, (double)(sx * (i % p->size.w) + dx), (double)(sy * (i / p->size.w) + dy));
    along_swap(p);
}

static void along_pixels_elastic(along_pixels *p, const float *field)
{
    int64_t n = p->size.h * p->size.w;
    for (int64_t i = 0; i < n; i++) {
        float x = (float)(i % p->size.w) + field[i], y = (float)(i / p->size.w) + field[n + i];
        float right = (float)(p->size.w - 1), bottom = (float)(p->size.h - 1);
        x = x < 0 ? 0 : x > right ? right : x;
        y = y < 0 ? 0 : y > bottom ? bottom : y;
        along_take(p, i, (double)x, (double)y);
    }
    along_swap(p);
}

/* Each plane of the mask by the map; `room` holds one. */
static void along_gather(const along_pixels *p, const nnrt_value *v, void *sample, float *room)
{
    int64_t n = p->size.h * p->size.w;
    size_t item = v->dtype == NNRT_U8 ? 1 : 4;
    int32_t outside = v->classes > 0 && v->has_ignore ? (int32_t)v->ignore : 0;
    uint8_t narrow = (uint8_t)outside; /* 0 of a float is 0 of an integer */
    const void *fill = item == 1 ? (const void *)&narrow : &outside;
    unsigned char *plane = sample, *before = (unsigned char *)room;
    for (int64_t c = 0; c < v->count / n; c++, plane += (size_t)n * item) {
        memcpy(before, plane, (size_t)n * item);
        for (int64_t i = 0; i < n; i++)
            memcpy(plane + (size_t)i * item, p->at[i] < 0 ? fill : before + (size_t)p->at[i] * item,
                   item);
    }
}

/* --- boxes ------------------------------------------------------------------------------------ */

/* Boxes of a sample: [n, ALONG_BOX]. */
typedef struct along_boxes {
    along_size size;
    int64_t n;
    float *at;
} along_boxes;

/* The box around the turned one: its corners through the inverse of the map, which leads back. */
static void along_box_affine(const along_size *s, const nnrt_augment_map *m, float *box)
{
    double cx = (double)s->w / 2, cy = (double)s->h / 2, det = m->xx * m->yy - m->xy * m->yx;
    double x0 = INFINITY, y0 = INFINITY, x1 = -INFINITY, y1 = -INFINITY;
    for (int corner = 0; corner < 4; corner++) {
        double x = (double)box[corner & 1 ? 3 : 1] - cx - m->x0;
        double y = (double)box[corner & 2 ? 4 : 2] - cy - m->y0;
        double X = (m->yy * x - m->xy * y) / det + cx, Y = (m->xx * y - m->yx * x) / det + cy;
        x0 = fmin(x0, X), x1 = fmax(x1, X);
        y0 = fmin(y0, Y), y1 = fmax(y1, Y);
    }
    box[1] = (float)x0, box[2] = (float)y0;
    box[3] = (float)x1, box[4] = (float)y1;
}

static void along_box_flip(float *low, float *high, float length)
{
    float kept = length - *high;
    *high = length - *low;
    *low = kept;
}

/* What lies within the image; a box of which less than `least` of what it was is left is no more there. */
static void along_box_clip(const along_size *s, double least, float *box)
{
    float w = (float)s->w, h = (float)s->h;
    double area = (double)(box[3] - box[1]) * (double)(box[4] - box[2]);
    for (int k = 1; k < ALONG_BOX; k++) {
        float most = k & 1 ? w : h;
        box[k] = box[k] < 0 ? 0 : box[k] > most ? most : box[k];
    }
    double left = (double)(box[3] - box[1]) * (double)(box[4] - box[2]);
    if (left > 0 && left >= least * area)
        return;
    box[0] = -1;
    memset(box + 1, 0, (ALONG_BOX - 1) * sizeof *box);
}

/* --- a sample --------------------------------------------------------------------------------- */

/* The boxes or the pixels, whichever there are; the other is NULL. */
typedef struct along_work {
    along_size size;
    along_boxes *boxes;
    along_pixels *pixels;
    float *room; /* of a field */
} along_work;

static void along_affine(const along_work *w, const nnrt_augment_map *map)
{
    for (int64_t i = 0; w->boxes && i < w->boxes->n; i++)
        along_box_affine(&w->size, map, w->boxes->at + i * ALONG_BOX);
    if (w->pixels)
        along_pixels_affine(w->pixels, map);
}

static void along_crop(const along_work *w, int64_t pad, const nnrt_augment_draw *d)
{
    int64_t dy = nnrt_augment_below(d, 0, 2 * pad + 1) - pad,
            dx = nnrt_augment_below(d, 1, 2 * pad + 1) - pad;
    for (int64_t i = 0; w->boxes && i < w->boxes->n; i++)
        for (int k = 1; k < ALONG_BOX; k++)
            w->boxes->at[i * ALONG_BOX + k] -= (float)(k & 1 ? dx : dy);
    if (w->pixels)
        along_pixels_move(w->pixels, 1, dx, 1, dy);
}

static void along_flip(const along_work *w, int vertical)
{
    float length = (float)(vertical ? w->size.h : w->size.w);
    for (int64_t i = 0; w->boxes && i < w->boxes->n; i++) {
        float *box = w->boxes->at + i * ALONG_BOX + 1 + vertical;
        along_box_flip(box, box + 2, length);
    }
    if (w->pixels && vertical)
        along_pixels_move(w->pixels, 1, 0, -1, w->size.h - 1);
    else if (w->pixels)
        along_pixels_move(w->pixels, -1, w->size.w - 1, 1, 0);
}

static void along_apply(const along_work *w, const nnrt_augment *t, const nnrt_augment_draw *d)
{
    switch (t->kind) {
    case NNRT_AUGMENT_CROP: along_crop(w, (int64_t)t->high, d); break;
    case NNRT_AUGMENT_FLIP:
    case NNRT_AUGMENT_FLIP_VERTICAL:
        if (nnrt_augment_uniform(d, 0) < t->high)
            along_flip(w, t->kind == NNRT_AUGMENT_FLIP_VERTICAL);
        break;
    case NNRT_AUGMENT_ELASTIC: /* of masks alone: nncc refuses it with boxes */
        nnrt_elastic_field(t, d, w->size.h, w->size.w, w->room);
        along_pixels_elastic(w->pixels, w->room);
        break;
    default: break; /* of the image alone */
    }
}

/* What has left the image is gone: a later step does not bring it back. */
static void along_clip(const along_work *w, double visible)
{
    for (int64_t i = 0; w->boxes && i < w->boxes->n; i++) {
        float *box = w->boxes->at + i * ALONG_BOX;
        along_box_clip(&w->size, box[0] < 0 ? 2 : visible, box);
    }
}

static void along_changes(const along_work *w, const nnrt_augment_job *job, int64_t row,
                          double visible)
{
    const nnrt_value *image = job->input;
    for (int i = 0; i < image->n_augment;) {
        if (nnrt_augment_is_affine(image->augment[i].kind)) {
            nnrt_augment_map map;
            i = nnrt_augment_group(job, i, row, &map);
            along_affine(w, &map);
            along_clip(w, visible);
            continue;
        }
        nnrt_augment_draw d = nnrt_augment_draw_of(job, i, row);
        along_apply(w, &image->augment[i++], &d);
        along_clip(w, visible);
    }
}

void nnrt_along(const nnrt_augment_job *job, const nnrt_value *v, int64_t row, void *sample,
                float *room)
{
    const nnrt_value *image = job->input;
    along_size size = {image->dim[image->rank - 2], image->dim[image->rank - 1]};
    int64_t n = size.h * size.w;
    if (v->is_boxes) {
        along_boxes boxes = {size, v->count / ALONG_BOX, sample};
        const along_work w = {size, &boxes, NULL, room};
        along_changes(&w, job, row, v->visible);
        return;
    }
    float *more = room + nnrt_elastic_room(size.h, size.w);
    along_pixels pixels = {size, (int32_t *)(void *)more, (int32_t *)(void *)(more + n)};
    const along_work w = {size, NULL, &pixels, room};
    for (int64_t i = 0; i < n; i++)
        pixels.at[i] = (int32_t)i;
    along_changes(&w, job, row, 0);
    along_gather(&pixels, v, sample, more + 2 * n);
}
