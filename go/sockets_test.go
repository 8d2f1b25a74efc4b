package netconnpool

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// echo sends back what it gets until the test ends.
func echo(t *testing.T, listener net.Listener) net.Listener {
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return listener
}

func tcpEcho(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return echo(t, listener)
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, len(text))
	if _, err := io.ReadFull(conn, reply); err != nil {
		t.Fatal(err)
	}
	want1(t, string(reply), text)
}

func TestATargetIsDialed(t *testing.T) {
	config := plain(nil2(), 2)
	config.Dialer = nil
	config.Target = "tcp://" + tcpEcho(t).Addr().String()
	config.SendBuffer, config.ReceiveBuffer = 65536, 65536
	config.TCPNoDelay = SwitchOff
	pool := mustPool(t, config)
	for i := 0; i < 3; i++ {
		conn, err := pool.GetEx(background, GetOptions{Protocol: ProtocolTCP,
			IPVersion: IPVersionIPv4})
		if err != nil {
			t.Fatal(err)
		}
		say(t, conn.Conn, "hello")
		mustPut(t, pool, conn)
	}
	want1(t, pool.Stats().TotalConnectionsCreated, int64(1))
}

func TestUnixTargetsAreDialed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "udp.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	echo(t, listener)
	config := plain(nil2(), 1)
	config.Dialer = nil
	config.Target = "unix:" + path
	pool := mustPool(t, config)
	conn := mustGet(t, pool)
	want1(t, conn.Protocol, ProtocolUnknown)
	say(t, conn.Conn, "hello")
	mustPut(t, pool, conn)
}

func TestARefusedDialSaysWhy(t *testing.T) {
	listener := tcpEcho(t)
	listener.Close()
	config := plain(nil2(), 1)
	config.Dialer = nil
	config.Target = "tcp://" + listener.Addr().String()
	_, err := mustPool(t, config).Get(background)
	if _, ok := err.(*net.OpError); !ok {
		t.Fatalf("%T %v", err, err)
	}
}

func dialTo(listener net.Listener) Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, listener.Addr().Network(),
			listener.Addr().String())
	}
}

func TestDeadlinesDoNotReachTheNextBorrower(t *testing.T) {
	config := plain(nil2(), 1)
	config.Dialer = dialTo(tcpEcho(t))
	pool := mustPool(t, config)
	conn := mustGet(t, pool)
	_ = conn.Conn.SetDeadline(time.Now().Add(-time.Second))
	mustPut(t, pool, conn)
	next := mustGet(t, pool)
	want1(t, next.ID, conn.ID)
	say(t, next.Conn, "hello")
	mustPut(t, pool, next)
}

func TestWhatItsBorrowerClosedIsNotKept(t *testing.T) {
	config := plain(nil2(), 1)
	config.Dialer = dialTo(tcpEcho(t))
	pool := mustPool(t, config)
	conn := mustGet(t, pool)
	_ = conn.Conn.Close() // the net.Conn, not the Connection
	_ = pool.Put(conn)
	next := mustGet(t, pool)
	say(t, next.Conn, "hello")
	mustPut(t, pool, next)
}

func TestADeadSocketIsFoundByTheCheck(t *testing.T) {
	clock := NewManualClock()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	config := plain(nil2(), 1)
	config.EnableHealthCheck = true
	config.Clock = clock
	config.Dialer = dialTo(listener)
	pool := mustPool(t, config)
	mustPut(t, pool, mustGet(t, pool))
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(config.HealthCheckInterval + time.Second)
	eventually(t, "it was checked", func() bool {
		return pool.Stats().HealthCheckAttempts == 1
	})
	want1(t, pool.IdleCount(), 1)
	peer.Close()
	eventually(t, "it is found dead", func() bool {
		clock.Advance(config.HealthCheckInterval + time.Second)
		return pool.Stats().UnhealthyConnections == 1
	})
}

func TestTLSConnectionsArePooled(t *testing.T) {
	listener, pool := tlsPool(t)
	defer listener.Close()
	for i := 0; i < 3; i++ {
		conn := mustGet(t, pool)
		say(t, conn.Conn, "secret")
		want1(t, conn.Protocol, ProtocolTCP)
		mustPut(t, pool, conn)
	}
	want1(t, pool.Stats().TotalConnectionsCreated, int64(1))
}

func tlsPool(t *testing.T) (net.Listener, *Pool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1),
		NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template,
		&key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	plainListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := echo(t, tls.NewListener(plainListener, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der},
			PrivateKey: key}}}))
	config := plain(nil2(), 1)
	config.CheckOnBorrow = true
	config.Dialer = func(ctx context.Context) (net.Conn, error) {
		dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
		return dialer.DialContext(ctx, "tcp", listener.Addr().String())
	}
	return listener, mustPool(t, config)
}

// ---------------------------------------------------------------------------- UDP

func udpPair(t *testing.T) (peer *net.UDPConn, dial Dialer) {
	t.Helper()
	peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	return peer, func(context.Context) (net.Conn, error) {
		return net.DialUDP("udp4", nil, peer.LocalAddr().(*net.UDPAddr))
	}
}

func TestStaleDatagramsDoNotReachTheNextBorrower(t *testing.T) {
	peer, dial := udpPair(t)
	config := plain(nil2(), 1)
	config.Dialer = dial
	pool := mustPool(t, config)
	conn := mustGet(t, pool)
	want1(t, conn.Protocol, ProtocolUDP)
	for i := 0; i < 20; i++ {
		if _, err := peer.WriteTo([]byte("stale"), conn.Conn.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	mustPut(t, pool, conn)
	next := mustGet(t, pool)
	want1(t, next.ID, conn.ID)
	want1(t, HasUDPDataInBuffer(next.Conn), false)
	_, _ = peer.WriteTo([]byte("fresh"), next.Conn.LocalAddr())
	buffer := make([]byte, 16)
	n, err := next.Conn.Read(buffer)
	want1(t, err, nil)
	want1(t, string(buffer[:n]), "fresh")
	mustPut(t, pool, next)
}

func TestUDPHelpers(t *testing.T) {
	peer, dial := udpPair(t)
	conn, err := dial(background)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	want1(t, HasUDPDataInBuffer(conn), false)
	for i := 0; i < 5; i++ {
		_, _ = peer.WriteTo([]byte("x"), conn.LocalAddr())
	}
	want1(t, HasUDPDataInBuffer(conn), true)
	want1(t, HasUDPDataInBuffer(conn), true) // it takes nothing out
	want1(t, ClearUDPReadBuffer(conn, time.Second, 3), ErrUDPNotEmpty)
	ClearUDPReadBufferNonBlocking(conn, 0, 0)
	want1(t, HasUDPDataInBuffer(conn), false)
	want1(t, ClearUDPReadBuffer(&fakeConn{}, 0, 0), nil)
	want1(t, HasUDPDataInBuffer(nil), false)
}

// -------------------------------------------------------------------- server mode

func serverPool(t *testing.T, listener net.Listener) *Pool {
	t.Helper()
	config := DefaultServerConfig()
	config.Listener = listener
	config.EnableHealthCheck = false
	return mustPool(t, config)
}

func TestAServerLendsItsClients(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	pool := serverPool(t, listener)
	_, err = pool.GetWithTimeout(background, 20*time.Millisecond)
	want1(t, err, ErrGetConnectionTimeout)
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn := mustGet(t, pool) // a get that timed out swallows no client
	if _, err := client.Write([]byte("hi")); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 2)
	_, err = io.ReadFull(conn.Conn, buffer)
	want1(t, err, nil)
	mustPut(t, pool, conn)

	waits := make(chan error)
	held := mustGet(t, pool)
	go func() {
		_, err := pool.GetWithTimeout(background, -1)
		waits <- err
	}()
	eventually(t, "it waits", func() bool { return pool.WaitingCount() == 1 })
	want1(t, pool.Close(), nil)
	want1(t, <-waits, ErrPoolClosed)
	mustPut(t, pool, held)
	again, err := net.Dial("tcp", listener.Addr().String()) // it is not ours to close
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	eventually(t, "the pool accepts no more", func() bool { return ours() == 0 })
	accepted, err := listener.Accept() // and has no deadline of ours
	want1(t, err, nil)
	accepted.Close()
}

// A listener without deadlines, as those of package tls are.
type plainListener struct{ net.Listener }

func TestAListenerWithoutDeadlinesSwallowsNoClient(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	listener := &plainListener{Listener: inner}
	first := serverPool(t, listener)
	_, err = first.GetWithTimeout(background, 20*time.Millisecond)
	want1(t, err, ErrGetConnectionTimeout)
	want1(t, first.Close(), nil)
	second := serverPool(t, listener)
	client, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn := mustGet(t, second)
	want1(t, conn.Conn.RemoteAddr().String(), client.LocalAddr().String())
	mustPut(t, second, conn)
}

// descriptors are those of the process, and what they are.
func descriptors(t *testing.T) map[string]string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc/self/fd here")
	}
	open := make(map[string]string)
	for _, entry := range entries {
		what, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err == nil { // else it was that of the folder
			open[entry.Name()] = what
		}
	}
	return open
}

func TestDescriptorsComeAndGo(t *testing.T) {
	config := plain(nil2(), 8)
	config.Dialer = dialTo(tcpEcho(t))
	warm := mustPool(t, config)
	mustPut(t, warm, mustGet(t, warm))
	_ = warm.Close()
	eventually(t, "the echo server has closed", func() bool { return ours() == 0 })
	time.Sleep(20 * time.Millisecond)
	before := descriptors(t)
	for round := 0; round < 5; round++ {
		pool := mustPool(t, config)
		var conns []*Connection
		for i := 0; i < 8; i++ {
			conns = append(conns, mustGet(t, pool))
		}
		for _, conn := range conns {
			mustPut(t, pool, conn)
		}
		want1(t, pool.Close(), nil)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("before: %v\nafter: %v", before, descriptors(t))
		}
	})
	eventually(t, "no descriptor is left", func() bool {
		return len(descriptors(t)) <= len(before)
	})
}
