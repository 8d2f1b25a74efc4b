#!/usr/bin/env bash
# Builds the pools of Java that can be had and says which programs speak the
# protocol of the bench:
#
#   bash tests/bench/java/build.sh
#       contestant PATH           one line a program
#       missing: NAME: why        one line a pool that could not be had
#
# The jars are fetched by name, with Maven, into the build folder.
# NCP_BUILD_DIR says where to build; build/bench when not set.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$(realpath -m "${NCP_BUILD_DIR:-$root/build/bench}")/java-bench
rivals=(HikariCP Stormpot CommonsPool)

# missing NAME REASON
missing() {
    local name=${1/CommonsPool/commons-pool2}
    echo "missing: ${name,,}: $2"
}

# reason LOG: the first line of the log that says what is wrong.
reason() {
    grep -m 1 -E 'ERROR|error:' "$1" || tail -n 1 "$1"
}

# fetched RIVAL: gets its jars into lib/RIVAL.
fetched() {
    mvn -B -q -f "$here/pom.xml" -P "$1" dependency:copy-dependencies \
        -DoutputDirectory="$work/lib/$1" >fetch.log 2>&1
}

# compiled RIVAL: the class of this rival, against its own jars alone.
compiled() {
    javac -Xlint:all,-options -cp "classes:lib/$1/*" -d classes \
        "$here/src/bench/rivals/$1.java" >build.log 2>&1
}

for tool in javac mvn; do
    if ! command -v "$tool" >/dev/null; then
        for rival in "${rivals[@]}"; do
            missing "$rival" "no $tool"
        done
        exit 0
    fi
done
mkdir -p "$work"
cd "$work"
rm -rf classes lib
mkdir classes
javac -Xlint:all,-options -d classes "$here"/src/bench/*.java

had=()
for rival in "${rivals[@]}"; do
    if ! fetched "$rival"; then
        missing "$rival" "$(reason fetch.log)"
    elif ! compiled "$rival"; then
        missing "$rival" "$(reason build.log)"
    else
        had+=("$rival")
    fi
done
if [ "${#had[@]}" -gt 0 ]; then
    path=$(printf ":$work/lib/%s/*" "${had[@]}")
    printf '#!/bin/sh\nexec java -cp "%s" bench.Main "$@"\n' \
        "$work/classes$path" >ncp-bench-java
    chmod +x ncp-bench-java
    echo "contestant $work/ncp-bench-java"
fi
