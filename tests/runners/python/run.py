"""Runs scenarios of tests/spec on the Python package.

    run.py threads|asyncio FILE.json ...

Prints one line of JSON for each document. NCP_QUIET_LIBRARY is the library that
tells whether every thread of the process is blocked; PYTHONPATH leads to the
package.
"""
import importlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

WORLDS = {"threads": "scenarios.threads", "asyncio": "scenarios.aio"}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in WORLDS:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    from scenarios import main

    sys.exit(main.main(importlib.import_module(WORLDS[sys.argv[1]])))
