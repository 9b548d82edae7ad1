/* SPDX-License-Identifier: MIT */
/* nnrt_photo.h: image files to samples; private to the runtime. */
#ifndef NNRT_PHOTO_H
#define NNRT_PHOTO_H

#include "nnrt_data.h"

/* h rows of w pixels of `planes` bytes each: 1: grey, or a class; 3: red, green, blue. */
typedef struct nnrt_photo {
    int64_t w, h;
    int planes;
    unsigned char *at; /* owned */
} nnrt_photo;

/* What is wanted of a file: 1 or 3 planes; `classes`: what a mask says, which is the number of a palette's colour
 * where there is one; an image may be read at half, a quarter or an eighth of its size if that is least_w by
 * least_h or more (0: at its own). */
typedef struct nnrt_photo_want {
    int planes, classes;
    int64_t least_w, least_h;
} nnrt_photo_want;

/* --- nnrt_png.c, nnrt_jpeg.c: the files that call libpng and libjpeg -------------------------- */

/* The bytes of a file, all of which must be there: 8 bits a number (16 are rounded to 8), alpha left out, grey from
 * colour as ITU-R BT.601 has it. */
int nnrt_png_parse(const char *name, const unsigned char *bytes, size_t size,
                   const nnrt_photo_want *, nnrt_photo *out, nnrt_fault *);
/* The same; sequential or progressive, orientation as stored: EXIF is not looked at. No classes: its numbers are not
 * exact. */
int nnrt_jpeg_parse(const char *name, const unsigned char *bytes, size_t size,
                    const nnrt_photo_want *, nnrt_photo *out, nnrt_fault *);

/* --- nnrt_photo.c --------------------------------------------------------------------------- */

/* Room for w by h pixels of an image that came in `size` bytes: far more than these can hold are refused. */
int nnrt_photo_make(const char *name, size_t size, int64_t w, int64_t h, int planes,
                    nnrt_photo *out, nnrt_fault *);
void nnrt_photo_free(nnrt_photo *);
/* The pattern with a text of n bytes in the place of its {}; without a pattern the text. From the heap; NULL: no
 * memory. */
char *nnrt_photo_path(const char *pattern, const char *text, size_t n);
/* By what it begins with. */
int nnrt_photo_parse(const char *name, const unsigned char *bytes, size_t size,
                     const nnrt_photo_want *, nnrt_photo *out, nnrt_fault *);
int nnrt_photo_read(const char *path, const nnrt_photo_want *, nnrt_photo *out, nnrt_fault *);
/* The size of an image, from the head of its file alone. */
int nnrt_photo_size(const char *path, int64_t *w, int64_t *h, nnrt_fault *);
/* Where an image of n pixels an axis lies in an input of `to`: pixel x of the image (its left edge) is at
 * x * scale + offset. `other_n`, `other_to`: of the other axis, which crop and pad look at as well. */
void nnrt_photo_place(nnrt_resize, int64_t n, int64_t to, int64_t other_n, int64_t other_to,
                      double *scale, double *offset);
/* The image as an input of [planes, h, w]: bilinear, each number made of all the pixels that it covers where the image
 * is larger (antialiased, as PIL and torchvision do it), then rounded; around it 0. NNRT_NO_MEMORY. */
int nnrt_photo_fit(const nnrt_photo *, nnrt_resize, int64_t h, int64_t w, unsigned char *out);
/* The same of a mask: the class of the nearest pixel, `outside` around it. */
void nnrt_photo_fit_mask(const nnrt_photo *, nnrt_resize, int64_t h, int64_t w, int32_t outside,
                         int32_t *out);

/* --- nnrt_rects.c --------------------------------------------------------------------------- */

/* What boxes of a list's images are read with. */
typedef struct nnrt_rects {
    const nnrt_read *read;
    const nnrt_source *source;
    const nnrt_value *image; /* the input that the images feed */
    int64_t rows;            /* images */
    const nnrt_span *keys;   /* what the list says of each: its name in the table of boxes */
    char *const *paths;      /* of their files */
    int64_t (*sizes)[2];     /* w and h in pixels; 0: not known yet */
    /* Notes that what the fault says is wrong with an image's boxes: 0, or the status that ends the reading. */
    int (*wrong)(void *own, int64_t row, int status);
    void *own;
} nnrt_rects;

/* Fills the column of `input`, f32 of [M, 5]: class, x0, y0, x1, y1 in the image's pixels as it is resized, class -1:
 * no box. Boxes of other images are passed over. */
int nnrt_rects_read(const nnrt_rects *, const nnrt_column *, int input);

#endif
