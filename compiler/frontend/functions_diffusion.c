/* SPDX-License-Identifier: MIT */
/* functions_diffusion.c: denoising diffusion: noise of a schedule for training, an embedding of the time step, and the
 * loop that makes samples of noise by a network.
 *
 * At step t of `steps`, 0 the first, x has become sqrt(kept) x + sqrt(1 - kept) noise, `kept` the product of 1 - beta
 * of all steps up to t. All tables are made here, in double.
 *
 * Ho, Jain and Abbeel, "Denoising diffusion probabilistic models" (2020); Song, Meng and Ermon, "Denoising diffusion
 * implicit models" (2020); the cosine schedule: Nichol and Dhariwal, "Improved denoising diffusion probabilistic
 * models" (2021).
 */
#include "builder.h"
#include "rows.h"
#include "steps.h"

#include <math.h>
#include <string.h>

enum { STEPS_MAX = 10000 };

/* --- the schedule ----------------------------------------------------------------------------- */

#define SCHEDULE_ARGS                                                                              \
    TAKES("steps", int, "1000"), WORDS("schedule", "linear", "linear scaled_linear cosine"),       \
        TAKES("beta_start", real, "1e-4"), TAKES("beta_end", real, "0.02")
enum { SCHEDULE_N = 4 };

typedef struct NoiseSchedule {
    int64_t steps;
    double *kept; /* by step: how much of the variance of x is left */
} NoiseSchedule;

static bool steps_within(Call *c, const Arg *steps)
{
    if (steps->i >= 1 && steps->i <= STEPS_MAX)
        return true;
    diag_error(&c->ctx->diag, steps->loc, "%s: steps: 1 to %d, not %lld", c->row->name, STEPS_MAX,
               (long long)steps->i);
    return false;
}

/* What the cosine schedule keeps, before it is cut, at u of 0 to 1. */
static double cosine_kept(double u)
{
    double x = cos((u + 0.008) / 1.008 * M_PI / 2);
    return x * x;
}

static double beta_at(const char *schedule, double start, double end, int64_t t, int64_t steps)
{
    if (*schedule == 'c')
        return fmin(1 - cosine_kept((double)(t + 1) / (double)steps) /
                            cosine_kept((double)t / (double)steps),
                    0.999);
    double u = steps > 1 ? (double)t / (double)(steps - 1) : 0;
    if (*schedule == 'l')
        return start + u * (end - start);
    double root = sqrt(start) + u * (sqrt(end) - sqrt(start));
    return root * root;
}

/* Reads SCHEDULE_ARGS, the first of which is `arg`; false after a report. */
static bool read_schedule(Call *c, const Arg *arg, NoiseSchedule *out)
{
    double start = arg[2].r, end = arg[3].r, kept = 1;
    if (!steps_within(c, &arg[0]))
        return false;
    if (!(start > 0 && start <= end && end < 1)) {
        diag_error(&c->ctx->diag, arg[2].loc,
                   "%s: beta_start and beta_end: above 0, below 1, the first not above the second",
                   c->row->name);
        return false;
    }
    out->steps = arg[0].i;
    out->kept = arena_take(c->ctx->arena, sizeof *out->kept * (size_t)out->steps);
    for (int64_t t = 0; t < out->steps; t++)
        out->kept[t] = kept *= 1 - beta_at(arg[1].s, start, end, t, out->steps);
    return true;
}

/* --- training --------------------------------------------------------------------------------- */

/* By sample, of x's axes: the number of the table at step t, of [N]; at the nearest step where there is none. */
static Node *at_step(Graph *g, const double *table, int64_t steps, Node *t, const Shape *x)
{
    Shape each = {.rank = x->rank, .batch = 0, .dim = {x->dim[0]}};
    for (int i = 1; i < x->rank; i++)
        each.dim[i] = 1;
    Node *first = build_binary(g, OP_max, build_unary(g, OP_floor, t), build_const(g, 0));
    Node *row = build_data(g, &(Shape){.rank = 2, .batch = -1, .dim = {1, steps}}, table);
    Node *last = build_const(g, (double)(steps - 1));
    Node *hit = build_one_hot(g, build_binary(g, OP_min, first, last), steps, 1);
    Node *sum = build_reduce(g, OP_reduce_sum, build_binary(g, OP_mul, hit, row), 1, (int[]){1});
    return build_reshape(g, sum, &each);
}

/* The operands x, noise and t of a call, as f32, t as [N]; false after a report. */
static bool noise_operands(Call *c, Node **x, Node **noise, Node **t)
{
    char a[128], b[128];
    *x = rows_operand(c, 0);
    *noise = rows_operand(c, 1);
    *t = rows_each(c, c->in[2], c->loc, "t");
    if (!*t)
        return false;
    if ((*x)->shape.batch == 0 && shape_equal(&(*x)->shape, &(*noise)->shape))
        return true;
    diag_error(&c->ctx->diag, c->loc, "%s: x is %s, noise %s: one shape, batch first, is wanted",
               c->row->name, shape_text(&(*x)->shape, a), shape_text(&(*noise)->shape, b));
    rows_notes(c);
    return false;
}

/* signal * p + rest * q of the schedule at step t. */
static Node *mixed(Call *c, Node *p, Node *q, Node *t, const NoiseSchedule *s, double sign)
{
    Graph *g = c->g;
    double *signal = arena_take(c->ctx->arena, sizeof *signal * (size_t)s->steps);
    double *rest = arena_take(c->ctx->arena, sizeof *rest * (size_t)s->steps);
    for (int64_t i = 0; i < s->steps; i++) {
        signal[i] = sqrt(s->kept[i]);
        rest[i] = sign * sqrt(1 - s->kept[i]);
    }
    Node *left = build_binary(g, OP_mul, at_step(g, signal, s->steps, t, &p->shape), p);
    Node *right = build_binary(g, OP_mul, at_step(g, rest, s->steps, t, &p->shape), q);
    return build_binary(g, OP_add, left, right);
}

/* sqrt(kept) x + sqrt(1 - kept) noise */
static Node *add_noise(Call *c)
{
    NoiseSchedule s;
    Node *x, *noise, *t;
    if (!noise_operands(c, &x, &noise, &t) || !read_schedule(c, c->arg, &s))
        return NULL;
    return mixed(c, x, noise, t, &s, 1);
}

/* sqrt(kept) noise - sqrt(1 - kept) x: Salimans and Ho, "Progressive distillation" (2022). */
static Node *velocity(Call *c)
{
    NoiseSchedule s;
    Node *x, *noise, *t;
    if (!noise_operands(c, &x, &noise, &t) || !read_schedule(c, c->arg, &s))
        return NULL;
    return mixed(c, noise, x, t, &s, -1);
}

/* [N]: a whole number from 0 to steps - 1 for each sample of x; where nothing is drawn, the middle. */
static Node *random_timesteps(Call *c)
{
    Graph *g = c->g;
    const Shape *x = &c->in[0]->shape;
    if (!steps_within(c, &c->arg[0]))
        return NULL;
    if (x->batch != 0) {
        diag_error(&c->ctx->diag, c->loc, "%s: its operand has no samples", c->row->name);
        return NULL;
    }
    Shape each = {.rank = 1, .batch = 0, .dim = {x->dim[0]}};
    int64_t steps = c->arg[0].i;
    if (!rows_draws(c))
        return build_fill(g, &each, (double)((steps - 1) / 2));
    Node *u = build_random(g, OP_random_uniform, &each, call_stream(c));
    Node *t = build_unary(g, OP_floor, rows_times(g, u, (double)steps));
    return build_binary(g, OP_min, t, build_const(g, (double)(steps - 1)));
}

/* [N, dim]: cosines of t / period^(i / half), then their sines; of an odd dim the last is 0. */
static Node *timestep_embedding(Call *c)
{
    Graph *g = c->g;
    int64_t dim = c->arg[0].i, half = dim / 2;
    Node *t = rows_each(c, c->in[0], c->loc, "t");
    if (!t)
        return NULL;
    if (dim < 2 || dim > DIM_MAX || !(c->arg[1].r > 0)) {
        diag_error(&c->ctx->diag, c->loc, "%s: dim is 2 and more, max_period above 0",
                   c->row->name);
        return NULL;
    }
    double *rate = arena_take(c->ctx->arena, sizeof *rate * (size_t)half);
    for (int64_t i = 0; i < half; i++)
        rate[i] = exp(-log(c->arg[1].r) * (double)i / (double)half);
    Node *rates = build_data(g, &(Shape){.rank = 2, .batch = -1, .dim = {1, half}}, rate);
    Node *angle = build_binary(g, OP_mul, build_unsqueeze(g, t, 1), rates);
    Node *part[3] = {build_unary(g, OP_cos, angle)};
    part[1] = build_unary(g, OP_sin, angle);
    part[2] = build_fill(g, &(Shape){.rank = 2, .batch = 0, .dim = {t->shape.dim[0], 1}}, 0);
    return build_concat(g, 1, 2 + dim % 2, part);
}

/* --- the sampler ------------------------------------------------------------------------------ */

enum {
    A_shape,
    A_schedule,
    A_sampler = A_schedule + SCHEDULE_N,
    A_inference,
    A_eta,
    A_clip,
    A_prediction,
    A_spacing
};

/* What step i of the loop multiplies with. */
enum {
    K_t,      /* the time step */
    K_signal, /* sqrt(kept) */
    K_rest,   /* sqrt(1 - kept) */
    K_clean,  /* of the next x: how much of the x that the network makes out, */
    K_x,      /* of x as it is, */
    K_noise,  /* and of new noise */
    K_COUNT
};

typedef struct Sampler {
    Call *c;
    NoiseSchedule schedule;
    int64_t length; /* steps of the loop */
    double eta;
    double *table[K_COUNT]; /* by step of the loop */
    bool noisy;             /* new noise is drawn */
} Sampler;

/* The time step at step i of the loop, which goes from the last ones to the first; -1 behind the end. */
static int64_t time_of(const Sampler *s, int64_t i)
{
    const char *spacing = s->c->arg[A_spacing].s;
    double steps = (double)s->schedule.steps, length = (double)s->length;
    if (i >= s->length)
        return -1;
    if (strcmp(spacing, "leading") == 0)
        return (s->length - 1 - i) * (s->schedule.steps / s->length);
    if (strcmp(spacing, "linspace") == 0)
        return s->length == 1
                   ? 0
                   : (int64_t)rint((double)(s->length - 1 - i) * (steps - 1) / (length - 1));
    return (int64_t)rint(steps - (double)i * steps / length) - 1;
}

/* The next x is made of the x without noise that the network makes out and of the noise that this leaves, of which a
 * part is drawn anew: as much as eta says. With eta = 1 it is drawn from the posterior of Ho et al. */
static void fill_step(Sampler *s, int64_t i)
{
    int64_t t = time_of(s, i), next = time_of(s, i + 1);
    double kept = s->schedule.kept[t], after = next < 0 ? 1 : s->schedule.kept[next];
    double noise = s->eta * sqrt((1 - after) / (1 - kept) * (1 - kept / after));
    double rest = sqrt(fmax(1 - after - noise * noise, 0)) / sqrt(1 - kept);
    s->table[K_t][i] = (double)t;
    s->table[K_signal][i] = sqrt(kept);
    s->table[K_rest][i] = sqrt(1 - kept);
    s->table[K_clean][i] = sqrt(after) - rest * sqrt(kept);
    s->table[K_x][i] = rest;
    s->table[K_noise][i] = noise;
    s->noisy |= noise > 0;
}

static Node *report(Call *c, Loc loc, const char *text)
{
    diag_error(&c->ctx->diag, loc, "%s: %s", c->row->name, text);
    return NULL;
}

static bool read_sampler(Call *c, Sampler *s)
{
    bool all = strcmp(c->arg[A_sampler].s, "ddpm") == 0;
    const Arg *inference = &c->arg[A_inference], *eta = &c->arg[A_eta];
    *s = (Sampler){.c = c};
    if (!read_schedule(c, &c->arg[A_schedule], &s->schedule))
        return false;
    int64_t steps = s->schedule.steps, few = steps < 50 ? steps : 50;
    s->length = inference->given ? inference->i : all ? steps : few;
    s->eta = eta->given ? eta->r : all ? 1 : 0;
    if (s->length < 1 || s->length > steps)
        return report(c, inference->loc, "inference_steps: from 1 to `steps`");
    if (!(s->eta >= 0 && s->eta <= 1))
        return report(c, eta->loc, "eta: 0 to 1");
    for (int k = 0; k < K_COUNT; k++)
        s->table[k] = arena_take(c->ctx->arena, sizeof(double) * (size_t)s->length);
    for (int64_t i = 0; i < s->length; i++)
        fill_step(s, i);
    s->noisy &= rows_draws(c);
    return true;
}

/* What the loop begins with: `start`, or noise of `shape`. */
static Node *first_x(Call *c)
{
    Node *start = c->n_in && c->in[0] ? rows_operand(c, 0) : NULL;
    Shape s;
    if (c->arg[A_shape].given && !rows_shape(c, &c->arg[A_shape], &s))
        return NULL;
    if (!c->arg[A_shape].given && !start)
        return report(c, c->loc,
                      "shape=[1, 28, 28] says what a sample is, or start= what to begin with");
    if (start && start->shape.batch != 0)
        return report(c, c->loc, "start: a value a sample is wanted");
    if (start && c->arg[A_shape].given && !shape_equal(&s, &start->shape))
        return report(c, c->loc, "start is of another shape than `shape` says");
    if (start)
        return start;
    return rows_draws(c) ? build_random(c->g, OP_random_normal, &s, call_stream(c))
                         : build_fill(c->g, &s, 0);
}

/* What the network makes of x at time t, of x's shape. */
static Node *call_denoiser(Call *c, Node *x, Node *t)
{
    Network *net = c->network;
    char has[128], wants[128];
    int n = c->n_in > 1 ? c->n_in - 1 : 0;
    Node **in = arena_take(c->ctx->arena, sizeof *in * (size_t)(n + 2));
    Loc *at = arena_take(c->ctx->arena, sizeof *at * (size_t)(n + 2));
    in[0] = x;
    in[1] = t;
    for (int i = 0; i < n + 2; i++) {
        in[i] = i > 1 ? c->in[i - 1] : in[i];
        at[i] = i > 1 ? c->in_loc[i - 1] : c->loc;
        if (!in[i])
            return report(c, c->loc, "an input of the network is not given");
    }
    const NetworkCall *call = network_call(c->b, net, n + 2, in, at, c->loc);
    Node *y = call ? call->out[0] : NULL;
    if (y && call->n_out == 1 && shape_equal(&y->shape, &x->shape))
        return rows_f32(c->b->g, y);
    if (y)
        diag_error(&c->ctx->diag, c->loc,
                   "%s: '%s' gives %s; one value of x's shape, %s, is wanted", c->row->name,
                   net->name, shape_text(&y->shape, has), shape_text(&x->shape, wants));
    return NULL;
}

/* a * x + b * y */
static Node *sum_of(Graph *g, Node *a, Node *x, Node *b, Node *y)
{
    Node *left = build_binary(g, OP_mul, a, x);
    Node *right = build_binary(g, OP_mul, b, y);
    return build_binary(g, OP_add, left, right);
}

/* x without noise, by what the network gives, y. */
static Node *clean_x(const Sampler *s, Graph *g, Node *const *k, Node *x, Node *y)
{
    const char *prediction = s->c->arg[A_prediction].s;
    Node *minus = build_unary(g, OP_neg, k[K_rest]);
    if (*prediction == 'e')
        y = build_binary(g, OP_div, sum_of(g, build_const(g, 1), x, minus, y), k[K_signal]);
    else if (*prediction == 'v')
        y = sum_of(g, k[K_signal], x, minus, y);
    if (!s->c->arg[A_clip].b)
        return y;
    y = build_binary(g, OP_max, y, build_const(g, -1));
    return build_binary(g, OP_min, y, build_const(g, 1));
}

/* One step of the loop, in its body; the next x. */
static Node *build_step(const Sampler *s, ScanBuilder *b, Node *x)
{
    Call *c = s->c;
    Graph *g = b->body;
    Node *k[K_COUNT];
    Shape each = {.rank = 1, .batch = 0, .dim = {1}};
    for (int i = 0; i < K_COUNT; i++)
        k[i] =
            scan_slice(b, build_data(c->g, &(Shape){.rank = 2, .batch = -1, .dim = {s->length, 1}},
                                     s->table[i]));
    Node *y = call_denoiser(c, x, build_expand(g, k[K_t], &each));
    if (!y)
        return NULL;
    Node *next = sum_of(g, k[K_clean], clean_x(s, g, k, x, y), k[K_x], x);
    if (!s->noisy)
        return next;
    Node *noise = build_random(g, OP_random_normal, &x->shape, call_stream(c));
    return build_binary(g, OP_add, next, build_binary(g, OP_mul, k[K_noise], noise));
}

/* A loop over the time steps: weights come from outside, noise is drawn in each step. Nothing is made for all steps at
 * once, so memory is that of one. */
static Node *denoise(Call *c)
{
    Sampler s;
    Node *first = read_sampler(c, &s) ? first_x(c) : NULL;
    if (!first)
        return NULL;
    steps_outside(c);
    ScanBuilder b = scan_begin(c->g, s.length, false);
    b.pieces = true;
    Node *x = scan_state(&b, first);
    Graph *outer = c->b->g;
    c->b->g = b.body;
    Node *next = build_step(&s, &b, x);
    c->b->g = outer;
    if (!next)
        return NULL;
    scan_next(&b, x, next);
    if (!steps_bring_in(c, &b, true))
        return NULL;
    Node *last = scan_last(c->g, scan_end(&b), 0);
    /* To explain it would keep all steps in memory. */
    return c->g->fn == FN_attribute ? build_unary(c->g, OP_stop_gradient, last) : last;
}

/* --- rows ------------------------------------------------------------------------------------- */

const CallRow call_add_noise = {
    .name = "add_noise",
    .min_in = 3,
    .max_in = 3,
    .arg = {SCHEDULE_ARGS},
    .build = add_noise,
    .flags = CALL_function,
    .operands = "x noise t",
    .text = "x as it is at step t (0 to `steps` - 1, a number a sample) of a diffusion: sqrt(kept) "
            "x + sqrt(1 - kept) "
            "noise, `kept` the product of 1 - beta up to t",
};

const CallRow call_velocity = {
    .name = "velocity",
    .min_in = 3,
    .max_in = 3,
    .arg = {SCHEDULE_ARGS},
    .build = velocity,
    .flags = CALL_function,
    .operands = "x noise t",
    .text = "what a network with `prediction=velocity` learns: sqrt(kept) noise - sqrt(1 - kept) x",
};

const CallRow call_random_timesteps = {
    .name = "random_timesteps",
    .min_in = 1,
    .max_in = 1,
    .arg = {TAKES("steps", int, "1000")},
    .build = random_timesteps,
    .flags = CALL_function,
    .text = "a whole number from 0 to `steps` - 1 for each sample of x, drawn uniformly; in "
            "predict the middle",
};

const CallRow call_timestep_embedding = {
    .name = "timestep_embedding",
    .min_in = 1,
    .max_in = 1,
    .arg = {TAKES("dim", int, "64"), TAKES("max_period", real, "10000")},
    .build = timestep_embedding,
    .flags = CALL_function,
    .text = "[N] -> [N, dim]: cosines of t / max_period^(2i / dim), then their sines",
};

const CallRow call_denoise = {
    .name = "denoise",
    .min_in = 0,
    .max_in = -1,
    .arg = {TAKES("shape", ints, ""), SCHEDULE_ARGS, WORDS("sampler", "ddim", "ddim ddpm"),
            TAKES("inference_steps", int, ""), TAKES("eta", real, ""), TAKES("clip", bool, "true"),
            WORDS("prediction", "epsilon", "epsilon sample velocity"),
            WORDS("spacing", "trailing", "trailing leading linspace")},
    .build = denoise,
    .flags = CALL_function | CALL_network,
    .operands = "start",
    .text = "samples of `shape`, made of noise (or of `start`) by `network(x, t)`, the first "
            "argument: a loop over "
            "`inference_steps` of the `steps` (50; of ddpm all)",
};
