#!/usr/bin/env bash
# Renews the ABI baseline: the functions and types as abidw sees them, and the
# constants, which leave no trace in a library. Look at the difference before
# you commit it: what it shows is what every user of the library will meet.
#
#   bash tests/abi/update.sh [SHARED_LIBRARY]
#
# Without a library it builds one (gcc, with debug information).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=tests/abi/baseline.sh
. "$here/baseline.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
library=${1:-}
if [ -z "$library" ]; then
    cmake -S "$root" --preset dev -B "$work" -DNCP_BUILD_TESTS=OFF \
        -DNCP_BUILD_EXAMPLES=OFF >/dev/null
    cmake --build "$work" --target netconnpool_shared >/dev/null
    library=$work/core/libnetconnpool.so
fi
library=$(realpath "$library")
ncp_abi_dump "$library" "$root/core/include" "$here/netconnpool-0.1.abi"

PYTHONDONTWRITEBYTECODE=1 "${NCP_PYTHON:-/usr/bin/python3}" \
    "$root/tests/lib/ncpheader.py" facts >"$work/facts.c"
gcc -std=c11 -I"$root/core/include" -o "$work/facts" "$work/facts.c" "$library" \
    -Wl,-rpath,"$(dirname "$library")"
"$work/facts" | grep -v '^call ' >"$here/netconnpool-0.1.facts"
echo "wrote tests/abi/netconnpool-0.1.abi and tests/abi/netconnpool-0.1.facts"
