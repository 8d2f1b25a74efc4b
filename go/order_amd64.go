//go:build !race

package netconnpool

import "unsafe"

// store32 and store64 are atomic and release what was written before: every store
// of this processor does. A store of sync/atomic would be an exchange.

func store32(to *uint32, value uint32) { *to = value }
func store64(to *uint64, value uint64) { *to = value }

// Store is seen by others soon, not at once.
func (p *holderPointer) Store(conn *Connection) { p.conn = unsafe.Pointer(conn) }
