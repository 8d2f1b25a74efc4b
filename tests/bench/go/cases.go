package main

import (
	"context"
	"errors"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	batch        = 256
	cancelAfter  = time.Millisecond
	rusageThread = 1 // RUSAGE_THREAD
)

func runUncontended(r rival, a arguments, line figure) {
	p, o := openFor(r, a)
	defer p.close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	runtime.GC()
	operations := 0
	begin, busy := time.Now(), threadTime()
	for time.Since(begin) < a.time {
		for i := 0; i < batch; i++ {
			check(r, p.use())
		}
		operations += batch
	}
	line["ns_per_op"] = per(threadTime()-busy, operations)
	line["wall_ns_per_op"] = per(time.Since(begin), operations)
	line["clock"] = "cpu"
	line["ops"] = operations
	takeAll(r, p, o.max)
	settleAccounts(o, line)
}

// threadTime is how long this thread has kept a processor busy.
func threadTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(rusageThread, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func per(took time.Duration, operations int) float64 {
	return float64(took.Nanoseconds()) / float64(operations)
}

// ---------------------------------------------------------------- some goroutines

// done is what one goroutine has done.
type done struct {
	operations int
	waits      []int64
}

// runWorkers: parallel, contended, duel: goroutines that borrow until they are told
// to stop. A thread for each where they keep a processor busy while they hold.
func runWorkers(r rival, a arguments, line figure) {
	p, o := openFor(r, a)
	defer p.close()
	contended := a.name == "contended"
	if contended {
		runtime.GOMAXPROCS(a.threads)
		line["notes"] = r.notes + "; GOMAXPROCS as many as goroutines"
	}
	var stop atomic.Bool
	var group sync.WaitGroup
	start := make(chan struct{})
	results := make([]done, a.threads)
	for i := 0; i < a.threads; i++ {
		group.Add(1)
		go func(result *done) {
			defer group.Done()
			<-start
			if contended {
				borrowBusily(r, p, a.hold, &stop, result)
			} else {
				borrow(r, p, &stop, result)
			}
		}(&results[i])
	}
	begin := time.Now()
	close(start)
	time.Sleep(a.time)
	stop.Store(true)
	took := time.Since(begin)
	group.Wait()
	report(line, took, results)
	if contended {
		reportWaits(line, a, results)
	}
	takeAll(r, p, o.max)
	settleAccounts(o, line)
}

func borrow(r rival, p *pool, stop *atomic.Bool, result *done) {
	operations := 0 // not in the result, which shares its line with others
	for operations == 0 || !stop.Load() {
		check(r, p.use())
		operations++
	}
	result.operations = operations
}

func borrowBusily(r rival, p *pool, hold time.Duration, stop *atomic.Bool, result *done) {
	var waits []int64
	for len(waits) == 0 || !stop.Load() {
		begin := time.Now()
		one, err := p.take(background)
		had := time.Now()
		check(r, err)
		waits = append(waits, had.Sub(begin).Nanoseconds())
		one.conn.begin()
		for time.Since(had) < hold {
		}
		one.conn.end()
		one.back()
	}
	*result = done{operations: len(waits), waits: waits}
}

func report(line figure, took time.Duration, results []done) {
	all, least, most := 0, results[0].operations, 0
	each := make([]int, 0, len(results))
	for _, result := range results {
		all += result.operations
		each = append(each, result.operations)
		if result.operations < least {
			least = result.operations
		}
		if result.operations > most {
			most = result.operations
		}
	}
	line["ns_per_op"] = per(took, all)
	line["ops"] = all
	line["ops_per_thread"] = each
	line["fairness"] = float64(least) / float64(most)
}

// reportWaits also says how long one would wait if all took turns: no more
// connections than there are processors can be held busily at once.
func reportWaits(line figure, a arguments, results []done) {
	var waits []int64
	for _, result := range results {
		waits = append(waits, result.waits...)
	}
	sort.Slice(waits, func(i, j int) bool { return waits[i] < waits[j] })
	last := len(waits) - 1
	line["p50_wait_ns"] = waits[last/2]
	line["p99_wait_ns"] = waits[last*99/100]
	line["max_wait_ns"] = waits[last]
	places := a.connections
	if processors < places {
		places = processors
	}
	rounds := float64(a.threads)/float64(places) - 1
	if rounds < 0 {
		rounds = 0
	}
	line["ideal_wait_ns"] = rounds * float64(a.hold.Nanoseconds())
}

// ------------------------------------------------------------------------- a crowd

func runWaiters(r rival, a arguments, line figure) {
	wall, _ := serve(r, a.callers)
	line["ns_per_op"] = wall
	line["handoff_ns"] = wall
	line["timeout_ns"] = storm(r, a)
	line["ops"] = a.callers
}

// storm lets a crowd wait in vain: what standing in line, expiry and wake-up cost
// beyond the limit itself, which timers of one millisecond keep only so well.
func storm(r rival, a arguments) float64 {
	p, o := openFor(r, a)
	defer p.close()
	held := make([]lent, 0, o.max)
	for i := 0; i < o.max; i++ {
		one, err := p.take(background)
		check(r, err)
		held = append(held, one)
	}
	wait := together(a.callers, func() {
		limited, cancel := context.WithTimeout(background, cancelAfter)
		defer cancel()
		if _, err := p.take(limited); err == nil {
			check(r, errors.New("lent while held"))
		}
	})
	took := wait() - cancelAfter
	for _, one := range held {
		one.back()
	}
	takeAll(r, p, o.max)
	if took < 0 {
		took = 0
	}
	return per(took, a.callers)
}

// together starts goroutines at one moment; the result waits for them all and tells
// how long they took.
func together(count int, call func()) func() time.Duration {
	var ready, group sync.WaitGroup
	start := make(chan struct{})
	for i := 0; i < count; i++ {
		ready.Add(1)
		group.Add(1)
		go func() {
			defer group.Done()
			ready.Done()
			<-start
			call()
		}()
	}
	ready.Wait()
	begin := time.Now()
	close(start)
	return func() time.Duration {
		group.Wait()
		return time.Since(begin)
	}
}

func runSpike(r rival, a arguments, line figure) {
	o := options{max: a.connections, idle: spikeIdle, dial: a.dial, ledger: new(ledger)}
	p, err := r.open(o)
	check(r, err)
	defer p.close()
	fill(r, p)
	wait := together(a.callers, func() {
		one, err := p.take(background)
		check(r, err)
		one.conn.begin()
		time.Sleep(a.usage)
		one.conn.end()
		one.back()
	})
	took := wait()
	for before := int64(-1); before != o.ledger.opened.Load(); {
		before = o.ledger.opened.Load()
		time.Sleep(2 * a.dial)
	}
	line["ns_per_op"] = per(took, a.callers)
	line["ops"] = a.callers
	line["total_ms"] = float64(took.Nanoseconds()) / 1e6
	line["peak"] = o.ledger.peak.Load()
	settleAccounts(o, line)
}

// fill opens the first connections at the same time, as they would be prewarmed.
func fill(r rival, p *pool) {
	var had sync.WaitGroup
	had.Add(spikeIdle)
	together(spikeIdle, func() {
		one, err := p.take(background)
		check(r, err)
		had.Done()
		had.Wait()
		one.back()
	})()
}
