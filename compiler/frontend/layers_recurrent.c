/* SPDX-License-Identifier: MIT */
/* layers_recurrent.c: rnn, lstm and gru: loops over the time axis of [N, T, C].
 *
 * What a step does not need a state for stands outside of the loop: the product of the inputs of all steps
 * with weight_ih, and the biases that may be added to it. PyTorch's names, order of gates and formulas.
 * Directions and layers are loops of their own. */
#include "steps.h"

#include <math.h>

enum { STACKED_MAX = 256, GATES_MAX = 4 };

typedef struct Recurrent { /* the layer, one direction of one of its layers */
    Call *c;
    Steps steps;
    int gates; /* weights a unit, of each matrix */
    int64_t units;
    bool relu;
    Node *lengths;      /* [N, 1], f32; or NULL */
    const char *suffix; /* of weights' names: "l0", "l1_reverse" */
    bool backwards;
} Recurrent;

/* --- weights ---------------------------------------------------------------------------------- */

/* weight_ih, weight_hh: [gates * units, in]; biases: [gates * units]. All are drawn alike. */
static Node *weight(Recurrent *r, const char *kind, int64_t in)
{
    int64_t rows = r->gates * r->units;
    Shape shape = in ? shape_of(2, (int64_t[]){rows, in}) : shape_of(1, &rows);
    double bound = 1 / sqrt((double)r->units);
    const char *name = arena_format(r->c->ctx->arena, "%s_%s", kind, r->suffix);
    return call_weight(r->c, name, &shape, (Init){INIT_uniform, -bound, bound}, in, rows);
}

/* --- one step --------------------------------------------------------------------------------- */

/* Gate `i` of [N, gates * units]. */
static Node *gate(Graph *g, Node *all, int gates, int i)
{
    int64_t units = all ? all->shape.dim[1] / gates : 0;
    return all ? build_slice(g, all, 1, i * units, (i + 1) * units, 1) : NULL;
}

static Node *sigmoid_gate(Graph *g, Node *all, int gates, int i)
{
    return build_unary(g, OP_sigmoid, gate(g, all, gates, i));
}

/* In rows past a sequence's end the state stays as it was. */
static Node *masked(Graph *g, Node *mask, Node *next, Node *before)
{
    return mask ? build_where(g, mask, next, before) : next;
}

typedef struct Step { /* inside the body */
    Graph *g;
    Node *x;    /* the inputs' share, [N, gates * units] */
    Node *mask; /* [N, 1]: 0 past the end of a sequence; or NULL */
    Node *weight_hh, *bias_hh;
    Node *h, *c;           /* states; c of lstm alone */
    Node *h_next, *c_next; /* what they become */
} Step;

static Node *recurrent_share(Step *s)
{
    return build_matmul(s->g, s->h, build_swap(s->g, s->weight_hh));
}

static void rnn_step(const Recurrent *r, Step *s)
{
    Node *sum = build_binary(s->g, OP_add, s->x, recurrent_share(s));
    s->h_next = build_unary(s->g, r->relu ? OP_relu : OP_tanh, sum);
}

/* c' = f c + i g, h' = o tanh(c'); gates in the order i, f, g, o */
static void lstm_step(const Recurrent *r, Step *s)
{
    Graph *g = s->g;
    (void)r;
    Node *all = build_binary(g, OP_add, s->x, recurrent_share(s));
    Node *i = sigmoid_gate(g, all, 4, 0), *f = sigmoid_gate(g, all, 4, 1);
    Node *cell = build_unary(g, OP_tanh, gate(g, all, 4, 2)), *o = sigmoid_gate(g, all, 4, 3);
    Node *kept = build_binary(g, OP_mul, f, s->c), *added = build_binary(g, OP_mul, i, cell);
    Node *c = build_binary(g, OP_add, kept, added);
    Node *h = build_binary(g, OP_mul, o, build_unary(g, OP_tanh, c));
    s->c_next = masked(g, s->mask, c, s->c);
    s->h_next = h;
}

/* h' = (1 - z) n + z h, n = tanh(x_n + r (h W_n^T + b_n)); gates in the order r, z, n */
static void gru_step(const Recurrent *r, Step *s)
{
    Graph *g = s->g;
    (void)r;
    Node *share = recurrent_share(s);
    if (s->bias_hh)
        share = build_binary(g, OP_add, share, s->bias_hh);
    Node *both = build_binary(g, OP_add, s->x, share);
    Node *reset = sigmoid_gate(g, both, 3, 0), *z = sigmoid_gate(g, both, 3, 1);
    Node *past = build_binary(g, OP_mul, reset, gate(g, share, 3, 2));
    Node *n = build_unary(g, OP_tanh, build_binary(g, OP_add, gate(g, s->x, 3, 2), past));
    Node *change = build_binary(g, OP_mul, z, build_binary(g, OP_sub, s->h, n));
    s->h_next = build_binary(g, OP_add, n, change);
}

/* --- one loop --------------------------------------------------------------------------------- */

/* [T, N, 1]: 1 where the step is in the sequence. */
static Node *mask_of(const Recurrent *r, int64_t steps)
{
    Graph *g = r->c->g;
    const Shape time = shape_of(3, (int64_t[]){steps, 1, 1});
    Node *position = build_iota(g, &time, 0);
    return build_binary(g, OP_less, position, r->lengths);
}

/* The results of one direction of one layer: the states of all steps, [T, N, units], and the last. */
typedef struct Results {
    Node *all, *last;
} Results;

/* h_l0, c_l1: beside the names of weights. */
static const char *state_name(const Recurrent *r, const char *kind)
{
    return arena_format(r->c->ctx->arena, "%s_%s", kind, r->suffix);
}

static Node *first_state(const Recurrent *r, ScanBuilder *b, const char *kind)
{
    const Shape state = {.rank = 2, .batch = 0, .dim = {1, r->units}};
    return scan_state(b, steps_first(&r->steps, state_name(r, kind), &state));
}

/* What a step is given of the inputs. Of a loop that is cut in pieces it is made in the body, so that it is there
 * a piece at a time: pass hoist gathers the steps of one. */
static Node *inputs_share(ScanBuilder *b, Node *x, Node *weight_ih, Node *bias)
{
    Graph *g = b->stash ? b->body : b->outer;
    Node *in = b->stash ? scan_slice(b, x) : x;
    Node *w = b->stash ? scan_other(b, weight_ih) : weight_ih;
    Node *more = b->stash ? scan_other(b, bias) : bias;
    Node *share = build_binary(g, OP_add, build_matmul(g, in, build_swap(g, w)), more);
    return b->stash ? share : scan_slice(b, share);
}

static Results loop(Recurrent *r, Node *x, void (*step)(const Recurrent *, Step *))
{
    Results none = {NULL, NULL};
    Graph *g = r->c->g;
    /* Weights are made in PyTorch's order. */
    Node *weight_ih = weight(r, "weight_ih", x->shape.dim[2]);
    Node *weight_hh = weight(r, "weight_hh", r->units);
    Node *bias_ih = weight(r, "bias_ih", 0), *bias_hh = weight(r, "bias_hh", 0);
    if (!weight_ih || !weight_hh || !bias_ih || !bias_hh)
        return none;
    Node *bias = r->gates == 3 ? bias_ih : build_binary(g, OP_add, bias_ih, bias_hh);
    ScanBuilder b = scan_begin(g, x->shape.dim[0], r->backwards);
    b.stash = steps_stash(&r->steps, b.length);
    Node *cut = scan_slice(&b, steps_cut(&r->steps, b.length, r->backwards));
    Node *h_leaf = first_state(r, &b, "h"),
         *c_leaf = r->gates == 4 ? first_state(r, &b, "c") : NULL;
    if (!h_leaf || (r->gates == 4 && !c_leaf))
        return none;
    Step s = {.g = b.body, .h = steps_seen(b.body, cut, h_leaf)};
    if (c_leaf)
        s.c = steps_seen(b.body, cut, c_leaf);
    s.x = inputs_share(&b, x, weight_ih, bias);
    if (r->lengths)
        s.mask = scan_slice(&b, mask_of(r, x->shape.dim[0]));
    s.weight_hh = scan_other(&b, weight_hh);
    s.bias_hh = r->gates == 3 ? scan_other(&b, bias_hh) : NULL;
    step(r, &s);
    Node *h = masked(b.body, s.mask, s.h_next, s.h);
    scan_next(&b, h_leaf, h);
    if (s.c)
        scan_next(&b, c_leaf, s.c_next);
    Node *given = s.mask ? build_binary(b.body, OP_mul, s.h_next, s.mask) : h;
    int stack = scan_step(&b, given);
    Node *scan = scan_end(&b);
    steps_last(&r->steps, state_name(r, "h"), scan_last(g, scan, 0));
    if (s.c)
        steps_last(&r->steps, state_name(r, "c"), scan_last(g, scan, 1));
    return (Results){scan_stack(g, scan, stack), scan_last(g, scan, 0)};
}

/* --- the layer -------------------------------------------------------------------------------- */

/* Dropout between layers, in training. */
static Node *drop(Call *c, Node *x, double p)
{
    Graph *g = c->g;
    if (!c->training || p == 0 || !x)
        return x;
    if (p == 1)
        return rows_times(g, x, 0);
    Node *u = build_random(g, OP_random_uniform, &x->shape, call_stream(c));
    Node *kept = build_binary(g, OP_greater_equal, u, build_const(g, p));
    return build_binary(g, OP_mul, x, rows_times(g, kept, 1 / (1 - p)));
}

static bool check(Call *c, int64_t layers, double dropout)
{
    const Shape *x = &c->in[0]->shape;
    int64_t units = c->arg[0].i;
    char text[128];
    if (x->rank != 3 || x->batch != 0) {
        diag_error(&c->ctx->diag, c->loc, "%s takes sequences, [N, T, C], not %s", c->row->name,
                   shape_text(x, text));
        rows_notes(c);
        return false;
    }
    if (units < 1 || units > DIM_MAX / GATES_MAX)
        diag_error(&c->ctx->diag, c->arg[0].loc, "%s: hidden: %lld is out of range: 1 to %lld",
                   c->row->name, (long long)units, (long long)DIM_MAX / GATES_MAX);
    else if (layers < 1 || layers > STACKED_MAX)
        diag_error(&c->ctx->diag, c->arg[1].loc, "%s: layers: %lld is out of range: 1 to %d",
                   c->row->name, (long long)layers, STACKED_MAX);
    else if (!(dropout >= 0 && dropout <= 1))
        diag_error(&c->ctx->diag, c->arg[4].loc, "%s: dropout is a probability, 0 to 1",
                   c->row->name);
    else
        return true;
    return false;
}

/* How long each sequence is: a number a sample, as [N, 1]. */
static bool read_lengths(Recurrent *r, const Arg *arg)
{
    if (!arg->given)
        return true;
    Call *c = r->c;
    Node *each = rows_each(c, call_value(c, arg), arg->loc, "lengths");
    r->lengths = build_unsqueeze(c->g, each, 1);
    return r->lengths != NULL;
}

/* Both directions of layer `layer`, their units side by side. */
static Results directions(Recurrent *r, Node *x, int64_t layer,
                          void (*step)(const Recurrent *, Step *))
{
    Call *c = r->c;
    Results side[2];
    int n = c->arg[2].b ? 2 : 1;
    for (int i = 0; i < n; i++) {
        r->backwards = i == 1;
        r->suffix = arena_format(c->ctx->arena, "l%lld%s", (long long)layer, i ? "_reverse" : "");
        side[i] = loop(r, x, step);
        if (!side[i].all)
            return side[i];
    }
    if (n == 1)
        return side[0];
    return (Results){build_concat(c->g, 2, 2, (Node *[]){side[0].all, side[1].all}),
                     build_concat(c->g, 1, 2, (Node *[]){side[0].last, side[1].last})};
}

static Node *recurrent(Call *c, int gates, void (*step)(const Recurrent *, Step *), int lengths)
{
    Graph *g = c->g;
    int64_t layers = c->arg[1].i;
    Recurrent r = {.c = c, .gates = gates, .units = c->arg[0].i};
    if (!check(c, layers, c->arg[4].r) || !read_lengths(&r, &c->arg[lengths]) ||
        !steps_read(c, lengths + 1, &r.steps))
        return NULL;
    if (r.steps.stateful && c->arg[2].b) {
        diag_error(&c->ctx->diag, c->arg[lengths + 2].loc,
                   "%s: stateful: backwards there is no batch before: not with bidirectional",
                   c->row->name);
        return NULL;
    }
    r.relu = gates == 1 && c->arg[5].s[0] == 'r';
    static const int time_first[3] = {1, 0, 2};
    Node *x = build_transpose(g, rows_operand(c, 0), time_first);
    Results y = {NULL, NULL};
    for (int64_t i = 0; i < layers && x; i++) {
        y = directions(&r, i ? drop(c, x, c->arg[4].r) : x, i, step);
        x = y.all;
    }
    if (!y.all)
        return NULL;
    return c->arg[3].s[0] == 'l' ? y.last : build_transpose(g, y.all, time_first);
}

static Node *rnn(Call *c)
{
    return recurrent(c, 1, rnn_step, 6);
}

static Node *lstm(Call *c)
{
    return recurrent(c, 4, lstm_step, 5);
}

static Node *gru(Call *c)
{
    return recurrent(c, 3, gru_step, 5);
}

#define ARGS                                                                                       \
    NEEDS("hidden", int), TAKES("layers", int, "1"), TAKES("bidirectional", bool, "false"),        \
        WORDS("return", "sequence", "sequence last"), TAKES("dropout", real, "0")
#define WEIGHTS                                                                                    \
    "weight_ih_l0 [gates * hidden, in], weight_hh_l0 [gates * hidden, hidden], bias_ih_l0, "       \
    "bias_hh_l0, ..., "                                                                            \
    "those of the other direction with _reverse; steps past lengths leave states as they are and " \
    "give 0; "                                                                                     \
    "last: the last states, [N, hidden]; stash: gradients keep states at every so many steps, "    \
    "and run the "                                                                                 \
    "steps between again; bptt: gradients flow back within pieces of so many steps; "              \
    "stateful: in train and eval a batch begins with the last states of the one before"

const CallRow call_rnn = {
    .name = "rnn",
    .min_in = 1,
    .max_in = 1,
    .arg = {ARGS, WORDS("nonlinearity", "tanh", "tanh relu"), TAKES("lengths", word, ""),
            STEPS_ARGS},
    .build = rnn,
    .flags = CALL_layer | CALL_weights,
    .text = "[N, T, C] -> [N, T, hidden], h' = tanh(W_ih x + b_ih + W_hh h + b_hh); " WEIGHTS,
};

const CallRow call_lstm = {
    .name = "lstm",
    .min_in = 1,
    .max_in = 1,
    .arg = {ARGS, TAKES("lengths", word, ""), STEPS_ARGS},
    .build = lstm,
    .flags = CALL_layer | CALL_weights,
    .text = "[N, T, C] -> [N, T, hidden], PyTorch's formulas, gates i, f, g, o; weights as rnn's",
};

const CallRow call_gru = {
    .name = "gru",
    .min_in = 1,
    .max_in = 1,
    .arg = {ARGS, TAKES("lengths", word, ""), STEPS_ARGS},
    .build = gru,
    .flags = CALL_layer | CALL_weights,
    .text = "[N, T, C] -> [N, T, hidden], PyTorch's formulas, gates r, z, n; weights as rnn's",
};
