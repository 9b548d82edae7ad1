/* SPDX-License-Identifier: MIT */
/* nnrt_shapes.c: the generator `shapes`: small pictures in colour, each of one of ten shapes, of any colour, size,
 * slant and place, on a ground whose colour changes across the picture, among smears and noise. In integers, so that
 * every machine makes the same bytes. */
#include "nnrt_data.h"

enum {
    SHAPES_SIDE = 32, /* pixels */
    SHAPES_PIXELS = SHAPES_SIDE * SHAPES_SIDE,
    SHAPES_ONE = 256, /* a shape reaches from -1 to 1, in these units */
    SHAPES_KINDS = 10,
    SHAPES_SMEARS = 3
};

static int32_t shapes_size(int32_t x)
{
    return x < 0 ? -x : x;
}

/* Whether the point of a shape's own plane, in 1/256, is of it. */
static int shapes_inside(int kind, int32_t x, int32_t y)
{
    int32_t ax = shapes_size(x), ay = shapes_size(y), far = ax > ay ? ax : ay;
    int64_t round = (int64_t)x * x + (int64_t)y * y;
    switch (kind) {
    case 0: return round <= 256 * 256;                       /* a disc */
    case 1: return round <= 256 * 256 && round > 150 * 150;  /* a ring */
    case 2: return far <= 220;                               /* a square */
    case 3: return far <= 220 && far > 130;                  /* a frame */
    case 4: return y <= 200 && 2 * ax <= y + 256;            /* a triangle */
    case 5: return ax + ay <= 256;                           /* a diamond */
    case 6: return far <= 256 && (ax <= 70 || ay <= 70);     /* a plus */
    case 7: return far <= 220 && shapes_size(ax - ay) <= 75; /* a cross */
    case 8: return far <= 240 && (ay <= 45 || ay > 160);     /* three bars */
    default: return round <= 256 * 256 && y <= 0;            /* half a disc */
    }
}

/* A shape that is placed: its middle in 1/256 of a pixel, its size in pixels, slants in 1/256. */
typedef struct shapes_place {
    int32_t x, y, size, slant_x, slant_y;
} shapes_place;

/* A colour that differs from the ground's middle in some channel by 60 at least. */
static void shapes_colour(uint64_t *r, const int32_t ground[3], int32_t colour[3])
{
    int32_t clear = nnrt_synth_range(r, 0, 2);
    for (int c = 0; c < 3; c++)
        colour[c] = nnrt_synth_range(r, 0, 255);
    if (shapes_size(colour[clear] - ground[clear]) < 60)
        colour[clear] = ground[clear] < 128 ? ground[clear] + 90 : ground[clear] - 90;
}

/* The ground: a colour, and how it changes across the picture, with smears of others. */
static void shapes_ground(uint64_t *r, int32_t ground[3], int32_t *pixels)
{
    for (int c = 0; c < 3; c++) {
        int32_t right = nnrt_synth_range(r, -60, 60), down = nnrt_synth_range(r, -60, 60);
        ground[c] = nnrt_synth_range(r, 40, 215);
        for (int32_t p = 0; p < SHAPES_PIXELS; p++)
            pixels[c * SHAPES_PIXELS + p] =
                ground[c] + right * (p % SHAPES_SIDE - SHAPES_SIDE / 2) / SHAPES_SIDE +
                down * (p / SHAPES_SIDE - SHAPES_SIDE / 2) / SHAPES_SIDE;
    }
    for (int k = nnrt_synth_range(r, 0, SHAPES_SMEARS); k > 0; k--) {
        int32_t x = nnrt_synth_range(r, 0, SHAPES_SIDE - 1),
                y = nnrt_synth_range(r, 0, SHAPES_SIDE - 1);
        int32_t w = nnrt_synth_range(r, 1, 8), h = nnrt_synth_range(r, 1, 8),
                c = nnrt_synth_range(r, 0, 2);
        int32_t light = nnrt_synth_range(r, -70, 70);
        for (int32_t p = 0; p < SHAPES_PIXELS; p++)
            if (shapes_size(p % SHAPES_SIDE - x) <= w && shapes_size(p / SHAPES_SIDE - y) <= h)
                pixels[c * SHAPES_PIXELS + p] += light;
    }
}

static void shapes_draw(int kind, const shapes_place *at, const int32_t colour[3], int32_t *pixels)
{
    for (int32_t p = 0; p < SHAPES_PIXELS; p++) {
        int32_t dx = (p % SHAPES_SIDE * SHAPES_ONE - at->x) / at->size;
        int32_t dy = (p / SHAPES_SIDE * SHAPES_ONE - at->y) / at->size;
        int32_t x = dx + at->slant_x * dy / SHAPES_ONE, y = dy + at->slant_y * dx / SHAPES_ONE;
        for (int c = 0; c < 3 && shapes_inside(kind, x, y); c++)
            pixels[c * SHAPES_PIXELS + p] = colour[c];
    }
}

/* Sample i of a seed: its pixels, channels first, and its shape as the value returned. */
static unsigned char shapes_sample(uint64_t seed, int64_t i, unsigned char *out)
{
    uint64_t r = nnrt_synth_state(seed, i);
    int32_t pixels[3 * SHAPES_PIXELS], ground[3], colour[3];
    nnrt_synth_next(&r);
    int kind = nnrt_synth_range(&r, 0, SHAPES_KINDS - 1);
    shapes_ground(&r, ground, pixels);
    shapes_colour(&r, ground, colour);
    shapes_place at = {.size = nnrt_synth_range(&r, 6, 12)};
    at.x = nnrt_synth_range(&r, 11, SHAPES_SIDE - 12) * SHAPES_ONE;
    at.y = nnrt_synth_range(&r, 11, SHAPES_SIDE - 12) * SHAPES_ONE;
    at.slant_x = nnrt_synth_range(&r, -60, 60);
    at.slant_y = nnrt_synth_range(&r, -60, 60);
    shapes_draw(kind, &at, colour, pixels);
    int32_t noise = nnrt_synth_range(&r, 5, 40);
    for (int k = 0; k < 3 * SHAPES_PIXELS; k++) {
        int32_t value = pixels[k] + nnrt_synth_range(&r, -noise, noise);
        out[k] = (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
    return (unsigned char)kind;
}

int nnrt_shapes_make(const nnrt_source *s, const nnrt_model *m, nnrt_array *out, nnrt_fault *fault)
{
    return nnrt_synth_images(s, m, 3 * SHAPES_PIXELS, shapes_sample, out, fault);
}
