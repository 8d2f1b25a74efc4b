"""luacheck over everything that is written in Lua here."""
import re

FOLDERS = ("lua", "tests/lua", "tests/runners/lua", "tests/bench/lua")


def test_luacheck_finds_nothing(run, need, source):
    run(need("luacheck"), "--config", source / "lua/.luacheckrc", "--no-color",
        "--quiet", *FOLDERS, cwd=source)


def test_every_module_says_its_licence(source):
    silent = [str(path.relative_to(source))
              for path in sorted((source / "lua/lib").rglob("*.lua"))
              if "SPDX-License-Identifier: BSD-3-Clause" not in path.read_text()
              and not path.read_text().startswith("-- Written by bindings/gen")]
    assert silent == []


def test_the_rock_and_opm_know_the_licence_and_version(source):
    assert 'license = "BSD-3-Clause"' in (
        source / "lua/netconnpool-scm-1.rockspec").read_text()
    assert "license = 3bsd" in (source / "lua/dist.ini").read_text()
    header = (source / "core/include/netconnpool.h").read_text()
    version = ".".join(re.search(rf"#define NCP_VERSION_{part} (\d+)", header)[1]
                       for part in ("MAJOR", "MINOR", "PATCH"))
    text = (source / "lua/lib/netconnpool.lua").read_text()
    assert f'_VERSION = "{version}"' in text
    assert "main_module = lib/netconnpool.lua\n" in (
        source / "lua/dist.ini").read_text()
