/* SPDX-License-Identifier: MIT */
/* print.c: a program and its graphs as text: --emit=ir, --dump-after, and what read.c reads back.
 *
 *   program mnist batch=64
 *   train sgd(0.1,0.9) accumulate=1 clip_norm=0 clip_value=0
 *   input image f32 [N, 784]
 *   input label i32 [N] classes=10
 *   output probs
 *   var fc1.weight weight [128, 784] init=uniform(-0.1,0.1)
 *   fit scale standardize axis=1 eps=0 scale.mean scale.std
 *
 *   function train
 *   %0 = input {input=0} : f32 [N, 784]  ; forward image - 4:3
 *   %4 = matmul(%0, %3) : f32 [N, 128]  ; forward fc1 dense 8:5
 *   root loss 0 %12
 *
 * The body of a scan stands before it:
 *
 *   body
 *   %0 = scan_operand {part=0} : f32 [N, 8]  ; forward h - 4:3
 *   ...
 *   root next 0 %5
 *   end
 *   %7 = scan(%1, %2) {length=16 states=1 slices=1 backwards=0} : f32 []  ; forward - lstm 4:3
 *
 * A node's line: number, op, operands, the attributes that its op reads, type and shape; after the
 * semicolon its role, name, what it was written as (each - where there is none) and its place.
 */
#include <math.h>
#include <string.h>

#include "../ops/ops.h"

static const char *const role_text[] = {"forward", "loss", "metric", "backward", "update"};
static const char *const root_text[] = {"output", "loss", "metric", "grad",    "assign",
                                        "next",   "step", "kept",   "minimize"};
static const char *const scalar_text[] = {"n", "lr", "step", "at", "last", "chosen", "mix"};
static const char *const var_text[] = {"weight", "buffer", "state", "cache", "memory", "carried"};
static const char *const init_text[] = {"constant", "uniform", "normal", "truncated_normal",
                                        "orthogonal"};

static const char *const fit_text[] = {"standardize", "mean", "median", "pca"};

static const char *const optimizer_text[] = {
#define OPTIMIZER(name, ...) #name,
#include "../frontend/optimizers.def"
#undef OPTIMIZER
};

static void put_number(FILE *f, double value)
{
    char text[32];
    fputs(number_text(text, value, false), f);
}

static void put_word(FILE *f, const char *word)
{
    fprintf(f, " %s", word && *word ? word : "-");
}

/* --- nodes ---------------------------------------------------------------------------------------- */

/* "name=1,2,3" after a separator. */
static void put_list(FILE *f, const char *name, int n, const int64_t *list, const char **separator)
{
    fprintf(f, "%s%s=", *separator, name);
    for (int i = 0; i < n; i++)
        fprintf(f, "%s%lld", i ? "," : "", (long long)list[i]);
    *separator = " ";
}

static void put_axes(FILE *f, const Attr *a, const char **separator)
{
    int64_t axes[RANK_MAX];
    for (int i = 0; i < a->n_axes; i++)
        axes[i] = a->axes[i];
    put_list(f, "axes", a->n_axes, axes, separator);
}

static void put_data(FILE *f, const Node *y, const char **separator)
{
    fprintf(f, "%sdata=", *separator);
    for (int64_t i = 0; i < shape_count(&y->shape); i++) {
        fputs(i ? "," : "", f);
        put_number(f, y->attr->data[i]);
    }
    *separator = " ";
}

static void put_taps(FILE *f, const Node *y, const char **separator)
{
    const Taps *t = &y->attr->taps;
    int axes = y->in[0]->shape.rank - 2, n = y->op == OP_unwindow ? axes / 2 : axes;
    put_list(f, "size", n, t->size, separator);
    put_list(f, "stride", n, t->stride, separator);
    put_list(f, "dilation", n, t->dilation, separator);
    if (y->op == OP_unwindow)
        put_list(f, "from", n, t->from, separator);
    if (y->op == OP_conv || y->op == OP_conv_weight)
        put_list(f, "groups", 1, &t->groups, separator);
}

static void put_attrs(FILE *f, const Node *y)
{
    unsigned has = op_impls[y->op]->attrs & ~(unsigned)(ATTR_shape | ATTR_dtype);
    const Attr *a = y->attr;
    const char *separator = "";
    int rank = y->n_in ? y->in[0]->shape.rank : y->shape.rank;
    if (!has)
        return;
    fputs(" {", f);
    if (has & ATTR_axes)
        put_axes(f, a, &separator);
    if (has & ATTR_numbers)
        put_list(f, "numbers", a->n_numbers, a->numbers, &separator);
    if (has & ATTR_range) {
        put_list(f, "start", rank, a->start, &separator);
        put_list(f, "end", rank, a->end, &separator);
        put_list(f, "step", rank, a->step, &separator);
    }
    if (has & ATTR_taps)
        put_taps(f, y, &separator);
    if ((has & ATTR_value) && !a->data) {
        fprintf(f, "%svalue=", separator);
        put_number(f, a->value);
        separator = " ";
    }
    if ((has & ATTR_data) && a->data)
        put_data(f, y, &separator);
    if (has & ATTR_var) {
        fprintf(f, "%svar=%s", separator, a->var->name);
        separator = " ";
    }
    if (has & ATTR_input)
        fprintf(f, "%sinput=%d", separator, a->input);
    if (has & ATTR_part)
        fprintf(f, "%spart=%d", separator, a->part);
    if (has & ATTR_scan)
        fprintf(f, "length=%lld states=%d slices=%d backwards=%d", (long long)a->scan->length,
                a->scan->n_states, a->scan->n_slices, a->scan->backwards);
    if ((has & ATTR_scan) && a->scan->stash)
        fprintf(f, " stash=%lld", (long long)a->scan->stash);
    if ((has & ATTR_scan) && a->scan->pieces)
        fputs(" pieces", f);
    if (has & ATTR_scalar)
        fprintf(f, "%sscalar=%s", separator, scalar_text[a->scalar]);
    if ((has & ATTR_scalar) && a->part)
        fprintf(f, " of=%d", a->part);
    if (has & ATTR_stream)
        fprintf(f, "%sstream=%u", separator, (unsigned)a->stream);
    fputs("}", f);
}

static void put_nodes(FILE *f, const Graph *g);

static void put_node(FILE *f, const Node *y)
{
    char shape[128];
    if (y->op == OP_scan) {
        fputs("body\n", f);
        put_nodes(f, y->attr->scan->body);
        fputs("end\n", f);
    }
    fprintf(f, "%%%d = %s", y->id, op_rows[y->op].name);
    if (y->n_in)
        fputs("(", f);
    for (int i = 0; i < y->n_in; i++)
        fprintf(f, "%s%%%d", i ? ", " : "", y->in[i]->id);
    if (y->n_in)
        fputs(")", f);
    put_attrs(f, y);
    fprintf(f, " : %s %s  ; %s", dtype_text(y->dtype), shape_text(&y->shape, shape),
            role_text[y->role]);
    put_word(f, y->name);
    put_word(f, y->what);
    fprintf(f, " %d:%d:%d\n", y->loc.line, y->loc.col, y->loc.length);
}

static void put_nodes(FILE *f, const Graph *g)
{
    for (int i = 0; i < g->nodes.n; i++)
        put_node(f, g->nodes.at[i]);
    for (int i = 0; i < g->roots.n; i++) {
        const Root *r = &g->roots.at[i];
        fprintf(f, "root %s %d %%%d", root_text[r->kind], r->index, r->node->id);
        fprintf(f, r->turn ? " turn=%d\n" : "\n", r->turn);
    }
}

void graph_print(const Graph *g, FILE *f)
{
    fprintf(f, "function %s\n", fn_text(g->fn));
    put_nodes(f, g);
}

/* --- the program ------------------------------------------------------------------------------------ */

/* Its arguments to the last that is not 0. */
static void put_optimizer(FILE *f, const Optimizer *o)
{
    int n = OPTIMIZER_ARGS;
    while (n > 1 && o->arg[n - 1] == 0)
        n--;
    fputs(optimizer_text[o->kind], f);
    for (int i = 0; i < n; i++) {
        fputs(i ? "," : "(", f);
        put_number(f, o->arg[i]);
    }
    fputs(")", f);
}

/* What pass optimizer reads. */
static void put_train(FILE *f, const Program *p)
{
    const Train *t = &p->train;
    fputs("train ", f);
    put_optimizer(f, &t->optimizer);
    fprintf(f, " accumulate=%lld clip_norm=", (long long)t->accumulate);
    put_number(f, t->clip_norm);
    fputs(" clip_value=", f);
    put_number(f, t->clip_value);
    fputs("\n", f);
    for (int i = 0; i < p->players.n; i++) {
        const Player *player = &p->players.at[i];
        fprintf(f, "player %s ", player->loss);
        put_optimizer(f, &player->optimizer);
        fprintf(f, " every=%lld\n", (long long)player->every);
    }
    for (int i = 0; i < p->rounds.n; i++)
        fprintf(f, "round %u\n", p->rounds.at[i]);
}

static void put_input(FILE *f, const Input *in)
{
    char shape[128];
    fprintf(f, "input %s %s %s", in->name, dtype_text(in->dtype), shape_text(&in->shape, shape));
    if (in->classes)
        fprintf(f, " classes=%lld", (long long)in->classes);
    if (in->has_ignore)
        fprintf(f, " ignore=%lld", (long long)in->ignore);
    fputs("\n", f);
}

static void put_var(FILE *f, const Var *v)
{
    char shape[128];
    fprintf(f, "var %s %s %s init=%s(", v->name, var_text[v->kind], shape_text(&v->shape, shape),
            init_text[v->init.kind]);
    put_number(f, v->init.a);
    fputs(",", f);
    put_number(f, v->init.b);
    fputs(")", f);
    if (v->frozen)
        fputs(" frozen", f);
    if (v->players)
        fprintf(f, " players=%u", v->players);
    if (v->rate != 1) {
        fputs(" rate=", f);
        put_number(f, v->rate);
    }
    if (!isnan(v->weight_decay)) {
        fputs(" decay=", f);
        put_number(f, v->weight_decay);
    }
    if (v->laid_as)
        fprintf(f, " as=%s", v->laid_as->name);
    const char *separator = " ";
    int64_t perm[RANK_MAX];
    bool moved = false;
    int rank = var_view(v).rank;
    for (int i = 0; i < rank; i++) {
        perm[i] = v->perm[i];
        moved |= v->perm[i] != i;
    }
    if (v->view.rank)
        put_list(f, "view", rank, v->view.dim, &separator);
    if (moved)
        put_list(f, "perm", rank, perm, &separator);
    fputs("\n", f);
}

static void put_fit(FILE *f, const Fit *fit)
{
    fprintf(f, "fit %s %s axis=%d eps=", fit->name, fit_text[fit->kind], fit->axis);
    put_number(f, fit->eps);
    for (int i = 0; i < FIT_VARS && fit->var[i]; i++)
        fprintf(f, " %s", fit->var[i]->name);
    fputs("\n", f);
}

void program_print(const Program *p, FILE *f)
{
    fprintf(f, "program %s batch=%lld\n", p->name, (long long)p->train.batch);
    if (p->train.given)
        put_train(f, p);
    for (int i = 0; i < p->inputs.n; i++)
        put_input(f, &p->inputs.at[i]);
    for (int i = 0; i < p->outputs.n; i++)
        fprintf(f, "output %s\n", p->outputs.at[i].name);
    for (int i = 0; p->fn[FN_sample] && i < p->samples.n; i++)
        fprintf(f, "sample %s\n", p->samples.at[i].name);
    for (int i = 0; i < p->vars.n; i++)
        put_var(f, p->vars.at[i]);
    for (int i = 0; p->fn[FN_fit] && i < p->fits.n; i++)
        put_fit(f, &p->fits.at[i]);
    for (int fn = 0; fn < FN_COUNT; fn++)
        if (p->fn[fn]) {
            fputs("\n", f);
            graph_print(p->fn[fn], f);
        }
}
