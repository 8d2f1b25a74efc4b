"""The table of the options, as the library has it."""
from __future__ import annotations

import dataclasses

from netconnpool import _config
from netconnpool._constants import OPTION_TYPES, OPTIONS, Mode, Type
from netconnpool._ffi import ffi, lib


@dataclasses.dataclass(frozen=True)
class OptionInfo:
    """One option. Durations are in seconds; ``default``, ``least`` and ``most``
    are None for one that is text."""

    name: str
    help: str
    #: Such as "s" or "connections"; "" for none.
    unit: str
    default: float | int | bool | str | None
    #: The default of a server pool, where it differs.
    server_default: float | int | bool | str | None
    least: float | int | bool | str | None
    most: float | int | bool | str | None
    #: Whether :meth:`Pool.set` may change it in a living pool.
    changeable: bool


def _row(name: str, option: int) -> OptionInfo:
    unit = ffi.string(lib.ncp_option_unit(option)).decode()
    client = server = least = most = None
    if OPTION_TYPES[name] != Type.TEXT:
        client, least, most = (
            _config.in_python(name, value)
            for value in _config.range_of(option, Mode.CLIENT)
        )
        default = _config.range_of(option, Mode.SERVER)[0]
        server = _config.in_python(name, default)
    return OptionInfo(
        name,
        ffi.string(lib.ncp_option_help(option)).decode(),
        "s" if unit == "ms" else unit,
        client,
        server,
        least,
        most,
        lib.ncp_option_runtime(option) == 1,
    )


def options() -> list[OptionInfo]:
    """Every option that is a keyword of a pool, with its default and range."""
    return [
        _row(name, option)
        for name, option in OPTIONS.items()
        if name not in _config.RESERVED
    ]
