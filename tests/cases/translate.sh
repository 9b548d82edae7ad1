# SPDX-License-Identifier: MIT
# Translation: `generate` of a model with a source: texts, BLEU, beams; what is refused.
. "$root/tests/lib.sh"

model=$root/examples/translation/model.yaml
check "a program" "$nncc" "$model" -o translation
check "train" ./translation train --epochs 2
check "generate: the set" ./translation generate
cp "$tmp/said" bleu.txt
at_least "generate: BLEU of phrases it has not seen" "$(value bleu.txt bleu)" 60
check "generate: the set in one thread" env OMP_NUM_THREADS=1 ./translation generate
cp "$tmp/said" again.txt
check "generate: the same" cmp bleu.txt again.txt
check "generate: greedy" ./translation generate --temperature 0
cp "$tmp/said" greedy.txt
at_least "generate: BLEU of the likeliest tokens" "$(value greedy.txt bleu)" 50

printf 'a cat takes the book .\nthe boy likes a big tree often .\n' >s.txt
check "generate: a file" ./translation generate --input english=s.txt
cp "$tmp/said" first.txt
[ "$(wc -l <first.txt)" -eq 2 ] && ok "generate: a line a source" || bad "generate: $(cat first.txt)"
check "generate: to a file" ./translation generate --input english=s.txt -o out.de --beam 4 --length-penalty 0.6
check "generate: it holds the same" cmp first.txt out.de
check "generate: against itself" ./translation generate --input english=s.txt --reference out.de
grep -q '^bleu: 100$' "$tmp/said" && ok "generate: a BLEU of 100" || bad "generate: $(cat "$tmp/said")"
cp s.txt s.en
check "generate: a file of another ending" ./translation generate --input english=s.en --reference out.de
check "generate: with a beginning" ./translation generate --input "english=text:a cat takes the book ." --prompt nun
grep -q '^nun ' "$tmp/said" && ok "generate: it begins so" || bad "generate: $(cat "$tmp/said")"
for i in 1 2; do
    check "generate: by chance, $i" ./translation generate --input english=s.txt --temperature 1.5 --seed 4
    cp "$tmp/said" chance.$i
done
check "generate: the same seed, the same" cmp chance.1 chance.2

refused()
{
    name=$1 wanted=$2 text=$3
    shift 3
    status "$name" "$wanted" timeout 60 ./translation generate "$@"
    says "$name: says it" "$text"
}
refused "a beam too wide" 2 "at most 4" --beam 5
refused "more than fits" 2 "24 positions" --tokens 30
refused "another input" 2 "has no input" --input sentence=s.txt
head -n 1 s.txt >s.txt.one
refused "too few references" 1 "1 lines, but there are 2 sources" --input english=s.txt --reference s.txt.one
refused "no such reference" 3 "none.txt" --input english=s.txt --reference none.txt
refused "a reference without sources" 2 "english" --reference s.txt

# --- numbers, and what no source goes with
check "numbers: a program" "$nncc" "$root/tests/models/decode_mt.yaml" -o mt
check "numbers: weights" ./mt init -o mt.safetensors
status "numbers: no source" 2 ./mt generate
says "numbers: says it" "of which source"
cat >lm.yaml <<'EOT'
model: lm
inputs: {x: {tokens: 9, shape: [6]}}
layers: [{embedding: {count: 9, dim: 4}}, {attention: {heads: 2, causal: true}}, {dense: 9}]
generate: {start: 1, end: 2, beam: 3}
EOT
check "a beam without a source" "$nncc" lm.yaml -o lm
check "a beam without a source: weights" ./lm init -o lm.safetensors
check "a beam without a source: generate" ./lm generate
check "a beam without a source: a prompt" ./lm generate --prompt "3 4" --tokens 3
status "references without a source" 2 ./lm generate --reference s.txt
says "references without a source: says it" "models with a source"
