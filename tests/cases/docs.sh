# SPDX-License-Identifier: MIT
# The documentation is current: tables made from the compiler's, the manual clean, no broken links.
. "$root/tests/lib.sh"

if [ -x "$BUILD/tables" ]; then
    "$BUILD/tables" "$root/compiler/ops/ops.def" >tables.md
    check "docs/tables.md is what 'make docs' makes" cmp tables.md "$root/docs/tables.md"
else
    bad "docs/tables.md: build/tables was not built"
fi
if command -v mandoc >/dev/null 2>&1; then
    check "nncc.1: mandoc has nothing to say" mandoc -Tlint -W warning "$root/nncc.1"
else
    skip "nncc.1: mandoc is not here"
fi

# Files and folders that README.md and docs/ name in backquotes or link to are there.
for page in README.md docs/adding-an-op.md docs/adding-a-layer.md docs/adding-a-pass.md docs/how-it-works.md \
    docs/language.md docs/formats.md docs/limits.md docs/trust.md docs/tuning.md docs/benchmarks.md; do
    missing=
    [ -e "$root/$page" ] || missing=" $page"
    for f in $(grep -oE '\]\([A-Za-z][A-Za-z0-9_./-]*\)|`[a-z.]+/[A-Za-z0-9_./-]+[a-z0-9]`' "$root/$page" | tr -d '`]()' |
        grep -vE '^(build|include|lib)/' | sort -u); do
        [ -e "$root/$f" ] || [ -e "$root/$(dirname "$page")/$f" ] || [ -e "$root/compiler/$f" ] || missing="$missing $f"
    done
    [ -z "$missing" ] && ok "$page names files that are there" || bad "$page names files that are not there:$missing"
done

# Options: each of --help is in the manual.
for option in $("$nncc" --help | grep -oE '^ +(-o, )?--[a-z-]+' | grep -oE '[a-z]+(-[a-z]+)*$'); do
    grep -q "^\.It.*Fl -$option" "$root/nncc.1" && ok "nncc.1: --$option" || bad "nncc.1 lacks --$option"
done

# Models in docs/ are models.
for page in "$root"/docs/*.md; do
    name=docs/$(basename "$page")
    count=$(grep -c '^```yaml' "$page")
    n=1
    while [ "$n" -le "$count" ]; do
        awk -v n="$n" '/^```/ { if (inside) inside = 0; else { inside = 1; yaml = /yaml/; c += yaml } next }
            inside && yaml && c == n' "$page" >page.yaml
        check "$name: model $n" "$nncc" page.yaml -o page.c
        n=$((n + 1))
    done
done
