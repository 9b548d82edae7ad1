/* SPDX-License-Identifier: MIT */
/* Guards nnrt_weights.c: what is saved comes back to the bit, damage is seen, errors say where. */
#include "nnrt_scratch.h"
#include "nnrt_tiny.h"

TestSuite(nnrt_weights, .init = scratch_open, .fini = scratch_close);

Test(nnrt_weights, there_and_back)
{
    nnrt_model model = tiny_model();
    nnrt_instance *a = nnrt_new(&model, 1), *b = nnrt_new(&model, 2);
    const char *path = scratch_path("w.safetensors");
    cr_assert_arr_neq(a->vars, b->vars, TINY_WM);
    tiny_at(a, TINY_WM)[0] = 7; /* optimiser state stays out of the file */
    cr_assert_eq(nnrt_save(a, path), 0, "%s", a->error);
    cr_assert_eq(nnrt_load(b, path), 0, "%s", b->error);
    cr_assert_str_empty(b->error);
    cr_assert_arr_eq(a->vars, b->vars, TINY_WM);
    cr_assert_eq(tiny_at(b, TINY_WM)[0], 0);
    cr_assert_eq(scratch_count(0), 1, "only the file itself is left");
    nnrt_free(a);
    nnrt_free(b);
}

Test(nnrt_weights, damage_and_failure)
{
    nnrt_model model = tiny_model();
    nnrt_instance *m = nnrt_new(&model, 1);
    const char *path = scratch_path("w.safetensors");
    cr_assert_eq(nnrt_load(m, path), NNRT_BAD_FILE);
    cr_assert_not_null(strstr(m->error, path));
    cr_assert_eq(nnrt_save(m, path), 0);
    FILE *f = fopen(path, "r+b");
    fseek(f, -1, SEEK_END);
    int last = fgetc(f);
    fseek(f, -1, SEEK_END);
    fputc(last ^ 1, f);
    fclose(f);
    cr_assert_eq(nnrt_load(m, path), NNRT_BAD_CONTENT);
    cr_assert_not_null(strstr(m->error, path));
    cr_assert_not_null(strstr(m->error, "checksum"), "%s", m->error);
    cr_assert_eq(nnrt_save(m, scratch_path("none/w.safetensors")), NNRT_BAD_FILE);
    cr_assert_not_null(strstr(m->error, "none/w.safetensors"), "%s", m->error);
    nnrt_free(m);
}
