/* SPDX-License-Identifier: MIT */
/* nnrt_data.h: files to arrays to batches; private to the runtime.
 *
 * Every reader takes an nnrt_fault and, when it fails, returns an NNRT_ status and leaves one line
 * there that names the file, the place in it and what was expected. No reader allocates more than
 * the file's own size justifies (archives: what their headers declare, at most 1000:1).
 */
#ifndef NNRT_DATA_H
#define NNRT_DATA_H

#include <stdio.h>

#include "nnrt.h"

typedef struct nnrt_fault {
    char text[NNRT_ERROR_SIZE];
} nnrt_fault;

/* Formats the text, returns `status`. Control characters become '?', so that it stays one line; of
 * a text too long the middle is left out, so that both the file and what is wrong are read. */
int nnrt_fail(nnrt_fault *, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__ /* make lint sees one file at a time: what is returned */
#define nnrt_fail(fault, status, ...) (nnrt_fail(fault, status, __VA_ARGS__), (status))
#endif

/* Text in a header: passes over the bytes in `blank` that stand at bytes[*at], before `end`. */
void nnrt_scan_blank(const unsigned char *bytes, size_t *at, size_t end, const char *blank);
/* The same; 1: the next byte is `c`, now passed as well. */
int nnrt_scan_take(const unsigned char *bytes, size_t *at, size_t end, const char *blank, char c);

/* --- nnrt_file.c: whole files ---------------------------------------------------------------- */

typedef struct nnrt_bytes {
    unsigned char *at;
    size_t size;
    int mapped; /* the file itself, to be read only; else memory */
} nnrt_bytes;

/* The bytes of a file as they are on the disk: what weights are read with, since it needs no zlib.
 * Anything but a regular file is refused. */
int nnrt_file_raw(const char *path, nnrt_bytes *out, nnrt_fault *);
void nnrt_bytes_free(nnrt_bytes *);
/* The same, but a file of NNRT_MAP_LEAST bytes and more is mapped, so that it may be larger than memory; it must not
 * be cut while it is read. */
#define NNRT_MAP_LEAST ((size_t)64 << 20)
int nnrt_file_map(const char *path, nnrt_bytes *out, nnrt_fault *);
/* A text that grows. After `failed`, for want of memory, it stays as it is. */
typedef struct nnrt_buffer {
    char *at;
    size_t size, room;
    int failed;
} nnrt_buffer;

void nnrt_buffer_put(nnrt_buffer *, const void *bytes, size_t n);
void nnrt_buffer_say(nnrt_buffer *, const char *text);
/* The bytes as characters of a JSON string, without the quotes; they are UTF-8. */
void nnrt_buffer_escaped(nnrt_buffer *, const char *bytes, size_t n);
void nnrt_buffer_free(nnrt_buffer *);
/* "dir/path", or path itself where it is absolute or dir is NULL; on the heap, the caller frees. */
char *nnrt_path_join(const char *dir, const char *path);
/* 1: the name ends in `ending`, or in that and .gz. */
int nnrt_path_ends(const char *path, const char *ending);

/* --- nnrt_gzip.c: whatever needs zlib --------------------------------------------------------- */

/* The bytes of a file; a name that ends in .gz is unpacked (refused by name without zlib). Unpacked
 * it may be at most 1000 times as long as packed, and 1 MiB. */
int nnrt_file_read(const char *path, nnrt_bytes *out, nnrt_fault *);
/* Either that or, of a name without .gz, nnrt_file_map. */
int nnrt_file_open(const char *path, nnrt_bytes *out, nnrt_fault *);
/* Unpacks a raw deflate stream of `size` bytes at byte `at` of the file `name` to exactly
 * `out_size` bytes. */
int nnrt_inflate(const char *name, size_t at, const unsigned char *bytes, size_t size,
                 unsigned char *out, size_t out_size, nnrt_fault *);
/* CRC-32 as zip and gzip have it. */
uint32_t nnrt_crc32(const unsigned char *bytes, size_t size);

/* --- nnrt_writer.c: files written whole or not at all ----------------------------------------- */

/* A file written beside `path`, synced and renamed into place by nnrt_writer_close (open
 * directory, O_EXCL|O_NOFOLLOW, fallocate, checked writes, fsync, rename, fsync directory); `keep`
 * earlier files are kept as PATH.1, PATH.2, ... On any failure, or nnrt_writer_abort, the part is
 * removed and the old file stands. The fault given to open is kept until close. After a failed put,
 * close (or abort) still has to be called: it frees the writer and returns the first status. */
typedef struct nnrt_writer nnrt_writer;
int nnrt_writer_open(nnrt_writer **, const char *path, size_t expected_size, int keep,
                     nnrt_fault *);
int nnrt_writer_put(nnrt_writer *, const void *bytes, size_t size);
int nnrt_writer_close(nnrt_writer *);
void nnrt_writer_abort(nnrt_writer *);

/* --- nnrt_array.c: arrays in memory ---------------------------------------------------------- */

typedef enum {
    NNRT_ARRAY_U8,
    NNRT_ARRAY_I8,
    NNRT_ARRAY_U16,
    NNRT_ARRAY_I16,
    NNRT_ARRAY_U32,
    NNRT_ARRAY_I32,
    NNRT_ARRAY_U64,
    NNRT_ARRAY_I64,
    NNRT_ARRAY_F16,
    NNRT_ARRAY_F32,
    NNRT_ARRAY_F64,
    NNRT_ARRAY_BOOL
} nnrt_array_type;

/* Samples that are made when a batch wants them: images in files. Several threads may ask at once. */
typedef struct nnrt_lazy {
    void *own;
    /* Writes one sample in its input's type. */
    int (*sample)(void *own, int64_t row, void *to, nnrt_fault *);
    void (*close)(void *own);
} nnrt_lazy;

/* Row-major, native byte order (readers convert), samples on axis 0. */
typedef struct nnrt_array {
    nnrt_array_type type;
    int rank;
    int64_t dim[NNRT_RANK];
    void *data;
    void *owned;   /* what nnrt_array_free frees */
    int64_t step;  /* numbers from one sample to the next, where samples overlap; 0: their length */
    int gaps;      /* NaN stands where a table has no value */
    int64_t first; /* of the file's samples, the number of the first one here */
    size_t mapped; /* bytes of the file that `owned` is a map of; 0: memory */
    nnrt_lazy lazy; /* where data is NULL and lazy.sample is not */
} nnrt_array;

/* Bytes of a number, and what the type is called in errors: "uint8", ... */
size_t nnrt_array_item(nnrt_array_type);
const char *nnrt_array_name(nnrt_array_type);
void nnrt_array_free(nnrt_array *);
/* Of a map: the bytes before `at` may leave memory; they come back when they are read. */
void nnrt_array_pass(const nnrt_array *, const void *at);
/* The product of dim[0..rank), or -1 where it is over 2^40 or an axis over 2^31 - 1. */
int64_t nnrt_array_count(int rank, const int64_t *dim);
/* A new array of the type and shape given, not initialised. `name` is the file, for the fault. */
int nnrt_array_make(const char *name, nnrt_array_type, int rank, const int64_t *dim,
                    nnrt_array *out, nnrt_fault *);
/* Makes an array of the file's bytes that follow byte `at`, and takes `bytes` over, even when it
 * fails. They must be as many as the shape says. `swap`: the file has the other byte order. */
int nnrt_array_take(const char *name, nnrt_bytes *bytes, size_t at, int swap, nnrt_array_type,
                    int rank, const int64_t *dim, nnrt_array *out, nnrt_fault *);
/* The number at `index`, counted in row-major order. */
double nnrt_array_number(const nnrt_array *, size_t index);
/* The value of an IEEE half. */
float nnrt_half_float(uint16_t bits);

/* --- one file a format ------------------------------------------------------------------------ */

int nnrt_npy_read(const char *path, nnrt_array *out, nnrt_fault *);
int nnrt_npy_parse(const char *name, const unsigned char *bytes, size_t size, nnrt_array *out,
                   nnrt_fault *);
int nnrt_npy_write(const char *path, int rank, const int64_t *dim, const float *data, nnrt_fault *);
/* `member` is named without its .npy; with `or_only`, an archive of one member gives that one. */
int nnrt_npz_read(const char *path, const char *member, int or_only, nnrt_array *out, nnrt_fault *);
int nnrt_idx_read(const char *path, nnrt_array *out, nnrt_fault *);
/* One array a column of `columns`, in order: the records of all the files, one after the other. */
int nnrt_records_read(int n_paths, const char *const *paths, int n, const nnrt_column *columns,
                      nnrt_array *out, nnrt_fault *);
struct nnrt_read;
/* One array a column of the source, in order. With `read` (or NULL) numbers are in the range of the inputs that they
 * feed, texts may be categories, and bad rows may be left out. (nnrt_columns.c) */
int nnrt_csv_read(const struct nnrt_read *read, const char *path, const nnrt_source *,
                  nnrt_array *out, nnrt_fault *);
/* The columns of a csv file that feed one input of `count` numbers: those that `like` (or NULL) has
 * for it; else the one of that name; else all, if they are `count`. The first line holds names if
 * some field of it is text where the next line has a number. A name that ends in .tsv (.tsv.gz) has
 * tabs between fields. */
int nnrt_csv_read_input(const struct nnrt_read *read, const char *path, const nnrt_value *input,
                        const nnrt_source *like, nnrt_array *out, nnrt_fault *);
/* Appends a picture of 1 or 3 channels, rows of pixels of bytes, as PNG. (nnrt_png_write.c) */
void nnrt_png_put(nnrt_buffer *, int channels, int64_t height, int64_t width,
                  const unsigned char *pixels);
/* One number of a sequence, and the state that follows; any integer from low to high, each as
 * likely. What is made of these is the same on every machine. */
uint64_t nnrt_synth_next(uint64_t *state);
int32_t nnrt_synth_range(uint64_t *state, int32_t low, int32_t high);
/* The state that sample i of a seed begins with. */
uint64_t nnrt_synth_state(uint64_t seed, int64_t i);
/* The model's input of that name; -1: it has none. */
int nnrt_synth_input(const nnrt_model *, const char *name);
/* The array of an input in `out`: [count of the source, its dimensions]. NNRT_NO_MEMORY. */
int nnrt_synth_array(const nnrt_source *, const nnrt_model *, int input, nnrt_array_type,
                     nnrt_array *out, nnrt_fault *);
/* The generator `cells`. (nnrt_cells.c) */
int nnrt_cells_make(const nnrt_source *, const nnrt_model *, nnrt_array *out, nnrt_fault *);
/* Draws sample i of a seed, and gives its class. */
typedef unsigned char nnrt_synth_sample(uint64_t seed, int64_t i, unsigned char *pixels);
enum { NNRT_SYNTH_PIXELS = 4096 };
/* Fills the inputs `image`, of `count` bytes (at most NNRT_SYNTH_PIXELS), and `label`, or the one of them that the
 * model has. */
int nnrt_synth_images(const nnrt_source *, const nnrt_model *, int64_t count, nnrt_synth_sample *,
                      nnrt_array *out, nnrt_fault *);
/* Generators: nnrt_lungs.c, nnrt_shapes.c. */
int nnrt_lungs_make(const nnrt_source *, const nnrt_model *, nnrt_array *out, nnrt_fault *);
int nnrt_shapes_make(const nnrt_source *, const nnrt_model *, nnrt_array *out, nnrt_fault *);
/* `image` and `boxes` of pictures of discs. NNRT_BAD_CALL where the model has neither, or of another shape.
 * (nnrt_discs.c) */
int nnrt_discs_make(const nnrt_source *, const nnrt_model *, nnrt_array *out, nnrt_fault *);
/* The text of a made-up csv table, `loans` or `ratings`, of `count` rows. NNRT_BAD_CALL: none of that name.
 * (nnrt_loans.c) */
int nnrt_table_made(const char *generator, uint64_t seed, int64_t count, nnrt_buffer *out);
/* Fills one array an input of the model (by name). */
int nnrt_synthetic_make(const nnrt_source *, const nnrt_model *, nnrt_array *out, nnrt_fault *);

/* --- nnrt_safetensors.c ----------------------------------------------------------------------- */

typedef struct nnrt_st_tensor {
    const char *name; /* points into the header, unescaped, NUL-terminated */
    const char *dtype;
    int rank;
    int64_t dim[NNRT_RANK];
    size_t begin, end; /* in the file's data part */
} nnrt_st_tensor;

typedef struct nnrt_st_pair {
    const char *key, *value;
} nnrt_st_pair;

typedef struct nnrt_st_file {
    const unsigned char *data; /* the data part */
    size_t data_size;
    int n_tensors, n_meta;
    nnrt_st_tensor *tensors;
    nnrt_st_pair *meta;
    char *text; /* owned copy of the header's strings */
} nnrt_st_file;

/* Parses strictly (no duplicate, no hole, no overlap, nothing past the end) and
 * checks the crc32c of each tensor that has one in the metadata. Points into `bytes`, which must
 * outlive it. Tensors are sorted by name, metadata by key, as strcmp has it. */
int nnrt_st_parse(const char *name, const void *bytes, size_t size, nnrt_st_file *out,
                  nnrt_fault *);
void nnrt_st_free(nnrt_st_file *);
const nnrt_st_tensor *nnrt_st_find(const nnrt_st_file *, const char *name);
/* Converts one tensor to f32. Allowed dtypes: F32 F16 BF16 F64 and the integers; any other gives
 * NNRT_BAD_CONTENT, as does an F64 that is finite and no finite f32. */
int nnrt_st_floats(const nnrt_st_file *, const nnrt_st_tensor *, float *out);

typedef struct nnrt_st_item {
    const char *name;
    int rank;
    const int64_t *dim;
    const float *data;
} nnrt_st_item;

/* Writes F32 tensors, by name, with their crc32c in the metadata (nncc.crc32c.NAME, 8 hex digits),
 * which nnrt_st_parse checks, and format = pt, unless `meta` has a format. Keys and values are
 * UTF-8. */
int nnrt_st_write(const char *path, int n, const nnrt_st_item *, int n_meta, const nnrt_st_pair *,
                  int keep, nnrt_fault *);

/* --- nnrt_meta.c ------------------------------------------------------------------------------ */

/* Owned keys and values, as a weights file's metadata has them: nncc.text.INPUT (tokenizer.json),
 * nncc.labels.INPUT, nncc.sound.INPUT. */
struct nnrt_meta {
    int n;
    nnrt_st_pair *at;
    int learn; /* vocabularies that are missing are made from what is read */
    /* Of a table only from these rows, one flag each; NULL: from all. */
    const unsigned char *learn_from;
    int keep_going; /* bad rows are left out */
};

/* The value of `prefix` and `name`, or NULL. */
const char *nnrt_meta_find(const nnrt_meta *, const char *prefix, const char *name);
/* What class k of an input is called (nncc.labels.INPUT), as JSON's strings have it, and its length; not
 * NUL-terminated. NULL: it has no name. */
const char *nnrt_meta_label(const nnrt_meta *, const char *input, int64_t k, int *length);
/* Takes the value over, even when it fails; in the place of an earlier one. */
int nnrt_meta_put(nnrt_meta *, const char *prefix, const char *name, char *value, nnrt_fault *);
/* Takes over what a weights file or checkpoint has of these. */
int nnrt_meta_read(nnrt_meta *, const char *path, nnrt_fault *);
void nnrt_meta_free(nnrt_meta *);

/* --- nnrt_dataset.c --------------------------------------------------------------------------- */

typedef struct nnrt_dataset {
    const nnrt_model *model;
    int64_t n;           /* samples */
    nnrt_array *columns; /* one an input of the model; data NULL where the source has none */
    const char **names;  /* the file that each column came from, for errors */
    /* Which of the source's `total` samples each is, where some were left out; else NULL. */
    int64_t *origin;
    int64_t total;
    /* Windows of a text or a series: its tokens or rows, those of a window (what it foretells but
     * the last is of it), and from one window to the next; 0: none. Kept windows may begin `before`
     * in what training sees, and count `counted` each. */
    int64_t tokens, window, stride, before, counted;
} nnrt_dataset;

/* Reads a source (files relative to `dir`, or the working folder where it is NULL) and checks all
 * of it against the model: shapes, ranges of classes and tokens, NaN and infinity, equal counts.
 * `need` has one flag an input: a needed input without a column is an error. A column's sample
 * shape must equal the input's, but for axes of length 1 (idx images [N, 28, 28] feed [1, 28, 28]),
 * or be [count]. `need` NULL: all are needed; what is not needed is not read, and has no column.
 * `meta` has the vocabularies of texts, and is given those that are made (meta->learn); NULL: none.
 */
int nnrt_dataset_open(nnrt_dataset *, const nnrt_model *, const nnrt_source *, const char *dir,
                      const unsigned char *need, nnrt_meta *meta, nnrt_fault *);
/* The same from --data arguments: n texts `NAME=FILE` (npy, npz, idx, csv, a line a text, sound, by
 * the file's ending), or one bare FILE where `like` is a table, text or sound with the same
 * columns. */
int nnrt_dataset_args(nnrt_dataset *, const nnrt_model *, int n, char **args,
                      const nnrt_source *like, const char *dir, const unsigned char *need,
                      nnrt_meta *meta, nnrt_fault *);
/* Where the FILE of NAME=FILE begins; NULL: a bare FILE. A slash before the '=' makes it a path. */
const char *nnrt_data_named(const char *arg);
/* Copies the samples rows[0..n) to buffers of the inputs' types, out[i] one an input (NULL: skip). What is read
 * when it is wanted may turn out to be broken: a status, and the fault names the file. Threads may call it at once.
 */
int nnrt_dataset_batch(const nnrt_dataset *, const int64_t *rows, int n, void *const *out,
                       nnrt_fault *);
/* Whether an input has a column. */
int nnrt_dataset_has(const nnrt_dataset *, int input);
void nnrt_dataset_close(nnrt_dataset *);

/* 1: the input may have this value. "an integer from 0 to 9, or -100" */
int nnrt_value_good(const nnrt_value *, double value);
void nnrt_value_expected(const nnrt_value *, char *text, size_t size);

enum { NNRT_SKIPS_NAMED = 3 };

/* Bad samples that are left out. */
typedef struct nnrt_skips {
    int64_t room;
    unsigned char *flags; /* [room], by sample */
    int64_t n;
    nnrt_fault first[NNRT_SKIPS_NAMED]; /* the reasons of the first */
} nnrt_skips;

/* A reading under way: what the functions that open a data set share. */
typedef struct nnrt_read {
    nnrt_dataset *d;
    const char *dir;
    const unsigned char *need; /* NULL: all */
    nnrt_meta *meta;           /* or NULL */
    nnrt_fault *fault;
    nnrt_skips *skips; /* NULL: a bad sample is an error */
} nnrt_read;

/* --- nnrt_negatives.c ------------------------------------------------------------------------- */

/* Puts rows of classes in the place of the columns that the source's `negatives` name, and labels beside them:
 * one taken, the others not. A status where a user has not that many others left, or a class is out of range. */
int nnrt_negatives_make(const nnrt_read *, const nnrt_source *);
/* From now on such rows of the set are those of this epoch of a run with this seed; until then they are those of the
 * model file's seed alone. Nothing may read the set meanwhile. */
void nnrt_negatives_begin(nnrt_dataset *, uint64_t seed, int64_t epoch);

/* --- nnrt_skips.c ----------------------------------------------------------------------------- */

/* Leaves sample `at` out for the reason in the fault, where bad samples are and `status` is NNRT_BAD_CONTENT: 0. Else
 * gives the status. */
int nnrt_skip(const nnrt_read *, int64_t at, int status);
int nnrt_skipped(const nnrt_read *, int64_t at);
/* Takes them out of all columns, and says how many; an error where none is left. */
int nnrt_skips_apply(const nnrt_read *);

/* --- nnrt_categories.c ------------------------------------------------------------------------ */

/* What stands in a field of a table, and where. */
typedef struct nnrt_cell {
    const char *at;
    size_t size, line, column;
} nnrt_cell;

struct nnrt_categories {
    const nnrt_read *read;
    const char *path, *key, *label; /* of the file, in the weights' metadata, of the column */
    const nnrt_column *column;      /* or NULL */
    const nnrt_value *value;        /* the input */
    int64_t rows;
    const nnrt_cell *cells;
    int step; /* numbers from one result to the next */
};
/* --- nnrt_folder.c: files by their names ------------------------------------------------------- */

/* Names, each on the heap. */
typedef struct nnrt_names {
    char **at;
    size_t n, room;
} nnrt_names;

void nnrt_names_free(nnrt_names *);
/* Takes the name over. 0 or NNRT_NO_MEMORY; a name that is NULL is none for want of memory. */
int nnrt_names_put(nnrt_names *, char *name);
/* What a folder holds, folders or files as wanted, by name; hidden ones are passed over. */
int nnrt_folder_list(const char *folder, int folders, nnrt_names *out, nnrt_fault *);
/* Adds the files of a folder, with their paths; `name` (or NULL) is the class of each. */
int nnrt_folder_files(const char *folder, const char *name, nnrt_names *paths, nnrt_names *classes,
                      nnrt_fault *);
/* A folder a class: the files of each, in the order of their names; `what` they are, for the fault. */
int nnrt_folder_classes(const char *folder, const char *what, nnrt_names *paths,
                        nnrt_names *classes, nnrt_fault *);

/* A csv of `stride`: its two inputs, windows of one array of its rows. (nnrt_series.c) */
int nnrt_series_read(const nnrt_read *, const nnrt_source *);

int nnrt_read_needs(const nnrt_read *, int input);
/* The index of an input by its name; -1: none. */
int nnrt_read_input(const nnrt_read *, const char *name);
/* Keeps the file's name for an input's errors; NNRT_NO_MEMORY. */
int nnrt_read_name(const nnrt_read *, int input, const char *name);

struct nnrt_texts;

/* Prompts to tokens, and tokens to text. (nnrt_prompt.c) */
typedef struct nnrt_prompting {
    /* The vocabulary of an input, as the weights file has it; *vocab is closed by `close`. */
    int (*open)(const nnrt_model *, int input, const nnrt_meta *, void **vocab, nnrt_fault *);
    /* *ids: from the heap. */
    int (*encode)(const void *vocab, const char *text, int32_t **ids, int64_t *n, nnrt_fault *);
    void (*decode)(const void *vocab, const int32_t *ids, size_t n, nnrt_buffer *out);
    /* The token before the first of a text, and that after which nothing follows; -1: none. */
    int32_t (*begin)(const void *vocab);
    int32_t (*end)(const void *vocab);
    /* A text as the vocabulary sees it: 1 and in lower case, or 0 and nothing, where it is the same. */
    int (*lowered)(const void *vocab, const char *text, size_t size, nnrt_buffer *out);
    /* The lines of a file, and the targets of a source of pairs. */
    int (*lines)(const char *path, struct nnrt_texts *, nnrt_fault *);
    int (*targets)(const nnrt_source *, const char *dir, struct nnrt_texts *, nnrt_fault *);
    void (*close)(void *vocab);
} nnrt_prompting;

extern const nnrt_prompting nnrt_text_prompting;

/* How programs read a kind of source that not all of them need. */
struct nnrt_reader {
    /* Fills the columns that the source has. */
    int (*source)(const nnrt_read *, const nnrt_source *);
    /* Fills the column of one input from one file; `like` is the model's own source, or NULL. */
    int (*file)(const nnrt_read *, int input, const char *path, const nnrt_source *like);
    /* Prints n samples of `each` labels, up to the first below 0, as texts, a line each. NULL: cannot. */
    int (*say)(const nnrt_meta *, const float *labels, int64_t n, int64_t each, nnrt_fault *);
    const struct nnrt_prompting *prompting; /* of text; else NULL */
};

/* A text among others: bytes, not NUL-terminated. */
typedef struct nnrt_span {
    const char *at;
    size_t size;
} nnrt_span;

/* Columns of a table as texts, each `rows` spans, one column after the other. */
typedef struct nnrt_texts {
    int64_t rows;
    nnrt_span *at;
    size_t *lines; /* where each row is in the file, from 1 */
    void *owned;
} nnrt_texts;

/* The columns `names` of a csv file as texts. `delimiter` 0: by the file's ending; with tabs,
 * quotes are characters like others. (nnrt_csv.c) */
int nnrt_csv_texts(const char *path, int header, char delimiter, int n, const char *const *names,
                   nnrt_texts *out, nnrt_fault *);
void nnrt_texts_free(nnrt_texts *);

/* crc32c (Castagnoli, reflected 0x82F63B78), for nnrt_safetensors.c and TensorBoard-like logs. */
uint32_t nnrt_crc32c(uint32_t crc, const void *bytes, size_t size);

#endif
