package netconnpool

import (
	"container/heap"
	"sync"
	"time"
)

// The keeper is the one goroutine that looks at the clock for all pools: it
// calls ncp_pool_work when ncp_pool_next_due_ms says so, and C says (DUE) when
// that became earlier. A pool with a ManualClock has no timer: its work is done
// as soon as it is due on that clock.
type keeper struct {
	mu      sync.Mutex
	dirty   map[*core]struct{} // guarded by mu: to be asked again
	bell    chan struct{}      // holds one when there is something to do
	running bool               // guarded by mu
	stopped bool               // guarded by mu: no pools are left

	// the goroutine's own
	alarms alarms
	at     map[*core]*alarm
}

// An alarm is when a pool is due.
type alarm struct {
	core  *core
	when  time.Time
	index int
}

// start makes sure that there is a keeper.
func (k *keeper) start() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = false
	if k.running {
		return
	}
	if k.bell == nil {
		k.bell = make(chan struct{}, 1)
		k.dirty = make(map[*core]struct{})
	}
	k.running = true
	k.at = make(map[*core]*alarm)
	go k.keep()
}

// stop ends the keeper; start may come again.
func (k *keeper) stop() {
	k.mu.Lock()
	k.stopped = true
	k.mu.Unlock()
	k.ring()
}

func (k *keeper) ring() {
	select {
	case k.bell <- struct{}{}:
	default:
	}
}

// look has a pool asked when it is due.
func (k *keeper) look(c *core) {
	k.mu.Lock()
	k.dirty[c] = struct{}{}
	k.mu.Unlock()
	k.ring()
}

func (k *keeper) keep() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		k.ringPast()
		dirty, ended := k.takeDirty()
		if ended {
			return
		}
		for c := range dirty {
			k.ask(c)
		}
		if len(dirty) != 0 {
			continue // what that took may have made others due
		}
		k.sleep(timer)
	}
}

func (k *keeper) takeDirty() (dirty map[*core]struct{}, ended bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		k.running = false
		k.dirty = make(map[*core]struct{})
		k.at, k.alarms = nil, nil // the next one begins under this lock
		return nil, true
	}
	if len(k.dirty) == 0 {
		return nil, false
	}
	dirty, k.dirty = k.dirty, make(map[*core]struct{})
	return dirty, false
}

// ask does what is due now and notes when it is due next.
func (k *keeper) ask(c *core) {
	dueMs := c.lib.nextDueMs()
	for round := 0; dueMs == 0 && round < 2; round++ {
		c.lib.work()
		proc.drain()
		dueMs = c.lib.nextDueMs()
	}
	if dueMs < 0 || c.clock != nil || c.gone() {
		k.cancel(c)
		return
	}
	k.schedule(c, time.Now().Add(fromMs(dueMs)))
}

// gone says that a pool has nothing left that could be due.
func (c *core) gone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.retired
}

func (k *keeper) schedule(c *core, when time.Time) {
	if a := k.at[c]; a != nil {
		a.when = when
		heap.Fix(&k.alarms, a.index)
		return
	}
	a := &alarm{core: c, when: when}
	k.at[c] = a
	heap.Push(&k.alarms, a)
}

func (k *keeper) cancel(c *core) {
	if a := k.at[c]; a != nil {
		heap.Remove(&k.alarms, a.index)
		delete(k.at, c)
	}
}

// ringPast asks the pools whose time has come.
func (k *keeper) ringPast() {
	now := time.Now()
	for len(k.alarms) != 0 && !k.alarms[0].when.After(now) {
		k.ask(k.alarms[0].core)
	}
}

func (k *keeper) sleep(timer *time.Timer) {
	if !timer.Stop() {
		select {
		case <-timer.C:
		default:
		}
	}
	if len(k.alarms) == 0 {
		<-k.bell
		return
	}
	timer.Reset(time.Until(k.alarms[0].when))
	select {
	case <-k.bell:
	case <-timer.C:
	}
}

// alarms is a heap, the next one first.
type alarms []*alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].when.Before(a[j].when) }
func (a alarms) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

// Push is for package heap.
func (a *alarms) Push(x interface{}) {
	item := x.(*alarm)
	item.index = len(*a)
	*a = append(*a, item)
}

// Pop is for package heap.
func (a *alarms) Pop() interface{} {
	last := len(*a) - 1
	item := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	return item
}
