package netconnpool

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What the tests of the original expect, said again: they are not part of this
// module. tests/go runs the original files where they are to be had.

func TestOriginalPrewarmsAtOnce(t *testing.T) {
	f := &factory{}
	config := DefaultConfig()
	config.MinConnections = 5
	config.Dialer = f.dial
	pool := mustPool(t, config)
	eventually(t, "five are dialed", func() bool {
		return f.count() >= 5 && pool.Stats().CurrentIdleConnections > 0
	})
}

func TestOriginalDialsNoMoreThanTheLimit(t *testing.T) {
	f := &factory{}
	config := DefaultConfig()
	config.MaxConnections = 10
	config.GetConnectionTimeout = 100 * time.Millisecond
	config.Dialer = f.dial
	pool := mustPool(t, config)
	var conns []*Connection
	for i := 0; i < 10; i++ {
		conns = append(conns, mustGet(t, pool))
	}
	_, err := pool.Get(background)
	if err != ErrGetConnectionTimeout && err != ErrMaxConnectionsReached {
		t.Fatal(err)
	}
	if f.count() > 10 {
		t.Fatalf("%d dials", f.count())
	}
	for _, conn := range conns {
		mustPut(t, pool, conn)
	}
}

func TestOriginalKeepsWhatIsReturnedBeyondMaxIdleOut(t *testing.T) {
	config := DefaultConfig()
	config.MaxConnections = 20
	config.MaxIdleConnections = 5
	config.MinConnections = 0
	config.Dialer = nil2().dial
	pool := mustPool(t, config)
	var conns []*Connection
	for i := 0; i < 15; i++ {
		conns = append(conns, mustGet(t, pool))
	}
	for _, conn := range conns {
		mustPut(t, pool, conn)
	}
	want1(t, pool.Stats().CurrentIdleConnections, int64(5))
}

func TestOriginalServesFiftyCallersFromTwenty(t *testing.T) {
	config := DefaultConfig()
	config.MaxConnections = 20
	config.Dialer = nil2().dial
	pool := mustPool(t, config)
	var group sync.WaitGroup
	for g := 0; g < 50; g++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < 10; i++ {
				conn, err := pool.Get(background)
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Millisecond)
				if err := pool.Put(conn); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
	stats := pool.Stats()
	want1(t, stats.SuccessfulGets, int64(500))
	if stats.TotalConnectionsCreated > 20 {
		t.Errorf("%d were created", stats.TotalConnectionsCreated)
	}
}

func TestOriginalTimesOutThoughTheDialerIsDeaf(t *testing.T) {
	config := DefaultConfig()
	config.MaxConnections = 5
	config.GetConnectionTimeout = 2 * time.Second
	config.Dialer = func(context.Context) (net.Conn, error) {
		time.Sleep(50 * time.Millisecond)
		return &fakeConn{remote: tcp4}, nil
	}
	pool := mustPool(t, config)
	var conns []*Connection
	for i := 0; i < 5; i++ { // the prewarmed ones are handed over
		conns = append(conns, mustGet(t, pool))
	}
	_, err := pool.GetWithTimeout(background, 50*time.Millisecond)
	want1(t, err, ErrGetConnectionTimeout)
	for _, conn := range conns {
		mustPut(t, pool, conn)
	}
}

func TestOriginalMismatchEndsWithItsOwnError(t *testing.T) {
	var dials atomic.Int32
	config := DefaultConfig()
	config.MinConnections = 0
	config.Dialer = func(context.Context) (net.Conn, error) {
		dials.Add(1)
		return &fakeConn{remote: tcp4}, nil
	}
	pool := mustPool(t, config)
	_, err := pool.GetWithProtocol(background, ProtocolUDP, time.Minute)
	want1(t, err, ErrNoConnectionForProtocol)
	want1(t, dials.Load(), int32(3))
	_, err = pool.GetWithIPVersion(background, IPVersionIPv6, time.Minute)
	want1(t, err, ErrNoConnectionForIPVersion)
	conn, err := pool.GetTCP(background) // the mismatches were kept
	want1(t, err, nil)
	mustPut(t, pool, conn)
}

func TestOriginalChecksWhatHasNoDescriptor(t *testing.T) {
	config := DefaultConfig()
	config.HealthCheckInterval = 20 * time.Millisecond
	config.HealthCheckTimeout = 10 * time.Millisecond
	config.Dialer = nil2().dial
	pool := mustPool(t, config)
	conn := mustGet(t, pool)
	want1(t, conn.GetHealthStatus(), true)
	mustPut(t, pool, conn)
	eventually(t, "they are checked", func() bool {
		return pool.Stats().HealthCheckAttempts > 0
	})
	want1(t, pool.Stats().UnhealthyConnections, int64(0))
	mustPut(t, pool, mustGet(t, pool))
}

func TestOriginalFindsLeaks(t *testing.T) {
	config := DefaultConfig()
	config.ConnectionLeakTimeout = 30 * time.Millisecond
	config.LeakDetectionInterval = 10 * time.Millisecond
	config.Dialer = nil2().dial
	pool := mustPool(t, config)
	_ = mustGet(t, pool)
	eventually(t, "it is found", func() bool {
		return pool.Stats().LeakedConnections > 0
	})
	if pool.Stats().CurrentConnections == 0 {
		t.Error("nothing is left")
	}
}

func TestOriginalStatesOfAConnection(t *testing.T) {
	pool := mustPool(t, plain(nil2(), 1))
	conn := mustGet(t, pool)
	want1(t, conn.IsInUse(), true)
	want1(t, conn.GetIdleTime(), time.Duration(0))
	if conn.GetAge() < 0 || conn.ID == 0 || conn.CreatedAt.IsZero() {
		t.Errorf("%+v", conn)
	}
	mustPut(t, pool, conn)
	want1(t, conn.IsInUse(), false)
	eventually(t, "its idle time passes", func() bool { return conn.GetIdleTime() > 0 })
	again := mustGet(t, pool)
	want1(t, again.GetReuseCount() > 0, true)
	mustPut(t, pool, again)
}
