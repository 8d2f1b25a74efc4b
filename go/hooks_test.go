package netconnpool

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// panicOf is what a call panics with.
func panicOf(call func()) (value interface{}) {
	defer func() { value = recover() }()
	call()
	return nil
}

func TestAPanicOfTheDialerGoesOnInGet(t *testing.T) {
	type custom struct{ n int }
	thrown := &custom{1}
	var panics atomic.Bool
	panics.Store(true)
	f := &factory{}
	config := plain(f, 1)
	config.Dialer = func(ctx context.Context) (net.Conn, error) {
		if panics.Load() {
			panic(thrown)
		}
		return f.dial(ctx)
	}
	pool := mustPool(t, config)
	for i := 0; i < 3; i++ {
		got := panicOf(func() { _, _ = pool.Get(background) })
		want1(t, got, interface{}(thrown))
	}
	want1(t, pool.DialingCount(), 0)
	panics.Store(false)
	mustPut(t, pool, mustGet(t, pool))
}

func TestAPanicOfOnCreatedClosesAndGoesOnInGet(t *testing.T) {
	f := &factory{}
	config := plain(f, 1)
	config.OnCreated = func(net.Conn) error { panic("created") }
	pool := mustPool(t, config)
	want1(t, panicOf(func() { _, _ = pool.Get(background) }), interface{}("created"))
	eventually(t, "it is closed", func() bool { return f.made[0].closed() })
	want1(t, pool.Stats().CurrentConnections, int64(0))
	want1(t, pool.Stats().FailedGets, int64(1))
}

func TestAPanicOfOnBorrowLosesNoPlace(t *testing.T) {
	var panics atomic.Bool
	panics.Store(true)
	f := &factory{}
	config := plain(f, 1)
	config.OnBorrow = func(net.Conn) {
		if panics.Load() {
			panic("borrow")
		}
	}
	pool := mustPool(t, config)
	for i := 0; i < 3; i++ {
		want1(t, panicOf(func() { _, _ = pool.Get(background) }),
			interface{}("borrow"))
	}
	panics.Store(false)
	mustPut(t, pool, mustGet(t, pool))
	stats := pool.Stats()
	want1(t, stats.FailedGets, int64(3))
	want1(t, stats.SuccessfulGets, int64(1))
	_ = pool.Close()
	f.check(t)
}

func TestAPanicOfOnReturnLosesNoPlace(t *testing.T) {
	var panics atomic.Bool
	panics.Store(true)
	f := &factory{}
	config := plain(f, 1)
	config.OnReturn = func(net.Conn) {
		if panics.Load() {
			panic("return")
		}
	}
	pool := mustPool(t, config)
	for i := 0; i < 3; i++ {
		conn := mustGet(t, pool)
		want1(t, panicOf(func() { _ = pool.Put(conn) }), interface{}("return"))
		want1(t, conn.Conn.(*fakeConn).closed(), true)
		want1(t, pool.Put(conn), ErrInvalidConnection)
	}
	panics.Store(false)
	mustPut(t, pool, mustGet(t, pool))
	_ = pool.Close()
	f.check(t)
}

func TestAPanicOfTheCheckerIsUnhealthy(t *testing.T) {
	clock := NewManualClock()
	f := &factory{}
	config := plain(f, 1)
	config.EnableHealthCheck = true
	config.Clock = clock
	config.HealthChecker = func(net.Conn) bool { panic("checker") }
	pool := mustPool(t, config)
	mustPut(t, pool, mustGet(t, pool))
	clock.Advance(config.HealthCheckInterval + time.Second)
	eventually(t, "it is closed", func() bool { return f.made[0].closed() })
	want1(t, pool.Stats().HealthCheckFailures, int64(1))
}

func TestAPanicOfCloseConnGoesOnInWhoClosed(t *testing.T) {
	f := &factory{}
	config := plain(f, 1)
	config.CloseConn = func(net.Conn) error { panic("close") }
	pool := mustPool(t, config)
	conn := mustGet(t, pool)
	want1(t, panicOf(func() { _ = pool.Discard(conn) }), interface{}("close"))
	want1(t, pool.Stats().CurrentConnections, int64(0))
	mustPut(t, pool, mustGet(t, pool))
	want1(t, panicOf(func() { _ = pool.Close() }), interface{}("close"))
	want1(t, pool.Stats().CurrentConnections, int64(0))
}

func TestHookErrorsComeBackAsTheyAre(t *testing.T) {
	created, borrow, back := errors.New("created"), errors.New("borrow"),
		errors.New("return")
	var which atomic.Value
	which.Store(created)
	fails := func(err error) error {
		if which.Load() == err {
			return err
		}
		return nil
	}
	f := &factory{}
	config := plain(f, 1)
	config.OnCreated = func(net.Conn) error { return fails(created) }
	config.BorrowHook = func(net.Conn) error { return fails(borrow) }
	config.ReturnHook = func(net.Conn) error { return fails(back) }
	pool := mustPool(t, config)
	_, err := pool.Get(background)
	want1(t, err, created)
	which.Store(borrow)
	_, err = pool.Get(background)
	want1(t, err, borrow)
	which.Store(back)
	want1(t, pool.Put(mustGet(t, pool)), back)
	which.Store(errors.New("none"))
	mustPut(t, pool, mustGet(t, pool))
	_ = pool.Close()
	f.check(t)
}

func TestACallbackThatEndsItsGoroutineLosesNothing(t *testing.T) {
	var ends atomic.Int32
	f := &factory{}
	config := plain(f, 1)
	config.Dialer = func(ctx context.Context) (net.Conn, error) {
		if ends.Load() == 1 {
			runtime.Goexit()
		}
		return f.dial(ctx)
	}
	config.OnCreated = func(net.Conn) error {
		if ends.Load() == 2 {
			runtime.Goexit()
		}
		return nil
	}
	config.OnBorrow = func(net.Conn) {
		if ends.Load() == 3 {
			runtime.Goexit()
		}
	}
	config.OnReturn = func(net.Conn) {
		if ends.Load() == 4 {
			runtime.Goexit()
		}
	}
	pool := mustPool(t, config)
	for _, which := range []int32{1, 2} {
		ends.Store(which)
		_, err := pool.Get(background)
		var thrown *PanicError
		want1(t, errors.As(err, &thrown), true)
	}
	for _, which := range []int32{3, 4} {
		ends.Store(which)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if conn, err := pool.Get(background); err == nil {
				_ = pool.Put(conn)
			}
		}()
		<-done
	}
	ends.Store(0)
	mustPut(t, pool, mustGet(t, pool))
	_ = pool.Close()
	eventually(t, "nothing is left", func() bool {
		return pool.Stats().CurrentConnections == 0
	})
}

// Every callback calls everything of the pool that may be called.
func TestCallbacksMayCallThePool(t *testing.T) {
	var pool atomic.Pointer[Pool]
	var busy sync.Map // by the name of the callback: it calls once at a time
	reenter := func(name string) {
		p := pool.Load()
		if p == nil {
			return
		}
		if _, in := busy.LoadOrStore(name, true); in {
			return
		}
		defer busy.Delete(name)
		_ = p.Stats()
		_ = p.Describe()
		_ = p.Leases()
		_ = p.Resize(4)
		_ = p.Suspend()
		_ = p.Resume()
		_ = p.Flush()
		if conn, err := p.GetWithTimeout(background, 20*time.Millisecond); err == nil {
			_ = p.Put(conn)
		}
	}
	f := &factory{}
	config := plain(f, 4)
	config.Dialer = func(ctx context.Context) (net.Conn, error) {
		reenter("dial")
		return f.dial(ctx)
	}
	config.OnCreated = func(net.Conn) error { reenter("created"); return nil }
	config.OnBorrow = func(net.Conn) { reenter("borrow") }
	config.OnReturn = func(net.Conn) { reenter("return") }
	config.OnClose = func(net.Conn, CloseReason) { reenter("on_close") }
	config.CloseConn = func(conn net.Conn) error { reenter("close"); return conn.Close() }
	p := mustPool(t, config)
	pool.Store(p)
	var group sync.WaitGroup
	for g := 0; g < 4; g++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < 50; i++ {
				conn, err := p.GetWithTimeout(background, time.Second)
				if err != nil {
					continue
				}
				if i%7 == 0 {
					_ = p.Discard(conn)
				} else {
					_ = p.Put(conn)
				}
			}
		}()
	}
	group.Wait()
	pool.Store(nil)
	want1(t, p.Close(), nil)
	eventually(t, "nothing is left", func() bool {
		return p.Stats().CurrentConnections == 0
	})
	addsUp(t, p.Stats())
}

func TestEveryCallbackMayCloseThePool(t *testing.T) {
	for _, name := range []string{"dial", "created", "borrow", "return",
		"on_close", "close", "checker"} {
		name := name
		t.Run(name, func(t *testing.T) {
			var pool atomic.Pointer[Pool]
			at := func(here string) {
				if p := pool.Load(); p != nil && here == name {
					_ = p.Close()
					_ = p.CloseNow()
				}
			}
			f := &factory{}
			config := plain(f, 2)
			config.CheckOnBorrow = true
			config.Dialer = func(ctx context.Context) (net.Conn, error) {
				at("dial")
				return f.dial(ctx)
			}
			config.OnCreated = func(net.Conn) error { at("created"); return nil }
			config.OnBorrow = func(net.Conn) { at("borrow") }
			config.OnReturn = func(net.Conn) { at("return") }
			config.OnClose = func(net.Conn, CloseReason) { at("on_close") }
			config.CloseConn = func(conn net.Conn) error {
				at("close")
				return conn.Close()
			}
			config.HealthChecker = func(net.Conn) bool { at("checker"); return true }
			p := mustPool(t, config)
			pool.Store(p)
			for i := 0; i < 3; i++ {
				conn, err := p.Get(background)
				if err != nil {
					continue
				}
				if i == 1 {
					_ = p.Discard(conn)
				} else {
					_ = p.Put(conn)
				}
			}
			want1(t, p.IsClosed(), true)
			eventually(t, "nothing is left", func() bool {
				return p.Stats().CurrentConnections == 0 && p.DialingCount() == 0
			})
			f.check(t)
		})
	}
}

func TestHooksComeInOrder(t *testing.T) {
	var mu sync.Mutex
	var order []string
	note := func(what string) {
		mu.Lock()
		order = append(order, what)
		mu.Unlock()
	}
	config := plain(nil2(), 1)
	config.OnCreated = func(net.Conn) error { note("created"); return nil }
	config.OnBorrow = func(net.Conn) { note("borrow") }
	config.BorrowHook = func(net.Conn) error { note("borrow hook"); return nil }
	config.OnReturn = func(net.Conn) { note("return") }
	config.ReturnHook = func(net.Conn) error { note("return hook"); return nil }
	config.OnClose = func(_ net.Conn, reason CloseReason) { note(reason.String()) }
	config.CloseConn = func(conn net.Conn) error { note("close"); return conn.Close() }
	pool := mustPool(t, config)
	mustPut(t, pool, mustGet(t, pool))
	_ = pool.Close()
	expected := []string{"created", "borrow", "borrow hook", "return",
		"return hook", "pool_closed", "close"}
	mu.Lock()
	defer mu.Unlock()
	if len(order) != len(expected) {
		t.Fatal(order)
	}
	for i := range expected {
		want1(t, order[i], expected[i])
	}
}
