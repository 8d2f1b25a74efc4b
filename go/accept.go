package netconnpool

import (
	"context"
	"net"
	"reflect"
	"sync"
	"time"
)

// accept takes a connection from the listener, by the user's Acceptor or ours.
func (c *core) accept(ctx context.Context) (net.Conn, error) {
	return c.config.Acceptor(ctx, c.config.Listener)
}

// acceptOne is the Acceptor of a configuration that has none. It ends with its
// context and takes no client for nobody.
func acceptOne(ctx context.Context, listener net.Listener) (net.Conn, error) {
	if !reflect.TypeOf(listener).Comparable() {
		listener = &keyListener{listener} // the tables need a key
	}
	if d, ok := listener.(deadliner); ok {
		return acceptUntil(ctx, listener, d)
	}
	return acceptors.accept(ctx, listener)
}

// A keyListener stands for a listener that is no key of a map.
type keyListener struct{ net.Listener }

// A deadliner is a listener whose Accept can be ended.
type deadliner interface{ SetDeadline(time.Time) error }

// How long an Accept lasts before it looks at its context again. Several may
// accept from one listener, and a deadline is everybody's, so none ends another
// for good.
const acceptSlice = 100 * time.Millisecond

func acceptUntil(ctx context.Context, listener net.Listener, d deadliner) (
	net.Conn, error) {
	deadlines.use(listener)
	defer deadlines.leave(listener, d)
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-ctx.Done():
			deadlines.interrupt(listener, d)
		case <-done:
		}
	}()
	for {
		if err := d.SetDeadline(time.Now().Add(acceptSlice)); err != nil {
			return nil, err
		}
		// After our deadline: the one that interrupts is either later or seen here.
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		conn, err := listener.Accept()
		if err == nil && ctx.Err() != nil {
			_ = conn.Close() // it came when the pool was being closed
			return nil, ctx.Err()
		}
		if err == nil {
			return conn, nil
		}
		if timeout, ok := err.(net.Error); !ok || !timeout.Timeout() {
			return nil, err
		}
	}
}

// deadlines counts who accepts with deadlines from a listener: the last one takes
// them back, for the listener is the user's.
var deadlines = deadlineTable{users: make(map[net.Listener]int)}

type deadlineTable struct {
	mu    sync.Mutex
	users map[net.Listener]int // guarded by mu
}

func (t *deadlineTable) use(listener net.Listener) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users[listener]++
}

// interrupt ends an Accept, unless nobody of us is in one any more.
func (t *deadlineTable) interrupt(listener net.Listener, d deadliner) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users[listener] > 0 {
		_ = d.SetDeadline(time.Now())
	}
}

// interruptAccepts ends the accepts of a pool that is closed, so that none takes a
// client that comes after the Close.
func interruptAccepts(listener net.Listener) {
	d, ok := listener.(deadliner)
	if ok && reflect.TypeOf(listener).Comparable() {
		deadlines.interrupt(listener, d)
	}
}

func (t *deadlineTable) leave(listener net.Listener, d deadliner) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users[listener]--
	if t.users[listener] == 0 {
		delete(t.users, listener)
		_ = d.SetDeadline(time.Time{})
	}
}

// An Accept that cannot be ended goes on after its context: the client that it
// gets is for the next one who accepts from that listener.
type acceptTable struct {
	mu    sync.Mutex
	queue map[net.Listener]*acceptQueue
}

type acceptQueue struct {
	results chan accepted
	running int // guarded by the table's lock: goroutines inside Accept
	wanted  int // guarded by the table's lock: who waits for a result
}

type accepted struct {
	conn net.Conn
	err  error
}

var acceptors = acceptTable{queue: make(map[net.Listener]*acceptQueue)}

func (t *acceptTable) accept(ctx context.Context, listener net.Listener) (
	net.Conn, error) {
	q := t.want(listener)
	select {
	case result := <-q.results:
		t.unwant(listener, q)
		return result.conn, result.err
	case <-ctx.Done():
		t.unwant(listener, q)
		return nil, ctx.Err()
	}
}

// want makes sure that as many goroutines accept as there are who want.
func (t *acceptTable) want(listener net.Listener) *acceptQueue {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.queue[listener]
	if q == nil {
		q = &acceptQueue{results: make(chan accepted)}
		t.queue[listener] = q
	}
	q.wanted++
	if q.running < q.wanted {
		q.running++
		go t.run(listener, q)
	}
	return q
}

func (t *acceptTable) unwant(listener net.Listener, q *acceptQueue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q.wanted--
	t.dropLocked(listener, q)
}

func (t *acceptTable) dropLocked(listener net.Listener, q *acceptQueue) {
	if q.wanted == 0 && q.running == 0 && t.queue[listener] == q {
		delete(t.queue, listener)
	}
}

// run accepts once. Its client waits for the next who wants one; when the
// listener was closed there is nobody to wait for.
func (t *acceptTable) run(listener net.Listener, q *acceptQueue) {
	conn, err := listener.Accept()
	result := accepted{conn, err}
	select {
	case q.results <- result:
	default:
		t.keep(q, result)
	}
	t.mu.Lock()
	q.running--
	t.dropLocked(listener, q)
	t.mu.Unlock()
}

func (t *acceptTable) keep(q *acceptQueue, result accepted) {
	t.mu.Lock()
	wanted := q.wanted
	t.mu.Unlock()
	if result.err != nil && wanted == 0 {
		return
	}
	q.results <- result
}
