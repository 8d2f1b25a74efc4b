#!/usr/bin/env python3
"""Makes mistakes in a copy of the core and runs the stress programs on them.

    faults.py               every mistake of faults.toml is noticed
    faults.py NAME...       some of them
    faults.py --list        their names

A mistake that needs a moment of a few nanoseconds gets more of it by a pause in
the right place. First the runs without the mistake, but with its pause: what
fails there notices nothing. A run that does not end in time counts as noticed;
so does one that ends by a signal.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = pathlib.Path(os.environ.get("NCP_SOURCE_DIR") or HERE.parents[1])
COMPILER = os.environ.get("NCP_CC") or "cc"
PARTS = ("CMakeLists.txt", "core", "tests/CMakeLists.txt", "tests/stress")
SECONDS = 60  # of one run; the longest takes a tenth of it on an idle machine
PAUSE = ("for (volatile int pause = 0; pause < 4000; pause++)\n"
         "        continue;\n    ")
STORES = ("lockfree", "lock", "sharded")
SKIPPED = 77


class Trouble(Exception):
    """A fault cannot be made, or its copy cannot be built."""


def read_faults():
    faults = tomllib.loads((HERE / "faults.toml").read_text())["fault"]
    return {fault["name"]: fault for fault in faults}


def copy_sources(directory):
    for part in PARTS:
        target = directory / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (SOURCE / part).is_dir():
            shutil.copytree(SOURCE / part, target)
        else:
            shutil.copy(SOURCE / part, target)


def run(command, directory):
    done = subprocess.run(command, cwd=directory, capture_output=True,
                          text=True, timeout=600)
    if done.returncode != 0:
        raise Trouble(f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}"
                      f"{done.stderr[-3000:]}")


def configure(directory):
    run(["cmake", "-S", ".", "-B", "build", "-G", "Ninja",
         f"-DCMAKE_C_COMPILER={COMPILER}", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
         *(f"-DNCP_{part}=OFF" for part in (
             "BUILD_EXAMPLES", "BUILD_PYTHON", "BUILD_SWIG", "WITH_JSON",
             "INSTALL"))], directory)


def split(text):
    """(store or None, program, arguments) of a run."""
    words = text.split()
    store = words.pop(0) if words[0] in STORES else None
    return store, words[0], words[1:]


def build(directory, runs):
    programs = sorted({f"stress_{split(text)[1]}" for text in runs})
    run(["cmake", "--build", "build", "-j", "2", "--target", *programs],
        directory)


def fails(directory, text):
    """Whether a run fails, and how long that took."""
    store, program, arguments = split(text)
    environment = dict(os.environ)
    if store:
        environment["NCP_TEST_STORE"] = store
    begin = time.monotonic()
    try:
        status = subprocess.run(
            [directory / "build/tests/stress" / f"stress_{program}",
             *arguments], env=environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=SECONDS).returncode
    except subprocess.TimeoutExpired:
        status = "no end"
    return status != 0, time.monotonic() - begin


def once(text, part, fault):
    if text.count(part) != 1:
        raise Trouble(f"{fault['name']}: {part!r} is there {text.count(part)} "
                      f"times in {fault['file']}")
    return part


def paused(text, fault):
    """The text of its file with the pause and without the fault."""
    if "pause" not in fault:
        return text
    part = once(text, fault["pause"], fault)
    return text.replace(part, PAUSE + part)


def changed(text, fault):
    """The text of its file with the fault in it."""
    part = once(text, fault["before"], fault)
    return paused(text.replace(part, fault["after"]), fault)


def first_failure(directory, fault, change):
    """Which of its runs fails first when its file is changed, or None."""
    path = directory / "core/src" / fault["file"]
    original = path.read_text()
    path.write_text(change(original, fault))
    try:
        build(directory, fault["runs"])
        for text in fault["runs"]:
            failed, seconds = fails(directory, text)
            if failed:
                return f"{text} ({seconds:.1f} s)"
        return None
    finally:
        path.write_text(original)


def judge(directory, fault):
    """(whether it is as it should be, what to say)"""
    without = first_failure(directory, fault, paused)
    if without:
        return False, f"FAILS WITHOUT THE FAULT: {without}"
    by = first_failure(directory, fault, changed)
    return by is not None, by or "NOTICED BY NOBODY"


def all_noticed(directory, faults):
    wrong = 0
    for fault in faults:
        good, text = judge(directory, fault)
        wrong += not good
        print(f"{'ok  ' if good else 'FAIL'} {fault['name']:52s} {text}",
              flush=True)
    print(f"{len(faults)} faults, {wrong} wrong")
    return wrong == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    faults = read_faults()
    if arguments.list:
        print(*faults, sep="\n")
        return 0
    if not shutil.which("ninja") or not shutil.which("cmake"):
        print("skipped: there is no cmake or no ninja")
        return 1 if os.environ.get("NCP_REQUIRE_TOOLS") else SKIPPED
    chosen = [faults[name] for name in arguments.names or faults]
    with tempfile.TemporaryDirectory(prefix="ncp-faults-") as name:
        directory = pathlib.Path(name)
        copy_sources(directory)
        configure(directory)
        good = all_noticed(directory, chosen)
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        sys.exit(str(trouble))
