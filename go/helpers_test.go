package netconnpool

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A fakeConn is a connection without a descriptor, like those of programs that
// test themselves; it knows who uses it and whether it was closed.
type fakeConn struct {
	net.Conn // nil: what is not overridden panics
	remote   net.Addr
	closes   atomic.Int32
	users    atomic.Int32
	closeErr error
}

func (c *fakeConn) Close() error {
	c.closes.Add(1)
	return c.closeErr
}

func (c *fakeConn) Read([]byte) (int, error)    { return 0, nil }
func (c *fakeConn) Write(p []byte) (int, error) { return len(p), nil }
func (c *fakeConn) LocalAddr() net.Addr         { return c.remote }
func (c *fakeConn) RemoteAddr() net.Addr        { return c.remote }
func (c *fakeConn) use() bool                   { return c.users.Add(1) == 1 }
func (c *fakeConn) leave()                      { c.users.Add(-1) }
func (c *fakeConn) closed() bool                { return c.closes.Load() != 0 }

var (
	tcp4 = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	tcp6 = &net.TCPAddr{IP: net.IPv6loopback, Port: 8080}
	udp4 = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	udp6 = &net.UDPAddr{IP: net.IPv6loopback, Port: 8080}
)

// A factory makes fakeConns and remembers them.
type factory struct {
	mu     sync.Mutex
	made   []*fakeConn
	remote net.Addr
}

func (f *factory) dial(context.Context) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	remote := f.remote
	if remote == nil {
		remote = tcp4
	}
	conn := &fakeConn{remote: remote}
	f.made = append(f.made, conn)
	return conn, nil
}

func (f *factory) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.made)
}

// check fails when a connection was closed more than once, or not at all.
func (f *factory) check(t *testing.T) {
	t.Helper()
	eventually(t, "all connections are closed", f.allClosed)
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, conn := range f.made {
		if closes := conn.closes.Load(); closes != 1 {
			t.Errorf("connection %d was closed %d times", i, closes)
		}
	}
}

func (f *factory) allClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.made {
		if !conn.closed() {
			return false
		}
	}
	return true
}

var background = context.Background()

// plain is a configuration without anything in the background.
func plain(f *factory, max int) *Config {
	config := DefaultConfig()
	config.MaxConnections = max
	config.MinConnections = 0
	config.EnableHealthCheck = false
	config.Dialer = f.dial
	return config
}

func mustPool(t testing.TB, config *Config) *Pool {
	t.Helper()
	pool, err := NewPool(config)
	if err != nil {
		reason, _ := config.Explain()
		t.Fatalf("%v: %s", err, reason)
	}
	t.Cleanup(func() { _ = pool.CloseNow() })
	return pool
}

func mustGet(t testing.TB, pool *Pool) *Connection {
	t.Helper()
	conn, err := pool.Get(background)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func mustPut(t testing.TB, pool *Pool, conn *Connection) {
	t.Helper()
	if err := pool.Put(conn); err != nil {
		t.Fatal(err)
	}
}

func want1(t *testing.T, got, expected interface{}) {
	t.Helper()
	if got != expected {
		t.Fatalf("got %v, expected %v", got, expected)
	}
}

func wantIs(t *testing.T, err, expected error) {
	t.Helper()
	if !errors.Is(err, expected) {
		t.Fatalf("got %v, expected %v", err, expected)
	}
}

// patience is how long a test waits for what is bound to happen.
const patience = 20 * time.Second

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	limit := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(limit) {
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			t.Fatalf("it never came to it: %s\n%s", what, stacks)
		}
		time.Sleep(time.Millisecond)
	}
}

// ours counts the goroutines that run code of this package and are no test's.
func ours() int {
	stacks := make([]byte, 1<<22)
	stacks = stacks[:runtime.Stack(stacks, true)]
	count := 0
	for _, stack := range strings.Split(string(stacks), "\n\n") {
		if strings.Contains(stack, "netconnpool/go.(*") &&
			!strings.Contains(stack, "testing.tRunner") {
			count++
		}
	}
	return count
}

// addsUp fails when the counters of a snapshot do not.
func addsUp(t testing.TB, s Stats) {
	t.Helper()
	if s.TotalConnectionsCreated-s.TotalConnectionsClosed != s.CurrentConnections ||
		s.CurrentIdleConnections+s.CurrentActiveConnections != s.CurrentConnections ||
		s.SuccessfulGets+s.FailedGets+s.TimeoutGets+s.InFlightGets !=
			s.TotalGetRequests {
		t.Errorf("the counters do not add up: %+v", s)
	}
}
