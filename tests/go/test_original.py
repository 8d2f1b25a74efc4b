"""The original's own test files, byte for byte, on our package; and its API
against ours. They are not part of this repository: they come from the module
proxy, or from the folder that NETCONNPOOL_ORIGINAL names."""
import json
import os
import pathlib
import shutil
import subprocess

import gotools
import pytest

ROUNDS = int(os.environ.get("NCP_GO_ROUNDS", "3"))


@pytest.fixture(scope="module")
def original():
    folder = os.environ.get("NETCONNPOOL_ORIGINAL")
    if folder:
        return pathlib.Path(folder)
    done = subprocess.run(
        [gotools.go(), "mod", "download", "-json",
         f"{gotools.ORIGINAL}@{gotools.ORIGINAL_VERSION}"],
        cwd=gotools.build_folder(), env=gotools.registry_environment(),
        capture_output=True, text=True, timeout=120)
    answer = json.loads(done.stdout or "{}")
    if "Dir" not in answer:
        gotools.loudly_skip(
            f"the tests of the original, {ROUNDS} times",
            f"it cannot be fetched ({answer.get('Error', done.stderr)[-300:]})"
            "\nSet NETCONNPOOL_ORIGINAL to a folder that has it.")
    return pathlib.Path(answer["Dir"])


def test_the_tests_of_the_original_pass_under_the_race_detector(
        run, original, tmp_path):
    tests = tmp_path / "test"
    tests.mkdir()
    for path in sorted((original / "test").glob("*.go")):
        shutil.copyfile(path, tests / path.name)
        assert (tests / path.name).read_bytes() == path.read_bytes()
    assert list(tests.glob("*_test.go"))
    (tmp_path / "go.mod").write_text(
        "module suite\n\ngo 1.19\n\n"
        f"require {gotools.ORIGINAL} {gotools.ORIGINAL_VERSION}\n\n"
        f"replace {gotools.ORIGINAL} => {gotools.MODULE}\n")
    race = ["-race"] if gotools.has_race_detector(gotools.go()) else []
    env = gotools.environment()
    run(gotools.go(), "test", *race, "-c", "-o", "suite", "./test",
        cwd=tmp_path, env=env)
    for _ in range(ROUNDS):
        run(tmp_path / "suite", "-test.timeout=10m", cwd=tests, env=env)


def test_the_api_of_the_original_is_part_of_ours(run, original, tmp_path):
    source = pathlib.Path(__file__).parent / "apilist" / "main.go"
    env = gotools.environment()
    run(gotools.go(), "build", "-o", tmp_path / "apilist", source, env=env)
    theirs = set(run(tmp_path / "apilist", original).splitlines())
    ours = set(run(tmp_path / "apilist", gotools.MODULE).splitlines())
    # A constant there may be a variable here and so on: what counts is that
    # programs compile.
    assert theirs - ours == set()
