"""How the tests of the Go module run the go command."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
MODULE = SOURCE / "go"
PATH = "github.com/netconnpool/netconnpool/go"
ORIGINAL = "github.com/vistone/netconnpool"
ORIGINAL_VERSION = "v1.0.4"

# Where a distribution puts its own go; the oldest that is supported.
DISTRIBUTIONS = ("/usr/bin/go", "/usr/lib/go-1.19/bin/go")


def go():
    """The go command that users have: the first of the path."""
    return shutil.which("go")


def oldest():
    """The go command of the distribution, if it is another one."""
    for path in DISTRIBUTIONS:
        if os.access(path, os.X_OK) and \
                os.path.realpath(path) != os.path.realpath(go()):
            return path
    return None


def version(program):
    text = subprocess.run([program, "env", "GOVERSION"], check=True,
                          capture_output=True, text=True).stdout
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def build_folder():
    return pathlib.Path(os.environ["NCP_BUILD_DIR"])


def environment(program=None, **more):
    """Nothing of the user's own, and no network."""
    program = program or go()
    folder = build_folder()
    env = {key: value for key, value in os.environ.items()
           if not key.startswith(("GO", "CGO_")) or key == "GOPROXY"}
    env.update(
        PATH=f"{pathlib.Path(program).parent}:{env['PATH']}",
        GOFLAGS="-mod=mod", GOPROXY="off", GOTOOLCHAIN="local", GOSUMDB="off",
        GOCACHE=str(folder / "go-cache"), GOPATH=str(folder / "gopath"),
        GOENV="off", CGO_ENABLED="1")
    env.update(more)
    return env


def registry_environment(program=None, **more):
    """With the registry that the machine is set up for."""
    proxy = subprocess.run([program or go(), "env", "GOPROXY"], check=True,
                           capture_output=True, text=True).stdout.strip()
    return environment(program, GOPROXY=proxy, **more)


def has_race_detector(program):
    """Whether this go command can build with -race here."""
    done = subprocess.run([program, "test", "-race", "-run", "XXX", "sort"],
                          env=environment(program), capture_output=True,
                          text=True)
    return done.returncode == 0


def loudly_skip(what, why):
    """Says on the terminal and in the log what was not run."""
    banner = f"NOT RUN: {what}\n{why.strip()}"
    print(f"\n{'=' * 70}\n{banner}\n{'=' * 70}")
    pytest.skip(banner)
