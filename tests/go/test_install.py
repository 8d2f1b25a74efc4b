"""The module as users get it: from a proxy through the module cache, vendored,
and on the installed library."""
import os
import shutil
import subprocess
import zipfile

import gotools
import pytest

CONSUMER = """package main

import (
	"context"
	"fmt"
	"net"

	"IMPORT"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	config := netconnpool.DefaultConfig()
	config.Dialer = func(ctx context.Context) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "tcp", listener.Addr().String())
	}
	pool, err := netconnpool.NewPool(config)
	if err != nil {
		panic(err)
	}
	for i := 0; i < 3; i++ {
		conn, err := pool.Get(context.Background())
		if err != nil {
			panic(err)
		}
		if err := pool.Put(conn); err != nil {
			panic(err)
		}
	}
	fmt.Println(pool.Stats().SuccessfulGets, pool.Close()LINK)
}
"""
LINK = ", netconnpool.LinkInfo"
VERSION = "v0.1.0"


def tracked():
    """The files of the module that a release would have."""
    out = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
        cwd=gotools.MODULE, check=True, capture_output=True, text=True).stdout
    return sorted(set(out.split()))


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """A proxy in the file system that serves the module."""
    folder = tmp_path_factory.mktemp("proxy")
    versions = folder / gotools.PATH / "@v"
    versions.mkdir(parents=True)
    (versions / "list").write_text(VERSION + "\n")
    (versions / f"{VERSION}.info").write_text(f'{{"Version":"{VERSION}"}}')
    shutil.copy(gotools.MODULE / "go.mod", versions / f"{VERSION}.mod")
    with zipfile.ZipFile(versions / f"{VERSION}.zip", "w") as archive:
        for name in tracked():
            archive.write(gotools.MODULE / name,
                          f"{gotools.PATH}@{VERSION}/{name}")
    return folder


def programs():
    found = [gotools.go()]
    if gotools.oldest():
        found.append(gotools.oldest())
    return found


@pytest.fixture(params=programs(), ids=lambda path: f"go{gotools.version(path)}")
def program(request):
    return request.param


def write_consumer(folder, path=gotools.PATH, link=LINK, mod=""):
    (folder / "main.go").write_text(
        CONSUMER.replace("IMPORT", path).replace("LINK", link))
    (folder / "go.mod").write_text(f"module consumer\n\ngo 1.19\n{mod}")


def consumer_environment(program, proxy, tmp_path):
    return gotools.environment(program, GOPROXY=f"file://{proxy}",
                               GOPATH=str(tmp_path / "gopath"),
                               GOFLAGS="-mod=mod -modcacherw")


def test_from_the_module_cache_and_vendored(run, program, proxy, tmp_path):
    consumer = tmp_path / "consumer"
    consumer.mkdir()
    write_consumer(consumer)
    env = consumer_environment(program, proxy, tmp_path)
    run(program, "get", f"{gotools.PATH}@{VERSION}", cwd=consumer, env=env)
    assert run(program, "run", ".", cwd=consumer, env=env).split() == \
        ["3", "<nil>", "bundled"]
    run(program, "mod", "vendor", cwd=consumer, env=env)
    shutil.rmtree(tmp_path / "gopath")
    env = gotools.environment(program, GOFLAGS="-mod=vendor",
                              GOPATH=str(tmp_path / "empty"))
    assert run(program, "run", ".", cwd=consumer, env=env).split() == \
        ["3", "<nil>", "bundled"]


def test_a_program_of_the_original_needs_one_replace(run, program, tmp_path):
    write_consumer(tmp_path, gotools.ORIGINAL, link="", mod=(
        f"\nrequire {gotools.ORIGINAL} {gotools.ORIGINAL_VERSION}\n"
        f"\nreplace {gotools.ORIGINAL} => {gotools.MODULE}\n"))
    env = gotools.environment(program)
    assert run(program, "run", ".", cwd=tmp_path, env=env).split() == \
        ["3", "<nil>"]


def test_on_the_installed_library(run, program, tmp_path, need):
    need("pkg-config")
    prefix = tmp_path / "prefix"
    run(need("cmake"), "--install", os.environ["NCP_BUILD_DIR"], "--prefix",
        prefix)
    packages = next(prefix.rglob("netconnpool.pc")).parent
    consumer = tmp_path / "consumer"
    consumer.mkdir()
    write_consumer(consumer, mod=(f"\nrequire {gotools.PATH} v0.0.0\n"
                                  f"\nreplace {gotools.PATH} => "
                                  f"{gotools.MODULE}\n"))
    env = gotools.environment(program, PKG_CONFIG_PATH=str(packages),
                              LD_LIBRARY_PATH=str(packages.parent))
    run(program, "build", "-tags", "netconnpool_system", "-o", "consumer", ".",
        cwd=consumer, env=env)
    assert run(consumer / "consumer", env=env).split() == \
        ["3", "<nil>", "system"]
    needed = run(need("readelf"), "-d", consumer / "consumer")
    assert "libnetconnpool.so" in needed
