"""The options and the counters of the library, as types.

Written by python/tools/tables.py from the tables of the library; not to be
edited.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypedDict


class Options(TypedDict, total=False):
    """Every option by its name. Durations are in seconds; None stands for no
    limit, never, or off, where an option has a value for that. Any option may be
    given as text, such as "30s"."""

    #: where connections come from: client (the pool dials) or server (it accepts)
    mode: str
    #: name of the pool in logs and descriptions
    name: str
    #: what the built-in dialer dials: tcp://host:port, tcp4://, tcp6://, udp://,
    #: udp4://, udp6:// or unix:path
    target: str
    #: server mode: the listening socket, -1 for none; made non-blocking by a pool
    #: that accepts from it itself, never closed by it
    listener_fd: int | str | None
    #: the most connections that are open or being created; 0: unlimited
    max_connections: int | str | None
    #: how many connections are made in advance (client mode)
    min_connections: int | str | None
    #: the most idle connections that are kept; at most max_connections
    max_idle_connections: int | str
    #: how long the creation of one connection may take
    connection_timeout: float | str
    #: how long a connection may be idle before it is closed; 0: never
    idle_timeout: float | str | None
    #: how old a connection may become; 0: never
    max_lifetime: float | str | None
    #: by how much a connection's idle timeout and lifetime are shortened at most, so
    #: that not all expire together; 0: none
    expiry_jitter: int | str | None
    #: how long a get waits for a connection; -1 for no limit, never 0
    get_timeout: float | str | None
    #: whether idle connections are checked in the background
    health_check: bool | str
    #: time between two rounds of health checks; positive while health_check is on
    health_check_interval: float | str | None
    #: how long one health check may take; more than health_check_interval becomes
    #: half of it; 0: 3s, or half of health_check_interval if that is less
    health_check_timeout: float | str | None
    #: whether an idle connection is checked before it is lent
    check_on_borrow: bool | str
    #: how long a connection may be borrowed before it counts as leaked; 0: off
    leak_timeout: float | str | None
    #: time between two searches for leaks; 0: half of leak_timeout, between 1s and
    #: 1m0s
    leak_interval: float | str | None
    #: after how many leak timeouts a leaked connection is taken from its borrower;
    #: 0: never
    leak_evict_multiplier: int | str | None
    #: whether the stack of each borrower is kept, to find leaks
    capture_stacks: bool | str
    #: whether statistics are kept
    stats: bool | str
    #: how many gets the percentiles are computed from
    latency_samples: int | str
    #: whether stale datagrams are dropped when a UDP connection is borrowed again
    clear_udp: bool | str
    #: how long dropping stale datagrams may take; 0: the default
    udp_clear_timeout: float | str | None
    #: how many stale datagrams are dropped at most; a connection with more is
    #: closed; 0: the default
    max_buffer_clear_packets: int | str | None
    #: whether a return puts O_NONBLOCK back to what the dialer left
    restore_blocking: bool | str
    #: how many connections are created at the same time; 0: unlimited
    max_concurrent_creates: int | str | None
    #: how often a failed creation is repeated
    create_retries: int | str | None
    #: pause before a creation is repeated, times the attempt
    create_retry_interval: float | str | None
    #: whether the thread of get dials itself; deadlines then hold only as well as
    #: the dialer keeps them
    dial_in_caller: bool | str
    #: how many dials a second are begun; 0: no limit
    dial_rate: int | str | None
    #: how many dials may begin at once within dial_rate
    dial_burst: int | str
    #: pause after a failed dial; it grows, with jitter, while dials fail; at least
    #: 10ms with dial_policy wait; 0: none
    dial_backoff: float | str | None
    #: the longest pause after a failed dial
    dial_backoff_max: float | str
    #: after how many failed dials in a row the circuit breaker opens; 0: no breaker
    breaker_failures: int | str | None
    #: how long the open breaker waits before a single dial probes the peer
    breaker_cooldown: float | str
    #: who is told of a failed dial: fail_one (the waiter that asked for it),
    #: fail_all (every waiter) or wait (nobody: the pool dials again)
    dial_policy: str
    #: time between two searches for expired connections; 0: the least of 30s, half
    #: of idle_timeout and half of max_lifetime
    cleanup_interval: float | str | None
    #: whether the pool is refilled to min_connections
    maintain_min: bool | str
    #: whether a failed creation in advance is repeated
    prewarm_retry: bool | str
    #: how often a creation in advance is repeated, for each connection
    prewarm_max_retries: int | str | None
    #: pause before a creation in advance is repeated
    prewarm_retry_interval: float | str | None
    #: whether making the pool waits for the connections made in advance (push
    #: driver)
    prewarm_blocking: bool | str
    #: which idle connection is lent first: lifo (the one returned last) or fifo (the
    #: one returned first)
    idle_order: str
    #: who gets a returned connection: strict (the oldest waiter) or adaptive (a
    #: running caller, until the oldest waiter has waited 1ms)
    fairness: str
    #: how idle connections are kept: lockfree, lock (a mutex and a list) or sharded
    #: (a chain for each of a few threads)
    store: str
    #: how many callers may wait at the same time; 0: unlimited
    max_waiters: int | str | None
    #: how much is logged: off, error, warn, info or debug
    log_level: str
    #: whether the built-in dialer and acceptor set TCP_NODELAY
    tcp_nodelay: bool | str
    #: time between two TCP keep-alive probes; 0: off
    tcp_keepalive: float | str | None
    #: size of the send buffer of a socket; 0: the system's
    send_buffer: int | str | None
    #: size of the receive buffer of a socket; 0: the system's
    receive_buffer: int | str | None
    #: how long the built-in dialer waits for one address before it tries the next
    #: one beside it
    happy_eyeballs_delay: float | str


@dataclasses.dataclass(frozen=True)
class Stats:
    """A consistent snapshot of the counters of a pool. Times are in seconds,
    ratios are fractions."""

    #: connections that joined the pool
    created: int
    #: connections that left it
    closed: int
    #: created - closed = idle + active
    current: int
    #: connections that wait to be borrowed
    idle: int
    #: connections that are borrowed
    active: int
    #: current connections over IPv4
    ipv4: int
    #: current connections over IPv6
    ipv6: int
    #: idle connections over IPv4
    ipv4_idle: int
    #: idle connections over IPv6
    ipv6_idle: int
    #: current TCP connections
    tcp: int
    #: current UDP connections
    udp: int
    #: idle TCP connections
    tcp_idle: int
    #: idle UDP connections
    udp_idle: int
    #: gets: successful + failed + timeout + in_flight
    total: int
    #: gets that succeeded
    successful: int
    #: gets that failed
    failed: int
    #: gets whose deadline passed
    timeout: int
    #: gets that have not ended
    in_flight: int
    #: health checks that ended
    hc_attempts: int
    #: health checks that failed or timed out
    hc_failures: int
    #: connections removed by a health check
    unhealthy: int
    #: failed attempts to create a connection
    connection_errors: int
    #: leases flagged as leaked
    leaked: int
    #: leases taken away as leaked
    evicted: int
    #: gets served by a connection that existed
    reused: int
    #: failed gets that were cancelled
    canceled: int
    #: closed: taken out of the pool
    detached: int
    #: reused / created
    average_reuse: float
    #: time of successful gets; of fast ones a sample is taken
    total_get_time: float
    #: total_get_time / successful
    average_get_time: float
    #: longest get measured
    max_get_time: float
    #: half of the recent gets took no longer
    p50_get_time: float
    #: 95 % of the recent gets took no longer
    p95_get_time: float
    #: 99 % of the recent gets took no longer
    p99_get_time: float
    #: active / max_connections; 0 when that is unlimited
    utilization: float
    #: connection_errors / (created + connection_errors)
    creation_failure_rate: float
    #: 1 - hc_failures / hc_attempts; 1 when there were none
    hc_success_rate: float
    #: mean age of connections when they left the pool
    average_lifetime: float
    #: connections to prewarm
    prewarm_target: int
    #: connections prewarmed
    prewarm_created: int
    #: 1 when pre-warming has ended without a failed dial
    prewarm_completed: int
    #: callers in line
    waiting: int
    #: creations in progress
    dialing: int
    #: 1 while the circuit breaker is not closed
    breaker_open: int
    #: how often the circuit breaker opened
    breaker_trips: int
    #: the moment of the snapshot on the pool's clock
    last_update: float

    @classmethod
    def of(cls, values: Sequence[int]) -> Stats:
        """From the numbers of the library, in its order and units."""
        return cls(
            values[0],
            values[1],
            values[2],
            values[3],
            values[4],
            values[5],
            values[6],
            values[7],
            values[8],
            values[9],
            values[10],
            values[11],
            values[12],
            values[13],
            values[14],
            values[15],
            values[16],
            values[17],
            values[18],
            values[19],
            values[20],
            values[21],
            values[22],
            values[23],
            values[24],
            values[25],
            values[26],
            values[27] / 1e6,
            values[28] / 1e9,
            values[29] / 1e9,
            values[30] / 1e9,
            values[31] / 1e9,
            values[32] / 1e9,
            values[33] / 1e9,
            values[34] / 1e6,
            values[35] / 1e6,
            values[36] / 1e6,
            values[37] / 1e9,
            values[38],
            values[39],
            values[40],
            values[41],
            values[42],
            values[43],
            values[44],
            values[45] / 1e9,
        )
