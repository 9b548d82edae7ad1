/* SPDX-License-Identifier: MIT */
/* Guards runtime/nnrt_team.h: no thread passes a wait before all have come, what they wrote before is seen
 * behind it, and every round ends: with more threads than cores, with a thread that comes late, so that
 * the others sleep. Without OpenMP there is one thread, for which a wait is nothing. */
#include <criterion/criterion.h>
#include <time.h>

#include "nnrt.h"
#include "nnrt_team.h"

enum { THREADS = 16 };

static int thread(void)
{
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

static int team_size(void)
{
#ifdef _OPENMP
    return omp_get_num_threads();
#else
    return 1;
#endif
}

static void sleep_ms(int ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000L};
    nanosleep(&t, NULL);
}

typedef struct Rounds {
    nnrt_team team;
    /* Written by one thread each, between two waits; read by all behind the next. Not atomic. */
    struct {
        _Alignas(64) int value;
    } of[THREADS];
    int wrong; /* values seen that were not those of the round */
    int members;
} Rounds;

/* In each round a thread writes its number and reads those of all others. */
static void go_round(Rounds *r, int round, int late_ms)
{
    int self = thread(), members = team_size(), wrong = 0;
    if (late_ms && self == round % members)
        sleep_ms(late_ms);
    r->of[self].value = round * THREADS + self;
    nnrt_wait(&r->team);
    for (int i = 0; i < members; i++)
        wrong += r->of[i].value != round * THREADS + i;
    if (wrong)
        __atomic_fetch_add(&r->wrong, wrong, __ATOMIC_RELAXED);
    nnrt_wait(&r->team);
}

static void run(int threads, int rounds, int late_ms)
{
    Rounds r = {0};
    (void)threads;
#ifdef _OPENMP
#pragma omp parallel num_threads(threads)
#endif
    {
        if (thread() == 0)
            r.members = team_size();
        for (int i = 1; i <= rounds; i++)
            go_round(&r, i, late_ms);
    }
    cr_expect_eq(r.wrong, 0, "%d threads: %d values of other rounds", threads, r.wrong);
    cr_expect_eq(r.team.arrived, 0);
    cr_expect_eq(r.team.asleep, 0);
    cr_expect_eq(r.team.round, r.members > 1 ? 2 * rounds : 0);
}

Test(nnrt_team, many_rounds, .timeout = 300)
{
    run(1, 1000, 0);
    run(2, 20000, 0);
    run(3, 3000, 0);
}

Test(nnrt_team, more_threads_than_cores, .timeout = 300)
{
    run(THREADS / 2, 500, 0);
    run(THREADS, 300, 0);
}

/* The others look for far less than 3 ms: they are asleep when the last thread comes. */
Test(nnrt_team, one_thread_is_late, .timeout = 300)
{
    for (int threads = 2; threads <= THREADS; threads *= 2)
        run(threads, 20, 3);
}

#ifdef _OPENMP

/* A thread that waits long does sleep, and is woken. */
Test(nnrt_team, waiting_threads_sleep, .timeout = 60)
{
    nnrt_team team = {0};
    int asleep = 0, members = 0;
#pragma omp parallel num_threads(4)
    {
        if (thread() == 0) {
            members = team_size();
            for (int i = 0; i < 5000 && asleep < members - 1; i++) {
                sleep_ms(1);
                asleep = __atomic_load_n(&team.asleep, __ATOMIC_SEQ_CST);
            }
        }
        nnrt_wait(&team);
    }
#ifdef NNRT_FUTEX
    cr_expect_eq(asleep, members - 1);
#endif
    cr_expect_eq(team.asleep, 0);
}

#endif

/* --- marks ------------------------------------------------------------------------------------ */

Test(nnrt_team, marks_are_one_thread_s_and_all_are_there, .timeout = 60)
{
    enum { ROUNDS = 200 };
    double seconds[2] = {0};
    int64_t calls[2] = {0};
    nnrt_profile p = {.seconds = seconds, .calls = calls};
    nnrt_team team = {0};
    int done = 0, missing = 0, members = 1;
#ifdef _OPENMP
#pragma omp parallel num_threads(4)
#endif
    {
        if (thread() == 0)
            members = team_size();
        nnrt_mark_all(&team, &p, -1);
        for (int i = 1; i <= ROUNDS; i++) {
            __atomic_fetch_add(&done, 1, __ATOMIC_RELAXED);
            nnrt_mark_all(&team, &p, i % 2);
            if (__atomic_load_n(&done, __ATOMIC_RELAXED) < i * members)
                __atomic_fetch_add(&missing, 1, __ATOMIC_RELAXED);
            nnrt_mark_all(&team, NULL, 0); /* not even a wait */
        }
    }
    cr_expect_eq(missing, 0);
    cr_expect_eq(calls[0], ROUNDS / 2);
    cr_expect_eq(calls[1], ROUNDS / 2);
    cr_expect_geq(seconds[0], 0);
    cr_expect_geq(seconds[1], 0);
    cr_expect_eq(team.round, members > 1 ? ROUNDS + 1 : 0);
    nnrt_mark(NULL, 0);
    nnrt_mark(&p, 1);
    cr_expect_eq(calls[1], ROUNDS / 2 + 1);
}

/* Each turn is one thread's, and no thread has more than one more than another. */
Test(nnrt_team, parts_are_even_and_whole, .timeout = 60)
{
    for (int members = 1; members <= 5; members++)
        for (int turns = 0; turns < 24; turns++) {
            int taken[24] = {0}, least = 24, most = 0, size = 1;
#pragma omp parallel num_threads(members)
            {
                int from = nnrt_part(turns, 0), end = nnrt_part(turns, 1);
#pragma omp critical
                {
                    size = team_size();
                    for (int t = from; t < end; t++)
                        taken[t]++;
                    least = end - from < least ? end - from : least;
                    most = end - from > most ? end - from : most;
                }
            }
            for (int t = 0; t < turns; t++)
                cr_expect_eq(taken[t], 1, "%d of %d for %d", t, turns, size);
            cr_expect(most - least <= (size > 1), "%d turns for %d", turns, size);
            cr_expect(most == (turns + size - 1) / size, "%d turns for %d", turns, size);
        }
    cr_expect(nnrt_part(7, 0) == 0 && nnrt_part(7, 1) == 7, "outside all are one part");
}
