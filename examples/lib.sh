# shellcheck shell=bash
# Builds a few programs in release mode; read with "." from the top folder.
#
#   ncp_build FOLDER TARGET... [-- OPTION...]     options of cmake after "--"

# Runs a command quietly; shows what it printed when it fails.
ncp_quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 || status=$?
    [ "$status" -eq 0 ] || cat "$log" >&2
    rm -f "$log"
    return "$status"
}

ncp_build() {
    local folder=$1 targets=()
    shift
    while [ "$#" -gt 0 ] && [ "$1" != -- ]; do
        targets+=("$1")
        shift
    done
    [ "$#" -eq 0 ] || shift
    echo "Building in $folder ..."
    ncp_quietly cmake -S . -B "$folder" -G Ninja \
        -DCMAKE_BUILD_TYPE=RelWithDebInfo -DNCP_WITH_JSON=OFF "$@"
    if [ -t 1 ]; then
        cmake --build "$folder" --target "${targets[@]}" # one line of progress
    else
        ncp_quietly cmake --build "$folder" --target "${targets[@]}"
    fi
}
