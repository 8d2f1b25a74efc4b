/*
 * The waiter protocol of the engine: who gets a connection, a place to dial, or
 * an error, and why nobody is forgotten. docs/waiter-protocol.md tells it in
 * words; run.py runs every configuration and every mutant of this file.
 *
 * One step of the model is one access to what is shared without the lock: the
 * gate, the idle mask, the state of a node. What only the holder of the lock
 * touches rides along with the neighbouring step. An inline has the name of the
 * function of core/src/engine that it stands for, without the prefix.
 */

/* ------------------------------------------------------------ configuration */

#ifndef CLIENTS
#define CLIENTS 3 /* threads that get and give back */
#endif
#ifndef SLOTS
#define SLOTS 1 /* slots of the pool, and the largest limit */
#endif
#ifndef MAX
#define MAX 1 /* max_connections at the start */
#endif
#ifndef IDLE
#define IDLE 1 /* mask of the slots that hold an idle connection at the start */
#endif
#ifndef CLASSES
#define CLASSES 1 /* kinds of connection: 0, and 1 when there are two */
#endif
#ifndef DIALERS
#define DIALERS 0 /* push driver: threads that dial. With 0 nothing is dialed,
                     unless PULL is defined: then the waiter dials. */
#endif
#ifndef DIAL_FAILURES
#define DIAL_FAILURES 0 /* dials that may fail */
#endif
#ifndef RESIZES
#define RESIZES 0 /* calls of resize, to 1 or to SLOTS */
#endif
#ifndef REAPS
#define REAPS 0 /* idle connections that maintenance takes, keeps or closes */
#endif
/* What each client wants: a kind, or ANY. */
#ifndef WANT_0
#define WANT_0 ANY
#endif
#ifndef WANT_1
#define WANT_1 ANY
#endif
#ifndef WANT_2
#define WANT_2 ANY
#endif
/* Masks of clients: who may do what. */
#ifndef TWICE
#define TWICE 0 /* gets a second time */
#endif
#ifndef GIVES_UP
#define GIVES_UP 0 /* its deadline may pass, or it is cancelled */
#endif
#ifndef CLOSES
#define CLOSES 0 /* may close what it holds; also: expired at put */
#endif
#ifndef KEEPS
#define KEEPS 0 /* may hold it for ever */
#endif
#ifndef PUTS_TWICE
#define PUTS_TWICE 0
#endif
#ifndef TRIES
#define TRIES 0 /* never stands in line */
#endif
/* Also: CLOSER, SUSPENDER, CLOSE_FIRST, GENERATIONS, SPLIT_SCAN, FOREVER,
 * WEAK_MEMORY; MASKS, EXACT: see the idle store. */

#if defined(PULL) || DIALERS > 0
#define DIALS 1
#else
#define DIALS 0
#endif

#define ANY 2
#define NOBODY 255
#define NO_SLOT 255

/* The gate. */
#define GATE_CLOSED 1
#define GATE_SUSPENDED 2
#define GATE_OVER 4   /* more connections than the lowered limit */
#define GATE_WAITER 8 /* one waiter */
#define STOPS_GET(word) (((word) & ~GATE_OVER) != 0)

/* The state of a node. */
#define GONE 0
#define WAITING 1
#define DECIDED 2
#define LEFT 3 /* gave up */

/* What a node is given: the slot of a connection, GOT_DIAL plus the slot of a
 * reservation, or an error. */
#define GOT_DIAL 16
#define GOT_ERROR 32

/* Threads: the clients first. 0 is no thread. */
#define THREADS (CLIENTS + 8)
#define CLIENT(i) ((i) + 1)
#define CLOSER_ID (CLIENTS + 1)
#define RESIZER_ID (CLIENTS + 2)
#define REAPER_ID (CLIENTS + 3)
#define SUSPENDER_ID (CLIENTS + 4)
#define DIALER_ID (CLIENTS + 5)

#define BIT(n) (1 << (n))
#define MAY(clients, i) (((clients) & BIT(i)) != 0)
#define WANT(i) ((i == 0) * WANT_0 + (i == 1) * WANT_1 + (i >= 2) * WANT_2)
/* The bits of a mask that serve who wants that. */
#define FIT_WANT(want, mask)                                                  \
    ((mask) & (((want) == ANY) * 255 + ((want) == 1) * kind +                 \
               ((want) == 0) * (255 - kind)))
#define FIT(i, mask) FIT_WANT(WANT(i), mask)

/* ------------------------------------------------------------------- shared */

byte gate;        /* written under the lock, read by everyone */
byte idle = IDLE; /* bit set = idle: the word of a slot; who clears it owns it */
#ifdef MASKS
byte hint = IDLE; /* the mask: bits of slots that may be idle */
#endif
byte lock;        /* 0 free, else the thread that holds it */

/* Under the lock. */
byte max = MAX;
byte open, dialing, closing;
bool closed, suspended, over; /* what the flags in the gate say */
byte used = IDLE;       /* slots that hold a connection */
byte creating;          /* slots that are reserved for a dial */
byte kind;              /* slots of kind 1; an owner may read its own bit */
byte ticket[CLIENTS];   /* place in line, from 1; 0 not in line */
byte length;            /* of the line */
byte result[CLIENTS];   /* what the node was given */
byte dial_of[CLIENTS];  /* the dial that is under way for it, or NO_SLOT */
byte owner[SLOTS];      /* of a dial: whose it is, or NOBODY */
byte jobs;              /* reserved slots that no dialer has begun to dial */
byte failures = DIAL_FAILURES;

byte state[CLIENTS];    /* of a node: its thread sleeps on it */

#ifdef GENERATIONS
byte generation[SLOTS]; /* odd = leased */
#endif

/* ------------------------------------------------ what only the checks know */

byte held[SLOTS];    /* the thread that owns the slot, 0 when nobody does */
byte ahead[CLIENTS]; /* clients that stood in line when this one came */
byte real;           /* connections and dials that count against the limit */
byte kept;           /* connections that will never be given back */
bool at_rest;

/* --------------------------------------------------------------- the memory */

/* Orders: with WEAK_MEMORY a weak read-modify-write takes effect later, at the
 * latest when its thread releases the lock or writes again; a weak load may
 * return what was there earlier, back to when its thread began the operation or
 * took the lock. Without WEAK_MEMORY all orders are the same. */
#define SEQ_CST 0
#define WEAK 1

#ifdef WEAK_PUBLISH
#define ORDER_PUBLISH WEAK
#else
#define ORDER_PUBLISH SEQ_CST
#endif
#ifdef WEAK_GATE_READ
#define ORDER_GATE_READ WEAK
#else
#define ORDER_GATE_READ SEQ_CST
#endif
#ifdef WEAK_ENQUEUE
#define ORDER_ENQUEUE WEAK
#else
#define ORDER_ENQUEUE SEQ_CST
#endif
#ifdef WEAK_SCAN
#define ORDER_SCAN WEAK
#else
#define ORDER_SCAN SEQ_CST
#endif
#ifdef WEAK_CLOSE
#define ORDER_CLOSE WEAK
#else
#define ORDER_CLOSE SEQ_CST
#endif
#ifdef WEAK_OVER
#define ORDER_OVER WEAK
#else
#define ORDER_OVER SEQ_CST
#endif

#define OP_NOTHING 0
#define OP_ENTER 1   /* gate += 1 waiter */
#define OP_LEAVE 2   /* gate -= 1 waiter */
#define OP_CLOSE 3
#define OP_SUSPEND 4
#define OP_RESUME 5
#define OP_OVER 6
#define OP_PUBLISH 7 /* + slot: idle |= its bit */

inline perform(op)
{
    if
    :: op == OP_ENTER -> gate = gate + GATE_WAITER
    :: op == OP_LEAVE ->
        assert(gate >= GATE_WAITER);
        gate = gate - GATE_WAITER
    :: op == OP_CLOSE -> gate = gate | GATE_CLOSED
    :: op == OP_SUSPEND -> gate = gate | GATE_SUSPENDED
    :: op == OP_RESUME -> gate = gate & ~GATE_SUSPENDED
    :: op == OP_OVER -> gate = gate | GATE_OVER
    :: op >= OP_PUBLISH ->
        assert(!(idle & BIT(op - OP_PUBLISH)));
        idle = idle | BIT(op - OP_PUBLISH)
    :: else -> skip
    fi
}

#ifdef WEAK_MEMORY
#define STALE_NONE 255
byte pending[THREADS];           /* a write that others do not see yet */
byte stale_gate[THREADS] = STALE_NONE; /* what a load saw early */
byte stale_idle[THREADS] = STALE_NONE;
bool early_gate[THREADS];        /* such a load may happen now */
bool early_idle[THREADS];

inline drain()
{
    perform(pending[me]);
    pending[me] = OP_NOTHING
}

inline forget_early_idle()
{
    stale_idle[me] = STALE_NONE
}

inline write(op, how_write)
{
    d_step {
        drain();
        if
        :: op < OP_PUBLISH -> stale_gate[me] = STALE_NONE
        :: else -> stale_idle[me] = STALE_NONE
        fi;
        if
        :: how_write == SEQ_CST -> perform(op)
        :: else -> pending[me] = op
        fi
    }
}

/* A load may be early from here on. */
inline begin_load_gate(order)
{
    d_step {
        early_gate[me] = (order == WEAK);
        stale_gate[me] = STALE_NONE
    }
}

inline begin_load_idle(order)
{
    d_step {
        early_idle[me] = (order == WEAK);
        stale_idle[me] = STALE_NONE
    }
}

inline load_gate(to, order)
{
    atomic {
        if
        :: pending[me] != OP_NOTHING && pending[me] < OP_PUBLISH -> drain()
        :: else -> skip
        fi;
        if
        :: stale_gate[me] != STALE_NONE -> to = stale_gate[me]
        :: to = gate
        fi;
        stale_gate[me] = STALE_NONE;
        early_gate[me] = false
    }
}

inline load_idle(to, bits, order)
{
    atomic {
        if
        :: pending[me] >= OP_PUBLISH -> drain()
        :: else -> skip
        fi;
        if
        :: stale_idle[me] != STALE_NONE -> to = to | (stale_idle[me] & (bits))
        :: to = to | (idle & (bits))
        fi;
        stale_idle[me] = STALE_NONE;
        early_idle[me] = (order == WEAK)
    }
}

/* What a processor does behind the back of thread me. */
proctype processor(byte me)
{
end:
    do
    :: d_step {
        pending[me] != OP_NOTHING ->
        perform(pending[me]);
        pending[me] = OP_NOTHING
       }
    :: d_step {
        early_gate[me] && stale_gate[me] == STALE_NONE ->
        stale_gate[me] = gate
       }
    :: d_step {
        early_idle[me] && stale_idle[me] == STALE_NONE ->
        stale_idle[me] = idle
       }
    od
}
#else
#define drain() skip
#define forget_early_idle() skip
#define begin_load_gate(order) skip
#define begin_load_idle(order) skip
#define write(op, order) d_step { perform(op) }
#define load_gate(to, order) to = gate
#define load_idle(to, bits, order) to = to | (idle & (bits))
#endif

/* ----------------------------------------------------------- the idle store */

/* Two kinds of store. Without MASKS what is idle changes and is looked at in one
 * step: the store `lock`, whose mutex does that. With MASKS they are `lockfree`
 * and `sharded`, which differ only in where the hints of a get come from: scans
 * go by the bits of a mask, which a get leaves set and a put sets when it is
 * clear; whoever finds a bit stale may clear it. With EXACT (a pool that limits
 * what is idle) a bit is cleared before its slot is claimed, and only then. */

#ifdef MASKS
#ifdef WEAK_MEMORY
#error "orders of the masks: see tests/mutations"
#endif
/* Clears bits that seem stale, and sets those again that were not. */
inline clear_stale()
{
    hint = hint & ~stale;
#ifndef STALE_FORGOTTEN
    stale = stale & idle;
    if
    :: stale != 0 ->
        d_step {
            hint = hint | stale;
            mask = mask | stale;
            returned = true
        }
    :: else -> skip
    fi
#endif
}

inline scan(order)
{
    mask = hint;
    d_step {
        stale = mask & ~idle;
        mask = mask & idle
    };
#ifndef EXACT
    if
    :: stale != 0 && me != REAPER_ID -> clear_stale()
    :: true -> skip /* maintenance and sweeps leave them */
    fi;
#endif
    stale = 0
}

/* `show` of the engine (a word of Promela): after the slot was made idle. */
inline set_bit(shown)
{
#ifndef BIT_NOT_SET
#ifdef BIT_READ_BEFORE_WORD
    if
    :: seen_set -> skip
    :: else -> hint = hint | BIT(shown)
    fi;
    seen_set = false
#else
    if
    :: hint & BIT(shown) -> skip
    :: else -> hint = hint | BIT(shown)
    fi
#endif
#else
    skip
#endif
}
#define leave_mask(left) hint = hint & ~BIT(left)
#else
#ifdef SPLIT_SCAN
#define scan(order)                                                           \
    load_idle(mask, 1, order);                                                \
    load_idle(mask, 2, order)
#else
#define scan(order) load_idle(mask, 255, order)
#endif
#define set_bit(shown) skip
#define leave_mask(left) skip
#endif

/* Any of them: the order among idle connections is no part of the protocol. */
inline choose(from)
{
    if
    :: (from) & 1 -> slot = 0
#if SLOTS > 1
    :: (from) & 2 -> slot = 1
#endif
    fi
}

inline claim_word()
{
#ifdef LOAD_THEN_CLEAR
    won = (idle & BIT(slot)) != 0;
    d_step {
#else
    d_step {
        drain();
        won = (idle & BIT(slot)) != 0;
#endif
        forget_early_idle();
        idle = idle & ~BIT(slot);
        if
        :: won ->
            assert(held[slot] == 0); /* no second owner */
            held[slot] = me
        :: else -> skip
        fi
    }
}

/* Takes `slot` when it is idle; `won` says whether it was. */
inline claim_bit()
{
#ifdef EXACT
    d_step {
        won = (hint & BIT(slot)) != 0;
        hint = hint & ~BIT(slot)
    };
    if
    :: won -> claim_word()
    :: else -> skip
    fi
#else
    claim_word()
#endif
}

inline idle_publish(published, how)
{
#ifdef BIT_READ_BEFORE_WORD
    seen_set = (hint & BIT(published)) != 0;
#endif
    atomic {
        d_step {
            if
            :: held[published] == me -> held[published] = 0
            :: else -> skip
            fi
        };
        write(OP_PUBLISH + published, how)
    };
    set_bit(published)
}

/* ----------------------------------------------------------------- the lock */

inline engine_lock()
{
    atomic {
        lock == 0 ->
        lock = me;
        begin_load_idle(ORDER_SCAN)
    }
}

inline engine_unlock()
{
    d_step {
        drain();
#ifdef MASKS
        returned = false; /* who holds the lock serves what is set again */
#endif
        if
        :: over && open + dialing <= max ->
            over = false;
            gate = gate & ~GATE_OVER
        :: else -> skip
        fi;
        forget_early_idle();
        assert(gate / GATE_WAITER == length);
        assert(((gate & GATE_CLOSED) != 0) == closed);
        assert(((gate & GATE_SUSPENDED) != 0) == suspended);
        assert(((gate & GATE_OVER) != 0) == over);
        assert((idle & ~used) == 0 && (used & creating) == 0);
#ifndef CHECK_THEN_RESERVE
        assert(real == open + dialing);
#endif
        lock = 0
    }
}

/* ----------------------------------------------------------------- the line */

/* The first in line for whom `condition` holds, or NOBODY. */
#ifdef NEWEST_FIRST
#define BEFORE(a, b) (ticket[a] > ticket[b])
#else
#define BEFORE(a, b) (ticket[a] < ticket[b])
#endif
inline oldest(found, condition)
{
    found = NOBODY;
    who = 0;
    do
    :: who < CLIENTS ->
        if
        :: ticket[who] != 0 && (condition) &&
               (found == NOBODY || BEFORE(who, found)) ->
            found = who
        :: else -> skip
        fi;
        who++
    :: else -> break
    od;
    who = 0
}

inline lines_add(node)
{
    d_step {
        assert(ticket[node] == 0 && state[node] == GONE);
        who = 0;
        ahead[node] = 0;
        do
        :: who < CLIENTS ->
            if
            :: ticket[who] != 0 -> ahead[node] = ahead[node] | BIT(who)
            :: else -> skip
            fi;
            who++
        :: else -> break
        od;
        who = 0;
        length++;
        ticket[node] = length;
        dial_of[node] = NO_SLOT;
        state[node] = WAITING
    }
}

/* Tickets are renumbered, so that equal lines are equal states. */
inline lines_remove(node)
{
    assert(ticket[node] != 0);
    who = 0;
    do
    :: who < CLIENTS ->
        if
        :: ticket[who] > ticket[node] -> ticket[who]--
        :: else -> skip
        fi;
        ahead[who] = ahead[who] & ~BIT(node);
        who++
    :: else -> break
    od;
    who = 0;
    ticket[node] = 0;
    length--
}

/* A dial that serves nobody is taken over by the oldest it may serve. */
inline adopt()
{
    oldest(heir, dial_of[who] == NO_SLOT && FIT(who, BIT(orphan)) != 0);
    owner[orphan] = heir;
    if
    :: heir != NOBODY -> dial_of[heir] = orphan
    :: else -> skip
    fi;
    heir = 0
}

inline leave_line(leaver)
{
    atomic {
        d_step {
            lines_remove(leaver);
            if
            :: dial_of[leaver] != NO_SLOT ->
                orphan = dial_of[leaver];
                dial_of[leaver] = NO_SLOT;
                adopt();
                orphan = 0
            :: else -> skip
            fi
        };
        write(OP_LEAVE, WEAK)
    }
}

/* A waiter leaves the line with `what`; it is told when the lock is free. */
inline decide(decided_one, what)
{
    d_step {
        assert((told_later & BIT(decided_one)) == 0);
        ahead[decided_one] = 0;
        result[decided_one] = what;
        told_later = told_later | BIT(decided_one)
    }
}

/* It leaves with a connection that is ours to give. */
inline give(receiver, gift)
{
    leave_line(receiver);
    d_step {
        assert(held[gift] == me);
        held[gift] = CLIENT(receiver);
        who = 0; /* nobody who stood before it could have used it */
        do
        :: who < CLIENTS ->
            assert(!(ahead[receiver] & BIT(who)) || FIT(who, BIT(gift)) == 0);
            who++
        :: else -> break
        od;
        who = 0
    };
    decide(receiver, gift)
}

/* ------------------------------------------------------------------ closing */

/* The place of a connection is free. */
inline free_place(freed)
{
    assert(open > 0 && (used & BIT(freed)));
    open--;
    real--;
    used = used & ~BIT(freed);
    kind = kind & ~BIT(freed);
    held[freed] = 0
}

/* With CLOSE_FIRST the place is free when the close is done, else at once. */
inline begin_close(leaving)
{
    d_step {
        leave_mask(leaving);
#ifdef CLOSE_FIRST
        closing++;
        closed_later = closed_later | BIT(leaving)
#else
        free_place(leaving)
#endif
    }
}

#ifdef MASKS
#define SCAN_BEGIN skip ->
#define SCAN_END
#else
#define SCAN_BEGIN atomic {
#define SCAN_END }
#endif

/* Scans for an idle connection among `from` and claims it. */
inline take_idle(from)
{
    do
    :: SCAN_BEGIN
        scan(ORDER_SCAN);
        if
        :: (mask & (from)) != 0 ->
            choose(mask & (from));
            mask = 0
        :: else ->
            mask = 0;
            slot = NO_SLOT
        fi
       SCAN_END;
       if
       :: slot == NO_SLOT -> break
       :: else ->
           claim_bit();
           if
           :: won -> break
           :: else -> skip /* a fast get was there first */
           fi
       fi
    od;
    won = false
}

/* ------------------------------------------------------------------ serving */

#if DIALS
#ifdef CHECK_THEN_RESERVE
#define ROOM (open < max)
#else
#define ROOM (open + dialing < max)
#endif
#else
#define ROOM false
#endif
/* Above a lowered limit, those that are on their way out aside. */
#define EXCESS (open + dialing > max + closing)

/* Capacity and a slot for `waiter`. */
inline reserve()
{
    atomic {
        real++;
        assert(real <= max); /* the limit holds for the world */
#ifndef CHECK_THEN_RESERVE
        dialing++;
#endif
        choose(255 - used - creating);
        creating = creating | BIT(slot);
        if
        :: WANT(waiter) != 1 -> kind = kind & ~BIT(slot)
        :: CLASSES > 1 && WANT(waiter) != 0 -> kind = kind | BIT(slot)
        fi
    };
#ifdef PULL
    leave_line(waiter);
    d_step {
        assert(ahead[waiter] == 0);
        owner[slot] = waiter
    };
    decide(waiter, GOT_DIAL + slot)
#else
    d_step {
        owner[slot] = waiter;
        dial_of[waiter] = slot;
        jobs = jobs | BIT(slot)
    }
#endif
}

/* The place of a dial is free. */
inline unreserve(ended)
{
    d_step {
#ifndef CHECK_THEN_RESERVE
        dialing--;
#endif
        real--;
        creating = creating & ~BIT(ended);
        if
        :: owner[ended] != NOBODY -> dial_of[owner[ended]] = NO_SLOT
        :: else -> skip
        fi;
        owner[ended] = NOBODY
    }
}

inline begin_dials()
{
#if DIALS
    do
    :: atomic {
        oldest(waiter, dial_of[who] == NO_SLOT);
        if
        :: closed || suspended -> waiter = NOBODY
        :: else -> skip
        fi
       };
       if
       :: waiter == NOBODY -> break
       :: waiter != NOBODY && ROOM -> reserve()
       :: else ->
           /* An idle connection that it cannot use gives way. */
           slot = NO_SLOT;
           d_step {
               needing = 0;
               do
               :: who < CLIENTS ->
                   needing = needing +
                             (ticket[who] != 0 && dial_of[who] == NO_SLOT);
                   who++
               :: else -> break
               od;
               who = 0
           };
           if
           :: closing < needing -> take_idle(mask & ~FIT(waiter, mask))
           :: else -> skip /* enough of them are on their way out */
           fi;
           needing = 0;
           if
           :: slot == NO_SLOT -> break
           :: else -> begin_close(slot)
           fi;
           if
           :: !ROOM -> break
           :: else -> skip
           fi
       fi
    od;
#endif
    skip;
    d_step {
        slot = 0;
        waiter = 0
    }
}

/* Under the lock, after anything that may let a waiter go on. */
inline serve_locked()
{
    /* What exceeds the limit, and everything in a closed pool, goes. */
    do
#ifdef SHRINK_FORGETS_LATE_PUT
    :: closed ->
#else
    :: closed || (over && EXCESS) ->
#endif
        take_idle(255);
        if
        :: slot == NO_SLOT -> break
        :: else -> begin_close(slot)
        fi
    :: else -> break
    od;
    /* One idle connection after the other to the oldest that it serves. */
    tried = 0;
    do
    :: atomic {
        oldest(waiter, (tried & BIT(WANT(who))) == 0);
        if
        :: closed || suspended -> waiter = NOBODY
        :: else -> skip
        fi
       };
       if
       :: waiter == NOBODY -> break
       :: else ->
           take_idle(FIT(waiter, mask));
           if
           :: slot == NO_SLOT -> tried = tried | BIT(WANT(waiter))
           :: else ->
#ifndef LINE_BY_LINE
               d_step { oldest(waiter, FIT(who, BIT(slot)) != 0) };
#endif
               give(waiter, slot);
               tried = 0
           fi
       fi
    od;
    tried = 0;
    begin_dials()
}

#ifdef NO_RESCAN
#define serve_new_waiter() skip
#else
#define serve_new_waiter() serve_locked()
#endif
#ifdef FREED_CAPACITY_SILENT
#define serve_freed() skip
#else
#define serve_freed() serve_locked()
#endif
#ifdef RESIZE_SILENT
#define serve_resized() skip
#else
#define serve_resized() serve_locked()
#endif

/* After the lock is released: who is decided is told, what is to be closed is
 * closed. */
inline carry_out()
{
    do
    :: told_later != 0 ->
        d_step {
            do
            :: told_later & BIT(who) -> break
            :: else -> who++
            od;
            assert(state[who] == WAITING); /* once, and it is still there */
            state[who] = DECIDED;
            told_later = told_later & ~BIT(who);
            who = 0
        }
#ifdef CLOSE_FIRST
    :: closed_later != 0 ->
        engine_lock();
        d_step {
            do
            :: closed_later & BIT(slot) -> break
            :: else -> slot++
            od;
            closed_later = closed_later & ~BIT(slot);
            closing--;
            free_place(slot);
            slot = 0
        };
        serve_freed();
        engine_unlock()
    :: told_later == 0 && closed_later == 0 -> break
#else
    :: told_later == 0 -> break
#endif
    od;
    skip
}

/* ----------------------------------------------------------------- offering */

/* Under the lock: where a connection goes that is ours. */
inline offer_locked(offered)
{
    d_step {
        oldest(waiter, FIT(who, BIT(offered)) != 0);
        if
        :: suspended -> waiter = NOBODY
        :: else -> skip
        fi
    };
    if
    :: closed || EXCESS ->
        begin_close(offered);
#ifndef CLOSE_FIRST
        serve_freed()
#endif
    :: !closed && !EXCESS && waiter != NOBODY ->
        give(waiter, offered)
    :: !closed && !EXCESS && waiter == NOBODY ->
        idle_publish(offered, WEAK);
        begin_dials()
    fi;
    waiter = 0
}

/* The owner of a connection lets go of it. */
inline offer(ours)
{
    begin_load_gate(WEAK);
    load_gate(word, WEAK);
    begin_load_gate(ORDER_GATE_READ);
    if
    :: word != 0 ->
        engine_lock();
        offer_locked(ours);
        engine_unlock()
    :: else ->
        idle_publish(ours, ORDER_PUBLISH);
#ifndef GATE_READ_BEFORE_PUBLISH
        load_gate(word, ORDER_GATE_READ);
        if
        :: word != 0 ->
            engine_lock();
            serve_locked();
            engine_unlock()
        :: else -> skip
        fi
#endif
    fi;
    word = 0;
    carry_out()
}

/* The owner closes it instead. */
inline discard(unwanted)
{
    engine_lock();
    begin_close(unwanted);
#ifndef CLOSE_FIRST
    serve_freed();
#endif
    engine_unlock();
    carry_out()
}

/* The dial of a slot succeeded: it holds a connection, which is ours. */
inline join(made)
{
    unreserve(made);
    d_step {
        used = used | BIT(made);
        open++;
        real++;
        assert(held[made] == 0);
        held[made] = me
    }
}

#if defined(BIT_READ_BEFORE_WORD)
#define LOCALS_OF_MASKS , returned, seen_set; byte stale
#elif defined(MASKS)
#define LOCALS_OF_MASKS , returned; byte stale
#else
#define LOCALS_OF_MASKS
#endif
#define LOCALS                                                                \
    byte word, mask, slot, waiter, who, orphan, heir, tried, needing,         \
        told_later, closed_later;                                             \
    bool won LOCALS_OF_MASKS

/* ------------------------------------------------------------------ clients */

#ifdef GENERATIONS
inline begin_lease()
{
    d_step {
        generation[conn]++;
#ifndef NO_GEN_CHECK
        assert(generation[conn] & 1);
#endif
        lease = generation[conn]
    }
}

inline end_lease()
{
    d_step {
#ifndef NO_GEN_CHECK
        assert(generation[conn] == lease);
#endif
        generation[conn]++;
        last = conn;
        last_lease = lease
    }
}
#else
#define begin_lease() skip
#define end_lease() skip
#endif

proctype client(byte i)
{
    byte me = CLIENT(i);
    byte rounds = 1 + MAY(TWICE, i);
    byte conn, got;
#ifdef GENERATIONS
    byte lease, last_lease;
    byte last = NO_SLOT;
#endif
    LOCALS;

    do
    :: rounds == 0 -> break
    :: rounds > 0 ->
#ifndef FOREVER
        rounds--;
#endif
        got = GOT_ERROR;

        /* fast_get */
        atomic {
            begin_load_gate(WEAK);
            begin_load_idle(WEAK)
        };
        load_gate(word, WEAK);
        do
        :: STOPS_GET(word) -> break
        :: !STOPS_GET(word) ->
#if defined(MASKS) && CLASSES == 1
            /* the chain names one that is idle, or does not help */
            if
            :: atomic { idle != 0 -> choose(idle) };
                claim_bit();
                if
                :: won ->
                    got = slot;
                    break
                :: else -> slot = 0
                fi
            :: true -> skip
            fi;
#endif
            scan(WEAK);
            mask = FIT(i, mask); /* the kinds may be newer than the bits */
            if
            :: mask == 0 -> break
            :: else ->
                choose(mask);
                mask = 0;
                claim_bit();
                if
                :: won && FIT(i, BIT(slot)) != 0 ->
                    got = slot;
                    break
                :: won && FIT(i, BIT(slot)) == 0 -> /* not what it seemed */
                    conn = slot;
                    slot = 0;
                    won = 0;
#ifdef UNTAKE_SILENT
                    idle_publish(conn, SEQ_CST);
#else
                    offer(conn);
#endif
                    conn = 0;
                    break
                :: else -> skip
                fi
            fi
        od;
        skip;
        d_step {
            mask = 0;
            slot = 0;
            won = 0;
            forget_early_idle()
        };
#ifdef MASKS
        /* What was put back on the way was put. */
        if
        :: returned ->
            returned = false;
#ifndef RETURNED_SILENT
            load_gate(word, SEQ_CST);
            if
            :: word != 0 ->
                engine_lock();
                serve_locked();
                engine_unlock();
                carry_out()
            :: else -> skip
            fi
#endif
        :: else -> skip
        fi;
        returned = false;
#endif

        /* enqueue, and wait */
        if
        :: got != GOT_ERROR || MAY(TRIES, i) -> skip
        :: got == GOT_ERROR && !MAY(TRIES, i) ->
            engine_lock();
            if
#ifdef CLOSE_FORGETS_LATE_ENQUEUE
            :: word & GATE_CLOSED -> engine_unlock()
            :: !(word & GATE_CLOSED) ->
#else
            :: closed -> engine_unlock()
            :: !closed ->
#endif
                lines_add(i);
                write(OP_ENTER, ORDER_ENQUEUE);
                serve_new_waiter();
                engine_unlock();
                carry_out();
                if
                :: state[i] == DECIDED -> skip
                :: at_rest -> goto gone
                :: MAY(GIVES_UP, i) -> /* but this time it has no deadline */
                    if
                    :: state[i] == DECIDED -> skip
                    :: at_rest -> goto gone
                    fi
                :: MAY(GIVES_UP, i) && state[i] == WAITING -> /* give_up */
#ifdef HAND_TO_CANCELLED
                    if
                    :: d_step { state[i] == WAITING -> state[i] = LEFT }
                    :: state[i] == DECIDED -> skip
                    fi;
#endif
                    engine_lock();
                    if
                    :: ticket[i] != 0 ->
                        leave_line(i);
                        d_step {
                            ahead[i] = 0;
                            result[i] = GOT_ERROR;
                            state[i] = LEFT
                        };
                        serve_locked();
                        engine_unlock();
                        carry_out()
                    :: else -> /* decided already: the result counts */
                        engine_unlock();
#ifndef LEAVES_UNTOLD
#ifndef HAND_TO_CANCELLED
                        state[i] == DECIDED;
#endif
#endif
#ifdef CANCEL_DROPS_HANDED
                        result[i] = GOT_ERROR;
#endif
                        skip
                    fi
                fi;
                d_step {
                    got = result[i];
                    result[i] = 0;
                    state[i] = GONE
                }
            fi
        fi;
        word = 0;

#ifdef PULL
        if
        :: got >= GOT_DIAL && got < GOT_ERROR ->
            conn = got - GOT_DIAL;
            got = GOT_ERROR;
            if
            :: engine_lock();
                join(conn);
                if
                :: closed -> begin_close(conn)
                :: else ->
                    got = conn;
                    serve_locked()
                fi;
                engine_unlock()
            :: atomic { failures > 0 -> failures-- };
                engine_lock();
                unreserve(conn);
                serve_freed();
                engine_unlock()
            :: MAY(GIVES_UP, i) -> /* the ticket is abandoned */
#ifdef ABANDON_KEEPS_RESERVATION
                skip
#else
                engine_lock();
                unreserve(conn);
                serve_freed();
                engine_unlock()
#endif
            fi;
            carry_out()
        :: else -> skip
        fi;
#endif

        /* use it, and let go of it */
        if
        :: got == GOT_ERROR -> skip
        :: else ->
            conn = got;
            assert(held[conn] == me);
            assert(FIT(i, BIT(conn)) != 0);
            begin_lease();
            if
            :: true -> /* put */
                end_lease();
                offer(conn)
            :: MAY(CLOSES, i) ->
                end_lease();
                discard(conn)
            :: MAY(KEEPS, i) ->
                kept++;
                goto gone
            fi
        fi;
        d_step {
            conn = 0;
            got = 0
        };

#ifdef GENERATIONS
        /* put the same lease again, whoever has the connection by now */
        if
        :: MAY(PUTS_TWICE, i) && last != NO_SLOT ->
            d_step {
                if
#ifndef NO_GEN_CHECK
                :: generation[last] != last_lease -> won = 0
#endif
                :: else ->
                    won = (used & BIT(last)) && !(idle & BIT(last));
                    generation[last]++
                fi
            };
            if
            :: won -> offer(last)
            :: else -> skip
            fi;
            won = 0;
            last = NO_SLOT
        :: true -> last = NO_SLOT
        fi
#endif
    od;
gone:
    skip
}

/* ------------------------------------------------------------------- others */

#ifdef CLOSER
proctype closer()
{
    byte me = CLOSER_ID;
    LOCALS;

    engine_lock();
    closed = true;
    write(OP_CLOSE, ORDER_CLOSE);
    do
    :: length == 0 -> break
    :: else ->
        d_step { oldest(waiter, true) };
        leave_line(waiter);
        decide(waiter, GOT_ERROR)
    od;
    serve_locked();
    engine_unlock();
    carry_out()
}
#endif

#if RESIZES > 0
proctype resizer()
{
    byte me = RESIZER_ID;
    byte left = RESIZES;
    LOCALS;

    do
    :: left == 0 -> break
    :: left > 0 ->
        left--;
        engine_lock();
        if
        :: closed -> skip
        :: else ->
            atomic {
                if
                :: max = 1
                :: max = SLOTS
                fi
            };
            do
            :: EXCESS ->
                take_idle(255);
                if
                :: slot == NO_SLOT -> break
                :: else -> begin_close(slot)
                fi
            :: else -> break
            od;
            if
            :: EXCESS && !over ->
                over = true;
                write(OP_OVER, ORDER_OVER)
            :: else -> skip
            fi;
            serve_resized()
        fi;
        engine_unlock();
        carry_out()
    od
}
#endif

#if REAPS > 0
/* Maintenance takes an idle connection like a borrower, to check it. */
proctype reaper()
{
    byte me = REAPER_ID;
    byte left = REAPS;
    byte conn;
    LOCALS;

    do
    :: left == 0 -> break
    :: left > 0 ->
        left--;
        take_idle(255);
        if
        :: slot == NO_SLOT -> slot = 0
        :: else ->
            conn = slot;
            slot = 0;
            if
#ifdef CHECK_SILENT
            :: idle_publish(conn, SEQ_CST)
#else
            :: offer(conn)
#endif
            :: discard(conn)
            fi;
            conn = 0
        fi
    od
}
#endif

#ifdef SUSPENDER
proctype suspender()
{
    byte me = SUSPENDER_ID;
    LOCALS;

    engine_lock();
    if
    :: closed -> skip
    :: else ->
        suspended = true;
        write(OP_SUSPEND, WEAK)
    fi;
    engine_unlock();
    engine_lock();
    if
    :: !suspended -> skip
    :: else ->
        suspended = false;
        write(OP_RESUME, WEAK);
#ifndef RESUME_SILENT
        serve_locked()
#endif
    fi;
    engine_unlock();
    carry_out()
}
#endif

#if DIALERS > 0
proctype dialer(byte number)
{
    byte me = DIALER_ID + number;
    byte conn, blamed;
    bool wanted;
    LOCALS;

end:
    do
    :: atomic {
        jobs != 0 ->
        choose(jobs);
        conn = slot;
        slot = 0;
        jobs = jobs & ~BIT(conn)
       };

       /* dial_wanted */
       engine_lock();
       d_step {
           if
           :: !closed && owner[conn] == NOBODY ->
               orphan = conn;
               adopt();
               orphan = 0
           :: else -> skip
           fi;
           wanted = !closed && owner[conn] != NOBODY
       };
       if
       :: wanted -> skip
       :: else ->
           unreserve(conn);
           serve_freed()
       fi;
       engine_unlock();
       carry_out();

       if
       :: !wanted -> skip
       :: wanted -> /* dialed; the dial ignored what it was asked for, or not */
           engine_lock();
           join(conn);
           offer_locked(conn);
           serve_locked();
           engine_unlock();
           carry_out()
       :: atomic { wanted && failures > 0 -> failures-- };
           engine_lock();
           blamed = owner[conn];
           unreserve(conn);
           if
           :: blamed == NOBODY -> skip
           :: blamed != NOBODY -> skip /* the policy: it waits on */
           :: blamed != NOBODY -> /* or: it gets the error */
               leave_line(blamed);
               decide(blamed, GOT_ERROR)
           fi;
           serve_freed();
           engine_unlock();
           carry_out()
       fi;
       d_step {
           wanted = false;
           blamed = 0;
           conn = 0
       }
    od
}
#endif

/* ------------------------------------------------------------ when all rest */

/* Nothing moves any more: whoever still waits waits for ever. */
proctype monitor()
{
    byte i, idles;

    timeout;
    d_step {
        do
        :: i < SLOTS ->
            idles = idles + ((idle & BIT(i)) != 0);
            i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < CLIENTS -> /* no waiter is stranded */
            assert(state[i] != WAITING || kept >= max);
            i++
        :: else -> break
        od;
        assert(lock == 0);
#ifdef MASKS
        assert((idle & ~hint) == 0); /* every scan finds what is idle */
#endif
        assert(dialing == 0 && closing == 0); /* no place is lost */
        assert(open == idles + kept);         /* no connection is lost */
        assert(!closed || idle == 0);         /* none outlives the pool */
        assert(idle == 0 || open <= max);     /* none outlives a shrink */
        at_rest = true
    }
}

init
{
    atomic {
        byte i;
        do
        :: i < SLOTS ->
            open = open + ((IDLE & BIT(i)) != 0);
            i++
        :: else -> break
        od;
        real = open;
        i = 0;
        do
        :: i < CLIENTS ->
            dial_of[i] = NO_SLOT;
            run client(i);
            i++
        :: else -> break
        od;
#if DIALERS > 0
        i = 0;
        do
        :: i < DIALERS ->
            run dialer(i);
            i++
        :: else -> break
        od;
#endif
#ifdef CLOSER
        run closer();
#endif
#if RESIZES > 0
        run resizer();
#endif
#if REAPS > 0
        run reaper();
#endif
#ifdef SUSPENDER
        run suspender();
#endif
#ifdef WEAK_MEMORY
        i = 0;
        do
        :: i < CLIENTS ->
            run processor(CLIENT(i));
            i++
        :: else -> break
        od;
#ifdef CLOSER
        run processor(CLOSER_ID);
#endif
#if RESIZES > 0
        run processor(RESIZER_ID);
#endif
#endif
        run monitor();
        i = 0
    }
}

#ifdef FOREVER
/* Whoever stands in line is served. */
ltl served { [] (state[0] == WAITING -> <> (state[0] != WAITING)) }
#endif
