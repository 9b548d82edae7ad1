/* SPDX-License-Identifier: MIT */
/* app.c: an application that holds a network: weights from an array in the program, all memory its own,
 * no file and no heap. The weights were trained elsewhere; the sensor here has drifted since, so that
 * the app trains on and adapts them.
 */
#include <stdint.h>
#include <stdio.h>

#include "sensor.h"

static const unsigned char weights[] = {
#include "weights.inc" /* the bytes of sensor.safetensors: see Makefile */
};

enum { ROOM = 64 * 1024, SAMPLES = 300 };
static _Alignas(64) unsigned char memory[ROOM];
static float x[SAMPLES][2];
static int32_t state[SAMPLES];

/* A number from 0 to 99, drawn as the middle of three. */
static int draw(uint32_t *seed)
{
    int sum = 0;
    for (int i = 0; i < 3; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        sum += (int)((*seed >> 16) % 100u);
    }
    return sum / 3;
}

/* What the sensor reads now: the three clusters of points.csv, moved by (25, -20). */
static void read_sensor(void)
{
    static const int centre[3][2] = {{20, 30}, {70, 25}, {45, 75}};
    uint32_t seed = 1;
    for (int i = 0; i < SAMPLES; i++) {
        state[i] = i % 3;
        for (int k = 0; k < 2; k++)
            x[i][k] = (float)(centre[i % 3][k] + (k ? -20 : 25) + (draw(&seed) - 50) / 2);
    }
}

/* The share of samples whose most likely state is the right one. */
static double accuracy(sensor *s)
{
    int right = 0;
    for (int i = 0; i < SAMPLES; i += SENSOR_BATCH) {
        float probs[SENSOR_BATCH][3];
        if (sensor_predict(s, SENSOR_BATCH, x[i], probs[0]) != 0)
            return -1;
        for (int j = 0; j < SENSOR_BATCH; j++) {
            int best = 0;
            for (int k = 1; k < 3; k++)
                if (probs[j][k] > probs[j][best])
                    best = k;
            right += best == state[i + j];
        }
    }
    return (double)right / SAMPLES;
}

int main(void)
{
    static char line[256];
    setvbuf(stdout, line, _IOLBF, sizeof line); /* stdio would take it from the heap */
    sensor *s = sensor_size() <= ROOM ? sensor_init(memory, 1) : NULL;
    if (!s) {
        printf("ROOM must be %zu\n", sensor_size());
        return 1;
    }
    if (sensor_load_memory(s, weights, sizeof weights) != 0) {
        printf("%s\n", sensor_error(s));
        return 1;
    }
    read_sensor();
    printf("as shipped: %.3f\n", accuracy(s));
    for (int epoch = 0; epoch < 20; epoch++)
        for (int i = 0; i < SAMPLES; i += SENSOR_BATCH)
            sensor_train_step(s, SENSOR_BATCH, x[i], &state[i]);
    printf("after training here: %.3f\n", accuracy(s));
    return 0;
}
