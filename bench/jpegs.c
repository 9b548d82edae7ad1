/* SPDX-License-Identifier: MIT */
/* jpegs FOLDER COUNT: writes COUNT images of 64 x 64 as JPEG, in two folders: discs on waves, large or small. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <jpeglib.h>

enum { SIDE = 64 };

static unsigned char pixel[SIDE * SIDE * 3];

static void draw(unsigned i)
{
    unsigned state = i * 2654435761u + 1;
    double x0 = 16 + state % 32, y0 = 16 + state / 32 % 32, radius = i % 2 ? 14 : 7;
    for (int k = 0; k < SIDE * SIDE * 3; k++) {
        double x = k / 3 % SIDE, y = k / 3 / SIDE, wave = sin(x / 5 + i) * cos(y / 7 + k % 3);
        state = state * 1664525u + 1013904223u;
        double value =
            110 + 50 * wave + (hypot(x - x0, y - y0) < radius ? 60 : 0) + state / 4294967296.0 * 30;
        pixel[k] = (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

static int write_jpeg(const char *path)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    FILE *f = fopen(path, "wb");
    if (!f)
        return -1;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_stdio_dest(&c, f);
    c.image_width = c.image_height = SIDE;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 90, TRUE);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < SIDE) {
        JSAMPROW row = pixel + (size_t)c.next_scanline * SIDE * 3;
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    return fclose(f);
}

int main(int argc, char **argv)
{
    char path[4096];
    if (argc != 3)
        return 2;
    for (int kind = 0; kind < 2; kind++) {
        snprintf(path, sizeof path, "%s/%d", argv[1], kind);
        mkdir(argv[1], 0777);
        mkdir(path, 0777);
    }
    for (int i = 0; i < atoi(argv[2]); i++) {
        draw((unsigned)i);
        snprintf(path, sizeof path, "%s/%d/%05d.jpg", argv[1], i % 2, i);
        if (write_jpeg(path))
            return 3;
    }
    return 0;
}
