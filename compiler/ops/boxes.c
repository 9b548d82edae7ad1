/* SPDX-License-Identifier: MIT */
/* boxes.c: non-maximum suppression: of boxes that overlap, the one with the best score.
 *
 * Operands: boxes [N, K, 4] (x0, y0, x1, y1), scores [N, K, C], and by how much a box may overlap a better one of its
 * class (a number). attr.numbers[0]: how many are kept at most. A box and a class are a candidate where the score is
 * above 0. The result is [N, top, 6], the best first: class, score, box; -1 in rows that nothing fills.
 */
#include <math.h>
#include <string.h>

#include "../../runtime/nnrt_boxes.h"
#include "impl.h"

static bool nms_shape(Graph *g, Node *y)
{
    const Shape *b = &y->in[0]->shape, *s = &y->in[1]->shape;
    char text[2][128];
    bool good = y->n_in == 3 && y->attr->n_numbers == 1 && y->attr->numbers[0] >= 1 &&
                y->in[0]->dtype == DT_f32 && y->in[1]->dtype == DT_f32 && b->rank == 3 &&
                s->rank == 3 && b->batch <= 0 && b->batch == s->batch && b->dim[0] == s->dim[0] &&
                b->dim[1] == s->dim[1] && b->dim[2] == 4 && y->in[2]->shape.rank == 0;
    if (!good)
        return op_error(g, y, "boxes %s and scores %s: they are not [N, K, 4] and [N, K, classes]",
                        shape_text(b, text[0]), shape_text(s, text[1]));
    if (s->dim[1] > INT32_MAX / s->dim[2])
        return op_error(g, y, "scores %s: they are more than 2^31 - 1", shape_text(s, text[1]));
    y->dtype = DT_f32;
    y->shape = *b;
    y->shape.dim[1] = y->attr->numbers[0];
    y->shape.dim[2] = NNRT_BOX_ROW;
    return true;
}

/* --- the oracle ------------------------------------------------------------------------------- */

static double overlap(const double *a, const double *b)
{
    double width = fmin(a[2], b[2]) - fmax(a[0], b[0]),
           height = fmin(a[3], b[3]) - fmax(a[1], b[1]);
    if (!(width > 0 && height > 0))
        return 0;
    double areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]);
    return width * height / (areas - width * height);
}

/* Takes the best candidate again and again, and strikes out those of its class that it covers. */
static void nms_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    int64_t count = in[1].shape.dim[1], classes = in[1].shape.dim[2], top = out->shape.dim[1];
    (void)y;
    for (int64_t i = 0; i < shape_count(&out->shape); i++)
        out->data[i] = -1;
    for (int64_t s = 0; s < out->shape.dim[0]; s++) {
        Arena *arena = arena_new();
        const double *box = in[0].data + s * count * 4, *score = in[1].data + s * count * classes;
        bool *gone = arena_take(arena, sizeof *gone * (size_t)(count * classes + 1));
        for (int64_t kept = 0; kept < top; kept++) {
            int64_t best = -1;
            for (int64_t i = 0; i < count * classes; i++)
                if (!gone[i] && score[i] > 0 && (best < 0 || score[i] > score[best]))
                    best = i;
            if (best < 0)
                break;
            double *row = out->data + (s * top + kept) * NNRT_BOX_ROW;
            row[0] = (double)(best % classes);
            row[1] = score[best];
            memcpy(row + 2, box + best / classes * 4, 4 * sizeof *row);
            gone[best] = true;
            for (int64_t i = best % classes; i < count * classes; i += classes)
                gone[i] |= overlap(row + 2, box + i / classes * 4) > in[2].data[0];
        }
        arena_free(arena);
    }
}

/* --- what the kernel takes -------------------------------------------------------------------- */

static double nms_cost(const Node *y)
{
    enum { EACH = 16 }; /* operations of two boxes */
    const Shape *s = &y->in[1]->shape;
    return (double)(s->dim[1] * s->dim[2]) + EACH * pow((double)y->attr->numbers[0], 2);
}

static int64_t nms_work(const Node *y)
{
    return y->in[1]->shape.dim[1] * y->in[1]->shape.dim[2];
}

const OpImpl op_nms = {.attrs = ATTR_numbers,
                       .shape = nms_shape,
                       .eval = nms_eval,
                       .cost = nms_cost,
                       .work = nms_work};
