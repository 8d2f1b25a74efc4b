#!/usr/bin/env bash
# Builds the pools for Go that can be had, in one program, and says which programs
# speak the protocol of the bench:
#
#   bash tests/bench/go/build.sh
#       contestant PATH           one line a program
#       missing: NAME: why        one line a pool that could not be had
#
# Rivals are fetched by name into the build folder. NETCONNPOOL_ORIGINAL may name a
# folder that has the original. NCP_BUILD_DIR says where to build; build/bench when
# not set.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$(realpath -m "${NCP_BUILD_DIR:-$root/build/bench}")/go-bench
if ! command -v go >/dev/null; then
    echo "missing: netconnpool/go: no go command"
    exit 0
fi
export GOFLAGS=-mod=mod GOTOOLCHAIN=local
ours=github.com/netconnpool/netconnpool/go
puddle=github.com/jackc/puddle/v2
original=github.com/vistone/netconnpool

rm -rf "$work"
mkdir -p "$work"
cp "$here"/*.go "$work"
cd "$work"
cat >go.mod <<MOD
module bench

go 1.19

require $ours v0.0.0

replace $ours => $root/go
MOD

tags=
# have SUBJECT PACKAGE VERSION TAG: fetches a rival, or says that it is missing.
have() {
    if go get "$2@$3" >"$4.log" 2>&1; then
        tags+=" $4"
    else
        echo "missing: $1: $(tail -n 1 "$4.log" | tr -s "[:blank:]" " ")"
    fi
}
have puddle "$puddle" v2.2.2 puddle
if [ -n "${NETCONNPOOL_ORIGINAL:-}" ]; then
    go mod edit -require="$original@v1.0.4" \
        -replace="$original=$NETCONNPOOL_ORIGINAL"
    tags+=" original"
else
    have netconnpool-go-1.0.4 "$original" v1.0.4 original
fi

go build -tags "$tags" -o ncp-bench-go .
echo "contestant $work/ncp-bench-go"
