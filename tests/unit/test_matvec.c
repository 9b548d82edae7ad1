/* SPDX-License-Identifier: MIT */
/* Guards templates/matvec.c as it stands: pieces of any number of columns, sums of any length, both ways that a
 * matrix may lie. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../../templates/matvec.c"

typedef void Vector(int, int, const float *, ptrdiff_t, const float *, ptrdiff_t, float *);

/* b(k, j) = b[k * down + j * along] */
static void check(Vector *product, int columns, int inner, int step, int down, int along)
{
    enum { MOST = 1 << 16, COLUMNS = 128 };
    static float a[MOST], b[MOST], y[COLUMNS + 1];
    for (int i = 0; i < MOST; i++) {
        a[i] = (float)(i * 7 % 11) - 5;
        b[i] = (float)(i * 5 % 13) - 6;
    }
    y[columns] = 1234.5f;
    product(columns, inner, a, step, b, down > along ? down : along, y);
    for (int j = 0; j < columns; j++) {
        double sum = 0;
        for (int k = 0; k < inner; k++)
            sum += (double)a[k * step] * b[k * down + j * along];
        cr_assert_float_eq(y[j], sum, 1e-3, "%d columns of %d: number %d", columns, inner, j);
    }
    cr_assert_eq(y[columns], 1234.5f, "%d columns: one more is written", columns);
}

Test(matvec, any_columns_and_lengths)
{
    static const int columns[] = {1, 3, 4, 15, 16, 17, 64, 127, 128},
                     inner[] = {1, 2, 15, 16, 33, 200};
    for (int c = 0; c < 9; c++)
        for (int i = 0; i < 6; i++) {
            check(matvec_columns, columns[c], inner[i], 1, 131, 1);
            check(matvec_columns, columns[c], inner[i], 3, 128, 1);
            check(matvec_dots, columns[c], inner[i], 1, 1, inner[i] + 5);
        }
}
