package netconnpool

import (
	"runtime"
	"sync"
	"time"
)

// Stats are the counters of a pool at one moment. In every snapshot
// created - closed = current = idle + active, and requests = successful + failed
// + timed out + in flight.
type Stats struct {
	TotalConnectionsCreated int64
	TotalConnectionsClosed  int64
	CurrentConnections      int64

	CurrentIdleConnections   int64
	CurrentActiveConnections int64

	CurrentIPv4Connections     int64
	CurrentIPv6Connections     int64
	CurrentIPv4IdleConnections int64
	CurrentIPv6IdleConnections int64

	CurrentTCPConnections     int64
	CurrentUDPConnections     int64
	CurrentTCPIdleConnections int64
	CurrentUDPIdleConnections int64

	TotalGetRequests int64
	SuccessfulGets   int64
	FailedGets       int64
	TimeoutGets      int64

	HealthCheckAttempts  int64
	HealthCheckFailures  int64
	UnhealthyConnections int64

	ConnectionErrors  int64
	LeakedConnections int64

	TotalConnectionsReused int64
	// AverageReuseCount is reused / created.
	AverageReuseCount float64

	// AverageGetTime and TotalGetTime are of successful gets.
	AverageGetTime time.Duration
	TotalGetTime   time.Duration

	LastUpdateTime time.Time

	// ---- what the original does not have ----

	InFlightGets        int64
	CanceledGets        int64 // part of FailedGets
	EvictedConnections  int64 // taken from their borrowers as leaked
	DetachedConnections int64 // part of TotalConnectionsClosed
	WaitingGets         int64
	PendingCreates      int64

	MaxGetTime    time.Duration
	GetLatencyP50 time.Duration
	GetLatencyP95 time.Duration
	GetLatencyP99 time.Duration

	// Ratios are between 0 and 1.
	PoolUtilization               float64
	ConnectionCreationFailureRate float64
	HealthCheckSuccessRate        float64

	AverageConnectionLifetime time.Duration

	PrewarmTarget    int64
	PrewarmCreated   int64
	PrewarmCompleted bool

	BreakerOpen  bool
	BreakerTrips int64
}

// Counters are the numbers of a snapshot by the names of the C library, such as
// "created" or "p99_get_time": times in nanoseconds, ratios in millionths.
type Counters map[string]uint64

// millionths is the unit of ratios in C.
const millionths = 1e6

// A statsField ties a field of Stats to a counter of the library.
type statsField struct {
	counter int
	store   func(*Stats, uint64)
}

func count(counter int, at func(*Stats) *int64) statsField {
	return statsField{counter, func(s *Stats, v uint64) { *at(s) = int64(v) }}
}

func span(counter int, at func(*Stats) *time.Duration) statsField {
	return statsField{counter, func(s *Stats, v uint64) { *at(s) = time.Duration(v) }}
}

func ratio(counter int, at func(*Stats) *float64) statsField {
	return statsField{counter,
		func(s *Stats, v uint64) { *at(s) = float64(v) / millionths }}
}

func flag(counter int, at func(*Stats) *bool) statsField {
	return statsField{counter, func(s *Stats, v uint64) { *at(s) = v != 0 }}
}

var statsFields = []statsField{
	count(ncpCounterCreated,
		func(s *Stats) *int64 { return &s.TotalConnectionsCreated }),
	count(ncpCounterClosed,
		func(s *Stats) *int64 { return &s.TotalConnectionsClosed }),
	count(ncpCounterCurrent,
		func(s *Stats) *int64 { return &s.CurrentConnections }),
	count(ncpCounterIdle,
		func(s *Stats) *int64 { return &s.CurrentIdleConnections }),
	count(ncpCounterActive,
		func(s *Stats) *int64 { return &s.CurrentActiveConnections }),
	count(ncpCounterIpv4,
		func(s *Stats) *int64 { return &s.CurrentIPv4Connections }),
	count(ncpCounterIpv6,
		func(s *Stats) *int64 { return &s.CurrentIPv6Connections }),
	count(ncpCounterIpv4Idle,
		func(s *Stats) *int64 { return &s.CurrentIPv4IdleConnections }),
	count(ncpCounterIpv6Idle,
		func(s *Stats) *int64 { return &s.CurrentIPv6IdleConnections }),
	count(ncpCounterTcp,
		func(s *Stats) *int64 { return &s.CurrentTCPConnections }),
	count(ncpCounterUdp,
		func(s *Stats) *int64 { return &s.CurrentUDPConnections }),
	count(ncpCounterTcpIdle,
		func(s *Stats) *int64 { return &s.CurrentTCPIdleConnections }),
	count(ncpCounterUdpIdle,
		func(s *Stats) *int64 { return &s.CurrentUDPIdleConnections }),
	count(ncpCounterTotal, func(s *Stats) *int64 { return &s.TotalGetRequests }),
	count(ncpCounterSuccessful, func(s *Stats) *int64 { return &s.SuccessfulGets }),
	count(ncpCounterFailed, func(s *Stats) *int64 { return &s.FailedGets }),
	count(ncpCounterTimeout, func(s *Stats) *int64 { return &s.TimeoutGets }),
	count(ncpCounterInFlight, func(s *Stats) *int64 { return &s.InFlightGets }),
	count(ncpCounterHcAttempts,
		func(s *Stats) *int64 { return &s.HealthCheckAttempts }),
	count(ncpCounterHcFailures,
		func(s *Stats) *int64 { return &s.HealthCheckFailures }),
	count(ncpCounterUnhealthy,
		func(s *Stats) *int64 { return &s.UnhealthyConnections }),
	count(ncpCounterConnectionErrors,
		func(s *Stats) *int64 { return &s.ConnectionErrors }),
	count(ncpCounterLeaked, func(s *Stats) *int64 { return &s.LeakedConnections }),
	count(ncpCounterEvicted,
		func(s *Stats) *int64 { return &s.EvictedConnections }),
	count(ncpCounterReused,
		func(s *Stats) *int64 { return &s.TotalConnectionsReused }),
	count(ncpCounterCanceled, func(s *Stats) *int64 { return &s.CanceledGets }),
	count(ncpCounterDetached,
		func(s *Stats) *int64 { return &s.DetachedConnections }),
	ratio(ncpCounterAverageReuse,
		func(s *Stats) *float64 { return &s.AverageReuseCount }),
	span(ncpCounterTotalGetTime,
		func(s *Stats) *time.Duration { return &s.TotalGetTime }),
	span(ncpCounterAverageGetTime,
		func(s *Stats) *time.Duration { return &s.AverageGetTime }),
	span(ncpCounterMaxGetTime,
		func(s *Stats) *time.Duration { return &s.MaxGetTime }),
	span(ncpCounterP50GetTime,
		func(s *Stats) *time.Duration { return &s.GetLatencyP50 }),
	span(ncpCounterP95GetTime,
		func(s *Stats) *time.Duration { return &s.GetLatencyP95 }),
	span(ncpCounterP99GetTime,
		func(s *Stats) *time.Duration { return &s.GetLatencyP99 }),
	ratio(ncpCounterUtilization,
		func(s *Stats) *float64 { return &s.PoolUtilization }),
	ratio(ncpCounterCreationFailureRate,
		func(s *Stats) *float64 { return &s.ConnectionCreationFailureRate }),
	ratio(ncpCounterHcSuccessRate,
		func(s *Stats) *float64 { return &s.HealthCheckSuccessRate }),
	span(ncpCounterAverageLifetime,
		func(s *Stats) *time.Duration { return &s.AverageConnectionLifetime }),
	count(ncpCounterPrewarmTarget, func(s *Stats) *int64 { return &s.PrewarmTarget }),
	count(ncpCounterPrewarmCreated,
		func(s *Stats) *int64 { return &s.PrewarmCreated }),
	flag(ncpCounterPrewarmCompleted,
		func(s *Stats) *bool { return &s.PrewarmCompleted }),
	count(ncpCounterWaiting, func(s *Stats) *int64 { return &s.WaitingGets }),
	count(ncpCounterDialing, func(s *Stats) *int64 { return &s.PendingCreates }),
	flag(ncpCounterBreakerOpen, func(s *Stats) *bool { return &s.BreakerOpen }),
	count(ncpCounterBreakerTrips, func(s *Stats) *int64 { return &s.BreakerTrips }),
}

func (c *core) stats() Stats {
	var stats Stats
	if !c.config.EnableStats {
		return stats
	}
	values := c.lib.stats()
	for i := range statsFields {
		field := &statsFields[i]
		field.store(&stats, values[field.counter])
	}
	stats.LastUpdateTime = time.Now()
	return stats
}

// Counters returns a snapshot by the names of the C library.
func (p *Pool) Counters() Counters {
	values := p.core.lib.stats()
	runtime.KeepAlive(p)
	counters := make(Counters, len(values))
	for i, row := range libCounters() {
		counters[row] = values[i]
	}
	return counters
}

// A StatsCollector counts what it is told. Pools do not need one; it is there
// for programs that were written for the original.
type StatsCollector struct {
	mu    sync.Mutex
	stats Stats
}

// NewStatsCollector returns a collector whose counters are 0.
func NewStatsCollector() *StatsCollector {
	return &StatsCollector{stats: Stats{LastUpdateTime: time.Now()}}
}

// GetStats returns the counters.
func (s *StatsCollector) GetStats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	if stats.SuccessfulGets > 0 {
		stats.AverageGetTime = stats.TotalGetTime / time.Duration(stats.SuccessfulGets)
	}
	if stats.TotalConnectionsCreated > 0 {
		stats.AverageReuseCount = float64(stats.TotalConnectionsReused) /
			float64(stats.TotalConnectionsCreated)
	}
	return stats
}

func (s *StatsCollector) add(at *int64, delta int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*at += delta
	s.stats.LastUpdateTime = time.Now()
}

// RecordGetTime adds to TotalGetTime.
func (s *StatsCollector) RecordGetTime(d time.Duration) {
	s.add((*int64)(&s.stats.TotalGetTime), int64(d))
}

// IncrementTotalConnectionsCreated counts a connection that was made, which is
// there now.
func (s *StatsCollector) IncrementTotalConnectionsCreated() {
	s.add(&s.stats.TotalConnectionsCreated, 1)
	s.add(&s.stats.CurrentConnections, 1)
}

// IncrementTotalConnectionsClosed counts a connection that was closed, which is
// there no longer.
func (s *StatsCollector) IncrementTotalConnectionsClosed() {
	s.add(&s.stats.TotalConnectionsClosed, 1)
	s.add(&s.stats.CurrentConnections, -1)
}

// IncrementTotalGetRequests adds one to TotalGetRequests.
func (s *StatsCollector) IncrementTotalGetRequests() {
	s.add(&s.stats.TotalGetRequests, 1)
}

// IncrementSuccessfulGets adds one to SuccessfulGets.
func (s *StatsCollector) IncrementSuccessfulGets() {
	s.add(&s.stats.SuccessfulGets, 1)
}

// IncrementFailedGets adds one to FailedGets.
func (s *StatsCollector) IncrementFailedGets() {
	s.add(&s.stats.FailedGets, 1)
}

// IncrementTimeoutGets adds one to TimeoutGets.
func (s *StatsCollector) IncrementTimeoutGets() {
	s.add(&s.stats.TimeoutGets, 1)
}

// IncrementHealthCheckAttempts adds one to HealthCheckAttempts.
func (s *StatsCollector) IncrementHealthCheckAttempts() {
	s.add(&s.stats.HealthCheckAttempts, 1)
}

// IncrementHealthCheckFailures adds one to HealthCheckFailures.
func (s *StatsCollector) IncrementHealthCheckFailures() {
	s.add(&s.stats.HealthCheckFailures, 1)
}

// IncrementUnhealthyConnections adds one to UnhealthyConnections.
func (s *StatsCollector) IncrementUnhealthyConnections() {
	s.add(&s.stats.UnhealthyConnections, 1)
}

// IncrementConnectionErrors adds one to ConnectionErrors.
func (s *StatsCollector) IncrementConnectionErrors() {
	s.add(&s.stats.ConnectionErrors, 1)
}

// IncrementLeakedConnections adds one to LeakedConnections.
func (s *StatsCollector) IncrementLeakedConnections() {
	s.add(&s.stats.LeakedConnections, 1)
}

// IncrementTotalConnectionsReused adds one to TotalConnectionsReused.
func (s *StatsCollector) IncrementTotalConnectionsReused() {
	s.add(&s.stats.TotalConnectionsReused, 1)
}

// IncrementCurrentIdleConnections adds delta to CurrentIdleConnections.
func (s *StatsCollector) IncrementCurrentIdleConnections(delta int64) {
	s.add(&s.stats.CurrentIdleConnections, delta)
}

// IncrementCurrentActiveConnections adds delta to CurrentActiveConnections.
func (s *StatsCollector) IncrementCurrentActiveConnections(delta int64) {
	s.add(&s.stats.CurrentActiveConnections, delta)
}

// IncrementCurrentIPv4Connections adds delta to CurrentIPv4Connections.
func (s *StatsCollector) IncrementCurrentIPv4Connections(delta int64) {
	s.add(&s.stats.CurrentIPv4Connections, delta)
}

// IncrementCurrentIPv6Connections adds delta to CurrentIPv6Connections.
func (s *StatsCollector) IncrementCurrentIPv6Connections(delta int64) {
	s.add(&s.stats.CurrentIPv6Connections, delta)
}

// IncrementCurrentIPv4IdleConnections adds delta to CurrentIPv4IdleConnections.
func (s *StatsCollector) IncrementCurrentIPv4IdleConnections(delta int64) {
	s.add(&s.stats.CurrentIPv4IdleConnections, delta)
}

// IncrementCurrentIPv6IdleConnections adds delta to CurrentIPv6IdleConnections.
func (s *StatsCollector) IncrementCurrentIPv6IdleConnections(delta int64) {
	s.add(&s.stats.CurrentIPv6IdleConnections, delta)
}

// IncrementCurrentTCPConnections adds delta to CurrentTCPConnections.
func (s *StatsCollector) IncrementCurrentTCPConnections(delta int64) {
	s.add(&s.stats.CurrentTCPConnections, delta)
}

// IncrementCurrentUDPConnections adds delta to CurrentUDPConnections.
func (s *StatsCollector) IncrementCurrentUDPConnections(delta int64) {
	s.add(&s.stats.CurrentUDPConnections, delta)
}

// IncrementCurrentTCPIdleConnections adds delta to CurrentTCPIdleConnections.
func (s *StatsCollector) IncrementCurrentTCPIdleConnections(delta int64) {
	s.add(&s.stats.CurrentTCPIdleConnections, delta)
}

// IncrementCurrentUDPIdleConnections adds delta to CurrentUDPIdleConnections.
func (s *StatsCollector) IncrementCurrentUDPIdleConnections(delta int64) {
	s.add(&s.stats.CurrentUDPIdleConnections, delta)
}
