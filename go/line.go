package netconnpool

import "sync"

// A waiter is a goroutine that stands in the line of a pool.
type waiter struct {
	decided chan struct{}
	answer  answer // before decided
	place   place
	next    *waiter // in its bucket; guarded by the lock of the shard
}

var waiters = sync.Pool{New: func() interface{} {
	return &waiter{decided: make(chan struct{}, 1)}
}}

// The line itself, with its order, is in C. Here a ticket finds its goroutine.
// An event may overtake the answer that names its ticket; it waits then.
//
// Who comes one after the other has tickets with neighbouring numbers, so they
// lie in neighbouring places here: the next one to be woken is in the cache.
type lineTable struct{ shards [lineShards]lineShard }

type lineShard struct {
	mu      sync.Mutex
	buckets []*waiter // as many as a power of two
	waiting int
	early   map[place]answer
	_       [16]byte // a cache line each
}

const (
	lineShards     = 64
	lineShardBits  = 6
	lineBucketsMin = 8
)

type place struct {
	pool   libPool
	ticket uint64
}

var line lineTable

// spread keeps neighbours together, and pools apart.
func (at place) spread() uint64 {
	return at.ticket + uint64(uintptr(at.pool.ptr))*0x9e3779b97f4a7c15>>32
}

func (t *lineTable) shard(at place) *lineShard {
	return &t.shards[at.spread()%lineShards]
}

func (s *lineShard) bucket(at place) **waiter {
	last := uint64(len(s.buckets) - 1)
	return &s.buckets[at.spread()>>lineShardBits&last]
}

// stand enters a waiter; what came already is sent to it at once.
func (t *lineTable) stand(w *waiter) {
	s := t.shard(w.place)
	s.mu.Lock()
	if a, ok := s.early[w.place]; ok {
		delete(s.early, w.place)
		s.mu.Unlock()
		w.decide(&a)
		return
	}
	s.addLocked(w)
	s.mu.Unlock()
}

func (s *lineShard) addLocked(w *waiter) {
	if s.waiting >= len(s.buckets) {
		s.resizeLocked(2 * len(s.buckets))
	}
	s.waiting++
	bucket := s.bucket(w.place)
	w.next = *bucket
	*bucket = w
}

func (s *lineShard) resizeLocked(size int) {
	if size < lineBucketsMin {
		size = lineBucketsMin
	}
	old := s.buckets
	s.buckets = make([]*waiter, size)
	for _, w := range old {
		for w != nil {
			next := w.next
			bucket := s.bucket(w.place)
			w.next = *bucket
			*bucket = w
			w = next
		}
	}
}

// takeLocked finds a waiter and takes it out; nil when it does not stand there.
func (s *lineShard) takeLocked(at place) *waiter {
	if s.waiting == 0 {
		return nil
	}
	link := s.bucket(at)
	for *link != nil && (*link).place != at {
		link = &(*link).next
	}
	w := *link
	if w == nil {
		return nil
	}
	*link, w.next = w.next, nil
	s.waiting--
	return w
}

// leave takes a waiter out whose ticket is over without an event.
func (t *lineTable) leave(at place) {
	s := t.shard(at)
	s.mu.Lock()
	s.takeLocked(at)
	s.mu.Unlock()
}

// deliver tells a waiter what its ticket came to.
func (t *lineTable) deliver(at place, a *answer) {
	s := t.shard(at)
	s.mu.Lock()
	w := s.takeLocked(at)
	if w == nil {
		s.keepLocked(at, a)
	}
	s.mu.Unlock()
	if w != nil {
		w.decide(a)
	}
}

func (s *lineShard) keepLocked(at place, a *answer) {
	if s.early == nil {
		s.early = make(map[place]answer)
	}
	s.early[at] = *a
}

func (w *waiter) decide(a *answer) {
	w.answer = *a
	w.decided <- struct{}{}
}

// deliverEvent is deliver for an event of the queue.
func (t *lineTable) deliverEvent(ev *event) {
	a := answer{status: ev.status, kind: int16(ev.kind), flag: int16(ev.reused),
		lease: ev.lease, name: ev.handle, number: ev.timeoutMs}
	switch {
	case ev.status != ncpOk:
		a.number = ev.code
	case ev.kind == ncpEventConn:
		a.number = 0
	}
	t.deliver(place{ev.pool, ev.ticket}, &a)
}
