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

const char *fn_parameters(Arena *arena, const Program *p, Fn fn)
{
    Str s = str_new(arena);
    str_add(&s, "int n");
    for (int i = 0; i < p->inputs.n; i++)
        if (fn_takes(p, fn, i))
            str_add(&s, ", %s", input_parameter(arena, p, i));
    for (int i = 0; fn == FN_predict && i < p->outputs.n; i++)
        str_add(&s, ", float *%s", c_name(arena, p->outputs.at[i].name));
    if (fn == FN_eval)
        str_add(&s, ", double *sums");
    if (fn == FN_grad)
        str_add(&s, ", float *grads");
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
    out_line(o, " * Made by nncc from %s. */", p->file);
    out_line(o, "#ifndef %s_H", upper);
    out_line(o, "#define %s_H\n", upper);
    out_line(o, "#include <stddef.h>");
    out_line(o, "#include <stdint.h>\n");
    out_line(o, "#ifdef __cplusplus");
    out_line(o, "extern \"C\" {");
    out_line(o, "#endif\n");
}

static void constants(Out *o, const Program *p, const CodegenOptions *options, const char *upper)
{
    out_line(o, "enum {");
    o->depth++;
    out_line(o, "%s_BATCH = %lld, /* most samples in one call */", upper,
             (long long)p->train.batch);
    if (emits_grad(p, options))
        out_line(o, "%s_GRADS = %lld, /* numbers that grad writes */", upper,
                 (long long)grads_count(p));
    if (p->n_sums && p->fn[FN_eval])
        out_line(o, "%s_SUMS = %d, /* metric sums of eval */", upper, p->n_sums);
    out_line(o, "%s_PARAMS = %lld /* numbers trained */", upper, (long long)params_count(p));
    o->depth--;
    out_line(o, "};\n");
    out_line(o, "typedef struct %s %s; /* weights, optimiser state and scratch, in one block */\n",
             p->name, p->name);
}

static void life(Out *o, const Program *p)
{
    const char *m = p->name;
    out_line(o, "/* Life. Two instances share nothing. */");
    out_line(o, "size_t %s_size(void); /* bytes; align them to 64 */", m);
    out_line(o,
             "%s *%s_init(void *memory, uint64_t seed); /* in memory of yours, with fresh weights: "
             "no malloc */",
             m, m);
    out_line(o, "%s *%s_new(uint64_t seed); /* on the heap; NULL: no memory */", m, m);
    out_line(o, "void %s_free(%s *);", m, m);
    out_line(o,
             "%s *%s_fork(void *memory, const struct %s *owner); /* predicts with the owner's "
             "weights */\n",
             m, m, m);
}

static void use(Out *o, const Program *p, const CodegenOptions *options)
{
    Arena *arena = p->ctx->arena;
    const char *m = p->name;
    out_line(o, "/* Use. n samples, 1 to BATCH, one after the other. predict gives 0, or -1: n is "
                "out of range. */");
    if (p->fn[FN_predict])
        out_line(o, "int %s_predict(%s *, %s);", m, m, fn_parameters(arena, p, FN_predict));
    if (p->fn[FN_train]) {
        out_line(o, "/* One step of training; gives the loss of the batch. */");
        out_line(o, "float %s_train_step(%s *, %s);", m, m, fn_parameters(arena, p, FN_train));
        out_line(o, "void %s_set_lr(%s *, float lr);", m, m);
        out_line(o, "void %s_set_steps(%s *, int64_t total); /* the horizon of the schedule */", m,
                 m);
    }
    if (p->fn[FN_eval]) {
        out_line(o, "/* The loss; adds the metrics' sums to sums, unless it is NULL. */");
        out_line(o, "float %s_eval(%s *, %s);", m, m, fn_parameters(arena, p, FN_eval));
    }
    if (emits_grad(p, options)) {
        out_line(o, "/* The loss and its gradients: of the weights that are trained, then of the "
                    "float inputs (BATCH");
        out_line(o, " * rows, of which n are written), in saved order, one after the other. */");
        out_line(o, "float %s_grad(%s *, %s);", m, m, fn_parameters(arena, p, FN_grad));
    }
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
    out_line(o, "int %s_get(const %s *, const char *weight, float *out); /* -1: no such weight */",
             m, m);
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
