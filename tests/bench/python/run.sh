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
python=/usr/bin/python3
build=${NCP_BUILD_DIR:-build/bench}
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DNCP_BUILD_TESTS=OFF -DNCP_BUILD_EXAMPLES=OFF >/dev/null
cmake --build "$build" --target netconnpool_python_files >/dev/null

venv=$build/rivals
if [ ! -x "$venv/bin/python" ]; then
    "$python" -m venv --system-site-packages "$venv"
fi
for rival in sqlalchemy redis 'psycopg[binary]' psycopg_pool urllib3; do
    "$venv/bin/pip" install -q -U --disable-pip-version-check --retries 0 \
        --timeout 5 "$rival" >"$build/rivals.log" 2>&1 ||
        echo "cannot be installed: $rival" >&2
done
PYTHONPATH=$build/python exec "$venv/bin/python" \
    tests/bench/python/bench.py "$@"
