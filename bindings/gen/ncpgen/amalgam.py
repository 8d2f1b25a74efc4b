"""The whole core as one C file, for those who compile it themselves."""
import collections
import pathlib
import re

from ncpgen import names

PARTS = ("engine", "pool", "net")
PUBLIC = "netconnpool.h"
HEAD = """\
/*
 * netconnpool, the whole core in one file.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Written by bindings/gen/gen.py from core/src; not to be edited. Compile it
 * with -std=c11 -pthread -fvisibility=hidden, so that nothing of it is seen
 * outside of the program that it is linked into.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "netconnpool.h"
"""


def text(source):
    """The amalgamation of the sources below the folder `source`."""
    files = [path for part in PARTS
             for path in sorted((source / part).glob("*.c"))]
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    shared = _used_twice(texts)
    included = {PUBLIC}
    return HEAD + "".join(
        _file(source, path, texts[path], shared, included)
        for path in files)


def _used_twice(texts):
    """Private names that more than one file has."""
    count = collections.Counter(
        name for each in texts.values() for name in names.private(each))
    return {name for name, times in count.items() if times > 1}


def _file(source, path, code, shared, included):
    """One C file: its headers where they are first needed, its private names
    made unique, its macros forgotten at the end."""
    place = path.relative_to(source).as_posix()
    stem = re.sub(r"\W", "_", place[:-len(".c")])
    renamed = [name for name in names.private(code) if name in shared]
    headers = _headers(source, code, included)
    lines = [f"\n/* {'-' * (70 - len(place))} {place} */\n\n", headers,
             names.rename(_without_includes(code), renamed, f"__{stem}")]
    lines += [f"#undef {name}\n" for name in dict.fromkeys(names.macros(code))]
    return "".join(lines)


def _includes(code):
    return re.findall(r'^#include "([^"]+)"', code, flags=re.M)


def _headers(source, code, included):
    """The text of the headers that a file needs and that were not there yet,
    each after those it needs itself."""
    found = []
    for name in _includes(code):
        if name in included:
            continue
        included.add(name)
        header = (source / name).read_text(encoding="utf-8")
        found.append(_headers(source, header, included))
        found.append(f"/* {name} */\n{_without_includes(header)}\n")
    return "".join(found)


def _without_includes(code):
    return re.sub(r'^#include "[^"]+"\n', "", code, flags=re.M)


def sources(root):
    return pathlib.Path(root) / "core" / "src"
