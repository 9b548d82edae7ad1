/* SPDX-License-Identifier: MIT */
/* describe_csv.c: what a csv source says beside its columns: categories, missing values, a part of the rows. */
#include "emit.h"

/* static const char *const NAME[] = {...}; */
static void emit_texts(SourceText *s, const char *name, const SourceTexts *texts)
{
    Str line = str_new(s->arena);
    for (int i = 0; i < texts->n; i++)
        str_add(&line, "%s%s", i ? ", " : "", quoted_text(s->arena, texts->at[i]));
    out_line(s->out, "static const char *const %s[] = {%s};", name, line.at);
}

/* m_train_negatives */
static void emit_negatives(SourceText *s, const Source *x, const char *name)
{
    if (!x->negatives.n)
        return;
    out_open(s->out, "static const nnrt_negatives %s_negatives[] =", name);
    for (int i = 0; i < x->negatives.n; i++) {
        const SourceNegatives *g = &x->negatives.at[i];
        const char *label = g->label < 0 ? NULL : s->p->inputs.at[g->label].name;
        out_line(s->out, "{%s, %s, %s, %lld, %lluu, %s},",
                 quoted_text(s->arena, s->p->inputs.at[g->input].name),
                 quoted_text(s->arena, s->p->inputs.at[g->user].name), quoted_text(s->arena, label),
                 (long long)g->count, (unsigned long long)g->seed, quoted_text(s->arena, g->seen));
    }
    s->out->depth--;
    out_line(s->out, "};");
}

void emit_csv_texts(SourceText *s, const Source *x, const char *role)
{
    const char *name = arena_format(s->arena, "%s_%s", s->p->name, role);
    for (int i = 0; i < x->columns.n; i++)
        if (x->columns.at[i].categories.n)
            emit_texts(s, arena_format(s->arena, "%s_categories_%d", name, i),
                       &x->columns.at[i].categories);
    if (x->missing.n)
        emit_texts(s, arena_format(s->arena, "%s_missing", name), &x->missing);
    for (int i = 0; i < x->where.n; i++)
        emit_texts(s, arena_format(s->arena, "%s_where_%d", name, i), &x->where.at[i].values);
    emit_negatives(s, x, name);
    if (!x->where.n)
        return;
    out_open(s->out, "static const nnrt_where %s_where[] =", name);
    for (int i = 0; i < x->where.n; i++)
        out_line(s->out, "{%s, %d, %s_where_%d},", quoted_text(s->arena, x->where.at[i].column),
                 x->where.at[i].values.n, name, i);
    s->out->depth--;
    out_line(s->out, "};");
}

const char *csv_column_text(SourceText *s, const SourceColumn *c, const char *role, int i)
{
    Str text = str_new(s->arena);
    str_add(&text, "%s", "");
    if (c->count)
        str_add(&text, ", .count = %lld", (long long)c->count);
    if (c->categories.n)
        str_add(&text, ", .n_categories = %d, .categories = %s_%s_categories_%d", c->categories.n,
                s->p->name, role, i);
    if (c->has_unseen)
        str_add(&text, ", .has_unseen = 1, .unseen = %lld", (long long)c->unseen);
    if (c->offset)
        str_add(&text, ", .offset = %lld", (long long)c->offset);
    if (c->cut)
        str_add(&text, "%s", ", .cut = 1");
    return text.at;
}

void emit_csv_row(SourceText *s, const Source *x, const char *role)
{
    if (x->missing.n)
        out_line(s->out, "    .n_missing = %d, .missing = %s_%s_missing,", x->missing.n, s->p->name,
                 role);
    if (x->where.n)
        out_line(s->out, "    .n_where = %d, .where = %s_%s_where,", x->where.n, s->p->name, role);
    if (x->negatives.n)
        out_line(s->out, "    .n_negatives = %d, .negatives = %s_%s_negatives,", x->negatives.n,
                 s->p->name, role);
}

static bool has_classes(const Program *p, const Source *x)
{
    for (int i = 0; x->kind == SOURCE_csv && !x->stride && i < x->columns.n; i++)
        if (p->inputs.at[x->columns.at[i].input].classes > 0)
            return true;
    return false;
}

bool reads_categories(const Program *p)
{
    return has_classes(p, &p->data_train) || has_classes(p, &p->data_validation) ||
           has_classes(p, &p->data_test);
}
