package netconnpool

import (
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// guard calls a function of the user. A panic, or the end of the goroutine,
// becomes a PanicError; the latter is told to `ended`, for nothing after the
// call will run.
func guard(call func() error, ended func(error)) (err error) {
	done := false
	defer func() {
		if done {
			return
		}
		value := recover()
		err = &PanicError{value, debug.Stack()}
		if value == nil && ended != nil {
			ended(err)
		}
	}()
	err = call()
	done = true
	return err
}

// rethrow lets a panic go on in the goroutine that asked for what panicked, with
// the same value.
func rethrow(err error) {
	if thrown, ok := err.(*PanicError); ok && thrown.Value != nil {
		panic(thrown.Value)
	}
}

// runBorrowHooks calls the hooks of a borrow on the goroutine of Get.
func (c *core) runBorrowHooks(a *answer) error {
	lease := a.lease
	rec := claim(a.name)
	if rec == nil {
		return c.tooLate(lease)
	}
	refuse := func(error) {
		c.lib.checked(lease, false)
		proc.drain()
	}
	err := guard(func() error {
		if c.config.OnBorrow != nil {
			c.config.OnBorrow(rec.conn())
		}
		if c.config.BorrowHook != nil {
			return c.config.BorrowHook(rec.conn())
		}
		return nil
	}, refuse)
	if err == nil {
		*a = c.lib.checked(lease, true)
		return nil
	}
	refuse(err)
	rethrow(err)
	return err
}

// runReturnHooks calls the hooks of a return on the goroutine of Put.
func (c *core) runReturnHooks(conn *Connection) error {
	return guard(func() error {
		if c.config.OnReturn != nil {
			c.config.OnReturn(conn.rec.conn())
		}
		if c.config.ReturnHook != nil {
			return c.config.ReturnHook(conn.rec.conn())
		}
		return nil
	}, func(err error) { _ = c.endLease(conn, ncpFlagHook, err) })
}

// close does what is to be done for a connection that leaves the pool.
func (c *core) close(conn net.Conn, reason CloseReason) error {
	if c.config.OnClose != nil {
		err := guard(func() error { c.config.OnClose(conn, reason); return nil }, nil)
		c.logFailure("on_close", err)
	}
	return guard(func() error {
		if c.config.CloseConn != nil {
			return c.config.CloseConn(conn)
		}
		return conn.Close()
	}, nil)
}

// closeHere closes a connection that is out of the table, for whoever wants to
// know how that went.
func (c *core) closeHere(rec *record, reason CloseReason) error {
	rec.state.Store(recordClosed)
	rec.markTaken(reason)
	if reason == ReasonLeaked {
		c.keepEvicted(rec)
	}
	defer c.forget(rec)
	return c.close(rec.conn(), reason)
}

// startClose has a connection closed by a goroutine of its own.
func (c *core) startClose(rec *record, reason CloseReason) {
	if reason == ReasonPoolClosed {
		c.startFinalClose(rec)
		return
	}
	rec.state.Store(recordClosed)
	go c.closeRecord(rec, reason)
}

// startFinalClose is startClose for what Close waits for. No hook that runs in
// it can be the one who waits: Close has been called already.
func (c *core) startFinalClose(rec *record) {
	c.mu.Lock()
	c.closing++
	c.mu.Unlock()
	rec.state.Store(recordClosed)
	go func() {
		err := c.closeHere(rec, ReasonPoolClosed)
		c.noteCloseError(err)
		c.mu.Lock()
		c.closing--
		c.broadcastLocked()
		c.mu.Unlock()
	}()
}

// closeRecord closes a connection for nobody.
func (c *core) closeRecord(rec *record, reason CloseReason) {
	c.logFailure("close", c.closeHere(rec, reason))
}

// markTaken tells the borrower's object that the connection was taken away.
func (rec *record) markTaken(reason CloseReason) {
	rec.taken.Store(true)
	conn := rec.holder()
	if conn == nil {
		return
	}
	conn.mu.Lock()
	conn.IsHealthy = false
	if reason == ReasonLeaked {
		conn.LeakDetected = true
	}
	conn.mu.Unlock()
}

// ------------------------------------------------------------------------- leaks

// leaked tells of a lease that has been out for too long.
func (c *core) leaked(ev *event) {
	leak := Leak{ID: ev.connID, Evicted: ev.reason == ncpReasonLeaked}
	if rec := c.leakedRecord(ev, leak.Evicted); rec != nil {
		leak.Conn = rec.conn()
		rec.noteLeak(ev.lease, &leak)
	}
	if c.config.OnLeak == nil {
		return
	}
	go func() {
		err := guard(func() error { c.config.OnLeak(leak); return nil }, nil)
		c.logFailure("on_leak", err)
	}()
}

// leakedRecord finds the record of a leak. Of an eviction CLOSE is told as well,
// before this or after it.
func (c *core) leakedRecord(ev *event, evicted bool) *record {
	rec := records.get(ev.handle)
	c.mu.Lock()
	defer c.mu.Unlock()
	if rec == nil {
		rec = c.evicted[ev.handle]
		delete(c.evicted, ev.handle)
	} else if evicted {
		rec.evictionTold = true
	}
	return rec
}

// keepEvicted keeps a record until its LEAK event, if that is still to come and
// somebody wants to hear of it.
func (c *core) keepEvicted(rec *record) {
	if c.config.OnLeak == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if rec.evictionTold {
		return
	}
	if c.evicted == nil {
		c.evicted = make(map[uint64]*record)
	}
	c.evicted[rec.handle] = rec
}

// noteLeak fills in what the borrower's object says. From then on the garbage
// collector may tell that nobody has that any more; the record remembers.
func (rec *record) noteLeak(lease uint64, leak *Leak) {
	conn := rec.lastLease.Load()
	if conn != nil && conn.lease == lease {
		rec.leak.Store(&leakNote{lease, conn.borrowedAt(), conn.Tag(), conn.Stack()})
		conn.mu.Lock()
		conn.LeakDetected = true
		conn.mu.Unlock()
		conn.watchForLoss()
	}
	if note := rec.leak.Load(); note != nil && note.lease == lease {
		leak.Held = rec.core.since(note.at)
		leak.Tag = note.tag
		leak.Stack = note.stack
	}
}

// A leakNote is what is known of a leaked lease.
type leakNote struct {
	lease uint64
	at    time.Time
	tag   uint64
	stack string
}

func (c *Connection) borrowedAt() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.LastUsedAt
}

// captureStack keeps the stack of the borrower, from the caller of Get on.
func (c *Connection) captureStack() {
	var frames [32]uintptr
	count := runtime.Callers(4, frames[:])
	c.extra().stack = append([]uintptr(nil), frames[:count]...)
}

func (c *Connection) frames() []uintptr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.borrow == nil {
		return nil
	}
	return c.borrow.stack
}

// Stack is the stack of the borrower, a frame a line, with Config.CaptureStacks.
func (c *Connection) Stack() string {
	stack := c.frames()
	if len(stack) == 0 {
		return ""
	}
	var text strings.Builder
	frames := runtime.CallersFrames(stack)
	for {
		frame, more := frames.Next()
		writeFrame(&text, frame)
		if !more {
			return text.String()
		}
	}
}

func writeFrame(text *strings.Builder, frame runtime.Frame) {
	text.WriteString(frame.Function)
	text.WriteString(" ")
	text.WriteString(frame.File)
	text.WriteString(":")
	text.WriteString(itoa(frame.Line))
	text.WriteString("\n")
}
