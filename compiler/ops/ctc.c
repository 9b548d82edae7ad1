/* SPDX-License-Identifier: MIT */
/* ctc.c: the loss of connectionist temporal classification (Graves et al., 2006), and its gradient.
 *
 * Operands: log-probabilities [N, T, C], targets [N, S] (integers), how many frames of a sample count
 * and how many of its targets (each [N], or one number for all). attr.numbers[0] is the blank,
 * attr.numbers[1] whether what cannot be aligned gives 0 instead of infinity. The gradient is that in the
 * log-probabilities: minus the probability that a frame is in a state of the class, given the
 * targets.
 *
 * A number over T (or S) counts as T (or S), one below 0 as 0. What cannot be aligned has no
 * gradient: NaN in its frames, as PyTorch gives.
 */
#include <math.h>

#include "../../runtime/nnrt_ctc.h"
#include "impl.h"

CtcSizes ctc_sizes(const Node *y)
{
    const Shape *p = &y->in[0]->shape, *t = &y->in[1]->shape;
    return (CtcSizes){.frames = p->dim[1],
                      .classes = p->dim[2],
                      .targets = t->dim[1],
                      .blank = (int)y->attr->numbers[0],
                      .zero_infinity = y->attr->numbers[1] != 0};
}

bool op_per_sample(const Node *x, const Shape *of)
{
    bool each = x->shape.rank == 1 && x->shape.batch == of->batch && x->shape.dim[0] == of->dim[0];
    return x->dtype == DT_f32 && (each || x->shape.rank == 0);
}

int64_t op_length(const Tensor *x, int64_t sample, int64_t most)
{
    double length = x->data[x->shape.rank ? sample : 0];
    return length < (double)most ? length > 0 ? (int64_t)ceil(length) : 0 : most;
}

static bool operands_fit(Graph *g, const Node *y)
{
    const Shape *p = &y->in[0]->shape, *t = &y->in[1]->shape;
    char a[128], b[128];
    bool good = y->n_in == 4 && y->attr->n_numbers == 2 && y->in[0]->dtype == DT_f32 &&
                y->in[1]->dtype == DT_i32 && p->rank == 3 && t->rank == 2 && p->batch <= 0 &&
                p->batch == t->batch && p->dim[0] == t->dim[0] && op_per_sample(y->in[2], p) &&
                op_per_sample(y->in[3], p);
    if (!good)
        return op_error(g, y,
                        "log-probabilities %s and targets %s: they are not [N, T, C] and "
                        "[N, S] with lengths of the same samples",
                        shape_text(p, a), shape_text(t, b));
    if (y->attr->numbers[0] < 0 || y->attr->numbers[0] >= p->dim[2])
        return op_error(g, y, "the blank is %lld; there are %lld classes",
                        (long long)y->attr->numbers[0], (long long)p->dim[2]);
    return true;
}

static bool ctc_shape(Graph *g, Node *y)
{
    if (!operands_fit(g, y))
        return false;
    y->dtype = DT_f32;
    y->shape = y->in[0]->shape;
    y->shape.rank = 1;
    y->shape.dim[1] = y->shape.dim[2] = 0;
    return true;
}

static bool ctc_grad_shape(Graph *g, Node *y)
{
    if (!operands_fit(g, y))
        return false;
    y->dtype = DT_f32;
    y->shape = y->in[0]->shape;
    return true;
}

/* --- the oracle ------------------------------------------------------------------------------- */

/* A sample: its targets with a blank before, between and behind them are states. */
typedef struct Lattice {
    CtcSizes s;
    const double *p, *targets; /* log-probabilities and targets of the sample */
    int64_t frames, states;
} Lattice;

static Lattice lattice_of(const Node *y, const Tensor *in, int64_t sample)
{
    CtcSizes s = ctc_sizes(y);
    return (Lattice){.s = s,
                     .p = in[0].data + sample * s.frames * s.classes,
                     .targets = in[1].data + sample * s.targets,
                     .frames = op_length(&in[2], sample, s.frames),
                     .states = 2 * op_length(&in[3], sample, s.targets) + 1};
}

/* The class of a state; of a target that is none of the classes, as if it were the blank. */
static int64_t class_of(const Lattice *l, int64_t state)
{
    double target = state % 2 ? l->targets[state / 2] : l->s.blank;
    return target >= 0 && target < (double)l->s.classes ? (int64_t)target : l->s.blank;
}

/* Whether a way may go from state - 2 to it: between other classes the blank may be left out. */
static bool skips(const Lattice *l, int64_t state)
{
    return state >= 2 && class_of(l, state) != class_of(l, state - 2);
}

static double log_sum(double a, double b)
{
    double most = fmax(a, b);
    return isinf(most) ? most : most + log1p(exp(-fabs(a - b)));
}

static double frame(const Lattice *l, int64_t t, int64_t state)
{
    return l->p[t * l->s.classes + class_of(l, state)];
}

/* alpha[t][s]: the log of the sum over all ways that are in state s at frame t, up to there. */
static void go_forward(const Lattice *l, double *alpha)
{
    for (int64_t t = 0; t < l->frames; t++)
        for (int64_t s = 0; s < l->states; s++) {
            const double *before = alpha + (t - 1) * l->states;
            double sum = t || s > 1 ? -INFINITY : 0;
            if (t) {
                sum = before[s];
                if (s >= 1)
                    sum = log_sum(sum, before[s - 1]);
                if (skips(l, s))
                    sum = log_sum(sum, before[s - 2]);
            }
            alpha[t * l->states + s] = sum + frame(l, t, s);
        }
}

/* beta[t][s]: the same of what comes after frame t. */
static void go_backward(const Lattice *l, double *beta)
{
    for (int64_t t = l->frames - 1; t >= 0; t--)
        for (int64_t s = 0; s < l->states; s++) {
            const double *after = beta + (t + 1) * l->states;
            double sum = s >= l->states - 2 ? 0 : -INFINITY;
            if (t < l->frames - 1) {
                sum = after[s] + frame(l, t + 1, s);
                if (s + 1 < l->states)
                    sum = log_sum(sum, after[s + 1] + frame(l, t + 1, s + 1));
                if (s + 2 < l->states && skips(l, s + 2))
                    sum = log_sum(sum, after[s + 2] + frame(l, t + 1, s + 2));
            }
            beta[t * l->states + s] = sum;
        }
}

static double log_likelihood(const Lattice *l, const double *alpha)
{
    if (l->frames == 0)
        return l->states == 1 ? 0 : -INFINITY;
    const double *last = alpha + (l->frames - 1) * l->states;
    return l->states == 1 ? last[0] : log_sum(last[l->states - 1], last[l->states - 2]);
}

static double *lattice_take(Arena *arena, const Lattice *l)
{
    return arena_take(arena, sizeof(double) * (size_t)(l->frames * l->states + 1));
}

static void ctc_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    for (int64_t b = 0; b < out->shape.dim[0]; b++) {
        Arena *arena = arena_new();
        Lattice l = lattice_of(y, in, b);
        double *alpha = lattice_take(arena, &l);
        go_forward(&l, alpha);
        out->data[b] = -log_likelihood(&l, alpha);
        if (l.s.zero_infinity && isinf(out->data[b]))
            out->data[b] = 0;
        arena_free(arena);
    }
}

static void ctc_grad_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    CtcSizes s = ctc_sizes(y);
    for (int64_t i = 0, n = shape_count(&out->shape); i < n; i++)
        out->data[i] = 0;
    for (int64_t b = 0; b < out->shape.dim[0]; b++) {
        Arena *arena = arena_new();
        Lattice l = lattice_of(y, in, b);
        double *alpha = lattice_take(arena, &l), *beta = lattice_take(arena, &l);
        double *to = out->data + b * s.frames * s.classes;
        go_forward(&l, alpha);
        go_backward(&l, beta);
        double all = log_likelihood(&l, alpha);
        for (int64_t i = 0; i < l.frames * s.classes && isinf(all) && !s.zero_infinity; i++)
            to[i] = NAN;
        for (int64_t i = 0; i < l.frames * l.states && !isinf(all); i++)
            to[i / l.states * s.classes + class_of(&l, i % l.states)] -=
                exp(alpha[i] + beta[i] - all);
        arena_free(arena);
    }
}

/* --- the gradient ----------------------------------------------------------------------------- */

static void ctc_grad(Graph *g, Node *y, Node *dy, const bool *want, Node **dx)
{
    if (!want[0])
        return;
    Node *each = graph_add(g, OP_ctc_loss_grad, y->n_in, y->in, y->attr);
    Shape rows = dy->shape;
    rows.rank = 3;
    rows.dim[1] = rows.dim[2] = 1;
    dx[0] = build_binary(g, OP_mul, each, build_reshape(g, dy, &rows));
}

/* --- what the kernels take -------------------------------------------------------------------- */

/* Floats of a row of states. */
static int64_t row_of(const CtcSizes *s)
{
    return NNRT_CTC_ROW(s->targets);
}

static int64_t ctc_work(const Node *y)
{
    CtcSizes s = ctc_sizes(y);
    return 5 * row_of(&s);
}

static int64_t ctc_grad_work(const Node *y)
{
    CtcSizes s = ctc_sizes(y);
    return (s.frames + 6) * row_of(&s);
}

/* Operations: a state's in a frame, two exponentials and a logarithm. */
static double ctc_cost(const Node *y)
{
    enum { EACH = 50 };
    CtcSizes s = ctc_sizes(y);
    return (double)s.frames * (double)(row_of(&s) - NNRT_CTC_LANES) * EACH;
}

static double ctc_grad_cost(const Node *y)
{
    return 2.5 * ctc_cost(y);
}

const OpImpl op_ctc_loss = {.attrs = ATTR_numbers,
                            .shape = ctc_shape,
                            .grad = ctc_grad,
                            .eval = ctc_eval,
                            .cost = ctc_cost,
                            .work = ctc_work};
const OpImpl op_ctc_loss_grad = {.attrs = ATTR_numbers,
                                 .shape = ctc_grad_shape,
                                 .eval = ctc_grad_eval,
                                 .cost = ctc_grad_cost,
                                 .work = ctc_grad_work};
