# shellcheck shell=bash
# How the ABI of a library is written down; read by update.sh and the test.
# Usage: ncp_abi_dump LIBRARY INCLUDE OUTPUT
ncp_abi_dump() {
    abidw --exported-interfaces-only --headers-dir "$2" --drop-private-types --no-show-locs \
        --no-comp-dir-path --no-corpus-path --out-file "$3" "$1"
    # Where the sources lay is no part of it.
    sed -i "s|path='[^']*/core/src/|path='core/src/|" "$3"
}
