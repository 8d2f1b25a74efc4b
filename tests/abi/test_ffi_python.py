"""pycparser and CFFI take the header after the preprocessor, unedited."""
import importlib.util

import cffi
import ncpheader


def as_facts(ffi, lib):
    lines = [f"const {name} {getattr(lib, name)}"
             for name in ncpheader.constants()]
    for struct, fields in ncpheader.structs().items():
        lines.append(f"sizeof {struct} {ffi.sizeof('struct ' + struct)}")
        lines += [f"offset {struct}.{field} "
                  f"{ffi.offsetof('struct ' + struct, field)}"
                  for field in fields]
    text = ffi.string(lib.ncp_status_text(lib.NCP_ETIMEOUT)).decode()
    return lines + [f"call ncp_version {lib.ncp_version()}",
                    f"call ncp_status_text {text}"]


def test_pycparser_reads_every_function(headers):
    from pycparser import c_ast
    for header, _ in headers:
        declared = [node.name for node in ncpheader.parse(header).ext
                    if isinstance(node, c_ast.Decl)
                    and isinstance(node.type, c_ast.FuncDecl)]
        for name in ncpheader.names(header):
            assert name in declared


def test_cffi_loads_the_library(library, facts):
    ffi = cffi.FFI()
    ffi.cdef(ncpheader.declarations())
    lib = ffi.dlopen(str(library))
    for name in ncpheader.names():
        assert getattr(lib, name)
    assert as_facts(ffi, lib) == facts


def test_cffi_compiles_a_module(tmp_path, library, facts):
    ffi = cffi.FFI()
    ffi.cdef(ncpheader.declarations())
    ffi.set_source(
        "_ncp_probe", '#include "netconnpool.h"',
        include_dirs=[str(ncpheader.INCLUDE)],
        extra_link_args=[str(library), f"-Wl,-rpath,{library.parent}"],
        extra_compile_args=["-O0"])
    built = ffi.compile(tmpdir=str(tmp_path))
    spec = importlib.util.spec_from_file_location("_ncp_probe", built)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ncpheader.names():
        assert getattr(module.lib, name)
    assert as_facts(module.ffi, module.lib) == facts


def test_event_is_frozen(facts):
    assert "sizeof ncp_event 128" in facts
