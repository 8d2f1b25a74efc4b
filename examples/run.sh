#!/usr/bin/env bash
# Shows what a connection pool does, on real sockets:
#
#   bash examples/run.sh [--short]
#
# Installs what is missing (compilers, interpreters, nginx, Redis), builds in release
# mode, and shows the same job in C, Python, Go, Lua and nginx beside one echo server,
# then a program in each language, then what a pool is for, in C. Takes about a minute.
# Ends with 0 only if everything it checks held. NCP_BUILD_DIR says where to build;
# build/demo when it is not set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/lib/packages.sh
. tests/lib/packages.sh
# shellcheck source=examples/lib.sh
. examples/lib.sh

ncp_install_packages build-essential cmake:cmake ninja-build:ninja \
    pkg-config:pkg-config python3 python3-dev python3-cffi golang-go:go \
    luajit2:luajit nginx-light:nginx libnginx-mod-http-lua \
    redis-server:redis-server openssl:openssl
build=$(realpath -m "${NCP_BUILD_DIR:-build/demo}")
python=/usr/bin/python3
failed=()

# part TITLE: begins a part.
part() {
    title=$1
    printf '\n== %s\n\n' "$title"
}

# show COMMAND...: a failure is remembered, and the next one shown all the same.
show() {
    local status=0
    "$@" || status=$?
    if [ "$status" -ne 0 ]; then
        echo "   FAILED with $status: $*"
        failed+=("$title")
    fi
}

# beside_echo COMMAND...: runs a command beside an echo server of its own; "{tcp}"
# and "{udp}" among its arguments say where that is.
beside_echo() {
    show "$build/examples/ncp-echo" "$@"
}

export GOPROXY=off GOFLAGS=-mod=mod GOTOOLCHAIN=local
(cd examples/go && ncp_quietly go build -o "$build/examples/go-tls" ./tls) &
go_build=$!
ncp_build "$build" ncp-echo ncp-demo ncp-job example_echo netconnpool_shared \
    netconnpool_python_files -- -DNCP_BUILD_TESTS=OFF
wait "$go_build"
export NCP_LIBRARY=$build/core/libnetconnpool.so
export NETCONNPOOL_LIBRARY=$NCP_LIBRARY
export PYTHONPATH=$build/python${PYTHONPATH:+:$PYTHONPATH}
export LUA_PATH="$PWD/lua/lib/?.lua;;"

part "The same job in every language"
show "$python" -B examples/side_by_side/table.py "$build" "$@"

part "C: examples/echo, one pool a target"
beside_echo "$build/examples/example_echo" "{tcp}" "{udp}"

part "Python: examples/python, threads and HTTP connections that break"
show "$python" -B examples/python/http_threads.py

part "Python: examples/python, tasks of asyncio that give up, over TLS"
show "$python" -B examples/python/lines_asyncio.py

part "Go: examples/go, goroutines and a TLS server that is restarted"
show "$build/examples/go-tls"

part "Lua: examples/lua, a script alone and with coroutines"
beside_echo luajit examples/lua/main.lua "{tcp}"

part "nginx: examples/nginx, locations that work with Redis"
show "$python" -B examples/nginx/drive.py --short

part "What a pool is for: examples/demo, in C"
beside_echo "$build/examples/ncp-demo" "{tcp}" "{udp}" "$@"

if [ "${#failed[@]}" -gt 0 ]; then
    printf '\nFAILED:\n'
    printf '   %s\n' "${failed[@]}"
    exit 1
fi
printf '\nAll of it held, after %d s.\n' "$SECONDS"
