"""Steps that borrow, give back and steer."""
from . import facts, words
from .steps import (as_expected, check_within, expanded, expect, expected_of,
                    operation, pool_of)
from .verdict import checked, fail

VIAS = {"any": (0, 0), "try": (0, 0), "tcp": (words.PROTOCOLS["TCP"], 0),
        "udp": (words.PROTOCOLS["UDP"], 0), "ipv4": (0, words.IPS["IPv4"]),
        "ipv6": (0, words.IPS["IPv6"])}

GET_KEYS = ("pool as n via want_protocol want_ip timeout_ms tag cancel cancelled "
            "cancel_after_ms expect within_ms same_as differs_from reuse protocol ip")
GIVE_KEYS = "pool conn lease expect within_ms if_got"


# ------------------------------------------------------------------------- get

class Request:
    """What a step wants of a get."""

    def __init__(self, scene, step):
        self.pool = pool_of(scene, step)
        self.via = step.get("via", "any")
        if self.via not in VIAS:
            fail(f"there is no way to get via {self.via}")
        self.protocol, self.ip = VIAS[self.via]
        self.plain = True  # what the short method of this way can say
        if "want_protocol" in step:
            self.protocol = words.number(words.PROTOCOLS, step["want_protocol"])
            self.plain = False
        if "want_ip" in step:
            self.ip = words.number(words.IPS, step["want_ip"])
            self.plain = False
        self.timeout_ms = step.get("timeout_ms")
        self.tag = step.get("tag")
        self.plain = self.plain and self.tag is None
        self.cancel = step.get("cancel")
        self.cancelled = step.get("cancelled", False)
        self.cancel_after_ms = step.get("cancel_after_ms")

    @property
    def timeout(self):
        """In seconds, as Python has it; None for the configured one."""
        return None if self.timeout_ms is None else self.timeout_ms / 1000

    def limit_ms(self):
        """When it has ended at the latest, below 0 never."""
        if self.via == "try":
            return 0
        if self.timeout_ms is not None:
            return self.timeout_ms
        return facts.option(self.pool.handle, "get_timeout")


def _check_got(scene, step, var, task):
    for key, same in (("same_as", True), ("differs_from", False)):
        if key in step:
            other = scene.var(expanded(step[key], task), task)
            checked()
            if (other.conn_id == var.conn_id) is not same:
                fail(f"the connection is {'another one than' if same else 'the same as'}"
                     f" {step[key]}")
    wanted = {}
    if "reuse" in step:
        wanted["reuse"] = step["reuse"]
    if "protocol" in step:
        wanted["protocol"] = words.number(words.PROTOCOLS, step["protocol"])
    if "ip" in step:
        wanted["ip"] = words.number(words.IPS, step["ip"])
    for what, value in wanted.items():
        checked()
        found = scene.world.lease_fact(var, what)
        if found != value:
            fail(f"{what} of the connection is {found}, expected {value}")


async def _get_into(scene, step, task, name):
    request = Request(scene, step)
    begin = scene.world.now_ms()
    outcome = await scene.world.get(request, task)
    scene.count("get:" + as_expected(outcome.name, step))
    var = None
    if outcome.ok:
        var = scene.new_var(name, task, request.pool)
        lease = outcome.value
        scene.lend(var, lease, scene.peers.of(lease.raw),
                   scene.world.lease_id(lease))
        _known_to_the_pool(scene, var)
    expect(scene, step, outcome, "get")
    check_within(scene, step, begin)
    if var is not None:
        _check_got(scene, step, var, task)


def _known_to_the_pool(scene, var):
    if facts.lease_info(var.pool, scene.world.lease_number(var.lease),
                        "id") != var.conn_id:
        fail("the binding and the library do not mean the same connection")


@operation("get", GET_KEYS)
async def op_get(scene, step, task):
    await _get_into(scene, step, task, expanded(step.get("as", "(dropped)"), task))


@operation("get_many", GET_KEYS)
async def op_get_many(scene, step, task):
    for index in range(step.get("n", 1)):
        await _get_into(scene, step, task, f"{step.get('as', '(dropped)')}.{index}")


# ------------------------------------------------------------------- give back

async def _give_one(scene, step, var, how, is_back):
    pool = pool_of(scene, step) if "pool" in step else var.pool
    begin = scene.world.now_ms()
    if is_back and pool is var.pool:
        scene.give_back(var)
    outcome = await scene.world.give(pool, var.lease, how)
    if pool.freed:
        var.lease = None  # the last who knows of the pool
        await scene.world.forgotten()
    expect(scene, step, outcome, step["op"])
    check_within(scene, step, begin)
    return outcome


async def _give(scene, step, task, how, is_back=True):
    name = step.get("conn")
    if not isinstance(name, str):
        expect(scene, step,
               await scene.world.give_number(pool_of(scene, step),
                                             step.get("lease"), how), how)
        return
    members = scene.group(expanded(name, task), task)
    if not members and not step.get("if_got"):
        fail(f"nothing is called {name} here")
    for var in members:
        outcome = await _give_one(scene, step, var, how, is_back)
        if how == "detach" and outcome.ok:
            var.conn.ours = True


@operation("put", GIVE_KEYS)
async def op_put(scene, step, task):
    await _give(scene, step, task, "put")


@operation("discard", GIVE_KEYS)
async def op_discard(scene, step, task):
    await _give(scene, step, task, "discard")


@operation("conn_close", GIVE_KEYS)
async def op_conn_close(scene, step, task):
    await _give(scene, step, task, "close")


@operation("detach", GIVE_KEYS)
async def op_detach(scene, step, task):
    await _give(scene, step, task, "detach")


# ----------------------------------------------------------------------- steer

async def _steer(scene, step, call, limit_ms=-1):
    begin = scene.world.now_ms()
    outcome = await scene.world.attempt(call, limit_ms)
    expect(scene, step, outcome, step["op"])
    check_within(scene, step, begin)


def _steers(name):
    @operation(name, "pool expect within_ms")
    async def op(scene, step, task):
        await _steer(scene, step, getattr(pool_of(scene, step).pool, name))
    return op


def _steers_for(name):
    @operation(name, "pool timeout_ms expect within_ms")
    async def op(scene, step, task):
        method = getattr(pool_of(scene, step).pool, name)
        ms = step.get("timeout_ms", -1)
        await _steer(scene, step, lambda: method(timeout=ms / 1000), ms)
    return op


for _name in ("close", "close_now", "flush", "suspend", "resume"):
    _steers(_name)
for _name in ("close_wait", "drain", "prewarm_wait"):
    _steers_for(_name)


@operation("resize", "pool max expect within_ms")
async def op_resize(scene, step, task):
    pool = pool_of(scene, step)
    pool.resized = True
    await _steer(scene, step, lambda: pool.pool.resize(step.get("max", 0)))


@operation("set", "pool option value expect")
async def op_set(scene, step, task):
    pool = pool_of(scene, step)
    value = scene.world.option_in_python(step["option"], step["value"])
    await _steer(scene, step, lambda: pool.pool.set(step["option"], value))


@operation("free", "pool within_ms")
async def op_free(scene, step, task):
    """Nobody has the pool any more, but for who borrowed from it."""
    pool = pool_of(scene, step)
    begin = scene.world.now_ms()
    scene.world.forget(pool)
    pool.freed = True
    pool.pool = None
    await scene.world.forgotten()
    check_within(scene, step, begin)


@operation("cancel", "token expect")
async def op_cancel(scene, step, task):
    scene.world.token(scene, step.get("token", "?")).fire()
    expected_of(step)
