package netconnpool

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrCgoDisabled is what every constructor returns when the program was built
// without cgo: the pool is C code.
var ErrCgoDisabled = errors.New("netconnpool: built with CGO_ENABLED=0; " +
	"the pool is written in C and needs a C compiler at build time")

// A sentinel is an error value of the package. It is compared by ==, or with
// errors.Is where it is wrapped.
type sentinel struct {
	status int
	text   string
}

func (s *sentinel) Error() string { return s.text }

// A timeoutSentinel is in addition what net.Error and context call a timeout.
type timeoutSentinel struct{ sentinel }

// Timeout makes it a timeout in the sense of net.Error.
func (*timeoutSentinel) Timeout() bool { return true }

// Temporary completes net.Error.
func (*timeoutSentinel) Temporary() bool { return true }

// Is makes errors.Is(err, context.DeadlineExceeded) true.
func (*timeoutSentinel) Is(target error) bool {
	return target == context.DeadlineExceeded
}

func newSentinel(status int, text string) error {
	if status == ncpEtimeout {
		return &timeoutSentinel{sentinel{status, text}}
	}
	return &sentinel{status, text}
}

// statusError is the error of a status; nil for success.
func statusError(status int) error {
	if status == ncpOk {
		return nil
	}
	if -status > 0 && -status < len(sentinels) && sentinels[-status] != nil {
		return sentinels[-status]
	}
	return &sentinel{status, libStatusText(status)}
}

// errorStatus is the status of an error of this package, ncpEuser for others.
func errorStatus(err error) int {
	var timeout *timeoutSentinel
	var other *sentinel
	switch {
	case err == nil:
		return ncpOk
	case errors.As(err, &timeout):
		return timeout.status
	case errors.As(err, &other):
		return other.status
	}
	return ncpEuser
}

// A ConfigError says which part of a configuration was refused and what to do.
// It wraps ErrInvalidConfig.
type ConfigError struct {
	Reason string
	err    error
}

// Error is the plain error and the reason.
func (e *ConfigError) Error() string {
	if e.Reason == "" {
		return e.err.Error()
	}
	return e.err.Error() + ": " + e.Reason
}

// Unwrap returns ErrInvalidConfig, or ErrNotFound for an unknown name.
func (e *ConfigError) Unwrap() error { return e.err }

// A PoolError is what the methods return that the original has not, such as
// GetEx: the plain error and what the pool looked like when it happened.
type PoolError struct {
	// Op is the method, such as "GetEx".
	Op string
	// Err is the plain error: a sentinel of this package, the error of a
	// context, or what the user's dialer or hook returned.
	Err error
	// Waited is how long the call took.
	Waited time.Duration
	// Active, Idle, Waiting, Dialing and Max describe the pool.
	Active, Idle, Waiting, Dialing, Max int
}

// Error is the method, the plain error and the state of the pool.
func (e *PoolError) Error() string {
	return fmt.Sprintf("netconnpool: %s: %v (after %v; %d borrowed, %d idle, "+
		"%d waiting, %d dialing, at most %d)", e.Op, e.Err,
		e.Waited.Round(time.Microsecond), e.Active, e.Idle, e.Waiting,
		e.Dialing, e.Max)
}

// Unwrap returns the plain error.
func (e *PoolError) Unwrap() error { return e.Err }

// Timeout makes a PoolError a timeout in the sense of net.Error when its cause
// is one.
func (e *PoolError) Timeout() bool {
	var timeout interface{ Timeout() bool }
	return errors.As(e.Err, &timeout) && timeout.Timeout()
}

// A PanicError stands for a panic of a dialer or a hook that had nobody to
// panic in, such as one that ran in advance. Callers of Get see the panic
// itself.
type PanicError struct {
	// Value is what panic was called with; nil when the goroutine was ended by
	// runtime.Goexit.
	Value interface{}
	// Stack is the stack at the time, as debug.Stack writes it.
	Stack []byte
}

// Error says what the callback did.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "netconnpool: a callback ended its goroutine"
	}
	return fmt.Sprintf("netconnpool: a callback panicked: %v", e.Value)
}

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
