//go:build cgo && !netconnpool_system

package netconnpool

/*
#include "netconnpool_lane.h"
#include "shim.h"

// An acquire whose time is taken.
static inline struct ncpgo_answer
ncpgo_lane_sample(uintptr_t pool, uintptr_t queue, int protocol, int ip,
                  int64_t timeout_ms, uint64_t tag, int flags)
{
    ncp__lane_sample();
    return ncpgo_acquire(pool, queue, protocol, ip, timeout_ms, tag, flags);
}

static inline struct ncpgo_released
ncpgo_lane_serve(uintptr_t pool, uintptr_t queue)
{
    ncp_event event;
    int count =
        ncp__lane_serve((ncp_pool *)pool, (ncp_queue *)queue, &event, 1);

    return ncpgo_released_with(NCP_OK, count, &event);
}
*/
import "C"

import "unsafe"

const (
	laneIdle           = C.NCP__LANE_IDLE
	laneLeased         = C.NCP__LANE_LEASED
	laneStateBits      = C.NCP__LANE_STATE_BITS
	laneSlotBits       = C.NCP__LANE_SLOT_BITS
	laneGenerationBits = C.NCP__LANE_GENERATION_BITS
	laneChunkSlots     = C.NCP__LANE_CHUNK_SLOTS
	laneTold           = C.NCP__LANE_TOLD
	laneWaiter         = C.NCP__LANE_WAITER
	lanePutStop        = C.NCP__LANE_PUT_STOP
	laneSampleEvery    = C.NCP__LANE_SAMPLE_EVERY
)

var (
	slotOfGo laneSlot
	slotOfC  C.struct_ncp__lane_slot
	coldOfGo laneCold
	coldOfC  C.struct_ncp__lane_cold
)

// Compile-time proof that a slot is seen as C sees it.
var (
	_ = [1]byte{}[unsafe.Offsetof(slotOfGo.word)^unsafe.Offsetof(slotOfC.word)]
	_ = [1]byte{}[unsafe.Offsetof(slotOfGo.handle)^unsafe.Offsetof(slotOfC.handle)]
	_ = [1]byte{}[unsafe.Offsetof(slotOfGo.gets)^unsafe.Offsetof(slotOfC.gets)]
	_ = [1]byte{}[unsafe.Offsetof(slotOfGo.touchedNs)^unsafe.Offsetof(slotOfC.touched_ns)]
	_ = [1]byte{}[unsafe.Offsetof(slotOfGo.lifetimeEndNs)^unsafe.Offsetof(slotOfC.lifetime_end_ns)]
	_ = [1]byte{}[unsafe.Offsetof(slotOfGo.epoch)^unsafe.Offsetof(slotOfC.epoch)]
	_ = [1]byte{}[unsafe.Offsetof(slotOfGo.flags)^unsafe.Offsetof(slotOfC.flags)]
	_ = [1]byte{}[unsafe.Offsetof(slotOfGo.where)^unsafe.Offsetof(slotOfC.where)]
	_ = [1]byte{}[unsafe.Offsetof(slotOfGo.next)^unsafe.Offsetof(slotOfC.next)]
	_ = [1]byte{}[unsafe.Offsetof(slotOfGo.stamp)^unsafe.Offsetof(slotOfC.stamp)]
	_ = [1]byte{}[unsafe.Offsetof(slotOfGo.coldAfter)^unsafe.Offsetof(slotOfC.cold_after)]
	_ = [1]byte{}[unsafe.Sizeof(slotOfGo)^unsafe.Sizeof(slotOfC)]
	_ = [1]byte{}[unsafe.Offsetof(coldOfGo.idleLimitNs)^unsafe.Offsetof(coldOfC.idle_limit_ns)]
)

// prepare asks C where the parts of a pool are. The memory is that of the pool.
func (l *lane) prepare(lib libPool) {
	var at C.struct_ncp__lane
	if !C.ncp__lane_open(lib.c(), &at) {
		return
	}
	l.gate = (*uint64)(at.gate64)
	l.getMask = (*uint64)(at.get_mask64)
	l.epoch = (*uint32)(at.epoch32)
	l.chunks = (*uint32)(at.chunks32)
	l.table = (*unsafe.Pointer)(at.table)
	l.chunkIdle = uintptr(at.chunk_idle64)
	l.order = (*uint32)(at.order32)
	l.first = (*[laneBuckets]uint32)(at.first32)
	l.kinds = (*uint32)(at.kinds32)
	l.quick = (*uint32)(at.quick32)
	l.fitting = (*[3][3]uint16)(unsafe.Pointer(at.fitting))
	l.getStop = uint8(at.get_stop)
}

// acquireTimed is acquire, with its time taken if it is served at once.
func (p libPool) acquireTimed(a *answer, queue libQueue, w *want) {
	copied := C.ncpgo_lane_sample(p.number(), queue.number(), C.int(w.protocol),
		C.int(w.ip), C.int64_t(w.timeoutMs), C.uint64_t(w.tag), C.int(w.flags))
	*a = *(*answer)(unsafe.Pointer(&copied))
}

// serve serves who may be waiting, after a put of a lane.
func (p libPool) serve(r *released, queue libQueue) {
	copied := C.ncpgo_lane_serve(p.number(), queue.number())
	*r = *(*released)(unsafe.Pointer(&copied))
}
