package netconnpool

import (
	"context"
	"runtime"
	"sort"
	"sync"
	"time"
)

// A ManualClock stands still until it is moved; for tests of programs that use
// pools. Give it to Config.Clock: nothing in those pools passes then but what
// Advance lets pass. The deadline of a context is real time all the same; see
// WithTimeout.
//
// It begins at 0, which is the Unix epoch in the times of a Connection.
type ManualClock struct {
	lib libClock

	mu     sync.Mutex
	now    time.Duration             // guarded by mu
	cores  map[*core]struct{}        // guarded by mu
	timers map[*manualTimer]struct{} // guarded by mu
	order  uint64                    // guarded by mu
}

type manualTimer struct {
	when  time.Duration
	order uint64
	fire  func()
}

// A clock of C must not stand at 0, which stands for "never" in places.
const clockEpochNs = 1

// NewManualClock makes a clock that stands at 0. Without cgo it moves, but no
// pool can use it.
func NewManualClock() *ManualClock {
	clock := &ManualClock{
		cores:  make(map[*core]struct{}),
		timers: make(map[*manualTimer]struct{}),
	}
	if cgoEnabled {
		clock.lib = newLibClock(clockEpochNs)
		// Pools that use it refer to it, so they are gone before it is.
		runtime.SetFinalizer(clock, func(c *ManualClock) { c.lib.free() })
	}
	return clock
}

// Now is how far the clock was moved.
func (m *ManualClock) Now() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *ManualClock) nowNs() int64 { return int64(m.Now()) }

// Advance moves the clock forward and lets its pools do what is due: expire,
// check, time out. Dialers, checks and hooks run on goroutines of their own, so
// they may not have ended when it returns.
func (m *ManualClock) Advance(d time.Duration) {
	if d < 0 {
		panic("netconnpool: a clock does not go back")
	}
	m.mu.Lock()
	m.now += d
	if cgoEnabled {
		m.lib.set(uint64(m.now) + clockEpochNs)
	}
	due := m.takeDueLocked()
	cores := m.coresLocked()
	m.mu.Unlock()
	for _, timer := range due {
		timer.fire()
	}
	for _, c := range cores {
		c.tick()
	}
}

// tick does what is due on a clock that was moved.
func (c *core) tick() {
	c.lib.wake()
	for round := 0; round < 16 && c.lib.nextDueMs() == 0; round++ {
		c.lib.work()
		proc.drain()
	}
	runtime.KeepAlive(c)
	proc.drain()
}

func (m *ManualClock) takeDueLocked() []*manualTimer {
	var due []*manualTimer
	for timer := range m.timers {
		if timer.when <= m.now {
			due = append(due, timer)
			delete(m.timers, timer)
		}
	}
	sort.Slice(due, func(i, j int) bool {
		if due[i].when != due[j].when {
			return due[i].when < due[j].when
		}
		return due[i].order < due[j].order
	})
	return due
}

func (m *ManualClock) coresLocked() []*core {
	cores := make([]*core, 0, len(m.cores))
	for c := range m.cores {
		cores = append(cores, c)
	}
	return cores
}

// Next is how far the clock has to be moved until anything is due in its pools
// or of what WithTimeout made; false when nothing ever is.
func (m *ManualClock) Next() (time.Duration, bool) {
	m.mu.Lock()
	next := time.Duration(-1)
	for timer := range m.timers {
		next = sooner(next, timer.when-m.now)
	}
	cores := m.coresLocked()
	m.mu.Unlock()
	for _, c := range cores {
		if dueMs := c.lib.nextDueMs(); dueMs >= 0 {
			next = sooner(next, fromMs(dueMs))
		}
		runtime.KeepAlive(c)
	}
	return next, next >= 0
}

func sooner(a, b time.Duration) time.Duration {
	if b < 0 {
		b = 0
	}
	if a < 0 || b < a {
		return b
	}
	return a
}

// AfterFunc calls a function when the clock was moved by d, on the goroutine of
// Advance. stop takes it back.
func (m *ManualClock) AfterFunc(d time.Duration, call func()) (stop func()) {
	return m.afterFunc(d, call)
}

func (m *ManualClock) afterFunc(d time.Duration, call func()) func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.order++
	timer := &manualTimer{m.now + d, m.order, call}
	if d <= 0 {
		go call()
		return func() {}
	}
	m.timers[timer] = struct{}{}
	return func() {
		m.mu.Lock()
		delete(m.timers, timer)
		m.mu.Unlock()
	}
}

func (m *ManualClock) add(c *core) {
	m.mu.Lock()
	m.cores[c] = struct{}{}
	m.mu.Unlock()
}

func (m *ManualClock) remove(c *core) {
	m.mu.Lock()
	delete(m.cores, c)
	m.mu.Unlock()
}

// WithTimeout returns a context that ends with context.DeadlineExceeded when the
// clock was moved by d.
func (m *ManualClock) WithTimeout(parent context.Context, d time.Duration) (
	context.Context, context.CancelFunc) {
	inner, cancel := context.WithCancel(parent)
	ctx := &manualContext{Context: inner}
	stop := m.afterFunc(d, func() {
		ctx.expire()
		cancel()
	})
	return ctx, func() {
		stop()
		cancel()
	}
}

// A manualContext is a cancelled context that says it has expired.
type manualContext struct {
	context.Context
	mu      sync.Mutex
	expired bool
}

func (c *manualContext) expire() {
	c.mu.Lock()
	c.expired = c.Context.Err() == nil
	c.mu.Unlock()
}

// Err is context.DeadlineExceeded when the clock ended it.
func (c *manualContext) Err() error {
	err := c.Context.Err()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && c.expired {
		return context.DeadlineExceeded
	}
	return err
}
