/* SPDX-License-Identifier: MIT */
/* nnrt_loans.c: made-up tables, as the text of a csv file: loans with numbers, categories and values that are missing,
 * ratings of users, and points about eight places on a ring. Row i depends on the seed and i alone; all arithmetic is
 * on integers, so that every machine makes the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "nnrt_data.h"

/* The state that row i's numbers are drawn from. */
static uint64_t loans_row(uint64_t seed, int64_t i)
{
    uint64_t r = nnrt_synth_state(seed, i);
    nnrt_synth_next(&r);
    return r;
}

static int32_t loans_within(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* --- loans ------------------------------------------------------------------------------------ */

typedef struct loans_loan {
    int32_t age, income, amount, months, late; /* income: a month */
    int home, purpose;
} loans_loan;

static const char *const loans_homes[] = {"free", "own", "rent"};
static const char *const loans_purposes[] = {"business", "car", "education", "furniture", "other"};

static loans_loan loans_draw(uint64_t *r)
{
    loans_loan l = {.age = nnrt_synth_range(r, 19, 45) + nnrt_synth_range(r, 0, 30)};
    l.income = 1000 + nnrt_synth_range(r, 0, 2500) + nnrt_synth_range(r, 0, 60) * l.age;
    l.months = 6 * nnrt_synth_range(r, 1, 10);
    l.amount = 500 + nnrt_synth_range(r, 20, 400) * l.months;
    l.late = nnrt_synth_range(r, 0, 2) == 0 ? nnrt_synth_range(r, 1, 5) : 0;
    l.home = nnrt_synth_range(r, 0, 9);
    l.home = l.home < 1 ? 0 : l.home < 6 ? 1 : 2;
    l.purpose = nnrt_synth_range(r, 0, 4);
    return l;
}

/* The probability of a default, in thousandths: what it costs a month of what is earned, payments that were late, and
 * more where a long loan goes into a business, or one so young rents. */
static int32_t loans_risk(const loans_loan *l)
{
    static const int32_t homes[] = {40, 0, 90}, purposes[] = {110, 0, 60, 30, 50};
    int32_t cost = 1000 * (l->amount / l->months) / l->income;
    int32_t risk = 2 * cost + 70 * l->late + homes[l->home] + purposes[l->purpose] - 150;
    risk += l->purpose == 0 && l->months > 36 ? 200 : 0;
    risk += l->age < 28 && l->home == 2 ? 150 : 0;
    return loans_within(risk, 20, 960);
}

/* A row: what is not known is '?'. */
static int loans_line(uint64_t seed, int64_t i, char *line, size_t size)
{
    uint64_t r = loans_row(seed, i);
    const loans_loan l = loans_draw(&r);
    char income[16] = "?", late[16] = "?";
    int32_t risk = loans_risk(&l);
    int defaults = nnrt_synth_range(&r, 0, 999) < risk;
    int32_t rate = 200 + risk + nnrt_synth_range(&r, -50, 50); /* hundredths of a percent */
    if (nnrt_synth_range(&r, 0, 99) >= 8)
        snprintf(income, sizeof income, "%d", (int)l.income);
    if (nnrt_synth_range(&r, 0, 99) >= 4)
        snprintf(late, sizeof late, "%d", (int)l.late);
    return snprintf(line, size, "%d,%s,%d,%d,%s,%s,%s,%d.%02d,%s\n", (int)l.age, income,
                    (int)l.amount, (int)l.months, late, loans_homes[l.home],
                    loans_purposes[l.purpose], (int)rate / 100, (int)rate % 100,
                    defaults ? "yes" : "no");
}

/* --- ratings ---------------------------------------------------------------------------------- */

/* What a user or an item is like: its k-th property, of either sign, and about normal. */
static int32_t ratings_property(uint64_t seed, int32_t who, int k)
{
    uint64_t r = loans_row(seed + 0x5851F42D4C957F2Du, (int64_t)who * 8 + k);
    return nnrt_synth_range(&r, -100, 100) + nnrt_synth_range(&r, -100, 100);
}

/* A rating from 1 to 5 of one of 100 items by one of 200 users: what both are liked for, and noise. */
static int ratings_line(uint64_t seed, int64_t i, char *line, size_t size)
{
    uint64_t r = loans_row(seed, i);
    int32_t user = nnrt_synth_range(&r, 1, 200), item = nnrt_synth_range(&r, 1, 100);
    int32_t likes = 0, other = item + 1000;
    for (int k = 0; k < 3; k++)
        likes += ratings_property(1, user, k) * ratings_property(1, other, k) / 100;
    likes += ratings_property(1, user, 3) / 2 + ratings_property(1, other, 3);
    likes += nnrt_synth_range(&r, -60, 60);
    return snprintf(line, size, "%d,%d,%d\n", (int)user, (int)item,
                    (int)loans_within((350 + likes * 3 / 4) / 100, 1, 5));
}

/* --- ring ------------------------------------------------------------------------------------- */

/* A point, in thousandths: one of eight places 2 from the origin, and noise about normal of standard deviation 0.05. */
static int ring_line(uint64_t seed, int64_t i, char *line, size_t size)
{
    static const int16_t places[][2] = {{2000, 0},  {1414, 1414},   {0, 2000},  {-1414, 1414},
                                        {-2000, 0}, {-1414, -1414}, {0, -2000}, {1414, -1414}};
    enum {
        DRAWS = 12,
        MOST = 25
    }; /* the sum of twelve from -25 to 25 has a standard deviation of 51 */
    uint64_t r = loans_row(seed, i);
    int32_t place = nnrt_synth_range(&r, 0, 7), at[2];
    for (int k = 0; k < 2; k++) {
        int32_t sum = 0;
        for (int d = 0; d < DRAWS; d++)
            sum += nnrt_synth_range(&r, -MOST, MOST);
        at[k] = places[place][k] + sum;
    }
    return snprintf(line, size, "%s%d.%03d,%s%d.%03d,%d\n", at[0] < 0 ? "-" : "", abs(at[0]) / 1000,
                    abs(at[0]) % 1000, at[1] < 0 ? "-" : "", abs(at[1]) / 1000, abs(at[1]) % 1000,
                    (int)place);
}

/* --- all tables ------------------------------------------------------------------------------- */

typedef struct loans_table {
    const char *name, *header;
    int (*line)(uint64_t seed, int64_t i, char *line, size_t size);
} loans_table;

static const loans_table loans_tables[] = {
    {"loans", "age,income,amount,months,late,home,purpose,rate,default\n", loans_line},
    {"ratings", "user,item,rating\n", ratings_line},
    {"ring", "x,y,place\n", ring_line},
};

int nnrt_table_made(const char *generator, uint64_t seed, int64_t count, nnrt_buffer *out)
{
    for (size_t k = 0; k < sizeof loans_tables / sizeof *loans_tables; k++) {
        const loans_table *t = &loans_tables[k];
        if (strcmp(t->name, generator) != 0)
            continue;
        nnrt_buffer_say(out, t->header);
        for (int64_t i = 0; i < count && !out->failed; i++) {
            char line[160];
            nnrt_buffer_put(out, line, (size_t)t->line(seed, i, line, sizeof line));
        }
        return out->failed ? NNRT_NO_MEMORY : NNRT_OK;
    }
    return NNRT_BAD_CALL;
}
