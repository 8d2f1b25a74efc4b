package netconnpool

import (
	"context"
	"time"
)

// A want is what a caller asks for.
type want struct {
	protocol  Protocol
	ip        IPVersion
	timeoutMs int64 // ncpTimeoutDefault, or -1 for no limit
	tag       uint64
	flags     int
	timed     bool // how long it takes is to be counted
}

// get borrows a connection. The errors are plain.
func (c *core) get(ctx context.Context, w want) (*Connection, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	if err := ctx.Err(); err != nil {
		return nil, c.refuse(err)
	}
	var a answer
	if !c.lane.get(&a, &w) {
		c.ask(ctx, &a, &w)
	}
	if a.kind == ncpEventConn {
		return c.lend(new(Connection), &a, w.tag)
	}
	return c.follow(ctx, &a, w.tag)
}

// ask has C answer.
func (c *core) ask(ctx context.Context, a *answer, w *want) {
	if deadline, ok := ctx.Deadline(); ok && c.clock == nil {
		w.timeoutMs = c.limit(w.timeoutMs, deadline)
	}
	w.flags |= ncpFlagTake
	crowded := c.door.enter()
	if w.timed {
		c.lib.acquireTimed(a, c.queue, w)
	} else {
		c.lib.acquire(a, c.queue, w)
	}
	c.door.leave(crowded)
}

// refuse counts a get whose context was over before it began.
func (c *core) refuse(err error) error {
	if c.closed.Load() {
		return ErrPoolClosed
	}
	if err == context.DeadlineExceeded {
		c.lib.refuse(ncpEtimeout)
		return ErrGetConnectionTimeout
	}
	c.lib.refuse(ncpEcanceled)
	return err
}

// limit is the time until the deadline if that is less than the timeout, in
// whole milliseconds, rounded up: the context is what ends the wait in time.
func (c *core) limit(timeoutMs int64, deadline time.Time) int64 {
	left := toMs(time.Until(deadline))
	if left < 1 {
		left = 1
	}
	own := timeoutMs
	if own == ncpTimeoutDefault {
		own = c.getTimeoutMs.Load()
	}
	if own >= 0 && own <= left {
		return timeoutMs
	}
	return left
}

// follow takes a get from answer to answer until there is a connection or an
// error. The object of the borrow is made before the wait: who is woken then is
// in the way of all who wait behind him.
func (c *core) follow(ctx context.Context, a *answer, tag uint64) (*Connection,
	error) {
	conn := new(Connection)
	for {
		var err error
		switch a.kind {
		case ncpEventPending:
			err = c.standInLine(ctx, a)
		case ncpEventConn:
			return c.lend(conn, a, tag)
		case ncpEventCheck:
			*a = c.lib.checked(a.lease, c.checkForBorrow(a))
		case ncpEventBorrow:
			err = c.runBorrowHooks(a)
		default:
			err = c.failure(a)
		}
		if err != nil {
			return nil, err
		}
	}
}

// standInLine waits until the ticket is decided or the context ends; exactly
// one of the two happens.
func (c *core) standInLine(ctx context.Context, a *answer) error {
	w := waiters.Get().(*waiter)
	w.place = place{c.lib, a.name}
	line.stand(w)
	if a.flag != 0 {
		proc.drain() // a dial may have been asked for
	}
	if done := ctx.Done(); done == nil {
		<-w.decided // cheaper than select
	} else if err := c.waitUntil(ctx, done, w); err != nil {
		return err
	}
	*a = w.answer
	waiters.Put(w)
	return nil
}

// waitUntil waits for the decision until the context ends.
func (c *core) waitUntil(ctx context.Context, done <-chan struct{},
	w *waiter) error {
	select {
	case <-w.decided:
		return nil
	case <-done:
	}
	err := ctx.Err()
	status := ncpEcanceled
	if err == context.DeadlineExceeded {
		status, err = ncpEtimeout, ErrGetConnectionTimeout
	}
	if c.lib.abandon(w.place.ticket, status) != ncpOk {
		<-w.decided // before that
		return nil
	}
	line.leave(w.place)
	waiters.Put(w)
	return err
}

// failure is the error of a get that failed. The user's own come back as the
// same objects, a panic as a panic.
func (c *core) failure(a *answer) error {
	if a.number != 0 {
		if err, ok := c.failures.get(a.number, c.failsOne.Load()); ok {
			rethrow(err)
			return err
		}
	}
	if a.status == ncpOk {
		return ErrInvalidConnection // there is no such answer
	}
	if a.status == ncpEinvalidconn && c.closed.Load() {
		return ErrPoolClosed // CloseNow took it away while a hook looked at it
	}
	return statusError(int(a.status))
}

// claim finds the record of a connection that this goroutine was given to look
// at; nil when it was taken away already, by CloseNow or as leaked.
func claim(handle uint64) *record {
	rec := records.get(handle)
	if rec != nil {
		rec.relay.takeOver()
		rec.state.CompareAndSwap(recordIdle, recordLent)
	}
	return rec
}

// tooLate gives a lease back whose connection was taken away.
func (c *core) tooLate(lease uint64) error {
	var r released
	c.lib.release(&r, lease, 0, libQueue{})
	if c.closed.Load() {
		return ErrPoolClosed
	}
	return ErrConnectionLeaked
}

// lend fills the object of a borrow, which is new.
func (c *core) lend(conn *Connection, a *answer, tag uint64) (*Connection, error) {
	rec := records.get(a.name)
	if rec == nil {
		return nil, c.tooLate(a.lease)
	}
	rec.relay.takeOver()
	if a.flag != 0 {
		rec.reuses++
	}
	c.mark(rec, a.number)
	l := rec.link.Load()
	conn.ID = rec.id
	conn.Conn = l.conn
	conn.Protocol = l.protocol
	conn.IPVersion = l.ip
	conn.CreatedAt = l.createdAt
	conn.LastUsedAt = rec.tick.at
	conn.IsHealthy = true
	conn.InUse = true
	conn.ReuseCount = rec.reuses
	conn.mu.word = phaseLent
	conn.rec = rec
	conn.lease = a.lease
	if checked := rec.checked.Load(); checked != nil {
		conn.LastHealthCheckAt = *checked
	}
	if tag != 0 {
		conn.borrow = &borrow{tag: tag}
	}
	if c.config.CaptureStacks {
		conn.captureStack()
	}
	rec.lastLease.Store(conn)
	if c.closed.Load() {
		c.lentWhileClosing(conn)
	}
	return conn, nil
}

// mark notes when a record is lent: `nowNs` of the clock that C has, or 0. Many
// borrows are within one tick of it.
func (c *core) mark(rec *record, nowNs int64) {
	if nowNs == 0 || c.clock != nil {
		nowNs = c.nowNs()
	}
	if nowNs != rec.tick.ns || rec.tick.at.IsZero() {
		rec.tick = moment{nowNs, c.timeOf(nowNs)}
	}
}

// lentWhileClosing tells Close, which may wait for it to be closed, that it is
// not idle.
func (c *core) lentWhileClosing(conn *Connection) {
	conn.watchForLoss()
	c.broadcast()
}
