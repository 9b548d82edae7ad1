# SPDX-License-Identifier: MIT
# The README's model, commands and C program, as they are written there.
. "$root/tests/lib.sh"

# block LANGUAGE N: what stands in the N-th fenced block of that language.
block()
{
    awk -v want="$1" -v n="$2" '/^```/ { if (inside) inside = 0
        else { name = substr($0, 4); inside = 1; if (name == want) count++ } next }
        inside && name == want && count == n' "$root/README.md"
}
# Commands are written for the project's folder, where build/ is.
ln -s "$BUILD" build
block yaml 1 >digits.yaml
block c 1 >app.c
block sh 1 >first.sh
block sh 2 >second.sh
[ "$(wc -l <digits.yaml)" -eq 8 ] && ok "README: eight lines of YAML" || bad "README: not eight lines of YAML"
[ "$(grep -c . first.sh)" -eq 3 ] && ok "README: three commands" || bad "README: not three commands"
check "README: its commands" sh -e first.sh
./digits eval >eval.txt
at_least "README: the accuracy of its model" "$(value eval.txt accuracy)" 0.93
check "README: its app" sh -e second.sh
check "README: its app without a warning" \
    ${CC:-cc} -Wall -Wextra -Werror -fsyntax-only -I"$BUILD/include" app.c
grep -q '^sh demo.sh$' "$root/README.md" && grep -q '^sh test.sh$' "$root/README.md" &&
    ok "README: the two commands" || bad "README: the two commands are missing"
