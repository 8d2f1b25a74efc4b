"""Makes the model of a header: pycparser for the types, the scanner of
source.py for what C does not know, the comments."""
import re

from pycparser import c_ast, c_parser

from ncpgen import docs, lint, meaning, model
from ncpgen.source import Refused, Source

# What the standard headers would have said.
PRELUDE = """
typedef unsigned long size_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long int64_t;
typedef unsigned long uint64_t;
"""
# Size and alignment where pointers have 64 bits.
SIZES = {"int": 4, "int32_t": 4, "uint32_t": 4, "int64_t": 8, "uint64_t": 8,
         "size_t": 8}
POINTER = 8


def read(source, known=""):
    """The model of a source. `known` is C that stands before it: the header
    that it includes."""
    return Reader(source, known).header()


def read_public(path, name, known="", others=()):
    """Reads the public header at `path`, which has to keep the rules of lint.py;
    the messages and the model call it `name`."""
    with open(path, encoding="utf-8") as file:
        source = Source(name, file.read())
    header = read(source, known)
    complaints = lint.complaints(source, header, others)
    if complaints:
        raise Refused("\n".join(complaints))
    return header


def spell(node, name=""):
    """A declaration as C text."""
    if isinstance(node, c_ast.PtrDecl):
        inner = " ".join(["*" + " ".join(node.quals), name]).strip() \
            if node.quals else "*" + name
        if isinstance(node.type, c_ast.FuncDecl):
            return spell(node.type, f"({inner})")
        return spell(node.type, inner)
    if isinstance(node, c_ast.FuncDecl):
        arguments = ", ".join(spell(each.type, each.name or "")
                              for each in node.args.params)
        return spell(node.type, f"{name}({arguments})")
    if isinstance(node, c_ast.ArrayDecl):
        return spell(node.type, f"{name}[{node.dim.value}]")
    if isinstance(node, c_ast.TypeDecl):
        return " ".join([*node.quals, spell(node.type), name]).strip()
    if isinstance(node, c_ast.Struct):
        return f"struct {node.name}"
    if isinstance(node, c_ast.Enum):
        return f"enum {node.name}"
    return " ".join(node.names)


def number(node):
    """The value of a constant expression, as a header may write it."""
    if isinstance(node, c_ast.UnaryOp) and node.op == "-":
        return -number(node.expr)
    if isinstance(node, c_ast.BinaryOp) and node.op in "+-":
        right = number(node.right)
        return number(node.left) + (right if node.op == "+" else -right)
    return int(node.value.rstrip("uUlL"), 0)


class Reader:
    def __init__(self, source, known):
        self.source = source
        self.known = known
        self.sizes = dict(SIZES)

    def header(self):
        items = self._macros() + self._declarations()
        items.sort(key=lambda item: item.line)
        header = model.Header(self.source.path, items)
        meaning.add(header)
        return header

    # ------------------------------------------------------------- comments

    def _doc(self, offset):
        comment = self.source.doc_before(offset)
        if comment is None:
            return None
        return docs.parse(comment.text, lambda text: self.source.refuse(
            comment.line, text))

    def _place(self, start):
        """line, group and doc of what begins at an offset."""
        return (self.source.line_at(start), self.source.section_at(start),
                self._doc(start))

    def _trailing(self, offset, stop):
        comment = self.source.doc_after(offset, stop)
        return docs.trailing(comment.text) if comment else ""

    # --------------------------------------------------------------- macros

    def _macros(self):
        found = []
        for directive in self.source.directives:
            match = re.match(r"#define (NCP_\w+)[ \t]+(\(?-?\d.*|\(-.*)$",
                             directive.text)
            if match:
                line, group, doc = self._place(directive.start)
                found.append(model.Macro(
                    match.group(1), line, group, doc,
                    self._evaluate(match.group(2)), match.group(2).strip()))
        return found

    def _evaluate(self, text):
        tree = c_parser.CParser().parse(f"int x = {text};")
        return number(tree.ext[0].init)

    # --------------------------------------------------------- declarations

    def _declarations(self):
        tree = c_parser.CParser().parse(
            f'# 1 "known"\n{PRELUDE}{self.known}\n'
            f'# 1 "{self.source.path}"\n{self.source.code}')
        nodes = [node for node in tree.ext
                 if node.coord.file == self.source.path]
        statements = self.source.statements
        for statement in statements:
            if self._declared_by(statement, nodes) != 1:
                self.source.refuse(statement.line, "one declaration a"
                                   " statement; write each on its own")
        return [item for node, statement in zip(nodes, statements)
                for item in [self._declaration(node, statement)] if item]

    def _declared_by(self, statement, nodes):
        """How many declarations begin in the lines of a statement."""
        last = self.source.line_at(statement.end - 1)
        return sum(statement.line <= node.coord.line <= last
                   for node in nodes)

    def _declaration(self, node, statement):
        place = self._place(statement.start)
        if isinstance(node, c_ast.Typedef):
            return self._typedef(node, place)
        if isinstance(node.type, c_ast.FuncDecl):
            return self._callable(model.Function, node.name, node.type, place)
        if isinstance(node.type, c_ast.Enum):
            return self._enum(node.type, statement, place)
        if isinstance(node.type, c_ast.Struct):
            return node.type.decls and self._struct(node.type, statement, place)
        return self.source.refuse(statement.line,
                                  "only functions and types belong here")

    def _typedef(self, node, place):
        if isinstance(node.type, c_ast.PtrDecl):
            return self._callable(model.Callback, node.name, node.type.type,
                                  place)
        if isinstance(node.type.type, c_ast.Struct):
            return model.Opaque(node.name, *place)
        kind = spell(node.type.type)
        self.sizes[node.name] = self.sizes[kind]
        return model.Scalar(node.name, *place, kind)

    def _callable(self, kind, name, node, place):
        doc = place[2] or model.Doc()
        parameters = [
            model.Parameter(each.name, spell(each.type),
                            doc.params.get(each.name, ""))
            for each in node.args.params if each.name]
        return kind(name, *place, spell(node.type), parameters)

    def _enum(self, node, statement, place):
        values = []
        offsets = self._offsets([each.name for each in node.values.enumerators],
                                statement)
        for each, (start, stop) in zip(node.values.enumerators, offsets):
            line = self.source.line_at(start)
            if each.value is None:
                self.source.refuse(line, f"{each.name} has no value; write it "
                                   "down, it may never change")
            values.append(model.Value(each.name, line, number(each.value),
                                      self._trailing(start, stop)))
        return model.Enum(node.name, *place, values)

    def _offsets(self, names, statement):
        """Where each name begins and where the next one does."""
        starts, at = [], statement.start
        for name in names:
            pattern = re.compile(rf"\b{name}\b")
            at = pattern.search(self.source.code, at).start()
            starts.append(at)
            at += len(name)
        # The comment of the last one stands before the brace.
        return list(zip(starts, starts[1:] + [statement.end]))

    def _size(self, kind, start):
        if kind.endswith("*"):
            return POINTER
        if kind not in self.sizes:
            self.source.refuse(self.source.line_at(start), f"a field of type"
                               f" {kind}; use a number of a fixed size")
        return self.sizes[kind]

    def _struct(self, node, statement, place):
        fields, at, widest = [], 0, 1
        offsets = self._offsets([each.name for each in node.decls], statement)
        for each, (start, stop) in zip(node.decls, offsets):
            declared, count = each.type, 0
            if isinstance(declared, c_ast.ArrayDecl):
                declared, count = declared.type, int(declared.dim.value)
            kind = spell(declared)
            size = self._size(kind, start)
            at = _round_up(at, size)
            widest = max(widest, size)
            fields.append(model.Field(each.name, kind, count, at, size,
                                      self._trailing(start, stop)))
            at += size * max(count, 1)
        return model.Struct(node.name, *place, fields, _round_up(at, widest))


def _round_up(number, to):
    return (number + to - 1) // to * to
