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

// acceptUntil accepts when it is its turn. A deadline is the listener's, not the
// caller's: only who has the turn is ended by one, so that none hides another's end.
func acceptUntil(ctx context.Context, listener net.Listener, d deadliner) (
	net.Conn, error) {
	turn := turns.use(listener)
	defer turns.leave(listener, d)
	select {
	case turn.free <- struct{}{}:
		defer func() { <-turn.free }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return acceptInTurn(ctx, listener, d)
}

func acceptInTurn(ctx context.Context, listener net.Listener, d deadliner) (
	net.Conn, error) {
	if err := turns.begin(ctx, listener, d); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	defer turns.end(listener)
	defer close(done)
	go func() {
		select {
		case <-ctx.Done():
			turns.interrupt(listener, d)
		case <-done:
		}
	}()
	conn, err := listener.Accept()
	if ctx.Err() == nil {
		return conn, err
	}
	if err == nil {
		_ = conn.Close() // it came while the pool was being closed
	}
	return nil, ctx.Err()
}

// turns has the listeners that are accepted from with deadlines: the last who
// leaves one takes ours back, for the listener is the user's.
var turns = turnTable{turns: make(map[net.Listener]*acceptTurn)}

type turnTable struct {
	mu    sync.Mutex
	turns map[net.Listener]*acceptTurn // guarded by mu
}

type acceptTurn struct {
	free    chan struct{}   // has room when it is nobody's turn
	users   int             // guarded by the table's lock
	current context.Context // guarded by the table's lock: of who is in Accept
	ended   chan struct{}   // guarded by the table's lock: closed when that one is out
}

func (t *turnTable) use(listener net.Listener) *acceptTurn {
	t.mu.Lock()
	defer t.mu.Unlock()
	turn := t.turns[listener]
	if turn == nil {
		turn = &acceptTurn{free: make(chan struct{}, 1)}
		t.turns[listener] = turn
	}
	turn.users++
	return turn
}

func (t *turnTable) leave(listener net.Listener, d deadliner) {
	t.mu.Lock()
	defer t.mu.Unlock()
	turn := t.turns[listener]
	turn.users--
	if turn.users == 0 {
		delete(t.turns, listener)
		_ = d.SetDeadline(time.Time{})
	}
}

// begin fails when the context has ended; from then on interrupt sees it.
func (t *turnTable) begin(ctx context.Context, listener net.Listener,
	d deadliner) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.SetDeadline(time.Time{}); err != nil {
		return err
	}
	turn := t.turns[listener]
	turn.current, turn.ended = ctx, make(chan struct{})
	return nil
}

func (t *turnTable) end(listener net.Listener) {
	t.mu.Lock()
	defer t.mu.Unlock()
	turn := t.turns[listener]
	close(turn.ended)
	turn.current, turn.ended = nil, nil
}

// interrupt ends the Accept of a context that has ended, and nobody else's. What
// it returns is closed when that one is out; nil when there is none.
func (t *turnTable) interrupt(listener net.Listener, d deadliner) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	turn := t.turns[listener]
	if turn == nil || turn.current == nil || turn.current.Err() == nil {
		return nil
	}
	_ = d.SetDeadline(time.Now())
	return turn.ended
}

// How long a Close waits for an Accept that it has ended. A listener of package
// net needs no time; one that ignores its deadline would need for ever.
const acceptEnds = 100 * time.Millisecond

// interruptAccepts ends the accepts of a pool that is closed and waits until they
// are out, so that none takes a client that comes after the Close: a runtime that
// finds deadline and client at once prefers the client.
func interruptAccepts(listener net.Listener) {
	d, ok := listener.(deadliner)
	if !ok || !reflect.TypeOf(listener).Comparable() {
		return
	}
	if ended := turns.interrupt(listener, d); ended != nil {
		select {
		case <-ended:
		case <-time.After(acceptEnds):
		}
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
