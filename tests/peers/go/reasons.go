package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	netconnpool "github.com/netconnpool/netconnpool/go"
)

// Reasons say how often what kept a request from its answer.
type reasons struct {
	mu     sync.Mutex
	counts map[string]int // guarded by mu until the load has ended
}

func noReasons() reasons { return reasons{counts: map[string]int{}} }

func (r *reasons) add(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[reason]++
}

// A dialError knows the phase in which the dial began, which may be before that
// of the request that is told of it.
type dialError struct {
	error
	begun string
}

func (e *dialError) Unwrap() error { return e.error }

// noting makes the errors of a dialer tell the phase.
func (l *load) noting(dial netconnpool.Dialer) netconnpool.Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		begun := "before the start"
		if p := l.now.Load(); p != nil {
			begun = p.name
		}
		conn, err := dial(ctx)
		if err != nil {
			return nil, &dialError{err, begun}
		}
		return conn, nil
	}
}

func ofGet(err error) string {
	var dial *dialError
	if errors.As(err, &dial) {
		return fmt.Sprintf("get: %v, dialed in %s", cause(err), dial.begun)
	}
	return fmt.Sprintf("get: %v", cause(err))
}

func ofTalk(result outcome, reused bool, ended error) string {
	age := "new"
	if reused {
		age = "used"
	}
	return fmt.Sprintf("%v on a %s connection: %v", result, age, cause(ended))
}

// cause is the innermost error, which names no port.
func cause(err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}
