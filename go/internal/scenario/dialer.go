package main

import (
	"context"
	"encoding/json"
	"math"
	"net"
	"sync/atomic"
	"time"
)

const dialKeys = "type sequence cycle by_hint fail_first fail_always as_user delay_ms heed " +
	"record hints call code text detect"

const (
	refused  = 111 // what a dial that fails says unless the scenario names a code
	timedOut = 110
)

// A dialer makes connections as the key `dial` or `acceptor` says.
type dialer struct {
	spec        object
	event       string // what it records
	accepts     bool
	count       atomic.Int64
	running     atomic.Int64
	mostRunning atomic.Int64
	calledBack  atomic.Bool
}

func newDialer(spec object, event string) *dialer {
	keysOnly(spec, dialKeys, event)
	return &dialer{spec: spec, event: event, accepts: event == "accept"}
}

func kindByHint(h hint) kind {
	if h.protocol == protocolWords["UDP"] {
		if h.ip == ipWords["IPv6"] {
			return udp6
		}
		return udp4
	}
	if h.ip == ipWords["IPv6"] {
		return tcp6
	}
	return tcp4
}

// kindOfDial says what dial number n is to become.
func (d *dialer) kindOfDial(n int64, h hint) kind {
	if boolAt(d.spec, "fail_always") || n < intAt(d.spec, "fail_first", 0) {
		return dialFails
	}
	if sequence := listAt(d.spec, "sequence"); len(sequence) > 0 {
		return kindOf(pick(sequence, n, boolAt(d.spec, "cycle")).(string))
	}
	if boolAt(d.spec, "by_hint") {
		return kindByHint(h)
	}
	return kindOf(textAt(d.spec, "type", "tcp4"))
}

// pick takes entry n; beyond the end the last one, or from the start again.
func pick(list []any, n int64, cycle bool) any {
	length := int64(len(list))
	if cycle {
		n %= length
	} else if n >= length {
		n = length - 1
	}
	return list[n]
}

func (d *dialer) delay(n int64) int64 {
	if delays := listAt(d.spec, "delay_ms"); len(delays) > 0 {
		return integer(pick(delays, n, false).(json.Number))
	}
	return intAt(d.spec, "delay_ms", 0)
}

// takes sleeps as long as the scenario says, or until the limit it heeds. False
// when the limit came first; the end of the creation is also that of the context.
func (d *dialer) takes(ctx context.Context, a *actor, n int64, h hint) bool {
	delay, limit := d.delay(n), int64(math.MaxInt64)
	heed := textAt(d.spec, "heed", "creation")
	switch heed {
	case "creation":
		limit = h.timeoutMs
	case "caller":
		limit = h.deadlineMs
	}
	if limit < 0 || delay < limit { // below 0 there is none
		clock.sleep(a, delay)
		return true
	}
	clock.sleep(a, limit)
	counted()
	if heed == "creation" && !soon(func() bool { return ctx.Err() != nil }) {
		fail("a creation has taken too long and its context goes on")
	}
	return false
}

func (d *dialer) fails(code int64, text string) error {
	return stage.throw(d.event, boolAt(d.spec, "as_user"), intAt(d.spec, "code", code),
		textAt(d.spec, "text", text))
}

// checkLimit is P-3, seen from inside a dial: what is open and being dialed never
// exceeds the maximum.
func checkLimit() {
	p := stage.mainPool()
	if p == nil || len(stage.pools) != 1 || p.resized.Load() {
		return
	}
	max := p.option("max_connections")
	if max == 0 {
		return
	}
	values := p.handle.counters()
	if used := values["current"] + values["dialing"]; used > uint64(max) {
		fail("%d connections are open or being dialed, the limit is %d", used, max)
	}
	counted()
}

// acceptOne accepts as a dial of the runner's own.
func (d *dialer) acceptOne(listener net.Listener, h hint) (net.Conn, error) {
	tcp := listener.(*net.TCPListener)
	limit := time.Duration(h.deadlineMs) * time.Millisecond
	if err := tcp.SetDeadline(time.Now().Add(limit)); err != nil {
		return nil, err
	}
	conn, err := tcp.Accept()
	if err != nil {
		return nil, d.fails(timedOut, "no client came")
	}
	return adopt(conn).conn, nil
}

func (d *dialer) once(ctx context.Context, a *actor, listener net.Listener) (net.Conn, error) {
	n := d.count.Add(1) - 1
	h := hintOf(ctx)
	h.atMs = clock.nowMs()
	if boolAt(d.spec, "record") {
		stage.record("%s", d.event)
	}
	stage.lock.Lock()
	stage.hints = append(stage.hints, h)
	stage.lock.Unlock()
	checkLimit()
	callBack(a, d.spec, nil, &d.calledBack)
	if !d.takes(ctx, a, n, h) {
		return nil, d.fails(timedOut, "too slow")
	}
	switch k := d.kindOfDial(n, h); {
	case k == dialFails:
		return nil, d.fails(refused, "refused by the scenario")
	case k == dialsNothing:
		return nil, nil
	case d.accepts:
		return d.acceptOne(listener, h)
	default:
		return makeLink(k, stage.blocking).conn, nil
	}
}

// make is the callback.
func (d *dialer) make(ctx context.Context, listener net.Listener) (conn net.Conn, err error) {
	clock.frame(d.event, func(a *actor) {
		now := d.running.Add(1)
		for most := d.mostRunning.Load(); now > most; most = d.mostRunning.Load() {
			if d.mostRunning.CompareAndSwap(most, now) {
				break
			}
		}
		guarded(func() string { return d.event }, func() {
			conn, err = d.once(ctx, a, listener)
		})
		d.running.Add(-1)
	})
	return conn, err
}
