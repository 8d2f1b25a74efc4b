// Package netconnpool keeps network connections open and lends them.
//
//	config := netconnpool.DefaultConfig()
//	config.Dialer = func(ctx context.Context) (net.Conn, error) {
//		var d net.Dialer
//		return d.DialContext(ctx, "tcp", "localhost:7")
//	}
//	pool, err := netconnpool.NewPool(config)
//	...
//	conn, err := pool.Get(ctx)
//	if err != nil {
//		return err
//	}
//	defer pool.Put(conn)
//	conn.Conn.Write(request)
//
// It has the exported API of github.com/vistone/netconnpool v1.0.4, name for
// name, and the behaviour of the netconnpool library, which does the deciding:
// limits, the line of waiters, time, statistics. A program changes its import
// path and nothing else.
//
// A goroutine that waits costs no thread: it waits on a channel. Dialers, checks
// and closes run on goroutines that exist while there is something to do.
package netconnpool
