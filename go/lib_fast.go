//go:build cgo && go1.24

package netconnpool

/*
#cgo noescape ncpgo_acquire
#cgo nocallback ncpgo_acquire
#cgo noescape ncpgo_release
#cgo nocallback ncpgo_release
#include "shim.h"
*/
import "C"

import "unsafe"

// acquire asks for a connection. C writes the answer where it is wanted.
func (p libPool) acquire(a *answer, queue libQueue, w *want) {
	C.ncpgo_acquire(p.number(), queue.number(), C.int(w.protocol), C.int(w.ip),
		C.int64_t(w.timeoutMs), C.uint64_t(w.tag), C.int(w.flags),
		(*C.struct_ncpgo_answer)(unsafe.Pointer(a)))
}

// release gives a lease back.
func (p libPool) release(r *released, lease uint64, flags int, queue libQueue) {
	C.ncpgo_release(p.number(), C.uint64_t(lease), C.int(flags), queue.number(),
		(*C.struct_ncpgo_released)(unsafe.Pointer(r)))
}
