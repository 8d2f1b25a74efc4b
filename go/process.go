package netconnpool

import (
	"os"
	"sync"
	"syscall"
)

// What all pools of the process share: one completion queue, a goroutine that
// takes events out of it (the dispatcher), and one that looks at the clock (the
// keeper). Both live while there is a pool that is not closed and empty.
type process struct {
	mu          sync.RWMutex
	cores       map[libPool]*core // guarded by mu
	names       map[string]*core  // guarded by mu
	dispatching bool              // guarded by mu
	keeper      keeper

	queueOnce   sync.Once
	queue       libQueue
	queueStatus int
	alarm       syscall.RawConn // readable while the queue has events
	alarmFile   *os.File        // keeps alarm open
}

var proc = process{cores: map[libPool]*core{}, names: map[string]*core{}}

// theQueue makes the queue at first use; it stays.
func theQueue() (libQueue, int) {
	proc.queueOnce.Do(proc.openQueue)
	return proc.queue, proc.queueStatus
}

func (p *process) openQueue() {
	queue, status := newLibQueue()
	if status != ncpOk {
		p.queueStatus = status
		return
	}
	file, alarm, err := watch(queue.fd())
	if err != nil {
		queue.free()
		p.queueStatus = ncpEsys
		return
	}
	p.queue, p.alarmFile, p.alarm = queue, file, alarm
}

// joinLocked lets a pool have its events; the first one starts the goroutines.
func (p *process) joinLocked(c *core) {
	p.cores[c.lib] = c
	if c.name != "" {
		p.names[c.name] = c
	}
	if !p.dispatching {
		p.dispatching = true
		go p.dispatch()
	}
	p.keeper.start()
}

// leave ends that; the last one ends the goroutines.
func (p *process) leave(c *core) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cores[c.lib] != c {
		return
	}
	delete(p.cores, c.lib)
	if p.names[c.name] == c {
		delete(p.names, c.name)
	}
	if len(p.cores) == 0 {
		p.queue.kick()
		p.keeper.stop()
		tick.stop()
	}
}

func (p *process) find(lib libPool) *core {
	p.mu.RLock()
	c := p.cores[lib]
	p.mu.RUnlock()
	return c
}

// unused says that the dispatcher should end, and notes that it does.
func (p *process) unused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.cores) != 0 {
		return false
	}
	p.dispatching = false
	return true
}

// dispatch takes events out whenever nobody else does. The descriptor is armed
// by edges: after a poll that found nothing, whatever is put in next wakes us.
func (p *process) dispatch() {
	buffer := new(eventBuffer)
	for {
		count := 0
		err := p.alarm.Read(func(uintptr) bool {
			count = p.queue.poll(buffer.events[:])
			return count != 0
		})
		if err != nil {
			panic("netconnpool: the queue cannot be watched: " + err.Error())
		}
		kicked := false
		for i := range buffer.events[:count] {
			kicked = kicked || buffer.events[i].kind == ncpEventKick
			p.handle(&buffer.events[i])
		}
		if kicked && p.unused() {
			return
		}
	}
}

// An eventBuffer lives on the heap, for C writes into it.
type eventBuffer struct{ events [64]event }

var buffers = sync.Pool{New: func() interface{} { return new(eventBuffer) }}

// drain takes out what is in the queue now, on this goroutine.
func (p *process) drain() { p.take(func(*event) bool { return false }) }

// drainClosing is drain for somebody who closes the connections of a pool
// himself.
func (p *process) drainClosing(c *core) {
	p.take(func(ev *event) bool {
		if ev.kind != ncpEventClose || ev.pool != c.lib {
			return false
		}
		if rec := records.remove(ev.handle); rec != nil {
			c.noteCloseError(c.closeHere(rec, CloseReason(ev.reason)))
		}
		return true
	})
}

// How often take looks: a caller has work of his own, and the dispatcher has been
// woken too.
const drainRounds = 8

// take empties the queue. What `mine` does not want is handled as usual.
func (p *process) take(mine func(*event) bool) {
	if !p.queue.ready() {
		return
	}
	buffer := buffers.Get().(*eventBuffer)
	for round := 0; round < drainRounds && p.queue.ready(); round++ {
		count := p.queue.poll(buffer.events[:])
		kicked := false
		for i := range buffer.events[:count] {
			ev := &buffer.events[i]
			kicked = kicked || ev.kind == ncpEventKick
			if !mine(ev) {
				p.handle(ev)
			}
		}
		if kicked {
			p.queue.kick() // it was the dispatcher's
			break
		}
	}
	buffers.Put(buffer)
}

// handleOne is handle for an event that came with an answer.
func (p *process) handleOne(ev *event) {
	if ev.kind == ncpEventKick {
		p.queue.kick() // it was the dispatcher's
		return
	}
	p.handle(ev)
}

// handle does what an event says, or has it done by a goroutine of its own when
// that may take time.
func (p *process) handle(ev *event) {
	switch ev.kind {
	case ncpEventConn, ncpEventReady, ncpEventBorrow:
		line.deliverEvent(ev)
		return
	case ncpEventCheck:
		if ev.ticket != 0 {
			line.deliverEvent(ev)
			return
		}
	case ncpEventClose:
		if rec := records.remove(ev.handle); rec != nil {
			rec.core.startClose(rec, CloseReason(ev.reason))
		}
		return
	}
	c := p.find(ev.pool)
	if c == nil {
		return
	}
	switch ev.kind {
	case ncpEventDial:
		c.startDial(ev)
	case ncpEventCheck:
		go c.checkIdle(*ev)
	case ncpEventLeak:
		c.leaked(ev)
	case ncpEventLog:
		go c.writeLog()
	case ncpEventDue:
		p.keeper.look(c)
	}
}
