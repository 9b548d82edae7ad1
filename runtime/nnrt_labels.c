/* SPDX-License-Identifier: MIT */
/* nnrt_labels.c: columns of classes, by index or by name. Names get their indices in order of their bytes, from the
 * training data, and after that from the weights file. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"
#include "nnrt_text.h"

/* A whole number of up to 9 digits, blanks around it aside; -1. */
static int32_t class_number(const nnrt_span *text)
{
    size_t at = 0, end = text->size, begin;
    int32_t value = 0;
    while (at < end && (text->at[at] == ' ' || text->at[at] == '\t'))
        at++;
    while (end > at && (text->at[end - 1] == ' ' || text->at[end - 1] == '\t'))
        end--;
    for (begin = at; at < end && text->at[at] >= '0' && text->at[at] <= '9'; at++)
        if (at - begin < 9)
            value = value * 10 + (text->at[at] - '0');
    return at == end && end > begin && end - begin <= 9 ? value : -1;
}

static int class_by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int nnrt_labels_keep(const nnrt_read *r, const char *key, const nnrt_vocab *seen)
{
    const char **sorted = malloc(((size_t)seen->n + 1) * sizeof *sorted);
    nnrt_buffer json = {0};
    for (int32_t i = 0; sorted && i < seen->n; i++)
        sorted[i] = seen->tokens[i].at;
    if (sorted)
        qsort(sorted, (size_t)seen->n, sizeof *sorted, class_by_name);
    nnrt_buffer_say(&json, "[");
    for (int32_t i = 0; sorted && i < seen->n; i++) {
        nnrt_buffer_say(&json, i ? ",\"" : "\"");
        nnrt_buffer_escaped(&json, sorted[i], strlen(sorted[i]));
        nnrt_buffer_say(&json, "\"");
    }
    nnrt_buffer_put(&json, "]", 2);
    if (json.failed || !sorted)
        nnrt_buffer_free(&json);
    free(sorted);
    return nnrt_meta_put(r->meta, "nncc.labels.", key, json.at, r->fault);
}

int nnrt_labels_learn(const nnrt_table *t, const char *key, int64_t classes, const nnrt_span *texts,
                      const unsigned char *from)
{
    nnrt_vocab seen = {0};
    int numbers = 1, status = NNRT_OK;
    for (int64_t i = 0; i < t->rows && numbers; i++)
        numbers = class_number(&texts[i]) >= 0;
    for (int64_t i = 0; i < t->rows && !numbers && !status; i++) {
        size_t at = 0;
        uint32_t c;
        if (from && !from[i])
            continue;
        for (size_t n;
             at < texts[i].size && (n = nnrt_utf8_take(texts[i].at + at, texts[i].size - at, &c));
             at += n)
            ;
        if (at < texts[i].size || texts[i].size == 0)
            status = nnrt_fail(t->read->fault, NNRT_BAD_CONTENT,
                               "%s:%zu: expected the name of a class for '%s' (in UTF-8), found %s",
                               t->name, t->lines[i], key, texts[i].size ? "other bytes" : "none");
        else if (nnrt_vocab_find(&seen, texts[i].at, texts[i].size) < 0 &&
                 nnrt_vocab_add(&seen, -1, texts[i].at, texts[i].size) < 0)
            status =
                nnrt_fail(t->read->fault, NNRT_NO_MEMORY, "%s: no memory for its tokens", t->name);
        if (!status && seen.n > classes)
            status = nnrt_fail(t->read->fault, NNRT_BAD_CONTENT,
                               "%s:%zu: '%.*s' is one class more than the %lld of '%s'", t->name,
                               t->lines[i], (int)(texts[i].size < 40 ? texts[i].size : 40),
                               texts[i].at, (long long)classes, key);
    }
    if (!status && !numbers)
        status = nnrt_labels_keep(t->read, key, &seen);
    nnrt_vocab_free(&seen);
    return status;
}

int nnrt_labels_kept(const nnrt_meta *meta, const char *key, nnrt_vocab *out, nnrt_fault *fault)
{
    const char *kept = nnrt_meta_find(meta, "nncc.labels.", key);
    *out = (nnrt_vocab){0};
    if (!kept)
        return NNRT_OK;
    nnrt_json j = nnrt_json_of("the weights file's nncc.labels", kept, strlen(kept), fault);
    int first = 1;
    size_t size;
    nnrt_json_enter(&j, '[');
    while (!j.status && nnrt_json_item(&j, &first)) {
        const char *text = nnrt_json_string(&j, &size);
        if (text && nnrt_vocab_add(out, -1, text, size) < 0)
            nnrt_json_wrong(&j, "before it, each name once");
    }
    int status = nnrt_json_end(&j);
    nnrt_json_close(&j);
    if (status)
        nnrt_vocab_free(out);
    return status;
}

int32_t nnrt_labels_class(const nnrt_vocab *names, const nnrt_span *text)
{
    return names->n ? nnrt_vocab_find(names, text->at, text->size) : class_number(text);
}

int nnrt_table_classes(const nnrt_table *t, int input, const nnrt_span *texts)
{
    const nnrt_value *v = &t->read->d->model->inputs[input];
    nnrt_array *a = &t->read->d->columns[input];
    nnrt_vocab names;
    nnrt_meta *meta = t->read->meta;
    int status = NNRT_OK;
    if (meta && meta->learn && !nnrt_meta_find(meta, "nncc.labels.", v->name))
        status = nnrt_labels_learn(t, v->name, v->classes, texts, meta->learn_from);
    if (!status)
        status = nnrt_labels_kept(meta, v->name, &names, t->read->fault);
    if (status)
        return status;
    status = nnrt_array_make(t->name, NNRT_ARRAY_I32, 1, &t->rows, a, t->read->fault);
    for (int64_t i = 0; i < t->rows && !status; i++) {
        int32_t at = nnrt_labels_class(&names, &texts[i]);
        if (at < 0 || at >= v->classes)
            status =
                nnrt_fail(t->read->fault, NNRT_BAD_CONTENT,
                          "%s:%zu: expected %s for '%s', found '%.*s'", t->name, t->lines[i],
                          names.n ? "a class that the training data has" : "a class index", v->name,
                          (int)(texts[i].size < 40 ? texts[i].size : 40), texts[i].at);
        else
            ((int32_t *)a->data)[i] = at;
    }
    if (!status)
        status = nnrt_read_name(t->read, input, t->name);
    nnrt_vocab_free(&names);
    return status;
}
