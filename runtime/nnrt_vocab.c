/* SPDX-License-Identifier: MIT */
/* nnrt_vocab.c: a vocabulary: tokens by id, ids by token, merges of bytes; texts to ids and back.
 *
 * A text is split at tokens that were added (<pad> and its like), then into pieces. A piece is
 * looked up whole, or, where the vocabulary merges, is a row of bytes of which the pair with the
 * smallest rank is merged again and again: with a heap of pairs, n log n for a piece of n bytes. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_text.h"

int nnrt_ids_put(nnrt_ids *ids, int32_t id)
{
    if (ids->n == ids->room) {
        size_t room = ids->room ? ids->room * 2 : 64;
        int32_t *grown = realloc(ids->at, room * sizeof *grown);
        if (!grown)
            return NNRT_NO_MEMORY;
        ids->at = grown;
        ids->room = room;
    }
    ids->at[ids->n++] = id;
    return NNRT_OK;
}

void nnrt_vocab_free(nnrt_vocab *v)
{
    for (int32_t i = 0; v->tokens && i < v->n; i++)
        free((void *)v->tokens[i].at);
    free(v->tokens);
    free(v->added);
    free(v->slots);
    free(v->merges);
    *v = (nnrt_vocab){0};
}

int nnrt_vocab_merges(const nnrt_vocab *v)
{
    return v->split == NNRT_SPLIT_BYTES || v->split == NNRT_SPLIT_GPT2;
}

/* --- tokens ----------------------------------------------------------------------------------- */

static size_t vocab_hash(const char *at, size_t n)
{
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)at[i]) * 0x100000001B3u;
    return (size_t)(h ^ h >> 32);
}

/* The place of a token: where it is, or the free one where it would be. */
static size_t vocab_slot(const nnrt_vocab *v, const char *token, size_t size)
{
    size_t mask = v->n_slots - 1, at = vocab_hash(token, size) & mask;
    for (; v->slots[at] >= 0; at = (at + 1) & mask) {
        const nnrt_span *t = &v->tokens[v->slots[at]];
        if (t->size == size && (size == 0 || memcmp(t->at, token, size) == 0))
            break;
    }
    return at;
}

int32_t nnrt_vocab_find(const nnrt_vocab *v, const char *token, size_t size)
{
    return v->n_slots ? v->slots[vocab_slot(v, token, size)] : -1;
}

/* Keeps the places at least half free. */
static int vocab_room(nnrt_vocab *v, size_t count)
{
    if (count * 2 <= v->n_slots)
        return NNRT_OK;
    size_t n = v->n_slots ? v->n_slots * 2 : 256;
    int32_t *slots = malloc(n * sizeof *slots), *old = v->slots;
    if (!slots)
        return NNRT_NO_MEMORY;
    memset(slots, 0xFF, n * sizeof *slots);
    size_t before = v->n_slots;
    v->slots = slots;
    v->n_slots = n;
    for (size_t i = 0; i < before; i++)
        if (old[i] >= 0)
            slots[vocab_slot(v, v->tokens[old[i]].at, v->tokens[old[i]].size)] = old[i];
    free(old);
    return NNRT_OK;
}

/* Ids up to `id` exist, without tokens. */
static int vocab_reach(nnrt_vocab *v, int32_t id)
{
    if ((size_t)id >= v->room) {
        size_t room = v->room ? v->room : 64;
        while (room <= (size_t)id)
            room *= 2;
        nnrt_span *grown = realloc(v->tokens, room * sizeof *grown);
        if (!grown)
            return NNRT_NO_MEMORY;
        v->tokens = grown;
        v->room = room;
    }
    for (; v->n <= id; v->n++)
        v->tokens[v->n] = (nnrt_span){NULL, 0};
    return NNRT_OK;
}

int32_t nnrt_vocab_add(nnrt_vocab *v, int32_t id, const char *token, size_t size)
{
    if (id < 0)
        id = v->n;
    if (nnrt_vocab_find(v, token, size) >= 0 || (id < v->n && v->tokens[id].at))
        return -2;
    char *copy = malloc(size + 1);
    if (!copy || vocab_reach(v, id) || vocab_room(v, (size_t)v->n + 1)) {
        free(copy);
        return -1;
    }
    if (size)
        memcpy(copy, token, size);
    copy[size] = 0;
    v->tokens[id].at = copy;
    v->tokens[id].size = size;
    v->slots[vocab_slot(v, token, size)] = id;
    return id;
}

int nnrt_vocab_add_special(nnrt_vocab *v, int32_t id)
{
    int32_t *grown = realloc(v->added, ((size_t)v->n_added + 1) * sizeof *grown);
    if (!grown)
        return NNRT_NO_MEMORY;
    v->added = grown;
    int at = v->n_added++;
    for (; at > 0 && v->tokens[grown[at - 1]].size < v->tokens[id].size; at--)
        grown[at] = grown[at - 1];
    grown[at] = id;
    return NNRT_OK;
}

/* --- merges ----------------------------------------------------------------------------------- */

static size_t vocab_merge_slot(const nnrt_merge *merges, size_t slots, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    size_t mask = slots - 1, at = (size_t)(h >> 32) & mask;
    while (merges[at].id >= 0 && (merges[at].left != left || merges[at].right != right))
        at = (at + 1) & mask;
    return at;
}

const nnrt_merge *nnrt_vocab_merge(const nnrt_vocab *v, int32_t left, int32_t right)
{
    if (!v->merge_slots)
        return NULL;
    const nnrt_merge *m = &v->merges[vocab_merge_slot(v->merges, v->merge_slots, left, right)];
    return m->id >= 0 ? m : NULL;
}

int nnrt_vocab_add_merge(nnrt_vocab *v, int32_t left, int32_t right, int32_t id)
{
    if ((v->n_merges + 1) * 2 > v->merge_slots) {
        size_t n = v->merge_slots ? v->merge_slots * 2 : 256;
        nnrt_merge *grown = malloc(n * sizeof *grown);
        if (!grown)
            return NNRT_NO_MEMORY;
        memset(grown, 0xFF, n * sizeof *grown); /* ids of -1: free */
        for (size_t i = 0; i < v->merge_slots; i++)
            if (v->merges[i].id >= 0)
                grown[vocab_merge_slot(grown, n, v->merges[i].left, v->merges[i].right)] =
                    v->merges[i];
        free(v->merges);
        v->merges = grown;
        v->merge_slots = n;
    }
    nnrt_merge *m = &v->merges[vocab_merge_slot(v->merges, v->merge_slots, left, right)];
    if (m->id < 0) /* of two that are equal, the first counts */
        *m = (nnrt_merge){left, right, id, (int32_t)v->n_merges++};
    return NNRT_OK;
}

/* Symbols of a piece as a list, and its pairs by rank as a heap. */
typedef struct vocab_symbol {
    int32_t id, before, after; /* after: -1 at the end; id: -1 once merged into the one before */
} vocab_symbol;

typedef struct vocab_pair {
    int32_t rank, at;          /* at: the left symbol */
    int32_t left, right, made; /* what they were, for a pair that is no more */
} vocab_pair;

typedef struct vocab_work {
    vocab_symbol *symbols;
    vocab_pair *heap;
    size_t pairs;
} vocab_work;

static int vocab_sooner(const vocab_pair *a, const vocab_pair *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void vocab_push(const nnrt_vocab *v, vocab_work *w, int32_t at)
{
    if (at < 0 || w->symbols[at].after < 0)
        return;
    int32_t left = w->symbols[at].id, right = w->symbols[w->symbols[at].after].id;
    const nnrt_merge *m = nnrt_vocab_merge(v, left, right);
    if (!m)
        return;
    vocab_pair pair = {m->rank, at, left, right, m->id};
    size_t i = w->pairs++;
    for (; i > 0 && vocab_sooner(&pair, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = pair;
}

static vocab_pair vocab_pop(vocab_work *w)
{
    vocab_pair top = w->heap[0], last = w->heap[--w->pairs];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->pairs; i = child) {
        if (child + 1 < w->pairs && vocab_sooner(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!vocab_sooner(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

/* Merges the bytes of a piece; each merge makes at most two new pairs. */
static int vocab_merge_piece(const nnrt_vocab *v, const char *piece, size_t n, nnrt_ids *out,
                             size_t *bad)
{
    vocab_symbol few[64];
    vocab_pair few_pairs[3 * 64];
    vocab_work w = {few, few_pairs, 0};
    if (n >= INT32_MAX / 2)
        return NNRT_NO_MEMORY;
    if (n > 64) {
        w.symbols = malloc(n * sizeof *w.symbols);
        w.heap = malloc(3 * n * sizeof *w.heap);
    }
    int status = w.symbols && w.heap ? NNRT_OK : NNRT_NO_MEMORY;
    for (size_t i = 0; i < n && !status; i++) {
        int32_t id = v->byte[(unsigned char)piece[i]];
        id = id < 0 ? v->unknown : id;
        w.symbols[i] = (vocab_symbol){id, (int32_t)i - 1, i + 1 < n ? (int32_t)i + 1 : -1};
        if (id < 0)
            *bad = i, status = NNRT_BAD_CONTENT;
    }
    for (size_t i = 0; i + 1 < n && !status; i++)
        vocab_push(v, &w, (int32_t)i);
    while (w.pairs && !status) {
        vocab_pair p = vocab_pop(&w);
        vocab_symbol *left = &w.symbols[p.at];
        if (left->id != p.left || left->after < 0 || w.symbols[left->after].id != p.right)
            continue;
        vocab_symbol *right = &w.symbols[left->after];
        left->id = p.made;
        right->id = -1;
        left->after = right->after;
        if (left->after >= 0)
            w.symbols[left->after].before = p.at;
        vocab_push(v, &w, left->before);
        vocab_push(v, &w, p.at);
    }
    for (int32_t i = 0; i >= 0 && !status; i = w.symbols[i].after)
        /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): a piece has one byte or more */
        status = nnrt_ids_put(out, w.symbols[i].id);
    if (w.symbols != few)
        free(w.symbols);
    if (w.heap != few_pairs)
        free(w.heap);
    return status;
}

/* --- texts ------------------------------------------------------------------------------------ */

static int vocab_piece(const nnrt_vocab *v, const char *piece, size_t n, nnrt_ids *out, size_t *bad)
{
    if (nnrt_vocab_merges(v))
        return vocab_merge_piece(v, piece, n, out, bad);
    int32_t id = nnrt_vocab_find(v, piece, n);
    *bad = 0;
    id = id < 0 ? v->unknown : id;
    return id < 0 ? NNRT_BAD_CONTENT : nnrt_ids_put(out, id);
}

/* A part without added tokens. */
static int vocab_part(const nnrt_vocab *v, const char *text, size_t size, nnrt_ids *out,
                      size_t *bad)
{
    for (size_t i = 0, n; i < size; i += n) {
        int space, status = NNRT_OK;
        n = nnrt_piece(v->split, text + i, size - i, &space);
        if (!space)
            status = vocab_piece(v, text + i, n, out, bad);
        if (status) {
            *bad += i;
            return status;
        }
    }
    return NNRT_OK;
}

/* The same, after what the vocabulary wants done to texts. *bad is in the text as given. */
static int vocab_normal(const nnrt_vocab *v, const char *text, size_t size, nnrt_ids *out,
                        size_t *bad)
{
    int prefix = v->prefix_space && size && text[0] != ' ';
    if (!prefix && !v->lowercase)
        return vocab_part(v, text, size, out, bad);
    nnrt_buffer b = {0};
    if (prefix)
        nnrt_buffer_put(&b, " ", 1);
    if (v->lowercase)
        nnrt_lowered(text, size, &b);
    else
        nnrt_buffer_put(&b, text, size);
    int status = b.failed ? NNRT_NO_MEMORY : vocab_part(v, b.at, b.size, out, bad);
    if (status == NNRT_BAD_CONTENT) /* lower case may be longer: near enough */
        *bad = *bad > (size_t)prefix ? *bad - (size_t)prefix : 0;
    nnrt_buffer_free(&b);
    return status;
}

/* The added token that stands at the text, or -1. */
static int32_t vocab_added_at(const nnrt_vocab *v, const char *text, size_t size)
{
    for (int i = 0; i < v->n_added; i++) {
        const nnrt_span *t = &v->tokens[v->added[i]];
        if (t->size && t->size <= size && memcmp(t->at, text, t->size) == 0)
            return v->added[i];
    }
    return -1;
}

int nnrt_vocab_encode(const nnrt_vocab *v, const char *text, size_t size, nnrt_ids *out,
                      size_t *bad)
{
    size_t from = 0;
    unsigned char begins[256] = {0};
    for (int i = 0; i < v->n_added; i++)
        begins[(unsigned char)v->tokens[v->added[i]].at[0]] = 1;
    for (size_t i = 0; i < size && v->n_added;) {
        int32_t id = begins[(unsigned char)text[i]] ? vocab_added_at(v, text + i, size - i) : -1;
        if (id < 0) {
            i++;
            continue;
        }
        int status = vocab_normal(v, text + from, i - from, out, bad);
        *bad += status ? from : 0;
        if (!status)
            status = nnrt_ids_put(out, id);
        if (status)
            return status;
        i += v->tokens[id].size;
        from = i;
    }
    int status = vocab_normal(v, text + from, size - from, out, bad);
    *bad += status ? from : 0;
    return status;
}

void nnrt_vocab_decode(const nnrt_vocab *v, const int32_t *ids, size_t n, nnrt_buffer *out)
{
    int words = v->split == NNRT_SPLIT_WORDS || v->split == NNRT_SPLIT_SPACES;
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= v->n || !v->tokens[ids[i]].at || ids[i] == v->pad)
            continue;
        if (words && out->size)
            nnrt_buffer_put(out, " ", 1);
        nnrt_buffer_put(out, v->tokens[ids[i]].at, v->tokens[ids[i]].size);
    }
}
