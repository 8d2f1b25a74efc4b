#!/usr/bin/env bash
# Shows what a connection pool does, on real sockets:
#
#   bash examples/run.sh [--short]
#
# Installs what is missing (a compiler, cmake, ninja, pkg-config), builds in
# release mode, starts a TCP and UDP echo server on loopback and runs the demo
# against it. Ends with 0 only if everything it checks held. NCP_BUILD_DIR says
# where to build; build/demo when it is not set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/lib/packages.sh
. tests/lib/packages.sh
# shellcheck source=examples/lib.sh
. examples/lib.sh

ncp_install_packages build-essential cmake:cmake ninja-build:ninja \
    pkg-config:pkg-config
build=${NCP_BUILD_DIR:-build/demo}
ncp_build "$build" ncp-echo ncp-demo -- -DNCP_BUILD_TESTS=OFF
echo
exec "$build/examples/ncp-echo" "$build/examples/ncp-demo" \
    "{tcp}" "{udp}" "$@"
