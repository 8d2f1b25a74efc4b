//go:build !unix

package netconnpool

import (
	"errors"
	"os"
	"syscall"
)

// watch is for systems that the library does not know yet.
func watch(int) (*os.File, syscall.RawConn, error) {
	return nil, nil, errors.New("not supported on this system")
}

func setBuffer(uintptr, int, int) {}
