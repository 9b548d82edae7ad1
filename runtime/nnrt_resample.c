/* SPDX-License-Identifier: MIT */
/* nnrt_resample.c: another rate by a windowed sinc (J. O. Smith, "Digital Audio Resampling"). With
 * both rates divided by what they share, output i lies at i * from / to input samples, and is the
 * sum of the inputs around it, weighted by sinc(t) cos^2(pi t / 12), |t| < 6, where t counts periods
 * of 0.99 of the lower rate. There are only `to` different rows of weights. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_sound.h"

#define RESAMPLE_PI 3.14159265358979323846

enum { RESAMPLE_WIDTH = 6, RESAMPLE_TABLE = 1 << 22 };

typedef struct resample_plan {
    int64_t from, to; /* without common factors */
    double base;      /* periods of the sinc a common period */
    int64_t reach;    /* inputs to each side that may count */
    double *rows;     /* [rows, 2 reach + 1] */
    int all;          /* the rows of every phase are there; else the one at hand */
} resample_plan;

static int64_t resample_common(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The weights of output `phase` (0 .. to-1) for the inputs -reach .. reach around the one at or
 * before it. */
static void resample_row(const resample_plan *p, int64_t phase, double *row)
{
    int64_t at = phase * p->from / p->to;
    for (int64_t k = -p->reach; k <= p->reach; k++) {
        double t = ((double)(at + k) / (double)p->from - (double)phase / (double)p->to) * p->base;
        double w = 0;
        if (fabs(t) < RESAMPLE_WIDTH) {
            double c = cos(t * RESAMPLE_PI / RESAMPLE_WIDTH / 2), x = t * RESAMPLE_PI;
            w = (x == 0 ? 1 : sin(x) / x) * c * c * p->base / (double)p->from;
        }
        row[k + p->reach] = w;
    }
}

static int resample_open(const char *name, resample_plan *p, int64_t from, int64_t to,
                         nnrt_fault *fault)
{
    int64_t common = resample_common(from, to);
    *p = (resample_plan){.from = from / common, .to = to / common};
    p->base = 0.99 * (double)(p->from < p->to ? p->from : p->to);
    p->reach = (int64_t)ceil(RESAMPLE_WIDTH * (double)p->from / p->base) + 1;
    int64_t row = 2 * p->reach + 1;
    p->all = p->to <= RESAMPLE_TABLE / row;
    p->rows = malloc((size_t)(p->all ? p->to * row : row) * sizeof *p->rows);
    if (!p->rows)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to change its rate", name);
    for (int64_t i = 0; p->all && i < p->to; i++)
        resample_row(p, i, p->rows + i * row);
    return NNRT_OK;
}

int nnrt_resample(const char *name, nnrt_clip *c, int64_t rate, int64_t most, nnrt_fault *fault)
{
    resample_plan p;
    if (c->rate == rate)
        return NNRT_OK;
    int status = resample_open(name, &p, c->rate, rate, fault);
    if (status)
        return status;
    double length = ceil((double)c->n * (double)p.to / (double)p.from);
    int64_t n = length < (double)most ? (int64_t)length : most, row = 2 * p.reach + 1;
    float *out = malloc((size_t)n * sizeof *out + 1);
    for (int64_t i = 0; out && i < n; i++) {
        int64_t phase = i % p.to, centre = i / p.to * p.from + phase * p.from / p.to;
        const double *weights = p.rows + (p.all ? phase * row : 0);
        double sum = 0;
        if (!p.all)
            resample_row(&p, phase, p.rows);
        for (int64_t k = -p.reach; k <= p.reach; k++)
            if (centre + k >= 0 && centre + k < c->n)
                sum += (double)c->at[centre + k] * weights[k + p.reach];
        out[i] = (float)sum;
    }
    free(p.rows);
    if (!out)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to change its rate", name);
    free(c->at);
    *c = (nnrt_clip){out, n, rate};
    return NNRT_OK;
}
