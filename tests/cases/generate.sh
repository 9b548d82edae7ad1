# SPDX-License-Identifier: MIT
# Decoding: token for token what recomputing gives, on any number of threads; texts; what is refused.
. "$root/tests/lib.sh"
include="-I$BUILD/include"

# --- in an app
for m in gpt rnn; do
    check "nncc of decode_$m" "$nncc" "$root/tests/models/decode_$m.yaml" --batch=1 -o $m.c
done
app()
{
    usable $1 || { skip "decoding under $1: it does not link OpenMP programs here"; return; }
    compiler=$1
    shift
    check "$compiler $*: the app compiles" $compiler -std=gnu11 -march=native -Wall -Wextra -Werror $include -I. \
        "$@" "$root/tests/models/decode.c" gpt.c rnn.c "$BUILD/libnnrt.a" -lz -lm -o app
}
app gcc -O1 -fopenmp
for threads in 1 2; do
    check "gcc: decoding is recomputing, $threads threads" env OMP_NUM_THREADS=$threads ./app
    cp "$tmp/said" said.$threads
done
app gcc -O1
check "gcc: decoding is recomputing, OpenMP off" ./app
cp "$tmp/said" said.off
check "decoding: the same on 1 and 2 threads" cmp said.1 said.2
check "decoding: the same without OpenMP" cmp said.1 said.off
app clang -O1 -fopenmp
check "clang: decoding is recomputing" ./app
"$nncc" "$root/tests/models/decode_gpt.yaml" --emit=report >report.txt
check "the report names the caches" grep -q '^cache generate.*keys.*\[2, 8, 192\]' report.txt

# --- a source, and beam search
check "nncc of decode_mt" "$nncc" "$root/tests/models/decode_mt.yaml" --batch=1 -o mt.c
mt()
{
    usable $1 || { skip "beam search under $1: it does not link OpenMP programs here"; return; }
    compiler=$1
    shift
    check "$compiler $*: the app with a source compiles" $compiler -std=gnu11 -march=native -Wall -Wextra -Werror \
        $include -I. "$@" "$root/tests/models/decode_mt.c" mt.c "$BUILD/libnnrt.a" -lz -lm -o mt
}
mt gcc -O1 -fopenmp
for threads in 1 2; do
    check "gcc: decoding with a source is recomputing, $threads threads" env OMP_NUM_THREADS=$threads ./mt
    cp "$tmp/said" mt.$threads
done
check "a source: the same on 1 and 2 threads" cmp mt.1 mt.2
mt clang -O1
check "clang: decoding with a source is recomputing" ./mt
"$nncc" "$root/tests/models/decode_mt.yaml" --emit=report >report.txt
check "the report names what is kept of the source" grep -q '^memory generate.*\[1, 23, 3, 8\]' report.txt
check "a source: one file" "$nncc" "$root/tests/models/decode_mt.yaml" --single-file -o one.c
check "a source: it compiles" gcc -std=gnu11 -O1 -march=native -Wall -Wextra -Werror -c one.c -o one.o

# --- a program, text
cat >lm.yaml <<'EOT'
model: lm
inputs: {x: {tokens: 40, shape: [24]}, y: {tokens: 40, shape: [24]}}
layers:
  - embedding: {count: 40, dim: 24, input: x}
  - positional: {length: 200}
  - attention: {heads: 2, causal: true}
  - dense: {units: 40, name: logits}
outputs: {probs: softmax(logits)}
loss: softmax_cross_entropy(logits, y)
train: {batch: 32, epochs: 3, optimizer: {adam: {lr: 1e-2}}}
data: {train: {text: {generator: stories, count: 200, next_token: {input: x, target: y, stride: 12}}}}
generate: {logits: logits, tokens: 12, seed: 5}
EOT
check "text: a program" "$nncc" lm.yaml --single-file -o lm
check "text: train" ./lm train
check "text: generate" ./lm generate --prompt "Tom has"
cp "$tmp/said" first.txt
[ "$(wc -m <first.txt)" -eq 20 ] && ok "text: the prompt, 12 characters, and a newline" || bad "text: $(cat first.txt)"
check "text: again, in one thread" env OMP_NUM_THREADS=1 ./lm generate --prompt "Tom has" --seed 5
cp "$tmp/said" second.txt
check "text: the same" cmp first.txt second.txt
check "text: greedy" ./lm generate --prompt=Tom --temperature 0 --tokens 3 --top-k 3 --top-p 0.9
refused()
{
    name=$1 wanted=$2 text=$3
    shift 3
    status "$name" "$wanted" timeout 60 ./lm generate "$@"
    says "$name: says it" "$text"
}
refused "an empty prompt" 2 "value is empty" --prompt ""
refused "a character that training had not" 1 "is not in the vocabulary" --prompt "Tom has #"
refused "more than fits" 2 "24 positions" --prompt "Tom has" --tokens 30
refused "a prompt longer than the model" 2 "24 positions" --prompt "Tom has a ball and a ball and a ball"
refused "top-p above 1" 2 "above 1" --prompt "Tom" --top-p 2
status "no prompt" 2 ./lm generate
says "no prompt: says it" "--prompt"
rm lm.safetensors
status "no weights" 3 ./lm generate --prompt Tom

# --- a program, numbers
check "numbers: a program" "$nncc" "$root/tests/models/decode_rnn.yaml" -o rnn
check "numbers: weights" ./rnn init -o rnn.safetensors
check "numbers: generate" ./rnn generate --prompt "3 1, 4" --tokens 30
[ "$(wc -w <"$tmp/said")" -eq 33 ] && ok "numbers: an LSTM goes on past its length" || bad "numbers: $(cat "$tmp/said")"
status "numbers: a token too large" 2 ./rnn generate --prompt "3 37"
says "numbers: says it" "token 1 of the prompt is 37"
status "numbers: no number" 2 ./rnn generate --prompt "3 x"
printf 'model: plain\ninputs: {x: {shape: [2]}}\nlayers: [{dense: 2}]\n' >plain.yaml
check "no generate: a program" "$nncc" plain.yaml -o plain
status "no generate: refused" 2 ./plain generate --prompt 1
says "no generate: says it" "has no 'generate:'"
