package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"time"

	netconnpool "github.com/netconnpool/netconnpool/go"
)

// This file and options.go are all that calls the package: what the vocabulary
// names, in the words of Go.

// ----------------------------------------------------------------------- errors

var sentinels = []struct {
	err    error
	result string
}{
	{netconnpool.ErrPoolClosed, "POOL_CLOSED"},
	{netconnpool.ErrConnectionClosed, "CONN_CLOSED"},
	{netconnpool.ErrGetConnectionTimeout, "TIMEOUT"},
	{netconnpool.ErrMaxConnectionsReached, "MAX_CONN"},
	{netconnpool.ErrInvalidConnection, "INVALID_CONN"},
	{netconnpool.ErrConnectionUnhealthy, "UNHEALTHY"},
	{netconnpool.ErrInvalidConfig, "INVALID_CONFIG"},
	{netconnpool.ErrConnectionLeaked, "LEAKED"},
	{netconnpool.ErrPoolExhausted, "EXHAUSTED"},
	{netconnpool.ErrUnsupportedIPVersion, "UNSUPPORTED_IP"},
	{netconnpool.ErrNoConnectionForIPVersion, "NO_IP"},
	{netconnpool.ErrUnsupportedProtocol, "UNSUPPORTED_PROTO"},
	{netconnpool.ErrNoConnectionForProtocol, "NO_PROTO"},
	{netconnpool.ErrDial, "DIAL"},
	{netconnpool.ErrHook, "HOOK"},
	{netconnpool.ErrCloseHook, "CLOSE_HOOK"},
	{context.Canceled, "CANCELED"},
	{netconnpool.ErrCanceled, "CANCELED"},
	{netconnpool.ErrNoMemory, "NOMEM"},
	{netconnpool.ErrSystem, "SYS"},
	{netconnpool.ErrInvalidArgument, "INVALID_ARG"},
	{netconnpool.ErrTooManyWaiters, "WAITERS"},
	{netconnpool.ErrBreakerOpen, "BREAKER"},
	{netconnpool.ErrState, "STATE"},
	{netconnpool.ErrNotFound, "NOT_FOUND"},
	{netconnpool.ErrUDPNotEmpty, "AGAIN"},
}

// resultOf is the name of what a call returned. What a callback threw has to come
// back as the same object.
func resultOf(err error) string {
	var thrown *thrownError
	switch {
	case err == nil:
		return "OK"
	case errors.As(err, &thrown):
		return thrown.result()
	}
	for _, known := range sentinels {
		if errors.Is(err, known.err) {
			return known.result
		}
	}
	return fmt.Sprintf("an unknown error (%T)", err)
}

func errorOf(result string) error {
	for _, known := range sentinels {
		if known.result == result {
			return known.err
		}
	}
	fail("no such result: %s", result)
	return nil
}

// plain checks what a method of the original returned: the bare value, so that a
// program may compare it with ==.
func plain(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		fail("%v is wrapped in %T, which breaks comparisons with ==", inner, err)
	}
	return err
}

// ------------------------------------------------------------------------ clock

type manualClock struct{ clock *netconnpool.ManualClock }

func newManualClock() *manualClock { return &manualClock{netconnpool.NewManualClock()} }

func (m *manualClock) next() (time.Duration, bool) { return m.clock.Next() }

// advanceTo moves the clock; its pools then work on a goroutine of their own, for
// a hook of theirs may sleep on this clock.
func (m *manualClock) advanceTo(to uint64) {
	target := time.Duration(to)
	go m.clock.Advance(target - m.clock.Now())
	for m.clock.Now() < target {
		runtime.Gosched()
	}
}

// limited is a context that ends in `limit` ms on the clock of the case.
func limited(limit int64) (context.Context, context.CancelFunc) {
	amount := time.Duration(limit) * time.Millisecond
	switch {
	case limit < 0:
		return context.WithCancel(context.Background())
	case clock.virtual():
		return clock.manual.clock.WithTimeout(context.Background(), amount)
	}
	return context.WithTimeout(context.Background(), amount)
}

func hintOf(ctx context.Context) hint {
	hints, there := netconnpool.HintsFromContext(ctx)
	if !there {
		fail("the context of a dial has no hints")
	}
	return hint{protocol: int(hints.Protocol), ip: int(hints.IPVersion),
		attempt:    hints.Attempt,
		deadlineMs: wholeMs(hints.CallerLimit),
		timeoutMs:  wholeMs(hints.CreationLimit)}
}

func wholeMs(limit time.Duration) int64 {
	if limit < 0 {
		return -1
	}
	return limit.Milliseconds()
}

// ------------------------------------------------------------------------ pools

type handle struct{ pool *netconnpool.Pool }

func newHandle(c *config) (*handle, error) {
	var given *netconnpool.Config
	if c != nil {
		given = c.Config
	}
	made, err := netconnpool.NewPool(given)
	if (made == nil) == (err == nil) {
		fail("NewPool answers %v and %v", made, err)
	}
	if err != nil {
		return nil, err
	}
	return &handle{made}, nil
}

// reasonOf is why a configuration was refused.
func (c *config) reason() string {
	reason, err := c.Explain()
	if err == nil {
		fail("a configuration that was refused is fine when it is explained")
	}
	return reason
}

func (h *handle) load() string {
	return fmt.Sprintf("pool: active %d idle %d waiting %d dialing %d", h.active(), h.idle(),
		h.waiting(), h.dialing())
}

func (h *handle) active() int    { return h.pool.ActiveCount() }
func (h *handle) idle() int      { return h.pool.IdleCount() }
func (h *handle) waiting() int   { return h.pool.WaitingCount() }
func (h *handle) dialing() int   { return h.pool.DialingCount() }
func (h *handle) isClosed() bool { return h.pool.IsClosed() }

func (h *handle) describe() string       { return h.pool.Describe() }
func (h *handle) close() error           { return h.pool.Close() }
func (h *handle) flush() error           { return h.pool.Flush() }
func (h *handle) suspend() error         { return h.pool.Suspend() }
func (h *handle) resume() error          { return h.pool.Resume() }
func (h *handle) resize(max int64) error { return h.pool.Resize(int(max)) }

func (h *handle) closeNow() error {
	stage.tookAway.Store(true)
	return h.pool.CloseNow()
}

// wake lets the pools read a clock that was not moved.
func (h *handle) wake() {
	if clock.virtual() {
		clock.manual.clock.Advance(0)
	}
}

func (h *handle) closeWait(limit int64) error {
	ctx, cancel := limited(limit)
	defer cancel()
	return h.pool.CloseWait(ctx)
}

func (h *handle) drain(limit int64) error {
	stage.tookAway.Store(true)
	ctx, cancel := limited(limit)
	defer cancel()
	return h.pool.Drain(ctx)
}

func (h *handle) prewarmWait(limit int64) error {
	ctx, cancel := limited(limit)
	defer cancel()
	return h.pool.PrewarmWait(ctx)
}

func (h *handle) option(name string) (int64, error) { return h.pool.Option(name) }

func (h *handle) set(name string, value int64) error { return h.pool.SetOption(name, value) }

func (h *handle) dialError() (netconnpool.DialFailure, bool) { return h.pool.LastDialFailure() }

func (h *handle) find(name string) error {
	found, err := netconnpool.FindPool(name)
	if err == nil && (found.Name() != name || found.Describe() != h.describe()) {
		fail("another pool was found: %s", found.Describe())
	}
	return err
}

func (h *handle) counters() map[string]uint64 { return h.pool.Counters() }

// -------------------------------------------------------------------------- get

// get calls the method that fits: those of the original where they can say it.
func (h *handle) get(r request) (*lease, error) {
	ctx := r.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	special := r.protocol != nil || r.ip != nil || r.tag != nil ||
		r.timeoutMs != nil && *r.timeoutMs <= 0
	if special {
		return leaseOf(h.pool.GetEx(ctx, optionsOf(r)))
	}
	conn, err := h.getPlain(ctx, r)
	return leaseOf(conn, plain(err))
}

func (h *handle) getPlain(ctx context.Context, r request) (*netconnpool.Connection, error) {
	if r.timeoutMs == nil {
		switch r.via {
		case "try":
			return h.pool.TryGet(ctx)
		case "tcp":
			return h.pool.GetTCP(ctx)
		case "udp":
			return h.pool.GetUDP(ctx)
		case "ipv4":
			return h.pool.GetIPv4(ctx)
		case "ipv6":
			return h.pool.GetIPv6(ctx)
		}
		return h.pool.Get(ctx)
	}
	limit := time.Duration(*r.timeoutMs) * time.Millisecond
	wanted := optionsOf(r)
	switch {
	case wanted.Protocol != 0:
		return h.pool.GetWithProtocol(ctx, wanted.Protocol, limit)
	case wanted.IPVersion != 0:
		return h.pool.GetWithIPVersion(ctx, wanted.IPVersion, limit)
	}
	return h.pool.GetWithTimeout(ctx, limit)
}

func optionsOf(r request) netconnpool.GetOptions {
	options := netconnpool.GetOptions{Try: r.via == "try"}
	switch r.via {
	case "tcp":
		options.Protocol = netconnpool.ProtocolTCP
	case "udp":
		options.Protocol = netconnpool.ProtocolUDP
	case "ipv4":
		options.IPVersion = netconnpool.IPVersionIPv4
	case "ipv6":
		options.IPVersion = netconnpool.IPVersionIPv6
	}
	if r.protocol != nil {
		options.Protocol = netconnpool.Protocol(*r.protocol)
	}
	if r.ip != nil {
		options.IPVersion = netconnpool.IPVersion(*r.ip)
	}
	if r.tag != nil {
		options.Tag = *r.tag
	}
	switch {
	case r.timeoutMs == nil:
	case *r.timeoutMs == 0:
		options.Try = true
	case *r.timeoutMs < 0:
		options.Timeout = netconnpool.NoLimit
	default:
		options.Timeout = time.Duration(*r.timeoutMs) * time.Millisecond
	}
	return options
}

func leaseOf(conn *netconnpool.Connection, err error) (*lease, error) {
	if (conn == nil) == (err == nil) {
		fail("a get answers %v and %v", conn, err)
	}
	if err != nil {
		return nil, err
	}
	return &lease{conn}, nil
}

// ----------------------------------------------------------------------- leases

// A lease is one borrow of one connection.
type lease struct{ borrowed *netconnpool.Connection }

// borrowed is what Put gets: nil for no lease at all.
func borrowedOf(l *lease) *netconnpool.Connection {
	if l == nil {
		return nil
	}
	return l.borrowed
}

// strangeLease is a connection that no pool ever lent.
func strangeLease(number uint64) *lease {
	strange := netconnpool.NewConnection(nil, nil, func() error { return nil })
	strange.ID = number
	return &lease{strange}
}

func (h *handle) put(l *lease) error     { return plain(h.pool.Put(borrowedOf(l))) }
func (h *handle) discard(l *lease) error { return h.pool.Discard(borrowedOf(l)) }

func (h *handle) detach(l *lease) (net.Conn, error) { return h.pool.Detach(borrowedOf(l)) }

// closeLease closes a connection as its holder. As for any io.Closer of Go, a
// close that comes too late does nothing and answers nil; that it was too late is
// what the connection says when it is asked for anything else.
func (h *handle) closeLease(l *lease) error {
	late := !l.borrowed.IsInUse()
	err := l.borrowed.Close()
	if late && err == nil {
		err = l.borrowed.SetHealthy(true)
	}
	return err
}

// leases are the connections that are out, the one borrowed first first.
func (h *handle) leases() []uint64 {
	ids := []uint64{}
	for _, info := range h.pool.Leases() {
		ids = append(ids, info.ConnectionID)
	}
	return ids
}

func (l *lease) id() uint64     { return l.borrowed.ID }
func (l *lease) conn() net.Conn { return l.borrowed.GetConn() }
func (l *lease) stack() string  { return l.borrowed.Stack() }

func (l *lease) setHealthy(healthy bool) error { return l.borrowed.SetHealthy(healthy) }
func (l *lease) setTag(tag uint64) error       { return l.borrowed.SetTag(tag) }
func (l *lease) renew(conn net.Conn) error     { return l.borrowed.Renew(conn) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// sinceEpoch is a time on the pool's clock; 0 for never.
func sinceEpoch(when time.Time) float64 {
	if when.IsZero() {
		return 0
	}
	return float64(when.UnixNano()) / float64(time.Millisecond)
}

func (l *lease) fact(what string) (float64, error) {
	c := l.borrowed
	switch what {
	case "id":
		return float64(c.ID), nil
	case "protocol":
		return float64(c.GetProtocol()), nil
	case "ip":
		return float64(c.GetIPVersion()), nil
	case "age_ms":
		return milliseconds(c.GetAge()), nil
	case "idle_ms":
		return milliseconds(c.GetIdleTime()), nil
	case "borrowed_ms":
		return milliseconds(c.BorrowedFor()), nil
	case "reuse":
		return float64(c.GetReuseCount()), nil
	case "in_use":
		return truth(c.IsInUse()), nil
	case "healthy":
		return truth(c.GetHealthStatus()), nil
	case "leak_detected":
		return truth(c.IsLeakDetected()), nil
	case "tag":
		return float64(c.Tag()), nil
	case "created_at_ms":
		return sinceEpoch(c.CreatedAt), nil
	case "last_used_at_ms":
		return sinceEpoch(c.LastUsedAt), nil
	case "last_check_at_ms":
		return sinceEpoch(c.LastHealthCheckAt), nil
	}
	return 0, errors.New("a connection has no such fact")
}

// ---------------------------------------------------------------------- helpers

func hasDatagram(conn net.Conn) bool { return netconnpool.HasUDPDataInBuffer(conn) }

var parsers = map[string]func(string) int{
	"protocol_parse": func(s string) int { return int(netconnpool.ParseProtocol(s)) },
	"ip_parse":       func(s string) int { return int(netconnpool.ParseIPVersion(s)) },
	"mode_parse":     func(s string) int { return int(netconnpool.ParsePoolMode(s)) },
}

var printers = map[string]func(int) string{
	"protocol_text": func(n int) string { return netconnpool.Protocol(n).String() },
	"ip_text":       func(n int) string { return netconnpool.IPVersion(n).String() },
	"mode_text":     func(n int) string { return netconnpool.PoolMode(n).String() },
}

func detect(conn net.Conn) (protocol, ip int) {
	return int(netconnpool.DetectProtocol(conn)), int(netconnpool.DetectIPVersion(conn))
}
