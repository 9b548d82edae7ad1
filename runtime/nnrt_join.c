/* SPDX-License-Identifier: MIT */
/* nnrt_join.c: samples of several clips, one after the other: which clips, by a seed, and what they say. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_sound.h"

static int join_no_memory(const char *name, nnrt_fault *fault)
{
    return nnrt_fail(fault, NNRT_NO_MEMORY, "%s: no memory to join its clips", name);
}

int nnrt_join_draw(const char *name, const nnrt_sound *how, int64_t clips, nnrt_join *out,
                   nnrt_fault *fault)
{
    uint64_t state = how->join_seed;
    int64_t gap = (int64_t)(how->join_gap * (double)how->rate), n = 0;
    size_t most = (size_t)(how->join_samples * how->join_most);
    *out = (nnrt_join){.samples = how->join_samples};
    if (clips < 1 || clips > INT32_MAX)
        return nnrt_fail(fault, NNRT_BAD_CONTENT, "%s: %s clips to join", name,
                         clips < 1 ? "no" : "too many");
    out->first = malloc(((size_t)how->join_samples + 1) * sizeof *out->first);
    out->clip = malloc((most + 1) * sizeof *out->clip);
    out->pause = malloc((most + 1) * sizeof *out->pause);
    if (!out->first || !out->clip || !out->pause)
        return join_no_memory(name, fault);
    nnrt_synth_next(&state);
    for (int64_t i = 0; i < how->join_samples; i++) {
        int32_t count = nnrt_synth_range(&state, (int32_t)how->join_least, (int32_t)how->join_most);
        out->first[i] = n;
        for (int32_t k = 0; k < count; k++, n++) {
            out->clip[n] = nnrt_synth_range(&state, 0, (int32_t)clips - 1);
            out->pause[n] = nnrt_synth_range(&state, 0, (int32_t)gap);
        }
    }
    out->first[how->join_samples] = n;
    return NNRT_OK;
}

void nnrt_join_close(nnrt_join *j)
{
    free(j->first);
    free(j->clip);
    free(j->pause);
    *j = (nnrt_join){0};
}

int nnrt_join_texts(const char *name, const nnrt_join *j, const nnrt_span *texts,
                    const char *between, nnrt_span *out, char **owned, nnrt_fault *fault)
{
    nnrt_buffer all = {0};
    size_t at = 0;
    for (int64_t i = 0; i < j->samples; i++) {
        size_t before = all.size;
        for (int64_t k = j->first[i]; k < j->first[i + 1]; k++) {
            if (k > j->first[i])
                nnrt_buffer_say(&all, between);
            nnrt_buffer_put(&all, texts[j->clip[k]].at, texts[j->clip[k]].size);
        }
        out[i].size = all.size - before;
    }
    nnrt_buffer_put(&all, "", 1);
    *owned = all.at;
    if (all.failed)
        return join_no_memory(name, fault);
    for (int64_t i = 0; i < j->samples; i++) { /* only now does it stay where it is */
        out[i].at = all.at + at;
        at += out[i].size;
    }
    return NNRT_OK;
}
