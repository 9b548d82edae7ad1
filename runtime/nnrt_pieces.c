/* SPDX-License-Identifier: MIT */
/* nnrt_pieces.c: what tokenizers split texts into: characters, words, GPT-2's pieces. */
#include <string.h>

#include "nnrt_text.h"

/* The class of the character at text[0..n), n > 0, and its bytes: 1 where it is no UTF-8. */
static nnrt_class piece_class(const char *text, size_t n, size_t *size)
{
    uint32_t c;
    unsigned char b = (unsigned char)text[0];
    *size = 1;
    if ((b | 32) >= 'a' && (b | 32) <= 'z')
        return NNRT_LETTER;
    *size = nnrt_utf8_take(text, n, &c);
    if (*size)
        return nnrt_unicode_class(c);
    *size = 1;
    return NNRT_OTHER;
}

/* How long the run of characters of the classes in `which` (bit by class) is that begins here. */
static size_t piece_run(const char *text, size_t n, unsigned which)
{
    size_t at = 0, size;
    while (at < n && which >> piece_class(text + at, n - at, &size) & 1)
        at += size;
    return at;
}

enum {
    PIECE_LETTERS = 1 << NNRT_LETTER,
    PIECE_NUMBERS = 1 << NNRT_NUMBER | 1 << NNRT_FRACTION,
    PIECE_SPACES = 1 << NNRT_SPACE,
    PIECE_WORD = 1 << NNRT_LETTER | 1 << NNRT_NUMBER | 1 << NNRT_MARK | 1 << NNRT_CONNECTOR |
                 1 << NNRT_WORDLIKE,
    PIECE_ALL = (1 << (NNRT_WORDLIKE + 1)) - 1
};

/* 's 't 're 've 'm 'll 'd; 0: none of them. */
static size_t piece_contraction(const char *text, size_t n)
{
    static const char *const ends[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    for (size_t i = 0; text[0] == '\'' && i < sizeof ends / sizeof *ends; i++) {
        size_t size = strlen(ends[i]);
        if (n > size && memcmp(text + 1, ends[i], size) == 0)
            return size + 1;
    }
    return 0;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t piece_gpt2(const char *text, size_t n)
{
    static const unsigned runs[] = {PIECE_LETTERS, PIECE_NUMBERS,
                                    PIECE_ALL & ~(PIECE_LETTERS | PIECE_NUMBERS | PIECE_SPACES)};
    size_t blank = text[0] == ' ', size = piece_contraction(text, n);
    if (size)
        return size;
    for (size_t i = 0; i < 3 && blank < n; i++) {
        size = piece_run(text + blank, n - blank, runs[i]);
        if (size)
            return blank + size;
    }
    size = piece_run(text, n, PIECE_SPACES);
    if (size == n)
        return n;
    size_t last = size - 1; /* where the last space begins: it goes with what follows */
    while (last > 0 && ((unsigned char)text[last] & 0xC0) == 0x80)
        last--;
    return last ? last : size;
}

size_t nnrt_piece(nnrt_split split, const char *text, size_t n, int *space)
{
    size_t size;
    *space = 0;
    switch (split) {
    case NNRT_SPLIT_BYTES: return n;
    case NNRT_SPLIT_GPT2: return piece_gpt2(text, n);
    case NNRT_SPLIT_CHARACTERS: piece_class(text, n, &size); return size;
    default: break;
    }
    size = piece_run(text, n, PIECE_SPACES);
    if (size) {
        *space = 1;
        return size;
    }
    if (split == NNRT_SPLIT_SPACES)
        return piece_run(text, n, PIECE_ALL & ~PIECE_SPACES);
    size = piece_run(text, n, PIECE_WORD);
    return size ? size : piece_run(text, n, PIECE_ALL & ~(PIECE_WORD | PIECE_SPACES));
}

void nnrt_lowered(const char *text, size_t size, nnrt_buffer *out)
{
    for (size_t i = 0, n; i < size; i += n) {
        uint32_t c;
        char bytes[4];
        n = nnrt_utf8_take(text + i, size - i, &c);
        if (n == 0)
            nnrt_buffer_put(out, text + i, n = 1); /* as it is */
        else
            nnrt_buffer_put(out, bytes, nnrt_utf8_put(nnrt_unicode_lower(c), bytes));
    }
}
