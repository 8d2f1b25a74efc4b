#!/usr/bin/env bash
# Builds the Python package in release mode, installs the pools that can be had
# beside it, and says which programs speak the protocol of the bench:
#
#   bash tests/bench/python/build.sh
#       contestant PATH           one line a program; it tells who is missing itself
#
# The rivals are installed by name into an environment of their own, when a package
# index is reachable. NCP_BUILD_DIR says where to build; build/bench when not set.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../../.."
python=/usr/bin/python3
build=$(realpath -m "${NCP_BUILD_DIR:-build/bench}")
if [ ! -f "$build/CMakeCache.txt" ]; then # the bench has made it else
    cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DNCP_BUILD_TESTS=OFF -DNCP_BUILD_EXAMPLES=OFF >/dev/null
fi
cmake --build "$build" --target netconnpool_python_files >/dev/null

venv=$build/rivals
if [ ! -x "$venv/bin/python" ]; then
    "$python" -m venv --system-site-packages "$venv"
fi
for rival in sqlalchemy redis 'psycopg[binary]' psycopg_pool urllib3; do
    "$venv/bin/pip" install -q -U --disable-pip-version-check --retries 0 \
        --timeout 5 "$rival" >"$build/rivals.log" 2>&1 ||
        echo "cannot be installed: $rival: $(tail -n 1 "$build/rivals.log")" >&2
done
cat >"$build/ncp-bench-python" <<PROGRAM
#!/bin/sh
PYTHONPATH="$build/python" exec "$venv/bin/python" -B "$here/protocol.py" "\$@"
PROGRAM
chmod +x "$build/ncp-bench-python"
echo "contestant $build/ncp-bench-python"
