#!/usr/bin/env bash
# Builds what speaks to real sockets, in release mode:
#
#   bash tests/bench/net/build.sh
#       contestant PATH          one line a program
#       missing: NAME: why        one line a pool that could not be had
#
# NCP_BUILD_DIR says where to build; build/bench when not set. The original in
# Rust is fetched by name; it is on no registry at present, so NETCONNPOOL_RUST
# may name a folder that has it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../../.."
# shellcheck source=examples/lib.sh
. examples/lib.sh

build=${NCP_BUILD_DIR:-build/bench}
rust=$build/net-rust
port=netconnpool-rs-1.0.5

# The manifest, with the folder of the original if there is one.
manifest() {
    cp "$here/rust/Cargo.toml" "$rust/"
    if [ -n "${NETCONNPOOL_RUST:-}" ]; then
        sed -i "s|^netconnpool = { .*|netconnpool = { path = \"$NETCONNPOOL_RUST\" }|" \
            "$rust/Cargo.toml"
    fi
}

build_rust() {
    mkdir -p "$rust"
    rm -rf "$rust/src" "$rust/Cargo.lock"
    cp -r "$here/rust/src" "$rust/"
    manifest
    NCP_BENCH_NET=$program cargo build --quiet --release \
        --manifest-path "$rust/Cargo.toml" --target-dir "$rust/target" \
        >"$rust/build.log" 2>&1
}

ncp_build "$build" ncp-bench-net -- -DNCP_BUILD_TESTS=ON >&2
program=$(cd "$build" && pwd)/tests/bench/net/ncp-bench-net
echo "contestant $program"
if ! command -v cargo >/dev/null; then
    echo "missing: $port: no cargo"
elif build_rust; then
    echo "contestant $(cd "$rust" && pwd)/target/release/ncp-bench-net-rust"
else
    echo "missing: $port: $(grep -m 1 -E '^error' "$rust/build.log" ||
        tail -n 1 "$rust/build.log")"
fi
