#!/usr/bin/env bash
# A location of nginx that talks to a real Redis through the pool:
#
#   bash examples/nginx/run.sh [--short]
#
# Installs what is missing, builds the library, starts redis-server and nginx on
# loopback, asks, restarts Redis, reloads nginx, lets clients vanish, and says what
# held. Ends with 0 only if all of it did. NCP_LIBRARY names a library that is built
# already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/lib/packages.sh
. tests/lib/packages.sh
# shellcheck source=examples/lib.sh
. examples/lib.sh

ncp_install_packages nginx-light:nginx libnginx-mod-http-lua \
    redis-server:redis-server python3:python3
if [ -z "${NCP_LIBRARY:-}" ]; then
    ncp_install_packages build-essential cmake:cmake ninja-build:ninja \
        pkg-config:pkg-config
    build=${NCP_BUILD_DIR:-build/demo}
    ncp_build "$build" netconnpool_shared -- -DNCP_BUILD_TESTS=OFF
    NCP_LIBRARY=$PWD/$build/core/libnetconnpool.so
fi
export NETCONNPOOL_LIBRARY=$NCP_LIBRARY
exec /usr/bin/python3 -B examples/nginx/drive.py "$@"
