/* SPDX-License-Identifier: MIT */
/* nnrt_synthetic.c: data sets that need no file. Sample i depends on the seed and i alone, and all
 * arithmetic is on integers, so that every machine and compiler makes the same bits.
 *
 * digits: ten digits of strokes, each drawn in one of two ways with its points jittered, then
 * scaled, slanted, turned and moved, in ink of any thickness, edge and brightness, among stray
 * strokes, specks and noise. Lengths are in 1/256 of a pixel, ratios in 1/65536.
 */
#include <string.h>

#include "nnrt_data.h"

enum {
    DIGITS_SIDE = 28, /* pixels */
    DIGITS_PIXELS = DIGITS_SIDE * DIGITS_SIDE,
    DIGITS_PIXEL = 256, /* lengths a pixel */
    DIGITS_ONE = 65536, /* the ratio 1 */
    DIGITS_POINTS = 12, /* most points of a stroke */
    DIGITS_STEPS = 4    /* straight pieces between two points */
};

/* splitmix64 */
uint64_t nnrt_synth_next(uint64_t *state)
{
    uint64_t x = *state += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

int32_t nnrt_synth_range(uint64_t *state, int32_t low, int32_t high)
{
    uint64_t span = (uint64_t)((int64_t)high - low + 1);
    return (int32_t)(low + (int64_t)((nnrt_synth_next(state) >> 32) * span >> 32));
}

uint64_t nnrt_synth_state(uint64_t seed, int64_t i)
{
    return nnrt_synth_next(&seed) ^ (uint64_t)i * 0xD1342543DE82EF95u;
}

/* --- digits ----------------------------------------------------------------------------------- */

/* A smooth line through points in a box of 100 x 100; y points down. Corners are where strokes
 * meet. */
typedef struct digits_stroke {
    unsigned char digit;
    unsigned char ways; /* bit w: part of the digit as it is drawn in way w */
    unsigned char closed, n;
    unsigned char xy[DIGITS_POINTS][2];
} digits_stroke;

static const digits_stroke digits_strokes[] = {
    {0, 3, 1, 8, {{50, 5}, {74, 18}, {82, 50}, {74, 82}, {50, 95}, {26, 82}, {18, 50}, {26, 18}}},
    {1, 3, 0, 2, {{52, 5}, {52, 95}}},
    {1, 3, 0, 2, {{34, 24}, {52, 5}}},
    {1, 2, 0, 2, {{30, 95}, {74, 95}}},
    {2, 3, 0, 7, {{20, 28}, {32, 9}, {56, 5}, {76, 20}, {72, 42}, {48, 66}, {20, 95}}},
    {2, 1, 0, 2, {{20, 95}, {80, 95}}},
    {2, 2, 0, 4, {{20, 95}, {38, 84}, {60, 94}, {82, 86}}},
    {3, 3, 0, 5, {{22, 14}, {48, 4}, {74, 18}, {70, 38}, {46, 48}}},
    {3, 3, 0, 6, {{46, 48}, {74, 56}, {80, 76}, {58, 95}, {30, 92}, {18, 80}}},
    {4, 1, 0, 2, {{62, 5}, {18, 66}}},
    {4, 1, 0, 2, {{18, 66}, {84, 66}}},
    {4, 1, 0, 2, {{62, 5}, {62, 95}}},
    {4, 2, 0, 3, {{28, 8}, {20, 54}, {80, 54}}},
    {4, 2, 0, 2, {{70, 10}, {64, 95}}},
    {5, 3, 0, 2, {{76, 6}, {32, 6}}},
    {5, 3, 0, 2, {{32, 6}, {26, 44}}},
    {5, 3, 0, 6, {{26, 44}, {52, 36}, {78, 52}, {76, 78}, {52, 95}, {20, 84}}},
    {6,
     3,
     0,
     9,
     {{70, 8}, {42, 22}, {22, 54}, {24, 82}, {48, 95}, {74, 84}, {74, 60}, {50, 48}, {26, 64}}},
    {7, 3, 0, 2, {{20, 7}, {80, 7}}},
    {7, 3, 0, 3, {{80, 7}, {56, 46}, {42, 95}}},
    {7, 2, 0, 2, {{36, 50}, {72, 50}}},
    {8,
     3,
     1,
     12,
     {{50, 48},
      {28, 36},
      {30, 13},
      {50, 5},
      {70, 13},
      {72, 36},
      {50, 48},
      {26, 64},
      {26, 86},
      {50, 95},
      {74, 86},
      {74, 64}}},
    {9, 3, 1, 7, {{74, 28}, {62, 8}, {40, 5}, {24, 20}, {28, 44}, {50, 52}, {70, 42}}},
    {9, 1, 0, 2, {{74, 28}, {66, 95}}},
    {9, 2, 0, 4, {{74, 28}, {74, 66}, {58, 93}, {32, 90}}},
};

typedef struct digits_point {
    int32_t x, y;
} digits_point;

/* From the box of a digit to the image: x' = a x + b y + e, y' = c x + d y + f. */
typedef struct digits_place {
    int64_t a, b, c, d;
    int32_t e, f;
} digits_place;

/* How ink looks: half the width of a stroke, the width of its soft edge, and how bright it is. */
typedef struct digits_ink {
    int32_t radius, edge, bright;
} digits_ink;

/* An image while it is drawn: the square of each pixel's distance from the strokes so far. */
typedef struct digits_sheet {
    int32_t distance2[DIGITS_PIXELS];
} digits_sheet;

static digits_place digits_place_draw(uint64_t *r)
{
    /* 100 units of the box are 20 pixels at scale 1 */
    int64_t unit = 20 * DIGITS_PIXEL * (int64_t)DIGITS_ONE / 100;
    int64_t size = nnrt_synth_range(r, 78, 112), wide = nnrt_synth_range(r, 80, 118);
    int64_t sy = unit * size / 100, sx = unit * size * wide / 10000;
    int64_t slant = nnrt_synth_range(r, -26000, 26000), t = nnrt_synth_range(r, -16500, 16500);
    /* sine and cosine of a small angle t, by the first terms of their series */
    int64_t t2 = t * t / DIGITS_ONE;
    int64_t sine = t - t2 * t / DIGITS_ONE / 6;
    int64_t cosine = DIGITS_ONE - t2 / 2 + t2 * t2 / DIGITS_ONE / 24;
    /* turn (slant (scale)) */
    int64_t shear = -slant * sy / DIGITS_ONE;
    digits_place p = {
        .a = cosine * sx / DIGITS_ONE,
        .b = (cosine * shear - sine * sy) / DIGITS_ONE,
        .c = sine * sx / DIGITS_ONE,
        .d = (sine * shear + cosine * sy) / DIGITS_ONE,
        .e = DIGITS_SIDE * DIGITS_PIXEL / 2 + nnrt_synth_range(r, -660, 660),
        .f = DIGITS_SIDE * DIGITS_PIXEL / 2 + nnrt_synth_range(r, -660, 660),
    };
    return p;
}

/* A point of the box, jittered, in the image. */
static digits_point digits_placed(const digits_place *p, const unsigned char xy[2], uint64_t *r)
{
    int64_t x = xy[0] - 50 + nnrt_synth_range(r, -5, 5),
            y = xy[1] - 50 + nnrt_synth_range(r, -5, 5);
    return (digits_point){
        (int32_t)((p->a * x + p->b * y) / DIGITS_ONE) + p->e,
        (int32_t)((p->c * x + p->d * y) / DIGITS_ONE) + p->f,
    };
}

/* The square of the distance of (x, y) from the segment from `a`, of direction (dx, dy). */
static int32_t digits_distance2(int32_t x, int32_t y, int32_t dx, int32_t dy, int32_t length2)
{
    int64_t along = (int64_t)x * dx + (int64_t)y * dy;
    if (along >= length2) {
        x -= dx;
        y -= dy;
    }
    int32_t d2 = x * x + y * y;
    if (along > 0 && along < length2)
        d2 -= (int32_t)(along * along / length2);
    return d2;
}

/* First and last pixel that a length from `low` to `high`, `reach` around it, can touch. */
static void digits_span(int32_t low, int32_t high, int32_t reach, int *first, int *last)
{
    low -= reach, high += reach;
    *first = low < 0 ? 0 : low / DIGITS_PIXEL;
    *last = high < 0 ? -1 : high / DIGITS_PIXEL;
    *last = *last < DIGITS_SIDE - 1 ? *last : DIGITS_SIDE - 1;
}

static void digits_segment(digits_sheet *s, digits_point a, digits_point b, int32_t reach)
{
    int32_t dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
    int x0, x1, y0, y1;
    digits_span(a.x < b.x ? a.x : b.x, a.x < b.x ? b.x : a.x, reach, &x0, &x1);
    digits_span(a.y < b.y ? a.y : b.y, a.y < b.y ? b.y : a.y, reach, &y0, &y1);
    for (int i = y0; i <= y1; i++)
        for (int j = x0; j <= x1; j++) {
            int32_t x = j * DIGITS_PIXEL + DIGITS_PIXEL / 2 - a.x;
            int32_t y = i * DIGITS_PIXEL + DIGITS_PIXEL / 2 - a.y;
            int32_t d2 = digits_distance2(x, y, dx, dy, length2);
            if (d2 < s->distance2[i * DIGITS_SIDE + j])
                s->distance2[i * DIGITS_SIDE + j] = d2;
        }
}

/* A coordinate of the Catmull-Rom curve from q to r, at step/DIGITS_STEPS. */
static int32_t digits_curve(int32_t p, int32_t q, int32_t r, int32_t s, int32_t step)
{
    int64_t n = DIGITS_STEPS, t = step;
    int64_t value = 2 * q * n * n * n + (int64_t)(r - p) * t * n * n +
                    (int64_t)(2 * p - 5 * q + 4 * r - s) * t * t * n +
                    (int64_t)(3 * q - p - 3 * r + s) * t * t * t;
    return (int32_t)(value / (2 * n * n * n));
}

/* Draws the smooth line through n points. */
static void digits_line(digits_sheet *s, const digits_point *p, int n, int closed, int32_t reach)
{
    int pieces = closed ? n : n - 1, steps = n == 2 ? 1 : DIGITS_STEPS;
    digits_point from = p[0];
    for (int i = 0; i < pieces; i++) {
        digits_point q = p[i], r = p[(i + 1) % n];
        digits_point before = i > 0 ? p[i - 1] : closed ? p[n - 1] : q;
        digits_point after = i + 2 < n ? p[i + 2] : closed ? p[(i + 2) % n] : r;
        for (int k = 1; k <= steps; k++) {
            digits_point to = r;
            if (k < steps)
                to = (digits_point){digits_curve(before.x, q.x, r.x, after.x, k),
                                    digits_curve(before.y, q.y, r.y, after.y, k)};
            digits_segment(s, from, to, reach);
            from = to;
        }
    }
}

/* The integer below the square root. */
static int32_t digits_root(int32_t x)
{
    int32_t root = 0;
    for (int32_t bit = 1 << 11; bit; bit >>= 1)
        if ((root + bit) * (root + bit) <= x)
            root += bit;
    return root;
}

static void digits_clear(digits_sheet *s)
{
    for (int i = 0; i < DIGITS_PIXELS; i++)
        s->distance2[i] = INT32_MAX;
}

/* Inks what is drawn on the sheet: an image's pixels only get brighter. */
static void digits_inked(const digits_sheet *s, const digits_ink *ink, int32_t *image)
{
    int32_t reach = ink->radius + ink->edge, reach2 = reach * reach;
    for (int i = 0; i < DIGITS_PIXELS; i++) {
        if (s->distance2[i] >= reach2)
            continue;
        int32_t inside = reach - digits_root(s->distance2[i]);
        int32_t value = inside >= ink->edge ? ink->bright : ink->bright * inside / ink->edge;
        image[i] = value > image[i] ? value : image[i];
    }
}

static void digits_draw(int digit, uint64_t *r, int32_t *image)
{
    digits_place place = digits_place_draw(r);
    digits_ink ink = {nnrt_synth_range(r, 60, 290), nnrt_synth_range(r, 160, 420),
                      nnrt_synth_range(r, 130, 255)};
    int way = nnrt_synth_range(r, 0, 1);
    digits_sheet sheet;
    digits_clear(&sheet);
    for (size_t i = 0; i < sizeof digits_strokes / sizeof *digits_strokes; i++) {
        const digits_stroke *s = &digits_strokes[i];
        digits_point points[DIGITS_POINTS];
        if (s->digit != digit || !(s->ways >> way & 1))
            continue;
        for (int k = 0; k < s->n; k++)
            points[k] = digits_placed(&place, s->xy[k], r);
        digits_line(&sheet, points, s->n, s->closed, ink.radius + ink.edge);
    }
    digits_inked(&sheet, &ink, image);
}

/* Up to two short strokes anywhere, thinner and mostly paler than the digit's. */
static void digits_stray(uint64_t *r, int32_t *image)
{
    int32_t end = DIGITS_SIDE * DIGITS_PIXEL;
    for (int i = nnrt_synth_range(r, 0, 2); i > 0; i--) {
        digits_point a = {nnrt_synth_range(r, 0, end), nnrt_synth_range(r, 0, end)};
        digits_point b = {a.x + nnrt_synth_range(r, -1500, 1500),
                          a.y + nnrt_synth_range(r, -1500, 1500)};
        digits_ink ink = {nnrt_synth_range(r, 30, 120), nnrt_synth_range(r, 160, 300),
                          nnrt_synth_range(r, 50, 170)};
        digits_sheet sheet;
        digits_clear(&sheet);
        digits_segment(&sheet, a, b, ink.radius + ink.edge);
        digits_inked(&sheet, &ink, image);
    }
}

/* Specks, and noise on every pixel: sums of two bytes, so that small changes are likelier. */
static void digits_noise(uint64_t *r, int32_t *image)
{
    for (int i = nnrt_synth_range(r, 0, 10); i > 0; i--)
        image[nnrt_synth_range(r, 0, DIGITS_PIXELS - 1)] += nnrt_synth_range(r, -120, 160);
    int32_t level = nnrt_synth_range(r, 0, 24), amount = nnrt_synth_range(r, 4, 44);
    for (int i = 0; i < DIGITS_PIXELS; i += 4) {
        uint64_t bytes = nnrt_synth_next(r);
        for (int k = 0; k < 4; k++, bytes >>= 16)
            image[i + k] +=
                level + ((int32_t)(bytes & 255) + (int32_t)(bytes >> 8 & 255) - 255) * amount / 256;
    }
}

/* Sample i of a seed: its pixels, and its label as the value returned. */
static unsigned char digits_sample(uint64_t seed, int64_t i, unsigned char *pixels)
{
    uint64_t r = nnrt_synth_state(seed, i);
    int32_t image[DIGITS_PIXELS] = {0};
    nnrt_synth_next(&r);
    int digit = nnrt_synth_range(&r, 0, 9);
    digits_draw(digit, &r, image);
    digits_stray(&r, image);
    digits_noise(&r, image);
    for (int k = 0; k < DIGITS_PIXELS; k++)
        pixels[k] = (unsigned char)(image[k] < 0 ? 0 : image[k] > 255 ? 255 : image[k]);
    return (unsigned char)digit;
}

/* --- all generators --------------------------------------------------------------------------- */

int nnrt_synth_input(const nnrt_model *m, const char *name)
{
    for (int i = 0; i < m->n_inputs; i++)
        if (strcmp(m->inputs[i].name, name) == 0)
            return i;
    return -1;
}

int nnrt_synth_array(const nnrt_source *s, const nnrt_model *m, int input, nnrt_array_type type,
                     nnrt_array *out, nnrt_fault *fault)
{
    const nnrt_value *v = &m->inputs[input];
    int64_t dim[NNRT_RANK] = {s->count};
    memcpy(dim + 1, v->dim, (size_t)v->rank * sizeof *dim);
    return nnrt_array_make(s->generator, type, v->rank + 1, dim, &out[input], fault);
}

/* The array for an input of the name and number of values a sample that the generator has; NULL in
 * *made: the model has no such input. */
static int synth_bytes(const nnrt_source *s, const nnrt_model *m, const char *name, int64_t count,
                       nnrt_array *out, nnrt_array **made, nnrt_fault *fault)
{
    int i = nnrt_synth_input(m, name);
    *made = i < 0 ? NULL : &out[i];
    if (i < 0)
        return NNRT_OK;
    if (m->inputs[i].count != count || m->inputs[i].rank >= NNRT_RANK)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "synthetic %s: expected an input '%s' of %lld numbers, found %lld",
                         s->generator, name, (long long)count, (long long)m->inputs[i].count);
    return nnrt_synth_array(s, m, i, NNRT_ARRAY_U8, out, fault);
}

int nnrt_synth_images(const nnrt_source *s, const nnrt_model *m, int64_t count,
                      nnrt_synth_sample *draw, nnrt_array *out, nnrt_fault *fault)
{
    nnrt_array *image, *label = NULL;
    int status = synth_bytes(s, m, "image", count, out, &image, fault);
    if (!status)
        status = synth_bytes(s, m, "label", 1, out, &label, fault);
    if (status)
        return status;
    if (!image && !label)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "synthetic %s: expected an input 'image' or 'label', found neither",
                         s->generator);
    for (int64_t i = 0; i < s->count; i++) {
        unsigned char pixels[NNRT_SYNTH_PIXELS];
        unsigned char class =
            draw(s->seed, i, image ? (unsigned char *)image->data + i * count : pixels);
        if (label)
            ((unsigned char *)label->data)[i] = class;
    }
    return NNRT_OK;
}

static int digits_make(const nnrt_source *s, const nnrt_model *m, nnrt_array *out,
                       nnrt_fault *fault)
{
    return nnrt_synth_images(s, m, DIGITS_PIXELS, digits_sample, out, fault);
}

/* A generator is a row here and a function that fills the inputs which it feeds. */
typedef struct synth_generator {
    const char *name;
    int (*make)(const nnrt_source *, const nnrt_model *, nnrt_array *out, nnrt_fault *);
} synth_generator;

static const synth_generator synth_generators[] = {
    {"digits", digits_make},    {"lungs", nnrt_lungs_make}, {"shapes", nnrt_shapes_make},
    {"discs", nnrt_discs_make}, {"cells", nnrt_cells_make},
};

int nnrt_synthetic_make(const nnrt_source *s, const nnrt_model *m, nnrt_array *out,
                        nnrt_fault *fault)
{
    char list[128] = "";
    size_t used = 0;
    for (int i = 0; i < m->n_inputs; i++)
        out[i] = (nnrt_array){0};
    if (s->count < 1 || s->count > INT32_MAX)
        return nnrt_fail(fault, NNRT_BAD_CALL,
                         "synthetic %s: expected a count of 1 to 2^31 - 1, found %lld",
                         s->generator, (long long)s->count);
    for (size_t i = 0; i < sizeof synth_generators / sizeof *synth_generators; i++) {
        const synth_generator *g = &synth_generators[i];
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", g->name);
        if (strcmp(g->name, s->generator) != 0)
            continue;
        int status = g->make(s, m, out, fault);
        for (int k = 0; k < m->n_inputs && status; k++)
            nnrt_array_free(&out[k]);
        return status;
    }
    return nnrt_fail(fault, NNRT_BAD_CALL,
                     "synthetic: expected one of the generators %s, found '%s'", list,
                     s->generator);
}
