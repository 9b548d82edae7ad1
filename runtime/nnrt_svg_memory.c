/* SPDX-License-Identifier: MIT */
/* nnrt_svg_memory.c: a memory plan: which bytes hold what, from which step to which. */
#include <string.h>

#include "nnrt_page.h"

enum { PLAN_HIGH = 340, PLAN_LEFT = 74, PLAN_RIGHT = 16, PLAN_TOP = 12, PLAN_FOOT = 44 };

typedef struct plan_sides {
    int width;
    double step, byte; /* units of a step, of a byte */
} plan_sides;

static void plan_axes(FILE *f, const plan_sides *s, int steps, int64_t bytes)
{
    double ticks[NNRT_TICKS], apart;
    char text[NNRT_AMOUNT];
    int n = nnrt_svg_ticks(0, (double)bytes, 6, 1, ticks, &apart), floor = PLAN_HIGH - PLAN_FOOT;
    for (int i = 0; i < n; i++) {
        double y = floor - ticks[i] * s->byte;
        fprintf(f,
                "<line class=\"grid-line\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                PLAN_LEFT, y, s->width - PLAN_RIGHT, y, PLAN_LEFT - 6, y + 4,
                nnrt_html_amount(text, ticks[i], "B"));
    }
    n = nnrt_svg_ticks(1, steps > 1 ? steps : 2, 10, 1, ticks, &apart);
    for (int i = 0; i < n && ticks[i] <= steps; i++) {
        double x = PLAN_LEFT + (ticks[i] - 0.5) * s->step;
        fprintf(f,
                "<line class=\"axis\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>"
                "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.0f</text>\n",
                x, floor, x, floor + 4, x, floor + 18, ticks[i]);
    }
    fprintf(
        f,
        "<line class=\"axis\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>"
        "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">kernel, in the order of the step</text>"
        "<text transform=\"translate(12 %d) rotate(-90)\" text-anchor=\"middle\">offset</text>\n",
        PLAN_LEFT, floor, s->width - PLAN_RIGHT, floor, (PLAN_LEFT + s->width) / 2, PLAN_HIGH - 6,
        PLAN_HIGH / 2);
}

static void plan_box(FILE *f, const plan_sides *s, const nnrt_extent *e, const char *const *names)
{
    char size[NNRT_AMOUNT], at[NNRT_AMOUNT];
    double x = PLAN_LEFT + e->first * s->step, wide = (e->last - e->first + 1) * s->step;
    double high = (double)e->bytes * s->byte;
    double y = PLAN_HIGH - PLAN_FOOT - (double)e->offset * s->byte - high;
    fputs("<g><title>", f);
    nnrt_html_say(f, e->name);
    fprintf(f, ": %s at %s, kernels %d to %d", nnrt_html_amount(size, (double)e->bytes, "B"),
            nnrt_html_amount(at, (double)e->offset, "B"), e->first + 1, e->last + 1);
    if (names) {
        fputs(" (", f);
        nnrt_html_say(f, names[e->first]);
        if (e->last > e->first) {
            fputs(" to ", f);
            nnrt_html_say(f, names[e->last]);
        }
        fputs(")", f);
    }
    fprintf(
        f,
        "</title><rect class=\"f%d\" fill-opacity=\"0.28\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" "
        "height=\"%.2f\"/><rect class=\"s%d\" fill=\"none\" stroke-width=\"1\" x=\"%.2f\" "
        "y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>",
        e->color, x, y, wide, high, e->color, x + 0.5, y + 0.5, wide > 1 ? wide - 1 : 0.1,
        high > 1 ? high - 1 : 0.1);
    if (high >= 14 && 7 * (double)strlen(e->name) + 8 < wide) {
        fprintf(f, "<text class=\"ink\" x=\"%.1f\" y=\"%.1f\">", x + 5, y + high / 2 + 4);
        nnrt_html_say(f, e->name);
        fputs("</text>", f);
    }
    fputs("</g>\n", f);
}

void nnrt_svg_memory(FILE *f, int n, const nnrt_extent *extents, int steps,
                     const char *const *names, int64_t bytes)
{
    plan_sides s = {.width = steps * 14 + PLAN_LEFT + PLAN_RIGHT};
    s.width = s.width < 1000 ? 1000 : s.width > 1600 ? 1600 : s.width;
    s.step = (double)(s.width - PLAN_LEFT - PLAN_RIGHT) / (steps > 0 ? steps : 1);
    s.byte = (double)(PLAN_HIGH - PLAN_TOP - PLAN_FOOT) / (double)(bytes > 0 ? bytes : 1);
    fprintf(f,
            "<div class=\"scroll\"><svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "style=\"min-width:%dpx\" role=\"img\" aria-label=\"memory plan\">\n",
            s.width, PLAN_HIGH, s.width * 3 / 4);
    plan_axes(f, &s, steps, bytes);
    for (int i = 0; i < n; i++)
        plan_box(f, &s, &extents[i], names);
    fputs("</svg></div>\n", f);
}
