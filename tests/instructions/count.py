#!/usr/bin/env python3
"""Counts the instructions of the fast path, and compares them with counts.json.

    count.py                     every case; 1 when one costs more, or less
    count.py CASE...             some of them
    count.py --update [CASE...]  writes what was counted (update.sh does that)

Time says little on a machine with other things to do. How many instructions a
get and a put execute is the same every time: callgrind counts N pairs and 2 N
pairs, and the difference, divided by N, is what a pair costs.

The library is built here, as a release, whatever build the test belongs to.
Numbers belong to a compiler: what another one makes is not compared.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
COUNTS = HERE / "counts.json"
SOURCE = pathlib.Path(os.environ.get("NCP_SOURCE_DIR") or HERE.parents[1])
COMPILER = os.environ.get("NCP_CC") or "gcc"
PAIRS = 1280  # a multiple of how often a latency is measured
TOLERANCE = 0.05
JOBS = 2
SKIPPED = 77
NOT_THERE = 77  # paths: this library has no such thing


class Trouble(Exception):
    """Nothing could be counted."""


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=300, **options)
    if done.returncode not in (0, NOT_THERE):
        raise Trouble(f"{' '.join(map(str, command))} ended with "
                      f"{done.returncode}\n{done.stdout}{done.stderr}")
    return done


# ------------------------------------------------------------------- building

def compiler_key():
    """Whose numbers these are: such as "gcc 12 x86_64"."""
    macros = run([COMPILER, "-dM", "-E", "-x", "c", os.devnull]).stdout
    for name, macro in (("clang", "__clang_major__"), ("gcc", "__GNUC__")):
        found = re.search(rf"^#define {macro} (\d+)$", macros, re.M)
        if found:
            return f"{name} {found.group(1)} {platform.machine()}"
    raise Trouble(f"{COMPILER} is no compiler that is known here")


def build(directory):
    """The program `paths`, with a library that is a release."""
    library = directory / "library"
    run(["cmake", "-S", SOURCE, "-B", library, "-G", "Ninja",
         f"-DCMAKE_C_COMPILER={COMPILER}", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
         *(f"-DNCP_{part}=OFF" for part in (
             "BUILD_TESTS", "BUILD_EXAMPLES", "BUILD_PYTHON", "BUILD_SWIG",
             "WITH_JSON", "INSTALL"))])
    run(["cmake", "--build", library, "-j", str(JOBS), "--target",
         "netconnpool_static"])
    program = directory / "paths"
    run([COMPILER, "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra",
         "-I", SOURCE / "core/include", "-I", SOURCE / "core/src",
         HERE / "paths.c",
         library / "core/libnetconnpool.a", "-pthread", "-o", program])
    return program


# ------------------------------------------------------------------- counting

def per_pair(totals, pairs):
    """`totals`: of N pairs and 2 N pairs in turn. The least of each is the one
    during which nothing else happened."""
    if len(totals) < 2 or len(totals) % 2 != 0 or 0 in totals:
        raise Trouble(f"callgrind counted {totals}")
    return (min(totals[1::2]) - min(totals[0::2])) / pairs


def parts(directory):
    """What callgrind dumped, one file a call of measured(), in order; the last
    one, without a number, is of the end of the program."""
    totals = {}
    for path in directory.glob("out.*"):
        found = re.search(r"^totals: (\d+)$", path.read_text(), re.M)
        totals[int(path.suffix[1:])] = int(found.group(1))
    return [totals[number] for number in sorted(totals)]


def count(program, case):
    """Instructions of a pair; None when the library cannot do that."""
    with tempfile.TemporaryDirectory(prefix="ncp-count-") as name:
        directory = pathlib.Path(name)
        done = run(["valgrind", "--tool=callgrind", "--collect-atstart=no",
                    "--toggle-collect=measured", "--dump-after=measured",
                    f"--callgrind-out-file={directory}/out", program, case,
                    str(PAIRS)])
        if done.returncode == NOT_THERE:
            return None
        return round(per_pair(parts(directory), PAIRS), 2)


def count_all(program, cases):
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return dict(zip(cases, pool.map(
            lambda case: count(program, case), cases)))


# ------------------------------------------------------------------ comparing

def judge(case, counted, recorded):
    """What is wrong with a number, or None. One of them may be None."""
    accept = f"tests/instructions/update.sh {case}"
    if counted is None and recorded is None:
        return None
    if counted is None:
        return "is recorded, and the library cannot do it"
    if recorded is None:
        return f"has no number yet; write it down: {accept}"
    if counted > recorded * (1 + TOLERANCE):
        return ("costs more. Was it worth it? callgrind_annotate says where "
                f"it went; to accept it: {accept}")
    if counted < recorded * (1 - TOLERANCE):
        return f"costs less. Write it down, so that it stays: {accept}"
    return None


def compare(counted, recorded):
    """Lines to print, and how many cases are wrong."""
    lines, wrong = [], 0
    for case, number in counted.items():
        trouble = judge(case, number, recorded.get(case))
        wrong += trouble is not None
        shown = "-" if number is None else f"{number:.2f}"
        was = recorded.get(case)
        change = (f"{number / was - 1:+8.1%}"
                  if number is not None and was else " " * 8)
        lines.append(f"{'FAIL' if trouble else 'ok  '} {case:30s} "
                     f"{shown:>10s} {change}"
                     + (f"  {trouble}" if trouble else ""))
    return lines, wrong


def read_counts():
    return json.loads(COUNTS.read_text()) if COUNTS.exists() else {}


def write_counts(key, counted):
    counts = read_counts()
    kept = counts.setdefault(key, {})
    kept.update({case: number for case, number in counted.items()
                 if number is not None})
    COUNTS.write_text(json.dumps(counts, indent=4) + "\n")


def missing_tools():
    return [tool for tool in ("valgrind", "cmake", "ninja", COMPILER)
            if shutil.which(tool) is None]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--directory", metavar="DIR",
                        help="where to build, for the next time")
    arguments = parser.parse_args()
    missing = missing_tools()
    if missing:
        print("not counted, there is no", *missing)
        return 1 if os.environ.get("NCP_REQUIRE_TOOLS") else SKIPPED
    key = compiler_key()
    recorded = read_counts().get(key)
    if recorded is None and not arguments.update:
        print(f"NOT COMPARED: counts.json has {', '.join(read_counts())}, "
              f"this is {key}")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="ncp-paths-") as scratch:
        directory = pathlib.Path(arguments.directory or scratch)
        directory.mkdir(parents=True, exist_ok=True)
        program = build(directory)
        cases = run([program, "--list"]).stdout.split()
        unknown = set(arguments.cases) - set(cases)
        if unknown:
            raise Trouble(f"no such case: {', '.join(sorted(unknown))}")
        counted = count_all(program, arguments.cases or cases)
    lines, wrong = compare(counted, recorded or {})
    print(f"instructions a pair, {key}", *lines, sep="\n")
    gone = set(recorded or {}) - set(cases)
    if gone:
        print("recorded, and no case any more:", *sorted(gone))
    if arguments.update:
        write_counts(key, counted)
        return 0
    return 1 if wrong or gone else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        sys.exit(str(trouble))
