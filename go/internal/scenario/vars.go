package main

import (
	"fmt"
	"strconv"
	"strings"
)

const everybody = -1

// A variable is a lease under a name.
type variable struct {
	name  string
	scope int // the goroutine whose name it is, or everybody
	pool  *pool
	lease *lease
	id    uint64
	link  *link
	out   bool
}

// expand puts the index of the thread in the place of "$i".
func expand(name string, index int) string {
	return strings.Replace(name, "$i", strconv.Itoa(index), 1)
}

func (s *scene) define(v *variable) {
	s.lock.Lock()
	s.vars = append(s.vars, v)
	s.lock.Unlock()
}

// lookup finds the youngest of that name: the goroutine's own before everybody's.
func (s *scene) lookup(name string, scope int) *variable {
	s.lock.Lock()
	defer s.lock.Unlock()
	var shared *variable
	for i := len(s.vars) - 1; i >= 0; i-- {
		v := s.vars[i]
		if v.name != name {
			continue
		}
		if v.scope == scope {
			return v
		}
		if v.scope == everybody && shared == nil {
			shared = v
		}
	}
	return shared
}

func (s *scene) find(name string, scope int) *variable {
	v := s.lookup(name, scope)
	if v == nil {
		fail("nothing is called %s here", name)
	}
	return v
}

// all are the leases of a name, or of a group: name.0, name.1, ...
func (s *scene) all(name string, scope int) []*variable {
	if v := s.lookup(name, scope); v != nil {
		return []*variable{v}
	}
	var found []*variable
	for {
		v := s.lookup(fmt.Sprintf("%s.%d", name, len(found)), scope)
		if v == nil {
			return found
		}
		found = append(found, v)
	}
}

// links are those of leases, or the connection that dial N made: dialed.N.
func (s *scene) linksNamed(name string, scope int) []*link {
	if strings.HasPrefix(name, "dialed.") {
		index, err := strconv.Atoi(name[len("dialed."):])
		if err != nil {
			fail("no connection is called %s", name)
		}
		return []*link{linkAt(index)}
	}
	var found []*link
	for _, v := range s.all(name, scope) {
		found = append(found, v.link)
	}
	if len(found) == 0 {
		fail("nothing is called %s here", name)
	}
	return found
}

// got begins an ownership: from now on nobody else may have the connection.
func (s *scene) got(v *variable) {
	v.id = v.lease.id()
	if v.id == 0 {
		fail("a get succeeded with a connection without an id")
	}
	v.link = adopt(v.lease.conn())
	if v.link.owners.Add(1) != 1 {
		fail("connection %d is lent to two borrowers", v.link.index)
	}
	if v.link.checks.Load() != 0 {
		fail("connection %d is lent while it is checked", v.link.index)
	}
	if v.link.closes.Load() != 0 {
		fail("connection %d is lent after it was closed", v.link.index)
	}
	v.out = true
	counted()
}

// back ends an ownership, before the pool is told.
func (v *variable) back() {
	if v.out {
		v.out = false
		v.link.owners.Add(-1)
	}
}
