"""Small programs under the memory model of C11, explored to the end.

A program is a few threads; a thread is a function that is given a Thread and
uses its operations. Every execution that the model allows is looked at, those
that no machine at hand would ever show included: the question is what the
language promises, not what this processor does.

The model is RC11 (Lahav, Vafeiadis, Kang, Hur, Dreyer: "Repairing sequential
consistency in C/C++11", PLDI 2017), which C++20 follows for seq_cst; release
sequences are those of C++20 (read-modify-writes only). A read-modify-write is
two events, a read and the write that follows it at once.
"""
import collections
import itertools

RELAXED, ACQUIRE, RELEASE = "relaxed", "acquire", "release"
ACQ_REL, SEQ_CST = "acq_rel", "seq_cst"
ORDERS = (RELAXED, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST)
ACQUIRES = (ACQUIRE, ACQ_REL, SEQ_CST)
RELEASES = (RELEASE, ACQ_REL, SEQ_CST)

Event = collections.namedtuple("Event", "kind place value order rmw")
Trace = collections.namedtuple("Trace", "events result")


class Blocked(Exception):
    """This thread would wait here: the execution is none."""


class _Choose(Exception):
    """The thread needs a value for its next read."""

    def __init__(self, place, wanted):
        super().__init__(place)
        self.place, self.wanted = place, wanted


class Thread:
    """What a thread can do. Its reads see what `values` says, in turn."""

    def __init__(self, values):
        self._values = iter(values)
        self.events = []

    def _read(self, place, order, rmw=False, wanted=None):
        try:
            value = next(self._values)
        except StopIteration:
            raise _Choose(place, wanted) from None
        self.events.append(Event("R", place, value, order, rmw))
        return value

    def load(self, place, order):
        return self._read(place, order)

    def store(self, place, value, order):
        self.events.append(Event("W", place, value, order, False))

    def fence(self, order):
        self.events.append(Event("F", None, None, order, False))

    def update(self, place, change, order):
        """A read-modify-write; what was there before."""
        old = self._read(place, order, rmw=True)
        self.events.append(Event("W", place, change(old), order, True))
        return old

    def add(self, place, count, order):
        return self.update(place, lambda old: old + count, order)

    def set_bits(self, place, bits, order):
        return self.update(place, lambda old: old | bits, order)

    def clear_bits(self, place, bits, order):
        return self.update(place, lambda old: old & ~bits, order)

    def swap(self, place, value, order):
        return self.update(place, lambda _: value, order)

    def compare_and_swap(self, place, expected, value, success, failure):
        """True when it was as expected; else it was a load."""
        old = self._read(place, success, rmw=True)
        if old == expected:
            self.events.append(Event("W", place, value, success, True))
            return True
        self.events[-1] = Event("R", place, old, failure, False)
        return False

    def lock(self, mutex):
        self._read(mutex, ACQUIRE, rmw=True, wanted=0)
        self.events.append(Event("W", mutex, 1, RELAXED, True))

    def unlock(self, mutex):
        self.store(mutex, 0, RELEASE)

    @staticmethod
    def wait_until(condition):
        """Executions in which it does not hold are of no interest."""
        if not condition:
            raise Blocked


def _traces(thread, domain):
    """Every way a thread can go when its reads see values of the domain."""
    found, open_choices = [], [[]]
    while open_choices:
        values = open_choices.pop()
        runner = Thread(values)
        try:
            result = thread(runner)
        except _Choose as choice:
            seen = domain.get(choice.place, {0})
            open_choices += [values + [value] for value in seen
                             if choice.wanted in (None, value)]
            continue
        except Blocked:
            continue
        found.append(Trace(tuple(runner.events), result))
    return found


def _all_traces(threads, start):
    """Of every thread. The values a place can have are found by running the
    threads again with the new ones, no more often than it is written."""
    domain = collections.defaultdict(lambda: {0})
    for place, value in start.items():
        domain[place] = {value}
    rounds = 0
    while True:
        traces = [_traces(thread, domain) for thread in threads]
        rounds += 1
        if rounds > max(_writes(traces).values(), default=0):
            return traces
        for of_thread in traces:
            for trace in of_thread:
                for event in trace.events:
                    if event.kind == "W":
                        domain[event.place] = (domain[event.place] |
                                               {event.value})


def _writes(traces):
    """How often each place is written, at most."""
    total = collections.Counter()
    for of_thread in traces:
        most = collections.Counter()
        for trace in of_thread:
            most |= collections.Counter(event.place for event in trace.events
                                        if event.kind == "W")
        total += most
    return total


def _plausible(traces, start):
    """Whether somebody wrote what is read: saves looking at most of them."""
    written = set(start.items())
    for trace in traces:
        written |= {(event.place, event.value) for event in trace.events
                    if event.kind == "W"}
    return all((event.place, event.value) in written
               or event.place not in start and event.value == 0
               for trace in traces for event in trace.events
               if event.kind == "R")


# ------------------------------------------------------------------- relations
# A relation is a list: for each event the set of its successors, as bits.

def _then(first, second):
    """first ; second"""
    result = []
    for row in first:
        bits = 0
        while row:
            low = row & -row
            bits |= second[low.bit_length() - 1]
            row ^= low
        result.append(bits)
    return result


def _union(*relations):
    return [_any(rows) for rows in zip(*relations)]


def _any(rows):
    bits = 0
    for row in rows:
        bits |= row
    return bits


def _closure(relation):
    """Transitive."""
    rows = list(relation)
    for middle, _ in enumerate(rows):
        bit, through = 1 << middle, rows[middle]
        if not through:
            continue
        for index, row in enumerate(rows):
            if row & bit:
                rows[index] = row | through
        if rows[middle] & bit:
            rows[middle] |= through
    return rows


def _reflexive(relation):
    return [row | 1 << index for index, row in enumerate(relation)]


def _irreflexive(relation):
    return not any(row >> index & 1 for index, row in enumerate(relation))


def _acyclic(relation):
    return _irreflexive(_closure(relation))


def _only(relation, firsts, seconds):
    """[firsts] ; relation ; [seconds], sets as bits."""
    return [row & seconds if firsts >> index & 1 else 0
            for index, row in enumerate(relation)]


# ------------------------------------------------------------------ executions

class _Graph:
    """The events of one trace a thread, and what does not depend on who reads
    from whom."""

    def __init__(self, traces, start):
        places = sorted({event.place for trace in traces
                         for event in trace.events if event.place is not None})
        self.events = [Event("W", place, start.get(place, 0), RELAXED, False)
                       for place in places]
        self.initial = len(places)
        self.before = [0] * self.initial  # sb: later events of the thread
        self.rmw_write = {}               # its read -> its write
        total = self.initial + sum(len(trace.events) for trace in traces)
        everything = (1 << total) - 1
        for index in range(self.initial):
            self.before[index] = everything >> self.initial << self.initial
        for trace in traces:
            end = len(self.events) + len(trace.events)
            for event in trace.events:
                index = len(self.events)
                self.events.append(event)
                self.before.append(((1 << end) - 1) >> index + 1 << index + 1)
                if event.kind == "W" and event.rmw:
                    self.rmw_write[index - 1] = index
        self.same_place = [
            _bits(other for other, it in enumerate(self.events)
                  if it.place is not None and it.place == event.place)
            for event in self.events]
        self.reads = [index for index, event in enumerate(self.events)
                      if event.kind == "R"]
        self.writes = collections.defaultdict(list)
        for index, event in enumerate(self.events):
            if event.kind == "W":
                self.writes[event.place].append(index)

    def sources(self):
        """Every choice of whom the reads read from: {read: write}."""
        choices = []
        for read in self.reads:
            event = self.events[read]
            own = self.rmw_write.get(read)
            choices.append([write for write in self.writes[event.place]
                            if self.events[write].value == event.value
                            and write != own
                            and not self.before[read] >> write & 1])
        for chosen in itertools.product(*choices):
            yield dict(zip(self.reads, chosen))

    def orders(self, place, source):
        """Every order of the writes to a place: a read-modify-write follows
        what it read, at once."""
        follower = {}
        for read, write in self.rmw_write.items():
            if self.events[read].place != place:
                continue
            if source[read] in follower:
                return
            follower[source[read]] = write
        updates = set(follower.values())
        stores = [write for write in self.writes[place][1:]
                  if write not in updates]
        for chosen in itertools.permutations(stores):
            order = []
            for store in (self.writes[place][0], *chosen):
                while store is not None:
                    order.append(store)
                    store = follower.get(store)
            if len(order) == len(self.writes[place]) and not any(
                    self.before[late] >> early & 1
                    for early, late in itertools.combinations(order, 2)):
                yield order


def _bits(indices):
    return _any(1 << index for index in indices)


def _synchronizes(graph, source, reads_from):
    """sw: from a release to the acquire that reads what it wrote."""
    events, count = graph.events, len(graph.events)
    through = [0] * count  # rf ; rmw
    for read, write in graph.rmw_write.items():
        through[source[read]] |= 1 << write
    sequence = _reflexive(_closure(through))
    fences = _bits(i for i, event in enumerate(events) if event.kind == "F")
    releases = _bits(i for i, event in enumerate(events)
                     if event.order in RELEASES)
    acquires = _bits(i for i, event in enumerate(events)
                     if event.order in ACQUIRES)
    writes = _bits(i for i, event in enumerate(events) if event.kind == "W")
    reads = _bits(i for i, event in enumerate(events) if event.kind == "R")
    everything = (1 << count) - 1
    begin = _union(_only(_reflexive([0] * count), releases, writes),
                   _only(graph.before, releases & fences, writes))
    end = _union(_only(_reflexive([0] * count), reads, acquires),
                 _only(graph.before, reads, acquires & fences))
    middle = _only(_then(sequence, reads_from), writes, everything)
    return _then(_then(begin, middle), end)


def _consistent(graph, source, modification):
    """Whether the model allows it."""
    events, count = graph.events, len(graph.events)
    reads_from, mo, from_reads = [0] * count, [0] * count, [0] * count
    for read, write in source.items():
        reads_from[write] |= 1 << read
    for order in modification.values():
        later = 0
        for write in reversed(order):
            mo[write] = later
            later |= 1 << write
    for read, write in source.items():
        from_reads[read] = mo[write] & ~(1 << graph.rmw_write.get(read, count))
    if not _acyclic(_union(graph.before, reads_from)):
        return False
    hb = _closure(_union(graph.before,
                         _synchronizes(graph, source, reads_from)))
    eco = _closure(_union(reads_from, mo, from_reads))
    if not _irreflexive(hb) or not _irreflexive(_then(hb, eco)):
        return False
    return _sequential(graph, hb, eco, mo, from_reads, events)


def _sequential(graph, hb, eco, mo, from_reads, events):
    """There is one order of what is seq_cst."""
    count = len(events)
    everything = (1 << count) - 1
    all_sc = _bits(i for i, event in enumerate(events)
                   if event.order == SEQ_CST)
    fences = _bits(i for i, event in enumerate(events)
                   if event.kind == "F" and event.order == SEQ_CST)
    accesses = all_sc & ~fences
    same = [0] * count
    elsewhere = [row & ~graph.same_place[i]
                 for i, row in enumerate(graph.before)]
    here = [row & graph.same_place[i] for i, row in enumerate(hb)]
    scb = _union(graph.before, _then(_then(elsewhere, hb), elsewhere), here,
                 mo, from_reads)
    maybe_hb = _reflexive(hb)
    left = _union(_only(_reflexive(same), accesses, everything),
                  _only(maybe_hb, fences, everything))
    right = _union(_only(_reflexive(same), everything, accesses),
                   _only(maybe_hb, everything, fences))
    base = _then(_then(left, scb), right)
    between = _only(_union(hb, _then(_then(hb, eco), hb)), fences, fences)
    return _acyclic(_union(base, between))


def executions(threads, start=None, wanted=None):
    """The results of the threads and the memory at the end, for every execution
    the model allows; only those whose results `wanted` likes."""
    start = start or {}
    for traces in itertools.product(*_all_traces(threads, start)):
        results = tuple(trace.result for trace in traces)
        if wanted is not None and not wanted(results):
            continue
        if not _plausible(traces, start):
            continue
        graph = _Graph(traces, start)
        for source in graph.sources():
            places = list(graph.writes)
            for orders in itertools.product(
                    *(graph.orders(place, source) for place in places)):
                modification = dict(zip(places, orders))
                if _consistent(graph, source, modification):
                    memory = {place: graph.events[order[-1]].value
                              for place, order in modification.items()}
                    yield results, memory


def allows(threads, bad, start=None, end=None):
    """Whether there is an execution whose results are bad, and so is, with `end`,
    the memory that it leaves."""
    return any(end is None or end(memory)
               for _, memory in executions(threads, start, bad))
