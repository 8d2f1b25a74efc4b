package netconnpool

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

func TestAReturnedConnectionIsLentAgain(t *testing.T) {
	f := &factory{}
	pool := mustPool(t, plain(f, 2))
	first := mustGet(t, pool)
	want1(t, first.GetReuseCount(), int64(0))
	mustPut(t, pool, first)
	second := mustGet(t, pool)
	want1(t, second.ID, first.ID)
	want1(t, second.Conn, first.Conn)
	want1(t, second.GetReuseCount(), int64(1))
	want1(t, f.count(), 1)
	if second == first {
		t.Fatal("one object stands for two borrows")
	}
	mustPut(t, pool, second)
	stats := pool.Stats()
	want1(t, stats.SuccessfulGets, int64(2))
	want1(t, stats.TotalConnectionsReused, int64(1))
}

func TestAStalePutTouchesNobody(t *testing.T) {
	pool := mustPool(t, plain(&factory{}, 1))
	first := mustGet(t, pool)
	mustPut(t, pool, first)
	second := mustGet(t, pool)
	want1(t, pool.Put(first), ErrInvalidConnection)
	want1(t, first.SetHealthy(false), ErrInvalidConnection)
	want1(t, pool.ActiveCount(), 1)
	mustPut(t, pool, second)
	want1(t, pool.IdleCount(), 1)
}

func TestForeignConnectionsAreRefusedAndLeftOpen(t *testing.T) {
	f := &factory{}
	pool, other := mustPool(t, plain(f, 1)), mustPool(t, plain(f, 1))
	conn := mustGet(t, other)
	want1(t, pool.Put(conn), ErrInvalidConnection)
	want1(t, pool.Put(nil), ErrInvalidConnection)
	raw := &fakeConn{remote: tcp4}
	want1(t, pool.Put(NewConnection(raw, pool, nil)), ErrInvalidConnection)
	want1(t, raw.closed(), false)
	want1(t, conn.Conn.(*fakeConn).closed(), false)
	mustPut(t, other, conn)
}

func TestTheHolderMayCloseInsteadOfPut(t *testing.T) {
	f := &factory{}
	pool := mustPool(t, plain(f, 1))
	conn := mustGet(t, pool)
	raw := conn.Conn.(*fakeConn)
	want1(t, conn.Close(), nil)
	want1(t, raw.closes.Load(), int32(1))
	want1(t, conn.GetConn(), nil)
	next := mustGet(t, pool) // the place is free at once
	want1(t, pool.Put(conn), nil)
	want1(t, pool.Put(conn), ErrInvalidConnection)
	want1(t, conn.Close(), nil)
	want1(t, pool.ActiveCount(), 1)
	mustPut(t, pool, next)
}

func TestAWaiterGetsWhatIsReturned(t *testing.T) {
	pool := mustPool(t, plain(&factory{}, 1))
	held := mustGet(t, pool)
	got := make(chan *Connection)
	go func() {
		conn, err := pool.Get(background)
		if err != nil {
			t.Error(err)
		}
		got <- conn
	}()
	eventually(t, "one waits", func() bool { return pool.WaitingCount() == 1 })
	mustPut(t, pool, held)
	conn := <-got
	want1(t, conn.ID, held.ID)
	mustPut(t, pool, conn)
}

func TestWaitersAreServedInOrder(t *testing.T) {
	pool := mustPool(t, plain(&factory{}, 1))
	held := mustGet(t, pool)
	const waiters = 20
	order := make(chan int, waiters)
	for i := 0; i < waiters; i++ {
		i := i
		go func() {
			conn, err := pool.Get(background)
			if err != nil {
				t.Error(err)
				return
			}
			order <- i
			_ = pool.Put(conn)
		}()
		eventually(t, "it waits", func() bool { return pool.WaitingCount() == i+1 })
	}
	mustPut(t, pool, held)
	for i := 0; i < waiters; i++ {
		want1(t, <-order, i)
	}
}

func TestATimeoutIsTheSentinelAndADeadline(t *testing.T) {
	pool := mustPool(t, plain(&factory{}, 1))
	held := mustGet(t, pool)
	defer pool.Put(held)

	_, err := pool.GetWithTimeout(background, 20*time.Millisecond)
	want1(t, err, ErrGetConnectionTimeout)
	wantIs(t, err, context.DeadlineExceeded)
	var timeout net.Error
	want1(t, errors.As(err, &timeout) && timeout.Timeout(), true)
	want1(t, err.Error(), "get connection timeout")

	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	_, err = pool.Get(ctx)
	want1(t, err, ErrGetConnectionTimeout)
	_, err = pool.Get(ctx) // it has passed already
	want1(t, err, ErrGetConnectionTimeout)
	want1(t, pool.Stats().TimeoutGets, int64(3))
	want1(t, pool.WaitingCount(), 0)
}

func TestACancellationIsTheContextsError(t *testing.T) {
	pool := mustPool(t, plain(&factory{}, 1))
	held := mustGet(t, pool)
	ctx, cancel := context.WithCancel(background)
	done := make(chan error)
	go func() {
		_, err := pool.Get(ctx)
		done <- err
	}()
	eventually(t, "it waits", func() bool { return pool.WaitingCount() == 1 })
	cancel()
	want1(t, <-done, context.Canceled)
	mustPut(t, pool, held)
	_, err := pool.Get(ctx) // cancelled already: nothing is borrowed
	want1(t, err, context.Canceled)
	want1(t, pool.IdleCount(), 1)
	stats := pool.Stats()
	want1(t, stats.CanceledGets, int64(2))
	want1(t, stats.FailedGets, int64(2))
	want1(t, stats.TotalGetRequests, int64(3))
}

func TestCancellationLosesNothing(t *testing.T) {
	f := &factory{}
	pool := mustPool(t, plain(f, 2))
	var group sync.WaitGroup
	for g := 0; g < 16; g++ {
		group.Add(1)
		go func(seed int) {
			defer group.Done()
			for i := 0; i < 300; i++ {
				ctx, cancel := context.WithTimeout(background,
					time.Duration((i*seed)%300)*time.Microsecond)
				conn, err := pool.Get(ctx)
				if err == nil {
					_ = pool.Put(conn)
				} else if err != ErrGetConnectionTimeout {
					t.Error(err)
				}
				cancel()
			}
		}(g + 1)
	}
	group.Wait()
	eventually(t, "all is idle", func() bool {
		return pool.ActiveCount() == 0 && pool.DialingCount() == 0
	})
	addsUp(t, pool.Stats())
	first, second := mustGet(t, pool), mustGet(t, pool)
	mustPut(t, pool, first)
	mustPut(t, pool, second)
}

func TestDialErrorsComeBackAsTheyAre(t *testing.T) {
	boom := errors.New("boom")
	config := plain(nil2(), 1)
	config.Dialer = func(context.Context) (net.Conn, error) { return nil, boom }
	pool := mustPool(t, config)
	_, err := pool.Get(background)
	want1(t, err, boom)
	_, err = pool.GetEx(background, GetOptions{})
	wantIs(t, err, boom)
	var rich *PoolError
	want1(t, errors.As(err, &rich), true)
	want1(t, rich.Max, 1)
	failure, ok := pool.LastDialFailure()
	want1(t, ok, true)
	want1(t, failure.Err, boom)
	want1(t, failure.Count, uint64(2))
	want1(t, pool.Stats().ConnectionErrors, int64(2))
}

func nil2() *factory { return &factory{} }

func TestADialerThatReturnsNothing(t *testing.T) {
	for _, nothing := range []net.Conn{nil, (*net.TCPConn)(nil)} {
		nothing := nothing
		config := plain(nil2(), 1)
		config.Dialer = func(context.Context) (net.Conn, error) { return nothing, nil }
		pool := mustPool(t, config)
		_, err := pool.Get(background)
		want1(t, err, ErrInvalidConnection)
		want1(t, pool.DialingCount(), 0)
	}
}

func TestADialerThatIgnoresItsContext(t *testing.T) {
	release := make(chan struct{})
	f := &factory{}
	config := plain(f, 1)
	config.Dialer = func(ctx context.Context) (net.Conn, error) {
		<-release
		return f.dial(ctx)
	}
	pool := mustPool(t, config)
	_, err := pool.GetWithTimeout(background, 30*time.Millisecond)
	want1(t, err, ErrGetConnectionTimeout)
	close(release) // the late connection is kept
	eventually(t, "it is idle", func() bool { return pool.IdleCount() == 1 })
	mustPut(t, pool, mustGet(t, pool))
	want1(t, f.count(), 1)
}

func TestTheDialerIsToldWhatIsWanted(t *testing.T) {
	seen := make(chan Hints, 1)
	config := plain(nil2(), 2)
	config.ConnectionTimeout = time.Minute
	config.Dialer = func(ctx context.Context) (net.Conn, error) {
		hints, ok := HintsFromContext(ctx)
		if _, limited := ctx.Deadline(); !ok || !limited {
			t.Error("no hints, or no deadline")
		}
		seen <- hints
		return &fakeConn{remote: udp6}, nil
	}
	pool := mustPool(t, config)
	conn, err := pool.GetEx(background, GetOptions{Protocol: ProtocolUDP,
		IPVersion: IPVersionIPv6, Timeout: 5 * time.Second, Tag: 42})
	if err != nil {
		t.Fatal(err)
	}
	hints := <-seen
	want1(t, hints.Protocol, ProtocolUDP)
	want1(t, hints.IPVersion, IPVersionIPv6)
	if hints.CallerLimit <= 0 || hints.CallerLimit > 5*time.Second ||
		hints.CreationLimit < 50*time.Second {
		t.Errorf("limits: %v", hints)
	}
	want1(t, conn.Tag(), uint64(42))
	want1(t, pool.Leases()[0].Tag, uint64(42))
	mustPut(t, pool, conn)
}

func TestWhatIsWantedAndNeverDialed(t *testing.T) {
	f := &factory{remote: udp6}
	pool := mustPool(t, plain(f, 10))
	_, err := pool.GetTCP(background)
	want1(t, err, ErrNoConnectionForProtocol)
	_, err = pool.GetIPv4(background)
	want1(t, err, ErrNoConnectionForIPVersion)
	_, err = pool.GetWithProtocol(background, Protocol(7), time.Second)
	want1(t, err, ErrUnsupportedProtocol)
	_, err = pool.GetWithIPVersion(background, IPVersion(-1), time.Second)
	want1(t, err, ErrUnsupportedIPVersion)
	conn, err := pool.GetUDP(background)
	want1(t, err, nil)
	want1(t, conn.GetProtocol(), ProtocolUDP)
	want1(t, conn.GetIPVersion(), IPVersionIPv6)
	mustPut(t, pool, conn)
}

func TestTryNeverDialsAndNeverWaits(t *testing.T) {
	f := &factory{}
	pool := mustPool(t, plain(f, 2))
	_, err := pool.TryGet(background)
	want1(t, err, ErrPoolExhausted)
	want1(t, f.count(), 0)
	mustPut(t, pool, mustGet(t, pool))
	conn, err := pool.TryGet(background)
	want1(t, err, nil)
	_, err = pool.GetEx(background, GetOptions{Try: true})
	wantIs(t, err, ErrPoolExhausted)
	mustPut(t, pool, conn)
}

func TestDetachedConnectionsAreTheCallers(t *testing.T) {
	f := &factory{}
	pool := mustPool(t, plain(f, 1))
	conn := mustGet(t, pool)
	raw, err := pool.Detach(conn)
	want1(t, err, nil)
	want1(t, raw.(*fakeConn).closed(), false)
	_, err = pool.Detach(conn)
	want1(t, err, ErrInvalidConnection)
	want1(t, pool.Put(conn), ErrInvalidConnection)
	mustPut(t, pool, mustGet(t, pool)) // its place is free
	want1(t, f.count(), 2)
	want1(t, pool.Stats().DetachedConnections, int64(1))
	_ = raw.Close()
}

func TestRenewedConnectionsBeginAnew(t *testing.T) {
	f := &factory{}
	pool := mustPool(t, plain(f, 1))
	conn := mustGet(t, pool)
	_ = conn.Conn.Close()
	fresh := &fakeConn{remote: tcp6}
	want1(t, conn.Renew(fresh), nil)
	want1(t, conn.GetIPVersion(), IPVersionIPv6)
	mustPut(t, pool, conn)
	again := mustGet(t, pool)
	want1(t, again.Conn, net.Conn(fresh))
	mustPut(t, pool, again)
	_ = pool.Close()
	want1(t, fresh.closes.Load(), int32(1))
	f.check(t)
}

func TestUnhealthyConnectionsAreNotLentAgain(t *testing.T) {
	f := &factory{}
	pool := mustPool(t, plain(f, 1))
	conn := mustGet(t, pool)
	conn.UpdateHealth(false)
	want1(t, conn.GetHealthStatus(), false)
	mustPut(t, pool, conn)
	want1(t, conn.Conn.(*fakeConn).closed(), true)
	next := mustGet(t, pool)
	want1(t, next.GetHealthStatus(), true)
	mustPut(t, pool, next)
	want1(t, f.count(), 2)
}

func TestDiscardedConnectionsAreClosed(t *testing.T) {
	f := &factory{}
	pool := mustPool(t, plain(f, 1))
	conn := mustGet(t, pool)
	want1(t, pool.Discard(conn), nil)
	want1(t, conn.Conn.(*fakeConn).closed(), true)
	want1(t, pool.Discard(conn), ErrInvalidConnection)
	mustPut(t, pool, mustGet(t, pool))
}

func TestCloseErrorsAreReportedByWhoCausedThem(t *testing.T) {
	boom := errors.New("cannot close")
	config := plain(nil2(), 2)
	config.Dialer = func(context.Context) (net.Conn, error) {
		return &fakeConn{remote: tcp4, closeErr: boom}, nil
	}
	pool := mustPool(t, config)
	want1(t, pool.Discard(mustGet(t, pool)), boom)
	want1(t, mustGet(t, pool).Close(), boom)
	unhealthy := mustGet(t, pool)
	unhealthy.UpdateHealth(false)
	want1(t, pool.Put(unhealthy), boom)
	held := mustGet(t, pool)
	mustPut(t, pool, mustGet(t, pool))
	want1(t, pool.Close(), boom) // of the idle one
	want1(t, pool.Close(), nil)
	want1(t, pool.Put(held), boom)
}
