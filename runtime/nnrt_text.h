/* SPDX-License-Identifier: MIT */
/* nnrt_text.h: texts to tokens and back; private to the runtime. */
#ifndef NNRT_TEXT_H
#define NNRT_TEXT_H

#include "nnrt_data.h"

/* --- nnrt_unicode.c --------------------------------------------------------------------------- */

typedef enum {
    NNRT_OTHER,
    NNRT_LETTER,
    NNRT_NUMBER,
    NNRT_MARK, /* combining */
    NNRT_SPACE,
    NNRT_CONNECTOR, /* _ and its like */
    NNRT_FRACTION,  /* numbers that are no digits: superscripts, 1/2 as a character */
    NNRT_WORDLIKE   /* others that words may have in them */
} nnrt_class;

nnrt_class nnrt_unicode_class(uint32_t c);
/* The lower case of a character, where that is one character; else itself. */
uint32_t nnrt_unicode_lower(uint32_t c);
/* The character at text[0..n): how many bytes it takes, 0 where it is no UTF-8 or n is 0. */
size_t nnrt_utf8_take(const char *text, size_t n, uint32_t *c);
/* Writes a character: how many bytes. */
size_t nnrt_utf8_put(uint32_t c, char out[4]);

/* --- nnrt_json.c: JSON, pulled value by value ------------------------------------------------- */

/* After something wrong, `status` is set, the fault says what and where, and every call gives
 * nothing. Texts given are owned by the reader and stand until the next call that gives one. */
typedef struct nnrt_json {
    const char *name; /* of the file */
    const unsigned char *bytes;
    size_t at, end;
    int depth, status;
    nnrt_buffer text;
    nnrt_fault *fault;
} nnrt_json;

nnrt_json nnrt_json_of(const char *name, const void *bytes, size_t size, nnrt_fault *);
void nnrt_json_close(nnrt_json *);
/* The first character of the value that follows: { [ " t f n - or a digit; 0: none. */
int nnrt_json_peek(nnrt_json *);
/* 1: an object ('{') or list ('[') begins here, and is entered. */
int nnrt_json_enter(nnrt_json *, char open);
/* In an object or list: 1: another member follows (of an object: its key is in *key); 0: it has
 * ended, and is left. `first` is 1 before the first. */
int nnrt_json_member(nnrt_json *, int *first, const char **key);
int nnrt_json_item(nnrt_json *, int *first);
/* A string, with its length; NULL after something wrong. May hold NULs where `size` is not NULL. */
const char *nnrt_json_string(nnrt_json *, size_t *size);
/* An integer from 0 to `most`; -1. */
int64_t nnrt_json_count(nnrt_json *, int64_t most);
double nnrt_json_number(nnrt_json *);
/* true or false. */
int nnrt_json_bool(nnrt_json *);
/* 1: null stands here, and is passed. */
int nnrt_json_null(nnrt_json *);
/* Passes over a value of any kind. */
void nnrt_json_skip(nnrt_json *);
/* What is wrong at the place at hand; gives NNRT_BAD_CONTENT. */
int nnrt_json_wrong(nnrt_json *, const char *expected);
/* Nothing but blanks may follow: the reader's status. */
int nnrt_json_end(nnrt_json *);

/* --- nnrt_vocab.c: tokens by id, ids by token ------------------------------------------------- */

typedef struct nnrt_ids {
    int32_t *at;
    size_t n, room;
} nnrt_ids;

/* 0, or NNRT_NO_MEMORY. */
int nnrt_ids_put(nnrt_ids *, int32_t id);

typedef enum {
    NNRT_SPLIT_CHARACTERS, /* each is a token */
    NNRT_SPLIT_WORDS,      /* runs of letters, marks, digits and _; runs of what else is no space */
    NNRT_SPLIT_SPACES,     /* what stands between spaces */
    NNRT_SPLIT_BYTES,      /* the whole, for merges of bytes */
    NNRT_SPLIT_GPT2        /* GPT-2's pieces, for merges of bytes */
} nnrt_split;

typedef struct nnrt_merge {
    int32_t left, right, id; /* id: what the two make; -1: a free place */
    int32_t rank;            /* smaller merges first */
} nnrt_merge;

typedef struct nnrt_vocab {
    nnrt_split split;
    int lowercase, prefix_space;
    int32_t pad, unknown; /* -1: none */
    int32_t begin, end;   /* of a text: <bos> and <eos>, or as others call them; -1: none */
    int32_t n;            /* ids are 0 .. n-1 */
    nnrt_span *tokens;    /* by id; raw bytes, also of merges; at NULL: no such token */
    size_t room;
    int32_t *added; /* tokens found in texts before they are split, the longest first */
    int n_added;
    int32_t *slots;     /* ids by hash of the token, -1: free */
    size_t n_slots;     /* a power of 2 */
    int32_t byte[256];  /* split by bytes: the token of one */
    nnrt_merge *merges; /* by hash of left and right */
    size_t merge_slots, n_merges;
} nnrt_vocab;

void nnrt_vocab_free(nnrt_vocab *);
/* 1: texts are merged from bytes; 0: looked up. */
int nnrt_vocab_merges(const nnrt_vocab *);
/* The id of a token; -1: none. */
int32_t nnrt_vocab_find(const nnrt_vocab *, const char *token, size_t size);
/* Adds a token: to its id (which must be free) or, where it is -1, to the next. Gives the id, -1:
 * no memory, -2: the token or the id is taken. */
int32_t nnrt_vocab_add(nnrt_vocab *, int32_t id, const char *token, size_t size);
/* A token that is found in texts before they are split. 0 or NNRT_NO_MEMORY. */
int nnrt_vocab_add_special(nnrt_vocab *, int32_t id);
/* The merge of two tokens, with the next rank; 0 or NNRT_NO_MEMORY. */
int nnrt_vocab_add_merge(nnrt_vocab *, int32_t left, int32_t right, int32_t id);
const nnrt_merge *nnrt_vocab_merge(const nnrt_vocab *, int32_t left, int32_t right);
/* The ids of a text, added to `out`. NNRT_BAD_CONTENT where a piece has none: *bad is its first
 * byte. */
int nnrt_vocab_encode(const nnrt_vocab *, const char *text, size_t size, nnrt_ids *out,
                      size_t *bad);
/* The text of ids, added to that of those before them in `out`; ids without a token give nothing. Words are joined
 * by spaces. */
void nnrt_vocab_decode(const nnrt_vocab *, const int32_t *ids, size_t n, nnrt_buffer *out);

/* --- nnrt_pieces.c: what tokenizers split texts into ------------------------------------------ */

/* The length of the piece at text[0..n), n > 0: GPT-2's pattern, or NNRT_SPLIT_WORDS and its like.
 * *space: it is white space between words, and no piece. Bytes that are no UTF-8 count as others.
 */
size_t nnrt_piece(nnrt_split, const char *text, size_t n, int *space);
/* The text in lower case, in a buffer of the caller's. */
void nnrt_lowered(const char *text, size_t size, nnrt_buffer *out);

/* --- nnrt_learn.c: vocabularies from texts ---------------------------------------------------- */

/* What is made: at most `size` tokens, and which come first. */
typedef struct nnrt_learning {
    nnrt_tokens_kind kind;
    int lowercase, pad, unknown, ends;
    int64_t size;
    const char *name, *input; /* the file and the input, for the fault */
    const size_t *lines;      /* of each text in the file; NULL: it is one text, from line 1 */
} nnrt_learning;

int nnrt_vocab_learn(const nnrt_learning *, const nnrt_span *texts, size_t n, nnrt_vocab *out,
                     nnrt_fault *);

/* --- nnrt_tokenizer.c: tokenizer.json --------------------------------------------------------- */

/* Reads what Hugging Face's tokenizers write: BPE of bytes, or whole words. What is not supported
 * is refused by name. */
int nnrt_tokenizer_parse(const char *name, const void *bytes, size_t size, nnrt_vocab *out,
                         nnrt_fault *);
/* Writes it as such a file; look at out->failed. */
void nnrt_tokenizer_write(const nnrt_vocab *, nnrt_buffer *out);

/* --- nnrt_prompt.c: the vocabulary that a weights file keeps ----------------------------------- */

/* Reads `kept`, the text that it has for an input. */
int nnrt_vocab_kept(const char *kept, const char *input, nnrt_vocab *out, nnrt_fault *);
/* Fails where the tokens are more than the input has room for; name: where they are from. */
int nnrt_vocab_fits(const nnrt_vocab *, const char *name, const nnrt_value *, nnrt_fault *);
/* Prints n samples of `each` labels as texts of the only vocabulary, or as numbers where there is none, or
 * several. */
int nnrt_text_say(const nnrt_meta *, const float *labels, int64_t n, int64_t each, nnrt_fault *);

/* --- nnrt_stories.c: made-up texts ------------------------------------------------------------ */

/* `count` short stories, a line each: who has what, and where it goes. */
void nnrt_stories(uint64_t seed, int64_t count, nnrt_buffer *out);
/* The i-th review of a film, and whether it likes it: the last clause counts, and "not" turns it. */
int nnrt_review(uint64_t seed, int64_t i, nnrt_buffer *out);
/* The i-th phrase, in English, or in a made-up language. (nnrt_phrases.c) */
void nnrt_phrase(uint64_t seed, int64_t i, int made_up, nnrt_buffer *out);
/* The i-th headline, and its topic: business, science, sport or world. What it follows "after" may be
 * of another one. */
int nnrt_headline(uint64_t seed, int64_t i, nnrt_buffer *out);

/* --- nnrt_text.c: sources of text ------------------------------------------------------------- */

/* The lines of a file; the targets of a source of pairs, as they stand there. */
int nnrt_text_lines(const char *path, nnrt_texts *, nnrt_fault *);
int nnrt_text_targets(const nnrt_source *, const char *dir, nnrt_texts *, nnrt_fault *);

/* Columns of tables to arrays: tokens, classes by name or number, lengths. What a `text` and a list
 * of `wav` share. */
typedef struct nnrt_table {
    const nnrt_read *read;
    const nnrt_source *source;
    const char *name; /* of the file */
    int64_t rows;
    const size_t *lines;          /* of each row in the file */
    const struct nnrt_join *join; /* sound: each row is of several clips; or NULL */
} nnrt_table;

/* Fills the column of a token input from its texts, and that of its lengths where one is wanted. */
int nnrt_table_tokens(const nnrt_table *, int input, const nnrt_span *texts);
/* The same for class indices: numbers, or names. (nnrt_labels.c) */
int nnrt_table_classes(const nnrt_table *, int input, const nnrt_span *texts);
/* Keeps names for the weights file, under nncc.labels.KEY as a JSON list in order of their bytes; reads those that are
 * kept, ids in their order (none: n is 0). (nnrt_labels.c) */
int nnrt_labels_keep(const nnrt_read *, const char *key, const nnrt_vocab *names);
int nnrt_labels_kept(const nnrt_meta *, const char *key, nnrt_vocab *out, nnrt_fault *);
/* Keeps the names that texts of a table's rows have (those of `from`, one flag a row; NULL: of all), at most `classes`,
 * where some text is no number. (nnrt_labels.c) */
int nnrt_labels_learn(const nnrt_table *, const char *key, int64_t classes, const nnrt_span *texts,
                      const unsigned char *from);
/* The index that a text has: its place among the names, or without names its number; -1: none. (nnrt_labels.c) */
int32_t nnrt_labels_class(const nnrt_vocab *names, const nnrt_span *text);
/* A column of lengths: `of` is the input that they belong to. Nothing where the source names none.
 */
int nnrt_table_lengths(const nnrt_table *, int of, const int32_t *lengths);

#endif
