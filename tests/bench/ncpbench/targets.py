"""The targets, all of them, and whether a run holds them. There is no
tolerance: a median that misses by a hair has missed."""
import dataclasses

from . import figures

LOCKFREE = "netconnpool/lockfree"
TWO_LOCKS = "pthread-mutex-twice"
# They measure the language or the machine, and lend nothing that has to be
# limited, waited for or closed.
YARDSTICKS = ("pthread-mutex", TWO_LOCKS, "clock_gettime", "go-channel",
              "lua-table", "ffi-call")
SIXTEEN_ON_FOUR = {"threads": 16, "connections": 4}
TWO = {"threads": 2}
KIB, MIB = 1024, 1024 * 1024


def is_ours(subject):
    return subject.startswith("netconnpool/")


@dataclasses.dataclass(frozen=True)
class Of:
    """A figure of a subject."""
    case: str
    subject: str
    metric: str
    variant: tuple = ()

    def figures(self):
        return (self,)

    def series(self, results):
        return results.find(self.case, self.subject, dict(self.variant))

    def value(self, results):
        series = self.series(results)
        found = series and figures.spread(series.values(self.metric))
        return found.median if found else None


@dataclasses.dataclass(frozen=True)
class Ratio:
    """A figure over another one of the same run, round by round."""
    above: Of
    below: Of

    def figures(self):
        return (self.above, self.below)

    def value(self, results):
        above = self.above.series(results)
        below = self.below.series(results)
        if above is None or below is None:
            return None
        other = (None if self.above.metric == self.below.metric
                 else self.below.metric)
        return figures.ratio(above, below, self.above.metric, other)


@dataclasses.dataclass(frozen=True)
class WorstRival:
    """Of all rivals in a case the largest ours / rival; of a language or all."""
    ours: Of
    language: str | None = None

    def figures(self):
        return (self.ours,)

    def value(self, results):
        ours = self.ours.series(results)
        if ours is None:
            return None
        ratios = [
            figures.ratio(ours, one, self.ours.metric)
            for one in results.series
            if one.case == self.ours.case and one.samples
            and not is_ours(one.subject) and one.subject not in YARDSTICKS
            and self.language in (None, one.language)]
        return max((ratio for ratio in ratios if ratio is not None),
                   default=None)


@dataclasses.dataclass(frozen=True)
class Target:
    letter: str
    what: str
    value: Of | Ratio | WorstRival
    at_most: float | None = None
    at_least: float | None = None
    below: float | None = None
    whole_run: bool = False  # a quick run says nothing about it

    def limit_text(self):
        for words, limit in (("at least", self.at_least),
                             ("at most", self.at_most), ("below", self.below)):
            if limit is not None:
                return f"{words} {limit:,}"
        raise ValueError(f"no limit: {self.what}")

    def holds(self, value):
        return ((self.at_most is None or value <= self.at_most)
                and (self.at_least is None or value >= self.at_least)
                and (self.below is None or value < self.below))


def _variant(**words):
    return tuple(words.items())


def _a(subject):
    return Of("uncontended", subject, "ns_per_op")


def _slower(rival, times):
    return Target("a", f"{rival}, times ours", Ratio(_a(rival), _a(LOCKFREE)),
                  at_least=times)


def _contended(metric):
    return Of("contended", LOCKFREE, metric, tuple(SIXTEEN_ON_FOUR.items()))


def _waiters(metric, callers):
    return Of("waiters", LOCKFREE, metric, _variant(callers=callers))


def _line(what, metric):
    return Target("e", f"{what}, 10,000 callers / 100",
                  Ratio(_waiters(metric, 10000), _waiters(metric, 100)),
                  at_most=1.5)


def _sockets(subject, metric):
    return Of("sockets", subject, metric, _variant(transport="tcp", size=64))


def _fuzz(metric, mode, subject=LOCKFREE):
    return Of("fuzz", subject, metric, _variant(mode=mode))


def _none_of(what, metric):
    return Target("h", f"every reply compared: {what}",
                  _fuzz(metric, "verified"), at_most=0)


def _memory(metric, connections=0):
    return Of("memory", LOCKFREE, metric, _variant(connections=connections))


def _of_language(name, language, subject, most_ns):
    return (
        Target("a", f"{name}: get + put, ns", _a(subject), at_most=most_ns),
        Target("a", f"{name}: ours / the best of its rivals",
               WorstRival(_a(subject), language), below=1))


TARGETS = (
    Target("a", "by a tap, in two mutex pairs",
           Ratio(_a("netconnpool/tap"), _a(TWO_LOCKS)), at_most=1.0),
    Target("a", "by the pool (thread-local), in two mutex pairs",
           Ratio(_a(LOCKFREE), _a(TWO_LOCKS)), at_most=1.6),
    Target("a", "ours / the best of all rivals", WorstRival(_a(LOCKFREE)),
           below=1),
    _slower("hikaricp", 5),
    _slower("r2d2", 5),
    _slower("deadpool", 5),
    _slower("bb8", 5),
    _slower("puddle", 5),
    _slower("netconnpool-go-1.0.4", 40),
    _slower("netconnpool-rs-1.0.5", 10),
    Target("b", "2 threads, sharded: throughput / on two separate pools",
           Ratio(Of("parallel", "netconnpool/sharded", "ops_per_s",
                    tuple(TWO.items())),
                 Of("parallel", "netconnpool/separate-pools", "ops_per_s",
                    tuple(TWO.items()))), at_least=0.9),
    Target("c", "16 threads on 4: operations, unluckiest / luckiest",
           _contended("fairness"), at_least=0.85),
    Target("c", "16 threads on 4: p99 of the waits, in ideal waits",
           _contended("p99_in_ideal_waits"), at_most=2.5),
    Target("c", "16 threads on 4: lost wake-ups", _contended("lost_wakeups"),
           at_most=0),
    Target("d", "adaptive, ns an operation",
           Of("duel", "netconnpool/adaptive", "ns_per_op"), at_most=40),
    Target("d", "strict, ns an operation", Of("duel", LOCKFREE, "ns_per_op"),
           at_most=500),
    _line("enqueue", "enqueue_ns"),
    _line("cancel", "cancel_ns"),
    _line("hand-off", "handoff_ns"),
    _line("time-out", "timeout_ns"),
    Target("f", "connections opened", Of("spike", LOCKFREE, "opened"),
           at_most=6),
    Target("g", "64 B over TCP: p50 of getting a connection, pool / dial",
           Ratio(_sockets(LOCKFREE, "connection_p50_ns"),
                 _sockets("dial-each-time", "connection_p50_ns")),
           at_most=0.05),
    Target("g", "64 B over TCP: throughput, pool / dial",
           Ratio(_sockets(LOCKFREE, "exchanges_per_s"),
                 _sockets("dial-each-time", "exchanges_per_s")), at_least=3),
    Target("h", "as the original: gets in 120 s",
           _fuzz("gets_in_120_s", "as-original"), at_least=33529430,
           whole_run=True),
    Target("h", "as the original: average get, ns",
           _fuzz("average_get_ns", "as-original"), below=61000,
           whole_run=True),
    Target("h", "as the original: gets, ours / the port in Rust",
           Ratio(_fuzz("gets_in_120_s", "as-original"),
                 _fuzz("gets_in_120_s", "as-original",
                       "netconnpool-rs-1.0.5")), at_least=1, whole_run=True),
    Target("h", "as the original: crashes", _fuzz("crashes", "as-original"),
           at_most=0),
    _none_of("wrong bytes", "wrong_bytes"),
    _none_of("stale datagrams", "stale_datagrams"),
    _none_of("time-outs", "timeouts"),
    Target("i", "bytes of a connection", _memory("connection_bytes"),
           at_most=128),
    Target("i", "bytes of a waiter that blocks", _memory("waiter_bytes"),
           at_most=200),
    Target("i", "bytes of an empty pool, statistics on",
           _memory("pool_bytes"), at_most=16 * KIB),
    Target("i", "bytes of 100,000 connections",
           _memory("pool_bytes", 100000), at_most=16 * MIB),
    Target("j", "1,000 idle: us, besides the system calls",
           Of("close", LOCKFREE, "close_us", _variant(connections=1000)),
           at_most=50),
    *_of_language("Go", "go", "netconnpool/go", 150),
    *_of_language("Python", "python", "netconnpool/python", 500),
    *_of_language("LuaJIT", "lua", "netconnpool/lua", 60),
)


def named(case, targets=TARGETS):
    """The subjects that the targets of a case look at."""
    return {figure.subject for target in targets
            for figure in target.value.figures() if figure.case == case}


HOLDS, MISSED, UNKNOWN = "holds", "missed", "not measured"


@dataclasses.dataclass(frozen=True)
class Verdict:
    target: Target
    value: float | None
    state: str


def judge(results, letters, quick, targets=TARGETS):
    """A verdict for each target of the cases that were run."""
    verdicts = []
    for target in targets:
        if target.letter not in letters:
            continue
        value = target.value.value(results)
        if value is None or (quick and target.whole_run):
            state = UNKNOWN
        else:
            state = HOLDS if target.holds(value) else MISSED
        verdicts.append(Verdict(target, value, state))
    return verdicts
