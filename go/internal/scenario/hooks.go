package main

import (
	"net"
	"strings"
	"sync/atomic"
)

// What hooks record; the names are those of the key `hooks`.
var hookEvents = map[string]string{"on_created": "created", "on_borrow": "borrow",
	"on_return": "return", "on_close": "close", "on_leak": "leak",
	"close_conn": "close_conn", "checker": "check", "log": "log"}

const hookKeys = "record fail_first fail_always as_user sleep_ms sleep_after call once"

// A hook is one callback of a case; pools of the case share it.
type hook struct {
	name       string
	spec       object
	count      atomic.Int64
	calledBack atomic.Bool
}

func newHook(name string, spec object) *hook {
	if hookEvents[name] == "" {
		fail("no such hook: %s", name)
	}
	keysOnly(spec, hookKeys, name)
	return &hook{name: name, spec: spec}
}

func (h *hook) record(reason string) {
	if !boolAt(h.spec, "record") {
		return
	}
	event := hookEvents[h.name]
	if h.name == "on_close" || h.name == "on_leak" {
		event += ":" + reason
	}
	stage.record("%s", event)
}

// begins checks that a connection is nobody's while it is checked, and is closed
// once.
func (h *hook) begins(l *link) {
	switch h.name {
	case "checker":
		l.checks.Add(1)
		if l.owners.Load() != 0 {
			fail("connection %d is checked while it is lent", l.index)
		}
	case "close_conn":
		if l.closes.Add(1) != 1 {
			fail("connection %d is closed twice", l.index)
		}
	}
}

func (h *hook) ends(l *link) {
	switch h.name {
	case "checker":
		l.checks.Add(-1)
	case "close_conn":
		l.conn.Close()
	}
}

func (h *hook) once(a *actor, conn net.Conn, reason string) error {
	n := h.count.Add(1) - 1
	l := adopt(conn)
	h.begins(l)
	h.record(reason)
	done := &h.calledBack
	if !boolAt(h.spec, "once") {
		done = nil
	}
	callBack(a, h.spec, conn, done)
	if n >= intAt(h.spec, "sleep_after", 0) {
		clock.sleep(a, intAt(h.spec, "sleep_ms", 0))
	}
	h.ends(l)
	if boolAt(h.spec, "fail_always") || n < intAt(h.spec, "fail_first", 0) {
		return stage.throw(h.name, boolAt(h.spec, "as_user"), 0, h.name+" fails by intent")
	}
	return nil
}

// run is the callback.
func (h *hook) run(conn net.Conn, reason string) (err error) {
	clock.frame(h.name, func(a *actor) {
		guarded(func() string { return h.name }, func() { err = h.once(a, conn, reason) })
	})
	return err
}

// line takes a line of log.
func (h *hook) line(text string) {
	clock.frame("log", func(a *actor) {
		guarded(func() string { return "log" }, func() {
			if strings.Contains(text, "\n") {
				fail("a line of log has an end of line inside: %s", text)
			}
			stage.lock.Lock()
			stage.logs = append(stage.logs, text)
			stage.counts["log"]++
			stage.lock.Unlock()
			callBack(a, h.spec, nil, &h.calledBack)
		})
	})
}
