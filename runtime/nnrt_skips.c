/* SPDX-License-Identifier: MIT */
/* nnrt_skips.c: bad samples that --keep-going leaves out: which they are, the first reasons, and data without them. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

int nnrt_skip(const nnrt_read *r, int64_t at, int status)
{
    nnrt_skips *s = r->skips;
    if (!s || status != NNRT_BAD_CONTENT || r->d->window) /* windows share their rows */
        return status;
    if (at >= s->room) {
        int64_t room = at * 2 + 64;
        unsigned char *grown = realloc(s->flags, (size_t)room);
        if (!grown)
            return nnrt_fail(r->fault, NNRT_NO_MEMORY, "no memory for the bad rows");
        memset(grown + s->room, 0, (size_t)(room - s->room));
        s->flags = grown;
        s->room = room;
    }
    if (s->flags[at])
        return NNRT_OK;
    s->flags[at] = 1;
    if (s->n < NNRT_SKIPS_NAMED)
        s->first[s->n] = *r->fault;
    s->n++;
    return NNRT_OK;
}

int nnrt_skipped(const nnrt_read *r, int64_t at)
{
    return r->skips && at < r->skips->room && r->skips->flags[at];
}

/* Moves the samples that stay to the front of an array; those of a file that is mapped, to memory. */
static int skips_shrink(const nnrt_read *r, nnrt_array *a, int64_t kept)
{
    size_t bytes = nnrt_array_item(a->type);
    for (int i = 1; i < a->rank; i++)
        bytes *= (size_t)a->dim[i];
    size_t apart = a->step ? (size_t)a->step * nnrt_array_item(a->type) : bytes;
    unsigned char *data = a->data, *to = a->mapped ? malloc((size_t)kept * bytes + 1) : data;
    if (!to)
        return nnrt_fail(r->fault, NNRT_NO_MEMORY, "no memory for %lld samples", (long long)kept);
    for (int64_t from = 0, at = 0; from < a->dim[0]; from++)
        if (!nnrt_skipped(r, from))
            memmove(to + (size_t)at++ * bytes, data + (size_t)from * apart, bytes);
    if (a->mapped) {
        nnrt_array whole = *a;
        nnrt_array_free(&whole);
        a->data = a->owned = to;
        a->mapped = 0;
        a->step = 0;
    }
    a->dim[0] = kept;
    return NNRT_OK;
}

int nnrt_skips_apply(const nnrt_read *r)
{
    nnrt_dataset *d = r->d;
    const nnrt_skips *s = r->skips;
    if (!s || !s->n)
        return NNRT_OK;
    for (int64_t i = 0; i < s->n && i < NNRT_SKIPS_NAMED; i++)
        nnrt_say(d->model, "skipped: %s", s->first[i].text);
    nnrt_say(d->model, "warning: %lld of %lld rows are bad and left out%s", (long long)s->n,
             (long long)d->n, s->n > NNRT_SKIPS_NAMED ? "; the first are named above" : "");
    if (s->n == d->n) {
        *r->fault = s->first[0];
        return NNRT_BAD_CONTENT;
    }
    int64_t kept = d->n - s->n;
    d->origin = malloc((size_t)kept * sizeof *d->origin);
    if (!d->origin)
        return nnrt_fail(r->fault, NNRT_NO_MEMORY, "no memory for the order of %lld samples",
                         (long long)kept);
    for (int64_t i = 0, to = 0; i < d->n; i++)
        if (!nnrt_skipped(r, i))
            d->origin[to++] = i;
    int status = NNRT_OK;
    for (int i = 0; i < d->model->n_inputs && !status; i++)
        if (d->columns[i].data)
            status = skips_shrink(r, &d->columns[i], kept);
    d->total = d->n;
    d->n = kept;
    return status;
}
