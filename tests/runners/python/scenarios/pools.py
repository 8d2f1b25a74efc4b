"""Builds the pools of a case and takes them down again, and proves that nothing of
them is left."""
import gc
import logging
import time
import weakref

from netconnpool._ffi import lib

from . import callbacks, facts, peers, raw, steps_pull, words
from .scene import PoolUnderTest
from .verdict import checked, fail, where

END_LIMIT_MS = 600_000
GONE_LIMIT_S = 3.0

# Hooks by their names in scenarios and as keywords.
KEYWORDS = {"close_conn": "close", "checker": "check"}

# Options that no keyword of the package says.
BY_THE_RUNNER = ("driver", "host_events")


# ---------------------------------------------------------------------- set up

def in_python(name, value):
    """An option of a scenario as Python says it: durations in seconds."""
    kind = lib.ncp_option_type(words.option_number(name))
    if kind == lib.NCP_TYPE_DURATION and not isinstance(value, str):
        return value / 1000
    return value


def options_of(options):
    """The keywords for the options of a scenario."""
    return {name: in_python(name, value) for name, value in options.items()
            if name not in BY_THE_RUNNER}


def _is_pull(options):
    return options is not None and options.get("driver") == "pull"


def _dialer(scene, doc, key, event, accepts):
    spec = doc.get(key)
    if spec is None or spec == "none":
        return None
    return callbacks.Dialer(scene, spec, event, accepts)


def _hooks(scene, doc):
    """The hooks of a case as keywords; several pools share them."""
    keywords = {}
    for name, spec in doc.get("hooks", {}).items():
        if name == "log":
            logger = logging.Logger("scenario", logging.DEBUG)
            logger.addHandler(callbacks.Log(scene, spec))
            keywords["logger"] = scene.hooks.setdefault("log", logger)
        elif name in callbacks.HOOKS:
            hook = scene.hooks.setdefault(name, callbacks.Hook(scene, name, spec))
            keywords[KEYWORDS.get(name, name)] = scene.world.hook(hook)
        else:
            fail(f"no such hook: {name}")
    return keywords


def _keywords(scene, doc, pool, options):
    keywords = {**pool.options, **_hooks(scene, doc)}
    server = str(options.get("mode", "client")) == "server"
    if server and doc.get("listener") != "none":
        pool.listener = peers.bound(peers.socket.AF_INET, peers.socket.SOCK_STREAM)
        pool.listener.listen(64)
        keywords["listener"] = pool.listener
    if scene.acceptor is not None:
        keywords["acceptor"] = scene.world.acceptor(scene.acceptor)
    if scene.dialer is not None and not server:
        keywords["connect"] = scene.world.dialer(scene.dialer)
    return keywords


async def _make(scene, doc, name, options):
    pool = PoolUnderTest(name)
    scene.pools[name] = pool
    begin = scene.world.now_ms()
    if options is None:
        outcome = await scene.world.attempt(scene.world.pool_of_nothing)
    else:
        pool.options = options_of(options)
        keywords = _keywords(scene, doc, pool, options)
        if _is_pull(options):
            outcome = await scene.world.attempt(
                lambda: raw.make(pool, keywords, options.get("host_events", 0),
                                 scene.world.manual))
        else:
            outcome = await scene.world.make(pool, keywords)
    wanted = doc.get("new", "OK")
    if outcome.name != wanted:
        fail(f"new: {outcome}, expected {wanted}")
    checked()
    if "new_within_ms" in doc:
        facts.check_bound(doc["new_within_ms"],
                          round(scene.world.now_ms() - begin, 6), "the time of new")
    if not outcome.ok:
        pool.freed = True
        if ";" not in str(outcome.error):
            fail(f"it was refused without a reason: {outcome.error}")
        return
    scene.world.watch(pool)
    for key, bound in doc.get("effective", {}).items():
        facts.check_bound(bound, facts.option(pool.handle, key), key)


async def make(scene):
    doc = scene.doc
    scene.acceptor = _dialer(scene, doc, "acceptor", "accept", True)
    scene.dialer = _dialer(scene, doc, "dial", "dial", False)
    await _make(scene, doc, "main", doc["config"])
    for name, options in doc.get("pools", {}).items():
        await _make(scene, doc, name, options)


# ------------------------------------------------------------------- take down

async def _leases_end(scene):
    for (name, _), var in list(scene.vars.items()):
        if var.out:
            scene.give_back(var)
            outcome = await scene.world.give(var.pool, var.lease, "put")
            if outcome.name == "INVALID_CONN":
                fail(f"the lease {name}, out till the end, is unknown to the pool")
        if var.event is not None:
            steps_pull.end_event(var)


def _all_zero(pool):
    """CLOSE-6: after everything is back and closed nothing is left."""
    values = facts.stats(pool.handle)
    gauges = ("current", "idle", "active", "ipv4", "ipv6", "ipv4_idle", "ipv6_idle",
              "tcp", "udp", "tcp_idle", "udp_idle")
    return all(values[name] == 0 for name in gauges) and \
        values["created"] == values["closed"]


async def _close(scene, pool):
    if pool.freed:
        return
    await scene.world.attempt(pool.pool.close)
    steps_pull.drain(scene, pool)
    if not await scene.world.wait(lambda: _all_zero(pool), END_LIMIT_MS):
        fail(f"pool {pool.name} is closed, all is back, its counters are not zero")
    checked()


def _is_gone(scene, conn):
    if conn.ours:
        return True
    if "close_conn" in scene.hooks or scene.pools["main"].queue is not None:
        return conn.closer_calls == 1
    return not conn.is_open()


async def _conns_gone(scene):
    def all_gone():
        dialers = [one for one in (scene.dialer, scene.acceptor) if one is not None]
        return all(_is_gone(scene, conn) for conn in scene.peers.conns) and \
            not any(one.running for one in dialers)

    if not await scene.world.wait(all_gone, END_LIMIT_MS):
        left = [conn.index for conn in scene.peers.conns
                if not _is_gone(scene, conn)]
        fail(f"not closed after the pool is gone: {left}")
    for conn in scene.peers.conns:
        if conn.ours and conn.closer_calls:
            fail(f"connection {conn.index} was given away and closed all the same")
        if conn.ours and conn.is_open():
            conn.close()
    checked()


async def _free(scene, pool):
    """Lets go of the pool; the object itself has to go, too."""
    if pool.freed:
        await scene.world.forgotten()  # it was kept by who borrowed from it
        return
    scene.world.forget(pool)
    seen = weakref.ref(pool.pool)
    pool.pool = None
    if not await scene.world.wait(lambda: _collected(seen), END_LIMIT_MS):
        fail(f"pool {pool.name} is closed and forgotten, and still there: "
             f"{gc.get_referrers(seen())}")
    checked()


def _collected(seen):
    if seen() is None:
        return True
    gc.collect()
    return seen() is None


async def _resources_gone(scene):
    quiet, end = scene.world.quiet, time.monotonic() + GONE_LIMIT_S
    while True:
        now = quiet.descriptors(), quiet.threads()
        if now == scene.world.resources:
            return
        if time.monotonic() > end:
            fail(f"left behind: {now[0]} descriptors and {now[1]} threads, at the "
                 f"start {scene.world.resources}")
        time.sleep(0.001)
        gc.collect()
        await scene.world.breathe()


async def end(scene):
    with where("end"):
        if scene.guard is not None:
            lib.ncp_guard_fire(scene.guard)
        await _leases_end(scene)
        for pool in scene.pools.values():
            await _close(scene, pool)
        scene.tokens.clear()
        scene.forget()
        for pool in scene.pools.values():
            await _free(scene, pool)
        await _conns_gone(scene)
        for pool in scene.pools.values():
            pool.keep.clear()
            pool.queue = pool.handle = None
            if pool.listener is not None:
                pool.listener.close()
        scene.peers.reset()
        await _resources_gone(scene)
