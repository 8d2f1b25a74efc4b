"""The public headers compile alone, in every language that includes them."""
import pytest

import ncpheader

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
STANDARDS = ["c99", "c11", "c17", "c++11", "c++17", "c++20"]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("standard", STANDARDS)
def test_header_compiles_alone(run, need, tmp_path, headers, compiler,
                               standard):
    language = "c++" if "++" in standard else "c"
    for header, _ in headers:
        unit = tmp_path / f"alone.{language}"
        unit.write_text(f'#include "{header.name}"\n#include "{header.name}"\n')
        run(need(compiler), "-x", language, f"-std={standard}", *WARNINGS,
            "-fsyntax-only", f"-I{ncpheader.INCLUDE}", unit)


def test_header_includes_only_two_standard_headers():
    lines = ncpheader.HEADER.read_text().splitlines()
    includes = [line.split()[1] for line in lines
                if line.startswith("#include")]
    assert includes == ["<stddef.h>", "<stdint.h>"]


def test_header_has_c_linkage_for_cpp(run, need, tmp_path, library):
    unit = tmp_path / "linkage.cpp"
    calls = "\n".join(
        f"    sum += reinterpret_cast<std::uintptr_t>(&{name});"
        for name in ncpheader.names())
    unit.write_text(
        '#include "netconnpool.h"\n#include <cstdint>\n\n'
        "int main()\n{\n    std::uintptr_t sum = 0;\n"
        f"{calls}\n    return sum == 0 || ncp_version() < 0;\n}}\n")
    run(need("g++"), "-std=c++17", *WARNINGS, f"-I{ncpheader.INCLUDE}", "-o",
        tmp_path / "linkage", unit, library, f"-Wl,-rpath,{library.parent}")
    run(tmp_path / "linkage")
