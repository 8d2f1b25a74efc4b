"""Expectations: bounds, facts, invariants."""
import operator
import os

from netconnpool._ffi import ffi, lib

from . import words
from .verdict import checked, fail, where

COMPARISONS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt,
               "<=": operator.le, ">": operator.gt, ">=": operator.ge}


# -------------------------------------------------------------------- bounds

def holds(bound, value):
    if isinstance(bound, bool):
        return bool(value) is bound
    if isinstance(bound, (int, float)):
        return value == bound
    if not isinstance(bound, list) or len(bound) != 2:
        fail("a bound is a number, true, false, or [low, high]")
    low, high = bound
    return (low is None or value >= low) and (high is None or value <= high)


def check_bound(bound, value, what):
    checked()
    if not holds(bound, value):
        fail(f"{what} is {value}, expected {bound}")


# ---------------------------------------------------------------------- facts

def stats(handle):
    """The counters by their names, in the units of the library."""
    names = words.counters()
    values = ffi.new("uint64_t[]", len(names))
    if lib.ncp_pool_stats(handle, values, len(names)) != lib.NCP_OK:
        fail("no statistics")
    return dict(zip(names, values))


def option(handle, name):
    out = ffi.new("int64_t *")
    status = lib.ncp_pool_option(handle, words.option_number(name), out)
    if status != lib.NCP_OK:
        fail(f"the option {name} cannot be read")
    return out[0]


def _stat(scene, name):
    plain, _, pool = name.partition("@")
    values = stats(scene.pool(pool or "main").handle)
    if plain not in values:
        fail(f"the library has no counter {plain}")
    return values[plain]


INFOS = {
    "id": (lib.NCP_INFO_ID, 1),
    "handle": (lib.NCP_INFO_HANDLE, 1),
    "protocol": (lib.NCP_INFO_PROTOCOL, 1),
    "ip": (lib.NCP_INFO_IP, 1),
    "age_ms": (lib.NCP_INFO_AGE_NS, 10**6),
    "idle_ms": (lib.NCP_INFO_IDLE_NS, 10**6),
    "reuse": (lib.NCP_INFO_REUSE_COUNT, 1),
    "in_use": (lib.NCP_INFO_IN_USE, 1),
    "healthy": (lib.NCP_INFO_HEALTHY, 1),
    "leak_detected": (lib.NCP_INFO_LEAK_DETECTED, 1),
    "borrowed_ms": (lib.NCP_INFO_BORROWED_NS, 10**6),
    "tag": (lib.NCP_INFO_TAG, 1),
    "created_at_ms": (lib.NCP_INFO_CREATED_AT_NS, 10**6),
    "last_used_at_ms": (lib.NCP_INFO_LAST_USED_AT_NS, 10**6),
    "last_check_at_ms": (lib.NCP_INFO_LAST_CHECK_AT_NS, 10**6),
}


def lease_info(pool, lease, what):
    """A fact of a lease, as the library has it."""
    if what not in INFOS:
        fail(f"a connection has no fact {what}")
    info, unit = INFOS[what]
    out = ffi.new("uint64_t *")
    status = lib.ncp_lease_info(pool.handle, lease, info, out)
    if status != lib.NCP_OK:
        fail(f"{what} of a lease: {words.result_name(status)}")
    return out[0] / unit


def _of_var(scene, rest, task, event):
    name, dot, what = rest.rpartition(".")
    if not dot:
        fail(f"no fact is named in {rest}")
    var = scene.var(name, task)
    if event:
        facts = var.event.facts() if var.event is not None else {}
        if what not in facts:
            fail(f"an event has no fact {what}")
        return facts[what]
    if what == "remembered_id":
        return var.conn_id
    if what == "nonblocking":
        return not os.get_blocking(var.conn.fd)
    return scene.world.lease_fact(var, what)


def _of_hint(scene, rest):
    number, _, what = rest.partition(".")
    with scene.lock:
        hints = list(scene.hints)
    if not number.isdigit() or int(number) >= len(hints):
        fail(f"there are {len(hints)} hints, none is {rest}")
    hint = hints[int(number)]
    if what not in hint:
        fail(f"a hint has no fact {what}")
    return hint[what]


def _plain(scene, name):
    main = scene.pool()
    counts = {
        "active_count": lib.ncp_pool_active_count,
        "idle_count": lib.ncp_pool_idle_count,
        "waiting_count": lib.ncp_pool_waiting_count,
        "dialing_count": lib.ncp_pool_dialing_count,
        "is_closed": lib.ncp_pool_is_closed,
        "next_due_ms": lib.ncp_pool_next_due_ms,
    }
    if name in counts:
        return counts[name](main.handle)
    if name == "dials":
        return scene.dialer.begun if scene.dialer is not None else 0
    if name == "most_dials_at_once":
        return scene.dialer.most_running
    if name == "queue_ready":
        return lib.ncp_queue_ready(main.queue)
    if name == "now_ms":
        return scene.world.now_ms()
    if name == "snapshots":
        return scene.watched
    if name == "threads":
        return scene.world.threads_more()
    return fail(f"there is no fact {name}")


def fact(scene, text, task):
    if isinstance(text, (bool, int, float)):
        return text
    if text in words.CONSTANTS:
        return words.CONSTANTS[text]
    family, _, rest = text.partition(".")
    if family == "stat":
        return _stat(scene, rest)
    if family in ("conn", "event"):
        return _of_var(scene, rest, task, family == "event")
    if family == "hint":
        return _of_hint(scene, rest)
    if family == "count":
        return scene.counts[rest]
    if family == "option":
        return option(scene.pool().handle, rest)
    return _plain(scene, text)


# ---------------------------------------------------------------- many of them

def why_not(scene, expected, task):
    """What does not hold, as a sentence; None when all does."""
    for name, bound in expected.get("stats", {}).items():
        value = _stat(scene, name)
        checked()
        if not holds(bound, value):
            return f"counter {name} is {value}, expected {bound}"
    if "dials" in expected:
        checked()
        dials = fact(scene, "dials", task)
        if not holds(expected["dials"], dials):
            return f"{dials} dials, expected {expected['dials']}"
    for left, comparison, right in expected.get("that", []):
        if comparison not in COMPARISONS:
            fail(f"there is no comparison {comparison}")
        values = fact(scene, left, task), fact(scene, right, task)
        checked()
        if not COMPARISONS[comparison](*values):
            return (f"{[left, comparison, right]} does not hold: "
                    f"{values[0]} and {values[1]}")
    return None


def check(scene, expected, task):
    reason = why_not(scene, expected, task)
    if reason is not None:
        fail(reason)


# ----------------------------------------------------------------- invariants

def _kinds():
    kind = ffi.new("int *")
    found = []
    for index, name in enumerate(words.counters()):
        lib.ncp_counter_at(index, kind, ffi.NULL, ffi.NULL, ffi.NULL)
        if kind[0] == lib.NCP_KIND_CUMULATIVE:
            found.append(name)
    return found


CUMULATIVE = _kinds()


def _must(condition, name, values):
    if not condition:
        some = {key: value for key, value in values.items() if value}
        fail(f"invariant {name} is broken: {some}")


def check_invariants(scene, pool):
    """STAT-2, on one snapshot."""
    if pool.freed or pool.handle is None:
        return
    limit, most_idle = (option(pool.handle, name) for name in
                        ("max_connections", "max_idle_connections"))
    if not option(pool.handle, "stats"):
        return
    with scene.lock:  # I7 compares with the snapshot before
        s = stats(pool.handle)
        for name in CUMULATIVE:
            _must(pool.last is None or s[name] >= pool.last[name],
                  f"I7 ({name} went down)", s)
        pool.last = s
    _must(all(value < 1 << 63 for value in s.values()),
          "I8 (a counter is negative)", s)
    _must(s["created"] - s["closed"] == s["current"],
          "I1 (created - closed = current)", s)
    _must(s["idle"] + s["active"] == s["current"],
          "I2 (idle + active = current)", s)
    _must(s["tcp"] + s["udp"] <= s["current"] and
          s["ipv4"] + s["ipv6"] <= s["current"], "I3 (parts of current)", s)
    _must(s["tcp_idle"] + s["udp_idle"] <= s["idle"] and
          s["ipv4_idle"] + s["ipv6_idle"] <= s["idle"], "I3 (parts of idle)", s)
    _must(s["total"] == s["successful"] + s["failed"] + s["timeout"] +
          s["in_flight"],
          "I4 (total = successful + failed + timeout + in flight)", s)
    _must(s["successful"] >= s["reused"], "I5", s)
    _must(limit == 0 or pool.resized or s["current"] + s["dialing"] <= limit,
          "I6 (current + dialing <= max)", s)
    _must(pool.resized or s["idle"] <= most_idle, "I6 (idle <= max_idle)", s)
    _must(s["p50_get_time"] <= s["p95_get_time"] <= s["p99_get_time"],
          "I9 (p50 <= p95 <= p99)", s)
    checked()


# ------------------------------------------------------------- after the steps

def _check_events(scene, wanted):
    events = list(scene.events)
    for index, name in enumerate(wanted):
        if index >= len(events):
            fail(f"event {index} is missing: {name}")
        if events[index] != name:
            fail(f"event {index} is {events[index]}, expected {name}")
        checked()
    if len(events) > len(wanted):
        fail(f"one event too many: {events[len(wanted)]}")


def check_end(scene, task):
    doc = scene.doc
    with where("then"):
        check(scene, {key: doc[key] for key in ("stats", "that", "dials")
                      if key in doc}, task)
        if "events" in doc:
            _check_events(scene, doc["events"])
        if "order" in doc:
            checked()
            if scene.order != doc["order"]:
                fail(f"the order was {scene.order}, expected {doc['order']}")
        for pool in scene.pools.values():
            check_invariants(scene, pool)
