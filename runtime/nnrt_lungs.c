/* SPDX-License-Identifier: MIT */
/* nnrt_lungs.c: the generator `lungs`: made-up X-rays of two lungs, clear (class 0) or with soft spots (1). In
 * integers, so that every machine makes the same bytes. */
#include "nnrt_data.h"

enum {
    LUNGS_SIDE = 28, /* pixels */
    LUNGS_PIXELS = LUNGS_SIDE * LUNGS_SIDE,
    LUNGS_PIXEL = 256, /* lengths a pixel */
    LUNGS_ONE = 65536  /* the ratio 1 */
};

/* An ellipse or a spot: how much is added at its centre, and how far it reaches. */
typedef struct lungs_spot {
    int32_t x, y, rx, ry, light; /* lengths in 1/256 of a pixel */
} lungs_spot;

/* 65536 at the centre, 0 from the edge on. */
static int32_t lungs_inside(const lungs_spot *s, int32_t x, int32_t y)
{
    int64_t dx = (int64_t)(x - s->x) * 256 / s->rx, dy = (int64_t)(y - s->y) * 256 / s->ry;
    int64_t away = dx * dx + dy * dy;
    return away >= 65536 ? 0 : (int32_t)(65536 - away);
}

/* Two lungs in a chest; in a sample of class 1 one to three soft spots in them. */
static unsigned char lungs_sample(uint64_t seed, int64_t i, unsigned char *pixels)
{
    uint64_t r = nnrt_synth_state(seed, i);
    lungs_spot spots[5];
    int n = 2, ground = nnrt_synth_range(&r, 130, 190);
    unsigned char ill = (unsigned char)(nnrt_synth_next(&r) >> 63);
    for (int k = 0; k < 2; k++)
        spots[k] = (lungs_spot){nnrt_synth_range(&r, 1900, 2200) + k * 3000,
                                nnrt_synth_range(&r, 3400, 3900), nnrt_synth_range(&r, 1300, 1700),
                                nnrt_synth_range(&r, 2400, 3000), -nnrt_synth_range(&r, 80, 120)};
    for (int more = ill ? nnrt_synth_range(&r, 1, 3) : 0; more > 0; more--) {
        const lungs_spot *in = &spots[nnrt_synth_range(&r, 0, 1)];
        spots[n++] =
            (lungs_spot){in->x + nnrt_synth_range(&r, -600, 600),
                         in->y + nnrt_synth_range(&r, -1500, 1500), nnrt_synth_range(&r, 500, 1000),
                         nnrt_synth_range(&r, 500, 1000), nnrt_synth_range(&r, 35, 80)};
    }
    for (int32_t p = 0; p < LUNGS_PIXELS; p++) {
        int32_t light = ground + nnrt_synth_range(&r, -20, 20);
        int32_t x = p % LUNGS_SIDE * LUNGS_PIXEL, y = p / LUNGS_SIDE * LUNGS_PIXEL;
        for (int k = 0; k < n; k++) /* a lung is dark up to near its edge */
            light += (int32_t)((int64_t)spots[k].light *
                               (k < 2 && lungs_inside(&spots[k], x, y) > 16384
                                    ? LUNGS_ONE
                                    : lungs_inside(&spots[k], x, y) * (k < 2 ? 4 : 1)) /
                               LUNGS_ONE);
        pixels[p] = (unsigned char)(light < 0 ? 0 : light > 255 ? 255 : light);
    }
    return ill;
}

int nnrt_lungs_make(const nnrt_source *s, const nnrt_model *m, nnrt_array *out, nnrt_fault *fault)
{
    return nnrt_synth_images(s, m, LUNGS_PIXELS, lungs_sample, out, fault);
}
