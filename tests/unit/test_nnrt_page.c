/* SPDX-License-Identifier: MIT */
/* Guards nnrt_html.c, nnrt_svg.c and nnrt_events.c: what is escaped, ticks, amounts, records to the byte. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nnrt_page.h"
#include "nnrt_training.h"

/* What `write` puts on a stream; *size its bytes. */
static const char *written(void (*write)(FILE *, const char *, size_t), const char *in, size_t n,
                           size_t *size)
{
    static char text[65536];
    char *at = NULL;
    FILE *f = open_memstream(&at, size);
    write(f, in, n);
    fclose(f);
    cr_assert_lt(*size, sizeof text);
    memcpy(text, at, *size + 1);
    free(at);
    return text;
}

static void check_text(const char *in, size_t n, const char *want)
{
    size_t size;
    const char *got = written(nnrt_html_put, in, n, &size);
    cr_assert_str_eq(got, want);
}

#define BAD "\xEF\xBF\xBD"

Test(nnrt_page, text_is_escaped)
{
    check_text("<a href=\"x\">'&'</a>", 19,
               "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
    check_text("plain 1 + 1\n\t", 13, "plain 1 + 1\n\t");
    check_text("", 0, "");
    check_text("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", 11,
               "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80");
}

Test(nnrt_page, what_no_page_may_hold_is_replaced)
{
    check_text("a\0b\x01\x1B\x7F\r", 7, "a" BAD "b" BAD BAD BAD BAD);
    check_text("\xC3", 1, BAD);                         /* cut off */
    check_text("\xC0\xAF", 2, BAD BAD);                 /* longer than it need be */
    check_text("\xE0\x80\xAF", 3, BAD BAD BAD);         /* the same */
    check_text("\xED\xA0\x80", 3, BAD BAD BAD);         /* half of a surrogate pair */
    check_text("\xF4\x90\x80\x80", 4, BAD BAD BAD BAD); /* over U+10FFFF */
    check_text("\xEF\xBF\xBF", 3, BAD BAD BAD);         /* U+FFFF */
    check_text("\xC2\x85", 2, BAD BAD);                 /* a control character */
    check_text("\xE2\x80\xAEx", 4, BAD BAD BAD "x");    /* U+202E turns the line around */
    check_text("\xFF<", 2, BAD "&lt;");
}

static void check_ticks(double low, double high, int most, int whole, int n, double first,
                        double step)
{
    double ticks[NNRT_TICKS], apart;
    int got = nnrt_svg_ticks(low, high, most, whole, ticks, &apart);
    cr_assert_eq(got, n, "%g to %g: %d ticks, not %d", low, high, got, n);
    cr_assert_float_eq(ticks[0], first, 1e-12 * fabs(high) + 1e-300);
    cr_assert_float_eq(apart, step, 1e-9 * step);
}

Test(nnrt_page, ticks_are_round)
{
    check_ticks(0, 1, 5, 0, 6, 0, 0.2);
    check_ticks(1, 10, 7, 1, 5, 2, 2);
    check_ticks(1, 3, 7, 1, 3, 1, 1);
    check_ticks(1, 20, 7, 1, 4, 5, 5);
    check_ticks(-3.2, 4.1, 5, 0, 4, -2, 2);
    check_ticks(0.0012, 0.0019, 5, 0, 4, 0.0012, 0.0002);
    check_ticks(0, 1e6, 6, 1, 6, 0, 2e5);
}

Test(nnrt_page, amounts)
{
    char t[NNRT_AMOUNT];
    cr_assert_str_eq(nnrt_html_amount(t, 0, "B"), "0 B");
    cr_assert_str_eq(nnrt_html_amount(t, 999, "B"), "999 B");
    cr_assert_str_eq(nnrt_html_amount(t, 999.7, "B"), "1.00 kB");
    cr_assert_str_eq(nnrt_html_amount(t, 12560, ""), "12.6 k");
    cr_assert_str_eq(nnrt_html_amount(t, 2.5e9, "FLOP"), "2.50 GFLOP");
    cr_assert_str_eq(nnrt_html_amount(t, 0.25, ""), "0.25");
    cr_assert_str_eq(nnrt_html_seconds(t, 12e-6), "12 \xC2\xB5s");
    cr_assert_str_eq(nnrt_html_seconds(t, 1.5e-3), "1.5 ms");
    cr_assert_str_eq(nnrt_html_seconds(t, 2), "2 s");
    cr_assert_str_eq(nnrt_html_seconds(t, 75), "1 min 15 s");
    cr_assert_str_eq(nnrt_html_seconds(t, 3725), "1 h 02 min");
}

static void empty_plot(FILE *f, const char *in, size_t n)
{
    (void)in, (void)n;
    const double x[] = {1, 2, 3}, y[] = {NAN, INFINITY, -INFINITY}, same[] = {4, 4, 4};
    const nnrt_curve none = {"none", 0, 0, 3, x, y}, flat = {"flat", 1, 1, 3, x, same};
    nnrt_svg_plot(f, &(nnrt_plot){"a", NULL, "x", "y", 1, 0, 0, NULL});
    nnrt_svg_plot(f, &(nnrt_plot){"b", NULL, "x", "y", 1, 0, 1, &none});
    nnrt_svg_plot(f, &(nnrt_plot){"c", NULL, "x", "y", 0, 1, 1, &flat});
    nnrt_svg_plot(f, &(nnrt_plot){"d", NULL, "x", "y", 1, 0, 1, &flat});
    const double counts[4] = {0};
    nnrt_svg_histogram(f, &(nnrt_bars){"e", NULL, 0, 1, 4, counts, counts});
    nnrt_svg_memory(f, 0, NULL, 0, NULL, 0);
    const char *const names[] = {"<"};
    const int64_t pairs[1] = {0};
    nnrt_svg_confusion(f, 1, names, pairs);
}

Test(nnrt_page, pictures_of_nothing_hold_numbers)
{
    size_t size;
    const char *text = written(empty_plot, NULL, 0, &size);
    cr_assert_null(strstr(text, "nan"), "%s", text);
    cr_assert_null(strstr(text, "inf"), "%s", text);
    cr_assert_null(strstr(text, "is <"), "%s", text);
}

/* --- records ---------------------------------------------------------------------------------- */

static void record(FILE *f, const char *in, size_t n)
{
    nnrt_events_record(f, in, n);
}

/* Worked out from the formats, apart from this code: the first record, of wall time 1, and loss = 0.5 at step 7, of
 * wall time 2. */
Test(nnrt_page, records_are_tfrecords)
{
    static const char first[] = "\x09\0\0\0\0\0\0\xf0\x3f\x1a\x0d"
                                "brain.Event:2";
    static const char scalar[] =
        "\x09\0\0\0\0\0\0\0\x40\x10\x07\x2a\x0d\x0a\x0b\x0a\x04loss\x15\0\0\0\x3f";
    static const unsigned char head[2][12] = {{0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22},
                                              {0x1a, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x9b, 0xd8, 0x2d}};
    static const unsigned char foot[2][4] = {{0x86, 0xbf, 0x57, 0x7a}, {0xc3, 0x3f, 0xc2, 0x4a}};
    const char *data[] = {first, scalar};
    const size_t n[] = {sizeof first - 1, sizeof scalar - 1};
    for (int i = 0; i < 2; i++) {
        size_t size;
        const char *got = written(record, data[i], n[i], &size);
        cr_assert_eq(size, n[i] + 16);
        cr_assert_eq(memcmp(got, head[i], 12), 0);
        cr_assert_eq(memcmp(got + 12, data[i], n[i]), 0);
        cr_assert_eq(memcmp(got + 12 + n[i], foot[i], 4), 0);
    }
}

static void scalar(FILE *f, const char *in, size_t n)
{
    (void)in, (void)n;
    nnrt_events_scalar(f, "train/", "loss", 300, 0.5);
}

static void histogram(FILE *f, const char *in, size_t n)
{
    (void)in;
    const float same[] = {2, 2, 2}, bad[] = {1, NAN};
    nnrt_events_histogram(f, "", "w", 1, (int64_t)n, n == 2 ? bad : same);
}

Test(nnrt_page, a_scalar_to_the_byte)
{
    size_t size;
    const char *got = written(scalar, NULL, 0, &size);
    static const char rest[] = "\x10\xac\x02\x2a\x13\x0a\x11\x0a\x0atrain/loss\x15\0\0\0\x3f";
    cr_assert_eq(size, 12 + 9 + sizeof rest - 1 + 4);
    cr_assert_eq(got[12], 9);
    cr_assert_eq(memcmp(got + 21, rest, sizeof rest - 1), 0);
}

Test(nnrt_page, histograms_of_equal_and_of_bad_numbers)
{
    size_t size;
    written(histogram, NULL, 3, &size);
    cr_assert_gt(size, 500); /* 60 doubles */
    written(histogram, NULL, 2, &size);
    cr_assert_eq(size, 0);
    written(histogram, NULL, 0, &size);
    cr_assert_eq(size, 0);
}
