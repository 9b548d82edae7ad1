#!/bin/sh
# SPDX-License-Identifier: MIT
# prepare.sh DATA OUT: of MovieLens 100k in the folder DATA, OUT/train.tsv (u.data without the ratings of ua.test) and
# OUT/test.tsv (ua.test): user, item, rating, age, sex, occupation, year, 19 genres a row; numbers of users, items and
# occupations from 0, without a header. And OUT/rated.tsv: user, item, and which part the row is in: each user's last film
# is for the test, the one before for validation, the others for training.
set -e
[ $# -eq 2 ] || { sed -n '3,7s/^# //p' "$0" >&2; exit 2; }
data=$1 out=$2
mkdir -p "$out"
files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
for name in u.data u.item ua.test; do
    gzip -dc "$data/$name.gz" >"$files/$name"
done
export LC_ALL=C
for part in train test; do
    awk -v part=$part -v OFS='\t' '
        FILENAME ~ /u.occupation$/ { occupation[$1] = FNR - 1; next }
        FILENAME ~ /u.user$/ { split($0, a, "|"); of_user[a[1]] = a[2] "\t" (a[3] == "M") "\t" occupation[a[4]]; next }
        FILENAME ~ /u.item$/ {
            n = split($0, a, "|")
            row = substr(a[3], length(a[3]) - 3)
            if (row == "") row = 1995
            for (i = n - 18; i <= n; i++) row = row "\t" a[i]
            of_item[a[1]] = row
            next
        }
        FILENAME ~ /ua.test$/ { held[$1, $2] = 1; if (part == "test") print $1 - 1, $2 - 1, $3, of_user[$1], of_item[$2]; next }
        part == "train" && !(($1, $2) in held) { print $1 - 1, $2 - 1, $3, of_user[$1], of_item[$2] }
    ' "$data/u.occupation" "$data/u.user" "$files/u.item" "$files/ua.test" "$files/u.data" >"$out/$part.tsv"
done
sort -k1,1n -k4,4nr -k2,2n "$files/u.data" | awk -v OFS='\t' '
    { place = $1 == user ? place + 1 : 1; user = $1 }
    { print $1 - 1, $2 - 1, place == 1 ? "test" : place == 2 ? "validation" : "train" }
' >"$out/rated.tsv"
