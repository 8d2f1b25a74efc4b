// Command ncp-peers-go keeps a real server busy through a pool, and counts what
// became of every request; see README.md of tests/peers.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	netconnpool "github.com/netconnpool/netconnpool/go"
)

const (
	workers     = 8
	connections = 4
	limit       = 5 * time.Second
)

// A phase counts the requests that began in it.
type phase struct {
	name                       string
	begun, ok, failed, retried atomic.Int64
	why                        reasons
}

func (p *phase) inProgress() bool { return p.begun.Load() != p.ok.Load()+p.failed.Load() }

// A load is one server kept busy.
type load struct {
	talk   talk
	pool   *netconnpool.Pool
	phases []*phase // the last one is now
	now    atomic.Pointer[phase]
	wrong  atomic.Int64
	stop   atomic.Bool
}

func die(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "ncp-peers-go: "+format+"\n", arguments...)
	os.Exit(1)
}

// ---------------------------------------------------------------------- requests

// begin counts a request in. A look at the phase that comes after that shows
// whether it was counted in the right one.
func (l *load) begin() *phase {
	for {
		p := l.now.Load()
		p.begun.Add(1)
		if l.now.Load() == p {
			return p
		}
		p.begun.Add(-1)
	}
}

// giveBack may be told that a connection could not be closed politely, for its
// server is gone; anything else is wrong.
func (l *load) giveBack(conn *netconnpool.Connection, result outcome) {
	give := l.pool.Discard
	if result == right {
		give = l.pool.Put
	}
	err := give(conn)
	if errors.Is(err, netconnpool.ErrInvalidConnection) ||
		errors.Is(err, netconnpool.ErrConnectionLeaked) || err != nil && result == right {
		die("giving back: %v", err)
	}
}

// once makes one request on one connection; reused says that this one had been
// used before.
func (l *load) once(payload string, p *phase) (result outcome, reused bool,
	err error) {
	conn, err := l.pool.Get(context.Background())
	if err != nil {
		p.why.add(ofGet(err))
		return missing, false, err
	}
	conn.Conn.SetDeadline(time.Now().Add(limit))
	result, ended := l.talk(conn.Conn, payload)
	reused = conn.GetReuseCount() > 0
	if result != right && result != last {
		p.why.add(ofTalk(result, reused, ended))
	}
	l.giveBack(conn, result)
	return result, reused, nil
}

// answered makes one request. A connection that was used before and ends without a
// byte is tried once more with another one.
func (l *load) answered(payload string, p *phase) bool {
	for attempt := 0; ; attempt++ {
		result, reused, err := l.once(payload, p)
		switch {
		case err != nil:
			return false
		case result == wrong:
			l.wrong.Add(1)
			return false
		case result == right || result == last:
			return true
		case result != missing || !reused || attempt > 0:
			return false
		}
		p.retried.Add(1)
	}
}

func (l *load) work(number int) {
	for n := 0; !l.stop.Load(); n++ {
		p := l.begin()
		payload := fmt.Sprintf("g%d-%d-%08x", number, n, uint32(n*2654435761+number))
		if l.answered(payload, p) {
			p.ok.Add(1)
			continue
		}
		p.failed.Add(1)
		time.Sleep(2 * time.Millisecond)
	}
}

// ---------------------------------------------------------------------- commands

func (l *load) beginPhase(name string) {
	before, next := l.now.Load(), &phase{name: name, why: noReasons()}
	l.phases = append(l.phases, next)
	l.now.Store(next)
	for before != nil && before.inProgress() {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("ok")
}

func (l *load) await(count string) {
	wanted, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		die("await %s", count)
	}
	for l.now.Load().ok.Load() < wanted {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("ok")
}

func (l *load) obey() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		command, argument, _ := strings.Cut(lines.Text(), " ")
		switch command {
		case "phase":
			l.beginPhase(argument)
		case "await":
			l.await(argument)
		case "end":
			return
		default:
			die("no such command: %s", command)
		}
	}
	die("the input has ended")
}

// ------------------------------------------------------------------------ report

func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		die("%v", err)
	}
	return len(entries) - 1 // without that of the folder
}

func (l *load) report(before int) {
	phases := map[string]map[string]any{}
	for _, p := range l.phases {
		phases[p.name] = map[string]any{"ok": p.ok.Load(), "failed": p.failed.Load(),
			"retried": p.retried.Load(), "why": p.why.counts}
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"phases": phases,
		"wrong": l.wrong.Load(), "counters": l.pool.Counters(),
		"descriptors": []int{before, atLast(descriptors, before)},
		"tasks":       []int{1, atLast(runtime.NumGoroutine, 1)}})
}

// atLast waits until a count is what it should be; what it is then.
func atLast(count func() int, wanted int) int {
	for end := time.Now().Add(limit); count() != wanted && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	return count()
}

func newPool(dial netconnpool.Dialer) *netconnpool.Pool {
	config := netconnpool.DefaultConfig()
	config.Dialer = dial
	config.MaxConnections, config.MinConnections = connections, 1
	config.MaintainMinConnections = true
	config.CheckOnBorrow = true
	config.HealthCheckInterval = 50 * time.Millisecond
	config.GetConnectionTimeout = limit
	pool, err := netconnpool.NewPool(config)
	if err != nil {
		die("%v", err)
	}
	return pool
}

// warm opens what the runtime and the package open once for the process.
func warm(dial netconnpool.Dialer) int {
	pool := newPool(dial)
	if conn, err := pool.Get(context.Background()); err == nil {
		pool.Put(conn)
	}
	end(pool)
	atLast(runtime.NumGoroutine, 1)
	return descriptors()
}

func end(pool *netconnpool.Pool) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := pool.CloseWait(ctx); err != nil {
		die("connections are still out: %v", err)
	}
}

func main() {
	if len(os.Args) != 3 || talks[os.Args[1]] == nil {
		die("usage: ncp-peers-go redis|http|tls TARGET")
	}
	dial := dialerOf(os.Args[1], os.Args[2])
	before := warm(dial)
	l := &load{talk: talks[os.Args[1]]}
	l.pool = newPool(l.noting(dial))
	l.beginPhase("start")
	var all sync.WaitGroup
	for i := 0; i < workers; i++ {
		all.Add(1)
		go func(number int) {
			defer all.Done()
			l.work(number)
		}(i)
	}
	l.obey()
	l.stop.Store(true)
	all.Wait()
	end(l.pool)
	l.report(before)
}
