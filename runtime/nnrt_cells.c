/* SPDX-License-Identifier: MIT */
/* nnrt_cells.c: the generator `cells`: made-up pictures of tissue as an electron microscope shows it, and where its
 * membranes are. Cells are what lies nearest to points strewn at random (Voronoi); in integers, so that every machine
 * makes the same bytes. */
#include <stdlib.h>

#include "nnrt_data.h"

enum {
    CELLS_SIDE = 22, /* pixels of a cell, about */
    CELLS_WALL = 3,  /* pixels of a membrane, about: twice as far from the middle as its edge is */
    CELLS_DOTS = 24, /* of a hundred cells, how many have a dark dot beside their middle */
    CELLS_INSIDE = 168,
    CELLS_DARK = 82,
    CELLS_NOISE = 34
};

/* A cell: its point, how bright it is, and the square of its dot's radius, 0: none. */
typedef struct cells_point {
    int32_t x, y, bright, dot;
} cells_point;

/* One picture. */
typedef struct cells_picture {
    int32_t h, w;
    int n;
    cells_point *points;
    uint64_t random;
} cells_picture;

static int64_t cells_apart(const cells_point *p, int32_t x, int32_t y)
{
    int64_t dx = x - p->x, dy = y - p->y;
    return dx * dx + dy * dy;
}

static void cells_strew(cells_picture *p)
{
    for (int i = 0; i < p->n; i++) {
        cells_point *c = &p->points[i];
        c->x = nnrt_synth_range(&p->random, -CELLS_SIDE, p->w + CELLS_SIDE);
        c->y = nnrt_synth_range(&p->random, -CELLS_SIDE, p->h + CELLS_SIDE);
        c->bright = nnrt_synth_range(&p->random, -25, 25);
        int32_t radius = nnrt_synth_range(&p->random, 2, 4);
        c->dot = nnrt_synth_range(&p->random, 0, 99) < CELLS_DOTS ? radius * radius : 0;
    }
}

/* The two points nearest to a pixel. */
static void cells_nearest(const cells_picture *p, int32_t x, int32_t y, int nearest[2])
{
    int64_t best[2] = {INT64_MAX, INT64_MAX};
    nearest[0] = nearest[1] = 0;
    for (int i = 0; i < p->n; i++) {
        int64_t d = cells_apart(&p->points[i], x, y);
        if (d < best[0]) {
            best[1] = best[0], nearest[1] = nearest[0];
            best[0] = d, nearest[0] = i;
        } else if (d < best[1]) {
            best[1] = d, nearest[1] = i;
        }
    }
}

/* 1: within a cell, and not on the membrane, the line between two cells. How far a pixel is from that line is the
 * difference of the squares of its distances to the two points over twice their distance. */
static int cells_inside(const cells_picture *p, int32_t x, int32_t y, const int nearest[2])
{
    const cells_point *a = &p->points[nearest[0]], *b = &p->points[nearest[1]];
    int64_t difference = cells_apart(b, x, y) - cells_apart(a, x, y);
    return difference * difference > CELLS_WALL * CELLS_WALL * cells_apart(a, b->x, b->y);
}

static void cells_draw(cells_picture *p, unsigned char *image, unsigned char *mask, int inside)
{
    for (int32_t y = 0; y < p->h; y++)
        for (int32_t x = 0; x < p->w; x++) {
            int nearest[2];
            cells_nearest(p, x, y, nearest);
            const cells_point *c = &p->points[nearest[0]];
            int in = cells_inside(p, x, y, nearest);
            int dot = in && cells_apart(c, x + 2, y - 2) < c->dot;
            int32_t value = (in && !dot ? CELLS_INSIDE + c->bright : CELLS_DARK) +
                            nnrt_synth_range(&p->random, -CELLS_NOISE, CELLS_NOISE);
            if (image)
                image[y * p->w + x] = (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value);
            if (mask)
                mask[y * p->w + x] = (unsigned char)(in ? inside : 0);
        }
}

/* The array of an input of that name, of pictures of [h, w]; NULL in *made: there is none. */
static int cells_array(const nnrt_source *s, const nnrt_model *m, const char *name, int32_t size[2],
                       nnrt_array *out, nnrt_array **made, nnrt_fault *fault)
{
    int i = nnrt_synth_input(m, name);
    *made = i < 0 ? NULL : &out[i];
    if (i < 0)
        return NNRT_OK;
    const nnrt_value *v = &m->inputs[i];
    int fits = v->rank >= 2 && v->rank < NNRT_RANK && v->dim[v->rank - 2] <= 4096 &&
               v->dim[v->rank - 1] <= 4096 && v->count == v->dim[v->rank - 2] * v->dim[v->rank - 1];
    if (fits && !size[0]) {
        size[0] = (int32_t)v->dim[v->rank - 2];
        size[1] = (int32_t)v->dim[v->rank - 1];
    }
    if (!fits || v->dim[v->rank - 2] != size[0] || v->dim[v->rank - 1] != size[1])
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "synthetic cells: expected '%s' of one plane, as high and wide as the "
                         "other, at most 4096",
                         name);
    return nnrt_synth_array(s, m, i, NNRT_ARRAY_U8, out, fault);
}

int nnrt_cells_make(const nnrt_source *s, const nnrt_model *m, nnrt_array *out, nnrt_fault *fault)
{
    nnrt_array *image, *mask = NULL;
    int32_t size[2] = {0, 0};
    int status = cells_array(s, m, "image", size, out, &image, fault);
    if (!status)
        status = cells_array(s, m, "mask", size, out, &mask, fault);
    if (status)
        return status;
    if (!image && !mask)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "synthetic cells: expected an input 'image' or 'mask', found neither");
    int64_t plane = (int64_t)size[0] * size[1];
    int inside = mask && m->inputs[mask - out].classes > 0
                     ? 1
                     : 255; /* as files of masks have it, or a class */
    int n = (int)((size[0] + 2 * CELLS_SIDE) * (int64_t)(size[1] + 2 * CELLS_SIDE) /
                  (CELLS_SIDE * CELLS_SIDE));
    cells_picture p = {size[0], size[1], n, malloc((size_t)n * sizeof *p.points), 0};
    if (!p.points)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "synthetic cells: no memory");
    for (int64_t i = 0; i < s->count; i++) {
        p.random = nnrt_synth_state(s->seed, i);
        nnrt_synth_next(&p.random);
        cells_strew(&p);
        cells_draw(&p, image ? (unsigned char *)image->data + i * plane : NULL,
                   mask ? (unsigned char *)mask->data + i * plane : NULL, inside);
    }
    free(p.points);
    return NNRT_OK;
}
