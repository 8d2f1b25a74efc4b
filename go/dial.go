package netconnpool

import (
	"context"
	"net"
	"syscall"
	"time"
)

// startDial has a connection made by a goroutine of its own.
func (c *core) startDial(ev *event) {
	c.begin()
	go c.dial(ev.lease, Hints{
		Protocol:      Protocol(ev.protocol),
		IPVersion:     IPVersion(ev.ip),
		Attempt:       int(ev.reason),
		CallerLimit:   limitOf(ev.timeoutMs),
		CreationLimit: limitOf(ev.creationMs),
	})
}

func limitOf(ms int64) time.Duration {
	if ms < 0 {
		return -1
	}
	return fromMs(ms)
}

// dial makes a connection and tells C, whatever the user's code does.
func (c *core) dial(reservation uint64, hints Hints) {
	defer c.end()
	conn, err := c.make(hints, func(err error) {
		c.dialFailed(reservation, ncpEuser, err)
	})
	if err != nil {
		c.dialFailed(reservation, ncpEuser, err)
		return
	}
	if isNilConn(conn) {
		c.dialFailed(reservation, ncpEinvalidconn, nil)
		return
	}
	c.welcome(reservation, conn)
}

// welcome makes a dialed connection one of the pool, unless OnCreated refuses it
// or it came too late.
func (c *core) welcome(reservation uint64, conn net.Conn) {
	rec := c.newRecord(conn)
	if !records.add(rec) {
		c.logFailure("close", c.close(conn, ReasonNone))
		c.dialFailed(reservation, ncpEdial, ErrMaxConnectionsReached)
		return
	}
	c.adopt(rec)
	l := rec.link.Load()
	id, status := c.lib.dialed(reservation, rec.handle, l.fd, l.protocol, l.ip)
	rec.id = id
	if status == ncpOk {
		proc.drain() // another dial may begin
		if c.config.OnCreated != nil && !c.created(reservation, rec) {
			return
		}
		rec.state.Store(recordIdle)
		rec.relay.handOver()
		a := c.lib.fulfil(reservation, rec.handle, l.fd, l.protocol, l.ip)
		status = int(a.status)
	}
	if status == ncpEinvalidconn && records.remove(rec.handle) != nil {
		c.closeRecord(rec, ReasonNone) // too late: nobody wants it
	}
	proc.drain()
}

// make calls the dialer. `ended` is told when the dialer ends its goroutine.
func (c *core) make(hints Hints, ended func(error)) (conn net.Conn, err error) {
	ctx, cancel := c.dialContext(hints)
	defer cancel()
	err = guard(func() (err error) {
		conn, err = c.call(ctx)
		return err
	}, ended)
	if err != nil && !isNilConn(conn) {
		conn.Close() // an error is an error
	}
	return conn, err
}

func (c *core) call(ctx context.Context) (net.Conn, error) {
	switch {
	case c.config.Mode == PoolModeServer:
		return c.accept(ctx)
	case c.config.Dialer != nil:
		return c.config.Dialer(ctx)
	}
	return c.dialTarget(ctx)
}

// dialContext ends when the creation has taken too long or the pool is closed.
func (c *core) dialContext(hints Hints) (context.Context, context.CancelFunc) {
	ctx := context.WithValue(c.dialing, hintsKey{}, hints)
	switch {
	case hints.CreationLimit < 0:
		return context.WithCancel(ctx)
	case c.clock != nil:
		return c.clock.WithTimeout(ctx, hints.CreationLimit)
	}
	return context.WithTimeout(ctx, hints.CreationLimit)
}

// created calls OnCreated; false when the connection was refused, closed and
// told.
func (c *core) created(reservation uint64, rec *record) bool {
	refuse := func(err error) {
		if records.remove(rec.handle) == nil {
			return // told already: old versions of Go do it twice
		}
		c.closeRecord(rec, ReasonHook)
		c.dialFailed(reservation, ncpEhook, err)
	}
	err := guard(func() error { return c.config.OnCreated(rec.conn()) }, refuse)
	if err != nil {
		refuse(err)
	}
	return err == nil
}

// dialFailed tells C, which says who is to be told.
func (c *core) dialFailed(reservation uint64, status int, err error) {
	var code int64
	text := "the dialer returned no connection"
	if err != nil {
		code = c.failures.put(err)
		text = err.Error()
		c.lastFailure.Store(&lastFailure{code, err})
	}
	a := c.lib.fail(reservation, status, code, text)
	if a.status == ncpEinvalidconn && code != 0 {
		c.failures.get(code, true) // too late: it was given up
	}
	proc.drain()
}

// A lastFailure is for LastDialFailure.
type lastFailure struct {
	code int64
	err  error
}

func (c *core) newRecord(conn net.Conn) *record {
	rec := &record{core: c}
	rec.link.Store(c.newLink(conn))
	return rec
}

func (c *core) newLink(conn net.Conn) *link {
	nowNs := c.nowNs()
	l := &link{
		conn:      conn,
		protocol:  DetectProtocol(conn),
		ip:        DetectIPVersion(conn),
		createdAt: c.timeOf(nowNs),
		bornNs:    nowNs,
	}
	l.raw, l.fd = descriptorOf(conn)
	return l
}

func (rec *record) age() time.Duration {
	return time.Duration(rec.core.nowNs() - rec.link.Load().bornNs)
}

// descriptorOf finds the descriptor of a connection, through wrappers such as
// tls.Conn; nil and noFd when there is none.
func descriptorOf(conn net.Conn) (syscall.RawConn, int) {
	for depth := 0; depth < 8 && !isNilConn(conn); depth++ {
		if raw, fd := rawOf(conn); raw != nil {
			return raw, fd
		}
		wrapper, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = wrapper.NetConn()
	}
	return nil, noFd
}

func rawOf(conn net.Conn) (syscall.RawConn, int) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil, noFd
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, noFd
	}
	fd := noFd
	if raw.Control(func(number uintptr) { fd = int(number) }) != nil {
		return nil, noFd
	}
	return raw, fd
}

// isNilConn is true for nil and for a nil pointer of a type of package net.
func isNilConn(conn net.Conn) bool {
	switch c := conn.(type) {
	case nil:
		return true
	case *net.TCPConn:
		return c == nil
	case *net.UDPConn:
		return c == nil
	case *net.UnixConn:
		return c == nil
	}
	return false
}
