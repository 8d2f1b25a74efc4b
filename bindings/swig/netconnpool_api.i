/*
 * Written by bindings/gen/gen.py from the public header; not to be edited.
 *
 * Constants, the event and every function that needs no callback. Not in here,
 * because only callbacks could use them:
 *   ncp_set_allocator
 *   ncp_config_set_dialer
 *   ncp_config_set_acceptor
 *   ncp_config_set_callback
 *   ncp_config_set_log
 *   ncp_config_set_clock
 *   ncp_dial_protocol
 *   ncp_dial_ip
 *   ncp_dial_deadline_ms
 *   ncp_dial_timeout_ms
 *   ncp_dial_attempt
 *   ncp_dial_listener_fd
 *   ncp_dial_stopped
 *   ncp_dial_done
 *   ncp_dial_done_fd
 *   ncp_dial_fail
 *   ncp_cancel_set_poll
 *   ncp_conn_info
 *   ncp_conn_handle
 *   ncp_conn_set_handle
 *   ncp_conn_fd
 *   ncp_conn_id
 */
#define NCP_VERSION_MAJOR 0
#define NCP_VERSION_MINOR 1
#define NCP_VERSION_PATCH 0
#define NCP_TIMEOUT_DEFAULT (-9223372036854775807LL - 1)
int ncp_version(void);
const char *ncp_version_text(void);
enum ncp_status {
    NCP_OK = 0,
    NCP_ECLOSED = -1,
    NCP_ECONNCLOSED = -2,
    NCP_ETIMEOUT = -3,
    NCP_EMAXCONN = -4,
    NCP_EINVALIDCONN = -5,
    NCP_EUNHEALTHY = -6,
    NCP_EINVALIDCONFIG = -7,
    NCP_ELEAKED = -8,
    NCP_EEXHAUSTED = -9,
    NCP_EUNSUPPORTEDIP = -10,
    NCP_ENOIP = -11,
    NCP_EUNSUPPORTEDPROTO = -12,
    NCP_ENOPROTO = -13,
    NCP_EDIAL = -14,
    NCP_EHOOK = -15,
    NCP_ECLOSEHOOK = -16,
    NCP_ECANCELED = -17,
    NCP_ENOMEM = -18,
    NCP_ESYS = -19,
    NCP_EUSER = -20,
    NCP_EINVAL = -21,
    NCP_EWAITERS = -22,
    NCP_EBREAKER = -23,
    NCP_ESTATE = -24,
    NCP_ENOTFOUND = -25,
    NCP_EAGAIN = -26
};
const char *ncp_status_text(int status);
const char *ncp_status_name(int status);
int ncp_status_at(int index, int *out);
enum ncp_mode {
    NCP_MODE_CLIENT = 0,
    NCP_MODE_SERVER = 1
};
enum ncp_protocol {
    NCP_PROTOCOL_UNKNOWN = 0,
    NCP_PROTOCOL_TCP = 1,
    NCP_PROTOCOL_UDP = 2
};
enum ncp_ip {
    NCP_IP_UNKNOWN = 0,
    NCP_IP_V4 = 1,
    NCP_IP_V6 = 2
};
enum ncp_driver {
    NCP_DRIVER_PUSH = 0,
    NCP_DRIVER_PULL = 1
};
enum ncp_idle_order {
    NCP_IDLE_LIFO = 0,
    NCP_IDLE_FIFO = 1
};
enum ncp_fairness {
    NCP_FAIRNESS_STRICT = 0,
    NCP_FAIRNESS_ADAPTIVE = 1
};
enum ncp_dial_policy {
    NCP_DIAL_FAIL_ONE = 0,
    NCP_DIAL_FAIL_ALL = 1,
    NCP_DIAL_WAIT = 2
};
enum ncp_store {
    NCP_STORE_LOCKFREE = 0,
    NCP_STORE_LOCK = 1,
    NCP_STORE_SHARDED = 2
};
enum ncp_log_level {
    NCP_LOG_OFF = 0,
    NCP_LOG_ERROR = 1,
    NCP_LOG_WARN = 2,
    NCP_LOG_INFO = 3,
    NCP_LOG_DEBUG = 4
};
enum ncp_reason {
    NCP_REASON_NONE = 0,
    NCP_REASON_IDLE_TIMEOUT = 1,
    NCP_REASON_MAX_LIFETIME = 2,
    NCP_REASON_UNHEALTHY = 3,
    NCP_REASON_IDLE_FULL = 4,
    NCP_REASON_EVICTED = 5,
    NCP_REASON_LEAKED = 6,
    NCP_REASON_DISCARDED = 7,
    NCP_REASON_FLUSHED = 8,
    NCP_REASON_SHRUNK = 9,
    NCP_REASON_POOL_CLOSED = 10,
    NCP_REASON_HOOK = 11,
    NCP_REASON_DIRTY = 12,
    NCP_REASON_MISMATCH = 13,
    NCP_REASON_DETACHED = 14,
    NCP_REASON_FORKED = 15
};
const char *ncp_mode_text(int mode);
const char *ncp_protocol_text(int protocol);
const char *ncp_ip_text(int ip);
const char *ncp_reason_text(int reason);
int ncp_mode_parse(const char *text);
int ncp_protocol_parse(const char *text);
int ncp_ip_parse(const char *text);
typedef struct ncp_pool ncp_pool;
typedef struct ncp_config ncp_config;
typedef struct ncp_queue ncp_queue;
typedef struct ncp_cancel ncp_cancel;
typedef struct ncp_guard ncp_guard;
typedef struct ncp_tap ncp_tap;
typedef struct ncp_dial ncp_dial;
typedef struct ncp_conn ncp_conn;
typedef struct ncp_event ncp_event;
typedef uint64_t ncp_lease;
typedef uint64_t ncp_ticket;
enum ncp_callback {
    NCP_CALLBACK_CLOSER = 1,
    NCP_CALLBACK_CHECKER = 2,
    NCP_CALLBACK_ON_CREATED = 3,
    NCP_CALLBACK_ON_BORROW = 4,
    NCP_CALLBACK_ON_RETURN = 5,
    NCP_CALLBACK_ON_CLOSE = 6,
    NCP_CALLBACK_ON_LEAK = 7
};
enum ncp_option {
    NCP_OPTION_MODE = 1,
    NCP_OPTION_DRIVER = 2,
    NCP_OPTION_NAME = 3,
    NCP_OPTION_TARGET = 4,
    NCP_OPTION_LISTENER_FD = 5,
    NCP_OPTION_MAX_CONNECTIONS = 6,
    NCP_OPTION_MIN_CONNECTIONS = 7,
    NCP_OPTION_MAX_IDLE_CONNECTIONS = 8,
    NCP_OPTION_CONNECTION_TIMEOUT = 9,
    NCP_OPTION_IDLE_TIMEOUT = 10,
    NCP_OPTION_MAX_LIFETIME = 11,
    NCP_OPTION_EXPIRY_JITTER = 12,
    NCP_OPTION_GET_TIMEOUT = 13,
    NCP_OPTION_HEALTH_CHECK = 14,
    NCP_OPTION_HEALTH_CHECK_INTERVAL = 15,
    NCP_OPTION_HEALTH_CHECK_TIMEOUT = 16,
    NCP_OPTION_CHECK_ON_BORROW = 17,
    NCP_OPTION_LEAK_TIMEOUT = 18,
    NCP_OPTION_LEAK_INTERVAL = 19,
    NCP_OPTION_LEAK_EVICT_MULTIPLIER = 20,
    NCP_OPTION_CAPTURE_STACKS = 21,
    NCP_OPTION_STATS = 22,
    NCP_OPTION_LATENCY_SAMPLES = 23,
    NCP_OPTION_CLEAR_UDP = 24,
    NCP_OPTION_UDP_CLEAR_TIMEOUT = 25,
    NCP_OPTION_MAX_BUFFER_CLEAR_PACKETS = 26,
    NCP_OPTION_RESTORE_BLOCKING = 27,
    NCP_OPTION_MAX_CONCURRENT_CREATES = 28,
    NCP_OPTION_CREATE_RETRIES = 29,
    NCP_OPTION_CREATE_RETRY_INTERVAL = 30,
    NCP_OPTION_DIAL_IN_CALLER = 31,
    NCP_OPTION_DIAL_RATE = 32,
    NCP_OPTION_DIAL_BURST = 33,
    NCP_OPTION_DIAL_BACKOFF = 34,
    NCP_OPTION_DIAL_BACKOFF_MAX = 35,
    NCP_OPTION_BREAKER_FAILURES = 36,
    NCP_OPTION_BREAKER_COOLDOWN = 37,
    NCP_OPTION_DIAL_POLICY = 38,
    NCP_OPTION_CLEANUP_INTERVAL = 39,
    NCP_OPTION_MAINTAIN_MIN = 40,
    NCP_OPTION_PREWARM_RETRY = 41,
    NCP_OPTION_PREWARM_MAX_RETRIES = 42,
    NCP_OPTION_PREWARM_RETRY_INTERVAL = 43,
    NCP_OPTION_PREWARM_BLOCKING = 44,
    NCP_OPTION_IDLE_ORDER = 45,
    NCP_OPTION_FAIRNESS = 46,
    NCP_OPTION_STORE = 47,
    NCP_OPTION_MAX_WAITERS = 48,
    NCP_OPTION_LOG_LEVEL = 49,
    NCP_OPTION_TCP_NODELAY = 50,
    NCP_OPTION_TCP_KEEPALIVE = 51,
    NCP_OPTION_SEND_BUFFER = 52,
    NCP_OPTION_RECEIVE_BUFFER = 53,
    NCP_OPTION_HAPPY_EYEBALLS_DELAY = 54,
    NCP_OPTION_HOST_EVENTS = 55
};
enum ncp_type {
    NCP_TYPE_INT = 1,
    NCP_TYPE_BOOL = 2,
    NCP_TYPE_DURATION = 3,
    NCP_TYPE_ENUM = 4,
    NCP_TYPE_TEXT = 5
};
int ncp_option_at(int index, int *out);
int ncp_option_find(const char *name, int *out);
const char *ncp_option_name(int option);
const char *ncp_option_help(int option);
const char *ncp_option_unit(int option);
int ncp_option_type(int option);
int ncp_option_runtime(int option);
int ncp_option_range(int option, int mode, int64_t *def, int64_t *min,
                     int64_t *max);
int ncp_config_new(int mode, ncp_config **out);
void ncp_config_free(ncp_config *config);
int ncp_config_copy(const ncp_config *config, ncp_config **out);
int ncp_config_set_int(ncp_config *config, int option, int64_t value);
int ncp_config_get_int(const ncp_config *config, int option, int64_t *out);
int ncp_config_set(ncp_config *config, const char *name, const char *text);
int ncp_config_get(const ncp_config *config, const char *name, char *buffer,
                   size_t size);
uint64_t ncp_manual_clock(void *user);
int ncp_config_set_queue(ncp_config *config, ncp_queue *queue);
int ncp_config_validate(ncp_config *config);
const char *ncp_config_reason(const ncp_config *config);
int ncp_pool_new(ncp_config *config, ncp_pool **out);
ncp_pool *ncp_pool_ref(ncp_pool *pool);
int ncp_pool_find(const char *name, ncp_pool **out);
void ncp_pool_free(ncp_pool *pool);
int ncp_pool_get(ncp_pool *pool, ncp_lease *out);
int ncp_pool_get_timeout(ncp_pool *pool, int64_t timeout_ms, ncp_lease *out);
int ncp_pool_try_get(ncp_pool *pool, ncp_lease *out);
int ncp_pool_get_tcp(ncp_pool *pool, ncp_lease *out);
int ncp_pool_get_udp(ncp_pool *pool, ncp_lease *out);
int ncp_pool_get_ipv4(ncp_pool *pool, ncp_lease *out);
int ncp_pool_get_ipv6(ncp_pool *pool, ncp_lease *out);
int ncp_pool_get_ex(ncp_pool *pool, int protocol, int ip, int64_t timeout_ms,
                    ncp_cancel *cancel, uint64_t tag, ncp_lease *out);
int ncp_pool_borrow(ncp_pool *pool, int protocol, int ip, int64_t timeout_ms,
                    ncp_cancel *cancel, uint64_t tag, ncp_event *out);
int ncp_pool_put(ncp_pool *pool, ncp_lease lease);
int ncp_tap_new(ncp_pool *pool, ncp_tap **out);
void ncp_tap_free(ncp_tap *tap);
int ncp_tap_get(ncp_tap *tap, ncp_lease *out);
int ncp_tap_put(ncp_tap *tap, ncp_lease lease);
int ncp_pool_discard(ncp_pool *pool, ncp_lease lease);
int ncp_pool_detach(ncp_pool *pool, ncp_lease lease, uint64_t *out);
int ncp_pool_close(ncp_pool *pool);
int ncp_pool_close_wait(ncp_pool *pool, int64_t timeout_ms);
int ncp_pool_close_now(ncp_pool *pool);
int ncp_pool_drain(ncp_pool *pool, int64_t timeout_ms);
int ncp_pool_flush(ncp_pool *pool);
int ncp_pool_suspend(ncp_pool *pool);
int ncp_pool_resume(ncp_pool *pool);
int ncp_pool_resize(ncp_pool *pool, int64_t max_connections);
int ncp_pool_set(ncp_pool *pool, int option, int64_t value);
int ncp_pool_option(const ncp_pool *pool, int option, int64_t *out);
int ncp_pool_prewarm_wait(ncp_pool *pool, int64_t timeout_ms);
int ncp_pool_wake(ncp_pool *pool);
int ncp_pool_is_closed(const ncp_pool *pool);
int ncp_pool_active_count(const ncp_pool *pool);
int ncp_pool_idle_count(const ncp_pool *pool);
int ncp_pool_waiting_count(const ncp_pool *pool);
int ncp_pool_dialing_count(const ncp_pool *pool);
int ncp_cancel_new(ncp_cancel **out);
int ncp_cancel_fire(ncp_cancel *cancel);
void ncp_cancel_free(ncp_cancel *cancel);
enum ncp_info {
    NCP_INFO_HANDLE = 1,
    NCP_INFO_FD = 2,
    NCP_INFO_ID = 3,
    NCP_INFO_PROTOCOL = 4,
    NCP_INFO_IP = 5,
    NCP_INFO_AGE_NS = 6,
    NCP_INFO_IDLE_NS = 7,
    NCP_INFO_REUSE_COUNT = 8,
    NCP_INFO_IN_USE = 9,
    NCP_INFO_HEALTHY = 10,
    NCP_INFO_LEAK_DETECTED = 11,
    NCP_INFO_BORROWED_NS = 12,
    NCP_INFO_TAG = 13,
    NCP_INFO_CREATED_AT_NS = 14,
    NCP_INFO_LAST_USED_AT_NS = 15,
    NCP_INFO_LAST_CHECK_AT_NS = 16,
    NCP_INFO_LEASE = 17
};
int ncp_lease_info(const ncp_pool *pool, ncp_lease lease, int info,
                   uint64_t *out);
int ncp_lease_fd(const ncp_pool *pool, ncp_lease lease);
int ncp_lease_handle(const ncp_pool *pool, ncp_lease lease, uint64_t *out);
int ncp_lease_close(ncp_pool *pool, ncp_lease lease);
int ncp_lease_set_healthy(ncp_pool *pool, ncp_lease lease, int healthy);
int ncp_lease_set_tag(ncp_pool *pool, ncp_lease lease, uint64_t tag);
int ncp_lease_keeps(const ncp_pool *pool, ncp_lease lease);
int ncp_lease_renew(ncp_pool *pool, ncp_lease lease, uint64_t handle, int fd,
                    int protocol, int ip);
int ncp_pool_leases(const ncp_pool *pool, ncp_lease *leases, size_t capacity,
                    size_t *out);
int ncp_lease_stack(const ncp_pool *pool, ncp_lease lease, char *buffer,
                    size_t size);
enum ncp_counter {
    NCP_COUNTER_CREATED = 0,
    NCP_COUNTER_CLOSED = 1,
    NCP_COUNTER_CURRENT = 2,
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
    NCP_COUNTER_TOTAL = 13,
    NCP_COUNTER_SUCCESSFUL = 14,
    NCP_COUNTER_FAILED = 15,
    NCP_COUNTER_TIMEOUT = 16,
    NCP_COUNTER_IN_FLIGHT = 17,
    NCP_COUNTER_HC_ATTEMPTS = 18,
    NCP_COUNTER_HC_FAILURES = 19,
    NCP_COUNTER_UNHEALTHY = 20,
    NCP_COUNTER_CONNECTION_ERRORS = 21,
    NCP_COUNTER_LEAKED = 22,
    NCP_COUNTER_EVICTED = 23,
    NCP_COUNTER_REUSED = 24,
    NCP_COUNTER_CANCELED = 25,
    NCP_COUNTER_DETACHED = 26,
    NCP_COUNTER_AVERAGE_REUSE = 27,
    NCP_COUNTER_TOTAL_GET_TIME = 28,
    NCP_COUNTER_AVERAGE_GET_TIME = 29,
    NCP_COUNTER_MAX_GET_TIME = 30,
    NCP_COUNTER_P50_GET_TIME = 31,
    NCP_COUNTER_P95_GET_TIME = 32,
    NCP_COUNTER_P99_GET_TIME = 33,
    NCP_COUNTER_UTILIZATION = 34,
    NCP_COUNTER_CREATION_FAILURE_RATE = 35,
    NCP_COUNTER_HC_SUCCESS_RATE = 36,
    NCP_COUNTER_AVERAGE_LIFETIME = 37,
    NCP_COUNTER_PREWARM_TARGET = 38,
    NCP_COUNTER_PREWARM_CREATED = 39,
    NCP_COUNTER_PREWARM_COMPLETED = 40,
    NCP_COUNTER_WAITING = 41,
    NCP_COUNTER_DIALING = 42,
    NCP_COUNTER_BREAKER_OPEN = 43,
    NCP_COUNTER_BREAKER_TRIPS = 44,
    NCP_COUNTER_LAST_UPDATE = 45,
    NCP_COUNTER_COUNT = 46
};
enum ncp_counter_kind {
    NCP_KIND_CUMULATIVE = 1,
    NCP_KIND_GAUGE = 2,
    NCP_KIND_DERIVED = 3
};
int ncp_counter_at(int index, int *kind, const char **name, const char **unit,
                   const char **help);
int ncp_pool_stats(const ncp_pool *pool, uint64_t *values, size_t count);
int ncp_pool_describe(const ncp_pool *pool, char *buffer, size_t size);
int ncp_pool_dial_error(const ncp_pool *pool, int64_t *code, int64_t *age_ms,
                        uint64_t *count, char *text, size_t size);
enum ncp_event_type {
    NCP_EVENT_NONE = 0,
    NCP_EVENT_CONN = 1,
    NCP_EVENT_DIAL = 2,
    NCP_EVENT_CHECK = 3,
    NCP_EVENT_CLOSE = 4,
    NCP_EVENT_PENDING = 5,
    NCP_EVENT_READY = 6,
    NCP_EVENT_KICK = 7,
    NCP_EVENT_BORROW = 8,
    NCP_EVENT_LEAK = 9,
    NCP_EVENT_LOG = 10,
    NCP_EVENT_DUE = 11
};
enum ncp_host_event {
    NCP_HOST_BORROW = 1,
    NCP_HOST_LEAK = 2,
    NCP_HOST_LOG = 4,
    NCP_HOST_DUE = 8
};
struct ncp_event {
    int32_t type;
    int32_t status;
    ncp_pool *pool;
    ncp_lease lease;
    ncp_ticket ticket;
    uint64_t tag;
    uint64_t handle;
    uint64_t conn_id;
    int64_t timeout_ms;
    int32_t fd;
    int32_t protocol;
    int32_t ip;
    int32_t reason;
    int32_t reused;
    int32_t reserved32;
    int64_t code;
    int64_t creation_ms;
    uint64_t spare[3];
};
enum ncp_flag {
    NCP_FLAG_DIALS = 1,
    NCP_FLAG_TRY = 2,
    NCP_FLAG_DISCARD = 4,
    NCP_FLAG_TAKE = 8,
    NCP_FLAG_HOOK = 16
};
int ncp_queue_new(ncp_queue **out);
void ncp_queue_free(ncp_queue *queue);
int ncp_queue_fd(const ncp_queue *queue);
int ncp_queue_ready(const ncp_queue *queue);
int ncp_queue_poll(ncp_queue *queue, ncp_event *events, int max);
int ncp_queue_wait(ncp_queue *queue, ncp_event *events, int max,
                   int64_t timeout_ms);
int ncp_queue_kick(ncp_queue *queue);
int ncp_queue_listen_unix(ncp_queue *queue, const char *path);
int ncp_queue_accept(ncp_queue *queue);
int ncp_pool_acquire(ncp_pool *pool, ncp_queue *queue, int protocol, int ip,
                     int64_t timeout_ms, uint64_t tag, int flags,
                     ncp_event *out);
int ncp_pool_refuse(ncp_pool *pool, int status);
int ncp_pool_dialed(ncp_pool *pool, ncp_lease reservation, uint64_t handle,
                    int fd, int protocol, int ip, uint64_t *out);
int ncp_pool_fulfil(ncp_pool *pool, ncp_lease reservation, uint64_t handle,
                    int fd, int protocol, int ip, ncp_event *out);
int ncp_pool_fail(ncp_pool *pool, ncp_lease reservation, int status,
                  int64_t code, const char *text, ncp_event *out);
int ncp_pool_checked(ncp_pool *pool, ncp_lease lease, int healthy,
                     ncp_event *out);
int ncp_pool_release(ncp_pool *pool, ncp_lease lease, int flags,
                     ncp_queue *queue, ncp_event *events, int max,
                     int *status);
int ncp_pool_log_next(ncp_pool *pool, int *level, uint64_t *conn_id,
                      char *buffer, size_t size);
int ncp_pool_work(ncp_pool *pool);
int ncp_pool_dial_target(ncp_pool *pool, int protocol, int ip,
                         int64_t timeout_ms, int64_t *code, char *text,
                         size_t size, int *out);
int64_t ncp_pool_next_due_ms(const ncp_pool *pool);
int ncp_ticket_take(ncp_pool *pool, ncp_ticket ticket, ncp_event *out);
int ncp_ticket_wait(ncp_pool *pool, ncp_ticket ticket, int64_t timeout_ms,
                    ncp_event *out);
int ncp_ticket_abandon(ncp_pool *pool, ncp_ticket ticket, int status);
int ncp_guard_new(ncp_guard **out);
ncp_guard *ncp_guard_ref(ncp_guard *guard);
void ncp_guard_free(ncp_guard *guard);
int ncp_guard_hold(ncp_guard *guard, ncp_pool *pool, ncp_lease lease,
                   ncp_ticket ticket);
int ncp_guard_drop(ncp_guard *guard, ncp_pool *pool, ncp_lease lease,
                   ncp_ticket ticket);
void ncp_guard_fire(void *guard);
int ncp_target_check(const char *target, char *reason, size_t size);
int ncp_listen(const char *target, int backlog, int *out);
int ncp_fd_detect(int fd, int *protocol, int *ip);
int ncp_fd_alive(int fd);
int ncp_udp_drain(int fd, int64_t timeout_ms, int max_packets, int *out);
int ncp_udp_has_data(int fd);
