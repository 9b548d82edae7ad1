/* SPDX-License-Identifier: MIT */
/* data_images.c: `images:` sources: a folder a class, images with their masks, or a list, which
 * may have boxes in a table of their own. What a column holds follows from its input: images feed [C, H, W] and [H, W],
 * masks classes of [H, W]. */
#include "sources.h"

#include <string.h>

enum { WHERE_MAX = 16, BOX_NUMBERS = 5, BOX_CLASSES_MAX = 1 << 20 };

typedef enum { HOLDS_image, HOLDS_mask, HOLDS_class, HOLDS_numbers } Holds;

static Holds holds(const Input *input)
{
    int rank = input->shape.rank; /* the batch with it */
    if (input->classes > 0)
        return rank == 1 ? HOLDS_class : HOLDS_mask;
    return rank >= 3 ? HOLDS_image : HOLDS_numbers;
}

/* Whether images, or masks, can have the input's shape. */
static bool check_input(Reader *r, const Y *y, const Input *input)
{
    const Shape *s = &input->shape;
    char text[128];
    switch (holds(input)) {
    case HOLDS_class:
    case HOLDS_numbers: return true;
    case HOLDS_mask:
        if (s->rank == 3)
            return true;
        diag_error(&source_ctx(r)->diag, y->loc, "images: '%s' is %s; a mask is classes of [H, W]",
                   input->name, shape_text(s, text));
        break;
    case HOLDS_image:
        if (input->dtype != DT_i32 &&
            (s->rank == 3 || (s->rank == 4 && (s->dim[1] == 1 || s->dim[1] == 3))))
            return true;
        diag_error(&source_ctx(r)->diag, y->loc,
                   "images: '%s' is %s; an image is u8 or f32 of [1, H, W], [3, H, W] or [H, W]",
                   input->name, shape_text(s, text));
    }
    source_note_input(r, input);
    return false;
}

/* A folder's columns: image, mask where it has masks, class where it has none. */
static bool check_folder_column(Reader *r, const Y *y, const Input *input, const char *name)
{
    static const char *const words[] = {"image", "mask", "class", "numbers"};
    Holds kind = holds(input);
    if (kind == HOLDS_numbers)
        diag_error(&source_ctx(r)->diag, y->loc,
                   "images: '%s' is numbers: a folder has none, a list may", input->name);
    else if (strcmp(name, words[kind]) != 0)
        diag_error(&source_ctx(r)->diag, y->loc, "images: of a folder '%s' takes '%s', not '%s'",
                   input->name, words[kind], name);
    else if (kind == HOLDS_class && r->out->images.masks)
        diag_error(&source_ctx(r)->diag, y->loc,
                   "images: '%s': with 'masks' the folder holds the images themselves, no classes",
                   input->name);
    else if (kind == HOLDS_mask && !r->out->images.masks)
        diag_error(&source_ctx(r)->diag, y->loc, "images: '%s' wants masks: a folder of them",
                   input->name);
    else
        return true;
    return false;
}

/* A column of the list by name, or by number. */
static bool image_column(Reader *r, const Y *written, const Input *input, SourceColumn *out)
{
    Ctx *ctx = source_ctx(r);
    const Y *y = y_resolve(ctx, r->scope, written);
    const char *name;
    if (!y || !check_input(r, y, input))
        return false;
    if (r->out->is_folder) {
        if (!y_word(ctx, r->scope, y, source_title(r, input->name), &name) ||
            !check_folder_column(r, y, input, name))
            return false;
        vec_push(ctx->arena, &out->names, name);
        return true;
    }
    bool good = y->kind == Y_list || source_column_name(r, y, input->name, out);
    for (int i = 0; y->kind == Y_list && i < y->items.n; i++)
        good = source_column_name(r, y->items.at[i], input->name, out) && good;
    int64_t wanted = holds(input) == HOLDS_numbers ? shape_count(&input->shape) : 1;
    if (!good || out->names.n == wanted)
        return good;
    diag_error(&ctx->diag, y->loc, "images: '%s' is %lld columns, not %d", input->name,
               (long long)wanted, out->names.n);
    source_note_input(r, input);
    return false;
}

/* Whether the input holds boxes, and has what the list gives: f32 of [M, 5]. */
static bool check_boxes(Reader *r, const Y *y, const Input *input)
{
    const Shape *s = &input->shape;
    char text[128];
    if (r->out->is_folder)
        diag_error(&source_ctx(r)->diag, y->loc, "images: '%s': boxes go with a list, not a folder",
                   input->name);
    else if (input->dtype == DT_f32 && !input->classes && s->rank == 3 && s->dim[2] == BOX_NUMBERS)
        return true;
    else
        diag_error(&source_ctx(r)->diag, y->loc,
                   "images: '%s' is %s; boxes are f32 of [M, 5]: class, x0, y0, x1, y1",
                   input->name, shape_text(s, text));
    source_note_input(r, input);
    return false;
}

/* The four columns of corners. */
static bool box_corners(Reader *r, const Y *map, SourceColumn *out)
{
    Ctx *ctx = source_ctx(r);
    const Y *written = y_get(map, "corners"),
            *y = written ? y_resolve(ctx, r->scope, written) : NULL;
    bool good = y && y->kind == Y_list && y->items.n == 4;
    if (!good && (y || !written))
        diag_error(&ctx->diag, y ? y->loc : map->loc,
                   "images: corners: expected four columns, as [xmin, ymin, xmax, ymax]");
    for (int i = 0; good && i < 4; i++)
        good = source_column_name(r, y->items.at[i], "corners", out);
    return good;
}

/* {file: FILE, image: COLUMN, class: COLUMN, corners: [4 COLUMNS], classes: C, longer: cut}: rows of another table. */
static bool boxes_column(Reader *r, const Y *map, const Input *input, SourceColumn *out)
{
    static const char *const keys[] = {"file", "image", "class", "corners", "classes", "longer"};
    static const char *const needed[] = {"file", "image", "class", "classes"};
    Ctx *ctx = source_ctx(r);
    const char *longer = "error";
    if (!check_boxes(r, map, input) ||
        !y_keys(ctx, map, source_title(r, input->name), keys, COUNT(keys), NULL, 0))
        return false;
    for (int i = 0; i < COUNT(needed); i++)
        if (!y_get(map, needed[i])) {
            diag_error(&ctx->diag, map->loc, "images: %s: '%s' is missing", input->name, needed[i]);
            return false;
        }
    if (!y_word(ctx, r->scope, y_get(map, "file"), "images: file", &out->file) ||
        !source_column_name(r, y_get(map, "image"), "image", out) ||
        !source_column_name(r, y_get(map, "class"), "class", out) || !box_corners(r, map, out) ||
        !y_int(ctx, r->scope, y_get(map, "classes"), "images: classes", 1, BOX_CLASSES_MAX,
               &out->count) ||
        (y_get(map, "longer") &&
         !y_word(ctx, r->scope, y_get(map, "longer"), "images: longer", &longer)))
        return false;
    out->cut = strcmp(longer, "cut") == 0;
    if (out->cut || strcmp(longer, "error") == 0)
        return true;
    diag_error(&ctx->diag, y_get(map, "longer")->loc,
               "images: longer: expected error or cut, saw '%s'", longer);
    return false;
}

/* Boxes are those of an image: the list must feed one. */
static void check_box_images(Reader *r)
{
    bool image = false;
    for (int i = 0; i < r->out->columns.n; i++)
        image |= holds(&r->p->inputs.at[r->out->columns.at[i].input]) == HOLDS_image &&
                 !r->out->columns.at[i].file;
    for (int i = 0; i < r->out->columns.n && !source_ctx(r)->diag.errors; i++)
        if (r->out->columns.at[i].file && !image)
            diag_error(&source_ctx(r)->diag, r->args->loc,
                       "images: '%s' holds boxes, but nothing feeds an image that they are of",
                       r->p->inputs.at[r->out->columns.at[i].input].name);
}

static bool column_of(Reader *r, const Y *written, const Input *input, SourceColumn *out)
{
    const Y *y = y_resolve(source_ctx(r), r->scope, written);
    return y && (y->kind == Y_map ? boxes_column(r, y, input, out)
                                  : image_column(r, written, input, out));
}

/* path: "photos/{}.jpg": where a list's images are, {} for what the column says. */
static bool read_path(Reader *r)
{
    Ctx *ctx = source_ctx(r);
    const Y *path = y_get(r->args, "path");
    if (!path)
        return true;
    if (!y_word(ctx, r->scope, path, "images: path", &r->out->images.path))
        return false;
    const char *hole = strstr(r->out->images.path, "{}");
    if (!r->out->is_folder && hole && !strstr(hole + 1, "{}"))
        return true;
    diag_error(&ctx->diag, path->loc,
               r->out->is_folder
                   ? "images: path: of a list alone"
                   : "images: path: expected one {} for what the list says, as \"photos/{}.jpg\"");
    return false;
}

/* folder or list: one of them. */
static bool read_place(Reader *r)
{
    Ctx *ctx = source_ctx(r);
    const Y *folder = y_get(r->args, "folder"), *list = y_get(r->args, "list"),
            *masks = y_get(r->args, "masks");
    if (!!folder + !!list != 1) {
        diag_error(&ctx->diag, r->args->loc, "images: expected one of folder and list");
        return false;
    }
    if (list && masks) {
        diag_error(&ctx->diag, masks->loc, "images: masks: of a list they are a column");
        return false;
    }
    r->out->is_folder = folder != NULL;
    return y_word(ctx, r->scope, folder ? folder : list,
                  source_title(r, folder ? "folder" : "list"), &r->out->file) &&
           (!masks || y_word(ctx, r->scope, masks, "images: masks", &r->out->images.masks));
}

/* stretch, crop or pad; where it is not given, as the training data has it. */
static bool read_resize(Reader *r)
{
    static const char *const words[] = {"stretch", "crop", "pad"};
    Ctx *ctx = source_ctx(r);
    const Y *resize = y_get(r->args, "resize");
    const char *word;
    if (!resize) {
        r->out->images.resize = r->p->data_train.images.resize;
        return true;
    }
    if (!y_word(ctx, r->scope, resize, "images: resize", &word))
        return false;
    for (int i = 0; i < COUNT(words); i++)
        if (strcmp(word, words[i]) == 0) {
            r->out->images.resize = (Resize)(RESIZE_stretch + i);
            return true;
        }
    diag_error(&ctx->diag, resize->loc, "images: resize: expected stretch, crop or pad, saw '%s'",
               word);
    return false;
}

/* where: {COLUMN: VALUE, ...}: the rows whose columns have these values. */
static bool read_where(Reader *r)
{
    Ctx *ctx = source_ctx(r);
    const Y *written = y_get(r->args, "where"),
            *where = written ? y_resolve(ctx, r->scope, written) : NULL;
    if (!written)
        return true;
    if (where && (where->kind != Y_map || r->out->is_folder || where->pairs.n > WHERE_MAX)) {
        diag_error(&ctx->diag, where->loc,
                   "images: where: columns of a list and the values of the rows that are read, as "
                   "{split: train}; %d at most",
                   WHERE_MAX);
        return false;
    }
    for (int i = 0; where && i < where->pairs.n; i++) {
        SourceColumn name = {0};
        const char *value;
        if (!source_column_name(r, where->pairs.at[i].key, "where", &name) ||
            !y_word(ctx, r->scope, where->pairs.at[i].value, "images: where", &value))
            return false;
        vec_push(ctx->arena, &r->out->images.where, name.names.at[0]);
        vec_push(ctx->arena, &r->out->images.where, value);
    }
    return where != NULL;
}

void source_images(Reader *r)
{
    static const char *const own[] = {"folder", "list",   "header", "delimiter",
                                      "masks",  "resize", "where",  "path"};
    r->out->header = true;
    if (!source_map(r, own, COUNT(own), "{folder: photos, image: image, label: class}"))
        return;
    const Y *header = y_get(r->args, "header"), *delimiter = y_get(r->args, "delimiter");
    r->out->has_images = true;
    if (!read_place(r) ||
        (header && !y_bool(source_ctx(r), r->scope, header, "images: header", &r->out->header)) ||
        (delimiter && !source_delimiter(r, delimiter)) || !read_resize(r) || !read_where(r) ||
        !read_path(r))
        return;
    source_columns(r, own, COUNT(own), column_of);
    check_box_images(r);
    source_check_complete(r);
}
