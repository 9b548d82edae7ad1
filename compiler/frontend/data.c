/* SPDX-License-Identifier: MIT */
/* data.c: the `data:` key: where training, validation and test data come from. nncc opens none of
 * the files: what they hold is checked when the program runs.
 */
#include "builder.h"
#include "sources.h"

#include <string.h>

/* --- keys ------------------------------------------------------------------------------------- */

Ctx *source_ctx(const Reader *r)
{
    return r->p->ctx;
}

const char *source_title(const Reader *r, const char *key)
{
    return arena_format(r->p->ctx->arena, "%s: %s", r->kind, key);
}

bool source_map(Reader *r, const char *const *own, int n, const char *example)
{
    Ctx *ctx = source_ctx(r);
    VEC(const char *) known = {0};
    if (r->args->kind != Y_map) {
        diag_error(&ctx->diag, r->args->loc, "%s: expected a map, as %s", r->kind, example);
        return false;
    }
    for (int i = 0; i < r->p->inputs.n; i++)
        vec_push(ctx->arena, &known, r->p->inputs.at[i].name);
    for (int i = 0; i < n; i++)
        vec_push(ctx->arena, &known, own[i]);
    return y_keys(ctx, r->args, r->kind, known.at, known.n, NULL, 0);
}

int source_input_of(const Reader *r, const char *key, const char *const *own, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(own[i], key) == 0)
            return -1;
    for (int i = 0; i < r->p->inputs.n; i++)
        if (strcmp(r->p->inputs.at[i].name, key) == 0)
            return i;
    return -1;
}

void source_columns(Reader *r, const char *const *own, int n,
                    bool (*column)(Reader *, const Y *, const Input *, SourceColumn *))
{
    for (int i = 0; i < r->args->pairs.n; i++) {
        const YPair *pair = &r->args->pairs.at[i];
        SourceColumn made = {.input = source_input_of(r, pair->key->text, own, n)};
        if (made.input < 0)
            continue;
        if (!column(r, pair->value, &r->p->inputs.at[made.input], &made))
            r->complete = false; /* reported */
        else
            vec_push(source_ctx(r)->arena, &r->out->columns, made);
    }
}

bool source_has_column(const Source *source, int input)
{
    for (int i = 0; i < source->columns.n; i++)
        if (source->columns.at[i].input == input)
            return true;
    return false;
}

/* Whether the loss or a metric depends on the input; outputs alone may. */
static bool is_trained_on(const Graph *g, int input)
{
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == OP_input && g->nodes.at[i]->attr->input == input)
            return true;
    return false;
}

void source_check_complete(const Reader *r)
{
    const Graph *g = NULL;
    for (int i = 0; r->complete && i < r->p->inputs.n; i++) {
        const Input *input = &r->p->inputs.at[i];
        if (source_has_column(r->out, i) || source_labels(r->out, i))
            continue;
        if (!r->p->has_loss || source_ctx(r)->diag.errors) /* the graph is not to be had */
            return;
        g = g ? g : model_graph(r->p, FN_train);
        if (g && !is_trained_on(g, i))
            continue;
        diag_error(&source_ctx(r)->diag, r->args->loc, "%s: nothing for the input '%s'", r->kind,
                   input->name);
        diag_note(&source_ctx(r)->diag, input->loc, "'%s' is made here", input->name);
    }
}

int source_named_input(Reader *r, const Y *y, const char *what)
{
    const char *name;
    if (!y_word(source_ctx(r), r->scope, y, what, &name))
        return -1;
    VEC(const char *) known = {0};
    for (int i = 0; i < r->p->inputs.n; i++) {
        if (strcmp(r->p->inputs.at[i].name, name) == 0)
            return i;
        vec_push(source_ctx(r)->arena, &known, r->p->inputs.at[i].name);
    }
    const char *best = diag_nearest(name, known.at, known.n);
    if (best)
        diag_error(&source_ctx(r)->diag, y->loc, "%s: no input is called '%s'; did you mean '%s'?",
                   what, name, best);
    else
        diag_error(&source_ctx(r)->diag, y->loc, "%s: no input is called '%s'", what, name);
    return -1;
}

void source_note_input(Reader *r, const Input *input)
{
    diag_note(&source_ctx(r)->diag, input->loc, "'%s' is made here", input->name);
}

bool source_file(Reader *r)
{
    const Y *file = y_get(r->args, "file");
    if (file)
        return y_word(source_ctx(r), r->scope, file, source_title(r, "file"), &r->out->file);
    diag_error(&source_ctx(r)->diag, r->args->loc, "%s: 'file' is missing", r->kind);
    return false;
}

/* 1: the key `rows`, the last of the kind's own, is that; 0: an input is called so, and it is a column. */
static int has_rows_key(const Reader *r)
{
    for (int i = 0; i < r->p->inputs.n; i++)
        if (strcmp(r->p->inputs.at[i].name, "rows") == 0)
            return 0;
    return 1;
}

/* The key `rows` of idx, npy, npz and records: [from, end], samples counted from 0, without the end. */
static bool read_rows(Reader *r)
{
    static const ArgRow rows[] = {NEEDS("rows", ints), NOTHING};
    const Y *y = y_get(r->args, "rows");
    Arg arg[ARGS_MAX];
    if (!y || !has_rows_key(r))
        return true;
    if (!args_read(source_ctx(r), r->scope, source_title(r, "rows"), y->loc, rows, y, NULL, 0, arg))
        return false;
    r->out->rows_from = arg[0].n == 2 ? arg[0].list[0] : -1;
    r->out->rows_end = arg[0].n == 2 ? arg[0].list[1] : 0;
    if (r->out->rows_from >= 0 && r->out->rows_end > r->out->rows_from)
        return true;
    diag_error(&source_ctx(r)->diag, y->loc,
               "%s: rows: expected the first sample and the one after the last, as [0, 1000]",
               r->kind);
    return false;
}

/* --- idx, npy: {INPUT: FILE, ...} ------------------------------------------------------------- */

static bool file_column(Reader *r, const Y *y, const Input *input, SourceColumn *out)
{
    return y_word(source_ctx(r), r->scope, y, source_title(r, input->name), &out->file);
}

static void read_files(Reader *r)
{
    static const char *const own[] = {"rows"};
    int n = has_rows_key(r);
    if (!source_map(r, own, n, "{image: train-images.gz, label: train-labels.gz}") || !read_rows(r))
        return;
    source_columns(r, own, n, file_column);
    source_check_complete(r);
}

/* --- npz: FILE, {file: FILE, INPUT: MEMBER, ...} ---------------------------------------------- */

/* Every input from the member of its own name. */
static void members_by_name(Reader *r)
{
    for (int i = 0; i < r->p->inputs.n; i++) {
        SourceColumn column = {.input = i, .file = r->p->inputs.at[i].name};
        vec_push(source_ctx(r)->arena, &r->out->columns, column);
    }
}

static void read_npz(Reader *r)
{
    static const char *const own[] = {"file", "rows"};
    if (r->args->kind == Y_scalar) {
        if (y_word(source_ctx(r), r->scope, r->args, r->kind, &r->out->file))
            members_by_name(r);
        return;
    }
    int n = 1 + has_rows_key(r);
    if (!source_map(r, own, n, "{file: train.npz, image: x, label: y}") || !source_file(r) ||
        !read_rows(r))
        return;
    if (r->args->pairs.n == 1 + (r->out->rows_end > 0)) {
        members_by_name(r);
        return;
    }
    source_columns(r, own, n, file_column);
    source_check_complete(r);
}

/* --- records: {file: FILE or [FILES], INPUT: BYTES, ...} -------------------------------------- */

bool source_several_files(Reader *r)
{
    Ctx *ctx = source_ctx(r);
    const Y *written = y_get(r->args, "file"),
            *file = written ? y_resolve(ctx, r->scope, written) : NULL;
    if (!written || (file && file->kind != Y_list))
        return source_file(r);
    if (!file)
        return false;
    if (file->items.n < 1 || file->items.n > SOURCE_FILES_MAX) {
        diag_error(&ctx->diag, file->loc, "%s: file: a list of %d files; 1 to %d are read", r->kind,
                   file->items.n, SOURCE_FILES_MAX);
        return false;
    }
    bool good = true;
    for (int i = 0; i < file->items.n; i++) {
        const char *name = NULL;
        good = y_word(ctx, r->scope, file->items.at[i], source_title(r, "file"), &name) && good;
        vec_push(ctx->arena, &r->out->files, name);
    }
    return good;
}

static bool record_column(Reader *r, const Y *y, const Input *input, SourceColumn *out)
{
    if (!y_int(source_ctx(r), r->scope, y, source_title(r, input->name), 1, INT32_MAX, &out->bytes))
        return false;
    if (out->bytes == shape_count(&input->shape))
        return true;
    diag_error(&source_ctx(r)->diag, y->loc,
               "records: '%s' is %lld bytes a sample, one a number, not %lld", input->name,
               (long long)shape_count(&input->shape), (long long)out->bytes);
    diag_note(&source_ctx(r)->diag, input->loc, "'%s' is made here", input->name);
    return false;
}

static void read_records(Reader *r)
{
    static const char *const own[] = {"file", "rows"};
    int n = 1 + has_rows_key(r);
    if (!source_map(r, own, n, "{file: train.bin, label: 1, image: 3072}") ||
        !source_several_files(r) || !read_rows(r))
        return;
    source_columns(r, own, n, record_column);
    source_check_complete(r);
}

/* --- synthetic: {generator: digits, seed: 1, count: 10000} ------------------------------------ */

static void read_synthetic(Reader *r)
{
    static const ArgRow rows[] = {WORDS("generator", NULL, "digits lungs shapes discs cells"),
                                  TAKES("seed", int, "1"), TAKES("count", int, "10000"), NOTHING};
    Arg arg[ARGS_MAX];
    if (!args_read(source_ctx(r), r->scope, "synthetic", r->args->loc, rows, r->args, NULL, 0, arg))
        return;
    if (arg[1].i < 0)
        diag_error(&source_ctx(r)->diag, arg[1].loc,
                   "synthetic: seed: %lld is out of range: 0 or more", (long long)arg[1].i);
    if (arg[2].i < 1 || arg[2].i > INT32_MAX)
        diag_error(&source_ctx(r)->diag, arg[2].loc,
                   "synthetic: count: %lld is out of range: 1 to %d", (long long)arg[2].i,
                   INT32_MAX);
    r->out->generator = arg[0].s;
    r->out->seed = (uint64_t)arg[1].i;
    r->out->count = arg[2].i;
}

bool source_generator(Reader *r, const char *known)
{
    Ctx *ctx = source_ctx(r);
    const Y *generator = y_get(r->args, "generator"), *seed = y_get(r->args, "seed"),
            *count = y_get(r->args, "count");
    int64_t value = 1;
    r->out->count = 10000;
    if (!y_word(ctx, r->scope, generator, source_title(r, "generator"), &r->out->generator))
        return false;
    if (!word_in(known, r->out->generator)) {
        diag_error(&ctx->diag, generator->loc, "%s: generator: unknown '%s'; expected %s%s",
                   r->kind, r->out->generator, strchr(known, ' ') ? "one of: " : "", known);
        return false;
    }
    if (seed && !y_int(ctx, r->scope, seed, source_title(r, "seed"), 0, INT64_MAX, &value))
        return false;
    r->out->seed = (uint64_t)value;
    return !count ||
           y_int(ctx, r->scope, count, source_title(r, "count"), 1, INT32_MAX, &r->out->count);
}

/* --- sources ---------------------------------------------------------------------------------- */

static const SourceRow sources[] = {
    {"idx", SOURCE_idx, read_files},
    {"npy", SOURCE_npy, read_files},
    {"npz", SOURCE_npz, read_npz},
    {"records", SOURCE_records, read_records},
    {"csv", SOURCE_csv, source_csv},
    {"synthetic", SOURCE_synthetic, read_synthetic},
    {"text", SOURCE_text, source_text},
    {"wav", SOURCE_sound, source_sound},
    {"images", SOURCE_images, source_images},
};

static void read_source(Program *p, const Scope *scope, const Y *y, const char *what, bool complete,
                        Source *out)
{
    const char *known[COUNT(sources)];
    const Y *map = y_resolve(p->ctx, scope, y);
    if (!map)
        return;
    if (map->kind != Y_map || map->pairs.n != 1) {
        diag_error(&p->ctx->diag, map->loc,
                   "%s: expected one source, as {idx: {image: FILE, label: FILE}}", what);
        return;
    }
    for (int i = 0; i < COUNT(sources); i++)
        known[i] = sources[i].name;
    if (!y_keys(p->ctx, map, what, known, COUNT(known), NULL, 0))
        return;
    const YPair *pair = &map->pairs.at[0];
    Reader r = {.p = p, .scope = scope, .kind = pair->key->text, .out = out, .complete = complete};
    r.args = y_resolve(p->ctx, scope, pair->value);
    out->loc = pair->key->loc;
    for (int i = 0; r.args && i < COUNT(sources); i++)
        if (strcmp(sources[i].name, r.kind) == 0) {
            out->kind = sources[i].kind;
            sources[i].read(&r);
        }
}

/* A source of its own, or {split: 0.1}: that share of the training data. */
static void read_validation(Program *p, const Scope *scope, const Y *y)
{
    const Y *map = y_resolve(p->ctx, scope, y), *split = y_get(map, "split");
    double share = 0;
    if (!split) {
        read_source(p, scope, y, "data: validation", false, &p->data_validation);
        return;
    }
    static const char *const keys[] = {"split"};
    if (!y_keys(p->ctx, map, "data: validation", keys, COUNT(keys), NULL, 0) ||
        !y_real(p->ctx, scope, split, "data: validation: split", &share))
        return;
    if (share > 0 && share < 1)
        p->train.validation_split = share;
    else
        diag_error(&p->ctx->diag, split->loc,
                   "data: validation: split is a share, above 0 and below 1");
}

void data_read(Program *p, const Scope *scope, const Y *data)
{
    static const char *const keys[] = {"train", "validation", "test"};
    if (!data)
        return;
    if (data->kind != Y_map) {
        diag_error(&p->ctx->diag, data->loc, "data: expected a map of train, validation and test");
        return;
    }
    y_keys(p->ctx, data, "data", keys, COUNT(keys), NULL, 0);
    const Y *train = y_get(data, "train"), *validation = y_get(data, "validation"),
            *test = y_get(data, "test");
    if (train)
        read_source(p, scope, train, "data: train", true, &p->data_train);
    if (validation)
        read_validation(p, scope, validation);
    if (test)
        read_source(p, scope, test, "data: test", false, &p->data_test);
}
