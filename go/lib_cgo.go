//go:build cgo

package netconnpool

/*
#cgo CFLAGS: -std=c11 -D_GNU_SOURCE -O2
#cgo linux LDFLAGS: -pthread
#include "shim.h"
*/
import "C"

import (
	"runtime"
	"unsafe"
)

const cgoEnabled = true

// Compile-time proof that an event, an answer and a released may be read as
// what C wrote: the sizes are equal. The offsets are compared in the tests.
var (
	_ [unsafe.Sizeof(event{}) - C.sizeof_ncp_event]struct{}
	_ [C.sizeof_ncp_event - unsafe.Sizeof(event{})]struct{}
	_ [unsafe.Sizeof(answer{}) - C.sizeof_struct_ncpgo_answer]struct{}
	_ [C.sizeof_struct_ncpgo_answer - unsafe.Sizeof(answer{})]struct{}
	_ [unsafe.Sizeof(released{}) - C.sizeof_struct_ncpgo_released]struct{}
	_ [C.sizeof_struct_ncpgo_released - unsafe.Sizeof(released{})]struct{}
)

func (p libPool) c() *C.ncp_pool     { return (*C.ncp_pool)(p.ptr) }
func (q libQueue) c() *C.ncp_queue   { return (*C.ncp_queue)(q.ptr) }
func (c libConfig) c() *C.ncp_config { return (*C.ncp_config)(c.ptr) }
func (c libClock) c() *C.uint64_t    { return (*C.uint64_t)(c.ptr) }

// -------------------------------------------------------------- beside get and put

func (p libPool) number() C.uintptr_t  { return C.uintptr_t(uintptr(p.ptr)) }
func (q libQueue) number() C.uintptr_t { return C.uintptr_t(uintptr(q.ptr)) }

// refuse counts a get that ended before it began.
func (p libPool) refuse(status int) { C.ncp_pool_refuse(p.c(), C.int(status)) }

// keeps says whether a put would keep the connection.
func (p libPool) keeps(lease uint64) bool {
	return C.ncp_lease_keeps(p.c(), C.ncp_lease(lease)) == 0
}

func takeWholeEvent(address int64) event {
	var ev event
	C.ncpgo_take_whole(C.int64_t(address), (*C.ncp_event)(unsafe.Pointer(&ev)))
	return ev
}

// -------------------------------------------------------------------- the queue

func newLibQueue() (libQueue, int) {
	var out *C.ncp_queue
	status := C.ncp_queue_new(&out)
	return libQueue{unsafe.Pointer(out)}, int(status)
}

func (q libQueue) fd() int     { return int(C.ncp_queue_fd(q.c())) }
func (q libQueue) kick()       { C.ncp_queue_kick(q.c()) }
func (q libQueue) free()       { C.ncp_queue_free(q.c()) }
func (q libQueue) ready() bool { return C.ncp_queue_ready(q.c()) == 1 }

func (q libQueue) poll(events []event) int {
	return int(C.ncp_queue_poll(q.c(),
		(*C.ncp_event)(unsafe.Pointer(&events[0])), C.int(len(events))))
}

// --------------------------------------------------------- what a pull host says

func (p libPool) checked(lease uint64, healthy bool) answer {
	a := C.ncpgo_checked(p.c(), C.uint64_t(lease), cBool(healthy))
	return *(*answer)(unsafe.Pointer(&a))
}

// dialed says that a dial has ended and hooks follow; it learns the id that the
// connection will have.
func (p libPool) dialed(reservation, handle uint64, fd int, protocol Protocol,
	ip IPVersion) (uint64, int) {
	number := C.ncpgo_dialed(p.c(), C.uint64_t(reservation), C.uint64_t(handle),
		C.int(fd), C.int(protocol), C.int(ip))
	return uint64(number.value), int(number.status)
}

func (p libPool) fulfil(reservation, handle uint64, fd int, protocol Protocol,
	ip IPVersion) answer {
	a := C.ncpgo_fulfil(p.c(), C.uint64_t(reservation), C.uint64_t(handle),
		C.int(fd), C.int(protocol), C.int(ip))
	return *(*answer)(unsafe.Pointer(&a))
}

func (p libPool) fail(reservation uint64, status int, code int64,
	text string) answer {
	bytes := []byte(text)
	if len(bytes) == 0 {
		bytes = []byte{0}
	}
	a := C.ncpgo_fail(p.c(), C.uint64_t(reservation), C.int(status),
		C.int64_t(code), (*C.char)(unsafe.Pointer(&bytes[0])),
		C.size_t(len(text)))
	return *(*answer)(unsafe.Pointer(&a))
}

func (p libPool) abandon(ticket uint64, status int) int {
	return int(C.ncp_ticket_abandon(p.c(), C.ncp_ticket(ticket), C.int(status)))
}

func (p libPool) work()            { C.ncp_pool_work(p.c()) }
func (p libPool) wake()            { C.ncp_pool_wake(p.c()) }
func (p libPool) nextDueMs() int64 { return int64(C.ncp_pool_next_due_ms(p.c())) }

// nextLogLine takes the oldest line of log out; ok is false when there is none.
func (p libPool) nextLogLine() (level int, connID uint64, text string, ok bool) {
	const size = 1024
	buffer := make([]byte, size)
	var cLevel C.int
	var cConn C.uint64_t
	length := C.ncp_pool_log_next(p.c(), &cLevel, &cConn,
		(*C.char)(unsafe.Pointer(&buffer[0])), size)
	if length <= 0 {
		return 0, 0, "", false
	}
	if length > size-1 {
		length = size - 1
	}
	return int(cLevel), uint64(cConn), string(buffer[:length]), true
}

// ------------------------------------------------------------------ configuration

func newLibConfig(mode PoolMode) (libConfig, int) {
	var out *C.ncp_config
	status := C.ncp_config_new(C.int(mode), &out)
	return libConfig{unsafe.Pointer(out)}, int(status)
}

func (c libConfig) free() { C.ncp_config_free(c.c()) }

func (c libConfig) setInt(option int, value int64) int {
	return int(C.ncp_config_set_int(c.c(), C.int(option), C.int64_t(value)))
}

func (c libConfig) getInt(option int) (int64, int) {
	number := C.ncpgo_config_int(c.c(), C.int(option))
	return int64(number.value), int(number.status)
}

func (c libConfig) setText(name, text string) int {
	cName, cText := C.CString(name), C.CString(text)
	defer C.free(unsafe.Pointer(cName))
	defer C.free(unsafe.Pointer(cText))
	return int(C.ncp_config_set(c.c(), cName, cText))
}

func (c libConfig) getText(name string) (string, int) {
	cName := C.CString(name)
	defer C.free(unsafe.Pointer(cName))
	return cText(func(buffer *C.char, size C.size_t) C.int {
		return C.ncp_config_get(c.c(), cName, buffer, size)
	})
}

func (c libConfig) setQueue(queue libQueue) int {
	return int(C.ncp_config_set_queue(c.c(), queue.c()))
}

func (c libConfig) setClock(clock libClock) int {
	return int(C.ncpgo_config_set_clock(c.c(), clock.c()))
}

func (c libConfig) validate() int  { return int(C.ncp_config_validate(c.c())) }
func (c libConfig) reason() string { return C.GoString(C.ncp_config_reason(c.c())) }

func libOptions() []optionRow {
	var rows []optionRow
	for index := C.int(0); ; index++ {
		var option C.int
		if C.ncp_option_at(index, &option) != 0 {
			return rows
		}
		rows = append(rows, optionRow{
			option: int(option),
			kind:   int(C.ncp_option_type(option)),
			name:   C.GoString(C.ncp_option_name(option)),
			unit:   C.GoString(C.ncp_option_unit(option)),
			help:   C.GoString(C.ncp_option_help(option)),
			live:   C.ncp_option_runtime(option) == 1,
		})
	}
}

func libOptionDefault(option int, mode PoolMode) int64 {
	return int64(C.ncpgo_option_range(C.int(option), C.int(mode)).def)
}

func libOptionLimits(option int) (min, max int64) {
	limits := C.ncpgo_option_range(C.int(option), C.int(PoolModeClient))
	return int64(limits.min), int64(limits.max)
}

// -------------------------------------------------------------------------- pools

func newLibPool(config libConfig) (libPool, int) {
	var out *C.ncp_pool
	status := C.ncp_pool_new(config.c(), &out)
	return libPool{unsafe.Pointer(out)}, int(status)
}

func (p libPool) free()          { C.ncp_pool_free(p.c()) }
func (p libPool) close() int     { return int(C.ncp_pool_close(p.c())) }
func (p libPool) closeNow() int  { return int(C.ncp_pool_close_now(p.c())) }
func (p libPool) flush() int     { return int(C.ncp_pool_flush(p.c())) }
func (p libPool) suspend() int   { return int(C.ncp_pool_suspend(p.c())) }
func (p libPool) resume() int    { return int(C.ncp_pool_resume(p.c())) }
func (p libPool) isClosed() bool { return C.ncp_pool_is_closed(p.c()) == 1 }

func (p libPool) resize(max int64) int {
	return int(C.ncp_pool_resize(p.c(), C.int64_t(max)))
}

func (p libPool) set(option int, value int64) int {
	return int(C.ncp_pool_set(p.c(), C.int(option), C.int64_t(value)))
}

func (p libPool) option(option int) (int64, int) {
	number := C.ncpgo_pool_option(p.c(), C.int(option))
	return int64(number.value), int(number.status)
}

// prewarmed says how pre-warming ended, or that it has not (ncpEtimeout).
func (p libPool) prewarmed() int {
	return int(C.ncp_pool_prewarm_wait(p.c(), 0))
}

func (p libPool) activeCount() int  { return int(C.ncp_pool_active_count(p.c())) }
func (p libPool) idleCount() int    { return int(C.ncp_pool_idle_count(p.c())) }
func (p libPool) waitingCount() int { return int(C.ncp_pool_waiting_count(p.c())) }
func (p libPool) dialingCount() int { return int(C.ncp_pool_dialing_count(p.c())) }

func (p libPool) stats() [ncpCounterCount]uint64 {
	counters := C.ncpgo_stats(p.c())
	return *(*[ncpCounterCount]uint64)(unsafe.Pointer(&counters.value))
}

// libCounters are the names of the counters, by their numbers.
func libCounters() []string {
	var names []string
	for index := C.int(0); ; index++ {
		var name *C.char
		if C.ncp_counter_at(index, nil, &name, nil, nil) != 0 {
			return names
		}
		names = append(names, C.GoString(name))
	}
}

func (p libPool) describe() string {
	text, _ := cText(func(buffer *C.char, size C.size_t) C.int {
		return C.ncp_pool_describe(p.c(), buffer, size)
	})
	return text
}

func (p libPool) dialError() (dialError, int) {
	text := make([]byte, 128)
	var code, age C.int64_t
	var count C.uint64_t
	status := C.ncp_pool_dial_error(p.c(), &code, &age, &count,
		(*C.char)(unsafe.Pointer(&text[0])), C.size_t(len(text)))
	return dialError{int64(code), int64(age), uint64(count), untilZero(text)},
		int(status)
}

// ------------------------------------------------------------------------- leases

func (p libPool) detach(lease uint64) int {
	return int(C.ncp_pool_detach(p.c(), C.ncp_lease(lease), nil))
}

func (p libPool) closeLease(lease uint64) int {
	return int(C.ncp_lease_close(p.c(), C.ncp_lease(lease)))
}

func (p libPool) setHealthy(lease uint64, healthy bool) int {
	return int(C.ncp_lease_set_healthy(p.c(), C.ncp_lease(lease), cBool(healthy)))
}

func (p libPool) setTag(lease, tag uint64) int {
	return int(C.ncp_lease_set_tag(p.c(), C.ncp_lease(lease), C.uint64_t(tag)))
}

func (p libPool) renew(lease, handle uint64, fd int, protocol Protocol,
	ip IPVersion) int {
	return int(C.ncp_lease_renew(p.c(), C.ncp_lease(lease), C.uint64_t(handle),
		C.int(fd), C.int(protocol), C.int(ip)))
}

func (p libPool) leaseInfo(lease uint64, info int) (int64, int) {
	number := C.ncpgo_lease_info(p.c(), C.uint64_t(lease), C.int(info))
	return int64(number.value), int(number.status)
}

func (p libPool) leases() []uint64 {
	for room := 64; ; room *= 2 {
		leases := make([]uint64, room)
		var count C.size_t
		C.ncp_pool_leases(p.c(), (*C.ncp_lease)(unsafe.Pointer(&leases[0])),
			C.size_t(room), &count)
		if int(count) <= room {
			return leases[:count]
		}
	}
}

// ------------------------------------------------------------------------ sockets

func libFdAlive(fd uintptr) bool { return C.ncp_fd_alive(C.int(fd)) == 1 }

func libUDPHasData(fd uintptr) bool { return C.ncp_udp_has_data(C.int(fd)) == 1 }

func libUDPDrain(fd uintptr, timeoutMs int64, maxPackets int) int {
	number := C.ncpgo_udp_drain(C.int(fd), C.int64_t(timeoutMs), C.int(maxPackets))
	return int(number.status)
}

// -------------------------------------------------------------------------- clocks

func newLibClock(nowNs uint64) libClock {
	return libClock{unsafe.Pointer(C.ncpgo_clock_new(C.uint64_t(nowNs)))}
}

func (c libClock) set(nowNs uint64) {
	C.ncpgo_clock_set(c.c(), C.uint64_t(nowNs))
}

func (c libClock) free() { C.free(c.ptr) }

// ------------------------------------------------------------------------- helpers

func libNowNs() int64 { return int64(C.ncpgo_now_ns()) }

func libVersion() string { return C.GoString(C.ncp_version_text()) }

func libStatusText(status int) string {
	return C.GoString(C.ncp_status_text(C.int(status)))
}

func libStatusName(status int) string {
	return C.GoString(C.ncp_status_name(C.int(status)))
}

func libReasonText(reason int) string {
	return C.GoString(C.ncp_reason_text(C.int(reason)))
}

func cBool(value bool) C.int {
	if value {
		return 1
	}
	return 0
}

func untilZero(text []byte) string {
	for i, b := range text {
		if b == 0 {
			return string(text[:i])
		}
	}
	return string(text)
}

// cText calls a function that writes text the way snprintf does until the
// buffer is large enough.
func cText(write func(*C.char, C.size_t) C.int) (string, int) {
	for size := 1024; ; {
		buffer := make([]byte, size)
		length := int(write((*C.char)(unsafe.Pointer(&buffer[0])), C.size_t(size)))
		if length < 0 {
			return "", length
		}
		if length < size {
			runtime.KeepAlive(buffer)
			return string(buffer[:length]), 0
		}
		size = length + 1
	}
}
