package netconnpool

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

func clocked(f *factory, max int) (*Config, *ManualClock) {
	clock := NewManualClock()
	config := plain(f, max)
	config.Clock = clock
	return config, clock
}

func TestTimeoutsPassOnAManualClock(t *testing.T) {
	config, clock := clocked(nil2(), 1)
	config.ConnectionLeakTimeout = 0
	pool := mustPool(t, config)
	held := mustGet(t, pool)
	done := make(chan error)
	go func() {
		_, err := pool.GetWithTimeout(background, time.Hour)
		done <- err
	}()
	eventually(t, "it waits", func() bool { return pool.WaitingCount() == 1 })
	next, ok := clock.Next()
	if !ok || next > time.Hour {
		t.Fatal(next, ok)
	}
	clock.Advance(time.Hour - time.Millisecond)
	want1(t, pool.WaitingCount(), 1)
	clock.Advance(2 * time.Millisecond)
	want1(t, <-done, ErrGetConnectionTimeout)
	mustPut(t, pool, held)
	want1(t, held.GetAge(), time.Hour+time.Millisecond)
}

func TestIdleConnectionsExpireOnAManualClock(t *testing.T) {
	f := &factory{}
	config, clock := clocked(f, 2)
	pool := mustPool(t, config)
	conn := mustGet(t, pool)
	want1(t, conn.GetIdleTime(), time.Duration(0))
	mustPut(t, pool, conn)
	clock.Advance(time.Minute)
	want1(t, conn.GetIdleTime(), time.Minute)
	want1(t, conn.IsIdleTooLong(time.Second), true)
	clock.Advance(config.IdleTimeout + config.CleanupInterval + time.Minute)
	eventually(t, "it is closed", f.allClosed)
	want1(t, pool.IdleCount(), 0)
}

func TestLeaksAreToldOnceThenEvicted(t *testing.T) {
	leaks := make(chan Leak, 10)
	f := &factory{}
	config, clock := clocked(f, 1)
	config.CaptureStacks = true
	config.OnLeak = func(leak Leak) { leaks <- leak }
	pool := mustPool(t, config)
	conn, err := pool.GetEx(background, GetOptions{Tag: 7})
	want1(t, err, nil)
	clock.Advance(config.ConnectionLeakTimeout + config.LeakDetectionInterval +
		time.Second)
	first := <-leaks
	want1(t, first.Conn, conn.Conn)
	want1(t, first.Tag, uint64(7))
	want1(t, first.Evicted, false)
	if first.Stack == "" || first.Held < config.ConnectionLeakTimeout {
		t.Errorf("%+v", first)
	}
	want1(t, conn.IsLeakDetected(), true)
	want1(t, pool.Leases()[0].LeakDetected, true)
	clock.Advance(2 * config.ConnectionLeakTimeout)
	second := <-leaks
	want1(t, second.Evicted, true)
	want1(t, second.Conn, conn.Conn)
	eventually(t, "it is closed", f.allClosed)
	want1(t, pool.Put(conn), ErrConnectionLeaked)
	want1(t, pool.Put(conn), ErrInvalidConnection)
	stats := pool.Stats()
	want1(t, stats.LeakedConnections, int64(1))
	want1(t, stats.EvictedConnections, int64(1))
	f.check(t)
}

func TestDialsEndOnAManualClock(t *testing.T) {
	config, clock := clocked(nil2(), 1)
	began := make(chan struct{})
	config.Dialer = func(ctx context.Context) (net.Conn, error) {
		close(began)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	pool := mustPool(t, config)
	done := make(chan error)
	go func() {
		_, err := pool.GetWithTimeout(background, -1)
		done <- err
	}()
	<-began
	clock.Advance(config.ConnectionTimeout)
	// The pool and the dialer see it at the same time.
	if err := <-done; err != ErrDial && err != context.DeadlineExceeded {
		t.Fatal(err)
	}
}

func TestHealthChecksComeOnAManualClock(t *testing.T) {
	var healthy atomic.Bool
	healthy.Store(true)
	f := &factory{}
	config, clock := clocked(f, 1)
	config.EnableHealthCheck = true
	config.HealthChecker = func(net.Conn) bool { return healthy.Load() }
	pool := mustPool(t, config)
	mustPut(t, pool, mustGet(t, pool))
	clock.Advance(config.HealthCheckInterval + time.Second)
	eventually(t, "it was checked", func() bool {
		return pool.Stats().HealthCheckAttempts == 1 && pool.IdleCount() == 1
	})
	conn, err := pool.TryGet(background)
	want1(t, err, nil)
	want1(t, conn.LastHealthCheckAt.IsZero(), false)
	mustPut(t, pool, conn)
	healthy.Store(false)
	clock.Advance(config.HealthCheckInterval + time.Second)
	eventually(t, "it is closed", f.allClosed)
	want1(t, pool.Stats().UnhealthyConnections, int64(1))
}

func TestAChecksForBorrowMayNotHang(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	var hangs atomic.Bool
	config, clock := clocked(nil2(), 1)
	config.CheckOnBorrow = true
	config.HealthChecker = func(net.Conn) bool {
		if hangs.Load() {
			<-release
		}
		return true
	}
	pool := mustPool(t, config)
	mustPut(t, pool, mustGet(t, pool))
	mustPut(t, pool, mustGet(t, pool))
	hangs.Store(true)
	done := make(chan error)
	go func() {
		conn, err := pool.GetWithTimeout(background, -1)
		if err == nil {
			err = pool.Put(conn)
		}
		done <- err
	}()
	eventually(t, "the check has a limit", func() bool {
		next, ok := clock.Next()
		return ok && next <= config.HealthCheckTimeout
	})
	hangs.Store(false)
	clock.Advance(config.HealthCheckTimeout)
	want1(t, <-done, nil)
	want1(t, pool.Stats().HealthCheckFailures, int64(1))
}

func TestAManualContextExpires(t *testing.T) {
	clock := NewManualClock()
	ctx, cancel := clock.WithTimeout(background, time.Minute)
	defer cancel()
	want1(t, ctx.Err(), nil)
	clock.Advance(time.Minute)
	<-ctx.Done()
	want1(t, ctx.Err(), context.DeadlineExceeded)
	parent, end := context.WithCancel(background)
	ctx, cancel = clock.WithTimeout(parent, time.Minute)
	defer cancel()
	end()
	<-ctx.Done()
	want1(t, ctx.Err(), context.Canceled)
	clock.Advance(time.Hour)
	want1(t, ctx.Err(), context.Canceled)
	_, ok := clock.Next()
	want1(t, ok, false)
	want1(t, clock.Now(), time.Hour+time.Minute)
}

func TestPrewarmingIsWaitedFor(t *testing.T) {
	f := &factory{}
	config := plain(f, 5)
	config.MinConnections = 5
	config.PrewarmBlocking = true
	pool := mustPool(t, config)
	want1(t, pool.IdleCount(), 5)
	want1(t, pool.PrewarmWait(background), nil)
	stats := pool.Stats()
	want1(t, stats.PrewarmCompleted, true)
	want1(t, stats.PrewarmCreated, int64(5))
	want1(t, stats.TotalGetRequests, int64(0))

	config = plain(f, 5)
	config.MinConnections = 5
	config.Dialer = func(context.Context) (net.Conn, error) { return nil, ErrDial }
	wantIs(t, mustPool(t, config).PrewarmWait(background), ErrDial)
	config.Dialer = func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	want1(t, mustPool(t, config).PrewarmWait(ctx), context.Canceled)
}

// slowBorrow is a pool with one connection whose hook waits.
func slowBorrow(t *testing.T) (pool *Pool, clock *ManualClock, went func(), done chan error) {
	t.Helper()
	release, began := make(chan struct{}), make(chan struct{})
	config, clock := clocked(nil2(), 1)
	config.OnBorrow = func(net.Conn) {
		close(began)
		<-release
	}
	pool = mustPool(t, config)
	done = make(chan error)
	go func() {
		conn, err := pool.GetWithTimeout(background, -1)
		if err == nil {
			err = pool.Put(conn)
		}
		done <- err
	}()
	<-began
	return pool, clock, func() { close(release) }, done
}

func TestAConnectionThatAHookLooksAtIsNoLeak(t *testing.T) {
	pool, clock, goOn, done := slowBorrow(t)
	clock.Advance(time.Hour)
	goOn()
	want1(t, <-done, nil)
	stats := pool.Stats()
	want1(t, stats.LeakedConnections, int64(0))
	want1(t, stats.InFlightGets, int64(0))
}

func TestCloseNowEndsAGetWhoseHookRuns(t *testing.T) {
	pool, _, goOn, done := slowBorrow(t)
	want1(t, pool.CloseNow(), nil)
	goOn()
	want1(t, <-done, ErrPoolClosed)
	stats := pool.Stats()
	want1(t, stats.InFlightGets, int64(0))
	addsUp(t, stats)
	want1(t, stats.CurrentConnections, int64(0))
}
