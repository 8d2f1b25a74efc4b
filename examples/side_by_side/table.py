"""The same job in every language, beside one echo server, as one table.

    table.py BUILD-FOLDER [--short] [ROW...]

The build folder has the programs of the examples (ncp-echo, ncp-job), the library and
the Python package; the job in Go is compiled here. Ends with 0 only if every job ran
and every check held. Rows: c, threads, asyncio, go, lua, nginx; all of them when none
is named.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
WORKERS, CONNECTIONS = 32, 8
PATIENCE = 60  # seconds, beside those of a job
COMPILING = 300


class Server:
    """The echo server, a process of its own."""

    def __init__(self, build):
        self.process = subprocess.Popen([build / "examples/ncp-echo"], text=True,
                                        stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.target = self.process.stdout.readline().strip()
        self.process.stdout.readline()  # datagrams: not for this job

    def accepted(self):
        """How many TCP connections it has seen."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait(PATIENCE)


# --------------------------------------------------------------------------- the jobs

def compile_go(build):
    if shutil.which("go") is None:
        sys.exit("go is not installed")
    program = build / "examples/go-job"
    subprocess.run(["go", "build", "-o", program, "./job"], check=True,
                   cwd=SOURCE / "examples/go", timeout=COMPILING,
                   env={**os.environ, "GOPROXY": "off", "GOFLAGS": "-mod=mod",
                        "GOTOOLCHAIN": "local"})
    return program


def python(build, name):
    paths = [build / "python", os.environ.get("PYTHONPATH")]
    return ([sys.executable, HERE / name],
            {"PYTHONPATH": os.pathsep.join(str(path) for path in paths if path)})


def library(build):
    return {"NETCONNPOOL_LIBRARY": str(build / "core/libnetconnpool.so")}


#: A command and what its environment needs, by row.
JOBS = {
    "c": lambda build: ([build / "examples/ncp-job"], {}),
    "threads": lambda build: python(build, "job_threads.py"),
    "asyncio": lambda build: python(build, "job_asyncio.py"),
    "go": lambda build: ([compile_go(build)], {}),
    "lua": lambda build: (["luajit", HERE / "job.lua"],
                          {"LUA_PATH": f"{SOURCE}/lua/lib/?.lua;;",
                           **library(build)}),
    "nginx": lambda build: ([sys.executable, HERE / "job_nginx.py"],
                            library(build)),
}


def run(row, build, server, seconds, dials):
    """What a job prints, and how many connections the server saw meanwhile."""
    command, environment = JOBS[row](build)
    before = server.accepted()
    done = subprocess.run(
        [*map(str, command), server.target, str(WORKERS), str(CONNECTIONS),
         str(seconds), str(dials)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        timeout=seconds + PATIENCE, env={**os.environ, **environment})
    if done.returncode != 0:
        raise RuntimeError(f"ended with {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout), server.accepted() - before


# ------------------------------------------------------------------------- the checks

def checks(result, accepted):
    """What has to be so, and whether it is."""
    pool, dialing = result["pool"], result["dialing"]
    count = pool["counters"]
    # nginx may have dropped one that it kept; it says so.
    made = count["created"] + count.get("renewed", 0)
    return {
        "every reply is what was sent":
            pool["requests"] > 0 and pool["failed"] == 0
            and dialing["requests"] > 0 and dialing["failed"] == 0,
        "the pool made as many connections as it may, at most":
            1 <= count["created"] <= CONNECTIONS,
        "the server saw the connections that were made, and no other":
            accepted == made + dialing["requests"] + dialing["failed"],
        "every get was counted once":
            count["successful"] == pool["requests"] + pool["failed"]
            and count["total"] == count["successful"] + count["failed"]
            + count["timeout"] + count["in_flight"],
        "what was made was closed":
            count["created"] == count["closed"] and count["current"] == 0
            and count["active"] == 0,
    }


# -------------------------------------------------------------------------- the table

HEAD = ("language", "workers", "pool/s", "dialing/s", "gain", "conns", "wait p50",
        "wait p99", "checks")
FORM = "   {:<9} {:<14} {:>9} {:>10} {:>6} {:>6} {:>9} {:>9}  {}"


def duration(microseconds):
    if microseconds < 1000:
        return f"{microseconds:.1f} us"
    return f"{microseconds / 1000:.2f} ms"


def line(result, held):
    pool, dialing = result["pool"], result["dialing"]
    pooled = pool["requests"] / pool["seconds"]
    dialed = dialing["requests"] / dialing["seconds"]
    return FORM.format(
        result["language"], result["workers"], f"{pooled:,.0f}", f"{dialed:,.0f}",
        f"{pooled / dialed:.1f}x" if dialed else "-", pool["counters"]["created"],
        duration(pool["p50_us"]), duration(pool["p99_us"]),
        f"{sum(held.values())} of {len(held)}")


def show(row, build, server, seconds, dials):
    """Runs a job and prints its row: whether all of it held."""
    try:
        result, accepted = run(row, build, server, seconds, dials)
    except (RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"   {row}: FAILED: {error}", flush=True)
        return False
    held = checks(result, accepted)
    print(line(result, held), flush=True)
    for sentence, fine in held.items():
        if not fine:
            print(f"      FAILED: {sentence}: {accepted} connections seen by the "
                  f"server, {json.dumps(result)}")
    return all(held.values())


def main(build, *arguments):
    build = pathlib.Path(build).resolve()
    short = "--short" in arguments
    rows = [row for row in arguments if row != "--short"] or list(JOBS)
    # A connection that is closed keeps its port for a minute: there are 28,000.
    seconds, dials = (0.3, 10 * WORKERS) if short else (2, 100 * WORKERS)
    server = Server(build)
    begin = time.monotonic()
    print(f"   {WORKERS} workers, {CONNECTIONS} connections; a worker borrows, sends "
          f"64 bytes, reads and compares\n   them, gives back; then the same with a "
          f"connection dialed for each request.\n   Server: {server.target}\n")
    print(FORM.format(*HEAD))
    try:
        held = [show(row, build, server, seconds, dials) for row in rows]
    finally:
        server.stop()
    print(f"\n   {held.count(True)} of {len(held)} rows held, "
          f"{time.monotonic() - begin:.0f} s")
    return 0 if all(held) else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
