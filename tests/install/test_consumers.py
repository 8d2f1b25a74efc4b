"""Programs that use the library as their authors would."""
import os
import pathlib
import shutil
import subprocess

import ncpheader
import pytest

HERE = pathlib.Path(__file__).parent
CONSUMER = HERE / "consumer.c"
BUILD = pathlib.Path(os.environ["NCP_BUILD_DIR"])
CC = os.environ["NCP_CC"]


@pytest.fixture(scope="module")
def version(run, tmp_path_factory):
    text = ncpheader.HEADER.read_text().splitlines()
    numbers = [line.split()[2] for line in text
               if line.startswith("#define NCP_VERSION_")]
    assert len(numbers) == 3
    return ".".join(numbers)


@pytest.fixture(scope="module")
def prefix(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed") / "usr"
    run("cmake", "--install", BUILD, "--prefix", folder)
    return folder


@pytest.fixture(scope="module")
def moved(prefix, tmp_path_factory):
    """The same tree somewhere else, and the first place gone."""
    first = tmp_path_factory.mktemp("first") / "usr"
    shutil.copytree(prefix, first, symlinks=True)
    second = tmp_path_factory.mktemp("second") / "a" / "b"
    second.parent.mkdir()
    first.rename(second)
    return second


def libdir(prefix):
    return next(prefix.rglob("libnetconnpool.so")).parent


def configure(folder, prefix, target, version="", components=""):
    return subprocess.run(
        ["cmake", "-S", HERE / "package", "-B", folder, "-G", "Ninja",
         f"-DCMAKE_C_COMPILER={CC}", f"-DCMAKE_PREFIX_PATH={prefix}",
         f"-DCONSUMER_SOURCE={CONSUMER}", f"-DWANTED_TARGET={target}",
         f"-DWANTED_VERSION={version}", f"-DWANTED_COMPONENTS={components}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def by_package(run, folder, prefix, target, version, components=""):
    done = configure(folder, prefix, target, version, components)
    assert done.returncode == 0, done.stdout
    run("cmake", "--build", folder)
    return folder / "consumer"


def pkg_config(run, prefix, *arguments, package="netconnpool"):
    environment = dict(os.environ, PKG_CONFIG_LIBDIR=str(libdir(prefix)
                                                         / "pkgconfig"))
    return run("pkg-config", *arguments, package, env=environment).split()


def by_pkg_config(run, folder, prefix, static):
    flags = pkg_config(run, prefix, "--cflags")
    libraries = pkg_config(run, prefix, "--libs",
                           *(["--static"] if static else []))
    if static:
        libraries = ["-l:libnetconnpool.a" if library == "-lnetconnpool"
                     else library for library in libraries]
    run(CC, "-std=c11", *flags, "-o", folder / "consumer", CONSUMER,
        *libraries)
    return folder / "consumer"


def needs_the_library(run, program):
    return "libnetconnpool.so.0" in run("readelf", "-d", program)


@pytest.mark.parametrize("tree", ["prefix", "moved"])
@pytest.mark.parametrize("target", ["shared", "static"])
def test_find_package(run, request, tmp_path, version, tree, target):
    program = by_package(run, tmp_path, request.getfixturevalue(tree), target,
                         version)
    assert run(program) == f"consumer of {version}\n"
    assert needs_the_library(run, program) == (target == "shared")


@pytest.mark.parametrize("tree", ["prefix", "moved"])
@pytest.mark.parametrize("static", [False, True])
def test_pkg_config(run, request, tmp_path, version, tree, static):
    prefix = request.getfixturevalue(tree)
    program = by_pkg_config(run, tmp_path, prefix, static)
    environment = dict(os.environ)
    if not static:
        environment["LD_LIBRARY_PATH"] = str(libdir(prefix))
    assert run(program, env=environment) == f"consumer of {version}\n"
    assert needs_the_library(run, program) != static


def test_add_subdirectory(run, tmp_path, version):
    run("cmake", "-S", HERE / "subdirectory", "-B", tmp_path, "-G", "Ninja",
        f"-DCMAKE_C_COMPILER={CC}", f"-DNCP_SOURCE_DIR={ncpheader.SOURCE}",
        f"-DCONSUMER_SOURCE={CONSUMER}")
    run("cmake", "--build", tmp_path, "--target", "consumer_shared",
        "consumer_static")
    for name in ("consumer_shared", "consumer_static"):
        assert run(tmp_path / name) == f"consumer of {version}\n"
    assert needs_the_library(run, tmp_path / "consumer_shared")
    assert not needs_the_library(run, tmp_path / "consumer_static")
    assert "Total Tests: 0" in run("ctest", "--test-dir", tmp_path, "-N")
    assert "netconnpool" not in run("cmake", "--install", tmp_path, "--prefix",
                                    tmp_path / "installed")


def test_a_deep_libdir_can_be_moved_too(run, tmp_path, version):
    build = tmp_path / "build"
    deep = f"lib/{run('gcc', '-print-multiarch').strip()}"
    run("cmake", "-S", ncpheader.SOURCE, "-B", build, "-G", "Ninja",
        f"-DCMAKE_C_COMPILER={CC}", "-DNCP_BUILD_TESTS=OFF",
        "-DNCP_BUILD_EXAMPLES=OFF", "-DNCP_WITH_JSON=OFF",
        f"-DCMAKE_INSTALL_LIBDIR={deep}")
    run("cmake", "--build", build)
    run("cmake", "--install", build, "--prefix", tmp_path / "usr")
    moved = tmp_path / "elsewhere"
    (tmp_path / "usr").rename(moved)
    assert libdir(moved) == moved / deep
    (tmp_path / "one").mkdir()
    one = by_pkg_config(run, tmp_path / "one", moved, static=True)
    two = by_package(run, tmp_path / "two", moved, "shared", version)
    for program in (one, two):
        assert run(program) == f"consumer of {version}\n"


@pytest.mark.parametrize("asked", ["0.2", "1.0", "0.0"])
def test_another_version_is_refused(tmp_path, prefix, asked):
    done = configure(tmp_path, prefix, "shared", asked)
    assert done.returncode != 0
    assert "compatible with requested version" in done.stdout


def test_an_unknown_component_is_refused(tmp_path, prefix):
    done = configure(tmp_path, prefix, "shared", components="nonsense")
    assert done.returncode != 0
    assert "nonsense" in done.stdout


def test_installed_files_do_not_know_where_they_are(prefix):
    for path in prefix.rglob("*"):
        if path.suffix in (".pc", ".cmake", ".h"):
            text = path.read_text()
            assert f"{prefix}/" not in text, path
            assert f"{BUILD}/" not in text, path
            assert f"{ncpheader.SOURCE}/" not in text, path


def test_what_is_installed(prefix, version):
    names = {path.name for path in prefix.rglob("*") if not path.is_dir()}
    assert {"netconnpool.h", "libnetconnpool.a", "libnetconnpool.so",
            "libnetconnpool.so.0", f"libnetconnpool.so.{version}",
            "netconnpool.pc", "netconnpoolConfig.cmake", "LICENSE"} <= names
    assert not any(name.endswith(".map") for name in names)


@pytest.mark.skipif("NCP_JSON_LIBRARY" not in os.environ,
                    reason="built without netconnpool-json")
@pytest.mark.parametrize("target", ["json", "json_static"])
def test_json_component(run, tmp_path, moved, version, target):
    program = by_package(run, tmp_path, moved, target, version, "json")
    assert run(program) == f"consumer of {version}\n"


@pytest.mark.skipif("NCP_JSON_LIBRARY" not in os.environ,
                    reason="built without netconnpool-json")
def test_json_pkg_config(run, moved):
    libraries = pkg_config(run, moved, "--libs", package="netconnpool-json")
    assert {"-lnetconnpool-json", "-lnetconnpool"} <= set(libraries)
