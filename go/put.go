package netconnpool

import (
	"errors"
	"io"
	"net"
	"time"
)

// put gives a connection back.
func (c *core) put(conn *Connection) error {
	if conn == nil || conn.rec == nil || conn.rec.core != c {
		return ErrInvalidConnection
	}
	if !conn.claim(phaseOver) {
		return conn.putAgain()
	}
	flags := 0
	if !conn.rec.taken.Load() {
		if c.returnHooks && c.lib.keeps(conn.lease) {
			c.notIdle(conn.rec)
			if err := c.runReturnHooks(conn); err != nil {
				return c.endLease(conn, ncpFlagHook, err)
			}
		}
		if !conn.rec.rest() {
			flags = ncpFlagDiscard
		}
	}
	return c.endLease(conn, flags, nil)
}

// notIdle tells Close, which may be called by the hooks that follow, that it
// cannot wait for a connection.
func (c *core) notIdle(rec *record) {
	rec.state.CompareAndSwap(recordIdle, recordLent)
	if c.closed.Load() {
		c.broadcast()
	}
}

// putAgain answers a Put of a borrow that has ended. After Close one is welcome.
func (conn *Connection) putAgain() error {
	if conn.mu.step(phaseClosed, phaseOver) {
		return nil
	}
	return ErrInvalidConnection
}

// discard gives a connection back to be closed.
func (c *core) discard(conn *Connection) error {
	if conn == nil || conn.rec == nil || conn.rec.core != c {
		return ErrInvalidConnection
	}
	if !conn.claim(phaseOver) {
		return conn.putAgain()
	}
	return c.endLease(conn, ncpFlagDiscard, nil)
}

// endLease releases a lease that this goroutine is ending. `err` is what the put
// says whatever C says.
func (c *core) endLease(conn *Connection, flags int, err error) error {
	rec := conn.rec
	if rec.state.Load() == recordLent {
		rec.state.CompareAndSwap(recordLent, recordIdle)
	}
	borrowedNs := rec.tick.ns
	rec.relay.handOver()
	var r released
	c.giveBack(&r, conn.lease, flags)
	if c.clock != nil {
		r.nowNs = c.nowNs()
	}
	if r.nowNs != borrowedNs { // else it is what the object says already
		conn.returned(r.nowNs)
	}
	if r.kind != ncpEventNone {
		if closeErr := c.afterRelease(&r, rec); err == nil {
			err = closeErr
		}
	}
	if c.closed.Load() {
		c.broadcast()
	}
	if err != nil {
		rethrow(err)
		return err
	}
	return statusError(int(r.status))
}

// giveBack makes a lease idle, or has C say what comes of it.
func (c *core) giveBack(r *released, lease uint64, flags int) {
	served := false
	if flags == 0 {
		done, nowNs := c.lane.put(lease)
		if done == lanePutBack {
			r.nowNs = nowNs
			return
		}
		served = done == lanePutServes
	}
	crowded := c.door.enter()
	if served {
		c.lib.serve(r, c.queue)
	} else {
		c.lib.release(r, lease, flags, c.queue)
	}
	c.door.leave(crowded)
}

// afterRelease handles the event that came with a release. If the connection that
// was given back is to be closed, it is that which comes, and is done here.
func (c *core) afterRelease(r *released, rec *record) error {
	if r.decides() {
		a := r.answer()
		line.deliver(place{r.pool, r.ticket}, &a)
		return nil
	}
	if r.kind != ncpEventClose || r.handle != rec.handle {
		proc.handleOne(r.event())
		return nil
	}
	if records.remove(r.handle) == nil {
		return nil
	}
	return c.closeHere(rec, CloseReason(r.eventStatus))
}

// closeByHolder is Connection.Close of a borrowed one.
func (c *core) closeByHolder(conn *Connection) error {
	rec := conn.rec
	mine := records.remove(rec.handle) != nil // the CLOSE event finds nothing
	status := c.lib.closeLease(conn.lease)
	conn.returned(c.nowNs())
	conn.noConn()
	var err error
	if mine {
		err = c.closeHere(rec, ReasonDiscarded)
	}
	proc.drain()
	if c.closed.Load() {
		c.broadcast()
	}
	if err == nil {
		err = statusError(status)
	}
	rethrow(err)
	return err
}

// detach takes a connection out of the pool for good.
func (c *core) detach(conn *Connection) (net.Conn, error) {
	if conn == nil || conn.rec == nil || conn.rec.core != c {
		return nil, ErrInvalidConnection
	}
	if !conn.claim(phaseOver) {
		return nil, ErrInvalidConnection
	}
	rec := conn.rec
	status := c.lib.detach(conn.lease)
	conn.returned(c.nowNs())
	proc.drain()
	if status != ncpOk {
		return nil, statusError(status)
	}
	conn.noConn()
	records.remove(rec.handle)
	c.forget(rec)
	return rec.conn(), nil
}

// rest takes away what the borrower left on a connection: deadlines. False when
// he closed it.
func (rec *record) rest() (usable bool) {
	if rec.noDeadlines {
		return true
	}
	defer func() {
		if recover() != nil {
			rec.noDeadlines = true // a connection that is none, in a test
			usable = true
		}
	}()
	err := rec.conn().SetDeadline(time.Time{})
	return err == nil || !(errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.ErrClosedPipe))
}
