/* SPDX-License-Identifier: MIT */
/* nnrt_events.c: event files as TensorBoard reads them: TFRecord frames (length, data, a masked CRC-32C of each) around
 * protobuf messages Event { 1 wall_time, 2 step, 3 file_version, 5 Summary { 1 Value { 1 tag, 2 simple_value, 5 histo
 * } } }, of tensorflow/core/util/event.proto and framework/summary.proto. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "nnrt_training.h"

enum { EVENTS_BUCKETS = 30 };

/* --- protobuf --------------------------------------------------------------------------------- */

typedef enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 } events_wire;

static void events_varint(nnrt_buffer *b, uint64_t value)
{
    unsigned char byte;
    do {
        byte = (unsigned char)((value & 127) | (value > 127 ? 128 : 0));
        nnrt_buffer_put(b, &byte, 1);
        value >>= 7;
    } while (value);
}

static void events_key(nnrt_buffer *b, unsigned field, events_wire wire)
{
    events_varint(b, (uint64_t)(field << 3 | wire));
}

/* The bytes of a number, the lowest first. */
static void events_fixed(nnrt_buffer *b, uint64_t bits, int bytes)
{
    unsigned char at[8];
    for (int i = 0; i < bytes; i++)
        at[i] = (unsigned char)(bits >> (8 * i));
    nnrt_buffer_put(b, at, (size_t)bytes);
}

static void events_double(nnrt_buffer *b, unsigned field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    events_key(b, field, WIRE_FIXED64);
    events_fixed(b, bits, 8);
}

static void events_float(nnrt_buffer *b, unsigned field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    events_key(b, field, WIRE_FIXED32);
    events_fixed(b, bits, 4);
}

static void events_bytes(nnrt_buffer *b, unsigned field, const void *at, size_t n)
{
    events_key(b, field, WIRE_BYTES);
    events_varint(b, n);
    if (n)
        nnrt_buffer_put(b, at, n);
}

/* Doubles of a packed field. */
static void events_packed(nnrt_buffer *b, unsigned field, int n, const double *values)
{
    events_key(b, field, WIRE_BYTES);
    events_varint(b, (uint64_t)n * 8);
    for (int i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        events_fixed(b, bits, 8);
    }
}

/* --- records ---------------------------------------------------------------------------------- */

static double events_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint32_t events_masked(const void *bytes, size_t n)
{
    uint32_t c = nnrt_crc32c(0, bytes, n);
    return (c >> 15 | c << 17) + 0xa282ead8u;
}

void nnrt_events_record(FILE *f, const void *data, size_t n)
{
    nnrt_buffer head = {0}, foot = {0};
    events_fixed(&head, n, 8);
    if (!head.failed)
        events_fixed(&head, events_masked(head.at, 8), 4);
    events_fixed(&foot, events_masked(data, n), 4);
    if (!head.failed && !foot.failed) {
        fwrite(head.at, 1, head.size, f);
        fwrite(data, 1, n, f);
        fwrite(foot.at, 1, foot.size, f);
    }
    nnrt_buffer_free(&head);
    nnrt_buffer_free(&foot);
}

/* Writes an event at a step; field 3 is a text, field 5 a message. */
static void events_put(FILE *f, int64_t step, unsigned field, const void *at, size_t n)
{
    nnrt_buffer event = {0};
    events_double(&event, 1, events_now());
    if (step) {
        events_key(&event, 2, WIRE_VARINT);
        events_varint(&event, (uint64_t)step);
    }
    events_bytes(&event, field, at, n);
    if (!event.failed)
        nnrt_events_record(f, event.at, event.size);
    nnrt_buffer_free(&event);
}

/* A Summary of one Value: the tag, and what `value` has. */
static void events_summary(FILE *f, const char *folder, const char *tag, int64_t step,
                           const nnrt_buffer *value)
{
    nnrt_buffer name = {0}, one = {0}, summary = {0};
    nnrt_buffer_say(&name, folder);
    nnrt_buffer_say(&name, tag);
    if (!name.failed && !value->failed) {
        events_bytes(&one, 1, name.at, name.size);
        nnrt_buffer_put(&one, value->at, value->size);
        events_bytes(&summary, 1, one.at, one.size);
    }
    if (summary.size && !one.failed && !summary.failed)
        events_put(f, step, 5, summary.at, summary.size);
    nnrt_buffer_free(&name);
    nnrt_buffer_free(&one);
    nnrt_buffer_free(&summary);
}

void nnrt_events_scalar(FILE *f, const char *folder, const char *tag, int64_t step, double value)
{
    nnrt_buffer b = {0};
    events_float(&b, 2, (float)value);
    events_summary(f, folder, tag, step, &b);
    nnrt_buffer_free(&b);
}

void nnrt_events_histogram(FILE *f, const char *folder, const char *tag, int64_t step, int64_t n,
                           const float *values)
{
    double low = INFINITY, high = -INFINITY, sum = 0, squares = 0;
    double limit[EVENTS_BUCKETS], count[EVENTS_BUCKETS] = {0};
    for (int64_t i = 0; i < n; i++) {
        double v = (double)values[i];
        low = v < low ? v : low;
        high = v > high ? v : high;
        sum += v;
        squares += v * v;
    }
    if (n < 1 || !isfinite(squares))
        return;
    double width = (high - low) / EVENTS_BUCKETS;
    for (int i = 0; i < EVENTS_BUCKETS; i++)
        limit[i] = i + 1 < EVENTS_BUCKETS ? low + width * (i + 1) : high;
    for (int64_t i = 0; i < n; i++) {
        int at = width > 0 ? (int)(((double)values[i] - low) / width) : EVENTS_BUCKETS - 1;
        count[at < EVENTS_BUCKETS ? at : EVENTS_BUCKETS - 1]++;
    }
    const double head[] = {low, high, (double)n, sum, squares};
    nnrt_buffer histo = {0}, value = {0};
    for (unsigned i = 0; i < 5; i++)
        events_double(&histo, i + 1, head[i]);
    events_packed(&histo, 6, EVENTS_BUCKETS, limit);
    events_packed(&histo, 7, EVENTS_BUCKETS, count);
    if (!histo.failed)
        events_bytes(&value, 5, histo.at, histo.size);
    if (value.size)
        events_summary(f, folder, tag, step, &value);
    nnrt_buffer_free(&histo);
    nnrt_buffer_free(&value);
}

/* --- the file --------------------------------------------------------------------------------- */

int nnrt_events_open(FILE **out, const char *dir, nnrt_fault *fault)
{
    static const char version[] = "brain.Event:2";
    enum { NAME = 96 };
    char name[NAME];
    char *path = NULL;
    *out = NULL;
    snprintf(name, sizeof name, "events.out.tfevents.%010lld.nncc.%ld.0", (long long)events_now(),
             (long)getpid());
    path = nnrt_path_join(dir, name);
    int status = path ? nnrt_make_folder(dir, fault)
                      : nnrt_fail(fault, NNRT_NO_MEMORY, "no memory for a path");
    if (!status)
        *out = fopen(path, "wb");
    if (!status && !*out)
        status = nnrt_fail(fault, NNRT_BAD_FILE, "%s: %s", dir, strerror(errno));
    if (*out)
        events_put(*out, 0, 3, version, sizeof version - 1);
    free(path);
    return status;
}
