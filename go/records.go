package netconnpool

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
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

	checkedNs atomic.Int64 // when it was checked, on the pool's clock; 0 never
	leaseNow  atomic.Pointer[Connection]
	leak      atomic.Pointer[leakNote] // of the last lease that leaked

	// What only the holder of the lease touches. The store into leaseNow before
	// the release and the load after the next acquire order it.
	reuses      int64
	noDeadlines bool // it cannot have any: SetDeadline panics

	evictionTold bool // guarded by the lock of the core
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

// States of a record. One that is idle here and has a leaseNow is lent.
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

type recordChunk [recordChunkSize]struct {
	record     atomic.Pointer[record]
	generation uint32 // guarded by the table's lock
}

type recordTable struct {
	chunks [recordChunks]atomic.Pointer[recordChunk]
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
	chunk := t.chunks[index>>recordChunkBits].Load()
	if chunk == nil {
		chunk = new(recordChunk)
		t.chunks[index>>recordChunkBits].Store(chunk)
	}
	place := &chunk[index%recordChunkSize]
	place.generation = place.generation%recordGenerations + 1
	rec.handle = uint64(place.generation)<<recordIndexBits | uint64(index)
	place.record.Store(rec)
	return true
}

// get finds a record; nil when it has left.
func (t *recordTable) get(handle uint64) *record {
	index := handle & (1<<recordIndexBits - 1)
	chunk := t.chunks[index>>recordChunkBits].Load()
	if chunk == nil {
		return nil
	}
	rec := chunk[index%recordChunkSize].record.Load()
	if rec == nil || rec.handle != handle {
		return nil
	}
	return rec
}

// remove takes a record out, once; nil when it has left already.
func (t *recordTable) remove(handle uint64) *record {
	t.mu.Lock()
	defer t.mu.Unlock()
	rec := t.get(handle)
	if rec == nil {
		return nil
	}
	index := uint32(handle & (1<<recordIndexBits - 1))
	t.chunks[index>>recordChunkBits].Load()[index%recordChunkSize].record.Store(nil)
	t.free = append(t.free, index)
	return rec
}
