package netconnpool

import (
	"errors"
	"net"
	"time"
)

// ErrUDPNotEmpty says that datagrams are left in a socket after as many were
// dropped, or as long was tried, as allowed.
var ErrUDPNotEmpty = errors.New("datagrams are left in the read buffer")

// ClearUDPReadBuffer drops the datagrams that wait in a UDP socket, without
// blocking and without changing its deadlines. Other connections are left alone.
// timeout and maxPackets say how long and how many at most; 0 and below stand
// for 100 ms and 100.
func ClearUDPReadBuffer(conn net.Conn, timeout time.Duration,
	maxPackets int) error {
	udp, ok := conn.(*net.UDPConn)
	if !ok || udp == nil {
		return nil
	}
	if !cgoEnabled {
		return ErrCgoDisabled
	}
	raw, err := udp.SyscallConn()
	if err != nil {
		return err
	}
	status := ncpOk
	err = raw.Control(func(fd uintptr) {
		status = libUDPDrain(fd, toMs(timeout), maxPackets)
	})
	switch {
	case err != nil:
		return err
	case status == ncpEagain:
		return ErrUDPNotEmpty
	}
	return statusError(status)
}

// ClearUDPReadBufferNonBlocking is ClearUDPReadBuffer, which never blocks, without
// the error.
func ClearUDPReadBufferNonBlocking(conn net.Conn, timeout time.Duration,
	maxPackets int) {
	_ = ClearUDPReadBuffer(conn, timeout, maxPackets)
}

// HasUDPDataInBuffer reports whether a datagram waits in a UDP socket. It takes
// nothing out.
func HasUDPDataInBuffer(conn net.Conn) bool {
	udp, ok := conn.(*net.UDPConn)
	if !ok || udp == nil || !cgoEnabled {
		return false
	}
	raw, err := udp.SyscallConn()
	if err != nil {
		return false
	}
	waits := false
	err = raw.Control(func(fd uintptr) { waits = libUDPHasData(fd) })
	return err == nil && waits
}
