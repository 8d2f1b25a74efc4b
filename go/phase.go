package netconnpool

import (
	"runtime"
	"sync/atomic"
)

// Phases of a Connection.
const (
	phaseOver   int32 = iota // nobody's, like the zero value
	phaseLent                // it is the borrower's
	phaseClosed              // its borrower closed it: one Put is welcome
	phaseOwned               // of NewConnection: no pool knows it

	phaseLocked = 8 // is added while somebody has the lock
)

// A phaseLock is the phase of a Connection, and the lock that guards its fields
// against the methods. Both are one word, for a Put should cost one atomic
// instruction. The lock is held for moments only, and seldom wanted by two.
type phaseLock struct{ word int32 }

func (l *phaseLock) Lock() {
	for {
		phase := atomic.LoadInt32(&l.word) &^ phaseLocked
		if atomic.CompareAndSwapInt32(&l.word, phase, phase|phaseLocked) {
			return
		}
		runtime.Gosched()
	}
}

func (l *phaseLock) Unlock() { atomic.AddInt32(&l.word, -phaseLocked) }

// isLocked asks for the phase while the lock is held.
func (l *phaseLock) isLocked(phase int32) bool {
	return atomic.LoadInt32(&l.word)&^phaseLocked == phase
}

// step goes from one phase to another; false when it was not in the first.
func (l *phaseLock) step(from, to int32) bool {
	for !atomic.CompareAndSwapInt32(&l.word, from, to) {
		if atomic.LoadInt32(&l.word)&^phaseLocked != from {
			return false
		}
		runtime.Gosched()
	}
	return true
}
