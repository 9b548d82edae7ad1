/* SPDX-License-Identifier: MIT */
/* data_text.c: `text:` sources: windows of a long text, or tables of texts and classes. The
 * vocabulary's size stands in the model, as `tokens` of the input; what it holds is found when the
 * program trains. */
#include "sources.h"

#include <string.h>

/* --- tokenizer, lowercase, longer ------------------------------------------------------------- */

/* characters, bytes, words, bpe, or the name of a .json file. */
static bool read_tokenizer(Reader *r, const Y *y, TextForm *out)
{
    static const char *const kinds[] = {"characters", "bytes", "words", "bpe"};
    const char *word;
    if (!y_word(source_ctx(r), r->scope, y, source_title(r, "tokenizer"), &word))
        return false;
    size_t n = strlen(word);
    if ((n > 5 && strcmp(word + n - 5, ".json") == 0) ||
        (n > 8 && strcmp(word + n - 8, ".json.gz") == 0)) {
        out->tokens = TOKENS_file;
        out->file = word;
        return true;
    }
    for (int i = 0; i < COUNT(kinds); i++)
        if (strcmp(word, kinds[i]) == 0) {
            out->tokens = (TokensKind)i;
            return true;
        }
    const char *best = diag_nearest(word, kinds, COUNT(kinds));
    diag_error(&source_ctx(r)->diag, y->loc, "%s: unknown tokenizer '%s'; %s%s%s", r->kind, word,
               best ? "did you mean '" : "expected characters, bytes, words, bpe or a .json file",
               best ? best : "", best ? "'?" : "");
    return false;
}

/* Validation and test have the vocabulary of the training data. */
static bool inherit_tokenizer(Reader *r, const Y *tokenizer, const Y *lowercase)
{
    const Source *train = &r->p->data_train;
    const Y *given = tokenizer ? tokenizer : lowercase;
    if (!train->has_text) {
        diag_error(&source_ctx(r)->diag, r->args->loc,
                   "%s: data.train is no text of which a vocabulary could be made", r->kind);
        return false;
    }
    if (given) {
        diag_error(&source_ctx(r)->diag, given->loc,
                   "%s: the vocabulary is that of data.train: '%s' stands there alone", r->kind,
                   tokenizer ? "tokenizer" : "lowercase");
        return false;
    }
    r->out->text = train->text;
    return true;
}

bool source_text_form(Reader *r)
{
    Ctx *ctx = source_ctx(r);
    const Y *tokenizer = y_get(r->args, "tokenizer"), *lowercase = y_get(r->args, "lowercase"),
            *longer = y_get(r->args, "longer");
    TextForm *text = &r->out->text;
    const char *word;
    bool good = true;
    if (!r->complete)
        good = inherit_tokenizer(r, tokenizer, lowercase);
    else if (tokenizer)
        good = read_tokenizer(r, tokenizer, text);
    text->stride = 0;
    text->refuse_long = text->is_pairs = false;
    if (good && r->complete && lowercase)
        good = y_bool(ctx, r->scope, lowercase, source_title(r, "lowercase"), &text->lowercase);
    if (good && lowercase && text->lowercase && text->tokens == TOKENS_file) {
        diag_error(&ctx->diag, lowercase->loc, "%s: a tokenizer's file says itself what is lowered",
                   r->kind);
        good = false;
    }
    if (longer) {
        if (!y_word(ctx, r->scope, longer, source_title(r, "longer"), &word))
            return false;
        text->refuse_long = strcmp(word, "error") == 0;
        if (!text->refuse_long && strcmp(word, "cut") != 0) {
            diag_error(&ctx->diag, longer->loc, "%s: longer: expected cut or error, saw '%s'",
                       r->kind, word);
            return false;
        }
    }
    r->out->has_text = true;
    return good;
}

/* --- lengths ---------------------------------------------------------------------------------- */

bool source_lengths(Reader *r)
{
    Ctx *ctx = source_ctx(r);
    const Y *y = y_get(r->args, "lengths"), *map = y ? y_resolve(ctx, r->scope, y) : NULL;
    const char *what = source_title(r, "lengths");
    if (!y)
        return true;
    if (!map || map->kind != Y_map) {
        if (map)
            diag_error(&ctx->diag, map->loc,
                       "%s: expected a map, as {n: x}: input 'n' holds the lengths of x", what);
        return false;
    }
    bool good = true;
    for (int i = 0; i < map->pairs.n; i++) {
        int input = source_named_input(r, map->pairs.at[i].key, what),
            of = source_named_input(r, map->pairs.at[i].value, what);
        if (input < 0 || of < 0) {
            good = false;
            continue;
        }
        const Input *in = &r->p->inputs.at[input];
        if (shape_count(&in->shape) != 1) {
            diag_error(&ctx->diag, map->pairs.at[i].key->loc,
                       "%s: '%s' is not one number a sample: a length is (shape: [])", what,
                       in->name);
            source_note_input(r, in);
            good = false;
        }
        SourceColumn column = {.input = input, .of = r->p->inputs.at[of].name};
        vec_push(ctx->arena, &r->out->columns, column);
    }
    return good;
}

/* --- next_token: {input: x, target: y, stride: T} --------------------------------------------- */

/* Tokens: a row of them. */
static bool is_tokens(const Input *in)
{
    return in->classes > 0 && in->shape.rank > 1;
}

static bool check_windows(Reader *r, const Y *y, const Input *x, const Input *target,
                          const char *task)
{
    Diag *diag = &source_ctx(r)->diag;
    if (!is_tokens(x)) {
        diag_error(diag, y->loc, "text: %s: '%s' is no row of tokens: {tokens: V, shape: [T]}",
                   task, x->name);
        source_note_input(r, x);
        return false;
    }
    if (x->classes == target->classes && shape_equal(&x->shape, &target->shape))
        return true;
    diag_error(diag, y->loc, "text: %s: '%s' must have the tokens and the shape of '%s'", task,
               target->name, x->name);
    source_note_input(r, x);
    source_note_input(r, target);
    return false;
}

static void read_next_token(Reader *r, const Y *y)
{
    static const char *const keys[] = {"input", "target", "stride"};
    Ctx *ctx = source_ctx(r);
    if (y->kind != Y_map) {
        diag_error(&ctx->diag, y->loc,
                   "text: next_token: expected a map, as {input: x, target: y}");
        return;
    }
    bool made_up = y_get(r->args, "generator") != NULL;
    if (!y_keys(ctx, y, "text: next_token", keys, COUNT(keys), NULL, 0) ||
        !(made_up ? source_generator(r, "stories") : source_several_files(r)))
        return;
    int input[2];
    for (int i = 0; i < 2; i++) {
        const Y *name = y_get(y, keys[i]);
        if (!name)
            diag_error(&ctx->diag, y->loc, "text: next_token: '%s' is missing", keys[i]);
        input[i] = name ? source_named_input(r, name, "text: next_token") : -1;
    }
    if (input[0] < 0 || input[1] < 0)
        return;
    const Input *x = &r->p->inputs.at[input[0]], *target = &r->p->inputs.at[input[1]];
    const Y *stride = y_get(y, "stride");
    r->out->text.stride = shape_count(&x->shape);
    if (!check_windows(r, y, x, target, "next_token") ||
        (stride && !y_int(ctx, r->scope, stride, "text: next_token: stride", 1, INT32_MAX,
                          &r->out->text.stride)))
        return;
    for (int i = 0; i < 2; i++) {
        SourceColumn column = {.input = input[i]};
        vec_push(ctx->arena, &r->out->columns, column);
    }
    source_check_complete(r);
}

/* --- classify: {INPUT: COLUMN, ...} ----------------------------------------------------------- */

static bool table_column(Reader *r, const Y *y, const Input *input, SourceColumn *out)
{
    const char *name;
    if (!y_word(source_ctx(r), r->scope, y, source_title(r, input->name), &name))
        return false;
    if (input->classes == 0) {
        diag_error(&source_ctx(r)->diag, y->loc,
                   "text: '%s' takes numbers: expected tokens, or classes", input->name);
        source_note_input(r, input);
        return false;
    }
    if (r->out->generator) {
        const char *wanted = input->shape.rank > 1 ? "sentence" : "label";
        if (strcmp(name, wanted) != 0) {
            diag_error(&source_ctx(r)->diag, y->loc, "text: of %s '%s' takes '%s', not '%s'",
                       r->out->generator, input->name, wanted, name);
            return false;
        }
    } else if (!r->out->header && strspn(name, "0123456789") != strlen(name)) {
        diag_error(&source_ctx(r)->diag, y->loc,
                   "text: without a header columns have numbers, from 0; saw '%s'", name);
        return false;
    }
    vec_push(source_ctx(r)->arena, &out->names, name);
    return true;
}

static void read_classify(Reader *r, const Y *y)
{
    Ctx *ctx = source_ctx(r);
    const Y *header = y_get(r->args, "header"), *delimiter = y_get(r->args, "delimiter");
    bool made_up = y_get(r->args, "generator") != NULL;
    r->out->header = true;
    if (!(made_up ? source_generator(r, "reviews headlines") : source_file(r)) ||
        (header && !y_bool(ctx, r->scope, header, "text: header", &r->out->header)) ||
        (delimiter && !source_delimiter(r, delimiter)))
        return;
    Reader inner = *r;
    inner.args = y;
    if (!source_map(&inner, NULL, 0, "{x: sentence, label: label}"))
        return;
    source_columns(&inner, NULL, 0, table_column);
    r->complete = inner.complete;
    if (source_lengths(r))
        source_check_complete(r);
}

/* --- translate: {source: x, input: y, target: z} ----------------------------------------------- */

static void read_translate(Reader *r, const Y *y)
{
    static const char *const keys[] = {"source", "input", "target"};
    Ctx *ctx = source_ctx(r);
    int input[3];
    bool good = true;
    if (y->kind != Y_map) {
        diag_error(&ctx->diag, y->loc,
                   "text: translate: expected a map, as {source: x, input: y, target: z}");
        return;
    }
    bool made_up = y_get(r->args, "generator") != NULL;
    if (!y_keys(ctx, y, "text: translate", keys, COUNT(keys), NULL, 0) ||
        !(made_up ? source_generator(r, "phrases") : source_several_files(r)))
        return;
    for (int i = 0; i < 3; i++) {
        const Y *name = y_get(y, keys[i]);
        if (!name)
            diag_error(&ctx->diag, y->loc, "text: translate: '%s' is missing", keys[i]);
        input[i] = name ? source_named_input(r, name, "text: translate") : -1;
        const Input *in = input[i] < 0 ? NULL : &r->p->inputs.at[input[i]];
        good = good && in;
        if (in && i == 0 && !is_tokens(in)) {
            diag_error(&ctx->diag, name->loc,
                       "text: translate: '%s' is no row of tokens: {tokens: V, shape: [T]}",
                       in->name);
            source_note_input(r, in);
            good = false;
        }
    }
    if (!made_up && r->out->files.n != 2) {
        diag_error(&ctx->diag, r->args->loc,
                   "text: translate: file: expected two, of the source and the target");
        good = false;
    }
    if (!good ||
        !check_windows(r, y, &r->p->inputs.at[input[1]], &r->p->inputs.at[input[2]], "translate"))
        return;
    r->out->text.is_pairs = true;
    for (int i = 0; i < 3; i++) {
        SourceColumn column = {.input = input[i]};
        vec_push(ctx->arena, &r->out->columns, column);
    }
    if (source_lengths(r))
        source_check_complete(r);
}

void source_text(Reader *r)
{
    static const char *const keys[] = {"file",   "tokenizer", "lowercase", "longer",   "next_token",
                                       "header", "delimiter", "lengths",   "classify", "generator",
                                       "seed",   "count",     "translate"};
    Ctx *ctx = source_ctx(r);
    if (r->args->kind != Y_map) {
        diag_error(&ctx->diag, r->args->loc,
                   "text: expected a map, as {file: input.txt, next_token: {input: x, target: y}}");
        return;
    }
    if (!y_keys(ctx, r->args, "text", keys, COUNT(keys), NULL, 0) || !source_text_form(r))
        return;
    const Y *next = y_get(r->args, "next_token"), *classify = y_get(r->args, "classify"),
            *translate = y_get(r->args, "translate");
    if (!!next + !!classify + !!translate != 1) {
        diag_error(&ctx->diag, r->args->loc,
                   "text: expected one of next_token, classify and translate");
        return;
    }
    const Y *file = y_get(r->args, "file");
    if (file && y_get(r->args, "generator")) {
        diag_error(&ctx->diag, file->loc, "text: either 'file' or 'generator'");
        return;
    }
    const Y *task = y_resolve(ctx, r->scope, next ? next : classify ? classify : translate);
    static const char *const of_tables[] = {"header", "delimiter", "lengths", "longer"};
    for (int i = 0; !classify && i < (next ? COUNT(of_tables) : 2); i++)
        if (y_get(r->args, of_tables[i]))
            diag_error(&ctx->diag, y_get(r->args, of_tables[i])->loc,
                       "text: '%s' does not go with %s", of_tables[i],
                       next ? "next_token" : "translate");
    if (task && next)
        read_next_token(r, task);
    else if (task && classify)
        read_classify(r, task);
    else if (task)
        read_translate(r, task);
}
