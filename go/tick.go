package netconnpool

import (
	"sync"
	"sync/atomic"
	"time"
)

// How old the time of a tick may be, and after how many ticks that nobody looked
// at they end.
const (
	tickEvery  = 5 * time.Millisecond
	tickUnused = 20
)

// A ticker is the time for who asks often: C's coarse clock, as of a goroutine
// that reads it while somebody looks. The goroutine ends soon after.
type ticker struct {
	ns      atomic.Int64 // 0: it does not run
	wanted  atomic.Bool  // since the last tick
	mu      sync.Mutex
	stopped chan struct{} // guarded by mu; nil: it does not run
}

var tick ticker

// now is the time of the last tick, or 0 when there was none: then the clock is
// to be read, and the ticks begin.
func (t *ticker) now() int64 {
	ns := t.ns.Load()
	if ns == 0 {
		t.start()
		return 0
	}
	if !t.wanted.Load() {
		t.wanted.Store(true)
	}
	return ns
}

func (t *ticker) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped != nil {
		return
	}
	t.stopped = make(chan struct{})
	t.ns.Store(libNowNs())
	go t.run(t.stopped)
}

// stop ends the ticks; start may come again.
func (t *ticker) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopLocked(t.stopped)
}

func (t *ticker) stopLocked(run chan struct{}) {
	if run == nil || t.stopped != run {
		return
	}
	t.ns.Store(0)
	t.stopped = nil
	close(run)
}

func (t *ticker) run(stopped chan struct{}) {
	timer := time.NewTicker(tickEvery)
	defer timer.Stop()
	for unused := 0; unused < tickUnused; unused++ {
		select {
		case <-stopped:
			return
		case <-timer.C:
		}
		t.read(stopped)
		if t.wanted.Swap(false) {
			unused = 0
		}
	}
	t.mu.Lock()
	t.stopLocked(stopped)
	t.mu.Unlock()
}

func (t *ticker) read(run chan struct{}) {
	t.mu.Lock()
	if t.stopped == run {
		t.ns.Store(libNowNs())
	}
	t.mu.Unlock()
}
