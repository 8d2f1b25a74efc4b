package netconnpool

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A core is a pool without the object that the user holds: what goroutines,
// connections and tables of the package refer to, so that a Pool that is
// forgotten can be found to be garbage.
//
// Life: NewPool joins the process; after Close, when the last connection is back
// and the last dial has ended, the core leaves it (retire). C gives the memory
// back when the garbage collector finds that nobody refers to the core. So whoever
// calls C must refer to it (or to a Pool, a Connection) until C has returned.
type core struct {
	lib    libPool
	queue  libQueue
	lane   lane
	door   door
	name   string
	config Config // a copy; never changes
	clock  *ManualClock

	// Timeout of Get; changes with Set.
	getTimeoutMs atomic.Int64
	returnHooks  bool
	failsOne     atomic.Bool // dial_policy: an error is told once

	views   atomic.Int32 // Pools that refer to it
	closed  atomic.Bool
	dialing context.Context // of every dial; ends with Close
	stop    context.CancelFunc

	failures    failureTable
	lastFailure atomic.Pointer[lastFailure]
	logging     sync.Mutex // by whom the log is being written

	mu       sync.Mutex
	changed  chan struct{}        // closed and replaced by broadcast; guarded by mu
	records  map[*record]struct{} // guarded by mu
	evicted  map[uint64]*record   // whose LEAK event is to come; guarded by mu
	jobs     int                  // dials that run; guarded by mu
	closing  int                  // what others close for Close; guarded by mu
	closeErr error                // the first of Close; guarded by mu
	retired  bool                 // guarded by mu
}

func newCore(config *Config) (*core, error) {
	lib, _, err := config.compile()
	if err != nil {
		return nil, err
	}
	defer lib.free()
	c := &core{
		queue:       proc.queue,
		name:        config.Name,
		config:      *config,
		clock:       config.Clock,
		returnHooks: config.OnReturn != nil || config.ReturnHook != nil,
		changed:     make(chan struct{}),
		records:     make(map[*record]struct{}),
	}
	c.dialing, c.stop = context.WithCancel(context.Background())
	if err := c.open(lib); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// open makes the pool of C. Its first events may be there before the process
// knows it; whoever takes them out waits until it does.
func (c *core) open(config libConfig) error {
	proc.mu.Lock()
	defer proc.mu.Unlock()
	lib, status := newLibPool(config)
	if status != ncpOk {
		return statusError(status)
	}
	c.lib = lib
	c.lane.prepare(lib)
	c.lane.adjust(lib)
	timeoutMs, _ := lib.option(ncpOptionGetTimeout)
	c.getTimeoutMs.Store(timeoutMs)
	c.failsOne.Store(c.config.DialPolicy == DialFailOne)
	runtime.SetFinalizer(c, (*core).free)
	proc.joinLocked(c)
	if c.clock != nil {
		c.clock.add(c)
	}
	return nil
}

// free gives the memory of C back: nothing of Go refers to the pool any more, so
// nobody will give back what is still out.
func (c *core) free() {
	for _, lease := range c.lib.leases() {
		var r released
		c.lib.release(&r, lease, ncpFlagDiscard, libQueue{})
	}
	c.lib.free()
	proc.drain()
}

// ------------------------------------------------------------------------ signals

// wait returns a channel that is closed at the next broadcast. Look at the
// condition after it was taken.
func (c *core) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

func (c *core) broadcast() {
	c.mu.Lock()
	c.broadcastLocked()
	c.mu.Unlock()
}

func (c *core) broadcastLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// begin counts a job that keeps the core in the process; end ends it.
func (c *core) begin() {
	c.mu.Lock()
	c.jobs++
	c.mu.Unlock()
}

func (c *core) end() {
	c.mu.Lock()
	c.jobs--
	c.broadcastLocked()
	retire := c.mayRetireLocked()
	c.mu.Unlock()
	if retire {
		c.retire()
	}
}

func (c *core) mayRetireLocked() bool {
	if c.retired || !c.closed.Load() || c.jobs != 0 || len(c.records) != 0 {
		return false
	}
	c.retired = true
	return true
}

// retire ends what the process does for the pool.
func (c *core) retire() {
	if c.clock != nil {
		c.clock.remove(c)
	}
	if c.config.Logger != nil {
		go c.writeLog() // the last lines; nobody tells of them any more
	}
	proc.keeper.look(c) // it finds that nothing is due any more
	proc.leave(c)
}

// ------------------------------------------------------------------------ records

// adopt counts a record among those of the pool.
func (c *core) adopt(rec *record) {
	c.mu.Lock()
	c.records[rec] = struct{}{}
	c.mu.Unlock()
}

// forget ends the membership of a record that is out of the table.
func (c *core) forget(rec *record) {
	c.mu.Lock()
	delete(c.records, rec)
	c.broadcastLocked()
	retire := c.mayRetireLocked()
	c.mu.Unlock()
	if retire {
		c.retire()
	}
}

// --------------------------------------------------------------------------- time

// nowNs is the time on the pool's clock; coarse, monotonic.
func (c *core) nowNs() int64 {
	if c.clock != nil {
		return c.clock.nowNs()
	}
	return libNowNs()
}

// timeOf turns it into a time. With a clock of its own the pool counts from the
// epoch.
func (c *core) timeOf(ns int64) time.Time {
	if c.clock != nil {
		return time.Unix(0, ns)
	}
	return timeOfMonotonic(ns)
}

// since is how long ago that was; a few milliseconds coarse.
func (c *core) since(at time.Time) time.Duration {
	if d := c.timeOf(c.nowNs()).Sub(at); d > 0 {
		return d
	}
	return 0
}

// A timeBase ties the monotonic clock to the time of day.
type timeBase struct {
	at time.Time
	ns int64
}

// How long a timeBase is used: after that the time of day may have been set.
const timeBaseAge = int64(10 * time.Second)

var lastTimeBase atomic.Pointer[timeBase]

// timeOfMonotonic has a monotonic reading, so differences hold whatever is done
// to the time of day.
func timeOfMonotonic(ns int64) time.Time {
	base := lastTimeBase.Load()
	if base == nil || ns-base.ns > timeBaseAge {
		base = &timeBase{time.Now(), libNowNs()}
		lastTimeBase.Store(base)
	}
	return base.at.Add(time.Duration(ns - base.ns))
}
