/* SPDX-License-Identifier: MIT */
/* nnrt_sound.h: clips to features; private to the runtime. */
#ifndef NNRT_SOUND_H
#define NNRT_SOUND_H

#include "nnrt_text.h"

/* Samples of one channel, about -1 to 1; several are averaged. */
typedef struct nnrt_clip {
    float *at; /* owned */
    int64_t n, rate;
} nnrt_clip;

/* --- nnrt_wav.c ------------------------------------------------------------------------------- */

/* Reads PCM of 8 to 32 bits or floats by itself, other formats through libsndfile. A clip without
 * samples, or with one that is not finite, is an error. */
int nnrt_clip_read(const char *path, nnrt_clip *out, nnrt_fault *);
void nnrt_clip_free(nnrt_clip *);
/* A wav file's bytes. -1: it is none, or of a coding that is not read here. */
int nnrt_wav_parse(const char *name, const unsigned char *bytes, size_t size, nnrt_clip *out,
                   nnrt_fault *);

/* --- nnrt_sndfile.c: the one file of the runtime that calls libsndfile ------------------------- */

int nnrt_sndfile_parse(const char *name, const unsigned char *bytes, size_t size, nnrt_clip *out,
                       nnrt_fault *);

/* --- nnrt_resample.c -------------------------------------------------------------------------- */

/* The clip at another rate, at most `most` samples of it: a windowed sinc, as torchaudio's
 * functional.resample has it (lowpass_filter_width 6, rolloff 0.99). NNRT_NO_MEMORY. */
int nnrt_resample(const char *name, nnrt_clip *, int64_t rate, int64_t most, nnrt_fault *);

/* --- nnrt_features.c -------------------------------------------------------------------------- */

typedef struct nnrt_mel {
    const nnrt_sound *how;
    int64_t bins;               /* n_fft / 2 + 1 */
    double *memory;             /* of all that follows */
    double *window, *twiddle;   /* [n_fft], [n_fft] pairs */
    double *filters;            /* [n_mels, bins] */
    double *dct;                /* [n_mfcc, n_mels] */
    double *in, *out, *scratch; /* [n_fft] pairs each */
    int64_t (*span)[2]; /* bins of a filter that are not 0: first, and the one after the last */
} nnrt_mel;

/* Numbers a frame. */
int64_t nnrt_sound_width(const nnrt_sound *);
int nnrt_mel_open(nnrt_mel *, const nnrt_sound *, nnrt_fault *);
void nnrt_mel_close(nnrt_mel *);
/* The features of (frames - 1) * hop samples: out[frames, width]. `room` holds frames * n_mels. */
void nnrt_mel_frames(nnrt_mel *, const float *samples, int64_t frames, double *room, float *out);

/* --- nnrt_join.c ------------------------------------------------------------------------------ */

/* Which clips each sample is of: sample i of clip[first[i]] to clip[first[i + 1] - 1], with `pause` samples of
 * silence in front of each but its first. */
typedef struct nnrt_join {
    int64_t samples, *first;
    int32_t *clip, *pause;
} nnrt_join;

/* Draws them of so many clips, as the source says. Close it whatever it gives. */
int nnrt_join_draw(const char *name, const nnrt_sound *, int64_t clips, nnrt_join *out,
                   nnrt_fault *);
void nnrt_join_close(nnrt_join *);
/* What each sample says: the texts of its clips, `between` between two. They point into *owned, which is the
 * caller's to free, whatever it gives. */
int nnrt_join_texts(const char *name, const nnrt_join *, const nnrt_span *texts,
                    const char *between, nnrt_span *out, char **owned, nnrt_fault *);

/* --- nnrt_tones.c: made-up clips -------------------------------------------------------------- */

/* The i-th clip: digits as telephones dial them, in noise; one, or 2 to 5 where `several`. `digits`
 * gets them as text. NNRT_NO_MEMORY. */
int nnrt_tones(uint64_t seed, int64_t i, int several, int64_t rate, nnrt_clip *out, char digits[8]);

#endif
