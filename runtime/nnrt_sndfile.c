/* SPDX-License-Identifier: MIT */
/* nnrt_sndfile.c: clips of what libsndfile reads: FLAC, Ogg, AIFF, other codings of WAV. Without it
 * (NNRT_SNDFILE is not defined) they are refused by name. */
#include <stdlib.h>
#include <string.h>

#ifdef NNRT_SNDFILE
#include <sndfile.h>
#endif

#include "nnrt_sound.h"

#ifdef NNRT_SNDFILE

/* A file in memory. */
typedef struct snd_memory {
    const unsigned char *at;
    sf_count_t size, place;
} snd_memory;

static sf_count_t snd_length(void *user)
{
    return ((snd_memory *)user)->size;
}

static sf_count_t snd_seek(sf_count_t offset, int whence, void *user)
{
    snd_memory *m = user;
    sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? m->place : m->size;
    if (offset < -from || offset > m->size - from)
        return -1;
    return m->place = from + offset;
}

static sf_count_t snd_read(void *to, sf_count_t count, void *user)
{
    snd_memory *m = user;
    sf_count_t n = count < m->size - m->place ? count : m->size - m->place;
    if (n <= 0)
        return 0;
    memcpy(to, m->at + m->place, (size_t)n);
    m->place += n;
    return n;
}

static sf_count_t snd_write(const void *from, sf_count_t count, void *user)
{
    (void)from, (void)count, (void)user;
    return 0;
}

static sf_count_t snd_tell(void *user)
{
    return ((snd_memory *)user)->place;
}

/* Reads to the end, a block at a time: what a header says of the length is not believed. */
static int snd_frames(const char *name, SNDFILE *file, const SF_INFO *info, nnrt_clip *out,
                      nnrt_fault *fault)
{
    enum { BLOCK = 4096 };
    size_t channels = (size_t)info->channels, room = 0;
    float *block = malloc(BLOCK * channels * sizeof *block);
    int status = block ? NNRT_OK : NNRT_NO_MEMORY;
    for (sf_count_t n; !status && (n = sf_readf_float(file, block, BLOCK)) > 0;) {
        if ((size_t)out->n + BLOCK > room) {
            room = room ? room * 2 : 4 * BLOCK;
            float *grown = realloc(out->at, room * sizeof *grown);
            status = grown ? NNRT_OK : NNRT_NO_MEMORY;
            out->at = grown ? grown : out->at;
        }
        for (sf_count_t i = 0; i < n && !status; i++) {
            double sum = 0;
            for (size_t c = 0; c < channels; c++)
                sum += (double)block[(size_t)i * channels + c];
            out->at[out->n++] = (float)(sum / (double)channels);
        }
    }
    free(block);
    if (status)
        return nnrt_fail(fault, status, "%s: no memory for its samples", name);
    if (sf_error(file))
        return nnrt_fail(fault, NNRT_BAD_CONTENT, "%s: sample %lld: %s", name, (long long)out->n,
                         sf_strerror(file));
    return NNRT_OK;
}

int nnrt_sndfile_parse(const char *name, const unsigned char *bytes, size_t size, nnrt_clip *out,
                       nnrt_fault *fault)
{
    static const SF_VIRTUAL_IO io_of_memory = {snd_length, snd_seek, snd_read, snd_write, snd_tell};
    SF_VIRTUAL_IO io = io_of_memory;
    snd_memory memory = {bytes, (sf_count_t)size, 0};
    SF_INFO info = {0};
    *out = (nnrt_clip){0};
    SNDFILE *file = sf_open_virtual(&io, SFM_READ, &info, &memory);
    if (!file)
        return nnrt_fail(fault, NNRT_BAD_CONTENT, "%s: libsndfile cannot read it: %s", name,
                         sf_strerror(NULL));
    int status = NNRT_OK;
    out->rate = info.samplerate;
    if (info.channels < 1 || info.channels > 64)
        status = nnrt_fail(fault, NNRT_BAD_CONTENT, "%s: %d channels; 1 to 64 are read", name,
                           info.channels);
    else
        status = snd_frames(name, file, &info, out, fault);
    sf_close(file);
    if (status)
        nnrt_clip_free(out);
    return status;
}

#else

int nnrt_sndfile_parse(const char *name, const unsigned char *bytes, size_t size, nnrt_clip *out,
                       nnrt_fault *fault)
{
    (void)bytes, (void)size;
    *out = (nnrt_clip){0};
    return nnrt_fail(
        fault, NNRT_BAD_FILE,
        "%s: no WAV file of PCM or floats; other sound needs the program linked with a "
        "runtime library that has libsndfile (libsndfile1-dev when nncc is built)",
        name);
}

#endif
