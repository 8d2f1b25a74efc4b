package netconnpool

import (
	"sync"
	"time"
)

// The managers of the original are part of the pool here: checks, expiry and
// leaks are looked after as soon as there is a pool. These types are there for
// programs that made their own. While one runs it has the pool look after
// itself at its interval, beside what the pool does anyway.

type manager struct {
	mu       sync.Mutex
	pool     *Pool
	interval time.Duration
	stop     chan struct{} // guarded by mu; nil before Start
	stopped  bool          // guarded by mu: for good
}

func (m *manager) start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped || m.stop != nil || m.interval <= 0 || m.pool == nil {
		return
	}
	m.stop = make(chan struct{})
	go m.run(m.stop)
}

func (m *manager) halt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stop != nil && !m.stopped {
		close(m.stop)
	}
	m.stopped = true
}

func (m *manager) run(stop chan struct{}) {
	ticker := time.NewTicker(m.interval)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			if m.pool.IsClosed() {
				return
			}
			proc.keeper.look(m.pool.core)
		}
	}
}

// A HealthCheckManager has a pool check its idle connections.
type HealthCheckManager struct{ manager }

// NewHealthCheckManager makes one that looks every Config.HealthCheckInterval.
func NewHealthCheckManager(pool *Pool, config *Config) *HealthCheckManager {
	return &HealthCheckManager{manager{pool: pool,
		interval: config.HealthCheckInterval}}
}

// Start begins; it does nothing when checks are off, or after Stop.
func (h *HealthCheckManager) Start() { h.start() }

// Stop ends it for good. It may be called more than once.
func (h *HealthCheckManager) Stop() { h.halt() }

// A CleanupManager has a pool close its expired connections.
type CleanupManager struct{ manager }

// The interval of the original.
const cleanupInterval = 30 * time.Second

// NewCleanupManager makes one that looks every Config.CleanupInterval, or every
// 30 seconds.
func NewCleanupManager(pool *Pool, config *Config) *CleanupManager {
	interval := config.CleanupInterval
	if interval <= 0 {
		interval = cleanupInterval
	}
	return &CleanupManager{manager{pool: pool, interval: interval}}
}

// Start begins; it does nothing after Stop.
func (m *CleanupManager) Start() { m.start() }

// Stop ends it for good. It may be called more than once.
func (m *CleanupManager) Stop() { m.halt() }

// A LeakDetector has a pool search for connections that were borrowed for too
// long.
type LeakDetector struct{ manager }

// NewLeakDetector makes one that looks every Config.LeakDetectionInterval.
func NewLeakDetector(pool *Pool, config *Config) *LeakDetector {
	return &LeakDetector{manager{pool: pool,
		interval: config.LeakDetectionInterval}}
}

// Start begins; it does nothing when the search is off, or after Stop.
func (l *LeakDetector) Start() { l.start() }

// Stop ends it for good. It may be called more than once.
func (l *LeakDetector) Stop() { l.halt() }
