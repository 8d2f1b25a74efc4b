//go:build cgo

package netconnpool

// #include "shim.h"
import "C"

import "unsafe"

// acquire asks for a connection. The answer comes as a copy: a pointer given to
// C would put it on the heap. (#cgo noescape, which saves that, is an error to Go
// 1.19 when it vendors, whatever the file is built for.)
func (p libPool) acquire(a *answer, queue libQueue, w *want) {
	copied := C.ncpgo_acquire(p.number(), queue.number(), C.int(w.protocol),
		C.int(w.ip), C.int64_t(w.timeoutMs), C.uint64_t(w.tag), C.int(w.flags))
	*a = *(*answer)(unsafe.Pointer(&copied))
}

// release gives a lease back.
func (p libPool) release(r *released, lease uint64, flags int, queue libQueue) {
	copied := C.ncpgo_release(p.number(), C.uint64_t(lease), C.int(flags),
		queue.number())
	*r = *(*released)(unsafe.Pointer(&copied))
}
