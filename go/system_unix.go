//go:build unix

package netconnpool

import (
	"os"
	"syscall"
)

// watch puts a duplicate of a descriptor into the network poller of the
// runtime: waiting for it then takes no thread.
func watch(fd int) (*os.File, syscall.RawConn, error) {
	syscall.ForkLock.RLock()
	own, err := syscall.Dup(fd)
	if err == nil {
		syscall.CloseOnExec(own)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("dup", err)
	}
	if err := syscall.SetNonblock(own, true); err != nil {
		syscall.Close(own)
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(own), "netconnpool queue")
	alarm, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, alarm, nil
}

// setBuffer sets the size of a buffer of a socket; 0 leaves it to the system.
func setBuffer(fd uintptr, option, size int) {
	if size > 0 {
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, option, size)
	}
}
