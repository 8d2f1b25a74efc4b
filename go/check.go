package netconnpool

import (
	"runtime"
	"time"
)

// checkIdle does a health check that C asked for. C itself notices when it
// takes too long.
func (c *core) checkIdle(ev event) {
	rec := records.get(ev.handle)
	if rec == nil {
		return
	}
	rec.relay.takeOver()
	rec.state.CompareAndSwap(recordIdle, recordChecking)
	if c.closed.Load() {
		c.broadcast() // Close does not wait for checks
	}
	healthy := c.healthy(rec)
	rec.noteCheck()
	rec.state.CompareAndSwap(recordChecking, recordIdle)
	rec.relay.handOver()
	c.lib.checked(ev.lease, healthy)
	runtime.KeepAlive(c)
	proc.drain()
}

// checkForBorrow does a check for a caller of Get, who does not wait for it
// longer than he has to.
func (c *core) checkForBorrow(a *answer) bool {
	rec := claim(a.name)
	if rec == nil {
		return false
	}
	defer rec.noteCheck()
	if c.config.HealthChecker == nil {
		return rec.alive()
	}
	result := make(chan bool, 2)
	go func() {
		defer func() { result <- false }() // if it ended its goroutine
		result <- c.healthy(rec)
	}()
	timeout, stop := c.after(limitOf(a.number))
	defer stop()
	select {
	case healthy := <-result:
		return healthy
	case <-timeout:
		return false
	}
}

// after returns a channel that is closed or sent to when the time has passed on
// the pool's clock.
func (c *core) after(d time.Duration) (<-chan struct{}, func()) {
	done := make(chan struct{})
	if d < 0 {
		return done, func() {}
	}
	if c.clock != nil {
		return done, c.clock.afterFunc(d, func() { close(done) })
	}
	timer := time.AfterFunc(d, func() { close(done) })
	return done, func() { timer.Stop() }
}

// healthy asks the user's checker, or looks at the socket.
func (c *core) healthy(rec *record) (healthy bool) {
	if c.config.HealthChecker == nil {
		return rec.alive()
	}
	err := guard(func() error {
		healthy = c.config.HealthChecker(rec.conn())
		return nil
	}, nil)
	c.logFailure("checker", err)
	return err == nil && healthy
}

func (rec *record) noteCheck() {
	now := rec.core.timeOf(rec.core.nowNs())
	rec.checked.Store(&now)
}

// alive looks whether a socket is, without reading from it. What has no
// descriptor is alive as far as anybody can tell.
func (rec *record) alive() bool {
	raw := rec.link.Load().raw
	if raw == nil {
		return true
	}
	alive := false
	err := raw.Control(func(fd uintptr) { alive = libFdAlive(fd) })
	return err == nil && alive
}
