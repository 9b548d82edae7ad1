/* SPDX-License-Identifier: MIT */
/* nnrt_learn.c: vocabularies from texts: characters, words, or merges of bytes (Sennrich, Haddow,
 * Birch 2016; of bytes as GPT-2 has it): the pair of neighbours that is the most frequent becomes a
 * token, again and again. Of equals the first by ids counts, so the same texts always give the same
 * vocabulary. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_text.h"

/* A piece that occurs, and how often. */
typedef struct learn_piece {
    nnrt_span text;
    int64_t count;
} learn_piece;

typedef struct learn_state {
    const nnrt_learning *how;
    nnrt_vocab *v, seen; /* what is made; pieces by number */
    learn_piece *pieces;
    size_t n, room;
    nnrt_fault *fault;
} learn_state;

static int learn_no_memory(const learn_state *s)
{
    return nnrt_fail(s->fault, NNRT_NO_MEMORY, "%s: no memory for the vocabulary of '%s'",
                     s->how->name, s->how->input);
}

/* --- counting --------------------------------------------------------------------------------- */

static int learn_count(learn_state *s, const char *piece, size_t size)
{
    int32_t at = nnrt_vocab_find(&s->seen, piece, size);
    if (at < 0) {
        if (s->n == s->room) {
            size_t room = s->room ? s->room * 2 : 1024;
            learn_piece *grown = realloc(s->pieces, room * sizeof *grown);
            if (!grown)
                return learn_no_memory(s);
            s->pieces = grown;
            s->room = room;
        }
        at = s->n < INT32_MAX / 2 ? nnrt_vocab_add(&s->seen, -1, piece, size) : -1;
        if (at < 0)
            return learn_no_memory(s);
        s->pieces[s->n++] = (learn_piece){s->seen.tokens[at], 0};
    }
    s->pieces[at].count++;
    return NNRT_OK;
}

/* Characters and words are characters: what is kept of them must be UTF-8, without NUL. */
static int learn_check(const learn_state *s, const nnrt_span *text, size_t index)
{
    size_t line = s->how->lines ? s->how->lines[index] : 1, from = 0;
    for (size_t i = 0, n; i < text->size; i += n) {
        uint32_t c;
        n = nnrt_utf8_take(text->at + i, text->size - i, &c);
        if (n == 0 || c == 0)
            return nnrt_fail(s->fault, NNRT_BAD_CONTENT,
                             "%s:%zu:%zu: expected characters in UTF-8, found byte %02x (the "
                             "tokenizers bytes and bpe take any)",
                             s->how->name, line, i - from + 1, (unsigned char)text->at[i]);
        if (c == '\n' && !s->how->lines)
            line++, from = i + 1;
    }
    return NNRT_OK;
}

/* Counts the pieces of a text. */
static int learn_text(learn_state *s, const nnrt_span *text)
{
    nnrt_buffer lower = {0};
    nnrt_span t = *text;
    int status = NNRT_OK;
    if (s->how->lowercase) {
        nnrt_lowered(text->at, text->size, &lower);
        t = (nnrt_span){lower.at, lower.size};
        status = lower.failed ? learn_no_memory(s) : NNRT_OK;
    }
    for (size_t i = 0, n; i < t.size && !status; i += n) {
        int space;
        n = nnrt_piece(s->v->split, t.at + i, t.size - i, &space);
        if (!space)
            status = learn_count(s, t.at + i, n);
    }
    nnrt_buffer_free(&lower);
    return status;
}

static int learn_by_bytes(const learn_piece *a, const learn_piece *b)
{
    size_t n = a->text.size < b->text.size ? a->text.size : b->text.size;
    int order = memcmp(a->text.at, b->text.at, n);
    return order ? order : (a->text.size > b->text.size) - (a->text.size < b->text.size);
}

/* UTF-8 sorts as its code points do. */
static int learn_by_text(const void *a, const void *b)
{
    return learn_by_bytes(a, b);
}

static int learn_by_count(const void *a, const void *b)
{
    const learn_piece *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return learn_by_bytes(x, y);
}

/* --- characters and words --------------------------------------------------------------------- */

static int learn_add(learn_state *s, const char *token, size_t size)
{
    return nnrt_vocab_add(s->v, -1, token, size) < 0 ? learn_no_memory(s) : NNRT_OK;
}

/* The most frequent that there is room for: words in that order, characters by code. */
static int learn_whole(learn_state *s)
{
    const nnrt_learning *how = s->how;
    int characters = how->kind == NNRT_TOKENS_CHARACTERS;
    size_t room = how->size > s->v->n ? (size_t)(how->size - s->v->n) : 0;
    if (s->n > room && !how->unknown)
        return nnrt_fail(s->fault, NNRT_BAD_CONTENT,
                         "%s: %zu different characters, but '%s' has room for %zu (tokens: %lld)",
                         how->name, s->n, how->input, room, (long long)how->size);
    if (s->n)
        qsort(s->pieces, s->n, sizeof *s->pieces, learn_by_count);
    size_t n = s->n < room ? s->n : room;
    if (characters && n)
        qsort(s->pieces, n, sizeof *s->pieces, learn_by_text);
    int status = NNRT_OK;
    for (size_t i = 0; i < n && !status; i++)
        status = learn_add(s, s->pieces[i].text.at, s->pieces[i].text.size);
    return status;
}

/* --- merges ----------------------------------------------------------------------------------- */

/* A pair of neighbours: how often it occurs, and in which pieces it may be. */
typedef struct learn_pair {
    int32_t left, right;
    int64_t count;
    nnrt_ids pieces;
} learn_pair;

typedef struct learn_merges {
    learn_state *s;
    int32_t *symbols;   /* of all pieces, each where its bytes began */
    size_t *first;      /* of each piece */
    int32_t *length;    /* symbols that it has now */
    nnrt_vocab by_pair; /* merges (left, right) to the number of the pair */
    learn_pair *pairs;
    size_t n, room;
} learn_merges;

/* The pair's entry; NULL: no memory. */
static learn_pair *learn_pair_of(learn_merges *m, int32_t left, int32_t right)
{
    const nnrt_merge *found = nnrt_vocab_merge(&m->by_pair, left, right);
    if (found)
        return &m->pairs[found->id];
    if (m->n == m->room) {
        size_t room = m->room ? m->room * 2 : 1024;
        learn_pair *grown = realloc(m->pairs, room * sizeof *grown);
        if (!grown)
            return NULL;
        m->pairs = grown;
        m->room = room;
    }
    if (m->n > INT32_MAX / 2 || nnrt_vocab_add_merge(&m->by_pair, left, right, (int32_t)m->n))
        return NULL;
    m->pairs[m->n] = (learn_pair){left, right, 0, {0}};
    return &m->pairs[m->n++];
}

/* A pair of piece `at` comes (by > 0) or goes. */
static int learn_pair_add(learn_merges *m, size_t at, int32_t left, int32_t right, int64_t by)
{
    learn_pair *p = learn_pair_of(m, left, right);
    if (!p)
        return learn_no_memory(m->s);
    p->count += by * m->s->pieces[at].count;
    int known = p->pieces.n && p->pieces.at[p->pieces.n - 1] == (int32_t)at;
    if (by < 0 || known)
        return NNRT_OK;
    return nnrt_ids_put(&p->pieces, (int32_t)at) ? learn_no_memory(m->s) : NNRT_OK;
}

/* In piece `at`, each `left right` becomes `made`. */
static int learn_apply(learn_merges *m, size_t at, int32_t left, int32_t right, int32_t made)
{
    int32_t *symbols = m->symbols + m->first[at], n = m->length[at], to = 0;
    int status = NNRT_OK;
    for (int32_t i = 0; i + 1 < n && !status; i++)
        status = learn_pair_add(m, at, symbols[i], symbols[i + 1], -1);
    for (int32_t i = 0; i < n; i++) {
        int merged = i + 1 < n && symbols[i] == left && symbols[i + 1] == right;
        symbols[to++] = merged ? made : symbols[i];
        i += merged;
    }
    m->length[at] = to;
    for (int32_t i = 0; i + 1 < to && !status; i++)
        status = learn_pair_add(m, at, symbols[i], symbols[i + 1], 1);
    return status;
}

static const learn_pair *learn_most_frequent(const learn_merges *m)
{
    const learn_pair *best = NULL;
    for (size_t i = 0; i < m->n; i++) {
        const learn_pair *p = &m->pairs[i];
        if (p->count < 2 || (best && p->count < best->count))
            continue;
        if (!best || p->count > best->count || p->left < best->left ||
            (p->left == best->left && p->right < best->right))
            best = p;
    }
    return best;
}

/* The token that two make. */
static int32_t learn_joined(learn_state *s, int32_t left, int32_t right)
{
    const nnrt_span a = s->v->tokens[left], b = s->v->tokens[right];
    char *joined = malloc(a.size + b.size);
    if (!joined)
        return -1;
    memcpy(joined, a.at, a.size);
    memcpy(joined + a.size, b.at, b.size);
    int32_t id = nnrt_vocab_find(s->v, joined, a.size + b.size); /* two ways to one token */
    if (id < 0)
        id = nnrt_vocab_add(s->v, -1, joined, a.size + b.size);
    free(joined);
    return id;
}

static int learn_merge(learn_merges *m, const learn_pair *best)
{
    int32_t left = best->left, right = best->right, made = learn_joined(m->s, left, right);
    if (made < 0 || nnrt_vocab_add_merge(m->s->v, left, right, made))
        return learn_no_memory(m->s);
    nnrt_ids pieces = best->pieces; /* the pair's place may move while others are added */
    ((learn_pair *)best)->pieces = (nnrt_ids){0};
    int status = NNRT_OK;
    for (size_t i = 0; i < pieces.n && !status; i++)
        status = learn_apply(m, (size_t)pieces.at[i], left, right, made);
    free(pieces.at);
    return status;
}

/* Every piece as bytes, and their pairs. */
static int learn_begin(learn_merges *m)
{
    learn_state *s = m->s;
    size_t total = 0;
    for (size_t i = 0; i < s->n; i++)
        total += s->pieces[i].text.size;
    m->symbols = malloc((total + 1) * sizeof *m->symbols);
    m->first = malloc((s->n + 1) * sizeof *m->first);
    m->length = malloc((s->n + 1) * sizeof *m->length);
    if (!m->symbols || !m->first || !m->length)
        return learn_no_memory(s);
    int status = NNRT_OK;
    for (size_t i = 0, at = 0; i < s->n && !status; at += s->pieces[i++].text.size) {
        const nnrt_span *t = &s->pieces[i].text;
        m->first[i] = at;
        m->length[i] = (int32_t)t->size;
        for (size_t k = 0; k < t->size; k++)
            m->symbols[at + k] = s->v->byte[(unsigned char)t->at[k]];
        for (size_t k = 0; k + 1 < t->size && !status; k++)
            status = learn_pair_add(m, i, m->symbols[at + k], m->symbols[at + k + 1], 1);
    }
    return status;
}

static int learn_merges_make(learn_state *s)
{
    learn_merges m = {.s = s};
    int status = learn_begin(&m);
    while (!status && s->v->n < s->how->size) {
        const learn_pair *best = learn_most_frequent(&m);
        if (!best)
            break; /* nothing occurs twice any more */
        status = learn_merge(&m, best);
    }
    for (size_t i = 0; i < m.n; i++)
        free(m.pairs[i].pieces.at);
    free(m.pairs);
    free(m.symbols);
    free(m.first);
    free(m.length);
    nnrt_vocab_free(&m.by_pair);
    return status;
}

static int learn_bytes(learn_state *s)
{
    if (s->how->size < s->v->n + 256)
        return nnrt_fail(s->fault, NNRT_BAD_CALL,
                         "'%s': bytes need a vocabulary of %d tokens or more, not %lld",
                         s->how->input, s->v->n + 256, (long long)s->how->size);
    for (int i = 0; i < 256; i++) {
        char byte = (char)i;
        s->v->byte[i] = nnrt_vocab_add(s->v, -1, &byte, 1);
        if (s->v->byte[i] < 0)
            return learn_no_memory(s);
    }
    return NNRT_OK;
}

/* --- all of it -------------------------------------------------------------------------------- */

/* <pad>, <unk>, <bos> and <eos>, first. */
static int learn_specials(learn_state *s)
{
    static const char *const names[] = {"<pad>", "<unk>", "<bos>", "<eos>"};
    const int wanted[] = {s->how->pad, s->how->unknown, s->how->ends, s->how->ends};
    int32_t *const ids[] = {&s->v->pad, &s->v->unknown, &s->v->begin, &s->v->end};
    for (int i = 0; i < 4; i++) {
        *ids[i] = -1;
        if (!wanted[i])
            continue;
        *ids[i] = nnrt_vocab_add(s->v, -1, names[i], strlen(names[i]));
        if (*ids[i] < 0 || nnrt_vocab_add_special(s->v, *ids[i]))
            return learn_no_memory(s);
    }
    return NNRT_OK;
}

int nnrt_vocab_learn(const nnrt_learning *how, const nnrt_span *texts, size_t n, nnrt_vocab *out,
                     nnrt_fault *fault)
{
    static const nnrt_split split[] = {NNRT_SPLIT_CHARACTERS, NNRT_SPLIT_BYTES, NNRT_SPLIT_WORDS,
                                       NNRT_SPLIT_GPT2};
    *out = (nnrt_vocab){.split = split[how->kind], .lowercase = how->lowercase};
    learn_state s = {.how = how, .v = out, .fault = fault};
    int bytes = nnrt_vocab_merges(out), status = learn_specials(&s);
    if (!status && bytes)
        status = learn_bytes(&s);
    for (size_t i = 0; i < n && !status && how->kind != NNRT_TOKENS_BYTES; i++) {
        if (!bytes)
            status = learn_check(&s, &texts[i], i);
        if (!status)
            status = learn_text(&s, &texts[i]);
    }
    if (!status && !bytes)
        status = learn_whole(&s);
    else if (!status && how->kind == NNRT_TOKENS_BPE)
        status = learn_merges_make(&s);
    free(s.pieces);
    nnrt_vocab_free(&s.seen);
    if (status)
        nnrt_vocab_free(out);
    return status;
}
