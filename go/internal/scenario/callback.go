package main

import (
	"net"
	"sync/atomic"
)

// A call is a function of the pool that a callback may call.
type call struct {
	name  string
	inAll bool // part of "all": every one that leaves the pool usable
	run   func(a *actor, p *pool)
}

var calls = []call{
	{"stats", true, func(_ *actor, p *pool) { p.handle.counters() }},
	{"describe", true, callDescribe},
	{"leases", true, func(_ *actor, p *pool) { p.handle.leases() }},
	{"try_get_put", true, callTry},
	{"get_put", true, callGet},
	{"counts", true, callCounts},
	{"wake", true, func(_ *actor, p *pool) { p.handle.wake() }},
	{"dial_error", true, func(_ *actor, p *pool) { p.handle.dialError() }},
	{"prewarm_wait", true, func(_ *actor, p *pool) { p.handle.prewarmWait(0) }},
	{"ref", true, func(*actor, *pool) {}}, // references are the collector's
	{"resize", true, func(_ *actor, p *pool) { p.handle.resize(p.option("max_connections")) }},
	{"suspend", true, func(_ *actor, p *pool) { p.handle.suspend(); p.handle.resume() }},
	{"flush", false, func(_ *actor, p *pool) { p.handle.flush() }},
	{"close", false, func(_ *actor, p *pool) { p.handle.close() }},
}

func callDescribe(_ *actor, p *pool) {
	if p.handle.describe() == "" {
		fail("describe from a callback says nothing")
	}
}

func putWhat(p *pool, got *lease, err error) {
	if err != nil {
		return
	}
	if err := p.handle.put(got); err != nil {
		fail("put from a callback: %v", err)
	}
}

func callTry(_ *actor, p *pool) {
	got, err := p.handle.get(request{via: "try"})
	putWhat(p, got, err)
}

func callGet(a *actor, p *pool) {
	limit := int64(20)
	clock.call(a, limit, func() {
		got, err := p.handle.get(request{via: "any", timeoutMs: &limit})
		putWhat(p, got, err)
	})
}

func callCounts(_ *actor, p *pool) {
	h := p.handle
	if h.active() < 0 || h.idle() < 0 || h.waiting() < 0 || h.dialing() < 0 {
		fail("a count from a callback is negative")
	}
	h.isClosed()
}

// callPutOwn puts the connection the callback is about: it is inside the call that
// calls it.
func callPutOwn(p *pool, conn net.Conn) {
	l := adopt(conn)
	for _, lent := range stage.leasesOf(l) {
		if result := resultOf(p.handle.put(lent)); result != "INVALID_CONN" {
			fail("put of its own connection: %s", result)
		}
	}
}

// leasesOf are the leases under which a connection was ever known.
func (s *scene) leasesOf(l *link) []*lease {
	s.lock.Lock()
	defer s.lock.Unlock()
	var found []*lease
	for _, v := range s.vars {
		if v.link == l {
			found = append(found, v.lease)
		}
	}
	return found
}

func callOne(a *actor, name string, p *pool, conn net.Conn) {
	if name == "put_own" {
		callPutOwn(p, conn)
		return
	}
	known := false
	for _, c := range calls {
		meant := c.name == name || name == "all" && c.inAll
		if meant {
			c.run(a, p)
		}
		known = known || meant
	}
	if !known {
		fail("no such call from a callback: %s", name)
	}
}

// callBack calls the functions of the pool that the key `call` lists; not again
// when `done` is set, and not from a callback of such a call.
func callBack(a *actor, spec object, conn net.Conn, done *atomic.Bool) {
	names := listAt(spec, "call")
	p := stage.mainPool()
	if len(names) == 0 || p == nil {
		return
	}
	if done != nil && done.Swap(true) {
		return
	}
	if done == nil && !stage.callingBack.CompareAndSwap(false, true) {
		return
	}
	for _, name := range names {
		callOne(a, name.(string), p, conn)
	}
	if done == nil {
		stage.callingBack.Store(false)
	}
	stage.countUp("called")
}
