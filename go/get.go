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
}

// get borrows a connection. The errors are plain.
func (c *core) get(ctx context.Context, w want) (*Connection, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	if err := ctx.Err(); err != nil {
		return nil, c.refuse(err)
	}
	if deadline, ok := ctx.Deadline(); ok && c.clock == nil {
		w.timeoutMs = c.limit(w.timeoutMs, deadline)
	}
	a := c.lib.acquire(c.queue, w.protocol, w.ip, w.timeoutMs, w.tag,
		w.flags|ncpFlagTake)
	if a.kind == ncpEventConn {
		return c.lend(&a, w.tag)
	}
	return c.follow(ctx, a, w.tag)
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
// error.
func (c *core) follow(ctx context.Context, a answer, tag uint64) (*Connection,
	error) {
	for {
		switch {
		case a.kind == ncpEventPending:
			var err error
			if a, err = c.standInLine(ctx, &a); err != nil {
				return nil, err
			}
		case a.kind == ncpEventConn:
			return c.lend(&a, tag)
		case a.kind == ncpEventCheck:
			a = c.lib.checked(a.lease, c.checkForBorrow(&a))
		case a.kind == ncpEventBorrow:
			var err error
			if a, err = c.runBorrowHooks(a); err != nil {
				return nil, err
			}
		default:
			return nil, c.failure(&a)
		}
	}
}

// standInLine waits until the ticket is decided or the context ends; exactly
// one of the two happens.
func (c *core) standInLine(ctx context.Context, pending *answer) (a answer,
	err error) {
	w := waiters.Get().(*waiter)
	line.stand(c.lib, pending.name, w)
	if pending.ready != 0 {
		proc.drain() // a dial may have been asked for
	}
	done := ctx.Done()
	if done == nil {
		a = <-w.ch // cheaper than select
	} else {
		select {
		case a = <-w.ch:
		case <-done:
			a, err = c.giveUp(ctx, pending.name, w)
		}
	}
	waiters.Put(w)
	return a, err
}

// giveUp leaves the line, unless the ticket was decided before that.
func (c *core) giveUp(ctx context.Context, ticket uint64, w *waiter) (a answer,
	err error) {
	err = ctx.Err()
	status := ncpEcanceled
	if err == context.DeadlineExceeded {
		status, err = ncpEtimeout, ErrGetConnectionTimeout
	}
	if c.lib.abandon(ticket, status) != ncpOk {
		return <-w.ch, nil
	}
	line.leave(c.lib, ticket)
	return a, err
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
		rec.leaseNow.Load() // pairs with the store of whoever gave it back
		rec.state.CompareAndSwap(recordIdle, recordLent)
	}
	return rec
}

// tooLate gives a lease back whose connection was taken away.
func (c *core) tooLate(lease uint64) error {
	c.lib.release(lease, 0, libQueue{})
	if c.closed.Load() {
		return ErrPoolClosed
	}
	return ErrConnectionLeaked
}

// lend makes the object of a borrow.
func (c *core) lend(a *answer, tag uint64) (*Connection, error) {
	rec := records.get(a.name)
	if rec == nil {
		return nil, c.tooLate(a.lease)
	}
	rec.leaseNow.Load() // pairs with the store of whoever gave it back
	if a.reused != 0 {
		rec.reuses++
	}
	nowNs := a.nowNs
	if nowNs == 0 || c.clock != nil {
		nowNs = c.nowNs()
	}
	l := rec.link.Load()
	conn := &Connection{
		ID:         rec.id,
		Conn:       l.conn,
		Protocol:   l.protocol,
		IPVersion:  l.ip,
		CreatedAt:  l.createdAt,
		LastUsedAt: c.timeOf(nowNs),
		IsHealthy:  true,
		InUse:      true,
		ReuseCount: rec.reuses,
		phase:      phaseLent,
		rec:        rec,
		lease:      a.lease,
		sinceNs:    nowNs,
	}
	if checkedNs := rec.checkedNs.Load(); checkedNs != 0 {
		conn.LastHealthCheckAt = c.timeOf(checkedNs)
	}
	if tag != 0 {
		conn.borrow = &borrow{tag: tag}
	}
	if c.config.CaptureStacks {
		conn.captureStack()
	}
	rec.leaseNow.Store(conn)
	if c.closed.Load() {
		c.lentWhileClosing(conn)
	}
	return conn, nil
}

// lentWhileClosing tells Close, which may wait for it to be closed, that it is
// not idle.
func (c *core) lentWhileClosing(conn *Connection) {
	conn.watchForLoss()
	c.broadcast()
}
