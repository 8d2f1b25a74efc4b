"""How the functions of a user are called."""
from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def _wants(function: Callable[..., Any], position: int, name: str) -> str:
    """Whether a function wants an argument more than `position` of them: "" for
    no, "keyword" when it has a parameter of that name, "position" when it cannot
    be called without. One that has a default means something else."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some built-in functions do not say
        return ""
    if any(
        each.name == name and each.kind is not each.POSITIONAL_ONLY
        for each in parameters
    ):
        return "keyword"
    required = [
        each
        for each in parameters
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        and each.default is each.empty
    ]
    return "position" if len(required) > position else ""


def last_if_wanted(
    function: Callable[..., Any], arguments: int, name: str
) -> Callable[..., Any]:
    """The function as one of `arguments` + 1 arguments, of which it gets the
    last one only if it wants it."""
    wanted = _wants(function, arguments, name)
    if wanted == "position":
        return function
    if wanted == "keyword":
        return lambda *given: function(*given[:-1], **{name: given[-1]})
    return lambda *given: function(*given[:-1])
