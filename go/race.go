//go:build race

package netconnpool

import "sync/atomic"

// A relay tells the race detector who holds a connection after whom: the atomics
// of C, and those of Go on its memory, which order that, it does not see.
type relay struct{ turns atomic.Uint32 }

func (r *relay) handOver() { r.turns.Add(1) }
func (r *relay) takeOver() { r.turns.Load() }
