/* SPDX-License-Identifier: MIT */
/* model.c: the file's top level: the keys there are, variables, the model's name; and the graphs of
 * its functions: loss and metrics on top of the network (outputs.c: outputs and samples).
 *
 * model_read builds one graph of everything, to find all mistakes and to make the variables in the
 * order of the layers; model_graph then walks the layers again, once a function.
 */
#include "builder.h"

#include <string.h>

static const char *const keys[] = {"model",  "vars",    "inputs",   "layers",       "networks",
                                   "blocks", "outputs", "loss",     "loss_weights", "metrics",
                                   "train",  "data",    "generate", "sample"};

/* --- the model's name ------------------------------------------------------------------------- */

/* Words that cannot name a type and its functions in C or C++, or that headers define. */
static const char reserved[] =
    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t "
    "char32_t char8_t class co_await co_return co_yield compl concept const const_cast "
    "consteval constexpr constinit continue decltype default delete do double dynamic_cast "
    "else enum explicit export extern false float for friend goto if inline int long mutable "
    "namespace new noexcept not not_eq nullptr operator or or_eq private protected public "
    "register reinterpret_cast requires restrict return short signed sizeof static "
    "static_assert static_cast struct switch template this thread_local throw true try "
    "typedef typeid typename typeof typeof_unqual union unsigned using virtual void volatile "
    "wchar_t while xor xor_eq main errno NULL EOF FILE NAN INFINITY I linux unix size_t "
    "int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t intptr_t uintptr_t "
    "ptrdiff_t nnrt NNRT nncc printf malloc free calloc realloc memcpy memset exit abort "
    "stdin stdout stderr abs access alarm bsearch ceil chdir chmod chown clock close copysign cos "
    "cosh ctime daemon difftime div drem dup encrypt erf exec exp expm1 fabs fileno floor fma "
    "fmod fork fread frexp fwrite gamma getc gets getenv getopt gmtime hypot index ioctl isatty "
    "kill labs ldexp lgamma link localtime log log2 logb lseek lstat mkdir mktime modf nan nice "
    "open pause perror pipe popen pow putc puts qsort raise rand random read readlink realpath "
    "remainder remove rename rewind rindex rint rmdir round scalb scanf seek select signal "
    "significand sin sincos sinh sleep splice sqrt srand stat strcat strcmp strcpy strdup strlen "
    "strtod swab sync syscall system tan tanh tee tgamma time timezone tmpfile trunc truncate "
    "umask unlink wait write j0 j1 jn y0 y1 yn acos asin atan atan2 acosh asinh atanh cbrt "
    "environ";

static bool is_reserved(const char *name)
{
    bool internal = name[0] == '_' && (name[1] == '_' || (name[1] >= 'A' && name[1] <= 'Z'));
    return internal || word_in(reserved, name) || strncmp(name, "nnrt_", 5) == 0 ||
           strncmp(name, "NNRT_", 5) == 0;
}

/* Of a file without `model:`: its file name up to the first dot where that is a name. */
static const char *name_of_file(Ctx *ctx)
{
    const char *file = ctx->diag.file ? ctx->diag.file : "";
    const char *slash = strrchr(file, '/');
    file = slash ? slash + 1 : file;
    const char *stem = arena_text(ctx->arena, file, strcspn(file, "."));
    return name_valid(stem) && !is_reserved(stem) ? stem : "model";
}

static void read_name(Model *m, const Y *y)
{
    m->program->name = name_of_file(m->ctx);
    if (!y || !y_name(m->ctx, y, "model", &m->program->name) || !is_reserved(m->program->name))
        return;
    diag_error(&m->ctx->diag, y->loc,
               "model: '%s' has a meaning in C: its emitted functions could not be called so",
               m->program->name);
}

/* --- variables -------------------------------------------------------------------------------- */

static void place_all(Y *y, Loc loc)
{
    y->loc = loc;
    for (int i = 0; i < y->items.n; i++)
        place_all(y->items.at[i], loc);
    for (int i = 0; i < y->pairs.n; i++)
        place_all(y->pairs.at[i].value, loc);
}

/* The value of -D NAME=VALUE, read as YAML, at the place of the variable that it overrides. */
static const Y *read_define(Model *m, const char *text, const char *name, Loc loc)
{
    Ctx ctx = *m->ctx;
    ctx.diag.file = arena_format(m->ctx->arena, "-D %s", name);
    ctx.diag.text = text;
    ctx.diag.size = strlen(text);
    Y *y = yaml_read(&ctx, text, strlen(text));
    m->ctx->diag.errors = ctx.diag.errors;
    if (y)
        place_all(y, loc);
    return y;
}

/* What the command line gives for `name`, the last one counting; NULL: nothing. */
static const char *find_define(const ModelOptions *options, const char *name)
{
    size_t length = strlen(name);
    for (int i = options->n_defines - 1; i >= 0; i--)
        if (strncmp(options->defines[i], name, length) == 0 && options->defines[i][length] == '=')
            return options->defines[i] + length + 1;
    return NULL;
}

static void check_defines(Model *m, const ModelOptions *options, const Y *vars)
{
    VEC(const char *) known = {0};
    for (int i = 0; vars && i < vars->pairs.n; i++)
        vec_push(m->ctx->arena, &known, vars->pairs.at[i].key->text);
    for (int i = 0; i < options->n_defines; i++) {
        const char *text = options->defines[i], *equals = strchr(text, '=');
        const char *name =
            arena_text(m->ctx->arena, text, equals ? (size_t)(equals - text) : strlen(text));
        if (equals && y_get(vars, name))
            continue;
        const char *best = diag_nearest(name, known.at, known.n);
        if (!equals)
            diag_error(&m->ctx->diag, (Loc){0}, "-D %s: expected NAME=VALUE", text);
        else if (best)
            diag_error(&m->ctx->diag, (Loc){0},
                       "-D %s: the model has no such variable; did you mean '%s'?", name, best);
        else
            diag_error(&m->ctx->diag, (Loc){0}, "-D %s: the model has no such variable", name);
    }
}

/* Variables in order: each may use those before it. */
static void read_vars(Model *m, const Y *y, const ModelOptions *options)
{
    m->vars = (Scope){NULL, map_new(m->ctx->arena)};
    if (y_empty(y))
        y = NULL;
    if (y && y->kind != Y_map) {
        diag_error(&m->ctx->diag, y->loc, "vars: expected a map of values by name, saw %s",
                   y_text(m->ctx, y));
        return;
    }
    check_defines(m, options, y);
    for (int i = 0; y && i < y->pairs.n; i++) {
        const YPair *pair = &y->pairs.at[i];
        const char *name;
        if (!y_name(m->ctx, pair->key, "vars", &name))
            continue;
        const char *define = find_define(options, name);
        const Y *value = define ? read_define(m, define, name, pair->value->loc) : pair->value;
        const Y *bound = value ? y_bind(m->ctx, &m->vars, value, YAML_NODES_MAX) : NULL;
        map_set(&m->vars.values, name, (void *)(bound ? bound : pair->value));
    }
}

/* --- loss ------------------------------------------------------------------------------------- */

Node *loss_build(Builder *b, const char *name, const Y *y)
{
    b->into = NULL;
    b->place = arena_format(b->ctx->arena, "loss.%s", name);
    b->n_random = 0;
    b->g->role = ROLE_loss;
    b->g->loc = y->loc;
    b->g->what = "loss";
    Node *node = expr_build(b, y, &b->model->vars);
    if (!node || node->shape.rank == 0)
        return node;
    char shape[128];
    diag_error(&b->ctx->diag, y->loc,
               "loss: a loss is one number, but this has shape %s: mean(...) or sum(...) "
               "makes it one",
               shape_text(&node->shape, shape));
    return NULL;
}

bool loss_weight(Builder *b, const char *name, double *out)
{
    const Y *y = y_get(b->model->loss_weights, name);
    *out = 1;
    return !y || y_real(b->ctx, &b->model->vars, y,
                        arena_format(b->ctx->arena, "loss_weights: %s", name), out);
}

static Node *build_losses(Builder *b, const Y *y)
{
    Node *total = NULL;
    bool good = true;
    for (int i = 0; i < y->pairs.n; i++) {
        const YPair *pair = &y->pairs.at[i];
        const char *name = pair->key->text;
        double weight;
        Node *term = loss_build(b, name, pair->value);
        good = loss_weight(b, name, &weight) && term && good;
        if (!good)
            continue;
        if (!term->name)
            term->name = name;
        if (b->g->fn != FN_grad && b->program->losses.n)
            graph_root(b->g, ROOT_loss, 1 + i, term);
        b->g->loc = pair->key->loc;
        b->g->what = "loss";
        if (weight != 1)
            term = build_binary(b->g, OP_mul, term, build_const(b->g, weight));
        total = total ? build_binary(b->g, OP_add, total, term) : term;
    }
    return good ? total : NULL;
}

static void build_loss(Builder *b)
{
    const Y *y = b->model->loss;
    if (!y)
        return;
    if (b->program->players.n && fn_trains(b->g->fn)) {
        players_build(b);
        return;
    }
    Node *loss = y->kind == Y_map ? build_losses(b, y) : loss_build(b, "loss", y);
    if (loss && !loss->name)
        loss->name = "loss";
    for (int i = 0; i < b->program->inputs.n && b->program->mixup > 0; i++)
        if (b->program->inputs.at[i].looked_up && b->program->inputs.at[i].shape.rank == 1)
            diag_error(&b->ctx->diag, b->program->inputs.at[i].loc,
                       "augment: mixup: classes that choose rows of a table cannot be mixed");
    bool steps = fn_trains(b->g->fn);
    if (loss && steps && b->program->mixup > 0 && !b->mixes)
        diag_error(&b->ctx->diag, y->loc,
                   "augment: mixup wants a loss that is softmax_cross_entropy or nll of an input "
                   "of classes, one a sample, %d at most",
                   MIXED_CLASSES_MAX);
    graph_root(b->g, ROOT_loss, 0, loss);
}

static void read_loss(Model *m, const Y *y, const Y *weights)
{
    m->loss = y;
    m->loss_weights = weights = y_resolve(m->ctx, &m->vars, weights);
    m->program->has_loss = y != NULL;
    VEC(const char *) names = {0};
    for (int i = 0; y && y->kind == Y_map && i < y->pairs.n; i++) {
        const char *name;
        y_name(m->ctx, y->pairs.at[i].key, "loss", &name);
        vec_push(m->ctx->arena, &names, y->pairs.at[i].key->text);
        NamedLoss loss = {y->pairs.at[i].key->text, y->pairs.at[i].key->loc};
        if (y->pairs.n > 1)
            vec_push(m->ctx->arena, &m->program->losses, loss);
    }
    if (y && y->kind == Y_map && !names.n)
        diag_error(&m->ctx->diag, y->loc,
                   "loss: expected an expression or a map of them, saw an empty map");
    if (weights && (weights->kind != Y_map || !names.n))
        diag_error(&m->ctx->diag, weights->loc,
                   "loss_weights: expected a map of numbers by the names of losses");
    else
        y_keys(m->ctx, weights, "loss_weights", names.at, names.n, NULL, 0);
}

/* --- metrics ---------------------------------------------------------------------------------- */

/* The sums of a metric, as many as its nodes hold numbers. */
static int add_sums(Builder *b, const MetricRow *row, const MetricParts *parts, int index)
{
    for (int k = 0; k < row->n_sums; k++) {
        graph_root(b->g, ROOT_metric, index, parts->sums[k]);
        index += (int)shape_count(&parts->sums[k]->shape);
    }
    return index;
}

/* What a metric keeps of each sample. */
static void add_kept(Builder *b, const MetricParts *parts, bool fill, int first)
{
    const Metric *metric = &parts->metric;
    bool training = fn_trains(b->g->fn);
    for (int k = 0; k < metric->n_kept; k++) {
        Kept kept = {shape_count(&parts->kept[k]->shape)};
        if (fill)
            vec_push(b->ctx->arena, &b->program->kept, kept);
        if (!metric->report || !training)
            graph_root(b->g, ROOT_kept, first + k, parts->kept[k]);
    }
}

/* Builds the metrics' sums and what they keep; the first time (`fill`) also notes them in the program. */
static void build_metrics(Builder *b, bool fill)
{
    Program *p = b->program;
    const Y *y = b->model->metrics;
    int index = 0, kept = 0;
    for (int i = 0; y && i < y->pairs.n; i++) {
        const YPair *pair = &y->pairs.at[i];
        MetricParts parts = {0};
        b->into = NULL;
        b->place = arena_format(b->ctx->arena, "metrics.%s", pair->key->text);
        b->n_random = 0;
        b->g->role = ROLE_metric;
        b->g->loc = pair->value->loc;
        b->g->what = "metric";
        const MetricRow *row = expr_metric(b, pair->value, &b->model->vars, &parts);
        if (!row)
            continue;
        int first = index;
        index = add_sums(b, row, &parts, first);
        add_kept(b, &parts, fill, kept);
        if (fill) {
            Metric metric = parts.metric;
            metric.name = pair->key->text;
            metric.loc = pair->key->loc;
            metric.n_sums = index - first;
            metric.first_kept = kept;
            vec_push(b->ctx->arena, &p->metrics, metric);
            p->n_sums = index;
        }
        kept += parts.metric.n_kept;
    }
}

/* Losses by name are figures as well, after the metrics: their mean over the batches, by samples. */
static void add_losses(Program *p)
{
    for (int i = 0; i < p->losses.n; i++) {
        const NamedLoss *loss = &p->losses.at[i];
        Metric metric = {.name = loss->name,
                         .loc = loss->loc,
                         .finish = FINISH_mean,
                         .n_sums = 2,
                         .loss = 1 + i};
        for (int k = 0; k < p->metrics.n; k++)
            if (strcmp(p->metrics.at[k].name, loss->name) == 0)
                diag_error(&p->ctx->diag, p->metrics.at[k].loc,
                           "metrics: '%s' is the name of a loss", loss->name);
        vec_push(p->ctx->arena, &p->metrics, metric);
        p->n_sums += 2;
    }
}

/* Metrics and loss. Where players take turns metrics come first, of weights as they are before the step. */
static void build_judged(Builder *b, bool fill)
{
    bool turns = b->program->players.n && fn_trains(b->g->fn);
    if (turns)
        build_metrics(b, fill);
    build_loss(b);
    if (!turns)
        build_metrics(b, fill);
}

static void read_metrics(Model *m, const Y *y)
{
    if (y_empty(y))
        return;
    if (y->kind != Y_map) {
        diag_error(&m->ctx->diag, y->loc,
                   "metrics: expected a map of metrics by name, as {accuracy: \"accuracy(logits, "
                   "label)\"}, saw %s",
                   y_text(m->ctx, y));
        return;
    }
    m->metrics = y;
    for (int i = 0; i < y->pairs.n; i++) {
        const char *name;
        const Y *key = y->pairs.at[i].key;
        if (y_name(m->ctx, key, "metric", &name) && strcmp(name, "loss") == 0)
            diag_error(&m->ctx->diag, key->loc,
                       "metrics: 'loss' is what the loss itself is reported as");
    }
}

/* --- the file --------------------------------------------------------------------------------- */

static void read_layers(Model *m, const Y *root)
{
    const Y *y = y_get(root, "layers");
    if (!y && m->networks.n) {
        return;
    } else if (!y) {
        diag_error(&m->ctx->diag, m->end, "'layers' is missing");
        m->no_layers = true;
    } else if (y->kind != Y_list || y->items.n == 0) {
        diag_error(&m->ctx->diag, y->loc, "layers: expected a list of layers, saw %s",
                   y->kind == Y_list ? "an empty list" : y_text(m->ctx, y));
        m->no_layers = true;
    } else {
        m->layers = y;
    }
}

static void warn_unused_blocks(Model *m)
{
    for (int i = 0; i < m->blocks.n; i++) {
        const Block *block = m->blocks.entry[i].value;
        if (!block->used)
            diag_warning(&m->ctx->diag, block->loc, "block '%s' is not used", block->name);
    }
}

/* One graph of everything: the mistakes in it, and the program's variables and metrics. */
static void check_graph(Model *m)
{
    Builder *b = builder_new(m, m->loss ? FN_train : FN_predict);
    b->blind = m->blind;
    frame_build(b, b->frame);
    bool whole = outputs_default(b);
    outputs_build(b);
    build_judged(b, true);
    add_losses(b->program);
    generate_scores(b, true);
    samples_build(b);
    if (!b->blind) {
        if (whole)
            builder_report_unused(b);
        warn_unused_blocks(m);
        networks_warn_unused(m);
    }
}

/* Carried values stand behind weights, each with as many rows as a batch has at most; a program that only
 * predicts has none. */
static void finish_carried(Program *p, bool keep)
{
    VEC(Var *) weights = {0}, carried = {0};
    for (int i = 0; i < p->vars.n; i++) {
        Var *v = p->vars.at[i];
        if (v->kind != VAR_carried) {
            vec_push(p->ctx->arena, &weights, v);
            continue;
        }
        v->shape.dim[0] = p->train.batch;
        vec_push(p->ctx->arena, &carried, v);
    }
    p->vars.n = 0;
    for (int i = 0; i < weights.n; i++)
        vec_push(p->ctx->arena, &p->vars, weights.at[i]);
    for (int i = 0; keep && i < carried.n; i++)
        vec_push(p->ctx->arena, &p->vars, carried.at[i]);
    for (int i = 0; i < p->vars.n; i++)
        p->vars.at[i]->id = i;
}

static void read_file(Model *m, const Y *root, const ModelOptions *options)
{
    Program *p = m->program;
    m->blind = !y_keys(m->ctx, root, "model file", keys, COUNT(keys), NULL, 0);
    read_name(m, y_get(root, "model"));
    read_vars(m, y_get(root, "vars"), options);
    inputs_read(m, y_get(root, "inputs"));
    blocks_read(m, y_get(root, "blocks"));
    networks_read(m, y_get(root, "networks"));
    read_layers(m, root);
    outputs_read(m, y_get(root, "outputs"));
    samples_read(m, y_get(root, "sample"));
    read_loss(m, y_get(root, "loss"), y_get(root, "loss_weights"));
    read_metrics(m, y_get(root, "metrics"));
    players_read(m, y_get(y_get(root, "train"), "players"));
    generate_read(m, root);
    if (!m->no_layers && p->inputs.n)
        check_graph(m);
    train_read(p, &m->vars, y_get(root, "train"));
    data_read(p, &m->vars, y_get(root, "data"));
    if (options->batch > 0)
        p->train.batch = options->batch;
    p->train.given = p->train.given && !options->no_train;
    finish_carried(p, !options->no_train);
    train_order(p, &m->vars, y_get(root, "train"));
}

Program *model_read(Ctx *ctx, const ModelOptions *options, const char *text, size_t size)
{
    int errors = ctx->diag.errors;
    const Y *root = yaml_read(ctx, text, size);
    if (!root)
        return NULL;
    if (root->kind != Y_map) {
        diag_error(&ctx->diag, root->loc,
                   "expected a map of keys (model, inputs, layers, ...), saw %s",
                   y_text(ctx, root));
        return NULL;
    }
    Program *p = arena_take(ctx->arena, sizeof *p);
    Model *m = arena_take(ctx->arena, sizeof *m);
    *p = (Program){.ctx = ctx, .file = ctx->diag.file, .model = m, .keeps = options->program};
    *m = (Model){.ctx = ctx,
                 .program = p,
                 .end = root->pairs.n ? root->pairs.at[0].key->loc : root->loc,
                 .streams = map_new(ctx->arena),
                 .augments = map_new(ctx->arena)};
    sha256_hex(text, size, p->digest);
    read_file(m, root, options);
    if (ctx->diag.errors == errors && p->train.given && p->fits.n)
        model_graph(p, FN_fit); /* for what it reports */
    return ctx->diag.errors == errors ? p : NULL;
}

bool model_has(const Program *p, Fn fn)
{
    bool trains = p->has_loss && p->train.given;
    switch (fn) {
    case FN_predict:
    case FN_attribute: return p->outputs.n > 0;
    case FN_sample: return p->samples.n > 0;
    case FN_eval:
    case FN_grad: return p->has_loss;
    case FN_train: return trains;
    case FN_accumulate: return trains && p->train.accumulate > 1;
    case FN_round_1:
    case FN_round_2:
    case FN_round_3: return trains && p->rounds.n > 1 + (int)(fn - FN_round_1);
    case FN_fit: return trains && p->fits.n > 0;
    default: return false;
    }
}

Graph *model_graph(Program *p, Fn fn)
{
    Model *m = p->model;
    int errors = p->ctx->diag.errors;
    Builder *b = builder_new(m, fn);
    frame_build(b, b->frame);
    if (fn == FN_predict || fn == FN_attribute)
        outputs_build(b);
    else if (fn == FN_sample)
        samples_build(b);
    else if (fn == FN_grad)
        build_loss(b);
    else if (fn != FN_fit)
        build_judged(b, false);
    if (fn == FN_attribute)
        attribute_roots(b, graph_find_root(b->g, ROOT_output, 0));
    if (p->ctx->diag.errors > errors)
        return NULL;
    graph_sort(b->g);
    if (fn == FN_fit && !fits_check(b->g))
        return NULL;
    if (fn == FN_sample)
        samples_bound(b->g);
    return b->g;
}

Graph *model_scores(Program *p)
{
    Builder *b = builder_new(p->model, FN_predict);
    int errors = p->ctx->diag.errors;
    frame_build(b, b->frame);
    graph_root(b->g, ROOT_output, 0, generate_scores(b, false));
    if (p->ctx->diag.errors > errors)
        return NULL;
    graph_sort(b->g);
    return b->g;
}
