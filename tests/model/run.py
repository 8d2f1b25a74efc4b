#!/usr/bin/env python3
"""Runs the model of the waiter protocol (waiter.pml) through SPIN.

    run.py proofs            every configuration holds, searched to the end
    run.py mutants           every mutant is caught
    run.py --list            the names of all of them
    run.py NAME...           some of them
    run.py --trace NAME      the steps that lead to what is wrong

A configuration that is not searched to its end is a failure; so is a mutant
that does not break what it is there to break.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

MODEL = pathlib.Path(__file__).resolve().parent / "waiter.pml"
COMPILER = os.environ.get("NCP_CC") or "cc"
JOBS = 2
MEGABYTES = 1500  # of one verifier
SECONDS = 400     # of one verifier
SKIPPED = 77

HOLDS = "holds"

Case = collections.namedtuple("Case", "name defines search")

# How to search: for a state in which an assertion fails or that is a dead end;
# for a cycle in which somebody stays in line, every thread being scheduled
# fairly; for any cycle at all, in programs that must come to an end.
SAFETY = (("-DSAFETY",), ())
LIVENESS = (("-DNFAIR=3",), ("-a", "-f", "-A"))
LIVELOCK = (("-DNP",), ("-l",))

TWO = "SLOTS=2 MAX=2 IDLE=3"
GROWS = "SLOTS=2 MAX=1"
KINDS = "CLASSES=2 WANT_0=0 WANT_1=1"


def case(name, defines, search=SAFETY):
    return Case(name, defines.split(), search)


PROOFS = [
    # hand-over, deadline and cancel
    case("line", "CLIENTS=3 GIVES_UP=7 TWICE=1"),
    case("line_of_four", "CLIENTS=4 GIVES_UP=8"),
    case("line_two_slots", f"CLIENTS=3 {TWO} GIVES_UP=4 TWICE=1"),
    case("stale_puts", "CLIENTS=3 GENERATIONS PUTS_TWICE=3 TWICE=1"),
    case("stale_puts_two_slots",
         f"CLIENTS=2 {TWO} GENERATIONS PUTS_TWICE=3 TWICE=3"),
    # capacity
    case("push", "CLIENTS=3 DIALERS=1 CLOSE_FIRST CLOSES=7 GIVES_UP=4 "
                 "DIAL_FAILURES=1"),
    case("push_frees_at_once", "CLIENTS=3 DIALERS=1 CLOSES=7 GIVES_UP=4 "
                               "DIAL_FAILURES=1"),
    case("push_two_dials", "CLIENTS=2 SLOTS=2 MAX=2 IDLE=0 DIALERS=2 "
                           "CLOSE_FIRST CLOSES=1 GIVES_UP=2 DIAL_FAILURES=1"),
    case("push_room_for_one", "CLIENTS=3 SLOTS=2 MAX=1 IDLE=0 DIALERS=2 "
                              "GIVES_UP=4"),
    case("pull", f"CLIENTS=3 {GROWS} PULL GIVES_UP=7 CLOSES=3 "
                 "DIAL_FAILURES=1"),
    case("pull_two_slots", "CLIENTS=3 SLOTS=2 MAX=2 IDLE=0 PULL GIVES_UP=6 "
                           "CLOSES=3 DIAL_FAILURES=1"),
    # the limit
    case("resize_grows", f"CLIENTS=2 {GROWS} KEEPS=1 RESIZES=1 DIALERS=1"),
    case("resize_shrinks", f"CLIENTS=3 {TWO} RESIZES=1"),
    case("resize_push", "CLIENTS=3 SLOTS=2 MAX=2 IDLE=1 DIALERS=1 CLOSE_FIRST "
                        "CLOSES=1 RESIZES=1"),
    case("resize_twice_push", f"CLIENTS=2 {GROWS} DIALERS=1 CLOSE_FIRST "
                              "CLOSES=3 RESIZES=2 GIVES_UP=2"),
    case("resize_pull", f"CLIENTS=3 {GROWS} PULL CLOSES=1 RESIZES=1 "
                        "GIVES_UP=4"),
    # the end
    case("close", "CLIENTS=3 CLOSER GIVES_UP=4 TWICE=1"),
    case("close_push", f"CLIENTS=2 {TWO} CLOSER DIALERS=1 CLOSE_FIRST CLOSES=3 "
                       "GIVES_UP=2"),
    case("close_pull", f"CLIENTS=3 {GROWS} CLOSER PULL CLOSES=1 GIVES_UP=4"),
    case("close_resize", "CLIENTS=2 SLOTS=2 MAX=2 IDLE=1 CLOSER DIALERS=1 "
                         "RESIZES=1"),
    # kinds of connection
    case("kinds_push", f"CLIENTS=3 {GROWS} {KINDS} DIALERS=1 CLOSE_FIRST "
                       "GIVES_UP=4 SPLIT_SCAN"),
    case("kinds_pull", f"CLIENTS=3 {GROWS} {KINDS} PULL GIVES_UP=4 CLOSES=1"),
    case("kinds_two_slots", f"CLIENTS=3 {TWO} {KINDS} WANT_2=1 DIALERS=1 "
                            "CLOSE_FIRST GIVES_UP=2 SPLIT_SCAN"),
    case("kinds_try", f"CLIENTS=3 {GROWS} {KINDS} DIALERS=1 TRIES=1"),
    case("kinds_order", "CLIENTS=3 CLASSES=2 WANT_1=0"),
    # the others who take connections or hold them back
    case("maintenance", "CLIENTS=2 REAPS=1 DIALERS=1 CLOSE_FIRST"),
    case("maintenance_two_slots", f"CLIENTS=2 {TWO} REAPS=2 PULL GIVES_UP=2"),
    case("suspend", "CLIENTS=3 SUSPENDER GIVES_UP=4"),
    case("suspend_push", "CLIENTS=2 SUSPENDER DIALERS=1 CLOSE_FIRST CLOSES=1 "
                         "REAPS=1"),
    case("suspend_close", "CLIENTS=2 SUSPENDER CLOSER"),
    # the stores with masks: lockfree and sharded
    case("masks", "CLIENTS=3 MASKS GIVES_UP=4 TWICE=1"),
    case("masks_two_slots", f"CLIENTS=2 {TWO} MASKS TWICE=3 GIVES_UP=2"),
    case("masks_tries", "CLIENTS=3 MASKS CLASSES=2 WANT_1=1 TRIES=2"),
    case("masks_keeps", f"CLIENTS=3 {TWO} MASKS KEEPS=1"),
    case("masks_push", "CLIENTS=2 SLOTS=2 MAX=1 MASKS DIALERS=1 CLOSE_FIRST "
                       "CLOSES=3 GIVES_UP=2"),
    case("masks_resize", f"CLIENTS=2 {TWO} MASKS RESIZES=1"),
    case("masks_close", "CLIENTS=2 MASKS CLOSER TWICE=1"),
    case("masks_kinds", f"CLIENTS=2 {GROWS} MASKS {KINDS} DIALERS=1 "
                        "CLOSE_FIRST"),
    case("masks_maintenance", "CLIENTS=2 MASKS REAPS=1 DIALERS=1 "
                              "CLOSE_FIRST"),
    case("masks_exact", "CLIENTS=3 MASKS EXACT GIVES_UP=4"),
    case("masks_exact_two_slots", f"CLIENTS=2 {TWO} MASKS EXACT TWICE=1"),
    # memory that is weaker than one step after the other
    case("weak", "CLIENTS=2 TWICE=3 WEAK_MEMORY"),
    case("weak_line", "CLIENTS=3 GIVES_UP=4 WEAK_MEMORY"),
    case("weak_close", "CLIENTS=2 CLOSER WEAK_MEMORY"),
    case("weak_resize", f"CLIENTS=2 {TWO} RESIZES=1 WEAK_MEMORY"),
    # it goes on, and it comes to an end
    case("everyone_is_served", "CLIENTS=3 FOREVER", LIVENESS),
    case("no_livelock", "CLIENTS=3 GIVES_UP=4", LIVELOCK),
    case("no_livelock_push", f"CLIENTS=2 {TWO} DIALERS=1 CLOSE_FIRST CLOSES=1 "
                             "RESIZES=1", LIVELOCK),
    case("no_livelock_kinds", f"CLIENTS=3 {KINDS} DIALERS=1 CLOSE_FIRST "
                              "GIVES_UP=4", LIVELOCK),
]

# A mutant is a configuration that holds, plus one define; and what breaks.
MUTANTS = [
    ("GATE_READ_BEFORE_PUBLISH", "line", "a waiter is stranded"),
    ("NO_RESCAN", "line", "a waiter is stranded"),
    ("HAND_TO_CANCELLED", "line", "decided twice, or gone"),
    ("FREED_CAPACITY_SILENT", "push", "a waiter is stranded"),
    ("FREED_CAPACITY_SILENT", "push_frees_at_once", "a waiter is stranded"),
    ("FREED_CAPACITY_SILENT", "pull", "a waiter is stranded"),
    ("CANCEL_DROPS_HANDED", "line", "a connection is lost"),
    ("LEAVES_UNTOLD", "line", "decided twice, or gone"),
    ("NO_GEN_CHECK", "stale_puts_two_slots", "two owners"),
    ("LOAD_THEN_CLEAR", "line", "two owners"),
    ("CHECK_THEN_RESERVE", "push_room_for_one", "more than max"),
    ("CLOSE_FORGETS_LATE_ENQUEUE", "close", "a waiter is stranded"),
    ("RESIZE_SILENT", "resize_grows", "a waiter is stranded"),
    ("SHRINK_FORGETS_LATE_PUT", "resize_shrinks", "outlives the shrink"),
    ("ABANDON_KEEPS_RESERVATION", "pull", "a place is lost"),
    ("ABANDON_KEEPS_RESERVATION", "pull", "a waiter is stranded"),
    ("NEWEST_FIRST", "line", "out of order"),
    ("NEWEST_FIRST", "everyone_is_served", "served never"),
    ("LINE_BY_LINE", "kinds_order", "out of order"),
    ("UNTAKE_SILENT", "kinds_try", "a waiter is stranded"),
    ("CHECK_SILENT", "maintenance", "a waiter is stranded"),
    ("RESUME_SILENT", "suspend", "a waiter is stranded"),
    ("BIT_NOT_SET", "masks", "no scan finds it"),
    ("BIT_NOT_SET", "masks", "a waiter is stranded"),
    ("BIT_READ_BEFORE_WORD", "masks", "no scan finds it"),
    ("STALE_FORGOTTEN", "masks", "no scan finds it"),
    ("STALE_FORGOTTEN", "masks", "a waiter is stranded"),
    ("RETURNED_SILENT", "masks_tries", "a waiter is stranded"),
    ("GATE_READ_BEFORE_PUBLISH", "masks", "a waiter is stranded"),
    ("NO_RESCAN", "masks", "a waiter is stranded"),
    ("LOAD_THEN_CLEAR", "masks", "two owners"),
    ("WEAK_PUBLISH", "weak", "a waiter is stranded"),
    ("WEAK_GATE_READ", "weak", "a waiter is stranded"),
    ("WEAK_ENQUEUE", "weak", "a waiter is stranded"),
    ("WEAK_SCAN", "weak", "a waiter is stranded"),
    ("WEAK_CLOSE", "weak_close", "outlives the pool"),
    ("WEAK_OVER", "weak_resize", "outlives the shrink"),
]

# What the verifier says, and what it means.
PROPERTIES = [
    (r"state\[i\]!=1\)\|\|\(kept>=max", "a waiter is stranded"),
    (r"held\[\w+\]==0", "two owners"),
    (r"held\[\w+\]==me", "two owners"),
    (r"idle&\(1<<\(\(7\+", "published twice"),
    (r"real<=max", "more than max"),
    (r"ahead\[", "out of order"),
    (r"state\[who\]==1", "decided twice, or gone"),
    (r"open==\(idles\+kept", "a connection is lost"),
    (r"dialing==0", "a place is lost"),
    (r"closed\)\|\|\(idle==0", "outlives the pool"),
    (r"idle==0\)\|\|\(open<=max", "outlives the shrink"),
    (r"idle&~hint\)==0|idle&~\(hint\)", "no scan finds it"),
    (r"acceptancecycle", "served never"),
]

Result = collections.namedtuple(
    "Result", "name expected ok verdict states seconds megabytes detail")


def run(command, directory, seconds=SECONDS):
    return subprocess.run(command, cwd=directory, capture_output=True,
                          text=True, timeout=seconds)


def number(pattern, text):
    found = re.search(pattern, text)
    return float(found.group(1)) if found else 0.0


def what_failed(output):
    """Names of the properties that do not hold."""
    failed = set()
    for line in re.findall(r"^pan:\d+: (.*)$", output, re.M):
        text = re.sub(r"\s", "", line)
        failed |= {name for pattern, name in PROPERTIES
                   if re.search(pattern, text)}
    return failed


def judge(chosen, expected, output, seconds):
    errors = re.search(r"errors: (\d+)", output)
    states = int(number(r"(\d+) states, stored", output))
    megabytes = number(r"([\d.]+)\s+total actual memory", output)
    complete = (errors is not None and "Search not completed" not in output
                and "max search depth too small" not in output)
    failed = what_failed(output)
    if errors is None:
        ok, verdict = False, "no result"
    elif expected == HOLDS:
        ok = complete and errors.group(1) == "0"
        verdict = (HOLDS if ok else ", ".join(sorted(failed))
                   or "fails, or not searched to the end")
    else:
        ok = expected in failed
        verdict = expected if ok else f"PASSES: not {expected}"
    return Result(chosen.name, expected, ok, verdict, states, seconds,
                  megabytes, output)


def verify(chosen, expected, directory, trace=False):
    compile_flags, search_flags = chosen.search
    defines = [f"-D{name}" for name in chosen.defines]
    begin = time.monotonic()
    # Not optimised: a verifier is compiled for longer than it runs.
    made = run(["spin", "-a", *defines, str(MODEL)], directory)
    if made.returncode == 0:
        made = run([COMPILER, "-O0", "-w", "-DCOLLAPSE", "-DVECTORSZ=2048",
                    f"-DMEMLIM={MEGABYTES}", *compile_flags, "-o", "pan",
                    "pan.c"], directory)
    if made.returncode != 0:
        return Result(chosen.name, expected, False, "does not compile", 0, 0, 0,
                      made.stdout + made.stderr)
    try:
        # A mutant breaks more than one thing: -c0 goes on to find them all.
        all_errors = ["-c0"] if expected != HOLDS and not trace else []
        output = run(["./pan", "-m1000000", *all_errors, *search_flags],
                     directory).stdout
    except subprocess.TimeoutExpired:
        return Result(chosen.name, expected, False, "takes too long", 0,
                      SECONDS, 0, "")
    result = judge(chosen, expected, output, time.monotonic() - begin)
    trail = pathlib.Path(directory, MODEL.name + ".trail")
    if trace and trail.exists():
        shown = run(["spin", "-t", "-p", "-g", "-k", str(trail), *defines,
                     str(MODEL)], directory)
        result = result._replace(detail=shown.stdout)
    return result


def verify_alone(chosen, expected, trace=False):
    with tempfile.TemporaryDirectory(prefix="ncp-model-") as directory:
        return verify(chosen, expected, directory, trace)


def all_cases():
    """Name to (case, what is expected)."""
    proofs = {proof.name: proof for proof in PROOFS}
    cases = {name: (proof, HOLDS) for name, proof in proofs.items()}
    for mutant, base, broken in MUTANTS:
        proof = proofs[base]
        name = f"{mutant}:{base}"
        if name in cases:
            name += ":again"
        cases[name] = (Case(name, proof.defines + [mutant], proof.search),
                       broken)
    return cases


def undefined_mutants():
    """Mutants the model does not know: they would change nothing."""
    text = MODEL.read_text()
    return [mutant for mutant, _, _ in MUTANTS
            if not re.search(rf"^#ifn?def {mutant}$", text, re.M)]


def group(value):
    return "proofs" if value[1] == HOLDS else "mutants"


def chosen_cases(names):
    cases = all_cases()
    if not names:
        return cases
    chosen = {}
    for name in names:
        found = {key: value for key, value in cases.items()
                 if name in (key, key.split(":")[0], group(value))}
        if not found:
            sys.exit(f"no configuration and no mutant is called {name}")
        chosen.update(found)
    return chosen


def show(result):
    print(f"{'ok  ' if result.ok else 'FAIL'} {result.name:45s} "
          f"{result.verdict:24s} {result.states:>10d} states "
          f"{result.seconds:6.1f} s {result.megabytes:7.0f} MB", flush=True)
    if not result.ok:
        print(result.detail[-4000:], flush=True)


def run_all(cases):
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        runs = [pool.submit(verify_alone, chosen, expected)
                for chosen, expected in cases.values()]
        for done in concurrent.futures.as_completed(runs):
            result = done.result()
            show(result)
            failures += not result.ok
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--trace", metavar="NAME")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(all_cases()))
        return 0
    for program in ("spin", COMPILER):
        if shutil.which(program) is None:
            print(f"skipped: there is no {program}")
            return SKIPPED
    unknown = undefined_mutants()
    if unknown:
        print("mutants the model does not know:", *unknown)
        return 1
    if arguments.trace:
        for chosen, expected in chosen_cases([arguments.trace]).values():
            print(verify_alone(chosen, expected, trace=True).detail)
        return 0
    begin = time.monotonic()
    cases = chosen_cases(arguments.names)
    failures = run_all(cases)
    print(f"{len(cases)} runs, {failures} failed, "
          f"{time.monotonic() - begin:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
