# SPDX-License-Identifier: MIT
# Negative sampling through whole programs: a model of what users took, trained with others drawn anew each epoch, ranked
# among others of which none was taken; the same bits for any number of threads and in a resumed run; what is refused.
. "$root/tests/lib.sh"
export CC="$(quick_cc)"

# 40 users, 60 items: each takes 12 of the 15 whose number leaves the same rest by 4 as the user's; the last is held out.
awk 'BEGIN {
    for (u = 0; u < 40; u++)
        for (k = 0; k < 12; k++)
            print u "," u % 4 + (k * 7 + u) % 15 * 4 > (k < 11 ? "train.csv" : "test.csv")
}'

model()
{
    cat <<END
model: taken
inputs:
  user: {classes: 40}
  items: {classes: 60, shape: [5]}
  taken: {shape: [5]}
  ranked: {classes: 60, shape: [21]}
  which: {shape: [21]}
layers:
  - embedding: {count: 40, dim: 8, name: u, input: user, init: {normal: [0, 0.1]}}
  - unsqueeze: {axis: 1, name: factors}
  - embedding: {count: 60, dim: 8, name: i, input: items, init: {normal: [0, 0.1]}}
  - {name: scores, expr: "sum(factors * i, axis=2)"}
  - embedding: {count: 60, dim: 8, name: of_ranked, input: ranked, shared: i}
  - {name: ranks, expr: "sum(factors * of_ranked, axis=2)"}
outputs: {scores: scores}
loss: bce_with_logits(scores, taken)
metrics: {hit_rate: "hit_rate(ranks, which, k=5)", ndcg: "ndcg(ranks, which, k=5)"}
train: {batch: 16, epochs: 12, optimizer: {adam: {lr: 1e-2}}}
data:
  train:
    csv: {file: train.csv, header: false, user: 0, items: 1, ranked: 1, negatives: [$1]}
  test:
    csv: {file: test.csv, header: false, user: 0, items: 1, ranked: 1, negatives: [$2]}
END
}
first='{input: items, user: user, label: taken, count: 4}'
first_seen='{input: items, user: user, label: taken, count: 4, seen: train.csv}'
ranked='{input: ranked, user: user, label: which, count: 20, seed: 5, seen: train.csv}'
own='{input: ranked, user: user, label: which, count: 20}'
model "$first, $own" "$first_seen, $ranked" >taken.yaml
"$nncc" taken.yaml -o taken || bad "the program is made"

# Any 5 of 21 have a hit rate of 0.24; all 3 of 4 others are of another rest than what the user takes.
check "trains" ./taken train --threads 2 --log log.csv
./taken eval >figures 2>&1
rate=$(sed -n 's/.*hit_rate[^0-9]*\([0-9.]*\).*/\1/p' figures | head -n 1)
awk -v r="${rate:-0}" 'BEGIN { exit !(r >= 0.7) }' && ok "what is held out is ranked high" ||
    bad "what is held out is ranked high: hit_rate $rate"
cp taken.safetensors two
./taken eval >again 2>&1
check "the test set is drawn the same each time" same figures again
check "trains on one thread" ./taken train --threads 1
check "the same bits for any number of threads" same two taken.safetensors
check "trains, and stops in the middle of an epoch" ./taken train --steps 100 --checkpoint part.checkpoint
check "goes on" ./taken train --resume part.checkpoint
check "a resumed run has the same bits" same two taken.safetensors
check "trains with another seed" ./taken train --seed 2
same two taken.safetensors >/dev/null 2>&1 && bad "another seed draws others" || ok "another seed draws others"

# Somebody took all but three.
awk 'BEGIN { for (i = 0; i < 57; i++) print "7," i }' >train.csv
status "a user who has too few others left" 1 ./taken train
says "says who, and how many" "train.csv: negatives: 4 others are wanted for each sample, and user 7 has left 3 of the 60"

# wrong NAME TEXT NEGATIVES
wrong()
{
    model "$3" "$first" >wrong.yaml
    status "$1" 1 "$nncc" wrong.yaml -o wrong.c
    says "$1: says so" "$2"
}
wrong "a count that the shape has not" "negatives: input: expected an input of classes of the shape [4]" \
    '{input: items, user: user, count: 3}'
wrong "no count" "negatives: 'count' is missing" '{input: items, user: user}'
wrong "an input of no classes" "negatives: input: expected" '{input: taken, user: user, count: 4}'
wrong "users who are no classes" "negatives: user: expected an input of one class a sample" \
    '{input: items, user: taken, count: 4}'
wrong "labels of another shape" "negatives: label: expected an input of f32 of the shape [5]" \
    '{input: items, user: user, label: which, count: 4}'
wrong "an input that there is not" "no input is called 'item'" '{input: item, user: user, count: 4}'
wrong "a row twice" "negatives: 'items' is there twice" "$first, {input: items, user: user, count: 4}"
