/* SPDX-License-Identifier: MIT */
/* nnrt_augment.c: random changes to the images of a training batch: turned, moved, cut, flipped,
 * brighter, noisy.
 *
 * What is drawn is a function of the seed, the epoch, the sample's place in the data set and the
 * transform's place in the list: neither the batch that the sample falls in nor the thread that
 * works on it is seen. All work is on raw numbers as floats; bytes are rounded at the end.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "nnrt_augmenting.h"

/* Streams of random numbers that no layer has: one a transform of an input. */
#define AUGMENT_STREAM 0x80000000u

enum {
    AUGMENT_MOST = 256,   /* transforms of one input that have streams of their own */
    AUGMENT_SHARE = 16384 /* numbers in a batch from which threads share it */
};

/* An image while it is changed: `planes` (channels) of h rows of w numbers. */
typedef struct augment_image {
    int64_t planes, h, w;
    float *at, *spare; /* the image now; as much room again */
} augment_image;

static double augment_between(const nnrt_augment_draw *d, int i, double low, double high)
{
    return low + (high - low) * nnrt_augment_uniform(d, i);
}

static void augment_swap(augment_image *m)
{
    float *kept = m->at;
    m->at = m->spare;
    m->spare = kept;
}

/* --- rotate, scale, translate, shear: one map ------------------------------------------------- */

/* The way back through one transform. */
static nnrt_augment_map augment_back(const nnrt_augment *t, const nnrt_augment_draw *d,
                                     const nnrt_value *v)
{
    const double degree = 3.14159265358979323846 / 180;
    nnrt_augment_map back = {1, 0, 0, 0, 1, 0};
    double drawn = augment_between(d, 0, t->low, t->high);
    switch (t->kind) {
    case NNRT_AUGMENT_ROTATE:
        back.xx = back.yy = cos(drawn * degree);
        back.yx = sin(drawn * degree);
        back.xy = -back.yx;
        break;
    case NNRT_AUGMENT_SCALE: back.xx = back.yy = 1 / drawn; break;
    case NNRT_AUGMENT_TRANSLATE:
        back.x0 = -drawn * (double)v->dim[v->rank - 1];
        back.y0 = -augment_between(d, 1, t->low, t->high) * (double)v->dim[v->rank - 2];
        break;
    default: back.xy = -tan(drawn * degree);
    }
    return back;
}

/* First `back`, then `m`. */
static nnrt_augment_map augment_compose(const nnrt_augment_map *m, const nnrt_augment_map *back)
{
    return (nnrt_augment_map){
        .xx = m->xx * back->xx + m->xy * back->yx,
        .xy = m->xx * back->xy + m->xy * back->yy,
        .x0 = m->xx * back->x0 + m->xy * back->y0 + m->x0,
        .yx = m->yx * back->xx + m->yy * back->yx,
        .yy = m->yx * back->xy + m->yy * back->yy,
        .y0 = m->yx * back->x0 + m->yy * back->y0 + m->y0,
    };
}

/* One axis of a bilinear sample: two places and their weights, 0 for what lies outside. */
typedef struct augment_tap {
    int64_t at[2];
    float weight[2];
} augment_tap;

/* The taps around `place`, which is above -1 and below n. */
static augment_tap augment_taps(float place, int64_t n)
{
    int64_t low = (int64_t)place;
    low -= place < (float)low; /* rounded down */
    float share = place - (float)low;
    augment_tap t = {{low, low + 1}, {1 - share, share}};
    if (low < 0)
        t.at[0] = 0, t.weight[0] = 0;
    if (low + 1 >= n)
        t.at[1] = n - 1, t.weight[1] = 0;
    return t;
}

/* Pixel (x, y), bilinearly between its four neighbours, of each plane. */
static inline void augment_pixel(const augment_image *m, float x, float y, float *out)
{
    int64_t plane = m->h * m->w;
    augment_tap tx = augment_taps(x, m->w), ty = augment_taps(y, m->h);
    for (int64_t p = 0; p < m->planes; p++) {
        const float *upper = m->at + p * plane + ty.at[0] * m->w;
        const float *lower = m->at + p * plane + ty.at[1] * m->w;
        float a = tx.weight[0] * upper[tx.at[0]] + tx.weight[1] * upper[tx.at[1]];
        float b = tx.weight[0] * lower[tx.at[0]] + tx.weight[1] * lower[tx.at[1]];
        out[p * plane] = ty.weight[0] * a + ty.weight[1] * b;
    }
}

/* Row Y of the result, which begins at number `to` of each plane. */
static void augment_sample_row(const augment_image *m, const nnrt_augment_map *map, int64_t Y,
                               int64_t to)
{
    double cx = (double)(m->w - 1) / 2, cy = (double)(m->h - 1) / 2, dy = (double)Y - cy;
    float x_step = (float)map->xx, x_first = (float)(map->xy * dy + map->x0 + (cx - map->xx * cx));
    float y_step = (float)map->yx, y_first = (float)((map->yy * dy + cy) + map->y0 - map->yx * cx);
    float w = (float)m->w, h = (float)m->h;
    int64_t plane = m->h * m->w;
    for (int64_t X = 0; X < m->w; X++) {
        float x = x_step * (float)X + x_first, y = y_step * (float)X + y_first;
        float *out = m->spare + to + X;
        if (!(x > -1 && x < w && y > -1 && y < h)) {
            for (int64_t p = 0; p < m->planes; p++)
                out[p * plane] = 0;
            continue;
        }
        augment_pixel(m, x, y, out);
    }
}

static void augment_sample(augment_image *m, const nnrt_augment_map *map)
{
    for (int64_t Y = 0; Y < m->h; Y++)
        augment_sample_row(m, map, Y, Y * m->w);
    augment_swap(m);
}

/* Each pixel from where the field says, the image's edge going on outside it. `room`: of a field. */
static void augment_elastic(augment_image *m, const nnrt_augment *t, const nnrt_augment_draw *d,
                            float *room)
{
    int64_t plane = m->h * m->w;
    nnrt_elastic_field(t, d, m->h, m->w, room);
    for (int64_t i = 0; i < plane; i++) {
        float x = (float)(i % m->w) + room[i], y = (float)(i / m->w) + room[plane + i];
        float right = (float)(m->w - 1), bottom = (float)(m->h - 1);
        x = x < 0 ? 0 : x > right ? right : x;
        y = y < 0 ? 0 : y > bottom ? bottom : y;
        augment_pixel(m, x, y, m->spare + i);
    }
    augment_swap(m);
}

/* --- crop, flip, cutout ----------------------------------------------------------------------- */

/* Moves the image by a whole number of pixels, up to `pad` each way; what comes in is 0. */
static void augment_crop(augment_image *m, int64_t pad, const nnrt_augment_draw *d)
{
    int64_t dy = nnrt_augment_below(d, 0, 2 * pad + 1) - pad,
            dx = nnrt_augment_below(d, 1, 2 * pad + 1) - pad;
    int64_t from = dx > 0 ? dx : 0, to = dx < 0 ? -dx : 0, n = m->w - from - to;
    if (dy == 0 && dx == 0)
        return;
    memset(m->spare, 0, (size_t)(m->planes * m->h * m->w) * sizeof *m->spare);
    for (int64_t p = 0; p < m->planes; p++)
        for (int64_t y = 0; y < m->h; y++) {
            if (y + dy < 0 || y + dy >= m->h || n < 1)
                continue;
            const float *row = m->at + (p * m->h + y + dy) * m->w;
            memcpy(m->spare + (p * m->h + y) * m->w + to, row + from, (size_t)n * sizeof *row);
        }
    augment_swap(m);
}

/* Left to right, in place. */
static void augment_mirror(const augment_image *m)
{
    for (int64_t y = 0; y < m->planes * m->h; y++) {
        float *row = m->at + y * m->w;
        for (int64_t i = 0, j = m->w - 1; i < j; i++, j--) {
            float kept = row[i];
            row[i] = row[j];
            row[j] = kept;
        }
    }
}

/* Upside down. */
static void augment_turn_over(augment_image *m)
{
    for (int64_t p = 0; p < m->planes; p++)
        for (int64_t y = 0; y < m->h; y++)
            memcpy(m->spare + (p * m->h + y) * m->w, m->at + (p * m->h + m->h - 1 - y) * m->w,
                   (size_t)m->w * sizeof *m->at);
    augment_swap(m);
}

/* The part of centre - side / 2 .. + side that lies in 0 .. n. */
static void augment_span(int64_t centre, int64_t side, int64_t n, int64_t *first, int64_t *end)
{
    *first = centre - side / 2;
    *end = *first + side < n ? *first + side : n;
    *first = *first > 0 ? *first : 0;
}

static void augment_cutout(const augment_image *m, const nnrt_augment *t,
                           const nnrt_augment_draw *d)
{
    int64_t y0, y1, x0, x1, side = (int64_t)t->high;
    augment_span(nnrt_augment_below(d, 0, m->h), side, m->h, &y0, &y1);
    augment_span(nnrt_augment_below(d, 1, m->w), side, m->w, &x0, &x1);
    for (int64_t p = 0; p < m->planes; p++) {
        float fill = t->n_fill ? t->fill[t->n_fill > 1 ? p : 0] : 0;
        for (int64_t y = y0; y < y1; y++)
            for (int64_t x = x0; x < x1; x++)
                m->at[(p * m->h + y) * m->w + x] = fill;
    }
}

/* Rows, or columns, of all planes: as many as a number drawn of 0 .. high, wherever they fit. */
static void augment_mask(const augment_image *m, const nnrt_augment *t, const nnrt_augment_draw *d)
{
    int rows = t->kind == NNRT_AUGMENT_TIME_MASK;
    int64_t n = rows ? m->h : m->w, width = nnrt_augment_below(d, 0, (int64_t)t->high + 1);
    int64_t first = nnrt_augment_below(d, 1, n - width + 1);
    for (int64_t p = 0; p < m->planes; p++) {
        float fill = t->n_fill ? t->fill[t->n_fill > 1 ? p : 0] : 0;
        for (int64_t y = rows ? first : 0; y < (rows ? first + width : m->h); y++)
            for (int64_t x = rows ? 0 : first; x < (rows ? m->w : first + width); x++)
                m->at[(p * m->h + y) * m->w + x] = fill;
    }
}

/* --- brightness, contrast, noise -------------------------------------------------------------- */

static int64_t augment_count(const augment_image *m)
{
    return m->planes * m->h * m->w;
}

/* (x - about) * factor + about */
static void augment_stretch(const augment_image *m, double factor, double about)
{
    float f = (float)factor, a = (float)about;
    int64_t n = f == 1 ? 0 : augment_count(m); /* by 1: to the bit as it was */
    for (int64_t i = 0; i < n; i++)
        m->at[i] = (m->at[i] - a) * f + a;
}

static double augment_mean(const augment_image *m)
{
    double sum = 0;
    int64_t n = augment_count(m);
    for (int64_t i = 0; i < n; i++)
        sum += (double)m->at[i];
    return sum / (double)n;
}

static void augment_noise(const augment_image *m, double deviation, const nnrt_augment_draw *d)
{
    float s = (float)deviation;
    int64_t n = augment_count(m);
    uint64_t first = d->row * (uint64_t)n;
    for (int64_t i = 0; i < n; i++)
        m->at[i] += s * nnrt_rand_normal(d->key, first + (uint64_t)i);
}

/* --- one sample ------------------------------------------------------------------------------- */

nnrt_augment_draw nnrt_augment_draw_of(const nnrt_augment_job *b, int transform, int64_t row)
{
    uint32_t stream = AUGMENT_STREAM + b->input_index * AUGMENT_MOST + (uint32_t)transform;
    return (nnrt_augment_draw){nnrt_rand_key_of(b->seed, b->epoch, stream), (uint64_t)row};
}

int nnrt_augment_group(const nnrt_augment_job *b, int i, int64_t row, nnrt_augment_map *map)
{
    const nnrt_value *v = b->input;
    *map = (nnrt_augment_map){1, 0, 0, 0, 1, 0};
    for (; i < v->n_augment && nnrt_augment_is_affine(v->augment[i].kind); i++) {
        nnrt_augment_draw d = nnrt_augment_draw_of(b, i, row);
        nnrt_augment_map back = augment_back(&v->augment[i], &d, v);
        *map = augment_compose(map, &back);
    }
    return i;
}

static void augment_apply(augment_image *m, const nnrt_augment *t, const nnrt_augment_draw *d)
{
    switch (t->kind) {
    case NNRT_AUGMENT_CROP: augment_crop(m, (int64_t)t->high, d); break;
    case NNRT_AUGMENT_FLIP:
        if (nnrt_augment_uniform(d, 0) < t->high)
            augment_mirror(m);
        break;
    case NNRT_AUGMENT_FLIP_VERTICAL:
        if (nnrt_augment_uniform(d, 0) < t->high)
            augment_turn_over(m);
        break;
    case NNRT_AUGMENT_BRIGHTNESS:
        augment_stretch(m, augment_between(d, 0, t->low, t->high), 0);
        break;
    case NNRT_AUGMENT_CONTRAST:
        augment_stretch(m, augment_between(d, 0, t->low, t->high), augment_mean(m));
        break;
    case NNRT_AUGMENT_NOISE: augment_noise(m, t->high, d); break;
    case NNRT_AUGMENT_CUTOUT: augment_cutout(m, t, d); break;
    case NNRT_AUGMENT_TIME_MASK:
    case NNRT_AUGMENT_FREQ_MASK: augment_mask(m, t, d); break;
    default: break; /* affine: augment_affine's */
    }
}

/* A byte: rounded, and kept in range. */
static uint8_t augment_byte(float value)
{
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)lroundf(value);
}

/* Changes one image in the batch's buffer; `room`: twice its numbers, and then what more is needed. */
static void augment_one(const nnrt_augment_job *b, int64_t row, void *image, float *room)
{
    const nnrt_value *v = b->input;
    size_t count = (size_t)v->count;
    int bytes = v->dtype == NNRT_U8;
    float *more = room + 2 * count;
    augment_image m = {v->rank == 3 ? v->dim[0] : 1, v->dim[v->rank - 2], v->dim[v->rank - 1],
                       bytes ? room + count : image, room};
    for (size_t i = 0; bytes && i < count; i++)
        m.at[i] = ((const uint8_t *)image)[i];
    for (int i = 0; i < v->n_augment;) {
        if (nnrt_augment_is_affine(v->augment[i].kind)) {
            nnrt_augment_map map;
            i = nnrt_augment_group(b, i, row, &map);
            augment_sample(&m, &map);
            continue;
        }
        nnrt_augment_draw d = nnrt_augment_draw_of(b, i, row);
        if (v->augment[i].kind == NNRT_AUGMENT_ELASTIC)
            augment_elastic(&m, &v->augment[i], &d, more);
        else
            augment_apply(&m, &v->augment[i], &d);
        i++;
    }
    if (!bytes && m.at != image)
        memcpy(image, m.at, count * sizeof *m.at);
    for (size_t i = 0; bytes && i < count; i++)
        ((uint8_t *)image)[i] = augment_byte(m.at[i]);
}

/* --- batches ---------------------------------------------------------------------------------- */

int nnrt_augment_open(nnrt_augmenter *a, const nnrt_model *model, int threads, nnrt_fault *fault)
{
    size_t size;
    *a = (nnrt_augmenter){.model = model, .threads = threads > 1 ? threads : 1};
    for (int k = 0; k < model->n_inputs; k++) {
        const nnrt_value *v = &model->inputs[k];
        size_t room = 2 * (size_t)v->count;
        if (!v->n_augment)
            continue;
        room += nnrt_along_room(v->dim[v->rank - 2], v->dim[v->rank - 1]);
        a->room = room > a->room ? room : a->room;
    }
    if (!a->room)
        return NNRT_OK;
    if (!__builtin_mul_overflow(a->room * sizeof *a->scratch, (size_t)a->threads, &size))
        a->scratch = malloc(size);
    return a->scratch ? NNRT_OK : nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for augmentation");
}

void nnrt_augment_close(nnrt_augmenter *a)
{
    free(a->scratch);
    a->scratch = NULL;
}

/* The image of a sample, and what goes along with it. in[k] holds sample i at place i. */
static void augment_all(const nnrt_augmenter *a, const nnrt_augment_job *b, int64_t row, int i,
                        float *room, void *const *in)
{
    const nnrt_model *m = a->model;
    unsigned char *image = in[b->input_index];
    augment_one(b, row, image + nnrt_feed_bytes(b->input, i), room);
    for (int k = 0; k < m->n_inputs; k++)
        if (m->inputs[k].along == (int)b->input_index + 1)
            nnrt_along(b, &m->inputs[k], row,
                       (unsigned char *)in[k] + nnrt_feed_bytes(&m->inputs[k], i), room);
}

static void augment_share(const nnrt_augmenter *a, const nnrt_augment_job *b, const int64_t *rows,
                          int n, void *const *in)
{
#ifdef _OPENMP
#pragma omp parallel num_threads(a->threads) if (n * b->input->count >= AUGMENT_SHARE)
    {
        float *room = a->scratch + (size_t)omp_get_thread_num() * a->room;
#pragma omp for schedule(static)
        for (int i = 0; i < n; i++)
            augment_all(a, b, rows[i], i, room, in);
    }
#else
    for (int i = 0; i < n; i++)
        augment_all(a, b, rows[i], i, a->scratch, in);
#endif
}

void nnrt_augment_batch(const nnrt_augmenter *a, uint64_t seed, int64_t epoch, const int64_t *rows,
                        int n, void *const *in)
{
    for (int k = 0; k < a->model->n_inputs; k++) {
        nnrt_augment_job b = {&a->model->inputs[k], (uint32_t)k, seed, (uint64_t)epoch};
        if (b.input->n_augment)
            augment_share(a, &b, rows, n, in);
    }
}

void nnrt_augment_sample(const nnrt_augmenter *a, int thread, uint64_t seed, int64_t epoch,
                         int64_t row, void *const *in)
{
    for (int k = 0; k < a->model->n_inputs; k++) {
        nnrt_augment_job b = {&a->model->inputs[k], (uint32_t)k, seed, (uint64_t)epoch};
        if (b.input->n_augment)
            augment_all(a, &b, row, 0, a->scratch + (size_t)thread * a->room, in);
    }
}
