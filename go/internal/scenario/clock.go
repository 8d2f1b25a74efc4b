package main

import (
	"fmt"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	ms           = uint64(time.Millisecond)
	stuckAfter   = 4 * time.Second
	lookAgain    = 20 * time.Microsecond
	patienceLate = 2
)

// What a goroutine of the runner, or a callback of the pool, does. Virtual time
// moves only while nobody is running.
type activity int

const (
	running  activity = iota
	sleeping          // until sleepDue
	calling           // inside a call of the package
	joining           // waits for other actors
	polling           // looks again whenever everything is quiet
)

var activityNames = [...]string{"running", "sleeping", "calling", "joining", "polling"}

type actor struct {
	what     string
	does     activity
	sleepDue uint64 // 0 none
	callDue  uint64 // 0 none
	looked   uint64 // the moment at which a polling actor looked
	wake     chan struct{}
}

// A timekeeper keeps the time of one case. With virtual time its conductor moves
// the clock, and only when nothing else can happen: no actor runs, every goroutine
// of the process is blocked and no event of the pools waits to be treated. It
// jumps to the next moment at which anybody wants something.
type timekeeper struct {
	manual *manualClock // nil: real time
	began  time.Time
	now    atomic.Uint64 // ns since the case began, virtual
	frames atomic.Int64  // callbacks in progress

	lock    sync.Mutex
	changed *sync.Cond
	changes uint64
	moment  uint64
	actors  map[*actor]bool
	pools   []*pool
	stopped bool
	ended   chan struct{}
}

var clock = newTimekeeper(nil)

func newTimekeeper(manual *manualClock) *timekeeper {
	t := &timekeeper{manual: manual, began: time.Now(), moment: 1,
		actors: map[*actor]bool{}, ended: make(chan struct{})}
	t.changed = sync.NewCond(&t.lock)
	return t
}

// start is called with the clock of the case in place.
func (t *timekeeper) start() {
	if t.virtual() {
		go guarded(func() string { return "conductor" }, t.conduct)
	}
}

func (t *timekeeper) stop() {
	if !t.virtual() {
		return
	}
	t.lock.Lock()
	t.stopped = true
	t.changed.Signal()
	t.lock.Unlock()
	<-t.ended
}

func (t *timekeeper) virtual() bool { return t.manual != nil }

func (t *timekeeper) nowNs() uint64 {
	if t.virtual() {
		return t.now.Load()
	}
	return uint64(time.Since(t.began))
}

func (t *timekeeper) nowMs() float64 { return float64(t.nowNs()) / float64(ms) }

func (t *timekeeper) after(amount int64) uint64 { return t.nowNs() + uint64(amount)*ms }

// ----------------------------------------------------------------------- actors

func (t *timekeeper) note() { // with the lock held
	t.changes++
	t.changed.Signal()
}

// begin makes an actor that runs; its parent calls it, so that there is no moment
// in which nobody seems to run.
func (t *timekeeper) begin(what string) *actor {
	a := &actor{what: what, wake: make(chan struct{}, 1)}
	t.lock.Lock()
	t.actors[a] = true
	t.note()
	t.lock.Unlock()
	return a
}

func (t *timekeeper) end(a *actor) {
	t.lock.Lock()
	delete(t.actors, a)
	t.note()
	t.lock.Unlock()
}

func (t *timekeeper) set(a *actor, does activity, callDue uint64) {
	t.lock.Lock()
	a.does, a.callDue = does, callDue
	t.note()
	t.lock.Unlock()
}

// call runs a call of the package that may block, for `limit` ms if that is above 0.
func (t *timekeeper) call(a *actor, limit int64, run func()) {
	due := uint64(0)
	if limit > 0 {
		due = t.after(limit)
	}
	t.set(a, calling, due)
	run()
	t.set(a, running, 0)
}

func (t *timekeeper) join(a *actor, done <-chan struct{}) {
	t.set(a, joining, 0)
	<-done
	t.set(a, running, 0)
}

// frame runs a callback of the pool.
func (t *timekeeper) frame(what string, run func(*actor)) {
	t.frames.Add(1)
	a := t.begin(what)
	run(a)
	t.end(a)
	t.frames.Add(-1)
}

// awaitFrames waits until no callback runs: what they read is written anew by the
// next case.
func (t *timekeeper) awaitFrames() {
	for t.frames.Load() != 0 {
		time.Sleep(time.Millisecond)
	}
}

func (t *timekeeper) describe() string {
	t.lock.Lock()
	defer t.lock.Unlock()
	lines := []string{}
	for a := range t.actors {
		lines = append(lines, a.what+" is "+activityNames[a.does])
	}
	sort.Strings(lines)
	for _, p := range t.pools {
		lines = append(lines, p.handle.load())
	}
	return fmt.Sprintf("at %.3f ms; %s", t.nowMs(), strings.Join(lines, "; "))
}

// ---------------------------------------------------------------------- waiting

func (t *timekeeper) sleep(a *actor, amount int64) {
	switch {
	case amount <= 0:
	case t.virtual():
		t.lock.Lock()
		a.does, a.sleepDue = sleeping, t.after(amount)
		t.note()
		t.lock.Unlock()
		<-a.wake
	default:
		time.Sleep(time.Duration(amount) * time.Millisecond)
	}
}

// settle lets everybody do what he is about to do; no time passes on a virtual
// clock.
func (t *timekeeper) settle(a *actor) {
	looks := 0
	t.wait(a, 0, func() bool { looks++; return looks > 1 || !t.virtual() })
}

// wait looks until `holds` says so or the limit passed; what it said last.
func (t *timekeeper) wait(a *actor, limit int64, holds func() bool) bool {
	due := t.after(limit)
	for {
		if holds() {
			return true
		}
		if t.nowNs() > due {
			return false
		}
		if !t.virtual() {
			time.Sleep(time.Millisecond)
			continue
		}
		t.lock.Lock()
		a.does, a.sleepDue = polling, due+1
		t.note()
		t.lock.Unlock()
		<-a.wake
	}
}

// -------------------------------------------------------------------- conductor

func (t *timekeeper) watchPool(p *pool) {
	t.lock.Lock()
	t.pools = append(t.pools, p)
	t.lock.Unlock()
}

func (t *timekeeper) forgetPool(p *pool) {
	t.lock.Lock()
	defer t.lock.Unlock()
	for i, known := range t.pools {
		if known == p {
			t.pools = append(t.pools[:i:i], t.pools[i+1:]...)
			return
		}
	}
}

func (t *timekeeper) somebodyRuns() bool {
	for a := range t.actors {
		if a.does == running {
			return true
		}
	}
	return len(t.actors) == 0
}

func (t *timekeeper) release(a *actor) { // with the lock held
	a.does, a.sleepDue = running, 0
	a.wake <- struct{}{}
}

// letLook wakes those who poll and did not look at this moment.
func (t *timekeeper) letLook() bool {
	any := false
	for a := range t.actors {
		if a.does == polling && a.looked != t.moment {
			a.looked = t.moment
			t.release(a)
			any = true
		}
	}
	return any
}

func nearer(best, due, now uint64) uint64 {
	if due > now && (best == 0 || due < best) {
		return due
	}
	return best
}

func (t *timekeeper) actorsDue() uint64 {
	best, now := uint64(0), t.now.Load()
	for a := range t.actors {
		best = nearer(best, a.sleepDue, now)
		best = nearer(best, a.callDue, now)
	}
	return best
}

// poolsDue is when the pools want to act; late when that is now.
func (t *timekeeper) poolsDue() (due uint64, late bool) {
	next, any := t.manual.next()
	dialing := int64(0)
	for _, p := range t.pools {
		dialing += int64(p.handle.dialing())
	}
	now := t.now.Load()
	if any && next <= 0 {
		late = true
	} else if any {
		due = now + uint64(next)
	}
	// A dial outside our callbacks waits for a moment that only the pool knows.
	if dialing > t.frames.Load() {
		due = nearer(due, now+ms, now)
	}
	return due, late
}

// jump moves the clock, lets the pools work, then wakes who sleeps until then.
func (t *timekeeper) jump(to uint64) {
	t.manual.advanceTo(to)
	t.now.Store(to)
	t.moment++
	for a := range t.actors {
		if a.sleepDue != 0 && a.sleepDue <= to {
			t.release(a)
		}
	}
}

// oneThing happens while everything is quiet; false when nothing can.
func (t *timekeeper) oneThing(late *int) bool {
	if t.letLook() {
		return true
	}
	due := t.actorsDue()
	poolDue, isLate := t.poolsDue()
	now := t.now.Load()
	if isLate {
		*late++
		if *late <= patienceLate {
			t.manual.advanceTo(now)
			return true
		}
		poolDue = now + ms
	}
	*late = 0
	due = nearer(due, poolDue, now)
	if due == 0 {
		return false
	}
	t.jump(due)
	return true
}

func (t *timekeeper) conduct() {
	defer close(t.ended)
	late := 0
	stuck := time.Time{}
	t.lock.Lock()
	defer t.lock.Unlock()
	for !t.stopped {
		if t.somebodyRuns() {
			stuck = time.Time{}
			t.changed.Wait()
			continue
		}
		changes := t.changes
		t.lock.Unlock()
		quiet := allBlocked()
		t.lock.Lock()
		if !quiet || changes != t.changes || t.somebodyRuns() || t.stopped {
			continue
		}
		if t.oneThing(&late) {
			stuck = time.Time{}
			continue
		}
		if stuck.IsZero() {
			stuck = time.Now()
		}
		t.lock.Unlock()
		state := t.describe()
		time.Sleep(200 * time.Microsecond)
		t.lock.Lock()
		if time.Since(stuck) > stuckAfter {
			fail("nothing can ever happen again: %s", state)
		}
	}
}
