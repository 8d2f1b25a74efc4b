//go:build !race

package netconnpool

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
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
	config := plain(nil2(), 1)
	config.GetConnectionTimeout = -1
	config.ConnectionLeakTimeout = 0
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
	while := threads(t)
	began := time.Now()
	mustPut(t, pool, held)
	<-done
	t.Logf("%d threads while %d waited; %.2f us a hand-off", while, waiters,
		float64(time.Since(began).Microseconds())/waiters)
	if most := threads(t); while >= 20 || most >= 20 {
		t.Errorf("%d threads while they waited, then %d", while, most)
	}
	stats := pool.Stats()
	want1(t, stats.SuccessfulGets, int64(waiters+1))
	want1(t, stats.TotalConnectionsCreated, int64(1))
}

const crowd = 4000

// A goroutine that waits, is lent a connection and gives it back keeps the small
// stack that it began with: there may be very many.
func TestWhoWaitsNeedsNoLargerStack(t *testing.T) {
	if os.Getenv("NCP_GO_STACKS") == "" {
		// Stacks of a process that has done much are as large as those were.
		child := exec.Command(os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), "NCP_GO_STACKS=1", "GODEBUG=adaptivestackstart=0")
		if out, err := child.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	blocked := stackOfEach(t, func() {}, func() bool { return true })
	pool := mustPool(t, plain(nil2(), 1))
	held := mustGet(t, pool)
	lent := stackOfEach(t, func() {
		if conn, err := pool.Get(background); err == nil {
			_ = pool.Put(conn)
		}
	}, func() bool {
		if held != nil && pool.WaitingCount() == crowd {
			mustPut(t, pool, held)
			held = nil
		}
		return held == nil && pool.ActiveCount() == 0
	})
	t.Logf("%d bytes of stack each; %d when nothing is done", lent, blocked)
	if lent > blocked+blocked/2 {
		t.Errorf("%d bytes of stack each, %d when nothing is done", lent, blocked)
	}
}

// stackOfEach is what each of a crowd of goroutines needs that did something.
func stackOfEach(t *testing.T, do func(), done func() bool) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	end := make(chan struct{})
	runtime.GC() // takes the stacks of those that have ended
	runtime.ReadMemStats(&before)
	for i := 0; i < crowd; i++ {
		go func() {
			do()
			<-end
		}()
	}
	eventually(t, "all have done it", done)
	runtime.ReadMemStats(&after)
	close(end)
	return (after.StackInuse - before.StackInuse) / crowd
}
