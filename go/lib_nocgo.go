//go:build !cgo

package netconnpool

// Without cgo there is no library: constructors say so, and nothing else of this
// file is ever called.

// LinkInfo says which C library the package uses: "bundled" is compiled from
// the sources beside it; "system" (build tag netconnpool_system) is the one that
// is installed, found by pkg-config; "none" is a build without cgo.
const LinkInfo = "none"

const cgoEnabled = false

const noLibrary = "netconnpool: called without cgo"

func (libPool) acquire(queue libQueue, protocol Protocol, ip IPVersion, timeoutMs int64, tag uint64, flags int) answer {
	panic(noLibrary)
}
func (libPool) release(lease uint64, flags int, queue libQueue) released { panic(noLibrary) }
func (libPool) refuse(status int)                                        { panic(noLibrary) }
func (libPool) keeps(lease uint64) bool                                  { panic(noLibrary) }
func takeWholeEvent(address int64) event                                 { panic(noLibrary) }
func newLibQueue() (libQueue, int)                                       { panic(noLibrary) }
func (libQueue) fd() int                                                 { panic(noLibrary) }
func (libQueue) kick()                                                   { panic(noLibrary) }
func (libQueue) free()                                                   { panic(noLibrary) }
func (libQueue) ready() bool                                             { panic(noLibrary) }
func (libQueue) poll(events []event) int                                 { panic(noLibrary) }
func (libPool) checked(lease uint64, healthy bool) answer                { panic(noLibrary) }
func (libPool) dialed(reservation, handle uint64, fd int, protocol Protocol, ip IPVersion) (uint64, int) {
	panic(noLibrary)
}
func (libPool) fulfil(reservation, handle uint64, fd int, protocol Protocol, ip IPVersion) answer {
	panic(noLibrary)
}
func (libPool) fail(reservation uint64, status int, code int64, text string) answer { panic(noLibrary) }
func (libPool) abandon(ticket uint64, status int) int                               { panic(noLibrary) }
func (libPool) work()                                                               { panic(noLibrary) }
func (libPool) wake()                                                               { panic(noLibrary) }
func (libPool) nextDueMs() int64                                                    { panic(noLibrary) }
func (libPool) nextLogLine() (level int, connID uint64, text string, ok bool)       { panic(noLibrary) }
func newLibConfig(mode PoolMode) (libConfig, int)                                   { panic(noLibrary) }
func (libConfig) free()                                                             { panic(noLibrary) }
func (libConfig) setInt(option int, value int64) int                                { panic(noLibrary) }
func (libConfig) getInt(option int) (int64, int)                                    { panic(noLibrary) }
func (libConfig) setText(name, text string) int                                     { panic(noLibrary) }
func (libConfig) getText(name string) (string, int)                                 { panic(noLibrary) }
func (libConfig) setQueue(queue libQueue) int                                       { panic(noLibrary) }
func (libConfig) setClock(clock libClock) int                                       { panic(noLibrary) }
func (libConfig) validate() int                                                     { panic(noLibrary) }
func (libConfig) reason() string                                                    { panic(noLibrary) }
func libOptions() []optionRow                                                       { panic(noLibrary) }
func libOptionDefault(option int, mode PoolMode) int64                              { panic(noLibrary) }
func libTargetCheck(target string) (string, int)                                    { panic(noLibrary) }
func newLibPool(config libConfig) (libPool, int)                                    { panic(noLibrary) }
func (libPool) free()                                                               { panic(noLibrary) }
func (libPool) close() int                                                          { panic(noLibrary) }
func (libPool) closeNow() int                                                       { panic(noLibrary) }
func (libPool) flush() int                                                          { panic(noLibrary) }
func (libPool) suspend() int                                                        { panic(noLibrary) }
func (libPool) resume() int                                                         { panic(noLibrary) }
func (libPool) isClosed() bool                                                      { panic(noLibrary) }
func (libPool) resize(max int64) int                                                { panic(noLibrary) }
func (libPool) set(option int, value int64) int                                     { panic(noLibrary) }
func (libPool) option(option int) (int64, int)                                      { panic(noLibrary) }
func (libPool) prewarmed() int                                                      { panic(noLibrary) }
func (libPool) activeCount() int                                                    { panic(noLibrary) }
func (libPool) idleCount() int                                                      { panic(noLibrary) }
func (libPool) waitingCount() int                                                   { panic(noLibrary) }
func (libPool) dialingCount() int                                                   { panic(noLibrary) }
func (libPool) stats() [ncpCounterCount]uint64                                      { panic(noLibrary) }
func libCounters() []string                                                         { panic(noLibrary) }
func (libPool) describe() string                                                    { panic(noLibrary) }
func (libPool) dialError() (dialError, int)                                         { panic(noLibrary) }
func (libPool) detach(lease uint64) int                                             { panic(noLibrary) }
func (libPool) closeLease(lease uint64) int                                         { panic(noLibrary) }
func (libPool) setHealthy(lease uint64, healthy bool) int                           { panic(noLibrary) }
func (libPool) setTag(lease, tag uint64) int                                        { panic(noLibrary) }
func (libPool) renew(lease, handle uint64, fd int, protocol Protocol, ip IPVersion) int {
	panic(noLibrary)
}
func (libPool) leaseInfo(lease uint64, info int) (int64, int)     { panic(noLibrary) }
func (libPool) leases() []uint64                                  { panic(noLibrary) }
func libFdAlive(fd uintptr) bool                                  { panic(noLibrary) }
func libUDPHasData(fd uintptr) bool                               { panic(noLibrary) }
func libUDPDrain(fd uintptr, timeoutMs int64, maxPackets int) int { panic(noLibrary) }
func newLibClock(nowNs uint64) libClock                           { panic(noLibrary) }
func (libClock) set(nowNs uint64)                                 { panic(noLibrary) }
func (libClock) free()                                            { panic(noLibrary) }
func libNowNs() int64                                             { panic(noLibrary) }
func libVersion() string                                          { panic(noLibrary) }
func libStatusText(status int) string                             { panic(noLibrary) }
func libStatusName(status int) string                             { panic(noLibrary) }
func libReasonText(reason int) string                             { panic(noLibrary) }
