package netconnpool

import (
	"context"
	"time"
)

// Hints are what a dialer may want to know; they travel in its context.
type Hints struct {
	// Protocol and IPVersion are wanted by the caller; unknown stands for any.
	// A connection that does not fit is kept for others, and the dialer asked
	// again, three times at most.
	Protocol  Protocol
	IPVersion IPVersion
	// Attempt is 0 for the first attempt, then 1, 2, ... for retries.
	Attempt int
	// CallerLimit is how long the caller will wait yet, or the creation may
	// take, whichever is less; below 0 there is no limit. A dial that takes
	// longer may go on: its connection is kept for the next caller.
	CallerLimit time.Duration
	// CreationLimit is how long the creation may take; the context of the
	// dialer ends then. Below 0 there is no limit.
	CreationLimit time.Duration
}

type hintsKey struct{}

// HintsFromContext returns the hints in the context of a Dialer or an Acceptor,
// and false for any other context.
func HintsFromContext(ctx context.Context) (Hints, bool) {
	hints, ok := ctx.Value(hintsKey{}).(Hints)
	return hints, ok
}
