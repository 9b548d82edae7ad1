/* SPDX-License-Identifier: MIT */
/* Guards nnrt_mixup.c: shares follow the smaller part of Beta(alpha, alpha); images, bytes and classes of a pair. */
#include <criterion/criterion.h>
#include <math.h>

#include "nnrt_program.h"

/* The mean of min(B, 1 - B) is 1/2 less the mean deviation of Beta(a, a), 1 / (a B(a, a) 4^a). */
Test(nnrt_mixup, shares)
{
    static const double alphas[] = {0.05, 0.2, 1, 3};
    enum { DRAWS = 40000 };
    for (size_t i = 0; i < sizeof alphas / sizeof *alphas; i++) {
        double a = alphas[i], sum = 0, least = 1, most = 0;
        for (int64_t call = 0; call < DRAWS; call++) {
            double m = nnrt_mixup_share(a, 7, call);
            sum += m;
            least = fmin(least, m);
            most = fmax(most, m);
        }
        double beta = exp(2 * lgamma(a) - lgamma(2 * a));
        double want = 0.5 - 1 / (a * beta * pow(4, a));
        cr_expect_float_eq(sum / DRAWS, want, 0.004, "alpha %g: mean %g, not %g", a, sum / DRAWS,
                           want);
        cr_expect(least >= 0 && most <= 0.5, "alpha %g: %g to %g", a, least, most);
    }
    cr_expect_neq(nnrt_mixup_share(1, 7, 0), nnrt_mixup_share(1, 8, 0));
    cr_expect_eq(nnrt_mixup_share(1, 7, 5), nnrt_mixup_share(1, 7, 5));
}

Test(nnrt_mixup, batch)
{
    const nnrt_value inputs[] = {
        {.name = "image", .dtype = NNRT_U8, .rank = 2, .dim = {1, 2}, .count = 2},
        {.name = "label", .dtype = NNRT_I32, .count = 1, .classes = 10}};
    nnrt_model model = {.n_inputs = 2, .inputs = inputs, .train = {.mixup = 1, .mixup_input = 0}};
    nnrt_instance m = {.model = &model, .seed = 3, .calls = 4};
    uint8_t image[] = {0, 200, 50, 60, 100, 10};
    int32_t label[] = {1, 2, 9};
    void *in[] = {image, label};
    nnrt_mixup_batch(&m, 3, in);
    double s = m.mix;
    cr_assert(s > 0 && s <= 0.5);
    const double want[] = {s * 100, 200 - s * 190, 50, 60, 100 - s * 100, 10 + s * 190};
    for (int i = 0; i < 6; i++)
        cr_expect_float_eq(image[i], want[i], 0.501, "%d: %d, not %g", i, image[i], want[i]);
    cr_expect(label[0] == 1 + 10 * 10 && label[1] == 2 + 10 * 3 && label[2] == 9 + 10 * 2);
    model.train.mixup = 0;
    label[0] = 5;
    nnrt_mixup_batch(&m, 3, in);
    cr_expect(m.mix == 0 && label[0] == 5, "nothing where the model does not say so");
}
