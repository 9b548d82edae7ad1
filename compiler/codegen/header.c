/* SPDX-License-Identifier: MIT */
/* header.c: model.h, what an app's programmer reads; and the parameters of its functions. */
#include <string.h>

#include "emit.h"

const char *upper_text(Arena *arena, const char *text)
{
    char *upper = arena_text(arena, text, strlen(text));
    for (char *c = upper; *c; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    return upper;
}

bool input_used(const Program *p, Fn fn, int input)
{
    const Graph *g = p->fn[fn];
    for (int i = 0; g && i < g->nodes.n; i++)
        if (g->nodes.at[i]->op == OP_input && g->nodes.at[i]->attr->input == input)
            return true;
    return false;
}

/* A training step with accumulation is two functions with the parameters of both. */
static bool fn_takes(const Program *p, Fn fn, int input)
{
    return input_used(p, fn, input) || (fn == FN_train && input_used(p, FN_accumulate, input));
}

const char *input_parameter(Arena *arena, const Program *p, int input)
{
    static const char *const type[] = {"float", "int32_t", "uint8_t"};
    const Input *in = &p->inputs.at[input];
    return arena_format(arena, "const %s *%s", type[in->dtype], c_name(arena, in->name));
}

bool fn_gives(Fn fn)
{
    return fn == FN_predict || fn == FN_attribute || fn == FN_sample;
}

const char *fn_parameters(Arena *arena, const Program *p, Fn fn)
{
    Str s = str_new(arena);
    str_add(&s, "int n%s", fn == FN_sample ? ", uint64_t seed" : "");
    for (int i = 0; i < p->inputs.n; i++)
        if (fn_takes(p, fn, i))
            str_add(&s, ", %s", input_parameter(arena, p, i));
    if (fn == FN_attribute)
        str_add(&s, ", int chosen");
    for (int i = 0; fn_gives(fn) && i < graph_output_count(p->fn[fn]); i++)
        str_add(&s, ", float *%s", c_name(arena, graph_output_name(p->fn[fn], i)));
    if (fn == FN_eval)
        str_add(&s, ", double *sums");
    if (fn == FN_grad)
        str_add(&s, ", float *grads");
    return s.at;
}

const char *fn_arguments(Arena *arena, const Program *p, Fn fn)
{
    Str s = str_new(arena);
    for (int i = 0; i < p->inputs.n; i++)
        if (fn_takes(p, fn, i))
            str_add(&s, ", %s", c_name(arena, p->inputs.at[i].name));
    for (int i = 0; fn == FN_predict && i < p->outputs.n; i++)
        str_add(&s, ", %s", c_name(arena, p->outputs.at[i].name));
    return s.at;
}

int64_t params_count(const Program *p)
{
    int64_t n = 0;
    for (int i = 0; i < p->vars.n; i++)
        if (p->vars.at[i]->kind == VAR_weight && !p->vars.at[i]->frozen)
            n += shape_count(&p->vars.at[i]->shape);
    return n;
}

int64_t grads_count(const Program *p)
{
    int64_t n = params_count(p);
    for (int i = 0; i < p->inputs.n; i++)
        if (p->inputs.at[i].dtype == DT_f32)
            n += shape_elements(&p->inputs.at[i].shape, p->train.batch);
    return n;
}

bool emits_grad(const Program *p, const CodegenOptions *o)
{
    return p->fn[FN_grad] && (o->grad || o->main);
}

/* "image[n, 784]", for comments. */
static const char *value_text(Arena *arena, const char *name, const Shape *s)
{
    Str t = str_new(arena);
    str_add(&t, "%s[n", name);
    for (int i = 1; i < s->rank; i++)
        str_add(&t, ", %lld", (long long)s->dim[i]);
    str_add(&t, "]");
    return t.at;
}

static void head(Out *o, const Program *p, const CodegenOptions *options, const char *upper)
{
    Arena *arena = p->ctx->arena;
    Str line = str_new(arena);
    for (int i = 0; i < p->inputs.n; i++)
        str_add(&line, "%s%s", i ? ", " : "",
                value_text(arena, p->inputs.at[i].name, &p->inputs.at[i].shape));
    str_add(&line, " -> ");
    for (int i = 0; p->fn[FN_predict] && i < p->outputs.n; i++)
        str_add(&line, "%s%s", i ? ", " : "",
                value_text(arena, p->outputs.at[i].name,
                           &graph_find_root(p->fn[FN_predict], ROOT_output, i)->shape));
    out_line(o, "/* %s: %s", options->header ? options->header : p->name, line.at);
    out_line(o, " * Made by nncc from %s. */", comment_text(arena, p->file));
    out_line(o, "#ifndef %s_H", upper);
    out_line(o, "#define %s_H\n", upper);
    out_line(o, "#include <stddef.h>");
    out_line(o, "#include <stdint.h>\n");
    out_line(o, "#ifdef __cplusplus");
    out_line(o, "extern \"C\" {");
    out_line(o, "#endif\n");
}

typedef struct Constant {
    const char *name;
    int64_t value;
    const char *what;
} Constant;

/* "    SEED_BATCH = 4, ", the comments of all below each other. */
static void enumerators(Out *o, const char *upper, int n, const Constant *c)
{
    int widest = 0;
    for (int i = 0; i < n; i++) {
        int width = snprintf(NULL, 0, "%s_%s = %lld,", upper, c[i].name, (long long)c[i].value);
        widest = width > widest ? width : widest;
    }
    for (int i = 0; i < n; i++) {
        const char *line =
            arena_format(o->str.arena, "%s_%s = %lld,", upper, c[i].name, (long long)c[i].value);
        out_line(o, "%-*s /* %s */", widest, line, c[i].what);
    }
}

static void constants(Out *o, const Program *p, const CodegenOptions *options, const char *upper)
{
    Constant c[4];
    int n = 0;
    c[n++] = (Constant){"BATCH", p->train.batch, "most samples in one call"};
    if (emits_grad(p, options))
        c[n++] = (Constant){"GRADS", grads_count(p), "numbers that grad writes"};
    if (p->n_sums && p->fn[FN_eval])
        c[n++] = (Constant){"SUMS", p->n_sums, "metric sums of eval"};
    c[n++] = (Constant){"PARAMS", params_count(p), "numbers trained"};
    int small = 0;
    for (int i = 0; i < n; i++) { /* an enumerator is an int */
        if (c[i].value <= INT32_MAX)
            c[small++] = c[i];
        else
            out_line(o, "#define %s_%s INT64_C(%lld) /* %s */", upper, c[i].name,
                     (long long)c[i].value, c[i].what);
    }
    out_line(o, "enum {");
    o->depth++;
    enumerators(o, upper, small, c);
    o->depth--;
    out_line(o, "};\n");
    out_line(o, "/* Weights, optimiser state and scratch, in one block. */");
    out_line(o, "typedef struct %s %s;\n", p->name, p->name);
}

static void life(Out *o, const Program *p)
{
    const char *m = p->name;
    out_line(o, "/* Life. Two instances share nothing. An instance lies in memory of yours, of so");
    out_line(o, " * many bytes, aligned to 64, or on the heap (NULL: no memory). */");
    out_line(o, "size_t %s_size(void);", m);
    out_line(o, "%s *%s_init(void *memory, uint64_t seed);", m, m);
    out_line(o, "%s *%s_new(uint64_t seed);", m, m);
    out_line(o, "void %s_free(%s *);", m, m);
    out_line(o, "/* In memory of yours: predicts with the owner's weights. */");
    out_line(o, "%s *%s_fork(void *memory, const struct %s *owner);\n", m, m, m);
}

/* ", const int32_t *source": what encode reads. */
static const char *encode_parameters(Arena *arena, const Program *p)
{
    Str s = str_new(arena);
    for (int i = 0; i < p->inputs.n; i++)
        if (input_used(p, FN_encode, i))
            str_add(&s, ", %s", input_parameter(arena, p, i));
    return s.at;
}

const char *generate_head(Arena *arena, const Program *p, const char *name, const char *self)
{
    return arena_format(arena,
                        "int %s_generate(%s%s, int n_prompt, const int32_t *prompt, int n, int32_t "
                        "*tokens, float temperature, int top_k, float top_p, uint64_t seed)",
                        name, self, encode_parameters(arena, p));
}

const char *beam_head(Arena *arena, const Program *p, const char *name, const char *self)
{
    return arena_format(arena,
                        "int %s_beam(%s%s, int n_prompt, const int32_t *prompt, int n, int32_t "
                        "*tokens, int beam, float length_penalty)",
                        name, self, encode_parameters(arena, p));
}

static void generate(Out *o, const Program *p)
{
    const Generate *g = &p->generate;
    out_line(o, "/* Reads a prompt and writes the n tokens that follow it; with a prompt of none "
                "it goes on after the");
    out_line(o, " * last call.");
    if (p->fn[FN_encode])
        out_line(o,
                 " * The other inputs are of one sample; NULL for the first of them: those of the "
                 "last call.");
    if (g->start >= 0)
        out_line(o, " * Where nothing goes on, a prompt of none is token %lld.",
                 (long long)g->start);
    if (g->end >= 0)
        out_line(o, " * Fewer tokens are written where token %lld comes, which is not among them.",
                 (long long)g->end);
    if (g->bounded)
        out_line(o, " * Tokens in all: %lld at most, and one.", (long long)g->length);
    out_line(o, " * Each is chosen by its probability at `temperature` (0: the likeliest), of the "
                "top_k likeliest");
    out_line(o, " * (0: all), of the fewest whose probabilities come to top_p. Gives how many, or "
                "-1. */");
    const char *self = arena_format(p->ctx->arena, "%s *", p->name);
    out_wrap(o, "%s;", generate_head(p->ctx->arena, p, p->name, self));
    if (g->beam == 1)
        return;
    out_line(o,
             "/* Reads the same anew, and writes the best tokens, n at most, that a search finds "
             "which follows\n * `beam` sequences, 1 to %lld:",
             (long long)g->beam);
    out_line(o, " * by log-probability over ((5 + length) / 6) ^ length_penalty. Gives how "
                "many, or -1. */");
    out_wrap(o, "%s;", beam_head(p->ctx->arena, p, p->name, self));
}

/* What NAME_attribute writes, a line a parameter. */
static void attribute(Out *o, const Program *p)
{
    static const char *const does[] = {
        [ATTRIBUTE_input] = "the gradient by %s",
        [ATTRIBUTE_tokens] = "by tokens of %s: the gradient times the row that is taken, summed",
        [ATTRIBUTE_norms] = "by tokens of %s: the length of that gradient",
        [ATTRIBUTE_layer] = "Grad-CAM's map of layer %s: relu(sum of mean gradient * channel)"};
    const Graph *g = p->fn[FN_attribute];
    Arena *arena = p->ctx->arena;
    int64_t scores = graph_find_root(g, ROOT_output, 0)->shape.dim[1];
    out_line(o,
             "/* Why: gradients of one score, number `chosen` of 0 to %lld, as predict computes it "
             "(batchnorm's running",
             (long long)scores - 1);
    out_line(o,
             " * statistics, no dropout). 0, or -1: n or `chosen` is out of range. Written are, a "
             "row a sample:");
    for (int i = 0; i < p->attributions.n; i++) {
        const Attribution *a = &p->attributions.at[i];
        const char *of = a->layer ? a->layer : a->input >= 0 ? p->inputs.at[a->input].name : "";
        const char *name = c_name(arena, a->name);
        const char *what =
            a->kind == ATTRIBUTE_scores
                ? arena_format(arena, "of %s, before a softmax or sigmoid that it ends in",
                               p->outputs.at[0].name)
                : arena_format(arena, does[a->kind], of);
        out_line(o, " * %s: %s%s",
                 value_text(arena, name, &graph_find_root(g, ROOT_output, i)->shape), what,
                 i == p->attributions.n - 1 ? " */" : "");
    }
    out_wrap(o, "int %s_attribute(%s *, %s);", p->name, p->name,
             fn_parameters(arena, p, FN_attribute));
}

/* What NAME_sample draws, a line a parameter. */
static void sample(Out *o, const Program *p)
{
    const Graph *g = p->fn[FN_sample];
    Arena *arena = p->ctx->arena;
    out_line(o, "/* Draws n samples, as predict computes (batchnorm's running statistics, no "
                "dropout). The same "
                "seed");
    out_line(
        o,
        " * and n give the same bits, whatever the instance has done and on any number of threads; "
        "another");
    out_line(o, " * seed other numbers. 0, or -1 as predict. Written are, a row a sample:");
    for (int i = 0; i < p->samples.n; i++)
        out_line(o, " * %s%s",
                 value_text(arena, c_name(arena, p->samples.at[i].name),
                            &graph_find_root(g, ROOT_output, i)->shape),
                 i == p->samples.n - 1 ? " */" : "");
    out_wrap(o, "int %s_sample(%s *, %s);", p->name, p->name, fn_parameters(arena, p, FN_sample));
}

static void use(Out *o, const Program *p, const CodegenOptions *options)
{
    Arena *arena = p->ctx->arena;
    const char *m = p->name;
    bool tokens = false;
    for (int i = 0; i < p->inputs.n; i++)
        tokens |= p->inputs.at[i].looked_up;
    out_line(o,
             "/* Use. n samples, 1 to BATCH, one after the other. predict gives 0, or -1: n %s out "
             "of range. */",
             tokens ? "or a token\n * is" : "is");
    if (p->fn[FN_predict])
        out_wrap(o, "int %s_predict(%s *, %s);", m, m, fn_parameters(arena, p, FN_predict));
    if (p->fn[FN_train]) {
        out_line(o, "/* One step of training; gives the loss of the batch. */");
        out_wrap(o, "float %s_train_step(%s *, %s);", m, m, fn_parameters(arena, p, FN_train));
        out_line(o, "void %s_set_lr(%s *, float lr);", m, m);
        out_line(o, "/* The horizon of the schedule. */");
        out_line(o, "void %s_set_steps(%s *, int64_t total);", m, m);
    }
    if (p->fn[FN_eval]) {
        out_line(o, "/* The loss; adds the metrics' sums to sums, unless it is NULL. */");
        out_wrap(o, "float %s_eval(%s *, %s);", m, m, fn_parameters(arena, p, FN_eval));
    }
    if (program_carries(p)) {
        out_line(o,
                 "/* train_step and eval begin with the states of the last call, by row; this sets "
                 "them to 0. */");
        out_line(o, "void %s_reset(%s *);", m, m);
    }
    if (emits_grad(p, options)) {
        out_line(o, "/* The loss and its gradients: of the weights that are trained, then of the "
                    "float inputs (BATCH");
        out_line(o, " * rows, of which n are written), in saved order, one after the other. */");
        out_wrap(o, "float %s_grad(%s *, %s);", m, m, fn_parameters(arena, p, FN_grad));
    }
    if (p->fn[FN_attribute])
        attribute(o, p);
    if (p->fn[FN_sample])
        sample(o, p);
    if (p->fn[FN_step])
        generate(o, p);
    out_raw(o, "%s", "");
}

static void weights(Out *o, const Program *p)
{
    const char *m = p->name;
    out_line(
        o, "/* Weights, in safetensors files. 0, or a status; %s_error says what was wrong. */", m);
    out_line(o, "int %s_save(const %s *, const char *path);", m, m);
    out_line(o, "int %s_load(%s *, const char *path);", m, m);
    out_line(o, "int %s_load_memory(%s *, const void *safetensors, size_t size);", m, m);
    out_line(o, "/* A weight, in saved order. -1: there is none of that name. */");
    out_line(o, "int %s_get(const %s *, const char *weight, float *out);", m, m);
    out_line(o, "int %s_set(%s *, const char *weight, const float *in);", m, m);
    out_line(o, "const char *%s_error(const %s *);\n", m, m);
}

const char *emit_header(Program *p, const CodegenOptions *options)
{
    Out o = out_new(p->ctx->arena);
    const char *upper = upper_text(p->ctx->arena, p->name);
    head(&o, p, options, upper);
    constants(&o, p, options, upper);
    life(&o, p);
    use(&o, p, options);
    weights(&o, p);
    out_line(&o, "#ifdef __cplusplus");
    out_line(&o, "}");
    out_line(&o, "#endif");
    out_line(&o, "#endif");
    return o.str.at;
}
