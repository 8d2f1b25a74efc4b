#!/usr/bin/env python3
"""Weakens the seq_cst orders of the core, one at a time, and looks what breaks.

    mutate.py check            the list (mutations.toml) is that of the sources
    mutate.py scenes           every scene holds with the orders there are
    mutate.py orders [ROLE..]  each order is weakened: a scene breaks, or, where
                               the list says that it is to spare, none does
    mutate.py show ROLE        the scenes that break without that order
    mutate.py list             the roles

The orders are read from the sources, the mutant's from a changed text of them:
what is explored (c11.py) is what is written there, under the memory model of
the language. No processor at hand would show most of it.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import sys
import time
import tomllib

import c11
import scenes
import sites

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = pathlib.Path(os.environ.get("NCP_SOURCE_DIR") or HERE.parents[1])
CORE = SOURCE / "core/src"
LIST = HERE / "mutations.toml"
JOBS = 2

Verdict = collections.namedtuple("Verdict", "role ok text")


def read_list(path=LIST):
    """{role: entry}, in order."""
    entries = tomllib.loads(path.read_text())["order"]
    found = {entry["role"]: entry for entry in entries}
    if len(found) != len(entries):
        twice = collections.Counter(entry["role"] for entry in entries)
        raise sites.Unknown("roles that are there twice: " + ", ".join(
            role for role, times in twice.items() if times > 1))
    return found


# -------------------------------------------------------------------- the list

def differences(entries, found):
    """What the list and the sources do not agree about."""
    wrong = []
    listed = {entry["at"]: entry for entry in entries.values()}
    for at, site in found.items():
        if site.order == "seq_cst" and at not in listed:
            wrong.append(f"{site.path}:{site.line}: seq_cst, and not listed: "
                         f"{at}")
    for at, entry in listed.items():
        role = entry["role"]
        if at not in found:
            wrong.append(f"{role}: listed, and not there: {at}")
        elif found[at].order != entry.get("other", "seq_cst"):
            wrong.append(f"{role}: listed as {entry.get('other', 'seq_cst')}, "
                         f"and it is {found[at].order}: {at}")
        if len({"pairs", "spare", "other"} & entry.keys()) != 1:
            wrong.append(f"{role}: one of pairs, spare and other")
    return wrong


# ------------------------------------------------------------------ the scenes

class Orders:
    """The orders of the sources by role; which of them were asked for."""

    def __init__(self, entries, found):
        self._orders = {role: found[entry["at"]].order
                        for role, entry in entries.items()}
        self.used = set()

    def __call__(self, role):
        self.used.add(role)
        return self._orders[role]


def mutant(entries, found, role):
    """The sites of the core with one order weaker, read from a changed text."""
    site = found[entries[role]["at"]]
    text = sites.weakened((CORE / site.path).read_text(), site)
    changed = {other.at: other for other in sites.sites_of(text, site.path)}
    if changed[site.at].order != sites.weaker(site):
        raise sites.Unknown(f"{role} was not weakened")
    return found | changed


def roles_of(name, entries, found):
    """The roles that a scene asks for."""
    orders = Orders(entries, found)
    scene = scenes.SCENES[name](orders)
    list(c11.executions(scene.threads, scene.start, lambda _: False))
    return orders.used


def breaks(name, entries, found):
    """Whether something bad comes out of a scene."""
    scene = scenes.SCENES[name](Orders(entries, found))
    return c11.allows(scene.threads, scene.bad, scene.start, scene.end)


def ends_well(name, entries, found):
    """Whether anything good does: a scene that cannot end proves nothing."""
    scene = scenes.SCENES[name](Orders(entries, found))
    return c11.allows(scene.threads, lambda saw: not scene.bad(saw),
                      scene.start)


# ---------------------------------------------------------------- the mutations

def judge_order(role, entries, found, used):
    """One mutant against every scene that knows its role."""
    weak = mutant(entries, found, role)
    broken = [name for name in scenes.SCENES
              if role in used[name] and breaks(name, entries, weak)]
    spare = entries[role].get("spare")
    if spare is None and not broken:
        return Verdict(role, False, "SURVIVES: no scene breaks")
    if spare is not None and broken:
        return Verdict(role, False, f"is no spare: {broken[0]} breaks")
    return Verdict(role, True, f"breaks {broken[0]}"
                   + (f" and {len(broken) - 1} more" if broken[1:] else "")
                   if broken else f"to spare: {spare}")


def judge_scene(name, entries, found):
    if breaks(name, entries, found):
        return Verdict(name, False, "BREAKS")
    if not ends_well(name, entries, found):
        return Verdict(name, False, "never ends")
    return Verdict(name, True, "holds")


def in_parallel(function, names, *arguments):
    with concurrent.futures.ProcessPoolExecutor(JOBS) as pool:
        runs = [pool.submit(function, name, *arguments) for name in names]
        return [run.result() for run in runs]


def report(verdicts, begin):
    for verdict in verdicts:
        print(f"{'ok  ' if verdict.ok else 'FAIL'} {verdict.role:16s} "
              f"{verdict.text}")
    wrong = sum(not verdict.ok for verdict in verdicts)
    print(f"{len(verdicts)} looked at, {wrong} wrong, "
          f"{time.monotonic() - begin:.0f} s")
    return 1 if wrong else 0


# ---------------------------------------------------------------- the commands

def check(entries, found, _):
    wrong = differences(entries, found)
    asked = set()
    if not wrong:
        asked = set().union(*(roles_of(name, entries, found)
                              for name in scenes.SCENES))
        wrong = [f"{role}: no scene asks for it" for role, entry
                 in entries.items() if role not in asked
                 and "spare" not in entry]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    listed = sum("other" not in entry for entry in entries.values())
    print(f"{listed} seq_cst orders listed, {len(wrong)} differences")
    return 1 if wrong else 0


def hold(entries, found, names):
    begin = time.monotonic()
    return report(in_parallel(judge_scene, names or list(scenes.SCENES),
                              entries, found), begin)


def orders(entries, found, roles):
    begin = time.monotonic()
    used = {name: roles_of(name, entries, found) for name in scenes.SCENES}
    chosen = [role for role, entry in entries.items() if "other" not in entry
              and (not roles or role in roles)]
    return report(in_parallel(judge_order, chosen, entries, found, used), begin)


def show(entries, found, roles):
    for role in roles:
        weak = mutant(entries, found, role)
        for name in scenes.SCENES:
            if (role in roles_of(name, entries, found)
                    and breaks(name, entries, weak)):
                print(f"{role}: {name}")
    return 0


def names(entries, found, _):
    for role, entry in entries.items():
        print(f"{role:16s} {entry['at']}")
    return 0


COMMANDS = {"check": check, "scenes": hold, "orders": orders, "show": show,
            "list": names}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    entries, found = read_list(), sites.sites(CORE)
    gone = [entry["at"] for entry in entries.values()
            if entry["at"] not in found]
    if gone and arguments.command != "check":
        print("listed, and not there:", *gone, sep="\n")
        return 1
    return COMMANDS[arguments.command](entries, found, arguments.names)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except sites.Unknown as unknown:
        sys.exit(str(unknown))
