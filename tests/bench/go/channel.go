package main

import "net"

func init() {
	rivals = append(rivals, rival{name: "a buffered channel", open: openChannel})
}

// openChannel is the least that can be called a pool: no limits in time, no
// checks, no statistics.
func openChannel(max int) (*pool, error) {
	conns := make(chan net.Conn, max)
	for i := 0; i < max; i++ {
		conns <- stubConn{}
	}
	return &pool{
		use:     func() error { conns <- <-conns; return nil },
		hold:    func() func() { conn := <-conns; return func() { conns <- conn } },
		waiting: func() int { return -1 },
		close:   func() {},
	}, nil
}
