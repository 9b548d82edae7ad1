# SPDX-License-Identifier: MIT
# An nncc built by another compiler emits the same bytes for a named target: nothing hangs on what C leaves open.
. "$root/tests/lib.sh"
for cc in gcc clang; do
    usable $cc || { skip "nncc built by $cc: it does not link OpenMP programs here"; continue; }
    make --no-print-directory -C "$root" BUILD="$tmp/$cc" CC=$cc CFLAGS=-O0 "$tmp/$cc/nncc" "$tmp/$cc/libnnrt.a" \
        >"$tmp/said" 2>&1 && cp -r "$BUILD/templates" "$tmp/$cc/" || { bad "nncc built by $cc"; tail -n 5 "$tmp/said"; continue; }
    for model in "$root"/examples/*/model.yaml "$root"/tests/models/*.yaml "$root"/tests/emit/*.yaml; do
        for kind in c ir; do
            "$nncc" "$model" --target=x86-64-v3 --emit=$kind -o - >one.txt
            "$tmp/$cc/nncc" "$model" --target=x86-64-v3 --emit=$kind -o - >two.txt
            check "$cc, $kind: $(basename "$(dirname "$model")")/$(basename "$model")" same one.txt two.txt
        done
    done
    rm -rf "${tmp:?}/$cc"
done
