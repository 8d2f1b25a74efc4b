package main

import (
	"bytes"
	"os"
	"runtime"
	"syscall"
)

// States in which a goroutine runs, could run, or is about to without anybody's
// doing. Everything else is a wait for somebody.
var busyStates = [][]byte{[]byte("running"), []byte("runnable"), []byte("syscall"),
	[]byte("sleep"), []byte("copystack"), []byte("preempted")}

var stacks = make([]byte, 1<<16) // the conductor's own

func readStacks() []byte {
	for {
		n := runtime.Stack(stacks, true)
		if n < len(stacks) {
			return stacks[:n]
		}
		stacks = make([]byte, 2*len(stacks))
	}
}

// stateOf reads "goroutine 7 [chan receive, 2 minutes]:".
func stateOf(header []byte) []byte {
	from := bytes.IndexByte(header, '[')
	to := bytes.IndexAny(header, ",]")
	if from < 0 || to < from {
		return nil
	}
	return header[from+1 : to]
}

func isBusy(state []byte) bool {
	for _, busy := range busyStates {
		if bytes.HasPrefix(state, busy) {
			return true
		}
	}
	return false
}

// nobodyRuns says whether every goroutine but this one is blocked, and whether
// the pools have no event that is still to be treated.
func nobodyRuns() bool {
	if eventsWait() {
		return false
	}
	rest := readStacks()
	for first := true; ; first = false {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return true
		}
		if !first && isBusy(stateOf(rest[:end])) {
			return false
		}
		next := bytes.Index(rest, []byte("\n\ngoroutine "))
		if next < 0 {
			return true
		}
		rest = rest[next+2:]
	}
}

// allBlocked looks twice; in between the network poller hands over what has become
// ready.
func allBlocked() bool {
	if !nobodyRuns() {
		pause()
		return false
	}
	pause()
	return nobodyRuns()
}

// pause is a short one: the timers of Go are a millisecond coarse while nothing
// else runs.
func pause() {
	short := syscall.NsecToTimespec(int64(lookAgain))
	syscall.Nanosleep(&short, nil)
}

func descriptorCount() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		fail("the descriptors cannot be counted: %v", err)
	}
	return len(entries) - 1 // without the one that looks
}
