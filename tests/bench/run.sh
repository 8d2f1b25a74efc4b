#!/usr/bin/env bash
# Builds in release mode and measures: bash tests/bench/run.sh [--quick]
# [--json FILE]. NCP_BUILD_DIR says where to build; build/bench when not set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/lib/packages.sh
. tests/lib/packages.sh
# shellcheck source=examples/lib.sh
. examples/lib.sh

ncp_install_packages build-essential cmake:cmake ninja-build:ninja \
    pkg-config:pkg-config libcmocka-dev
build=${NCP_BUILD_DIR:-build/bench}
ncp_build "$build" ncp-bench -- -DNCP_BUILD_TESTS=ON
echo
exec "$build/tests/bench/ncp-bench" "$@"
