# SPDX-License-Identifier: MIT
# Seven seconds of each fuzzer, two at a time, from the corpus of tests/fuzz/run, the same each time: `make fuzz` runs them
# longer, and each time elsewhere.
. "$root/tests/lib.sh"

echo 'int LLVMFuzzerTestOneInput(const char *b, unsigned long n) { return b && n > 1 && 0; }' >try.c
if ! clang -fsanitize=fuzzer,address,undefined try.c -o try >/dev/null 2>&1; then
    skip "fuzzers: clang or its fuzzer runtime is missing"
elif ! make -C "$root" --no-print-directory -j2 fuzz-build >"$tmp/said" 2>&1; then
    bad "fuzzers: they do not build"
    tail -n 20 "$tmp/said"
else
    cp "$root"/build-fuzz/fuzz/fuzz_* . 2>/dev/null
    export FUZZ_SEED=1
    sh "$root/tests/fuzz/run" . 7 model npy csv text wav png >one.txt 2>&1 &
    sh "$root/tests/fuzz/run" . 7 safetensors ir npz idx tokenizer jpeg >two.txt 2>&1
    wait
    cat one.txt two.txt
fi
