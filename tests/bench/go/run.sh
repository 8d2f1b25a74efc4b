#!/usr/bin/env bash
# Measures the Go module beside other pools: bash tests/bench/go/run.sh [--quick]
# Rivals are fetched by name into the build folder; one that cannot be had is
# shown as missing. NETCONNPOOL_ORIGINAL may name a folder that has the original.
# NCP_BUILD_DIR says where to build; build/bench when not set.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
if ! command -v go >/dev/null; then
    # shellcheck source=tests/lib/packages.sh
    . "$root/tests/lib/packages.sh"
    ncp_install_packages build-essential golang-go:go
fi
built=$(bash "$here/build.sh")
NCP_BENCH_MISSING=$(sed -n 's/^missing: //p' <<<"$built")
export NCP_BENCH_MISSING
exec "$(sed -n 's/^contestant //p' <<<"$built")" "$@"
