package main

import (
	"context"
	"net"
	"time"

	"github.com/netconnpool/netconnpool/go"
)

func init() {
	rivals = append(rivals, rival{name: "netconnpool", subject: "netconnpool/go",
		version: "of this tree", notes: "strict, statistics on, no check of idle connections", open: openOurs})
}

func openOurs(o options) (*pool, error) {
	config := netconnpool.DefaultConfig()
	config.MaxConnections = o.max
	config.MaxIdleConnections = o.max
	config.MinConnections = o.idle
	config.PrewarmBlocking = true
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
		waiting: p.WaitingCount,
		close:   func() { _ = p.Close() },
	}, nil
}
