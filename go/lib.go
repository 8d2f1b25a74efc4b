package netconnpool

import "unsafe"

// The C library as Go sees it: plain values only. lib_cgo.go holds the calls;
// lib_nocgo.go what is left of them without a C compiler.

// A libPool is a pool of the C library. Two are equal if they are the same pool.
type libPool struct{ ptr unsafe.Pointer }

// A libQueue is the completion queue, one a process.
type libQueue struct{ ptr unsafe.Pointer }

// A libConfig is a configuration; freed by libConfig.free.
type libConfig struct{ ptr unsafe.Pointer }

// A libClock is a clock of C memory.
type libClock struct{ ptr unsafe.Pointer }

// An event is ncp_event: what is to be done, or has been done. The size and
// the offsets are compared with those of C when the package starts.
type event struct {
	kind       int32
	status     int32
	pool       libPool
	lease      uint64
	ticket     uint64
	_          uint64 // the tag, which is kept with the lease
	handle     uint64
	connID     uint64
	timeoutMs  int64
	_          int32 // the descriptor, which the record has
	protocol   int32
	ip         int32
	reason     int32
	reused     int32
	_          int32
	code       int64
	creationMs int64
	_          [3]uint64
}

// An answer is what acquire, fulfil, fail and checked say.
type answer struct {
	status int32
	kind   int16
	flag   int16 // of CONN: it is reused; of PENDING: the queue has events
	lease  uint64
	name   uint64 // of PENDING the ticket, else the handle
	number int64  // of CONN when, or 0; of a failure the code; else milliseconds
}

// A released is what giving back says: the status of the put, the time, and at
// most one event, whose kind is ncpEventNone when there is none.
type released struct {
	status      int32
	kind        int16
	reused      int16
	nowNs       int64
	pool        libPool
	ticket      uint64
	lease       uint64
	handle      uint64
	number      int64
	eventStatus int32 // of CLOSE the reason
	whole       int32
}

// decides says whether the event that came is what a ticket came to.
func (r *released) decides() bool {
	switch r.kind {
	case ncpEventConn, ncpEventReady, ncpEventBorrow:
		return true
	}
	return r.kind == ncpEventCheck && r.whole == 0
}

// answer is what the ticket came to.
func (r *released) answer() answer {
	return answer{status: r.eventStatus, kind: r.kind, flag: r.reused,
		lease: r.lease, name: r.handle, number: r.number}
}

// event is any other event that came with a release.
func (r *released) event() *event {
	if r.whole != 0 {
		ev := takeWholeEvent(r.number)
		return &ev
	}
	ev := &event{kind: int32(r.kind), pool: r.pool, ticket: r.ticket,
		lease: r.lease, handle: r.handle}
	if r.kind == ncpEventClose {
		ev.reason = r.eventStatus
	}
	return ev
}

// noFd stands for a connection without a descriptor.
const noFd = -1

// An optionRow is a row of the option table of the library.
type optionRow struct {
	option int
	kind   int
	name   string
	unit   string
	help   string
	live   bool
}

// A dialError is the last failed dial of a pool.
type dialError struct {
	code  int64
	ageMs int64
	count uint64
	text  string
}
