package netconnpool

import (
	"net"
	"runtime"
	"time"
)

// A LeaseInfo is a borrow that is out.
type LeaseInfo struct {
	ConnectionID uint64
	Protocol     Protocol
	IPVersion    IPVersion
	// Age is that of the connection, Held how long it has been borrowed.
	Age  time.Duration
	Held time.Duration
	// ReuseCount is how many gets the connection served while it existed.
	ReuseCount   int64
	Tag          uint64
	Healthy      bool
	LeakDetected bool
	// Stack is the stack of the borrower, with Config.CaptureStacks.
	Stack string
}

// Leases lists what is borrowed, the oldest first.
func (p *Pool) Leases() []LeaseInfo {
	c := p.core
	leases := c.lib.leases()
	list := make([]LeaseInfo, 0, len(leases))
	for _, lease := range leases {
		if info, ok := c.leaseInfo(lease); ok {
			list = append(list, info)
		}
	}
	runtime.KeepAlive(p)
	return list
}

// leaseInfo is false for a lease that ended meanwhile.
func (c *core) leaseInfo(lease uint64) (info LeaseInfo, ok bool) {
	ask := func(what int) int64 {
		value, status := c.lib.leaseInfo(lease, what)
		ok = ok && status == ncpOk
		return value
	}
	ok = true
	info = LeaseInfo{
		ConnectionID: uint64(ask(ncpInfoId)),
		Protocol:     Protocol(ask(ncpInfoProtocol)),
		IPVersion:    IPVersion(ask(ncpInfoIp)),
		Age:          time.Duration(ask(ncpInfoAgeNs)),
		Held:         time.Duration(ask(ncpInfoBorrowedNs)),
		ReuseCount:   ask(ncpInfoReuseCount),
		Tag:          uint64(ask(ncpInfoTag)),
		Healthy:      ask(ncpInfoHealthy) != 0,
		LeakDetected: ask(ncpInfoLeakDetected) != 0,
	}
	if rec := records.get(uint64(ask(ncpInfoHandle))); rec != nil {
		if conn := rec.lastLease.Load(); conn != nil && conn.lease == lease {
			info.Stack = conn.Stack()
		}
	}
	return info, ok
}

// renew puts a new connection in the place of the one that was lent.
func (c *core) renew(conn *Connection, fresh net.Conn) error {
	l := c.newLink(fresh)
	rec := conn.rec
	status := c.lib.renew(conn.lease, rec.handle, l.fd, l.protocol, l.ip)
	if status != ncpOk {
		return statusError(status)
	}
	rec.link.Store(l)
	conn.mu.Lock()
	conn.Conn = l.conn
	conn.Protocol = l.protocol
	conn.IPVersion = l.ip
	conn.CreatedAt = l.createdAt
	conn.mu.Unlock()
	return nil
}
