package netconnpool

import (
	"sync/atomic"
	"testing"
	"time"
)

func benchPool(b *testing.B, max int) *Pool {
	config := plain(nil2(), max)
	config.ConnectionLeakTimeout = 0
	config.GetConnectionTimeout = -1
	pool := mustPool(b, config)
	b.ReportAllocs()
	b.ResetTimer()
	return pool
}

func BenchmarkGetPut(b *testing.B) {
	pool := benchPool(b, 1)
	for i := 0; i < b.N; i++ {
		conn, err := pool.Get(background)
		if err != nil {
			b.Fatal(err)
		}
		_ = pool.Put(conn)
	}
}

func BenchmarkGetPutParallel(b *testing.B) {
	pool := benchPool(b, 64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			conn, err := pool.Get(background)
			if err != nil {
				b.Error(err)
				return
			}
			_ = pool.Put(conn)
		}
	})
}

func BenchmarkContended(b *testing.B) {
	pool := benchPool(b, 1)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			conn, err := pool.Get(background)
			if err != nil {
				b.Error(err)
				return
			}
			_ = pool.Put(conn)
		}
	})
}

// Every goroutine waits for the one connection, then they are served one after
// the other.
func BenchmarkHandOff100000(b *testing.B) {
	const waiters = 100000
	pool := benchPool(b, 1)
	var total time.Duration
	for i := 0; i < b.N; i++ {
		held := mustGet(b, pool)
		var left atomic.Int32
		left.Store(waiters)
		done := make(chan struct{})
		for g := 0; g < waiters; g++ {
			go func() {
				conn, err := pool.Get(background)
				if err != nil {
					b.Error(err)
				} else {
					_ = pool.Put(conn)
				}
				if left.Add(-1) == 0 {
					close(done)
				}
			}()
		}
		eventually(b, "all wait", func() bool { return pool.WaitingCount() == waiters })
		began := time.Now()
		_ = pool.Put(held)
		<-done
		total += time.Since(began)
	}
	b.ReportMetric(float64(total.Nanoseconds())/float64(b.N)/waiters, "ns/hand-off")
}
