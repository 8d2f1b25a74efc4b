"""Format, vet and staticcheck."""
import os
import pathlib
import subprocess

import gotools

# A version that works with the Go in use; staticcheck follows Go closely.
STATICCHECK = "honnef.co/go/tools/cmd/staticcheck"


def test_the_sources_are_formatted(run):
    gofmt = pathlib.Path(gotools.go()).resolve().parent / "gofmt"
    assert run(gofmt, "-l", gotools.MODULE) == ""


def test_vet_finds_nothing(run):
    for cgo in ("1", "0"):
        run(gotools.go(), "vet", "./...", cwd=gotools.MODULE,
            env=gotools.environment(CGO_ENABLED=cgo))


def install_staticcheck(env):
    folder = gotools.build_folder() / "go-bin"
    program = folder / "staticcheck"
    if not program.exists():
        done = subprocess.run(
            [gotools.go(), "install", f"{STATICCHECK}@latest"],
            env=dict(env, GOBIN=str(folder)), capture_output=True, text=True,
            timeout=240)
        if done.returncode != 0:
            gotools.loudly_skip("staticcheck", done.stderr)
    return program


def test_staticcheck_finds_nothing(run):
    if gotools.version(gotools.go()) < (1, 21):
        gotools.loudly_skip("staticcheck", "its releases need a newer Go")
    program = install_staticcheck(gotools.registry_environment())
    for cgo in ("1", "0"):
        run(program, "./...", cwd=gotools.MODULE,
            env=gotools.environment(CGO_ENABLED=cgo))


def test_the_module_has_no_dependencies():
    text = (gotools.MODULE / "go.mod").read_text()
    assert text.split() == ["module", gotools.PATH, "go", "1.19"]
    assert not (gotools.MODULE / "go.sum").exists()
    assert not os.path.exists(gotools.MODULE / "vendor")
