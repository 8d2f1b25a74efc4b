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
	rivals = append(rivals, rival{name: "the original v1.0.4",
		subject: "netconnpool-go-1.0.4", version: "1.0.4", open: openOriginal,
		notes:   "the default configuration without the check of idle connections; 100 may wait",
		waiters: 100})
}

func openOriginal(o options) (*pool, error) {
	config := netconnpool.DefaultConfig()
	config.MaxConnections = o.max
	config.MaxIdleConnections = o.max
	config.MinConnections = o.idle
	config.GetConnectionTimeout = time.Hour
	config.EnableHealthCheck = false
	config.Dialer = func(context.Context) (net.Conn, error) {
		return o.ledger.open(o.dial), nil
	}
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
		take: func(ctx context.Context) (lent, error) {
			conn, err := p.Get(ctx)
			if err != nil {
				return lent{}, err
			}
			return lent{conn.GetConn().(*stubConn), func() { _ = p.Put(conn) }}, nil
		},
		waiting: func() int { return -1 },
		close:   func() { _ = p.Close() },
	}, nil
}
