package main

import (
	"net"
	"sync/atomic"
	"time"
)

// A ledger counts what was opened and lent, whatever the pool itself says.
type ledger struct {
	opened    atomic.Int64
	lent      atomic.Int64
	peak      atomic.Int64
	lentTwice atomic.Int64
}

// A stubConn is a connection that does nothing.
type stubConn struct {
	net.Conn
	ledger *ledger
	held   atomic.Bool
}

var stubAddress = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7}

func (*stubConn) Close() error                { return nil }
func (*stubConn) RemoteAddr() net.Addr        { return stubAddress }
func (*stubConn) LocalAddr() net.Addr         { return stubAddress }
func (*stubConn) SetDeadline(time.Time) error { return nil }

// open dials: takes the time that was asked for, and counts.
func (l *ledger) open(dial time.Duration) *stubConn {
	time.Sleep(dial)
	l.opened.Add(1)
	return &stubConn{ledger: l}
}

// begin: from here to end nobody else may have this connection.
func (c *stubConn) begin() {
	if c.held.Swap(true) {
		c.ledger.lentTwice.Add(1)
	}
	now := c.ledger.lent.Add(1)
	for peak := c.ledger.peak.Load(); now > peak; peak = c.ledger.peak.Load() {
		c.ledger.peak.CompareAndSwap(peak, now)
	}
}

func (c *stubConn) end() {
	c.ledger.lent.Add(-1)
	c.held.Store(false)
}
