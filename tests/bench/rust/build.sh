#!/usr/bin/env bash
# Builds the pools of Rust that can be had, in release mode, and says which
# programs speak the protocol of the bench:
#
#   bash tests/bench/rust/build.sh
#       contestant PATH          one line a program
#       missing: NAME: why        one line a pool that could not be had
#
# The crates are fetched by name into the build folder. NETCONNPOOL_RUST may name
# a folder that has the original in Rust, which is on no registry.
# NCP_BUILD_DIR says where to build; build/bench when not set.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$(realpath -m "${NCP_BUILD_DIR:-$root/build/bench}")/rust-bench
rivals=(original r2d2 deadpool bb8 mobc)

# missing NAME LOG: the first line of the log that says what is wrong.
missing() {
    local name=${1/#original/netconnpool-rs-1.0.5}
    echo "missing: $name: $(grep -m 1 -E '^error' "$2" || tail -n 1 "$2")"
}

# manifest RIVAL...: the manifest with the dependencies of these alone.
manifest() {
    local rival
    cp "$here/Cargo.toml" Cargo.toml
    for rival in "${rivals[@]}"; do
        case " $* " in *" $rival "*) continue ;; esac
        sed -i -e "/# rival $rival\$/d" \
            -e "s/^rival-$rival = .*/rival-$rival = []/" Cargo.toml
    done
    if [ -n "${NETCONNPOOL_RUST:-}" ]; then
        sed -i "s|^netconnpool = { |&path = \"$NETCONNPOOL_RUST\", |" Cargo.toml
    fi
}

# built RIVAL...: builds with these alone.
built() {
    manifest "$@"
    cargo build --release --quiet --features "$(printf 'rival-%s,' "$@")" \
        >build.log 2>&1
}

if ! command -v cargo >/dev/null; then
    for rival in "${rivals[@]}"; do
        echo "missing: ${rival/#original/netconnpool-rs-1.0.5}: no cargo"
    done
    exit 0
fi
mkdir -p "$work"
cd "$work"
rm -rf src Cargo.lock
cp -r "$here/src" src

had=()
for rival in "${rivals[@]}"; do
    manifest "$rival"
    if cargo fetch --quiet >fetch.log 2>&1; then
        had+=("$rival")
    else
        missing "$rival" fetch.log
    fi
done
if [ "${#had[@]}" -gt 0 ] && ! built "${had[@]}"; then
    able=() # one of them does not compile here: which?
    for rival in "${had[@]}"; do
        if built "$rival"; then
            able+=("$rival")
        else
            missing "$rival" build.log
        fi
    done
    had=("${able[@]}")
    [ "${#had[@]}" -eq 0 ] || built "${had[@]}"
fi
if [ "${#had[@]}" -gt 0 ]; then
    echo "contestant $work/target/release/ncp-bench-rust"
    echo "contestant $work/target/release/ncp-bench-rust-memory"
fi
