/* SPDX-License-Identifier: MIT */
/* fuzz_safetensors.c: any bytes as a safetensors file; each tensor is read as floats. */
#include "fuzz_reader.h"

static void read_tensor(const nnrt_st_file *file, const nnrt_st_tensor *tensor)
{
    if (nnrt_st_find(file, tensor->name) == NULL)
        abort();
    size_t count = (size_t)nnrt_array_count(tensor->rank, tensor->dim);
    if (count > (tensor->end - tensor->begin)) /* no dtype has less than a byte */
        abort();
    float *numbers = malloc(count * sizeof *numbers + 1);
    if (numbers)
        nnrt_st_floats(file, tensor, numbers);
    free(numbers);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    nnrt_st_file file;
    nnrt_fault fault = {""};
    int status = nnrt_st_parse("f", bytes, size, &file, &fault);
    fuzz_check_fault(status, &fault);
    if (status)
        return 0;
    for (int i = 0; i < file.n_tensors; i++)
        read_tensor(&file, &file.tensors[i]);
    nnrt_st_free(&file);
    return 0;
}
