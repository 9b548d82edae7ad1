/* SPDX-License-Identifier: MIT */
/* graph.c: adding nodes, ordering them, rewriting them; roots and variables.
 *
 * Models may have 65536 layers one after the other, so nothing here recurs along operands.
 */
#include "../ops/ops.h"

#include <math.h>
#include <string.h>

static const Attr no_attr;

Graph *graph_new(Program *program, Fn fn)
{
    Graph *g = arena_take(program->ctx->arena, sizeof *g);
    g->program = program;
    g->fn = fn;
    return g;
}

static const char *title(const Graph *g, const Node *y)
{
    return g->what ? g->what : op_rows[y->op].name;
}

/* --- the shape rule of elementwise ops -------------------------------------------------------- */

static bool compares(OpKind op)
{
    return op == OP_equal || op == OP_not_equal || op == OP_less || op == OP_less_equal ||
           op == OP_greater || op == OP_greater_equal;
}

static const char *axis_text(const Shape *shape, int axis, char *buffer)
{
    Shape one = {.rank = 1, .batch = axis == shape->batch ? 0 : -1, .dim = {shape->dim[axis]}};
    shape_text(&one, buffer);
    buffer[strlen(buffer) - 1] = '\0';
    return buffer + 1;
}

static bool broadcast_error(Graph *g, const Node *y, const Shape *a, const Shape *b, int axis_a,
                            int axis_b)
{
    char shapes[2][128], axes[2][128];
    const char *m = axis_text(a, axis_a, axes[0]), *n = axis_text(b, axis_b, axes[1]);
    shape_text(a, shapes[0]);
    shape_text(b, shapes[1]);
    Diag *diag = &g->program->ctx->diag;
    if (axis_a == axis_b)
        diag_error(diag, g->loc, "%s: shapes %s and %s do not broadcast: axis %d is %s and %s",
                   title(g, y), shapes[0], shapes[1], axis_a, m, n);
    else
        diag_error(diag, g->loc,
                   "%s: shapes %s and %s do not broadcast: axis %d is %s and axis %d is %s",
                   title(g, y), shapes[0], shapes[1], axis_a, m, axis_b, n);
    return false;
}

/* Arithmetic is on f32; comparisons are on any one type; cast takes what it is given. */
static bool check_dtypes(Graph *g, const Node *y)
{
    if (y->op == OP_cast)
        return true;
    for (int i = 0; i < y->n_in; i++) {
        DType wants = compares(y->op) ? y->in[0]->dtype : DT_f32;
        if (y->in[i]->dtype == wants)
            continue;
        diag_error(&g->program->ctx->diag, g->loc, "%s: operand %d is %s, not %s", title(g, y),
                   i + 1, dtype_text(y->in[i]->dtype), dtype_text(wants));
        return false;
    }
    return true;
}

static bool elementwise_shape(Graph *g, Node *y)
{
    if (!check_dtypes(g, y))
        return false;
    Shape shape = shape_scalar();
    for (int i = 0; i < y->n_in; i++) {
        Shape before = shape;
        int a, b;
        if (!shape_broadcast(&before, &y->in[i]->shape, &shape, &a, &b))
            return broadcast_error(g, y, &before, &y->in[i]->shape, a, b);
    }
    y->shape = shape;
    if (!(op_impls[y->op]->attrs & ATTR_dtype))
        y->dtype = DT_f32;
    return true;
}

/* --- adding ----------------------------------------------------------------------------------- */

static bool check_size(Graph *g, const Node *y)
{
    char text[128];
    bool fits = shape_count(&y->shape) <= ELEMENTS_MAX;
    for (int i = 0; i < y->shape.rank; i++)
        fits = fits && y->shape.dim[i] >= 1 && y->shape.dim[i] <= DIM_MAX;
    if (!fits)
        diag_error(&g->program->ctx->diag, g->loc,
                   "%s: a tensor of shape %s is out of range: axes are 1 to %lld "
                   "long, and hold %lld numbers at most",
                   title(g, y), shape_text(&y->shape, text), (long long)DIM_MAX,
                   (long long)ELEMENTS_MAX);
    return fits;
}

bool graph_shape(Graph *g, Node *y)
{
    bool (*rule)(Graph *, Node *) = op_impls[y->op]->shape;
    if (!rule && op_rows[y->op].cls != CLASS_EW)
        BUG("%s has no shape rule", op_rows[y->op].name);
    return (rule ? rule : elementwise_shape)(g, y) && check_size(g, y);
}

/* Where the operands of a wrong node were made. */
static void note_operands(Graph *g, const Node *y)
{
    for (int i = 0; i < y->n_in; i++) {
        const Node *x = y->in[i];
        bool seen = !x->name || x->loc.line <= 0;
        for (int j = 0; j < i; j++)
            seen = seen || y->in[j] == x;
        if (!seen)
            diag_note(&g->program->ctx->diag, x->loc, "'%s' is made here", x->name);
    }
}

Node *graph_add_as(Graph *g, OpKind op, int n_in, Node *const *in, const Attr *attr,
                   const Shape *shape, DType dtype)
{
    Arena *arena = g->program->ctx->arena;
    for (int i = 0; i < n_in; i++)
        if (!in[i])
            return NULL;
    if (op_rows[op].arity >= 0 ? n_in != op_rows[op].arity : n_in < 1)
        BUG("%s with %d operands", op_rows[op].name, n_in);

    Node *y = arena_take(arena, sizeof *y);
    *y = (Node){.op = op,
                .dtype = dtype,
                .role = g->role,
                .turn = g->turn,
                .shape = *shape,
                .n_in = n_in,
                .attr = &no_attr,
                .loc = g->loc,
                .what = g->what};
    if (n_in) {
        y->in = arena_take(arena, sizeof *in * (size_t)n_in);
        memcpy(y->in, in, sizeof *in * (size_t)n_in);
    }
    if (attr)
        y->attr = memcpy(arena_take(arena, sizeof *attr), attr, sizeof *attr);

    if (!graph_shape(g, y)) {
        note_operands(g, y);
        return NULL;
    }
    y->id = g->nodes.n;
    vec_push(arena, &g->nodes, y);
    return y;
}

Node *graph_add(Graph *g, OpKind op, int n_in, Node *const *in, const Attr *attr)
{
    Shape shape = shape_scalar();
    return graph_add_as(g, op, n_in, in, attr, &shape, DT_f32);
}

/* --- order ------------------------------------------------------------------------------------ */

enum { DEAD, LIVE, OPEN, DONE }; /* Node.mark in graph_sort */

typedef struct Frame {
    Node *node;
    int next; /* the operand to look at */
} Frame;

typedef struct Walk {
    VEC(Frame) frames;
    VEC(Node *) order;
} Walk;

static void mark_live(Arena *arena, Graph *g)
{
    VEC(Node *) pending = {0};
    for (int i = 0; i < g->nodes.n; i++)
        g->nodes.at[i]->mark = DEAD;
    for (int i = 0; i < g->roots.n; i++)
        vec_push(arena, &pending, g->roots.at[i].node);
    while (pending.n) {
        Node *node = pending.at[--pending.n];
        if (node->mark == LIVE)
            continue;
        node->mark = LIVE;
        for (int i = 0; i < node->n_in; i++)
            if (node->in[i]->mark != LIVE)
                vec_push(arena, &pending, node->in[i]);
    }
}

/* Appends `node` and before it whatever operands are not in the order yet. */
static void put_after_operands(Arena *arena, Walk *walk, Node *node)
{
    vec_push(arena, &walk->frames, ((Frame){node, 0}));
    node->mark = OPEN;
    while (walk->frames.n) {
        Frame *top = &walk->frames.at[walk->frames.n - 1];
        if (top->next == top->node->n_in) {
            top->node->mark = DONE;
            vec_push(arena, &walk->order, top->node);
            walk->frames.n--;
            continue;
        }
        Node *operand = top->node->in[top->next++];
        if (operand->mark == OPEN)
            BUG("a node (%s) depends on itself", op_rows[operand->op].name);
        if (operand->mark == DONE)
            continue;
        operand->mark = OPEN;
        vec_push(arena, &walk->frames, ((Frame){operand, 0}));
    }
}

/* Whether a root belongs to the backward pass: those are walked last and the last one first, so that
 * gradients come in the order in which they arise, each layer's update behind its gradient. */
static bool is_backward_root(const Root *root)
{
    return root->kind == ROOT_grad || root->kind == ROOT_assign;
}

static void put_root(Arena *arena, Walk *walk, const Root *root)
{
    if (root->node->mark == LIVE)
        put_after_operands(arena, walk, root->node);
}

/* The walk follows roots and operands alone, never the order in which nodes were made: C leaves the
 * order of arguments to the compiler, and the emitted file may not depend on that. */
void graph_sort(Graph *g)
{
    Arena *scratch = arena_new();
    Walk walk = {0};
    mark_live(scratch, g);
    for (int i = 0; i < g->roots.n; i++)
        if (!is_backward_root(&g->roots.at[i]))
            put_root(scratch, &walk, &g->roots.at[i]);
    for (int i = g->roots.n - 1; i >= 0; i--)
        put_root(scratch, &walk, &g->roots.at[i]);

    g->nodes.n = 0;
    for (int i = 0; i < walk.order.n; i++) {
        walk.order.at[i]->id = i;
        vec_push(g->program->ctx->arena, &g->nodes, walk.order.at[i]);
    }
    arena_free(scratch);
}

bool graph_has(const Graph *g, const Node *x)
{
    return x->id < g->nodes.n && g->nodes.at[x->id] == x;
}

void graph_count_users(Graph *g)
{
    for (int i = 0; i < g->nodes.n; i++)
        g->nodes.at[i]->users = 0;
    for (int i = 0; i < g->nodes.n; i++)
        for (int k = 0; k < g->nodes.at[i]->n_in; k++)
            g->nodes.at[i]->in[k]->users++;
    for (int i = 0; i < g->roots.n; i++)
        g->roots.at[i].node->users++;
}

/* --- rewriting -------------------------------------------------------------------------------- */

static Node *replaced(Node *node)
{
    return node->to ? node->to : node;
}

/* Rewrites one node with what it was written as in force. What is made in its place keeps its
 * name. */
static Node *rewrite_node(Graph *g, Node *node, Node *(*rewrite)(Graph *, Node *, void *),
                          void *arg)
{
    int first_new = g->nodes.n;
    g->loc = node->loc;
    g->role = node->role;
    g->turn = node->turn;
    g->what = node->what;
    for (int k = 0; k < node->n_in; k++)
        node->in[k] = replaced(node->in[k]);
    Node *result = rewrite(g, node, arg);
    if (!result)
        BUG("the rewrite of %s gave nothing", op_rows[node->op].name);
    if (result != node && result->id >= first_new && !result->name)
        result->name = node->name;
    return result;
}

bool graph_rewrite(Graph *g, Node *(*rewrite)(Graph *, Node *, void *), void *arg)
{
    Loc loc = g->loc;
    Role role = g->role;
    int turn = g->turn;
    const char *what = g->what;
    bool changed = false;
    int n = g->nodes.n;

    for (int i = 0; i < n; i++) {
        g->nodes.at[i]->to = NULL;
        g->nodes.at[i]->id = i;
    }
    for (int i = 0; i < n; i++) {
        Node *node = g->nodes.at[i];
        node->to = replaced(rewrite_node(g, node, rewrite, arg));
        changed = changed || node->to != node;
    }
    for (int i = 0; i < g->roots.n; i++)
        g->roots.at[i].node = replaced(g->roots.at[i].node);
    g->loc = loc;
    g->role = role;
    g->turn = turn;
    g->what = what;
    graph_sort(g);
    return changed;
}

/* --- roots and variables ---------------------------------------------------------------------- */

void graph_root(Graph *g, RootKind kind, int index, Node *node)
{
    if (!node)
        return;
    Root root = {kind, index, node, kind == ROOT_grad ? g->turn : 0};
    vec_push(g->program->ctx->arena, &g->roots, root);
}

Node *graph_find_root(const Graph *g, RootKind kind, int index)
{
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == kind && g->roots.at[i].index == index)
            return g->roots.at[i].node;
    return NULL;
}

bool graph_is_root(const Graph *g, const Node *y)
{
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].node == y)
            return true;
    return false;
}

Var *program_find_var(const Program *program, const char *name)
{
    return map_get(&program->var_by_name, name);
}

Var *program_var(Program *program, const char *name, VarKind kind, const Shape *shape, Init init,
                 Loc loc)
{
    Arena *arena = program->ctx->arena;
    if (program_find_var(program, name))
        BUG("two variables are called '%s'", name);
    Var *var = arena_take(arena, sizeof *var);
    *var = (Var){.name = arena_text(arena, name, strlen(name)),
                 .kind = kind,
                 .shape = *shape,
                 .init = init,
                 .loc = loc,
                 .rate = 1,
                 .weight_decay = NAN,
                 .id = program->vars.n};
    var_keep_as_saved(var);
    if (!program->var_by_name.arena)
        program->var_by_name = map_new(arena);
    map_set(&program->var_by_name, var->name, var);
    vec_push(arena, &program->vars, var);
    return var;
}

const char *fn_text(Fn fn)
{
    static const char *const text[FN_COUNT] = {
        "predict", "eval", "train",     "accumulate", "grad",    "encode",  "prefill",
        "step",    "fit",  "attribute", "sample",     "round_1", "round_2", "round_3"};
    return text[fn];
}

const char *graph_output_name(const Graph *g, int index)
{
    const Program *p = g->program;
    switch (g->fn) {
    case FN_fit: return p->fits.at[index].name;
    case FN_attribute: return p->attributions.at[index].name;
    case FN_sample: return p->samples.at[index].name;
    default: return p->outputs.at[index].name;
    }
}

int graph_output_count(const Graph *g)
{
    const Program *p = g->program;
    switch (g->fn) {
    case FN_fit: return p->fits.n;
    case FN_attribute: return p->attributions.n;
    case FN_sample: return p->samples.n;
    default: return p->outputs.n;
    }
}

bool fn_trains(Fn fn)
{
    return fn == FN_train || fn == FN_accumulate || (fn >= FN_round_1 && fn <= FN_round_3);
}

unsigned fn_players(const Program *p, Fn fn)
{
    if (!fn_trains(fn))
        return 0;
    int round = fn >= FN_round_1 ? fn - FN_round_1 + 1 : 0;
    return round < p->rounds.n ? p->rounds.at[round] : 0;
}

int var_updated_by(const Graph *g, const Var *var, int turn)
{
    unsigned who = var->players & fn_players(g->program, g->fn) & ((1U << turn) - 1);
    int last = -1;
    for (; who; who >>= 1)
        last++;
    return last;
}

bool fn_decodes(Fn fn)
{
    return fn == FN_encode || fn == FN_prefill || fn == FN_step;
}
