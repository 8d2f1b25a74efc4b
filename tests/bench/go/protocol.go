package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// The protocol that the bench of all languages speaks with its contestants: --list
// tells what can be run, --case and --subject run one sample and print one line.

// unable is the exit code of a sample that a rival does not allow.
const unable = 77

const spikeIdle = 5 // connections that exist before the callers of a spike come

// arguments are what a sample is asked for.
type arguments struct {
	name, subject string
	time          time.Duration
	threads       int
	connections   int
	callers       int
	hold          time.Duration
	dial          time.Duration
	usage         time.Duration
}

// A figure is the line of a sample.
type figure map[string]any

var cases = []string{"uncontended", "parallel", "contended", "duel", "waiters", "spike"}

// usual are threads, connections and callers when nobody says otherwise.
var usual = map[string][3]int{
	"uncontended": {1, 8, 0},
	"parallel":    {2, 2, 0},
	"contended":   {16, 4, 0},
	"duel":        {2, 1, 0},
	"waiters":     {1, 1, 100},
	"spike":       {1, 50, 50},
}

func speaksProtocol(words []string) bool {
	for _, word := range words {
		name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if name == "list" || name == "case" {
			return true
		}
	}
	return false
}

// sample does what the words ask for.
func sample(words []string) {
	a, list := read(words)
	if list {
		listCases()
		return
	}
	r := find(a.subject)
	if r.waiters != 0 && a.callers > r.waiters {
		refuse(fmt.Sprintf("%s lets no more than %d wait", r.subject, r.waiters))
	}
	line := figure{"case": a.name, "subject": a.subject, "language": "go", "notes": r.notes}
	runCase(r, a, line)
	text, err := json.Marshal(line)
	check(r, err)
	fmt.Println(string(text))
}

func read(words []string) (arguments, bool) {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	var a arguments
	list := flags.Bool("list", false, "tell what can be run")
	flags.StringVar(&a.name, "case", "", "what to run")
	flags.StringVar(&a.subject, "subject", "", "with which pool")
	seconds := flags.Float64("seconds", 0.3, "how long")
	flags.IntVar(&a.threads, "threads", 0, "goroutines")
	flags.IntVar(&a.connections, "connections", 0, "connections")
	flags.IntVar(&a.callers, "callers", 0, "goroutines that call once")
	hold := flags.Float64("hold-us", 20, "how long a connection is kept when contended")
	dial := flags.Float64("dial-ms", 150, "how long a dial takes in a spike")
	usage := flags.Float64("use-ms", 2, "how long a connection is used in a spike")
	_ = flags.Parse(words) // ends the program itself
	otherwise := func(value *int, use int) {
		if *value <= 0 {
			*value = use
		}
	}
	otherwise(&a.threads, usual[a.name][0])
	otherwise(&a.connections, usual[a.name][1])
	otherwise(&a.callers, usual[a.name][2])
	a.time = time.Duration(*seconds * 1e9)
	a.hold = time.Duration(*hold * 1e3)
	a.dial = time.Duration(*dial * 1e6)
	a.usage = time.Duration(*usage * 1e6)
	return a, *list
}

func listCases() {
	for _, r := range rivals {
		for _, name := range cases {
			if r.fixed && name == "spike" {
				continue
			}
			text, _ := json.Marshal(figure{"case": name, "subject": r.subject,
				"version": r.version, "language": "go", "notes": r.notes})
			fmt.Println(string(text))
		}
	}
}

// versionOf is that of a module which was built in.
func versionOf(path string) string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == path {
			return strings.TrimPrefix(module.Version, "v")
		}
	}
	return ""
}

func find(subject string) rival {
	for _, r := range rivals {
		if r.subject == subject {
			return r
		}
	}
	fmt.Fprintf(os.Stderr, "no such subject: %s\n", subject)
	os.Exit(1)
	return rival{}
}

func refuse(reason string) {
	fmt.Fprintln(os.Stderr, reason)
	os.Exit(unable)
}

func runCase(r rival, a arguments, line figure) {
	run := map[string]func(rival, arguments, figure){
		"uncontended": runUncontended,
		"parallel":    runWorkers,
		"contended":   runWorkers,
		"duel":        runWorkers,
		"waiters":     runWaiters,
		"spike":       runSpike,
	}[a.name]
	if run == nil {
		fmt.Fprintf(os.Stderr, "no such case: %s\n", a.name)
		os.Exit(1)
	}
	run(r, a, line)
}

// ------------------------------------------------------------------------ the pool

// openFor opens the pool of a sample, in which all connections exist already.
func openFor(r rival, a arguments) (*pool, options) {
	o := options{max: a.connections, idle: a.connections, ledger: new(ledger)}
	p, err := r.open(o)
	check(r, err)
	takeAll(r, p, o.max)
	return p, o
}

// takeAll fails when not all connections can be had together: some got lost.
func takeAll(r rival, p *pool, count int) {
	patient, cancel := context.WithTimeout(background, 5*time.Second)
	defer cancel()
	all := make([]lent, 0, count)
	for i := 0; i < count; i++ {
		one, err := p.take(patient)
		if err != nil {
			check(r, fmt.Errorf("a connection got lost: %w", err))
		}
		all = append(all, one)
	}
	for _, one := range all {
		one.back()
	}
}

// settleAccounts says what the ledger has of a pool that was to open so many.
func settleAccounts(o options, line figure) {
	opened := o.ledger.opened.Load()
	over := opened - int64(o.max)
	if over < 0 {
		over = 0
	}
	line["opened"] = opened
	line["over_limit"] = over
	line["lent_twice"] = o.ledger.lentTwice.Load()
}

// processors is what the machine has, whatever a case makes of GOMAXPROCS.
var processors = runtime.GOMAXPROCS(0)
