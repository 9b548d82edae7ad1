/* SPDX-License-Identifier: MIT */
/* nnrt_png.c: PNG through libpng. Without it (NNRT_PNG is not defined) such images are refused by
 * name. */
#ifdef NNRT_PNG
#include <png.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "nnrt_photo.h"

#ifdef NNRT_PNG

/* A file in memory, and what is said of it. */
typedef struct png_work {
    const char *name;
    const unsigned char *bytes;
    size_t size, at;
    const nnrt_photo_want *want;
    nnrt_photo *out;
    nnrt_fault *fault;
    unsigned char **rows;
    int status;
} png_work;

static void png_on_error(png_structp png, png_const_charp what)
{
    png_work *w = png_get_error_ptr(png);
    if (!w->status) /* else said already */
        w->status =
            nnrt_fail(w->fault, NNRT_BAD_CONTENT, "%s: a broken PNG image: %s", w->name, what);
    png_longjmp(png, 1);
}

static void png_on_warning(png_structp png, png_const_charp what)
{
    (void)png, (void)what;
}

static void png_on_read(png_structp png, png_bytep to, size_t n)
{
    png_work *w = png_get_io_ptr(png);
    if (n > w->size - w->at)
        png_error(png, "it ends too early");
    memcpy(to, w->bytes + w->at, n);
    w->at += n;
}

/* What libpng makes of the file's pixels: 8 bits a number, grey or colour, no alpha. */
static void png_transforms(png_structp png, png_infop info, const png_work *w)
{
    int type = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
    if (depth == 16)
        png_set_scale_16(png);
    if (w->want->classes) { /* a class is the number that is stored */
        if (depth < 8)
            png_set_packing(png);
    } else {
        if (type == PNG_COLOR_TYPE_PALETTE)
            png_set_palette_to_rgb(png);
        if (type == PNG_COLOR_TYPE_GRAY && depth < 8)
            png_set_expand_gray_1_2_4_to_8(png);
    }
    if (type & PNG_COLOR_MASK_ALPHA)
        png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
}

/* Within libpng's long jump: all that it leaves to free is in *w. */
static void png_pixels(png_structp png, png_infop info, png_work *w)
{
    png_read_info(png, info);
    int64_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    png_transforms(png, info, w);
    int channels = png_get_channels(png, info);
    if (w->want->classes && channels != 1) {
        w->status =
            nnrt_fail(w->fault, NNRT_BAD_CONTENT,
                      "%s: a mask says classes in grey or as colours of a palette, and this "
                      "has %d numbers a pixel",
                      w->name, channels);
        png_longjmp(png, 1);
    }
    w->status = nnrt_photo_make(w->name, w->size, width, height, channels, w->out, w->fault);
    w->rows = w->status ? NULL : malloc((size_t)height * sizeof *w->rows);
    if (!w->status && !w->rows)
        w->status = nnrt_fail(w->fault, NNRT_NO_MEMORY, "%s: no memory for its rows", w->name);
    if (w->status || png_get_rowbytes(png, info) != (size_t)width * (size_t)channels)
        png_error(png, "rows of an unknown form");
    for (int64_t y = 0; y < height; y++)
        w->rows[y] = w->out->at + y * width * channels;
    png_read_image(png, w->rows);
    png_read_end(png, NULL);
}

/* Grey of colour, as ITU-R BT.601 has it, in integers as PIL does; or the other way. In place, or anew. */
static int png_planes(png_work *w)
{
    nnrt_photo *p = w->out;
    size_t n = (size_t)(p->w * p->h);
    if (p->planes == w->want->planes)
        return NNRT_OK;
    if (w->want->planes == 1) {
        for (size_t i = 0; i < n; i++) {
            const unsigned char *c = p->at + 3 * i;
            p->at[i] =
                (unsigned char)((c[0] * 19595u + c[1] * 38470u + c[2] * 7471u + 0x8000) >> 16);
        }
        p->planes = 1;
        return NNRT_OK;
    }
    unsigned char *wide = malloc(3 * n);
    if (!wide)
        return nnrt_fail(w->fault, NNRT_NO_MEMORY, "%s: no memory for its pixels", w->name);
    for (size_t i = 0; i < 3 * n; i++)
        wide[i] = p->at[i / 3];
    free(p->at);
    p->at = wide;
    p->planes = 3;
    return NNRT_OK;
}

int nnrt_png_parse(const char *name, const unsigned char *bytes, size_t size,
                   const nnrt_photo_want *want, nnrt_photo *out, nnrt_fault *fault)
{
    png_work w = {name, bytes, size, 0, want, out, fault, NULL, NNRT_OK};
    *out = (nnrt_photo){0};
    png_structp png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, &w, png_on_error, png_on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_read_struct(&png, NULL, NULL);
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to read it", name);
    }
    if (!setjmp(png_jmpbuf(png))) {
        png_set_read_fn(png, &w, png_on_read);
        png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
        png_pixels(png, info, &w);
    }
    png_destroy_read_struct(&png, &info, NULL);
    free(w.rows);
    int status = w.status ? w.status : png_planes(&w);
    if (status)
        nnrt_photo_free(out);
    return status;
}

#else

int nnrt_png_parse(const char *name, const unsigned char *bytes, size_t size,
                   const nnrt_photo_want *want, nnrt_photo *out, nnrt_fault *fault)
{
    (void)bytes, (void)size, (void)want;
    *out = (nnrt_photo){0};
    return nnrt_fail(fault, NNRT_BAD_CALL,
                     "%s: a PNG image, and this program was built without libpng, which reads them",
                     name);
}

#endif
