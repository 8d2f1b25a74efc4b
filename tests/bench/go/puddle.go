//go:build puddle

package main

import (
	"context"
	"net"

	"github.com/jackc/puddle/v2"
)

func init() {
	rivals = append(rivals, rival{name: "puddle", subject: "puddle",
		version: versionOf("github.com/jackc/puddle/v2"), notes: "keeps no idle minimum, checks nothing",
		open: openPuddle})
}

func openPuddle(o options) (*pool, error) {
	p, err := puddle.NewPool(&puddle.Config[net.Conn]{
		Constructor: func(context.Context) (net.Conn, error) {
			return o.ledger.open(o.dial), nil
		},
		Destructor: func(net.Conn) {},
		MaxSize:    int32(o.max),
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
		take: func(ctx context.Context) (lent, error) {
			resource, err := p.Acquire(ctx)
			if err != nil {
				return lent{}, err
			}
			return lent{resource.Value().(*stubConn), resource.Release}, nil
		},
		waiting: func() int { return -1 },
		close:   p.Close,
	}, nil
}
