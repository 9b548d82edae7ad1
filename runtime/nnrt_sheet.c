/* SPDX-License-Identifier: MIT */
/* nnrt_sheet.c: many samples in one picture: a grid of images, or the points of a plane. */
#include <math.h>
#include <string.h>

#include "nnrt_program.h"

enum {
    SHEET_GAP = 2,     /* pixels between images */
    SHEET_IMAGE = 48,  /* smaller images are enlarged to so many pixels a side, by a whole number */
    SHEET_PLANE = 480, /* the side of a plane */
    SHEET_DOT = 2      /* the radius of a point */
};

static int sheet_is_plane(const nnrt_value *v)
{
    return v->count == 2 && v->rank == 1;
}

/* [C, H, W] of 1 or 3 channels, [H, W]. */
static int sheet_is_image(const nnrt_value *v)
{
    return v->rank == 2 || (v->rank == 3 && (v->dim[0] == 1 || v->dim[0] == 3));
}

int nnrt_sheet_takes(const nnrt_value *v)
{
    return sheet_is_plane(v) || sheet_is_image(v);
}

int nnrt_sheet_range(const char *text, double range[2], nnrt_fault *fault)
{
    char rest;
    if (sscanf(text, "%lf,%lf%c", &range[0], &range[1], &rest) == 2 && isfinite(range[0]) &&
        isfinite(range[1]) && range[0] < range[1])
        return 0;
    return nnrt_fail(fault, NNRT_BAD_CALL, "--range: '%s' is not LOW,HIGH", text);
}

/* What is shown as black and as white, or where a plane begins and ends: what is given, else what the values cannot
 * pass, else what they are. */
static void sheet_bounds(const nnrt_sheet *s, double *low, double *high)
{
    int given = s->range != NULL, known = s->value->low < s->value->high;
    *low = given ? s->range[0] : known ? s->value->low : INFINITY;
    *high = given ? s->range[1] : known ? s->value->high : -INFINITY;
    for (int64_t i = 0; !given && !known && i < s->n * s->value->count; i++) {
        *low = fmin(*low, (double)s->at[i]);
        *high = fmax(*high, (double)s->at[i]);
    }
    if (!(*low < *high)) {
        *low -= 0.5;
        *high = *low + 1;
    }
}

/* --- a grid of images ------------------------------------------------------------------------- */

static int64_t sheet_columns(const nnrt_sheet *s)
{
    int64_t columns = 1;
    if (s->columns > 0)
        return s->columns < s->n ? s->columns : s->n;
    while (columns * columns < s->n)
        columns++;
    return columns;
}

static int sheet_grid(nnrt_canvas *p, const nnrt_sheet *s, nnrt_fault *fault)
{
    const nnrt_value *v = s->value;
    int64_t h = v->dim[v->rank - 2], w = v->dim[v->rank - 1], side = h > w ? h : w;
    int64_t columns = sheet_columns(s), rows = (s->n + columns - 1) / columns;
    int64_t scale = side < SHEET_IMAGE ? (SHEET_IMAGE + side - 1) / side : 1;
    int64_t across = w * scale + SHEET_GAP, down = h * scale + SHEET_GAP;
    nnrt_image image = {NULL, v->rank == 3 ? v->dim[0] : 1, h, w, scale, 0, 0};
    int status = nnrt_canvas_make(p, columns * across + SHEET_GAP, rows * down + SHEET_GAP, fault);
    sheet_bounds(s, &image.low, &image.high);
    for (int64_t i = 0; !status && i < s->n; i++) {
        image.at = s->at + i * v->count;
        nnrt_canvas_image(p, SHEET_GAP + i % columns * across, SHEET_GAP + i / columns * down,
                          &image);
    }
    return status;
}

/* --- points of a plane ------------------------------------------------------------------------ */

static void sheet_blend(const nnrt_canvas *p, int64_t x, int64_t y, const unsigned char colour[3],
                        double share)
{
    if (x < 0 || y < 0 || x >= p->width || y >= p->height)
        return;
    unsigned char *to = p->rgb + (y * p->width + x) * 3;
    for (int c = 0; c < 3; c++)
        to[c] = (unsigned char)(to[c] + share * (colour[c] - to[c]) + 0.5);
}

/* A disc whose edge is soft. */
static void sheet_dot(const nnrt_canvas *p, double x, double y)
{
    static const unsigned char blue[3] = {31, 95, 168};
    int64_t left = (int64_t)floor(x) - SHEET_DOT, top = (int64_t)floor(y) - SHEET_DOT;
    for (int64_t i = top; i <= top + 2 * SHEET_DOT + 1; i++)
        for (int64_t k = left; k <= left + 2 * SHEET_DOT + 1; k++) {
            double away = hypot((double)k + 0.5 - x, (double)i + 0.5 - y);
            double inside = fmin(fmax(SHEET_DOT + 0.5 - away, 0), 1);
            sheet_blend(p, k, i, blue, 0.6 * inside);
        }
}

/* The lines where a coordinate is 0, and the frame. */
static void sheet_lines(const nnrt_canvas *p, double zero)
{
    static const unsigned char grey[3] = {128, 128, 128};
    int64_t side = p->width, at = (int64_t)zero;
    for (int64_t i = 0; i < side; i++) {
        sheet_blend(p, at, i, grey, 0.5);
        sheet_blend(p, i, side - 1 - at, grey, 0.5);
        sheet_blend(p, i, 0, grey, 1);
        sheet_blend(p, i, side - 1, grey, 1);
        sheet_blend(p, 0, i, grey, 1);
        sheet_blend(p, side - 1, i, grey, 1);
    }
}

/* Both axes have the same scale, the second goes up. Points that lie outside are not drawn. */
static int sheet_plane(nnrt_canvas *p, const nnrt_sheet *s, nnrt_fault *fault)
{
    double low, high;
    sheet_bounds(s, &low, &high);
    double edge = 0.05 * (high - low), scale = SHEET_PLANE / (high - low + 2 * edge);
    int status = nnrt_canvas_make(p, SHEET_PLANE, SHEET_PLANE, fault);
    if (status)
        return status;
    double zero = (edge - low) * scale;
    sheet_lines(p, zero >= 0 && zero < SHEET_PLANE ? zero : 0);
    for (int64_t i = 0; i < s->n; i++) {
        double x = ((double)s->at[2 * i] - low + edge) * scale;
        double y = SHEET_PLANE - ((double)s->at[2 * i + 1] - low + edge) * scale;
        if (x >= 0 && y >= 0 && x < SHEET_PLANE && y < SHEET_PLANE)
            sheet_dot(p, x, y);
    }
    return 0;
}

int nnrt_sheet_draw(nnrt_canvas *p, const nnrt_sheet *s, nnrt_fault *fault)
{
    *p = (nnrt_canvas){0, 0, NULL};
    return sheet_is_plane(s->value) ? sheet_plane(p, s, fault) : sheet_grid(p, s, fault);
}
