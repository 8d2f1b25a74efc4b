package main

import (
	"context"
	"net"
	"time"

	"github.com/netconnpool/netconnpool/go"
)

func init() {
	rivals = append(rivals, rival{name: "netconnpool", open: openOurs})
}

func openOurs(max int) (*pool, error) {
	config := netconnpool.DefaultConfig()
	config.MaxConnections = max
	config.MaxIdleConnections = max
	config.MinConnections = max
	config.PrewarmBlocking = true
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
		waiting: p.WaitingCount,
		close:   func() { _ = p.Close() },
	}, nil
}
