/* SPDX-License-Identifier: MIT */
/* data_sound.c: `wav:` sources: a folder a class, or a list of clips, and the features that the
 * program makes of them. */
#include "sources.h"

#include <string.h>

enum { RATE_MAX = 768000, FFT_MAX = 1 << 16, MELS_MAX = 4096 };

/* --- features: {log_mel: {...}} or {mfcc: {...}} ---------------------------------------------- */

/* Both kinds; mfcc has one argument more, the first. */
static const ArgRow feature_rows[] = {TAKES("n_mfcc", int, "40"),
                                      TAKES("n_mels", int, "128"),
                                      TAKES("n_fft", int, "400"),
                                      TAKES("hop", int, ""),
                                      TAKES("f_min", real, "0"),
                                      TAKES("f_max", real, ""),
                                      NOTHING};

static bool in_range(Reader *r, const Arg *a, const char *name, int64_t value, int64_t low,
                     int64_t high)
{
    if (value >= low && value <= high)
        return true;
    diag_error(&source_ctx(r)->diag, a->loc,
               "wav: features: %s: %lld is out of range: %lld to %lld", name, (long long)value,
               (long long)low, (long long)high);
    return false;
}

static bool read_feature_args(Reader *r, const Y *key, const Y *args, SoundForm *out)
{
    const ArgRow *rows = out->is_mfcc ? feature_rows : feature_rows + 1;
    const char *what = arena_format(source_ctx(r)->arena, "wav: %s", key->text);
    Arg all[ARGS_MAX + 1], *arg = all + 1;
    if (!args_read(source_ctx(r), r->scope, what, key->loc, rows, args, NULL, 0,
                   out->is_mfcc ? all : arg))
        return false;
    out->n_mels = arg[0].i;
    out->n_mfcc = out->is_mfcc ? all[0].i : 0;
    out->n_fft = arg[1].i;
    out->hop = arg[2].given ? arg[2].i : out->n_fft / 2;
    out->f_min = arg[3].r;
    int64_t half = out->rate / 2; /* a whole number, as torchaudio has it */
    out->f_max = arg[4].given ? arg[4].r : (double)half;
    if (!in_range(r, &arg[0], "n_mels", out->n_mels, 1, MELS_MAX) ||
        !in_range(r, &arg[1], "n_fft", out->n_fft, 2, FFT_MAX) ||
        !in_range(r, &arg[2], "hop", out->hop, 1, FFT_MAX) ||
        (out->is_mfcc && !in_range(r, &all[0], "n_mfcc", out->n_mfcc, 1, out->n_mels)))
        return false;
    if (out->f_min >= 0 && out->f_min < out->f_max && out->f_max <= (double)out->rate / 2)
        return true;
    diag_error(&source_ctx(r)->diag, key->loc,
               "wav: features: expected 0 <= f_min < f_max <= %g, half the rate",
               (double)out->rate / 2);
    return false;
}

static bool read_features(Reader *r, const Y *written, SoundForm *out)
{
    static const char *const kinds[] = {"log_mel", "mfcc"};
    Ctx *ctx = source_ctx(r);
    const Y *y = y_resolve(ctx, r->scope, written), *key = y, *args = NULL;
    if (!y)
        return false;
    if (y->kind == Y_map && y->pairs.n == 1) {
        key = y->pairs.at[0].key;
        args = y->pairs.at[0].value;
    }
    if (key->kind != Y_scalar) {
        diag_error(&ctx->diag, y->loc,
                   "wav: features: expected log_mel or mfcc, as {log_mel: {n_mels: 40}}");
        return false;
    }
    out->is_mfcc = strcmp(key->text, "mfcc") == 0;
    if (out->is_mfcc || strcmp(key->text, "log_mel") == 0)
        return read_feature_args(r, key, args, out);
    const char *best = diag_nearest(key->text, kinds, COUNT(kinds));
    diag_error(&ctx->diag, key->loc, "wav: features: unknown '%s'; %s%s%s", key->text,
               best ? "did you mean '" : "expected log_mel or mfcc", best ? best : "",
               best ? "'?" : "");
    return false;
}

/* rate and features; validation and test have those of the training data. */
static bool read_form(Reader *r)
{
    Ctx *ctx = source_ctx(r);
    const Y *rate = y_get(r->args, "rate"), *features = y_get(r->args, "features");
    SoundForm *out = &r->out->sound;
    r->out->has_sound = true;
    if (!r->complete) {
        const Source *train = &r->p->data_train;
        *out = train->sound;
        if (!train->has_sound)
            diag_error(&ctx->diag, r->args->loc,
                       "wav: data.train has no clips whose rate and features these could have");
        else if (rate || features)
            diag_error(&ctx->diag, rate ? rate->loc : features->loc,
                       "wav: rate and features are those of data.train, and stand there alone");
        return train->has_sound && train->sound.n_fft && !rate && !features; /* else reported */
    }
    if (!rate || !features) {
        diag_error(&ctx->diag, r->args->loc, "wav: '%s' is missing", rate ? "features" : "rate");
        return false;
    }
    return y_int(ctx, r->scope, rate, "wav: rate", 1000, RATE_MAX, &out->rate) &&
           read_features(r, features, out);
}

/* --- join: {count: [1, 6], samples: 4000} ------------------------------------------------------ */

static const ArgRow join_rows[] = {NEEDS("count", ints), NEEDS("samples", int),
                                   TAKES("seed", int, "1"), TAKES("gap", real, "0"), NOTHING};

enum { JOINED_MAX = 1000, JOIN_SAMPLES_MAX = 10000000, GAP_MAX = 60 };

static bool read_join(Reader *r)
{
    const Y *join = y_get(r->args, "join");
    Ctx *ctx = source_ctx(r);
    struct Join *out = &r->out->sound.join;
    Arg arg[ARGS_MAX];
    *out = (struct Join){0}; /* what the training data has does not hold for the others */
    if (!join)
        return true;
    if (r->out->generator) {
        diag_error(&ctx->diag, join->loc, "wav: join: of the clips of a folder or a list");
        return false;
    }
    if (!args_read(ctx, r->scope, "wav: join", join->loc, join_rows, join, NULL, 0, arg))
        return false;
    *out = (struct Join){.least = arg[0].list[0],
                         .most = arg[0].list[arg[0].n - 1],
                         .samples = arg[1].i,
                         .seed = (uint64_t)arg[2].i,
                         .gap = arg[3].r};
    if (arg[0].n > 2 || out->least < 1 || out->most < out->least || out->most > JOINED_MAX)
        diag_error(&ctx->diag, arg[0].loc,
                   "wav: join: count is how many clips, as 3, or at least and at most, as [1, 6]; "
                   "%d at most",
                   JOINED_MAX);
    else if (out->samples < 1 || out->samples > JOIN_SAMPLES_MAX)
        diag_error(&ctx->diag, arg[1].loc, "wav: join: samples: %lld is out of range: 1 to %d",
                   (long long)out->samples, JOIN_SAMPLES_MAX);
    else if (!(out->gap >= 0 && out->gap <= GAP_MAX))
        diag_error(&ctx->diag, arg[3].loc, "wav: join: gap is 0 to %d seconds", GAP_MAX);
    else
        return true;
    return false;
}

/* --- columns ---------------------------------------------------------------------------------- */

/* Whether the input is [frames, features], or [1, frames, features], of frames enough. */
static bool check_clip_input(Reader *r, const Y *y, const Input *input)
{
    const SoundForm *f = &r->out->sound;
    const Shape *s = &input->shape;
    int64_t width = f->is_mfcc ? f->n_mfcc : f->n_mels;
    bool fits = (s->rank == 3 || (s->rank == 4 && s->dim[1] == 1)) && s->dim[s->rank - 1] == width;
    int64_t frames = fits ? s->dim[s->rank - 2] : 0;
    char text[128];
    if (!fits || input->dtype != DT_f32)
        diag_error(&source_ctx(r)->diag, y->loc,
                   "wav: '%s' is %s; a clip is f32 of [frames, %lld] or [1, frames, %lld]",
                   input->name, fits ? dtype_text(input->dtype) : shape_text(s, text),
                   (long long)width, (long long)width);
    else if ((frames - 1) * f->hop <= f->n_fft / 2)
        diag_error(&source_ctx(r)->diag, y->loc,
                   "wav: '%s': %lld frames, %lld samples apart, are shorter than half a window of "
                   "%lld",
                   input->name, (long long)frames, (long long)f->hop, (long long)f->n_fft);
    else
        return true;
    diag_note(&source_ctx(r)->diag, input->loc, "'%s' is made here", input->name);
    return false;
}

/* The columns that a folder has, of clips and of the folders that they are in, which joined clips say one
 * after the other; made-up clips say digits. */
static bool check_named_column(Reader *r, const Y *y, const Input *input, const char *name)
{
    bool row = input->classes > 0 && input->shape.rank > 1;
    const char *wanted = input->classes == 0 ? "clip" : row ? "said" : "class";
    bool says = r->out->generator || r->out->sound.join.samples;
    if (strcmp(name, wanted) == 0 && (!row || says))
        return true;
    if (row && !says)
        diag_error(&source_ctx(r)->diag, y->loc,
                   "wav: '%s' is a row of tokens: a folder has no texts, a list may", input->name);
    else
        diag_error(&source_ctx(r)->diag, y->loc, "wav: of a %s '%s' takes '%s', not '%s'",
                   r->out->generator ? "generator" : "folder", input->name, wanted, name);
    return false;
}

static bool sound_column(Reader *r, const Y *y, const Input *input, SourceColumn *out)
{
    const char *name;
    if (!y_word(source_ctx(r), r->scope, y, source_title(r, input->name), &name))
        return false;
    if ((r->out->is_folder || r->out->generator) && !check_named_column(r, y, input, name))
        return false;
    if (!r->out->is_folder && !r->out->generator && !r->out->header &&
        strspn(name, "0123456789") != strlen(name)) {
        diag_error(&source_ctx(r)->diag, y->loc,
                   "wav: without a header columns have numbers, from 0; saw '%s'", name);
        return false;
    }
    if (input->classes == 0 && !check_clip_input(r, y, input))
        return false;
    if (input->classes > 0 && input->shape.rank == 1 && r->out->sound.join.samples) {
        diag_error(&source_ctx(r)->diag, y->loc,
                   "wav: '%s' is one class: joined clips say several; give it tokens and a shape",
                   input->name);
        return false;
    }
    vec_push(source_ctx(r)->arena, &out->names, name);
    return true;
}

/* folder, list or generator: one of them. */
static bool read_place(Reader *r)
{
    const Y *folder = y_get(r->args, "folder"), *list = y_get(r->args, "list"),
            *generator = y_get(r->args, "generator");
    if (!!folder + !!list + !!generator != 1) {
        diag_error(&source_ctx(r)->diag, r->args->loc,
                   "wav: expected one of folder, list and generator");
        return false;
    }
    if (generator)
        return source_generator(r, "tones");
    r->out->is_folder = folder != NULL;
    return y_word(source_ctx(r), r->scope, folder ? folder : list,
                  source_title(r, folder ? "folder" : "list"), &r->out->file);
}

void source_sound(Reader *r)
{
    static const char *const own[] = {"folder",    "list",      "header",    "delimiter", "rate",
                                      "features",  "tokenizer", "lowercase", "longer",    "lengths",
                                      "generator", "seed",      "count",     "join"};
    const Y *header = y_get(r->args, "header"), *delimiter = y_get(r->args, "delimiter");
    r->out->header = true;
    if (!source_map(r, own, COUNT(own),
                    "{folder: clips, rate: 16000, features: log_mel, x: clip, label: class}") ||
        !read_place(r) || !read_form(r) || !read_join(r) ||
        (header && !y_bool(source_ctx(r), r->scope, header, "wav: header", &r->out->header)) ||
        (delimiter && !source_delimiter(r, delimiter)))
        return;
    /* texts of a list: digits spoken, words; their vocabulary begins with <pad>, CTC's blank */
    if (r->complete || r->p->data_train.has_text) {
        if (!source_text_form(r))
            return;
        r->out->sound.refuse_long = r->out->text.refuse_long;
    }
    source_columns(r, own, COUNT(own), sound_column);
    if (source_lengths(r))
        source_check_complete(r);
}
