package netconnpool

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// A record is a connection of a pool. C knows it by its handle, which is an
// index into the table and a generation, never an address.
type record struct {
	handle uint64
	id     uint64 // that C gave it
	core   *core
	link   atomic.Pointer[link] // changes with Connection.Renew alone
	state  atomic.Int32
	taken  atomic.Bool // from its borrower

	checked   atomic.Pointer[time.Time] // when it was checked last
	lastLease holderPointer             // see holder
	leak      atomic.Pointer[leakNote]  // of the last lease that leaked

	// What only the holder of the lease touches, between takeOver and handOver.
	reuses      int64
	tick        moment // of the last borrow
	noDeadlines bool   // it cannot have any: SetDeadline panics

	relay        relay // from holder to holder
	evictionTold bool  // guarded by the lock of the core
}

// A holderPointer is the object of a borrow. It is written at every get, so that
// costs no more than it has to (order_amd64.go): others may see it a moment later.
type holderPointer struct{ conn unsafe.Pointer }

func (p *holderPointer) Load() *Connection {
	return (*Connection)(atomic.LoadPointer(&p.conn))
}

// Drop forgets an object if it is the one.
func (p *holderPointer) Drop(conn *Connection) {
	atomic.CompareAndSwapPointer(&p.conn, unsafe.Pointer(conn), nil)
}

// A moment is a time as C counts it and as Go does.
type moment struct {
	ns int64
	at time.Time
}

// holder is the object of the borrow that is out, if one is and we know it: a
// borrow that leaked is the garbage collector's to find.
func (rec *record) holder() *Connection {
	conn := rec.lastLease.Load()
	if conn == nil || !conn.isLent() {
		return nil
	}
	return conn
}

// A link is what a record stands for.
type link struct {
	conn      net.Conn
	raw       syscall.RawConn // nil for a connection without a descriptor
	fd        int             // noFd for one
	protocol  Protocol
	ip        IPVersion
	createdAt time.Time
	bornNs    int64 // on the pool's clock
}

// conn is the connection itself.
func (rec *record) conn() net.Conn { return rec.link.Load().conn }

// States of a record. One that is idle here and has a holder is lent.
const (
	recordNew int32 = iota // OnCreated is to be called
	recordIdle
	recordLent
	recordChecking
	recordClosed
)

const (
	recordChunkBits = 8
	recordChunkSize = 1 << recordChunkBits
	recordIndexBits = 22
	recordChunks    = 1 << (recordIndexBits - recordChunkBits)

	// Handles stay below 2^53.
	recordGenerations = 1<<30 - 1
)

type recordPlace struct {
	record     atomic.Pointer[record]
	generation uint32 // guarded by the table's lock
}

type recordChunk [recordChunkSize]recordPlace

// A recordTable grows: the chunks stay where they are, and their directory is
// replaced by one twice as long.
type recordTable struct {
	chunks atomic.Pointer[[]atomic.Pointer[recordChunk]]
	mu     sync.Mutex
	free   []uint32 // guarded by mu
	used   uint32   // guarded by mu
}

var records recordTable

// add gives a record its handle; false when there are four million already.
func (t *recordTable) add(rec *record) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	index := t.used
	if last := len(t.free) - 1; last >= 0 {
		index = t.free[last]
		t.free = t.free[:last]
	} else if index>>recordChunkBits < recordChunks {
		t.used++
	} else {
		return false
	}
	place := t.placeLocked(index)
	place.generation = place.generation%recordGenerations + 1
	rec.handle = uint64(place.generation)<<recordIndexBits | uint64(index)
	place.record.Store(rec)
	return true
}

func (t *recordTable) placeLocked(index uint32) *recordPlace {
	number := int(index >> recordChunkBits)
	if directory := t.chunks.Load(); directory == nil || number >= len(*directory) {
		t.growLocked(directory)
	}
	entry := &(*t.chunks.Load())[number]
	if entry.Load() == nil {
		entry.Store(new(recordChunk))
	}
	return &entry.Load()[index%recordChunkSize]
}

func (t *recordTable) growLocked(old *[]atomic.Pointer[recordChunk]) {
	if old == nil {
		old = new([]atomic.Pointer[recordChunk])
	}
	longer := make([]atomic.Pointer[recordChunk], 1+2*len(*old))
	for i := range *old {
		longer[i].Store((*old)[i].Load())
	}
	t.chunks.Store(&longer)
}

// get finds a record; nil when it has left.
func (t *recordTable) get(handle uint64) *record {
	place := t.place(handle)
	if place == nil {
		return nil
	}
	rec := place.record.Load()
	if rec == nil || rec.handle != handle {
		return nil
	}
	return rec
}

func (t *recordTable) place(handle uint64) *recordPlace {
	index := handle & (1<<recordIndexBits - 1)
	directory := t.chunks.Load()
	if directory == nil || index>>recordChunkBits >= uint64(len(*directory)) {
		return nil
	}
	chunk := (*directory)[index>>recordChunkBits].Load()
	if chunk == nil {
		return nil
	}
	return &chunk[index%recordChunkSize]
}

// remove takes a record out, once; nil when it has left already.
func (t *recordTable) remove(handle uint64) *record {
	t.mu.Lock()
	defer t.mu.Unlock()
	rec := t.get(handle)
	if rec == nil {
		return nil
	}
	t.place(handle).record.Store(nil)
	t.free = append(t.free, uint32(handle&(1<<recordIndexBits-1)))
	return rec
}
