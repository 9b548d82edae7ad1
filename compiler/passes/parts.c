/* SPDX-License-Identifier: MIT */
/* parts.c: a reshape as parts that stay together. */
#include "parts.h"

typedef struct Side { /* one of the two shapes, as parts are made of it */
    const Shape *shape;
    int *part;
    int at;
    int64_t count; /* numbers of the part so far */
    bool batch;    /* the batch axis is among them */
} Side;

/* Adds the next axis longer than 1 to part n; false after the last. */
static bool take_axis(Side *s, int n)
{
    while (s->at < s->shape->rank && shape_unit(s->shape, s->at))
        s->part[s->at++] = -1;
    if (s->at == s->shape->rank)
        return false;
    s->count *= s->shape->dim[s->at];
    s->batch = s->batch || s->at == s->shape->batch;
    s->part[s->at++] = n;
    return true;
}

bool reshape_parts(const Shape *from, const Shape *to, Parts *p)
{
    Side a = {from, p->from, 0, 1, false}, b = {to, p->to, 0, 1, false};
    for (p->n = 0;; p->n++) {
        a.count = b.count = 1;
        a.batch = b.batch = false;
        bool more = take_axis(&a, p->n);
        if (take_axis(&b, p->n) != more)
            return false;
        if (!more)
            return true;
        while (a.count != b.count || a.batch != b.batch) {
            bool a_lacks = a.count == b.count ? b.batch : a.count < b.count;
            if (!take_axis(a_lacks ? &a : &b, p->n))
                return false;
        }
    }
}
