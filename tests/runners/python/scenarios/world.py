"""What threads and tasks have in common: how calls of the package are judged."""
import asyncio
import gc

from netconnpool import errors
from netconnpool._ffi import ffi, lib

from . import facts, pools, words

# Facts of a lease as its properties say them.
PROPERTIES = {
    "id": lambda lease: lease.id,
    "protocol": lambda lease: int(lease.protocol),
    "ip": lambda lease: int(lease.ip),
    "age_ms": lambda lease: lease.age * 1000,
    "reuse": lambda lease: lease.reuse_count,
    "healthy": lambda lease: int(lease.healthy),
    "leak_detected": lambda lease: int(lease.leak_detected),
    "borrowed_ms": lambda lease: lease.borrowed * 1000,
    "tag": lambda lease: lease.tag,
    "created_at_ms": lambda lease: lease.created_at * 1000,
    "last_used_at_ms": lambda lease: lease.last_used_at * 1000,
    "last_check_at_ms": lambda lease: lease.last_check_at * 1000,
}


class Outcome:
    """How a call ended: the name of its result, its value or its exception."""

    def __init__(self, name, value=None, error=None):
        self.name = name
        self.value = value
        self.error = error

    @property
    def ok(self):
        return self.name == "OK"

    def __str__(self):
        return self.name if self.error is None else f"{self.name} ({self.error})"


class World:
    """A kind of host. Subclasses say how it waits."""

    errors = errors

    def __init__(self, quiet, resources):
        self.quiet = quiet
        self.resources = resources  # descriptors and threads before a case

    async def settle(self):
        """What the last step began comes to rest; time stands still meanwhile."""
        if self.is_virtual:
            looks = iter((False, True))
            await self.wait(lambda: next(looks), 0)

    async def forgotten(self):
        """Lets go what nobody has any more."""
        await self.breathe()
        gc.collect()
        await self.breathe()

    # ------------------------------------------------------------------ outcomes

    def outcome_of(self, status):
        """Of a call of the library itself."""
        return Outcome(words.result_name(status))

    def outcome_from(self, error):
        """Of a call that raised."""
        if isinstance(error, errors.PoolError):
            return Outcome(words.result_name(int(error.status)), error=error)
        if isinstance(error, asyncio.CancelledError):
            return Outcome("CANCELED", error=error)
        raise error

    def may_lack_cause(self, scene):
        """A dial that took too long was given up by the library, not by the
        dialer."""
        text = ffi.new("char[]", 256)
        lib.ncp_pool_dial_error(scene.pools["main"].handle, ffi.NULL, ffi.NULL,
                                ffi.NULL, text, 256)
        said = ffi.string(text).decode()
        return "connection_timeout" in said or "not made within" in said

    # -------------------------------------------------------------------- leases

    def lease_number(self, lease):
        return lease if isinstance(lease, int) else lease.lease

    def lease_id(self, lease):
        return lease.id

    def lease_fact(self, var, what):
        if what in PROPERTIES and not isinstance(var.lease, int):
            return round(PROPERTIES[what](var.lease), 6)
        return facts.lease_info(var.pool, self.lease_number(var.lease), what)

    def option_in_python(self, name, value):
        return pools.in_python(name, value)

    def change_options(self, options, changes):
        options.update(pools.options_of(changes))

    def hint(self, request):
        """What a dialer is told, in the units of the scenarios."""
        def ms(seconds):
            return float("inf") if seconds is None else round(seconds * 1000, 6)
        return {"protocol": int(request.protocol), "ip": int(request.ip),
                "deadline_ms": ms(request.deadline), "attempt": request.attempt,
                "timeout_ms": ms(request.timeout)}
