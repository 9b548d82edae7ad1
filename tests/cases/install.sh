# SPDX-License-Identifier: MIT
# make install into a folder: what is there works from an empty folder, and uninstall takes it all away.
. "$root/tests/lib.sh"

stage=$tmp/stage prefix=/opt/nncc
have=$stage$prefix
made() { make -C "$root" --no-print-directory BUILD="$BUILD" PREFIX=$prefix DESTDIR="$stage" "$@"; }

check "make install" made install
for f in bin/nncc lib/libnnrt.a lib/pkgconfig/nncc.pc include/nnrt.h share/man/man1/nncc.1; do
    [ -s "$have/$f" ] && ok "installed: $f" || bad "installed: $f is missing"
done
for f in templates runtime; do
    diff -r "$have/share/nncc/$f" "$root/$f" >"$tmp/said" && ok "installed: $f, whole" || bad "installed: $f: $(head -n 1 "$tmp/said")"
done
grep -rl "$stage" "$have" >"$tmp/said" 2>/dev/null && bad "DESTDIR is in $(head -n 1 "$tmp/said")" || ok "no file knows DESTDIR"

# From an empty folder, with no other nncc in sight.
mkdir empty && cd empty || exit 3
cp "$root/examples/seed/model.yaml" "$root/examples/seed/points.csv" .
nncc=$have/bin/nncc
check "the installed nncc makes a program" "$nncc" model.yaml -o seed
check "the program trains" ./seed train --data-dir .
./seed eval --data-dir . >eval.txt 2>"$tmp/said"
at_least "the program evaluates" "$(value eval.txt accuracy)" 1
check "the installed nncc pastes the installed runtime" "$nncc" model.yaml --single-file --main -o whole.c
check "a single file needs nothing installed" "${CC:-cc}" -O1 -march=native whole.c -o whole -lm
check "through a link" sh -c "ln -s '$nncc' nncc-link && ./nncc-link model.yaml -o linked.c"

# An app of core functions links without zlib.
cat >app.c <<'END'
#include <stdio.h>

#include "model.h"

int main(void)
{
    seed *m = seed_new(1);
    float x[2] = {1, 0}, probability[1];
    int status = !m || seed_predict(m, 1, x, probability);
    printf("%d\n", status == 0 && probability[0] > 0 && probability[0] < 1);
    seed_free(m);
    return status;
}
END
check "model.c and model.h" "$nncc" model.yaml -o model.c
check "an app: cc app.c model.c -lnnrt -lm, no zlib" \
    "${CC:-cc}" -O2 -march=native "-I$have/include" app.c model.c "-L$have/lib" -lnnrt -lm -o app
[ "$(./app)" = 1 ] && ok "the app predicts" || bad "the app does not predict"
if command -v pkg-config >/dev/null 2>&1; then
    # pkg-config puts the stage before PREFIX as a packager does.
    PKG_CONFIG_PATH=$have/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$stage
    export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
    [ "$(pkg-config --modversion nncc)" = "$("$nncc" --version | sed -n '1s/^nncc //p')" ] &&
        ok "pkg-config and nncc agree on the version" || bad "pkg-config says version $(pkg-config --modversion nncc)"
    check "an app: flags of pkg-config" sh -c \
        "${CC:-cc} -O2 -march=native app.c model.c \$(pkg-config --cflags --libs nncc) -o found && ./found"
    check "a program: flags of pkg-config --static" sh -c \
        "'$nncc' model.yaml --main -o main.c && ${CC:-cc} -O2 -march=native main.c \$(pkg-config --static --cflags --libs nncc) -o main && ./main --version"
    unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
else
    skip "flags of pkg-config: it is not installed"
fi
if command -v man >/dev/null 2>&1; then
    check "man reads the page" sh -c "MANPAGER=cat man '$have/share/man/man1/nncc.1' | grep -q NAME"
else
    skip "man reads the page: man is not installed"
fi

cd "$tmp" || exit 3
check "make uninstall" made uninstall
left=$(find "$stage" ! -type d)
[ -z "$left" ] && ok "uninstall leaves no file" || bad "uninstall left $left"
[ -d "$have/share/nncc" ] && bad "uninstall left share/nncc" || ok "uninstall takes share/nncc"
