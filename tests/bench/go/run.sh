#!/usr/bin/env bash
# Measures the Go module beside other pools: bash tests/bench/go/run.sh [--quick]
# Rivals are fetched by name into the build folder; one that cannot be had is
# shown as missing. NETCONNPOOL_ORIGINAL may name a folder that has the original.
# NCP_BUILD_DIR says where to build; build/bench when not set.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${NCP_BUILD_DIR:-$root/build/bench}/go-bench
if ! command -v go >/dev/null; then
    # shellcheck source=tests/lib/packages.sh
    . "$root/tests/lib/packages.sh"
    ncp_install_packages build-essential golang-go:go
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
not_had=
# have NAME VERSION TAG: fetches a rival, or notes that it is missing.
have() {
    if go get "$1@$2" >"$3.log" 2>&1; then
        tags+=" $3"
    else
        not_had+="${not_had:+; }$1@$2 ($(tail -n 1 "$3.log"))"
    fi
}
have "$puddle" v2.2.2 puddle
if [ -n "${NETCONNPOOL_ORIGINAL:-}" ]; then
    go mod edit -require="$original@v1.0.4" \
        -replace="$original=$NETCONNPOOL_ORIGINAL"
    tags+=" original"
else
    have "$original" v1.0.4 original
fi

go build -tags "$tags" -o bench .
NCP_BENCH_MISSING=$not_had exec ./bench "$@"
