/* SPDX-License-Identifier: MIT */
/* Guards compiler/frontend/layers_augment.c: each transform as it is written, its ranges, where the
 * layer may stand, that it is nothing in the graph, and what is said of mistakes.
 */
#include <math.h>

#include "frontend_read.h"

/* A model whose image has this description, with these layers before the rest. */
static const char *model_of(const char *image, const char *layers)
{
    static char text[2048];
    snprintf(
        text, sizeof text,
        "model: m\nvars: {turn: 15}\ninputs:\n  image: {%s}\n  label: {classes: 3}\nlayers:\n%s"
        "  - flatten\n  - dense: {units: 3, name: h}\nloss: softmax_cross_entropy(h, label)\n"
        "train: {optimizer: adam}\n",
        image, layers);
    return text;
}

static const char *with_list(const char *list)
{
    static char layer[512];
    snprintf(layer, sizeof layer, "  - augment: [%s]\n", list);
    return model_of("shape: [3, 8, 6], normalize: {mean: [1, 2, 3], std: 4}", layer);
}

static const Input *image_of(const char *text)
{
    return &good_model(text)->inputs.at[0];
}

static void expect(const Augment *t, AugmentKind kind, double low, double high)
{
    cr_expect_eq(t->kind, kind);
    cr_expect(fabs(t->low - low) < 1e-12 && fabs(t->high - high) < 1e-12, "%g to %g", t->low,
              t->high);
}

static void wrong(const char *list, const char *expected)
{
    wrong_model(with_list(list), expected);
}

Test(augment, transforms)
{
    const Input *in = image_of(with_list(
        "{rotate: 10}, {rotate: [-5, $turn]}, {scale: 0.1}, {scale: [0.5, 2]}, {translate: 0.05}, "
        "{shear: 8}, {crop: 4}, flip, {brightness: 0.2}, {contrast: [0, 3]}, {noise: 2.5}, "
        "{cutout: 5}, {time_mask: {width: 6, count: 2}}, {freq_mask: 3}"));
    cr_assert_eq(in->augment.n, 15);
    const Augment *t = in->augment.at;
    expect(&t[0], AUGMENT_rotate, -10, 10);
    expect(&t[1], AUGMENT_rotate, -5, 15);
    expect(&t[2], AUGMENT_scale, 0.9, 1.1);
    expect(&t[3], AUGMENT_scale, 0.5, 2);
    expect(&t[4], AUGMENT_translate, -0.05, 0.05);
    expect(&t[5], AUGMENT_shear, -8, 8);
    expect(&t[6], AUGMENT_crop, 0, 4);
    expect(&t[7], AUGMENT_flip, 0, 0.5);
    expect(&t[8], AUGMENT_brightness, 0.8, 1.2);
    expect(&t[9], AUGMENT_contrast, 0, 3);
    expect(&t[10], AUGMENT_noise, 0, 2.5);
    expect(&t[11], AUGMENT_cutout, 0, 5);
    expect(&t[12], AUGMENT_time_mask, 0, 6);
    expect(&t[13], AUGMENT_time_mask, 0, 6);
    expect(&t[14], AUGMENT_freq_mask, 0, 3);
    cr_assert(t[11].n_fill == 3 && t[13].n_fill == 3);
    cr_expect(t[11].fill[0] == 1 && t[11].fill[2] == 3);
}

Test(augment, flips)
{
    const Input *in = image_of(with_list("{flip: vertical}, {flip: {p: 0.25}}, {flip: both}, "
                                         "{flip: {axis: vertical, p: 1}}"));
    cr_assert_eq(in->augment.n, 5);
    const Augment *t = in->augment.at;
    expect(&t[0], AUGMENT_flip_vertical, 0, 0.5);
    expect(&t[1], AUGMENT_flip, 0, 0.25);
    expect(&t[2], AUGMENT_flip, 0, 0.5);
    expect(&t[3], AUGMENT_flip_vertical, 0, 0.5);
    expect(&t[4], AUGMENT_flip_vertical, 0, 1);
}

Test(augment, cutout_fills_with_the_mean)
{
    const char *layer = "  - augment: [{cutout: 2}]\n";
    const Input *in = image_of(model_of("shape: [8, 6], normalize: {mean: 7}", layer));
    cr_expect(in->augment.at[0].n_fill == 1 && in->augment.at[0].fill[0] == 7);
    in = image_of(model_of("shape: [1, 8, 6], dtype: u8", layer));
    cr_expect_eq(in->augment.at[0].n_fill, 0);
    wrong_model(model_of("shape: [8, 6], normalize: {mean: [1, 2, 3, 4, 5, 6, 7, 8]}", layer),
                "which for an image without channels is one number");
}

/* The graphs of all functions have the nodes that they have without it, and read it once. */
Test(augment, is_nothing_in_the_graph)
{
    const char *image = "shape: [1, 8, 6], normalize: {std: 255}";
    for (int fn = FN_predict; fn <= FN_train; fn++) {
        Program *p = good_model(model_of(image, "  - augment: [flip, {rotate: 3}]\n"));
        const Graph *with = model_graph(p, (Fn)fn);
        cr_assert_not_null(with);
        cr_assert_not_null(model_graph(p, FN_train));
        cr_expect_eq(p->inputs.at[0].augment.n, 2);
        int n = with->nodes.n;
        cr_expect_eq(model_graph(good_model(model_of(image, "")), (Fn)fn)->nodes.n, n);
    }
}

Test(augment, several_layers_add_up)
{
    const Input *in = image_of(model_of("shape: [8, 6]", "  - augment: [flip]\n"
                                                         "  - augment: [{crop: 1}]\n"));
    cr_assert_eq(in->augment.n, 2);
    expect(&in->augment.at[1], AUGMENT_crop, 0, 1);
    in = image_of(
        model_of("shape: [8, 6]", "  - augment: {input: image, transforms: [flip], name: a}\n"));
    cr_expect_eq(in->augment.n, 1);
}

Test(augment, stands_on_an_image)
{
    const char *layer = "  - augment: [flip]\n";
    wrong_model(model_of("shape: [8, 6]", "  - relu\n  - augment: [flip]\n"),
                "augment stands on an input, before any other layer");
    wrong_model(model_of("shape: [48]", layer), "'image' is of shape [N, 48]; images are");
    wrong_model(model_of("shape: [2, 2, 2, 2]", layer), "images are [C, H, W] or [H, W]");
    wrong_model(model_of("shape: [8, 6], dtype: i32", layer), "'image' is of integers");
    wrong_model(model_of("shape: [8, 6], classes: 4", layer), "'image' is of integers");
}

Test(augment, unknown)
{
    wrong("{rotat: 10}", "augment: unknown transform 'rotat'; did you mean 'rotate'?");
    wrong("flop", "unknown transform 'flop'; did you mean 'flip'?");
    wrong("{solarize: 3}", "augment: unknown transform 'solarize'");
    wrong("mixup", "augment: mixup: 'alpha' is missing");
    wrong("{mixup: 0}", "augment: mixup: 0 is out of range: 0 to 100");
    wrong("{mixup: 0.2}, {mixup: 0.1}", "augment: mixup is given twice");
    wrong("{rotate: 10, flip: both}", "expected one transform an item");
    wrong("[flip]", "expected one transform an item");
    wrong("{flip: {direction: both}}", "augment: flip: unknown key 'direction'");
    wrong("{flip: sideways}", "augment: flip: axis: unknown 'sideways'");
    wrong("rotate", "augment: rotate: 'degrees' is missing");
    wrong_model(model_of("shape: [8, 6]", "  - augment: flip\n"), "expected a list of transforms");
    wrong_model(model_of("shape: [8, 6]", "  - augment: []\n"), "expected a list of transforms");
    wrong_model(model_of("shape: [8, 6]", "  - augment\n"), "'transforms' is missing");
}

Test(augment, ranges)
{
    wrong("{rotate: -1}", "augment: rotate: -1 is out of range: 0 to 180");
    wrong("{rotate: [-181, 0]}", "rotate: -181 is out of range: -180 to 180");
    wrong("{rotate: [20, 10]}", "a number or [low, high], the smaller first");
    wrong("{rotate: [1, 2, 3]}", "a number or [low, high]");
    wrong("{scale: 1}", "scale: 1 is out of range: 0 to 0.99");
    wrong("{scale: [0, 1]}", "scale: 0 is out of range: 0.01 to 100");
    wrong("{translate: 1.5}", "translate: 1.5 is out of range: 0 to 1");
    wrong("{shear: 90}", "shear: 90 is out of range: 0 to 80");
    wrong("{crop: 7}", "crop: 7 is out of range: 0 to 6");
    wrong("{crop: -1}", "crop: -1 is out of range");
    wrong("{flip: {p: 2}}", "flip: 2 is out of range: 0 to 1");
    wrong("{brightness: 1.1}", "brightness: 1.1 is out of range: 0 to 1");
    wrong("{brightness: [-1, 1]}", "brightness: -1 is out of range: 0 to 100");
    wrong("{contrast: -0.5}", "contrast: -0.5 is out of range");
    wrong("{noise: -1}", "noise: -1 is out of range");
    wrong("{cutout: 0}", "cutout: 0 is out of range: 1 to 16");
    wrong("{time_mask: 0}", "time_mask: 0 is out of range: 1 to 8");
    wrong("{freq_mask: 9}", "freq_mask: 9 is out of range: 1 to 6");
    wrong("{freq_mask: {width: 2, count: 0}}", "freq_mask: 0 is out of range: 1 to 64");
    wrong("{cutout: 17}", "cutout: 17 is out of range");
    wrong("{cutout: 1.5}", "cutout: side");
    char list[512] = "flip";
    for (int i = 0; i < 63; i++)
        strcat(list, ", flip");
    cr_expect_eq(image_of(with_list(list))->augment.n, 64);
    wrong(strcat(list, ", flip"), "more than 64 transforms");
}
