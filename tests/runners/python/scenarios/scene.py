"""What a case consists of while it runs, and what has been recorded."""
import collections
import threading

from . import facts
from .verdict import checked, fail


class Var:
    """One lease, or one event of the pull driver, under a name."""

    def __init__(self, pool=None):
        self.pool = pool    # a PoolUnderTest
        self.lease = None   # what the binding lent; in raw scenarios a number
        self.conn = None    # a peers.Conn
        self.conn_id = 0
        self.out = False
        self.event = None   # of the pull driver
        self.closed = False


class PoolUnderTest:
    """A pool of the case."""

    def __init__(self, name):
        self.name = name
        self.pool = None      # what the binding made
        self.handle = None    # its ncp_pool
        self.options = {}     # what the caller gave, which he may change
        self.listener = None
        self.queue = None     # of a pull pool
        self.keep = []        # what has to live as long as it
        self.freed = False
        self.resized = False
        self.last = None      # counters of the snapshot before


class Task:
    """A thread or task of the scenario."""

    def __init__(self, scene, name, steps, index=0, scope=None):
        self.scene = scene
        self.name = name
        self.steps = steps
        self.index = index
        self.scope = scope  # its own names, None: everybody's
        self.handle = None  # the world's
        self.joined = False

    @property
    def is_main(self):
        return self.name == "main"


class Scene:
    """One case."""

    def __init__(self, doc, world, peers):
        self.doc = doc
        self.world = world
        self.peers = peers
        self.pools = {}
        self.dialer = None
        self.acceptor = None
        self.hooks = {}
        self.vars = {}
        self.tasks = []
        self.tokens = {}
        self.events = []
        self.counts = collections.Counter()
        self.logs = []
        self.order = []
        self.hints = []
        self.thrown = []  # the errors that callbacks raised, the very objects
        self.watched = 0
        self.finals = {}  # the counters of each pool after the last step
        self.guard = None
        self.lock = threading.RLock()

    # -------------------------------------------------------------- names

    def pool(self, name="main"):
        if name not in self.pools:
            fail(f"no pool is called {name}")
        return self.pools[name]

    def new_var(self, name, task, pool=None):
        var = Var(pool)
        with self.lock:
            self.vars[name, task.scope] = var
        return var

    def lookup(self, name, task):
        """The variable of that name: the task's own, else everybody's; or None."""
        with self.lock:
            return self.vars.get((name, task.scope)) or self.vars.get((name, None))

    def var(self, name, task):
        found = self.lookup(name, task)
        if found is None:
            fail(f"nothing is called {name} here")
        return found

    def group(self, name, task):
        """`name`, or else all of name.0, name.1, ..."""
        found = self.lookup(name, task)
        if found is not None:
            return [found]
        members = []
        while True:
            member = self.lookup(f"{name}.{len(members)}", task)
            if member is None:
                return members
            members.append(member)

    def conns(self, name, task):
        """The connections a name stands for; dialed.N is what dial N made."""
        if name.startswith("dialed."):
            return [self.peers.at(int(name[len("dialed."):]))]
        members = self.group(name, task)
        if not members:
            fail(f"nothing is called {name} here")
        if any(var.conn is None for var in members):
            fail(f"{name} has no connection")
        return [var.conn for var in members]

    # ---------------------------------------------------------- ownership

    def lend(self, var, lease, conn, conn_id):
        """From now on the scenario owns the connection; nobody else may."""
        var.lease, var.conn, var.conn_id = lease, conn, conn_id
        with conn.lock:
            conn.owners += 1
            owners = conn.owners
        if owners != 1:
            fail(f"connection {conn.index} is lent to two borrowers")
        if conn.checks:
            fail(f"connection {conn.index} is lent while it is checked")
        if conn.closer_calls:
            fail(f"connection {conn.index} is lent after it was closed")
        var.out = True
        checked()

    def give_back(self, var):
        """It is given back in a moment: others may own it from now on."""
        if not var.out:
            return
        var.out = False
        with var.conn.lock:
            var.conn.owners -= 1

    # ----------------------------------------------------------- records

    def keep_counters(self):
        """The counters of the pools as they are now, to be compared with those of
        other languages."""
        for name, pool in self.pools.items():
            if not pool.freed:
                self.finals[name] = facts.stats(pool.handle)

    def count(self, name):
        with self.lock:
            self.counts[name] += 1

    def record(self, event):
        with self.lock:
            self.events.append(event)
            self.counts[event] += 1

    def forget(self):
        """Leases and errors, whose tracebacks, keep pools alive."""
        for var in self.vars.values():
            var.lease = None
        for error in self.thrown:
            error.__traceback__ = None

    def throw(self, error):
        """Raises an error of the scenario's own."""
        with self.lock:
            self.thrown.append(error)
        raise error
