/* SPDX-License-Identifier: MIT */
/* nnrt_photo.c: images of files to the size of an input. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_photo.h"

/* Deflate packs a byte in 1/1032 at best, and a JPEG image of one colour takes a bit or two a block. */
enum { PHOTO_RATIO = 2000, PHOTO_FREE = 1 << 20, PHOTO_SIDE = 1 << 20 };

void nnrt_photo_free(nnrt_photo *p)
{
    free(p->at);
    *p = (nnrt_photo){0};
}

int nnrt_photo_make(const char *name, size_t size, int64_t w, int64_t h, int planes,
                    nnrt_photo *out, nnrt_fault *fault)
{
    *out = (nnrt_photo){w, h, planes, NULL};
    if (w < 1 || h < 1 || w > PHOTO_SIDE || h > PHOTO_SIDE)
        return nnrt_fail(fault, NNRT_BAD_CONTENT, "%s: an image of %lld x %lld pixels", name,
                         (long long)w, (long long)h);
    size_t bytes = (size_t)w * (size_t)h * (size_t)planes;
    if (bytes / PHOTO_RATIO > size + PHOTO_FREE / PHOTO_RATIO)
        return nnrt_fail(fault, NNRT_BAD_CONTENT,
                         "%s: %lld x %lld pixels in a file of %zu bytes, which cannot hold them",
                         name, (long long)w, (long long)h, size);
    out->at = malloc(bytes);
    if (!out->at)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory for its %lld x %lld pixels", name,
                         (long long)w, (long long)h);
    return NNRT_OK;
}

/* --- files ------------------------------------------------------------------------------------ */

static int photo_is_png(const unsigned char *bytes, size_t size)
{
    return size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static int photo_is_jpeg(const unsigned char *bytes, size_t size)
{
    return size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

static int photo_unknown(const char *name, nnrt_fault *fault)
{
    return nnrt_fail(fault, NNRT_BAD_CONTENT, "%s: expected a PNG or JPEG image, found neither",
                     name);
}

char *nnrt_photo_path(const char *pattern, const char *text, size_t n)
{
    const char *hole = pattern ? strstr(pattern, "{}") : NULL;
    nnrt_buffer out = {0};
    if (!hole)
        return strndup(text, n);
    nnrt_buffer_put(&out, pattern, (size_t)(hole - pattern));
    nnrt_buffer_put(&out, text, n);
    nnrt_buffer_put(&out, hole + 2, strlen(hole + 2) + 1);
    if (out.failed)
        nnrt_buffer_free(&out);
    return out.at;
}

int nnrt_photo_parse(const char *name, const unsigned char *bytes, size_t size,
                     const nnrt_photo_want *want, nnrt_photo *out, nnrt_fault *fault)
{
    *out = (nnrt_photo){0};
    if (photo_is_png(bytes, size))
        return nnrt_png_parse(name, bytes, size, want, out, fault);
    if (photo_is_jpeg(bytes, size))
        return nnrt_jpeg_parse(name, bytes, size, want, out, fault);
    return photo_unknown(name, fault);
}

int nnrt_photo_read(const char *path, const nnrt_photo_want *want, nnrt_photo *out,
                    nnrt_fault *fault)
{
    nnrt_bytes bytes;
    *out = (nnrt_photo){0};
    int status = nnrt_file_raw(path, &bytes, fault);
    if (status)
        return status;
    status = nnrt_photo_parse(path, bytes.at, bytes.size, want, out, fault);
    nnrt_bytes_free(&bytes);
    return status;
}

static int64_t photo_number(const unsigned char *at, int n)
{
    int64_t value = 0;
    for (int i = 0; i < n; i++)
        value = value << 8 | at[i];
    return value;
}

/* Walks the segments of a JPEG file up to the one that begins a frame. 1: found. */
static int photo_jpeg_size(FILE *f, int64_t *w, int64_t *h)
{
    unsigned char at[9];
    if (fseek(f, 2, SEEK_SET))
        return 0;
    for (;;) {
        int c = fgetc(f);
        while (c != EOF && c != 0xFF)
            c = fgetc(f);
        while (c == 0xFF)
            c = fgetc(f);
        if (c == EOF || fread(at, 1, 2, f) != 2)
            return 0;
        int frame = c >= 0xC0 && c <= 0xCF && c != 0xC4 && c != 0xC8 && c != 0xCC;
        if (frame) {
            if (fread(at + 2, 1, 5, f) != 5)
                return 0;
            *h = photo_number(at + 3, 2);
            *w = photo_number(at + 5, 2);
            return 1;
        }
        if (c == 0xD9 || c == 0xDA || fseek(f, (long)photo_number(at, 2) - 2, SEEK_CUR))
            return 0;
    }
}

int nnrt_photo_size(const char *path, int64_t *w, int64_t *h, nnrt_fault *fault)
{
    unsigned char head[24];
    FILE *f = fopen(path, "rbe");
    if (!f)
        return nnrt_fail(fault, NNRT_BAD_FILE, "%s: cannot open: %s", path, strerror(errno));
    size_t n = fread(head, 1, sizeof head, f);
    int status = NNRT_OK, png = photo_is_png(head, n), found = png && n == sizeof head;
    if (ferror(f)) {
        status = nnrt_fail(fault, NNRT_BAD_FILE, "%s: cannot read: %s", path, strerror(errno));
    } else if (found) {
        *w = photo_number(head + 16, 4);
        *h = photo_number(head + 20, 4);
    } else if (!png && !photo_is_jpeg(head, n)) {
        status = photo_unknown(path, fault);
    } else if (png || !photo_jpeg_size(f, w, h)) {
        status = nnrt_fail(fault, NNRT_BAD_CONTENT,
                           "%s: a broken %s image: it ends before its size is said", path,
                           png ? "PNG" : "JPEG");
    }
    fclose(f);
    return status;
}

/* --- size ------------------------------------------------------------------------------------- */

void nnrt_photo_place(nnrt_resize how, int64_t n, int64_t to, int64_t other_n, int64_t other_to,
                      double *scale, double *offset)
{
    double own = (double)to / (double)n, other = (double)other_to / (double)other_n;
    *scale = own;
    if ((how == NNRT_RESIZE_CROP && other > own) || (how == NNRT_RESIZE_PAD && other < own))
        *scale = other;
    /* the image as it becomes, in whole pixels, and what of that is cut off or added on the left */
    double whole = *scale == own ? (double)to : floor((double)n * *scale + 0.5);
    whole = whole < 1 ? 1 : whole;
    *scale = whole / (double)n;
    *offset = floor(((double)to - whole) / 2);
}

/* What one number of an axis is made of: the pixels from `first` on, n of them. */
typedef struct photo_tap {
    int64_t first;
    int n; /* 0: it lies outside */
} photo_tap;

typedef struct photo_axis {
    photo_tap *taps; /* one a number */
    float *weights;  /* `most` a number */
    int most;
} photo_axis;

static void photo_axis_free(photo_axis *a)
{
    free(a->taps);
    free(a->weights);
}

/* The triangle filter, as wide as a pixel of the larger of the two sizes. 0, or -1: no memory. */
static int photo_axis_make(photo_axis *a, nnrt_resize how, int64_t n, int64_t to, int64_t other_n,
                           int64_t other_to)
{
    double scale, offset;
    nnrt_photo_place(how, n, to, other_n, other_to, &scale, &offset);
    double wide = scale < 1 ? 1 / scale : 1, end = (double)n * scale;
    a->most = (int)ceil(wide) * 2 + 1;
    a->taps = malloc((size_t)to * sizeof *a->taps);
    a->weights = calloc((size_t)to * (size_t)a->most, sizeof *a->weights);
    if (!a->taps || !a->weights)
        return -1;
    for (int64_t i = 0; i < to; i++) {
        double at = (double)i - offset, centre = (at + 0.5) / scale, sum = 0;
        float *weight = a->weights + i * a->most;
        photo_tap *t = &a->taps[i];
        *t = (photo_tap){0, 0};
        if (at < 0 || at + 0.5 > end)
            continue;
        int64_t first = (int64_t)floor(centre - wide + 0.5),
                last = (int64_t)floor(centre + wide + 0.5);
        first = first < 0 ? 0 : first;
        last = last > n ? n : last;
        t->first = first;
        t->n = (int)(last - first < a->most ? last - first : a->most);
        for (int k = 0; k < t->n; k++) {
            double d = fabs(((double)(first + k) + 0.5 - centre) / wide);
            weight[k] = d < 1 ? (float)(1 - d) : 0;
            sum += (double)weight[k];
        }
        for (int k = 0; k < t->n; k++)
            weight[k] = (float)((double)weight[k] / sum);
    }
    return 0;
}

/* The columns of one row: out[w, planes]. */
static void photo_row(const nnrt_photo *p, const photo_axis *x, int64_t w, int64_t row, float *out)
{
    const unsigned char *from = p->at + row * p->w * p->planes;
    for (int64_t i = 0; i < w; i++) {
        const photo_tap *t = &x->taps[i];
        const float *weight = x->weights + i * x->most;
        for (int c = 0; c < p->planes; c++) {
            float sum = 0;
            for (int k = 0; k < t->n; k++)
                sum += weight[k] * (float)from[(t->first + k) * p->planes + c];
            out[i * p->planes + c] = sum;
        }
    }
}

static unsigned char photo_byte(float value)
{
    return value <= 0 ? 0 : value >= 255 ? 255 : (unsigned char)(value + 0.5f);
}

/* The image at its own size: its planes apart. */
static void photo_apart(const nnrt_photo *p, unsigned char *out)
{
    int64_t n = p->w * p->h;
    if (p->planes == 1) {
        memcpy(out, p->at, (size_t)n);
        return;
    }
    for (int c = 0; c < p->planes; c++)
        for (int64_t i = 0; i < n; i++)
            out[c * n + i] = p->at[i * p->planes + c];
}

int nnrt_photo_fit(const nnrt_photo *p, nnrt_resize how, int64_t h, int64_t w, unsigned char *out)
{
    if (p->w == w && p->h == h) {
        photo_apart(p, out);
        return NNRT_OK;
    }
    photo_axis x = {0}, y = {0};
    size_t width = (size_t)w * (size_t)p->planes;
    float *rows = malloc((size_t)p->h * width * sizeof *rows);
    int status = rows && !photo_axis_make(&x, how, p->w, w, p->h, h) &&
                         !photo_axis_make(&y, how, p->h, h, p->w, w)
                     ? NNRT_OK
                     : NNRT_NO_MEMORY;
    for (int64_t i = 0; i < p->h && !status; i++)
        photo_row(p, &x, w, i, rows + (size_t)i * width);
    for (int64_t i = 0; i < h && !status; i++) {
        const photo_tap *t = &y.taps[i];
        const float *weight = y.weights + i * y.most;
        for (int64_t k = 0; k < (int64_t)width; k++) {
            float sum = 0;
            for (int j = 0; j < t->n; j++)
                sum += weight[j] * rows[(size_t)(t->first + j) * width + (size_t)k];
            out[(k % p->planes * h + i) * w + k / p->planes] = photo_byte(sum);
        }
    }
    photo_axis_free(&x);
    photo_axis_free(&y);
    free(rows);
    return status;
}

void nnrt_photo_fit_mask(const nnrt_photo *p, nnrt_resize how, int64_t h, int64_t w,
                         int32_t outside, int32_t *out)
{
    double sx, ox, sy, oy;
    nnrt_photo_place(how, p->w, w, p->h, h, &sx, &ox);
    nnrt_photo_place(how, p->h, h, p->w, w, &sy, &oy);
    for (int64_t i = 0; i < h; i++)
        for (int64_t k = 0; k < w; k++) {
            double x = ((double)k + 0.5 - ox) / sx, y = ((double)i + 0.5 - oy) / sy;
            int in = x >= 0 && y >= 0 && x < (double)p->w && y < (double)p->h;
            out[i * w + k] = in ? p->at[(int64_t)y * p->w + (int64_t)x] : outside;
        }
}
