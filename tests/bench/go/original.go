//go:build original

package main

import (
	"context"
	"net"
	"time"

	netconnpool "github.com/vistone/netconnpool"
)

func init() {
	// Its queues hold 100 waiters each.
	rivals = append(rivals, rival{name: "the original v1.0.4", open: openOriginal,
		waiters: 100})
}

func openOriginal(max int) (*pool, error) {
	config := netconnpool.DefaultConfig()
	config.MaxConnections = max
	config.MaxIdleConnections = max
	config.MinConnections = max
	config.GetConnectionTimeout = time.Hour
	config.Dialer = func(context.Context) (net.Conn, error) { return stubConn{}, nil }
	p, err := netconnpool.NewPool(config)
	if err != nil {
		return nil, err
	}
	return &pool{
		use: func() error {
			conn, err := p.Get(background)
			if err != nil {
				return err
			}
			return p.Put(conn)
		},
		hold: func() func() {
			conn, err := p.Get(background)
			if err != nil {
				panic(err)
			}
			return func() { _ = p.Put(conn) }
		},
		waiting: func() int { return -1 },
		close:   func() { _ = p.Close() },
	}, nil
}
