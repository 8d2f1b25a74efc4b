"""Who meets whom without a common lock, as programs for c11.py.

A scene is a function that is given the orders of the core by their roles (see
mutations.toml) and says which threads there are and what must not come out.
The threads are cut down to what they have in common: their shared places. What
a place is called here is what it is called in the core.

`o("role")` is the order that the sources have at that role, so that a scene
holds or breaks with what is written there.
"""
import collections

from c11 import ACQUIRE, RELAXED, SEQ_CST

# `bad`: which results of the threads must not be; with `end`, only if the memory
# is like that in the end.
Scene = collections.namedtuple("Scene", "threads bad start end",
                               defaults=(None,))

SCENES = {}

IDLE, LENT, HELD = 1, 0, 2
WAITING, PARKED = 0, 1
ONE_WAITER, CLOSED, TOLD = 256, 1, 32


def scene(*variants):
    """Registers a scene, once for each variant of its arguments."""
    def register(function):
        for variant in variants or ((),):
            name = " ".join([function.__name__, *variant])
            SCENES[name] = lambda o, v=variant: function(o, *v)
        return function
    return register


# --------------------------------------------------------------- what they share

def publish(o, t, way):
    """Makes the slot idle, fast (fast.h) or under a mask (publish, and what is put
    back); whether it found the bit clear, and set it."""
    if way == "fast":
        t.compare_and_swap("word", LENT, IDLE, o("fast.word"), RELAXED)
    else:
        t.store("word", IDLE, o("publish.word"))
    if t.load("mask", o(f"{way}.mask")) & 1:
        return False
    t.set_bits("mask", 1, o(f"{way}.set"))
    return True


def put(o, way):
    """A put that saw the gate open; true when it looks who is to be served."""
    def body(t):
        publish(o, t, way)
        return t.load("gate", o("gate.look")) != 0
    return body


def look(o, t):
    """A scan of a mask of one bit: (it is idle, it was set again)."""
    if not t.load("mask", o("scan.mask")) & 1:
        return False, False
    if t.load("word", o("scan.word")) == IDLE:
        return True, False
    t.clear_bits("mask", 1, o("stale.clear"))
    if t.load("word", o("scan.word")) != IDLE:
        return False, False
    t.set_bits("mask", 1, o("stale.set"))
    return True, True


def claim(o, t):
    """Takes what was found idle; False when another was faster."""
    word = t.load("word", o("win.look"))
    return word == IDLE and t.compare_and_swap(
        "word", IDLE, HELD, o("win.word"), o("win.lost"))


def sleep(o, t, park, word, expected):
    """ncp__park: whether the thread sleeps. Linux looks at the word behind a full
    barrier; the other way looks at it under a mutex of its own."""
    if park == "futex":
        t.fence(SEQ_CST)
        return t.load(word, RELAXED) == expected
    t.lock("bucket")
    seen = t.load(word, o("park.look"))
    t.unlock("bucket")
    return seen == expected


def poke(o, t):
    """ncp__waiter_poke: whether it wakes the waiter. Whoever sleeps because it
    saw the word as it was before is woken by a wake-up that comes after the
    change: that much both ways of sleeping promise."""
    return t.compare_and_swap("state", PARKED, WAITING, o("poke.state"),
                              o("poke.missed"))


PARKS = (("futex",), ("condition",))

# ------------------------------------------------------------ the gate, the masks


@scene(("fast", "set"), ("fast", "clear"), ("show", "set"), ("show", "clear"))
def a_waiter_and_a_put(o, way, bit):
    """One of them finds the other: the connection, or the waiter."""
    def waiter(t):
        t.add("gate", ONE_WAITER, o("gate.up"))
        return look(o, t)[0]
    return Scene([waiter, put(o, way)], lambda saw: saw == (False, False),
                 {"mask": int(bit == "set"), "word": LENT})


@scene(("fast",), ("show",))
def a_waiter_and_a_put_and_a_get_that_clears_the_bit(o, way):
    """A get without the lock finds the bit stale while the connection comes
    back: it sets it again, and then it looks at the gate like a put."""
    def waiter(t):
        t.add("gate", ONE_WAITER, o("gate.up"))
        if not t.load("mask", o("scan.mask")) & 1:
            return False
        return t.load("word", o("scan.word")) == IDLE

    def get(t):
        _, returned = look(o, t)
        return returned and t.load("gate", o("gate.look")) != 0
    return Scene([waiter, put(o, way), get],
                 lambda saw: saw == (False, False, False),
                 {"mask": 1, "word": LENT})


@scene(("fast",), ("show",))
def a_scan_clears_the_bit_of_a_slot_that_comes_back(o, way):
    """An idle slot without a bit is lost to every scan that comes later."""
    def get(t):
        t.clear_bits("mask", 1, o("stale.clear"))
        return t.load("word", o("scan.word")) == IDLE

    return Scene([get, lambda t: publish(o, t, way)],
                 lambda saw: saw == (False, False), {"mask": 1, "word": LENT})


@scene(("show",))
def a_claim_that_clears_the_bit_first(o, way):
    """exact: it does not win the slot, so the owner sets the bit when the slot
    comes back."""
    def taker(t):
        t.wait_until(t.clear_bits("mask", 1, o("exact.clear")) & 1)
        return claim(o, t)

    return Scene([taker, lambda t: publish(o, t, way)],
                 lambda saw: saw == (False, False), {"mask": 1, "word": LENT})


@scene(*((role, way) for role in ("close.flag", "over.flag")
         for way in ("fast", "show")))
def a_flag_is_raised_and_a_put(o, role, way):
    """close and a lowered limit: swept by them, or by the put that sees the
    flag."""
    def closer(t):
        t.set_bits("gate", CLOSED, o(role))
        return (t.load("mask", o("scan.mask")) & 1 == 1 and claim(o, t))
    return Scene([closer, put(o, way)], lambda saw: saw == (False, False),
                 {"mask": 1, "word": LENT})


@scene(("fast", "set"), ("fast", "clear"), ("show", "set"), ("show", "clear"))
def a_waiter_that_wants_to_be_told_again_and_a_put(o, way, bit):
    """Adaptive: a put that sees that the oldest was told does not serve it."""
    def waiter(t):
        t.clear_bits("gate", TOLD, o("gate.told_no_more"))
        return look(o, t)[0]

    def puts(t):
        publish(o, t, way)
        return not t.load("gate", o("gate.look")) & TOLD
    return Scene([waiter, puts], lambda saw: saw == (False, False),
                 {"gate": ONE_WAITER + TOLD, "mask": int(bit == "set"),
                  "word": LENT})


@scene()
def two_takers_and_one_connection(o):
    """No connection has two owners, and what the last one wrote is seen."""
    def putter(t):
        t.store("content", 1, RELAXED)
        t.store("word", IDLE, o("publish.word"))

    def scanner(t):
        won = claim(o, t)
        return won, won and t.load("content", RELAXED)

    def fast(t):
        word = t.load("word", o("fast.look"))
        won = word == IDLE and t.compare_and_swap(
            "word", IDLE, LENT + 3, o("fast.take"), RELAXED)
        return won, won and t.load("content", RELAXED)

    def bad(results):
        (one, content), (other, its) = results[1:]
        return (one and other) or (one and not content) or (other and not its)
    return Scene([putter, scanner, fast], bad, {"word": LENT})


@scene(("publish.word",), ("list.word",))
def a_waiter_and_a_put_of_the_lock_store(o, role):
    """The mutex of the store is between them: no order of the gate matters."""
    def waiter(t):
        t.add("gate", ONE_WAITER, o("gate.up"))
        t.lock("list")
        idle = t.load("word", o("scan.word")) == IDLE
        t.unlock("list")
        return idle

    def puts(t):
        t.lock("list")
        t.store("word", IDLE, o(role))
        t.unlock("list")
        return t.load("gate", o("gate.look")) != 0
    return Scene([waiter, puts], lambda saw: saw == (False, False),
                 {"word": LENT})


@scene(("fast.head",), ("taken.head",))
def a_hint_names_a_slot_of_a_chunk_that_is_new(o, role):
    """Who finds the index of a slot finds its chunk in the table."""
    def grows(t):
        t.store("table", 1, RELAXED)
        t.store("head", 64, o("chain.head"))

    def gets(t):
        return (t.load("head", o(role)) == 64 and
                t.load("table", RELAXED) == 0)
    return Scene([grows, gets], lambda saw: saw[1], {})


# ------------------------------------------------------------------ who is asleep


@scene(*PARKS)
def a_cancel_and_a_waiter_that_falls_asleep(o, park):
    """The token is fired; the waiter sees it or is woken."""
    def waiter(t):
        t.compare_and_swap("state", WAITING, PARKED, o("sleep.state"),
                           o("sleep.missed"))
        return (not t.load("fired", o("cancel.look")) and
                sleep(o, t, park, "state", PARKED))

    def canceller(t):
        t.store("fired", 1, o("cancel.fire"))
        return poke(o, t)
    return Scene([waiter, canceller], lambda saw: saw == (True, False),
                 {"state": WAITING})


@scene(*PARKS)
def a_waiter_that_is_to_try_for_itself_and_falls_asleep(o, park):
    """Adaptive: the oldest waiter is told that something came back."""
    def waiter(t):
        t.compare_and_swap("state", WAITING, PARKED, o("sleep.state"),
                           o("sleep.missed"))
        return (not t.load("woken", o("woken.look")) and
                sleep(o, t, park, "state", PARKED))

    def putter(t):
        return not t.swap("woken", 1, o("woken.set")) and poke(o, t)
    return Scene([waiter, putter], lambda saw: saw == (True, False),
                 {"state": WAITING})


@scene(*((role, *park) for role in ("sleep.state", "ticket.state")
         for park in PARKS))
def a_clock_of_the_user_moves_and_somebody_falls_asleep(o, role, park):
    """ncp_pool_wake after a clock was moved that is seq_cst itself."""
    def waiter(t):
        t.compare_and_swap("state", WAITING, PARKED, o(role), RELAXED)
        return (not t.load("clock", SEQ_CST) and
                sleep(o, t, park, "state", PARKED))

    def waker(t):
        t.store("clock", 1, SEQ_CST)
        return poke(o, t)
    return Scene([waiter, waker], lambda saw: saw == (True, False),
                 {"state": WAITING})


@scene(*PARKS)
def a_decision_and_a_waiter_that_falls_asleep(o, park):
    """ncp__engine_wake exchanges `state`: one place, so no order matters."""
    def waiter(t):
        t.compare_and_swap("state", WAITING, PARKED, o("sleep.state"),
                           o("sleep.missed"))
        return sleep(o, t, park, "state", PARKED)

    def decider(t):
        return t.swap("state", 2, o("decide.state")) == PARKED
    return Scene([waiter, decider], lambda saw: saw == (True, False),
                 {"state": WAITING})


@scene(*PARKS)
def an_event_and_a_queue_that_is_waited_for(o, park):
    def waiter(t):
        t.add("sleepers", 1, o("queue.sleepers"))
        return sleep(o, t, park, "ready", 0)

    def producer(t):
        t.store("ready", 1, o("queue.ready"))
        return t.load("sleepers", o("queue.look")) != 0
    return Scene([waiter, producer], lambda saw: saw == (True, False), {})


@scene(*PARKS)
def an_event_and_a_queue_that_was_just_emptied(o, park):
    """ready is written under the queue's lock: the last write is the last."""
    def waiter(t):
        t.lock("queue")
        event = t.load("event", RELAXED)
        if not event:
            t.store("ready", 0, o("queue.unready"))
        t.unlock("queue")
        if event:
            return False
        t.add("sleepers", 1, o("queue.sleepers"))
        return sleep(o, t, park, "ready", 0)

    def producer(t):
        t.lock("queue")
        t.store("event", 1, RELAXED)
        t.store("ready", 1, o("queue.ready"))
        seen = t.load("sleepers", o("queue.look")) != 0
        t.unlock("queue")
        return seen
    return Scene([waiter, producer], lambda saw: saw == (True, False),
                 {"ready": 1})


@scene(*PARKS)
def a_pool_is_waited_for_until_something_is_done(o, park):
    """ncp__pool_wait: what it waits for changes under the engine's lock, which it
    takes after it has announced itself: that is order enough."""
    def waiter(t):
        t.add("signal_waiters", 1, o("signal.waiters"))
        seen = t.load("signal", o("signal.seen"))
        t.lock("engine")
        done = t.load("done", RELAXED)
        t.unlock("engine")
        return not done and sleep(o, t, park, "signal", seen)

    def changer(t):
        t.lock("engine")
        t.store("done", 1, RELAXED)
        t.unlock("engine")
        t.add("signal", 1, o("signal.up"))
        return t.load("signal_waiters", o("signal.look")) != 0
    return Scene([waiter, changer], lambda saw: saw == (True, False), {})


@scene(*PARKS)
def a_pause_before_a_dial_and_a_close(o, park):
    """It looks at the gate without the lock, as long as nobody closes."""
    def pauses(t):
        t.add("signal_waiters", 1, o("pause.waiters"))
        seen = t.load("signal", o("pause.seen"))
        return (not t.load("gate", o("gate.look")) and
                sleep(o, t, park, "signal", seen))

    def closer(t):
        t.set_bits("gate", CLOSED, o("close.flag"))
        t.add("signal", 1, o("signal.up"))
        return t.load("signal_waiters", o("signal.look")) != 0
    return Scene([pauses, closer], lambda saw: saw == (True, False), {})


@scene(*PARKS)
def a_worker_falls_asleep_and_a_job_comes(o, park):
    """The word is read and the job looked for under the service's lock."""
    def worker(t):
        t.lock("service")
        seen = t.load("work_word", o("work.seen"))
        job = t.load("job", RELAXED)
        t.unlock("service")
        # Whoever sleeps with the word of after the announcement is not woken.
        return (not job and seen == 1 and
                sleep(o, t, park, "work_word", seen))

    def giver(t):
        t.lock("service")
        t.store("job", 1, RELAXED)
        t.unlock("service")
        t.add("work_word", 1, o("announce"))
    return Scene([worker, giver], lambda saw: saw[0], {})


# ----------------------------------------------------------------- what is due

NEVER, LATER, SOON = 9, 5, 1


def plans(o, t):
    """ncp__upkeep_at(SOON): whether it planned, so that somebody is told. The time
    changes under its hands once at most."""
    planned = t.load("due", o("due.look"))
    for _ in range(2):
        if SOON >= planned:
            return False
        if t.compare_and_swap("due", planned, SOON, o("due.plan"),
                              o("due.missed")):
            return True
        planned = t.events[-1].value
    t.wait_until(SOON >= planned)
    return False


@scene()
def a_host_is_told_when_to_come_and_an_earlier_time(o):
    """It is told the earlier time, or gets an event."""
    def host(t):
        t.store("told", NEVER, o("told.nothing"))
        due = t.load("due", o("told.due"))
        t.store("told", due, o("told.time"))
        return due == SOON

    def planner(t):
        return plans(o, t) and SOON < t.load("told", o("told.look"))
    return Scene([host, planner], lambda saw: saw == (False, False),
                 {"due": NEVER, "told": SOON})


@scene()
def a_plan_is_made_anew_while_upkeep_begins(o):
    """keep() forgets the time, then asks whether to plan; who wants a new plan
    says so, then sets a time if that is earlier."""
    def keeper(t):
        t.store("due", NEVER, o("due.set"))
        return t.swap("replan", 0, o("replan.take")) == 1

    def replanner(t):
        t.store("replan", 1, o("replan.ask"))
        return plans(o, t)
    return Scene([keeper, replanner], lambda saw: saw == (False, False),
                 {"due": 0})


@scene()
def a_plan_is_made_anew_while_another_sets_a_time_and_upkeep_begins(o):
    """The time that the other set is not taken for a later upkeep's."""
    def keeper(t):
        t.store("due", NEVER, o("due.set"))
        return t.swap("replan", 0, o("replan.take")) == 1

    def replanner(t):
        t.store("replan", 1, o("replan.ask"))
        return plans(o, t)

    def other(t):
        t.wait_until(t.compare_and_swap("due", LATER, SOON, o("due.plan"),
                                        o("due.missed")))
    return Scene([keeper, replanner, other],
                 lambda saw: saw[:2] == (False, False), {"due": LATER},
                 lambda memory: memory["due"] == NEVER)


@scene()
def the_clock_of_the_user_moves_while_upkeep_begins(o):
    """Upkeep takes the wish and then reads the clock: it sees the new time, or
    the wish stays."""
    def keeper(t):
        t.store("wish", 0, o("wish.take"))
        return t.load("clock", SEQ_CST) == 1

    def waker(t):
        t.store("clock", 1, SEQ_CST)
        t.store("wish", 1, o("wish.ask"))

    def later(t):
        # Whoever comes when all is over and finds no wish, and no time seen.
        t.wait_until(t.load("over", SEQ_CST) == 2)
        return t.load("wish", SEQ_CST) == 1

    def ends(body):
        def thread(t):
            result = body(t)
            t.add("over", 1, SEQ_CST)
            return result
        return thread
    return Scene([ends(keeper), ends(waker), later],
                 lambda saw: not saw[0] and not saw[2], {"wish": 1})


@scene()
def a_wish_comes_while_upkeep_ends(o):
    """The housekeeper leaves a pool alone that somebody is at; who is at it looks
    for a wish when he is done."""
    def housekeeper(t):
        t.wait_until(t.load("keep_word", o("keep.seen")) == 1)
        busy = t.load("keeping", o("keeping.look"))
        return not busy and t.load("wish", o("wish.look")) == 1

    def keeper(t):
        t.store("keeping", 0, o("keeping.end"))
        return t.load("wish", o("wish.again")) == 1

    def waker(t):
        t.store("wish", 1, o("wish.ask"))
        t.add("keep_word", 1, o("announce"))
    return Scene([housekeeper, keeper, waker], lambda saw: not any(saw[:2]),
                 {"keeping": 1})


@scene()
def the_housekeeper_is_kicked_for_an_earlier_time(o):
    """Who read the word of after the kick sees the time of before it."""
    def housekeeper(t):
        t.wait_until(t.load("keep_word", o("keep.seen")) == 1)
        return t.load("due", o("due.asked")) == SOON

    def planner(t):
        plans(o, t)
        t.add("keep_word", 1, o("announce"))
    return Scene([housekeeper, planner], lambda saw: not saw[0],
                 {"due": NEVER})


@scene()
def a_flush_and_a_get_that_comes_after_it(o):
    """Who knows of the flush, by whatever way, sees the epoch of after it."""
    def flusher(t):
        t.add("epoch", 1, o("flush.epoch"))
        t.store("told", 1, "release")

    def getter(t):
        t.wait_until(t.load("told", ACQUIRE) == 1)
        return t.load("epoch", o("epoch.look"))
    return Scene([flusher, getter], lambda saw: saw[1] == 0, {})
