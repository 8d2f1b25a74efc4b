package netconnpool

import (
	"sync"
	"sync/atomic"
)

// doorWidth is how many goroutines are in C at once by their own choice.
const doorWidth = 8

// A door lets few goroutines of a pool into C at once. One that the machine keeps
// waiting there keeps a thread; when it has the lock of the pool, so does everybody
// who comes after it, and the runtime would start a thread for each. Who finds a
// crowd waits in Go, where that takes none.
type door struct {
	inside atomic.Int32
	crowd  sync.Mutex // of those who found doorWidth before them
}

// enter says whether the caller came out of the crowd, for leave.
func (d *door) enter() (crowded bool) {
	if crowded = d.inside.Add(1) > doorWidth; crowded {
		d.crowd.Lock()
	}
	return crowded
}

func (d *door) leave(crowded bool) {
	if crowded {
		d.crowd.Unlock()
	}
	d.inside.Add(-1)
}
