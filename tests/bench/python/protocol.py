"""Speaks the protocol of the bench of all languages: one sample a run.

    python protocol.py --list
    python protocol.py --case CASE --subject SUBJECT [--seconds S] [--threads N]
        [--connections M] [--callers K] [--hold-us H] [--dial-ms D] [--use-ms U]

Prints one line of JSON. What is counted, and what a ledger saw of the pool, is
checked here: a connection that got lost ends the sample.
"""
import argparse
import asyncio
import gc
import importlib
import importlib.metadata
import json
import os
import platform
import signal
import sys
import threading
import time
import typing

import aio
import pools

SPIKE_IDLE = 5  # connections that exist before the callers of a spike come
BATCH = 64
LIMIT = 120  # seconds after which a sample is stuck

THREAD_CASES = ("uncontended", "parallel", "contended", "duel", "spike")
FIXED_CASES = THREAD_CASES[:-1]  # without a dial there is no spike

LOOP_CASES = ("uncontended",)


class Subject(typing.NamedTuple):
    make: typing.Callable
    module: str  # that it needs
    package: str | None  # that has its version; None: it is Python's
    cases: tuple
    notes: str = ""


NO_STATISTICS = "no statistics, no checks"
SUBJECTS = {
    "netconnpool/python": Subject(
        pools.netconnpool, "netconnpool", None, THREAD_CASES),
    "queue-lifoqueue": Subject(
        pools.lifo_queue, "queue", None, FIXED_CASES,
        f"all connections are opened at the start; {NO_STATISTICS}"),
    "urllib3": Subject(
        pools.urllib3, "urllib3", "urllib3", THREAD_CASES,
        "its private _get_conn and _put_conn; no idle minimum"),
    "redis-py": Subject(
        pools.redis, "redis", "redis", THREAD_CASES,
        "ConnectionPool; BlockingConnectionPool where some have to wait; no idle "
        "minimum"),
    "psycopg-pool": Subject(
        pools.psycopg_pool, "psycopg_pool", "psycopg_pool", THREAD_CASES,
        "a thread of its own dials"),
    "sqlalchemy": Subject(
        pools.sqlalchemy, "sqlalchemy", "sqlalchemy", THREAD_CASES,
        "QueuePool without overflow and reset; no idle minimum"),
    "netconnpool/asyncio": Subject(
        aio.Netconnpool, "netconnpool", None, LOOP_CASES),
    "asyncio-semaphore-lifoqueue": Subject(
        aio.SemaphoreAndQueue, "asyncio", None, LOOP_CASES, NO_STATISTICS),
    "asyncio-semaphore-deque": Subject(
        aio.SemaphoreAndDeque, "asyncio", None, LOOP_CASES,
        f"the least that works: no limit of time, {NO_STATISTICS}"),
    "asyncio-wait-for-semaphore": Subject(
        aio.SemaphoreWithTimeout, "asyncio", None, LOOP_CASES, NO_STATISTICS),
}

#: Threads, connections and callers when nobody says otherwise.
USUAL = {
    "uncontended": (1, 8, 0),
    "parallel": (2, 2, 0),
    "contended": (16, 4, 0),
    "duel": (2, 1, 0),
    "spike": (1, 50, 50),
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--case", choices=USUAL)
    parser.add_argument("--subject", choices=SUBJECTS)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--connections", type=int)
    parser.add_argument("--callers", type=int)
    parser.add_argument("--hold-us", type=float, default=20)
    parser.add_argument("--dial-ms", type=float, default=150)
    parser.add_argument("--use-ms", type=float, default=2)
    given = parser.parse_args()
    if not given.list:
        if given.case is None or given.subject is None:
            parser.error("--list, or --case and --subject")
        usual = zip(("threads", "connections", "callers"), USUAL[given.case])
        for name, value in usual:
            setattr(given, name, getattr(given, name) or value)
    return given


def show_list():
    """What can be run here, and which pools are not installed."""
    for name, subject in SUBJECTS.items():
        try:
            importlib.import_module(subject.module)
        except ImportError as error:
            print(json.dumps({"missing": name, "why": str(error)}))
            continue
        version = (importlib.metadata.version(subject.package) if subject.package
                   else f"CPython {platform.python_version()}")
        for case in subject.cases:
            print(json.dumps({"case": case, "subject": name, "version": version,
                              "language": "python", "notes": subject.notes}))


# ----------------------------------------------------------------------- the pool


def opened(given, **how):
    """A pool in which all connections exist already."""
    opening = pools.Opening(given.connections, given.connections,
                            waits=given.threads > given.connections, **how)
    pool = SUBJECTS[given.subject].make(opening)
    take_all(pool, given.connections)
    return pool, opening


def take_all(pool, count):
    """All can be had together: when one got lost, this never ends, and SIGALRM ends it.
    """
    for lent in [pool.borrow() for _ in range(count)]:
        pool.give_back(lent)


def ledger_of(opening):
    ledger = opening.ledger
    return {"opened": ledger.opened,
            "over_limit": max(0, ledger.opened - opening.size),
            "lent_twice": ledger.lent_twice}


def rates(took_ns, each):
    return {"ns_per_op": took_ns / sum(each), "ops": sum(each),
            "ops_per_thread": each, "fairness": min(each) / max(each)}


# ---------------------------------------------------------------------- the cases


def uncontended(given):
    pool, opening = opened(given)
    borrow, give_back = pool.borrow, pool.give_back
    operations = 0
    gc.collect()
    end = time.perf_counter() + given.seconds
    begin, busy = time.perf_counter_ns(), time.thread_time_ns()
    while time.perf_counter() < end:
        for _ in range(BATCH):
            give_back(borrow())
        operations += BATCH
    found = one_thread(begin, busy, operations)
    take_all(pool, given.connections)
    found |= ledger_of(opening)
    pool.close()
    return found


def one_thread(begin, busy, operations):
    return {"ns_per_op": (time.thread_time_ns() - busy) / operations,
            "wall_ns_per_op": (time.perf_counter_ns() - begin) / operations,
            "clock": "cpu", "ops": operations}


def workers(given):
    """parallel, contended, duel: threads that borrow until they are told to stop."""
    pool, opening = opened(given)
    stop = threading.Event()
    start = threading.Barrier(given.threads + 1)
    each, waits = [0] * given.threads, []
    hold_ns = given.hold_us * 1000 if given.case == "contended" else None

    def work(index):
        start.wait()
        if hold_ns is None:
            each[index] = borrow_until(stop, pool)
        else:
            own = borrow_busily(stop, pool, opening.ledger, hold_ns)
            each[index] = len(own)
            waits.extend(own)

    threads = started(given.threads, work)
    start.wait()
    begin = time.perf_counter_ns()
    time.sleep(given.seconds)
    stop.set()
    took = time.perf_counter_ns() - begin
    joined(threads)
    found = rates(took, each)
    if waits:
        found |= percentiles(waits, given)
    take_all(pool, given.connections)
    found |= ledger_of(opening)
    pool.close()
    return found


def borrow_until(stop, pool):
    operations = 0
    while operations == 0 or not stop.is_set():
        pool.give_back(pool.borrow())
        operations += 1
    return operations


def borrow_busily(stop, pool, ledger, hold_ns):
    """How long each borrow took."""
    waits = []
    while not waits or not stop.is_set():
        begin = time.perf_counter_ns()
        lent = pool.borrow()
        had = time.perf_counter_ns()
        waits.append(had - begin)
        conn = pool.raw(lent)
        ledger.begin(conn)
        while time.perf_counter_ns() - had < hold_ns:
            pass
        ledger.end(conn)
        pool.give_back(lent)
    return waits


def percentiles(waits, given):
    """Also what one would wait if all took turns: nobody else can be busy while
    one runs Python code."""
    waits.sort()
    return {"p50_wait_ns": waits[len(waits) // 2],
            "p99_wait_ns": waits[(len(waits) - 1) * 99 // 100],
            "max_wait_ns": waits[-1],
            "ideal_wait_ns": (given.threads - 1) * given.hold_us * 1000}


def spike(given):
    opening = pools.Opening(given.connections, SPIKE_IDLE, given.dial_ms / 1000,
                            waits=True)
    pool = SUBJECTS[given.subject].make(opening)
    fill(pool)
    start = threading.Barrier(given.callers + 1)

    def call(_):
        start.wait()
        lent = pool.borrow()
        opening.ledger.begin(pool.raw(lent))
        time.sleep(given.use_ms / 1000)
        opening.ledger.end(pool.raw(lent))
        pool.give_back(lent)

    threads = started(given.callers, call)
    start.wait()
    begin = time.perf_counter_ns()
    joined(threads)
    took = time.perf_counter_ns() - begin
    before = None
    while before != opening.ledger.opened:
        before = opening.ledger.opened
        time.sleep(2 * opening.dial)
    found = {"ns_per_op": took / given.callers, "ops": given.callers,
             "total_ms": took / 1e6, "peak": opening.ledger.peak}
    found |= ledger_of(opening)
    pool.close()
    return found


def fill(pool):
    """Opens the first connections at the same time, as they would be prewarmed."""
    had = threading.Barrier(SPIKE_IDLE)

    def call(_):
        lent = pool.borrow()
        had.wait()
        pool.give_back(lent)

    joined(started(SPIKE_IDLE, call))


def started(count, work):
    threads = [threading.Thread(target=guarded, args=(work, index))
               for index in range(count)]
    for thread in threads:
        thread.start()
    return threads


def guarded(work, index):
    """A thread that fails ends the sample."""
    try:
        work(index)
    except BaseException as error:
        print(f"a thread failed: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)


def joined(threads):
    for thread in threads:
        thread.join()


# --------------------------------------------------------------------- event loops


async def uncontended_in_a_loop(given):
    contender = SUBJECTS[given.subject].make(given.connections)
    await contender.open()
    acquire, release = contender.acquire, contender.release
    await aio.take_all(contender, given.connections)
    operations = 0
    gc.collect()
    end = time.perf_counter() + given.seconds
    begin, busy = time.perf_counter_ns(), time.thread_time_ns()
    while time.perf_counter() < end:
        for _ in range(BATCH):
            await release(await acquire())
        operations += BATCH
    found = one_thread(begin, busy, operations)
    await aio.take_all(contender, given.connections)
    await contender.close()
    return found


def run(given):
    kind = SUBJECTS[given.subject].make
    if isinstance(kind, type):
        return asyncio.run(uncontended_in_a_loop(given))
    return {"uncontended": uncontended, "spike": spike}.get(given.case, workers)(given)


def main():
    given = arguments()
    if given.list:
        show_list()
        return
    if given.case not in SUBJECTS[given.subject].cases:
        sys.exit(f"{given.subject} cannot do: {given.case}")
    signal.alarm(LIMIT)
    line = {"case": given.case, "subject": given.subject, "language": "python",
            "notes": SUBJECTS[given.subject].notes, **run(given)}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
