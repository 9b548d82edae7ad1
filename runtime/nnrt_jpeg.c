/* SPDX-License-Identifier: MIT */
/* nnrt_jpeg.c: JPEG through libjpeg. Without it (NNRT_JPEG is not defined) such images are refused
 * by name. */
#include <stdio.h>
#include <stdlib.h>
#ifdef NNRT_JPEG
#include <jpeglib.h>

#include <jerror.h>
#include <setjmp.h>
#endif

#include "nnrt_photo.h"

#ifdef NNRT_JPEG

enum { JPEG_SCANS_MOST = 500 }; /* of a progressive image; encoders write about ten */

/* libjpeg's manager first, so that its pointer is one of these. */
typedef struct jpeg_work {
    struct jpeg_error_mgr manager;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    const char *name;
    nnrt_fault *fault;
    nnrt_photo *out;
    int status;
} jpeg_work;

static void jpeg_on_error(j_common_ptr c)
{
    jpeg_work *w = (jpeg_work *)c->err;
    char text[JMSG_LENGTH_MAX];
    c->err->format_message(c, text);
    if (!w->status) /* else said already */
        w->status = nnrt_fail(
            w->fault, c->err->msg_code == JERR_OUT_OF_MEMORY ? NNRT_NO_MEMORY : NNRT_BAD_CONTENT,
            "%s: a broken JPEG image: %s", w->name, text);
    longjmp(w->back, 1);
}

/* Where libjpeg would go on with made-up pixels, the image is refused. Bytes between segments are left in by some
 * cameras, and mean nothing. */
static void jpeg_on_message(j_common_ptr c, int level)
{
    if (level < 0 && c->err->msg_code != JWRN_EXTRANEOUS_DATA)
        jpeg_on_error(c);
}

static void jpeg_on_progress(j_common_ptr c)
{
    jpeg_work *w = (jpeg_work *)c->err;
    if (((j_decompress_ptr)c)->input_scan_number <= JPEG_SCANS_MOST)
        return;
    w->status = nnrt_fail(w->fault, NNRT_BAD_CONTENT, "%s: a JPEG image of more than %d scans",
                          w->name, JPEG_SCANS_MOST);
    longjmp(w->back, 1);
}

/* The smallest of libjpeg's sizes that is large enough. */
static void jpeg_scale(struct jpeg_decompress_struct *c, const nnrt_photo_want *want)
{
    unsigned part = 1;
    for (unsigned k = 2; k <= 8 && want->least_w > 0; k *= 2)
        if ((c->image_width + k - 1) / k >= (uint64_t)want->least_w &&
            (c->image_height + k - 1) / k >= (uint64_t)want->least_h)
            part = k;
    c->scale_num = 1;
    c->scale_denom = part;
}

/* Within the long jump of errors. */
static void jpeg_pixels(struct jpeg_decompress_struct *c, size_t size, const nnrt_photo_want *want,
                        jpeg_work *w)
{
    jpeg_read_header(c, TRUE);
    if (c->num_components != 1 && c->num_components != 3) {
        w->status = nnrt_fail(w->fault, NNRT_BAD_CONTENT,
                              "%s: a JPEG image of %d colours, as printers have them: grey and "
                              "red, green, blue are read",
                              w->name, c->num_components);
        longjmp(w->back, 1);
    }
    c->out_color_space = want->planes == 1 ? JCS_GRAYSCALE : JCS_RGB;
    c->dct_method = JDCT_ISLOW; /* the same bits on every machine */
    jpeg_scale(c, want);
    jpeg_calc_output_dimensions(c);
    w->status = nnrt_photo_make(w->name, size, c->output_width, c->output_height, want->planes,
                                w->out, w->fault);
    if (w->status)
        longjmp(w->back, 1);
    jpeg_start_decompress(c);
    while (c->output_scanline < c->output_height) {
        JSAMPROW row =
            w->out->at + (size_t)c->output_scanline * c->output_width * (size_t)want->planes;
        jpeg_read_scanlines(c, &row, 1);
    }
    jpeg_finish_decompress(c);
}

int nnrt_jpeg_parse(const char *name, const unsigned char *bytes, size_t size,
                    const nnrt_photo_want *want, nnrt_photo *out, nnrt_fault *fault)
{
    struct jpeg_decompress_struct c = {0};
    jpeg_work w = {.name = name, .fault = fault, .out = out};
    *out = (nnrt_photo){0};
    if (want->classes)
        return nnrt_fail(fault, NNRT_BAD_CONTENT,
                         "%s: a mask in JPEG: its numbers are not exact; masks are PNG", name);
    c.err = jpeg_std_error(&w.manager);
    w.manager.error_exit = jpeg_on_error;
    w.manager.emit_message = jpeg_on_message;
    w.progress.progress_monitor = jpeg_on_progress;
    if (!setjmp(w.back)) {
        jpeg_create_decompress(&c);
        c.progress = &w.progress;
        jpeg_mem_src(&c, bytes, size);
        jpeg_pixels(&c, size, want, &w);
    }
    jpeg_destroy_decompress(&c);
    if (w.status)
        nnrt_photo_free(out);
    return w.status;
}

#else

int nnrt_jpeg_parse(const char *name, const unsigned char *bytes, size_t size,
                    const nnrt_photo_want *want, nnrt_photo *out, nnrt_fault *fault)
{
    (void)bytes, (void)size, (void)want;
    *out = (nnrt_photo){0};
    return nnrt_fail(
        fault, NNRT_BAD_CALL,
        "%s: a JPEG image, and this program was built without libjpeg, which reads them", name);
}

#endif
