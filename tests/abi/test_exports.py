"""The libraries export what the headers declare, and nothing else."""
import ncpheader


def exported(run, library):
    lines = run("nm", "-D", "--defined-only", library).splitlines()
    symbols = [line.split()[-1] for line in lines]
    return sorted(symbol.split("@")[0] for symbol in symbols
                  if not symbol.startswith("NETCONNPOOL"))


def test_exports_equal_the_header(run, headers):
    for header, library in headers:
        assert exported(run, library) == sorted(ncpheader.names(header))


def test_every_symbol_carries_its_version(run, headers):
    for header, library in headers:
        lines = run("nm", "-D", "--defined-only", library).splitlines()
        symbols = [line.split()[-1] for line in lines]
        node = f"{header.stem.upper()}_0.1"
        assert node in symbols
        assert all(symbol == node or symbol.endswith(f"@@{node}")
                   for symbol in symbols)


def test_static_library_defines_only_our_names(run, headers):
    for _, library in headers:
        stem = library.name.split(".so")[0]
        archive = library.parent / f"{stem}.a"
        lines = run("nm", "-g", "--defined-only", archive).splitlines()
        symbols = [line.split()[-1] for line in lines if len(line.split()) == 3]
        assert symbols
        assert [s for s in symbols if not s.startswith("ncp_")] == []


def test_shared_library_says_who_it_is(run, headers):
    for header, library in headers:
        dynamic = run("readelf", "-dW", library)
        name = library.name.split(".so")[0]
        assert f"Library soname: [{name}.so.0]" in dynamic
        assert "NODELETE" in dynamic
        assert "RPATH" not in dynamic
        assert "TEXTREL" not in dynamic
