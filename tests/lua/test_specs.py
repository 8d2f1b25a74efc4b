"""The specifications in spec/, by busted under LuaJIT."""
import os
import pathlib

import pytest

SPECS = sorted((pathlib.Path(__file__).parent / "spec").glob("*_spec.lua"))


def test_there_are_specifications():
    assert len(SPECS) >= 6


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_specification(run, need, source, library, spec):
    luajit, busted = need("luajit"), need("busted")
    environment = {
        **os.environ,
        "NETCONNPOOL_LIBRARY": str(library),
        "LUA_PATH": f"{source}/lua/lib/?.lua;{spec.parent}/?.lua;;",
    }
    said = run(luajit, busted, "--ignore-lua", "--output=TAP", spec,
               env=environment, timeout=120)
    lines = said.splitlines()
    assert any(line.startswith("ok ") for line in lines), said
    assert not any(line.startswith("not ok") for line in lines), said
