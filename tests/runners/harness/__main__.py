"""Runs scenarios and prints a matrix.

    python3 -m harness [--runner c=build/dev/bin/ncp-scenario] [id ...]

Ids may be cut short: T-GET runs all of them. Without --runner the runners are
those of NCP_RUNNERS.
"""
import argparse
import json
import sys
import time

from harness import matrix, run, spec


def _arguments():
    parser = argparse.ArgumentParser(prog="harness", description=__doc__)
    parser.add_argument("--runner", action="append", default=[],
                        metavar="NAME=COMMAND")
    parser.add_argument("--dump", action="store_true",
                        help="print the documents and run nothing")
    parser.add_argument("--brief", action="store_true",
                        help="only what did not pass")
    parser.add_argument("ids", nargs="*")
    return parser.parse_args()


def _chosen(ids):
    found = spec.documents()
    return [one for name, one in found.items()
            if not ids or any(name.startswith(part) for part in ids)]


def _print_matrix(documents, names, crew, brief):
    failed, all_outcomes = 0, []
    print(matrix.header(names))
    for document in documents:
        outcomes = [crew.outcome(document["id"], name) for name in names]
        all_outcomes += outcomes
        differences = matrix.differences(document["id"], outcomes)
        failed += sum(one.result == "fail" for one in outcomes)
        failed += len(differences)
        if brief and not differences and \
                all(one.result == "pass" for one in outcomes):
            continue
        print(matrix.row(document, outcomes), flush=True)
        for one in outcomes:
            if one.result != "pass":
                print(f"    {one.runner}: {one.reason}", flush=True)
        for difference in differences:
            print(f"    {difference}", flush=True)
    print("\n".join(matrix.totals(names, all_outcomes)))
    return failed


def main():
    arguments = _arguments()
    documents = _chosen(arguments.ids)
    if arguments.dump:
        json.dump(documents, sys.stdout, indent=1)
        return 0
    runners = run.runners()
    for part in arguments.runner:
        runner = run.Runner.parse(part)
        runners[runner.name] = runner
    if not documents or not runners:
        print("nothing to run: no scenario or no runner", file=sys.stderr)
        return 2
    begin = time.monotonic()
    crew = run.Crew()
    for runner in runners.values():
        crew.start(documents, runner)
    failed = _print_matrix(documents, list(runners), crew, arguments.brief)
    crew.close()
    print(f"{len(documents)} scenarios, {len(runners)} runners, {failed} failed, "
          f"{time.monotonic() - begin:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
