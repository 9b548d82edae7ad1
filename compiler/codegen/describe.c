/* SPDX-License-Identifier: MIT */
/* describe.c: the nnrt_model table of the emitted file, and the functions that only pass on to
 * the runtime. */
#include <math.h>
#include <string.h>

#include "emit.h"

const char *quoted_text(Arena *arena, const char *text)
{
    if (!text)
        return "NULL";
    Str s = str_new(arena);
    str_add(&s, "\"");
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || (*c && strchr(" _.,:;/-+*()[]{}=<>@~^!|&'", *c));
        str_add(&s, plain ? "%c" : "\\%03o", *c);
    }
    str_add(&s, "\"");
    return s.at;
}

const char *real_text(Arena *arena, double value)
{
    char text[32];
    if (value != value)
        return "__builtin_nan(\"\")";
    if (value - value != 0)
        return value > 0 ? "__builtin_inf()" : "-__builtin_inf()";
    number_text(text, value, false);
    return arena_text(arena, text, strlen(text));
}

/* "0.1f" */
static const char *float_text(Arena *arena, double value)
{
    char text[32];
    if (!isfinite((float)value))
        return arena_format(arena, "(float)%s", real_text(arena, value));
    number_text(text, value, true);
    return arena_format(arena, "%s%s", text, strpbrk(text, ".e") ? "f" : ".0f");
}

const char *dims_text(Arena *arena, const Shape *s, int from)
{
    Str t = str_new(arena);
    str_add(&t, "{");
    for (int i = from; i < s->rank; i++)
        str_add(&t, "%s%lld", i > from ? ", " : "", (long long)s->dim[i]);
    str_add(&t, s->rank == from ? "0}" : "}");
    return t.at;
}

/* --- inputs and outputs ----------------------------------------------------------------------- */

/* Bit k: output k of the function depends on the input. */
static uint32_t outputs_of(SourceText *s, Fn fn, int input)
{
    const Graph *g = s->p->fn[fn];
    uint32_t bits = 0;
    for (int k = 0; g && k < graph_output_count(g) && k < 32; k++) {
        bool *needed = arena_take(s->arena, (size_t)g->nodes.n + 1);
        needed[graph_find_root(g, ROOT_output, k)->id] = true;
        for (int i = g->nodes.n - 1; i >= 0; i--) {
            const Node *y = g->nodes.at[i];
            for (int n = 0; needed[i] && n < y->n_in; n++)
                needed[y->in[n]->id] = true;
            if (needed[i] && y->op == OP_input && y->attr->input == input)
                bits |= (uint32_t)1 << k;
        }
    }
    return bits;
}

static void value_row(SourceText *s, const char *name, DType dtype, const Shape *shape,
                      const char *rest)
{
    static const char *const type[] = {"NNRT_F32", "NNRT_I32", "NNRT_U8"};
    out_line(s->out, "{.name = \"%s\", .dtype = %s, .rank = %d, .dim = %s, .count = %lld%s},", name,
             type[dtype], shape->rank - 1, dims_text(s->arena, shape, 1),
             (long long)shape_count(shape), rest);
}

/* The tables of what `train` does to the images of input i: m_augment_0, m_augment_0_fill_2. */
static void emit_augment(SourceText *s, int i)
{
    static const char *const kind[] = {"ROTATE", "SCALE",         "TRANSLATE",  "SHEAR",    "CROP",
                                       "FLIP",   "FLIP_VERTICAL", "BRIGHTNESS", "CONTRAST", "NOISE",
                                       "CUTOUT", "TIME_MASK",     "FREQ_MASK",  "ELASTIC"};
    const Input *in = &s->p->inputs.at[i];
    const char *name = arena_format(s->arena, "%s_augment_%d", s->p->name, i);
    for (int k = 0; k < in->augment.n; k++) {
        const Augment *t = &in->augment.at[k];
        Str line = str_new(s->arena);
        for (int c = 0; c < t->n_fill; c++)
            str_add(&line, "%s%s", c ? ", " : "", float_text(s->arena, t->fill[c]));
        if (t->n_fill)
            out_line(s->out, "static const float %s_fill_%d[] = {%s};", name, k, line.at);
    }
    out_open(s->out, "static const nnrt_augment %s[] =", name);
    for (int k = 0; k < in->augment.n; k++) {
        const Augment *t = &in->augment.at[k];
        const char *fill = t->n_fill ? arena_format(s->arena, "%s_fill_%d", name, k) : "NULL";
        out_line(s->out,
                 "{.kind = NNRT_AUGMENT_%s, .low = %s, .high = %s, .n_fill = %d, .fill = %s},",
                 kind[t->kind], real_text(s->arena, t->low), real_text(s->arena, t->high),
                 t->n_fill, fill);
    }
    s->out->depth--;
    out_line(s->out, "};");
}

/* Whether an output is what ctc_decode gives, or a copy of it. */
static bool is_labels(const Node *y)
{
    while (y->op == OP_reshape)
        y = y->in[0];
    return y->op == OP_ctc_decode;
}

/* What is more to say of a value that a function gives. */
static const char *given_rest(SourceText *s, Fn fn, int i, const Node *y)
{
    const Bounds b = fn == FN_sample ? s->p->samples.at[i].bounds : (Bounds){0, INFINITY};
    if (isfinite(b.low) && isfinite(b.high) && b.low < b.high)
        return arena_format(s->arena, ", .low = %s, .high = %s", real_text(s->arena, b.low),
                            real_text(s->arena, b.high));
    return is_labels(y) ? ", .labels = 1" : "";
}

/* The table of what a function gives. */
static void emit_given(SourceText *s, Fn fn, const char *table)
{
    const Graph *g = s->p->fn[fn];
    if (!g)
        return;
    out_open(s->out, "static const nnrt_value %s_%s[] =", s->p->name, table);
    for (int i = 0; i < graph_output_count(g); i++) {
        const Node *y = graph_find_root(g, ROOT_output, i);
        value_row(s, graph_output_name(g, i), DT_f32, &y->shape, given_rest(s, fn, i, y));
    }
    s->out->depth--;
    out_line(s->out, "};");
}

static void emit_values(SourceText *s)
{
    Program *p = s->p;
    bool augments = p->fn[FN_train] != NULL;
    for (int i = 0; augments && i < p->inputs.n; i++)
        if (p->inputs.at[i].augment.n)
            emit_augment(s, i);
    out_open(s->out, "static const nnrt_value %s_inputs[] =", p->name);
    for (int i = 0; i < p->inputs.n; i++) {
        const Input *in = &p->inputs.at[i];
        Str rest = str_new(s->arena);
        if (in->classes)
            str_add(&rest, ", .classes = %lld", (long long)in->classes);
        if (in->may_miss)
            str_add(&rest, ", .may_miss = 1");
        if (in->has_ignore)
            str_add(&rest, ", .has_ignore = 1, .ignore = %lld", (long long)in->ignore);
        str_add(&rest, ", .in_predict = %d, .outputs = 0x%xu", input_used(p, FN_predict, i),
                (unsigned)outputs_of(s, FN_predict, i));
        if (input_used(p, FN_sample, i))
            str_add(&rest, ", .in_sample = 1, .samples = 0x%xu",
                    (unsigned)outputs_of(s, FN_sample, i));
        if (augments && in->augment.n)
            str_add(&rest, ", .n_augment = %d, .augment = %s_augment_%d", in->augment.n, p->name,
                    i);
        if (augments && in->along)
            str_add(&rest, ", .along = %d, .is_boxes = %d, .visible = %s", in->along, in->is_boxes,
                    real_text(s->arena, in->visible));
        value_row(s, in->name, in->dtype, &in->shape, rest.at);
    }
    s->out->depth--;
    out_line(s->out, "};");
    emit_given(s, FN_predict, "outputs");
    emit_given(s, FN_sample, "samples");
}

/* --- constant data ---------------------------------------------------------------------------- */

static bool same_data(const Buffer *a, const Buffer *b)
{
    int64_t n = shape_count(&a->shape);
    return n == shape_count(&b->shape) &&
           memcmp(a->node->attr->data, b->node->attr->data, sizeof(double) * (size_t)n) == 0;
}

/* The first buffer of all graphs with the same numbers: they are emitted once, under its name. */
static const Buffer *data_owner(const SourceText *s, const Buffer *b, int *graph)
{
    for (int f = 0; f < s->graphs.n; f++)
        for (int i = 0; i < s->graphs.at[f]->plan->buffers.n; i++) {
            const Buffer *first = s->graphs.at[f]->plan->buffers.at[i];
            *graph = f;
            if (first->kind == BUF_data && same_data(first, b))
                return first;
        }
    BUG("data of no graph");
}

const char *data_name(SourceText *s, const Buffer *b)
{
    int graph;
    const Buffer *owner = data_owner(s, b, &graph);
    const Graph *g = s->graphs.at[graph];
    const char *body = g->outer ? arena_format(s->arena, "_body_%d", graph) : "";
    return arena_format(s->arena, "%s_%s%s_%s", s->p->name, fn_text(g->fn), body, owner->name);
}

static void emit_data(SourceText *s, const Graph *g)
{
    enum { COLUMNS = 100 };
    int graph;
    for (int i = 0; i < g->plan->buffers.n; i++) {
        const Buffer *b = g->plan->buffers.at[i];
        if (b->kind != BUF_data || data_owner(s, b, &graph) != b)
            continue;
        int64_t n = shape_count(&b->shape);
        out_raw(s->out, "/* clang-format off */");
        out_open(s->out, "static const float %s[%lld] =", data_name(s, b), (long long)n);
        Str line = str_new(s->arena);
        for (int64_t k = 0; k < n; k++) {
            const char *item = float_text(s->arena, b->node->attr->data[k]);
            if (line.n + strlen(item) + 6 > COLUMNS) {
                out_line(s->out, "%s", line.at);
                line = str_new(s->arena);
            }
            str_add(&line, "%s%s,", line.n ? " " : "", item);
        }
        out_line(s->out, "%s", line.at);
        s->out->depth--;
        out_line(s->out, "};");
        out_raw(s->out, "/* clang-format on */\n");
    }
}

void emit_tables(SourceText *s)
{
    for (int f = 0; f < s->graphs.n; f++)
        emit_data(s, s->graphs.at[f]);
}

/* --- wrappers and the model ------------------------------------------------------------------- */

/* "in[0], in[1]" of what the function takes. */
static const char *generic_arguments(SourceText *s, Fn fn)
{
    Str t = str_new(s->arena);
    for (int i = 0; i < s->p->inputs.n; i++)
        if (input_used(s->p, fn, i) || (fn == FN_train && input_used(s->p, FN_accumulate, i)))
            str_add(&t, ", in[%d]", i);
    if (fn == FN_attribute)
        str_add(&t, ", chosen");
    for (int i = 0; fn_gives(fn) && i < graph_output_count(s->p->fn[fn]); i++)
        str_add(&t, ", out[%d]", i);
    return t.at;
}

static void wrapper(SourceText *s, const char *type, const char *name, Fn fn,
                    const char *parameters, const char *last)
{
    const char *m = s->p->name;
    if (!s->p->fn[fn])
        return;
    const char *arguments =
        arena_format(s->arena, "%s%s", fn == FN_sample ? ", seed" : "", generic_arguments(s, fn));
    out_raw(s->out, "%s", "");
    out_wrap(s->out, "static %s %s_%s_any(nnrt_instance *m, int n, const void *const *in%s)", type,
             m, name, parameters);
    out_raw(s->out, "{");
    if (!strstr(arguments, "in["))
        out_raw(s->out, "    (void)in;");
    s->out->depth++;
    out_wrap(s->out, "return %s_%s((struct %s *)m, n%s%s);", m, name, m, arguments, last);
    s->out->depth--;
    out_raw(s->out, "}");
}

bool program_carries(const Program *p)
{
    for (int i = 0; i < p->vars.n; i++)
        if (p->vars.at[i]->kind == VAR_carried)
            return true;
    return false;
}

/* Where that which is carried from batch to batch lies: its variables follow one another. */
static void carried_row(SourceText *s)
{
    enum { ALIGN = 64 };
    const Var *first = NULL, *last = NULL;
    for (int i = 0; i < s->p->vars.n; i++) {
        const Var *v = s->p->vars.at[i];
        if (v->kind != VAR_carried)
            continue;
        first = first ? first : v;
        last = v;
    }
    if (!first)
        return;
    int64_t end = last->offset + 4 * shape_count(&last->shape);
    out_line(s->out, ".carried_at = %lld, .carried_bytes = %lld,", (long long)first->offset,
             (long long)((end + ALIGN - 1) / ALIGN * ALIGN - first->offset));
}

/* What the model is: names, sizes, costs and how many there are of what. */
static void head_rows(SourceText *s)
{
    const Program *p = s->p;
    Out *o = s->out;
    double batch = (double)p->train.batch;
    out_line(o,
             ".abi = NNRT_ABI, .name = \"%s\", .source = %s, .target = \"%s\", .version = "
             "\"nncc " NNCC_VERSION "\",",
             p->name, quoted_text(s->arena, p->file), p->target->name);
    out_line(o, ".digest = \"%s\", .batch = %lld, .size = sizeof(%s),", p->digest,
             (long long)p->train.batch, p->name);
    out_line(o, ".vars_bytes = %lld, .arena_bytes = %lld,", (long long)p->vars_bytes,
             (long long)(p->vars_bytes + scratch_bytes(p) + decoding_bytes(p)));
    out_line(o, ".flops_predict = %s, .flops_train = %s,",
             real_text(s->arena, p->fn[FN_predict] ? p->fn[FN_predict]->plan->flops / batch : 0),
             real_text(s->arena, p->fn[FN_train] ? p->fn[FN_train]->plan->flops / batch : 0));
    out_line(o, ".n_inputs = %d, .n_outputs = %d, .n_vars = %d, .n_metrics = %d, .n_sums = %d,",
             p->inputs.n, p->fn[FN_predict] ? p->outputs.n : 0, p->vars.n - caches_count(p),
             p->metrics.n, p->n_sums);
}

/* The functions that the runtime calls, and the tables of them. */
static void function_rows(SourceText *s)
{
    const Program *p = s->p;
    const char *m = p->name;
    Out *o = s->out;
    if (p->fn[FN_train])
        out_line(o, ".train_step = %s_train_step_any,", m);
    if (p->fn[FN_eval])
        out_line(o, ".eval = %s_eval_any,", m);
    if (emits_grad(p, s->options))
        out_line(o, ".grad = %s_grad_any,", m);
    if (p->fn[FN_sample])
        out_line(o, ".sample = %s_sample_any, .n_samples = %d, .samples = %s_samples,", m,
                 p->samples.n, m);
    if (p->fn[FN_attribute])
        out_line(
            o,
            ".attribute = %s_attribute_any, .n_attributions = %d, .attributions = %s_attributions,",
            m, p->attributions.n, m);
    if (s->marks.n)
        out_line(o, ".n_kernels = %d, .kernels = %s_kernels,", s->marks.n, m);
    if (p->fn[FN_predict] && notes_times(s, FN_predict))
        out_line(o, ".predict_noted = %s_predict_noted_any,", m);
    if (p->fn[FN_train] && notes_times(s, FN_train))
        out_line(o, ".train_step_noted = %s_train_step_noted_any,", m);
    for (int f = 0; f < COUNT(s->places); f++)
        if (s->places[f].n)
            out_line(o, ".places[%d] = %s_places_%d, .n_places[%d] = %d,", f, m, f, f,
                     s->places[f].n);
    if (p->fn[FN_step])
        out_line(o, ".generation = &%s_generation,", m);
    if (p->fn[FN_fit])
        out_line(o, ".fitting = &%s_fitting,", m);
    if (tells_about(s))
        out_line(o, ".about = &%s_about,", m);
}

/* Readers that a program links only where its data wants them. */
static void reader_rows(SourceText *s)
{
    const Program *p = s->p;
    if (!s->options->main)
        return;
    if (reads_text(p))
        out_line(s->out, ".text = &nnrt_text_reader,");
    if (reads_sound(p))
        out_line(s->out, ".sound = &nnrt_sound_reader,");
    if (reads_categories(p))
        out_line(s->out, ".categories = nnrt_categories_find,");
    if (reads_images(p))
        out_line(s->out, ".images = &nnrt_images_reader,");
}

static void model_table(SourceText *s)
{
    const Program *p = s->p;
    const char *m = p->name;
    Out *o = s->out;
    out_raw(o, "\nstatic nnrt_instance *%s_init_any(void *memory, uint64_t seed)", m);
    out_raw(o, "{\n    return (nnrt_instance *)%s_init(memory, seed);\n}\n", m);
    out_raw(o,
            "#ifdef NNRT_BUILT_WITH\n#define %s_FLAGS NNRT_BUILT_WITH \" (\" __VERSION__ "
            "\")\"\n#else\n#define %s_FLAGS "
            "NULL\n#endif",
            s->upper, s->upper);
    out_open(o, "static const nnrt_model %s_model =", m);
    head_rows(s);
    out_line(o, ".inputs = %s_inputs,", m);
    if (p->fn[FN_predict])
        out_line(o, ".outputs = %s_outputs, .predict = %s_predict_any,", m, m);
    if (p->vars.n)
        out_line(o, ".vars = %s_vars,", m);
    if (p->metrics.n)
        out_line(o, ".metrics = %s_metrics,", m);
    if (p->kept.n)
        out_line(o, ".n_kept = %d, .kept = %s_kept,", p->kept.n, m);
    carried_row(s);
    emit_train_rows(s);
    source_rows(s);
    function_rows(s);
    reader_rows(s);
    out_line(o, ".init = %s_init_any, .flags = %s_FLAGS,", m, s->upper);
    o->depth--;
    out_line(o, "};\n");
}

/* What the runtime knows of the functions that decode. */
static void emit_generation(SourceText *s)
{
    const Program *p = s->p;
    const Generate *g = &p->generate;
    if (!p->fn[FN_step])
        return;
    if (p->fn[FN_encode]) {
        Str needs = str_new(s->arena);
        for (int i = 0; i < p->inputs.n; i++)
            str_add(&needs, "%s%d", i ? ", " : "", input_used(p, FN_encode, i));
        out_line(s->out, "static const unsigned char %s_needs[] = {%s};", p->name, needs.at);
    }
    out_open(s->out, "static const nnrt_generation %s_generation =", p->name);
    out_line(s->out, ".input = %d, .classes = %lld, .length = %lld, .chunk = %lld,", g->input,
             (long long)g->classes, (long long)(g->bounded ? g->length : 0), (long long)g->chunk);
    out_line(s->out, ".cache_at = %lld, .cache_bytes = %lld,",
             (long long)(scratch_bytes(p) + p->memory_bytes), (long long)p->cache_bytes);
    out_line(s->out, ".start = %lld, .end = %lld,", (long long)g->start, (long long)g->end);
    if (g->beam > 1)
        out_line(s->out, ".beam = %lld, .room = %lld, .length_penalty = %s,", (long long)g->beam,
                 (long long)sequence_room(p), real_text(s->arena, g->length_penalty));
    if (p->fn[FN_encode])
        out_line(s->out, ".needs = %s_needs, .encode = %s_encode_any,", p->name, p->name);
    out_line(s->out,
             ".tokens = %lld, .top_k = %lld, .temperature = %s, .top_p = %s, .seed = %lluu,",
             (long long)g->tokens, (long long)g->top_k, real_text(s->arena, g->temperature),
             real_text(s->arena, g->top_p), (unsigned long long)g->seed);
    if (p->fn[FN_prefill])
        out_line(s->out, ".prefill = %s_prefill,", p->name);
    out_line(s->out, ".step = %s_step,", p->name);
    s->out->depth--;
    out_line(s->out, "};");
}

/* encode as the runtime calls it. */
static void emit_encode_any(SourceText *s)
{
    const char *m = s->p->name;
    if (!s->p->fn[FN_encode])
        return;
    out_raw(s->out, "\nstatic int %s_encode_any(nnrt_instance *m, const void *const *in)", m);
    out_raw(s->out, "{");
    s->out->depth++;
    out_wrap(s->out, "return %s_encode(m%s);", m, generic_arguments(s, FN_encode));
    s->out->depth--;
    out_raw(s->out, "}");
}

/* Functions of one line that pass on to the runtime. $ stands for the model's name. */
static void pass_on(SourceText *s, const char *head, const char *body)
{
    const char *text[2] = {head, body};
    for (int i = 0; i < 2; i++) {
        Str t = str_new(s->arena);
        for (const char *c = text[i]; *c; c++) {
            if (*c == '$')
                str_add(&t, "%s", s->p->name);
            else
                str_put(&t, c, 1);
        }
        if (i)
            out_raw(s->out, "{\n    %s\n}\n", t.at);
        else
            out_wrap(s->out, "%s", t.at);
    }
}

/* The inputs of encode as the runtime takes them, "{source, NULL}"; "NULL" where the first is, or there are
 * none. */
static const char *others(SourceText *s, const char **list)
{
    const Program *p = s->p;
    const char *first = NULL;
    Str t = str_new(s->arena);
    for (int i = 0; i < p->inputs.n; i++) {
        const char *name = c_name(s->arena, p->inputs.at[i].name);
        bool used = input_used(p, FN_encode, i);
        first = used && !first ? name : first;
        str_add(&t, "%s%s", i ? ", " : "", used ? name : "NULL");
    }
    *list = first ? arena_format(s->arena, "const void *const in[] = {%s};\n    ", t.at) : "";
    return first ? arena_format(s->arena, "%s ? in : NULL", first) : "NULL";
}

static void decoding_functions(SourceText *s)
{
    const char *list, *in = others(s, &list);
    const Generate *g = &s->p->generate;
    pass_on(
        s, generate_head(s->arena, s->p, "$", "$ *m"),
        arena_format(s->arena,
                     "%sconst nnrt_sampling how = {(double)temperature, (double)top_p, top_k, "
                     "seed, %lld};\n    return nnrt_generate(&m->head, %s, n_prompt, prompt, n, "
                     "tokens, &how);",
                     list, (long long)g->end, in));
    if (g->beam > 1)
        pass_on(s, beam_head(s->arena, s->p, "$", "$ *m"),
                arena_format(s->arena,
                             "%sconst nnrt_search how = {beam, (double)length_penalty, %lld};\n    "
                             "return nnrt_beam(&m->head, %s, n_prompt, prompt, n, tokens, &how);",
                             list, (long long)g->end, in));
}

void emit_model(SourceText *s)
{
    wrapper(s, "int", "predict", FN_predict, ", float *const *out", "");
    wrapper(s, "float", "train_step", FN_train, "", "");
    wrapper(s, "float", "eval", FN_eval, ", double *sums", ", sums");
    if (emits_grad(s->p, s->options))
        wrapper(s, "float", "grad", FN_grad, ", float *grads", ", grads");
    wrapper(s, "int", "attribute", FN_attribute, ", int chosen, float *const *out", "");
    wrapper(s, "int", "sample", FN_sample, ", uint64_t seed, float *const *out", "");
    if (notes_times(s, FN_predict))
        wrapper(s, "int", "predict_noted", FN_predict, ", float *const *out, nnrt_profile *profile",
                ", profile");
    if (notes_times(s, FN_train))
        wrapper(s, "float", "train_step_noted", FN_train, ", nnrt_profile *profile", ", profile");
    emit_encode_any(s);
    out_raw(s->out, "%s", "");
    out_raw(s->out, "/* clang-format off */");
    emit_marks(s);
    emit_places(s);
    emit_values(s);
    emit_vars(s);
    emit_metric_rows(s);
    emit_players(s);
    emit_sources(s);
    emit_attributions(s);
    emit_generation(s);
    emit_fitting(s);
    emit_about(s);
    model_table(s);
    out_raw(s->out, "/* clang-format on */\n");
    pass_on(s, "size_t $_size(void)", "return sizeof(struct $);");
    pass_on(s, "$ *$_init(void *memory, uint64_t seed)",
            "return (struct $ *)nnrt_init(&$_model, memory, seed);");
    pass_on(s, "$ *$_new(uint64_t seed)", "return (struct $ *)nnrt_new(&$_model, seed);");
    pass_on(s, "void $_free($ *m)", "nnrt_free((nnrt_instance *)m);");
    pass_on(s, "$ *$_fork(void *memory, const struct $ *owner)",
            "return (struct $ *)nnrt_fork(memory, &owner->head);");
    if (s->p->fn[FN_train]) {
        pass_on(s, "void $_set_lr($ *m, float lr)", "m->head.lr = (double)lr;");
        pass_on(s, "void $_set_steps($ *m, int64_t total)", "m->head.total_steps = total;");
    }
    if (program_carries(s->p))
        pass_on(s, "void $_reset($ *m)", "nnrt_reset(&m->head);");
    if (s->p->fn[FN_step])
        decoding_functions(s);
    pass_on(s, "int $_save(const $ *m, const char *path)", "return nnrt_save(&m->head, path);");
    pass_on(s, "int $_load($ *m, const char *path)", "return nnrt_load(&m->head, path);");
    pass_on(s, "int $_load_memory($ *m, const void *safetensors, size_t size)",
            "return nnrt_load_memory(&m->head, safetensors, size);");
    pass_on(s, "int $_get(const $ *m, const char *weight, float *out)",
            "return nnrt_get(&m->head, weight, out);");
    pass_on(s, "int $_set($ *m, const char *weight, const float *in)",
            "return nnrt_set(&m->head, weight, in);");
    pass_on(s, "const char *$_error(const $ *m)", "return m->head.error;");
    if (s->options->main)
        pass_on(s, "int main(int argc, char **argv)", "return nnrt_main(argc, argv, &$_model);");
}
