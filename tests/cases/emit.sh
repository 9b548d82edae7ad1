# SPDX-License-Identifier: MIT
# Whole emitted files, byte by byte: tests/emit/NAME.yaml gives NAME.c (UPDATE_GOLDEN=1 writes it anew);
# each looks as clang-format would have it.
. "$root/tests/lib.sh"
format=$(command -v clang-format) || format=
[ -z "$format" ] || cp "$root/.clang-format" .
for source in "$root"/tests/emit/*.yaml; do
    model=$(basename "$source" .yaml)
    cp "$source" .
    "$nncc" "$model.yaml" -o "$model.c" --target=x86-64-v3 || { bad "nncc $model.yaml"; continue; }
    [ "${UPDATE_GOLDEN:-0}" = 1 ] && cp "$model.c" "$root/tests/emit/$model.c"
    check "$model.c is as it was" diff "$root/tests/emit/$model.c" "$model.c"
    [ -z "$format" ] && { skip "the look of $model.c: no clang-format"; continue; }
    for file in "$model.c" "$model.h"; do
        "$format" "$file" >formatted
        check "$file looks as clang-format has it" diff "$file" formatted
    done
done
