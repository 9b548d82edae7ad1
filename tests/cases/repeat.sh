# SPDX-License-Identifier: MIT
# Blocks that repeat are loops: 12 of them make hardly more C than 2, forward, backward, updates and the table of weights.
. "$root/tests/lib.sh"
include="-I$BUILD/include"
model=$root/tests/models/repeat.yaml

bytes() { wc -c <"$1"; }

for blocks in 2 4 12 24; do
    "$nncc" "$model" -D blocks=$blocks --grad --target=generic -o b$blocks.c || bad "$blocks blocks"
done
at_most "12 blocks: 1.15 times the C of 2" "$(bytes b12.c)" "$(awk "BEGIN { print 1.15 * $(bytes b2.c) }")"
at_most "24 blocks: 1.05 times the C of 12" "$(bytes b24.c)" "$(awk "BEGIN { print 1.05 * $(bytes b12.c) }")"
check "a loop goes over all blocks" grep -q 'for (int r = 0; r < 12; r++) { /\* h.0 to 11 \*/' b12.c
check "with random streams" grep -q 'nnrt_rand_key_of(.*(unsigned)r);' b12.c
check "with variables of its block" grep -q 'v->h\[r\]\.mlp_weight' b12.c
check "one macro has the rows of a block" grep -q '"h\." #i "\.mlp\.weight"' b12.c
check "a call a kernel and block is left nowhere" sh -c '! grep -q "v->h\[5\]" b12.c'
for cc in gcc clang; do
    usable $cc || { skip "loops under $cc: it does not link OpenMP programs here"; continue; }
    check "$cc: no warning" $cc -std=c11 -O0 -Wall -Wextra -Werror -fopenmp $include -c b4.c -o b4.o
done

# Names in weights files are as they were; the same bits on any number of threads.
quick=$(quick_cc)
sed '$a data: {train: {npz: {file: data.npz, tokens: tokens, next: next}}}' "$model" >run.yaml
CC=$quick "$nncc" run.yaml -D blocks=4 -o four || bad "a program"
./four init --seed 3 -o start.safetensors
check "names of weights have the block's number" grep -q '"h\.3\.attn\.in_proj_weight"' start.safetensors
if "$python" -c 'import numpy' 2>/dev/null; then
    "$python" - <<'PY'
import numpy
r = numpy.random.default_rng(5)
numpy.savez("data.npz", tokens=r.integers(0, 31, (24, 12), dtype=numpy.int32), next=r.integers(0, 31, (24, 12), dtype=numpy.int32))
PY
    for threads in 1 2 3; do
        OMP_NUM_THREADS=$threads ./four train --steps 6 --out on$threads.safetensors >/dev/null 2>"$tmp/said" ||
            bad "train, $threads threads"
    done
    check "1 and 2 threads give the same bits" same on1.safetensors on2.safetensors
    check "1 and 3 threads give the same bits" same on1.safetensors on3.safetensors
    status "each kernel has its time" 0 ./four bench --train --seconds 0.05 --profile
else
    skip "training: no numpy"
fi
