package main

import (
	"net"
	"sync/atomic"
	"time"
)

const (
	endLimit  = 600000 // ms on the clock of the case
	goneLimit = 3 * time.Second
)

// A pool of a case.
type pool struct {
	name     string
	config   *config // nil for no configuration at all
	handle   *handle // nil while it is not made, or was refused
	listener net.Listener
	made     atomic.Bool
	freed    bool
	resized  atomic.Bool
}

// mainPool is nil until it is made.
func (s *scene) mainPool() *pool {
	if len(s.pools) == 0 || !s.pools[0].made.Load() {
		return nil
	}
	return s.pools[0]
}

func (p *pool) option(name string) int64 {
	value, err := p.handle.option(name)
	if err != nil {
		fail("the option %s cannot be read: %v", name, err)
	}
	return value
}

// ---------------------------------------------------------------------- set up

func isNone(value any) bool { return value == "none" }

func (s *scene) giveDialers(p *pool, server bool) {
	if spec, said := s.doc["acceptor"]; said {
		if s.acceptor == nil {
			s.acceptor = newDialer(spec.(object), "accept")
		}
		p.config.setAcceptor(s.acceptor)
	}
	if server || isNone(s.doc["dial"]) {
		return
	}
	if s.dialer == nil {
		s.dialer = newDialer(s.doc["dial"].(object), "dial")
	}
	p.config.setDialer(s.dialer)
}

func (s *scene) giveHooks(p *pool) {
	if s.hooks == nil {
		for name, spec := range objectAt(s.doc, "hooks") {
			s.hooks = append(s.hooks, newHook(name, spec.(object)))
		}
	}
	for _, h := range s.hooks {
		p.config.setHook(h)
		s.closesBySelf = s.closesBySelf || h.name == "close_conn"
	}
}

func (p *pool) giveListener(doc object) {
	if isNone(doc["listener"]) {
		return
	}
	p.listener = must(net.Listen("tcp4", "127.0.0.1:0"))
	p.config.setListener(p.listener)
}

func isServer(options object) bool { return textAt(options, "mode", "client") == "server" }

func (p *pool) checkEffective(wanted object) {
	for name, bound := range wanted {
		checkBound(bound, float64(p.option(name)), name)
		checkBound(bound, float64(p.config.number(name)), name+" of the caller")
	}
}

func (s *scene) makePool(a *actor, name string, options any) {
	p := &pool{name: name}
	s.pools = append(s.pools, p)
	if given, ok := options.(object); ok {
		p.config = newConfig(given)
		s.giveDialers(p, isServer(given))
		s.giveHooks(p)
		if isServer(given) {
			p.giveListener(s.doc)
		}
	}
	begin := clock.nowMs()
	var err error
	clock.call(a, 0, func() { p.handle, err = newHandle(p.config) })
	result, wanted := resultOf(err), textAt(s.doc, "new", "OK")
	if result != wanted {
		fail("new: %s (%v), expected %s", result, err, wanted)
	}
	counted()
	if within, said := s.doc["new_within_ms"]; said {
		checkBound(within, clock.nowMs()-begin, "the time of new")
	}
	if err != nil {
		p.checkRefused(err)
		return
	}
	p.made.Store(true)
	clock.watchPool(p)
	p.checkEffective(objectAt(s.doc, "effective"))
}

func (p *pool) checkRefused(err error) {
	if p.handle != nil {
		fail("a pool that was refused is there")
	}
	p.freed = true
	if p.config != nil && p.config.reason() == "" {
		fail("a configuration was refused without a reason: %v", err)
	}
}

func (s *scene) makePools(a *actor) {
	s.makePool(a, "main", s.doc["config"])
	for name, options := range objectAt(s.doc, "pools") {
		s.makePool(a, name, options)
	}
}

// ------------------------------------------------------------------- take down

func (s *scene) endLeases(a *actor) {
	for _, v := range s.vars {
		if !v.out {
			continue
		}
		v.back()
		var err error
		clock.call(a, 0, func() { err = v.pool.handle.put(v.lease) })
		if resultOf(err) == "INVALID_CONN" {
			fail("the lease %s, out till the end, is unknown to the pool", v.name)
		}
	}
}

func allZero(p *pool) bool {
	values := p.handle.counters()
	for _, name := range []string{"current", "idle", "active", "ipv4", "ipv6", "ipv4_idle",
		"ipv6_idle", "tcp", "udp", "tcp_idle", "udp_idle"} {
		if values[name] != 0 {
			return false
		}
	}
	return values["created"] == values["closed"]
}

// end is CLOSE-6: after everything is back and closed nothing is left.
func (p *pool) end(a *actor) {
	if p.freed {
		return
	}
	clock.call(a, 0, func() { p.handle.close() })
	if !clock.wait(a, endLimit, func() bool { return allZero(p) }) {
		fail("pool %s is closed, all is back, its counters are not zero: %v", p.name,
			p.handle.counters())
	}
	counted()
	p.free(a)
}

// free lets go of a pool. References are the collector's in this language, so it
// is closed here and then nobody's.
func (p *pool) free(a *actor) {
	p.freed = true
	clock.forgetPool(p)
	clock.call(a, 0, func() { p.handle.close() })
}

func (s *scene) isGone(l *link) bool {
	if l.ours.Load() {
		return true
	}
	if s.closesBySelf {
		return l.closes.Load() == 1
	}
	return !l.isOpen()
}

// allGone is true when no callback runs or will run either.
func (s *scene) allGone() bool {
	for _, l := range allLinks() {
		if !s.isGone(l) {
			return false
		}
	}
	for _, p := range s.pools {
		if p.handle != nil && p.handle.dialing() != 0 {
			return false
		}
	}
	return clock.frames.Load() == 0
}

func (s *scene) checkLinksGone(a *actor) {
	clock.wait(a, endLimit, s.allGone)
	for _, l := range allLinks() {
		if !s.isGone(l) {
			fail("connection %d is not closed after the pool is gone", l.index)
		}
		if l.ours.Load() && l.closes.Load() != 0 {
			fail("connection %d was given away and closed all the same", l.index)
		}
		if l.ours.Load() && l.isOpen() {
			l.conn.Close()
		}
	}
	counted()
}

func (s *scene) end(a *actor) {
	s.endLeases(a)
	for _, p := range s.pools {
		p.end(a)
	}
	s.checkLinksGone(a)
	for _, p := range s.pools {
		if p.listener != nil {
			p.listener.Close()
		}
	}
	forgetLinks()
}
