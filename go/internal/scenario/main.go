// Command ncp-scenario-go runs scenario documents against the Go package, and
// prints one line of JSON for each: {id, result, reason, counters}. What the words
// of a document mean is said in tests/spec/README.md of the repository.
//
// A document that fails ends the process: what is left of it could disturb those
// that follow.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

const hardLimit = 20 * time.Second

var capabilities = map[string]bool{"threads": true, "cancel": true, "hooks": true,
	"udp": true, "server": true, "opaque": true, "unix": true, "async_dial": true,
	"ex": true, "lease_api": true, "precancel": true}

const caseKeys = "clock config dial acceptor listener hooks pools new new_within_ms effective " +
	"steps dials stats events order that"

func missingNeed(doc *document) string {
	for _, need := range doc.needs {
		if need == "ipv6" && hasIPv6() {
			continue
		}
		if !capabilities[need] {
			return need
		}
	}
	for _, one := range doc.cases {
		for option := range objectAt(one, "config") {
			if reason, missing := absent[option]; missing {
				return reason
			}
		}
	}
	return ""
}

// runCase returns the counters of the pools after the last step, by their names:
// what languages are compared by.
func runCase(doc object, where *trail) (finals map[string]any) {
	keysOnly(doc, caseKeys, "case")
	stage = newScene(doc)
	stage.goroutines, stage.descriptors = runtime.NumGoroutine(), descriptorCount()
	clock = newTimekeeper(clockOf(doc))
	main := &task{name: "main", scope: everybody, main: true, actor: clock.begin("main"),
		trail: *where}
	clock.start()
	guarded(main.trail.String, func() {
		stage.makePools(main.actor)
		main.run(stepsOf(doc["steps"]))
		joinAll(main.actor)
		main.trail.push("then")
		clock.settle(main.actor) // connections are closed by goroutines of their own
		stage.checkThen()
		for _, p := range stage.pools {
			checkInvariants(p)
		}
		main.trail.pop()
		finals = stage.counters()
		main.trail.push("end")
		stage.end(main.actor)
		clock.end(main.actor)
		clock.stop()
		checkResourcesGone(stage.goroutines, stage.descriptors)
		clock.awaitFrames()
		main.trail.pop()
	})
	return finals
}

func (s *scene) counters() map[string]any {
	all := map[string]any{}
	for _, p := range s.pools {
		if !p.freed {
			all[p.name] = p.handle.counters()
		}
	}
	return all
}

func clockOf(doc object) *manualClock {
	if textAt(doc, "clock", "virtual") == "virtual" {
		return newManualClock()
	}
	return nil
}

// checkResourcesGone waits until there are no more goroutines and descriptors than
// at the start, when the last of the case before may still have been ending.
func checkResourcesGone(goroutines, descriptors int) {
	end := time.Now().Add(goneLimit)
	for time.Now().Before(end) {
		if runtime.NumGoroutine() <= goroutines && descriptorCount() <= descriptors {
			return
		}
		time.Sleep(time.Millisecond)
	}
	fail("left behind: %d goroutines and %d descriptors, at the start %d and %d\n%s",
		runtime.NumGoroutine(), descriptorCount(), goroutines, descriptors, readStacks())
}

func limitOfRun() time.Duration {
	seconds, err := strconv.Atoi(os.Getenv("NCP_SCENARIO_LIMIT"))
	if err != nil {
		return hardLimit
	}
	return time.Duration(seconds) * time.Second
}

func runDocument(doc *document) {
	done := watch(limitOfRun())
	defer done()
	checks.Store(0)
	virtual := 0.0
	finals := []map[string]any{}
	for i, one := range doc.cases {
		finals = append(finals, runCase(one, &trail{fmt.Sprintf("case %d", i)}))
		if clock.virtual() {
			virtual += clock.nowMs()
		}
	}
	verdictLock.Lock()
	defer verdictLock.Unlock()
	printVerdict(verdict{ID: doc.id, Result: "pass", Counters: map[string]any{
		"cases": len(doc.cases), "checks": checks.Load(), "virtual_ms": virtual,
		"pools": finals}})
}

func run(path string) {
	guarded(func() string { return path }, func() {
		doc, err := readDocument(path)
		if err != nil {
			fail("%v", err)
		}
		if reason := missingNeed(doc); reason != "" {
			printVerdict(verdict{ID: doc.id, Result: "skip", Reason: reason,
				Counters: map[string]any{}})
			return
		}
		runDocument(doc)
	})
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: ncp-scenario-go FILE.json...")
		os.Exit(2)
	}
	current.Store(&document{id: "?"})
	findAlarms()
	for _, path := range os.Args[1:] {
		run(path)
	}
}
