/* SPDX-License-Identifier: MIT */
/* test_str.c: guards text being built, and numbers as text: the shortest that read back the same,
 * in any locale. */
#include "base/base.h"

#include <criterion/criterion.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

Test(str, grows_at_every_length)
{
    Arena *arena = arena_new();
    for (int n = 0; n < 300; n++) {
        Str str = str_new(arena);
        str_add(&str, "%*s", n, "");
        str_add(&str, "%d", n);
        cr_assert_eq(str.n, strlen(str.at));
        cr_assert_eq(atoi(str.at + n), n);
        str_put(&str, "tail", 4);
        cr_assert_str_eq(str.at + str.n - 4, "tail");
    }
    arena_free(arena);
}

Test(str, put_takes_bytes)
{
    Arena *arena = arena_new();
    Str str = str_new(arena);
    cr_expect_str_eq(str.at, "");
    str_put(&str, "a\0b", 3);
    str_put(&str, NULL, 0);
    cr_expect_eq(str.n, 3u);
    cr_expect_eq(memcmp(str.at, "a\0b\0", 4), 0);
    for (int i = 0; i < 1000; i++)
        str_add(&str, "%s", "0123456789");
    cr_expect_eq(str.n, 10003u);
    cr_expect_eq(str.at[10003], '\0');
    arena_free(arena);
}

Test(str, numbers_are_short)
{
    static const struct {
        double value;
        bool as_float;
        const char *text;
    } row[] = {
        {0, false, "0"},
        {-0.0, false, "-0"},
        {0.1, true, "0.1"},
        {0.1, false, "0.1"},
        {(double)0.1f, false, "0.10000000149011612"},
        {1e-5, true, "1e-05"},
        {1.0 / 3, true, "0.33333334"},
        {1.0 / 3, false, "0.3333333333333333"},
        {16777216, true, "16777216"},
        {1e300, true, "inf"},
        {-1e300, true, "-inf"},
        {1e300, false, "1e+300"},
        {INFINITY, false, "inf"},
        {-INFINITY, true, "-inf"},
        {NAN, true, "nan"},
        {-NAN, false, "nan"},
        {DBL_TRUE_MIN, false, "5e-324"},
        {FLT_TRUE_MIN, true, "1e-45"},
        {-DBL_MAX, false, "-1.7976931348623157e+308"},
        {FLT_MAX, true, "3.4028235e+38"},
    };
    char buffer[32];
    for (int i = 0; i < COUNT(row); i++)
        cr_expect_str_eq(number_text(buffer, row[i].value, row[i].as_float), row[i].text, "row %d",
                         i);
}

/* Every 65537th float there is, and as many doubles. */
Test(str, numbers_read_back)
{
    char buffer[32];
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 65537) {
        uint32_t low = (uint32_t)bits;
        uint64_t high = bits * UINT64_C(0x9E3779B97F4A7C15);
        float f, f_again;
        double d, d_again;
        memcpy(&f, &low, sizeof f);
        memcpy(&d, &high, sizeof d);
        f_again = strtof(number_text(buffer, f, true), NULL);
        cr_assert(isnan(f) ? isnan(f_again) : memcmp(&f, &f_again, sizeof f) == 0, "%s", buffer);
        d_again = strtod(number_text(buffer, d, false), NULL);
        cr_assert(isnan(d) ? isnan(d_again) : memcmp(&d, &d_again, sizeof d) == 0, "%s", buffer);
    }
}

Test(str, numbers_have_a_point_in_any_locale)
{
    static const char *const comma[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8",
                                        "fr_FR.utf8",  "de_DE",      "fr_FR"};
    bool found = false;
    for (int i = 0; i < COUNT(comma) && !found; i++)
        found = setlocale(LC_NUMERIC, comma[i]) && *localeconv()->decimal_point == ',';
    if (!found)
        cr_skip_test("no locale here has a decimal comma");
    char buffer[32];
    cr_expect_str_eq(number_text(buffer, 0.1, true), "0.1");
    cr_expect_str_eq(number_text(buffer, -1.5e-20, false), "-1.5e-20");
}
