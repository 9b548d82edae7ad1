/* SPDX-License-Identifier: MIT */
/* nnrt_train_find.c: looks before a training: `train --find-lr`, `train --overfit-batch`. No file is written.
 *
 * --find-lr is the range test of Smith (2015, "Cyclical learning rates for training neural networks"): the rate rises
 * exponentially while the loss, smoothed, is watched.
 */
#include <math.h>
#include <stdlib.h>

#include "nnrt_training.h"

#define FIND_FIRST    1e-7 /* rates */
#define FIND_LAST     10.0
#define FIND_STEPS    100
#define FIND_KEEP     0.98 /* of the smoothed loss, a step */
#define FIND_DIVERGED 4.0  /* times the least */
#define FIND_SKIP     20   /* steps at the begin, whose mean is of too few */
#define FIND_WINDOW   5    /* steps to each side over which a fall is measured: batches differ */
#define OVERFIT_STEPS 300
#define OVERFIT_ROWS  15
#define OVERFIT_GOOD  0.1 /* of the first loss */

/* A model whose rate is the instance's, whatever its schedule. */
static nnrt_model find_constant(const nnrt_training *t)
{
    nnrt_model own = *t->model;
    own.train.schedule = (nnrt_schedule){.kind = NNRT_SCHEDULE_CONSTANT};
    return own;
}

/* An optimiser's step over the next batches: their mean loss; NaN and a status where one cannot be read. */
static double find_step(nnrt_training *t, int64_t *call, int *status)
{
    int64_t step = t->m->step, calls = 0;
    double sum = 0;
    while (t->m->step == step) {
        int64_t epoch = *call / t->calls, position = *call % t->calls;
        if (position == 0) {
            nnrt_training_order(t, epoch);
            nnrt_reset(t->m);
        }
        int n;
        *status = nnrt_training_batch(t, epoch, position, &n);
        if (*status)
            return NAN;
        sum += (double)t->model->train_step(t->m, n, (const void *const *)t->feed.in);
        ++*call;
        calls++;
    }
    return sum / (double)calls;
}

typedef struct find_point {
    double rate, loss, smooth;
} find_point;

/* Steps while the rate rises, until the loss diverges: how many points. */
static int find_points(nnrt_training *t, int most, find_point *point, int *status)
{
    double mean = 0, least = INFINITY, keep = 1;
    int64_t call = 0;
    for (int i = 0; i < most; i++) {
        double part = most > 1 ? (double)i / (most - 1) : 0;
        find_point *p = &point[i];
        p->rate = t->m->lr = FIND_FIRST * pow(FIND_LAST / FIND_FIRST, part);
        p->loss = find_step(t, &call, status);
        keep *= FIND_KEEP;
        mean = FIND_KEEP * mean + (1 - FIND_KEEP) * p->loss;
        p->smooth = mean / (1 - keep);
        if (!isfinite(p->loss))
            return i;
        least = p->smooth < least ? p->smooth : least;
        if (i >= FIND_SKIP && p->smooth - least > (FIND_DIVERGED - 1) * fabs(least))
            return i + 1;
    }
    return most;
}

/* The point about which the smoothed loss falls the most; -1: it never does. */
static int find_steepest(int n, const find_point *point)
{
    double fall = 0;
    int best = -1;
    for (int i = FIND_SKIP; i + FIND_WINDOW < n; i++) {
        double here = point[i - FIND_WINDOW].smooth - point[i + FIND_WINDOW].smooth;
        if (here > fall) {
            fall = here;
            best = i;
        }
    }
    return best;
}

int nnrt_training_find_lr(nnrt_training *t)
{
    const int most =
        t->args->steps > 0 && t->args->steps < 100000 ? (int)t->args->steps : FIND_STEPS;
    nnrt_model own = find_constant(t);
    find_point *point = malloc((size_t)most * sizeof *point);
    if (!point)
        return nnrt_fail(t->fault, NNRT_NO_MEMORY, "no memory for the losses");
    t->m->model = &own;
    int status = 0, n = find_points(t, most, point, &status), best = find_steepest(n, point);
    t->m->model = t->model;
    if (status) {
        free(point);
        return status;
    }
    printf("%12s %12s %12s\n", "lr", "loss", "smoothed");
    for (int i = 0; i < n; i++)
        printf("%12.4g %12.6g %12.6g\n", point[i].rate, point[i].loss, point[i].smooth);
    if (n < most)
        printf("the loss diverges at a rate of %.2g\n", point[n < most && n > 0 ? n - 1 : 0].rate);
    if (best >= 0)
        printf("suggestion: %.2g, where the loss falls the most\n", point[best].rate);
    else
        printf("no suggestion: the loss never falls\n");
    free(point);
    return nnrt_flush_results(t->fault);
}

int nnrt_training_overfit(nnrt_training *t)
{
    const int64_t steps = t->args->steps > 0 ? t->args->steps : OVERFIT_STEPS;
    const int64_t row = steps > OVERFIT_ROWS ? steps / OVERFIT_ROWS : 1;
    nnrt_model own = find_constant(t);
    double first = 0, loss = 0;
    int n = (int)(t->rows.n < t->model->batch ? t->rows.n : t->model->batch);
    nnrt_training_order(t, 0);
    /* as it is: not augmented */
    int status = nnrt_dataset_batch(&t->data, t->order, n, t->feed.in, t->fault);
    if (status)
        return status;
    t->m->model = &own;
    printf("%8s %12s\n", "step", "loss");
    for (int64_t i = 0; i < steps && isfinite(loss);) {
        int64_t step = t->m->step;
        while (t->m->step == step) {
            nnrt_reset(t->m);
            loss = (double)t->model->train_step(t->m, n, (const void *const *)t->feed.in);
        }
        first = i == 0 ? loss : first;
        i++;
        if (i == 1 || i % row == 0 || i == steps || !isfinite(loss))
            printf("%8lld %12.6g\n", (long long)i, loss);
    }
    t->m->model = t->model;
    if (isfinite(loss) && loss <= OVERFIT_GOOD * first)
        printf("the loss of %d samples fell from %.4g to %.4g: the network learns them\n", n, first,
               loss);
    else
        printf("the loss of %d samples went from %.4g to %.4g, not towards 0: look at the rate "
               "(--find-lr), "
               "at what is regularised or frozen, at the targets and the loss\n",
               n, first, loss);
    return nnrt_flush_results(t->fault);
}
