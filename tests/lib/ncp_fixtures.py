"""Fixtures of the tests that are written in Python; see ncp_add_pytest."""
import os
import pathlib
import shutil
import subprocess

import ncpheader
import pytest

SKIPPED = 77


@pytest.fixture(scope="session")
def source():
    return ncpheader.SOURCE


@pytest.fixture(scope="session")
def library():
    """The shared library of the build under test."""
    return pathlib.Path(os.environ["NCP_LIBRARY"])


@pytest.fixture(scope="session")
def cc():
    return os.environ.get("NCP_CC", "cc")


@pytest.fixture(scope="session")
def headers():
    """Every public header of the build, with the library that exports it."""
    found = [(ncpheader.HEADER, pathlib.Path(os.environ["NCP_LIBRARY"]))]
    if os.environ.get("NCP_JSON_LIBRARY"):
        found.append((ncpheader.INCLUDE / "netconnpool_json.h",
                      pathlib.Path(os.environ["NCP_JSON_LIBRARY"])))
    return found


@pytest.fixture(scope="session")
def need():
    """need("tool", ...) returns the path of the first tool that is there. A
    missing one skips the test, or fails it where everything must be there."""
    def find(*tools):
        for tool in tools:
            path = shutil.which(tool)
            if path:
                return path
        message = f"none of these is installed: {', '.join(tools)}"
        if os.environ.get("NCP_REQUIRE_TOOLS"):
            pytest.fail(message)
        pytest.skip(message)
    return find


@pytest.fixture(scope="session")
def run():
    """Runs a command and returns what it prints; a failure shows it all."""
    def call(*command, **options):
        done = subprocess.run(
            [str(part) for part in command], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, **options)
        if done.returncode != 0:
            text = " ".join(str(part) for part in command)
            pytest.fail(f"{text}\nexit code {done.returncode}\n{done.stdout}",
                        pytrace=False)
        return done.stdout
    return call


@pytest.fixture(scope="session")
def facts(tmp_path_factory, run, cc, library):
    """What C says about the header, as lines; see ncpheader.facts_program."""
    folder = tmp_path_factory.mktemp("facts")
    (folder / "facts.c").write_text(ncpheader.facts_program())
    run(cc, "-std=c11", f"-I{ncpheader.INCLUDE}", "-o", folder / "facts",
        folder / "facts.c", library, f"-Wl,-rpath,{library.parent}")
    lines = run(folder / "facts").splitlines()
    assert len(lines) > 100
    return lines


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """A file whose every test was skipped is skipped, not passed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and exitstatus == 0:
        stats = reporter.stats
        if stats.get("skipped") and not stats.get("passed"):
            session.exitstatus = SKIPPED
