#!/usr/bin/env bash
# Builds in release mode and measures beside the pools of others, which are
# installed by name into an environment of their own when a package index is
# reachable, and shown as missing otherwise.
#
#   bash tests/bench/python/run.sh [--quick] [--rounds N] [--json FILE]
#
# NCP_BUILD_DIR says where to build; build/bench when not set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
# shellcheck source=tests/lib/packages.sh
. tests/lib/packages.sh

ncp_install_packages build-essential cmake:cmake ninja-build:ninja \
    pkg-config:pkg-config python3-dev python3-venv python3-cffi
bash tests/bench/python/build.sh >/dev/null
build=${NCP_BUILD_DIR:-build/bench}
PYTHONPATH=$build/python exec "$build/rivals/bin/python" \
    tests/bench/python/bench.py "$@"
