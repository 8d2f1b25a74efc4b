package netconnpool

import (
	"net"
	"runtime"
	"sync/atomic"
	"time"
)

// A Connection is one borrow of one connection: each Get returns a new one, and
// after Put, Discard, Detach or Close it is over. Whatever is done with it later
// answers ErrInvalidConnection and touches nobody else's connection.
//
// The fields are a copy, written at Get and at Put; read them on the goroutine
// that borrowed, and use the methods elsewhere, which may be called from any.
// Changing them, or calling a Mark method, changes the copy alone: what the pool
// does is decided by what the pool knows.
type Connection struct {
	// ID is the number of the connection in this process, from 1.
	ID uint64
	// Conn is the connection itself; nil after Close and Detach.
	Conn net.Conn
	// Protocol and IPVersion are what it is.
	Protocol  Protocol
	IPVersion IPVersion
	// CreatedAt is when it was made.
	CreatedAt time.Time
	// LastUsedAt is when it was borrowed, then when it was returned; a few
	// milliseconds coarse.
	LastUsedAt time.Time
	// LastHealthCheckAt is when it was checked last; zero for never.
	LastHealthCheckAt time.Time
	// ReuseCount is how many gets it served while it existed already.
	ReuseCount int64
	// IsHealthy is false when it was found or marked unhealthy.
	IsHealthy bool
	// InUse is true until it is returned.
	InUse bool
	// LeakDetected is true once it has been borrowed for too long.
	LeakDetected bool

	mu     phaseLock // guards the fields against the methods
	rec    *record   // nil for a Connection of NewConnection
	lease  uint64
	borrow *borrow // guarded by mu
}

// A borrow is what few connections need.
type borrow struct {
	onClose   func() error // of NewConnection
	tag       uint64
	stack     []uintptr
	finalizes bool
}

// Connections of NewConnection have numbers of their own, far above those that
// pools give.
const firstOwnID = 1 << 48

func (c *Connection) isLent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.isLocked(phaseLent)
}

// claim ends the borrow for the first one who asks. What is done after the step
// here is done to fields that no method looks at any more.
func (c *Connection) claim(to int32) bool {
	if !c.mu.step(phaseLent, to) {
		return false
	}
	c.InUse = false
	if c.borrow != nil && c.borrow.finalizes {
		c.borrow.finalizes = false
		runtime.SetFinalizer(c, nil)
	}
	return true
}

// isUsedLocked is InUse, which is the borrower's own when the borrow has ended.
func (c *Connection) isUsedLocked() bool {
	return !c.isReturnedLocked() && c.InUse
}

func (c *Connection) isReturnedLocked() bool {
	return c.rec != nil && !c.mu.isLocked(phaseLent)
}

var lastOwnID atomic.Uint64

// NewConnection wraps a connection that belongs to no pool: Put refuses it.
// Close calls onClose if there is one, else conn.Close(). The pool is not
// looked at; it is there for programs that were written for the original.
func NewConnection(conn net.Conn, pool *Pool, onClose func() error) *Connection {
	now := time.Now()
	return newOwnConnection(conn, onClose, now)
}

func newOwnConnection(conn net.Conn, onClose func() error,
	now time.Time) *Connection {
	c := &Connection{
		ID:         firstOwnID + lastOwnID.Add(1),
		Conn:       conn,
		Protocol:   DetectProtocol(conn),
		IPVersion:  DetectIPVersion(conn),
		CreatedAt:  now,
		LastUsedAt: now,
		IsHealthy:  true,
		borrow:     &borrow{onClose: onClose},
	}
	c.mu.word = phaseOwned
	return c
}

// GetConn returns the connection itself; nil after Close and Detach.
func (c *Connection) GetConn() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn
}

// GetProtocol returns the protocol.
func (c *Connection) GetProtocol() Protocol {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Protocol
}

// GetIPVersion returns the version of IP.
func (c *Connection) GetIPVersion() IPVersion {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.IPVersion
}

// GetAge is how long ago the connection was made.
func (c *Connection) GetAge() time.Duration {
	if c.rec == nil {
		return time.Since(c.CreatedAt)
	}
	return c.rec.age()
}

// GetIdleTime is how long ago it was returned; 0 while it is borrowed.
func (c *Connection) GetIdleTime() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idleTime()
}

func (c *Connection) idleTime() time.Duration {
	if c.isUsedLocked() {
		return 0
	}
	return c.sinceUse()
}

// sinceUse is how long ago it was borrowed, or returned.
func (c *Connection) sinceUse() time.Duration {
	if c.rec == nil {
		return time.Since(c.LastUsedAt)
	}
	return c.rec.core.since(c.LastUsedAt)
}

// GetReuseCount is how many gets the connection served while it existed
// already, this one included.
func (c *Connection) GetReuseCount() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ReuseCount
}

// IsLeakDetected reports whether it has been found to be borrowed for too long.
func (c *Connection) IsLeakDetected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.LeakDetected
}

// IncrementReuseCount adds one to this copy of the count.
func (c *Connection) IncrementReuseCount() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ReuseCount++
}

// GetHealthStatus reports whether it is healthy as far as is known.
func (c *Connection) GetHealthStatus() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.IsHealthy
}

// UpdateHealth marks the connection. One that is not healthy is closed when it
// is returned. See SetHealthy for an error.
func (c *Connection) UpdateHealth(healthy bool) { _ = c.SetHealthy(healthy) }

// SetHealthy marks the connection. One that is not healthy is closed when it is
// returned. ErrInvalidConnection says that it is not borrowed any more.
func (c *Connection) SetHealthy(healthy bool) error {
	c.mu.Lock()
	c.IsHealthy = healthy
	c.LastHealthCheckAt = c.now()
	c.mu.Unlock()
	if c.rec == nil {
		return nil
	}
	status := c.rec.core.lib.setHealthy(c.lease, healthy)
	runtime.KeepAlive(c)
	return statusError(status)
}

func (c *Connection) now() time.Time {
	if c.rec == nil {
		return time.Now()
	}
	return c.rec.core.timeOf(c.rec.core.nowNs())
}

// IsInUse reports whether it is borrowed.
func (c *Connection) IsInUse() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isUsedLocked()
}

// MarkInUse sets InUse and LastUsedAt of this copy, until it is returned.
func (c *Connection) MarkInUse() { c.mark(true) }

// MarkIdle clears InUse and sets LastUsedAt of this copy, until it is returned.
func (c *Connection) MarkIdle() { c.mark(false) }

func (c *Connection) mark(inUse bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isReturnedLocked() {
		return
	}
	c.InUse = inUse
	c.LastUsedAt = c.now()
}

// IsExpired reports whether the connection is older than maxLifetime; 0 is no
// limit.
func (c *Connection) IsExpired(maxLifetime time.Duration) bool {
	return maxLifetime > 0 && c.GetAge() > maxLifetime
}

// IsIdleTooLong reports whether it has been idle for longer than idleTimeout; 0
// is no limit.
func (c *Connection) IsIdleTooLong(idleTimeout time.Duration) bool {
	return idleTimeout > 0 && c.GetIdleTime() > idleTimeout
}

// IsLeaked reports whether it has been borrowed for longer than leakTimeout; 0
// is no limit.
func (c *Connection) IsLeaked(leakTimeout time.Duration) bool {
	if leakTimeout <= 0 {
		return false
	}
	return c.BorrowedFor() > leakTimeout
}

// BorrowedFor is how long it has been borrowed; 0 when it is not.
func (c *Connection) BorrowedFor() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isUsedLocked() {
		return 0
	}
	return c.sinceUse()
}

// Tag is the number that GetEx or SetTag gave it.
func (c *Connection) Tag() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.borrow == nil {
		return 0
	}
	return c.borrow.tag
}

// SetTag attaches a number to a borrowed connection, shown by Leases and
// Describe.
func (c *Connection) SetTag(tag uint64) error {
	if c.rec == nil {
		return ErrInvalidConnection
	}
	status := c.rec.core.lib.setTag(c.lease, tag)
	runtime.KeepAlive(c)
	if status == ncpOk {
		c.noteTag(tag)
	}
	return statusError(status)
}

func (c *Connection) noteTag(tag uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isReturnedLocked() {
		c.extra().tag = tag
	}
}

// extra makes room for what few connections need; mu is held.
func (c *Connection) extra() *borrow {
	if c.borrow == nil {
		c.borrow = new(borrow)
	}
	return c.borrow
}

// Renew replaces a borrowed connection by a new one, after the borrower closed
// the old one itself: the borrow goes on, the age begins anew.
func (c *Connection) Renew(conn net.Conn) error {
	if c.rec == nil || conn == nil {
		return ErrInvalidConnection
	}
	return c.rec.core.renew(c, conn)
}

// Close closes the connection. A borrowed one leaves its place in the pool at
// once, and a Put that follows is welcome and does nothing. Closing twice
// answers nil.
func (c *Connection) Close() error {
	if c.mu.step(phaseOwned, phaseOver) {
		return c.closeOwn()
	}
	if c.claim(phaseClosed) {
		return c.rec.core.closeByHolder(c)
	}
	return nil
}

func (c *Connection) closeOwn() error {
	c.mu.Lock()
	conn := c.Conn
	c.Conn = nil
	c.InUse = false
	c.mu.Unlock()
	switch {
	case c.borrow.onClose != nil:
		return c.borrow.onClose()
	case conn != nil:
		return conn.Close()
	}
	return nil
}

// returned notes when the borrow ended.
func (c *Connection) returned(nowNs int64) {
	used := c.rec.core.timeOf(nowNs)
	c.mu.Lock()
	c.LastUsedAt = used
	c.mu.Unlock()
}

// noConn takes the connection away.
func (c *Connection) noConn() {
	c.mu.Lock()
	c.Conn = nil
	c.mu.Unlock()
}
