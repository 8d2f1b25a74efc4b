package main

import (
	"context"
	"encoding/json"
	"fmt"
)

const (
	getKeys = "pool as n via want_protocol want_ip timeout_ms tag cancel cancelled " +
		"cancel_after_ms expect within_ms same_as differs_from reuse protocol ip"
	giveKeys = "pool conn lease expect within_ms if_got"
)

var _ = family(map[string]step{
	"get":          {getKeys, doGet},
	"get_many":     {getKeys, doGetMany},
	"put":          {giveKeys, giving((*handle).put)},
	"discard":      {giveKeys, giving((*handle).discard)},
	"conn_close":   {giveKeys, giving((*handle).closeLease)},
	"detach":       {giveKeys, giving(doDetach)},
	"close":        {"pool expect within_ms", steering((*handle).close)},
	"close_now":    {"pool expect within_ms", steering((*handle).closeNow)},
	"flush":        {"pool expect within_ms", steering((*handle).flush)},
	"suspend":      {"pool expect within_ms", steering((*handle).suspend)},
	"resume":       {"pool expect within_ms", steering((*handle).resume)},
	"close_wait":   {"pool timeout_ms expect within_ms", waiting((*handle).closeWait)},
	"drain":        {"pool timeout_ms expect within_ms", waiting((*handle).drain)},
	"prewarm_wait": {"pool timeout_ms expect within_ms", waiting((*handle).prewarmWait)},
	"resize":       {"pool max expect within_ms", doResize},
	"set":          {"pool option value expect", doSet},
	"free":         {"pool within_ms", doFree},
	"cancel":       {"token expect", doCancel},
})

// ------------------------------------------------------------------------- get

// A request is what a get asks for.
type request struct {
	via          string // any, try, tcp, udp, ipv4, ipv6
	protocol, ip *int   // wanted in so many words
	timeoutMs    *int64 // nil: the configured one
	tag          *uint64
	ctx          context.Context // nil: none
}

var vias = map[string]bool{"any": true, "try": true, "tcp": true, "udp": true,
	"ipv4": true, "ipv6": true}

func requestOf(step object) request {
	r := request{via: textAt(step, "via", "any")}
	if !vias[r.via] {
		fail("there is no way to get via %s", r.via)
	}
	if value, said := step["want_protocol"]; said {
		number := protocolOf(value)
		r.protocol = &number
	}
	if value, said := step["want_ip"]; said {
		number := ipOf(value)
		r.ip = &number
	}
	if has(step, "timeout_ms") {
		limit := intAt(step, "timeout_ms", 0)
		r.timeoutMs = &limit
	}
	if has(step, "tag") {
		tag := uint64(intAt(step, "tag", 0))
		r.tag = &tag
	}
	return r
}

// A token cancels the gets that carry it.
type token struct {
	ctx  context.Context
	fire context.CancelFunc
}

func newToken() *token {
	ctx, fire := context.WithCancel(context.Background())
	return &token{ctx, fire}
}

func (s *scene) tokenNamed(name string) *token {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.tokens[name] == nil {
		s.tokens[name] = newToken()
	}
	return s.tokens[name]
}

// tokenOf is the token of a get, nil without one; `ended` waits for who fires it.
func tokenOf(step object, t *task) (tok *token, ended func()) {
	ended = func() {}
	if name, said := step["cancel"].(string); said {
		return stage.tokenNamed(name), ended
	}
	after := intAt(step, "cancel_after_ms", -1)
	if !boolAt(step, "cancelled") && after < 0 {
		return nil, ended
	}
	tok = newToken()
	if boolAt(step, "cancelled") {
		tok.fire()
		return tok, ended
	}
	done := make(chan struct{})
	firing := clock.begin("canceller")
	go guarded(t.trail.String, func() {
		defer close(done)
		clock.sleep(firing, after)
		tok.fire()
		clock.end(firing)
	})
	return tok, func() { clock.join(t.actor, done) }
}

func getInto(step object, t *task, as string) {
	p, r := stepPool(step), requestOf(step)
	tok, ended := tokenOf(step, t)
	if tok != nil {
		r.ctx = tok.ctx
	}
	begin := clock.nowMs()
	var got *lease
	var err error
	clock.call(t.actor, p.limit(r), func() { got, err = p.handle.get(r) })
	result := resultOf(err)
	stage.countUp("get:" + result)
	if err != nil && got != nil {
		fail("a get that failed left a connection")
	}
	var v *variable
	if err == nil {
		v = &variable{name: as, scope: t.scope, pool: p, lease: got}
		stage.got(v)
		stage.define(v)
	}
	expect(step, result, "get", err)
	checkWithin(step, begin)
	ended()
	if v != nil {
		checkGot(step, t, v)
	}
}

// limit is how long a get may take at most, below 0 for ever.
func (p *pool) limit(r request) int64 {
	if r.timeoutMs != nil {
		return *r.timeoutMs
	}
	return p.option("get_timeout")
}

func checkGot(step object, t *task, v *variable) {
	if name, said := step["same_as"].(string); said {
		counted()
		if stage.find(expand(name, t.index), t.scope).id != v.id {
			fail("the connection is another one than %s", name)
		}
	}
	if name, said := step["differs_from"].(string); said {
		counted()
		if stage.find(expand(name, t.index), t.scope).id == v.id {
			fail("the connection is the same as %s", name)
		}
	}
	checkFact(step, "reuse", v, func(value any) int { return int(integer(value.(json.Number))) })
	checkFact(step, "protocol", v, protocolOf)
	checkFact(step, "ip", v, ipOf)
}

func checkFact(step object, key string, v *variable, read func(any) int) {
	value, said := step[key]
	if !said {
		return
	}
	counted()
	if fact := v.fact(key); fact != float64(read(value)) {
		fail("%s of the connection is %v, expected %s", key, fact, shown(value))
	}
}

func doGet(step object, t *task) {
	getInto(step, t, expand(textAt(step, "as", "(dropped)"), t.index))
}

func doGetMany(step object, t *task) {
	for i := 0; i < int(intAt(step, "n", 1)); i++ {
		getInto(step, t, fmt.Sprintf("%s.%d", textAt(step, "as", "(dropped)"), i))
	}
}

// ------------------------------------------------------------------- give back

type give func(h *handle, l *lease) error

func giving(call give) func(object, *task) {
	return func(step object, t *task) {
		if _, named := step["conn"].(string); named {
			giveNamed(step, t, call)
			return
		}
		lent := nobodysLease(step)
		err := call(stepPool(step).handle, lent)
		expect(step, resultOf(err), "give back", err)
	}
}

// nobodysLease stands for a number that no get ever gave out; nil for none at all.
func nobodysLease(step object) *lease {
	if !has(step, "lease") {
		return nil
	}
	return strangeLease(uint64(intAt(step, "lease", 0)))
}

func giveNamed(step object, t *task, call give) {
	name := t.named(step, "conn")
	found := stage.all(name, t.scope)
	if len(found) == 0 && !boolAt(step, "if_got") {
		fail("nothing is called %s here", name)
	}
	for _, v := range found {
		giveOne(step, t, v, call)
	}
}

func giveOne(step object, t *task, v *variable, call give) {
	p := v.pool
	if has(step, "pool") {
		p = stepPool(step)
	}
	begin := clock.nowMs()
	if p == v.pool {
		v.back()
	}
	var err error
	clock.call(t.actor, 0, func() { err = call(p.handle, v.lease) })
	expect(step, resultOf(err), textAt(step, "op", ""), err)
	checkWithin(step, begin)
}

func doDetach(h *handle, lent *lease) error {
	conn, err := h.detach(lent)
	if err == nil {
		adopt(conn).ours.Store(true)
	}
	return err
}

// ----------------------------------------------------------------------- steer

func steer(step object, t *task, limit int64, call func(h *handle) error) {
	begin := clock.nowMs()
	var err error
	p := stepPool(step)
	clock.call(t.actor, limit, func() { err = call(p.handle) })
	expect(step, resultOf(err), textAt(step, "op", ""), err)
	checkWithin(step, begin)
}

func steering(call func(h *handle) error) func(object, *task) {
	return func(step object, t *task) { steer(step, t, 0, call) }
}

func waiting(call func(h *handle, limit int64) error) func(object, *task) {
	return func(step object, t *task) {
		limit := intAt(step, "timeout_ms", -1)
		steer(step, t, limit, func(h *handle) error { return call(h, limit) })
	}
}

func doResize(step object, t *task) {
	stepPool(step).resized.Store(true)
	steer(step, t, 0, func(h *handle) error { return h.resize(intAt(step, "max", 0)) })
}

func doSet(step object, t *task) {
	value := intAt(step, "value", 0)
	if boolAt(step, "value") {
		value = 1
	}
	err := stepPool(step).handle.set(textAt(step, "option", "?"), value)
	expect(step, resultOf(err), "set", err)
}

func doFree(step object, t *task) {
	begin := clock.nowMs()
	stepPool(step).free(t.actor)
	checkWithin(step, begin)
}

func doCancel(step object, t *task) {
	stage.tokenNamed(textAt(step, "token", "?")).fire()
	expect(step, "OK", "cancel", nil)
}
