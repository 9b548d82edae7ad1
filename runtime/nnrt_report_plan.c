/* SPDX-License-Identifier: MIT */
/* nnrt_report_plan.c: of a report: how weights are distributed, where buffers lie, where the time of a step goes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_report.h"

enum { PLAN_BINS = 40, PLAN_WEIGHTS = 60, PLAN_KERNELS = 40 };
#define PLAN_SECONDS 0.3 /* of steps whose kernels are timed */

/* --- weights ---------------------------------------------------------------------------------- */

static void plan_count(const float *at, int64_t n, double low, double high, double *count)
{
    for (int64_t i = 0; i < n; i++) {
        double place = ((double)at[i] - low) / (high - low) * PLAN_BINS;
        if (place >= 0 && place <= PLAN_BINS)
            count[place < PLAN_BINS ? (int)place : PLAN_BINS - 1]++;
    }
}

static void plan_weight(FILE *f, const nnrt_var *v, const float *now, const float *first)
{
    double count[PLAN_BINS] = {0}, before[PLAN_BINS] = {0};
    double low = INFINITY, high = -INFINITY, sum = 0, squares = 0, n = (double)v->count;
    char note[128];
    for (int64_t i = 0; i < 2 * v->count; i++) {
        double w = (double)(i < v->count ? now[i] : first[i - v->count]);
        low = w < low ? w : low;
        high = w > high ? w : high;
        sum += i < v->count ? w : 0;
        squares += i < v->count ? w * w : 0;
    }
    if (!(high > low)) {
        low -= 0.5;
        high += 0.5;
    }
    plan_count(now, v->count, low, high, count);
    plan_count(first, v->count, low, high, before);
    double spread = squares / n - sum / n * (sum / n);
    snprintf(note, sizeof note, "%lld, mean %.3g, std %.3g", (long long)v->count, sum / n,
             sqrt(spread > 0 ? spread : 0));
    nnrt_svg_histogram(f, &(nnrt_bars){v->name, note, low, high, PLAN_BINS, count, before});
}

void nnrt_report_weights(FILE *f, const nnrt_training *t, const unsigned char *first)
{
    int shown = 0, left = 0;
    nnrt_html_section(f, "weights", "Weights");
    fputs(
        "<p class=\"soft\">Bars: as they were saved. Line: before the first step of this run.</p>\n"
        "<div class=\"grid small\">\n",
        f);
    for (int i = 0; i < t->model->n_vars; i++) {
        const nnrt_var *v = &t->model->vars[i];
        if (v->kind != NNRT_WEIGHT || v->count < 2)
            continue;
        if (shown == PLAN_WEIGHTS) {
            left++;
            continue;
        }
        shown++;
        plan_weight(f, v, (const float *)(const void *)(t->m->vars + v->offset),
                    (const float *)(const void *)(first + v->offset));
    }
    fputs("</div>\n", f);
    if (left)
        fprintf(f, "<p class=\"soft\">%d more weights are not shown.</p>\n", left);
    nnrt_html_section_end(f);
}

/* --- memory ----------------------------------------------------------------------------------- */

/* The buffers of a step, a colour each in turn by their place in the table. */
void nnrt_report_memory(FILE *f, const nnrt_model *model)
{
    const nnrt_about *a = model->about;
    nnrt_extent *extents = a ? malloc(((size_t)a->n_blocks + 1) * sizeof *extents) : NULL;
    char vars[NNRT_AMOUNT], scratch[NNRT_AMOUNT];
    if (!extents)
        return;
    for (int i = 0; i < a->n_blocks; i++) {
        const nnrt_block *b = &a->blocks[i];
        extents[i] =
            (nnrt_extent){b->name, b->first, b->last, i % NNRT_COLORS, b->offset, b->bytes};
    }
    nnrt_html_section(f, "memory", "Memory of a training step");
    fprintf(f,
            "<p class=\"soft\">%s of weights and optimiser state, and %s of scratch: which of its "
            "bytes hold "
            "what, from which kernel to which. Where boxes lie over each other, a result takes the "
            "place of what "
            "it was made of.</p>\n",
            nnrt_html_amount(vars, (double)model->vars_bytes, "B"),
            nnrt_html_amount(scratch, (double)a->scratch_bytes, "B"));
    nnrt_svg_memory(f, a->n_blocks, extents, a->n_calls, a->calls, a->scratch_bytes);
    nnrt_html_section_end(f);
    free(extents);
}

/* --- time ------------------------------------------------------------------------------------- */

/* Whole optimiser steps of the first batch of the training set. */
static int plan_steps(nnrt_training *t, nnrt_profiled *to)
{
    const nnrt_model *model = t->model;
    int64_t whole = model->train.accumulate > 1 ? model->train.accumulate : 1;
    const void *const *in = (const void *const *)t->feed.in;
    int status = nnrt_dataset_batch(&t->data, t->rows.at, to->n, t->feed.in, t->fault);
    if (status)
        return status;
    for (int64_t i = 0; i < 2 * whole; i++)
        model->train_step_noted(t->m, to->n, in, &to->profile);
    nnrt_profile_clear(&to->profile, model);
    double end = nnrt_clock() + PLAN_SECONDS;
    do {
        model->train_step_noted(t->m, to->n, in, &to->profile);
        to->steps++;
    } while (nnrt_clock() < end || to->steps % whole);
    return 0;
}

static void plan_row(FILE *f, const nnrt_profile_line *l, double all)
{
    char time[NNRT_AMOUNT], flops[NNRT_AMOUNT], bytes[NNRT_AMOUNT];
    double share = all > 0 ? 100 * l->seconds / all : 0;
    fputs("<tr><th scope=\"row\">", f);
    nnrt_html_say(f, l->name);
    fprintf(f,
            "</th><td class=\"n\">%.3g</td><td class=\"n\">%s</td><td class=\"n\">%.1f %%</td>"
            "<td><span class=\"bar\"><i style=\"width:%.1f%%\"></i></span></td>"
            "<td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%.0f %%</td></tr>\n",
            l->calls, nnrt_html_seconds(time, l->seconds), share, share,
            nnrt_html_amount(flops, l->flops, "FLOP"), nnrt_html_amount(bytes, l->bytes, "B"),
            100 * l->limit);
}

static void plan_table(FILE *f, int n, const nnrt_profile_line *lines, const nnrt_profiled *p)
{
    double all = 0;
    char time[NNRT_AMOUNT];
    for (int i = 0; i < n; i++)
        all += lines[i].seconds;
    fprintf(
        f,
        "<p class=\"soft\">A training step of %d sample%s on %d thread%s, %s, kernel by kernel. "
        "Limit: the "
        "share of the most that this machine can compute (%.3g GFLOP/s) or read (%.3g GB/s).</p>\n",
        p->n, p->n == 1 ? "" : "s", nnrt_threads(), nnrt_threads() == 1 ? "" : "s",
        nnrt_html_seconds(time, all), p->peak.flops * 1e-9, p->peak.bytes * 1e-9);
    fputs("<div class=\"scroll\"><table class=\"kernels\">\n<thead><tr><th>kernel</th><th "
          "class=\"n\">calls</th>"
          "<th class=\"n\">time</th><th class=\"n\">share</th><th></th><th class=\"n\">work</th>"
          "<th class=\"n\">memory</th><th class=\"n\">limit</th></tr></thead>\n<tbody>\n",
          f);
    for (int i = 0; i < n && i < PLAN_KERNELS; i++)
        plan_row(f, &lines[i], all);
    fputs("</tbody>\n</table></div>\n", f);
    if (n > PLAN_KERNELS)
        fprintf(f, "<p class=\"soft\">%d faster kernels are not shown.</p>\n", n - PLAN_KERNELS);
}

int nnrt_report_kernels(FILE *f, nnrt_training *t)
{
    const nnrt_model *model = t->model;
    if (!model->train_step_noted)
        return 0;
    nnrt_profiled to = {.model = model};
    nnrt_profile_line *lines = calloc((size_t)model->n_kernels + 1, sizeof *lines);
    int status = nnrt_profile_open(&to.profile, model, t->fault);
    if (!lines && !status)
        status = nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for a profile");
    if (!status) {
        to.n = (int)(t->rows.n < model->batch ? t->rows.n : model->batch);
        status = plan_steps(t, &to);
    }
    if (!status) {
        to.peak = nnrt_measure_peak();
        nnrt_html_section(f, "kernels", "Time a kernel");
        plan_table(f, nnrt_profile_lines(&to, lines), lines, &to);
        nnrt_html_section_end(f);
    }
    nnrt_profile_close(&to.profile);
    free(lines);
    return status;
}
