/* SPDX-License-Identifier: MIT */
/* nnrt_features.c: samples to frames of features, with the formulas of torchaudio's MelSpectrogram
 * and MFCC at their defaults.
 *
 * Frame i is about sample i * hop; before the first and after the last sample the clip is
 * mirrored. A periodic Hann window, the power of each frequency, triangles on HTK's mel scale
 * (mel = 2595 log10(1 + f / 700)). log_mel: ln(x + 1e-6). mfcc: the orthonormal DCT-II of
 * 10 log10(max(x, 1e-10)), each at least the clip's largest less 80. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_sound.h"

#define FEATURES_PI 3.14159265358979323846

int64_t nnrt_sound_width(const nnrt_sound *s)
{
    return s->is_mfcc ? s->n_mfcc : s->n_mels;
}

/* --- the Fourier transform -------------------------------------------------------------------- */

static int64_t fft_factor(int64_t n)
{
    for (int64_t p = 2; p * p <= n; p++)
        if (n % p == 0)
            return p;
    return n;
}

/* out[n] = the transform of in[0], in[step], ..., complex pairs; by the smallest factor of n, then
 * each part so (Cooley and Tukey). `whole` is the length that the twiddle factors are of. */
static void fft(int64_t n, int64_t whole, const double *twiddle, const double *in, int64_t step,
                double *out, double *scratch)
{
    if (n == 1) {
        out[0] = in[0];
        out[1] = in[1];
        return;
    }
    int64_t p = fft_factor(n), m = n / p, turn = whole / n;
    for (int64_t q = 0; q < p; q++)
        fft(m, whole, twiddle, in + 2 * q * step, step * p, out + 2 * q * m, scratch);
    for (int64_t k = 0; k < m; k++) {
        for (int64_t q = 0; q < p; q++) {
            const double *x = out + 2 * (q * m + k), *w = twiddle + 2 * (q * k * turn);
            scratch[2 * q] = x[0] * w[0] - x[1] * w[1];
            scratch[2 * q + 1] = x[0] * w[1] + x[1] * w[0];
        }
        for (int64_t j = 0; j < p; j++) {
            double re = 0, im = 0;
            for (int64_t q = 0; q < p; q++) {
                const double *w = twiddle + 2 * (q * j % p * (whole / p));
                re += scratch[2 * q] * w[0] - scratch[2 * q + 1] * w[1];
                im += scratch[2 * q] * w[1] + scratch[2 * q + 1] * w[0];
            }
            out[2 * (j * m + k)] = re;
            out[2 * (j * m + k) + 1] = im;
        }
    }
}

/* --- tables ----------------------------------------------------------------------------------- */

static double mel_of(double hertz)
{
    return 2595 * log10(1 + hertz / 700);
}

/* Triangles from corner to corner, evenly on the mel scale; bins lie at f = k (rate / 2) / (bins -
 * 1), rate / 2 a whole number. */
static void mel_filters(nnrt_mel *m)
{
    const nnrt_sound *s = m->how;
    int64_t half = s->rate / 2;
    double low = mel_of(s->f_min), high = mel_of(s->f_max), top = (double)half;
    for (int64_t i = 0; i < s->n_mels; i++) {
        double corner[3];
        for (int k = 0; k < 3; k++) {
            double mel = low + (high - low) * (double)(i + k) / (double)(s->n_mels + 1);
            corner[k] = 700 * (pow(10, mel / 2595) - 1);
        }
        m->span[i][0] = m->bins;
        m->span[i][1] = 0;
        for (int64_t b = 0; b < m->bins; b++) {
            double f = top * (double)b / (double)(m->bins - 1);
            double up = (f - corner[0]) / (corner[1] - corner[0]);
            double down = (corner[2] - f) / (corner[2] - corner[1]);
            double w = up < down ? up : down;
            m->filters[i * m->bins + b] = w > 0 ? w : 0;
            if (w > 0 && b < m->span[i][0])
                m->span[i][0] = b;
            if (w > 0)
                m->span[i][1] = b + 1;
        }
    }
}

int nnrt_mel_open(nnrt_mel *m, const nnrt_sound *s, nnrt_fault *fault)
{
    int64_t n = s->n_fft, bins = n / 2 + 1, mfcc = s->is_mfcc ? s->n_mfcc : 0;
    size_t count = (size_t)(n + 4 * 2 * n + s->n_mels * bins + mfcc * s->n_mels);
    *m = (nnrt_mel){.how = s, .bins = bins};
    m->memory = calloc(count, sizeof *m->memory);
    m->span = malloc((size_t)s->n_mels * sizeof *m->span);
    if (!m->memory || !m->span) {
        nnrt_mel_close(m);
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for a window of %lld samples",
                         (long long)n);
    }
    m->window = m->memory;
    m->twiddle = m->window + n;
    m->in = m->twiddle + 2 * n;
    m->out = m->in + 2 * n;
    m->scratch = m->out + 2 * n;
    m->filters = m->scratch + 2 * n;
    m->dct = m->filters + s->n_mels * bins;
    for (int64_t i = 0; i < n; i++) {
        double angle = 2 * FEATURES_PI * (double)i / (double)n;
        m->window[i] = 0.5 - 0.5 * cos(angle);
        m->twiddle[2 * i] = cos(angle);
        m->twiddle[2 * i + 1] = -sin(angle);
    }
    mel_filters(m);
    for (int64_t k = 0; k < mfcc; k++)
        for (int64_t i = 0; i < s->n_mels; i++)
            m->dct[k * s->n_mels + i] =
                cos(FEATURES_PI / (double)s->n_mels * ((double)i + 0.5) * (double)k) *
                sqrt((k ? 2.0 : 1.0) / (double)s->n_mels);
    return NNRT_OK;
}

void nnrt_mel_close(nnrt_mel *m)
{
    free(m->memory);
    free(m->span);
    *m = (nnrt_mel){0};
}

/* --- frames ----------------------------------------------------------------------------------- */

/* Sample `at` of n, mirrored at both ends. */
static double mel_mirrored(const float *samples, int64_t n, int64_t at)
{
    at = at < 0 ? -at : at;
    at = at >= n ? 2 * (n - 1) - at : at;
    return (double)samples[at];
}

/* Energies of the frame about sample `centre`, to to[n_mels]. */
static void mel_frame(nnrt_mel *m, const float *samples, int64_t n, int64_t centre, double *to)
{
    const nnrt_sound *s = m->how;
    int64_t first = centre - s->n_fft / 2;
    for (int64_t i = 0; i < s->n_fft; i++) {
        m->in[2 * i] = m->window[i] * mel_mirrored(samples, n, first + i);
        m->in[2 * i + 1] = 0;
    }
    fft(s->n_fft, s->n_fft, m->twiddle, m->in, 1, m->out, m->scratch);
    for (int64_t k = 0; k < s->n_mels; k++) {
        const double *w = m->filters + k * m->bins;
        to[k] = 0;
        for (int64_t b = m->span[k][0]; b < m->span[k][1]; b++)
            to[k] += w[b] * (m->out[2 * b] * m->out[2 * b] + m->out[2 * b + 1] * m->out[2 * b + 1]);
    }
}

/* Decibels in place; none more than 80 below the largest. */
static void mel_decibels(double *x, int64_t n)
{
    double most = -1e300;
    for (int64_t i = 0; i < n; i++) {
        x[i] = 10 * log10(x[i] > 1e-10 ? x[i] : 1e-10);
        most = x[i] > most ? x[i] : most;
    }
    for (int64_t i = 0; i < n; i++)
        x[i] = x[i] > most - 80 ? x[i] : most - 80;
}

void nnrt_mel_frames(nnrt_mel *m, const float *samples, int64_t frames, double *room, float *out)
{
    const nnrt_sound *s = m->how;
    int64_t n = (frames - 1) * s->hop, mels = s->n_mels;
    for (int64_t i = 0; i < frames; i++)
        mel_frame(m, samples, n, i * s->hop, room + i * mels);
    if (!s->is_mfcc) {
        for (int64_t i = 0; i < frames * mels; i++)
            out[i] = (float)log(room[i] + 1e-6);
        return;
    }
    mel_decibels(room, frames * mels);
    for (int64_t i = 0; i < frames; i++)
        for (int64_t k = 0; k < s->n_mfcc; k++) {
            double sum = 0;
            for (int64_t j = 0; j < mels; j++)
                sum += m->dct[k * mels + j] * room[i * mels + j];
            out[i * s->n_mfcc + k] = (float)sum;
        }
}
