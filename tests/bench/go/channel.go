package main

import (
	"context"
	"runtime"
)

func init() {
	rivals = append(rivals, rival{name: "a buffered channel", subject: "go-channel",
		version: runtime.Version(), notes: "no limits in time, no checks, no statistics;" +
			" all connections are opened at the start", open: openChannel, fixed: true})
}

// openChannel is the least that can be called a pool: no limits in time, no
// checks, no statistics.
func openChannel(o options) (*pool, error) {
	conns := make(chan *stubConn, o.max)
	for i := 0; i < o.max; i++ {
		conns <- o.ledger.open(0)
	}
	return &pool{
		use: func() error { conns <- <-conns; return nil },
		take: func(ctx context.Context) (lent, error) {
			select {
			case conn := <-conns:
				return lent{conn, func() { conns <- conn }}, nil
			case <-ctx.Done():
				return lent{}, ctx.Err()
			}
		},
		waiting: func() int { return -1 },
		close:   func() {},
	}, nil
}
