//go:build puddle

package main

import (
	"context"
	"net"

	"github.com/jackc/puddle/v2"
)

func init() {
	rivals = append(rivals, rival{name: "puddle", open: openPuddle})
}

func openPuddle(max int) (*pool, error) {
	p, err := puddle.NewPool(&puddle.Config[net.Conn]{
		Constructor: func(context.Context) (net.Conn, error) { return stubConn{}, nil },
		Destructor:  func(net.Conn) {},
		MaxSize:     int32(max),
	})
	if err != nil {
		return nil, err
	}
	return &pool{
		use: func() error {
			resource, err := p.Acquire(background)
			if err != nil {
				return err
			}
			resource.Release()
			return nil
		},
		hold: func() func() {
			resource, err := p.Acquire(background)
			if err != nil {
				panic(err)
			}
			return resource.Release
		},
		waiting: func() int { return -1 },
		close:   p.Close,
	}, nil
}
