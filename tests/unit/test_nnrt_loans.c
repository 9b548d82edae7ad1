/* SPDX-License-Identifier: MIT */
/* test_nnrt_loans.c: guards the made-up tables: the same bytes everywhere and for ever, rows that depend on seed and
 * number alone, and columns as the documentation has them. */
#include "nnrt_scratch.h"

TestSuite(nnrt_loans, .timeout = 60);

/* The table, a text that ends in NUL; the caller frees. */
static char *made(const char *generator, uint64_t seed, int64_t count)
{
    nnrt_buffer text = {0};
    cr_assert_eq(nnrt_table_made(generator, seed, count, &text), NNRT_OK);
    nnrt_buffer_put(&text, "", 1);
    cr_assert(!text.failed);
    return text.at;
}

Test(nnrt_loans, rows_depend_on_seed_and_number)
{
    char *few = made("loans", 3, 10), *many = made("loans", 3, 50), *others = made("loans", 4, 10);
    cr_expect_eq(strncmp(few, many, strlen(few)), 0);
    cr_expect_neq(strcmp(few, others), 0);
    size_t lines = 0;
    for (const char *c = many; *c; c++)
        lines += *c == '\n';
    cr_expect_eq(lines, 51);
    free(few);
    free(many);
    free(others);
}

Test(nnrt_loans, loans)
{
    char *text = made("loans", 1, 5000), *at = strchr(text, '\n') + 1;
    int rows = 0, missing = 0, defaults = 0;
    cr_expect_eq(
        strncmp(text, "age,income,amount,months,late,home,purpose,rate,default\n", at - text), 0);
    for (char *line = strtok(at, "\n"); line; line = strtok(NULL, "\n"), rows++) {
        int age, amount, months, whole, part, n = 0;
        char income[16], late[16], home[16], purpose[16], answer[8];
        cr_assert_eq(sscanf(line, "%d,%15[^,],%d,%d,%15[^,],%15[^,],%15[^,],%d.%2d,%7s%n", &age,
                            income, &amount, &months, late, home, purpose, &whole, &part, answer,
                            &n),
                     10, "%s", line);
        cr_assert_eq((size_t)n, strlen(line));
        cr_expect(age >= 19 && age <= 75 && months >= 6 && months <= 60 && amount > 0 &&
                  whole >= 1);
        cr_expect(strcmp(home, "own") == 0 || strcmp(home, "rent") == 0 ||
                  strcmp(home, "free") == 0);
        missing += strcmp(income, "?") == 0;
        defaults += strcmp(answer, "yes") == 0;
    }
    cr_expect_eq(rows, 5000);
    cr_expect(missing > 300 && missing < 500, "%d", missing); /* 8 in 100 */
    cr_expect(defaults > 1000 && defaults < 2500, "%d", defaults);
    free(text);
}

Test(nnrt_loans, ratings)
{
    char *text = made("ratings", 1, 5000), *at = strchr(text, '\n') + 1;
    int count[6] = {0}, user, item, rating, n;
    for (; sscanf(at, "%d,%d,%d\n%n", &user, &item, &rating, &n) == 3; at += n) {
        cr_assert(user >= 1 && user <= 200 && item >= 1 && item <= 100 && rating >= 1 &&
                  rating <= 5);
        count[rating]++;
    }
    cr_expect_eq(*at, '\0');
    for (int i = 1; i <= 5; i++)
        cr_expect(count[i] > 200, "%d of %d", count[i], i);
    free(text);
}

Test(nnrt_loans, unknown)
{
    nnrt_buffer text = {0};
    cr_expect_eq(nnrt_table_made("lones", 1, 1, &text), NNRT_BAD_CALL);
    cr_expect_null(text.at);
}
