package main

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	netconnpool "github.com/netconnpool/netconnpool/go"
)

// The pools of a process share a queue, and the queue has an eventfd that is
// readable while there are events in it. Looking at that from outside needs no
// door into the package.
var alarms []int32

func eventDescriptors() map[int32]bool {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		fail("the descriptors cannot be read: %v", err)
	}
	found := map[int32]bool{}
	for _, entry := range entries {
		number, _ := strconv.Atoi(entry.Name())
		to, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err == nil && to == "anon_inode:[eventfd]" {
			found[int32(number)] = true
		}
	}
	return found
}

// findAlarms makes the first pool of the process: what stays of it is the queue.
func findAlarms() {
	warmPoller()
	before := eventDescriptors()
	config := netconnpool.DefaultConfig()
	config.MinConnections = 0
	config.Dialer = func(context.Context) (net.Conn, error) { return nil, errors.New("never") }
	must(netconnpool.NewPool(config)).Close()
	soon(func() bool { return runtime.NumGoroutine() == 1 }) // what served it ends
	for number := range eventDescriptors() {
		if !before[number] {
			alarms = append(alarms, number)
		}
	}
	if len(alarms) == 0 {
		fail("the queue of the pools has no eventfd")
	}
}

// warmPoller lets the runtime open the descriptors of its own network poller.
func warmPoller() { must(net.Listen("tcp4", "127.0.0.1:0")).Close() }

type pollDescriptor struct {
	number  int32
	events  int16
	happens int16
}

const pollIn = 1

// eventsWait says whether there are events that nobody has taken out.
func eventsWait() bool {
	for _, number := range alarms {
		wait := pollDescriptor{number: number, events: pollIn}
		limit := syscall.Timespec{}
		ready, _, failed := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&wait)),
			1, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
		if failed != 0 && failed != syscall.EINTR {
			fail("ppoll: %v", failed)
		}
		if ready != 0 { // or somebody sends us signals: look again
			return true
		}
	}
	return false
}
