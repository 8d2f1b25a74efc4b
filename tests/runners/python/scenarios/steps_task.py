"""Steps that start threads or tasks, wait and repeat."""
import random

from . import facts
from .scene import Task
from .steps import check_within, expect, operation, pool_of, run
from .verdict import fail


def _new(scene, name, steps, index=0, own_names=False):
    with scene.lock:
        task = Task(scene, name, steps, index)
        task.scope = len(scene.tasks) if own_names else None
        scene.tasks.append(task)
    return task


async def _join(scene, tasks):
    for task in tasks:
        with scene.lock:
            first, task.joined = not task.joined, True
        if first:
            await scene.world.join(task)


async def join_all(scene):
    await _join(scene, list(scene.tasks))


@operation("spawn", "name steps")
async def op_spawn(scene, step, task):
    await scene.world.start(_new(scene, step.get("name", "?"), step["steps"]))


@operation("spawn_many", "name n gap_ms steps")
async def op_spawn_many(scene, step, task):
    for index in range(step.get("n", 1)):
        await scene.world.start(_new(scene, step.get("name", "many"), step["steps"],
                                     index, own_names=True))
        await scene.world.sleep(step.get("gap_ms", 0))


@operation("parallel", "n steps")
async def op_parallel(scene, step, task):
    tasks = [_new(scene, "parallel", step["steps"], index, own_names=True)
             for index in range(step.get("n", 1))]
    await scene.world.start_together(tasks)
    await _join(scene, tasks)


@operation("together", "threads")
async def op_together(scene, step, task):
    tasks = [_new(scene, "together", steps, index)
             for index, steps in enumerate(step["threads"])]
    await scene.world.start_together(tasks)
    await _join(scene, tasks)


@operation("join", "name within_ms")
async def op_join(scene, step, task):
    begin = scene.world.now_ms()
    tasks = [one for one in scene.tasks if step.get("name") in (None, one.name)]
    if not tasks:
        fail("no thread to join")
    await _join(scene, tasks)
    check_within(scene, step, begin)


@operation("sleep", "ms")
async def op_sleep(scene, step, task):
    await scene.world.sleep(step["ms"])


@operation("log_order", "")
async def op_log_order(scene, step, task):
    with scene.lock:
        scene.order.append(task.index)


@operation("repeat", "n steps")
async def op_repeat(scene, step, task):
    for _ in range(step.get("n", 1)):
        await run(scene, step["steps"], task)


@operation("watch", "pool n")
async def op_watch(scene, step, task):
    for _ in range(step.get("n", 1)):
        facts.check_invariants(scene, pool_of(scene, step))
        with scene.lock:
            scene.watched += 1
        await scene.world.breathe()


@operation("stress", "pool n timeout_ms expect")
async def op_stress(scene, step, task):
    """Random gets, tries, puts and closes by the holder."""
    pool = pool_of(scene, step)
    dice = random.Random(task.index * 7919 + 17)
    for _ in range(step.get("n", 1)):
        ms = 0 if dice.randrange(4) == 0 else step.get("timeout_ms", 50)
        outcome = await scene.world.attempt(
            lambda ms=ms: scene.world.borrow(pool.pool, timeout=ms / 1000), ms)
        if not outcome.ok:
            expect(scene, step, outcome, "get")
            await scene.world.breathe()
            continue
        await _use_and_give_back(scene, task, pool, outcome.value, dice)


async def _use_and_give_back(scene, task, pool, lease, dice):
    var = scene.new_var("stress", task, pool)
    scene.lend(var, lease, scene.peers.of(lease.raw), scene.world.lease_id(lease))
    if dice.randrange(8) == 0:
        await scene.world.sleep(1)
    scene.give_back(var)
    how = "discard" if dice.randrange(16) == 0 else "put"
    outcome = await scene.world.give(pool, lease, how)
    if not outcome.ok:
        fail(f"giving back: {outcome}")
