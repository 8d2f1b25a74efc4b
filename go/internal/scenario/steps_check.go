package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

var _ = family(map[string]step{
	"check":      {"stats dials that", doCheck},
	"wait_until": {"stats dials that limit_ms", doWaitUntil},
	"describe":   {"pool contains omits", doDescribe},
	"dial_error": {"pool expect code age_ms count text", doDialError},
	"log":        {"contains", doLog},
	"misuse":     {"pool", doMisuse},
	"time_stats": {"pool n best_ns", doTimeStats},
})

// doCheck looks at what callbacks did when they have done it: connections are
// closed by goroutines of their own.
func doCheck(step object, t *task) {
	if strings.Contains(shown(step), "count.") {
		clock.settle(t.actor)
	}
	checkFacts(step, t.scope)
}

func doWaitUntil(step object, t *task) {
	limit := intAt(step, "limit_ms", 1000)
	why := ""
	holds := func() bool { why = brokenFact(step, t.scope); return why == "" }
	if !clock.wait(t.actor, limit, holds) {
		fail("not within %d ms: %s", limit, why)
	}
}

func textsIn(texts []any, all string, wanted bool) {
	for _, text := range texts {
		counted()
		if strings.Contains(all, text.(string)) != wanted {
			fail("%q is found: %v, in: %s", text, !wanted, all)
		}
	}
}

func doDescribe(step object, _ *task) {
	text := stepPool(step).handle.describe()
	textsIn(listAt(step, "contains"), text, true)
	textsIn(listAt(step, "omits"), text, false)
}

// doDialError looks at the last failed dial. What C calls its code stands in the
// text of the error that the dialer returned.
func doDialError(step object, _ *task) {
	failure, there := stepPool(step).handle.dialError()
	if !there {
		expect(step, "NOT_FOUND", "dial_error", nil)
		return
	}
	expect(step, "OK", "dial_error", failure.Err)
	thrown := stage.thrownAs(failure.Text)
	if failure.Err != nil && failure.Err != error(thrown) {
		fail("the dial error is %v, not what the dialer returned", failure.Err)
	}
	if bound, said := step["code"]; said {
		checkBound(bound, float64(thrown.code), "the code")
	}
	if bound, said := step["age_ms"]; said {
		checkBound(bound, milliseconds(failure.Age), "the age in ms")
	}
	if bound, said := step["count"]; said {
		checkBound(bound, float64(failure.Count), "the failures in a row")
	}
	if text, said := step["text"].(string); said && thrown.text != text {
		fail("the text of the dial error is %q", thrown.text)
	}
}

func doLog(step object, _ *task) {
	stage.lock.Lock()
	all := strings.Join(stage.logs, "\n")
	stage.lock.Unlock()
	textsIn(listAt(step, "contains"), all, true)
}

// doTimeStats takes snapshots; the bound is far above what one takes.
func doTimeStats(step object, _ *task) {
	h := stepPool(step).handle
	best := time.Duration(1<<63 - 1)
	for i := int64(0); i < intAt(step, "n", 1000); i++ {
		begin := time.Now()
		h.pool.Stats()
		if took := time.Since(begin); took < best {
			best = took
		}
	}
	scale, err := strconv.ParseFloat(os.Getenv("NCP_SPEC_SCALE"), 64)
	if err != nil || scale < 1 {
		scale = 1
	}
	checkBound(step["best_ns"], float64(best)/scale, "ns a snapshot")
}
