"""What is measured: the cases, in which variants, and which figure counts."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Case:
    letter: str
    name: str
    title: str
    metric: str  # the figure that is compared
    variants: tuple[dict, ...] = ({},)
    quick_variants: tuple[dict, ...] = ({},)
    seconds: float = 0.3  # of one sample
    quick_seconds: float = 0.05
    rounds: int | None = None  # at most; None: as many as the others
    quick_rounds: int | None = None
    quick_own: int = 1  # of the variants that a contestant names itself
    more: tuple[str, ...] = ()  # further figures for the table
    reference: str = "netconnpool/lockfree"  # ours, that rivals are compared with


def _each(name, *values, **others):
    return tuple({name: value, **others} for value in values)


CASES = (
    Case("a", "uncontended", "One thread, nobody else: get + put", "ns_per_op"),
    Case("b", "parallel", "N threads on N connections", "ns_per_op",
         tuple({"threads": n, "connections": n} for n in (1, 2, 4, 8)),
         tuple({"threads": n, "connections": n} for n in (1, 2))),
    Case("c", "contended", "N threads on 4 connections, each held for 20 us",
         "p99_wait_ns",
         _each("threads", 4, 8, 16, 32, connections=4),
         _each("threads", 16, connections=4),
         seconds=1, quick_seconds=0.2,
         more=("p50_wait_ns", "max_wait_ns", "fairness", "ops_per_s")),
    Case("d", "duel", "2 threads on 1 connection, not held", "ns_per_op",
         seconds=0.5, quick_seconds=0.1),
    Case("e", "waiters", "Many wait for 1 connection: a place in line",
         "handoff_ns",
         _each("callers", 100, 1000, 10000), _each("callers", 100, 10000),
         quick_rounds=2, more=("enqueue_ns", "cancel_ns", "timeout_ns"),
         reference="netconnpool/threads"),
    Case("f", "spike", "50 callers at once, a dial takes 150 ms, the use 2 ms",
         "opened", rounds=3, quick_rounds=1, more=("peak", "total_ms")),
    Case("g", "sockets", "Echo over loopback", "exchanges_per_s",
         seconds=2, quick_seconds=0.5, rounds=5,
         more=("connection_p50_ns", "request_p50_ns", "request_p99_ns")),
    Case("h", "fuzz", "50 threads, TCP and UDP mixed", "ns_per_op",
         seconds=120, quick_seconds=1, rounds=1, quick_rounds=1, quick_own=2,
         more=("gets_in_120_s", "average_get_ns", "exchanges_per_s",
               "wrong_bytes", "stale_datagrams", "timeouts", "crashes")),
    Case("i", "memory", "Bytes of heap", "pool_bytes",
         _each("connections", 0, 100, 1000, 10000, 100000),
         _each("connections", 0, 100000), rounds=3, quick_rounds=1,
         more=("connection_bytes", "waiter_bytes", "ticket_bytes",
               "configuration_bytes")),
    Case("j", "close", "Closing a pool with idle connections only", "close_us",
         _each("connections", 1, 1000, 100000), _each("connections", 1, 1000)),
)


def by_name(name):
    return next((case for case in CASES if case.name == name), None)


def selected(only):
    """The cases that a list of names or letters asks for, in order."""
    if not only:
        return CASES
    unknown = [word for word in only
               if not any(word in (case.name, case.letter) for case in CASES)]
    if unknown:
        raise ValueError(f"no such case: {', '.join(unknown)}")
    return tuple(case for case in CASES
                 if case.name in only or case.letter in only)


def variant_text(variant):
    """{"threads": 2} is "2 threads", {"size": 64} "size 64", {"mode": "verified"}
    "verified"."""
    words = []
    for name, value in variant.items():
        if not isinstance(value, (int, float)):
            words.append(str(value))
        elif name.endswith("s"):
            words.append(f"{value:,} {name[:-1] if value == 1 else name}")
        else:
            words.append(f"{name} {value:,}")
    return ", ".join(words)


def arguments(variant):
    """The variant as a contestant takes it."""
    return [word for name, value in variant.items()
            for word in (f"--{name.replace('_', '-')}", str(value))]
