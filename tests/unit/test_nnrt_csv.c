/* SPDX-License-Identifier: MIT */
/* test_nnrt_csv.c: guards csv: RFC 4180 and its variants, columns by name and number, numbers that
 * are exact and free of the locale, and that each error names its line and column. */
#include <locale.h>

#include "nnrt_scratch.h"

TestSuite(nnrt_csv, .init = scratch_open, .fini = scratch_close, .timeout = 60);

static const char *const name_a[] = {"a"}, *const name_b[] = {"b"}, *const name_ba[] = {"b", "a"};

/* Reads columns b, a to one array and a to another. */
static int read_ba(const char *text, char delimiter, int header, nnrt_array out[2],
                   nnrt_fault *fault)
{
    static const char *const digits_a[] = {"0"}, *const digits_ba[] = {"1", "0"};
    nnrt_column columns[2] = {
        {.input = "x", .n_names = 2, .names = header ? name_ba : digits_ba},
        {.input = "y", .n_names = 1, .names = header ? name_a : digits_a},
    };
    nnrt_source source = {
        .header = header, .delimiter = delimiter, .n_columns = 2, .columns = columns};
    return nnrt_csv_read(NULL, scratch_text("t.csv", text), &source, out, fault);
}

Test(nnrt_csv, forms)
{
    static const struct {
        const char *text;
        char delimiter;
        int header;
    } good[] = {
        {"a,b\n1,2\n3,4\n", ',', 1},
        {"a,b\n1,2\n3,4", ',', 1},
        {"a,b\r\n1,2\r\n3,4\r\n", ',', 1},
        {"a,b\r1,2\r3,4\r", ',', 1},
        {"a,b\n1,2\n3,4\n\n\n", ',', 1},
        {"\xEF\xBB\xBF"
         "a,b\n1,2\n3,4\n",
         ',', 1},
        {"\xEF\xBB\xBF"
         "1,2\n3,4\n",
         ',', 0},
        {"1,2\n3,4\n", ',', 0},
        {"1;2\n3;4\n", ';', 0},
        {"1\t2\n3\t4\n", '\t', 0},
        {" 1 , 2\n3\t,\t4 \n", ',', 0},
        {"\"a\",\"b\"\n\"1\",\"2\"\n3,\"4\"", ',', 1},
        {"\"a\",b,\"say \"\"hi\"\"\"\n1,2,\"two\nlines\"\r\n3,4,\"a,b\"\n", ',', 1},
        {"z,a,b\nx,1,2\n,3,4\n", ',', 1}, /* what is not asked for may be anything */
        {"a,b,c,d\n1,2,,\n3,4,,\n", ',', 1},
        {"a,b\n+1,2e0\n3.,.4e1\n", ',', 1},
        {"a,b\n1,2\n3,4\n", 0, 1}, /* no delimiter said: a comma */
        {"a b\n1 2\n3 4\n", NNRT_BLANKS, 1},
        {"  a\t b  \r\n1    2\r\n  3\t4 \r\n  \n", NNRT_BLANKS, 1},
        {"1 2 \"x  y\"\n3 4 \"\"", NNRT_BLANKS, 0},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        nnrt_array a[2];
        nnrt_fault fault = {""};
        int status = read_ba(good[i].text, good[i].delimiter, good[i].header, a, &fault);
        cr_assert_eq(status, NNRT_OK, "%s: %s", good[i].text, fault.text);
        static const double ba[] = {2, 1, 4, 3};
        cr_expect(a[0].rank == 2 && a[0].dim[0] == 2 && a[0].dim[1] == 2 && a[1].rank == 1);
        for (size_t k = 0; k < 4; k++)
            cr_expect_eq(nnrt_array_number(&a[0], k), ba[k], "%s", good[i].text);
        cr_expect(nnrt_array_number(&a[1], 0) == 1 && nnrt_array_number(&a[1], 1) == 3);
        nnrt_array_free(&a[0]);
        nnrt_array_free(&a[1]);
    }
}

Test(nnrt_csv, errors_name_the_place)
{
    static const struct {
        const char *text;
        char delimiter;
        const char *place, *piece;
    } bad[] = {
        {"", ',', "t.csv:", "empty file"},
        {"\n\n", ',', "t.csv:", "empty file"},
        {"a,b\n1,2\n3\n", ',', "t.csv:3:", "expected 2 fields, as the first line has, found 1"},
        {"a,b\n1,2\n3,4,5,6\n", ',', "t.csv:3:", "found 4"},
        {"a,b\n1,2\n\n3,4\n", ',', "t.csv:3:", "found 1"},
        {"a,b\n1,2\n3,\n", ',', "t.csv:3:3:", "an empty field"},
        {"a,b\n,2\n", ',', "t.csv:2:1:", "an empty field"},
        {"a,b\n1,  \n", ',', "t.csv:2:3:", "an empty field"},
        {"a,b\n1,two\n", ',', "t.csv:2:3:", "column 'b', found 'two'"},
        {"a,b\n1,0x1p3\n", ',', "t.csv:2:3:", "found '0x1p3'"},
        {"a,b\n1,1_000\n", ',', "t.csv:2:3:", "found '1_000'"},
        {"a,b\n1,1e\n", ',', "t.csv:2:3:", "found '1e'"},
        {"a,b\n1,.\n", ',', "t.csv:2:3:", "found '.'"},
        {"a,b\n1,--1\n", ',', "t.csv:2:3:", "found '--1'"},
        {"a,b\n1,1 2\n", ',', "t.csv:2:3:", "found '1 2'"},
        {"a,b\n1,nan\n", ',', "t.csv:2:3:", "finite number in column 'b', found 'nan'"},
        {"a,b\n1,-Infinity\n", ',', "t.csv:2:3:", "finite"},
        {"a,b\n1,1e999\n", ',', "t.csv:2:3:", "finite"},
        {"a;b\n1;2,5\n", ';', "t.csv:2:3:", "with a point"},
        {"a,b\n\"1\nx\",2\n3,x\n", ',', "t.csv:2:1:", "a number"},
        {"a,b,c\n1,2,\"\n\"\n3,x,\n", ',', "t.csv:4:3:", "found 'x'"},
        {"a,b\n1,\"2\n", ',', "t.csv:2:3:", "closing quote"},
        {"a,b\n1,\"2\"3\n", ',', "t.csv:2:6:", "after the closing quote"},
        {"a b\n1 2 3\n", NNRT_BLANKS, "t.csv:2:", "found 3"},
        {"a b\n\n1 2\n", NNRT_BLANKS, "t.csv:2:", "found 1"},
        {"a b\n  1  x\n", NNRT_BLANKS, "t.csv:2:6:", "found 'x'"},
        {"a b\n1 \"2\"3\n", NNRT_BLANKS, "t.csv:2:6:", "after the closing quote"},
        {"a,b\n1,2\"3\"\n", ',', "t.csv:2:4:", "no quote inside"},
        {"aa,b\n1,2\n", ',', "t.csv:1:", "column 'a'"}, /* too short to guess at */
        {"a,a,b\n1,2,3\n", ',', "t.csv:1:", "found two"},
        {"c,d\n1,2\n", ',', "t.csv:1:", "'b'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nnrt_array a[2];
        nnrt_fault fault = {""};
        int status = read_ba(bad[i].text, bad[i].delimiter, 1, a, &fault);
        scratch_fault(status, NNRT_BAD_CONTENT, &fault, bad[i].place, bad[i].piece);
        cr_expect_null(a[0].owned);
    }
}

Test(nnrt_csv, guesses_the_name_and_counts_columns)
{
    static const char *const close[] = {"sepal_lenght"}, *const far[] = {"7"}, *const one[] = {"1"};
    nnrt_column column = {.input = "x", .n_names = 1, .names = close};
    nnrt_source source = {.header = 1, .delimiter = ',', .n_columns = 1, .columns = &column};
    nnrt_array a;
    nnrt_fault fault;
    const char *path = scratch_text("i.csv", "petal_length,sepal_length\n1,2\n");
    scratch_fault(nnrt_csv_read(NULL, path, &source, &a, &fault), NNRT_BAD_CONTENT, &fault,
                  "i.csv:1:", "did you mean 'sepal_length'?");
    column.names = one; /* a number where no column is called so */
    cr_assert_eq(nnrt_csv_read(NULL, path, &source, &a, &fault), NNRT_OK);
    cr_expect_eq(nnrt_array_number(&a, 0), 2);
    nnrt_array_free(&a);
    column.names = far;
    scratch_fault(nnrt_csv_read(NULL, path, &source, &a, &fault), NNRT_BAD_CONTENT, &fault, "i.csv",
                  "'7'");
    source.header = 0;
    path = scratch_text("j.csv", "1,2\n");
    scratch_fault(nnrt_csv_read(NULL, path, &source, &a, &fault), NNRT_BAD_CONTENT, &fault, "j.csv",
                  "0 to 1");
    column.names = close;
    scratch_fault(nnrt_csv_read(NULL, path, &source, &a, &fault), NNRT_BAD_CONTENT, &fault, "j.csv",
                  "no header");
}

/* A NUL byte, a line over the limit, too many fields. */
Test(nnrt_csv, limits)
{
    nnrt_array a[2];
    nnrt_fault fault;
    nnrt_column column = {.input = "x", .n_names = 1, .names = name_b};
    nnrt_source source = {.header = 1, .delimiter = ',', .n_columns = 1, .columns = &column};
    scratch_fault(
        nnrt_csv_read(NULL, scratch_write("n.csv", "a,b\n1,2\0\n", 9), &source, a, &fault),
        NNRT_BAD_CONTENT, &fault, "n.csv:2:3:", "NUL");
    size_t size = (16 << 20) + 100;
    char *text = malloc(size);
    memset(text, '1', size);
    memcpy(text, "a,b\n1,", 6);
    scratch_fault(nnrt_csv_read(NULL, scratch_write("l.csv", text, size), &source, a, &fault),
                  NNRT_NO_MEMORY, &fault, "l.csv:2:", "limit");
    size = 1000001;
    memset(text, ',', size);
    scratch_fault(nnrt_csv_read(NULL, scratch_write("f.csv", text, size), &source, a, &fault),
                  NNRT_NO_MEMORY, &fault, "f.csv:1:", "limit");
    free(text);
}

/* As strtod has them in the C locale, to the last bit, whatever locale is set. */
Test(nnrt_csv, numbers_are_exact)
{
    static const char *const numbers[] = {
        "0.1",
        "-0",
        "5.1",
        "123456789012345",
        "0.000001",
        "1e22",
        "1e23",
        "8.41e21",
        "123456789012345678",
        "4.9e-324",
        "2.2250738585072011e-308",
        "1.7976931348623157e308",
        "9007199254740993",
        "0.3000000000000000166",
        "3.14159265358979323846264338327950288",
        "1E+2",
        "1e-400",
    };
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8")) /* where it is there, a comma is the sign */
        setlocale(LC_NUMERIC, "C");
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char text[128];
        nnrt_array a[2];
        nnrt_fault fault = {""};
        snprintf(text, sizeof text, "a,b\n%s,-%s\n", numbers[i], numbers[i]);
        int negative = numbers[i][0] == '-';
        if (negative)
            snprintf(text, sizeof text, "a,b\n%s,%s\n", numbers[i], numbers[i]);
        cr_assert_eq(read_ba(text, ',', 1, a, &fault), NNRT_OK, "%s", fault.text);
        double expected = strtod_l(numbers[i], NULL, c), found = nnrt_array_number(&a[1], 0);
        cr_expect_eq(memcmp(&expected, &found, sizeof found), 0, "%s: %.17g", numbers[i], found);
        found = nnrt_array_number(&a[0], 0);
        cr_expect_eq(negative ? expected : -expected, found);
        nnrt_array_free(&a[0]);
        nnrt_array_free(&a[1]);
    }
    freelocale(c);
}

/* What feeds one input of the command line. */
Test(nnrt_csv, one_input)
{
    nnrt_value scalar = {.name = "y", .count = 1},
               pair = {.name = "x", .count = 2, .rank = 1, .dim = {2}};
    nnrt_column like_columns[2] = {{.input = "x", .n_names = 2, .names = name_ba},
                                   {.input = "y", .n_names = 1, .names = name_b}};
    nnrt_source like = {.kind = NNRT_SOURCE_CSV,
                        .header = 1,
                        .delimiter = ';',
                        .n_columns = 2,
                        .columns = like_columns};
    static const char *const names_10[] = {"1", "0"};
    nnrt_column digits_column = {.input = "x", .n_names = 2, .names = names_10};
    nnrt_source digits = {
        .kind = NNRT_SOURCE_CSV, .delimiter = ';', .n_columns = 1, .columns = &digits_column};
    const struct {
        const char *file, *text;
        const nnrt_value *input;
        const nnrt_source *like;
        double first; /* NAN: refused */
    } cases[] = {
        {"t.csv", "y,z\n7,8\n", &scalar, NULL, 7},
        {"t.csv", "y\n7\n", &scalar, NULL, 7},
        {"t.csv", "other\n7\n", &scalar, NULL, 7},
        {"t.csv", "7\n8\n", &scalar, NULL, 7},
        {"t.csv", "7,8\n", &scalar, NULL, -1},
        {"t.csv", "7,8\n", &pair, NULL, 7},
        {"t.csv", "p,q\n7,8\n", &pair, NULL, 7},
        {"t.csv", "p,q,r\n7,8,9\n", &pair, NULL, -1},
        {"t.tsv", "7\t8\n", &pair, NULL, 7},
        {"t.csv", "y,kind\n7,p\n8,q\n", &scalar, NULL, 7},
        {"t.csv", "7;8;p\n9;9;q\n", &pair, &digits, 8}, /* a class by its name is no header */
        {"t.csv", "a;b;c\n7;8;9\n", &pair, &like, 8},
        {"t.csv", "a;b;y\n7;8;9\n", &scalar, &like, 8},
        {"t.csv", "a;c;y\n7;8;9\n", &scalar, &like, 9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nnrt_array a;
        nnrt_fault fault = {""};
        const char *path = scratch_text(cases[i].file, cases[i].text);
        int status = nnrt_csv_read_input(NULL, path, cases[i].input, cases[i].like, &a, &fault);
        if (cases[i].first < 0) {
            scratch_fault(status, NNRT_BAD_CONTENT, &fault, "t.csv:1:", "in all");
            continue;
        }
        cr_assert_eq(status, NNRT_OK, "%s: %s", cases[i].text, fault.text);
        cr_expect_eq(nnrt_array_number(&a, 0), cases[i].first, "%s", cases[i].text);
        nnrt_array_free(&a);
    }
}

Test(nnrt_csv, missing_file)
{
    nnrt_array a;
    nnrt_fault fault;
    nnrt_source source = {.header = 1};
    scratch_fault(nnrt_csv_read(NULL, scratch_path("none.csv"), &source, &a, &fault), NNRT_BAD_FILE,
                  &fault, "none.csv", "cannot open");
}
