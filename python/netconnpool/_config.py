"""Configurations from keywords."""
from __future__ import annotations

import difflib
import math
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from netconnpool import errors
from netconnpool._constants import OPTION_TYPES, OPTIONS, Option, Status, Type
from netconnpool._ffi import ffi, lib

if TYPE_CHECKING:
    from netconnpool._ffi import CData

# What the binding decides itself.
RESERVED = frozenset({"driver", "host_events"})


def range_of(option: int, mode: int) -> tuple[int, int, int]:
    """Default, least and greatest value of a numeric option."""
    values = ffi.new("int64_t[3]")
    lib.ncp_option_range(option, mode, values, values + 1, values + 2)
    return values[0], values[1], values[2]


def milliseconds(seconds: float) -> int:
    """A duration for the library; never 0 for one that is not."""
    if not math.isfinite(seconds):
        if math.isnan(seconds):
            raise ValueError("a duration is not a number")
        return -1
    return math.ceil(seconds * 1000 - 1e-6) or (1 if seconds > 0 else 0)


def _none(name: str) -> int:
    """What None means: no limit, never, off."""
    least = range_of(OPTIONS[name], 0)[1]
    if least > 0:
        raise TypeError(f"{name} cannot be None: it has no value for that")
    return least


def _whole(name: str, value: object) -> int:
    index = getattr(value, "__index__", None)
    if index is None:
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    return int(index())


def number(name: str, value: object) -> int | None:
    """The value of an option as the library takes it; None when it is text."""
    if value is None:
        return _none(name)
    if isinstance(value, str) or OPTION_TYPES[name] == Type.TEXT:
        return None
    if OPTION_TYPES[name] != Type.DURATION:
        return _whole(name, value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return milliseconds(value)
    raise TypeError(f"{name} must be seconds, not {value!r}")


def in_python(name: str, value: int) -> float | int | bool | str:
    """The value of a numeric option as Python says it."""
    kind = OPTION_TYPES[name]
    if kind == Type.DURATION:
        return value / 1000
    return bool(value) if kind == Type.BOOL else value


def unknown(name: str, known: Iterable[str]) -> TypeError:
    """What is said to a keyword that does not exist."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return TypeError(f"unknown keyword {name!r}{hint}")


def _set(config: CData, name: str, value: object) -> None:
    if name in RESERVED:
        raise TypeError(f"{name!r} is not for you to set: the class decides it")
    found = number(name, value)
    if found is not None:
        status = lib.ncp_config_set_int(config, OPTIONS[name], found)
    elif isinstance(value, (str, os.PathLike)):
        status = lib.ncp_config_set(config, name.encode(), os.fsencode(value))
    else:
        raise TypeError(f"{name} must be text, not {value!r}")
    if status != Status.OK:
        raise refused(config, status)


def refused(config: CData, status: int) -> errors.PoolError:
    """Why the library did not take a configuration."""
    reason = ffi.string(lib.ncp_config_reason(config)).decode(errors="replace")
    return errors.of(status, reason)


def make(
    options: Mapping[str, object],
    *,
    mode: int,
    driver: int,
    known: Iterable[str] = (),
) -> CData:
    """A configuration with these options and no callbacks.

    ``known`` are further keywords, to name the nearest of all to who mistyped
    one.
    """
    out = ffi.new("ncp_config **")
    status = lib.ncp_config_new(mode, out)
    if status != Status.OK:
        raise errors.of(status, f"{mode!r} is no mode: say client or server")
    config = ffi.gc(out[0], lib.ncp_config_free)
    for name, value in options.items():
        if name not in OPTIONS:
            raise unknown(name, [*OPTIONS, *known])
        _set(config, name, value)
    lib.ncp_config_set_int(config, Option.DRIVER, driver)
    return config
