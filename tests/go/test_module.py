"""The tests of the module itself, with the newest and the oldest Go."""
import gotools
import pytest

LIMIT = "-timeout=10m"


def test_the_module_passes_its_tests(run):
    run(gotools.go(), "test", "-count=1", LIMIT, "./...", cwd=gotools.MODULE,
        env=gotools.environment())


def test_the_module_passes_its_tests_under_the_race_detector(run):
    if not gotools.has_race_detector(gotools.go()):
        gotools.loudly_skip("go test -race", "this Go has no race detector")
    run(gotools.go(), "test", "-race", "-count=1", LIMIT, "./...",
        cwd=gotools.MODULE, env=gotools.environment())


def test_the_module_passes_its_tests_with_the_oldest_go(run):
    program = gotools.oldest()
    if program is None:
        if gotools.version(gotools.go()) > (1, 19):
            gotools.loudly_skip("the tests with Go 1.19",
                                "the distribution's Go is not installed")
        pytest.skip("the only Go here is the oldest")
    run(program, "test", "-count=1", LIMIT, ".", cwd=gotools.MODULE,
        env=gotools.environment(program))


@pytest.mark.parametrize("system", ["windows", "darwin", "freebsd"])
def test_without_cgo_it_compiles_for_other_systems(run, system):
    run(gotools.go(), "build", ".", cwd=gotools.MODULE,
        env=gotools.environment(CGO_ENABLED="0", GOOS=system))


def test_without_cgo_everything_compiles_and_says_so(run, tmp_path):
    env = gotools.environment(CGO_ENABLED="0")
    run(gotools.go(), "build", "./...", cwd=gotools.MODULE, env=env)
    (tmp_path / "go.mod").write_text(
        "module consumer\n\ngo 1.19\n\n"
        f"require {gotools.PATH} v0.0.0\n"
        f"replace {gotools.PATH} => {gotools.MODULE}\n")
    (tmp_path / "main.go").write_text(WITHOUT_CGO)
    out = run(gotools.go(), "run", ".", cwd=tmp_path, env=env)
    assert out.split("\n")[:3] == ["NewPool true", "Validate true", "link none"]


WITHOUT_CGO = """package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/netconnpool/netconnpool/go"
)

func main() {
	_, err := netconnpool.NewPool(netconnpool.DefaultConfig())
	fmt.Println("NewPool", errors.Is(err, netconnpool.ErrCgoDisabled))
	err = netconnpool.DefaultServerConfig().Validate()
	fmt.Println("Validate", errors.Is(err, netconnpool.ErrCgoDisabled))
	fmt.Println("link", netconnpool.LinkInfo)
	client, _ := net.Pipe()
	conn := netconnpool.NewConnection(client, nil, nil)
	fmt.Println(conn.GetProtocol(), conn.Close(),
		netconnpool.NewManualClock().Now(), netconnpool.ReasonHook)
}
"""


def test_the_program_of_the_document_compiles(run, tmp_path):
    text = (gotools.SOURCE / "docs" / "go.md").read_text()
    program = text.split("```go\n")[1].split("```")[0]
    (tmp_path / "main.go").write_text(program)
    (tmp_path / "go.mod").write_text(
        "module document\n\ngo 1.19\n\n"
        f"require {gotools.PATH} v0.0.0\n"
        f"replace {gotools.PATH} => {gotools.MODULE}\n")
    run(gotools.go(), "vet", ".", cwd=tmp_path, env=gotools.environment())


def test_the_package_is_documented(run):
    """Each exported symbol has a comment: the listing that go doc prints has a
    text below each."""
    text = run(gotools.go(), "doc", "-all", ".", cwd=gotools.MODULE,
               env=gotools.environment())
    lines = text.splitlines()
    bare = [line for line, below in zip(lines, lines[1:] + [""])
            if line.startswith("func ") and not below.startswith("    ")
            and not line.endswith((",", "("))]
    assert bare == []
