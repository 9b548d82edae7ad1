# SPDX-License-Identifier: MIT
# Hostile model files: one clear line, status 1, within a second, nothing written.
. "$root/tests/lib.sh"

refused()
{
    rm -f out.c
    status "$1" 1 timeout 5 "$nncc" "$2" -o out.c
    grep -q 'error: ' "$tmp/said" && ok "$1: says why" || bad "$1: says nothing"
    [ -e out.c ] && bad "$1: left out.c" || ok "$1: leaves nothing"
}
head='model: m
inputs:
  x: {shape: [3]}
'
awk 'BEGIN { for (i = 0; i < 100000; i++) printf "[" }' >deep.yaml
awk 'BEGIN { print "a: &a0 [1, 2]"; for (i = 1; i < 60; i++) printf "b%d: &a%d [*a%d, *a%d]\n", i, i, i - 1, i - 1 }' >laughs.yaml
printf 'a: &a [*a]\n' >cycle.yaml
printf '%slayers:\n  - "de\\0nse": 3\n' "$head" >nul.yaml
printf '%s\0layers: [relu]\n' "$head" >rawnul.yaml
printf '%slayers: [relu]\nlayers: [tanh]\n' "$head" >twice.yaml
printf '%slayers: [relu]\n---\nmodel: b\n' "$head" >second.yaml
printf '%slayers: [!!python/object:os.system relu]\n' "$head" >tag.yaml
printf '\377\376m\0o\0' >utf16.yaml
printf '%slayers: [relu' "$head" >open.yaml
awk 'BEGIN { printf "model: "; for (i = 0; i < 5000000; i++) printf "a" }' >large.yaml
: >empty.yaml
printf '%slayers:\n  - dense: {units: 9223372036854775807}\n' "$head" >huge.yaml
printf '%slayers:\n  - dense: {units: -3}\n' "$head" >negative.yaml
printf 'model: "a*/ int evil(void);/*"\ninputs:\n  x: {shape: [3]}\nlayers: [relu]\n' >comment.yaml
printf 'model: m\ninputs:\n  "x\\n#include <a>": {shape: [3]}\nlayers: [relu]\n' >include.yaml
printf '%slayers:\n  - relu: {name: "a-b"}\n' "$head" >name.yaml
printf 'blocks:\n  a: {layers: [b]}\n  b: {layers: [a]}\n%slayers: [a]\n' "$head" >blocks.yaml
printf '%slayers:\n  - {name: y, expr: "%s1%s"}\n' "$head" "$(printf '%5000s' '' | tr ' ' '(')" "$(printf '%5000s' '' | tr ' ' ')')" >parens.yaml
for f in deep laughs cycle nul rawnul twice second tag utf16 open large empty huge negative comment include name blocks parens; do
    refused "$f" $f.yaml
done

# A model may be called as any word, an input as a word of C: names reach the C prefixed.
for word in seed m n memory int for main_ linux; do
    printf 'model: %s\ninputs:\n  int: {shape: [3]}\n  t: {shape: [2]}\nlayers:\n  - dense: {units: 2, name: return, input: int}\nloss: mse(return, t)\ntrain: {batch: 4, epochs: 1, optimizer: {sgd: {lr: 0.1}}}\n' "$word" >word.yaml
    if "$nncc" word.yaml -o word.c --main 2>"$tmp/said"; then
        check "model '$word' compiles" "${CC:-cc}" -std=gnu11 -Wall -Wextra -Werror -Wno-unknown-pragmas -march=native "-I$BUILD/include" -c word.c -o word.o
    else
        grep -q 'error: ' "$tmp/said" && ok "model '$word' is refused by name" || bad "model '$word'"
    fi
done
