#!/usr/bin/env python3
"""What a get and a put would cost on a machine with many cores.

    simulate.py                     every store, 1 to 64 cores
    simulate.py --stores sharded,lock --cores 1,2,64
    simulate.py --lines sharded --cores 8     who writes what the others use
    simulate.py --private 64                  fails if a pair of the store sharded
                                              touches what is another core's
    simulate.py --markdown

touches.c does gets and puts for as many cores, each with a connection of its own,
under valgrind's lackey; what it touched, core by core, is played back on a simple
machine: every core has a cache, a line is held by one that may write or by any
number that may read (MESI), and what a core has not got it fetches from another,
for a price that depends on where that one is. Accesses of different cores to one
line come one after the other. Who takes a mutex that is held waits for it.

What it leaves out: a played-back access does not change its mind, so lost
compare-and-swaps and their repetitions cost nothing here; waiting for a mutex is
spinning, not sleeping; what is shared is never evicted.
"""
import argparse
import collections
import heapq
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = pathlib.Path(os.environ.get("NCP_SOURCE_DIR") or HERE.parents[1])
COMPILER = os.environ.get("NCP_CC") or "cc"
STORES = ("lock", "lockfree", "sharded")
CORES = (1, 2, 4, 8, 16, 32, 64)
ROUNDS = 4          # traced
PLAYED = 50         # times that they are played back
LINE = 64
NOT_SHARED = 65536  # bytes around a place on the stack, a page for thread-locals
SKIPPED = 77

# Nanoseconds. What a get and a put take when every line is at hand: measured on
# one core, with ncp-bench. The others are of the order of what is published for
# today's servers; the shape of the curves does not hang on them.
WORK = {"lock": 41.0, "lockfree": 20.0, "sharded": 20.0}
Costs = collections.namedtuple("Costs", "work near far per_socket",
                               defaults=(20.0, 50.0, 120.0, 32))

# Of one core, in order: ("r" or "w", line), ("lock", line), ("unlock", line).
Access = collections.namedtuple("Access", "kind line")
Result = collections.namedtuple("Result", "cores ns rate transfers")


class Trouble(Exception):
    """Nothing could be traced."""


# ---------------------------------------------------------------------- the machine

class Caches:
    """Who has which line."""

    def __init__(self, costs):
        self.costs = costs
        self.writer = {}   # line -> the core that may write
        self.readers = collections.defaultdict(set)
        self.free_at = collections.defaultdict(float)
        self.transfers = 0

    def warm_up(self, traces):
        """What a core alone uses, or all only read, is there from the start."""
        shared = shared_writes(traces)
        for core, (accesses, _) in enumerate(traces):
            for access in accesses:
                if access.line in shared:
                    continue
                if access.kind == "w":
                    self.writer[access.line] = core
                elif access.kind == "r":
                    self.readers[access.line].add(core)

    def has(self, core, access):
        """Whether the access needs nobody else."""
        line = access.line
        return (self.writer.get(line) == core
                or access.kind == "r" and core in self.readers[line])

    def others(self, core, line):
        held = set(self.readers[line])
        if line in self.writer:
            held.add(self.writer[line])
        return held - {core}

    def distance(self, core, line):
        """What it costs to get the line, or what of it the others have."""
        others = self.others(core, line)
        if not others:
            return 0.0  # the first to touch it: warm-up
        sockets = {other // self.costs.per_socket for other in others}
        return (self.costs.near if sockets == {core // self.costs.per_socket}
                else self.costs.far)

    def ask(self, core, line, now):
        """When the line is taken from who has it, and when it is here. Who has
        it can use it until it is taken; requests come one after the other."""
        distance = self.distance(core, line)
        begin = max(now, self.free_at[line]) if distance else now
        self.free_at[line] = begin + distance
        return begin + distance / 2, begin + distance

    def take(self, core, access):
        line = access.line
        self.transfers += bool(self.others(core, line))
        if access.kind == "r":
            if line in self.writer:
                self.readers[line].add(self.writer.pop(line))
            self.readers[line].add(core)
        else:
            self.writer[line] = core
            self.readers[line] = set()


class Machine:
    """Cores that play their traces."""

    def __init__(self, traces, costs, times):
        self.caches = Caches(costs)
        self.caches.warm_up(traces)
        self.programs = [accesses * times for accesses, _ in traces]
        self.position = [0] * len(traces)
        self.step = [costs.work * pairs / max(1, len(accesses))
                     for accesses, pairs in traces]
        self.held, self.end = {}, 0.0
        self.waiting = collections.defaultdict(collections.deque)
        # What happens next: (when, who, taken); they do not begin all at once.
        self.events = [(core * costs.work / len(traces), core, None)
                       for core in range(len(traces))]

    def run(self):
        heapq.heapify(self.events)
        while self.events:
            now, core, arrives = heapq.heappop(self.events)
            if arrives is not None:
                self.caches.take(core, self.programs[core][
                    self.position[core]])
                self.after(arrives + self.step[core], core)
            elif self.position[core] == len(self.programs[core]):
                self.end = max(self.end, now)
            else:
                self.turn(now, core, self.programs[core][self.position[core]])

    def after(self, when, core):
        self.position[core] += 1
        heapq.heappush(self.events, (when, core, None))

    def turn(self, now, core, access):
        if access.kind == "lock":
            if access.line in self.held:
                self.waiting[access.line].append(core)
                return
            self.held[access.line] = core
            self.after(now, core)
        elif access.kind == "unlock":
            del self.held[access.line]
            if self.waiting[access.line]:
                heapq.heappush(self.events, (
                    now, self.waiting[access.line].popleft(), None))
            self.after(now, core)
        elif self.caches.has(core, access):
            self.after(now + self.step[core], core)
        else:
            taken, arrives = self.caches.ask(core, access.line, now)
            heapq.heappush(self.events, (taken, core, arrives))


def play(traces, costs, times=PLAYED):
    """Plays the traces of the cores, `times` times each; a trace says how many
    pairs are in it."""
    machine = Machine(traces, costs, times)
    machine.run()
    pairs = sum(pairs for _, pairs in traces) * times
    return Result(len(traces), machine.end * len(traces) / pairs,
                  pairs / machine.end * 1e3, machine.caches.transfers / pairs)


# ---------------------------------------------------------------------- the trace

MARK_LOCKED, MARK_UNLOCKED = 1, 2


def read_trace(lines, marks, stack, of_thread, cores, end):
    """The accesses of each core, from the output of lackey; `end` is the number
    of the mark at which the rounds begin and end, and those of mutexes follow."""
    traces = [[] for _ in range(cores)]
    core, inside, locking, mutexes = None, False, False, []
    for text in lines:
        kind = text[1:2]
        if kind not in "LSM" or text[0] != " ":
            continue
        address = int(text[3:].split(",")[0], 16)
        offset, rest = divmod(address - marks, LINE)
        if rest == 0 and 0 <= offset <= end + MARK_UNLOCKED:
            if offset == end:
                if inside:
                    return traces
                inside = True
            elif offset < end:
                core = offset
            elif inside and offset == end + MARK_LOCKED:
                locking = True
            elif inside and mutexes:
                traces[core].append(Access("unlock", mutexes.pop()))
            continue
        if (not inside or core is None or abs(address - stack) < NOT_SHARED
                or abs(address - of_thread) < 4096):
            continue
        line = address // LINE
        if locking:
            locking = False
            mutexes.append(line)
            traces[core].append(Access("lock", line))
        if kind in "LM":
            traces[core].append(Access("r", line))
        if kind in "SM":
            traces[core].append(Access("w", line))
    raise Trouble("the trace has no end")


def condensed(accesses):
    """Without what a core does again to a line that it just had."""
    kept = []
    for access in accesses:
        if kept and kept[-1] == access:
            continue
        kept.append(access)
    return kept


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=300, **options)
    if done.returncode != 0:
        raise Trouble(f"{' '.join(map(str, command))} ended with "
                      f"{done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def build(directory):
    library = directory / "library"
    run(["cmake", "-S", SOURCE, "-B", library, "-G", "Ninja",
         f"-DCMAKE_C_COMPILER={COMPILER}", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
         *(f"-DNCP_{part}=OFF" for part in (
             "BUILD_TESTS", "BUILD_EXAMPLES", "BUILD_PYTHON", "BUILD_SWIG",
             "WITH_JSON", "INSTALL"))])
    run(["cmake", "--build", library, "-j", "2", "--target",
         "netconnpool_static"])
    program = directory / "touches"
    wraps = ",".join(f"--wrap={name}" for name in (
        "ncp__processors", "pthread_mutex_lock", "pthread_mutex_unlock"))
    run([COMPILER, "-std=c11", "-D_GNU_SOURCE", "-O2", "-I",
         SOURCE / "core/include", "-I", SOURCE / "core/src",
         HERE / "touches.c",
         library / "core/libnetconnpool.a", "-pthread", f"-Wl,{wraps}", "-o",
         program])
    return program


def trace(program, store, cores):
    """[(accesses, pairs)] of each core."""
    with tempfile.TemporaryDirectory(prefix="ncp-touches-") as name:
        log = pathlib.Path(name, "log")
        said = run(["valgrind", "--tool=lackey", "--trace-mem=yes",
                    "--basic-counts=no", f"--log-file={log}", program, store,
                    str(cores), str(ROUNDS)])
        marks, stack, of_thread = (int(word, 16) for word in said.split())
        with log.open() as lines:
            traces = read_trace(lines, marks, stack, of_thread, cores,
                                end_mark())
    return [(condensed(accesses), ROUNDS) for accesses in traces]


def end_mark():
    """As touches.c has it."""
    text = (HERE / "touches.c").read_text()
    return int(re.search(r"\bMOST = (\d+)", text).group(1))


# ---------------------------------------------------------------------- the answers

def shared_writes(traces):
    """{line: (cores that write it, cores that read it)} of the lines that one
    core writes and another uses."""
    writers, readers = (collections.defaultdict(set) for _ in range(2))
    for core, (accesses, _) in enumerate(traces):
        for access in accesses:
            if access.kind == "w":
                writers[access.line].add(core)
            elif access.kind == "r":
                readers[access.line].add(core)
    return {line: (cores, readers[line]) for line, cores in writers.items()
            if len(cores | readers[line]) > 1}


def show_lines(traces):
    found = shared_writes(traces)
    for line, (writers, readers) in sorted(found.items()):
        print(f"{line * LINE:#x}: {len(writers)} write it, {len(readers)} "
              "read it")
    print(f"{len(found)} lines that one core writes and another uses")


def stays_private(program, cores):
    """The promise of the store sharded, and a store that cannot keep it."""
    shared = {store: len(shared_writes(trace(program, store, cores)))
              for store in ("sharded", "lockfree")}
    print(f"{cores} cores: lines that one writes and another uses: {shared}")
    return 0 if shared["sharded"] == 0 and shared["lockfree"] > 0 else 1


def table(results, markdown):
    """A line for each number of cores: nanoseconds a pair on each, all pairs
    together in a microsecond, lines fetched a pair."""
    stores = list(results)
    heads = ["cores"] + [f"{store} {what}" for store in stores
                         for what in ("ns", "pairs/us", "lines")]
    rows = [[str(row[0].cores)] + [f"{value:.1f}" for result in row for value
                                   in (result.ns, result.rate,
                                       result.transfers)]
            for row in zip(*results.values())]
    if markdown:
        yield "| " + " | ".join(heads) + " |"
        yield "|" + "---:|" * len(heads)
        for row in rows:
            yield "| " + " | ".join(row) + " |"
        return
    widths = [max(map(len, column)) for column in zip(heads, *rows)]
    for row in (heads, *rows):
        yield "  ".join(word.rjust(width) for word, width in zip(row, widths))


def numbers(text):
    return tuple(int(word) for word in text.split(","))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--stores", default=",".join(STORES))
    parser.add_argument("--cores", type=numbers, default=CORES)
    parser.add_argument("--work", type=float,
                        help="of every store; default: what was measured")
    for name, value in list(Costs()._asdict().items())[1:]:
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value),
                            default=value)
    parser.add_argument("--lines", metavar="STORE")
    parser.add_argument("--private", type=int, metavar="CORES")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--directory", metavar="DIR")
    return parser.parse_args()


def simulate(program, arguments):
    if arguments.lines:
        show_lines(trace(program, arguments.lines, arguments.cores[-1]))
        return
    results = {}
    for store in arguments.stores.split(","):
        costs = Costs(arguments.work or WORK[store], arguments.near,
                      arguments.far, arguments.per_socket)
        results[store] = [play(trace(program, store, cores), costs)
                          for cores in arguments.cores]
    print(*table(results, arguments.markdown), sep="\n")
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(
            {store: [result._asdict() for result in row]
             for store, row in results.items()}, indent=4) + "\n")


def main():
    arguments = parse()
    missing = [tool for tool in ("valgrind", "cmake", "ninja", COMPILER)
               if shutil.which(tool) is None]
    if missing:
        print("not simulated, there is no", *missing)
        return 1 if os.environ.get("NCP_REQUIRE_TOOLS") else SKIPPED
    with tempfile.TemporaryDirectory(prefix="ncp-scaling-") as scratch:
        directory = pathlib.Path(arguments.directory or scratch)
        directory.mkdir(parents=True, exist_ok=True)
        program = build(directory)
        if arguments.private:
            return stays_private(program, arguments.private)
        simulate(program, arguments)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        sys.exit(str(trouble))
