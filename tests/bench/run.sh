#!/usr/bin/env bash
# Lets netconnpool and its rivals take turns: bash tests/bench/run.sh [--quick]
# [--only CASE,...] [--json FILE] [--markdown FILE] [--plots FOLDER]
# NCP_BUILD_DIR says where to build; build/bench when not set. What it prints is
# explained in docs/benchmarks.md.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib/packages.sh
. "$here/../lib/packages.sh"

NEEDED=(
    build-essential cmake:cmake ninja-build:ninja pkg-config:pkg-config
    libcmocka-dev python3:python3
)
# For the rivals, and for ours in other languages. What cannot be had is shown as
# missing; the others run.
WANTED=(
    libapr1-dev libaprutil1-dev libglib2.0-dev
    cargo:cargo default-jdk-headless:javac maven:mvn golang-go:go
    luajit2:luajit python3-dev python3-venv python3-cffi
)

ncp_install_packages "${NEEDED[@]}"
for package in "${WANTED[@]}"; do
    ncp_install_packages "$package" || echo "not to be had: $package" >&2
done
exec /usr/bin/python3 -B "$here/bench.py" "$@"
