//go:build !race

package netconnpool

import (
	"os"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// (The race detector allows no more than 8,128 goroutines.)

func threads(t testing.TB) int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc/self/status here")
	}
	found := regexp.MustCompile(`Threads:\s*(\d+)`).FindSubmatch(text)
	count, _ := strconv.Atoi(string(found[1]))
	return count
}

func TestAHundredThousandWaitersNeedNoThreads(t *testing.T) {
	const waiters = 100000
	const limit = 20 // a thread that the machine keeps waiting gets a substitute
	config := plain(nil2(), 1)
	config.GetConnectionTimeout = -1
	config.ConnectionLeakTimeout = 0
	before := threads(t) // of other tests
	pool := mustPool(t, config)
	held := mustGet(t, pool)
	var left atomic.Int32
	left.Store(waiters)
	done := make(chan struct{})
	for i := 0; i < waiters; i++ {
		go func() {
			conn, err := pool.Get(background)
			if err != nil {
				t.Error(err)
			} else if err := pool.Put(conn); err != nil {
				t.Error(err)
			}
			if left.Add(-1) == 0 {
				close(done)
			}
		}()
	}
	eventually(t, "all wait", func() bool { return pool.WaitingCount() == waiters })
	while := threads(t) - before
	began := time.Now()
	mustPut(t, pool, held)
	<-done
	t.Logf("%d more threads while %d waited; %.2f us a hand-off", while, waiters,
		float64(time.Since(began).Microseconds())/waiters)
	if most := threads(t) - before; while >= limit || most >= limit {
		t.Errorf("%d more threads while they waited, then %d", while, most)
	}
	stats := pool.Stats()
	want1(t, stats.SuccessfulGets, int64(waiters+1))
	want1(t, stats.TotalConnectionsCreated, int64(1))
}
