/* SPDX-License-Identifier: MIT */
/* nnrt_canvas.c: pictures of what a network looked at or drew: a sample's image, the same under a map of heat,
 * as PNG. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

int nnrt_canvas_make(nnrt_canvas *p, int64_t width, int64_t height, nnrt_fault *fault)
{
    enum { SIDE_MAX = 32768, PIXELS_MAX = 1 << 26 };
    *p = (nnrt_canvas){width, height, NULL};
    if (width > SIDE_MAX || height > SIDE_MAX || width * height > PIXELS_MAX)
        return nnrt_fail(fault, NNRT_NO_MEMORY,
                         "a picture of %lld x %lld is too large: fewer samples, or a folder",
                         (long long)width, (long long)height);
    p->rgb = malloc((size_t)(width * height * 3) + 1);
    if (!p->rgb)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for a picture of %lld x %lld",
                         (long long)width, (long long)height);
    memset(p->rgb, 255, (size_t)(width * height * 3));
    return 0;
}

void nnrt_canvas_free(nnrt_canvas *p)
{
    free(p->rgb);
    p->rgb = NULL;
}

void nnrt_canvas_put(nnrt_buffer *out, const nnrt_canvas *p)
{
    size_t n = (size_t)(p->width * p->height), i = 0;
    while (i < n && p->rgb[3 * i] == p->rgb[3 * i + 1] && p->rgb[3 * i] == p->rgb[3 * i + 2])
        i++;
    unsigned char *grey = i == n ? malloc(n + 1) : NULL;
    for (i = 0; grey && i < n; i++)
        grey[i] = p->rgb[3 * i];
    nnrt_png_put(out, grey ? 1 : 3, p->height, p->width, grey ? grey : p->rgb);
    free(grey);
}

int nnrt_canvas_write(const char *path, const nnrt_canvas *p, nnrt_fault *fault)
{
    nnrt_buffer file = {0};
    nnrt_writer *w;
    int status = 0;
    nnrt_canvas_put(&file, p);
    if (file.failed)
        status = nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to write the picture", path);
    if (!status)
        status = nnrt_writer_open(&w, path, file.size, 0, fault);
    if (!status) {
        nnrt_writer_put(w, file.at, file.size);
        status = nnrt_writer_close(w);
    }
    nnrt_buffer_free(&file);
    return status;
}

/* --- images and heat -------------------------------------------------------------------------- */

/* From what to what a sample's numbers are shown: 0 to 1 or 0 to 255 where they fit, else their own range. */
static void picture_range(const float *x, int64_t n, float *low, float *high)
{
    *low = 0;
    *high = 0;
    for (int64_t i = 0; i < n; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
    if (*low >= 0)
        *high = *high <= 1 ? 1 : *high <= 255 ? 255 : *high;
    if (*high <= *low)
        *high = *low + 1;
}

static unsigned char picture_level(double x)
{
    return (unsigned char)(x <= 0 ? 0 : x >= 1 ? 255 : x * 255 + 0.5);
}

void nnrt_canvas_image(const nnrt_canvas *p, int64_t left, int64_t top, const nnrt_image *image)
{
    int64_t h = image->height, w = image->width, s = image->scale;
    float low, high;
    picture_range(image->at, image->channels * h * w, &low, &high);
    double from = image->low < image->high ? image->low : (double)low;
    double to = image->low < image->high ? image->high : (double)high;
    for (int64_t y = 0; y < h * s; y++)
        for (int64_t x = 0; x < w * s; x++)
            for (int64_t c = 0; c < 3; c++) {
                int64_t channel = image->channels == 3 ? c : 0;
                float v = image->at[(channel * h + y / s) * w + x / s];
                p->rgb[((top + y) * p->width + left + x) * 3 + c] =
                    picture_level(((double)v - from) / (to - from));
            }
}

/* The map at a place of the image, both from 0 to 1: linear between the centres of its cells. */
static double picture_between(const float *map, int64_t height, int64_t width, double y, double x)
{
    y = fmin(fmax(y * (double)height - 0.5, 0), (double)(height - 1));
    x = fmin(fmax(x * (double)width - 0.5, 0), (double)(width - 1));
    int64_t i = (int64_t)y, k = (int64_t)x;
    int64_t i1 = i + 1 < height ? i + 1 : i, k1 = k + 1 < width ? k + 1 : k;
    double fy = y - (double)i, fx = x - (double)k;
    return (1 - fy) * ((1 - fx) * (double)map[i * width + k] + fx * (double)map[i * width + k1]) +
           fy * ((1 - fx) * (double)map[i1 * width + k] + fx * (double)map[i1 * width + k1]);
}

/* The colour of heat 0 to 1: blue, cyan, yellow, red; of heat below 0: blue alone, the more the stronger. */
static void picture_colour(double heat, int both_signs, double rgb[3])
{
    static const double hot[5][3] = {
        {0, 0, 0.6}, {0, 0.6, 1}, {0.4, 1, 0.5}, {1, 0.8, 0}, {0.9, 0, 0}};
    if (both_signs) {
        rgb[0] = heat > 0 ? 0.9 : 0;
        rgb[1] = heat > 0 ? 0 : 0.2;
        rgb[2] = heat > 0 ? 0 : 0.95;
        return;
    }
    int i = (int)(heat * 4);
    i = i > 3 ? 3 : i;
    for (int c = 0; c < 3; c++)
        rgb[c] = hot[i][c] + (heat * 4 - i) * (hot[i + 1][c] - hot[i][c]);
}

static int picture_ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* What counts as full heat: the 99th percentile of the map's sizes, so that a single dot does not hide the rest;
 * of what is smooth, the largest. 0: the map is 0. */
static double picture_full(const nnrt_heat *heat, float *scratch)
{
    int64_t n = heat->height * heat->width;
    for (int64_t i = 0; i < n; i++)
        scratch[i] = fabsf(heat->at[i]);
    qsort(scratch, (size_t)n, sizeof *scratch, picture_ascending);
    double most = (double)scratch[n - 1], near = (double)scratch[(n - 1) * 99 / 100];
    return heat->is_smooth || near == 0 ? most : near;
}

int nnrt_canvas_heat(const nnrt_canvas *p, int64_t left, int64_t top, int64_t width, int64_t height,
                     const nnrt_heat *heat, nnrt_fault *fault)
{
    float *scratch = malloc((size_t)(heat->height * heat->width) * sizeof *scratch);
    if (!scratch)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for a picture");
    double full = picture_full(heat, scratch);
    free(scratch);
    for (int64_t y = 0; full > 0 && y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            double fy = ((double)y + 0.5) / (double)height, fx = ((double)x + 0.5) / (double)width;
            double v = heat->is_smooth
                           ? picture_between(heat->at, heat->height, heat->width, fy, fx)
                           : (double)heat->at[(int64_t)(fy * (double)heat->height) * heat->width +
                                              (int64_t)(fx * (double)heat->width)];
            v = fmin(fmax(v / full, heat->both_signs ? -1 : 0), 1);
            double over = heat->is_smooth ? 0.15 + 0.45 * fabs(v) : 0.85 * fabs(v), rgb[3];
            picture_colour(v, heat->both_signs, rgb);
            unsigned char *to = p->rgb + ((top + y) * p->width + left + x) * 3;
            for (int c = 0; c < 3; c++)
                to[c] = picture_level((1 - over) * to[c] / 255 + over * rgb[c]);
        }
    return 0;
}
