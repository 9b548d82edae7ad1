/* SPDX-License-Identifier: MIT */
/* layers_picture.c: a network's layers as a picture: boxes in ranks, what reads below what it reads.
 *
 * After Sugiyama, Tagawa and Toda (1981): ranks by the longest way from an input; an edge over several ranks passes
 * through a point in each of them; within a rank the order is that of the mean place of what stands above (then below),
 * some times over; places keep their order and their distance, and move to the mean of their neighbours. */
#include <string.h>

#include "../../runtime/nnrt_page.h"
#include "../ops/ops.h"
#include "layers_picture.h"

enum {
    BOX_WIDE = 232,
    BOX_HIGH = 44,
    GAP_X = 28,
    GAP_Y = 34,
    POINT_WIDE = 12,
    SWEEPS = 8,
    STRAIGHTEN = 60,
    EDGE = 16
};

/* A box, or a point on the way of an edge. */
typedef struct Spot {
    int layer; /* -1: a point */
    int rank;
    double x, wish; /* the middle */
    double sum;     /* of its neighbours' x, and how many */
    int near;
} Spot;

typedef struct Line {
    int from, to; /* spots of neighbouring ranks */
} Line;

typedef VEC(int) Ints;

typedef struct Drawing {
    Arena *arena;
    const Picture *of;
    VEC(Spot) spots;
    VEC(Line) lines;
    Ints *ranks; /* by rank: its spots in order */
    int n_ranks;
} Drawing;

static Spot *spot_of(const Drawing *d, int i)
{
    if (!d->spots.at || i < 0 || i >= d->spots.n)
        BUG("a picture has no spot %d", i);
    return &d->spots.at[i];
}

/* --- the layers ------------------------------------------------------------------------------- */

static bool shown(const Picture *p, int layer)
{
    OpKind op = p->layers.at[layer].last->op;
    return op == OP_input || op_rows[op].cls != CLASS_LEAF;
}

static int output_of(const Graph *g, const Picture *p, int layer)
{
    for (int i = 0; i < g->roots.n; i++)
        if (g->roots.at[i].kind == ROOT_output && p->layers.of[g->roots.at[i].node->id] == layer)
            return g->roots.at[i].index;
    return -1;
}

/* A name that the model file does not have, but the layer's kind and a number: flatten_1. */
static bool made_up(const Layer *l)
{
    size_t n = strcspn(l->what, ",");
    return strncmp(l->name, l->what, n) == 0 && l->name[n] == '_' &&
           strspn(l->name + n + 1, "0123456789") == strlen(l->name + n + 1);
}

/* The end of a long name, which tells most: "...long.conv1". */
static const char *tail_of(Arena *arena, const char *name)
{
    enum { LETTERS = 17 };
    size_t n = strlen(name);
    return n <= LETTERS ? name : arena_format(arena, "\xE2\x80\xA6%s", name + n - LETTERS + 1);
}

static void describe(Picture *p, const Graph *g, int i, Arena *arena)
{
    const Layer *l = &p->layers.at[i];
    char shape[128], amount[NNRT_AMOUNT];
    PictureBox *b = &p->boxes[i];
    int output = output_of(g, p, i);
    bool input = l->last->op == OP_input;
    const char *name = input ? g->program->inputs.at[l->last->attr->input].name : l->name;
    b->what = output >= 0 ? arena_format(arena, "%s \xE2\x86\x92 %s", l->what,
                                         g->program->outputs.at[output].name)
              : name && !input && !made_up(l)
                  ? arena_format(arena, "%s \xC2\xB7 %s", l->what, tail_of(arena, name))
                  : arena_format(arena, "%s", input ? name : l->what);
    b->shape = arena_format(arena, "%s", shape_text(&l->last->shape, shape));
    if (l->params)
        b->shape = arena_format(arena, "%s, %s weights", b->shape,
                                nnrt_html_amount(amount, (double)l->params, ""));
    b->color = input ? 4 : output >= 0 ? 1 : l->params ? 0 : 5;
    b->line = l->loc.line;
    b->params = l->params;
}

Picture picture_of(const Graph *g, Arena *arena)
{
    Picture p = {.layers = graph_layers(g, arena)};
    p.boxes = arena_take(arena, sizeof *p.boxes * (size_t)(p.layers.n + 1));
    for (int i = 0; i < p.layers.n; i++) {
        p.boxes[i].shown = shown(&p, i);
        if (p.boxes[i].shown)
            describe(&p, g, i, arena);
    }
    for (int i = 0; i < g->nodes.n; i++)
        for (int k = 0; k < g->nodes.at[i]->n_in; k++) {
            PictureEdge e = {p.layers.of[g->nodes.at[i]->in[k]->id], p.layers.of[i]};
            bool known = e.from == e.to || !p.boxes[e.from].shown || !p.boxes[e.to].shown;
            for (int j = 0; j < p.edges.n && !known; j++)
                known = p.edges.at[j].from == e.from && p.edges.at[j].to == e.to;
            if (!known)
                vec_push(arena, &p.edges, e);
        }
    return p;
}

/* --- ranks ------------------------------------------------------------------------------------ */

/* An edge goes down from what is made earlier. Layers that read each other have one that goes up; it counts for
 * nothing here. */
static bool goes_down(const Picture *p, const PictureEdge *e)
{
    return p->layers.at[e->from].last->id < p->layers.at[e->to].last->id;
}

static int *ranks_of(const Picture *p, Arena *arena, int *most)
{
    int *rank = arena_take(arena, sizeof *rank * (size_t)(p->layers.n + 1));
    bool changed = true;
    *most = 0;
    for (int round = 0; changed && round < p->layers.n; round++) {
        changed = false;
        for (int i = 0; i < p->edges.n; i++) {
            const PictureEdge *e = &p->edges.at[i];
            if (goes_down(p, e) && rank[e->to] < rank[e->from] + 1) {
                rank[e->to] = rank[e->from] + 1;
                changed = true;
            }
        }
    }
    for (int i = 0; i < p->layers.n; i++)
        *most = rank[i] > *most ? rank[i] : *most;
    /* inputs stand just above what reads them first */
    for (int i = 0; i < p->layers.n; i++) {
        int least = *most + 1;
        for (int k = 0; k < p->edges.n; k++)
            if (p->edges.at[k].from == i && rank[p->edges.at[k].to] < least)
                least = rank[p->edges.at[k].to];
        if (p->boxes[i].shown && rank[i] == 0 && least <= *most && least > 0)
            rank[i] = least - 1;
    }
    return rank;
}

static int add_spot(Drawing *d, int layer, int rank)
{
    Ints *row = &d->ranks[rank];
    Spot s = {.layer = layer, .rank = rank};
    vec_push(d->arena, &d->spots, s);
    vec_push(d->arena, row, d->spots.n - 1);
    return d->spots.n - 1;
}

static void add_edge(Drawing *d, const int *spot, const PictureEdge *e)
{
    int from = spot[e->from], to = spot[e->to];
    if (spot_of(d, from)->rank > spot_of(d, to)->rank) {
        int kept = from;
        from = to;
        to = kept;
    }
    int end = spot_of(d, to)->rank;
    for (int rank = spot_of(d, from)->rank + 1; rank < end; rank++) {
        int point = add_spot(d, -1, rank);
        vec_push(d->arena, &d->lines, ((Line){from, point}));
        from = point;
    }
    vec_push(d->arena, &d->lines, ((Line){from, to}));
}

static void build(Drawing *d)
{
    const Picture *p = d->of;
    int most, *rank = ranks_of(p, d->arena, &most);
    int *spot = arena_take(d->arena, sizeof *spot * (size_t)(p->layers.n + 1));
    d->n_ranks = most + 1;
    d->ranks = arena_take(d->arena, sizeof *d->ranks * (size_t)d->n_ranks);
    for (int i = 0; i < p->layers.n; i++)
        if (p->boxes[i].shown)
            spot[i] = add_spot(d, i, rank[i]);
    for (int i = 0; i < p->edges.n; i++)
        add_edge(d, spot, &p->edges.at[i]);
}

/* --- places ----------------------------------------------------------------------------------- */

/* The mean x of a spot's neighbours: above, below, or both (way 0). Without any it stays. */
static void wishes(Drawing *d, int way)
{
    for (int i = 0; i < d->spots.n; i++)
        spot_of(d, i)->sum = spot_of(d, i)->near = 0;
    for (int i = 0; i < d->lines.n; i++) {
        Spot *above = spot_of(d, d->lines.at[i].from), *below = spot_of(d, d->lines.at[i].to);
        if (way <= 0) {
            below->sum += above->x;
            below->near++;
        }
        if (way >= 0) {
            above->sum += below->x;
            above->near++;
        }
    }
    for (int i = 0; i < d->spots.n; i++) {
        Spot *s = spot_of(d, i);
        s->wish = s->near ? s->sum / s->near : s->x;
    }
}

static double width_of(const Spot *s)
{
    return s->layer < 0 ? POINT_WIDE : BOX_WIDE;
}

/* Places a rank's spots in their order, as near to what they wish as their widths allow: first from the left,
 * then back from the right, and between the two. */
static void spread(Drawing *d, int rank)
{
    Ints *row = &d->ranks[rank];
    double *left = arena_take(d->arena, sizeof *left * (size_t)(row->n + 1)), edge = 0;
    for (int i = 0; i < row->n; i++) {
        const Spot *s = spot_of(d, row->at[i]);
        double least = i ? edge + GAP_X + width_of(s) / 2 : s->wish;
        left[i] = s->wish > least ? s->wish : least;
        edge = left[i] + width_of(s) / 2;
    }
    for (int i = row->n - 1; i >= 0; i--) {
        Spot *s = spot_of(d, row->at[i]);
        double most = i + 1 < row->n ? edge - GAP_X - width_of(s) / 2 : s->wish;
        double right = s->wish < most ? s->wish : most;
        edge = right - width_of(s) / 2;
        s->x = (left[i] + right) / 2;
    }
}

/* Sorts a rank by what its spots wish; of equals the order stays. */
static void sort_rank(Drawing *d, int rank)
{
    Ints *row = &d->ranks[rank];
    for (int i = 1; i < row->n; i++)
        for (int k = i;
             k > 0 && spot_of(d, row->at[k - 1])->wish > spot_of(d, row->at[k])->wish + 1e-9; k--) {
            int kept = row->at[k];
            row->at[k] = row->at[k - 1];
            row->at[k - 1] = kept;
        }
}

static void place(Drawing *d)
{
    for (int r = 0; r < d->n_ranks; r++)
        for (int i = 0; i < d->ranks[r].n; i++)
            spot_of(d, d->ranks[r].at[i])->x = i * (BOX_WIDE + GAP_X);
    for (int sweep = 0; sweep < SWEEPS; sweep++)
        for (int k = 0; k < d->n_ranks; k++) {
            int r = sweep % 2 ? d->n_ranks - 1 - k : k;
            wishes(d, sweep % 2 ? 1 : -1);
            sort_rank(d, r);
            spread(d, r);
        }
    for (int sweep = 0; sweep < STRAIGHTEN; sweep++) {
        wishes(d, 0);
        for (int r = 0; r < d->n_ranks; r++)
            spread(d, r);
    }
}

/* --- the picture ------------------------------------------------------------------------------ */

static double top_of(int rank)
{
    return 10 + rank * (double)(BOX_HIGH + GAP_Y);
}

static void put_line(const Drawing *d, const Line *l, FILE *f)
{
    const Spot *a = spot_of(d, l->from), *b = spot_of(d, l->to);
    double y0 = top_of(a->rank) + (a->layer < 0 ? BOX_HIGH / 2.0 : BOX_HIGH);
    double y1 = top_of(b->rank) + (b->layer < 0 ? BOX_HIGH / 2.0 : -6), bend = (y1 - y0) / 2;
    fprintf(f, "<path class=\"edge\" d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\"/>", a->x, y0,
            a->x, y0 + bend, b->x, y1 - bend, b->x, y1);
    if (b->layer >= 0)
        fprintf(f, "<path class=\"tip\" d=\"M%.1f %.1fl-4 -7h8z\"/>", b->x, top_of(b->rank));
    fputs("\n", f);
}

static void put_box(const Drawing *d, const Spot *s, FILE *f)
{
    const PictureBox *b = &d->of->boxes[s->layer];
    double left = s->x - BOX_WIDE / 2.0, top = top_of(s->rank);
    fputs("<g><title>", f);
    nnrt_html_say(f, b->what);
    fputs(", ", f);
    nnrt_html_say(f, b->shape);
    if (b->line > 0)
        fprintf(f, ", line %d", b->line);
    fprintf(f,
            "</title><rect class=\"box s%d\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" "
            "rx=\"6\"/>"
            "<text class=\"ink b\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
            b->color, left, top, BOX_WIDE, BOX_HIGH, s->x, top + 18);
    nnrt_html_short(f, b->what, 29);
    fprintf(f, "</text><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", s->x, top + 35);
    nnrt_html_short(f, b->shape, 34);
    fputs("</text></g>\n", f);
}

void picture_put(const Picture *p, Arena *arena, FILE *f)
{
    Drawing d = {.arena = arena, .of = p};
    double least = 0, most = 0;
    build(&d);
    place(&d);
    for (int i = 0; i < d.spots.n; i++) {
        double x = d.spots.at[i].x;
        least = i == 0 || x < least ? x : least;
        most = i == 0 || x > most ? x : most;
    }
    double width = most - least + BOX_WIDE + 2 * EDGE, height = top_of(d.n_ranks) - GAP_Y + 10;
    for (int i = 0; i < d.spots.n; i++)
        d.spots.at[i].x += EDGE + BOX_WIDE / 2.0 - least;
    fprintf(f,
            "<div class=\"scroll\" style=\"max-height:720px;overflow:auto\"><svg "
            "xmlns=\"http://www.w3.org/2000/svg\" "
            "viewBox=\"0 0 %.0f %.0f\" style=\"width:%.0fpx;max-width:none;margin:0 auto\" "
            "role=\"img\" "
            "aria-label=\"layers\">\n",
            width, height, width);
    for (int i = 0; i < d.lines.n; i++)
        put_line(&d, &d.lines.at[i], f);
    for (int i = 0; i < d.spots.n; i++)
        if (d.spots.at[i].layer >= 0)
            put_box(&d, &d.spots.at[i], f);
    fputs("</svg></div>\n", f);
}
