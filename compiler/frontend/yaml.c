/* SPDX-License-Identifier: MIT */
/* yaml.c: libyaml events to a tree of marked values.
 *
 * Only events are taken from libyaml: its own document loader is quadratic in depth and in anchors,
 * accepts cycles, and knows no limits. What is limited here is counted with aliases expanded,
 * though
 * an alias shares its anchor's tree. Marks are bytes, while libyaml's are characters.
 */
#include "frontend.h"

#include <string.h>
#include <yaml.h>

typedef struct Anchor {
    Y *y;         /* NULL while its value is still being read: an alias to it would be a cycle */
    int64_t size; /* nodes, with aliases expanded */
    int height;   /* of a scalar: 0 */
} Anchor;

/* A value with what limits count. */
typedef struct Built {
    Y *y; /* NULL: reading cannot go on */
    int64_t size;
    int height;
} Built;

typedef struct Reader {
    Ctx *ctx;
    const char *text;
    size_t size;
    yaml_parser_t parser;
    VEC(size_t) lines; /* byte offset of each line's start */
    size_t chars, at;  /* the same place of the text in characters and in bytes */
    Map anchors;       /* name to Anchor */
    int n_anchors;
    int64_t n_nodes;
} Reader;

/* --- places ----------------------------------------------------------------------------------- */

static void find_lines(Reader *r)
{
    vec_push(r->ctx->arena, &r->lines, (size_t)0);
    for (size_t i = 0; i < r->size; i++)
        if (r->text[i] == '\n')
            vec_push(r->ctx->arena, &r->lines, i + 1);
}

static bool continues_char(const Reader *r, size_t at)
{
    return at < r->size && ((unsigned char)r->text[at] >> 6) == 2;
}

/* The byte at character `chars`. Marks come nearly in order, so the last place is the start. */
static size_t byte_of(Reader *r, size_t chars)
{
    while (r->chars < chars && r->at < r->size) {
        do
            r->at++;
        while (continues_char(r, r->at));
        r->chars++;
    }
    while (r->chars > chars && r->at > 0) {
        do
            r->at--;
        while (r->at > 0 && continues_char(r, r->at));
        r->chars--;
    }
    return r->at;
}

static int line_of(const Reader *r, size_t at)
{
    int low = 0, high = r->lines.n - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (r->lines.at[middle] <= at)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* From byte `start` to `end`, cut at the end of the first line. */
static Loc place(const Reader *r, size_t start, size_t end)
{
    int line = line_of(r, start);
    const char *newline = memchr(r->text + start, '\n', r->size - start);
    size_t line_end = newline ? (size_t)(newline - r->text) : r->size;
    if (end > line_end)
        end = line_end;
    while (end > start && strchr(" \t\r", r->text[end - 1]))
        end--;
    return (Loc){.line = line + 1,
                 .col = (int)(start - r->lines.at[line]) + 1,
                 .length = end > start ? (int)(end - start) : 1};
}

static Loc event_place(Reader *r, const yaml_event_t *event)
{
    size_t start = byte_of(r, event->start_mark.index);
    return place(r, start, byte_of(r, event->end_mark.index));
}

/* --- what libyaml refuses --------------------------------------------------------------------- */

/* Says what is most often forgotten: quotes. */
static void note_quotes(Reader *r, size_t at, bool flow)
{
    if (flow)
        diag_note(&r->ctx->diag, place(r, at, at + 1),
                  "inside braces and brackets a value with a comma, bracket or "
                  "brace wants quotes: \"...\"");
    else if (at < r->size && r->text[at] == '\t')
        diag_note(&r->ctx->diag, place(r, at, at + 1), "a tab does not indent in YAML: use spaces");
    else if (at < r->size && strchr("@%*&!`-[]{}|>", r->text[at]))
        diag_note(&r->ctx->diag, place(r, at, at + 1),
                  "a value that begins with '%c' wants quotes: \"...\"", r->text[at]);
}

static void report_parser(Reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) {
        diag_error(&r->ctx->diag, (Loc){0}, "out of memory while reading YAML");
        return;
    }
    if (p->error == YAML_READER_ERROR) {
        size_t at = p->problem_offset < r->size ? p->problem_offset : r->size;
        diag_error(&r->ctx->diag, place(r, at, at + 1), "not YAML text: %s", p->problem);
        return;
    }
    size_t at = byte_of(r, p->problem_mark.index);
    diag_error(&r->ctx->diag, place(r, at, at + 1), "YAML: %s%s%s", p->context ? p->context : "",
               p->context ? ", " : "", p->problem ? p->problem : "it cannot be read");
    note_quotes(r, at, p->context && strstr(p->context, "flow"));
    if (p->context && p->context_mark.line != p->problem_mark.line) {
        size_t from = byte_of(r, p->context_mark.index);
        diag_note(&r->ctx->diag, place(r, from, from + 1), "it begins here");
    }
}

static bool next_event(Reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event))
        return true;
    report_parser(r);
    return false;
}

/* --- values that wanted quotes ---------------------------------------------------------------- */

/* Opening minus closing parentheses. */
static int open_parens(const char *text)
{
    int open = 0;
    for (; *text; text++)
        open += (*text == '(') - (*text == ')');
    return open;
}

static bool plain(const Y *y)
{
    return y->kind == Y_scalar && !y->quoted;
}

/* Whether `more`, found after a comma in braces, belongs to a call that `value` begins. */
static bool torn(const Y *value, const Y *more)
{
    return plain(value) && plain(more) && open_parens(value->text) > 0;
}

static void mend(Reader *r, Y *value, const Y *more)
{
    value->text = arena_format(r->ctx->arena, "%s, %s", value->text, more->text);
}

static void report_torn(Reader *r, const Y *key, const Y *value)
{
    if (key)
        diag_error(&r->ctx->diag, value->loc,
                   "'%s' holds a comma: inside braces it wants quotes: {%s: \"%s\"}", value->text,
                   key->text, value->text);
    else
        diag_error(&r->ctx->diag, value->loc,
                   "'%s' holds a comma: inside brackets it wants quotes: [\"%s\"]", value->text,
                   value->text);
}

/* `{p: softmax(x, axis=1)}` comes as p: `softmax(x` and `axis=1)`: null. Says so, and goes on with
 * what was meant, so that nothing else is said about it. */
static void mend_map(Reader *r, Y *map)
{
    int kept = 0;
    for (int i = 0; i < map->pairs.n; kept++) {
        YPair pair = map->pairs.at[i++];
        bool broken = false;
        while (i < map->pairs.n && torn(pair.value, map->pairs.at[i].key)) {
            const YPair *more = &map->pairs.at[i++];
            mend(r, pair.value, more->key);
            broken = true;
        }
        if (broken)
            report_torn(r, pair.key, pair.value);
        map->pairs.at[kept] = pair;
    }
    map->pairs.n = kept;
}

static void mend_list(Reader *r, Y *list)
{
    int kept = 0;
    for (int i = 0; i < list->items.n; kept++) {
        Y *item = list->items.at[i++];
        bool broken = false;
        while (i < list->items.n && torn(item, list->items.at[i])) {
            mend(r, item, list->items.at[i++]);
            broken = true;
        }
        if (broken)
            report_torn(r, NULL, item);
        list->items.at[kept] = item;
    }
    list->items.n = kept;
}

/* --- the tree --------------------------------------------------------------------------------- */

static Built read_node(Reader *r, yaml_event_t *event, int depth);

/* Counts `size` more nodes; false, with a report, past the limit. */
static bool count_nodes(Reader *r, Loc loc, int64_t size)
{
    r->n_nodes += size;
    if (r->n_nodes <= YAML_NODES_MAX)
        return true;
    diag_error(&r->ctx->diag, loc, "the file has more than %d values, aliases expanded",
               YAML_NODES_MAX);
    return false;
}

static bool check_depth(Reader *r, Loc loc, int depth)
{
    if (depth <= YAML_DEPTH_MAX)
        return true;
    diag_error(&r->ctx->diag, loc, "values are nested deeper than %d levels", YAML_DEPTH_MAX);
    return false;
}

static Built read_alias(Reader *r, const yaml_event_t *event, int depth)
{
    Loc loc = event_place(r, event);
    const char *name = (const char *)event->data.alias.anchor;
    const Anchor *anchor = map_get(&r->anchors, name);
    if (!anchor) {
        diag_error(&r->ctx->diag, loc, "no anchor '&%s' stands before this alias", name);
        diag_note(&r->ctx->diag, loc, "a value that begins with '*' wants quotes: \"*%s...\"",
                  name);
        return (Built){0};
    }
    if (!anchor->y) {
        diag_error(&r->ctx->diag, loc, "alias '*%s' stands inside the value it names", name);
        return (Built){0};
    }
    if (!count_nodes(r, loc, anchor->size) || !check_depth(r, loc, depth + anchor->height))
        return (Built){0};
    return (Built){anchor->y, anchor->size, anchor->height};
}

static Built read_scalar(Reader *r, const yaml_event_t *event, Y *y)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    y->kind = Y_scalar;
    y->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    y->text = arena_text(r->ctx->arena, text, length);
    if (strlen(y->text) == length)
        return (Built){y, 1, 0};
    diag_error(&r->ctx->diag, y->loc, "a NUL byte in a value");
    return (Built){0};
}

static Built read_list(Reader *r, bool flow, Y *y, int depth)
{
    Built built = {y, 1, 1};
    y->kind = Y_list;
    for (;;) {
        yaml_event_t event;
        if (!next_event(r, &event))
            return (Built){0};
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            break;
        }
        Built item = read_node(r, &event, depth + 1);
        yaml_event_delete(&event);
        if (!item.y)
            return (Built){0};
        built.size += item.size;
        if (item.height + 1 > built.height)
            built.height = item.height + 1;
        vec_push(r->ctx->arena, &y->items, item.y);
    }
    if (flow)
        mend_list(r, y);
    return built;
}

/* A key of a map; on a key that is no scalar reports and gives NULL. */
static Built read_key(Reader *r, yaml_event_t *event, int depth)
{
    Built key = read_node(r, event, depth);
    if (!key.y || key.y->kind == Y_scalar)
        return key;
    diag_error(&r->ctx->diag, key.y->loc,
               "a key must be a name, not a %s; a value that begins with '%c' "
               "wants quotes",
               key.y->kind == Y_list ? "list" : "map", key.y->kind == Y_list ? '[' : '{');
    return (Built){0};
}

static Built read_map(Reader *r, bool flow, Y *y, int depth)
{
    Built built = {y, 1, 1};
    Map seen = map_new(r->ctx->arena);
    y->kind = Y_map;
    for (;;) {
        yaml_event_t event;
        if (!next_event(r, &event))
            return (Built){0};
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            break;
        }
        Built key = read_key(r, &event, depth + 1);
        yaml_event_delete(&event);
        if (!key.y || !next_event(r, &event))
            return (Built){0};
        Built value = read_node(r, &event, depth + 1);
        yaml_event_delete(&event);
        if (!value.y)
            return (Built){0};

        built.size += key.size + value.size;
        if (value.height + 1 > built.height)
            built.height = value.height + 1;
        Y *first = map_get(&seen, key.y->text);
        if (first) {
            diag_error(&r->ctx->diag, key.y->loc, "key '%s' is given twice", key.y->text);
            diag_note(&r->ctx->diag, first->loc, "first given here");
            continue;
        }
        map_set(&seen, key.y->text, key.y);
        vec_push(r->ctx->arena, &y->pairs, ((YPair){key.y, value.y}));
    }
    if (flow)
        mend_map(r, y);
    return built;
}

/* Opens the anchor `name`, whose value is about to be read; NULL after a report. */
static Anchor *open_anchor(Reader *r, const char *name, Loc loc)
{
    if (++r->n_anchors > YAML_ANCHORS_MAX) {
        diag_error(&r->ctx->diag, loc, "more than %d anchors", YAML_ANCHORS_MAX);
        return NULL;
    }
    Anchor *anchor = arena_take(r->ctx->arena, sizeof *anchor);
    map_set(&r->anchors, name, anchor);
    return anchor;
}

static bool refuse_tag(Reader *r, const yaml_char_t *tag, Loc loc)
{
    if (!tag)
        return true;
    diag_error(&r->ctx->diag, loc,
               "tags ('%s') are not allowed; a value that begins with '!' wants quotes",
               (const char *)tag);
    return false;
}

/* The value that `event` begins. */
static Built read_node(Reader *r, yaml_event_t *event, int depth)
{
    if (event->type == YAML_ALIAS_EVENT)
        return read_alias(r, event, depth);

    Y *y = arena_take(r->ctx->arena, sizeof *y);
    y->loc = event_place(r, event);
    bool scalar = event->type == YAML_SCALAR_EVENT, list = event->type == YAML_SEQUENCE_START_EVENT;
    const yaml_char_t *tag = scalar ? event->data.scalar.tag
                             : list ? event->data.sequence_start.tag
                                    : event->data.mapping_start.tag;
    const yaml_char_t *name = scalar ? event->data.scalar.anchor
                              : list ? event->data.sequence_start.anchor
                                     : event->data.mapping_start.anchor;
    Anchor *anchor = NULL;
    if (!count_nodes(r, y->loc, 1) || !check_depth(r, y->loc, depth + !scalar) ||
        !refuse_tag(r, tag, y->loc) ||
        (name && !(anchor = open_anchor(r, (const char *)name, y->loc))))
        return (Built){0};

    Built built =
        scalar ? read_scalar(r, event, y)
        : list
            ? read_list(r, event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE, y, depth)
            : read_map(r, event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE, y, depth);
    if (anchor)
        *anchor = (Anchor){built.y, built.size, built.height};
    return built;
}

/* --- the document ----------------------------------------------------------------------------- */

/* What can be refused before libyaml looks at it. */
static bool check_bytes(Reader *r)
{
    Diag *diag = &r->ctx->diag;
    const unsigned char *bytes = (const unsigned char *)r->text;
    if (r->size > YAML_BYTES_MAX) {
        diag_error(diag, (Loc){0}, "the file has more than %d bytes", YAML_BYTES_MAX);
        return false;
    }
    if (r->size >= 2 &&
        ((bytes[0] == 0xfe && bytes[1] == 0xff) || (bytes[0] == 0xff && bytes[1] == 0xfe))) {
        diag_error(diag, (Loc){0}, "the file is UTF-16; nncc reads UTF-8");
        return false;
    }
    const char *nul = r->size ? memchr(r->text, '\0', r->size) : NULL;
    if (nul) {
        size_t at = (size_t)(nul - r->text);
        diag_error(diag, place(r, at, at + 1), "a NUL byte: the file is not YAML text");
        return false;
    }
    for (int i = 0; i < r->lines.n; i++) { /* libyaml is quadratic in %TAG lines */
        size_t at = r->lines.at[i];
        if (at < r->size && r->text[at] == '%' && strncmp(r->text + at, "%YAML", 5) != 0) {
            diag_error(diag, place(r, at, at + 1),
                       "YAML directives are not allowed; a value that begins with "
                       "'%%' wants quotes");
            return false;
        }
    }
    return true;
}

/* Takes events up to the first of the document's value. False: a report, or an empty file. */
static bool begin_document(Reader *r, yaml_event_t *event)
{
    for (;;) {
        if (!next_event(r, event))
            return false;
        if (event->type == YAML_STREAM_END_EVENT) {
            diag_error(&r->ctx->diag, (Loc){0}, "the file is empty: it holds no model");
            yaml_event_delete(event);
            return false;
        }
        if (event->type != YAML_STREAM_START_EVENT && event->type != YAML_DOCUMENT_START_EVENT)
            return true;
        yaml_event_delete(event);
    }
}

static bool end_document(Reader *r)
{
    yaml_event_t event;
    if (!next_event(r, &event))
        return false;
    yaml_event_delete(&event); /* the document's end */
    if (!next_event(r, &event))
        return false;
    bool end = event.type == YAML_STREAM_END_EVENT;
    if (!end)
        diag_error(&r->ctx->diag, event_place(r, &event),
                   "a second document: a file holds one model");
    yaml_event_delete(&event);
    return end;
}

static Y *read_document(Reader *r)
{
    yaml_event_t event;
    if (!begin_document(r, &event))
        return NULL;
    Built built = read_node(r, &event, 0);
    yaml_event_delete(&event);
    return built.y && end_document(r) ? built.y : NULL;
}

Y *yaml_read(Ctx *ctx, const char *text, size_t size)
{
    Reader r = {.ctx = ctx, .text = text, .size = size, .anchors = map_new(ctx->arena)};
    find_lines(&r);
    if (!check_bytes(&r))
        return NULL;
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        r.at = 3; /* libyaml's marks leave the byte order mark out */
    if (!yaml_parser_initialize(&r.parser)) {
        diag_error(&ctx->diag, (Loc){0}, "out of memory while reading YAML");
        return NULL;
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    Y *y = read_document(&r);
    yaml_parser_delete(&r.parser);
    return y;
}
