# SPDX-License-Identifier: MIT
# Text through whole programs: windows of a text, tables of sentences, the vocabulary in the weights file, predict of a
# sentence, and what is said of bad texts.
. "$root/tests/lib.sh"

# refused NAME STATUS TEXT COMMAND...: status and text, in one line.
refused()
{
    name=$1 wanted=$2 text=$3
    shift 3
    status "$name" "$wanted" timeout 60 "$@"
    says "$name: says it" "$text"
    [ "$(wc -l <"$tmp/said")" -eq 1 ] && ok "$name: in one line" || bad "$name: not in one line"
}

# --- windows: a text whose next character follows from the last two
awk 'BEGIN { for (i = 0; i < 400; i++) print (i % 3 ? "the cat sat" : "a dog ran") }' >a.txt
cat >lm.yaml <<'EOF'
model: lm
inputs: {x: {tokens: 24, shape: [12]}, y: {tokens: 24, shape: [12]}}
layers:
  - {name: scaled, expr: x / 24}
  - dense: {units: 48, activation: relu}
  - dense: {units: 288}
  - reshape: {shape: [12, 24], name: logits}
outputs: {probs: softmax(logits)}
loss: softmax_cross_entropy(logits, y)
train: {batch: 32, epochs: 2, optimizer: {adam: {lr: 3e-3}}, checkpoint: {every_epochs: 1}}
data:
  train: {text: {file: a.txt, next_token: {input: x, target: y, stride: 3}}}
  validation: {split: 0.2}
EOF
check "windows: a program" "$nncc" lm.yaml -o lm
check "windows: train" ./lm train
./lm eval >eval.txt
at_most "windows: what follows is learnt, of the last fifth" "$(value eval.txt loss)" 2.0
grep -qa 'nncc.text.x' lm.safetensors && ok "windows: the vocabulary is in the weights file" || bad "windows: no vocabulary in the weights file"
grep -qa 'nncc.text.x' lm.checkpoint && ok "windows: and in the checkpoint" || bad "windows: no vocabulary in the checkpoint"
cp lm.safetensors once.safetensors
check "windows: a run to be resumed" ./lm train --epochs 1 --checkpoint half.ck --out half.st
check "windows: resumed" ./lm train --epochs 2 --resume half.ck --out twice.safetensors
status "windows: other bits after other epochs" 0 ./lm eval --weights twice.safetensors
check "windows: predict of a text" ./lm predict --input "x=text:the cat sat " --output probs=p.npy
check "windows: printed" ./lm predict --input "x=text:the cat sat " --output probs=-
[ "$(wc -w <"$tmp/said")" -eq 288 ] && ok "windows: as many numbers as the output has" || bad "windows: $(wc -w <"$tmp/said") numbers"
refused "windows: a text too short" 1 "has no <pad>" ./lm predict --input "x=text:the" --output probs=p.npy
refused "windows: a character that training had not" 1 "the character 'Q'" ./lm predict --input "x=text:the Quiet ca" --output probs=p.npy
printf 'the cat sat on the mat\nthe cat' >b.txt
check "windows: eval on another text" sh -c 'tr -d m <b.txt >c.txt; ./lm eval --data c.txt 2>&1 || cat c.txt'
refused "windows: another text with another letter" 1 "b.txt:1:20:" ./lm eval --data b.txt
rm lm.safetensors
refused "windows: no weights, no vocabulary" 3 "lm.safetensors" ./lm predict --input "x=text:the cat sat " --output probs=p.npy
printf 'abc\nd\377f' >a.txt
refused "windows: no UTF-8" 1 "a.txt:2:2:" ./lm train
: >a.txt
refused "windows: an empty text" 1 "a.txt: expected a text" ./lm train
printf 'the cat sat ' >a.txt
refused "windows: a text of one window" 1 "12 tokens" ./lm train

# --- a table; the same as one file without libraries gives the same bits
cat >say.yaml <<'EOF'
model: say
inputs: {x: {tokens: 40, shape: [6]}, n: {shape: [1], dtype: i32}, kind: {classes: 2}}
layers:
  - {name: numbers, expr: x / 10}
  - dense: {units: 24, activation: tanh}
  - dense: {units: 2, name: d}
  - {name: logits, expr: d + n / 100}
outputs: {probs: softmax(logits)}
loss: softmax_cross_entropy(logits, kind)
metrics: {accuracy: "accuracy(logits, kind)"}
train: {batch: 16, epochs: 40, optimizer: {adam: {lr: 0.01}}}
data:
  train: {text: {file: t.tsv, tokenizer: words, lowercase: true, classify: {x: what, kind: how}, lengths: {n: x}}}
EOF
awk 'BEGIN {
    print "how\twhat"
    for (i = 0; i < 120; i++) {
        good = i % 2
        print (good ? "praise" : "blame") "\t" (i % 3 ? "A" : "One") " " (good ? "fine" : "dull") " " (i % 5 ? "film" : "play") (i % 7 ? "" : " , again and again")
    }
}' >t.tsv
check "table: a program" "$nncc" say.yaml -o say
status "table: train" 0 ./say train
says "table: what is cut is said" "are longer than the 6 tokens of 'x', and cut"
at_least "table: classes by name are learnt" "$(value "$tmp/out" accuracy)" 0.99
grep -qa 'blame.*praise' say.safetensors && ok "table: names of classes in the weights file" || bad "table: no names of classes"
printf 'a DULL play\na fine unseen-film\n' >s.txt
check "table: predict, a line a text" sh -c './say predict --input x=s.txt --output probs=- >out.txt'
awk 'NR == 1 && $1 > 0.8 { a = 1 } NR == 2 && $2 > 0.8 { b = 1 } END { exit !(a && b) }' out.txt && ok "table: and right" || bad "table: $(cat out.txt)"
check "table: eval on another table" ./say eval --data t.tsv
check "single file: the C" "$nncc" --main --single-file --target=x86-64-v3 say.yaml -o one.c
cc=$(command -v clang || command -v gcc)
check "single file: compiles without a warning" "$cc" -Wall -Wextra -Werror -O1 -march=x86-64-v3 one.c -lm -o one
check "single file: trains" ./one train --out one.safetensors
check "single file: predicts" sh -c './one predict --weights say.safetensors --input x=s.txt --output probs=- >out1.txt'
awk 'NR == 1 && $1 > 0.8 { a = 1 } NR == 2 && $2 > 0.8 { b = 1 } END { exit !(a && b) }' out1.txt && ok "single file: and right" || bad "single file: $(cat out1.txt)"
printf 'how\twhat\npraise\t\n' >t.tsv
refused "table: an empty text" 1 "t.tsv:2: expected a text" ./say train
printf 'how\twhat\npraise\ta\nblame\tb\nscorn\tc\n' >t.tsv
refused "table: a class too many" 1 "t.tsv:4: 'scorn'" ./say train
refused "table: a class that training had not" 1 "t.tsv:4:" ./say eval --data t.tsv
printf 'how\tthat\npraise\ta\n' >t.tsv
refused "table: a column that is not there" 1 "no column 'what'; did you mean 'that'?" ./say train

# --- a tokenizer.json
cat >tok.yaml <<'EOF'
model: tok
inputs: {x: {tokens: 20, shape: [4]}, y: {tokens: 20, shape: [4]}}
layers:
  - dense: {units: 80}
  - reshape: {shape: [4, 20], name: logits}
outputs: {probs: softmax(logits)}
loss: softmax_cross_entropy(logits, y)
train: {batch: 8, epochs: 1, optimizer: adam}
data: {train: {text: {file: a.txt, tokenizer: tok.json, next_token: {input: x, target: y, stride: 1}}}}
EOF
printf 'hello hello hello hello hello\n' >a.txt
printf '%s' '{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{"h":0,"e":1,"l":2,"o":3,"\u0120":4,"he":5,"ll":6,"hell":7,"\u010A":8},"merges":["h e","l l","he ll"]}}' >tok.json
check "tokenizer.json: a program" "$nncc" tok.yaml -o tok
check "tokenizer.json: train" ./tok train
rm tok.json
check "tokenizer.json: is not needed any more" ./tok predict --input "x=text:hello hell" --output probs=p.npy
printf '{"model":{"type":"WordPiece"}}' >tok.json
refused "tokenizer.json: another model" 1 "tok.json: a model of type 'WordPiece' is not supported" ./tok train
printf '{"model":{"type":' >tok.json
refused "tokenizer.json: truncated" 1 "tok.json: byte" ./tok train

# --- made up: what examples train on without files
sed -e 's/file: t.tsv/generator: reviews, count: 3000/' -e 's/kind: how/kind: label/' -e 's/x: what/x: sentence/' -e 's/shape: \[6\]/shape: [12]/' -e 's/epochs: 40/epochs: 6/' -e 's/^model: say/model: made/' say.yaml >made.yaml
check "made up: a program" "$nncc" made.yaml -o made
status "made up: trains" 0 ./made train
