package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strconv"
	"strings"
)

var words = map[string]float64{"TCP": 1, "UDP": 2, "UNKNOWN": 0, "IPv4": 1, "IPv6": 2}

// statValue is a counter, of the main pool or of the one after the "@".
func statValue(name string) float64 {
	p := stage.pools[0]
	if at := strings.IndexByte(name, '@'); at >= 0 {
		p, name = stage.poolNamed(name[at+1:]), name[:at]
	}
	value, known := p.handle.counters()[name]
	if !known {
		fail("the library has no counter %s", name)
	}
	return float64(value)
}

func (v *variable) fact(what string) float64 {
	switch what {
	case "remembered_id":
		return float64(v.id)
	case "nonblocking":
		return truth(isNonblocking(v.link.fd))
	}
	value, err := v.lease.fact(what)
	if err != nil {
		fail("%s of %s: %v", what, v.name, err)
	}
	return value
}

// "name.fact", where the name may have a dot of its own.
func varValue(rest string, scope int) float64 {
	dot := strings.LastIndexByte(rest, '.')
	if dot < 0 {
		fail("no fact is named in %s", rest)
	}
	return stage.find(rest[:dot], scope).fact(rest[dot+1:])
}

func hintValue(rest string) float64 {
	number, what := rest, ""
	if dot := strings.IndexByte(rest, '.'); dot >= 0 {
		number, what = rest[:dot], rest[dot+1:]
	}
	index, err := strconv.Atoi(number)
	stage.lock.Lock()
	defer stage.lock.Unlock()
	if err != nil || index < 0 || index >= len(stage.hints) {
		fail("there are %d hints, none is %s", len(stage.hints), rest)
	}
	h := stage.hints[index]
	facts := map[string]float64{"protocol": float64(h.protocol), "ip": float64(h.ip),
		"deadline_ms": float64(h.deadlineMs), "timeout_ms": float64(h.timeoutMs),
		"attempt": float64(h.attempt), "at_ms": h.atMs}
	value, known := facts[what]
	if !known {
		fail("a hint has no fact %s", what)
	}
	return value
}

func dialsOf(s *scene) float64 {
	if s.dialer == nil {
		return 0
	}
	return float64(s.dialer.count.Load())
}

var plainFacts = map[string]func() float64{
	"dials":              func() float64 { return dialsOf(stage) },
	"most_dials_at_once": func() float64 { return float64(stage.dialer.mostRunning.Load()) },
	"active_count":       func() float64 { return float64(stage.pools[0].handle.active()) },
	"idle_count":         func() float64 { return float64(stage.pools[0].handle.idle()) },
	"waiting_count":      func() float64 { return float64(stage.pools[0].handle.waiting()) },
	"dialing_count":      func() float64 { return float64(stage.pools[0].handle.dialing()) },
	"is_closed":          func() float64 { return truth(stage.pools[0].handle.isClosed()) },
	"now_ms":             func() float64 { return clock.nowMs() },
	"snapshots":          func() float64 { return float64(stage.watched.Load()) },
	"threads":            func() float64 { return float64(runtime.NumGoroutine() - stage.goroutines) },
}

func factValue(fact any, scope int) float64 {
	if number, ok := fact.(json.Number); ok {
		return float(number)
	}
	text, ok := fact.(string)
	if !ok {
		fail("a fact is a number or a name: %s", shown(fact))
	}
	if value, known := words[text]; known {
		return value
	}
	if value, known := plainFacts[text]; known {
		return value()
	}
	dot := strings.IndexByte(text, '.')
	if dot < 0 {
		fail("there is no fact %s", text)
	}
	family, rest := text[:dot], text[dot+1:]
	switch family {
	case "stat":
		return statValue(rest)
	case "conn":
		return varValue(rest, scope)
	case "hint":
		return hintValue(rest)
	case "count":
		return float64(stage.countOf(rest))
	case "option":
		return float64(stage.pools[0].option(rest))
	}
	fail("there is no fact %s", text)
	return 0
}

var comparisons = map[string]func(a, b float64) bool{
	"==": func(a, b float64) bool { return a == b },
	"!=": func(a, b float64) bool { return a != b },
	"<":  func(a, b float64) bool { return a < b },
	"<=": func(a, b float64) bool { return a <= b },
	">":  func(a, b float64) bool { return a > b },
	">=": func(a, b float64) bool { return a >= b },
}

func thatHolds(that any, scope int) string {
	parts, ok := that.([]any)
	if !ok || len(parts) != 3 {
		fail("a fact is [left, comparison, right]")
	}
	compare, known := comparisons[parts[1].(string)]
	if !known {
		fail("there is no comparison %s", parts[1])
	}
	counted()
	a, b := factValue(parts[0], scope), factValue(parts[2], scope)
	if compare(a, b) {
		return ""
	}
	return fmt.Sprintf("%s does not hold: %v and %v", shown(that), a, b)
}

// brokenFact is what does not hold of `stats`, `dials` and `that`, "" when all holds.
func brokenFact(facts object, scope int) string {
	for name, bound := range objectAt(facts, "stats") {
		counted()
		if value := statValue(name); !holds(bound, value) {
			return fmt.Sprintf("counter %s is %v, expected %s", name, value, shown(bound))
		}
	}
	if bound, said := facts["dials"]; said && !holds(bound, dialsOf(stage)) {
		return fmt.Sprintf("%v dials, expected %s", dialsOf(stage), shown(bound))
	}
	for _, that := range listAt(facts, "that") {
		if why := thatHolds(that, scope); why != "" {
			return why
		}
	}
	return ""
}

func checkFacts(facts object, scope int) {
	if why := brokenFact(facts, scope); why != "" {
		fail("%s", why)
	}
}
