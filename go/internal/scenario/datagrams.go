package main

import (
	"syscall"
	"time"

	netconnpool "github.com/netconnpool/netconnpool/go"
)

const peekOffset = 42 // SO_PEEK_OFF

// countDatagrams counts what waits in a socket without taking anything out.
func countDatagrams(fd int) int {
	setPeekOffset(fd, 0)
	defer setPeekOffset(fd, -1)
	data := make([]byte, 1<<16)
	for count := 0; ; count++ {
		_, _, err := syscall.Recvfrom(fd, data, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		for err == syscall.ECONNREFUSED { // of a datagram that was sent before
			_, _, err = syscall.Recvfrom(fd, data, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		}
		if err != nil {
			return count
		}
	}
}

func setPeekOffset(fd, offset int) {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, peekOffset, offset); err != nil {
		fail("SO_PEEK_OFF: %v", err)
	}
}

// drainDatagrams says how many datagrams a clearing took out.
func drainDatagrams(l *link, limit int64, max int) (dropped int, err error) {
	before := countDatagrams(l.fd)
	err = netconnpool.ClearUDPReadBuffer(l.conn, time.Duration(limit)*time.Millisecond, max)
	after := countDatagrams(l.fd)
	return before - after, err
}

// isAlive looks whether the peer of a socket is still there.
func isAlive(l *link) bool {
	_, _, err := syscall.Recvfrom(l.fd, make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == syscall.EAGAIN
}
