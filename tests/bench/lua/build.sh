#!/usr/bin/env bash
# Builds the library in release mode for LuaJIT and says which programs speak the
# protocol of the bench:
#
#   bash tests/bench/lua/build.sh
#       contestant PATH           one line a program
#       missing: NAME: why        one line a pool that could not be had
#
# NCP_BUILD_DIR says where to build; build/bench when not set.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../../.."
if ! luajit=$(command -v luajit); then
    echo "missing: netconnpool/lua: no luajit command"
    exit 0
fi
build=$(realpath -m "${NCP_BUILD_DIR:-build/bench}")
if [ ! -f "$build/CMakeCache.txt" ]; then # the bench has made it else
    cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DNCP_BUILD_TESTS=OFF -DNCP_BUILD_EXAMPLES=OFF >/dev/null
fi
cmake --build "$build" --target netconnpool_shared >/dev/null
library=$(find "$build/core" -name 'libnetconnpool.so' -print -quit)
cat >"$build/ncp-bench-lua" <<PROGRAM
#!/bin/sh
NETCONNPOOL_LIBRARY="$library" exec "$luajit" "$here/protocol.lua" "\$@"
PROGRAM
chmod +x "$build/ncp-bench-lua"
echo "contestant $build/ncp-bench-lua"
