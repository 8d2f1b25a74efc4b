//go:build !amd64

package netconnpool

import "sync/atomic"

// store32 and store64 are atomic and release what was written before.

func store32(to *uint32, value uint32) { atomic.StoreUint32(to, value) }
func store64(to *uint64, value uint64) { atomic.StoreUint64(to, value) }
