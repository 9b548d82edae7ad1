/* SPDX-License-Identifier: MIT */
/* layers_picture.h: what --emit=report draws of the layers of a network, and the page that it is on. */
#ifndef NNCC_LAYERS_PICTURE_H
#define NNCC_LAYERS_PICTURE_H

#include "../ir/ir.h"

typedef struct PictureBox {
    bool shown;
    const char *what, *shape; /* "dense · fc1"; "[N, 10], 1.29 k weights" */
    int color, line;          /* of nnrt_page.h; in the file */
    int64_t params;
} PictureBox;

typedef struct PictureEdge {
    int from, to; /* layers */
} PictureEdge;

/* The layers of a graph as the model file has them: taken before any pass, since passes move and join nodes. */
typedef struct Picture {
    Layers layers;
    PictureBox *boxes; /* one a layer */
    VEC(PictureEdge) edges;
} Picture;

Picture picture_of(const Graph *, Arena *);
/* As SVG inside a page. */
void picture_put(const Picture *, Arena *, FILE *);
/* --emit=report as a page of HTML; picture: NULL, or of predict's layers. (report_page.c) */
void emit_report_page(Program *, const Picture *, FILE *);

#endif
