/* SPDX-License-Identifier: MIT */
/* nnrt_company.h: how many threads a team has, where other programs want the cores as well.
 *
 * The threads of a team share each kernel evenly, so all of them wait for the one whose core another program
 * holds: a step may then take longer than it does without that thread. Nobody tells a program who else runs, so
 * an instance tries. Where threads slept, and the processors were not theirs either, calls of one function are
 * timed with the team as it is, then with a thread less. The faster way is kept, and compared again with a
 * thread more some time later. Results do not depend on it: they are the same on any number of threads.
 *
 * Where no thread sleeps no clock is read, and a trial that gains nothing is not made again for a hundred times
 * as long as it took. To include after nnrt.h; without futexes teams stay as they are.
 */
#ifndef NNRT_COMPANY_H
#define NNRT_COMPANY_H

#include "nnrt_team.h"

/* Seconds that calls are timed at least, longer than another program's turn; and until a smaller team is compared
 * with a larger one. */
#define NNRT_WINDOW 8e-3
#define NNRT_HOLD   0.1
#define NNRT_FASTER 0.97 /* of the mean: less counts as faster */
enum { NNRT_WINDOW_CALLS = 2 };

/* Phases: no team is smaller; calls are timed with the team as it is, then with another; a smaller one is kept. */
enum { NNRT_AT_REST, NNRT_AS_IT_IS, NNRT_OTHERWISE, NNRT_HOLDING };

static inline __attribute__((unused)) void nnrt_enter_phase(nnrt_company *c, int phase)
{
    c->phase = phase;
    c->calls = c->slept = 0;
    c->spent = c->cpu = 0;
}

/* Keeps the team that there is; at rest nothing is tried for so many seconds. */
static inline __attribute__((unused)) void nnrt_settle(nnrt_company *c, double now, double seconds)
{
    nnrt_enter_phase(c, c->left_out ? NNRT_HOLDING : NNRT_AT_REST);
    c->until = now + (c->left_out ? NNRT_HOLD : seconds);
}

/* How many threads to leave out in a trial: one more where the team seldom had the processors that it wanted,
 * else one less; -1: nothing is to be tried. */
static inline __attribute__((unused)) int nnrt_worth_trying(const nnrt_company *c)
{
    double missed = c->members * c->spent - c->cpu;
    int in_company = c->members > 1 && 4 * c->slept >= c->calls && 4 * missed > c->spent;
    return in_company ? c->left_out + 1 : c->left_out - 1;
}

static inline __attribute__((unused)) void nnrt_end_window(nnrt_company *c, double now)
{
    double mean = c->spent / c->calls;
    if (c->phase == NNRT_OTHERWISE) {
        if (mean < NNRT_FASTER * c->mean)
            c->left_out = c->other;
        nnrt_settle(c, now, 100 * c->spent);
    } else if ((c->other = nnrt_worth_trying(c)) >= 0) {
        c->mean = mean;
        nnrt_enter_phase(c, NNRT_OTHERWISE);
    } else {
        nnrt_settle(c, now, NNRT_HOLD);
    }
}

/* The team of a call of `what`, where phase is not NNRT_AT_REST, of at most so many threads; the times are the
 * clock's and the processors', in seconds. */
static inline __attribute__((unused)) int nnrt_begin_call(nnrt_company *c, int most, int what,
                                                          double now, double cpu)
{
    int timed = (c->phase == NNRT_AS_IT_IS || c->phase == NNRT_OTHERWISE) && what == c->what;
    int left_out = timed && c->phase == NNRT_OTHERWISE ? c->other : c->left_out;
    int members = most > left_out ? most - left_out : 1;
    if (timed) {
        c->members = members;
        c->start = now;
        c->cpu_start = cpu;
    }
    return members;
}

/* After a call of which a thread slept, or any call but at rest. */
static inline __attribute__((unused)) void nnrt_end_call(nnrt_company *c, int slept, int what,
                                                         double now, double cpu)
{
    if (c->phase == NNRT_AT_REST || c->phase == NNRT_HOLDING) {
        if (now < c->until)
            return;
        nnrt_enter_phase(c, NNRT_AS_IT_IS);
        c->what = what;
        c->start = now;
    } else if (what == c->what) {
        c->calls++;
        c->slept += slept != 0;
        c->spent += now - c->start;
        c->cpu += cpu - c->cpu_start;
        if (c->spent >= NNRT_WINDOW && c->calls >= NNRT_WINDOW_CALLS)
            nnrt_end_window(c, now);
    } else if (now - c->start > 1) { /* what was timed is not called any more */
        nnrt_settle(c, now, 0);
    }
}

#ifdef NNRT_FUTEX
#include <time.h>

static inline __attribute__((unused)) double nnrt_seconds(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static __attribute__((noinline, unused)) int nnrt_begin_now(nnrt_company *c, int most, int what)
{
    double cpu = nnrt_seconds(CLOCK_PROCESS_CPUTIME_ID);
    return nnrt_begin_call(c, most, what, nnrt_seconds(CLOCK_MONOTONIC), cpu);
}

static __attribute__((noinline, unused)) void nnrt_end_now(nnrt_company *c, int slept, int what)
{
    double now = nnrt_seconds(CLOCK_MONOTONIC);
    nnrt_end_call(c, slept, what, now, nnrt_seconds(CLOCK_PROCESS_CPUTIME_ID));
}
#endif

/* How many threads a call of function number `fn`, below 16, for n samples is to have. */
static inline __attribute__((unused)) int nnrt_members(nnrt_company *c, int n, int fn)
{
#ifdef NNRT_FUTEX
    int most = omp_get_max_threads();
    return c->phase == NNRT_AT_REST ? most : nnrt_begin_now(c, most, 16 * n + fn);
#elif defined(_OPENMP)
    (void)c, (void)n, (void)fn;
    return omp_get_max_threads();
#else
    (void)c, (void)n, (void)fn;
    return 1;
#endif
}

/* That call is over, which had the team `t`. */
static inline __attribute__((unused)) void nnrt_called(nnrt_company *c, const nnrt_team *t, int n,
                                                       int fn)
{
#ifdef NNRT_FUTEX
    if (t->slept || c->phase != NNRT_AT_REST)
        nnrt_end_now(c, t->slept, 16 * n + fn);
#else
    (void)c, (void)t, (void)n, (void)fn;
#endif
}

#endif
