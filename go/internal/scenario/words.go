package main

import "encoding/json"

var protocolWords = map[string]int{"UNKNOWN": 0, "TCP": 1, "UDP": 2}
var ipWords = map[string]int{"UNKNOWN": 0, "IPv4": 1, "IPv6": 2}

func numberOrWord(value any, words map[string]int) int {
	if number, ok := value.(json.Number); ok {
		return int(integer(number))
	}
	name, _ := value.(string)
	number, known := words[name]
	if !known {
		fail("no such protocol or IP version: %s", shown(value))
	}
	return number
}

func protocolOf(value any) int { return numberOrWord(value, protocolWords) }
func ipOf(value any) int       { return numberOrWord(value, ipWords) }

// The names of results, and what this language makes of each: see resultOf.
var results = map[string]bool{"OK": true, "POOL_CLOSED": true, "CONN_CLOSED": true,
	"TIMEOUT": true, "MAX_CONN": true, "INVALID_CONN": true, "UNHEALTHY": true,
	"INVALID_CONFIG": true, "LEAKED": true, "EXHAUSTED": true, "UNSUPPORTED_IP": true,
	"NO_IP": true, "UNSUPPORTED_PROTO": true, "NO_PROTO": true, "DIAL": true,
	"HOOK": true, "CLOSE_HOOK": true, "CANCELED": true, "NOMEM": true, "SYS": true,
	"USER": true, "INVALID_ARG": true, "WAITERS": true, "BREAKER": true, "STATE": true,
	"NOT_FOUND": true, "AGAIN": true}

// expect compares the result of a step with what it says: a name or a list of
// names, OK without any.
func expect(step object, result, what string, err error) {
	counted()
	wanted, said := step["expect"]
	if !said {
		wanted = "OK"
	}
	names, several := wanted.([]any)
	if !several {
		names = []any{wanted}
	}
	for _, name := range names {
		if !results[name.(string)] {
			fail("no such result: %s", name)
		}
		if name == result {
			return
		}
	}
	fail("%s: %s (%v), expected %s", what, result, err, shown(wanted))
}

// holds says whether a bound is kept: a number, true, false, or [low, high] with
// null for an open end.
func holds(bound any, value float64) bool {
	switch b := bound.(type) {
	case bool:
		return (value != 0) == b
	case json.Number:
		return value == float(b)
	case []any:
		if len(b) == 2 {
			return edge(b[0], value, true) && edge(b[1], value, false)
		}
	}
	fail("a bound is a number, true, false, or [low, high]: %s", shown(bound))
	return false
}

func edge(limit any, value float64, low bool) bool {
	if limit == nil {
		return true
	}
	number := float(limit.(json.Number))
	return low && value >= number || !low && value <= number
}

func checkBound(bound any, value float64, what string) {
	counted()
	if !holds(bound, value) {
		fail("%s is %v, expected %s", what, value, shown(bound))
	}
}

func checkWithin(step object, begin float64) {
	if within, said := step["within_ms"]; said {
		checkBound(within, clock.nowMs()-begin, "the time in ms")
	}
}
