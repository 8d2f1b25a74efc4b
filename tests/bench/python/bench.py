"""Measures a borrow and a return, beside the pools that Python has today.

    python bench.py [--quick] [--json FILE] [--rounds N]

All pools lend the same trivial objects. Rounds are interleaved: every pool takes
its turn in each, so that what else the machine does hits them alike. A pool that
is not installed is shown as missing.
"""
import argparse
import gc
import json
import platform
import statistics
import sys
import threading
import time

from pools import CONTENDERS, SIZE, Opening

THREADS = 4

# ------------------------------------------------------------------ measurements


def calls(borrow, give_back, block, turns):
    for _ in range(turns):
        give_back(borrow())


def blocks(borrow, give_back, block, turns):
    if block is None:
        return False
    for _ in range(turns):
        with block():
            pass
    return True


def threads(borrow, give_back, block, turns):
    """Each thread does its share; the time is that of all."""
    barrier = threading.Barrier(THREADS)

    def work():
        barrier.wait()
        calls(borrow, give_back, block, turns // THREADS)

    workers = [threading.Thread(target=work) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


MEASUREMENTS = {
    "get + put": calls,
    "with block": blocks,
    f"get + put, {THREADS} threads": threads,
}


def timed(measure, contender, turns):
    """Nanoseconds a turn; None when it does not have this way."""
    gc.collect()
    begin = time.perf_counter_ns()
    done = measure(*contender, turns)
    took = time.perf_counter_ns() - begin
    return None if done is False else took / turns


def contenders():
    found, missing = {}, {}
    for name, make in CONTENDERS.items():
        try:
            pool = make(Opening())
            found[name] = pool.borrow, pool.give_back, pool.block
        except ImportError as error:
            missing[name] = str(error)
    return found, missing


def measured(found, rounds, turns):
    figures = {}
    for _ in range(rounds):
        for title, measure in MEASUREMENTS.items():
            for name, contender in found.items():
                value = timed(measure, contender, turns)
                if value is not None:
                    figures.setdefault((title, name), []).append(value)
    return figures


def table(figures, missing):
    for title in MEASUREMENTS:
        ours = statistics.median(figures[title, "netconnpool"])
        print(f"\n{title:28}{'median ns':>10}{'min':>9}{'max':>9}{'ratio':>8}")
        for name in CONTENDERS:
            values = figures.get((title, name))
            if name in missing:
                print(f"  {name:26}{'MISSING':>10}  {missing[name]}")
            elif values is None:
                print(f"  {name:26}{'has none':>10}")
            else:
                middle = statistics.median(values)
                print(f"  {name:26}{middle:10.0f}{min(values):9.0f}"
                      f"{max(values):9.0f}{middle / ours:7.1f}x")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (3 if arguments.quick else 11)
    turns = 400 if arguments.quick else 20_000
    found, missing = contenders()
    print(f"Python {platform.python_version()}, {rounds} rounds of {turns} turns, "
          f"{SIZE} connections")
    figures = measured(found, rounds, turns)
    table(figures, missing)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"missing": missing, "figures": [
                {"name": f"{title}: {name}", "unit": "ns",
                 "median": statistics.median(values), "min": min(values),
                 "max": max(values)}
                for (title, name), values in figures.items()]}, file, indent=1)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
