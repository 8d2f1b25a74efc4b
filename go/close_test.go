package netconnpool

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestCloseClosesWhatIsIdleAndLeavesTheRest(t *testing.T) {
	f := &factory{}
	pool := mustPool(t, plain(f, 3))
	held := mustGet(t, pool)
	first, second := mustGet(t, pool), mustGet(t, pool)
	mustPut(t, pool, first)
	mustPut(t, pool, second)
	want1(t, pool.Close(), nil)
	want1(t, first.Conn.(*fakeConn).closes.Load(), int32(1))
	want1(t, second.Conn.(*fakeConn).closes.Load(), int32(1))
	want1(t, held.Conn.(*fakeConn).closed(), false)
	_, err := pool.Get(background)
	want1(t, err, ErrPoolClosed)
	mustPut(t, pool, held)
	f.check(t)
	stats := pool.Stats()
	want1(t, stats.CurrentConnections, int64(0))
	want1(t, stats.TotalConnectionsClosed, int64(3))
	want1(t, pool.Close(), nil)
}

func TestCloseWakesEveryWaiter(t *testing.T) {
	pool := mustPool(t, plain(nil2(), 1))
	held := mustGet(t, pool)
	const waiters = 100
	results := make(chan error, waiters)
	for i := 0; i < waiters; i++ {
		go func() {
			_, err := pool.Get(background)
			results <- err
		}()
	}
	eventually(t, "they wait", func() bool { return pool.WaitingCount() == waiters })
	_ = pool.Close()
	for i := 0; i < waiters; i++ {
		want1(t, <-results, ErrPoolClosed)
	}
	mustPut(t, pool, held)
}

func TestCloseEndsDials(t *testing.T) {
	config := plain(nil2(), 1)
	config.Dialer = func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	pool := mustPool(t, config)
	done := make(chan error)
	go func() {
		_, err := pool.Get(background)
		done <- err
	}()
	eventually(t, "it dials", func() bool { return pool.DialingCount() == 1 })
	_ = pool.Close()
	want1(t, <-done, ErrPoolClosed)
}

func TestCloseNowTakesWhatIsBorrowed(t *testing.T) {
	f := &factory{}
	pool := mustPool(t, plain(f, 2))
	held := mustGet(t, pool)
	want1(t, pool.CloseNow(), nil)
	eventually(t, "it is closed", func() bool {
		return held.Conn.(*fakeConn).closed()
	})
	want1(t, pool.Put(held), nil)
	f.check(t)
}

func TestCloseWaitWaitsForTheLast(t *testing.T) {
	pool := mustPool(t, plain(nil2(), 1))
	held := mustGet(t, pool)
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	want1(t, pool.CloseWait(ctx), ErrGetConnectionTimeout)
	done := make(chan error)
	go func() { done <- pool.CloseWait(background) }()
	mustPut(t, pool, held)
	want1(t, <-done, nil)
}

func TestDrainTakesAwayWhatDoesNotComeBack(t *testing.T) {
	f := &factory{}
	pool := mustPool(t, plain(f, 1))
	held := mustGet(t, pool)
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	want1(t, pool.Drain(ctx), ErrGetConnectionTimeout)
	eventually(t, "it is closed", func() bool {
		return held.Conn.(*fakeConn).closed()
	})
	want1(t, pool.Put(held), nil)
}

func TestASuspendedPoolLendsNothing(t *testing.T) {
	pool := mustPool(t, plain(nil2(), 1))
	mustPut(t, pool, mustGet(t, pool))
	want1(t, pool.Suspend(), nil)
	_, err := pool.GetWithTimeout(background, 20*time.Millisecond)
	want1(t, err, ErrGetConnectionTimeout)
	done := make(chan error)
	go func() {
		conn, err := pool.Get(background)
		_ = pool.Put(conn)
		done <- err
	}()
	eventually(t, "it waits", func() bool { return pool.WaitingCount() == 1 })
	want1(t, pool.Resume(), nil)
	want1(t, <-done, nil)
}

func TestResizeServesAndShrinks(t *testing.T) {
	f := &factory{}
	pool := mustPool(t, plain(f, 1))
	held := mustGet(t, pool)
	done := make(chan *Connection)
	go func() {
		conn, _ := pool.Get(background)
		done <- conn
	}()
	eventually(t, "it waits", func() bool { return pool.WaitingCount() == 1 })
	want1(t, pool.Resize(2), nil)
	second := <-done
	want1(t, pool.Resize(1), nil)
	mustPut(t, pool, held)
	mustPut(t, pool, second)
	want1(t, pool.IdleCount(), 1)
	want1(t, errors.Is(pool.Resize(-1), ErrInvalidConfig), true)
	want1(t, pool.Flush(), nil)
	eventually(t, "nothing is idle", func() bool { return pool.IdleCount() == 0 })
	_ = pool.Close()
	want1(t, pool.Flush(), ErrPoolClosed)
}

func TestAClosedPoolLeavesNoGoroutine(t *testing.T) {
	eventually(t, "other tests' are gone", func() bool { return ours() == 0 })
	for round := 0; round < 20; round++ {
		f := &factory{}
		config := DefaultConfig()
		config.Dialer = f.dial
		pool := mustPool(t, config)
		mustPut(t, pool, mustGet(t, pool))
		held := mustGet(t, pool)
		_ = pool.Close()
		mustPut(t, pool, held)
	}
	eventually(t, "no goroutine is left", func() bool { return ours() == 0 })
	eventually(t, "the process knows no pool", func() bool {
		proc.mu.RLock()
		defer proc.mu.RUnlock()
		return len(proc.cores) == 0
	})
}

func TestManyPoolsAtOnce(t *testing.T) {
	var group sync.WaitGroup
	for g := 0; g < 8; g++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < 40; i++ {
				f := &factory{}
				config := DefaultConfig()
				config.Dialer = f.dial
				pool, err := NewPool(config)
				if err != nil {
					t.Error(err)
					return
				}
				if conn, err := pool.Get(background); err != nil {
					t.Error(err)
				} else if err := pool.Put(conn); err != nil {
					t.Error(err)
				}
				if err := pool.Close(); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
}

// ------------------------------------------------------------------------- garbage

// collect runs the garbage collector until something holds.
func collect(t *testing.T, what string, holds func() bool) {
	t.Helper()
	eventually(t, what, func() bool {
		runtime.GC()
		return holds()
	})
}

func TestAForgottenPoolIsClosed(t *testing.T) {
	f := &factory{}
	func() {
		config := plain(f, 2)
		pool, err := NewPool(config)
		if err != nil {
			t.Fatal(err)
		}
		mustPut(t, pool, mustGet(t, pool))
	}()
	collect(t, "its connection is closed", func() bool { return f.made[0].closed() })
	collect(t, "no goroutine is left", func() bool { return ours() == 0 })
}

func TestABorrowerOutlivesAForgottenPool(t *testing.T) {
	f := &factory{}
	conn := func() *Connection {
		pool, err := NewPool(plain(f, 1))
		if err != nil {
			t.Fatal(err)
		}
		return mustGet(t, pool)
	}()
	for i := 0; i < 5; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	want1(t, f.made[0].closed(), false)
	want1(t, conn.Close(), nil)
	want1(t, f.made[0].closes.Load(), int32(1))
}

func TestALostConnectionOfAClosedPoolIsClosed(t *testing.T) {
	f := &factory{}
	pool := mustPool(t, plain(f, 1))
	func() { _ = mustGet(t, pool) }()
	_ = pool.Close()
	collect(t, "it is closed", func() bool { return f.made[0].closed() })
	eventually(t, "it is counted", func() bool {
		return pool.Stats().CurrentConnections == 0
	})
	f.check(t)
}

func TestALostConnectionThatLeakedComesBack(t *testing.T) {
	clock := NewManualClock()
	f := &factory{}
	config := plain(f, 1)
	config.Clock = clock
	config.LeakEvictMultiplier = -1 // never taken away
	pool := mustPool(t, config)
	func() { _ = mustGet(t, pool) }()
	clock.Advance(2 * config.ConnectionLeakTimeout)
	eventually(t, "it is noticed", func() bool {
		return pool.Stats().LeakedConnections == 1
	})
	collect(t, "its place is free", func() bool { return pool.ActiveCount() == 0 })
	mustPut(t, pool, mustGet(t, pool))
}
