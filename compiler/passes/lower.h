/* SPDX-License-Identifier: MIT */
/* lower.h: what pass fuse decides of a kernel and the code generator reads: its iteration space and
 * where in it each node stands. */
#ifndef NNCC_LOWER_H
#define NNCC_LOWER_H

#include "choice.h"
#include "index.h"
#include "kernel.h"

/* An iteration space: axes without those of length 1. Reduced axes are `cols`, the others `rows`.
 */
typedef struct Domain {
    int n;
    int64_t extent[RANK_MAX]; /* of a batch axis: the factor of n */
    bool batch[RANK_MAX];
    bool reduced[RANK_MAX];
} Domain;

typedef enum { PLACE_none, PLACE_full, PLACE_row } Place;

/* places.c: gives what has to lie in memory nodes that can; marks what is uniform. Before fuse. */
void places_make(Graph *);
/* Whether what y reads lies in memory, each operand as such. */
bool reads_memory(const Node *y);

/* The domain of an elementwise node (its shape) or a reduction (its operand's shape, axes
 * marked). */
Domain domain_of(const Node *);
bool domain_reduces(const Domain *);
/* Whether a tensor of this shape has one element a point of the domain, or one a row. */
Place domain_place(const Domain *, const Shape *);
/* The index of a tensor that stands in the domain, given one Ix a domain axis. */
void domain_index(const Domain *, const Shape *, Place, const Ix *loops, Ix *at);
/* New loop variables for the domain's axes, called domain_axis[i]. */
void domain_loops(IxSpace *, const Domain *, Ix *loops);
extern const char *const domain_axis[RANK_MAX];
/* How a node's operand i is indexed in the domain: index_operand, but for reductions, whose reduced
 * axes run over the domain's loops. `at` is the node's own index. */
void domain_operand(IxSpace *, const Ix *loops, const Node *, int i, const Ix *at, Ix *out,
                    Guard *guards, int *n_guards);

/* Of class MAT: what a template computes. */
bool node_multiplies(const Node *);
/* A reduction over axes that are longer than 1 together. */
bool node_reduces(const Node *);
/* By node id: how many reductions of the kernel, one after the other, each of its nodes waits
 * for: the stage in which it can be computed. `level` is zeroed, one a node of the graph. Gives
 * the last stage. */
int kernel_levels(const Kernel *, int *level);

/* A leaf that lies in memory: an input, a variable, a table of constants, an operand of a scan. */
bool node_lies(const Node *);

/* Never stored, whatever reads it: constants, indices along an axis, uniform scalars, movement. */
bool node_inlined(const Node *);

/* How panels of an operand are packed. */
typedef enum {
    PACK_made,   /* number by number: computed, or from wherever they lie */
    PACK_copied, /* from rows whose numbers along the panel are contiguous */
    PACK_turned  /* from columns whose inner steps are */
} PackWay;

/* The product of one row and a matrix that lies as a whole reads each number once (templates/matvec.c): rows of
 * the matrix, added up, or columns, each a sum, whichever are contiguous. */
typedef enum { VECTOR_none, VECTOR_columns, VECTOR_dots } VectorWay;

/* How a matmul kernel runs: tiles of m x n numbers in registers. The right operand is read in place
 * where its rows are contiguous and make whole tiles, else packed, ahead, in panels of n columns,
 * [panels][k][n]; the left one is read in place where it is a plain buffer, else packed in panels of
 * m rows, [panels][k][m]. */
typedef struct MatmulPlan {
    int tile_m, tile_n;
    int64_t rows, cols, inner; /* extents with a full batch */
    int64_t lead;              /* products in a stack (leading axes) */
    bool pack_a, pack_b;
    int64_t
        near; /* tiles of rows that the second cache keeps while all panels pass; 0: all at once */
    VectorWay vector; /* of one row, of which tile_n columns are a piece */
    PackWay way_a, way_b;
    int64_t a_floats, b_floats; /* of one product's packed operands */
    Choosing choosing;
} MatmulPlan;

/* tile.c, what all register tiles share: floats of a vector; columns of a tile for so many in all, one or
 * two vectors; x rounded up to a multiple. */
int tile_lanes(const Target *);
int tile_columns(const Target *, int64_t columns);
int64_t tile_round_up(int64_t x, int64_t to);
int64_t tile_pieces(int64_t length, int64_t of); /* how many pieces of `of` cover the length */
/* The most rows of a tile that a choice may ask for: more vectors than there are registers only cost time. */
enum { TILE_ROWS_MAX = 16 };
/* The columns of a tile: a choice, else as the model says. */
int tile_choose_columns(Choosing *, const Target *, int model);
/* tile_conv.c: the rows of a tile of so many vectors of columns that goes over `length` rows soonest; how
 * many samples [samples, spatial.., channels] has at most. */
int tile_rows(const Target *, int64_t length, int vectors);
int64_t tile_samples(const Graph *, const Node *x);

/* Columns of the tile that the last panel takes, where fewer vectors than a whole one has hold what is left;
 * else 0. */
int matmul_narrow(const Target *, const MatmulPlan *);

/* How a product runs; kept: what is made of the right operand, or of a convolution's weight, is made once and
 * kept. */
MatmulPlan matmul_plan(const Graph *, const Node *matmul, bool kept);

/* Whether the elements of x, indexed by `at`, lie in one f32 buffer at constant strides along the
 * loop variables `row` and `inner` (atoms; -1: a loop of one turn). Then *base is the node of
 * that buffer and *linear the position. Looks through movement, but not through pad and concat. */
bool operand_strides(IxSpace *, const Node *x, const Ix *at, int row, int inner, const Node **base,
                     Ix *linear);

/* The way of an operand whose panels lie along the loop variable `along`; where it is not PACK_made, the base
 * and the position as operand_strides gives them. */
PackWay operand_way(IxSpace *, const Node *x, const Ix *at, int along, int inner, const Node **base,
                    Ix *linear);
/* How a kernel adds up rows by their indices: positions with the same index are in a list, which
 * `slots` heads lead to: one a row, or, where rows are many more than positions, of a hash table. */
typedef struct ScatterPlan {
    int64_t positions, slots;
    bool sparse;   /* rows that do not occur stay as they are */
    int64_t words; /* of the lists: count, rows, next positions, heads, what occurs */
} ScatterPlan;

/* How attention and its gradient run: in blocks of so many queries and keys; products in tiles of
 * tile_m x tile_n numbers. */
typedef struct AttentionPlan {
    long long block;
    int tile_m, tile_n;
} AttentionPlan;

/* tile.c */
AttentionPlan attention_plan(const Graph *, const Node *);

/* scatter.c */
ScatterPlan scatter_plan(const Graph *, const Kernel *);

/* Winograd's F(4x4, 3x3), for a convolution in one plane of 3 x 3 taps, stride 1: 36 products for 16
 * pixels instead of 144. Pieces of `block` patches of 4 x 4 pixels are transformed, multiplied by the
 * transformed weight, packed [panels][36][channels][tile_n], and transformed back. */
enum { WINOGRAD_PIXELS = 4, WINOGRAD_PATCH = 6, WINOGRAD_POINTS = 36, WINOGRAD_SLICES = 16 };

typedef struct WinogradPlan {
    bool used;
    int64_t few;     /* so many samples are summed tap by tap */
    int few_columns; /* channels out of their register tile */
    int64_t
        panels_at; /* where the few's panels lie in what is packed: behind what is transformed, or there */
    int64_t high, wide; /* patches of a sample, down and along */
    int chunk;          /* channels transformed together */
    int rows;           /* patches of a register tile; conv_weight: channels in */
    int block;          /* patches of a piece, a multiple of rows; conv_weight: summed at a time */
    int evenly;         /* where there are few pieces, their number is a multiple of this */
    int parts;          /* conv_weight: of the patches, each with sums of its own; 1: one for all */
    bool one;           /* conv_weight: there is one such block */
    bool together;      /* few pieces: all patches are transformed before any is multiplied */
    /* Floats from point to point: of patches, of the transformed weight (conv_weight: errors), of products. */
    int64_t x_point, w_point, y_point;
    int64_t slice; /* floats that a piece works in: patches and products; conv_weight: sums */
    int slices;    /* pieces that may be at work at once */
} WinogradPlan;

/* A convolution whose channels stand alone (templates/depthwise.c): a row of pixels of tile_n channels at a time. */
typedef struct DepthwisePlan {
    bool used;
    const Node *x;            /* what is read: of a pad with zeros, what it pads */
    int64_t pad[SPATIAL_MAX]; /* its zeros in front, which no tap then reads */
    int64_t in[SPATIAL_MAX];  /* extents of x */
    int64_t rows;             /* that are gone over for a panel, then for the next */
    int64_t left, right;      /* pixels of a row, from, and up to, which all taps lie on x */
} DepthwisePlan;

/* How a convolution (of nodes conv, conv_weight) runs, channels last. Lists by depth, height, width;
 * an axis that a network lacks is 1 long. x is read in place where it is a plain buffer, else packed as
 * [n, in.., channels]. */
typedef struct ConvPlan {
    int spatial; /* axes that the network has */
    int64_t in[SPATIAL_MAX], out[SPATIAL_MAX], taps[SPATIAL_MAX];
    int64_t stride[SPATIAL_MAX], dilation[SPATIAL_MAX];
    int64_t groups, channels, units; /* channels in and out, of all groups */
    bool run_taps;                   /* a row of taps is one run of numbers of x */
    int tile_n;                      /* columns (channels out) of a register tile */
    int64_t panels;                  /* of tile_n columns, of one group */
    bool panels_kept;   /* conv: the weight is kept in panels as they would be packed */
    PackWay weight_way; /* conv: how a packed or transformed weight lies along its units */
    int64_t inner; /* conv: numbers of x a sum; conv_weight: rows of a run of taps and channels */
    /* conv: the weight, packed in panels [groups][panels][inner][tile_n]; conv_weight: dy, packed as
     * [n, out.., groups, panels * tile_n]. */
    bool pack_x, pack_other;
    int64_t x_floats, other_floats;
    int tile_h, tile_w; /* conv: pixels of a tile */
    bool panel_first; /* conv: all pixels for one panel, then the next; else all panels for a row */
    int tile_m;       /* conv_weight: rows of a tile, taps and channels */
    int64_t runs, tiles;
    int64_t block_samples,
        block_rows;     /* conv_weight: pixels that all tiles go over before others */
    int64_t sum_floats; /* conv_weight: tiles between blocks */
    WinogradPlan winograd;
    DepthwisePlan depthwise;
    Choosing choosing;
} ConvPlan;

/* tile_winograd.c: decides whether a convolution, or the gradient of a weight, whose extents and columns
 * are planned, is one of Winograd's, and how; readable: tiles can read the weight as it is; kept: see
 * conv_plan. */
void winograd_plan(const Graph *, const Node *conv, ConvPlan *, bool readable, bool kept);
void winograd_weight_plan(const Graph *, const Node *conv_weight, ConvPlan *);
/* Columns of a register tile for so many channels out, and whether the method pays with the columns of
 * the plan. */
int winograd_columns(const Target *, int64_t units);
bool winograd_pays(const Graph *, const Node *conv, ConvPlan *, bool kept);
/* What one of Winograd's packs and works in, instead of what the direct sum would. */
void winograd_place(const Graph *, const Node *conv, ConvPlan *, bool kept);
void winograd_weight_place(ConvPlan *);

/* tile_depthwise.c: whether a convolution of these extents runs in tiles of templates/depthwise.c (never without a
 * target), and how. */
bool depthwise_suits(const Target *, const Taps *, const Shape *x, const Shape *y);
void depthwise_plan(const Graph *, const Node *conv, ConvPlan *);

ConvPlan conv_plan(const Graph *, const Node *conv, bool kept);
/* Whether x, [samples, spatial.., channels], or a weight, [taps.., in, out], is one buffer, and its strides then. */
bool conv_stands(const Graph *, const Node *x, int64_t *stride);
bool conv_plain_weight(const Graph *, const ConvPlan *, const Node *weight);
/* Columns of a tile for so many channels out, sums of so many numbers, tap by tap. */
int tile_conv_columns(const Target *, int64_t units, int64_t inner);
/* The plan of what is summed tap by tap: all of a convolution, or few samples of one of Winograd's. */
ConvPlan conv_direct(const ConvPlan *);
ConvPlan conv_weight_plan(const Graph *, const Node *conv_weight);

/* Whether x, indexed by the loop variables `at`, lies in one f32 buffer, from `offset` on, at a constant
 * stride along each axis, 1 along the last. */
bool pixel_strides(IxSpace *, const Node *x, const Ix *at, const Node **base, int64_t *offset,
                   int64_t *stride);

/* What Kernel.lowered points to. */
typedef struct Lowered {
    Domain domain;
    MatmulPlan plan;         /* KERNEL_matmul */
    ConvPlan conv;           /* KERNEL_conv, KERNEL_conv_weight */
    ScatterPlan scatter;     /* KERNEL_scatter */
    AttentionPlan attention; /* KERNEL_attention, KERNEL_attention_grad */
    int64_t samples_floats;  /* KERNEL_samples: what it works in, of a full batch */
    bool weight; /* a product: the right operand depends on weights alone, is one for all */
    bool kept;   /* and what is made of it is kept from call to call */
    VEC(Node *)
    members; /* the kernel's own nodes (not those it inlines from elsewhere), in order */
} Lowered;

/* pack.c: decides how a kernel's product runs, given `weight` and `kept`; whether a kernel of its own makes
 * the form in which it reads its weight. */
bool product_plan(const Graph *, Kernel *);
/* That kernel, in the arena; k->pack is set to it. */
Kernel *product_packing(Graph *, Arena *, Kernel *k);
/* Floats that a planned product's weight takes when packed, and what else it packs or works in. */
void product_floats(const Kernel *, int64_t *weight, int64_t *others);

#endif
