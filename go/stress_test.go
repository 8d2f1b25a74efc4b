package netconnpool

import (
	"context"
	"errors"
	"math/rand"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// How much the stress tests do; NCP_GO_STRESS multiplies it.
func stressRounds(rounds int) int {
	if factor, err := strconv.Atoi(os.Getenv("NCP_GO_STRESS")); err == nil {
		return rounds * factor
	}
	return rounds
}

// Everything at once, on few connections of every kind: nobody ever has a
// connection together with somebody else, what was wanted is what is got, and in
// the end the counters add up and every connection was closed once.
func TestStressEverythingAtOnce(t *testing.T) {
	for _, store := range []StoreKind{StoreLockFree, StoreLock, StoreSharded} {
		t.Run(storeName(store), func(t *testing.T) { stress(t, store) })
	}
}

func storeName(store StoreKind) string {
	config := Config{Store: store}
	name, _ := config.Option("store")
	return name
}

func stress(t *testing.T, store StoreKind) {
	f := &stressFactory{}
	config := DefaultConfig()
	config.Store = store
	config.MaxConnections = 6
	config.MaxIdleConnections = 4
	config.GetConnectionTimeout = 200 * time.Millisecond
	config.HealthCheckInterval = 10 * time.Millisecond
	config.HealthCheckTimeout = 5 * time.Millisecond
	config.IdleTimeout = 30 * time.Millisecond
	config.MaxLifetime = 60 * time.Millisecond
	config.CleanupInterval = 5 * time.Millisecond
	config.ConnectionLeakTimeout = 20 * time.Millisecond
	config.LeakDetectionInterval = 5 * time.Millisecond
	config.MaxConcurrentCreates = 3
	config.CheckOnBorrow = true
	config.Dialer = f.dial
	config.HealthChecker = f.check
	config.OnBorrow = func(net.Conn) {}
	config.ReturnHook = func(net.Conn) error {
		if rand.Intn(200) == 0 {
			return errors.New("return")
		}
		return nil
	}
	config.OnLeak = func(Leak) {}
	config.Logger = func(LogEntry) {}
	pool := mustPool(t, config)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for !pool.IsClosed() {
			addsUp(t, pool.Stats())
			_ = pool.Leases()
			time.Sleep(time.Millisecond)
		}
	}()
	var group sync.WaitGroup
	for g := 0; g < 24; g++ {
		group.Add(1)
		go func(seed int64) {
			defer group.Done()
			s := stresser{t: t, pool: pool, f: f,
				random: rand.New(rand.NewSource(seed))}
			for i := 0; i < stressRounds(150); i++ {
				s.once()
			}
		}(int64(g))
	}
	group.Wait()
	_ = pool.Close()
	<-watched
	eventually(t, "nothing is left", func() bool {
		return pool.Stats().CurrentConnections == 0 && pool.DialingCount() == 0
	})
	stats := pool.Stats()
	addsUp(t, stats)
	want1(t, stats.InFlightGets, int64(0))
	f.checkClosed(t)
}

type stressFactory struct{ factory }

func (f *stressFactory) dial(ctx context.Context) (net.Conn, error) {
	switch rand.Intn(20) {
	case 0:
		return nil, errors.New("refused")
	case 1:
		time.Sleep(time.Duration(rand.Intn(10)) * time.Millisecond)
	}
	hints, _ := HintsFromContext(ctx)
	conn := &fakeConn{remote: addressFor(hints)}
	f.mu.Lock()
	f.made = append(f.made, conn)
	f.mu.Unlock()
	return conn, nil
}

func addressFor(hints Hints) net.Addr {
	udp := hints.Protocol == ProtocolUDP
	if hints.Protocol == ProtocolUnknown {
		udp = rand.Intn(2) == 0
	}
	six := hints.IPVersion == IPVersionIPv6
	if hints.IPVersion == IPVersionUnknown {
		six = rand.Intn(2) == 0
	}
	switch {
	case udp && six:
		return udp6
	case udp:
		return udp4
	case six:
		return tcp6
	}
	return tcp4
}

// check has the connection for itself.
func (f *stressFactory) check(conn net.Conn) bool {
	fake := conn.(*fakeConn)
	alone := fake.use()
	defer fake.leave()
	if !alone {
		panic("a connection is checked while it is used")
	}
	return rand.Intn(50) != 0
}

func (f *stressFactory) checkClosed(t *testing.T) {
	t.Helper()
	f.factory.check(t)
}

type stresser struct {
	t      *testing.T
	pool   *Pool
	f      *stressFactory
	random *rand.Rand
}

func (s *stresser) once() {
	options := GetOptions{
		Protocol:  Protocol(s.random.Intn(3)),
		IPVersion: IPVersion(s.random.Intn(3)),
		Try:       s.random.Intn(8) == 0,
		Tag:       uint64(s.random.Intn(3)),
	}
	ctx, cancel := context.WithTimeout(background,
		time.Duration(s.random.Intn(20000))*time.Microsecond)
	defer cancel()
	if s.random.Intn(4) == 0 {
		time.AfterFunc(time.Duration(s.random.Intn(3000))*time.Microsecond, cancel)
	}
	conn, err := s.pool.GetEx(ctx, options)
	if err != nil {
		return
	}
	s.use(conn, options)
}

func (s *stresser) use(conn *Connection, wanted GetOptions) {
	fake := conn.Conn.(*fakeConn)
	if !fake.use() && !conn.rec.taken.Load() {
		s.t.Errorf("connection %d has two users", conn.ID)
	}
	if wanted.Protocol != ProtocolUnknown && conn.Protocol != wanted.Protocol ||
		wanted.IPVersion != IPVersionUnknown && conn.IPVersion != wanted.IPVersion {
		s.t.Errorf("wanted %v, got %v %v", wanted, conn.Protocol, conn.IPVersion)
	}
	if s.random.Intn(100) == 0 {
		time.Sleep(30 * time.Millisecond) // long enough to leak
	}
	fake.leave()
	switch s.random.Intn(12) {
	case 0:
		_ = s.pool.Discard(conn)
	case 1:
		_ = conn.Close()
		_ = s.pool.Put(conn)
	case 2:
		conn.UpdateHealth(false)
		_ = s.pool.Put(conn)
	case 3:
		if raw, err := s.pool.Detach(conn); err == nil {
			_ = raw.Close()
		}
	default:
		_ = s.pool.Put(conn)
	}
	if err := s.pool.Put(conn); err != ErrInvalidConnection {
		s.t.Errorf("a second put: %v", err)
	}
}

// Pools are closed while everybody is busy with them.
func TestStressClosing(t *testing.T) {
	for round := 0; round < stressRounds(15); round++ {
		f := &factory{}
		config := plain(f, 3)
		config.MinConnections = 2
		pool := mustPool(t, config)
		var group sync.WaitGroup
		for g := 0; g < 8; g++ {
			group.Add(1)
			go func() {
				defer group.Done()
				for {
					conn, err := pool.Get(background)
					if err == ErrPoolClosed {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					if err := pool.Put(conn); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		time.Sleep(time.Duration(rand.Intn(2000)) * time.Microsecond)
		switch round % 3 {
		case 0:
			_ = pool.Close()
		case 1:
			_ = pool.CloseNow()
		case 2:
			_ = pool.CloseWait(background)
		}
		group.Wait()
		eventually(t, "nothing is left", func() bool {
			return pool.Stats().CurrentConnections == 0
		})
		f.check(t)
	}
}

// The methods of a connection may be called by anybody while its borrower gives
// it back, and one of several who give it back at once does.
func TestStressMethodsWhileItIsReturned(t *testing.T) {
	config := plain(&factory{}, 1)
	config.CaptureStacks = true
	pool := mustPool(t, config)
	for round := 0; round < stressRounds(300); round++ {
		conn := mustGet(t, pool)
		var group sync.WaitGroup
		var accepted atomic.Int32
		for g := 0; g < 3; g++ {
			group.Add(1)
			go func(g int) {
				defer group.Done()
				callMethods(conn, g)
				if pool.Put(conn) == nil {
					accepted.Add(1)
				}
				callMethods(conn, g)
			}(g)
		}
		group.Wait()
		want1(t, accepted.Load(), int32(1))
		conn.MarkInUse()
		want1(t, conn.IsInUse(), false)
		want1(t, conn.InUse, false)
		want1(t, conn.BorrowedFor(), time.Duration(0))
		want1(t, conn.SetTag(1), ErrInvalidConnection)
	}
}

func callMethods(conn *Connection, which int) {
	switch which {
	case 0:
		conn.MarkIdle()
		conn.MarkInUse()
		conn.UpdateHealth(true)
	case 1:
		_ = conn.SetTag(uint64(which))
		_ = conn.Tag()
		_ = conn.Stack()
	}
	_ = conn.IsInUse()
	_ = conn.GetIdleTime()
	_ = conn.BorrowedFor()
	_ = conn.GetHealthStatus()
	_ = conn.IsLeaked(time.Hour)
}
