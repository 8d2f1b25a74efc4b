#!/bin/sh
# if_there.sh TOOL... -- COMMAND...
#
# Runs the command when all of the tools are installed. Otherwise says which is not,
# and ends with 77, which skips a test; where every tool must be there
# (NCP_REQUIRE_TOOLS), with 1.
while [ "$1" != -- ]; do
    if ! command -v "$1" >/dev/null 2>&1; then
        echo "not installed: $1"
        [ -z "$NCP_REQUIRE_TOOLS" ] || exit 1
        exit 77
    fi
    shift
done
shift
exec "$@"
