# SPDX-License-Identifier: MIT
# What predict keeps of the weights from call to call: never older than the weights.
. "$root/tests/lib.sh"
include="-I$BUILD/include"

# kept_app COMPILER FLAGS OPTION...: the app with what nncc makes of kept.yaml with the options.
kept_app()
{
    cc=$1 flags=$2
    shift 2
    "$nncc" "$root/tests/models/kept.yaml" --grad "$@" -o kept.c || { bad "nncc $*"; return; }
    usable $cc || { skip "kept weights under $cc: it does not link OpenMP programs here"; return; }
    check "$cc $*: the app compiles" $cc -std=gnu11 -O2 $flags -Wall -Wextra -Werror -fopenmp $include -I. \
        "$root/tests/models/kept.c" kept.c "$BUILD/libnnrt.a" -lz -lm -o app
    for threads in 1 2 3; do
        check "$cc $*: kept weights, $threads threads" env OMP_NUM_THREADS=$threads ./app
    done
    rm -f app
}

for cc in gcc clang; do
    kept_app $cc -march=native
done
check "weights are kept" grep -q 'if (stale)' kept.c
check "a convolution by Winograd's method is among them" grep -q 'winograd' kept.c
kept_app "${CC:-cc}" "" --target=generic
kept_app "${CC:-cc}" -march=native --exact
kept_app "${CC:-cc}" -march=native -O0
