"""SWIG takes the header as it is."""
import os
import pathlib
import sysconfig

import ncpheader

PYTHON = """
import sys
sys.path.insert(0, sys.argv[1])
import ncp_probe as ncp
for kind, name in (line.split() for line in open(sys.argv[2])):
    if kind == "const":
        print(kind, name, getattr(ncp, name))
    else:
        assert callable(getattr(ncp, name)), name
"""
PYTHON_END = """
print("call ncp_version", ncp.ncp_version())
print("call ncp_status_text", ncp.ncp_status_text(ncp.NCP_ETIMEOUT))
"""
LUA = """
package.cpath = arg[1] .. "/?.so"
local ncp = require("ncp_probe")
for line in io.lines(arg[2]) do
    local kind, name = line:match("^(%S+) (%S+)$")
    if kind == "const" then
        print(kind .. " " .. name .. " " .. string.format("%d", ncp[name]))
    else
        assert(type(ncp[name]) == "function", name)
    end
end
print("call ncp_version " .. string.format("%d", ncp.ncp_version()))
print("call ncp_status_text " .. ncp.ncp_status_text(ncp.NCP_ETIMEOUT))
"""


def generate(run, need, folder, cc, library, language, flags):
    interface = pathlib.Path(__file__).with_name("probe.i")
    output = folder / "probe_wrap.c"
    run(need("swig"), f"-{language}", f"-I{ncpheader.INCLUDE}", "-Werror",
        "-outdir", folder, "-o", output, interface)
    name = "_ncp_probe.so" if language == "python" else "ncp_probe.so"
    run(cc, "-shared", "-fPIC", "-w", f"-I{ncpheader.INCLUDE}", *flags, "-o",
        folder / name, output, library, f"-Wl,-rpath,{library.parent}")


def questions(folder, facts):
    lines = [" ".join(fact.split()[:2]) for fact in facts
             if fact.startswith("const ")]
    lines += [f"function {name}" for name in ncpheader.names()]
    path = folder / "questions"
    path.write_text("\n".join(lines) + "\n")
    return path


def expected(facts):
    return [fact for fact in facts if fact.split()[0] in ("const", "call")]


def test_swig_wraps_for_lua(run, need, tmp_path, cc, library, facts):
    lua = need("lua5.4")
    flags = run(need("pkg-config"), "--cflags", "lua5.4").split()
    generate(run, need, tmp_path, cc, library, "lua", flags)
    script = tmp_path / "probe.lua"
    script.write_text(LUA)
    printed = run(lua, script, tmp_path, questions(tmp_path, facts))
    assert printed.splitlines() == expected(facts)


def test_swig_wraps_for_python(run, need, tmp_path, cc, library, facts):
    generate(run, need, tmp_path, cc, library, "python",
             [f"-I{sysconfig.get_paths()['include']}"])
    script = tmp_path / "probe.py"
    script.write_text(PYTHON + PYTHON_END)
    printed = run(os.environ["NCP_PYTHON"], script, tmp_path,
                  questions(tmp_path, facts))
    assert printed.splitlines() == expected(facts)
