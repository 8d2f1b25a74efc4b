"""The end of the interpreter: it never hangs, never crashes, never prints."""
import os
import subprocess
import sys

import pytest

RUNS = int(os.environ.get("NCP_PY_EXITS", "100"))
LIMIT = 60

# Pools open, threads that wait, dials that hang, a closer that hangs, hooks, log.
CROWDED = """
import atexit, logging, socket, sys, threading, time
import netconnpool
from netconnpool import Pool

logging.basicConfig(level=logging.CRITICAL)

def hang():
    time.sleep(3600)

def wait(pool):
    try:
        pool.getconn(timeout=-1)
    except netconnpool.PoolError:
        pass

def busy(pool):
    while True:
        try:
            with pool.connection(timeout=1):
                pass
        except netconnpool.PoolError:
            return

def dial():
    return socket.socketpair()[0]

def hook(*args):
    return None

pools = [
    Pool(hang, min_connections=2),
    Pool(dial, min_connections=3, max_connections=3, health_check_interval=0.001,
         check=hook, on_created=hook, on_borrow=hook, on_return=hook, on_close=hook,
         idle_timeout=0.001, cleanup_interval=0.001, log_level="debug"),
    Pool(dial, min_connections=0, max_connections=1),
    Pool("tcp://127.0.0.1:1", min_connections=3, prewarm_retry=True),
]
held = pools[2].getconn()
for pool, work in ((pools[0], wait), (pools[1], busy), (pools[1], busy),
                   (pools[2], wait)):
    threading.Thread(target=work, args=(pool,), daemon=True).start()
time.sleep({pause})
{end}
"""


def ended(program, code=0):
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", program],
                          capture_output=True, text=True, timeout=LIMIT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_a_hundred_ends_with_everything_open():
    for run in range(RUNS):
        ended(CROWDED.format(pause=0.0005 * (run % 20), end=""))


@pytest.mark.parametrize(("end", "code"), [
    ("sys.exit(3)", 3),
    ("import os; os._exit(4)", 4),
    ("del pools[:], held; import gc; gc.collect()", 0),
    ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15)])
def test_other_ways_to_end(end, code):
    program = CROWDED.format(pause=0.01, end=end)
    if "del pools" in end:  # which is worth a warning where those are shown
        program = "import warnings; warnings.simplefilter('ignore')\n" + program
    ended(program, code)


def test_a_closer_that_hangs_holds_it_up_for_a_second_at_most():
    ended("""
import time
from netconnpool import Pool

pool = Pool(object, min_connections=2, close=lambda conn: time.sleep(3600))
pool.prewarm_wait(30)
""")


def test_a_pool_made_at_the_very_end_does_no_harm():
    ended("""
import atexit

def late():
    from netconnpool import Pool
    pool = Pool(object, min_connections=1)
    globals()["kept"] = pool

atexit.register(late)
import netconnpool
""")


def test_leases_in_globals_and_cycles_are_quiet():
    ended("""
from netconnpool import Pool

class Cycle:
    pass

pool = Pool(object, min_connections=0)
cycle = Cycle()
cycle.me, cycle.conn, cycle.pool = cycle, pool.getconn(), pool
conn = pool.getconn()
""")


def test_threads_that_are_waited_for_may_use_the_pool_after_the_main_thread():
    ended("""
import threading, time
from netconnpool import Pool

pool = Pool(object, min_connections=0)

def work():
    time.sleep(0.05)
    for _ in range(100):
        with pool.connection():
            pass

threading.Thread(target=work).start()
""")


def test_nothing_was_imported_in_vain():
    ended("import netconnpool")
