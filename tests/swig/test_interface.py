"""The interface against the model of the header: nothing is missing, and every
int goes out as what it says."""
import json
import os
import pathlib
import re

import pytest

import test_lua
import test_ruby

ROOT = pathlib.Path(os.environ["NCP_SOURCE_DIR"])
SWIG = ROOT / "bindings/swig"

LUA = """
local core = require("ncp_core")
for name, value in pairs(core) do
    if name:find("^NCP_") then
        print("constant", name, string.format("%d", value))
    elseif name:find("^ncp_") then
        print("function", name, 0)
    end
end
"""
RUBY = """
require "ncp"
Ncp.constants.grep(/^NCP_/).each { |n| puts "constant #{n} #{Ncp.const_get(n)}" }
Ncp.singleton_methods.grep(/^ncp_/).each { |n| puts "function #{n} 0" }
"""
# Made by hand; there is a better way, or no sense in these languages.
OBJECTS = {"ncp_guard_ref", "ncp_manual_clock"}
HIDDEN = {"lua": OBJECTS,
          "ruby": OBJECTS | {"ncp_cancel_new", "ncp_cancel_fire",
                             "ncp_cancel_free"}}


@pytest.fixture(scope="module")
def api():
    return json.loads((ROOT / "bindings/api.json").read_text())


@pytest.fixture(scope="module", params=["lua", "ruby"])
def module(request, run, need, tmp_path_factory):
    """What a module has: language, constants, functions."""
    script = tmp_path_factory.mktemp("names") / "names"
    if request.param == "lua":
        script.write_text(LUA)
        printed = run(need("lua5.4"), script, env=test_lua.environment())
    else:
        script.write_text(RUBY)
        printed = run(need("ruby"), "-I", test_ruby.MODULE, script)
    constants, functions = {}, set()
    for line in printed.splitlines():
        kind, name, value = line.split()
        if kind == "constant":
            constants[name] = int(value)
        else:
            functions.add(name)
    return request.param, constants, functions


def test_constants_are_those_of_the_header(module, api):
    _, constants, _ = module
    wanted = {item["name"]: item["value"] for item in api["macros"]}
    for enum in api["enums"]:
        wanted |= {item["name"]: item["value"] for item in enum["values"]}
    assert constants == wanted


def test_every_function_without_a_callback_is_there(module):
    language, _, functions = module
    text = (SWIG / "netconnpool_api.i").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    declared = set(re.findall(r"\b(ncp_\w+)\(", text))
    assert len(declared) > 90
    assert declared - functions == HIDDEN[language]


def gives(api, what):
    hidden = HIDDEN["ruby"] & HIDDEN["lua"]
    text = (SWIG / "netconnpool_api.i").read_text()
    return {item["name"] for item in api["functions"]
            if item["returns"]["type"] == "int"
            and item["returns"]["gives"] == what
            and item["name"] not in hidden
            and re.search(rf"\bint {item['name']}\(", text)}


def test_every_value_goes_out_as_a_value(api):
    text = (SWIG / "ncp_core.i").read_text()
    for name in gives(api, "value") | gives(api, "value or error"):
        assert re.search(rf"\bint {name}\b|%ncp_text\({name},", text), \
            f"{name} gives a value: it needs a typemap of its own in ncp_core.i"


def test_no_status_goes_out_as_a_value(api):
    text = (SWIG / "ncp_core.i").read_text()
    applied = re.findall(r"%apply int (?:VALUE_OR_ERROR|YES_OR_NO) \{(.*?)\}",
                         text, flags=re.S)
    assert len(applied) == 2
    named = set(re.findall(r"ncp_\w+", " ".join(applied)))
    assert not named & gives(api, "status")


def test_the_interface_says_whose_it_is(api):
    """Every class of the interface is an object of the header, or the clock."""
    text = (SWIG / "ncp_core.i").read_text()
    classes = set(re.findall(r"^%ncp_object\((\w+)\)$", text, flags=re.M))
    objects = {item["name"].removeprefix("ncp_") for item in api["objects"]}
    assert classes == objects - {"dial", "conn", "event"} | {"clock"}
