//go:build cgo && !netconnpool_system

package netconnpool

import (
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// laned is a pool whose lane has its time.
func laned(t testing.TB, config *Config) *Pool {
	t.Helper()
	pool := mustPool(t, config)
	if !pool.core.lane.open.Load() {
		t.Fatal("the pool has no lane")
	}
	eventually(t, "ticks", ticks)
	return pool
}

// ticks asks often for the time, and says whether there are ticks for it.
func ticks() bool {
	for i := 0; i < 3*tickAsked; i++ {
		tick.now()
	}
	return tick.now() != 0
}

func getPut(t testing.TB, pool *Pool) {
	t.Helper()
	mustPut(t, pool, mustGet(t, pool))
}

func TestAGetAndAPutCallNoC(t *testing.T) {
	pool := laned(t, plain(&factory{}, 4))
	getPut(t, pool)
	const rounds = 10 * laneSampleEvery
	before := runtime.NumCgoCall()
	for i := 0; i < rounds; i++ {
		getPut(t, pool)
		if i%laneSampleEvery == 0 {
			tick.now() // a slow machine: they must not end meanwhile
		}
	}
	// A sample is two calls; the ticks are some, and so is what else the process
	// does.
	if calls := runtime.NumCgoCall() - before; calls > rounds/4 {
		t.Fatalf("%d calls of C for %d borrows", calls, rounds)
	}
	stats := pool.Stats()
	want1(t, stats.SuccessfulGets, int64(rounds+1))
	want1(t, stats.TotalConnectionsReused, int64(rounds))
	want1(t, stats.TotalGetRequests, int64(rounds+1))
	want1(t, stats.CurrentIdleConnections, int64(1))
	want1(t, stats.CurrentActiveConnections, int64(0))
}

func TestWhichPoolsHaveALane(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*Config)
		open   bool
	}{
		"default":     {func(*Config) {}, true},
		"ten seconds": {func(c *Config) { c.IdleTimeout = 10 * time.Second }, true},
		"short idle":  {func(c *Config) { c.IdleTimeout = 9 * time.Second }, false},
		"short life":  {func(c *Config) { c.IdleTimeout, c.MaxLifetime = 0, time.Second }, false},
		"short leak":  {func(c *Config) { c.ConnectionLeakTimeout = time.Second }, false},
		"fifo":        {func(c *Config) { c.IdleOrder = IdleFIFO }, false},
		"list":        {func(c *Config) { c.Store = StoreLock }, false},
		"shards":      {func(c *Config) { c.Store = StoreSharded }, false},
		"clock":       {func(c *Config) { c.Clock = NewManualClock() }, false},
		"borrow hook": {func(c *Config) { c.OnBorrow = func(net.Conn) {} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			config := plain(&factory{}, 2)
			row.change(config)
			pool := mustPool(t, config)
			want1(t, pool.core.lane.open.Load(), row.open)
			getPut(t, pool)
			getPut(t, pool)
			want1(t, pool.Stats().SuccessfulGets, int64(2))
		})
	}
}

func TestALaneFollowsTheOptions(t *testing.T) {
	pool := laned(t, plain(&factory{}, 2))
	for _, row := range []struct {
		ms   int64
		open bool
	}{{500, false}, {0, true}, {20000, true}} {
		if err := pool.SetOption("idle_timeout", row.ms); err != nil {
			t.Fatal(err)
		}
		want1(t, pool.core.lane.open.Load(), row.open)
	}
}

// laneGet is what a get does first.
func laneGet(pool *Pool) (lease uint64, ok bool) {
	var a answer
	ok = pool.core.lane.get(&a, &want{})
	return a.lease, ok
}

// laneTakesBack is what a put does first.
func laneTakesBack(pool *Pool, lease uint64) bool {
	done, _ := pool.core.lane.put(lease)
	return done != laneNotPut
}

func TestALaneLeavesToCWhatIsNotAsUsual(t *testing.T) {
	idle := func(t *testing.T) *Pool {
		pool := laned(t, plain(&factory{}, 2))
		getPut(t, pool)
		return pool
	}
	refuses := func(t *testing.T, pool *Pool) {
		t.Helper()
		if _, ok := laneGet(pool); ok {
			t.Fatal("it was lent")
		}
	}
	t.Run("as usual", func(t *testing.T) {
		pool := idle(t)
		lease, ok := laneGet(pool)
		want1(t, ok, true)
		refuses(t, pool)
		want1(t, laneTakesBack(pool, lease+1<<laneSlotBits), false)
		want1(t, laneTakesBack(pool, lease+1), false)
		want1(t, laneTakesBack(pool, lease+laneChunkSlots), false)
		want1(t, laneTakesBack(pool, lease), true)
		want1(t, laneTakesBack(pool, lease), false)
		getPut(t, pool)
	})
	t.Run("suspended", func(t *testing.T) {
		pool := idle(t)
		want1(t, pool.Suspend(), nil)
		refuses(t, pool)
	})
	t.Run("closed", func(t *testing.T) {
		pool := idle(t)
		conn := mustGet(t, pool)
		want1(t, pool.CloseNow(), nil)
		refuses(t, pool)
		want1(t, laneTakesBack(pool, conn.lease), false)
	})
	t.Run("flushed", func(t *testing.T) {
		pool := idle(t)
		conn := mustGet(t, pool)
		want1(t, pool.Flush(), nil)
		want1(t, laneTakesBack(pool, conn.lease), false)
		mustPut(t, pool, conn)
	})
	t.Run("unhealthy", func(t *testing.T) {
		pool := idle(t)
		conn := mustGet(t, pool)
		want1(t, conn.SetHealthy(false), nil)
		want1(t, laneTakesBack(pool, conn.lease), false)
		mustPut(t, pool, conn)
	})
	t.Run("of another kind", func(t *testing.T) {
		pool := idle(t)
		var a answer
		want1(t, pool.core.lane.get(&a, &want{protocol: ProtocolUDP}), false)
		want1(t, pool.core.lane.get(&a, &want{protocol: ProtocolTCP,
			ip: IPVersionIPv4}), true)
		want1(t, laneTakesBack(pool, a.lease), true)
	})
	t.Run("tagged", func(t *testing.T) {
		pool := idle(t)
		var a answer
		want1(t, pool.core.lane.get(&a, &want{tag: 7}), false)
	})
}

// at lets a lane see a time of its own.
func at(nowNs int64, look func()) {
	tick.mu.Lock() // no tick meanwhile
	defer tick.mu.Unlock()
	old := tick.ns.Swap(nowNs)
	look()
	tick.ns.Store(old)
}

func TestALaneLendsNothingTooOld(t *testing.T) {
	config := plain(&factory{}, 2)
	config.IdleTimeout = time.Minute
	config.MaxLifetime = time.Hour
	pool := laned(t, config)
	getPut(t, pool)
	for _, row := range []struct {
		age  time.Duration
		lent bool
	}{{2 * time.Minute, false}, {2 * time.Hour, false}, {time.Second, true}} {
		var lease uint64
		var lent bool
		at(libNowNs()+int64(row.age), func() { lease, lent = laneGet(pool) })
		want1(t, lent, row.lent)
		if lent {
			want1(t, laneTakesBack(pool, lease), true)
		}
	}
}

// Gets of all kinds at once: with a tag they go through C, others by the lane, and
// more want one than there are.
func TestALaneBesideTheLongWay(t *testing.T) {
	const goroutines, rounds = 16, 3000
	f := &factory{}
	pool := laned(t, plain(f, 3))
	var all sync.WaitGroup
	for g := 0; g < goroutines; g++ {
		all.Add(1)
		go func(g int) {
			defer all.Done()
			for i := 0; i < rounds; i++ {
				conn, err := pool.GetEx(background, GetOptions{Tag: uint64(i * g % 3)})
				if err != nil {
					t.Error(err)
					return
				}
				mine := conn.Conn.(*fakeConn)
				if !mine.use() {
					t.Error("one connection for two")
				}
				if i%7 == 0 {
					runtime.Gosched()
				}
				mine.leave()
				if err := pool.Put(conn); err != nil {
					t.Error(err)
				}
			}
		}(g)
	}
	all.Wait()
	stats := pool.Stats()
	want1(t, stats.SuccessfulGets, int64(goroutines*rounds))
	want1(t, stats.CurrentActiveConnections, int64(0))
	_ = pool.Close()
	f.check(t)
}

// The latency of gets is counted by samples: all are there in the end, a sample
// for as many as it stands for.
func TestALaneCountsItsTime(t *testing.T) {
	pool := laned(t, plain(&factory{}, 1))
	for i := 0; i < 20*laneSampleEvery; i++ {
		getPut(t, pool)
	}
	if p50 := pool.Stats().GetLatencyP50; p50 <= 0 {
		t.Fatalf("the median is %v", p50)
	}
}

func TestTicksEndWithTheLastUser(t *testing.T) {
	pool := laned(t, plain(&factory{}, 1))
	getPut(t, pool)
	eventually(t, "the ticks end", func() bool { return tick.ns.Load() == 0 })
	getPut(t, pool)
	want1(t, tick.ns.Load(), int64(0)) // for one get they do not begin again
	eventually(t, "they begin again", ticks)
	want1(t, pool.Stats().SuccessfulGets, int64(2))
}
