#!/usr/bin/env bash
# The documents must not drift from the code:
# - the README's first C block is examples/quickstart/main.c;
# - every ncp_ and NCP_ name in README.md and docs/ exists;
# - every file they link to exists.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
status=0

if ! awk '/^```c$/ { on = 1; next } /^```$/ { if (on) exit } on' README.md |
    diff -u examples/quickstart/main.c - >&2; then
    echo "README.md: its C block is not examples/quickstart/main.c" >&2
    status=1
fi

known=$(mktemp)
trap 'rm -f "$known"' EXIT
grep -rohE '\b(ncp|NCP)_[A-Za-z0-9_]+' core CMakeLists.txt examples/*.sh \
    examples/CMakeLists.txt bindings/swig tests/bench/run.sh |
    sort -u >"$known"
for document in README.md docs/*.md; do
    [ -e "$document" ] || continue
    while read -r name; do
        echo "$document: there is no $name" >&2
        status=1
    done < <(grep -ohE '\b(ncp|NCP)_[A-Za-z0-9_]*[A-Za-z0-9]' "$document" |
        sort -u | comm -23 - "$known")
    while read -r link; do
        if [ ! -e "$(dirname "$document")/$link" ]; then
            echo "$document: links to $link, which does not exist" >&2
            status=1
        fi
    done < <(grep -ohE '\]\([^)#]+' "$document" | cut -c3- |
        grep -v '^https\?:' || true)
done
exit "$status"
