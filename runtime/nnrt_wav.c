/* SPDX-License-Identifier: MIT */
/* nnrt_wav.c: clips. WAV by itself: RIFF chunks, of which `fmt ` and `data` count; PCM of 8 (above
 * 128), 16, 24 and 32 bits, floats of 32 and 64, also as WAVE_FORMAT_EXTENSIBLE names them. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_sound.h"

enum { WAV_CHANNELS = 64, WAV_PCM = 1, WAV_FLOAT = 3, WAV_EXTENSIBLE = 0xFFFE };

typedef struct wav_form {
    uint32_t coding, channels, rate, bits;
} wav_form;

static uint32_t wav_number(const unsigned char *at, int bytes)
{
    uint32_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static double wav_sample(const unsigned char *at, const wav_form *f)
{
    uint32_t bytes = f->bits / 8;
    if (f->coding == WAV_FLOAT && bytes == 4) {
        float value;
        memcpy(&value, at, sizeof value);
        return (double)value;
    }
    if (f->coding == WAV_FLOAT) {
        double value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    if (bytes == 1)
        return ((double)at[0] - 128) / 128;
    uint32_t top = wav_number(at, (int)bytes) << (32 - f->bits); /* signed, from the top down */
    return (double)(int32_t)top / 2147483648.0;
}

/* Averages the channels of `n` frames. */
static int wav_samples(const char *name, const unsigned char *at, int64_t n, const wav_form *f,
                       nnrt_clip *out, nnrt_fault *fault)
{
    size_t step = f->bits / 8;
    out->at = malloc((size_t)n * sizeof *out->at + 1);
    if (!out->at)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory for %lld samples", name,
                         (long long)n);
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (uint32_t c = 0; c < f->channels; c++, at += step)
            sum += wav_sample(at, f);
        out->at[i] = (float)(sum / f->channels);
    }
    out->n = n;
    out->rate = f->rate;
    return NNRT_OK;
}

/* 1: a coding that is read here. */
static int wav_known(const wav_form *f)
{
    if (f->coding == WAV_FLOAT)
        return f->bits == 32 || f->bits == 64;
    return f->coding == WAV_PCM && f->bits >= 8 && f->bits <= 32 && f->bits % 8 == 0;
}

static void wav_format(const unsigned char *chunk, size_t size, wav_form *out)
{
    *out = (wav_form){wav_number(chunk, 2), wav_number(chunk + 2, 2), wav_number(chunk + 4, 4),
                      wav_number(chunk + 14, 2)};
    if (out->coding == WAV_EXTENSIBLE && size >= 40)
        out->coding = wav_number(chunk + 24, 2);
}

int nnrt_wav_parse(const char *name, const unsigned char *bytes, size_t size, nnrt_clip *out,
                   nnrt_fault *fault)
{
    wav_form form = {0};
    *out = (nnrt_clip){0};
    if (size < 12 || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WAVE", 4) != 0)
        return -1;
    for (size_t at = 12; size - at >= 8;) {
        size_t length = wav_number(bytes + at + 4, 4), left = size - at - 8;
        const unsigned char *chunk = bytes + at + 8;
        int is_data = memcmp(bytes + at, "data", 4) == 0;
        if (length > left)
            return nnrt_fail(fault, NNRT_BAD_CONTENT,
                             "%s: byte %zu: expected a chunk of %zu bytes, found %zu and the "
                             "file's end",
                             name, at, length, left);
        if (memcmp(bytes + at, "fmt ", 4) == 0 && length >= 16)
            wav_format(chunk, length, &form);
        if (is_data && form.channels == 0)
            return nnrt_fail(fault, NNRT_BAD_CONTENT,
                             "%s: byte %zu: expected a format (with channels) before the samples",
                             name, at);
        if (is_data && !wav_known(&form))
            return -1;
        if (is_data && form.channels > WAV_CHANNELS)
            return nnrt_fail(fault, NNRT_BAD_CONTENT, "%s: %u channels; at most %d are read", name,
                             (unsigned)form.channels, WAV_CHANNELS);
        if (is_data) {
            size_t frame = (size_t)form.channels * form.bits / 8;
            return wav_samples(name, chunk, (int64_t)(length / frame), &form, out, fault);
        }
        length += length & 1; /* chunks begin at even places */
        at += 8 + (length < left ? length : left);
    }
    return nnrt_fail(fault, NNRT_BAD_CONTENT, "%s: expected samples (a chunk 'data'), found none",
                     name);
}

void nnrt_clip_free(nnrt_clip *c)
{
    free(c->at);
    *c = (nnrt_clip){0};
}

/* What must hold of a clip, whoever read it. */
static int clip_check(const char *path, const nnrt_clip *c, nnrt_fault *fault)
{
    if (c->n == 0)
        return nnrt_fail(fault, NNRT_BAD_CONTENT, "%s: a clip of no samples", path);
    if (c->rate < 1000 || c->rate > 768000)
        return nnrt_fail(fault, NNRT_BAD_CONTENT,
                         "%s: expected 1000 to 768000 samples a second, found %lld", path,
                         (long long)c->rate);
    for (int64_t i = 0; i < c->n; i++) {
        uint32_t bits;
        memcpy(&bits, &c->at[i], sizeof bits);
        if ((bits >> 23 & 255) == 255)
            return nnrt_fail(fault, NNRT_BAD_CONTENT, "%s: sample %lld is not finite", path,
                             (long long)i);
    }
    return NNRT_OK;
}

int nnrt_clip_read(const char *path, nnrt_clip *out, nnrt_fault *fault)
{
    nnrt_bytes bytes;
    *out = (nnrt_clip){0};
    int status = nnrt_file_read(path, &bytes, fault);
    if (status)
        return status;
    status = nnrt_wav_parse(path, bytes.at, bytes.size, out, fault);
    if (status < 0)
        status = nnrt_sndfile_parse(path, bytes.at, bytes.size, out, fault);
    nnrt_bytes_free(&bytes);
    if (!status)
        status = clip_check(path, out, fault);
    if (status)
        nnrt_clip_free(out);
    return status;
}
