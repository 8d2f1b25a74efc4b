//go:build !amd64 || race

package netconnpool

import (
	"sync/atomic"
	"unsafe"
)

// store32 and store64 are atomic and release what was written before.

func store32(to *uint32, value uint32) { atomic.StoreUint32(to, value) }
func store64(to *uint64, value uint64) { atomic.StoreUint64(to, value) }

// Store is seen by others at once.
func (p *holderPointer) Store(conn *Connection) {
	atomic.StorePointer(&p.conn, unsafe.Pointer(conn))
}
