# Written by bindings/gen/gen.py from the public header; not to be edited.
from collections.abc import Callable
from typing import Any, Final, Literal, TypeVar, overload

_F = TypeVar("_F", bound=Callable[..., Any])

class CData:
    """Something of C: a pointer, an array, a struct. Import the name only for
    type checking: the compiled module does not have it."""

    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __len__(self) -> int: ...
    def __add__(self, count: int) -> CData: ...
    def __sub__(self, count: int) -> CData: ...
    def __getitem__(self, index: Any) -> Any: ...
    def __setitem__(self, index: Any, value: Any) -> None: ...
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class Event(CData):
    """A struct ncp_event, a pointer to it or an array."""

    type: int
    status: int
    pool: CData
    lease: int
    ticket: int
    tag: int
    handle: int
    conn_id: int
    timeout_ms: int
    fd: int
    protocol: int
    ip: int
    reason: int
    reused: int
    reserved32: int
    code: int
    creation_ms: int
    spare: CData
    def __getitem__(self, index: int) -> Event: ...

class _Ffi:
    NULL: Final[CData]
    error: Final[type[Exception]]
    errno: int
    @overload
    def new(self, cdecl: Literal["ncp_event *", "ncp_event[]"], init: Any = ...) -> Event: ...
    @overload
    def new(self, cdecl: str, init: Any = ...) -> CData: ...
    def cast(self, cdecl: str, source: Any) -> CData: ...
    def string(self, cdata: CData, maxlen: int = ...) -> bytes: ...
    def unpack(self, cdata: CData, length: int) -> Any: ...
    def buffer(self, cdata: CData, size: int = ...) -> Any: ...
    def from_buffer(self, data: Any) -> CData: ...
    def memmove(self, dest: Any, src: Any, n: int) -> None: ...
    def addressof(self, cdata: Any, *fields: str | int) -> CData: ...
    def sizeof(self, cdecl: str | CData) -> int: ...
    def offsetof(self, cdecl: str, *fields: str | int) -> int: ...
    def typeof(self, cdecl: str | CData) -> Any: ...
    def new_handle(self, value: object) -> CData: ...
    def from_handle(self, handle: CData) -> Any: ...
    def gc(
        self, cdata: CData, destructor: Callable[[CData], Any] | None, size: int = ...
    ) -> CData: ...
    def release(self, cdata: CData) -> None: ...
    def def_extern(
        self,
        name: str = ...,
        error: Any = ...,
        onerror: Callable[[Any, Any, Any], Any] | None = ...,
    ) -> Callable[[_F], _F]: ...

class _Lib:
    NCP_OK: Final = 0
    NCP_ECLOSED: Final = -1
    NCP_ECONNCLOSED: Final = -2
    NCP_ETIMEOUT: Final = -3
    NCP_EMAXCONN: Final = -4
    NCP_EINVALIDCONN: Final = -5
    NCP_EUNHEALTHY: Final = -6
    NCP_EINVALIDCONFIG: Final = -7
    NCP_ELEAKED: Final = -8
    NCP_EEXHAUSTED: Final = -9
    NCP_EUNSUPPORTEDIP: Final = -10
    NCP_ENOIP: Final = -11
    NCP_EUNSUPPORTEDPROTO: Final = -12
    NCP_ENOPROTO: Final = -13
    NCP_EDIAL: Final = -14
    NCP_EHOOK: Final = -15
    NCP_ECLOSEHOOK: Final = -16
    NCP_ECANCELED: Final = -17
    NCP_ENOMEM: Final = -18
    NCP_ESYS: Final = -19
    NCP_EUSER: Final = -20
    NCP_EINVAL: Final = -21
    NCP_EWAITERS: Final = -22
    NCP_EBREAKER: Final = -23
    NCP_ESTATE: Final = -24
    NCP_ENOTFOUND: Final = -25
    NCP_EAGAIN: Final = -26
    NCP_MODE_CLIENT: Final = 0
    NCP_MODE_SERVER: Final = 1
    NCP_PROTOCOL_UNKNOWN: Final = 0
    NCP_PROTOCOL_TCP: Final = 1
    NCP_PROTOCOL_UDP: Final = 2
    NCP_IP_UNKNOWN: Final = 0
    NCP_IP_V4: Final = 1
    NCP_IP_V6: Final = 2
    NCP_DRIVER_PUSH: Final = 0
    NCP_DRIVER_PULL: Final = 1
    NCP_IDLE_LIFO: Final = 0
    NCP_IDLE_FIFO: Final = 1
    NCP_FAIRNESS_STRICT: Final = 0
    NCP_FAIRNESS_ADAPTIVE: Final = 1
    NCP_DIAL_FAIL_ONE: Final = 0
    NCP_DIAL_FAIL_ALL: Final = 1
    NCP_DIAL_WAIT: Final = 2
    NCP_STORE_LOCKFREE: Final = 0
    NCP_STORE_LOCK: Final = 1
    NCP_STORE_SHARDED: Final = 2
    NCP_LOG_OFF: Final = 0
    NCP_LOG_ERROR: Final = 1
    NCP_LOG_WARN: Final = 2
    NCP_LOG_INFO: Final = 3
    NCP_LOG_DEBUG: Final = 4
    NCP_REASON_NONE: Final = 0
    NCP_REASON_IDLE_TIMEOUT: Final = 1
    NCP_REASON_MAX_LIFETIME: Final = 2
    NCP_REASON_UNHEALTHY: Final = 3
    NCP_REASON_IDLE_FULL: Final = 4
    NCP_REASON_EVICTED: Final = 5
    NCP_REASON_LEAKED: Final = 6
    NCP_REASON_DISCARDED: Final = 7
    NCP_REASON_FLUSHED: Final = 8
    NCP_REASON_SHRUNK: Final = 9
    NCP_REASON_POOL_CLOSED: Final = 10
    NCP_REASON_HOOK: Final = 11
    NCP_REASON_DIRTY: Final = 12
    NCP_REASON_MISMATCH: Final = 13
    NCP_REASON_DETACHED: Final = 14
    NCP_REASON_FORKED: Final = 15
    NCP_CALLBACK_CLOSER: Final = 1
    NCP_CALLBACK_CHECKER: Final = 2
    NCP_CALLBACK_ON_CREATED: Final = 3
    NCP_CALLBACK_ON_BORROW: Final = 4
    NCP_CALLBACK_ON_RETURN: Final = 5
    NCP_CALLBACK_ON_CLOSE: Final = 6
    NCP_CALLBACK_ON_LEAK: Final = 7
    NCP_OPTION_MODE: Final = 1
    NCP_OPTION_DRIVER: Final = 2
    NCP_OPTION_NAME: Final = 3
    NCP_OPTION_TARGET: Final = 4
    NCP_OPTION_LISTENER_FD: Final = 5
    NCP_OPTION_MAX_CONNECTIONS: Final = 6
    NCP_OPTION_MIN_CONNECTIONS: Final = 7
    NCP_OPTION_MAX_IDLE_CONNECTIONS: Final = 8
    NCP_OPTION_CONNECTION_TIMEOUT: Final = 9
    NCP_OPTION_IDLE_TIMEOUT: Final = 10
    NCP_OPTION_MAX_LIFETIME: Final = 11
    NCP_OPTION_EXPIRY_JITTER: Final = 12
    NCP_OPTION_GET_TIMEOUT: Final = 13
    NCP_OPTION_HEALTH_CHECK: Final = 14
    NCP_OPTION_HEALTH_CHECK_INTERVAL: Final = 15
    NCP_OPTION_HEALTH_CHECK_TIMEOUT: Final = 16
    NCP_OPTION_CHECK_ON_BORROW: Final = 17
    NCP_OPTION_LEAK_TIMEOUT: Final = 18
    NCP_OPTION_LEAK_INTERVAL: Final = 19
    NCP_OPTION_LEAK_EVICT_MULTIPLIER: Final = 20
    NCP_OPTION_CAPTURE_STACKS: Final = 21
    NCP_OPTION_STATS: Final = 22
    NCP_OPTION_LATENCY_SAMPLES: Final = 23
    NCP_OPTION_CLEAR_UDP: Final = 24
    NCP_OPTION_UDP_CLEAR_TIMEOUT: Final = 25
    NCP_OPTION_MAX_BUFFER_CLEAR_PACKETS: Final = 26
    NCP_OPTION_RESTORE_BLOCKING: Final = 27
    NCP_OPTION_MAX_CONCURRENT_CREATES: Final = 28
    NCP_OPTION_CREATE_RETRIES: Final = 29
    NCP_OPTION_CREATE_RETRY_INTERVAL: Final = 30
    NCP_OPTION_DIAL_IN_CALLER: Final = 31
    NCP_OPTION_DIAL_RATE: Final = 32
    NCP_OPTION_DIAL_BURST: Final = 33
    NCP_OPTION_DIAL_BACKOFF: Final = 34
    NCP_OPTION_DIAL_BACKOFF_MAX: Final = 35
    NCP_OPTION_BREAKER_FAILURES: Final = 36
    NCP_OPTION_BREAKER_COOLDOWN: Final = 37
    NCP_OPTION_DIAL_POLICY: Final = 38
    NCP_OPTION_CLEANUP_INTERVAL: Final = 39
    NCP_OPTION_MAINTAIN_MIN: Final = 40
    NCP_OPTION_PREWARM_RETRY: Final = 41
    NCP_OPTION_PREWARM_MAX_RETRIES: Final = 42
    NCP_OPTION_PREWARM_RETRY_INTERVAL: Final = 43
    NCP_OPTION_PREWARM_BLOCKING: Final = 44
    NCP_OPTION_IDLE_ORDER: Final = 45
    NCP_OPTION_FAIRNESS: Final = 46
    NCP_OPTION_STORE: Final = 47
    NCP_OPTION_MAX_WAITERS: Final = 48
    NCP_OPTION_LOG_LEVEL: Final = 49
    NCP_OPTION_TCP_NODELAY: Final = 50
    NCP_OPTION_TCP_KEEPALIVE: Final = 51
    NCP_OPTION_SEND_BUFFER: Final = 52
    NCP_OPTION_RECEIVE_BUFFER: Final = 53
    NCP_OPTION_HAPPY_EYEBALLS_DELAY: Final = 54
    NCP_OPTION_HOST_EVENTS: Final = 55
    NCP_TYPE_INT: Final = 1
    NCP_TYPE_BOOL: Final = 2
    NCP_TYPE_DURATION: Final = 3
    NCP_TYPE_ENUM: Final = 4
    NCP_TYPE_TEXT: Final = 5
    NCP_INFO_HANDLE: Final = 1
    NCP_INFO_FD: Final = 2
    NCP_INFO_ID: Final = 3
    NCP_INFO_PROTOCOL: Final = 4
    NCP_INFO_IP: Final = 5
    NCP_INFO_AGE_NS: Final = 6
    NCP_INFO_IDLE_NS: Final = 7
    NCP_INFO_REUSE_COUNT: Final = 8
    NCP_INFO_IN_USE: Final = 9
    NCP_INFO_HEALTHY: Final = 10
    NCP_INFO_LEAK_DETECTED: Final = 11
    NCP_INFO_BORROWED_NS: Final = 12
    NCP_INFO_TAG: Final = 13
    NCP_INFO_CREATED_AT_NS: Final = 14
    NCP_INFO_LAST_USED_AT_NS: Final = 15
    NCP_INFO_LAST_CHECK_AT_NS: Final = 16
    NCP_INFO_LEASE: Final = 17
    NCP_COUNTER_CREATED: Final = 0
    NCP_COUNTER_CLOSED: Final = 1
    NCP_COUNTER_CURRENT: Final = 2
    NCP_COUNTER_IDLE: Final = 3
    NCP_COUNTER_ACTIVE: Final = 4
    NCP_COUNTER_IPV4: Final = 5
    NCP_COUNTER_IPV6: Final = 6
    NCP_COUNTER_IPV4_IDLE: Final = 7
    NCP_COUNTER_IPV6_IDLE: Final = 8
    NCP_COUNTER_TCP: Final = 9
    NCP_COUNTER_UDP: Final = 10
    NCP_COUNTER_TCP_IDLE: Final = 11
    NCP_COUNTER_UDP_IDLE: Final = 12
    NCP_COUNTER_TOTAL: Final = 13
    NCP_COUNTER_SUCCESSFUL: Final = 14
    NCP_COUNTER_FAILED: Final = 15
    NCP_COUNTER_TIMEOUT: Final = 16
    NCP_COUNTER_IN_FLIGHT: Final = 17
    NCP_COUNTER_HC_ATTEMPTS: Final = 18
    NCP_COUNTER_HC_FAILURES: Final = 19
    NCP_COUNTER_UNHEALTHY: Final = 20
    NCP_COUNTER_CONNECTION_ERRORS: Final = 21
    NCP_COUNTER_LEAKED: Final = 22
    NCP_COUNTER_EVICTED: Final = 23
    NCP_COUNTER_REUSED: Final = 24
    NCP_COUNTER_CANCELED: Final = 25
    NCP_COUNTER_DETACHED: Final = 26
    NCP_COUNTER_AVERAGE_REUSE: Final = 27
    NCP_COUNTER_TOTAL_GET_TIME: Final = 28
    NCP_COUNTER_AVERAGE_GET_TIME: Final = 29
    NCP_COUNTER_MAX_GET_TIME: Final = 30
    NCP_COUNTER_P50_GET_TIME: Final = 31
    NCP_COUNTER_P95_GET_TIME: Final = 32
    NCP_COUNTER_P99_GET_TIME: Final = 33
    NCP_COUNTER_UTILIZATION: Final = 34
    NCP_COUNTER_CREATION_FAILURE_RATE: Final = 35
    NCP_COUNTER_HC_SUCCESS_RATE: Final = 36
    NCP_COUNTER_AVERAGE_LIFETIME: Final = 37
    NCP_COUNTER_PREWARM_TARGET: Final = 38
    NCP_COUNTER_PREWARM_CREATED: Final = 39
    NCP_COUNTER_PREWARM_COMPLETED: Final = 40
    NCP_COUNTER_WAITING: Final = 41
    NCP_COUNTER_DIALING: Final = 42
    NCP_COUNTER_BREAKER_OPEN: Final = 43
    NCP_COUNTER_BREAKER_TRIPS: Final = 44
    NCP_COUNTER_LAST_UPDATE: Final = 45
    NCP_COUNTER_COUNT: Final = 46
    NCP_KIND_CUMULATIVE: Final = 1
    NCP_KIND_GAUGE: Final = 2
    NCP_KIND_DERIVED: Final = 3
    NCP_EVENT_NONE: Final = 0
    NCP_EVENT_CONN: Final = 1
    NCP_EVENT_DIAL: Final = 2
    NCP_EVENT_CHECK: Final = 3
    NCP_EVENT_CLOSE: Final = 4
    NCP_EVENT_PENDING: Final = 5
    NCP_EVENT_READY: Final = 6
    NCP_EVENT_KICK: Final = 7
    NCP_EVENT_BORROW: Final = 8
    NCP_EVENT_LEAK: Final = 9
    NCP_EVENT_LOG: Final = 10
    NCP_EVENT_DUE: Final = 11
    NCP_HOST_BORROW: Final = 1
    NCP_HOST_LEAK: Final = 2
    NCP_HOST_LOG: Final = 4
    NCP_HOST_DUE: Final = 8
    NCP_FLAG_DIALS: Final = 1
    NCP_FLAG_TRY: Final = 2
    NCP_FLAG_DISCARD: Final = 4
    NCP_FLAG_TAKE: Final = 8
    NCP_FLAG_HOOK: Final = 16
    NCP_VERSION_MAJOR: Final = 0
    NCP_VERSION_MINOR: Final = 1
    NCP_VERSION_PATCH: Final = 0
    NCP_TIMEOUT_DEFAULT: Final = -9223372036854775808
    NCP_PY_HANDLE_SHIFT: Final[int]
    NCP_PY_HANDLE_LARGE: Final[int]
    NCP_PY_HANDLE_FD_SHIFT: Final[int]
    NCP_PY_CODE_SHIFT: Final[int]
    NCP_PY_INTERRUPTED: Final[int]
    ncp_py_on_dial: Final[CData]
    ncp_py_on_conn: Final[CData]
    ncp_py_on_socket: Final[CData]
    ncp_py_on_log: Final[CData]
    ncp_py_on_drop: Final[CData]
    ncp_py_on_poll: Final[CData]
    def ncp_version(self, /) -> int: ...
    def ncp_version_text(self, /) -> CData: ...
    def ncp_status_text(self, status: int, /) -> CData: ...
    def ncp_status_name(self, status: int, /) -> CData: ...
    def ncp_status_at(self, index: int, out: CData, /) -> int: ...
    def ncp_mode_text(self, mode: int, /) -> CData: ...
    def ncp_protocol_text(self, protocol: int, /) -> CData: ...
    def ncp_ip_text(self, ip: int, /) -> CData: ...
    def ncp_reason_text(self, reason: int, /) -> CData: ...
    def ncp_mode_parse(self, text: bytes | CData, /) -> int: ...
    def ncp_protocol_parse(self, text: bytes | CData, /) -> int: ...
    def ncp_ip_parse(self, text: bytes | CData, /) -> int: ...
    def ncp_set_allocator(
        self,
        alloc: CData,
        release: CData,
        user: CData,
        /,
    ) -> int: ...
    def ncp_option_at(self, index: int, out: CData, /) -> int: ...
    def ncp_option_find(self, name: bytes | CData, out: CData, /) -> int: ...
    def ncp_option_name(self, option: int, /) -> CData: ...
    def ncp_option_help(self, option: int, /) -> CData: ...
    def ncp_option_unit(self, option: int, /) -> CData: ...
    def ncp_option_type(self, option: int, /) -> int: ...
    def ncp_option_runtime(self, option: int, /) -> int: ...
    def ncp_option_range(
        self,
        option: int,
        mode: int,
        def_: CData,
        min: CData,
        max: CData,
        /,
    ) -> int: ...
    def ncp_config_new(self, mode: int, out: CData, /) -> int: ...
    def ncp_config_free(self, config: CData, /) -> None: ...
    def ncp_config_copy(self, config: CData, out: CData, /) -> int: ...
    def ncp_config_set_int(self, config: CData, option: int, value: int, /) -> int: ...
    def ncp_config_get_int(self, config: CData, option: int, out: CData, /) -> int: ...
    def ncp_config_set(
        self,
        config: CData,
        name: bytes | CData,
        text: bytes | CData,
        /,
    ) -> int: ...
    def ncp_config_get(
        self,
        config: CData,
        name: bytes | CData,
        buffer: CData,
        size: int,
        /,
    ) -> int: ...
    def ncp_config_set_dialer(
        self,
        config: CData,
        dial: CData,
        user: CData,
        drop: CData,
        /,
    ) -> int: ...
    def ncp_config_set_acceptor(
        self,
        config: CData,
        acceptor: CData,
        user: CData,
        drop: CData,
        /,
    ) -> int: ...
    def ncp_config_set_callback(
        self,
        config: CData,
        callback: int,
        function: CData,
        user: CData,
        drop: CData,
        /,
    ) -> int: ...
    def ncp_config_set_log(
        self,
        config: CData,
        log: CData,
        user: CData,
        drop: CData,
        /,
    ) -> int: ...
    def ncp_config_set_clock(
        self,
        config: CData,
        clock: CData,
        user: CData,
        drop: CData,
        /,
    ) -> int: ...
    def ncp_manual_clock(self, user: CData, /) -> int: ...
    def ncp_config_set_queue(self, config: CData, queue: CData, /) -> int: ...
    def ncp_config_validate(self, config: CData, /) -> int: ...
    def ncp_config_reason(self, config: CData, /) -> CData: ...
    def ncp_dial_protocol(self, dial: CData, /) -> int: ...
    def ncp_dial_ip(self, dial: CData, /) -> int: ...
    def ncp_dial_deadline_ms(self, dial: CData, /) -> int: ...
    def ncp_dial_timeout_ms(self, dial: CData, /) -> int: ...
    def ncp_dial_attempt(self, dial: CData, /) -> int: ...
    def ncp_dial_listener_fd(self, dial: CData, /) -> int: ...
    def ncp_dial_stopped(self, dial: CData, /) -> int: ...
    def ncp_dial_done(
        self,
        dial: CData,
        handle: int,
        fd: int,
        protocol: int,
        ip: int,
        /,
    ) -> int: ...
    def ncp_dial_done_fd(self, dial: CData, fd: int, /) -> int: ...
    def ncp_dial_fail(self, dial: CData, code: int, text: bytes | CData, /) -> None: ...
    def ncp_pool_new(self, config: CData, out: CData, /) -> int: ...
    def ncp_pool_ref(self, pool: CData, /) -> CData: ...
    def ncp_pool_find(self, name: bytes | CData, out: CData, /) -> int: ...
    def ncp_pool_free(self, pool: CData, /) -> None: ...
    def ncp_pool_get(self, pool: CData, out: CData, /) -> int: ...
    def ncp_pool_get_timeout(
        self,
        pool: CData,
        timeout_ms: int,
        out: CData,
        /,
    ) -> int: ...
    def ncp_pool_try_get(self, pool: CData, out: CData, /) -> int: ...
    def ncp_pool_get_tcp(self, pool: CData, out: CData, /) -> int: ...
    def ncp_pool_get_udp(self, pool: CData, out: CData, /) -> int: ...
    def ncp_pool_get_ipv4(self, pool: CData, out: CData, /) -> int: ...
    def ncp_pool_get_ipv6(self, pool: CData, out: CData, /) -> int: ...
    def ncp_pool_get_ex(
        self,
        pool: CData,
        protocol: int,
        ip: int,
        timeout_ms: int,
        cancel: CData,
        tag: int,
        out: CData,
        /,
    ) -> int: ...
    def ncp_pool_borrow(
        self,
        pool: CData,
        protocol: int,
        ip: int,
        timeout_ms: int,
        cancel: CData,
        tag: int,
        out: CData,
        /,
    ) -> int: ...
    def ncp_pool_put(self, pool: CData, lease: int, /) -> int: ...
    def ncp_tap_new(self, pool: CData, out: CData, /) -> int: ...
    def ncp_tap_free(self, tap: CData, /) -> None: ...
    def ncp_tap_get(self, tap: CData, out: CData, /) -> int: ...
    def ncp_tap_put(self, tap: CData, lease: int, /) -> int: ...
    def ncp_pool_discard(self, pool: CData, lease: int, /) -> int: ...
    def ncp_pool_detach(self, pool: CData, lease: int, out: CData, /) -> int: ...
    def ncp_pool_close(self, pool: CData, /) -> int: ...
    def ncp_pool_close_wait(self, pool: CData, timeout_ms: int, /) -> int: ...
    def ncp_pool_close_now(self, pool: CData, /) -> int: ...
    def ncp_pool_drain(self, pool: CData, timeout_ms: int, /) -> int: ...
    def ncp_pool_flush(self, pool: CData, /) -> int: ...
    def ncp_pool_suspend(self, pool: CData, /) -> int: ...
    def ncp_pool_resume(self, pool: CData, /) -> int: ...
    def ncp_pool_resize(self, pool: CData, max_connections: int, /) -> int: ...
    def ncp_pool_set(self, pool: CData, option: int, value: int, /) -> int: ...
    def ncp_pool_option(self, pool: CData, option: int, out: CData, /) -> int: ...
    def ncp_pool_prewarm_wait(self, pool: CData, timeout_ms: int, /) -> int: ...
    def ncp_pool_wake(self, pool: CData, /) -> int: ...
    def ncp_pool_is_closed(self, pool: CData, /) -> int: ...
    def ncp_pool_active_count(self, pool: CData, /) -> int: ...
    def ncp_pool_idle_count(self, pool: CData, /) -> int: ...
    def ncp_pool_waiting_count(self, pool: CData, /) -> int: ...
    def ncp_pool_dialing_count(self, pool: CData, /) -> int: ...
    def ncp_cancel_new(self, out: CData, /) -> int: ...
    def ncp_cancel_fire(self, cancel: CData, /) -> int: ...
    def ncp_cancel_set_poll(
        self,
        cancel: CData,
        poll: CData,
        user: CData,
        interval_ms: int,
        /,
    ) -> int: ...
    def ncp_cancel_free(self, cancel: CData, /) -> None: ...
    def ncp_lease_info(
        self,
        pool: CData,
        lease: int,
        info: int,
        out: CData,
        /,
    ) -> int: ...
    def ncp_lease_fd(self, pool: CData, lease: int, /) -> int: ...
    def ncp_lease_handle(self, pool: CData, lease: int, out: CData, /) -> int: ...
    def ncp_lease_close(self, pool: CData, lease: int, /) -> int: ...
    def ncp_lease_set_healthy(
        self,
        pool: CData,
        lease: int,
        healthy: int,
        /,
    ) -> int: ...
    def ncp_lease_set_tag(self, pool: CData, lease: int, tag: int, /) -> int: ...
    def ncp_lease_keeps(self, pool: CData, lease: int, /) -> int: ...
    def ncp_lease_renew(
        self,
        pool: CData,
        lease: int,
        handle: int,
        fd: int,
        protocol: int,
        ip: int,
        /,
    ) -> int: ...
    def ncp_pool_leases(
        self,
        pool: CData,
        leases: CData,
        capacity: int,
        out: CData,
        /,
    ) -> int: ...
    def ncp_lease_stack(
        self,
        pool: CData,
        lease: int,
        buffer: CData,
        size: int,
        /,
    ) -> int: ...
    def ncp_conn_info(self, conn: CData, info: int, out: CData, /) -> int: ...
    def ncp_conn_handle(self, conn: CData, /) -> int: ...
    def ncp_conn_set_handle(self, conn: CData, handle: int, /) -> int: ...
    def ncp_conn_fd(self, conn: CData, /) -> int: ...
    def ncp_conn_id(self, conn: CData, /) -> int: ...
    def ncp_counter_at(
        self,
        index: int,
        kind: CData,
        name: CData,
        unit: CData,
        help: CData,
        /,
    ) -> int: ...
    def ncp_pool_stats(self, pool: CData, values: CData, count: int, /) -> int: ...
    def ncp_pool_describe(self, pool: CData, buffer: CData, size: int, /) -> int: ...
    def ncp_pool_dial_error(
        self,
        pool: CData,
        code: CData,
        age_ms: CData,
        count: CData,
        text: CData,
        size: int,
        /,
    ) -> int: ...
    def ncp_queue_new(self, out: CData, /) -> int: ...
    def ncp_queue_free(self, queue: CData, /) -> None: ...
    def ncp_queue_fd(self, queue: CData, /) -> int: ...
    def ncp_queue_ready(self, queue: CData, /) -> int: ...
    def ncp_queue_poll(self, queue: CData, events: CData, max: int, /) -> int: ...
    def ncp_queue_wait(
        self,
        queue: CData,
        events: CData,
        max: int,
        timeout_ms: int,
        /,
    ) -> int: ...
    def ncp_queue_kick(self, queue: CData, /) -> int: ...
    def ncp_queue_listen_unix(self, queue: CData, path: bytes | CData, /) -> int: ...
    def ncp_queue_accept(self, queue: CData, /) -> int: ...
    def ncp_pool_acquire(
        self,
        pool: CData,
        queue: CData,
        protocol: int,
        ip: int,
        timeout_ms: int,
        tag: int,
        flags: int,
        out: CData,
        /,
    ) -> int: ...
    def ncp_pool_refuse(self, pool: CData, status: int, /) -> int: ...
    def ncp_pool_dialed(
        self,
        pool: CData,
        reservation: int,
        handle: int,
        fd: int,
        protocol: int,
        ip: int,
        out: CData,
        /,
    ) -> int: ...
    def ncp_pool_fulfil(
        self,
        pool: CData,
        reservation: int,
        handle: int,
        fd: int,
        protocol: int,
        ip: int,
        out: CData,
        /,
    ) -> int: ...
    def ncp_pool_fail(
        self,
        pool: CData,
        reservation: int,
        status: int,
        code: int,
        text: bytes | CData,
        out: CData,
        /,
    ) -> int: ...
    def ncp_pool_checked(
        self,
        pool: CData,
        lease: int,
        healthy: int,
        out: CData,
        /,
    ) -> int: ...
    def ncp_pool_release(
        self,
        pool: CData,
        lease: int,
        flags: int,
        queue: CData,
        events: CData,
        max: int,
        status: CData,
        /,
    ) -> int: ...
    def ncp_pool_log_next(
        self,
        pool: CData,
        level: CData,
        conn_id: CData,
        buffer: CData,
        size: int,
        /,
    ) -> int: ...
    def ncp_pool_work(self, pool: CData, /) -> int: ...
    def ncp_pool_dial_target(
        self,
        pool: CData,
        protocol: int,
        ip: int,
        timeout_ms: int,
        code: CData,
        text: CData,
        size: int,
        out: CData,
        /,
    ) -> int: ...
    def ncp_pool_next_due_ms(self, pool: CData, /) -> int: ...
    def ncp_ticket_take(self, pool: CData, ticket: int, out: CData, /) -> int: ...
    def ncp_ticket_wait(
        self,
        pool: CData,
        ticket: int,
        timeout_ms: int,
        out: CData,
        /,
    ) -> int: ...
    def ncp_ticket_abandon(self, pool: CData, ticket: int, status: int, /) -> int: ...
    def ncp_guard_new(self, out: CData, /) -> int: ...
    def ncp_guard_ref(self, guard: CData, /) -> CData: ...
    def ncp_guard_free(self, guard: CData, /) -> None: ...
    def ncp_guard_hold(
        self,
        guard: CData,
        pool: CData,
        lease: int,
        ticket: int,
        /,
    ) -> int: ...
    def ncp_guard_drop(
        self,
        guard: CData,
        pool: CData,
        lease: int,
        ticket: int,
        /,
    ) -> int: ...
    def ncp_guard_fire(self, guard: CData, /) -> None: ...
    def ncp_target_check(
        self,
        target: bytes | CData,
        reason: CData,
        size: int,
        /,
    ) -> int: ...
    def ncp_listen(self, target: bytes | CData, backlog: int, out: CData, /) -> int: ...
    def ncp_fd_detect(self, fd: int, protocol: CData, ip: CData, /) -> int: ...
    def ncp_fd_alive(self, fd: int, /) -> int: ...
    def ncp_udp_drain(
        self,
        fd: int,
        timeout_ms: int,
        max_packets: int,
        out: CData,
        /,
    ) -> int: ...
    def ncp_udp_has_data(self, fd: int, /) -> int: ...
    def ncp_py_inside(self, /) -> int: ...
    def ncp_py_shut(self, /) -> None: ...
    def ncp_py_is_shut(self, /) -> int: ...
    def ncp_py_set_dialer(self, config: CData, host: int, /) -> int: ...
    def ncp_py_set_acceptor(self, config: CData, host: int, /) -> int: ...
    def ncp_py_set_callback(
        self,
        config: CData,
        callback: int,
        host: int,
        /,
    ) -> int: ...
    def ncp_py_set_socket_callback(self, config: CData, host: int, /) -> int: ...
    def ncp_py_set_log(self, config: CData, host: int, /) -> int: ...
    def ncp_py_clock_new(self, now_ns: int, /) -> CData: ...
    def ncp_py_clock_release(self, clock: CData, /) -> None: ...
    def ncp_py_clock_set(self, clock: CData, now_ns: int, /) -> None: ...
    def ncp_py_clock_now(self, clock: CData, /) -> int: ...
    def ncp_py_set_clock(self, config: CData, clock: CData, /) -> int: ...
    def ncp_py_cancel_new(self, out: CData, /) -> int: ...
    def ncp_py_begin(self, ident: int, /) -> int: ...
    def ncp_py_interrupts_take(self, /) -> int: ...
    def ncp_py_lease(self, token: int, /) -> int: ...
    def ncp_py_borrow(
        self,
        pool: CData,
        protocol: int,
        ip: int,
        timeout_ms: int,
        cancel: CData,
        tag: int,
        /,
    ) -> int: ...
    def ncp_py_put(self, pool: CData, token: int, /) -> int: ...
    def ncp_py_discard(self, pool: CData, token: int, /) -> int: ...
    def ncp_py_close_all(self, pools: CData, count: int, timeout_ms: int, /) -> int: ...

ffi: Final[_Ffi]
lib: Final[_Lib]
