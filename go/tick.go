package netconnpool

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	tickEvery = 5 * time.Millisecond // how old the time of a tick may be
	tickTurn  = 20                   // so many are looked at together: a turn
	tickMost  = 5                    // of those so many have to be wanted
	tickAsked = 64                   // twice so often in a turn, and they begin
)

// A ticker is the time for who asks often: C's coarse clock, as of a goroutine
// that reads it while they do. Who asks now and then reads it himself.
type ticker struct {
	ns     atomic.Int64  // 0: it does not run
	wanted atomic.Bool   // since the last tick
	asked  atomic.Uint32 // while it did not run

	mu      sync.Mutex
	askedNs int64         // guarded by mu: when that was a multiple of tickAsked
	stopped chan struct{} // guarded by mu; nil: it does not run
}

var tick ticker

// now is the time of the last tick, or 0: then the clock is to be read.
func (t *ticker) now() int64 {
	ns := t.ns.Load()
	if ns == 0 {
		if t.asked.Add(1)%tickAsked == 0 {
			t.consider()
		}
		return 0
	}
	if !t.wanted.Load() {
		t.wanted.Store(true)
	}
	return ns
}

// consider begins to tick if it is asked often.
func (t *ticker) consider() {
	t.mu.Lock()
	defer t.mu.Unlock()
	nowNs := libNowNs()
	often := t.askedNs != 0 && nowNs-t.askedNs < int64(tickTurn*tickEvery)
	t.askedNs = nowNs
	if !often || t.stopped != nil {
		return
	}
	t.stopped = make(chan struct{})
	t.ns.Store(nowNs)
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
	for t.turn(stopped, timer.C) {
	}
	t.mu.Lock()
	t.stopLocked(stopped)
	t.mu.Unlock()
}

// turn is some ticks; false when there is no need of more.
func (t *ticker) turn(stopped chan struct{}, times <-chan time.Time) bool {
	wanted := 0
	for i := 0; i < tickTurn; i++ {
		select {
		case <-stopped:
			return false
		case <-times:
		}
		t.read(stopped)
		if t.wanted.Swap(false) {
			wanted++
		}
	}
	return wanted >= tickMost
}

func (t *ticker) read(run chan struct{}) {
	t.mu.Lock()
	if t.stopped == run {
		t.ns.Store(libNowNs())
	}
	t.mu.Unlock()
}
