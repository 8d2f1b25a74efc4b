#!/usr/bin/env bash
# Writes the instruction counts of today into counts.json: all, or the cases
# that are named. Look at the difference before you commit it.
set -euo pipefail

exec "${NCP_PYTHON:-/usr/bin/python3}" -B "$(dirname "$0")/count.py" --update "$@"
