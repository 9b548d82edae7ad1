# SPDX-License-Identifier: MIT
# Tokens that a table has no row for, and memory that does not grow with the square of a sequence.
. "$root/tests/lib.sh"
include="-I$BUILD/include"

cat >tokens.yaml <<'END'
model: tokens
inputs: {x: {tokens: 7, shape: [3]}, y: {classes: 2}}
layers: [embedding: {count: 9, dim: 4, input: x, name: tok}, flatten, dense: {units: 2, name: logits}]
outputs: {p: logits}
loss: softmax_cross_entropy(logits, y)
train: {batch: 2, optimizer: {sgd: {lr: 0.1}}}
END
cat >app.c <<'END'
#include <stdio.h>
#include <string.h>

#include "tokens.h"

/* Whether a call with this token is refused, by each function, and says so; weights stay as they are. */
static int refused(tokens *net, int32_t token)
{
    const int32_t x[6] = {0, 1, 2, 3, 4, token}, y[2] = {0, 1};
    float p[4], before[36], after[36];
    if (tokens_get(net, "tok.weight", before) != 0)
        return 0;
    int all = tokens_predict(net, 2, x, p) == -1 && strstr(tokens_error(net), "x holds a number that is not from 0 to 6") != NULL;
    float loss = tokens_train_step(net, 2, x, y), other = tokens_eval(net, 2, x, y, NULL);
    return all && loss != loss && other != other && tokens_get(net, "tok.weight", after) == 0 &&
           memcmp(before, after, sizeof before) == 0 && tokens_predict(net, 1, x, p) == 0;
}

int main(void)
{
    tokens *net = tokens_new(1);
    const int32_t x[6] = {0, 1, 2, 3, 4, 6}, y[2] = {0, 1};
    int good = net && refused(net, 7) && refused(net, -1) && refused(net, INT32_MAX) && refused(net, INT32_MIN);
    good = good && tokens_train_step(net, 2, x, y) > 0;
    tokens_free(net);
    return !good;
}
END
"$nncc" tokens.yaml -o tokens.c
check "an app compiles" ${CC:-cc} -std=gnu11 -O1 -march=native -fopenmp -Wall -Wextra -Werror $include -I. app.c tokens.c \
    "$BUILD/libnnrt.a" -lz -lm -o app
check "tokens that a table has no row for are refused" ./app
"$nncc" tokens.yaml -o tokens
printf '0,1,7\n' >bad.csv
if "$python" -c 'import numpy' 2>/dev/null; then
    "$python" -c 'import numpy; numpy.save("bad.npy", numpy.array([[0, 1, 2], [3, 7, 0]]))'
    ./tokens init -o w.safetensors
    status "a program says what is wrong with a token" 1 ./tokens predict --weights w.safetensors --input x=bad.npy --output p=p.npy
    cp said why.txt
    check "and where" grep -q "bad.npy.*from 0 to 6" why.txt
else
    skip "a program and a wrong token: $python has no numpy"
fi

# Scratch of training with causal attention over $1 positions.
scratch()
{
    cat >long.yaml <<END
model: far
inputs: {x: {shape: [$1, 64]}}
layers: [attention: {heads: 2, causal: true, dropout: 0.1}]
outputs: {y: attention_1}
loss: mean(attention_1 * attention_1)
train: {batch: 1, optimizer: {sgd: {lr: 0.1}}}
END
    "$nncc" long.yaml --emit=report -o - | sed -n 's/^train: .* \([0-9]*\) bytes of scratch.*/\1/p'
}
short=$(scratch 1024) long=$(scratch 2048)
check "attention over 1024 positions needs no 1024 x 1024 numbers" test "$short" -lt $((4 * 1024 * 1024))
check "twice the positions take twice the memory, not four times" test "$long" -lt $((short * 21 / 10))
