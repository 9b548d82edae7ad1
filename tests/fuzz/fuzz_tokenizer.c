/* SPDX-License-Identifier: MIT */
/* fuzz_tokenizer.c: any bytes as a tokenizer.json; what is read encodes a text, and is written to a
 * file that is read again. */
#include "fuzz_reader.h"
#include "nnrt_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char text[] = "ab abc  a\n<pad>42 \xC3\x84 abab";
    nnrt_vocab v, back;
    nnrt_fault fault = {""};
    int status = nnrt_tokenizer_parse("t", bytes, size, &v, &fault);
    fuzz_check_fault(status, &fault);
    if (status)
        return 0;
    nnrt_ids ids = {0};
    nnrt_buffer json = {0}, decoded = {0};
    size_t bad = 0;
    nnrt_vocab_encode(&v, text, sizeof text - 1, &ids, &bad);
    if (bad > sizeof text)
        abort();
    nnrt_vocab_decode(&v, ids.at, ids.n, &decoded);
    nnrt_tokenizer_write(&v, &json);
    status = nnrt_tokenizer_parse("t", json.at, json.size, &back, &fault);
    fuzz_check_fault(status, &fault);
    if (!status)
        nnrt_vocab_free(&back);
    free(ids.at);
    nnrt_buffer_free(&json);
    nnrt_buffer_free(&decoded);
    nnrt_vocab_free(&v);
    return 0;
}
