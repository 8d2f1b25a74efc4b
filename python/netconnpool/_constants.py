"""The constants of the library.

Written by bindings/gen/gen.py from the public header; not to be edited.
"""
import enum
from typing import Final


class Status(enum.IntEnum):
    """What a function returns. Values are never reused."""

    #: success
    OK = 0
    #: the pool is closed
    ECLOSED = -1
    #: the connection is closed
    ECONNCLOSED = -2
    #: the deadline of the get passed
    ETIMEOUT = -3
    #: the limit of connections is reached
    EMAXCONN = -4
    #: no such lease: put twice, stale, foreign, or a dialer that returned
    #: nothing
    EINVALIDCONN = -5
    #: the connection is unhealthy
    EUNHEALTHY = -6
    #: a configuration was refused; see ncp_config_reason()
    EINVALIDCONFIG = -7
    #: the lease had been evicted as leaked
    ELEAKED = -8
    #: nothing idle, and no waiting was asked
    EEXHAUSTED = -9
    #: not a value of enum ncp_ip
    EUNSUPPORTEDIP = -10
    #: dialed, but never this IP version
    ENOIP = -11
    #: not a value of enum ncp_protocol
    EUNSUPPORTEDPROTO = -12
    #: dialed, but never this protocol
    ENOPROTO = -13
    #: the dial or accept failed or timed out; see ncp_pool_dial_error()
    EDIAL = -14
    #: a hook refused the connection
    EHOOK = -15
    #: closing the connection failed; it is gone all the same
    ECLOSEHOOK = -16
    #: the caller cancelled the get
    ECANCELED = -17
    #: out of memory
    ENOMEM = -18
    #: a system call failed
    ESYS = -19
    #: a callback failed; its error is yours
    EUSER = -20
    #: an argument is not valid
    EINVAL = -21
    #: max_waiters callers wait already
    EWAITERS = -22
    #: the circuit breaker is open and no connection can come back
    EBREAKER = -23
    #: not possible for this pool or now
    ESTATE = -24
    #: no such name
    ENOTFOUND = -25
    #: not ready yet; the ticket keeps its place
    EAGAIN = -26


class Mode(enum.IntEnum):
    """Where connections come from."""

    #: the pool dials
    CLIENT = 0
    #: the pool accepts from a listener
    SERVER = 1


class Protocol(enum.IntEnum):
    """The protocol of a connection. In a request NCP_PROTOCOL_UNKNOWN is any."""

    #: neither TCP nor UDP: unix, pipe, anything
    UNKNOWN = 0
    TCP = 1
    UDP = 2


class Ip(enum.IntEnum):
    """The IP version of a connection. In a request NCP_IP_UNKNOWN is any."""

    #: neither IPv4 nor IPv6
    UNKNOWN = 0
    V4 = 1
    V6 = 2


class Driver(enum.IntEnum):
    """Who dials, checks and closes."""

    #: the pool calls the callbacks of the configuration
    PUSH = 0
    #: the pool hands the work out as events
    PULL = 1


class IdleOrder(enum.IntEnum):
    """Which idle connection is lent first."""

    #: the one returned last: few stay warm, the rest ages
    LIFO = 0
    #: the one returned first: all are used in turn
    FIFO = 1


class Fairness(enum.IntEnum):
    """Who gets a connection that comes back while callers wait."""

    #: the oldest compatible waiter, always
    STRICT = 0
    #: a running caller may take it until the oldest waiter has waited 1 ms;
    #: fewer wake-ups
    ADAPTIVE = 1


class DialPolicy(enum.IntEnum):
    """What a failed dial means to those who wait."""

    #: the waiter that asked for it gets the error
    FAIL_ONE = 0
    #: every waiter gets the error
    FAIL_ALL = 1
    #: nobody: they wait for their own deadline while the pool dials again,
    #: with dial_backoff or else 10 ms in between
    WAIT = 2


class Store(enum.IntEnum):
    """How the idle connections are kept."""

    #: no lock on the fast path; idle_order is exact among returns that do not
    #: overlap
    LOCKFREE = 0
    #: a mutex and a list; idle_order is exact
    LOCK = 1
    #: as lockfree, and threads that use connections of their own share no
    #: memory; idle_order is exact within a shard, which is one thread or a few
    SHARDED = 2


class LogLevel(enum.IntEnum):
    """How loud the log is."""

    OFF = 0
    ERROR = 1
    WARN = 2
    INFO = 3
    DEBUG = 4


class Reason(enum.IntEnum):
    """Why a connection left the pool; also what a connection callback is told."""

    #: nothing is being closed
    NONE = 0
    IDLE_TIMEOUT = 1
    MAX_LIFETIME = 2
    #: a check failed, or it was marked
    UNHEALTHY = 3
    #: max_idle_connections was reached
    IDLE_FULL = 4
    #: made room for another bucket
    EVICTED = 5
    #: its borrower kept it too long
    LEAKED = 6
    #: its borrower asked for it
    DISCARDED = 7
    #: ncp_pool_flush()
    FLUSHED = 8
    #: ncp_pool_resize()
    SHRUNK = 9
    POOL_CLOSED = 10
    #: a hook refused it or failed
    HOOK = 11
    #: stale datagrams could not be drained
    DIRTY = 12
    #: nobody could use it and idle was full
    MISMATCH = 13
    #: ncp_pool_detach(); never closed by us
    DETACHED = 14
    #: inherited by a child process
    FORKED = 15


class Callback(enum.IntEnum):
    """Which connection callback; for ncp_config_set_callback()."""

    #: replaces the default close; exactly once a connection
    CLOSER = 1
    #: replaces the default health check
    CHECKER = 2
    #: after the dial; failure refuses it
    ON_CREATED = 3
    #: on the thread of get, last; failure closes the connection and fails the
    #: get
    ON_BORROW = 4
    #: on the thread of put, first; failure closes the connection and fails the
    #: put
    ON_RETURN = 5
    #: before a connection is closed, with the reason; the result is ignored
    ON_CLOSE = 6
    #: a lease passed leak_timeout (reason NONE) or was evicted (reason
    #: LEAKED); result ignored
    ON_LEAK = 7


class Option(enum.IntEnum):
    """The options of a configuration. ncp_option_at() tells name, type, unit,
    default and range of each at run time; the names are those below, in
    lower case, without the prefix."""

    #: enum ncp_mode
    MODE = 1
    #: enum ncp_driver
    DRIVER = 2
    #: text: name of the pool in logs
    NAME = 3
    #: text: what the built-in dialer dials, see ncp_target_check()
    TARGET = 4
    #: server mode: a listening socket, -1 none; made non-blocking by a pool
    #: that accepts from it itself, never closed by us
    LISTENER_FD = 5
    #: 0 unlimited
    MAX_CONNECTIONS = 6
    #: how many to prewarm
    MIN_CONNECTIONS = 7
    MAX_IDLE_CONNECTIONS = 8
    #: ms, one creation
    CONNECTION_TIMEOUT = 9
    #: ms, 0 never
    IDLE_TIMEOUT = 10
    #: ms, 0 never
    MAX_LIFETIME = 11
    #: percent that a connection's idle timeout and lifetime are shortened by
    #: at most
    EXPIRY_JITTER = 12
    #: ms, below 0 no limit, never 0
    GET_TIMEOUT = 13
    #: bool
    HEALTH_CHECK = 14
    #: ms
    HEALTH_CHECK_INTERVAL = 15
    #: ms
    HEALTH_CHECK_TIMEOUT = 16
    #: bool
    CHECK_ON_BORROW = 17
    #: ms, 0 off
    LEAK_TIMEOUT = 18
    #: ms, 0 derived
    LEAK_INTERVAL = 19
    #: evict after this many leak timeouts, 0 never
    LEAK_EVICT_MULTIPLIER = 20
    #: bool: keep the borrower's stack
    CAPTURE_STACKS = 21
    #: bool
    STATS = 22
    #: window of the percentiles
    LATENCY_SAMPLES = 23
    #: bool: drop stale datagrams when a UDP connection is borrowed again
    CLEAR_UDP = 24
    #: ms
    UDP_CLEAR_TIMEOUT = 25
    MAX_BUFFER_CLEAR_PACKETS = 26
    #: bool: put O_NONBLOCK back at return to what the dialer left
    RESTORE_BLOCKING = 27
    #: 0 unlimited
    MAX_CONCURRENT_CREATES = 28
    CREATE_RETRIES = 29
    #: ms, times the attempt
    CREATE_RETRY_INTERVAL = 30
    #: bool: dial on the thread of get; deadlines then hold only as well as the
    #: dialer keeps them
    DIAL_IN_CALLER = 31
    #: dials a second, 0 no limit
    DIAL_RATE = 32
    #: dials at once within the rate
    DIAL_BURST = 33
    #: ms after a failed dial, 0 none
    DIAL_BACKOFF = 34
    #: ms
    DIAL_BACKOFF_MAX = 35
    #: failed dials in a row that open the breaker, 0 no breaker
    BREAKER_FAILURES = 36
    #: ms until the single probe
    BREAKER_COOLDOWN = 37
    #: enum ncp_dial_policy
    DIAL_POLICY = 38
    #: ms, 0 derived
    CLEANUP_INTERVAL = 39
    #: bool: refill to min_connections
    MAINTAIN_MIN = 40
    #: bool
    PREWARM_RETRY = 41
    #: a connection
    PREWARM_MAX_RETRIES = 42
    #: ms
    PREWARM_RETRY_INTERVAL = 43
    #: bool: ncp_pool_new() waits
    PREWARM_BLOCKING = 44
    #: enum ncp_idle_order
    IDLE_ORDER = 45
    #: enum ncp_fairness
    FAIRNESS = 46
    #: enum ncp_store
    STORE = 47
    #: 0 unlimited
    MAX_WAITERS = 48
    #: enum ncp_log_level
    LOG_LEVEL = 49
    #: bool
    TCP_NODELAY = 50
    #: ms between probes, 0 off
    TCP_KEEPALIVE = 51
    #: bytes, 0 the system's
    SEND_BUFFER = 52
    #: bytes, 0 the system's
    RECEIVE_BUFFER = 53
    #: ms between two addresses
    HAPPY_EYEBALLS_DELAY = 54
    #: pull: which events the host wants besides, of enum ncp_host_event; 0
    #: none
    HOST_EVENTS = 55


class Type(enum.IntEnum):
    """The type of an option."""

    #: a whole number
    INT = 1
    #: 0 or 1; text: false, true, off, on, no, yes
    BOOL = 2
    #: milliseconds; text: "250ms", "30s", "5m0s" or a plain number of
    #: milliseconds
    DURATION = 3
    #: text: one of the names in `help`
    ENUM = 4
    TEXT = 5


class Info(enum.IntEnum):
    """What is known of a connection; for ncp_lease_info() and ncp_conn_info()."""

    HANDLE = 1
    #: as int64_t, -1 for none
    FD = 2
    #: process-wide, from 1, never reused
    ID = 3
    PROTOCOL = 4
    IP = 5
    AGE_NS = 6
    #: 0 while borrowed
    IDLE_NS = 7
    #: gets it served while it existed already: the one it was made for does
    #: not count
    REUSE_COUNT = 8
    IN_USE = 9
    HEALTHY = 10
    LEAK_DETECTED = 11
    #: how long this lease has been out, else 0
    BORROWED_NS = 12
    TAG = 13
    #: on the pool's clock
    CREATED_AT_NS = 14
    #: on the pool's clock: borrow or return
    LAST_USED_AT_NS = 15
    #: on the pool's clock, 0 never
    LAST_CHECK_AT_NS = 16
    #: the lease that is out, else 0
    LEASE = 17


class Counter(enum.IntEnum):
    """The counters. ncp_counter_at() tells name, unit and kind of each at run
    time; the names are those below, in lower case, without the prefix.
    Ratios are in millionths."""

    #: connections that joined the pool
    CREATED = 0
    #: connections that left it
    CLOSED = 1
    #: created - closed = idle + active
    CURRENT = 2
    IDLE = 3
    ACTIVE = 4
    IPV4 = 5
    IPV6 = 6
    IPV4_IDLE = 7
    IPV6_IDLE = 8
    TCP = 9
    UDP = 10
    TCP_IDLE = 11
    UDP_IDLE = 12
    #: gets, = successful + failed + timeout + in_flight
    TOTAL = 13
    SUCCESSFUL = 14
    FAILED = 15
    TIMEOUT = 16
    IN_FLIGHT = 17
    HC_ATTEMPTS = 18
    HC_FAILURES = 19
    UNHEALTHY = 20
    #: failed attempts to create
    CONNECTION_ERRORS = 21
    LEAKED = 22
    EVICTED = 23
    REUSED = 24
    #: part of failed
    CANCELED = 25
    #: part of closed
    DETACHED = 26
    #: reused / created, millionths
    AVERAGE_REUSE = 27
    #: ns, of successful gets
    TOTAL_GET_TIME = 28
    #: ns
    AVERAGE_GET_TIME = 29
    #: ns
    MAX_GET_TIME = 30
    #: ns
    P50_GET_TIME = 31
    #: ns
    P95_GET_TIME = 32
    #: ns
    P99_GET_TIME = 33
    #: active / max, millionths
    UTILIZATION = 34
    #: millionths
    CREATION_FAILURE_RATE = 35
    #: millionths
    HC_SUCCESS_RATE = 36
    #: ns, of closed connections
    AVERAGE_LIFETIME = 37
    PREWARM_TARGET = 38
    PREWARM_CREATED = 39
    #: 1 when pre-warming has ended without a failed dial
    PREWARM_COMPLETED = 40
    #: callers in line
    WAITING = 41
    #: creations in progress
    DIALING = 42
    #: 1 while the breaker is not closed
    BREAKER_OPEN = 43
    #: how often it opened
    BREAKER_TRIPS = 44
    #: ns on the pool's clock: now
    LAST_UPDATE = 45
    #: how many this header knows
    COUNT = 46


class CounterKind(enum.IntEnum):
    """How a counter behaves."""

    #: never decreases
    CUMULATIVE = 1
    #: goes up and down
    GAUGE = 2
    #: computed from others
    DERIVED = 3


class EventType(enum.IntEnum):
    """What an event says."""

    NONE = 0
    #: `lease` is yours; give it back
    CONN = 1
    #: `lease` is a reservation: dial, then ncp_pool_fulfil() or
    #: ncp_pool_fail()
    DIAL = 2
    #: check the connection, then ncp_pool_checked()
    CHECK = 3
    #: close `handle`; nothing to answer
    CLOSE = 4
    #: `ticket` stands in line
    PENDING = 5
    #: `ticket` is decided: ncp_ticket_take()
    READY = 6
    #: ncp_queue_kick()
    KICK = 7
    #: with NCP_HOST_BORROW: `lease` is to be looked at before it is lent, then
    #: ncp_pool_checked()
    BORROW = 8
    #: with NCP_HOST_LEAK: a lease passed leak_timeout (reason NONE) or was
    #: evicted (reason LEAKED)
    LEAK = 9
    #: with NCP_HOST_LOG: ncp_pool_log_next()
    LOG = 10
    #: with NCP_HOST_DUE: ncp_pool_next_due_ms() is earlier than it said last
    DUE = 11


class HostEvent(enum.IntFlag):
    """Events that a host may want besides; bits of the option host_events."""

    #: BORROW in place of CONN: the host has a hook that may refuse a
    #: connection
    BORROW = 1
    #: LEAK, in place of the callback on_leak
    LEAK = 2
    #: LOG, in place of the callback log; log_level says how much
    LOG = 4
    #: DUE, so that the host need not ask after each call
    DUE = 8


class Flag(enum.IntFlag):
    """Flags of ncp_pool_acquire() and ncp_pool_release()."""

    #: acquire: this caller can dial; it may be answered with DIAL, at once or
    #: through its ticket. Without it DIAL goes as work to the queue.
    DIALS = 1
    #: acquire: an idle connection or NCP_EEXHAUSTED
    TRY = 2
    #: release: close instead of keeping
    DISCARD = 4
    #: acquire: the queue takes the ticket by itself: what ncp_ticket_take()
    #: would answer comes out of it in place of READY (a failed one: READY,
    #: with `status` and `code`) and the ticket is over
    TAKE = 8
    #: release: a hook of the host refused it; closed, with reason HOOK
    HOOK = 16


VERSION_MAJOR: Final = 0
VERSION_MINOR: Final = 1
VERSION_PATCH: Final = 0
#: The timeout of ncp_pool_get_ex() that stands for the configured one.
TIMEOUT_DEFAULT: Final = -9223372036854775808

#: The text of each status.
STATUS_TEXTS: Final[dict[Status, str]] = {
    Status.OK: "success",
    Status.ECLOSED: "pool is closed",
    Status.ECONNCLOSED: "connection is closed",
    Status.ETIMEOUT: "get connection timeout",
    Status.EMAXCONN: "max connections limit reached",
    Status.EINVALIDCONN: "invalid connection",
    Status.EUNHEALTHY: "connection unhealthy",
    Status.EINVALIDCONFIG: "invalid config parameters",
    Status.ELEAKED: "connection leak detected: connection not returned within timeout",
    Status.EEXHAUSTED: "pool exhausted, cannot create new connection",
    Status.EUNSUPPORTEDIP: "unsupported IP version",
    Status.ENOIP: "no available connection for specified IP version",
    Status.EUNSUPPORTEDPROTO: "unsupported protocol type",
    Status.ENOPROTO: "no available connection for specified protocol",
    Status.EDIAL: "connection could not be created",
    Status.EHOOK: "connection refused by a hook",
    Status.ECLOSEHOOK: "connection could not be closed cleanly",
    Status.ECANCELED: "get connection canceled",
    Status.ENOMEM: "out of memory",
    Status.ESYS: "system call failed",
    Status.EUSER: "callback failed",
    Status.EINVAL: "invalid argument",
    Status.EWAITERS: "too many callers wait for a connection",
    Status.EBREAKER: "circuit breaker is open",
    Status.ESTATE: "not possible in this state",
    Status.ENOTFOUND: "not found",
    Status.EAGAIN: "not ready yet",
}

#: The options by name.
OPTIONS: Final[dict[str, Option]] = {
    "mode": Option.MODE,
    "driver": Option.DRIVER,
    "name": Option.NAME,
    "target": Option.TARGET,
    "listener_fd": Option.LISTENER_FD,
    "max_connections": Option.MAX_CONNECTIONS,
    "min_connections": Option.MIN_CONNECTIONS,
    "max_idle_connections": Option.MAX_IDLE_CONNECTIONS,
    "connection_timeout": Option.CONNECTION_TIMEOUT,
    "idle_timeout": Option.IDLE_TIMEOUT,
    "max_lifetime": Option.MAX_LIFETIME,
    "expiry_jitter": Option.EXPIRY_JITTER,
    "get_timeout": Option.GET_TIMEOUT,
    "health_check": Option.HEALTH_CHECK,
    "health_check_interval": Option.HEALTH_CHECK_INTERVAL,
    "health_check_timeout": Option.HEALTH_CHECK_TIMEOUT,
    "check_on_borrow": Option.CHECK_ON_BORROW,
    "leak_timeout": Option.LEAK_TIMEOUT,
    "leak_interval": Option.LEAK_INTERVAL,
    "leak_evict_multiplier": Option.LEAK_EVICT_MULTIPLIER,
    "capture_stacks": Option.CAPTURE_STACKS,
    "stats": Option.STATS,
    "latency_samples": Option.LATENCY_SAMPLES,
    "clear_udp": Option.CLEAR_UDP,
    "udp_clear_timeout": Option.UDP_CLEAR_TIMEOUT,
    "max_buffer_clear_packets": Option.MAX_BUFFER_CLEAR_PACKETS,
    "restore_blocking": Option.RESTORE_BLOCKING,
    "max_concurrent_creates": Option.MAX_CONCURRENT_CREATES,
    "create_retries": Option.CREATE_RETRIES,
    "create_retry_interval": Option.CREATE_RETRY_INTERVAL,
    "dial_in_caller": Option.DIAL_IN_CALLER,
    "dial_rate": Option.DIAL_RATE,
    "dial_burst": Option.DIAL_BURST,
    "dial_backoff": Option.DIAL_BACKOFF,
    "dial_backoff_max": Option.DIAL_BACKOFF_MAX,
    "breaker_failures": Option.BREAKER_FAILURES,
    "breaker_cooldown": Option.BREAKER_COOLDOWN,
    "dial_policy": Option.DIAL_POLICY,
    "cleanup_interval": Option.CLEANUP_INTERVAL,
    "maintain_min": Option.MAINTAIN_MIN,
    "prewarm_retry": Option.PREWARM_RETRY,
    "prewarm_max_retries": Option.PREWARM_MAX_RETRIES,
    "prewarm_retry_interval": Option.PREWARM_RETRY_INTERVAL,
    "prewarm_blocking": Option.PREWARM_BLOCKING,
    "idle_order": Option.IDLE_ORDER,
    "fairness": Option.FAIRNESS,
    "store": Option.STORE,
    "max_waiters": Option.MAX_WAITERS,
    "log_level": Option.LOG_LEVEL,
    "tcp_nodelay": Option.TCP_NODELAY,
    "tcp_keepalive": Option.TCP_KEEPALIVE,
    "send_buffer": Option.SEND_BUFFER,
    "receive_buffer": Option.RECEIVE_BUFFER,
    "happy_eyeballs_delay": Option.HAPPY_EYEBALLS_DELAY,
    "host_events": Option.HOST_EVENTS,
}

#: What each option is for.
OPTION_HELP: Final[dict[str, str]] = {
    "mode": "where connections come from: client (the pool dials) or server (it accepts)",
    "driver": "who dials, checks and closes: push (the pool calls callbacks) or pull (it hands the work out as events)",
    "name": "name of the pool in logs and descriptions",
    "target": "what the built-in dialer dials: tcp://host:port, tcp4://, tcp6://, udp://, udp4://, udp6:// or unix:path",
    "listener_fd": "server mode: the listening socket, -1 for none; made non-blocking by a pool that accepts from it itself, never closed by it",
    "max_connections": "the most connections that are open or being created; 0: unlimited",
    "min_connections": "how many connections are made in advance (client mode)",
    "max_idle_connections": "the most idle connections that are kept; at most max_connections",
    "connection_timeout": "how long the creation of one connection may take",
    "idle_timeout": "how long a connection may be idle before it is closed; 0: never",
    "max_lifetime": "how old a connection may become; 0: never",
    "expiry_jitter": "by how much a connection's idle timeout and lifetime are shortened at most, so that not all expire together; 0: none",
    "get_timeout": "how long a get waits for a connection; -1 for no limit, never 0",
    "health_check": "whether idle connections are checked in the background",
    "health_check_interval": "time between two rounds of health checks; positive while health_check is on",
    "health_check_timeout": "how long one health check may take; more than health_check_interval becomes half of it; 0: 3s, or half of health_check_interval if that is less",
    "check_on_borrow": "whether an idle connection is checked before it is lent",
    "leak_timeout": "how long a connection may be borrowed before it counts as leaked; 0: off",
    "leak_interval": "time between two searches for leaks; 0: half of leak_timeout, between 1s and 1m0s",
    "leak_evict_multiplier": "after how many leak timeouts a leaked connection is taken from its borrower; 0: never",
    "capture_stacks": "whether the stack of each borrower is kept, to find leaks",
    "stats": "whether statistics are kept",
    "latency_samples": "how many gets the percentiles are computed from",
    "clear_udp": "whether stale datagrams are dropped when a UDP connection is borrowed again",
    "udp_clear_timeout": "how long dropping stale datagrams may take; 0: the default",
    "max_buffer_clear_packets": "how many stale datagrams are dropped at most; a connection with more is closed; 0: the default",
    "restore_blocking": "whether a return puts O_NONBLOCK back to what the dialer left",
    "max_concurrent_creates": "how many connections are created at the same time; 0: unlimited",
    "create_retries": "how often a failed creation is repeated",
    "create_retry_interval": "pause before a creation is repeated, times the attempt",
    "dial_in_caller": "whether the thread of get dials itself; deadlines then hold only as well as the dialer keeps them",
    "dial_rate": "how many dials a second are begun; 0: no limit",
    "dial_burst": "how many dials may begin at once within dial_rate",
    "dial_backoff": "pause after a failed dial; it grows, with jitter, while dials fail; at least 10ms with dial_policy wait; 0: none",
    "dial_backoff_max": "the longest pause after a failed dial",
    "breaker_failures": "after how many failed dials in a row the circuit breaker opens; 0: no breaker",
    "breaker_cooldown": "how long the open breaker waits before a single dial probes the peer",
    "dial_policy": "who is told of a failed dial: fail_one (the waiter that asked for it), fail_all (every waiter) or wait (nobody: the pool dials again)",
    "cleanup_interval": "time between two searches for expired connections; 0: the least of 30s, half of idle_timeout and half of max_lifetime",
    "maintain_min": "whether the pool is refilled to min_connections",
    "prewarm_retry": "whether a failed creation in advance is repeated",
    "prewarm_max_retries": "how often a creation in advance is repeated, for each connection",
    "prewarm_retry_interval": "pause before a creation in advance is repeated",
    "prewarm_blocking": "whether making the pool waits for the connections made in advance (push driver)",
    "idle_order": "which idle connection is lent first: lifo (the one returned last) or fifo (the one returned first)",
    "fairness": "who gets a returned connection: strict (the oldest waiter) or adaptive (a running caller, until the oldest waiter has waited 1ms)",
    "store": "how idle connections are kept: lockfree, lock (a mutex and a list) or sharded (a chain for each of a few threads)",
    "max_waiters": "how many callers may wait at the same time; 0: unlimited",
    "log_level": "how much is logged: off, error, warn, info or debug",
    "tcp_nodelay": "whether the built-in dialer and acceptor set TCP_NODELAY",
    "tcp_keepalive": "time between two TCP keep-alive probes; 0: off",
    "send_buffer": "size of the send buffer of a socket; 0: the system's",
    "receive_buffer": "size of the receive buffer of a socket; 0: the system's",
    "happy_eyeballs_delay": "how long the built-in dialer waits for one address before it tries the next one beside it",
    "host_events": "which events the host of a pull pool wants besides; the sum of 1 (borrow), 2 (leak), 4 (log), 8 (due); 0: none",
}

#: The type of each option.
OPTION_TYPES: Final[dict[str, Type]] = {
    "mode": Type(4),
    "driver": Type(4),
    "name": Type(5),
    "target": Type(5),
    "listener_fd": Type(1),
    "max_connections": Type(1),
    "min_connections": Type(1),
    "max_idle_connections": Type(1),
    "connection_timeout": Type(3),
    "idle_timeout": Type(3),
    "max_lifetime": Type(3),
    "expiry_jitter": Type(1),
    "get_timeout": Type(3),
    "health_check": Type(2),
    "health_check_interval": Type(3),
    "health_check_timeout": Type(3),
    "check_on_borrow": Type(2),
    "leak_timeout": Type(3),
    "leak_interval": Type(3),
    "leak_evict_multiplier": Type(1),
    "capture_stacks": Type(2),
    "stats": Type(2),
    "latency_samples": Type(1),
    "clear_udp": Type(2),
    "udp_clear_timeout": Type(3),
    "max_buffer_clear_packets": Type(1),
    "restore_blocking": Type(2),
    "max_concurrent_creates": Type(1),
    "create_retries": Type(1),
    "create_retry_interval": Type(3),
    "dial_in_caller": Type(2),
    "dial_rate": Type(1),
    "dial_burst": Type(1),
    "dial_backoff": Type(3),
    "dial_backoff_max": Type(3),
    "breaker_failures": Type(1),
    "breaker_cooldown": Type(3),
    "dial_policy": Type(4),
    "cleanup_interval": Type(3),
    "maintain_min": Type(2),
    "prewarm_retry": Type(2),
    "prewarm_max_retries": Type(1),
    "prewarm_retry_interval": Type(3),
    "prewarm_blocking": Type(2),
    "idle_order": Type(4),
    "fairness": Type(4),
    "store": Type(4),
    "max_waiters": Type(1),
    "log_level": Type(4),
    "tcp_nodelay": Type(2),
    "tcp_keepalive": Type(3),
    "send_buffer": Type(1),
    "receive_buffer": Type(1),
    "happy_eyeballs_delay": Type(3),
    "host_events": Type(1),
}

#: What each counter counts.
COUNTER_HELP: Final[dict[str, str]] = {
    "created": "connections that joined the pool",
    "closed": "connections that left it",
    "current": "created - closed = idle + active",
    "idle": "connections that wait to be borrowed",
    "active": "connections that are borrowed",
    "ipv4": "current connections over IPv4",
    "ipv6": "current connections over IPv6",
    "ipv4_idle": "idle connections over IPv4",
    "ipv6_idle": "idle connections over IPv6",
    "tcp": "current TCP connections",
    "udp": "current UDP connections",
    "tcp_idle": "idle TCP connections",
    "udp_idle": "idle UDP connections",
    "total": "gets: successful + failed + timeout + in_flight",
    "successful": "gets that succeeded",
    "failed": "gets that failed",
    "timeout": "gets whose deadline passed",
    "in_flight": "gets that have not ended",
    "hc_attempts": "health checks that ended",
    "hc_failures": "health checks that failed or timed out",
    "unhealthy": "connections removed by a health check",
    "connection_errors": "failed attempts to create a connection",
    "leaked": "leases flagged as leaked",
    "evicted": "leases taken away as leaked",
    "reused": "gets served by a connection that existed",
    "canceled": "failed gets that were cancelled",
    "detached": "closed: taken out of the pool",
    "average_reuse": "reused / created",
    "total_get_time": "time of successful gets; of fast ones a sample is taken",
    "average_get_time": "total_get_time / successful",
    "max_get_time": "longest get measured",
    "p50_get_time": "half of the recent gets took no longer",
    "p95_get_time": "95 % of the recent gets took no longer",
    "p99_get_time": "99 % of the recent gets took no longer",
    "utilization": "active / max_connections; 0 when that is unlimited",
    "creation_failure_rate": "connection_errors / (created + connection_errors)",
    "hc_success_rate": "1 - hc_failures / hc_attempts; 1 when there were none",
    "average_lifetime": "mean age of connections when they left the pool",
    "prewarm_target": "connections to prewarm",
    "prewarm_created": "connections prewarmed",
    "prewarm_completed": "1 when pre-warming has ended without a failed dial",
    "waiting": "callers in line",
    "dialing": "creations in progress",
    "breaker_open": "1 while the circuit breaker is not closed",
    "breaker_trips": "how often the circuit breaker opened",
    "last_update": "the moment of the snapshot on the pool's clock",
}

#: Every constant by its name in C.
CONSTANTS: Final[dict[str, int]] = {
    "NCP_OK": 0,
    "NCP_ECLOSED": -1,
    "NCP_ECONNCLOSED": -2,
    "NCP_ETIMEOUT": -3,
    "NCP_EMAXCONN": -4,
    "NCP_EINVALIDCONN": -5,
    "NCP_EUNHEALTHY": -6,
    "NCP_EINVALIDCONFIG": -7,
    "NCP_ELEAKED": -8,
    "NCP_EEXHAUSTED": -9,
    "NCP_EUNSUPPORTEDIP": -10,
    "NCP_ENOIP": -11,
    "NCP_EUNSUPPORTEDPROTO": -12,
    "NCP_ENOPROTO": -13,
    "NCP_EDIAL": -14,
    "NCP_EHOOK": -15,
    "NCP_ECLOSEHOOK": -16,
    "NCP_ECANCELED": -17,
    "NCP_ENOMEM": -18,
    "NCP_ESYS": -19,
    "NCP_EUSER": -20,
    "NCP_EINVAL": -21,
    "NCP_EWAITERS": -22,
    "NCP_EBREAKER": -23,
    "NCP_ESTATE": -24,
    "NCP_ENOTFOUND": -25,
    "NCP_EAGAIN": -26,
    "NCP_MODE_CLIENT": 0,
    "NCP_MODE_SERVER": 1,
    "NCP_PROTOCOL_UNKNOWN": 0,
    "NCP_PROTOCOL_TCP": 1,
    "NCP_PROTOCOL_UDP": 2,
    "NCP_IP_UNKNOWN": 0,
    "NCP_IP_V4": 1,
    "NCP_IP_V6": 2,
    "NCP_DRIVER_PUSH": 0,
    "NCP_DRIVER_PULL": 1,
    "NCP_IDLE_LIFO": 0,
    "NCP_IDLE_FIFO": 1,
    "NCP_FAIRNESS_STRICT": 0,
    "NCP_FAIRNESS_ADAPTIVE": 1,
    "NCP_DIAL_FAIL_ONE": 0,
    "NCP_DIAL_FAIL_ALL": 1,
    "NCP_DIAL_WAIT": 2,
    "NCP_STORE_LOCKFREE": 0,
    "NCP_STORE_LOCK": 1,
    "NCP_STORE_SHARDED": 2,
    "NCP_LOG_OFF": 0,
    "NCP_LOG_ERROR": 1,
    "NCP_LOG_WARN": 2,
    "NCP_LOG_INFO": 3,
    "NCP_LOG_DEBUG": 4,
    "NCP_REASON_NONE": 0,
    "NCP_REASON_IDLE_TIMEOUT": 1,
    "NCP_REASON_MAX_LIFETIME": 2,
    "NCP_REASON_UNHEALTHY": 3,
    "NCP_REASON_IDLE_FULL": 4,
    "NCP_REASON_EVICTED": 5,
    "NCP_REASON_LEAKED": 6,
    "NCP_REASON_DISCARDED": 7,
    "NCP_REASON_FLUSHED": 8,
    "NCP_REASON_SHRUNK": 9,
    "NCP_REASON_POOL_CLOSED": 10,
    "NCP_REASON_HOOK": 11,
    "NCP_REASON_DIRTY": 12,
    "NCP_REASON_MISMATCH": 13,
    "NCP_REASON_DETACHED": 14,
    "NCP_REASON_FORKED": 15,
    "NCP_CALLBACK_CLOSER": 1,
    "NCP_CALLBACK_CHECKER": 2,
    "NCP_CALLBACK_ON_CREATED": 3,
    "NCP_CALLBACK_ON_BORROW": 4,
    "NCP_CALLBACK_ON_RETURN": 5,
    "NCP_CALLBACK_ON_CLOSE": 6,
    "NCP_CALLBACK_ON_LEAK": 7,
    "NCP_OPTION_MODE": 1,
    "NCP_OPTION_DRIVER": 2,
    "NCP_OPTION_NAME": 3,
    "NCP_OPTION_TARGET": 4,
    "NCP_OPTION_LISTENER_FD": 5,
    "NCP_OPTION_MAX_CONNECTIONS": 6,
    "NCP_OPTION_MIN_CONNECTIONS": 7,
    "NCP_OPTION_MAX_IDLE_CONNECTIONS": 8,
    "NCP_OPTION_CONNECTION_TIMEOUT": 9,
    "NCP_OPTION_IDLE_TIMEOUT": 10,
    "NCP_OPTION_MAX_LIFETIME": 11,
    "NCP_OPTION_EXPIRY_JITTER": 12,
    "NCP_OPTION_GET_TIMEOUT": 13,
    "NCP_OPTION_HEALTH_CHECK": 14,
    "NCP_OPTION_HEALTH_CHECK_INTERVAL": 15,
    "NCP_OPTION_HEALTH_CHECK_TIMEOUT": 16,
    "NCP_OPTION_CHECK_ON_BORROW": 17,
    "NCP_OPTION_LEAK_TIMEOUT": 18,
    "NCP_OPTION_LEAK_INTERVAL": 19,
    "NCP_OPTION_LEAK_EVICT_MULTIPLIER": 20,
    "NCP_OPTION_CAPTURE_STACKS": 21,
    "NCP_OPTION_STATS": 22,
    "NCP_OPTION_LATENCY_SAMPLES": 23,
    "NCP_OPTION_CLEAR_UDP": 24,
    "NCP_OPTION_UDP_CLEAR_TIMEOUT": 25,
    "NCP_OPTION_MAX_BUFFER_CLEAR_PACKETS": 26,
    "NCP_OPTION_RESTORE_BLOCKING": 27,
    "NCP_OPTION_MAX_CONCURRENT_CREATES": 28,
    "NCP_OPTION_CREATE_RETRIES": 29,
    "NCP_OPTION_CREATE_RETRY_INTERVAL": 30,
    "NCP_OPTION_DIAL_IN_CALLER": 31,
    "NCP_OPTION_DIAL_RATE": 32,
    "NCP_OPTION_DIAL_BURST": 33,
    "NCP_OPTION_DIAL_BACKOFF": 34,
    "NCP_OPTION_DIAL_BACKOFF_MAX": 35,
    "NCP_OPTION_BREAKER_FAILURES": 36,
    "NCP_OPTION_BREAKER_COOLDOWN": 37,
    "NCP_OPTION_DIAL_POLICY": 38,
    "NCP_OPTION_CLEANUP_INTERVAL": 39,
    "NCP_OPTION_MAINTAIN_MIN": 40,
    "NCP_OPTION_PREWARM_RETRY": 41,
    "NCP_OPTION_PREWARM_MAX_RETRIES": 42,
    "NCP_OPTION_PREWARM_RETRY_INTERVAL": 43,
    "NCP_OPTION_PREWARM_BLOCKING": 44,
    "NCP_OPTION_IDLE_ORDER": 45,
    "NCP_OPTION_FAIRNESS": 46,
    "NCP_OPTION_STORE": 47,
    "NCP_OPTION_MAX_WAITERS": 48,
    "NCP_OPTION_LOG_LEVEL": 49,
    "NCP_OPTION_TCP_NODELAY": 50,
    "NCP_OPTION_TCP_KEEPALIVE": 51,
    "NCP_OPTION_SEND_BUFFER": 52,
    "NCP_OPTION_RECEIVE_BUFFER": 53,
    "NCP_OPTION_HAPPY_EYEBALLS_DELAY": 54,
    "NCP_OPTION_HOST_EVENTS": 55,
    "NCP_TYPE_INT": 1,
    "NCP_TYPE_BOOL": 2,
    "NCP_TYPE_DURATION": 3,
    "NCP_TYPE_ENUM": 4,
    "NCP_TYPE_TEXT": 5,
    "NCP_INFO_HANDLE": 1,
    "NCP_INFO_FD": 2,
    "NCP_INFO_ID": 3,
    "NCP_INFO_PROTOCOL": 4,
    "NCP_INFO_IP": 5,
    "NCP_INFO_AGE_NS": 6,
    "NCP_INFO_IDLE_NS": 7,
    "NCP_INFO_REUSE_COUNT": 8,
    "NCP_INFO_IN_USE": 9,
    "NCP_INFO_HEALTHY": 10,
    "NCP_INFO_LEAK_DETECTED": 11,
    "NCP_INFO_BORROWED_NS": 12,
    "NCP_INFO_TAG": 13,
    "NCP_INFO_CREATED_AT_NS": 14,
    "NCP_INFO_LAST_USED_AT_NS": 15,
    "NCP_INFO_LAST_CHECK_AT_NS": 16,
    "NCP_INFO_LEASE": 17,
    "NCP_COUNTER_CREATED": 0,
    "NCP_COUNTER_CLOSED": 1,
    "NCP_COUNTER_CURRENT": 2,
    "NCP_COUNTER_IDLE": 3,
    "NCP_COUNTER_ACTIVE": 4,
    "NCP_COUNTER_IPV4": 5,
    "NCP_COUNTER_IPV6": 6,
    "NCP_COUNTER_IPV4_IDLE": 7,
    "NCP_COUNTER_IPV6_IDLE": 8,
    "NCP_COUNTER_TCP": 9,
    "NCP_COUNTER_UDP": 10,
    "NCP_COUNTER_TCP_IDLE": 11,
    "NCP_COUNTER_UDP_IDLE": 12,
    "NCP_COUNTER_TOTAL": 13,
    "NCP_COUNTER_SUCCESSFUL": 14,
    "NCP_COUNTER_FAILED": 15,
    "NCP_COUNTER_TIMEOUT": 16,
    "NCP_COUNTER_IN_FLIGHT": 17,
    "NCP_COUNTER_HC_ATTEMPTS": 18,
    "NCP_COUNTER_HC_FAILURES": 19,
    "NCP_COUNTER_UNHEALTHY": 20,
    "NCP_COUNTER_CONNECTION_ERRORS": 21,
    "NCP_COUNTER_LEAKED": 22,
    "NCP_COUNTER_EVICTED": 23,
    "NCP_COUNTER_REUSED": 24,
    "NCP_COUNTER_CANCELED": 25,
    "NCP_COUNTER_DETACHED": 26,
    "NCP_COUNTER_AVERAGE_REUSE": 27,
    "NCP_COUNTER_TOTAL_GET_TIME": 28,
    "NCP_COUNTER_AVERAGE_GET_TIME": 29,
    "NCP_COUNTER_MAX_GET_TIME": 30,
    "NCP_COUNTER_P50_GET_TIME": 31,
    "NCP_COUNTER_P95_GET_TIME": 32,
    "NCP_COUNTER_P99_GET_TIME": 33,
    "NCP_COUNTER_UTILIZATION": 34,
    "NCP_COUNTER_CREATION_FAILURE_RATE": 35,
    "NCP_COUNTER_HC_SUCCESS_RATE": 36,
    "NCP_COUNTER_AVERAGE_LIFETIME": 37,
    "NCP_COUNTER_PREWARM_TARGET": 38,
    "NCP_COUNTER_PREWARM_CREATED": 39,
    "NCP_COUNTER_PREWARM_COMPLETED": 40,
    "NCP_COUNTER_WAITING": 41,
    "NCP_COUNTER_DIALING": 42,
    "NCP_COUNTER_BREAKER_OPEN": 43,
    "NCP_COUNTER_BREAKER_TRIPS": 44,
    "NCP_COUNTER_LAST_UPDATE": 45,
    "NCP_COUNTER_COUNT": 46,
    "NCP_KIND_CUMULATIVE": 1,
    "NCP_KIND_GAUGE": 2,
    "NCP_KIND_DERIVED": 3,
    "NCP_EVENT_NONE": 0,
    "NCP_EVENT_CONN": 1,
    "NCP_EVENT_DIAL": 2,
    "NCP_EVENT_CHECK": 3,
    "NCP_EVENT_CLOSE": 4,
    "NCP_EVENT_PENDING": 5,
    "NCP_EVENT_READY": 6,
    "NCP_EVENT_KICK": 7,
    "NCP_EVENT_BORROW": 8,
    "NCP_EVENT_LEAK": 9,
    "NCP_EVENT_LOG": 10,
    "NCP_EVENT_DUE": 11,
    "NCP_HOST_BORROW": 1,
    "NCP_HOST_LEAK": 2,
    "NCP_HOST_LOG": 4,
    "NCP_HOST_DUE": 8,
    "NCP_FLAG_DIALS": 1,
    "NCP_FLAG_TRY": 2,
    "NCP_FLAG_DISCARD": 4,
    "NCP_FLAG_TAKE": 8,
    "NCP_FLAG_HOOK": 16,
    "NCP_VERSION_MAJOR": 0,
    "NCP_VERSION_MINOR": 1,
    "NCP_VERSION_PATCH": 0,
    "NCP_TIMEOUT_DEFAULT": -9223372036854775808,
}
