/* SPDX-License-Identifier: MIT */
/* decode.c: what a network trained by ctc_loss says, and how far that is from the targets: ops whose values
 * are whole numbers.
 *
 * ctc_decode of numbers {blank, beam}: with a beam of 1 the best path (the largest of each frame, repeats as
 * one, blanks left out), else prefix beam search (Hannun et al., 2014), without a language model.
 * edit_distance of numbers {separator}: Levenshtein's, of labels or, where the separator is a label, of the
 * words that it divides.
 */
#include <math.h>
#include <string.h>

#include "../../runtime/nnrt_ctc.h"
#include "impl.h"

static bool decode_shape(Graph *g, Node *y)
{
    const Shape *p = &y->in[0]->shape;
    const int64_t *number = y->attr->numbers;
    char text[128];
    if (y->attr->n_numbers != 2 || y->in[0]->dtype != DT_f32 || p->rank != 3 || p->batch > 0 ||
        !op_per_sample(y->in[1], p))
        return op_error(g, y, "%s is not [N, T, C] with lengths of the same samples",
                        shape_text(p, text));
    if (number[0] < 0 || number[0] >= p->dim[2] || number[1] < 1 || number[1] > CTC_BEAM_MAX)
        return op_error(g, y, "a blank of %lld, a beam of %lld", (long long)number[0],
                        (long long)number[1]);
    y->dtype = DT_f32;
    y->shape = *p;
    y->shape.rank = 2;
    y->shape.dim[2] = 0;
    return true;
}

static bool distance_shape(Graph *g, Node *y)
{
    const Shape *a = &y->in[0]->shape, *b = &y->in[1]->shape;
    char first[128], second[128];
    if (y->attr->n_numbers != 1 || y->in[0]->dtype != DT_f32 || y->in[1]->dtype != DT_i32 ||
        a->rank != 2 || b->rank != 2 || a->batch > 0 || a->batch != b->batch ||
        a->dim[0] != b->dim[0] || !op_per_sample(y->in[2], a))
        return op_error(g, y, "labels %s and targets %s are not of the same samples",
                        shape_text(a, first), shape_text(b, second));
    y->dtype = DT_f32;
    y->shape = *a;
    y->shape.dim[1] = 2;
    return true;
}

/* --- the oracle: decoding --------------------------------------------------------------------- */

/* A sequence of labels, and the probability of all ways to it that end with the blank, or with its last
 * label: as logs. */
typedef struct Prefix {
    int n;
    int *labels;
    double blank, label;
} Prefix;

typedef struct Search {
    Arena *arena;
    const double *p; /* of the frame */
    int64_t classes;
    int blank;
    VEC(Prefix) beam, next;
} Search;

static double log_add(double a, double b)
{
    double most = fmax(a, b);
    return isinf(most) ? most : most + log1p(exp(-fabs(a - b)));
}

static double total(const Prefix *x)
{
    return log_add(x->blank, x->label);
}

/* That sequence among the next, added where it is not there. */
static Prefix *next_prefix(Search *s, const int *labels, int n)
{
    for (int i = 0; i < s->next.n; i++)
        if (s->next.at[i].n == n &&
            memcmp(s->next.at[i].labels, labels, sizeof *labels * (size_t)n) == 0)
            return &s->next.at[i];
    Prefix x = {.n = n, .blank = -INFINITY, .label = -INFINITY};
    x.labels = arena_take(s->arena, sizeof *labels * (size_t)(n + 1));
    memcpy(x.labels, labels, sizeof *labels * (size_t)n);
    vec_push(s->arena, &s->next, x);
    return &s->next.at[s->next.n - 1];
}

static void go_on(Search *s, const Prefix *x)
{
    int *longer = arena_take(s->arena, sizeof *longer * (size_t)(x->n + 1));
    memcpy(longer, x->labels, sizeof *longer * (size_t)x->n);
    for (int c = 0; c < s->classes; c++) {
        bool again = x->n && x->labels[x->n - 1] == c;
        longer[x->n] = c;
        if (c == s->blank)
            continue;
        Prefix *to = next_prefix(s, longer, x->n + 1);
        to->label = log_add(to->label, (again ? x->blank : total(x)) + s->p[c]);
    }
}

static void stay(Search *s, const Prefix *x)
{
    Prefix *to = next_prefix(s, x->labels, x->n);
    to->blank = log_add(to->blank, total(x) + s->p[s->blank]);
    if (x->n)
        to->label = log_add(to->label, x->label + s->p[x->labels[x->n - 1]]);
}

/* The likeliest of the next, of equals the first, become the beam. */
static void keep_best(Search *s, int64_t most)
{
    s->beam.n = 0;
    while (s->beam.n < most && s->next.n) {
        int best = 0;
        for (int i = 1; i < s->next.n; i++)
            if (total(&s->next.at[i]) > total(&s->next.at[best]))
                best = i;
        vec_push(s->arena, &s->beam, s->next.at[best]);
        s->next.n--;
        for (int i = best; i < s->next.n; i++)
            s->next.at[i] = s->next.at[i + 1];
    }
    s->next.n = 0;
}

static void search(const double *p, int64_t frames, int64_t classes, const int64_t *number,
                   double *to)
{
    Search s = {.arena = arena_new(), .classes = classes, .blank = (int)number[0]};
    Prefix none = {.labels = arena_take(s.arena, sizeof(int)), .label = -INFINITY};
    vec_push(s.arena, &s.beam, none);
    for (int64_t t = 0; t < frames; t++) {
        s.p = p + t * classes;
        for (int i = 0; i < s.beam.n; i++)
            stay(&s, &s.beam.at[i]);
        for (int i = 0; i < s.beam.n; i++)
            go_on(&s, &s.beam.at[i]);
        keep_best(&s, number[1]);
    }
    for (int i = 0; i < s.beam.at[0].n; i++)
        to[i] = s.beam.at[0].labels[i];
    arena_free(s.arena);
}

static void best_path(const double *p, int64_t frames, int64_t classes, int64_t blank, double *to)
{
    int64_t last = blank;
    for (int64_t t = 0; t < frames; t++) {
        int64_t best = 0;
        for (int64_t c = 0; c < classes; c++)
            if (p[t * classes + c] > p[t * classes + best])
                best = c;
        if (best != last && best != blank)
            *to++ = (double)best;
        last = best;
    }
}

static void decode_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    int64_t frames = in[0].shape.dim[1], classes = in[0].shape.dim[2];
    for (int64_t i = 0, n = shape_count(&out->shape); i < n; i++)
        out->data[i] = -1;
    for (int64_t b = 0; b < out->shape.dim[0]; b++) {
        const double *p = in[0].data + b * frames * classes;
        double *to = out->data + b * frames;
        int64_t count = op_length(&in[1], b, frames);
        if (y->attr->numbers[1] > 1)
            search(p, count, classes, y->attr->numbers, to);
        else
            best_path(p, count, classes, y->attr->numbers[0], to);
    }
}

/* --- the oracle: edit distance ---------------------------------------------------------------- */

typedef struct Words {
    VEC(int64_t) begin, end;
} Words;

static Words words_of(Arena *arena, const double *x, int64_t n, double separator)
{
    Words w = {0};
    for (int64_t i = 0; i < n; i++) {
        int64_t from = i;
        if (separator >= 0 && x[i] == separator)
            continue;
        while (separator >= 0 && i + 1 < n && x[i + 1] != separator)
            i++;
        vec_push(arena, &w.begin, from);
        vec_push(arena, &w.end, i + 1);
    }
    return w;
}

static bool same_word(const double *x, const Words *a, int i, const double *z, const Words *b,
                      int j)
{
    int64_t n = a->end.at[i] - a->begin.at[i];
    if (n != b->end.at[j] - b->begin.at[j])
        return false;
    for (int64_t k = 0; k < n; k++)
        if (x[a->begin.at[i] + k] != z[b->begin.at[j] + k])
            return false;
    return true;
}

static void distance_eval(const Node *y, const InterpInput *run, const Tensor *in, Tensor *out)
{
    (void)run;
    int64_t decoded = in[0].shape.dim[1], targets = in[1].shape.dim[1];
    double separator = (double)y->attr->numbers[0];
    for (int64_t s = 0; s < out->shape.dim[0]; s++) {
        Arena *arena = arena_new();
        const double *x = in[0].data + s * decoded, *z = in[1].data + s * targets;
        int64_t n = 0;
        while (n < decoded && x[n] >= 0)
            n++;
        Words a = words_of(arena, x, n, separator);
        Words b = words_of(arena, z, op_length(&in[2], s, targets), separator);
        int width = b.begin.n + 1;
        double *d = arena_take(arena, sizeof *d * (size_t)((a.begin.n + 1) * width));
        for (int i = 0; i <= a.begin.n; i++)
            for (int j = 0; j < width; j++) {
                double *at = d + i * width + j;
                *at = i ? j ? at[-width - 1] + !same_word(x, &a, i - 1, z, &b, j - 1) : i : j;
                if (i && j)
                    *at = fmin(*at, fmin(at[-width], at[-1]) + 1);
            }
        out->data[2 * s] = d[a.begin.n * width + width - 1];
        out->data[2 * s + 1] = b.begin.n;
        arena_free(arena);
    }
}

/* --- what the kernels take -------------------------------------------------------------------- */

static double decode_cost(const Node *y)
{
    const Shape *p = &y->in[0]->shape;
    double beam = (double)y->attr->numbers[1];
    double each = (double)p->dim[2] + (beam > 1 ? 100 + beam : 0);
    return (double)p->dim[1] * each * beam;
}

static int64_t decode_work(const Node *y)
{
    int64_t beam = y->attr->numbers[1];
    return beam > 1 ? NNRT_CTC_DECODE(y->in[0]->shape.dim[1], beam) : 0;
}

static double distance_cost(const Node *y)
{
    enum { EACH = 8 };
    return EACH * (double)y->in[0]->shape.dim[1] * (double)y->in[1]->shape.dim[1];
}

static int64_t distance_work(const Node *y)
{
    return NNRT_EDIT_DISTANCE(y->in[0]->shape.dim[1], y->in[1]->shape.dim[1]);
}

const OpImpl op_ctc_decode = {.attrs = ATTR_numbers,
                              .shape = decode_shape,
                              .eval = decode_eval,
                              .cost = decode_cost,
                              .work = decode_work};
const OpImpl op_edit_distance = {.attrs = ATTR_numbers,
                                 .shape = distance_shape,
                                 .eval = distance_eval,
                                 .cost = distance_cost,
                                 .work = distance_work};
