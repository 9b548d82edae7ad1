/* SPDX-License-Identifier: MIT */
/* nnrt_team.h: how the threads of one call wait for each other.
 *
 * A step is one parallel region. Its kernels divide their loops among the threads by themselves, and wait
 * only where one reads what another has written. A thread that waits looks again for about as long as
 * threads differ by on cores of their own, then sleeps: where another program holds a core, the system
 * can give it the one that the sleeper leaves. OpenMP's own barriers sleep at once or, as libgomp and
 * libomp do by default, look for so long that a step takes 10 times as long beside a busy program.
 *
 * Sleeping is Linux's futex (Franke, Russell and Kirkwood, "Fuss, futexes and furwocks", 2002); elsewhere
 * a thread yields. Without OpenMP there is one thread, and nothing to wait for.
 *
 * Here as well: the marks behind kernels by which `bench --profile` learns their times. To include
 * after nnrt.h.
 */
#ifndef NNRT_TEAM_H
#define NNRT_TEAM_H

#ifdef _OPENMP
#include <omp.h>
#if defined(__linux__) && !defined(__STRICT_ANSI__)
#define NNRT_FUTEX
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__unix__) || defined(__APPLE__)
#include <sched.h>
#endif
#endif

/* The threads of one parallel region; zeroed before it begins. */
typedef struct nnrt_team {
    _Alignas(64) int arrived; /* threads that wait in this round */
    _Alignas(64) int round;   /* counts the waits that are over */
    int asleep;               /* threads that may have to be woken */
    int slept;                /* whether one had to */
} nnrt_team;

#ifdef _OPENMP

/* How often a thread looks before it sleeps: for some 50 microseconds. */
#define NNRT_LOOKS 4000

static inline __attribute__((unused)) void nnrt_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Sleeps unless the round is over; may return early. */
static inline __attribute__((unused)) void nnrt_sleep(nnrt_team *t, int round)
{
#ifdef NNRT_FUTEX
    __atomic_fetch_add(&t->asleep, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&t->slept, 1, __ATOMIC_RELAXED);
    syscall(SYS_futex, &t->round, FUTEX_WAIT_PRIVATE, round, (void *)0, (void *)0, 0);
    __atomic_fetch_sub(&t->asleep, 1, __ATOMIC_SEQ_CST);
#elif defined(__unix__) || defined(__APPLE__)
    (void)t, (void)round;
    sched_yield();
#else
    (void)t, (void)round;
#endif
}

static inline __attribute__((unused)) void nnrt_wake(nnrt_team *t)
{
#ifdef NNRT_FUTEX
    if (__atomic_load_n(&t->asleep, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &t->round, FUTEX_WAKE_PRIVATE, __INT_MAX__, (void *)0, (void *)0, 0);
#else
    (void)t;
#endif
}

/* Returns when all threads of the region have called it; what they wrote before can be read then. */
static __attribute__((noinline, unused)) void nnrt_wait(nnrt_team *t)
{
    int members = omp_get_num_threads();
    if (members == 1)
        return;
    int round = __atomic_load_n(&t->round, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&t->arrived, 1, __ATOMIC_ACQ_REL) == members) {
        t->arrived = 0;
        __atomic_store_n(&t->round, round + 1, __ATOMIC_SEQ_CST);
        nnrt_wake(t);
        return;
    }
    for (int looks = 0; __atomic_load_n(&t->round, __ATOMIC_ACQUIRE) == round; looks++) {
        if (looks < NNRT_LOOKS)
            nnrt_pause();
        else
            nnrt_sleep(t, round);
    }
}

#else

static inline __attribute__((unused)) void nnrt_wait(nnrt_team *t)
{
    (void)t;
}

#endif

/* Where the part of thread number `this one` + more of so many turns begins, of parts as even as can be: the first ones
 * have a turn more, as OpenMP's static schedule divides. Inside a parallel region, or outside, where all are one
 * part. */
static inline __attribute__((unused)) int nnrt_part(int turns, int more)
{
#ifdef _OPENMP
    int members = omp_get_num_threads();
    if (members > 1) {
        int t = omp_get_thread_num() + more, rest = turns % members;
        return turns / members * t + (t < rest ? t : rest);
    }
#endif
    return more ? turns : 0;
}

/* Into how many strips the columns of a matrix are cut, one a thread, and where strip t begins, at a multiple of 64
 * columns. Inside a parallel region. */
static inline __attribute__((unused)) int nnrt_strips(void)
{
#ifdef _OPENMP
    return omp_get_num_threads();
#else
    return 1;
#endif
}

static inline __attribute__((unused)) int nnrt_strip(int columns, int strips, int t)
{
    return t == strips ? columns : (int)((int64_t)columns * t / strips / 64 * 64);
}

/* Notes that kernel `kernel` is done, where times are noted at all. Called by one thread. */
static inline __attribute__((unused)) void nnrt_mark(nnrt_profile *p, int kernel)
{
    if (p)
        nnrt_note(p, kernel);
}

/* The same, called by all threads, when all have done their part. */
static inline __attribute__((unused)) void nnrt_mark_all(nnrt_team *t, nnrt_profile *p, int kernel)
{
    if (!p)
        return;
    nnrt_wait(t);
#ifdef _OPENMP
    if (omp_get_thread_num() != 0)
        return;
#endif
    nnrt_note(p, kernel);
}

/* Looks at what a kernel has stored, where that is wanted. Called by one thread. */
static inline __attribute__((unused)) void nnrt_see(nnrt_profile *p, const float *at, int64_t n)
{
    if (p && p->looks)
        nnrt_look(p->looks, at, n);
}

/* The same, called by all threads, none of which goes on before it is done. */
static inline __attribute__((unused)) void nnrt_see_all(nnrt_team *t, nnrt_profile *p,
                                                        const float *at, int64_t n)
{
    if (!p || !p->looks)
        return;
    nnrt_wait(t);
#ifdef _OPENMP
    if (omp_get_thread_num() == 0)
#endif
        nnrt_look(p->looks, at, n);
    nnrt_wait(t);
}

#endif
