"""What the public header says, as data. Everything is in header order."""
import dataclasses
from typing import Optional


@dataclasses.dataclass
class Doc:
    """A documentation comment, without its stars."""
    text: list = dataclasses.field(default_factory=list)  # paragraphs
    params: dict = dataclasses.field(default_factory=dict)
    returns: str = ""
    errors: str = ""
    since: str = ""

    @property
    def brief(self):
        return self.text[0] if self.text else ""


@dataclasses.dataclass
class Item:
    """What every declaration has."""
    name: str
    line: int
    group: str
    doc: Optional[Doc]


@dataclasses.dataclass
class Macro(Item):
    value: int
    spelling: str


@dataclasses.dataclass
class Value:
    """A constant of an enumeration."""
    name: str
    line: int
    value: int
    doc: str


@dataclasses.dataclass
class Enum(Item):
    values: list

    @property
    def prefix(self):
        """What the names of all values begin with, up to an underline."""
        names = [value.name for value in self.values]
        common = names[0]
        while not all(name.startswith(common) for name in names):
            common = common[:-1]
        return common[:common.rindex("_") + 1]

    def short(self, value):
        """The name of a value without what all of them begin with."""
        return value.name[len(self.prefix):]


@dataclasses.dataclass
class Opaque(Item):
    """A struct that only the library sees into."""


@dataclasses.dataclass
class Scalar(Item):
    """Another name for a whole number."""
    type: str


@dataclasses.dataclass
class Parameter:
    name: str
    type: str
    doc: str = ""
    direction: str = "in"  # in, out, inout
    ownership: str = ""  # caller, borrowed, static; "" for plain values
    nullable: bool = False
    length: str = ""  # the parameter that says how many there is room for


@dataclasses.dataclass
class Callable(Item):
    """A function, or the type of a callback."""
    returns: str
    parameters: list
    gives: str = ""  # status, count, value, pointer, nothing
    ownership: str = ""  # of the pointer that is returned
    codes: list = dataclasses.field(default_factory=list)
    threads: str = ""


class Function(Callable):
    pass


class Callback(Callable):
    pass


@dataclasses.dataclass
class Field:
    name: str
    type: str
    count: int  # 0: not an array
    offset: int
    size: int
    doc: str


@dataclasses.dataclass
class Struct(Item):
    fields: list
    size: int


@dataclasses.dataclass
class Header:
    """A public header; `library` is filled from the library itself."""
    path: str
    items: list
    library: dict = dataclasses.field(default_factory=dict)

    def of(self, kind):
        return [item for item in self.items if type(item) is kind]

    @property
    def macros(self):
        return self.of(Macro)

    @property
    def enums(self):
        return self.of(Enum)

    @property
    def opaques(self):
        return self.of(Opaque)

    @property
    def scalars(self):
        return self.of(Scalar)

    @property
    def callbacks(self):
        return self.of(Callback)

    @property
    def structs(self):
        return self.of(Struct)

    @property
    def functions(self):
        return self.of(Function)

    @property
    def names(self):
        """Everything that a comment may refer to."""
        return {item.name for item in self.items} \
            | {value.name for enum in self.enums for value in enum.values}

    def enum(self, name):
        return next(enum for enum in self.enums if enum.name == name)
