package netconnpool

import (
	"sync"
	"time"
)

// The user's errors travel through C as numbers and come back as the same
// objects. Who gets a number is decided inside the call that tells it, so an
// entry is needed only until those events are taken out.
type failureTable struct {
	mu      sync.Mutex
	last    int64
	entries map[int64]error
	order   []failureEntry // oldest first; may name entries that are gone
}

type failureEntry struct {
	code int64
	at   time.Time
}

// What nobody asked for is dropped after failureAge, and before that when there
// are more than failureRoom.
const (
	failureAge  = 30 * time.Second
	failureRoom = 100000
)

func (t *failureTable) put(err error) int64 {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entries == nil {
		t.entries = make(map[int64]error)
	}
	t.sweep(now)
	t.last++
	t.entries[t.last] = err
	t.order = append(t.order, failureEntry{t.last, now})
	return t.last
}

// get finds an error; with last it is the only time it is asked for.
func (t *failureTable) get(code int64, last bool) (error, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	err, ok := t.entries[code]
	if last {
		delete(t.entries, code)
	}
	return err, ok
}

func (t *failureTable) sweep(now time.Time) {
	for len(t.order) > 0 {
		oldest := t.order[0]
		_, there := t.entries[oldest.code]
		if there && now.Sub(oldest.at) < failureAge && len(t.order) < failureRoom {
			return
		}
		delete(t.entries, oldest.code)
		t.order = t.order[1:]
	}
}
