package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
)

// A scene is what one case has: its pools, names, goroutines, and records of what
// happened.
type scene struct {
	doc      object
	pools    []*pool
	dialer   *dialer
	acceptor *dialer
	hooks    []*hook
	blocking bool // connections are made in blocking mode

	lock      sync.Mutex // guards everything below
	vars      []*variable
	tasks     []*task
	tokens    map[string]*token
	events    []string
	logs      []string
	counts    map[string]int64
	order     []int
	hints     []hint
	thrown    []*thrownError
	lastStats map[string]uint64 // for I7; guarded by snapshotTurn

	watched      atomic.Int64
	tookAway     atomic.Bool // close_now or drain was called
	callingBack  atomic.Bool
	goroutines   int // at the start
	descriptors  int
	closesBySelf bool // with close_conn, which closes every connection once
}

var stage *scene

// A hint is what a dial was told, and when it began.
type hint struct {
	protocol, ip, attempt int
	deadlineMs, timeoutMs int64
	atMs                  float64
}

func newScene(doc object) *scene {
	text := shown(doc)
	return &scene{doc: doc, tokens: map[string]*token{}, counts: map[string]int64{},
		blocking: strings.Contains(text, "nonblocking")}
}

func (s *scene) record(format string, arguments ...any) {
	text := fmt.Sprintf(format, arguments...)
	s.lock.Lock()
	s.events = append(s.events, text)
	s.counts[text]++
	s.lock.Unlock()
}

func (s *scene) countUp(name string) {
	s.lock.Lock()
	s.counts[name]++
	s.lock.Unlock()
}

func (s *scene) countOf(name string) int64 {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.counts[name]
}

// mayTakeAway says whether connections may be gone under their borrowers.
func (s *scene) mayTakeAway() bool {
	return s.tookAway.Load() || s.pools[0].handle.counters()["evicted"] > 0
}

func (s *scene) poolNamed(name string) *pool {
	for _, p := range s.pools {
		if p.name == name {
			return p
		}
	}
	fail("no pool is called %s", name)
	return nil
}

func stepPool(step object) *pool { return stage.poolNamed(textAt(step, "pool", "main")) }

// A thrownError is an error of the scenario: it has to come back as the same object.
type thrownError struct {
	from   string // the hook, or "dial", "accept"
	asUser bool
	code   int64
	text   string
}

// Error says the code too: an error of Go has no number besides its text.
func (e *thrownError) Error() string {
	if e.code == 0 {
		return e.text
	}
	return fmt.Sprintf("%s (%d)", e.text, e.code)
}

func (s *scene) throw(from string, asUser bool, code int64, text string) error {
	thrown := &thrownError{from, asUser, code, text}
	s.lock.Lock()
	s.thrown = append(s.thrown, thrown)
	s.lock.Unlock()
	return thrown
}

// thrownAs finds the youngest error with that text.
func (s *scene) thrownAs(text string) *thrownError {
	s.lock.Lock()
	defer s.lock.Unlock()
	for i := len(s.thrown) - 1; i >= 0; i-- {
		if s.thrown[i].Error() == text {
			return s.thrown[i]
		}
	}
	fail("nobody threw an error that says %q", text)
	return nil
}

// result is the name under which a thrown error is expected.
func (e *thrownError) result() string {
	switch {
	case e.from == "close_conn":
		return "CLOSE_HOOK"
	case e.asUser:
		return "USER"
	case e.from == "dial" || e.from == "accept":
		return "DIAL"
	}
	return "HOOK"
}
