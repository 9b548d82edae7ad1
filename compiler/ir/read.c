/* SPDX-License-Identifier: MIT */
/* read.c: the text form of a program (print.c says how it looks) read back, strictly.
 *
 * What does not fit is a diagnostic at its line and column. Every node goes through graph_add, so a
 * text cannot make a graph that the builders could not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../ops/ops.h"

typedef VEC(Node *) NodeList;

/* A function or body in which a body stands. */
typedef struct Level {
    Graph *g;
    NodeList nodes;
} Level;

typedef struct Reader {
    Ctx *ctx;
    Program *p;
    Graph *g;
    const char *line, *at, *end; /* the line being read, the place in it, its end */
    int number;                  /* of the line, from 1 */
    NodeList nodes;              /* of the function or body, by number */
    VEC(Level) levels;           /* around the body being read */
    Graph *body;                 /* the last that was read, until a scan takes it */
    VEC(Node *) in;              /* operands of the node being read */
} Reader;

/* --- words --------------------------------------------------------------------------------------- */

static bool wrong(Reader *r, const char *wanted)
{
    Loc loc = {r->number, (int)(r->at - r->line) + 1, 1};
    diag_error(&r->ctx->diag, loc, "expected %s", wanted);
    return false;
}

static void skip_space(Reader *r)
{
    while (r->at < r->end && *r->at == ' ')
        r->at++;
}

/* Takes the text if it comes next. */
static bool take(Reader *r, const char *text)
{
    size_t n = strlen(text);
    skip_space(r);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0)
        return false;
    r->at += n;
    return true;
}

static bool expect(Reader *r, const char *text)
{
    return take(r, text) || wrong(r, arena_format(r->ctx->arena, "'%s'", text));
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

/* A name of letters, digits, _, . and -; NULL after a report. */
static const char *word(Reader *r, const char *wanted)
{
    skip_space(r);
    const char *from = r->at;
    while (r->at < r->end && is_name_char(*r->at))
        r->at++;
    if (r->at == from) {
        wrong(r, wanted);
        return NULL;
    }
    return arena_text(r->ctx->arena, from, (size_t)(r->at - from));
}

/* The place of the next word among `known`; -1 after a report. */
static int choice(Reader *r, const char *const *known, int n, const char *wanted)
{
    skip_space(r);
    const char *from = r->at, *name = word(r, wanted);
    for (int i = 0; name && i < n; i++)
        if (strcmp(name, known[i]) == 0)
            return i;
    r->at = from;
    if (name)
        wrong(r, wanted);
    return -1;
}

static bool integer(Reader *r, int64_t lo, int64_t hi, int64_t *out)
{
    char *end;
    skip_space(r);
    if (r->at == r->end || (*r->at != '-' && (*r->at < '0' || *r->at > '9')))
        return wrong(r, "a whole number");
    errno = 0;
    long long v = strtoll(r->at, &end, 10);
    if (errno || end == r->at || end > r->end || v < lo || v > hi)
        return wrong(r, "a whole number in range");
    r->at = end;
    *out = v;
    return true;
}

static bool real(Reader *r, double *out)
{
    char *end;
    skip_space(r);
    if (r->at == r->end || *r->at == '\n')
        return wrong(r, "a number");
    *out = strtod(r->at, &end);
    if (end == r->at || end > r->end)
        return wrong(r, "a number");
    r->at = end;
    return true;
}

/* "1,2,3" */
static bool integers(Reader *r, int max, int64_t lo, int64_t hi, int64_t *out, int *n)
{
    for (*n = 0; *n < max;) {
        if (!integer(r, lo, hi, &out[(*n)++]))
            return false;
        if (r->at == r->end || *r->at != ',')
            return true;
        r->at++;
    }
    return wrong(r, "fewer numbers");
}

static bool line_ends(Reader *r)
{
    skip_space(r);
    return r->at == r->end || wrong(r, "the end of the line");
}

/* "[N, 784]", "[4N, 10]", "[]" */
static bool shape(Reader *r, Shape *out)
{
    *out = (Shape){.batch = -1};
    if (!expect(r, "["))
        return false;
    if (take(r, "]"))
        return true;
    do {
        if (out->rank == RANK_MAX)
            return wrong(r, "fewer axes");
        int64_t dim = 1;
        bool batch = take(r, "N");
        if (!batch && !integer(r, 1, DIM_MAX, &dim))
            return false;
        batch = batch || (r->at < r->end && *r->at == 'N' && r->at++);
        if (batch && out->batch >= 0)
            return wrong(r, "one batch axis");
        if (batch)
            out->batch = out->rank;
        out->dim[out->rank++] = dim;
    } while (take(r, ","));
    return expect(r, "]");
}

static bool dtype(Reader *r, DType *out)
{
    static const char *const known[] = {"f32", "i32", "u8"};
    int i = choice(r, known, COUNT(known), "f32, i32 or u8");
    *out = (DType)i;
    return i >= 0;
}

/* --- the program ------------------------------------------------------------------------------------ */

static bool read_program(Reader *r)
{
    int64_t batch;
    if (!(r->p->name = word(r, "the program's name")) || !expect(r, "batch=") ||
        !integer(r, 0, DIM_MAX, &batch))
        return false;
    r->p->train.batch = batch;
    return line_ends(r);
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
    by->kind = choice(r, known, COUNT(known), "an optimizer");
    if (by->kind < 0 || !expect(r, "("))
        return false;
    do {
        if (n == OPTIMIZER_ARGS)
            return wrong(r, "fewer numbers");
        if (!real(r, &by->arg[n++]))
            return false;
    } while (take(r, ","));
    return expect(r, ")");
}

static bool read_train(Reader *r)
{
    Train *t = &r->p->train;
    if (t->given)
        return wrong(r, "one train");
    t->given = r->p->has_loss = true;
    t->loc = (Loc){r->number, 1, 1};
    return read_optimizer(r, &t->optimizer) && expect(r, "accumulate=") &&
           integer(r, 0, DIM_MAX, &t->accumulate) && expect(r, "clip_norm=") &&
           real(r, &t->clip_norm) && expect(r, "clip_value=") && real(r, &t->clip_value) &&
           line_ends(r);
}

static bool read_input(Reader *r)
{
    Input in = {.loc = {r->number, 1, 1}};
    if (!(in.name = word(r, "a name")) || !dtype(r, &in.dtype) || !shape(r, &in.shape))
        return false;
    if (take(r, "classes=") && !integer(r, 1, DIM_MAX, &in.classes))
        return false;
    if (take(r, "ignore=")) {
        in.has_ignore = true;
        if (!integer(r, INT32_MIN, INT32_MAX, &in.ignore))
            return false;
    }
    vec_push(r->ctx->arena, &r->p->inputs, in);
    return line_ends(r);
}

static bool read_output(Reader *r)
{
    Output out = {.loc = {r->number, 1, 1}};
    if (!(out.name = word(r, "a name")))
        return false;
    vec_push(r->ctx->arena, &r->p->outputs, out);
    return line_ends(r);
}

static bool read_init(Reader *r, Init *init)
{
    static const char *const known[] = {"constant", "uniform", "normal", "truncated_normal",
                                        "orthogonal"};
    int kind = expect(r, "init=") ? choice(r, known, COUNT(known), "a kind of init") : -1;
    init->kind = (InitKind)kind;
    return kind >= 0 && expect(r, "(") && real(r, &init->a) && expect(r, ",") &&
           real(r, &init->b) && expect(r, ")");
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
    return integers(r, RANK_MAX, 1, DIM_MAX, v->view.dim, &v->view.rank) &&
           (cuts_axes(&v->shape, &v->view) || wrong(r, "the axes of the shape, some cut in parts"));
}

static bool read_perm(Reader *r, Var *v)
{
    int64_t perm[RANK_MAX];
    int n;
    unsigned seen = 0;
    if (!integers(r, RANK_MAX, 0, RANK_MAX - 1, perm, &n))
        return false;
    for (int i = 0; i < n; i++) {
        v->perm[i] = (int)perm[i];
        seen |= 1u << perm[i];
    }
    return (n == var_view(v).rank && seen == (1u << n) - 1) || wrong(r, "each axis once");
}

static bool read_var(Reader *r)
{
    static const char *const known[] = {"weight", "buffer", "state", "cache", "memory"};
    Shape s;
    Init init;
    const char *name = word(r, "a name");
    int kind = name ? choice(r, known, COUNT(known), "weight, buffer or state") : -1;
    if (kind < 0 || !shape(r, &s) || !read_init(r, &init))
        return false;
    if (s.batch >= 0 || program_find_var(r->p, name))
        return wrong(r, "a new name and a shape without a batch");
    Var *v = program_var(r->p, name, (VarKind)kind, &s, init, (Loc){r->number, 1, 1});
    v->frozen = take(r, "frozen");
    if (take(r, "as=")) {
        const char *as = word(r, "a variable");
        if (!as || !(v->laid_as = program_find_var(r->p, as)))
            return as ? wrong(r, "a variable that is declared") : false;
    }
    return (!take(r, "view=") || read_view(r, v)) && (!take(r, "perm=") || read_perm(r, v)) &&
           line_ends(r);
}

/* --- nodes -------------------------------------------------------------------------------------------- */

static bool read_function(Reader *r)
{
    const char *names[FN_COUNT];
    for (int f = 0; f < FN_COUNT; f++)
        names[f] = fn_text((Fn)f);
    int f = choice(r, names, FN_COUNT, "a function");
    if (f < 0)
        return false;
    if (r->p->fn[f])
        return wrong(r, "each function once");
    if (r->levels.n)
        return wrong(r, "the end of the body");
    r->g = r->p->fn[f] = graph_new(r->p, (Fn)f);
    r->body = NULL;
    r->nodes.n = 0;
    return line_ends(r);
}

static bool read_body(Reader *r)
{
    enum { DEPTH_MAX = 16 };
    if (!r->g)
        return wrong(r, "a function first");
    if (r->levels.n == DEPTH_MAX)
        return wrong(r, "fewer bodies in each other");
    Level around = {.g = r->g, .nodes = r->nodes};
    vec_push(r->ctx->arena, &r->levels, around);
    r->g = graph_new(r->p, around.g->fn);
    r->g->outer = around.g;
    r->nodes = (NodeList){0};
    r->body = NULL;
    return line_ends(r);
}

static bool read_end(Reader *r)
{
    if (!r->levels.n)
        return wrong(r, "a body first");
    Level around = r->levels.at[--r->levels.n];
    r->body = r->g;
    r->g = around.g;
    r->nodes = around.nodes;
    return line_ends(r);
}

static Node *operand(Reader *r)
{
    int64_t i;
    if (!expect(r, "%") || !integer(r, 0, INT32_MAX, &i))
        return NULL;
    if (i < r->nodes.n)
        return r->nodes.at[i];
    wrong(r, "a node that comes before");
    return NULL;
}

static bool operands(Reader *r, int op)
{
    r->in.n = 0;
    if (!take(r, "("))
        return true;
    do {
        Node *x = operand(r);
        if (!x)
            return false;
        if (x->op == OP_assign)
            return wrong(r, "an operand that is no assign");
        if ((x->op == OP_scan) != (op == OP_scan_result))
            return wrong(r, "a scan for a scan_result, and for no other op");
        vec_push(r->ctx->arena, &r->in, x);
    } while (take(r, ","));
    return expect(r, ")");
}

static bool read_data(Reader *r, Attr *a, int64_t *count)
{
    VEC(double) data = {0};
    do {
        double v;
        if (!real(r, &v))
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
    if (!integers(r, RANK_MAX, 0, RANK_MAX - 1, axes, &a->n_axes))
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
    return integers(r, RANK_MAX, 0, ELEMENTS_MAX, out, &n);
}

static bool read_taps(Reader *r, int64_t *out)
{
    int n;
    return integers(r, SPATIAL_MAX, 0, DIM_MAX, out, &n);
}

static bool read_var_attr(Reader *r, Attr *a)
{
    const char *name = word(r, "a variable");
    a->var = name ? program_find_var(r->p, name) : NULL;
    return a->var || (name && wrong(r, "a variable that is declared"));
}

/* "length=16 states=1 slices=1 backwards=0", of the body before. */
static bool read_scan(Reader *r, Attr *a)
{
    Scan *s = arena_take(r->ctx->arena, sizeof *s);
    int64_t states, slices, backwards;
    if (!r->body)
        return wrong(r, "a body before");
    if (!integer(r, 1, DIM_MAX, &s->length) || !expect(r, "states=") ||
        !integer(r, 0, INT32_MAX / 2, &states) || !expect(r, "slices=") ||
        !integer(r, 0, INT32_MAX / 2, &slices) || !expect(r, "backwards=") ||
        !integer(r, 0, 1, &backwards))
        return false;
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
    static const char *const known[] = {"n", "lr", "step", "at", "last"};
    int k = choice(r, known, COUNT(known), "n, lr or step");
    a->scalar = (Scalar)k;
    return k >= 0;
}

/* One attribute, of those that the op reads. */
static bool read_attr(Reader *r, unsigned has, Attr *a, int64_t *count)
{
    int64_t i = 0;
    bool good = true;
    if ((has & ATTR_axes) && take(r, "axes="))
        return read_axes(r, a);
    if ((has & ATTR_numbers) && take(r, "numbers="))
        return integers(r, NUMBERS_MAX, -1, DIM_MAX, a->numbers, &a->n_numbers);
    if ((has & ATTR_range) && take(r, "start="))
        return read_range(r, a->start);
    if ((has & ATTR_range) && take(r, "end="))
        return read_range(r, a->end);
    if ((has & ATTR_range) && take(r, "step="))
        return read_range(r, a->step);
    if ((has & ATTR_taps) && take(r, "size="))
        return read_taps(r, a->taps.size);
    if ((has & ATTR_taps) && take(r, "stride="))
        return read_taps(r, a->taps.stride);
    if ((has & ATTR_taps) && take(r, "dilation="))
        return read_taps(r, a->taps.dilation);
    if ((has & ATTR_taps) && take(r, "from="))
        return read_taps(r, a->taps.from);
    if ((has & ATTR_taps) && take(r, "groups="))
        return integer(r, 0, DIM_MAX, &a->taps.groups);
    if ((has & ATTR_value) && take(r, "value="))
        return real(r, &a->value);
    if ((has & ATTR_data) && take(r, "data="))
        return read_data(r, a, count);
    if ((has & ATTR_var) && take(r, "var="))
        return read_var_attr(r, a);
    if ((has & ATTR_scalar) && take(r, "scalar="))
        return read_scalar(r, a);
    if ((has & ATTR_scan) && take(r, "length="))
        return read_scan(r, a);
    if ((has & ATTR_input) && take(r, "input="))
        good = integer(r, 0, r->p->inputs.n - 1, &i), a->input = (int)i;
    else if ((has & ATTR_part) && take(r, "part="))
        good = integer(r, 0, INT32_MAX, &i), a->part = (int)i;
    else if ((has & ATTR_stream) && take(r, "stream="))
        good = integer(r, 0, UINT32_MAX, &i), a->stream = (uint32_t)i;
    else
        return wrong(r, "an attribute of the op");
    return good;
}

static bool read_attrs(Reader *r, unsigned has, Attr *a, int64_t *count)
{
    if (!take(r, "{"))
        return true;
    while (!take(r, "}"))
        if (!read_attr(r, has, a, count))
            return false;
    return true;
}

/* A word that may be absent: "-". */
static const char *maybe(Reader *r, const char *wanted, bool *good)
{
    const char *text = word(r, wanted);
    *good = *good && text;
    return text && strcmp(text, "-") != 0 ? text : NULL;
}

/* "; forward fc1 dense 8:5:5" */
static bool read_story(Reader *r, Role *role, const char **name, const char **what, Loc *loc)
{
    static const char *const roles[] = {"forward", "loss", "metric", "backward", "update"};
    int64_t place[3];
    if (!expect(r, ";"))
        return false;
    int k = choice(r, roles, COUNT(roles), "a role");
    bool good = k >= 0;
    *role = (Role)k;
    if (good)
        *name = maybe(r, "a name or -", &good);
    if (good)
        *what = maybe(r, "what it was written as, or -", &good);
    for (int i = 0; good && i < 3; i++)
        good = (i == 0 || expect(r, ":")) && integer(r, 0, INT32_MAX, &place[i]);
    if (good)
        *loc = (Loc){(int)place[0], (int)place[1], (int)place[2]};
    return good && line_ends(r);
}

static int read_op(Reader *r)
{
    skip_space(r);
    const char *from = r->at, *name = word(r, "an op");
    int op = name ? op_find(name) : -1;
    if (name && op < 0) {
        r->at = from;
        wrong(r, "an op of ops.def");
    }
    return op;
}

/* Whether the operands and attributes are such as the shape rules take for granted. */
static bool check_call(Reader *r, OpKind op, const Attr *a, const Shape *s, int64_t count)
{
    unsigned has = op_impls[op]->attrs;
    int n = r->in.n, rank = n ? r->in.at[0]->shape.rank : s->rank;
    if (op_rows[op].arity >= 0 ? n != op_rows[op].arity : n < 1)
        return wrong(r, "as many operands as the op takes");
    if ((has & ATTR_var) && !a->var)
        return wrong(r, "var=");
    if ((has & ATTR_input) && a->input >= r->p->inputs.n)
        return wrong(r, "input=");
    if ((has & ATTR_scan) && !a->scan)
        return wrong(r, "length=");
    for (int i = 0; i < a->n_axes; i++)
        if (a->axes[i] >= rank)
            return wrong(r, "axes of the operand");
    if (a->data && count != shape_count(s))
        return wrong(r, "as many numbers as the shape has");
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
        return wrong(r, "a function first");
    if (!integer(r, r->nodes.n, r->nodes.n, &number) || !expect(r, "="))
        return false;
    int op = read_op(r);
    if (op < 0 || !operands(r, op) || !read_attrs(r, op_impls[op]->attrs, &attr, &count) ||
        !expect(r, ":") || !dtype(r, &type) || !shape(r, &s) ||
        !check_call(r, (OpKind)op, &attr, &s, count) || !read_story(r, &role, &name, &what, &loc))
        return false;
    r->g->loc = (Loc){r->number, 1, 1};
    r->g->role = role;
    r->g->what = what;
    Node *y = graph_add_as(r->g, (OpKind)op, r->in.n, r->in.at, &attr, &s, type);
    if (!y)
        return false;
    if (!shape_equal(&y->shape, &s) || y->dtype != type)
        return wrong(r, "the shape and type that the op gives");
    y->loc = loc;
    y->name = name;
    vec_push(r->ctx->arena, &r->nodes, y);
    return true;
}

/* Whether a root of that kind may have this node and index. */
static bool check_root(Reader *r, RootKind kind, int64_t index, const Node *y)
{
    if ((kind == ROOT_assign) != (y->op == OP_assign))
        return wrong(r, "an assign for a root of that kind, and for no other");
    if (kind == ROOT_assign && index != y->attr->var->id)
        return wrong(r, "the index of the variable that is assigned");
    if (kind == ROOT_assign && graph_find_root(r->g, ROOT_assign, (int)index))
        return wrong(r, "each variable to be assigned once");
    if ((kind == ROOT_loss || kind == ROOT_metric) && y->shape.rank)
        return wrong(r, "a loss or metric of rank 0");
    if ((kind == ROOT_next || kind == ROOT_step) != (r->levels.n > 0))
        return wrong(r, "next and step as roots of a body, and no others");
    if (kind == ROOT_output && index >= r->p->outputs.n)
        return wrong(r, "an output that is declared");
    if (kind == ROOT_grad && index >= r->p->vars.n + r->p->inputs.n)
        return wrong(r, "a variable or input that is declared");
    return true;
}

static bool read_root(Reader *r)
{
    static const char *const kinds[] = {"output", "loss", "metric", "grad",
                                        "assign", "next", "step"};
    int64_t index;
    if (!r->g)
        return wrong(r, "a function first");
    int kind = choice(r, kinds, COUNT(kinds), "a kind of root");
    if (kind < 0 || !integer(r, 0, INT32_MAX, &index))
        return false;
    Node *y = operand(r);
    if (!y)
        return false;
    if (y->op == OP_scan)
        return wrong(r, "a root that is no scan");
    if (!check_root(r, (RootKind)kind, index, y))
        return false;
    graph_root(r->g, (RootKind)kind, (int)index, y);
    return line_ends(r);
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
            return wrong(r, "a root for each assign");
    }
    return true;
}

/* --- lines ---------------------------------------------------------------------------------------------- */

static bool read_line(Reader *r)
{
    static const struct {
        const char *word;
        bool (*read)(Reader *);
    } lines[] = {{"program ", read_program}, {"train ", read_train}, {"input ", read_input},
                 {"output ", read_output},   {"var ", read_var},     {"function ", read_function},
                 {"%", read_node},           {"root ", read_root},   {"body", read_body},
                 {"end", read_end}};
    skip_space(r);
    if (r->at == r->end || *r->at == ';')
        return true;
    for (int i = 0; i < COUNT(lines); i++)
        if (take(r, lines[i].word))
            return lines[i].read(r);
    return wrong(r, "program, train, input, output, var, function, root, body, end or a node");
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
        wrong(&r, "a text without NUL");
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
        wrong(&r, "the end of the body");
        return NULL;
    }
    return check_assigns(&r) ? p : NULL;
}
