# SPDX-License-Identifier: MIT
# What the driver does with names, outputs and the C compiler; the core of a single file in an app.
. "$root/tests/lib.sh"
model=$root/tests/models/mixed.yaml
cp "$model" m.yaml
cp "$model" plain

status "-o names the model file" 2 "$nncc" m.yaml -o ./m.yaml
says "-o names the model file: says so" "is the model file"
status "a program's default name is the model file's" 2 "$nncc" --emit=exe plain
check "the model files are as they were" same m.yaml plain
status "a program on standard output" 2 "$nncc" m.yaml --emit=exe -o -
status "an empty -o" 2 "$nncc" m.yaml -o ""
status "--grad with --no-train" 2 "$nncc" m.yaml --grad --no-train
status "a pass that cannot be left out" 2 "$nncc" m.yaml --no-pass=memory
says "a pass that cannot be left out: says so" "cannot be left out"
status "short options in one word" 2 "$nncc" -xy m.yaml
says "short options in one word: names the first" "unknown option '-x'"
status "a value that is not wanted" 2 "$nncc" --main=3 m.yaml
says "a value that is not wanted: says so" "takes no value"
if [ -e /dev/full ]; then
    status "--help to a full disk" 3 sh -c "\"$nncc\" --help >/dev/full"
    status "--dump-after to a full disk" 3 sh -c "\"$nncc\" m.yaml --dump-after=cse >/dev/full"
    status "C to a full disk" 3 sh -c "\"$nncc\" m.yaml -o - >/dev/full"
fi

"$nncc" m.yaml -D "a b'=1" -o x.c 2>said.txt && bad "-D of no variable is accepted" || ok "-D of no variable is refused"
cp m.yaml 'a b.yaml'
status "a name with a space" 0 "$nncc" 'a b.yaml' -o space.c
check "the banner's command can be run again" grep -qF "nncc 'a b.yaml' -o space.c" space.c
mkdir 'end*' && cp m.yaml 'end*/ int evil(void);.yaml'
status "a file name that ends a comment" 0 "$nncc" 'end*/ int evil(void);.yaml' -o evil.c
check "a file name that ends a comment ends none" "${CC:-cc}" -std=c11 -march=native -Wno-unknown-pragmas \
    -Werror -fsyntax-only "-I$BUILD/include" evil.c

# Names that are words of C++, and those that the emitted C uses itself.
cat >words.yaml <<'END'
model: words
inputs:
  class: {shape: [3]}
  WORDS_BATCH: {shape: [3]}
  words_logits_fwd: {shape: [3]}
  label: {classes: 4}
layers:
  - {name: all, expr: class + WORDS_BATCH * words_logits_fwd}
  - dense: {units: 4, name: logits}
outputs: {new: softmax(logits), this: class * 2}
loss: softmax_cross_entropy(logits, label, weights=[1, 2, 3, 4])
metrics: {accuracy: "accuracy(logits, label)"}
train: {batch: 8, epochs: 1, optimizer: {adam: {lr: 0.01}}}
END
status "names that are words of C++" 0 "$nncc" words.yaml --grad -o words.c
echo '#include "words.h"' >words_header.cc
check "they compile as C" "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -march=native "-I$BUILD/include" -c words.c -o words.o \
    -Wno-unknown-pragmas
if command -v c++ >/dev/null 2>&1; then
    check "their header compiles as C++11" c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only words_header.cc
else
    skip "their header compiles as C++11: no C++ compiler"
fi
[ "$(grep -c '_data\[4\] =' words.c)" = 1 ] && ok "constants of several functions stand once" ||
    bad "constants stand $(grep -c '_data\[4\] =' words.c) times"

# Names of macros, of parameters and locals, and of C's own functions.
cat >names.yaml <<'END'
model: names
inputs: {x: {shape: [3]}, d_x: {shape: [3]}, d_y_weight: {shape: [3]}, INT32_MAX: {shape: [3]}, key1: {shape: [3]}}
layers:
  - {name: s, expr: relu(x + d_x + d_y_weight + INT32_MAX + key1)}
  - dropout: 0.5
  - dense: {units: 2, name: y}
outputs: {o: y, grads: x, sums: x, n: x, m: x, in: x, lr: x, offsetof: x, EOF: x, stdin: x, names: x, errno: x, NNRT_ABI: x, team: x, stale: x, profile: x}
loss: mse(y, 0)
train: {batch: 4, epochs: 1, optimizer: {adam: {lr: 0.01}}}
END
for how in "" -O0 "--single-file --main"; do
    "$nncc" names.yaml --grad $how -o names.c
    check "names of macros and locals compile: '$how'" "${CC:-cc}" -std=gnu11 -march=native -Wall -Werror \
        -Wno-unknown-pragmas -fsyntax-only "-I$BUILD/include" names.c
done
for word in log random time dup signal template; do
    printf 'model: %s\ninputs:\n  x: {shape: [3]}\nlayers:\n  - relu\n' "$word" >word.yaml
    status "a model called $word is refused" 1 "$nncc" word.yaml -o word.c
done

# An app with the core of the runtime inside the emitted file: every function of the header.
cat >app.c <<'END'
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "words.h"
#define CHECK(x) do { if (!(x)) { fprintf(stderr, "line %d: %s\n", __LINE__, #x); return 1; } } while (0)
_Alignas(64) static unsigned char memory[1 << 20], second[1 << 20];
int main(void)
{
    float x[9 * 3], p[4 * 9], q[3 * 9], w[12], other[12], g[WORDS_GRADS];
    int32_t label[8] = {0, 1, 2, 3, 3, 99999999, -5, 1};
    double sums[WORDS_SUMS] = {0};
    for (int i = 0; i < 27; i++)
        x[i] = (float)i / 27;
    CHECK(words_size() <= sizeof memory);
    words *m = words_init(memory, 1);
    CHECK(m && words_init(memory + 1, 1) == NULL);
    CHECK(words_predict(m, 8, x, x, x, p, q) == 0 && p[0] > 0 && p[0] < 1 && q[1] == 2 * x[1]);
    CHECK(words_predict(m, 0, x, x, x, p, q) == -1 && words_predict(m, 9, x, x, x, p, q) == -1);
    CHECK(strcmp(words_error(m), "n is not from 1 to 8") == 0);
    CHECK(isnan(words_train_step(m, 9, x, x, x, label)) && isnan(words_eval(m, -1, x, x, x, label, sums)));
    CHECK(words_get(m, "logits.weight", w) == 0 && words_get(m, "none", w) == -1);
    CHECK(isfinite(words_grad(m, 5, x, x, x, label, g)));
    CHECK(isfinite(words_eval(m, 8, x, x, x, label, sums)) && sums[1] == 8);
    CHECK(isfinite(words_eval(m, 8, x, x, x, label, NULL)));
    CHECK(words_get(m, "logits.weight", other) == 0 && memcmp(w, other, sizeof w) == 0);
    CHECK(isfinite(words_train_step(m, 5, x, x, x, label)));
    CHECK(words_get(m, "logits.weight", other) == 0 && memcmp(w, other, sizeof w) != 0);
    CHECK(words_save(m, "words.safetensors") == 0 && words_set(m, "logits.weight", w) == 0);
    CHECK(words_load(m, "words.safetensors") == 0);
    CHECK(words_get(m, "logits.weight", w) == 0 && memcmp(w, other, sizeof w) == 0);
    words *fork = words_fork(second, m);
    float again[4 * 9];
    CHECK(fork && words_predict(m, 8, x, x, x, p, q) == 0 && words_predict(fork, 8, x, x, x, again, q) == 0);
    CHECK(memcmp(p, again, sizeof(float) * 32) == 0);
    words_set_lr(m, 0.5f);
    words_set_steps(m, 10);
    CHECK(words_load_memory(m, "{}", 2) != 0 && words_error(m)[0] != '\0');
    words *heap = words_new(2);
    CHECK(heap);
    words_free(heap);
    return 0;
}
END
"$nncc" words.yaml --grad --single-file -o words.c
for cc in gcc clang; do
    usable $cc || { skip "$cc: an app with a single file"; continue; }
    check "$cc: an app with a single file compiles" $cc -g -O1 -D_GNU_SOURCE -march=native -Wall -Werror -fopenmp \
        -fsanitize=address,undefined -fno-sanitize-recover=undefined app.c words.c -lm -o app
    check "$cc: and runs under sanitizers, labels out of range included" ./app
    rm -f app
done

# The C compiler: words of $CC, quotes, and Ctrl-C.
cc=${CC:-cc}
if usable "$cc"; then
    status "quotes in CC" 0 env CC="$cc -DX=\"1\"" "$nncc" m.yaml -o quoted
    check "info shows them" sh -c "./quoted info | grep -qF -- '-DX=\"1\"'"
fi
status "a compiler that fails" 3 env CC="false" "$nncc" m.yaml -o failed
says "a compiler that fails: named" "the C compiler 'false' failed"
status "a compiler that is not there" 3 env CC="no-such-cc" "$nncc" m.yaml -o failed
says "a compiler that is not there: why" "cannot be run: No such file"
printf '#!/bin/sh\nkill -INT $$\n' >interrupted && chmod +x interrupted && mkdir folder
if int_ignored; then
    skip "Ctrl-C while the compiler runs: this shell was started with SIGINT ignored"
else
    status "Ctrl-C while the compiler runs" 130 env CC=./interrupted TMPDIR=folder "$nncc" m.yaml -o failed
fi
[ -z "$(ls folder)" ] && ok "it leaves no folder behind" || bad "left $(ls folder)"
[ -e failed ] || ls failed.part* >/dev/null 2>&1 && bad "a failed compiler left a file" || ok "no failed compiler leaves a file"
