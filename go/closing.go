package netconnpool

import (
	"context"
	"runtime"
	"time"
)

// closePool is Close: it returns when what was idle is closed.
func (c *core) closePool() error {
	if c.closed.Swap(true) {
		return nil
	}
	status := c.lib.close() // before the dials end, so that waiters hear of it
	c.stop()
	interruptAccepts(c.config.Listener)
	proc.drainClosing(c)
	c.awaitIdle()
	return c.closeResult(status)
}

// noteCloseError keeps the first error of what Close closes.
func (c *core) noteCloseError(err error) {
	c.mu.Lock()
	if c.closeErr == nil {
		c.closeErr = err
	}
	c.mu.Unlock()
}

// closeResult is what the first Close returns.
func (c *core) closeResult(status int) error {
	c.mu.Lock()
	err := c.closeErr
	retire := c.mayRetireLocked()
	c.mu.Unlock()
	if retire {
		c.retire()
	}
	rethrow(err)
	if err == nil {
		err = statusError(status)
	}
	return err
}

// How long Close waits before it looks again by itself: somebody who was in Get
// when it began may not have seen that he has to tell.
const closingLook = 5 * time.Millisecond

// awaitIdle waits until no connection is idle any more and what others close for
// Close is closed.
func (c *core) awaitIdle() {
	timer := time.NewTimer(closingLook)
	defer timer.Stop()
	for {
		changed := c.wait()
		idle := c.hasIdle()
		c.watchLent() // all that were found to be lent, at least
		if !idle {
			return
		}
		proc.drainClosing(c)
		select {
		case <-changed:
		case <-timer.C:
			timer.Reset(closingLook)
		}
	}
}

func (c *core) hasIdle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing != 0 {
		return true
	}
	for rec := range c.records {
		if rec.state.Load() == recordIdle && rec.holder() == nil {
			return true
		}
	}
	return false
}

// closeNow is CloseNow.
func (c *core) closeNow() error {
	err := c.closePool()
	c.lib.closeNow()
	proc.drainClosing(c)
	return err
}

// closeWait is CloseWait.
func (c *core) closeWait(ctx context.Context) error {
	err := c.closePool()
	for {
		changed := c.wait()
		if c.lib.activeCount() == 0 {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return plainContextError(ctx)
		}
	}
}

// prewarmWait is PrewarmWait.
func (c *core) prewarmWait(ctx context.Context) error {
	for {
		changed := c.wait()
		if status := c.lib.prewarmed(); status != ncpEtimeout {
			return statusError(status)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return plainContextError(ctx)
		}
	}
}

// plainContextError is ErrGetConnectionTimeout for a deadline.
func plainContextError(ctx context.Context) error {
	if ctx.Err() == context.DeadlineExceeded {
		return ErrGetConnectionTimeout
	}
	return ctx.Err()
}

// ----------------------------------------------------------------------- garbage

// abandon closes a pool that nobody refers to. Its borrowers may still have
// their connections.
func (c *core) abandon() {
	defer func() { recover() }() // of a close that panicked; nobody to tell
	_ = c.closePool()
}

// watchLent lets the garbage collector tell of connections of a closed pool that
// nobody has any more.
func (c *core) watchLent() {
	c.mu.Lock()
	lent := make([]*record, 0, len(c.records))
	for rec := range c.records {
		lent = append(lent, rec)
	}
	c.mu.Unlock()
	for _, rec := range lent {
		if conn := rec.holder(); conn != nil {
			conn.watchForLoss()
		}
	}
}

// watchForLoss sets a finalizer, once, and drops our own reference.
func (c *Connection) watchForLoss() {
	c.mu.Lock()
	set := c.mu.isLocked(phaseLent) && !c.extra().finalizes
	if set {
		c.borrow.finalizes = true
		runtime.SetFinalizer(c, (*Connection).lost)
	}
	c.mu.Unlock()
	if set {
		c.rec.state.CompareAndSwap(recordIdle, recordLent)
		c.rec.lastLease.Drop(c)
	}
}

// lost gives back what nobody can give back any more.
func (c *Connection) lost() {
	if c.claim(phaseOver) {
		go func() {
			defer func() { recover() }()
			_ = c.rec.core.endLease(c, ncpFlagDiscard, nil)
		}()
	}
}
