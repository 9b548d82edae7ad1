/* SPDX-License-Identifier: MIT */
/* nnrt_svg.c: curves, histograms and confusion matrices as SVG inside a page. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_page.h"

/* A picture of 440 x 250 units, which a card of a page is about as wide as in pixels. */
enum { SVG_WIDE = 440, SVG_HIGH = 250, SVG_LEFT = 76, SVG_RIGHT = 14, SVG_TOP = 26, SVG_FOOT = 42 };
enum {
    SVG_DOTS = 400,
    SVG_NAME = 14
}; /* points of a curve that have a tooltip, letters of a class, at most */

/* --- scales ----------------------------------------------------------------------------------- */

int nnrt_svg_ticks(double low, double high, int most, int whole, double *ticks, double *step)
{
    double rough = (high - low) / most, power = pow(10, floor(log10(rough)));
    static const double nice[] = {1, 2, 2.5, 5, 10};
    int k = 0, n = 0;
    while (k < 4 && nice[k] * power < rough * (1 - 1e-9))
        k++;
    *step = nice[k] * power;
    if (whole && *step < 1)
        *step = 1;
    if (whole && *step < 10 && floor(*step) < *step) /* 2.5 */
        *step = 5;
    double first = ceil(low / *step - 1e-9);
    for (; n <= most && (first + n) * *step <= high + *step * 1e-9; n++)
        ticks[n] = first + n == 0 ? 0 : (first + n) * *step;
    return n;
}

/* A number of an axis whose ticks are `step` apart: as many decimals as tell them apart. */
static void svg_number(FILE *f, double value, double step)
{
    char text[NNRT_AMOUNT];
    double size = fabs(value);
    if (size >= 1e15 || (size > 0 && step < 1e-5))
        fprintf(f, "%.3g", value);
    else if (size >= 1e5)
        fputs(nnrt_html_amount(text, value, ""), f);
    else {
        int decimals = 0;
        for (double s = step; decimals < 6 && fabs(s - floor(s + 0.5)) > 1e-6 * s; s *= 10)
            decimals++;
        fprintf(f, "%.*f", decimals, value);
    }
}

typedef struct svg_scale {
    double low, high;
    int from, to; /* units of the picture */
    int n;
    double ticks[NNRT_TICKS], step;
} svg_scale;

/* An axis that shows low to high; where they are one number, something around it. */
static svg_scale svg_scale_of(double low, double high, int from, int to, int most, int whole)
{
    svg_scale s = {.low = low, .high = high, .from = from, .to = to};
    if (!(high > low)) {
        double around = whole ? 0.5 : low == 0 ? 1 : fabs(low) * 0.1;
        s.low = low - around;
        s.high = low + around;
    }
    s.n = nnrt_svg_ticks(s.low, s.high, most, whole, s.ticks, &s.step);
    return s;
}

static double svg_at(const svg_scale *s, double value)
{
    return s->from + (value - s->low) / (s->high - s->low) * (s->to - s->from);
}

/* --- the frame -------------------------------------------------------------------------------- */

static void svg_begin(FILE *f, const char *title, const char *note)
{
    fputs("<figure>\n<figcaption>", f);
    nnrt_html_say(f, title);
    if (note) {
        fputs("<span>", f);
        nnrt_html_say(f, note);
        fputs("</span>", f);
    }
    fprintf(f,
            "</figcaption>\n<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "role=\"img\" aria-label=\"",
            SVG_WIDE, SVG_HIGH);
    nnrt_html_say(f, title);
    fputs("\">\n", f);
}

static void svg_end(FILE *f)
{
    fputs("</svg>\n</figure>\n", f);
}

static void svg_axes(FILE *f, const svg_scale *x, const svg_scale *y, const char *x_label,
                     const char *y_label)
{
    for (int i = 0; i < y->n; i++) {
        double at = svg_at(y, y->ticks[i]);
        fprintf(f,
                "<line class=\"grid-line\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
                SVG_LEFT, at, SVG_WIDE - SVG_RIGHT, at, SVG_LEFT - 6, at + 4);
        svg_number(f, y->ticks[i], y->step);
        fputs("</text>\n", f);
    }
    fprintf(f, "<line class=\"axis\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n", SVG_LEFT,
            SVG_HIGH - SVG_FOOT, SVG_WIDE - SVG_RIGHT, SVG_HIGH - SVG_FOOT);
    for (int i = 0; i < x->n; i++) {
        double at = svg_at(x, x->ticks[i]);
        fprintf(f,
                "<line class=\"axis\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>"
                "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">",
                at, SVG_HIGH - SVG_FOOT, at, SVG_HIGH - SVG_FOOT + 4, at, SVG_HIGH - SVG_FOOT + 18);
        svg_number(f, x->ticks[i], x->step);
        fputs("</text>\n", f);
    }
    fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
            (SVG_LEFT + SVG_WIDE - SVG_RIGHT) / 2, SVG_HIGH - 6);
    nnrt_html_say(f, x_label);
    fprintf(f, "</text>\n<text transform=\"translate(12 %d) rotate(-90)\" text-anchor=\"middle\">",
            (SVG_TOP + SVG_HIGH - SVG_FOOT) / 2);
    nnrt_html_say(f, y_label);
    fputs("</text>\n", f);
}

/* --- curves ----------------------------------------------------------------------------------- */

typedef struct svg_range {
    double low, high;
} svg_range;

static void svg_take(svg_range *r, double value)
{
    if (!isfinite(value))
        return;
    r->low = value < r->low ? value : r->low;
    r->high = value > r->high ? value : r->high;
}

static void svg_path(FILE *f, const nnrt_curve *c, const svg_scale *x, const svg_scale *y)
{
    int drawing = 0;
    fprintf(f,
            "<path class=\"s%d\" fill=\"none\" stroke-width=\"2\" stroke-linejoin=\"round\"%s d=\"",
            c->color, c->dashed ? " stroke-dasharray=\"6 4\"" : "");
    for (int64_t i = 0; i < c->n; i++) {
        int here = isfinite(c->y[i]) && isfinite(c->x[i]);
        if (here)
            fprintf(f, "%c%.1f %.1f", drawing ? 'L' : 'M', svg_at(x, c->x[i]), svg_at(y, c->y[i]));
        drawing = here;
    }
    fputs("\"/>\n", f);
}

/* A dot a point: seen where the points are few or nothing else is drawn, else there for its tooltip. */
static void svg_dots(FILE *f, const nnrt_plot *p, const nnrt_curve *c, const svg_scale *x,
                     const svg_scale *y)
{
    int seen = p->scatter || c->n <= 40;
    int64_t apart = p->scatter ? 1 : (c->n + SVG_DOTS - 1) / SVG_DOTS;
    for (int64_t i = 0; i < c->n; i += apart) {
        if (!isfinite(c->y[i]) || !isfinite(c->x[i]))
            continue;
        double at = svg_at(x, c->x[i]), up = svg_at(y, c->y[i]);
        if (seen)
            fprintf(f, "<circle class=\"f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"%s/>", c->color, at,
                    up, p->scatter ? " fill-opacity=\"0.55\"" : "");
        fprintf(f, "<circle class=\"hover\" cx=\"%.1f\" cy=\"%.1f\" r=\"7\"><title>", at, up);
        nnrt_html_say(f, c->name);
        fputs(", ", f);
        nnrt_html_say(f, p->x_label);
        fprintf(f, " %.6g: %.6g</title></circle>\n", c->x[i], c->y[i]);
    }
}

/* What each curve is, from the right, above the axes. */
static void svg_legend(FILE *f, const nnrt_plot *p)
{
    int at = SVG_WIDE - SVG_RIGHT;
    for (int i = p->n - 1; i >= 0; i--) {
        const nnrt_curve *c = &p->curves[i];
        int wide = 7 * (int)strlen(c->name);
        fprintf(f, "<text class=\"ink\" x=\"%d\" y=\"15\" text-anchor=\"end\">", at);
        nnrt_html_say(f, c->name);
        fprintf(f,
                "</text><line class=\"s%d\" stroke-width=\"2\"%s x1=\"%d\" y1=\"11\" x2=\"%d\" "
                "y2=\"11\"/>\n",
                c->color, c->dashed ? " stroke-dasharray=\"6 4\"" : "", at - wide - 28,
                at - wide - 6);
        at -= wide + 42;
    }
}

/* The ranges of all points; a scatter's axes are one range. */
static void svg_ranges(const nnrt_plot *p, svg_range *x, svg_range *y)
{
    *x = *y = (svg_range){INFINITY, -INFINITY};
    for (int i = 0; i < p->n; i++)
        for (int64_t k = 0; k < p->curves[i].n; k++) {
            if (!isfinite(p->curves[i].x[k]) || !isfinite(p->curves[i].y[k]))
                continue;
            svg_take(x, p->curves[i].x[k]);
            svg_take(y, p->curves[i].y[k]);
        }
    if (x->low > x->high)
        *x = *y = (svg_range){0, 1};
    if (p->scatter) {
        svg_take(x, y->low);
        svg_take(x, y->high);
        *y = *x;
    } else if (y->low > 0 && (y->low < 0.5 * y->high || y->low == y->high)) {
        y->low = 0; /* what is near 0 is seen from there */
    }
}

/* A little room above and below what is drawn, but not past 0. */
static void svg_margin(svg_range *r)
{
    double room = (r->high - r->low) * 0.04;
    r->high += room;
    if (r->low != 0)
        r->low = r->low > 0 && r->low < room ? 0 : r->low - room;
}

void nnrt_svg_plot(FILE *f, const nnrt_plot *p)
{
    svg_range xs, ys;
    svg_ranges(p, &xs, &ys);
    svg_margin(&ys);
    if (p->scatter)
        xs = ys;
    svg_scale x =
        svg_scale_of(xs.low, xs.high, SVG_LEFT + 6, SVG_WIDE - SVG_RIGHT - 6, 7, p->whole);
    svg_scale y = svg_scale_of(ys.low, ys.high, SVG_HIGH - SVG_FOOT, SVG_TOP, 5, 0);
    svg_begin(f, p->title, p->note);
    svg_axes(f, &x, &y, p->x_label, p->y_label);
    if (p->scatter)
        fprintf(f,
                "<line class=\"axis\" stroke-dasharray=\"4 4\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
                "y2=\"%.1f\"/>\n",
                svg_at(&x, x.low), svg_at(&y, y.low), svg_at(&x, x.high), svg_at(&y, y.high));
    for (int i = 0; i < p->n && !p->scatter; i++)
        svg_path(f, &p->curves[i], &x, &y);
    for (int i = 0; i < p->n; i++)
        svg_dots(f, p, &p->curves[i], &x, &y);
    if (p->n > 1)
        svg_legend(f, p);
    svg_end(f);
}

/* --- histograms ------------------------------------------------------------------------------- */

/* The outline of counts, as steps. */
static void svg_outline(FILE *f, const nnrt_bars *b, const double *count, const svg_scale *x,
                        const svg_scale *y)
{
    double width = (b->high - b->low) / b->n;
    fprintf(f, "<path class=\"s1\" fill=\"none\" stroke-width=\"1.5\" d=\"M%.1f %.1f",
            svg_at(x, b->low), svg_at(y, 0));
    for (int i = 0; i < b->n; i++)
        fprintf(f, "L%.1f %.1fL%.1f %.1f", svg_at(x, b->low + i * width), svg_at(y, count[i]),
                svg_at(x, b->low + (i + 1) * width), svg_at(y, count[i]));
    fprintf(f, "L%.1f %.1f\"/>\n", svg_at(x, b->high), svg_at(y, 0));
}

void nnrt_svg_histogram(FILE *f, const nnrt_bars *b)
{
    double most = 0, width = (b->high - b->low) / b->n;
    for (int i = 0; i < b->n; i++) {
        most = b->count[i] > most ? b->count[i] : most;
        most = b->before && b->before[i] > most ? b->before[i] : most;
    }
    svg_scale x = svg_scale_of(b->low, b->high, SVG_LEFT + 6, SVG_WIDE - SVG_RIGHT - 6, 5, 0);
    svg_scale y = svg_scale_of(0, most > 0 ? most : 1, SVG_HIGH - SVG_FOOT, SVG_TOP, 4, 1);
    svg_begin(f, b->title, b->note);
    svg_axes(f, &x, &y, "value", "weights");
    for (int i = 0; i < b->n; i++) {
        double left = svg_at(&x, b->low + i * width), right = svg_at(&x, b->low + (i + 1) * width);
        double top = svg_at(&y, b->count[i]);
        fprintf(f,
                "<rect class=\"f0\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
                "<title>%.4g to %.4g: %.0f</title></rect>\n",
                left + 0.5, top, right - left > 1 ? right - left - 1 : 1, SVG_HIGH - SVG_FOOT - top,
                b->low + i * width, b->low + (i + 1) * width, b->count[i]);
    }
    if (b->before)
        svg_outline(f, b, b->before, &x, &y);
    svg_end(f);
}

/* --- confusion -------------------------------------------------------------------------------- */

typedef struct svg_cells {
    int n, cell, left, top, labels; /* labels: each row and column has its name */
    const char *const *names;
    const int64_t *count;
} svg_cells;

static void svg_cell(FILE *f, const svg_cells *m, int i, int k, double row)
{
    double count = (double)m->count[i * m->n + k], share = row > 0 ? count / row : 0;
    char text[NNRT_AMOUNT];
    int x = m->left + k * m->cell, y = m->top + i * m->cell;
    fprintf(f, "<g><title>%.0f of %.0f, is ", count, row);
    nnrt_html_say(f, m->names[i]);
    fputs(", taken for ", f);
    nnrt_html_say(f, m->names[k]);
    fprintf(f,
            "</title><rect class=\"%s\" fill-opacity=\"%.3f\" x=\"%d\" y=\"%d\" width=\"%d\" "
            "height=\"%d\"/>",
            i == k ? "f0" : "f1", count > 0 ? 0.08 + 0.92 * share : 0, x, y, m->cell - 1,
            m->cell - 1);
    if (m->labels && count > 0)
        fprintf(f, "<text class=\"%s\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>",
                share > 0.5 ? "on" : "ink", x + m->cell / 2, y + m->cell / 2 + 4,
                nnrt_html_amount(text, count, ""));
    fputs("</g>\n", f);
}

static void svg_cell_names(FILE *f, const svg_cells *m)
{
    int every = m->labels ? 1 : (m->n + 19) / 20;
    for (int i = 0; i < m->n; i += every) {
        int middle = i * m->cell + m->cell / 2;
        fprintf(f, "<text class=\"ink\" x=\"%d\" y=\"%d\" text-anchor=\"end\">", m->left - 8,
                m->top + middle + 4);
        nnrt_html_short(f, m->names[i], SVG_NAME);
        fprintf(f, "</text><text class=\"ink\" transform=\"translate(%d %d) rotate(-45)\">",
                m->left + middle + 4, m->top - 8);
        nnrt_html_short(f, m->names[i], SVG_NAME);
        fputs("</text>\n", f);
    }
}

/* Characters of the longest name, of those that are written. */
static int svg_longest(int n, const char *const *names)
{
    int longest = 1;
    for (int i = 0; i < n; i++) {
        int length = 0;
        for (const char *c = names[i]; *c && length < SVG_NAME; c++)
            length += ((unsigned char)*c >> 6) != 2;
        longest = length > longest ? length : longest;
    }
    return longest;
}

void nnrt_svg_confusion(FILE *f, int n, const char *const *names, const int64_t *count)
{
    svg_cells m = {.n = n, .names = names, .count = count};
    int longest = svg_longest(n, names);
    m.left = 24 + 8 * longest;
    m.top = 42 + 6 * longest;
    m.labels = n <= 20;
    m.cell = n <= 4 ? 64 : n <= 12 ? 44 : n <= 20 ? 36 : n <= 60 ? 12 : 6;
    int width = m.left + n * m.cell + 70, height = m.top + n * m.cell + 30;
    width = width < 360 ? 360 : width;
    fprintf(f,
            "<div class=\"scroll\"><svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "style=\"width:%dpx;max-width:none\" role=\"img\" aria-label=\"confusion matrix\">\n",
            width, height, width);
    fprintf(f, "<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", m.left - 1,
            m.top - 1, n * m.cell + 1, n * m.cell + 1);
    for (int i = 0; i < n; i++) {
        double row = 0;
        for (int k = 0; k < n; k++)
            row += (double)count[i * n + k];
        for (int k = 0; k < n; k++)
            svg_cell(f, &m, i, k, row);
    }
    svg_cell_names(f, &m);
    fprintf(f,
            "<text x=\"%d\" y=\"%d\">rows: the class that it is</text>"
            "<text x=\"%d\" y=\"16\">columns: the class that it was taken for</text>\n",
            8, height - 8, 8);
    fputs("</svg></div>\n", f);
}
