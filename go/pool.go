package netconnpool

import (
	"context"
	"net"
	"runtime"
	"time"
)

// A Pool keeps connections open and lends them. All its methods may be called
// from any goroutine at any time, from hooks too.
//
// A Pool that is not needed any more should be closed. One that nobody refers to
// is closed by the garbage collector.
type Pool struct{ core *core }

// NewPool makes a pool. It corrects the configuration as Validate does, then
// copies it.
//
// Pre-warming goes on in the background unless Config.PrewarmBlocking is set.
func NewPool(config *Config) (*Pool, error) {
	c, err := newCore(config)
	if err != nil {
		return nil, err
	}
	proc.keeper.look(c)
	proc.drain()
	pool := c.view()
	if c.config.PrewarmBlocking {
		_ = c.prewarmWait(context.Background())
	}
	return pool, nil
}

// view makes a Pool that refers to the core. The core is closed when none is
// left.
func (c *core) view() *Pool {
	pool := &Pool{c}
	c.views.Add(1)
	runtime.SetFinalizer(pool, func(p *Pool) {
		if p.core.views.Add(-1) == 0 {
			go p.core.abandon()
		}
	})
	return pool
}

// FindPool returns a living pool of this process by its Config.Name. The pool
// is the same one: Close closes it for everybody.
func FindPool(name string) (*Pool, error) {
	proc.mu.RLock()
	c := proc.names[name]
	proc.mu.RUnlock()
	if name == "" || c == nil || c.closed.Load() {
		return nil, ErrNotFound
	}
	return c.view(), nil
}

// anyWant is what Get asks for.
var anyWant = want{timeoutMs: ncpTimeoutDefault}

// Get borrows a connection: an idle one, else a new one, else it waits in line,
// for Config.GetConnectionTimeout or until the context ends.
//
// A deadline that passes gives ErrGetConnectionTimeout, a context that is
// cancelled its Err(). What the dialer or a hook returned comes back as it is; a
// panic in one goes on here.
func (p *Pool) Get(ctx context.Context) (*Connection, error) {
	conn, err := p.core.get(ctx, anyWant)
	runtime.KeepAlive(p)
	return conn, err
}

// GetWithTimeout borrows as Get does, for at most timeout; 0 and below leave the
// limit to the context.
func (p *Pool) GetWithTimeout(ctx context.Context, timeout time.Duration) (
	*Connection, error) {
	return p.getAs(ctx, ProtocolUnknown, IPVersionUnknown, callLimit(timeout))
}

// GetIPv4 borrows an IPv4 connection.
func (p *Pool) GetIPv4(ctx context.Context) (*Connection, error) {
	return p.getAs(ctx, ProtocolUnknown, IPVersionIPv4, ncpTimeoutDefault)
}

// GetIPv6 borrows an IPv6 connection.
func (p *Pool) GetIPv6(ctx context.Context) (*Connection, error) {
	return p.getAs(ctx, ProtocolUnknown, IPVersionIPv6, ncpTimeoutDefault)
}

// GetTCP borrows a TCP connection.
func (p *Pool) GetTCP(ctx context.Context) (*Connection, error) {
	return p.getAs(ctx, ProtocolTCP, IPVersionUnknown, ncpTimeoutDefault)
}

// GetUDP borrows a UDP connection.
func (p *Pool) GetUDP(ctx context.Context) (*Connection, error) {
	return p.getAs(ctx, ProtocolUDP, IPVersionUnknown, ncpTimeoutDefault)
}

// GetWithProtocol borrows a connection of a protocol, for at most timeout; 0 and
// below leave the limit to the context. ErrNoConnectionForProtocol says that it
// was dialed, but never this protocol.
func (p *Pool) GetWithProtocol(ctx context.Context, protocol Protocol,
	timeout time.Duration) (*Connection, error) {
	return p.getAs(ctx, protocol, IPVersionUnknown, callLimit(timeout))
}

// GetWithIPVersion borrows a connection of a version of IP, for at most timeout;
// 0 and below leave the limit to the context. ErrNoConnectionForIPVersion says
// that it was dialed, but never this version.
func (p *Pool) GetWithIPVersion(ctx context.Context, version IPVersion,
	timeout time.Duration) (*Connection, error) {
	return p.getAs(ctx, ProtocolUnknown, version, callLimit(timeout))
}

func (p *Pool) getAs(ctx context.Context, protocol Protocol, version IPVersion,
	timeoutMs int64) (*Connection, error) {
	conn, err := p.core.get(ctx, want{protocol: protocol, ip: version,
		timeoutMs: timeoutMs})
	runtime.KeepAlive(p)
	return conn, err
}

func callLimit(timeout time.Duration) int64 {
	if timeout <= 0 {
		return -1
	}
	return toMs(timeout)
}

// Put gives a connection back. It goes to the oldest compatible waiter, else
// idle, else (idle full, too old, unhealthy, pool closed) it is closed.
//
// Its error is ErrInvalidConnection for a connection that was given back already
// or is not of this pool, ErrConnectionLeaked for one that had been taken away,
// or what closing it or a hook returned.
func (p *Pool) Put(conn *Connection) error {
	err := p.core.put(conn)
	runtime.KeepAlive(p)
	return err
}

// Close stops lending: it closes what is idle and wakes every waiter with
// ErrPoolClosed. What is borrowed stays usable and is closed when it comes back.
// It returns the first error of a close; later calls return nil.
func (p *Pool) Close() error {
	err := p.core.closePool()
	runtime.KeepAlive(p)
	return err
}

// Stats returns a snapshot whose counters add up; all zero without
// Config.EnableStats.
func (p *Pool) Stats() Stats {
	stats := p.core.stats()
	runtime.KeepAlive(p)
	return stats
}

// ------------------------------------------------ what the original does not have

// NoLimit is the timeout of GetOptions that leaves the limit to the context.
const NoLimit time.Duration = -1

// GetOptions say what GetEx borrows.
type GetOptions struct {
	// Protocol and IPVersion are wanted both; unknown stands for any.
	Protocol  Protocol
	IPVersion IPVersion
	// Timeout is the limit; 0 stands for Config.GetConnectionTimeout, NoLimit
	// leaves it to the context.
	Timeout time.Duration
	// Try takes an idle connection or fails with ErrPoolExhausted; it never
	// dials and never waits.
	Try bool
	// Tag is kept with the borrow and shown by Leases and Describe.
	Tag uint64
}

// GetEx borrows with everything said at once. Its error is a *PoolError around
// what Get would return.
func (p *Pool) GetEx(ctx context.Context, options GetOptions) (*Connection, error) {
	began := time.Now()
	w := want{protocol: options.Protocol, ip: options.IPVersion,
		timeoutMs: ncpTimeoutDefault, tag: options.Tag}
	switch {
	case options.Try:
		w.flags = ncpFlagTry
	case options.Timeout < 0:
		w.timeoutMs = -1
	case options.Timeout > 0:
		w.timeoutMs = toMs(options.Timeout)
	}
	conn, err := p.core.get(ctx, w)
	if err != nil {
		err = p.core.explain("GetEx", err, began)
	}
	runtime.KeepAlive(p)
	return conn, err
}

// TryGet borrows an idle connection or fails at once with ErrPoolExhausted.
func (p *Pool) TryGet(ctx context.Context) (*Connection, error) {
	conn, err := p.core.get(ctx, want{flags: ncpFlagTry})
	runtime.KeepAlive(p)
	return conn, err
}

// explain puts the state of the pool around an error.
func (c *core) explain(op string, err error, began time.Time) error {
	max, _ := c.lib.option(ncpOptionMaxConnections)
	return &PoolError{
		Op:      op,
		Err:     err,
		Waited:  time.Since(began),
		Active:  c.lib.activeCount(),
		Idle:    c.lib.idleCount(),
		Waiting: c.lib.waitingCount(),
		Dialing: c.lib.dialingCount(),
		Max:     int(max),
	}
}

// Discard gives a connection back to be closed; a waiter gets its place.
func (p *Pool) Discard(conn *Connection) error {
	err := p.core.discard(conn)
	runtime.KeepAlive(p)
	return err
}

// Detach takes a borrowed connection out of the pool for good: it is the
// caller's to close, its place is free, no hook runs.
func (p *Pool) Detach(conn *Connection) (net.Conn, error) {
	detached, err := p.core.detach(conn)
	runtime.KeepAlive(p)
	return detached, err
}

// CloseNow closes the pool, and what is borrowed under its borrowers, whose Put
// then answers nil.
func (p *Pool) CloseNow() error {
	err := p.core.closeNow()
	runtime.KeepAlive(p)
	return err
}

// CloseWait closes the pool, then waits until the last connection is back or the
// context ends: ErrGetConnectionTimeout when its deadline passed, else its Err().
func (p *Pool) CloseWait(ctx context.Context) error {
	err := p.core.closeWait(ctx)
	runtime.KeepAlive(p)
	return err
}

// Drain is CloseWait, then CloseNow for what is still out.
func (p *Pool) Drain(ctx context.Context) error {
	c := p.core
	err := c.closeWait(ctx)
	if c.lib.activeCount() != 0 {
		if closeErr := c.closeNow(); err == nil {
			err = closeErr
		}
	}
	runtime.KeepAlive(p)
	return err
}

// Flush closes what is idle now, and what is borrowed when it comes back. Dials
// that began before are closed too.
func (p *Pool) Flush() error { return p.control(libPool.flush) }

// Suspend stops lending until Resume: gets wait in line. Puts go on.
func (p *Pool) Suspend() error { return p.control(libPool.suspend) }

// Resume ends Suspend and serves who waits, in order.
func (p *Pool) Resume() error { return p.control(libPool.resume) }

// Resize changes MaxConnections; 0 is no limit. Growing serves waiters at once,
// shrinking closes idle connections now and borrowed ones when they come back.
func (p *Pool) Resize(max int) error {
	return p.control(func(lib libPool) int { return lib.resize(int64(max)) })
}

func (p *Pool) control(call func(libPool) int) error {
	status := call(p.core.lib)
	proc.drain()
	runtime.KeepAlive(p)
	return statusError(status)
}

// PrewarmWait waits until pre-warming has ended. ErrDial says that it ended
// without its target.
func (p *Pool) PrewarmWait(ctx context.Context) error {
	err := p.core.prewarmWait(ctx)
	runtime.KeepAlive(p)
	return err
}

// IsClosed reports whether the pool is closed.
func (p *Pool) IsClosed() bool {
	closed := p.core.lib.isClosed()
	runtime.KeepAlive(p)
	return closed
}

func (p *Pool) count(ask func(libPool) int) int {
	count := ask(p.core.lib)
	runtime.KeepAlive(p)
	return count
}

// ActiveCount is how many connections are borrowed.
func (p *Pool) ActiveCount() int { return p.count(libPool.activeCount) }

// IdleCount is how many connections are idle, or being checked.
func (p *Pool) IdleCount() int { return p.count(libPool.idleCount) }

// WaitingCount is how many callers stand in line.
func (p *Pool) WaitingCount() int { return p.count(libPool.waitingCount) }

// DialingCount is how many dials are in progress.
func (p *Pool) DialingCount() int { return p.count(libPool.dialingCount) }

// Name is Config.Name.
func (p *Pool) Name() string { return p.core.name }

// Describe describes the pool for humans: state, connections, who waits, dials,
// last dial error, borrowers.
func (p *Pool) Describe() string {
	text := p.core.lib.describe()
	runtime.KeepAlive(p)
	return text
}

// A DialFailure is the last failed dial of a pool.
type DialFailure struct {
	// Err is what the dialer returned, if it is still known; Text is its text.
	Err  error
	Text string
	// Age is how long ago it was; Count how many dials failed in a row.
	Age   time.Duration
	Count uint64
}

// LastDialFailure returns the last failed dial; false when none failed since the
// last success.
func (p *Pool) LastDialFailure() (DialFailure, bool) {
	last, status := p.core.lib.dialError()
	runtime.KeepAlive(p)
	if status != ncpOk {
		return DialFailure{}, false
	}
	failure := DialFailure{nil, last.text, fromMs(last.ageMs), last.count}
	if ours := p.core.lastFailure.Load(); ours != nil && ours.code == last.code {
		failure.Err = ours.err
	}
	return failure, true
}
