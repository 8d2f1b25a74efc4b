//go:build !cgo

package netconnpool

import "unsafe"

// LinkInfo says which C library the package uses: "bundled" is compiled from
// the sources beside it; "system" (build tag netconnpool_system) is the one that
// is installed, found by pkg-config; "none" is a build without cgo.
const LinkInfo = "none"

const cgoEnabled = false

// Without cgo there is no library: the constructors say so, and nothing of this
// file is ever called.
var absent = func(unsafe.Pointer) { panic(ErrCgoDisabled) }

func (p libPool) acquire(_ *answer, _ libQueue, _ *want) { absent(p.ptr) }

func (p libPool) release(_ *released, _ uint64, _ int, _ libQueue) { absent(p.ptr) }

func (p libPool) refuse(_ int) { absent(p.ptr) }
func (p libPool) keeps(_ uint64) (r bool) {
	absent(p.ptr)
	return
}

func takeWholeEvent(_ int64) (r event) {
	absent(nil)
	return
}

func newLibQueue() (r0 libQueue, r1 int) {
	absent(nil)
	return
}

func (q libQueue) fd() (r int) {
	absent(q.ptr)
	return
}

func (q libQueue) kick() { absent(q.ptr) }
func (q libQueue) free() { absent(q.ptr) }
func (q libQueue) ready() (r bool) {
	absent(q.ptr)
	return
}

func (q libQueue) poll(_ []event) (r int) {
	absent(q.ptr)
	return
}

func (p libPool) checked(_ uint64, _ bool) (r answer) {
	absent(p.ptr)
	return
}

func (p libPool) dialed(_ uint64, _ uint64, _ int, _ Protocol, _ IPVersion) (r0 uint64, r1 int) {
	absent(p.ptr)
	return
}

func (p libPool) fulfil(_ uint64, _ uint64, _ int, _ Protocol, _ IPVersion) (r answer) {
	absent(p.ptr)
	return
}

func (p libPool) fail(_ uint64, _ int, _ int64, _ string) (r answer) {
	absent(p.ptr)
	return
}

func (p libPool) abandon(_ uint64, _ int) (r int) {
	absent(p.ptr)
	return
}

func (p libPool) work() { absent(p.ptr) }
func (p libPool) wake() { absent(p.ptr) }
func (p libPool) nextDueMs() (r int64) {
	absent(p.ptr)
	return
}

func (p libPool) nextLogLine() (level int, connID uint64, text string, ok bool) {
	absent(p.ptr)
	return
}

func newLibConfig(_ PoolMode) (r0 libConfig, r1 int) {
	absent(nil)
	return
}

func (c libConfig) free() { absent(c.ptr) }
func (c libConfig) setInt(_ int, _ int64) (r int) {
	absent(c.ptr)
	return
}

func (c libConfig) getInt(_ int) (r0 int64, r1 int) {
	absent(c.ptr)
	return
}

func (c libConfig) setText(_ string, _ string) (r int) {
	absent(c.ptr)
	return
}

func (c libConfig) getText(_ string) (r0 string, r1 int) {
	absent(c.ptr)
	return
}

func (c libConfig) setQueue(_ libQueue) (r int) {
	absent(c.ptr)
	return
}

func (c libConfig) setClock(_ libClock) (r int) {
	absent(c.ptr)
	return
}

func (c libConfig) validate() (r int) {
	absent(c.ptr)
	return
}

func (c libConfig) reason() (r string) {
	absent(c.ptr)
	return
}

func libOptions() (r []optionRow) {
	absent(nil)
	return
}

func libOptionDefault(_ int, _ PoolMode) (r int64) {
	absent(nil)
	return
}

func libOptionLimits(_ int) (min, max int64) {
	absent(nil)
	return
}

func newLibPool(_ libConfig) (r0 libPool, r1 int) {
	absent(nil)
	return
}

func (p libPool) free() { absent(p.ptr) }
func (p libPool) close() (r int) {
	absent(p.ptr)
	return
}

func (p libPool) closeNow() (r int) {
	absent(p.ptr)
	return
}

func (p libPool) flush() (r int) {
	absent(p.ptr)
	return
}

func (p libPool) suspend() (r int) {
	absent(p.ptr)
	return
}

func (p libPool) resume() (r int) {
	absent(p.ptr)
	return
}

func (p libPool) isClosed() (r bool) {
	absent(p.ptr)
	return
}

func (p libPool) resize(_ int64) (r int) {
	absent(p.ptr)
	return
}

func (p libPool) set(_ int, _ int64) (r int) {
	absent(p.ptr)
	return
}

func (p libPool) option(_ int) (r0 int64, r1 int) {
	absent(p.ptr)
	return
}

func (p libPool) prewarmed() (r int) {
	absent(p.ptr)
	return
}

func (p libPool) activeCount() (r int) {
	absent(p.ptr)
	return
}

func (p libPool) idleCount() (r int) {
	absent(p.ptr)
	return
}

func (p libPool) waitingCount() (r int) {
	absent(p.ptr)
	return
}

func (p libPool) dialingCount() (r int) {
	absent(p.ptr)
	return
}

func (p libPool) stats() (r [ncpCounterCount]uint64) {
	absent(p.ptr)
	return
}

func libCounters() (r []string) {
	absent(nil)
	return
}

func (p libPool) describe() (r string) {
	absent(p.ptr)
	return
}

func (p libPool) dialError() (r0 dialError, r1 int) {
	absent(p.ptr)
	return
}

func (p libPool) detach(_ uint64) (r int) {
	absent(p.ptr)
	return
}

func (p libPool) closeLease(_ uint64) (r int) {
	absent(p.ptr)
	return
}

func (p libPool) setHealthy(_ uint64, _ bool) (r int) {
	absent(p.ptr)
	return
}

func (p libPool) setTag(_ uint64, _ uint64) (r int) {
	absent(p.ptr)
	return
}

func (p libPool) renew(_ uint64, _ uint64, _ int, _ Protocol, _ IPVersion) (r int) {
	absent(p.ptr)
	return
}

func (p libPool) leaseInfo(_ uint64, _ int) (r0 int64, r1 int) {
	absent(p.ptr)
	return
}

func (p libPool) leases() (r []uint64) {
	absent(p.ptr)
	return
}

func libFdAlive(_ uintptr) (r bool) {
	absent(nil)
	return
}

func libUDPHasData(_ uintptr) (r bool) {
	absent(nil)
	return
}

func libUDPDrain(_ uintptr, _ int64, _ int) (r int) {
	absent(nil)
	return
}

func newLibClock(_ uint64) (r libClock) {
	absent(nil)
	return
}

func (c libClock) set(_ uint64) { absent(c.ptr) }
func (c libClock) free()        { absent(c.ptr) }
func libNowNs() (r int64) {
	absent(nil)
	return
}

func libVersion() (r string) {
	absent(nil)
	return
}

func libStatusText(_ int) (r string) {
	absent(nil)
	return
}

func libStatusName(_ int) (r string) {
	absent(nil)
	return
}

func libReasonText(_ int) (r string) {
	absent(nil)
	return
}
