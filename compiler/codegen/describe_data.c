/* SPDX-License-Identifier: MIT */
/* describe_data.c: where a model's data comes from: the tables of its sources, and their rows in nnrt_model. */
#include "emit.h"

static const char *const role_name[] = {"train", "validation", "test"};

static void emit_columns(SourceText *s, const Source *source, const char *role)
{
    const char *name = s->p->name;
    emit_csv_texts(s, source, role);
    if (source->files.n) {
        out_open(s->out, "static const char *const %s_%s_files[] =", name, role);
        for (int i = 0; i < source->files.n; i++)
            out_line(s->out, "%s,", quoted_text(s->arena, source->files.at[i]));
        s->out->depth--;
        out_line(s->out, "};");
    }
    for (int i = 0; i < source->columns.n; i++) {
        const SourceColumn *c = &source->columns.at[i];
        if (!c->names.n)
            continue;
        Str line = str_new(s->arena);
        for (int k = 0; k < c->names.n; k++)
            str_add(&line, "%s%s", k ? ", " : "", quoted_text(s->arena, c->names.at[k]));
        out_line(s->out, "static const char *const %s_%s_%d[] = {%s};", name, role, i, line.at);
    }
    if (!source->columns.n)
        return;
    out_open(s->out, "static const nnrt_column %s_%s[] =", name, role);
    for (int i = 0; i < source->columns.n; i++) {
        const SourceColumn *c = &source->columns.at[i];
        const char *names = c->names.n ? arena_format(s->arena, "%s_%s_%d", name, role, i) : "NULL";
        out_line(
            s->out, "{.input = \"%s\", .file = %s, .bytes = %lld, .n_names = %d, .names = %s%s%s},",
            s->p->inputs.at[c->input].name, quoted_text(s->arena, c->file), (long long)c->bytes,
            c->names.n, names, c->of ? arena_format(s->arena, ", .of = \"%s\"", c->of) : "",
            csv_column_text(s, c, role, i));
    }
    s->out->depth--;
    out_line(s->out, "};");
}

bool reads_text(const Program *p)
{
    return p->data_train.has_text || p->data_validation.has_text || p->data_test.has_text;
}

bool reads_sound(const Program *p)
{
    return p->data_train.has_sound || p->data_validation.has_sound || p->data_test.has_sound;
}

bool reads_images(const Program *p)
{
    return p->data_train.has_images || p->data_validation.has_images || p->data_test.has_images;
}

static void emit_images(SourceText *s, const Source *x, const char *role)
{
    static const char *const resize[] = {"NONE", "STRETCH", "CROP", "PAD"};
    const ImageForm *f = &x->images;
    Str where = str_new(s->arena);
    for (int i = 0; i < f->where.n; i++)
        str_add(&where, "%s%s", i ? ", " : "", quoted_text(s->arena, f->where.at[i]));
    if (f->where.n)
        out_line(s->out, "static const char *const %s_%s_where[] = {%s};", s->p->name, role,
                 where.at);
    out_line(s->out, "static const nnrt_images %s_%s_images = {NNRT_RESIZE_%s, %s, %d, %s, %s};",
             s->p->name, role, resize[f->resize], quoted_text(s->arena, f->masks), f->where.n / 2,
             f->where.n ? arena_format(s->arena, "%s_%s_where", s->p->name, role) : "NULL",
             quoted_text(s->arena, f->path));
}

/* m_train_text, m_train_sound: what a source of text, of sound, says beside its columns. */
static void emit_forms(SourceText *s, const Source *x, const char *role)
{
    static const char *const tokens[] = {"CHARACTERS", "BYTES", "WORDS", "BPE", "FILE"};
    const TextForm *t = &x->text;
    const SoundForm *f = &x->sound;
    if (x->has_text)
        out_line(s->out,
                 "static const nnrt_text %s_%s_text = {NNRT_TOKENS_%s, %s, %d, %lld, %d, %d};",
                 s->p->name, role, tokens[t->tokens], quoted_text(s->arena, t->file), t->lowercase,
                 (long long)t->stride, t->refuse_long, t->is_pairs);
    if (x->has_sound)
        out_line(s->out,
                 "static const nnrt_sound %s_%s_sound = {%lld, %d, %lld, %lld, %lld, %lld, %s, %s, "
                 "%d, %lld, %lld, %lld, %lluu, %s};",
                 s->p->name, role, (long long)f->rate, f->is_mfcc, (long long)f->n_fft,
                 (long long)f->hop, (long long)f->n_mels, (long long)f->n_mfcc,
                 real_text(s->arena, f->f_min), real_text(s->arena, f->f_max), f->refuse_long,
                 (long long)f->join.least, (long long)f->join.most, (long long)f->join.samples,
                 (unsigned long long)f->join.seed, real_text(s->arena, f->join.gap));
    if (x->has_images)
        emit_images(s, x, role);
}

static void source_row(SourceText *s, const Source *x, const char *role)
{
    static const char *const kind[] = {"NONE", "IDX",       "NPY",  "NPZ",   "RECORDS",
                                       "CSV",  "SYNTHETIC", "TEXT", "SOUND", "IMAGES"};
    if (x->kind == SOURCE_none)
        return;
    out_line(s->out,
             ".data_%s = {.kind = NNRT_SOURCE_%s, .file = %s, .generator = %s, .seed = %lluu,",
             role, kind[x->kind], quoted_text(s->arena, x->file),
             quoted_text(s->arena, x->generator), (unsigned long long)x->seed);
    if (x->files.n)
        out_line(s->out, "    .n_files = %d, .files = %s_%s_files,", x->files.n, s->p->name, role);
    if (x->has_text)
        out_line(s->out, "    .text = &%s_%s_text,", s->p->name, role);
    if (x->has_sound)
        out_line(s->out, "    .sound = &%s_%s_sound, .is_folder = %d,", s->p->name, role,
                 x->is_folder);
    emit_csv_row(s, x, role);
    if (x->has_images)
        out_line(s->out, "    .images = &%s_%s_images, .is_folder = %d,", s->p->name, role,
                 x->is_folder);
    if (x->rows_end)
        out_line(s->out, "    .rows_from = %lld, .rows_end = %lld,", (long long)x->rows_from,
                 (long long)x->rows_end);
    if (x->stride)
        out_line(s->out, "    .stride = %lld,", (long long)x->stride);
    const char *columns = x->columns.n ? arena_format(s->arena, "%s_%s", s->p->name, role) : "NULL";
    out_line(s->out,
             "    .count = %lld, .header = %d, .delimiter = %d, .n_columns = %d, .columns = %s},",
             (long long)x->count, x->header, x->delimiter, x->columns.n, columns);
}

void emit_sources(SourceText *s)
{
    const Source *source[] = {&s->p->data_train, &s->p->data_validation, &s->p->data_test};
    for (int i = 0; i < COUNT(source); i++)
        emit_columns(s, source[i], role_name[i]);
    for (int i = 0; i < COUNT(source); i++)
        emit_forms(s, source[i], role_name[i]);
}

void source_rows(SourceText *s)
{
    const Source *source[] = {&s->p->data_train, &s->p->data_validation, &s->p->data_test};
    for (int i = 0; i < COUNT(source); i++)
        source_row(s, source[i], role_name[i]);
}
