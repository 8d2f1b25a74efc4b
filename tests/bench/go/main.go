// Command bench compares get + put and the hand-off of connection pools for Go,
// in interleaved rounds. run.sh builds it with those rivals that can be had.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// A pool is a rival at work: it lends and takes back.
type pool struct {
	use     func() error // get + put
	take    func(context.Context) (lent, error)
	waiting func() int // -1 when it cannot tell
	close   func()
}

// A lent is a connection that somebody has.
type lent struct {
	conn *stubConn
	back func()
}

// options say how a pool is to be opened.
type options struct {
	max    int
	idle   int // connections that it keeps idle, where it can be told to
	dial   time.Duration
	ledger *ledger
}

// A rival is a pool that can be opened.
type rival struct {
	name    string // in the tables of this program
	subject string // in those of all languages
	version string
	notes   string
	open    func(options) (*pool, error)
	waiters int  // the most that it lets wait; 0 any number
	fixed   bool // opens all its connections at the start
}

var rivals []rival

// missing are the rivals that could not be fetched, with the reason.
var missing = os.Getenv("NCP_BENCH_MISSING")

var background = context.Background()

// A workload is how many goroutines share how many connections.
type workload struct {
	name       string
	goroutines int
	conns      int
	uses       int // of each goroutine
}

func main() {
	sort.SliceStable(rivals, func(i, j int) bool { return rivals[i].name < rivals[j].name })
	if speaksProtocol(os.Args[1:]) {
		sample(os.Args[1:])
		return
	}
	quick := flag.Bool("quick", false, "a short run that judges no speed")
	flag.Parse()
	rounds, scale, crowd := 9, 1, 100000
	if *quick {
		rounds, scale, crowd = 1, 50, 2000
	}
	fmt.Printf("%s, %d processors\n", runtime.Version(), runtime.GOMAXPROCS(0))
	for _, w := range []workload{
		{"one goroutine, one connection", 1, 1, 300000 / scale},
		{"8 goroutines, 8 connections", 8, 8, 60000 / scale},
		{"50 goroutines, 10 connections", 50, 10, 6000 / scale},
	} {
		compare(w, rounds)
	}
	handOff(crowd, rounds)
	if missing != "" {
		fmt.Printf("\nmissing: %s\n", missing)
	}
}

// ------------------------------------------------------------------------ get + put

// A cost is of one get + put.
type cost struct{ wall, processor float64 }

func compare(w workload, rounds int) {
	fmt.Printf("\n%s: get + put\n", w.name)
	costs := make(map[string][]cost)
	for round := 0; round < rounds; round++ {
		for _, r := range rivals {
			costs[r.name] = append(costs[r.name], measure(r, w))
		}
	}
	ours := median(costs["netconnpool"], func(c cost) float64 { return c.wall })
	fmt.Printf("  %-22s %9s %12s %8s\n", "", "wall, ns", "processor, ns", "ratio")
	for _, r := range rivals {
		wall := median(costs[r.name], func(c cost) float64 { return c.wall })
		processor := median(costs[r.name], func(c cost) float64 { return c.processor })
		fmt.Printf("  %-22s %9.0f %12.0f %8.2f\n", r.name, wall, processor, wall/ours)
	}
}

func measure(r rival, w workload) cost {
	p := filled(r, w.conns)
	defer p.close()
	check(r, p.use())
	runtime.GC()
	wall, processor := time.Now(), processorTime()
	var group sync.WaitGroup
	for g := 0; g < w.goroutines; g++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < w.uses; i++ {
				check(r, p.use())
			}
		}()
	}
	group.Wait()
	uses := float64(w.goroutines * w.uses)
	return cost{float64(time.Since(wall).Nanoseconds()) / uses,
		float64((processorTime() - processor).Nanoseconds()) / uses}
}

// filled is a pool in which all connections exist already.
func filled(r rival, max int) *pool {
	p, err := r.open(options{max: max, idle: max, ledger: new(ledger)})
	check(r, err)
	takeAll(r, p, max)
	return p
}

func check(r rival, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", r.name, err)
		os.Exit(1)
	}
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func median(costs []cost, of func(cost) float64) float64 {
	values := make([]float64, 0, len(costs))
	for _, c := range costs {
		values = append(values, of(c))
	}
	sort.Float64s(values)
	return values[len(values)/2]
}

// -------------------------------------------------------------------------- hand-off

func handOff(crowd, rounds int) {
	if rounds > 3 {
		rounds = 3
	}
	fmt.Printf("\n%d goroutines wait for one connection: a hand-off\n", crowd)
	fmt.Printf("  %-22s %9s %9s\n", "", "wall, us", "threads")
	costs := make(map[string][]cost)
	most := make(map[string]int)
	for round := 0; round < rounds; round++ {
		for _, r := range rivals {
			if r.waiters != 0 && r.waiters < crowd {
				continue
			}
			wall, threads := serve(r, crowd)
			costs[r.name] = append(costs[r.name], cost{wall: wall})
			if threads > most[r.name] {
				most[r.name] = threads
			}
		}
	}
	for _, r := range rivals {
		if len(costs[r.name]) == 0 {
			fmt.Printf("  %-22s lets no more than %d wait\n", r.name, r.waiters)
			continue
		}
		wall := median(costs[r.name], func(c cost) float64 { return c.wall })
		fmt.Printf("  %-22s %9.2f %9d\n", r.name, wall/1000, most[r.name])
	}
}

// serve lets a crowd wait for the connection that is held, then through.
func serve(r rival, crowd int) (wall float64, threads int) {
	p := filled(r, 1)
	defer p.close()
	held, err := p.take(background)
	check(r, err)
	var group, started sync.WaitGroup
	for g := 0; g < crowd; g++ {
		group.Add(1)
		started.Add(1)
		go func() {
			defer group.Done()
			started.Done()
			check(r, p.use())
		}()
	}
	started.Wait()
	settle(p, crowd)
	threads = threadCount()
	began := time.Now()
	held.back()
	group.Wait()
	return float64(time.Since(began).Nanoseconds()) / float64(crowd), threads
}

// settle waits until all wait, as far as the pool can tell.
func settle(p *pool, crowd int) {
	for p.waiting() >= 0 && p.waiting() < crowd {
		time.Sleep(time.Millisecond)
	}
	if p.waiting() < 0 {
		time.Sleep(300 * time.Millisecond)
	}
}

func threadCount() int {
	text, _ := os.ReadFile("/proc/self/status")
	found := regexp.MustCompile(`Threads:\s*(\d+)`).FindSubmatch(text)
	if found == nil {
		return -1
	}
	count, _ := strconv.Atoi(string(found[1]))
	return count
}
