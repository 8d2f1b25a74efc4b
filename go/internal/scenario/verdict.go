package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A verdict is the one line that is printed about a document.
type verdict struct {
	ID       string         `json:"id"`
	Result   string         `json:"result"`
	Reason   string         `json:"reason"`
	Counters map[string]any `json:"counters"`
}

// A broken expectation is thrown as a panic of this type, so that no function of
// the runner has an error to hand back. Whoever runs a goroutine catches it.
type broken string

var (
	checks      atomic.Int64
	verdictLock sync.Mutex
	current     atomic.Pointer[document]
)

func fail(format string, arguments ...any) {
	panic(broken(fmt.Sprintf(format, arguments...)))
}

func counted() { checks.Add(1) }

func printVerdict(v verdict) {
	line, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(append(line, '\n'))
}

// giveUp ends the process with the result "fail": what is left of a broken case
// cannot be taken down, and the documents that would follow would not be theirs.
func giveUp(reason string) {
	verdictLock.Lock() // never given back: one verdict
	printVerdict(verdict{ID: current.Load().id, Result: "fail", Reason: reason,
		Counters: map[string]any{"checks": checks.Load()}})
	os.Exit(1)
}

// guarded runs what may fail; `where` says where it was then.
func guarded(where func() string, run func()) {
	defer func() {
		switch thrown := recover().(type) {
		case nil:
		case broken:
			giveUp(where() + ": " + string(thrown))
		default:
			giveUp(fmt.Sprintf("%s: panic: %v\n%s", where(), thrown, debug.Stack()))
		}
	}()
	run()
}

// A trail says where a goroutine is: case, step, step inside a step.
type trail []string

func (t *trail) push(format string, arguments ...any) {
	*t = append(*t, fmt.Sprintf(format, arguments...))
}

func (t *trail) pop() { *t = (*t)[:len(*t)-1] }

func (t *trail) String() string { return strings.Join(*t, ", ") }

// watch fails a document that is not done in time.
func watch(limit time.Duration) (done func()) {
	timer := time.AfterFunc(limit, func() {
		giveUp(fmt.Sprintf("not done after %v: %s", limit, clock.describe()))
	})
	return func() { timer.Stop() }
}
