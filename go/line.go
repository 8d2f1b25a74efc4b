package netconnpool

import "sync"

// A waiter is a goroutine that stands in the line of a pool.
type waiter struct{ ch chan answer }

var waiters = sync.Pool{New: func() interface{} {
	return &waiter{make(chan answer, 1)}
}}

// The line itself, with its order, is in C. Here a ticket finds its goroutine.
// An event may overtake the answer that names its ticket; it waits then.
type lineTable struct{ shards [64]lineShard }

type lineShard struct {
	mu      sync.Mutex
	waiting map[place]*waiter
	early   map[place]answer
	_       [40]byte // a cache line each
}

type place struct {
	pool   libPool
	ticket uint64
}

var line lineTable

func (t *lineTable) shard(ticket uint64) *lineShard {
	return &t.shards[ticket%uint64(len(t.shards))]
}

// stand enters a waiter; what came already is sent to it at once.
func (t *lineTable) stand(pool libPool, ticket uint64, w *waiter) {
	at := place{pool, ticket}
	s := t.shard(ticket)
	s.mu.Lock()
	if a, ok := s.early[at]; ok {
		delete(s.early, at)
		s.mu.Unlock()
		w.ch <- a
		return
	}
	if s.waiting == nil {
		s.waiting = make(map[place]*waiter)
	}
	s.waiting[at] = w
	s.mu.Unlock()
}

// leave takes a waiter out whose ticket is over without an event.
func (t *lineTable) leave(pool libPool, ticket uint64) {
	s := t.shard(ticket)
	s.mu.Lock()
	delete(s.waiting, place{pool, ticket})
	s.mu.Unlock()
}

// deliver tells a waiter what its ticket came to.
func (t *lineTable) deliver(ev *event) {
	at := place{ev.pool, ev.ticket}
	a := answerOf(ev)
	s := t.shard(ev.ticket)
	s.mu.Lock()
	w := s.waiting[at]
	if w == nil {
		if s.early == nil {
			s.early = make(map[place]answer)
		}
		s.early[at] = a
		s.mu.Unlock()
		return
	}
	delete(s.waiting, at)
	s.mu.Unlock()
	w.ch <- a
}

// answerOf is the answer in an event.
func answerOf(ev *event) answer {
	a := answer{status: ev.status, kind: int16(ev.kind), lease: ev.lease,
		name: ev.handle, number: ev.timeoutMs, reused: int16(ev.reused)}
	if ev.status != ncpOk {
		a.number = ev.code
	}
	return a
}
