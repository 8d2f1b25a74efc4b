"""Runs a list of steps: finds each operation, refuses keys it does not know."""
from . import facts, words
from .verdict import checked, fail, where

OPERATIONS = {}  # name -> (keys, function)


def operation(name, keys):
    """Registers a coroutine function (scene, step, task) as an operation."""
    def register(function):
        OPERATIONS[name] = ("op " + keys, function)
        return function
    return register


async def run(scene, steps, task):
    for index, step in enumerate(steps):
        name = step.get("op", "?")
        with where(f"step {index} ({name})"):
            if name not in OPERATIONS:
                fail(f"this runner does not know the operation {name}")
            keys, function = OPERATIONS[name]
            words.keys_only(step, keys, name)
            await function(scene, step, task)
            if task.is_main:
                for pool in list(scene.pools.values()):
                    facts.check_invariants(scene, pool)


# ---------------------------------------------------------- shared by the families

def expanded(name, task):
    """`$i` becomes the index of the thread."""
    return str(name).replace("$i", str(task.index))


def pool_of(scene, step):
    return scene.pool(step.get("pool", "main"))


def var_of(scene, step, task, key="conn"):
    return scene.var(expanded(step.get(key, "?"), task), task)


def conn_of(scene, step, task):
    return scene.conns(expanded(step.get("conn", "?"), task), task)[0]


def expected_of(step):
    wanted = step.get("expect", "OK")
    wanted = wanted if isinstance(wanted, list) else [wanted]
    for name in wanted:
        words.status_of(name)
    return wanted


def as_expected(name, step):
    """The result by the name under which the scenario expects it: to Python code
    three of them are the same."""
    if name not in words.THROWN:
        return name
    for wanted in expected_of(step):
        if wanted in words.THROWN:
            return wanted
    return name


def expect(scene, step, outcome, what):
    """Judges the outcome of a call."""
    wanted = expected_of(step)
    checked()
    if as_expected(outcome.name, step) not in wanted:
        fail(f"{what}: {outcome}, expected {' or '.join(wanted)}")
    if outcome.name in words.THROWN and outcome.error is not None:
        _must_be_theirs(scene, outcome, what)


def _must_be_theirs(scene, outcome, what):
    """What a dialer or a hook threw comes back as the same object."""
    cause = outcome.error.__cause__
    if cause is None or isinstance(cause, TimeoutError) and \
            not any(cause is thrown for thrown in scene.thrown):
        if not scene.world.may_lack_cause(scene):
            fail(f"{what}: {outcome} does not tell what was thrown")
        return
    if not any(cause is thrown for thrown in scene.thrown):
        fail(f"{what}: {outcome} comes from {cause!r}, which no callback threw")
    checked()


def check_within(scene, step, begin_ms):
    if "within_ms" in step:
        # A virtual clock counts nanoseconds, of which a float keeps few enough.
        took = round(scene.world.now_ms() - begin_ms, 6)
        facts.check_bound(step["within_ms"], took, "the time in ms")
