package main

import (
	"net"
	"os"
	"syscall"
	"time"
)

// blocking is a connection over a descriptor in blocking mode, as a dialer in C
// or Python leaves it. Sockets of package net are never in it, so they cannot show
// that the mode is put back.
type blocking struct {
	fd          int
	local, peer net.Addr
}

// newBlocking takes the place of `conn`, which it closes.
func newBlocking(conn net.Conn) (*blocking, error) {
	defer conn.Close()
	fd, err := syscall.Dup(descriptorOf(conn))
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	syscall.CloseOnExec(fd)
	return &blocking{fd, conn.LocalAddr(), conn.RemoteAddr()}, syscall.SetNonblock(fd, false)
}

func (b *blocking) Read(data []byte) (int, error)    { return syscall.Read(b.fd, data) }
func (b *blocking) Write(data []byte) (int, error)   { return syscall.Write(b.fd, data) }
func (b *blocking) Close() error                     { return syscall.Close(b.fd) }
func (b *blocking) LocalAddr() net.Addr              { return b.local }
func (b *blocking) RemoteAddr() net.Addr             { return b.peer }
func (b *blocking) SetDeadline(when time.Time) error { return b.SetReadDeadline(when) }
func (b *blocking) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline sets the limit of the next reads, counted from now.
func (b *blocking) SetReadDeadline(when time.Time) error {
	limit := syscall.Timeval{}
	if !when.IsZero() {
		limit = syscall.NsecToTimeval(int64(time.Until(when)))
	}
	return syscall.SetsockoptTimeval(b.fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit)
}

// SyscallConn gives the pool the descriptor.
func (b *blocking) SyscallConn() (syscall.RawConn, error) { return rawDescriptor(b.fd), nil }

type rawDescriptor uintptr

func (r rawDescriptor) Control(f func(uintptr)) error { f(uintptr(r)); return nil }
func (r rawDescriptor) Read(f func(uintptr) bool) error {
	for !f(uintptr(r)) {
	}
	return nil
}
func (r rawDescriptor) Write(f func(uintptr) bool) error { return r.Read(f) }

func isNonblocking(fd int) bool {
	flags, _, failed := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
	if failed != 0 {
		fail("fcntl: %v", failed)
	}
	return flags&syscall.O_NONBLOCK != 0
}

// socketOf makes a connection of package net from a descriptor, which it takes.
func socketOf(fd int) net.Conn {
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	return must(net.FileConn(file))
}
