"""cgo takes the header as it is."""
import os
import pathlib

import ncpheader

PROGRAM = """package main

/*
#include "netconnpool.h"
*/
import "C"

import (
	"fmt"
	"unsafe"
)

func main() {
%s
	for _, function := range []unsafe.Pointer{
%s
	} {
		if function == nil {
			panic("a function is missing")
		}
	}
	fmt.Println("call ncp_version", C.ncp_version())
	fmt.Println("call ncp_status_text",
		C.GoString(C.ncp_status_text(C.NCP_ETIMEOUT)))
}
"""


def program():
    lines = [f'\tfmt.Println("const {name}", int64(C.{name}))'
             for name in ncpheader.constants()]
    for struct, fields in ncpheader.structs().items():
        lines.append(f"\tvar {struct} C.{struct}")
        lines.append(f'\tfmt.Println("sizeof {struct}", '
                     f"unsafe.Sizeof({struct}))")
        for field in fields:
            # cgo puts an underscore before what is a word of Go.
            name = "_type" if field == "type" else field
            lines.append(f'\tfmt.Println("offset {struct}.{field}", '
                         f"unsafe.Offsetof({struct}.{name}))")
    functions = [f"\t\tunsafe.Pointer(C.{name}),"
                 for name in ncpheader.names()]
    return PROGRAM % ("\n".join(lines), "\n".join(functions))


def test_cgo_agrees_with_c(run, need, tmp_path, library, facts):
    # The distribution's Go is the oldest that is supported: it goes first.
    go = need("/usr/bin/go", "go")
    (tmp_path / "go.mod").write_text("module probe\n\ngo 1.19\n")
    (tmp_path / "main.go").write_text(program())
    build = pathlib.Path(os.environ["NCP_BUILD_DIR"])
    environment = dict(
        os.environ, GOFLAGS="-mod=mod", GOPROXY="off", GOTOOLCHAIN="local",
        CGO_ENABLED="1", GOCACHE=str(build / "go-cache"), GOPATH=str(build / "go"),
        CGO_CFLAGS=f"-I{ncpheader.INCLUDE}",
        CGO_LDFLAGS=f"{library} -Wl,-rpath,{library.parent}",
        CGO_LDFLAGS_ALLOW=".*")
    environment.pop("GOROOT", None)
    run(go, "build", "-o", "probe", ".", cwd=tmp_path, env=environment)
    assert run(tmp_path / "probe").splitlines() == facts
