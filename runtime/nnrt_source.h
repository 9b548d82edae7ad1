/* SPDX-License-Identifier: MIT */
/* nnrt_source.h: where a model's data comes from, as the emitted table says it; part of nnrt.h. */
#ifndef NNRT_SOURCE_H
#define NNRT_SOURCE_H

#include <stdint.h>

/* Where data comes from. */
typedef enum {
    NNRT_SOURCE_NONE,
    NNRT_SOURCE_IDX,       /* a file an input */
    NNRT_SOURCE_NPY,       /* a file an input */
    NNRT_SOURCE_NPZ,       /* one file, a member an input */
    NNRT_SOURCE_RECORDS,   /* files of fixed records: raw bytes, the inputs in order */
    NNRT_SOURCE_CSV,       /* one file, one or several columns an input */
    NNRT_SOURCE_SYNTHETIC, /* made by a seeded generator of the runtime */
    NNRT_SOURCE_TEXT,      /* windows of a long text; tables of texts: a column an input */
    NNRT_SOURCE_SOUND,     /* clips of a folder or a list */
    NNRT_SOURCE_IMAGES     /* PNG and JPEG files of a folder or a list */
} nnrt_source_kind;

/* How texts become tokens. */
typedef enum {
    NNRT_TOKENS_CHARACTERS, /* vocabularies are made from the training data: characters */
    NNRT_TOKENS_BYTES,      /* none: bytes are */
    NNRT_TOKENS_WORDS,      /* the most frequent words */
    NNRT_TOKENS_BPE,        /* byte-pair encoding */
    NNRT_TOKENS_FILE        /* a tokenizer.json has it */
} nnrt_tokens_kind;

typedef struct nnrt_text {
    nnrt_tokens_kind tokens;
    const char *file; /* tokenizer.json */
    int lowercase;
    int64_t stride;  /* > 0: windows of the text as long as an input, so far apart; the second
                         column is the first one's, a token on. 0: a table */
    int refuse_long; /* texts longer than their input; else they are cut off */
    int is_pairs;    /* of two files, a line a text: the columns are the source, the target after
                         a <bos>, the target before an <eos> */
} nnrt_text;

/* How clips become numbers: features a frame, [frames, features]. */
typedef struct nnrt_sound {
    int64_t rate;       /* samples a second; clips of another are resampled */
    int is_mfcc;        /* else the logarithm of a mel spectrogram */
    int64_t n_fft, hop; /* samples a window, and from one to the next */
    int64_t n_mels, n_mfcc;
    double f_min, f_max; /* Hz */
    int refuse_long;
    /* join_samples > 0: so many samples, each of join_least to join_most clips drawn by join_seed, with up to
     * join_gap seconds of silence between two; their texts are joined too. */
    int64_t join_least, join_most, join_samples;
    uint64_t join_seed;
    double join_gap;
} nnrt_sound;

/* How images of another size than their input's become as large. */
typedef enum {
    NNRT_RESIZE_NONE,    /* they are refused */
    NNRT_RESIZE_STRETCH, /* each axis by itself */
    NNRT_RESIZE_CROP,    /* both axes alike, until they cover the input: the middle of that */
    NNRT_RESIZE_PAD      /* both alike, until they fit into it: in the middle, 0 around them */
} nnrt_resize;

/* What a source of images says beside its columns. */
typedef struct nnrt_images {
    nnrt_resize resize;
    const char *masks;        /* the folder of the masks of a folder's images, or NULL */
    int n_where;              /* a list: its rows whose columns have these values; 0: all */
    const char *const *where; /* column, value, column, value, ... */
    const char *path;         /* a list: where its images are, {} for what it says; NULL: it says the path */
} nnrt_images;

typedef struct nnrt_column {
    const char *input; /* which input it feeds */
    const char *file;  /* idx, npy: its file; npz: its member (without .npy); images: a table of boxes, whose columns of
                          image, class, x0, y0, x1, y1 are `names`, of at most `count` classes */
    int64_t bytes;     /* records: how many bytes of a record */
    int n_names;       /* csv: its columns, by name, or by number from 0 as digits */
    const char *const *names;
    const char *of; /* text, sound: it holds the lengths of this input's samples */
    /* csv, of an input with classes: its texts are categories where one of the first two is not 0. */
    int64_t count;                 /* so many at most, of which the training data says which */
    int n_categories;              /* these, in the order of their indices */
    const char *const *categories;
    int has_unseen;                /* a category that is not known has the index `unseen`; else it is an error */
    int64_t unseen;
    int64_t offset;                /* added to its numbers */
    int cut;                       /* images: boxes that a sample has no room for are left out; 0: an error */
} nnrt_column;

/* csv: rows whose field in this column is one of n texts. */
typedef struct nnrt_where {
    const char *column;
    int n;
    const char *const *values;
} nnrt_where;

/* csv: an input gets a row of classes: the one of its column, which the user took, and `count` others that the
 * user took in none of the rows. */
typedef struct nnrt_negatives {
    const char *input, *user;
    const char *label; /* an input that gets 1 for the first, 0 for the others; or NULL */
    int64_t count;
    uint64_t seed;
    const char *seen; /* a table of the same columns: what it says is taken as well; or NULL */
} nnrt_negatives;

#define NNRT_BLANKS '\1' /* the delimiter of csv: runs of spaces and tabs */

typedef struct nnrt_source {
    nnrt_source_kind kind;
    const char *file; /* npz, records, csv; NULL where there are several */
    int n_files;      /* records: of several files, read one after the other */
    const char *const *files;
    const char *generator; /* synthetic: "digits", ... */
    uint64_t seed;         /* synthetic */
    int64_t count;         /* synthetic: samples */
    int header;            /* csv: the first line holds names */
    char delimiter;        /* csv; NNRT_BLANKS */
    int n_missing;         /* csv: texts that stand for no value: NaN of an input of f32 */
    const char *const *missing;
    int n_where;           /* csv: the rows that are read: all of these hold */
    const nnrt_where *where;
    int64_t stride;        /* csv, > 0: windows of its rows, so far apart: the first column's input is
                              a window, the second's the rows after it; both have the same names */
    int n_columns;
    const nnrt_column *columns;
    const nnrt_text *text;   /* text; sound, where its list has texts */
    const nnrt_sound *sound; /* sound: `file` is the list, or the folder where is_folder is set */
    int is_folder;
    int64_t rows_from, rows_end; /* idx, npy, npz, records: these samples alone; rows_end 0: all */
    const nnrt_images *images; /* images: `file` is the list or the folder as well */
    int n_negatives;           /* csv */
    const nnrt_negatives *negatives;
} nnrt_source;

#endif
