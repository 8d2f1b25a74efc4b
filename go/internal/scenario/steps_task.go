package main

import (
	"math/rand"
	"sync"
)

var _ = family(map[string]step{
	"spawn":      {"name steps", doSpawn},
	"spawn_many": {"name n gap_ms steps", doSpawnMany},
	"parallel":   {"n steps", doParallel},
	"together":   {"threads", doTogether},
	"join":       {"name within_ms", doJoin},
	"sleep":      {"ms", doSleep},
	"log_order":  {"", doLogOrder},
	"repeat":     {"n steps", doRepeat},
	"watch":      {"pool n", doWatch},
	"stress":     {"pool n timeout_ms expect", doStress},
})

func newTask(name string, index int, own bool, list []object) *task {
	t := &task{name: name, index: index, scope: everybody, steps: list,
		done: make(chan struct{})}
	stage.lock.Lock()
	if own {
		t.scope = len(stage.tasks)
	}
	stage.tasks = append(stage.tasks, t)
	stage.lock.Unlock()
	t.trail.push("thread %s.%d", name, index)
	return t
}

func (t *task) start() {
	t.actor = clock.begin(t.name)
	go guarded(t.trail.String, func() {
		defer close(t.done)
		if t.begin != nil {
			<-t.begin
		}
		t.run(t.steps)
		clock.end(t.actor)
	})
}

// joinAll waits for every goroutine that was started, also by others meanwhile.
func joinAll(a *actor) {
	for i := 0; ; i++ {
		stage.lock.Lock()
		if i == len(stage.tasks) {
			stage.lock.Unlock()
			return
		}
		t := stage.tasks[i]
		stage.lock.Unlock()
		clock.join(a, t.done)
	}
}

func doSpawn(step object, t *task) {
	newTask(textAt(step, "name", "?"), 0, false, stepsOf(step["steps"])).start()
}

func doSpawnMany(step object, t *task) {
	for i := 0; i < int(intAt(step, "n", 1)); i++ {
		newTask(textAt(step, "name", "many"), i, true, stepsOf(step["steps"])).start()
		clock.sleep(t.actor, intAt(step, "gap_ms", 0))
	}
}

// startTogether lets all begin at one moment, as well as a channel can do it.
func startTogether(t *task, tasks []*task) {
	var ready sync.WaitGroup
	begin := make(chan struct{})
	for _, one := range tasks {
		one.begin = begin
		ready.Add(1)
		one.start()
		ready.Done()
	}
	ready.Wait()
	close(begin)
	for _, one := range tasks {
		clock.join(t.actor, one.done)
	}
}

func doParallel(step object, t *task) {
	var tasks []*task
	for i := 0; i < int(intAt(step, "n", 1)); i++ {
		tasks = append(tasks, newTask("parallel", i, true, stepsOf(step["steps"])))
	}
	startTogether(t, tasks)
}

func doTogether(step object, t *task) {
	var tasks []*task
	for i, list := range listAt(step, "threads") {
		tasks = append(tasks, newTask("together", i, false, stepsOf(list)))
	}
	startTogether(t, tasks)
}

func doJoin(step object, t *task) {
	name, one := step["name"].(string)
	begin := clock.nowMs()
	any := false
	stage.lock.Lock()
	tasks := append([]*task(nil), stage.tasks...)
	stage.lock.Unlock()
	for _, other := range tasks {
		if !one || other.name == name {
			clock.join(t.actor, other.done)
			any = true
		}
	}
	if !any {
		fail("no thread to join")
	}
	checkWithin(step, begin)
}

func doSleep(step object, t *task) { clock.sleep(t.actor, intAt(step, "ms", 0)) }

func doLogOrder(_ object, t *task) {
	stage.lock.Lock()
	stage.order = append(stage.order, t.index)
	stage.lock.Unlock()
}

func doRepeat(step object, t *task) {
	for i := 0; i < int(intAt(step, "n", 1)); i++ {
		t.run(stepsOf(step["steps"]))
	}
}

// doWatch takes snapshots without a pause.
func doWatch(step object, t *task) {
	for i := 0; i < int(intAt(step, "n", 1)); i++ {
		checkInvariants(stepPool(step))
		stage.watched.Add(1)
	}
}

// doStress gets, tries, puts and closes at random.
func doStress(step object, t *task) {
	p := stepPool(step)
	random := rand.New(rand.NewSource(int64(t.index)*7919 + 17))
	for i := 0; i < int(intAt(step, "n", 1)); i++ {
		limit := intAt(step, "timeout_ms", 50)
		if random.Intn(4) == 0 {
			limit = 0
		}
		stressOnce(step, t, p, limit, random)
	}
}

func stressOnce(step object, t *task, p *pool, limit int64, random *rand.Rand) {
	var got *lease
	var err error
	clock.call(t.actor, limit, func() {
		got, err = p.handle.get(request{via: "any", timeoutMs: &limit})
	})
	if err != nil {
		expect(step, resultOf(err), "get", err)
		return
	}
	v := &variable{name: "stress", pool: p, lease: got}
	stage.got(v)
	if random.Intn(8) == 0 {
		clock.sleep(t.actor, 1)
	}
	v.back()
	give := p.handle.put
	if random.Intn(16) == 0 {
		give = p.handle.discard
	}
	clock.call(t.actor, 0, func() { err = give(got) })
	if err != nil {
		fail("giving back: %v", err)
	}
}
