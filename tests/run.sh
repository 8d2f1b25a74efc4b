#!/usr/bin/env bash
# Runs every test of the project, after installing what they need.
#
#   bash tests/run.sh            everything
#   bash tests/run.sh --quick    the build for developers and its tests
#   bash tests/run.sh --soak     the long stress runs
#
# The last line says "N passed, N failed"; the exit code is 0 when none failed.
# Builds and logs are kept in build/.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
root=$PWD
# shellcheck source=tests/lib/packages.sh
. tests/lib/packages.sh

PACKAGES=(
    build-essential cmake ninja-build pkg-config git ca-certificates
    python3 python3-dev python3-yaml python3-jsonschema python3-cffi
    python3-pycparser python3-pytest python3-gevent python3-uvloop python3-pip python3-mypy python3-venv
    luajit2:luajit lua5.4 liblua5.4-dev swig golang-go:go
    clang libclang-rt-14-dev clang-format clang-tidy shellcheck
    libcmocka-dev libjansson-dev gcovr spin abigail-tools file strace valgrind
    redis-server nginx-light:nginx openssl libssl-dev
    libnginx-mod-http-lua lua-cjson wrk
    libapr1-dev libaprutil1-dev libglib2.0-dev
    ruby ruby-dev lua-socket lua-check:luacheck lua-busted:busted luarocks
)
COVERAGE_AT_LEAST=90
NCP_PYTHON=/usr/bin/python3
JOBS=$(nproc 2>/dev/null || echo 2)
# Everything was installed: a missing tool is a failure, not a skip.
export NCP_REQUIRE_TOOLS=1

mode=all
case ${1:-} in
'') ;;
--quick) mode=quick ;;
--soak) mode=soak ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac

passed=0
failed=0
skipped=()
failures=()
number=0
began=0

# ---------------------------------------------------------------- reporting

step() {
    number=$((number + 1))
    began=$SECONDS
    title=$*
    printf '\n[%2d] %s\n' "$number" "$title"
}

ended() {
    printf '     %s (%d s)\n' "$1" "$((SECONDS - began))"
}

# A step that is one check: counts it, shows the end of its log on failure.
verdict() {
    local status=$1 log=${2:-}
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
        ended ok
        return
    fi
    failed=$((failed + 1))
    failures+=("$title")
    if [ -n "$log" ]; then
        tail -n 60 "$log"
    fi
    ended FAILED
}

# ------------------------------------------------------------------- pieces

# build PRESET [CMAKE ARGUMENT...]: counts nothing when it works.
build() {
    local preset=$1 log=build/$1.build.log
    shift
    if {
        cmake --preset "$preset" "$@" && cmake --build "build/$preset" \
            -j "$JOBS"
    } >"$log" 2>&1; then
        ended "built $preset"
        return 0
    fi
    title="build $preset"
    verdict 1 "$log"
    return 1
}

# Adds up what a JUnit file of ctest says; prints "passed failed", then a line
# for every test that failed and for every one that was skipped.
sums() {
    "$NCP_PYTHON" - "$1" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree

passed, failed, skipped = 0, [], []
for case in tree.parse(sys.argv[1]).getroot().iter("testcase"):
    status = case.get("status")
    if status == "run":
        passed += 1
    elif status in ("notrun", "disabled"):
        skipped.append(case.get("name"))
    else:
        failed.append(case.get("name"))
print(passed, len(failed))
for name in failed:
    print("failed", name)
for name in skipped:
    print("skipped", name)
PYTHON
}

# check PRESET [COMMAND PREFIX...]: runs the tests of a build.
check() {
    local preset=$1 junit=$root/build/$1.junit.xml log=build/$1.test.log
    local counts what name
    shift
    rm -f "$junit"
    "$@" ctest --preset "$preset" --output-junit "$junit" 2>&1 |
        tee "$log" | sed -u '/^ *Start /d;/^Test project/d;s/^/     /'
    if [ ! -s "$junit" ]; then
        title="tests of $preset"
        verdict 1 "$log"
        return 1
    fi
    exec 3< <(sums "$junit")
    read -r -a counts <&3
    passed=$((passed + counts[0]))
    failed=$((failed + counts[1]))
    while read -r what name <&3; do
        if [ "$what" = failed ]; then
            failures+=("$preset: $name")
        else
            skipped+=("$preset: $name")
        fi
    done
    exec 3<&-
    if [ "$((counts[0] + counts[1]))" -eq 0 ]; then
        title="$preset: no test ran"
        verdict 1
        return 1
    fi
    ended "$preset: ${counts[0]} passed, ${counts[1]} failed"
    [ "${counts[1]}" -eq 0 ]
}

# How a program under the thread sanitizer can be run here; 1 if not at all.
tsan_prefix() {
    local probe
    probe=$(mktemp -d)
    printf 'int main(void) { return 0; }\n' >"$probe/probe.c"
    TSAN=()
    if gcc -fsanitize=thread -o "$probe/probe" "$probe/probe.c" 2>/dev/null; then
        if "$probe/probe" >/dev/null 2>&1; then
            rm -rf "$probe"
            return 0
        fi
        TSAN=(setarch "$(uname -m)" -R)
        if "${TSAN[@]}" "$probe/probe" >/dev/null 2>&1; then
            rm -rf "$probe"
            return 0
        fi
    fi
    rm -rf "$probe"
    return 1
}

coverage_report() {
    gcovr --root "$root" --filter "$root/core/src/" \
        --object-directory build/coverage build/coverage \
        --gcov-ignore-parse-errors -j "$JOBS" \
        --fail-under-line "$COVERAGE_AT_LEAST" --print-summary
}

tidy() {
    find core/src -name '*.c' ! -name '*_posix.c' -print0 |
        xargs -0 -P "$JOBS" -n 1 \
            clang-tidy -p build/clang --quiet --warnings-as-errors='*'
}

# ---------------------------------------------------------------------- run

mkdir -p build
step "packages"
if ! ncp_install_packages "${PACKAGES[@]}"; then
    echo "packages could not be installed" >&2
    printf '\n0 passed, 1 failed\n'
    exit 1
fi
ended "all there"

if [ "$mode" != soak ]; then
    step "what is generated is what the header says"
    "$NCP_PYTHON" bindings/gen/gen.py --check >build/gen.log 2>&1
    verdict $? build/gen.log
fi

if [ "$mode" = soak ]; then
    step "long stress runs (release)"
    build release && check soak
else
    step "gcc, debug: every test (dev)"
    build dev && check dev
fi

if [ "$mode" = all ]; then
    step "clang, warnings are errors"
    if build clang; then
        passed=$((passed + 1))

        step "clang-tidy over the core"
        tidy >build/tidy.log 2>&1
        verdict $? build/tidy.log
    fi

    step "address and undefined behaviour sanitizers (asan)"
    build asan && check asan

    step "thread sanitizer (tsan)"
    if tsan_prefix; then
        build tsan && check tsan "${TSAN[@]}"
    else
        echo "     NOT RUN: this kernel does not let the thread sanitizer start"
        echo "     (vm.mmap_rnd_bits = $(cat /proc/sys/vm/mmap_rnd_bits))"
        skipped+=("tsan: all of it, the kernel does not let it start")
    fi

    if [ -e tests/fuzz/CMakeLists.txt ]; then
        step "fuzzing, for a while"
        build fuzz && check fuzz
    fi

    step "line coverage of the core, at least $COVERAGE_AT_LEAST %"
    rm -rf build/coverage # what earlier sources left counts too
    if build coverage; then
        check coverage
        title="coverage"
        coverage_report >build/coverage.txt 2>build/coverage.err
        status=$?
        grep -v '^(' build/coverage.txt
        verdict "$status" build/coverage.err
    fi
fi

if [ "${#skipped[@]}" -gt 0 ]; then
    printf '\nskipped:\n'
    printf '  %s\n' "${skipped[@]}"
fi
if [ "${#failures[@]}" -gt 0 ]; then
    printf '\nfailed:\n'
    printf '  %s\n' "${failures[@]}"
fi
printf '\n%d s in all\n' "$SECONDS"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
