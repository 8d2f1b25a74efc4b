"""What is written down in Python is what the loaded library says."""
import dataclasses
import re
import subprocess
import sys

import ncpheader
import pytest

import netconnpool
from netconnpool import Stats, _constants, errors
from netconnpool._ffi import ffi, lib
from netconnpool._tables import Options


def test_every_constant_is_the_librarys():
    """The compiler of the module read the header; CONSTANTS was generated."""
    assert set(_constants.CONSTANTS) >= set(ncpheader.constants())
    for name, value in _constants.CONSTANTS.items():
        assert getattr(lib, name) == value, name


def test_every_function_of_the_header_is_in_the_module():
    for name in ncpheader.names():
        assert hasattr(lib, name), name


def test_the_header_and_the_library_are_of_one_version():
    assert netconnpool.__version__ == ffi.string(lib.ncp_version_text()).decode()
    major, minor, patch = map(int, netconnpool.__version__.split("."))
    assert lib.ncp_version() == major * 1_000_000 + minor * 1000 + patch
    assert (major, minor, patch) == (
        _constants.VERSION_MAJOR, _constants.VERSION_MINOR, _constants.VERSION_PATCH)


def test_the_tables_of_options_and_counters_are_fresh(source):
    done = subprocess.run(
        [sys.executable, source / "python" / "tools" / "tables.py", "--check"],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def counters():
    name, unit = ffi.new("const char **"), ffi.new("const char **")
    index = 0
    while lib.ncp_counter_at(index, ffi.NULL, name, unit, ffi.NULL) == 0:
        yield ffi.string(name[0]).decode(), ffi.string(unit[0]).decode()
        index += 1


def test_every_counter_is_a_field():
    names = [name for name, _ in counters()]
    assert [field.name for field in dataclasses.fields(Stats)] == names
    assert len(names) == lib.NCP_COUNTER_COUNT


def test_units_are_converted():
    factors = {"ns": 1e9, "millionths": 1e6, "": 1}
    stats = Stats.of([5_000_000] * lib.NCP_COUNTER_COUNT)
    for name, unit in counters():
        assert getattr(stats, name) == 5_000_000 / factors[unit], name


def test_every_option_is_a_key():
    assert set(Options.__annotations__) == (
        set(_constants.OPTIONS) - {"driver", "host_events"})


def statuses():
    out, index = ffi.new("int *"), 0
    while lib.ncp_status_at(index, out) == 0:
        yield out[0]
        index += 1


@pytest.mark.parametrize("status", [one for one in statuses() if one])
def test_every_status_is_an_exception_with_the_librarys_text(status):
    cause = ValueError("why")
    error = errors.of(status, "and where", cause)
    text = ffi.string(lib.ncp_status_text(status)).decode()
    assert isinstance(error, netconnpool.PoolError)
    assert error.status == status
    assert error.__cause__ is cause
    assert str(error) == f"{text} (ValueError: why); and where"
    assert str(errors.of(status)) == text


@pytest.mark.parametrize(("kind", "builtin"), [
    (netconnpool.PoolTimeout, TimeoutError),
    (netconnpool.ConnectFailed, ConnectionError),
    (netconnpool.InvalidConfig, ValueError),
    (netconnpool.InvalidArgument, ValueError),
    (netconnpool.NotFound, LookupError),
    (netconnpool.OutOfMemory, MemoryError)])
def test_exceptions_are_those_of_python_too(kind, builtin):
    assert issubclass(kind, netconnpool.PoolError)
    assert issubclass(kind, builtin)


def test_no_two_exceptions_stand_for_one_status():
    claimed = [status for name in errors.__all__
               for status in vars(getattr(errors, name))["_statuses"]]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) == set(statuses()) - {0}


def test_reasons_are_words_of_the_library():
    from netconnpool._host import REASONS
    for reason, word in REASONS.items():
        assert ffi.string(lib.ncp_reason_text(reason)).decode() == word


def test_everything_that_is_exported_is_documented():
    for name in netconnpool.__all__:
        thing = getattr(netconnpool, name)
        if name == "__version__" or name == "Options":
            continue
        assert thing.__doc__, name
        for attribute, member in vars(thing).items():
            if callable(member) and not attribute.startswith("_"):
                assert member.__doc__, f"{name}.{attribute}"


def test_the_manual_names_what_is_exported(source):
    manual = (source / "docs" / "python.md").read_text()
    words = set(re.findall(r"\w+", manual))
    assert set(netconnpool.__all__) - {"__version__"} <= words
