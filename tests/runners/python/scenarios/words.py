"""The words of the vocabulary."""
import functools

from netconnpool._ffi import ffi, lib

from .verdict import fail

RESULTS = {
    "OK": lib.NCP_OK,
    "POOL_CLOSED": lib.NCP_ECLOSED,
    "CONN_CLOSED": lib.NCP_ECONNCLOSED,
    "TIMEOUT": lib.NCP_ETIMEOUT,
    "MAX_CONN": lib.NCP_EMAXCONN,
    "INVALID_CONN": lib.NCP_EINVALIDCONN,
    "UNHEALTHY": lib.NCP_EUNHEALTHY,
    "INVALID_CONFIG": lib.NCP_EINVALIDCONFIG,
    "LEAKED": lib.NCP_ELEAKED,
    "EXHAUSTED": lib.NCP_EEXHAUSTED,
    "UNSUPPORTED_IP": lib.NCP_EUNSUPPORTEDIP,
    "NO_IP": lib.NCP_ENOIP,
    "UNSUPPORTED_PROTO": lib.NCP_EUNSUPPORTEDPROTO,
    "NO_PROTO": lib.NCP_ENOPROTO,
    "DIAL": lib.NCP_EDIAL,
    "HOOK": lib.NCP_EHOOK,
    "CLOSE_HOOK": lib.NCP_ECLOSEHOOK,
    "CANCELED": lib.NCP_ECANCELED,
    "NOMEM": lib.NCP_ENOMEM,
    "SYS": lib.NCP_ESYS,
    "USER": lib.NCP_EUSER,
    "INVALID_ARG": lib.NCP_EINVAL,
    "WAITERS": lib.NCP_EWAITERS,
    "BREAKER": lib.NCP_EBREAKER,
    "STATE": lib.NCP_ESTATE,
    "NOT_FOUND": lib.NCP_ENOTFOUND,
    "AGAIN": lib.NCP_EAGAIN,
}
RESULT_NAMES = {status: name for name, status in RESULTS.items()}

# A callback in Python can only throw: these three are the same.
THROWN = frozenset({"DIAL", "HOOK", "USER"})

EVENTS = {name: getattr(lib, f"NCP_EVENT_{name}") for name in (
    "NONE", "CONN", "DIAL", "CHECK", "CLOSE", "PENDING", "READY", "KICK",
    "BORROW", "LEAK", "LOG", "DUE")}
EVENT_NAMES = {number: name for name, number in EVENTS.items()}

PROTOCOLS = {"UNKNOWN": lib.NCP_PROTOCOL_UNKNOWN, "TCP": lib.NCP_PROTOCOL_TCP,
             "UDP": lib.NCP_PROTOCOL_UDP}
IPS = {"UNKNOWN": lib.NCP_IP_UNKNOWN, "IPv4": lib.NCP_IP_V4, "IPv6": lib.NCP_IP_V6}
CONSTANTS = {**PROTOCOLS, **IPS}

KINDS = ("tcp4", "tcp6", "udp4", "udp6", "unix", "pipe")
NO_KINDS = ("fail", "nil")  # in a sequence: what a dial becomes instead


def result_name(status):
    return RESULT_NAMES.get(status, f"status {status}")


def status_of(name):
    if name not in RESULTS:
        fail(f"no such result: {name}")
    return RESULTS[name]


def number(words, value):
    """A protocol or an IP version, by name or by number."""
    if isinstance(value, int):
        return value
    if value not in words:
        fail(f"no such protocol or IP version: {value}")
    return words[value]


@functools.lru_cache(maxsize=None)
def counters():
    """The names of the counters of the library, in their order."""
    found, name = [], ffi.new("const char **")
    while lib.ncp_counter_at(len(found), ffi.NULL, name, ffi.NULL,
                             ffi.NULL) == lib.NCP_OK:
        found.append(ffi.string(name[0]).decode())
    return found


def option_number(name):
    out = ffi.new("int *")
    if lib.ncp_option_find(str(name).encode(), out) != lib.NCP_OK:
        fail(f"the library has no option {name}")
    return out[0]


def keys_only(thing, keys, what):
    """Fails on a key that is not in `keys` (separated by spaces)."""
    if not isinstance(thing, dict):
        fail(f"{what} is no object")
    for key in thing:
        if key not in keys.split():
            fail(f"{what}: this runner does not know the key {key}")
