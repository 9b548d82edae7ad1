/* SPDX-License-Identifier: MIT */
/* nnrt_core.c: an instance in the caller's memory: initial weights, get, set, the learning rate.
 *
 * No file and no heap: this and nnrt_load.c are all of the runtime that a microcontroller links.
 */
#include <math.h>
#include <string.h>

#include "nnrt.h"
#include "nnrt_math.h"
#include "nnrt_rand.h"

/* Initial weights are drawn at a "step" that no training step has. */
#define NNRT_INIT_STEP UINT64_MAX

static size_t core_head(void)
{
    return (sizeof(nnrt_instance) + NNRT_ALIGN - 1) / NNRT_ALIGN * NNRT_ALIGN;
}

static float *core_values(const nnrt_instance *m, const nnrt_var *v)
{
    return (float *)(void *)(m->vars + v->offset);
}

/* The saved axes as perm counts them, and the distance in the kept order of neighbours along each:
 * how many. */
static int core_strides(const nnrt_var *v, int64_t dim[NNRT_RANK], int64_t stride[NNRT_RANK])
{
    int rank = nnrt_var_axes(v, dim);
    int64_t step = 1;
    for (int i = rank - 1; i >= 0; i--) {
        stride[v->perm[i]] = step;
        step *= dim[v->perm[i]];
    }
    return rank;
}

/* Walks axes `first` .. rank-1 in row-major saved order, a run along the last axis at a time. */
typedef struct core_walk {
    int first, rank;
    int64_t dim[NNRT_RANK], stride[NNRT_RANK], at[NNRT_RANK];
    int64_t run, step; /* numbers in a run, and their distance */
    int64_t runs;      /* how many */
    int64_t offset;    /* where the run at hand begins, in the kept order */
} core_walk;

static core_walk core_walk_of(const nnrt_var *v, int first)
{
    core_walk w = {.first = first, .run = 1, .step = 1, .runs = 1};
    w.rank = core_strides(v, w.dim, w.stride);
    if (w.rank > first) {
        w.run = w.dim[w.rank - 1];
        w.step = w.stride[w.rank - 1];
    }
    for (int i = first; i < w.rank - 1; i++)
        w.runs *= w.dim[i];
    return w;
}

static void core_walk_next(core_walk *w)
{
    for (int i = w->rank - 2; i >= w->first; i--) {
        w->offset += w->stride[i];
        if (++w->at[i] < w->dim[i])
            return;
        w->offset -= w->stride[i] * w->dim[i];
        w->at[i] = 0;
    }
}

/* --- Initial values --------------------------------------------------------------------------- */

static float core_normal_within(nnrt_rand_key k, uint64_t index, uint64_t count)
{
    for (uint64_t draw = 0; draw < 64; draw++) {
        float x = nnrt_rand_normal(k, index + draw * count);
        if (x >= -2.0f && x <= 2.0f)
            return x;
    }
    return 0.0f;
}

static float core_draw(const nnrt_var *v, nnrt_rand_key k, uint64_t index)
{
    float a = (float)v->a, b = (float)v->b;
    switch (v->init) {
    case NNRT_INIT_UNIFORM: {
        float x = a + (b - a) * nnrt_rand_uniform(k, index);
        return x < b ? x : a; /* the sum may round up to b */
    }
    case NNRT_INIT_NORMAL: return a + b * nnrt_rand_normal(k, index);
    case NNRT_INIT_TRUNCATED_NORMAL:
        return a + b * core_normal_within(k, index, (uint64_t)v->count);
    case NNRT_INIT_ORTHOGONAL: return nnrt_rand_normal(k, index);
    case NNRT_INIT_CONSTANT: break;
    }
    return a;
}

/* A var as a matrix whose `n` lines, rows or columns, are to be made orthonormal. */
typedef struct core_lines {
    float *at;
    int64_t n, apart; /* lines; lines are 1 apart on axis 0 (rows) or along the walk (columns) */
    const nnrt_var *v;
    int columns;
} core_lines;

/* Where line i begins. */
static float *core_line(const core_lines *l, int64_t i)
{
    if (!l->columns)
        return l->at + i * l->apart;
    int64_t dim[NNRT_RANK], stride[NNRT_RANK], offset = 0;
    for (int axis = core_strides(l->v, dim, stride) - 1; axis > 0; axis--) {
        offset += i % dim[axis] * stride[axis];
        i /= dim[axis];
    }
    return l->at + offset;
}

/* What a line runs along: axis 0 alone for a column, all the others for a row. */
static core_walk core_line_walk(const core_lines *l)
{
    core_walk w = core_walk_of(l->v, 1);
    if (l->columns) {
        w.run = l->v->dim[0];
        w.step = w.stride[0];
        w.runs = 1;
    }
    return w;
}

static double core_dot(const core_lines *l, const float *x, const float *y)
{
    double sum = 0;
    core_walk w = core_line_walk(l);
    for (int64_t r = 0; r < w.runs; r++, core_walk_next(&w))
        for (int64_t i = 0; i < w.run; i++)
            sum += (double)x[w.offset + i * w.step] * y[w.offset + i * w.step];
    return sum;
}

/* y = scale y - by x. */
static void core_subtract(const core_lines *l, double scale, float *y, double by, const float *x)
{
    core_walk w = core_line_walk(l);
    for (int64_t r = 0; r < w.runs; r++, core_walk_next(&w))
        for (int64_t i = 0; i < w.run; i++) {
            int64_t at = w.offset + i * w.step;
            y[at] = (float)(scale * y[at] - by * x[at]);
        }
}

/* A weight that is made orthogonal is never cut.
 * Gram and Schmidt on the shorter side, each line twice, then times the gain: what QR gives when
 * the diagonal of R is made positive. */
static void core_orthogonal(const nnrt_var *v, float *at)
{
    int64_t rows = v->rank > 0 ? v->dim[0] : 1, columns = rows > 0 ? v->count / rows : 0;
    int64_t dim[NNRT_RANK], stride[NNRT_RANK] = {0};
    core_strides(v, dim, stride);
    core_lines l = {at, rows <= columns ? rows : columns, stride[0], v, rows > columns};
    for (int64_t i = 0; i < l.n; i++) {
        float *y = core_line(&l, i);
        for (int pass = 0; pass < 2; pass++)
            for (int64_t j = 0; j < i; j++) {
                const float *x = core_line(&l, j);
                core_subtract(&l, 1.0, y, core_dot(&l, x, y), x);
            }
        double norm = sqrt(core_dot(&l, y, y));
        core_subtract(&l, norm > 0 ? 1.0 / norm : 0.0, y, 0.0, y);
    }
    for (int64_t i = 0; i < v->count; i++)
        at[i] *= (float)v->a;
}

static void core_init_var(const nnrt_instance *m, int index, uint64_t seed)
{
    const nnrt_var *v = &m->model->vars[index];
    float *at = core_values(m, v);
    nnrt_rand_key k = nnrt_rand_key_of(seed, NNRT_INIT_STEP, (uint32_t)index);
    if (v->count <= 0)
        return;
    uint64_t n = 0;
    core_walk w = core_walk_of(v, 0);
    for (int64_t r = 0; r < w.runs; r++, core_walk_next(&w))
        for (int64_t i = 0; i < w.run; i++)
            at[w.offset + i * w.step] = core_draw(v, k, n++);
    if (v->init == NNRT_INIT_ORTHOGONAL)
        core_orthogonal(v, at);
}

void nnrt_init_vars(nnrt_instance *m, uint64_t seed)
{
    for (int i = 0; i < m->model->n_vars; i++)
        core_init_var(m, i, seed);
    m->changes++;
}

nnrt_instance *nnrt_blank(const nnrt_model *model, void *memory, uint64_t seed)
{
    if (!memory || (uintptr_t)memory % NNRT_ALIGN != 0)
        return NULL;
    nnrt_instance *m = memory;
    memset(m, 0, sizeof *m);
    m->model = model;
    m->vars = (unsigned char *)memory + core_head();
    m->scratch = m->vars + model->vars_bytes;
    m->seed = seed;
    m->owner = m;
    m->lr = model->train.lr;
    memset(m->vars, 0, model->vars_bytes);
    m->changes = 1;
    return m;
}

nnrt_instance *nnrt_init(const nnrt_model *model, void *memory, uint64_t seed)
{
    nnrt_instance *m = nnrt_blank(model, memory, seed);
    if (m)
        nnrt_init_vars(m, seed);
    return m;
}

void nnrt_reset(nnrt_instance *m)
{
    memset(m->vars + m->model->carried_at, 0, m->model->carried_bytes);
}

nnrt_instance *nnrt_fork(void *memory, const nnrt_instance *owner)
{
    if (!memory || (uintptr_t)memory % NNRT_ALIGN != 0)
        return NULL;
    nnrt_instance *m = memory;
    *m = *owner;
    m->scratch = (unsigned char *)memory + core_head();
    m->metric_sums = NULL;
    m->kept = 0;
    m->position = m->waits = m->encoded = m->sequence = 0;
    m->error[0] = '\0';
    return m;
}

/* --- Get and set ------------------------------------------------------------------------------ */

void nnrt_var_read(const nnrt_instance *m, int var, float *out)
{
    const nnrt_var *v = &m->model->vars[var];
    const float *at = core_values(m, v);
    if (v->count <= 0)
        return;
    core_walk w = core_walk_of(v, 0);
    for (int64_t r = 0; r < w.runs; r++, core_walk_next(&w))
        for (int64_t i = 0; i < w.run; i++)
            *out++ = at[w.offset + i * w.step];
}

void nnrt_var_write(nnrt_instance *m, int var, const float *in)
{
    const nnrt_var *v = &m->model->vars[var];
    float *at = core_values(m, v);
    m->changes++;
    if (v->count <= 0)
        return;
    core_walk w = core_walk_of(v, 0);
    for (int64_t r = 0; r < w.runs; r++, core_walk_next(&w))
        for (int64_t i = 0; i < w.run; i++)
            at[w.offset + i * w.step] = *in++;
}

/* The index of a weight in the table, or -1: the optimiser's state is nobody's to name. */
static int core_find(const nnrt_instance *m, const char *name)
{
    for (int i = 0; i < m->model->n_vars; i++)
        if (m->model->vars[i].kind != NNRT_STATE && strcmp(m->model->vars[i].name, name) == 0)
            return i;
    return -1;
}

int nnrt_get(const nnrt_instance *m, const char *name, float *out)
{
    int var = core_find(m, name);
    if (var < 0)
        return -1;
    nnrt_var_read(m, var, out);
    return 0;
}

int nnrt_set(nnrt_instance *m, const char *name, const float *in)
{
    int var = core_find(m, name);
    if (var < 0)
        return -1;
    nnrt_var_write(m, var, in);
    return 0;
}

/* --- The learning rate ------------------------------------------------------------------------ */

/* How often the rate has been multiplied by gamma after `t` steps; -1 where an epoch is unknown. */
static double core_decays(const nnrt_schedule *s, double t, double epoch_steps)
{
    double every = s->kind == NNRT_SCHEDULE_STEP ? s->every : 1.0;
    if (s->every_in_epochs)
        every *= epoch_steps;
    return every > 0 ? floor(t / every) : -1.0;
}

/* Milestones that `t` steps have passed; -1 where an epoch is unknown. */
static double core_milestones(const nnrt_schedule *s, double t, double epoch_steps)
{
    double unit = s->every_in_epochs ? epoch_steps : 1.0;
    int passed = 0;
    while (passed < s->n_milestones && t >= s->milestone[passed] * unit)
        passed++;
    return unit > 0 ? passed : -1.0;
}

/* Half a cosine: `from` at part 0, `to` at part 1. */
static double core_cosine(double from, double to, double part)
{
    return to + (from - to) * (1.0 + cos(3.14159265358979323846 * part)) / 2.0;
}

/* OneCycleLR of two phases, at step `t` of a horizon; the last step has the last rate. */
static double core_one_cycle(const nnrt_schedule *s, double base, double t, double horizon)
{
    double first = base / s->start_factor, last = first / s->end_factor;
    double top = s->rise * horizon - 1.0, end = horizon - 1.0;
    if (t < top)
        return core_cosine(first, base, t / top);
    return core_cosine(base, last, t < end ? (t - top) / (end - top) : 1.0);
}

/* The rate of a schedule that stretches over a horizon, `t` steps after its warmup. */
static double core_stretched(const nnrt_schedule *s, double base, double t, double horizon)
{
    double part = t < horizon ? t / horizon : 1.0;
    double cycles = part * (s->restarts + 1.0);
    switch (s->kind) {
    case NNRT_SCHEDULE_LINEAR: return base + (s->to - base) * part;
    case NNRT_SCHEDULE_POLYNOMIAL: return s->to + (base - s->to) * pow(1.0 - part, s->power);
    case NNRT_SCHEDULE_ONE_CYCLE: return core_one_cycle(s, base, t, horizon);
    default: return core_cosine(base, s->to, part < 1.0 ? cycles - floor(cycles) : 1.0);
    }
}

double nnrt_lr(const nnrt_schedule *s, double base, int64_t step, int64_t total,
               int64_t epoch_steps)
{
    double warmup = s->warmup * (s->warmup_in_epochs ? (double)epoch_steps : 1.0);
    if ((double)step < warmup)
        return base * (double)step / warmup;
    double t = (double)step - warmup, n = 0.0;
    switch (s->kind) {
    case NNRT_SCHEDULE_CONSTANT:
    case NNRT_SCHEDULE_PLATEAU: return base;
    case NNRT_SCHEDULE_INVERSE_SQRT:
        warmup = warmup > 1.0 ? warmup : 1.0;
        return (double)step > warmup ? base * sqrt(warmup / (double)step) : base;
    case NNRT_SCHEDULE_STEP:
    case NNRT_SCHEDULE_EXPONENTIAL: n = core_decays(s, t, (double)epoch_steps); break;
    case NNRT_SCHEDULE_MULTISTEP: n = core_milestones(s, t, (double)epoch_steps); break;
    default: return total > 0 ? core_stretched(s, base, t, (double)total - warmup) : base;
    }
    return n < 0 ? base : base * pow(s->gamma, n);
}

double nnrt_player_lr(const nnrt_instance *m, int i)
{
    const nnrt_player *p = &m->model->train.players[i];
    return nnrt_lr(&p->schedule, m->lr * p->factor, m->step, m->total_steps, m->epoch_steps);
}

/* --- Tokens ----------------------------------------------------------------------------------- */

int nnrt_refuses_tokens(nnrt_instance *m, const int32_t *token, size_t count, int64_t below,
                        const char *why)
{
    int wrong = 0;
    for (size_t i = 0; i < count; i++)
        wrong |= token[i] < 0 || token[i] >= below;
    if (wrong)
        memcpy(m->error, why, strlen(why) + 1);
    return wrong;
}

/* Where the list of a row begins, or would begin. */
static int64_t core_slot(const int32_t *row, int32_t r, int64_t rows, int64_t slots,
                         const int32_t *head)
{
    if (slots == rows)
        return r;
    uint64_t at = (uint64_t)(uint32_t)r * 0x9e3779b97f4a7c15u;
    for (int64_t slot = (int64_t)(at >> 32) & (slots - 1);; slot = (slot + 1) & (slots - 1))
        if (head[slot] < 0 || row[head[slot]] == r)
            return slot;
}

int nnrt_list_rows(int n, const int32_t *row, int64_t rows, int64_t slots, int32_t *head,
                   int32_t *next, int32_t *occurs)
{
    int count = 0;
    for (int64_t i = 0; i < slots; i++)
        head[i] = -1;
    for (int p = n - 1; p >= 0; p--) {
        int64_t slot = core_slot(row, row[p], rows, slots, head);
        if (head[slot] < 0 && occurs)
            occurs[count] = (int32_t)slot;
        count += head[slot] < 0;
        next[p] = head[slot];
        head[slot] = p;
    }
    return count;
}
