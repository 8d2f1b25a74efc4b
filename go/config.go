package netconnpool

import (
	"context"
	"net"
	"time"
)

// A Dialer makes a connection (client mode). Its context ends when
// Config.ConnectionTimeout has passed or the pool is closed, and carries Hints.
// It runs on a goroutine of its own; the caller of Get may be served by another
// connection meanwhile, or give up, and the result is then kept for the next.
type Dialer func(ctx context.Context) (net.Conn, error)

// An Acceptor takes a connection from the listener (server mode). Its context
// ends when the pool is closed, and carries Hints.
type Acceptor func(ctx context.Context, listener net.Listener) (net.Conn, error)

// A HealthChecker says whether an idle connection is healthy. Nobody else uses
// the connection meanwhile. A panic counts as unhealthy.
type HealthChecker func(conn net.Conn) bool

// An IdleOrder says which idle connection is lent first.
type IdleOrder int

// The orders.
const (
	IdleLIFO IdleOrder = ncpIdleLifo // the one returned last
	IdleFIFO IdleOrder = ncpIdleFifo // the one returned first
)

// A Fairness says who gets a connection that comes back while callers wait.
type Fairness int

// The kinds of fairness.
const (
	// FairnessStrict is for the oldest compatible waiter, always.
	FairnessStrict Fairness = ncpFairnessStrict
	// FairnessAdaptive lets a running caller take it until the oldest waiter has
	// waited a millisecond.
	FairnessAdaptive Fairness = ncpFairnessAdaptive
)

// A DialPolicy says who is told of a failed dial.
type DialPolicy int

// The policies.
const (
	DialFailOne DialPolicy = ncpDialFailOne // the waiter that asked for it
	DialFailAll DialPolicy = ncpDialFailAll // every waiter
	DialWait    DialPolicy = ncpDialWait    // nobody: the pool dials again
)

// A StoreKind says how idle connections are kept.
type StoreKind int

// The kinds.
const (
	// StoreLockFree needs no lock to lend one; IdleOrder is exact.
	StoreLockFree StoreKind = ncpStoreLockfree
	// StoreLock is a lock and a list: the least memory; IdleOrder is exact.
	StoreLock StoreKind = ncpStoreLock
	// StoreSharded lets threads that use connections of their own share nothing;
	// IdleOrder holds within each share.
	StoreSharded StoreKind = ncpStoreSharded
)

// A LogLevel says how much is logged.
type LogLevel int

// The levels. LogDefault, the zero value, is LogWarn.
const (
	LogOff     LogLevel = -1
	LogDefault LogLevel = 0
	LogError   LogLevel = ncpLogError
	LogWarn    LogLevel = ncpLogWarn
	LogInfo    LogLevel = ncpLogInfo
	LogDebug   LogLevel = ncpLogDebug
)

// A Switch is a bool that knows whether it was set.
type Switch int

// The positions of a Switch.
const (
	SwitchOff     Switch = -1
	SwitchDefault Switch = 0
	SwitchOn      Switch = 1
)

// A CloseReason says why a connection left the pool.
type CloseReason int

// The reasons.
const (
	ReasonNone        CloseReason = ncpReasonNone
	ReasonIdleTimeout CloseReason = ncpReasonIdleTimeout
	ReasonMaxLifetime CloseReason = ncpReasonMaxLifetime
	ReasonUnhealthy   CloseReason = ncpReasonUnhealthy
	ReasonIdleFull    CloseReason = ncpReasonIdleFull
	ReasonEvicted     CloseReason = ncpReasonEvicted
	ReasonLeaked      CloseReason = ncpReasonLeaked
	ReasonDiscarded   CloseReason = ncpReasonDiscarded
	ReasonFlushed     CloseReason = ncpReasonFlushed
	ReasonShrunk      CloseReason = ncpReasonShrunk
	ReasonPoolClosed  CloseReason = ncpReasonPoolClosed
	ReasonHook        CloseReason = ncpReasonHook
	ReasonDirty       CloseReason = ncpReasonDirty
	ReasonMismatch    CloseReason = ncpReasonMismatch
	ReasonDetached    CloseReason = ncpReasonDetached
	ReasonForked      CloseReason = ncpReasonForked
)

// String returns the name of a reason, such as "idle_timeout".
func (r CloseReason) String() string {
	if !cgoEnabled {
		return "unknown"
	}
	return libReasonText(int(r))
}

// A Config is what a pool is made from. Begin with DefaultConfig or
// DefaultServerConfig: the fields of the first part mean what they say, zero
// included. The fields of the second part may be left alone: their zero value
// stands for the default, and a value below zero for none, off or no limit,
// whatever fits.
//
// NewPool corrects a Config as Validate does and copies it; later changes do not
// reach the pool.
type Config struct {
	// Mode says where connections come from.
	Mode PoolMode

	// MaxConnections is the most connections that are open or being created
	// together; 0 is no limit.
	MaxConnections int
	// MinConnections are made in advance, in the background (client mode).
	MinConnections int
	// MaxIdleConnections is the most idle connections that are kept; above 0.
	MaxIdleConnections int

	// ConnectionTimeout is how long the creation of one connection may take.
	ConnectionTimeout time.Duration
	// IdleTimeout is how long a connection may be idle; 0 is for ever.
	IdleTimeout time.Duration
	// MaxLifetime is how old a connection may become; 0 is no limit.
	MaxLifetime time.Duration
	// GetConnectionTimeout is how long Get waits; below 0 there is no limit
	// but the context's, 0 is refused.
	GetConnectionTimeout time.Duration

	// HealthCheckInterval is the time between two checks of an idle connection.
	HealthCheckInterval time.Duration
	// HealthCheckTimeout is how long one check may take.
	HealthCheckTimeout time.Duration

	// ConnectionLeakTimeout is how long a connection may be borrowed before it
	// counts as leaked; 0 turns the search for leaks off.
	ConnectionLeakTimeout time.Duration
	// LeakDetectionInterval is the time between two searches; 0 is derived from
	// ConnectionLeakTimeout.
	LeakDetectionInterval time.Duration

	// Dialer makes connections (client mode).
	Dialer Dialer
	// Listener is where connections come from (server mode); never closed by
	// the pool.
	Listener net.Listener
	// Acceptor takes a connection from the listener; nil stands for one that
	// accepts.
	Acceptor Acceptor
	// HealthChecker replaces the built-in check, which looks whether a socket
	// is alive without reading from it.
	HealthChecker HealthChecker

	// CloseConn replaces conn.Close(). It is called exactly once for each
	// connection.
	CloseConn func(conn net.Conn) error
	// OnCreated is called after the dial; an error refuses the connection.
	OnCreated func(conn net.Conn) error
	// OnBorrow is called on the goroutine of Get, last.
	OnBorrow func(conn net.Conn)
	// OnReturn is called on the goroutine of Put, first.
	OnReturn func(conn net.Conn)

	// EnableStats keeps statistics.
	EnableStats bool
	// EnableHealthCheck checks idle connections in the background.
	EnableHealthCheck bool
	// ClearUDPBufferOnReturn drops stale datagrams when a UDP connection is
	// borrowed again.
	ClearUDPBufferOnReturn bool
	// UDPBufferClearTimeout is how long that may take.
	UDPBufferClearTimeout time.Duration
	// MaxBufferClearPackets is how many datagrams are dropped at most; a
	// connection that has more is closed.
	MaxBufferClearPackets int

	// ---- what the zero value of is the default ----

	// Name is the name of the pool in logs and descriptions, and for FindPool.
	Name string
	// Target is what is dialed when there is no Dialer: tcp://host:port,
	// tcp4://, tcp6://, udp://, udp4://, udp6:// or unix:path.
	Target string

	// ExpiryJitter is by how many percent the idle timeout and the lifetime of a
	// connection are shortened at most, so that not all expire together
	// (default 3).
	ExpiryJitter int
	// CheckOnBorrow checks an idle connection before it is lent.
	CheckOnBorrow bool
	// LeakEvictMultiplier is after how many leak timeouts a connection is taken
	// from its borrower (default 2).
	LeakEvictMultiplier int
	// CaptureStacks keeps the stack of each borrower, for Leases and OnLeak.
	CaptureStacks bool
	// LatencySamples is how many gets the percentiles are computed from
	// (default 1000).
	LatencySamples int
	// RestoreBlocking puts O_NONBLOCK back at Put to what the Dialer left.
	RestoreBlocking bool

	// MaxConcurrentCreates is how many connections are created at the same time
	// (default 5).
	MaxConcurrentCreates int
	// CreateRetries is how often a failed creation is repeated (default 0).
	CreateRetries int
	// CreateRetryInterval is the pause before that, times the attempt (default
	// 10 ms).
	CreateRetryInterval time.Duration
	// DialRate is how many dials a second are begun (default no limit).
	DialRate int
	// DialBurst is how many dials may begin at once within DialRate (default 1).
	DialBurst int
	// DialBackoff is the pause after a failed dial; it grows while dials fail
	// (default none).
	DialBackoff time.Duration
	// DialBackoffMax is the longest such pause (default 30 s).
	DialBackoffMax time.Duration
	// BreakerFailures is after how many failed dials in a row the circuit
	// breaker opens (default none).
	BreakerFailures int
	// BreakerCooldown is how long it waits before a single dial probes the peer
	// (default 5 s).
	BreakerCooldown time.Duration
	// DialPolicy says who is told of a failed dial.
	DialPolicy DialPolicy

	// CleanupInterval is the time between two searches for expired connections
	// (default derived).
	CleanupInterval time.Duration
	// MaintainMinConnections refills the pool to MinConnections.
	MaintainMinConnections bool
	// PrewarmRetryEnabled repeats a failed creation in advance.
	PrewarmRetryEnabled bool
	// PrewarmMaxRetries is how often, for each connection (default 3).
	PrewarmMaxRetries int
	// PrewarmRetryInterval is the pause before that (default 100 ms).
	PrewarmRetryInterval time.Duration
	// PrewarmBlocking makes NewPool wait until pre-warming has ended.
	PrewarmBlocking bool

	// IdleOrder says which idle connection is lent first.
	IdleOrder IdleOrder
	// Fairness says who gets a connection that comes back while callers wait.
	Fairness Fairness
	// Store says how idle connections are kept.
	Store StoreKind
	// MaxWaiters is how many callers may wait at the same time (default no
	// limit).
	MaxWaiters int

	// TCPNoDelay, TCPKeepAlive, SendBuffer, ReceiveBuffer and
	// HappyEyeballsDelay are for connections that the pool makes itself from
	// Target (defaults: on, 15 s, the system's, the system's, 250 ms).
	TCPNoDelay         Switch
	TCPKeepAlive       time.Duration
	SendBuffer         int
	ReceiveBuffer      int
	HappyEyeballsDelay time.Duration

	// BorrowHook is called after OnBorrow; an error closes the connection and
	// is what Get returns.
	BorrowHook func(conn net.Conn) error
	// ReturnHook is called after OnReturn; an error closes the connection and
	// is what Put returns.
	ReturnHook func(conn net.Conn) error
	// OnClose is called before a connection is closed.
	OnClose func(conn net.Conn, reason CloseReason)
	// OnLeak is called when a lease passed ConnectionLeakTimeout, and when it
	// was taken from its borrower.
	OnLeak func(leak Leak)

	// Logger receives the log, a line of key=value pairs at a time. LogLevel
	// says how much. See also SlogLogger.
	Logger   func(entry LogEntry)
	LogLevel LogLevel

	// Clock replaces the clock, for tests.
	Clock *ManualClock
}

// A Leak is a lease that has been out for too long.
type Leak struct {
	// Conn is the connection, ID its number.
	Conn net.Conn
	ID   uint64
	// Held is how long it has been borrowed.
	Held time.Duration
	// Tag is what GetEx was given.
	Tag uint64
	// Evicted says that it was taken from its borrower: it is closed, and Put
	// will answer ErrConnectionLeaked.
	Evicted bool
	// Stack is the stack of the borrower, with Config.CaptureStacks.
	Stack string
}

// A LogEntry is a line of log.
type LogEntry struct {
	Level LogLevel
	// Pool is the name of the pool, ConnectionID the connection it is about, or
	// 0.
	Pool         string
	ConnectionID uint64
	// Text is "key=value" pairs.
	Text string
}

// DefaultConfig returns the defaults for a client; it needs a Dialer or a
// Target yet.
func DefaultConfig() *Config { return defaultConfig(PoolModeClient) }

// DefaultServerConfig returns the defaults for a server; it needs a Listener
// yet.
func DefaultServerConfig() *Config { return defaultConfig(PoolModeServer) }

func defaultConfig(mode PoolMode) *Config {
	config := &Config{Mode: mode}
	for i := range configFields {
		field := &configFields[i]
		if field.zero == zeroIsZero && field.option != ncpOptionMode && cgoEnabled {
			field.store(config, libOptionDefault(field.option, mode))
		}
	}
	return config
}

// Validate checks a configuration and corrects what has one obvious meaning:
// MaxIdleConnections above MaxConnections, a health check timeout above its
// interval, intervals that are derived, a nil Acceptor.
//
// The error is ErrInvalidConfig itself; Explain says why.
func (c *Config) Validate() error {
	_, err := c.Explain()
	return err
}

// Explain is Validate with a reason: a sentence that says what to do.
func (c *Config) Explain() (reason string, err error) {
	lib, reason, err := c.compile()
	if err == nil {
		lib.free()
	}
	return reason, err
}
