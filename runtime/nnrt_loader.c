/* SPDX-License-Identifier: MIT */
/* nnrt_loader.c: batches that threads in the background read, decode and change at random while the
 * network is at work on those before.
 *
 * A batch is filled in one of a few slots; the network has one of them, the others are filled ahead.
 * What is in a sample depends on the set, the seed, the epoch and the sample's row, so it makes no
 * difference which thread fills it, or when: the bits are those of reading it at once.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_program.h"

enum {
    LOADER_SLOTS = 3,       /* one in use, two ahead */
    LOADER_THREADS = 16,    /* at most */
    LOADER_WORTH = 1 << 18, /* bytes of a batch from which a copy is worth a thread's while */
    LOADER_PARTS = 4        /* pieces that a thread's share of a batch is handed out in */
};

/* A batch. */
typedef struct loader_slot {
    void **in;       /* one an input, each with room for a whole batch */
    int n;           /* its samples */
    int taken, done; /* of them, handed out to threads; filled */
    int bad;         /* the first that could not be read, where status says so */
    int status;
    nnrt_fault fault;
} loader_slot;

/* Samples from .. to of a slot, for one thread. */
typedef struct loader_piece {
    loader_slot *slot;
    int64_t first; /* of the batch, in the job's order */
    int from, to;
} loader_piece;

struct nnrt_loader {
    const nnrt_model *model;
    nnrt_augmenter augmenter; /* with room for each thread */
    pthread_t threads[LOADER_THREADS];
    int n_threads, started; /* that there may be; that have been started */
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    loader_slot slot[LOADER_SLOTS];
    /* under the lock: */
    nnrt_loading job;
    int running, closing, busy;     /* the job goes on; threads shall end; threads with a piece */
    int64_t batches, opened, given; /* of the job; that have a slot; that were asked for */
    int next_name;                  /* of a thread, which is its place in the augmenter's room */
};

/* --- threads ---------------------------------------------------------------------------------- */

static int loader_batch(const nnrt_loader *l, int64_t batch)
{
    int64_t left = l->job.n - l->job.first - batch * l->model->batch;
    return (int)(left < l->model->batch ? left : l->model->batch);
}

/* Gives the next piece of work. 0: there is none now. */
static int loader_take(nnrt_loader *l, loader_piece *out)
{
    if (!l->running)
        return 0;
    loader_slot *s = l->opened ? &l->slot[(l->opened - 1) % LOADER_SLOTS] : NULL;
    if (!s || s->taken == s->n) {
        if (l->opened == l->batches || l->opened >= l->given + LOADER_SLOTS - 1)
            return 0;
        s = &l->slot[l->opened % LOADER_SLOTS];
        s->n = loader_batch(l, l->opened++);
        s->taken = s->done = s->status = 0;
    }
    int share = s->n / (l->started * LOADER_PARTS) + 1, left = s->n - s->taken;
    *out = (loader_piece){s, l->job.first + (l->opened - 1) * l->model->batch, s->taken, 0};
    s->taken += share < left ? share : left;
    out->to = s->taken;
    return 1;
}

/* Reads and changes the samples of a piece; `in`: room for a pointer an input. */
static int loader_fill(const nnrt_loader *l, const nnrt_loading *job, const loader_piece *p,
                       int thread, void **in, int *bad, nnrt_fault *fault)
{
    for (int i = p->from; i < p->to; i++) {
        int64_t row = job->order[p->first + i];
        for (int k = 0; k < l->model->n_inputs; k++)
            in[k] = (unsigned char *)p->slot->in[k] + nnrt_feed_bytes(&l->model->inputs[k], i);
        int status = nnrt_dataset_batch(job->data, &row, 1, in, fault);
        *bad = i;
        if (status)
            return status;
        if (job->augments)
            nnrt_augment_sample(&l->augmenter, thread, job->seed, job->epoch, row, in);
    }
    return NNRT_OK;
}

static void *loader_thread(void *own)
{
    nnrt_loader *l = own;
    void **in = calloc((size_t)l->model->n_inputs + 1, sizeof *in);
    nnrt_fault fault = {""};
    pthread_mutex_lock(&l->lock);
    int thread = l->next_name++;
    while (!l->closing) {
        loader_piece p;
        if (!loader_take(l, &p)) {
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        const nnrt_loading job = l->job;
        int bad = p.from;
        l->busy++;
        pthread_mutex_unlock(&l->lock);
        int status = in ? loader_fill(l, &job, &p, thread, in, &bad, &fault)
                        : nnrt_fail(&fault, NNRT_NO_MEMORY, "no memory for a batch");
        pthread_mutex_lock(&l->lock);
        l->busy--;
        p.slot->done += p.to - p.from;
        if (status && (!p.slot->status || bad < p.slot->bad)) {
            p.slot->status = status;
            p.slot->bad = bad;
            p.slot->fault = fault;
        }
        if (p.slot->done == p.slot->n || !l->running)
            pthread_cond_broadcast(&l->done);
    }
    pthread_mutex_unlock(&l->lock);
    free(in);
    return NULL;
}

/* Starts the threads, where they have not been; signals are the first thread's. */
static void loader_start(nnrt_loader *l)
{
    sigset_t all, before;
    if (l->started)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (l->started < l->n_threads &&
           pthread_create(&l->threads[l->started], NULL, loader_thread, l) == 0)
        l->started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!l->started)
        l->n_threads = 0; /* the system has none to give: batches are read when they are wanted */
}

/* --- a loader --------------------------------------------------------------------------------- */

static int loader_slots(nnrt_loader *l, nnrt_fault *fault)
{
    for (int s = 0; s < LOADER_SLOTS; s++) {
        nnrt_feed one;
        int status = l->slot[s].in ? NNRT_OK : nnrt_feed_open(&one, l->model, fault);
        if (status)
            return status;
        if (!l->slot[s].in)
            l->slot[s].in = one.in;
    }
    return NNRT_OK;
}

int nnrt_loader_open(nnrt_loader **out, const nnrt_model *model, nnrt_fault *fault)
{
    int threads = nnrt_threads();
    nnrt_loader *l = *out = calloc(1, sizeof *l);
    if (!l)
        return nnrt_fail(fault, NNRT_NO_MEMORY, "no memory to read batches");
    l->model = model;
    l->n_threads = threads < LOADER_THREADS ? threads : LOADER_THREADS;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->done, NULL);
    return nnrt_augment_open(&l->augmenter, model, threads, fault);
}

void nnrt_loader_close(nnrt_loader *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->closing = 1;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->started; i++)
        pthread_join(l->threads[i], NULL);
    for (int s = 0; s < LOADER_SLOTS; s++) {
        nnrt_feed one = {.model = l->model, .in = l->slot[s].in, .own = l->slot[s].in};
        nnrt_feed_close(&one);
    }
    nnrt_augment_close(&l->augmenter);
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->done);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* Whether reading a batch is so much work that threads are worth it: waking one takes some microseconds. */
static int loader_worth(const nnrt_loader *l, const nnrt_loading *job)
{
    size_t bytes = 0;
    for (int k = 0; k < l->model->n_inputs; k++) {
        const nnrt_array *a = &job->data->columns[k];
        if (a->lazy.sample || a->mapped || (job->augments && l->model->inputs[k].n_augment))
            return 1;
        bytes += nnrt_dataset_has(job->data, k)
                     ? nnrt_feed_bytes(&l->model->inputs[k], l->model->batch)
                     : 0;
    }
    return bytes >= LOADER_WORTH;
}

int nnrt_loader_begin(nnrt_loader *l, const nnrt_loading *job, nnrt_fault *fault)
{
    int status = loader_slots(l, fault);
    if (status)
        return status;
    if (l->n_threads && loader_worth(l, job))
        loader_start(l);
    pthread_mutex_lock(&l->lock);
    l->job = *job;
    l->opened = l->given = 0;
    l->batches = (job->n - job->first + l->model->batch - 1) / l->model->batch;
    l->running = l->started && loader_worth(l, job);
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    return NNRT_OK;
}

void nnrt_loader_end(nnrt_loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->running = 0;
    while (l->busy)
        pthread_cond_wait(&l->done, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

/* A batch read when it is wanted. */
static int loader_read(nnrt_loader *l, int64_t batch, loader_slot *s)
{
    const int64_t *rows = l->job.order + l->job.first + batch * l->model->batch;
    s->n = loader_batch(l, batch);
    int status = nnrt_dataset_batch(l->job.data, rows, s->n, s->in, &s->fault);
    if (!status && l->job.augments)
        nnrt_augment_batch(&l->augmenter, l->job.seed, l->job.epoch, rows, s->n, s->in);
    return status;
}

int nnrt_loader_next(nnrt_loader *l, int *n, void ***in, nnrt_fault *fault)
{
    *n = 0;
    pthread_mutex_lock(&l->lock);
    int64_t batch = l->given;
    int running = l->running;
    loader_slot *s = &l->slot[batch % LOADER_SLOTS];
    if (batch < l->batches) {
        l->given++;
        pthread_cond_broadcast(&l->work);
        while (running && !(l->opened > batch && s->done == s->n))
            pthread_cond_wait(&l->done, &l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    if (batch >= l->batches)
        return NNRT_OK;
    int status = running ? s->status : loader_read(l, batch, s);
    if (status)
        return nnrt_fail(fault, status, "%s", s->fault.text);
    *n = s->n;
    *in = s->in;
    return NNRT_OK;
}
