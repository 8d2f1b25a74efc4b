"""What the tests know of a public header, read from the header itself."""
import collections
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = SOURCE / "core" / "include"
HEADER = INCLUDE / "netconnpool.h"

# The typedefs every foreign function interface knows by itself and pycparser
# does not.
PYCPARSER_PRELUDE = """
typedef unsigned long size_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long int64_t;
typedef unsigned long uint64_t;
"""

Function = collections.namedtuple("Function", "name returns parameters doc")


def names(header=HEADER):
    """The functions a header declares with NCP_API, in its order; found without
    the generator, so that its model has something to be compared with."""
    text = re.sub(r"/\*.*?\*/", " ", header.read_text(), flags=re.S)
    text = re.sub(r"^[ \t]*#.*(?:\\\n.*)*$", "", text, flags=re.M)
    return [re.match(r"[^;{]*?\b(ncp_\w+)\s*\(", part).group(1)
            for part in text.split("NCP_API")[1:]]


def declarations(header=HEADER, cc="gcc"):
    """The header after the preprocessor, as bindings read it, unedited."""
    return subprocess.run(
        [cc, "-E", "-P", "-DNCP_FFI", f"-I{INCLUDE}", str(header)],
        check=True, capture_output=True, text=True).stdout


def parse(header=HEADER):
    """The syntax tree of pycparser."""
    from pycparser import c_parser
    return c_parser.CParser().parse(
        PYCPARSER_PRELUDE + declarations(header), str(header))


def constants(header=HEADER):
    """The names of all enumeration constants."""
    from pycparser import c_ast
    found = []

    class Visitor(c_ast.NodeVisitor):
        def visit_Enumerator(self, node):
            found.append(node.name)

    Visitor().visit(parse(header))
    return found


def structs(header=HEADER):
    """The public structs that are not opaque: {name: [field, ...]}."""
    from pycparser import c_ast
    found = {}

    class Visitor(c_ast.NodeVisitor):
        def visit_Struct(self, node):
            if node.decls:
                found[node.name] = [field.name for field in node.decls]

    Visitor().visit(parse(header))
    return found


def macros(header=HEADER):
    """The names that the header defines for the preprocessor."""
    return re.findall(r"^#define (NCP_\w+)", header.read_text(), flags=re.M)


def comments(header=HEADER):
    """All comments."""
    return re.findall(r"/\*.*?\*/", header.read_text(), flags=re.S)


def functions(header=HEADER):
    """Every function with the comment that stands directly before it."""
    text = header.read_text()
    found = []
    pattern = r"(?:(/\*(?:(?!\*/).)*\*/)\s*)?^NCP_API\s+([^;{]*);"
    for match in re.finditer(pattern, text, flags=re.S | re.M):
        declaration = " ".join(match.group(2).split())
        head = re.match(r"(.*?)(\bncp_\w+)\s*\((.*)\)$", declaration)
        parameters = [
            re.search(r"(\w+)$", parameter.strip()).group(1)
            for parameter in head.group(3).split(",")
            if parameter.strip() != "void"
        ]
        found.append(Function(head.group(2), head.group(1).strip(),
                              parameters, match.group(1) or ""))
    return found


def facts_program(header=HEADER):
    """A C program that prints, a line each, what every language must agree on:
    constants, layouts, and two calls. Only the compiler computes the values."""
    lines = [f'    printf("const {name} %lld\\n", (long long){name});'
             for name in constants(header)]
    for struct, fields in structs(header).items():
        lines.append(f'    printf("sizeof {struct} %zu\\n", '
                     f"sizeof(struct {struct}));")
        lines += [f'    printf("offset {struct}.{field} %zu\\n", '
                  f"offsetof(struct {struct}, {field}));" for field in fields]
    lines.append('    printf("call ncp_version %d\\n", ncp_version());')
    lines.append('    printf("call ncp_status_text %s\\n", '
                 "ncp_status_text(NCP_ETIMEOUT));")
    body = "\n".join(lines)
    return (f'#include "{header.name}"\n#include <stdio.h>\n\n'
            f"int main(void)\n{{\n{body}\n    return 0;\n}}\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["facts"]:
        sys.exit("usage: ncpheader.py facts")
    sys.stdout.write(facts_program())
