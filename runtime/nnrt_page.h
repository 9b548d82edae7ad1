/* SPDX-License-Identifier: MIT */
/* nnrt_page.h: pages of HTML with pictures of SVG, each whole in one file: what `train --report` and
 * nncc --emit=report share. All is written to a stream, whose error flag says whether it arrived, and
 * is XML as well as HTML. Texts come from files: they are escaped here, and nowhere else. */
#ifndef NNRT_PAGE_H
#define NNRT_PAGE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* --- nnrt_html.c ----------------------------------------------------------------------------- */

/* n bytes as text: & < > " ' as entities; what is no UTF-8, and characters that XML does not have, as
 * U+FFFD. */
void nnrt_html_put(FILE *, const char *bytes, size_t n);
/* The same of a text that ends with a NUL; NULL: nothing. */
void nnrt_html_say(FILE *, const char *text);
/* The same, cut after so many characters. */
void nnrt_html_short(FILE *, const char *text, int most);
/* The head of a page, its style, its first heading and a sentence below that. */
void nnrt_html_begin(FILE *, const char *title, const char *lead);
/* The foot, with what made the page. */
void nnrt_html_end(FILE *, const char *made_by);
/* A part with a heading; `id` is a name of ours. */
void nnrt_html_section(FILE *, const char *id, const char *title);
void nnrt_html_section_end(FILE *);
/* A number that stands out, in a <div class="cards">. */
void nnrt_html_card(FILE *, const char *what, const char *value);
/* A row of two cells. */
void nnrt_html_pair(FILE *, const char *what, const char *value);

enum { NNRT_AMOUNT = 48 }; /* bytes of the texts below */

/* "1.23 MFLOP": a number with a prefix of the SI, three digits or more. Gives `text`. */
const char *nnrt_html_amount(char *text, double value, const char *unit);
/* "1.5 ms", "2 min 3 s". */
const char *nnrt_html_seconds(char *text, double seconds);

/* --- nnrt_svg.c ------------------------------------------------------------------------------ */

/* Colours are numbers of the page's own, 0 to NNRT_COLORS - 1: with the same meaning in light and dark. */
enum { NNRT_COLORS = 6, NNRT_TICKS = 12 };

/* Round numbers from low to high, most + 1 of them at most, `most` from 1 to NNRT_TICKS - 1: writes them and
 * gives how many. *step is the distance of two. `whole`: whole numbers alone. */
int nnrt_svg_ticks(double low, double high, int most, int whole, double *ticks, double *step);

/* A line through points; what is not finite is left out. */
typedef struct nnrt_curve {
    const char *name;
    int color, dashed;
    int64_t n;
    const double *x, *y;
} nnrt_curve;

typedef struct nnrt_plot {
    const char *title, *note; /* note: beside the title, or NULL */
    const char *x_label, *y_label;
    int whole;   /* x are whole numbers */
    int scatter; /* points, not lines, and the line on which x is y */
    int n;
    const nnrt_curve *curves;
} nnrt_plot;

/* A figure with axes, a legend where there are several curves, and a tooltip a point. */
void nnrt_svg_plot(FILE *, const nnrt_plot *);

/* Counts of n intervals of equal width from low to high; `before`: the same of an earlier time, or NULL. */
typedef struct nnrt_bars {
    const char *title, *note;
    double low, high;
    int n;
    const double *count, *before;
} nnrt_bars;

void nnrt_svg_histogram(FILE *, const nnrt_bars *);

/* How often class i (row) was taken for class j: count[i * n + j]. */
void nnrt_svg_confusion(FILE *, int n, const char *const *names, const int64_t *count);

/* --- nnrt_svg_memory.c ----------------------------------------------------------------------- */

/* A buffer: bytes at an offset, alive from step `first` to step `last`, counted from 0. */
typedef struct nnrt_extent {
    const char *name;
    int first, last, color;
    int64_t offset, bytes;
} nnrt_extent;

/* Buffers as boxes, steps to the right and offsets up. `steps` of them, `names` one a step or NULL; `bytes` in
 * all. */
void nnrt_svg_memory(FILE *, int n, const nnrt_extent *, int steps, const char *const *names,
                     int64_t bytes);

/* --- nnrt_page_picture.c -------------------------------------------------------------------------- */

/* An <img> of height x width pixels of 1 or 3 channels, channel by channel, as a PNG inside the page; larger ones
 * are averaged down to 96 pixels a side. */
void nnrt_page_picture(FILE *, int channels, int64_t height, int64_t width,
                       const unsigned char *pixels, const char *alt);
/* An <img> of a PNG as it is. */
void nnrt_page_png(FILE *, int64_t width, int64_t height, const void *png, size_t size,
                   const char *alt);

#endif
