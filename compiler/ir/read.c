/* SPDX-License-Identifier: MIT */
/* read.c: the text form of a program (print.c says how it looks) read back, strictly.
 *
 * What does not fit is a diagnostic at its line and column. Every node goes through graph_add, so a
 * text cannot make a graph that the builders could not.
 */
#include <string.h>

#include "../ops/ops.h"
#include "read.h"

/* --- the program ------------------------------------------------------------------------------------ */

static bool read_program(Reader *r)
{
    int64_t batch;
    if (!(r->p->name = text_word(r, "the program's name")) || !text_expect(r, "batch=") ||
        !text_integer(r, 0, DIM_MAX, &batch))
        return false;
    r->p->train.batch = batch;
    return text_line_ends(r);
}

static bool read_optimizer(Reader *r, Optimizer *by)
{
    static const char *const known[] = {
#define OPTIMIZER(name, ...) #name,
#include "../frontend/optimizers.def"
#undef OPTIMIZER
    };
    int n = 0;
    by->loc = (Loc){r->number, 1, 1};
    by->kind = text_choice(r, known, COUNT(known), "an optimizer");
    if (by->kind < 0 || !text_expect(r, "("))
        return false;
    do {
        if (n == OPTIMIZER_ARGS)
            return text_wrong(r, "fewer numbers");
        if (!text_real(r, &by->arg[n++]))
            return false;
    } while (text_take(r, ","));
    return text_expect(r, ")");
}

static bool read_train(Reader *r)
{
    Train *t = &r->p->train;
    if (t->given)
        return text_wrong(r, "one train");
    t->given = r->p->has_loss = true;
    t->loc = (Loc){r->number, 1, 1};
    return read_optimizer(r, &t->optimizer) && text_expect(r, "accumulate=") &&
           text_integer(r, 0, DIM_MAX, &t->accumulate) && text_expect(r, "clip_norm=") &&
           text_real(r, &t->clip_norm) && text_expect(r, "clip_value=") &&
           text_real(r, &t->clip_value) && text_line_ends(r);
}

static bool read_player(Reader *r)
{
    Player player = {.loc = {r->number, 1, 1}};
    if (r->p->players.n == PLAYERS_MAX)
        return text_wrong(r, "fewer players");
    if (!(player.loss = text_word(r, "a name")) || !read_optimizer(r, &player.optimizer) ||
        !text_expect(r, "every=") || !text_integer(r, 1, INT32_MAX, &player.every))
        return false;
    vec_push(r->ctx->arena, &r->p->players, player);
    return text_line_ends(r);
}

static bool read_round(Reader *r)
{
    int64_t players;
    if (r->p->rounds.n == ROUNDS_MAX)
        return text_wrong(r, "fewer rounds");
    if (!text_integer(r, 1, (1 << PLAYERS_MAX) - 1, &players))
        return false;
    vec_push(r->ctx->arena, &r->p->rounds, (unsigned)players);
    return text_line_ends(r);
}

static bool read_input(Reader *r)
{
    Input in = {.loc = {r->number, 1, 1}};
    if (!(in.name = text_word(r, "a name")) || !text_dtype(r, &in.dtype) ||
        !text_shape(r, &in.shape))
        return false;
    if (text_take(r, "classes=") && !text_integer(r, 1, DIM_MAX, &in.classes))
        return false;
    if (text_take(r, "ignore=")) {
        in.has_ignore = true;
        if (!text_integer(r, INT32_MIN, INT32_MAX, &in.ignore))
            return false;
    }
    vec_push(r->ctx->arena, &r->p->inputs, in);
    return text_line_ends(r);
}

static bool read_name(Reader *r, OutputList *list)
{
    Output out = {.loc = {r->number, 1, 1}};
    if (!(out.name = text_word(r, "a name")))
        return false;
    vec_push(r->ctx->arena, list, out);
    return text_line_ends(r);
}

static bool read_output(Reader *r)
{
    return read_name(r, &r->p->outputs);
}

static bool read_sample(Reader *r)
{
    return read_name(r, &r->p->samples);
}

static bool read_fit(Reader *r)
{
    static const char *const kinds[] = {"standardize", "mean", "median", "pca"};
    static const int vars[] = {2, 1, 1, 3};
    Fit fit = {.loc = {r->number, 1, 1}};
    int64_t axis;
    fit.name = text_word(r, "a name");
    int kind = fit.name ? text_choice(r, kinds, COUNT(kinds), "what is fitted") : -1;
    if (kind < 0 || !text_expect(r, "axis=") || !text_integer(r, 1, RANK_MAX - 1, &axis) ||
        !text_expect(r, "eps=") || !text_real(r, &fit.eps))
        return false;
    for (int i = 0; i < vars[kind]; i++) {
        const char *name = text_word(r, "a variable");
        fit.var[i] = name ? program_find_var(r->p, name) : NULL;
        if (!fit.var[i])
            return text_wrong(r, "a variable that is declared");
    }
    fit.kind = (FitKind)kind;
    fit.axis = (int)axis;
    vec_push(r->ctx->arena, &r->p->fits, fit);
    return text_line_ends(r);
}

static bool read_init(Reader *r, Init *init)
{
    static const char *const known[] = {"constant", "uniform", "normal", "truncated_normal",
                                        "orthogonal"};
    int kind = text_expect(r, "init=") ? text_choice(r, known, COUNT(known), "a kind of init") : -1;
    init->kind = (InitKind)kind;
    return kind >= 0 && text_expect(r, "(") && text_real(r, &init->a) && text_expect(r, ",") &&
           text_real(r, &init->b) && text_expect(r, ")");
}

/* Whether the axes of `view` are those of s, some cut in parts. */
static bool cuts_axes(const Shape *s, const Shape *view)
{
    int at = 0;
    for (int i = 0; i < s->rank; i++) {
        int64_t length = at < view->rank ? view->dim[at++] : 0;
        while (length > 0 && length < s->dim[i] && at < view->rank)
            length *= view->dim[at++];
        if (length != s->dim[i])
            return false;
    }
    return at == view->rank;
}

static bool read_view(Reader *r, Var *v)
{
    v->view.batch = -1;
    return text_integers(r, RANK_MAX, 1, DIM_MAX, v->view.dim, &v->view.rank) &&
           (cuts_axes(&v->shape, &v->view) ||
            text_wrong(r, "the axes of the shape, some cut in parts"));
}

static bool read_perm(Reader *r, Var *v)
{
    int64_t perm[RANK_MAX];
    int n;
    unsigned seen = 0;
    if (!text_integers(r, RANK_MAX, 0, RANK_MAX - 1, perm, &n))
        return false;
    for (int i = 0; i < n; i++) {
        v->perm[i] = (int)perm[i];
        seen |= 1u << perm[i];
    }
    return (n == var_view(v).rank && seen == (1u << n) - 1) || text_wrong(r, "each axis once");
}

static bool read_var(Reader *r)
{
    static const char *const known[] = {"weight", "buffer", "state", "cache", "memory", "carried"};
    Shape s;
    Init init;
    const char *name = text_word(r, "a name");
    int kind = name ? text_choice(r, known, COUNT(known), "weight, buffer or state") : -1;
    if (kind < 0 || !text_shape(r, &s) || !read_init(r, &init))
        return false;
    if (s.batch >= 0 || program_find_var(r->p, name))
        return text_wrong(r, "a new name and a shape without a batch");
    if (kind == VAR_carried && s.rank == 0)
        return text_wrong(r, "an axis of samples");
    Var *v = program_var(r->p, name, (VarKind)kind, &s, init, (Loc){r->number, 1, 1});
    v->frozen = text_take(r, "frozen");
    int64_t players = 0;
    if (text_take(r, "players=") && !text_integer(r, 1, (1 << PLAYERS_MAX) - 1, &players))
        return false;
    v->players = (unsigned)players;
    if ((text_take(r, "rate=") && !text_real(r, &v->rate)) ||
        (text_take(r, "decay=") && !text_real(r, &v->weight_decay)))
        return false;
    if (text_take(r, "as=")) {
        const char *as = text_word(r, "a variable");
        if (!as || !(v->laid_as = program_find_var(r->p, as)))
            return as ? text_wrong(r, "a variable that is declared") : false;
    }
    if (kind == VAR_carried)
        return text_line_ends(r);
    return (!text_take(r, "view=") || read_view(r, v)) &&
           (!text_take(r, "perm=") || read_perm(r, v)) && text_line_ends(r);
}

/* --- nodes -------------------------------------------------------------------------------------------- */

static bool read_function(Reader *r)
{
    const char *names[FN_COUNT];
    for (int f = 0; f < FN_COUNT; f++)
        names[f] = fn_text((Fn)f);
    int f = text_choice(r, names, FN_COUNT, "a function");
    if (f < 0)
        return false;
    if (r->p->fn[f])
        return text_wrong(r, "each function once");
    if (r->levels.n)
        return text_wrong(r, "the end of the body");
    r->g = r->p->fn[f] = graph_new(r->p, (Fn)f);
    r->body = NULL;
    r->nodes.n = 0;
    return text_line_ends(r);
}

static bool read_body(Reader *r)
{
    enum { DEPTH_MAX = 16 };
    if (!r->g)
        return text_wrong(r, "a function first");
    if (r->levels.n == DEPTH_MAX)
        return text_wrong(r, "fewer bodies in each other");
    Level around = {.g = r->g, .nodes = r->nodes};
    vec_push(r->ctx->arena, &r->levels, around);
    r->g = graph_new(r->p, around.g->fn);
    r->g->outer = around.g;
    r->nodes = (NodeList){0};
    r->body = NULL;
    return text_line_ends(r);
}

static bool read_end(Reader *r)
{
    if (!r->levels.n)
        return text_wrong(r, "a body first");
    Level around = r->levels.at[--r->levels.n];
    r->body = r->g;
    r->g = around.g;
    r->nodes = around.nodes;
    return text_line_ends(r);
}

static Node *operand(Reader *r)
{
    int64_t i;
    if (!text_expect(r, "%") || !text_integer(r, 0, INT32_MAX, &i))
        return NULL;
    if (i < r->nodes.n)
        return r->nodes.at[i];
    text_wrong(r, "a node that comes before");
    return NULL;
}

static bool operands(Reader *r, int op)
{
    r->in.n = 0;
    if (!text_take(r, "("))
        return true;
    do {
        Node *x = operand(r);
        if (!x)
            return false;
        if (x->op == OP_assign)
            return text_wrong(r, "an operand that is no assign");
        if ((x->op == OP_scan) != (op == OP_scan_result))
            return text_wrong(r, "a scan for a scan_result, and for no other op");
        vec_push(r->ctx->arena, &r->in, x);
    } while (text_take(r, ","));
    return text_expect(r, ")");
}

static bool read_data(Reader *r, Attr *a, int64_t *count)
{
    VEC(double) data = {0};
    do {
        double v;
        if (!text_real(r, &v))
            return false;
        vec_push(r->ctx->arena, &data, v);
    } while (r->at < r->end && *r->at == ',' && r->at++);
    a->data = data.at;
    *count = data.n;
    return true;
}

static bool read_axes(Reader *r, Attr *a)
{
    int64_t axes[RANK_MAX];
    if (r->at < r->end && (*r->at == ' ' || *r->at == '}'))
        return true; /* none */
    if (!text_integers(r, RANK_MAX, 0, RANK_MAX - 1, axes, &a->n_axes))
        return false;
    for (int i = 0; i < a->n_axes; i++)
        a->axes[i] = (int)axes[i];
    return true;
}

static bool read_range(Reader *r, int64_t *out)
{
    int n;
    if (r->at < r->end && (*r->at == ' ' || *r->at == '}'))
        return true;
    return text_integers(r, RANK_MAX, 0, ELEMENTS_MAX, out, &n);
}

static bool read_taps(Reader *r, int64_t *out)
{
    int n;
    return text_integers(r, SPATIAL_MAX, 0, DIM_MAX, out, &n);
}

static bool read_var_attr(Reader *r, Attr *a)
{
    const char *name = text_word(r, "a variable");
    a->var = name ? program_find_var(r->p, name) : NULL;
    return a->var || (name && text_wrong(r, "a variable that is declared"));
}

/* "length=16 states=1 slices=1 backwards=0", perhaps "stash=4" or "pieces", of the body before. */
static bool read_scan(Reader *r, Attr *a)
{
    Scan *s = arena_take(r->ctx->arena, sizeof *s);
    int64_t states, slices, backwards;
    if (!r->body)
        return text_wrong(r, "a body before");
    if (!text_integer(r, 1, DIM_MAX, &s->length) || !text_expect(r, "states=") ||
        !text_integer(r, 0, INT32_MAX / 2, &states) || !text_expect(r, "slices=") ||
        !text_integer(r, 0, INT32_MAX / 2, &slices) || !text_expect(r, "backwards=") ||
        !text_integer(r, 0, 1, &backwards) ||
        (text_take(r, "stash=") && !text_integer(r, 1, DIM_MAX, &s->stash)))
        return false;
    s->pieces = text_take(r, "pieces");
    s->body = r->body;
    s->body->scan = s;
    s->n_states = (int)states;
    s->n_slices = (int)slices;
    s->backwards = backwards != 0;
    r->body = NULL;
    a->scan = s;
    return true;
}

static bool read_scalar(Reader *r, Attr *a)
{
    static const char *const known[] = {"n", "lr", "step", "at", "last", "chosen", "mix"};
    int k = text_choice(r, known, COUNT(known), "n, lr or step");
    a->scalar = (Scalar)k;
    int64_t of = 0;
    if (k == SCALAR_lr && text_take(r, "of=") && !text_integer(r, 1, r->p->players.n - 1, &of))
        return false;
    a->part = (int)of;
    return k >= 0;
}

/* One attribute, of those that the op reads. */
static bool read_attr(Reader *r, unsigned has, Attr *a, int64_t *count)
{
    int64_t i = 0;
    bool good = true;
    if ((has & ATTR_axes) && text_take(r, "axes="))
        return read_axes(r, a);
    if ((has & ATTR_numbers) && text_take(r, "numbers="))
        return text_integers(r, NUMBERS_MAX, -1, DIM_MAX, a->numbers, &a->n_numbers);
    if ((has & ATTR_range) && text_take(r, "start="))
        return read_range(r, a->start);
    if ((has & ATTR_range) && text_take(r, "end="))
        return read_range(r, a->end);
    if ((has & ATTR_range) && text_take(r, "step="))
        return read_range(r, a->step);
    if ((has & ATTR_taps) && text_take(r, "size="))
        return read_taps(r, a->taps.size);
    if ((has & ATTR_taps) && text_take(r, "stride="))
        return read_taps(r, a->taps.stride);
    if ((has & ATTR_taps) && text_take(r, "dilation="))
        return read_taps(r, a->taps.dilation);
    if ((has & ATTR_taps) && text_take(r, "from="))
        return read_taps(r, a->taps.from);
    if ((has & ATTR_taps) && text_take(r, "groups="))
        return text_integer(r, 0, DIM_MAX, &a->taps.groups);
    if ((has & ATTR_value) && text_take(r, "value="))
        return text_real(r, &a->value);
    if ((has & ATTR_data) && text_take(r, "data="))
        return read_data(r, a, count);
    if ((has & ATTR_var) && text_take(r, "var="))
        return read_var_attr(r, a);
    if ((has & ATTR_scalar) && text_take(r, "scalar="))
        return read_scalar(r, a);
    if ((has & ATTR_scan) && text_take(r, "length="))
        return read_scan(r, a);
    if ((has & ATTR_input) && text_take(r, "input="))
        good = text_integer(r, 0, r->p->inputs.n - 1, &i), a->input = (int)i;
    else if ((has & ATTR_part) && text_take(r, "part="))
        good = text_integer(r, 0, INT32_MAX, &i), a->part = (int)i;
    else if ((has & ATTR_stream) && text_take(r, "stream="))
        good = text_integer(r, 0, UINT32_MAX, &i), a->stream = (uint32_t)i;
    else
        return text_wrong(r, "an attribute of the op");
    return good;
}

static bool read_attrs(Reader *r, unsigned has, Attr *a, int64_t *count)
{
    if (!text_take(r, "{"))
        return true;
    while (!text_take(r, "}"))
        if (!read_attr(r, has, a, count))
            return false;
    return true;
}

/* A word that may be absent: "-". */
static const char *maybe(Reader *r, const char *wanted, bool *good)
{
    const char *text = text_word(r, wanted);
    *good = *good && text;
    return text && strcmp(text, "-") != 0 ? text : NULL;
}

/* "; forward fc1 dense 8:5:5" */
static bool read_story(Reader *r, Role *role, const char **name, const char **what, Loc *loc)
{
    static const char *const roles[] = {"forward", "loss", "metric", "backward", "update"};
    int64_t place[3];
    if (!text_expect(r, ";"))
        return false;
    int k = text_choice(r, roles, COUNT(roles), "a role");
    bool good = k >= 0;
    *role = (Role)k;
    if (good)
        *name = maybe(r, "a name or -", &good);
    if (good)
        *what = maybe(r, "what it was written as, or -", &good);
    for (int i = 0; good && i < 3; i++)
        good = (i == 0 || text_expect(r, ":")) && text_integer(r, 0, INT32_MAX, &place[i]);
    if (good)
        *loc = (Loc){(int)place[0], (int)place[1], (int)place[2]};
    return good && text_line_ends(r);
}

static int read_op(Reader *r)
{
    text_skip(r);
    const char *from = r->at, *name = text_word(r, "an op");
    int op = name ? op_find(name) : -1;
    if (name && op < 0) {
        r->at = from;
        text_wrong(r, "an op of ops.def");
    }
    return op;
}

/* Whether the operands and attributes are such as the shape rules take for granted. */
static bool check_call(Reader *r, OpKind op, const Attr *a, const Shape *s, int64_t count)
{
    unsigned has = op_impls[op]->attrs;
    int n = r->in.n, rank = n ? r->in.at[0]->shape.rank : s->rank;
    if (op_rows[op].arity >= 0 ? n != op_rows[op].arity : n < 1)
        return text_wrong(r, "as many operands as the op takes");
    if ((has & ATTR_var) && !a->var)
        return text_wrong(r, "var=");
    if ((has & ATTR_input) && a->input >= r->p->inputs.n)
        return text_wrong(r, "input=");
    if ((has & ATTR_scan) && !a->scan)
        return text_wrong(r, "length=");
    for (int i = 0; i < a->n_axes; i++)
        if (a->axes[i] >= rank)
            return text_wrong(r, "axes of the operand");
    if (a->data && count != shape_count(s))
        return text_wrong(r, "as many numbers as the shape has");
    return true;
}

static bool read_node(Reader *r)
{
    int64_t number, count = 0;
    Attr attr = {0};
    Shape s;
    DType type;
    Role role;
    Loc loc;
    const char *name = NULL, *what = NULL;
    if (!r->g)
        return text_wrong(r, "a function first");
    if (!text_integer(r, r->nodes.n, r->nodes.n, &number) || !text_expect(r, "="))
        return false;
    int op = read_op(r);
    if (op < 0 || !operands(r, op) || !read_attrs(r, op_impls[op]->attrs, &attr, &count) ||
        !text_expect(r, ":") || !text_dtype(r, &type) || !text_shape(r, &s) ||
        !check_call(r, (OpKind)op, &attr, &s, count) || !read_story(r, &role, &name, &what, &loc))
        return false;
    r->g->loc = (Loc){r->number, 1, 1};
    r->g->role = role;
    r->g->what = what;
    Node *y = graph_add_as(r->g, (OpKind)op, r->in.n, r->in.at, &attr, &s, type);
    if (!y)
        return false;
    if (!shape_equal(&y->shape, &s) || y->dtype != type)
        return text_wrong(r, "the shape and type that the op gives");
    y->loc = loc;
    y->name = name;
    vec_push(r->ctx->arena, &r->nodes, y);
    return true;
}

/* Whether a root of that kind may have this node and index. */
static bool check_root(Reader *r, RootKind kind, int64_t index, const Node *y)
{
    if ((kind == ROOT_assign) != (y->op == OP_assign))
        return text_wrong(r, "an assign for a root of that kind, and for no other");
    if (kind == ROOT_assign && index != y->attr->var->id)
        return text_wrong(r, "the index of the variable that is assigned");
    if (kind == ROOT_assign && graph_find_root(r->g, ROOT_assign, (int)index))
        return text_wrong(r, "each variable to be assigned once");
    if (kind == ROOT_loss && y->shape.rank)
        return text_wrong(r, "a loss of rank 0");
    if (kind == ROOT_metric && y->shape.batch >= 0)
        return text_wrong(r, "metric sums without a batch axis");
    if (kind == ROOT_kept && (y->shape.batch != 0 || y->dtype != DT_f32))
        return text_wrong(r, "f32 numbers to keep, batch first");
    if ((kind == ROOT_next || kind == ROOT_step) != (r->levels.n > 0))
        return text_wrong(r, "next and step as roots of a body, and no others");
    if (kind == ROOT_output && index >= graph_output_count(r->g))
        return text_wrong(r, "an output that is declared");
    if (kind == ROOT_grad && index >= r->p->vars.n + r->p->inputs.n)
        return text_wrong(r, "a variable or input that is declared");
    if (kind == ROOT_minimize && (index >= r->p->players.n || y->shape.rank))
        return text_wrong(r, "a number that a declared player minimises");
    return true;
}

static bool read_root(Reader *r)
{
    static const char *const kinds[] = {"output", "loss", "metric", "grad",    "assign",
                                        "next",   "step", "kept",   "minimize"};
    int64_t index, turn = 0;
    if (!r->g)
        return text_wrong(r, "a function first");
    int kind = text_choice(r, kinds, COUNT(kinds), "a kind of root");
    if (kind < 0 || !text_integer(r, 0, INT32_MAX, &index))
        return false;
    Node *y = operand(r);
    if (!y)
        return false;
    if (y->op == OP_scan)
        return text_wrong(r, "a root that is no scan");
    if (!check_root(r, (RootKind)kind, index, y))
        return false;
    if (text_take(r, "turn=") && !text_integer(r, 0, r->p->players.n, &turn))
        return false;
    graph_root(r->g, (RootKind)kind, (int)index, y);
    r->g->roots.at[r->g->roots.n - 1].turn = (int)turn;
    return text_line_ends(r);
}

/* An assign that is no root would have no effect. */
static bool check_assigns(Reader *r)
{
    for (int f = 0; f < FN_COUNT; f++) {
        const Graph *g = r->p->fn[f];
        int assigns = 0;
        for (int i = 0; g && i < g->nodes.n; i++)
            assigns += g->nodes.at[i]->op == OP_assign;
        for (int i = 0; g && i < g->roots.n; i++)
            assigns -= g->roots.at[i].kind == ROOT_assign;
        if (assigns)
            return text_wrong(r, "a root for each assign");
    }
    return true;
}

/* --- lines ---------------------------------------------------------------------------------------------- */

static bool read_line(Reader *r)
{
    static const struct {
        const char *word;
        bool (*read)(Reader *);
    } lines[] = {{"program ", read_program}, {"train ", read_train},  {"input ", read_input},
                 {"output ", read_output},   {"var ", read_var},      {"function ", read_function},
                 {"fit ", read_fit},         {"%", read_node},        {"root ", read_root},
                 {"body", read_body},        {"end", read_end},       {"player ", read_player},
                 {"round ", read_round},     {"sample ", read_sample}};
    text_skip(r);
    if (r->at == r->end || *r->at == ';')
        return true;
    for (int i = 0; i < COUNT(lines); i++)
        if (text_take(r, lines[i].word))
            return lines[i].read(r);
    return text_wrong(
        r, "program, train, player, round, input, output, sample, var, fit, function, root, "
           "body, end or a node");
}

Program *program_read(Ctx *ctx, const char *text, size_t size)
{
    Program *p = arena_take(ctx->arena, sizeof *p);
    p->ctx = ctx;
    p->name = "program";
    /* A copy that ends in NUL: numbers are read with strtod. */
    const char *copy = arena_text(ctx->arena, text, size);
    Reader r = {.ctx = ctx, .p = p, .line = copy};
    if (strlen(copy) != size) {
        r.number = 1;
        r.at = r.end = copy;
        text_wrong(&r, "a text without NUL");
        return NULL;
    }
    for (r.number = 1; *r.line; r.number++) {
        const char *end = strchr(r.line, '\n');
        r.at = r.line;
        r.end = end ? end : r.line + strlen(r.line);
        if (!read_line(&r))
            return NULL;
        r.line = end ? end + 1 : r.end;
    }
    r.at = r.end = r.line;
    if (r.levels.n) {
        text_wrong(&r, "the end of the body");
        return NULL;
    }
    return check_assigns(&r) ? p : NULL;
}
