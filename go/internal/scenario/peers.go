package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// A kind is what a dial becomes.
type kind int

const (
	tcp4 kind = iota
	tcp6
	udp4
	udp6
	unixSocket
	opaque // no descriptor that the pool knows of
	dialFails
	dialsNothing
)

var kindNames = map[string]kind{"tcp4": tcp4, "tcp6": tcp6, "udp4": udp4, "udp6": udp6,
	"unix": unixSocket, "pipe": opaque, "fail": dialFails, "nil": dialsNothing}

func kindOf(name string) kind {
	k, known := kindNames[name]
	if !known {
		fail("no such type of connection: %s", name)
	}
	return k
}

func (k kind) isDatagram() bool { return k == udp4 || k == udp6 }

// A peer is the other side of a connection, in this process.
type peer interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// A link is one connection as the runner made it, with both its ends.
type link struct {
	index  int
	kind   kind
	conn   net.Conn // what the pool gets
	fd     int
	inode  uint64 // tells a closed descriptor from a reused number
	peer   peer   // nil: closed, or of a client nobody knows
	server bool   // accepted by the package

	peerEnded atomic.Bool
	owners    atomic.Int32
	checks    atomic.Int32 // checkers inside
	closes    atomic.Int32 // calls of close_conn
	ours      atomic.Bool  // detached, replaced or refused: the runner closes it
}

// The other side: every link of the case, and the clients of its listeners that
// nobody has accepted yet.
var side struct {
	lock    sync.Mutex
	links   []*link
	clients []*net.TCPConn
	echoes  sync.WaitGroup
}

// hidden keeps everything but net.Conn from the pool.
type hidden struct{ net.Conn }

// udpPeer is a datagram socket that talks to one other.
type udpPeer struct {
	*net.UDPConn
	to net.Addr
}

func (p udpPeer) Write(data []byte) (int, error) { return p.WriteTo(data, p.to) }
func (p udpPeer) CloseWrite() error              { return syscall.ENOTSUP }

// -------------------------------------------------------------- making a pair

func loopback(six bool) net.IP {
	if six {
		return net.IPv6loopback
	}
	return net.IPv4(127, 0, 0, 1)
}

func must[T any](value T, err error) T {
	if err != nil {
		fail("the runner's own side: %v", err)
	}
	return value
}

func makeStream(listener net.Listener) (net.Conn, peer) {
	defer listener.Close()
	at := listener.Addr()
	conn := must(net.Dial(at.Network(), at.String()))
	return conn, must(listener.Accept()).(peer)
}

func makeDatagram(network string, six bool) (net.Conn, peer) {
	other := must(net.ListenUDP(network, &net.UDPAddr{IP: loopback(six)}))
	conn := must(net.DialUDP(network, &net.UDPAddr{IP: loopback(six)},
		other.LocalAddr().(*net.UDPAddr)))
	return conn, udpPeer{other, conn.LocalAddr()}
}

// An abstract name, with words in it that must not be read as anything.
func makeUnix() (net.Conn, peer) {
	name := fmt.Sprintf("@ncp-tcp-udp-%d-%d", os.Getpid(), len(side.links))
	return makeStream(must(net.Listen("unix", name)))
}

func makePair(k kind) (net.Conn, peer) {
	switch k {
	case tcp4:
		return makeStream(must(net.Listen("tcp4", "127.0.0.1:0")))
	case tcp6:
		return makeStream(must(net.Listen("tcp6", "[::1]:0")))
	case udp4:
		return makeDatagram("udp4", false)
	case udp6:
		return makeDatagram("udp6", true)
	default:
		return makeUnix()
	}
}

// descriptorOf is -1 for what is no socket.
func descriptorOf(conn net.Conn) int {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return -1
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return -1
	}
	fd := -1
	raw.Control(func(number uintptr) { fd = int(number) })
	return fd
}

func inodeOf(fd int) uint64 {
	var about syscall.Stat_t
	if fd < 0 || syscall.Fstat(fd, &about) != nil {
		return 0
	}
	return about.Ino
}

func register(k kind, conn net.Conn, other peer) *link { // with the lock held
	l := &link{index: len(side.links), kind: k, conn: conn, fd: descriptorOf(conn),
		peer: other}
	l.inode = inodeOf(l.fd)
	if k == opaque {
		l.conn = hidden{conn}
	}
	side.links = append(side.links, l)
	if other != nil {
		side.echoes.Add(1)
		go echo(l, other)
	}
	return l
}

func makeLink(k kind, blocking bool) *link {
	side.lock.Lock()
	defer side.lock.Unlock()
	conn, other := makePair(k)
	if blocking {
		conn = must(newBlocking(conn))
	}
	return register(k, conn, other)
}

// echo sends back what a peer receives.
func echo(l *link, other peer) {
	defer side.echoes.Done()
	data := make([]byte, 1<<16)
	for {
		n, err := other.Read(data)
		if err == nil {
			other.Write(data[:n])
			continue
		}
		if l.kind.isDatagram() && !errors.Is(err, net.ErrClosed) {
			continue
		}
		l.peerEnded.Store(true)
		return
	}
}

// --------------------------------------------------------------- finding them

func linkAt(index int) *link {
	side.lock.Lock()
	defer side.lock.Unlock()
	if index < 0 || index >= len(side.links) {
		fail("there is no connection number %d", index)
	}
	return side.links[index]
}

func allLinks() []*link {
	side.lock.Lock()
	defer side.lock.Unlock()
	return append([]*link(nil), side.links...)
}

func linkOf(conn net.Conn) *link {
	for _, l := range allLinks() {
		if l.conn == conn {
			return l
		}
	}
	return nil
}

// clientOf is the client among those that wait whose address is the peer's.
func clientOf(conn net.Conn) peer { // with the lock held
	for i, client := range side.clients {
		if client.LocalAddr().String() == conn.RemoteAddr().String() {
			side.clients = append(side.clients[:i], side.clients[i+1:]...)
			return client
		}
	}
	return nil
}

// adopt finds the link of a connection; one that the package has accepted by
// itself becomes known now.
func adopt(conn net.Conn) *link {
	if conn == nil {
		fail("a connection is nil")
	}
	if l := linkOf(conn); l != nil {
		return l
	}
	side.lock.Lock()
	defer side.lock.Unlock()
	other := clientOf(conn)
	if other == nil {
		fail("a connection that nobody made: %v", conn.RemoteAddr())
	}
	l := register(tcp4, conn, other)
	l.server = true
	return l
}

func (l *link) isOpen() bool { return l.fd >= 0 && inodeOf(l.fd) == l.inode }

// endPeer closes the other end, with a reset if that is wanted.
func (l *link) endPeer(reset bool) {
	side.lock.Lock()
	defer side.lock.Unlock()
	if l.peer == nil {
		fail("the peer of connection %d is closed already", l.index)
	}
	if stream, ok := l.peer.(*net.TCPConn); ok && reset {
		stream.SetLinger(0)
	}
	l.peer.Close()
	l.peer = nil
}

// connectClient holds the lock, so that nobody asks for a client that is accepted
// before it is known.
func connectClient(listener net.Listener) {
	side.lock.Lock()
	defer side.lock.Unlock()
	client := must(net.Dial("tcp4", listener.Addr().String())).(*net.TCPConn)
	side.clients = append(side.clients, client)
}

// forgetLinks ends what is left of the other side.
func forgetLinks() {
	side.lock.Lock()
	for _, l := range side.links {
		if l.peer != nil {
			l.peer.Close()
		}
	}
	for _, client := range side.clients {
		client.Close()
	}
	side.links, side.clients = nil, nil
	side.lock.Unlock()
	side.echoes.Wait()
}

func hasIPv6() bool {
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	listener.Close()
	return true
}
