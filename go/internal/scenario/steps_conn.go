package main

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	receiveLimit = time.Second
	seenLimit    = 2 * time.Second
)

var _ = family(map[string]step{
	"send":            {"conn data count", doSend},
	"peer_send":       {"conn data count", doPeerSend},
	"recv":            {"conn expect real_ms", doReceive},
	"peer_close":      {"conn reset", func(s object, t *task) { t.link(s).endPeer(boolAt(s, "reset")) }},
	"peer_shutdown":   {"conn", doPeerShutdown},
	"client_connect":  {"pool", func(s object, t *task) { connectClient(stepPool(s).listener) }},
	"assert_open":     {"conn", asserting(true)},
	"assert_closed":   {"conn", asserting(false)},
	"assert_peer_eof": {"conn", doAssertPeerEOF},
	"set_healthy":     {"conn healthy expect", doSetHealthy},
	"set_tag":         {"conn tag expect", doSetTag},
	"renew":           {"conn type expect", doRenew},
	"set_nonblocking": {"conn", doSetNonblocking},
	"udp_has_data":    {"conn is", doHasData},
	"udp_drain":       {"conn timeout_ms max dropped expect", doDrainDatagrams},
	"fd_alive":        {"conn is", doAlive},
	"leases":          {"pool conns", doLeases},
	"stack":           {"conn length", doStack},
})

// -------------------------------------------------------------------- both ends

func sendText(to interface{ Write([]byte) (int, error) }, step object) {
	data := []byte(textAt(step, "data", "x"))
	for i := int64(0); i < intAt(step, "count", 1); i++ {
		if _, err := to.Write(data); err != nil {
			fail("cannot send: %v", err)
		}
	}
}

func doSend(step object, t *task)     { sendText(t.link(step).conn, step) }
func doPeerSend(step object, t *task) { sendText(t.link(step).peer, step) }

func doReceive(step object, t *task) {
	conn := t.link(step).conn
	counted()
	wanted, wants := step["expect"].(string)
	if !wants {
		receiveNothing(conn, time.Duration(intAt(step, "real_ms", 30))*time.Millisecond)
		return
	}
	conn.SetReadDeadline(time.Now().Add(receiveLimit))
	defer conn.SetReadDeadline(time.Time{})
	got := []byte{}
	data := make([]byte, 256)
	for len(got) < len(wanted) {
		n, err := conn.Read(data)
		got = append(got, data[:n]...)
		if err != nil || n == 0 {
			break
		}
	}
	if string(got) != wanted {
		fail("received %q, expected %q", got, wanted)
	}
}

func receiveNothing(conn net.Conn, limit time.Duration) {
	conn.SetReadDeadline(time.Now().Add(limit))
	defer conn.SetReadDeadline(time.Time{})
	n, err := conn.Read(make([]byte, 256))
	if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, syscall.EAGAIN) {
		fail("received %d bytes (%v), expected nothing", n, err)
	}
}

func doPeerShutdown(step object, t *task) {
	if err := t.link(step).peer.CloseWrite(); err != nil {
		fail("shutdown: %v", err)
	}
}

// ------------------------------------------------------------------ what is seen

func soon(holds func() bool) bool {
	for end := time.Now().Add(seenLimit); time.Now().Before(end); {
		if holds() {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return holds()
}

// isHarmless says whether a connection that the pool took away from its borrower
// is closed for him. Its descriptor need not stay open until he puts it: whoever
// uses a closed net.Conn is told so, and never gets at a number that is reused.
func (l *link) isHarmless() bool {
	_, err := l.conn.Read(make([]byte, 1))
	return stage.mayTakeAway() && errors.Is(err, net.ErrClosed)
}

// Open is looked at once: it must not only become so.
func asserting(open bool) func(object, *task) {
	return func(step object, t *task) {
		for _, l := range stage.linksNamed(t.named(step, "conn"), t.scope) {
			counted()
			if open && !l.isOpen() && !l.isHarmless() {
				fail("connection %d is closed", l.index)
			}
			if !open && !soon(func() bool { return !l.isOpen() }) {
				fail("connection %d is still open", l.index)
			}
		}
	}
}

func doAssertPeerEOF(step object, t *task) {
	l := t.link(step)
	counted()
	if !soon(l.peerEnded.Load) {
		fail("the peer of connection %d does not see its end", l.index)
	}
}

// ---------------------------------------------------------------- the package's

func doSetHealthy(step object, t *task) {
	err := t.variable(step).lease.setHealthy(boolAt(step, "healthy"))
	expect(step, resultOf(err), "set_healthy", err)
}

func doSetTag(step object, t *task) {
	err := t.variable(step).lease.setTag(uint64(intAt(step, "tag", 0)))
	expect(step, resultOf(err), "set_tag", err)
}

func doRenew(step object, t *task) {
	v := t.variable(step)
	fresh := makeLink(kindOf(textAt(step, "type", "tcp4")), stage.blocking)
	err := v.lease.renew(fresh.conn)
	gone := fresh
	if err == nil {
		gone = v.link
		gone.owners.Add(-1)
		fresh.owners.Add(1)
		v.link = fresh
	}
	gone.ours.Store(true)
	gone.conn.Close()
	expect(step, resultOf(err), "renew", err)
}

func doSetNonblocking(step object, t *task) {
	if err := syscall.SetNonblock(t.link(step).fd, true); err != nil {
		fail("fcntl: %v", err)
	}
}

func doHasData(step object, t *task) {
	checkBound(step["is"], truth(hasDatagram(t.link(step).conn)), "udp_has_data")
}

func doDrainDatagrams(step object, t *task) {
	dropped, err := drainDatagrams(t.link(step), intAt(step, "timeout_ms", 0),
		int(intAt(step, "max", 0)))
	expect(step, resultOf(err), "udp_drain", err)
	checkBound(step["dropped"], float64(dropped), "the datagrams dropped")
}

func doAlive(step object, t *task) {
	checkBound(step["is"], truth(isAlive(t.link(step))), "fd_alive")
}

func truth(value bool) float64 {
	if value {
		return 1
	}
	return 0
}

func doLeases(step object, t *task) {
	wanted := listAt(step, "conns")
	leases := stepPool(step).handle.leases()
	if len(leases) != len(wanted) {
		fail("%d leases are out, expected %d", len(leases), len(wanted))
	}
	for i, name := range wanted {
		if leases[i] != stage.find(name.(string), t.scope).id {
			fail("lease %d is not %s", i, name)
		}
	}
	counted()
}

func doStack(step object, t *task) {
	checkBound(step["length"], float64(len(t.variable(step).lease.stack())),
		"the length of the stack")
}
