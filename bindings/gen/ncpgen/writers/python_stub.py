"""_ffi.pyi: the types of the compiled module, for those who check types."""
import keyword

from ncpgen import glue
from ncpgen.writers.python import FOLDER, WRITTEN

HEAD = '''\
# {written}
from collections.abc import Callable
from typing import Any, Final, Literal, TypeVar, overload

_F = TypeVar("_F", bound=Callable[..., Any])

class CData:
    """Something of C: a pointer, an array, a struct. Import the name only for
    type checking: the compiled module does not have it."""

    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __len__(self) -> int: ...
    def __add__(self, count: int) -> CData: ...
    def __sub__(self, count: int) -> CData: ...
    def __getitem__(self, index: Any) -> Any: ...
    def __setitem__(self, index: Any, value: Any) -> None: ...
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

'''
FFI = '''\
class _Ffi:
    NULL: Final[CData]
    error: Final[type[Exception]]
    errno: int
{news}
    @overload
    def new(self, cdecl: str, init: Any = ...) -> CData: ...
    def cast(self, cdecl: str, source: Any) -> CData: ...
    def string(self, cdata: CData, maxlen: int = ...) -> bytes: ...
    def unpack(self, cdata: CData, length: int) -> Any: ...
    def buffer(self, cdata: CData, size: int = ...) -> Any: ...
    def from_buffer(self, data: Any) -> CData: ...
    def memmove(self, dest: Any, src: Any, n: int) -> None: ...
    def addressof(self, cdata: Any, *fields: str | int) -> CData: ...
    def sizeof(self, cdecl: str | CData) -> int: ...
    def offsetof(self, cdecl: str, *fields: str | int) -> int: ...
    def typeof(self, cdecl: str | CData) -> Any: ...
    def new_handle(self, value: object) -> CData: ...
    def from_handle(self, handle: CData) -> Any: ...
    def gc(
        self, cdata: CData, destructor: Callable[[CData], Any] | None, size: int = ...
    ) -> CData: ...
    def release(self, cdata: CData) -> None: ...
    def def_extern(
        self,
        name: str = ...,
        error: Any = ...,
        onerror: Callable[[Any, Any, Any], Any] | None = ...,
    ) -> Callable[[_F], _F]: ...

'''
TAIL = '''\
ffi: Final[_Ffi]
lib: Final[_Lib]
'''
CLASSES = {"ncp_event": "Event"}


def returned(kind):
    if kind == "void":
        return "None"
    return "CData" if kind.endswith("*") else "int"


def taken(kind, callbacks):
    if kind == "const char *":
        return "bytes | CData"
    if kind.endswith("*") or kind in callbacks:
        return "CData"
    return "int"


def argument(name):
    return name + "_" if keyword.iskeyword(name) else name


def function(item, callbacks):
    arguments = [f"{argument(each.name)}: {taken(each.type, callbacks)}"
                 for each in item.parameters]
    line = f"    def {item.name}({', '.join(['self', *arguments, '/'])})" \
           f" -> {returned(item.returns)}: ..."
    if len(line) <= 88:
        return line
    inner = "".join(f"        {part},\n" for part in ["self", *arguments, "/"])
    return f"    def {item.name}(\n{inner}    ) -> {returned(item.returns)}: ..."


def struct(item):
    """A pointer to a struct, or an array of them."""
    name = CLASSES[item.name]
    lines = [f"    {field.name}: "
             + ("CData" if field.count else returned(field.type))
             for field in item.fields]
    return f'class {name}(CData):\n' \
           f'    """A struct {item.name}, a pointer to it or an array."""\n\n' \
           + "\n".join(lines) \
           + f"\n    def __getitem__(self, index: int) -> {name}: ...\n\n"


def news(header):
    lines = []
    for item in header.structs:
        spelled = ", ".join(f'"{item.name}{tail}"' for tail in (" *", "[]"))
        lines += ["    @overload",
                  "    def new(self, cdecl: Literal["
                  f"{spelled}], init: Any = ...) -> {CLASSES[item.name]}: ..."]
    return "\n".join(lines)


def stub(project):
    header = project.header
    callbacks = {item.name for item in header.callbacks}
    extra = glue.read(project)
    lines = [f"    {value.name}: Final = {value.value}"
             for enum in header.enums for value in enum.values]
    lines += [f"    {macro.name}: Final = {macro.value}"
              for macro in header.macros]
    lines += [f"    {name}: Final[int]" for name in extra.macros]
    lines += [f"    {name}: Final[CData]" for name in extra.callbacks]
    lines += [function(item, callbacks)
              for item in header.functions + extra.functions]
    head = HEAD.format(written=WRITTEN)
    return (head + "".join(struct(item) for item in header.structs)
            + FFI.format(news=news(header))
            + "class _Lib:\n" + "\n".join(lines) + "\n\n" + TAIL)


def files(project):
    return {f"{FOLDER}/_ffi.pyi": stub(project)}
