package netconnpool

import (
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// A lane is the shortest way of a get and of a put without a call of C, which
// would cost more than they do: it works on the memory of the pool as
// core/src/engine/fast.h does, step by step, and whatever is not as expected is
// left to C, which judges anew. The atomic operations of Go are sequentially
// consistent, so at least as strong as those of the core; what is written here
// without one is a hint, one byte, or belongs to who has the lease.
//
// A pool has a lane when it keeps its own time, lends the newest first, checks
// nothing at a get, and none of its ages is so short that it wants the clock
// itself.
type lane struct {
	// As C says, see laneOfC.
	gate, getMask *uint64
	epoch         *uint32
	chunks        *uint32
	table         *unsafe.Pointer // *[chunks]*chunk
	chunkIdle     uintptr
	order         *uint32
	first         *[laneBuckets]uint32
	kinds, quick  *uint32
	fitting       *[3][3]uint16
	getStop       uint8

	open atomic.Bool
}

// A laneSlot is struct ncp__lane_slot.
type laneSlot struct {
	word          uint64
	handle        uint64
	gets          uint64
	touchedNs     uint64
	lifetimeEndNs uint64
	_             uint64
	epoch         uint32
	stamp         uint32
	next          uint32
	flags, where  uint8
	coldAfter     uint16
}

// A laneCold is struct ncp__lane_cold.
type laneCold struct {
	_           [3]uint64
	idleLimitNs uint64
}

const (
	laneBuckets = 9
	laneNoSlot  = 1<<32 - 1
)

// laneAgeMs is how long the ages of a pool have to be that is content with the
// time of the last tick.
const laneAgeMs = 10000

// adjust opens and closes the lane as the ages of the pool allow it.
func (l *lane) adjust(lib libPool) {
	open := l.gate != nil
	for _, option := range [...]int{ncpOptionIdleTimeout, ncpOptionMaxLifetime,
		ncpOptionLeakTimeout} {
		ageMs, _ := lib.option(option)
		open = open && (ageMs == 0 || ageMs >= laneAgeMs)
	}
	l.open.Store(open)
}

func (l *lane) slot(index uint64) *laneSlot {
	chunks := atomic.LoadPointer(l.table)
	chunk := *(*unsafe.Pointer)(unsafe.Add(chunks,
		index/laneChunkSlots*uint64(unsafe.Sizeof(chunks))))
	return (*laneSlot)(unsafe.Add(chunk,
		index%laneChunkSlots*uint64(unsafe.Sizeof(laneSlot{}))))
}

// stopped says why a slot may not be lent now, as far as reading can tell.
func (l *lane) stopped(slot *laneSlot, stop uint8, nowNs uint64) bool {
	return slot.flags&stop != 0 ||
		atomic.LoadUint32(&slot.epoch) != atomic.LoadUint32(l.epoch) ||
		nowNs > atomic.LoadUint64(&slot.lifetimeEndNs)
}

func (s *laneSlot) cold() *laneCold {
	return (*laneCold)(unsafe.Add(unsafe.Pointer(s), 8*uintptr(s.coldAfter)))
}

func (s *laneSlot) rested(nowNs uint64) bool {
	touchedNs := atomic.LoadUint64(&s.touchedNs)
	return nowNs > touchedNs &&
		nowNs-touchedNs > atomic.LoadUint64(&s.cold().idleLimitNs)
}

// sampled says that the time of the next get of a slot is to be taken.
func (s *laneSlot) sampled() bool {
	return (atomic.LoadUint64(&s.gets)+1)%laneSampleEvery == 0
}

// hinted is the slot that a get should take; nil when it is for C to say.
func (l *lane) hinted(w *want) (slot *laneSlot, index uint64, head *uint32) {
	if uint(w.protocol) >= 3 || uint(w.ip) >= 3 || w.tag != 0 ||
		atomic.LoadUint32(l.quick) == 0 {
		return nil, 0, nil
	}
	kinds := atomic.LoadUint32(l.kinds) &
		uint32(l.fitting[w.protocol][w.ip])
	if kinds == 0 {
		return nil, 0, nil
	}
	head = &l.first[bits.TrailingZeros32(kinds)%laneBuckets]
	hint := atomic.LoadUint32(head)
	if hint == laneNoSlot ||
		atomic.LoadUint64(l.gate)&atomic.LoadUint64(l.getMask) != 0 {
		return nil, 0, nil
	}
	index = uint64(hint)
	return l.slot(index), index, head
}

// get lends what the hint names. False: nothing was done; the want may say that
// its time is to be taken.
func (l *lane) get(a *answer, w *want) bool {
	if !l.open.Load() {
		return false
	}
	nowNs := uint64(tick.now())
	slot, index, head := l.hinted(w)
	if slot == nil || nowNs == 0 {
		return false
	}
	word := atomic.LoadUint64(&slot.word)
	if w.timed = slot.sampled(); w.timed {
		return false
	}
	if word&(1<<laneStateBits-1) != laneIdle ||
		l.stopped(slot, l.getStop, nowNs) || slot.rested(nowNs) ||
		head != &l.first[slot.where%laneBuckets] {
		return false
	}
	store64(&slot.touchedNs, nowNs)
	if !atomic.CompareAndSwapUint64(&slot.word, word,
		word^(laneIdle^laneLeased)) {
		return false
	}
	store32(head, atomic.LoadUint32(&slot.next))
	store64(&slot.gets, slot.gets+1)
	a.kind = ncpEventConn
	a.flag = 1
	a.lease = word>>laneStateBits<<laneSlotBits | index
	a.name = slot.handle
	a.number = int64(nowNs)
	return true
}

// A lanePut says what a put has done.
type lanePut int

const (
	laneNotPut    lanePut = iota // nothing: go the long way
	lanePutBack                  // it is idle
	lanePutServes                // it is idle, and somebody may have to be served
)

// put makes a lease idle, if nothing stands in the way.
func (l *lane) put(lease uint64) (done lanePut, nowNs int64) {
	if !l.open.Load() || atomic.LoadUint32(l.quick) == 0 {
		return laneNotPut, 0
	}
	nowNs = tick.now()
	index := lease & (1<<laneSlotBits - 1)
	if nowNs == 0 || !laneIsCalm(atomic.LoadUint64(l.gate)) ||
		index/laneChunkSlots >= uint64(atomic.LoadUint32(l.chunks)) {
		return laneNotPut, 0
	}
	slot := l.slot(index)
	generation := lease >> laneSlotBits
	word := generation<<laneStateBits | laneLeased
	if atomic.LoadUint64(&slot.word) != word ||
		l.stopped(slot, lanePutStop, uint64(nowNs)) {
		return laneNotPut, 0
	}
	store64(&slot.touchedNs, uint64(nowNs))
	l.chain(slot, uint32(index))
	if !atomic.CompareAndSwapUint64(&slot.word, word,
		laneNextGeneration(generation)<<laneStateBits|laneIdle) {
		return laneNotPut, 0
	}
	l.show(index)
	if laneIsCalm(atomic.LoadUint64(l.gate)) {
		return lanePutBack, nowNs
	}
	return lanePutServes, nowNs
}

// chain notes a return in the hints; the word has still to follow.
func (l *lane) chain(slot *laneSlot, index uint32) {
	order := atomic.LoadUint32(l.order)
	if mine := atomic.LoadUint32(&slot.stamp); int32(mine-order) > 0 {
		order = mine
	}
	store32(l.order, order+1)
	store32(&slot.stamp, order+1)
	head := &l.first[slot.where%laneBuckets]
	if first := atomic.LoadUint32(head); first != index {
		store32(&slot.next, first)
		store32(head, index)
	}
}

// show sets the bit of a slot that was made idle, unless it is set.
func (l *lane) show(index uint64) {
	chunk := unsafe.Pointer(l.slot(index - index%laneChunkSlots))
	mask := (*uint64)(unsafe.Add(chunk, l.chunkIdle))
	bit := uint64(1) << (index % laneChunkSlots)
	for {
		old := atomic.LoadUint64(mask)
		if old&bit != 0 || atomic.CompareAndSwapUint64(mask, old, old|bit) {
			return
		}
	}
}

func laneIsCalm(gate uint64) bool {
	return gate == 0 || gate&(laneWaiter-1) == laneTold
}

func laneNextGeneration(generation uint64) uint64 {
	generation = (generation + 1) & (1<<laneGenerationBits - 1)
	if generation == 0 {
		return 1
	}
	return generation
}
