/* SPDX-License-Identifier: MIT */
/* nnrt_profile.c: `bench --profile`: where the time of a step goes, a line a kernel. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

/* --- noting times ----------------------------------------------------------------------------- */

void nnrt_note(nnrt_profile *p, int kernel)
{
    double now = nnrt_clock();
    if (kernel >= 0) {
        p->seconds[kernel] += now - p->last - p->cost;
        p->calls[kernel]++;
    }
    p->last = now;
}

/* What a note takes that follows another at once. */
static double profile_cost(nnrt_profile *p)
{
    enum { TRIALS = 1000 };
    double least = 1;
    nnrt_note(p, -1);
    for (int i = 0; i < TRIALS; i++) {
        double before = p->last;
        nnrt_note(p, -1);
        least = p->last - before < least ? p->last - before : least;
    }
    return least;
}

int nnrt_profile_open(nnrt_profile *p, const nnrt_model *model, nnrt_fault *fault)
{
    size_t n = (size_t)model->n_kernels + 1;
    *p = (nnrt_profile){.seconds = calloc(n, sizeof *p->seconds),
                        .calls = calloc(n, sizeof *p->calls)};
    if (!p->seconds || !p->calls)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for a profile");
    p->cost = profile_cost(p);
    return 0;
}

void nnrt_profile_clear(nnrt_profile *p, const nnrt_model *model)
{
    memset(p->seconds, 0, (size_t)model->n_kernels * sizeof *p->seconds);
    memset(p->calls, 0, (size_t)model->n_kernels * sizeof *p->calls);
}

void nnrt_profile_close(nnrt_profile *p)
{
    free(p->seconds);
    free(p->calls);
}

/* --- the table -------------------------------------------------------------------------------- */

/* The time that the machine needs at least: computing and memory at the same time. */
static double profile_least(double flops, double bytes, nnrt_peak peak)
{
    double computing = peak.flops > 0 ? flops / peak.flops : 0;
    double memory = peak.bytes > 0 ? bytes / peak.bytes : 0;
    return computing > memory ? computing : memory;
}

/* Of a cost with a full batch, that with a share of the samples. */
static double profile_part(double all, double fixed, double share)
{
    return fixed + (all - fixed) * share;
}

static nnrt_profile_line profile_of(const nnrt_profiled *of, int kernel)
{
    const nnrt_kernel *k = &of->model->kernels[kernel];
    double share = (double)of->n / of->model->batch;
    double calls = (double)of->profile.calls[kernel] / (double)of->steps;
    double seconds = of->profile.seconds[kernel] / (double)of->steps;
    nnrt_profile_line l = {.name = k->name, .calls = calls, .seconds = seconds > 0 ? seconds : 0};
    l.flops = calls * profile_part(k->flops, k->fixed_flops, share);
    l.bytes = calls * profile_part(k->bytes, k->fixed_bytes, share);
    l.limit = l.seconds > 0 ? profile_least(l.flops, l.bytes, of->peak) / l.seconds : 0;
    return l;
}

static int profile_by_time(const void *a, const void *b)
{
    double x = ((const nnrt_profile_line *)a)->seconds, y = ((const nnrt_profile_line *)b)->seconds;
    return (x < y) - (x > y);
}

int nnrt_profile_lines(const nnrt_profiled *of, nnrt_profile_line *lines)
{
    int n = 0;
    for (int k = 0; k < of->model->n_kernels; k++)
        if (of->profile.calls[k])
            lines[n++] = profile_of(of, k);
    qsort(lines, (size_t)n, sizeof *lines, profile_by_time);
    return n;
}

static nnrt_profile_line profile_sum(int n, const nnrt_profile_line *lines, nnrt_peak peak)
{
    nnrt_profile_line sum = {.name = "all"};
    double least = 0;
    for (int i = 0; i < n; i++) {
        sum.calls += lines[i].calls;
        sum.seconds += lines[i].seconds;
        sum.flops += lines[i].flops;
        sum.bytes += lines[i].bytes;
        least += profile_least(lines[i].flops, lines[i].bytes, peak);
    }
    sum.limit = sum.seconds > 0 ? least / sum.seconds : 0;
    return sum;
}

static void profile_row(const nnrt_profile_line *l, const nnrt_profile_line *sum, int width)
{
    double seconds = l->seconds > 0 ? l->seconds : 1, all = sum->seconds > 0 ? sum->seconds : 1;
    printf("%-*s %7.4g %9.4g %6.1f%% %8.4g %8.4g %6.0f%%\n", width, l->name, l->calls,
           l->seconds * 1e3, 100 * l->seconds / all, l->flops / seconds * 1e-9,
           l->bytes / seconds * 1e-9, 100 * l->limit);
}

static void profile_text(int n, const nnrt_profile_line *lines, nnrt_peak peak)
{
    nnrt_profile_line sum = profile_sum(n, lines, peak);
    int width = 6;
    for (int i = 0; i < n; i++)
        width = (int)strlen(lines[i].name) > width ? (int)strlen(lines[i].name) : width;
    printf("\n%-*s %7s %9s %7s %8s %8s %7s\n", width, "kernel", "calls", "ms", "share", "GFLOP/s",
           "GB/s", "limit");
    for (int i = 0; i < n; i++)
        profile_row(&lines[i], &sum, width);
    profile_row(&sum, &sum, width);
    printf("\nlimits: %.4g GFLOP/s, %.4g GB/s\n", peak.flops * 1e-9, peak.bytes * 1e-9);
}

static void profile_json(int n, const nnrt_profile_line *lines, nnrt_peak peak)
{
    printf(", \"kernels\": [");
    for (int i = 0; i < n; i++)
        printf("%s{\"name\": \"%s\", \"calls\": %.6g, \"ms\": %.6g, \"gflop\": %.6g, "
               "\"mbytes\": %.6g, \"limit\": %.4g}",
               i ? ", " : "", lines[i].name, lines[i].calls, lines[i].seconds * 1e3,
               lines[i].flops * 1e-9, lines[i].bytes * 1e-6, lines[i].limit);
    printf("], \"peak_gflops\": %.6g, \"peak_gbytes_s\": %.6g", peak.flops * 1e-9,
           peak.bytes * 1e-9);
}

int nnrt_profile_print(const nnrt_profiled *of, int json, nnrt_fault *fault)
{
    nnrt_profile_line *lines = calloc((size_t)of->model->n_kernels + 1, sizeof *lines);
    if (!lines)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for a profile");
    int n = nnrt_profile_lines(of, lines);
    (json ? profile_json : profile_text)(n, lines, of->peak);
    free(lines);
    return 0;
}
