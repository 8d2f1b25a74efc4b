//go:build !cgo || netconnpool_system

package netconnpool

// A library that is not compiled with the package may have its memory in another
// way: there are no lanes, and C does everything.
const (
	laneIdle           = 0
	laneLeased         = 0
	laneStateBits      = 0
	laneSlotBits       = 0
	laneGenerationBits = 0
	laneChunkSlots     = 1
	laneTold           = 0
	laneWaiter         = 1
	lanePutStop        = 0
	laneSampleEvery    = 1
)

func (l *lane) prepare(_ libPool) {}

func (p libPool) acquireTimed(a *answer, queue libQueue, w *want) {
	p.acquire(a, queue, w)
}

func (p libPool) serve(_ *released, _ libQueue) { panic("netconnpool: no lane") }
