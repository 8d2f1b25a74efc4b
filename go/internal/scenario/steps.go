package main

// A task is a goroutine of the scenario; the case itself is one.
type task struct {
	name  string
	index int
	scope int // whose names it gives: its own, or everybody's
	main  bool
	actor *actor
	trail trail
	steps []object
	done  chan struct{}
	begin <-chan struct{} // nil, or closed when all may start
}

// A step is an operation, the keys it knows, and what it does.
type step struct {
	keys string
	run  func(step object, t *task)
}

var steps = map[string]step{}

// family adds operations; each file of steps has one.
func family(more map[string]step) bool {
	for name, one := range more {
		steps[name] = one
	}
	return true
}

// A runner refuses what it does not know, so an operation is found before anything
// is done.
func (t *task) run(list []object) {
	for index, one := range list {
		name := textAt(one, "op", "?")
		t.trail.push("step %d (%s)", index, name)
		op, known := steps[name]
		if !known {
			fail("this runner does not know the operation %s", name)
		}
		keysOnly(one, "op "+op.keys, name)
		op.run(one, t)
		if t.main {
			for _, p := range stage.pools {
				checkInvariants(p)
			}
		}
		t.trail.pop()
	}
}

func (t *task) named(step object, key string) string {
	return expand(textAt(step, key, "?"), t.index)
}

func (t *task) variable(step object) *variable {
	return stage.find(t.named(step, "conn"), t.scope)
}

func (t *task) link(step object) *link {
	return stage.linksNamed(t.named(step, "conn"), t.scope)[0]
}
