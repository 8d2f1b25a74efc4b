/*
 * netconnpool - one connection pool for C, Python, Go and Lua.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * This header is the whole public C ABI and the only source of every binding.
 *
 * Conventions
 * -----------
 * - Every function that can fail returns an int: NCP_OK (0) or a negative
 *   NCP_E* code. Results go through a last `out` parameter, which is set to
 *   its null value (NULL, 0) before anything else happens.
 * - A pointer that is returned is borrowed; a pointer that comes through
 *   `**out` is yours, and the matching _free function accepts NULL.
 * - Times are monotonic. Units are in the names: _ms milliseconds,
 *   _ns nanoseconds. A timeout below zero means no limit.
 * - Unless a function says otherwise it may be called from any thread at any
 *   time, from callbacks too, and it never calls back with a lock held.
 * - Leases, tickets and connection ids are integers below 2^53: a Lua number
 *   or a double holds them. 0 is never a valid one.
 * - Any function that takes a pointer answers NULL with NCP_EINVAL (or with
 *   the code named in its description), never with a crash.
 */
#ifndef NETCONNPOOL_H
#define NETCONNPOOL_H

#ifndef NCP_FFI /* defined when only the declarations are wanted */
#include <stddef.h>
#include <stdint.h>
#endif

#if defined(NCP_BUILD) && defined(__GNUC__)
#define NCP_API __attribute__((visibility("default")))
#else
#define NCP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ version */

#define NCP_VERSION_MAJOR 0
#define NCP_VERSION_MINOR 1
#define NCP_VERSION_PATCH 0

/**
 * The version of the library that is loaded, as
 * major * 1000000 + minor * 1000 + patch.
 *
 * @since 0.1
 */
NCP_API int ncp_version(void);

/**
 * The version of the library that is loaded as text, such as "0.1.0".
 *
 * @returns a static string
 * @since 0.1
 */
NCP_API const char *ncp_version_text(void);

/* ------------------------------------------------------------------- status */

/** What a function returns. Values are never reused. */
enum ncp_status {
    NCP_OK = 0,                 /**< success */
    NCP_ECLOSED = -1,           /**< the pool is closed */
    NCP_ECONNCLOSED = -2,       /**< the connection is closed */
    NCP_ETIMEOUT = -3,          /**< the deadline of the get passed */
    NCP_EMAXCONN = -4,          /**< the limit of connections is reached */
    NCP_EINVALIDCONN = -5,      /**< no such lease: put twice, stale, foreign,
                                     or a dialer that returned nothing */
    NCP_EUNHEALTHY = -6,        /**< the connection is unhealthy */
    NCP_EINVALIDCONFIG = -7,    /**< a configuration was refused; see
                                     ncp_config_reason() */
    NCP_ELEAKED = -8,           /**< the lease had been evicted as leaked */
    NCP_EEXHAUSTED = -9,        /**< nothing idle, and no waiting was asked */
    NCP_EUNSUPPORTEDIP = -10,   /**< not a value of enum ncp_ip */
    NCP_ENOIP = -11,            /**< dialed, but never this IP version */
    NCP_EUNSUPPORTEDPROTO = -12, /**< not a value of enum ncp_protocol */
    NCP_ENOPROTO = -13,         /**< dialed, but never this protocol */
    NCP_EDIAL = -14,            /**< the dial or accept failed or timed out; see
                                     ncp_pool_dial_error() */
    NCP_EHOOK = -15,            /**< a hook refused the connection */
    NCP_ECLOSEHOOK = -16,       /**< closing the connection failed; it is gone
                                     all the same */
    NCP_ECANCELED = -17,        /**< the caller cancelled the get */
    NCP_ENOMEM = -18,           /**< out of memory */
    NCP_ESYS = -19,             /**< a system call failed */
    NCP_EUSER = -20,            /**< a callback failed; its error is yours */
    NCP_EINVAL = -21,           /**< an argument is not valid */
    NCP_EWAITERS = -22,         /**< max_waiters callers wait already */
    NCP_EBREAKER = -23,         /**< the circuit breaker is open and no
                                     connection can come back */
    NCP_ESTATE = -24,           /**< not possible for this pool or now */
    NCP_ENOTFOUND = -25,        /**< no such name */
    NCP_EAGAIN = -26            /**< not ready yet; the ticket keeps its place */
};

/**
 * The text of a status.
 *
 * @param status any int
 * @returns a static string; "unknown status" for a value that is none
 * @since 0.1
 */
NCP_API const char *ncp_status_text(int status);

/**
 * The name of a status, such as "NCP_ETIMEOUT".
 *
 * @param status any int
 * @returns a static string; "NCP_UNKNOWN" for a value that is none
 * @since 0.1
 */
NCP_API const char *ncp_status_name(int status);

/**
 * Row `index` of the status table, to walk it from 0.
 *
 * @param index 0 up to the first index that is refused
 * @param out the status
 * @errors NCP_ENOTFOUND past the last row
 * @since 0.1
 */
NCP_API int ncp_status_at(int index, int *out);

/* ------------------------------------------------------------- enumerations */

/** Where connections come from. */
enum ncp_mode {
    NCP_MODE_CLIENT = 0, /**< the pool dials */
    NCP_MODE_SERVER = 1  /**< the pool accepts from a listener */
};

/** The protocol of a connection. In a request NCP_PROTOCOL_UNKNOWN is any. */
enum ncp_protocol {
    NCP_PROTOCOL_UNKNOWN = 0, /**< neither TCP nor UDP: unix, pipe, anything */
    NCP_PROTOCOL_TCP = 1,
    NCP_PROTOCOL_UDP = 2
};

/** The IP version of a connection. In a request NCP_IP_UNKNOWN is any. */
enum ncp_ip {
    NCP_IP_UNKNOWN = 0, /**< neither IPv4 nor IPv6 */
    NCP_IP_V4 = 1,
    NCP_IP_V6 = 2
};

/** Who dials, checks and closes. */
enum ncp_driver {
    NCP_DRIVER_PUSH = 0, /**< the pool calls the callbacks of the configuration */
    NCP_DRIVER_PULL = 1  /**< the pool hands the work out as events */
};

/** Which idle connection is lent first. */
enum ncp_idle_order {
    NCP_IDLE_LIFO = 0, /**< the one returned last: few stay warm, the rest ages */
    NCP_IDLE_FIFO = 1  /**< the one returned first: all are used in turn */
};

/** Who gets a connection that comes back while callers wait. */
enum ncp_fairness {
    NCP_FAIRNESS_STRICT = 0,  /**< the oldest compatible waiter, always */
    NCP_FAIRNESS_ADAPTIVE = 1 /**< a running caller may take it until the oldest
                                   waiter has waited 1 ms; fewer wake-ups */
};

/** What a failed dial means to those who wait. */
enum ncp_dial_policy {
    NCP_DIAL_FAIL_ONE = 0, /**< the waiter that asked for it gets the error */
    NCP_DIAL_FAIL_ALL = 1, /**< every waiter gets the error */
    NCP_DIAL_WAIT = 2      /**< nobody: they wait for their own deadline while
                                the pool dials again, with dial_backoff or
                                else 10 ms in between */
};

/** How the idle connections are kept. */
enum ncp_store {
    NCP_STORE_LOCKFREE = 0, /**< no lock on the fast path; idle_order is exact
                                 among returns that do not overlap */
    NCP_STORE_LOCK = 1,     /**< a mutex and a list; idle_order is exact */
    NCP_STORE_SHARDED = 2   /**< as lockfree, and threads that use connections of
                                 their own share no memory; idle_order is exact
                                 within a shard, which is one thread or a few */
};

/** How loud the log is. */
enum ncp_log_level {
    NCP_LOG_OFF = 0,
    NCP_LOG_ERROR = 1,
    NCP_LOG_WARN = 2,
    NCP_LOG_INFO = 3,
    NCP_LOG_DEBUG = 4
};

/** Why a connection left the pool; also what a connection callback is told. */
enum ncp_reason {
    NCP_REASON_NONE = 0,          /**< nothing is being closed */
    NCP_REASON_IDLE_TIMEOUT = 1,
    NCP_REASON_MAX_LIFETIME = 2,
    NCP_REASON_UNHEALTHY = 3,     /**< a check failed, or it was marked */
    NCP_REASON_IDLE_FULL = 4,     /**< max_idle_connections was reached */
    NCP_REASON_EVICTED = 5,       /**< made room for another bucket */
    NCP_REASON_LEAKED = 6,        /**< its borrower kept it too long */
    NCP_REASON_DISCARDED = 7,     /**< its borrower asked for it */
    NCP_REASON_FLUSHED = 8,       /**< ncp_pool_flush() */
    NCP_REASON_SHRUNK = 9,        /**< ncp_pool_resize() */
    NCP_REASON_POOL_CLOSED = 10,
    NCP_REASON_HOOK = 11,         /**< a hook refused it or failed */
    NCP_REASON_DIRTY = 12,        /**< stale datagrams could not be drained */
    NCP_REASON_MISMATCH = 13,     /**< nobody could use it and idle was full */
    NCP_REASON_DETACHED = 14,     /**< ncp_pool_detach(); never closed by us */
    NCP_REASON_FORKED = 15        /**< inherited by a child process */
};

/**
 * @returns "client", "server", or "unknown" for any other value; static
 * @since 0.1
 */
NCP_API const char *ncp_mode_text(int mode);

/**
 * @returns "TCP", "UDP", or "Unknown" for any other value; static
 * @since 0.1
 */
NCP_API const char *ncp_protocol_text(int protocol);

/**
 * @returns "IPv4", "IPv6", or "Unknown" for any other value; static
 * @since 0.1
 */
NCP_API const char *ncp_ip_text(int ip);

/**
 * @returns the name of a reason, such as "idle_timeout"; "unknown" for any
 *          other value; static
 * @since 0.1
 */
NCP_API const char *ncp_reason_text(int reason);

/**
 * Reads "client" or "server", in any case.
 *
 * @param text NULL reads as something else
 * @returns a value of enum ncp_mode; NCP_MODE_CLIENT for anything else
 * @since 0.1
 */
NCP_API int ncp_mode_parse(const char *text);

/**
 * Reads "TCP" or "UDP", in any case.
 *
 * @param text NULL reads as something else
 * @returns a value of enum ncp_protocol; NCP_PROTOCOL_UNKNOWN for anything else
 * @since 0.1
 */
NCP_API int ncp_protocol_parse(const char *text);

/**
 * Reads "IPv4", "4", "IPv6" or "6", in any case.
 *
 * @param text NULL reads as something else
 * @returns a value of enum ncp_ip; NCP_IP_UNKNOWN for anything else
 * @since 0.1
 */
NCP_API int ncp_ip_parse(const char *text);

/* ------------------------------------------------------------ opaque objects */

/** A pool. */
typedef struct ncp_pool ncp_pool;
/** A configuration, from which pools are made. */
typedef struct ncp_config ncp_config;
/** A completion queue with a waitable descriptor (pull driver). */
typedef struct ncp_queue ncp_queue;
/** A token that cancels the gets that carry it. */
typedef struct ncp_cancel ncp_cancel;
/** Holds leases and tickets for somebody who may vanish. */
typedef struct ncp_guard ncp_guard;
/** A handle of a pool for one thread. */
typedef struct ncp_tap ncp_tap;
/** A dial or accept in progress, as the dialer or acceptor sees it. */
typedef struct ncp_dial ncp_dial;
/** A connection, as callbacks see it. */
typedef struct ncp_conn ncp_conn;
/** What is to be done, or has been done; see struct ncp_event below. */
typedef struct ncp_event ncp_event;

/**
 * One borrow of one connection. A lease ends with exactly one of
 * ncp_pool_put(), ncp_pool_discard(), ncp_pool_detach(), ncp_pool_release();
 * after that the value is stale for ever and every use of it answers
 * NCP_EINVALIDCONN. Another pool's lease answers the same.
 */
typedef uint64_t ncp_lease;

/** A place in the line of waiters (pull driver). */
typedef uint64_t ncp_ticket;

/* ------------------------------------------------------------------ callbacks */

/**
 * Called once when a callback is no longer needed: `user` may be freed.
 * For the callbacks of a configuration that is when the configuration and
 * every pool made from it are gone.
 */
typedef void (*ncp_drop_fn)(void *user);

/**
 * Makes a connection: dials (client mode) or accepts (server mode).
 *
 * It reads what is wanted from `dial`, and on success says what it made with
 * ncp_dial_done() or ncp_dial_done_fd() and returns NCP_OK. On failure it
 * returns NCP_EUSER (which reaches the caller of get unchanged) or any other
 * non-zero value, after an optional ncp_dial_fail() with the details; the
 * caller then gets NCP_EDIAL. Returning NCP_OK without ncp_dial_done() is
 * answered with NCP_EINVALIDCONN.
 *
 * Runs on a thread of the library (or on the caller's, with the option
 * dial_in_caller), with no lock held.
 */
typedef int (*ncp_dial_fn)(void *user, ncp_dial *dial);

/**
 * Does something to a connection: closes it, checks it, or is told of it.
 *
 * @param conn borrowed, valid during the call
 * @param reason a value of enum ncp_reason
 * @returns NCP_OK; NCP_EUSER or any other non-zero value for failure (a
 *          checker: unhealthy)
 */
typedef int (*ncp_conn_fn)(void *user, const ncp_conn *conn, int reason);

/**
 * Receives a line of log. Called with no lock held, on the thread in which the
 * thing happened.
 *
 * @param level a value of enum ncp_log_level
 * @param conn_id the connection it is about, or 0
 * @param text borrowed, valid during the call: "key=value" pairs, one line
 */
typedef void (*ncp_log_fn)(void *user, int level, uint64_t conn_id,
                           const char *text);

/** Tells the time in nanoseconds; must never go back. */
typedef uint64_t (*ncp_clock_fn)(void *user);

/**
 * Looks whether a waiting caller should go on waiting: 0 yes, anything else no.
 * Called on the caller's thread, with no lock held.
 */
typedef int (*ncp_poll_fn)(void *user);

/** Returns `size` bytes aligned for any type, or NULL. */
typedef void *(*ncp_alloc_fn)(void *user, size_t size);
/** Gives back what ncp_alloc_fn returned; accepts NULL. */
typedef void (*ncp_release_fn)(void *user, void *memory);

/** Which connection callback; for ncp_config_set_callback(). */
enum ncp_callback {
    NCP_CALLBACK_CLOSER = 1,     /**< replaces the default close; exactly once a
                                      connection */
    NCP_CALLBACK_CHECKER = 2,    /**< replaces the default health check */
    NCP_CALLBACK_ON_CREATED = 3, /**< after the dial; failure refuses it */
    NCP_CALLBACK_ON_BORROW = 4,  /**< on the thread of get, last; failure closes
                                      the connection and fails the get */
    NCP_CALLBACK_ON_RETURN = 5,  /**< on the thread of put, first; failure closes
                                      the connection and fails the put */
    NCP_CALLBACK_ON_CLOSE = 6,   /**< before a connection is closed, with the
                                      reason; the result is ignored */
    NCP_CALLBACK_ON_LEAK = 7     /**< a lease passed leak_timeout (reason NONE) or
                                      was evicted (reason LEAKED); result ignored */
};

/* ---------------------------------------------------------------- process-wide */

/**
 * Replaces the allocator. Call it before any other function of the library.
 *
 * @param alloc NULL for malloc
 * @param release NULL for free; give both or none
 * @param user handed to both
 * @errors NCP_EINVAL for only one of the two; NCP_ESTATE when memory is in use
 * @since 0.1
 */
NCP_API int ncp_set_allocator(ncp_alloc_fn alloc, ncp_release_fn release,
                              void *user);

/* -------------------------------------------------------------- configuration */

/**
 * The options of a configuration. ncp_option_at() tells name, type, unit,
 * default and range of each at run time; the names are those below, in lower
 * case, without the prefix.
 */
enum ncp_option {
    NCP_OPTION_MODE = 1,                   /**< enum ncp_mode */
    NCP_OPTION_DRIVER = 2,                 /**< enum ncp_driver */
    NCP_OPTION_NAME = 3,                   /**< text: name of the pool in logs */
    NCP_OPTION_TARGET = 4,                 /**< text: what the built-in dialer
                                                dials, see ncp_target_check() */
    NCP_OPTION_LISTENER_FD = 5,            /**< server mode: a listening socket,
                                                -1 none; made non-blocking by a
                                                pool that accepts from it
                                                itself, never closed by us */
    NCP_OPTION_MAX_CONNECTIONS = 6,        /**< 0 unlimited */
    NCP_OPTION_MIN_CONNECTIONS = 7,        /**< how many to prewarm */
    NCP_OPTION_MAX_IDLE_CONNECTIONS = 8,
    NCP_OPTION_CONNECTION_TIMEOUT = 9,     /**< ms, one creation */
    NCP_OPTION_IDLE_TIMEOUT = 10,          /**< ms, 0 never */
    NCP_OPTION_MAX_LIFETIME = 11,          /**< ms, 0 never */
    NCP_OPTION_EXPIRY_JITTER = 12,         /**< percent that a connection's idle
                                                timeout and lifetime are
                                                shortened by at most */
    NCP_OPTION_GET_TIMEOUT = 13,           /**< ms, below 0 no limit, never 0 */
    NCP_OPTION_HEALTH_CHECK = 14,          /**< bool */
    NCP_OPTION_HEALTH_CHECK_INTERVAL = 15, /**< ms */
    NCP_OPTION_HEALTH_CHECK_TIMEOUT = 16,  /**< ms */
    NCP_OPTION_CHECK_ON_BORROW = 17,       /**< bool */
    NCP_OPTION_LEAK_TIMEOUT = 18,          /**< ms, 0 off */
    NCP_OPTION_LEAK_INTERVAL = 19,         /**< ms, 0 derived */
    NCP_OPTION_LEAK_EVICT_MULTIPLIER = 20, /**< evict after this many leak
                                                timeouts, 0 never */
    NCP_OPTION_CAPTURE_STACKS = 21,        /**< bool: keep the borrower's stack */
    NCP_OPTION_STATS = 22,                 /**< bool */
    NCP_OPTION_LATENCY_SAMPLES = 23,       /**< window of the percentiles */
    NCP_OPTION_CLEAR_UDP = 24,             /**< bool: drop stale datagrams when a
                                                UDP connection is borrowed again */
    NCP_OPTION_UDP_CLEAR_TIMEOUT = 25,     /**< ms */
    NCP_OPTION_MAX_BUFFER_CLEAR_PACKETS = 26,
    NCP_OPTION_RESTORE_BLOCKING = 27,      /**< bool: put O_NONBLOCK back at return
                                                to what the dialer left */
    NCP_OPTION_MAX_CONCURRENT_CREATES = 28, /**< 0 unlimited */
    NCP_OPTION_CREATE_RETRIES = 29,
    NCP_OPTION_CREATE_RETRY_INTERVAL = 30, /**< ms, times the attempt */
    NCP_OPTION_DIAL_IN_CALLER = 31,        /**< bool: dial on the thread of get;
                                                deadlines then hold only as well
                                                as the dialer keeps them */
    NCP_OPTION_DIAL_RATE = 32,             /**< dials a second, 0 no limit */
    NCP_OPTION_DIAL_BURST = 33,            /**< dials at once within the rate */
    NCP_OPTION_DIAL_BACKOFF = 34,          /**< ms after a failed dial, 0 none */
    NCP_OPTION_DIAL_BACKOFF_MAX = 35,      /**< ms */
    NCP_OPTION_BREAKER_FAILURES = 36,      /**< failed dials in a row that open
                                                the breaker, 0 no breaker */
    NCP_OPTION_BREAKER_COOLDOWN = 37,      /**< ms until the single probe */
    NCP_OPTION_DIAL_POLICY = 38,           /**< enum ncp_dial_policy */
    NCP_OPTION_CLEANUP_INTERVAL = 39,      /**< ms, 0 derived */
    NCP_OPTION_MAINTAIN_MIN = 40,          /**< bool: refill to min_connections */
    NCP_OPTION_PREWARM_RETRY = 41,         /**< bool */
    NCP_OPTION_PREWARM_MAX_RETRIES = 42,   /**< a connection */
    NCP_OPTION_PREWARM_RETRY_INTERVAL = 43, /**< ms */
    NCP_OPTION_PREWARM_BLOCKING = 44,      /**< bool: ncp_pool_new() waits */
    NCP_OPTION_IDLE_ORDER = 45,            /**< enum ncp_idle_order */
    NCP_OPTION_FAIRNESS = 46,              /**< enum ncp_fairness */
    NCP_OPTION_STORE = 47,                 /**< enum ncp_store */
    NCP_OPTION_MAX_WAITERS = 48,           /**< 0 unlimited */
    NCP_OPTION_LOG_LEVEL = 49,             /**< enum ncp_log_level */
    NCP_OPTION_TCP_NODELAY = 50,           /**< bool */
    NCP_OPTION_TCP_KEEPALIVE = 51,         /**< ms between probes, 0 off */
    NCP_OPTION_SEND_BUFFER = 52,           /**< bytes, 0 the system's */
    NCP_OPTION_RECEIVE_BUFFER = 53,        /**< bytes, 0 the system's */
    NCP_OPTION_HAPPY_EYEBALLS_DELAY = 54,  /**< ms between two addresses */
    NCP_OPTION_HOST_EVENTS = 55            /**< pull: which events the host wants
                                                besides, of enum
                                                ncp_host_event; 0 none */
};

/** The type of an option. */
enum ncp_type {
    NCP_TYPE_INT = 1,      /**< a whole number */
    NCP_TYPE_BOOL = 2,     /**< 0 or 1; text: false, true, off, on, no, yes */
    NCP_TYPE_DURATION = 3, /**< milliseconds; text: "250ms", "30s", "5m0s" or a
                                plain number of milliseconds */
    NCP_TYPE_ENUM = 4,     /**< text: one of the names in `help` */
    NCP_TYPE_TEXT = 5
};

/**
 * Row `index` of the option table, to walk it from 0.
 *
 * @param index 0 up to the first index that is refused
 * @param out the option
 * @errors NCP_ENOTFOUND past the last row
 * @since 0.1
 */
NCP_API int ncp_option_at(int index, int *out);

/**
 * The option of that name.
 *
 * @param name such as "max_connections"
 * @param out a value of enum ncp_option
 * @errors NCP_ENOTFOUND, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_option_find(const char *name, int *out);

/**
 * @returns the name of an option, static; NULL for a value that is none
 * @since 0.1
 */
NCP_API const char *ncp_option_name(int option);

/**
 * @returns one line of help, with the names of an enumeration; static; NULL for
 *          a value that is none
 * @since 0.1
 */
NCP_API const char *ncp_option_help(int option);

/**
 * @returns the unit, such as "ms", or ""; static; NULL for a value that is none
 * @since 0.1
 */
NCP_API const char *ncp_option_unit(int option);

/**
 * @returns a value of enum ncp_type; NCP_ENOTFOUND for a value that is none
 * @since 0.1
 */
NCP_API int ncp_option_type(int option);

/**
 * @returns 1 if ncp_pool_set() may change it in a living pool, else 0;
 *          NCP_ENOTFOUND for a value that is none
 * @since 0.1
 */
NCP_API int ncp_option_runtime(int option);

/**
 * Default and range of a numeric option.
 *
 * @param mode a value of enum ncp_mode: the default differs
 * @param def,min,max each may be NULL
 * @errors NCP_ENOTFOUND, NCP_EINVAL for a text option
 * @since 0.1
 */
NCP_API int ncp_option_range(int option, int mode, int64_t *def, int64_t *min,
                             int64_t *max);

/**
 * Makes a configuration with the defaults of a mode.
 *
 * A configuration is not locked: share it between threads only for reading.
 * A pool copies it; later changes do not reach the pool.
 *
 * @param mode a value of enum ncp_mode
 * @param out yours; free it with ncp_config_free()
 * @errors NCP_EINVALIDCONFIG for another mode, NCP_ENOMEM
 * @since 0.1
 */
NCP_API int ncp_config_new(int mode, ncp_config **out);

/**
 * Frees a configuration. Pools made from it go on.
 *
 * @since 0.1
 */
NCP_API void ncp_config_free(ncp_config *config);

/**
 * Copies a configuration; callbacks are shared, each `drop` still runs once.
 *
 * @param out yours
 * @errors NCP_EINVAL, NCP_ENOMEM
 * @since 0.1
 */
NCP_API int ncp_config_copy(const ncp_config *config, ncp_config **out);

/**
 * Sets a numeric option. Values out of range are accepted here and refused by
 * ncp_config_validate() and ncp_pool_new(), with a reason.
 *
 * @param option a value of enum ncp_option
 * @errors NCP_ENOTFOUND, NCP_EINVALIDCONFIG for a text option, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_config_set_int(ncp_config *config, int option, int64_t value);

/**
 * @param out the value
 * @errors NCP_ENOTFOUND, NCP_EINVALIDCONFIG for a text option, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_config_get_int(const ncp_config *config, int option,
                               int64_t *out);

/**
 * Sets an option of any type by name from text: "30s", "true", "lifo",
 * "tcp://localhost:80".
 *
 * @errors NCP_ENOTFOUND for an unknown name, NCP_EINVALIDCONFIG for a text that
 *         does not fit the type (both with ncp_config_reason()), NCP_EINVAL,
 *         NCP_ENOMEM
 * @since 0.1
 */
NCP_API int ncp_config_set(ncp_config *config, const char *name,
                           const char *text);

/**
 * Writes an option of any type as text, in the form ncp_config_set() reads.
 *
 * @param buffer may be NULL when size is 0; always terminated otherwise
 * @param size bytes in buffer
 * @returns the length of the text without its end, as snprintf does; or
 *          NCP_ENOTFOUND, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_config_get(const ncp_config *config, const char *name,
                           char *buffer, size_t size);

/**
 * Sets the dialer (client mode).
 *
 * Replaces the built-in dialer of the option target. Taken over: `drop` runs
 * when it is replaced or no longer needed, and at once when this call fails.
 *
 * @param dial NULL for none
 * @param drop may be NULL
 * @errors NCP_EINVAL, NCP_ENOMEM
 * @since 0.1
 */
NCP_API int ncp_config_set_dialer(ncp_config *config, ncp_dial_fn dial,
                                  void *user, ncp_drop_fn drop);

/**
 * Sets the acceptor (server mode); without one the pool accepts from the
 * listener itself. Ownership as in ncp_config_set_dialer().
 *
 * @errors NCP_EINVAL, NCP_ENOMEM
 * @since 0.1
 */
NCP_API int ncp_config_set_acceptor(ncp_config *config, ncp_dial_fn acceptor,
                                    void *user, ncp_drop_fn drop);

/**
 * Sets one of the connection callbacks. Ownership as in
 * ncp_config_set_dialer().
 *
 * @param callback a value of enum ncp_callback
 * @errors NCP_EINVAL, NCP_ENOMEM
 * @since 0.1
 */
NCP_API int ncp_config_set_callback(ncp_config *config, int callback,
                                    ncp_conn_fn function, void *user,
                                    ncp_drop_fn drop);

/**
 * Sets where the log goes; the option log_level says how much. Ownership as in
 * ncp_config_set_dialer().
 *
 * @errors NCP_EINVAL, NCP_ENOMEM
 * @since 0.1
 */
NCP_API int ncp_config_set_log(ncp_config *config, ncp_log_fn log, void *user,
                               ncp_drop_fn drop);

/**
 * Replaces the clock of the pools made from this configuration. Their waits
 * then end only by ncp_pool_wake(), which makes every wait and the
 * housekeeping read the clock again. Ownership as in ncp_config_set_dialer().
 *
 * @errors NCP_EINVAL, NCP_ENOMEM
 * @since 0.1
 */
NCP_API int ncp_config_set_clock(ncp_config *config, ncp_clock_fn clock,
                                 void *user, ncp_drop_fn drop);

/**
 * A clock that stands still until it is set; for tests that move time
 * themselves. Give it to ncp_config_set_clock() with a uint64_t of yours as
 * `user`, store nanoseconds there (atomically when threads run), and call
 * ncp_pool_wake().
 *
 * @param user a uint64_t, in nanoseconds; not NULL
 * @returns what is stored there
 * @since 0.1
 */
NCP_API uint64_t ncp_manual_clock(void *user);

/**
 * Sets the queue that receives the work of a pull pool: dial, check, close.
 * The configuration and its pools keep the queue alive.
 *
 * @param queue NULL for none
 * @errors NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_config_set_queue(ncp_config *config, ncp_queue *queue);

/**
 * Checks a configuration and corrects what has one obvious meaning, as
 * ncp_pool_new() would: max_idle_connections above max_connections, a health
 * check timeout above its interval, derived intervals.
 *
 * @errors NCP_EINVALIDCONFIG (see ncp_config_reason()), also for NULL
 * @since 0.1
 */
NCP_API int ncp_config_validate(ncp_config *config);

/**
 * Why the last call on this configuration was refused, as a sentence that
 * says what to do.
 *
 * @returns borrowed, until the next call on this configuration; "" when nothing
 *          was refused, also for NULL
 * @since 0.1
 */
NCP_API const char *ncp_config_reason(const ncp_config *config);

/* --------------------------------------------------------------------- dialing */

/**
 * The protocol the caller wants, NCP_PROTOCOL_UNKNOWN for any.
 *
 * @since 0.1
 */
NCP_API int ncp_dial_protocol(const ncp_dial *dial);

/**
 * The IP version the caller wants, NCP_IP_UNKNOWN for any.
 *
 * @since 0.1
 */
NCP_API int ncp_dial_ip(const ncp_dial *dial);

/**
 * Milliseconds until the caller gives up or connection_timeout ends, whichever
 * is first; never below 0.
 *
 * @since 0.1
 */
NCP_API int64_t ncp_dial_deadline_ms(const ncp_dial *dial);

/**
 * Milliseconds until connection_timeout ends; never below 0. A dialer that
 * works this long may finish after its caller gave up: the connection is kept
 * for the next one.
 *
 * @since 0.1
 */
NCP_API int64_t ncp_dial_timeout_ms(const ncp_dial *dial);

/**
 * 0 for the first attempt, then 1, 2, ... for retries.
 *
 * @since 0.1
 */
NCP_API int ncp_dial_attempt(const ncp_dial *dial);

/**
 * The listener of a server pool, -1 in client mode.
 *
 * @since 0.1
 */
NCP_API int ncp_dial_listener_fd(const ncp_dial *dial);

/**
 * 1 when the result is no longer wanted because the pool is closed: stop as
 * soon as is convenient. Else 0.
 *
 * @since 0.1
 */
NCP_API int ncp_dial_stopped(const ncp_dial *dial);

/**
 * Says what was made, when protocol and IP version are known.
 *
 * @param handle anything; the pool hands it back and never looks into it
 * @param fd a descriptor the pool may probe, drain and (without a closer)
 *        close; -1 for none
 * @param protocol,ip other values count as unknown
 * @errors NCP_EINVAL for NULL
 * @since 0.1
 */
NCP_API int ncp_dial_done(ncp_dial *dial, uint64_t handle, int fd, int protocol,
                          int ip);

/**
 * Says what was made: a socket, whose protocol and IP version are found out.
 * The handle is the descriptor.
 *
 * @errors NCP_EINVAL for NULL or a negative fd
 * @since 0.1
 */
NCP_API int ncp_dial_done_fd(ncp_dial *dial, int fd);

/**
 * Says why it failed; shown by ncp_pool_dial_error() and ncp_pool_describe().
 *
 * @param code an errno, or any number that means something to you; the caller
 *        whose get it fails finds it in the event of ncp_pool_borrow()
 * @param text may be NULL; copied, cut at 120 bytes
 * @since 0.1
 */
NCP_API void ncp_dial_fail(ncp_dial *dial, int64_t code, const char *text);

/* ------------------------------------------------------------------------ pools */

/**
 * Makes a pool. Client mode needs a dialer or a target, server mode a listener,
 * the pull driver a queue. Corrects the configuration as ncp_config_validate()
 * does, then copies it.
 *
 * Pre-warming goes on in the background unless prewarm_blocking is set.
 *
 * @param out yours; free it with ncp_pool_free()
 * @errors NCP_EINVALIDCONFIG (see ncp_config_reason()), also for a NULL
 *         configuration; NCP_ENOMEM, NCP_ESYS
 * @since 0.1
 */
NCP_API int ncp_pool_new(ncp_config *config, ncp_pool **out);

/**
 * Takes another reference on a pool, to be given back with ncp_pool_free().
 *
 * @returns pool
 * @since 0.1
 */
NCP_API ncp_pool *ncp_pool_ref(ncp_pool *pool);

/**
 * Finds a living pool of this process by the option name and takes a reference.
 *
 * @param out yours; give it back with ncp_pool_free()
 * @errors NCP_ENOTFOUND, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_find(const char *name, ncp_pool **out);

/**
 * Gives a reference back. With the last one the pool is closed as by
 * ncp_pool_close(); the memory stays until the last lease is back and the last
 * dial or check has ended, so a lease may be put after this call.
 *
 * The last reference must not be given back while another thread is inside a
 * call on this pool; give every thread that may be a reference of its own.
 *
 * @since 0.1
 */
NCP_API void ncp_pool_free(ncp_pool *pool);

/**
 * Borrows a connection: an idle one, else a new one, else waits in line, for at
 * most the configured get_timeout.
 *
 * @param out the lease, 0 on failure
 * @errors NCP_ECLOSED, NCP_ETIMEOUT, NCP_EDIAL, NCP_EUSER, NCP_EHOOK,
 *         NCP_EINVALIDCONN (the dialer returned nothing), NCP_EWAITERS,
 *         NCP_EBREAKER, NCP_ENOMEM, NCP_ESTATE on a pull pool, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_get(ncp_pool *pool, ncp_lease *out);

/**
 * Borrows a connection within a limit of its own.
 *
 * @param timeout_ms above 0 the limit; 0 takes an idle connection or fails with
 *        NCP_EEXHAUSTED; below 0 no limit
 * @errors as ncp_pool_get(), NCP_EEXHAUSTED
 * @since 0.1
 */
NCP_API int ncp_pool_get_timeout(ncp_pool *pool, int64_t timeout_ms,
                                 ncp_lease *out);

/**
 * Borrows an idle connection or fails at once; never dials, never waits.
 *
 * @errors NCP_EEXHAUSTED, NCP_ECLOSED, NCP_EUSER, NCP_EHOOK, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_try_get(ncp_pool *pool, ncp_lease *out);

/** As ncp_pool_get(), a TCP connection. Also NCP_ENOPROTO. @since 0.1 */
NCP_API int ncp_pool_get_tcp(ncp_pool *pool, ncp_lease *out);
/** As ncp_pool_get(), a UDP connection. Also NCP_ENOPROTO. @since 0.1 */
NCP_API int ncp_pool_get_udp(ncp_pool *pool, ncp_lease *out);
/** As ncp_pool_get(), an IPv4 connection. Also NCP_ENOIP. @since 0.1 */
NCP_API int ncp_pool_get_ipv4(ncp_pool *pool, ncp_lease *out);
/** As ncp_pool_get(), an IPv6 connection. Also NCP_ENOIP. @since 0.1 */
NCP_API int ncp_pool_get_ipv6(ncp_pool *pool, ncp_lease *out);

/** The timeout of ncp_pool_get_ex() that stands for the configured one. */
#define NCP_TIMEOUT_DEFAULT (-9223372036854775807LL - 1)

/**
 * Borrows a connection with everything said at once.
 *
 * @param protocol a value of enum ncp_protocol, UNKNOWN for any
 * @param ip a value of enum ncp_ip, UNKNOWN for any
 * @param timeout_ms as ncp_pool_get_timeout(), or NCP_TIMEOUT_DEFAULT
 * @param cancel may be NULL; firing it ends the get with NCP_ECANCELED
 * @param tag kept with the lease and shown in lists of borrowers
 * @param out the lease, 0 on failure
 * @errors as ncp_pool_get_timeout(), NCP_EUNSUPPORTEDPROTO, NCP_EUNSUPPORTEDIP,
 *         NCP_ENOPROTO, NCP_ENOIP, NCP_ECANCELED
 * @since 0.1
 */
NCP_API int ncp_pool_get_ex(ncp_pool *pool, int protocol, int ip,
                            int64_t timeout_ms, ncp_cancel *cancel,
                            uint64_t tag, ncp_lease *out);

/**
 * Borrows as ncp_pool_get_ex() does and says everything about it in one call.
 *
 * @param out CONN with lease, handle, fd, conn_id, protocol, ip, tag, reused; or
 *        NONE, with `status` and, when a dial or a hook failed, its `code`
 * @errors as ncp_pool_get_ex()
 * @since 0.1
 */
NCP_API int ncp_pool_borrow(ncp_pool *pool, int protocol, int ip,
                            int64_t timeout_ms, ncp_cancel *cancel,
                            uint64_t tag, ncp_event *out);

/**
 * Gives a connection back. It goes to the oldest compatible waiter, else idle,
 * else (idle full, too old, unhealthy, pool closed) it is closed.
 *
 * Never waits for the network.
 *
 * @errors NCP_EINVALIDCONN: put twice, stale or foreign, or a NULL pool; nothing
 *         changed.
 *         NCP_ELEAKED: it had been evicted; it is closed now. NCP_EHOOK,
 *         NCP_EUSER: on_return failed; it is closed. NCP_ECLOSEHOOK: it was
 *         closed and the closer failed.
 * @since 0.1
 */
NCP_API int ncp_pool_put(ncp_pool *pool, ncp_lease lease);

/**
 * Makes a tap: a handle of a push pool for one thread at a time, which spares each
 * get and put the look-up of what is the thread's. It borrows from the same pool
 * as everybody else, by the same rules.
 *
 * A tap holds a reference of its pool, as ncp_pool_ref() does.
 *
 * @param out yours, until ncp_tap_free()
 * @errors NCP_EINVAL, NCP_ENOMEM, NCP_ESTATE on a pull pool, NCP_ECLOSED: the last
 *         handle of the pool is gone
 * @since 0.1
 */
NCP_API int ncp_tap_new(ncp_pool *pool, ncp_tap **out);

/**
 * Frees a tap; NULL is allowed. What was borrowed through it stays borrowed and may
 * be put through the pool.
 *
 * @since 0.1
 */
NCP_API void ncp_tap_free(ncp_tap *tap);

/**
 * Borrows a connection, as ncp_pool_get() does. By one thread at a time.
 *
 * @errors as ncp_pool_get(); NCP_EINVAL for a NULL tap
 * @since 0.1
 */
NCP_API int ncp_tap_get(ncp_tap *tap, ncp_lease *out);

/**
 * Gives a connection back, as ncp_pool_put() does; it may have been borrowed in
 * any way. By one thread at a time.
 *
 * @errors as ncp_pool_put(); NCP_EINVAL for a NULL tap
 * @since 0.1
 */
NCP_API int ncp_tap_put(ncp_tap *tap, ncp_lease lease);

/**
 * Ends a lease by closing the connection; a waiter gets its place.
 *
 * @errors NCP_EINVALIDCONN (a NULL pool too), NCP_ELEAKED, NCP_ECLOSEHOOK
 * @since 0.1
 */
NCP_API int ncp_pool_discard(ncp_pool *pool, ncp_lease lease);

/**
 * Takes a connection out of the pool for good: it is the caller's to close, its
 * place is free, no hook runs.
 *
 * @param out the handle; may be NULL
 * @errors NCP_EINVALIDCONN (a NULL pool too), NCP_ELEAKED
 * @since 0.1
 */
NCP_API int ncp_pool_detach(ncp_pool *pool, ncp_lease lease, uint64_t *out);

/**
 * Stops lending: closes what is idle, wakes every waiter with NCP_ECLOSED.
 * What is borrowed stays usable and is closed when it comes back.
 *
 * @returns NCP_OK, also when closed already; or the first close error
 * @since 0.1
 */
NCP_API int ncp_pool_close(ncp_pool *pool);

/**
 * ncp_pool_close(), then waits until the last lease is back.
 *
 * @param timeout_ms below 0 no limit
 * @errors NCP_ETIMEOUT when leases are still out, or the first close error
 * @since 0.1
 */
NCP_API int ncp_pool_close_wait(ncp_pool *pool, int64_t timeout_ms);

/**
 * ncp_pool_close(), and closes what is borrowed under its borrowers: sockets
 * are shut down at once and their descriptors closed when the lease is put or
 * the pool is freed, so that no descriptor number is reused under a borrower.
 * A later put answers NCP_OK.
 *
 * @returns as ncp_pool_close()
 * @since 0.1
 */
NCP_API int ncp_pool_close_now(ncp_pool *pool);

/**
 * ncp_pool_close_wait(), then ncp_pool_close_now() for what is still out.
 *
 * @param timeout_ms below 0 no limit
 * @errors NCP_ETIMEOUT when leases had to be taken away, or the first close
 *         error
 * @since 0.1
 */
NCP_API int ncp_pool_drain(ncp_pool *pool, int64_t timeout_ms);

/**
 * Flushes softly: closes what is idle now, and what is borrowed when it comes
 * back. Dials that began before are closed too.
 *
 * @returns NCP_OK; NCP_ECLOSED
 * @since 0.1
 */
NCP_API int ncp_pool_flush(ncp_pool *pool);

/**
 * Stops lending until ncp_pool_resume(): gets wait in line, even with idle
 * connections. Puts go on.
 *
 * @errors NCP_ECLOSED
 * @since 0.1
 */
NCP_API int ncp_pool_suspend(ncp_pool *pool);

/**
 * Ends ncp_pool_suspend() and serves who waits, in order.
 *
 * @errors NCP_ECLOSED
 * @since 0.1
 */
NCP_API int ncp_pool_resume(ncp_pool *pool);

/**
 * Changes max_connections. Growing serves waiters at once; shrinking closes
 * idle connections now and borrowed ones when they come back. max_idle and
 * min_connections are lowered with it where they would exceed it.
 *
 * @param max_connections 0 unlimited
 * @errors NCP_EINVALIDCONFIG, NCP_ECLOSED
 * @since 0.1
 */
NCP_API int ncp_pool_resize(ncp_pool *pool, int64_t max_connections);

/**
 * Changes an option of a living pool; those for which ncp_option_runtime() is 1.
 *
 * @errors NCP_ESTATE for an option that is fixed, NCP_EINVALIDCONFIG for a value
 *         out of range, NCP_ENOTFOUND, NCP_ECLOSED
 * @since 0.1
 */
NCP_API int ncp_pool_set(ncp_pool *pool, int option, int64_t value);

/**
 * The value a numeric option has in this pool, corrections included.
 *
 * @errors NCP_ENOTFOUND, NCP_EINVAL, NCP_EINVALIDCONFIG for a text option
 * @since 0.1
 */
NCP_API int ncp_pool_option(const ncp_pool *pool, int option, int64_t *out);

/**
 * Waits until pre-warming has ended.
 *
 * @param timeout_ms below 0 no limit
 * @errors NCP_ETIMEOUT; NCP_EDIAL when it ended without its target;
 *         NCP_ECLOSED
 * @since 0.1
 */
NCP_API int ncp_pool_prewarm_wait(ncp_pool *pool, int64_t timeout_ms);

/**
 * Makes every wait and the housekeeping of a pool read its clock again; for
 * pools with a clock of their own, after it was moved.
 *
 * @errors NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_wake(ncp_pool *pool);

/** 1 when closed, else 0; NCP_EINVAL for NULL. @since 0.1 */
NCP_API int ncp_pool_is_closed(const ncp_pool *pool);
/** Leases that are out; NCP_EINVAL for NULL. @since 0.1 */
NCP_API int ncp_pool_active_count(const ncp_pool *pool);
/** Connections that are idle, or being checked; NCP_EINVAL for NULL. @since 0.1 */
NCP_API int ncp_pool_idle_count(const ncp_pool *pool);
/** Callers in line; NCP_EINVAL for NULL. @since 0.1 */
NCP_API int ncp_pool_waiting_count(const ncp_pool *pool);
/** Dials in progress; NCP_EINVAL for NULL. @since 0.1 */
NCP_API int ncp_pool_dialing_count(const ncp_pool *pool);

/* ---------------------------------------------------------------- cancellation */

/**
 * Makes a token. One token may be carried by any number of gets, in any number
 * of pools; it stays fired.
 *
 * @param out yours; free it with ncp_cancel_free() after the gets have ended
 * @errors NCP_ENOMEM, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_cancel_new(ncp_cancel **out);

/**
 * Ends every get that carries the token with NCP_ECANCELED, now and later.
 *
 * @errors NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_cancel_fire(ncp_cancel *cancel);

/**
 * Lets a token look for itself: a get that carries it and waits calls `poll`
 * on its own thread whenever it wakes, at least once every interval and after
 * each signal. When that answers anything but 0, this get alone ends with
 * NCP_ECANCELED; until then it keeps its place in line.
 *
 * Call it before the token is used.
 *
 * @param poll NULL for none
 * @param interval_ms at least 1
 * @errors NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_cancel_set_poll(ncp_cancel *cancel, ncp_poll_fn poll,
                                void *user, int64_t interval_ms);

/** Frees a token that no get carries any more. @since 0.1 */
NCP_API void ncp_cancel_free(ncp_cancel *cancel);

/* ----------------------------------------------------------------------- leases */

/** What is known of a connection; for ncp_lease_info() and ncp_conn_info(). */
enum ncp_info {
    NCP_INFO_HANDLE = 1,
    NCP_INFO_FD = 2,            /**< as int64_t, -1 for none */
    NCP_INFO_ID = 3,            /**< process-wide, from 1, never reused */
    NCP_INFO_PROTOCOL = 4,
    NCP_INFO_IP = 5,
    NCP_INFO_AGE_NS = 6,
    NCP_INFO_IDLE_NS = 7,       /**< 0 while borrowed */
    NCP_INFO_REUSE_COUNT = 8,   /**< gets it served while it existed already: the
                                     one it was made for does not count */
    NCP_INFO_IN_USE = 9,
    NCP_INFO_HEALTHY = 10,
    NCP_INFO_LEAK_DETECTED = 11,
    NCP_INFO_BORROWED_NS = 12,  /**< how long this lease has been out, else 0 */
    NCP_INFO_TAG = 13,
    NCP_INFO_CREATED_AT_NS = 14,   /**< on the pool's clock */
    NCP_INFO_LAST_USED_AT_NS = 15, /**< on the pool's clock: borrow or return */
    NCP_INFO_LAST_CHECK_AT_NS = 16, /**< on the pool's clock, 0 never */
    NCP_INFO_LEASE = 17         /**< the lease that is out, else 0 */
};

/**
 * One fact about the connection of a lease.
 *
 * @param info a value of enum ncp_info
 * @errors NCP_EINVALIDCONN for a lease that is not out, NCP_ENOTFOUND,
 *         NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_lease_info(const ncp_pool *pool, ncp_lease lease, int info,
                           uint64_t *out);

/**
 * The descriptor of the connection of a lease.
 *
 * @returns the descriptor; -1 when it has none; NCP_EINVALIDCONN or NCP_EINVAL,
 *          which are both below -1
 * @since 0.1
 */
NCP_API int ncp_lease_fd(const ncp_pool *pool, ncp_lease lease);

/**
 * The handle of the connection of a lease.
 *
 * @errors NCP_EINVALIDCONN, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_lease_handle(const ncp_pool *pool, ncp_lease lease,
                             uint64_t *out);

/**
 * The holder closes the connection itself: the place is free at once, a waiter
 * is served, and the put that may follow answers NCP_OK and does nothing (the
 * pool remembers the last 1,024 leases that were closed so).
 *
 * @errors NCP_EINVALIDCONN (a NULL pool too), NCP_ELEAKED, NCP_ECLOSEHOOK
 * @since 0.1
 */
NCP_API int ncp_lease_close(ncp_pool *pool, ncp_lease lease);

/**
 * Marks a connection: one that is not healthy is closed when it is returned.
 *
 * @param healthy 0 or 1
 * @errors NCP_EINVALIDCONN, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_lease_set_healthy(ncp_pool *pool, ncp_lease lease, int healthy);

/**
 * Attaches a number of yours to a lease, shown in lists of borrowers.
 *
 * @errors NCP_EINVALIDCONN, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_lease_set_tag(ncp_pool *pool, ncp_lease lease, uint64_t tag);

/**
 * Whether the pool would keep the connection of a lease if it were put now; for
 * hosts that have a hook for what is kept. A waiter that takes it counts as
 * keeping.
 *
 * @returns 0 when it would, else why not (a value of enum ncp_reason);
 *          NCP_EINVALIDCONN for a lease that is not out, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_lease_keeps(const ncp_pool *pool, ncp_lease lease);

/**
 * The holder replaced the connection by a new one under the same lease: its age
 * begins anew. The old one was closed by the holder.
 *
 * @param handle,fd,protocol,ip as ncp_dial_done()
 * @errors NCP_EINVALIDCONN, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_lease_renew(ncp_pool *pool, ncp_lease lease, uint64_t handle,
                            int fd, int protocol, int ip);

/**
 * The leases that are out, oldest first.
 *
 * @param leases room for `capacity` of them; may be NULL when capacity is 0
 * @param out how many are out, which may be more than capacity
 * @errors NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_leases(const ncp_pool *pool, ncp_lease *leases,
                            size_t capacity, size_t *out);

/**
 * The stack of the borrower as text, one frame a line; with the option
 * capture_stacks.
 *
 * @param buffer may be NULL when size is 0; always terminated otherwise
 * @returns the length of the text without its end, as snprintf does, 0 when no
 *          stack was kept; or NCP_EINVALIDCONN, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_lease_stack(const ncp_pool *pool, ncp_lease lease, char *buffer,
                            size_t size);

/**
 * One fact about the connection a callback was given.
 *
 * @param info a value of enum ncp_info
 * @errors NCP_ENOTFOUND, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_conn_info(const ncp_conn *conn, int info, uint64_t *out);

/** The handle of a connection; 0 for NULL. @since 0.1 */
NCP_API uint64_t ncp_conn_handle(const ncp_conn *conn);
/**
 * Gives a connection another handle: for NCP_CALLBACK_ON_CREATED, before anybody
 * else knows the connection. A descriptor, which is the handle of what the
 * built-in dialer makes, is a bad name where borrowers may close it themselves:
 * its number is used again at once.
 *
 * @param handle as for ncp_dial_done()
 * @errors NCP_EINVAL for NULL; NCP_ESTATE in any other callback
 * @since 0.1
 */
NCP_API int ncp_conn_set_handle(const ncp_conn *conn, uint64_t handle);
/** The descriptor of a connection; -1 for none and for NULL. @since 0.1 */
NCP_API int ncp_conn_fd(const ncp_conn *conn);
/** The id of a connection; 0 for NULL. @since 0.1 */
NCP_API uint64_t ncp_conn_id(const ncp_conn *conn);

/* ------------------------------------------------------------------- statistics */

/**
 * The counters. ncp_counter_at() tells name, unit and kind of each at run time;
 * the names are those below, in lower case, without the prefix. Ratios are in
 * millionths.
 */
enum ncp_counter {
    NCP_COUNTER_CREATED = 0,        /**< connections that joined the pool */
    NCP_COUNTER_CLOSED = 1,         /**< connections that left it */
    NCP_COUNTER_CURRENT = 2,        /**< created - closed = idle + active */
    NCP_COUNTER_IDLE = 3,
    NCP_COUNTER_ACTIVE = 4,
    NCP_COUNTER_IPV4 = 5,
    NCP_COUNTER_IPV6 = 6,
    NCP_COUNTER_IPV4_IDLE = 7,
    NCP_COUNTER_IPV6_IDLE = 8,
    NCP_COUNTER_TCP = 9,
    NCP_COUNTER_UDP = 10,
    NCP_COUNTER_TCP_IDLE = 11,
    NCP_COUNTER_UDP_IDLE = 12,
    NCP_COUNTER_TOTAL = 13,         /**< gets, = successful + failed + timeout +
                                         in_flight */
    NCP_COUNTER_SUCCESSFUL = 14,
    NCP_COUNTER_FAILED = 15,
    NCP_COUNTER_TIMEOUT = 16,
    NCP_COUNTER_IN_FLIGHT = 17,
    NCP_COUNTER_HC_ATTEMPTS = 18,
    NCP_COUNTER_HC_FAILURES = 19,
    NCP_COUNTER_UNHEALTHY = 20,
    NCP_COUNTER_CONNECTION_ERRORS = 21, /**< failed attempts to create */
    NCP_COUNTER_LEAKED = 22,
    NCP_COUNTER_EVICTED = 23,
    NCP_COUNTER_REUSED = 24,
    NCP_COUNTER_CANCELED = 25,      /**< part of failed */
    NCP_COUNTER_DETACHED = 26,      /**< part of closed */
    NCP_COUNTER_AVERAGE_REUSE = 27, /**< reused / created, millionths */
    NCP_COUNTER_TOTAL_GET_TIME = 28,   /**< ns, of successful gets */
    NCP_COUNTER_AVERAGE_GET_TIME = 29, /**< ns */
    NCP_COUNTER_MAX_GET_TIME = 30,     /**< ns */
    NCP_COUNTER_P50_GET_TIME = 31,     /**< ns */
    NCP_COUNTER_P95_GET_TIME = 32,     /**< ns */
    NCP_COUNTER_P99_GET_TIME = 33,     /**< ns */
    NCP_COUNTER_UTILIZATION = 34,      /**< active / max, millionths */
    NCP_COUNTER_CREATION_FAILURE_RATE = 35, /**< millionths */
    NCP_COUNTER_HC_SUCCESS_RATE = 36,       /**< millionths */
    NCP_COUNTER_AVERAGE_LIFETIME = 37, /**< ns, of closed connections */
    NCP_COUNTER_PREWARM_TARGET = 38,
    NCP_COUNTER_PREWARM_CREATED = 39,
    NCP_COUNTER_PREWARM_COMPLETED = 40, /**< 1 when pre-warming has ended
                                             without a failed dial */
    NCP_COUNTER_WAITING = 41,           /**< callers in line */
    NCP_COUNTER_DIALING = 42,           /**< creations in progress */
    NCP_COUNTER_BREAKER_OPEN = 43,      /**< 1 while the breaker is not closed */
    NCP_COUNTER_BREAKER_TRIPS = 44,     /**< how often it opened */
    NCP_COUNTER_LAST_UPDATE = 45,       /**< ns on the pool's clock: now */
    NCP_COUNTER_COUNT = 46              /**< how many this header knows */
};

/** How a counter behaves. */
enum ncp_counter_kind {
    NCP_KIND_CUMULATIVE = 1, /**< never decreases */
    NCP_KIND_GAUGE = 2,      /**< goes up and down */
    NCP_KIND_DERIVED = 3     /**< computed from others */
};

/**
 * Row `index` of the counter table, to walk it from 0; index and counter are
 * the same number.
 *
 * @param kind a value of enum ncp_counter_kind; may be NULL
 * @param name,unit,help static strings; each may be NULL
 * @errors NCP_ENOTFOUND past the last row
 * @since 0.1
 */
NCP_API int ncp_counter_at(int index, int *kind, const char **name,
                           const char **unit, const char **help);

/**
 * A consistent snapshot of the statistics; all zero when the option stats is
 * off.
 *
 * @param values values[counter]; entries past what the library knows become 0
 * @param count room in values; fewer than there are is fine
 * @errors NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_stats(const ncp_pool *pool, uint64_t *values,
                           size_t count);

/**
 * Describes a pool for humans: state, connections, who waits, dials, last dial
 * error, borrowers.
 *
 * @param buffer may be NULL when size is 0; always terminated otherwise
 * @returns the length of the whole text without its end, as snprintf does; or
 *          NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_describe(const ncp_pool *pool, char *buffer, size_t size);

/**
 * The last failed dial.
 *
 * @param code what the dialer said, an errno for the built-in ones; may be NULL
 * @param age_ms how long ago; may be NULL
 * @param count failed dials in a row; may be NULL
 * @param text buffer for the dialer's text; may be NULL when size is 0
 * @returns NCP_OK; NCP_ENOTFOUND when no dial failed since the last success;
 *          NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_dial_error(const ncp_pool *pool, int64_t *code,
                                int64_t *age_ms, uint64_t *count, char *text,
                                size_t size);

/* ------------------------------------------------------------------ pull driver */

/** What an event says. */
enum ncp_event_type {
    NCP_EVENT_NONE = 0,
    NCP_EVENT_CONN = 1,    /**< `lease` is yours; give it back */
    NCP_EVENT_DIAL = 2,    /**< `lease` is a reservation: dial, then
                                ncp_pool_fulfil() or ncp_pool_fail() */
    NCP_EVENT_CHECK = 3,   /**< check the connection, then ncp_pool_checked() */
    NCP_EVENT_CLOSE = 4,   /**< close `handle`; nothing to answer */
    NCP_EVENT_PENDING = 5, /**< `ticket` stands in line */
    NCP_EVENT_READY = 6,   /**< `ticket` is decided: ncp_ticket_take() */
    NCP_EVENT_KICK = 7,    /**< ncp_queue_kick() */
    NCP_EVENT_BORROW = 8,  /**< with NCP_HOST_BORROW: `lease` is to be looked at
                                before it is lent, then ncp_pool_checked() */
    NCP_EVENT_LEAK = 9,    /**< with NCP_HOST_LEAK: a lease passed leak_timeout
                                (reason NONE) or was evicted (reason LEAKED) */
    NCP_EVENT_LOG = 10,    /**< with NCP_HOST_LOG: ncp_pool_log_next() */
    NCP_EVENT_DUE = 11     /**< with NCP_HOST_DUE: ncp_pool_next_due_ms() is
                                earlier than it said last */
};

/** Events that a host may want besides; bits of the option host_events. */
enum ncp_host_event {
    NCP_HOST_BORROW = 1, /**< BORROW in place of CONN: the host has a hook that
                              may refuse a connection */
    NCP_HOST_LEAK = 2,   /**< LEAK, in place of the callback on_leak */
    NCP_HOST_LOG = 4,    /**< LOG, in place of the callback log; log_level says
                              how much */
    NCP_HOST_DUE = 8     /**< DUE, so that the host need not ask after each
                              call */
};

/** What is to be done, or has been done. 128 bytes, frozen. */
struct ncp_event {
    int32_t type;       /**< enum ncp_event_type */
    int32_t status;     /**< enum ncp_status: why a ticket or a get failed */
    ncp_pool *pool;     /**< borrowed */
    ncp_lease lease;    /**< CONN, CHECK: lease; DIAL: reservation */
    ncp_ticket ticket;  /**< PENDING, READY; DIAL for a ticket */
    uint64_t tag;       /**< as given to ncp_pool_acquire() */
    uint64_t handle;    /**< CONN, CHECK, BORROW, CLOSE, LEAK */
    uint64_t conn_id;   /**< CONN, CHECK, BORROW, CLOSE, LEAK */
    int64_t timeout_ms; /**< DIAL: until the caller gives up or
                             connection_timeout ends; CHECK: until the check
                             counts as failed; -1 no limit */
    int32_t fd;         /**< CONN, CHECK, BORROW, CLOSE, LEAK; -1 none */
    int32_t protocol;   /**< what it is; DIAL: what is wanted */
    int32_t ip;         /**< what it is; DIAL: what is wanted */
    int32_t reason;     /**< CLOSE, LEAK: enum ncp_reason; DIAL: the attempt */
    int32_t reused;     /**< CONN: 1 when it had been used before */
    int32_t reserved32; /**< 0 */
    int64_t code;       /**< why it failed, as ncp_pool_fail() or
                             ncp_dial_fail() was told; else 0 */
    int64_t creation_ms; /**< DIAL: until connection_timeout ends; a dial that
                              works this long may finish after its caller gave
                              up, and is kept; -1 no limit */
    uint64_t spare[3];  /**< 0 */
};

/** Flags of ncp_pool_acquire() and ncp_pool_release(). */
enum ncp_flag {
    NCP_FLAG_DIALS = 1,  /**< acquire: this caller can dial; it may be answered
                              with DIAL, at once or through its ticket. Without
                              it DIAL goes as work to the queue. */
    NCP_FLAG_TRY = 2,    /**< acquire: an idle connection or NCP_EEXHAUSTED */
    NCP_FLAG_DISCARD = 4, /**< release: close instead of keeping */
    NCP_FLAG_TAKE = 8,   /**< acquire: the queue takes the ticket by itself: what
                              ncp_ticket_take() would answer comes out of it in
                              place of READY (a failed one: READY, with `status`
                              and `code`) and the ticket is over */
    NCP_FLAG_HOOK = 16   /**< release: a hook of the host refused it; closed, with
                              reason HOOK */
};

/**
 * Makes a queue: one for an event loop, a worker or a language runtime.
 *
 * @param out yours; free it with ncp_queue_free()
 * @errors NCP_ENOMEM, NCP_ESYS, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_queue_new(ncp_queue **out);

/**
 * Gives a queue back; pools and tickets that use it keep it alive.
 *
 * @since 0.1
 */
NCP_API void ncp_queue_free(ncp_queue *queue);

/**
 * A descriptor that is readable while the queue has events: an eventfd, or a
 * pipe. Wait for it with poll, epoll or an event loop; do not read from it and
 * do not close it.
 *
 * @returns the descriptor; NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_queue_fd(const ncp_queue *queue);

/**
 * Whether there are events; costs one atomic load.
 *
 * @returns 1, 0, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_queue_ready(const ncp_queue *queue);

/**
 * Takes events out; never blocks.
 *
 * @param events room for `max`
 * @returns how many; NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_queue_poll(ncp_queue *queue, ncp_event *events, int max);

/**
 * Takes events out; blocks until there is one.
 *
 * @param timeout_ms below 0 no limit
 * @returns how many, 0 when the time passed; NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_queue_wait(ncp_queue *queue, ncp_event *events, int max,
                           int64_t timeout_ms);

/**
 * Puts a KICK into the queue, to end a wait.
 *
 * @errors NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_queue_kick(ncp_queue *queue);

/**
 * Listens on a unix socket, for event loops that can only connect: after the
 * loop has connected and ncp_queue_accept() was called, the queue writes a byte
 * to it whenever it goes from empty to not empty.
 *
 * @param path of the socket; unlinked by ncp_queue_accept()
 * @errors NCP_ESYS, NCP_EINVAL, NCP_ESTATE when it listens already
 * @since 0.1
 */
NCP_API int ncp_queue_listen_unix(ncp_queue *queue, const char *path);

/**
 * Accepts the connection of the loop; never blocks.
 *
 * @errors NCP_EAGAIN when nobody has connected, NCP_ESTATE, NCP_ESYS, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_queue_accept(ncp_queue *queue);

/**
 * Borrows a connection without blocking. The answer is in `out->type`:
 * CONN, DIAL (with NCP_FLAG_DIALS), CHECK (with check_on_borrow) or PENDING.
 *
 * @param queue where the ticket's READY event goes; NULL for a ticket that only
 *        ncp_ticket_wait() waits for. DIAL work always goes to the queue of the
 *        pool, which is that of its configuration.
 * @param protocol,ip as ncp_pool_get_ex()
 * @param timeout_ms as ncp_pool_get_ex(); 0 is NCP_FLAG_TRY; the ticket is
 *        decided with NCP_ETIMEOUT by the first ncp_pool_work(),
 *        ncp_ticket_wait() or other call that notices
 * @param tag handed back in events and kept with the lease
 * @param flags of enum ncp_flag
 * @errors NCP_ECLOSED, NCP_EEXHAUSTED, NCP_EUNSUPPORTEDPROTO,
 *         NCP_EUNSUPPORTEDIP, NCP_EWAITERS, NCP_EBREAKER, NCP_ENOMEM,
 *         NCP_ESTATE on a push pool, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_acquire(ncp_pool *pool, ncp_queue *queue, int protocol,
                             int ip, int64_t timeout_ms, uint64_t tag,
                             int flags, ncp_event *out);

/**
 * Counts a get that its host ended before it began: the caller's time was over or
 * its get cancelled already.
 *
 * @param status NCP_ETIMEOUT counts it as timed out, anything else as cancelled
 * @errors NCP_ECLOSED (nothing was counted), NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_refuse(ncp_pool *pool, int status);

/**
 * The dial of a reservation has ended and what follows is a hook of the host
 * (on_created): the next dial may begin, and connection_timeout does not count
 * any more. The reservation stays the caller's: ncp_pool_fulfil() with the same
 * connection, or ncp_pool_fail(), follows.
 *
 * @param reservation of a DIAL event
 * @param handle,fd,protocol,ip as ncp_dial_done()
 * @param out the id the connection will have; may be NULL
 * @errors NCP_EINVALIDCONN for a reservation that is none, NCP_ESTATE on a push
 *         pool, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_dialed(ncp_pool *pool, ncp_lease reservation,
                            uint64_t handle, int fd, int protocol, int ip,
                            uint64_t *out);

/**
 * The dial of a reservation succeeded. Answers like ncp_pool_acquire() for the
 * caller whose reservation it was: CONN with the new connection when it fits,
 * DIAL again or PENDING when it does not; NONE when it was dialed as work (the
 * connection goes to who waits, or idle). A reservation whose ticket was
 * abandoned answers NONE too: the connection is kept.
 *
 * @param reservation of a DIAL event
 * @param handle,fd,protocol,ip as ncp_dial_done()
 * @errors NCP_EINVALIDCONN for a reservation that is none (the connection stays
 *         the caller's); NCP_ECLOSED: the pool was closed meanwhile, a CLOSE
 *         event for the handle follows; NCP_ENOPROTO, NCP_ENOIP after three
 *         connections that did not fit (they were kept); NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_fulfil(ncp_pool *pool, ncp_lease reservation,
                            uint64_t handle, int fd, int protocol, int ip,
                            ncp_event *out);

/**
 * The dial of a reservation failed: its place goes to who waits. Answers DIAL
 * when the attempt is to be repeated (create_retries; wait
 * out->timeout_ms milliseconds first), PENDING when dial_policy lets the caller
 * wait on, NONE otherwise.
 *
 * @param status NCP_EDIAL, NCP_EUSER, NCP_EHOOK, NCP_EINVALIDCONN or
 *        NCP_ECANCELED (which counts as no failure of the peer)
 * @param code,text as ncp_dial_fail()
 * @errors NCP_EINVALIDCONN for a reservation that is none, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_fail(ncp_pool *pool, ncp_lease reservation, int status,
                          int64_t code, const char *text, ncp_event *out);

/**
 * A check ended. For a check as work `out` becomes NONE: a healthy connection
 * goes back where it was, another one is closed. For a CHECK answered by
 * ncp_pool_acquire() a healthy connection is answered with CONN (or BORROW),
 * for another one the acquire goes on and answers as before. For a BORROW a
 * healthy connection is answered with CONN, another one is closed with reason
 * HOOK and the get fails with NCP_EHOOK.
 *
 * @param lease of the CHECK or BORROW event
 * @param healthy 0 or 1
 * @errors NCP_EINVALIDCONN for a check that is none (it ran too long),
 *         NCP_EHOOK, and as ncp_pool_acquire()
 * @since 0.1
 */
NCP_API int ncp_pool_checked(ncp_pool *pool, ncp_lease lease, int healthy,
                             ncp_event *out);

/**
 * Gives a connection back and takes events of a queue out in the same call. When
 * that closes the connection in a pull pool its own CLOSE is the first event, and
 * nobody else is given it; without room for it, it goes to the queue of the pool.
 *
 * @param flags of enum ncp_flag
 * @param queue may be NULL; for its events this call needs no wake-up
 * @param events room for `max`; may be NULL when max is 0
 * @param status may be NULL: what ncp_pool_put() would have returned
 * @returns how many events
 * @since 0.1
 */
NCP_API int ncp_pool_release(ncp_pool *pool, ncp_lease lease, int flags,
                             ncp_queue *queue, ncp_event *events, int max,
                             int *status);

/**
 * Takes the oldest line of log out of a pool with NCP_HOST_LOG. It keeps 256
 * lines; when more were written, the next one says how many were lost.
 *
 * @param level,conn_id as ncp_log_fn is told; each may be NULL
 * @param buffer room for the line, cut to fit and terminated
 * @returns the length of the line without its end, as snprintf does; 0 when there
 *          is none; NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_log_next(ncp_pool *pool, int *level, uint64_t *conn_id,
                              char *buffer, size_t size);

/**
 * Does what is due: expires, finds leaks, times tickets out, and puts CHECK,
 * CLOSE and DIAL work into the queue of the pool. Call it when
 * ncp_pool_next_due_ms() says so.
 *
 * @errors NCP_EINVAL, NCP_ESTATE on a push pool
 * @since 0.1
 */
NCP_API int ncp_pool_work(ncp_pool *pool);

/**
 * Dials the option target with the built-in dialer and blocks meanwhile; for
 * hosts of a pull pool that have a thread to spare. The caller owns the socket
 * and hands it over with ncp_pool_fulfil().
 *
 * @param protocol,ip what is wanted, as in the DIAL event
 * @param timeout_ms above 0; below 0 the option connection_timeout
 * @param code an errno on failure; may be NULL
 * @param text buffer for a sentence on failure; may be NULL when size is 0
 * @param out the descriptor, yours; -1 on failure
 * @errors NCP_EDIAL, NCP_ECLOSED (the pool was closed meanwhile), NCP_ESTATE
 *         without a target, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_pool_dial_target(ncp_pool *pool, int protocol, int ip,
                                 int64_t timeout_ms, int64_t *code, char *text,
                                 size_t size, int *out);

/**
 * Milliseconds until ncp_pool_work() has something to do: 0 now, -1 never (for
 * NULL too).
 * On a push pool, when its housekeeping will run next.
 *
 * @since 0.1
 */
NCP_API int64_t ncp_pool_next_due_ms(const ncp_pool *pool);

/**
 * Takes the result of a ticket, which ends the ticket: the answer is CONN, DIAL
 * or CHECK, or the error is returned.
 *
 * @errors NCP_EAGAIN when it is not decided yet (it goes on), NCP_EINVALIDCONN
 *         for a ticket that is none, or why the get failed
 * @since 0.1
 */
NCP_API int ncp_ticket_take(ncp_pool *pool, ncp_ticket ticket, ncp_event *out);

/**
 * Waits for a ticket, then takes its result as ncp_ticket_take() does. One
 * thread may wait for a ticket at a time. A ticket that is not decided in time
 * keeps its place in line.
 *
 * @param timeout_ms how long to wait now; below 0 no limit
 * @errors as ncp_ticket_take()
 * @since 0.1
 */
NCP_API int ncp_ticket_wait(ncp_pool *pool, ncp_ticket ticket,
                            int64_t timeout_ms, ncp_event *out);

/**
 * Ends a ticket at any moment. A connection that was handed over already goes
 * back, a reservation too; the next waiter gets it.
 *
 * @param status NCP_ETIMEOUT counts it as timed out, anything else as cancelled
 * @errors NCP_EINVALIDCONN for a ticket that is none, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_ticket_abandon(ncp_pool *pool, ncp_ticket ticket, int status);

/**
 * Makes a guard: it gives back what somebody holds who may vanish without a
 * word, such as an aborted request.
 *
 * A guard belongs to one thread.
 *
 * @param out yours, until ncp_guard_fire()
 * @errors NCP_ENOMEM, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_guard_new(ncp_guard **out);

/**
 * Takes another reference on a guard, for somebody who may ask it after it was
 * fired; to be given back with ncp_guard_free().
 *
 * @returns guard
 * @since 0.1
 */
NCP_API ncp_guard *ncp_guard_ref(ncp_guard *guard);

/**
 * Gives a reference back. With the last one a guard that was not fired is fired.
 *
 * @since 0.1
 */
NCP_API void ncp_guard_free(ncp_guard *guard);

/**
 * Lets a guard hold a lease or a ticket.
 *
 * @param lease 0 for none
 * @param ticket 0 for none
 * @errors NCP_ESTATE when it was fired already, NCP_ENOMEM, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_guard_hold(ncp_guard *guard, ncp_pool *pool, ncp_lease lease,
                           ncp_ticket ticket);

/**
 * Lets go of what was given back properly; unknown values are ignored.
 *
 * @errors NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_guard_drop(ncp_guard *guard, ncp_pool *pool, ncp_lease lease,
                           ncp_ticket ticket);

/**
 * Discards the leases and abandons the tickets a guard holds, and gives back the
 * reference of ncp_guard_new(). Once a guard. Calls no user code: in a push pool
 * descriptors are closed, in a pull pool CLOSE events tell what is left to do.
 *
 * @param guard an ncp_guard; `void *`, so that it fits a clean-up handler
 * @since 0.1
 */
NCP_API void ncp_guard_fire(void *guard);

/* ---------------------------------------------------------------------- sockets */

/**
 * Whether the built-in dialer understands a target: "tcp://host:port",
 * "tcp4://...", "tcp6://...", "udp://...", "udp4://...", "udp6://...",
 * "unix:path". An IPv6 address stands in brackets: "tcp://[::1]:80".
 *
 * @param reason buffer for a sentence that says what is wrong; may be NULL when
 *        size is 0
 * @errors NCP_EINVALIDCONFIG, NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_target_check(const char *target, char *reason, size_t size);

/**
 * Opens a listening socket for a server pool: "tcp://host:port" (port 0 lets the
 * system choose) or "unix:path". It is non-blocking and close-on-exec.
 *
 * @param backlog at least 1
 * @param out the descriptor, yours to close; -1 on failure
 * @errors NCP_EINVALIDCONFIG, NCP_ESYS (errno says why), NCP_EINVAL
 * @since 0.1
 */
NCP_API int ncp_listen(const char *target, int backlog, int *out);

/**
 * Finds out protocol and IP version of a socket. An IPv4 address mapped into
 * IPv6 counts as IPv4; a socket without a remote address is judged by its local
 * one; unix sockets and everything else are unknown.
 *
 * @param protocol,ip each may be NULL
 * @errors NCP_EINVAL for a negative fd
 * @since 0.1
 */
NCP_API int ncp_fd_detect(int fd, int *protocol, int *ip);

/**
 * Whether a connection is alive, without consuming anything and without
 * blocking. A reset or a pending socket error is death, and so is a peer that
 * has stopped sending, even when data is left to read (POLLRDHUP); silence and
 * unread data are life otherwise.
 *
 * @returns 1 or 0; NCP_EINVAL for a negative fd
 * @since 0.1
 */
NCP_API int ncp_fd_alive(int fd);

/**
 * Drops the datagrams that wait in a UDP socket, without blocking and without
 * changing its mode or deadlines. Other sockets are left alone.
 *
 * @param timeout_ms how long at most; 0 or less stands for 100
 * @param max_packets how many at most; 0 or less stands for 100
 * @param out how many were dropped; may be NULL
 * @returns NCP_OK when it is empty now; NCP_EAGAIN when it is not;
 *          NCP_EINVAL for a negative fd
 * @since 0.1
 */
NCP_API int ncp_udp_drain(int fd, int64_t timeout_ms, int max_packets, int *out);

/**
 * Whether a datagram waits in a UDP socket; consumes nothing.
 *
 * @returns 1, 0; NCP_EINVAL for a negative fd
 * @since 0.1
 */
NCP_API int ncp_udp_has_data(int fd);

#ifdef __cplusplus
}
#endif

#endif /* NETCONNPOOL_H */
