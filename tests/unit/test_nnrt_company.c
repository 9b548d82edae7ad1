/* SPDX-License-Identifier: MIT */
/* Guards runtime/nnrt_company.h, on a clock that the tests make: a thread is left out where calls are faster without
 * it, comes back where they are not any more, and nothing is tried where no thread sleeps or none lacked its
 * processor. */
#include <criterion/criterion.h>

#include "nnrt.h"
#include "nnrt_company.h"
#include "nnrt_team.h"

enum { WHAT = 2, OTHER_CALL = 3, MOST = 4 };

typedef struct Host {
    nnrt_company company;
    double now, cpu;
    double took[MOST + 1]; /* seconds of a call, by the size of its team */
    double share;          /* of its members' time that the processors were theirs */
    int slept;             /* whether threads of a whole team sleep */
    int tried[MOST + 1];   /* calls, by the size */
} Host;

static void call(Host *h, int what)
{
    nnrt_company *c = &h->company;
    int members = c->phase == NNRT_AT_REST ? MOST : nnrt_begin_call(c, MOST, what, h->now, h->cpu);
    int slept = h->slept && members == MOST;
    h->tried[members]++;
    h->now += h->took[members];
    h->cpu += h->took[members] * members * (slept ? h->share : 1);
    if (slept || c->phase != NNRT_AT_REST)
        nnrt_end_call(c, slept, what, h->now, h->cpu);
}

static void calls_for(Host *h, double seconds)
{
    for (double end = h->now + seconds; h->now < end;)
        call(h, WHAT);
}

/* A core is another program's: all wait for the thread that shares it. */
static Host beside_a_program(void)
{
    return (Host){.took = {0, 4e-3, 2e-3, 1.4e-3, 3.6e-3}, .share = 0.5, .slept = 1};
}

Test(nnrt_company, without_the_late_thread_calls_are_faster)
{
    Host h = beside_a_program();
    calls_for(&h, 0.1);
    cr_expect_eq(h.company.left_out, 1);
    calls_for(&h, 5);
    cr_expect_gt(h.tried[3], 10 * h.tried[4]);
    cr_expect_eq(h.tried[2] + h.tried[1], 0, "a thread more was left out than gains");
}

Test(nnrt_company, the_thread_comes_back)
{
    Host h = beside_a_program();
    calls_for(&h, 1);
    h.took[4] = 1e-3;
    h.slept = 0;
    calls_for(&h, 0.3);
    cr_expect_eq(h.company.left_out, 0);
    cr_expect_eq(h.company.phase, NNRT_AT_REST);
}

Test(nnrt_company, nothing_is_tried_where_no_thread_sleeps)
{
    Host h = beside_a_program();
    h.slept = 0;
    calls_for(&h, 1);
    cr_expect_eq(h.tried[1] + h.tried[2] + h.tried[3], 0);
    cr_expect_eq(h.company.until, 0, "a clock was read");
}

/* Kernels that threads share unevenly. */
Test(nnrt_company, nothing_is_tried_where_the_processors_were_its_own)
{
    Host h = beside_a_program();
    h.share = 0.95;
    calls_for(&h, 1);
    cr_expect_eq(h.tried[1] + h.tried[2] + h.tried[3], 0);
}

Test(nnrt_company, a_trial_that_gains_nothing_is_rare)
{
    Host h = beside_a_program();
    h.took[3] = 4e-3;
    calls_for(&h, 10);
    cr_expect_eq(h.company.left_out, 0);
    cr_expect_gt(h.tried[3], 0);
    cr_expect_gt(h.tried[4], 90 * h.tried[3]);
}

Test(nnrt_company, other_calls_are_not_counted)
{
    Host h = beside_a_program();
    for (int i = 0; i < 1000; i++) {
        call(&h, WHAT);
        h.took[4] = h.took[3] = 20e-3, h.slept = 0;
        call(&h, OTHER_CALL);
        h.took[4] = 3.6e-3, h.took[3] = 1.4e-3, h.slept = 1;
    }
    cr_expect_gt(h.tried[3], 3 * h.tried[4]);
}

/* What is timed is not called any more. */
Test(nnrt_company, another_function_takes_over)
{
    Host h = beside_a_program();
    call(&h, OTHER_CALL);
    cr_expect_eq(h.company.what, OTHER_CALL);
    calls_for(&h, 2);
    cr_expect_eq(h.company.what, WHAT);
    cr_expect_eq(h.company.left_out, 1);
}
