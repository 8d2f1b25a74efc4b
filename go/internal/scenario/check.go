package main

import (
	"fmt"
	"sync"
)

var snapshotTurn sync.Mutex

// Counters that never decrease.
var cumulative = []string{"created", "closed", "total", "successful", "failed", "timeout",
	"hc_attempts", "hc_failures", "unhealthy", "connection_errors", "leaked", "evicted",
	"reused", "canceled", "detached", "total_get_time", "max_get_time", "breaker_trips"}

func invariant(keeps bool, what string, values map[string]uint64) {
	if !keeps {
		fail("invariant %s is broken: %v", what, values)
	}
}

func checkSums(s map[string]uint64) {
	invariant(s["created"]-s["closed"] == s["current"], "I1 (created - closed = current)", s)
	invariant(s["idle"]+s["active"] == s["current"], "I2 (idle + active = current)", s)
	invariant(s["tcp"]+s["udp"] <= s["current"] && s["ipv4"]+s["ipv6"] <= s["current"],
		"I3 (parts of current)", s)
	invariant(s["tcp_idle"]+s["udp_idle"] <= s["idle"] &&
		s["ipv4_idle"]+s["ipv6_idle"] <= s["idle"], "I3 (parts of idle)", s)
	invariant(s["total"] == s["successful"]+s["failed"]+s["timeout"]+s["in_flight"],
		"I4 (total = successful + failed + timeout + in flight)", s)
	invariant(s["successful"] >= s["reused"], "I5 (successful >= reused)", s)
	for name, value := range s {
		invariant(int64(value) >= 0, "I8 (the counter "+name+" is negative)", s)
	}
	invariant(s["p50_get_time"] <= s["p95_get_time"] && s["p95_get_time"] <= s["p99_get_time"],
		"I9 (p50 <= p95 <= p99)", s)
}

func (p *pool) checkLimits(s map[string]uint64) {
	if p.resized.Load() {
		return
	}
	max, maxIdle := uint64(p.option("max_connections")), uint64(p.option("max_idle_connections"))
	invariant(max == 0 || s["current"]+s["dialing"] <= max, "I6 (current + dialing <= max)", s)
	invariant(s["idle"] <= maxIdle, "I6 (idle <= max_idle)", s)
}

// checkCumulative is I7. It compares with the snapshot before, which is only
// meaningful when snapshots are taken one after the other.
func checkCumulative(s map[string]uint64) {
	before := stage.lastStats
	for _, name := range cumulative {
		if _, known := s[name]; !known {
			fail("the library has no counter %s", name)
		}
		invariant(before == nil || s[name] >= before[name],
			"I7 (the cumulative counter "+name+" went down)", s)
	}
	stage.lastStats = s
}

// checkInvariants is STAT-2, on one snapshot.
func checkInvariants(p *pool) {
	if p.freed || !p.made.Load() || p.option("stats") == 0 {
		return
	}
	snapshotTurn.Lock()
	defer snapshotTurn.Unlock()
	values := p.handle.counters()
	checkSums(values)
	p.checkLimits(values)
	if p == stage.pools[0] {
		checkCumulative(values)
	}
	counted()
}

// -------------------------------------------------------------- after the steps

func checkEvents(wanted []any, got []string) {
	for i, name := range wanted {
		if i >= len(got) {
			fail("event %d is missing: %s", i, name)
		}
		if got[i] != name {
			fail("event %d is %s, expected %s", i, got[i], name)
		}
		counted()
	}
	if len(got) > len(wanted) {
		fail("one event too many: %s", got[len(wanted)])
	}
}

func checkOrder(wanted []any, got []int) {
	counted()
	if fmt.Sprint(wanted) != fmt.Sprint(got) {
		fail("the turns were %v, expected %s", got, shown(wanted))
	}
}

func (s *scene) checkThen() {
	checkFacts(s.doc, everybody)
	s.lock.Lock()
	defer s.lock.Unlock()
	if has(s.doc, "events") {
		checkEvents(listAt(s.doc, "events"), s.events)
	}
	if has(s.doc, "order") {
		checkOrder(listAt(s.doc, "order"), s.order)
	}
}
