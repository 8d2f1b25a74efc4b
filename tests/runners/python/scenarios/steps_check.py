"""Steps that look: at counters, texts, errors."""
import os
import time

from netconnpool._ffi import ffi, lib

from . import facts, words
from .steps import expect, operation, pool_of
from .verdict import checked, fail


@operation("check", "stats dials that")
async def op_check(scene, step, task):
    facts.check(scene, step, task)


@operation("wait_until", "stats dials that limit_ms")
async def op_wait_until(scene, step, task):
    limit = step.get("limit_ms", 1000)
    held = await scene.world.wait(
        lambda: facts.why_not(scene, step, task) is None, limit)
    if not held:
        fail(f"not within {limit} ms: {facts.why_not(scene, step, task)}")


@operation("describe", "pool contains omits")
async def op_describe(scene, step, task):
    text = await scene.world.do(pool_of(scene, step).pool.describe)
    for part in step.get("contains", []):
        checked()
        if part not in text:
            fail(f"{part!r} is missing in: {text}")
    for part in step.get("omits", []):
        checked()
        if part in text:
            fail(f"{part!r} is found in: {text}")


@operation("dial_error", "pool expect code age_ms count text")
async def op_dial_error(scene, step, task):
    error = await scene.world.do(pool_of(scene, step).pool.dial_error)
    name = "NOT_FOUND" if error is None else "OK"
    expect(scene, step, scene.world.outcome_of(words.status_of(name)), "dial_error")
    if error is None:
        return
    for key, value in (("code", error.code), ("count", error.count),
                       ("age_ms", round(error.age * 1000, 6))):
        if key in step:
            facts.check_bound(step[key], value, f"the {key} of the dial error")
    if "text" in step and error.text != step["text"]:
        fail(f"the text of the dial error is {error.text!r}")


@operation("log", "contains")
async def op_log(scene, step, task):
    with scene.lock:
        lines = list(scene.logs)
    for part in step["contains"]:
        checked()
        if not any(part in line for line in lines):
            fail(f"no line of the log says {part}")


@operation("time_stats", "pool n best_ns")
async def op_time_stats(scene, step, task):
    """Reading the statistics is cheap; the bound is far above what it takes."""
    handle = pool_of(scene, step).handle
    values = ffi.new("uint64_t[]", len(words.counters()))
    best = float("inf")
    for _ in range(step["n"]):
        begin = time.monotonic_ns()
        lib.ncp_pool_stats(handle, values, len(values))
        best = min(best, time.monotonic_ns() - begin)
    scale = float(os.environ.get("NCP_SPEC_SCALE", "1"))  # sanitizers are slow
    facts.check_bound(step["best_ns"], best / scale, "ns a snapshot")


@operation("wall_clock", "seconds")
async def op_wall_clock(scene, step, task):
    before = time.time()
    scene.world.quiet.wall_clock_jump(step["seconds"])
    if abs(time.time() - before - step["seconds"]) > 1000:
        fail("the wall clock did not jump")


# Every function that takes a pointer answers NULL, and none crashes on values that
# nobody ever gave out.

NEVER = (0, 1, 12345, 1 << 52, (1 << 53) - 1, (1 << 64) - 1)


def _is(what, status, wanted):
    checked()
    if status != wanted:
        fail(f"{what}: {words.result_name(status)}, "
             f"expected {words.result_name(wanted)}")


def _misuse_leases(pool):
    out = ffi.new("uint64_t *")
    for lease in NEVER:
        for status in (lib.ncp_pool_put(pool, lease),
                       lib.ncp_pool_discard(pool, lease),
                       lib.ncp_pool_detach(pool, lease, out),
                       lib.ncp_lease_close(pool, lease),
                       lib.ncp_lease_handle(pool, lease, out),
                       lib.ncp_lease_info(pool, lease, lib.NCP_INFO_ID, out),
                       lib.ncp_lease_fd(pool, lease),
                       lib.ncp_lease_set_healthy(pool, lease, 0)):
            _is(f"a use of the lease {lease}", status, lib.NCP_EINVALIDCONN)


def _misuse_null():
    null = ffi.NULL
    lease = ffi.new("ncp_lease *")
    for what, status, wanted in (
            ("get", lib.ncp_pool_get(null, lease), lib.NCP_EINVAL),
            ("close", lib.ncp_pool_close(null), lib.NCP_EINVAL),
            ("is_closed", lib.ncp_pool_is_closed(null), lib.NCP_EINVAL),
            ("stats", lib.ncp_pool_stats(null, null, 0), lib.NCP_EINVAL),
            ("wake", lib.ncp_pool_wake(null), lib.NCP_EINVAL),
            ("new", lib.ncp_pool_new(null, ffi.new("ncp_pool **")),
             lib.NCP_EINVALIDCONFIG),
            ("queue_fd", lib.ncp_queue_fd(null), lib.NCP_EINVAL),
            ("a negative fd", lib.ncp_fd_alive(-1), lib.NCP_EINVAL)):
        _is(f"{what} of nothing", status, wanted)
    lib.ncp_pool_free(null)
    lib.ncp_config_free(null)
    lib.ncp_queue_free(null)
    lib.ncp_cancel_free(null)
    lib.ncp_guard_fire(null)


@operation("misuse", "pool")
async def op_misuse(scene, step, task):
    pool = pool_of(scene, step)
    _misuse_leases(pool.handle)
    _misuse_null()
    for nonsense in (None, 7, "x", object()):
        outcome = await scene.world.give_anything(pool, nonsense)
        checked()
        if outcome.ok:
            fail(f"a put of {nonsense!r} succeeded")
