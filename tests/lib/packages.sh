# shellcheck shell=bash
# Installs what is missing, and says nothing when nothing is.
#
#   ncp_install_packages PACKAGE[:COMMAND]...
#
# A package is there when dpkg says so, or when its command is on the path.
# Needs root or sudo, and apt-get only if something is missing.

ncp_missing_packages() {
    local entry package command
    for entry in "$@"; do
        package=${entry%%:*}
        command=${entry#"$package"}
        command=${command#:}
        if [ -n "$command" ] && command -v "$command" >/dev/null 2>&1; then
            continue
        fi
        if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" \
            2>/dev/null)" != installed ]; then
            echo "$package"
        fi
    done
}

# ncp_without_services COMMAND...: runs what installs packages; none of them may
# start a service on this machine. The tests start their own.
ncp_without_services() (
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then # else it is decided already
        trap '"${sudo[@]}" rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
        "${sudo[@]}" chmod 755 "$policy"
    fi
    "$@"
)

ncp_install_packages() {
    local missing sudo=()
    if ! command -v dpkg-query >/dev/null 2>&1; then
        echo "not a Debian: please see to these yourself: $*" >&2
        return 0
    fi
    mapfile -t missing < <(ncp_missing_packages "$@")
    if [ "${#missing[@]}" -eq 0 ]; then
        return 0
    fi
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "run this as root, or install: ${missing[*]}" >&2
            return 1
        fi
        sudo=(sudo)
    fi
    echo "installing: ${missing[*]}"
    local log status=0
    log=$(mktemp)
    {
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update &&
            ncp_without_services "${sudo[@]}" env \
                DEBIAN_FRONTEND=noninteractive \
                apt-get -q install -y --no-install-recommends "${missing[@]}"
    } >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 30 "$log" >&2
    fi
    rm -f "$log"
    return "$status"
}
