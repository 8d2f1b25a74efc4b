package netconnpool

import "time"

// A zeroMeaning says what 0 in a field of Config means to C.
type zeroMeaning int

const (
	zeroIsZero    zeroMeaning = iota // 0: the fields of the original
	zeroIsDefault                    // the default; a value below zero is 0
	zeroIsOurs                       // nothing: C is not told of it
)

// A configField ties a field of Config to an option of the library: one row an
// option, whatever is done with it.
type configField struct {
	option int
	zero   zeroMeaning
	load   func(*Config) int64
	store  func(*Config, int64)
}

func intField(option int, zero zeroMeaning, at func(*Config) *int) configField {
	return configField{option, zero,
		func(c *Config) int64 { return int64(*at(c)) },
		func(c *Config, v int64) { *at(c) = int(v) }}
}

func boolField(option int, zero zeroMeaning, at func(*Config) *bool) configField {
	return configField{option, zero,
		func(c *Config) int64 {
			if *at(c) {
				return 1
			}
			return 0
		},
		func(c *Config, v int64) { *at(c) = v > 0 }}
}

// A duration is rounded up to whole milliseconds, so that what is above zero
// stays so; below zero it is -1.
func durationField(option int, zero zeroMeaning,
	at func(*Config) *time.Duration) configField {
	return configField{option, zero,
		func(c *Config) int64 { return toMs(*at(c)) },
		func(c *Config, v int64) { *at(c) = fromMs(v) }}
}

func enumField(option int, load func(*Config) int64,
	store func(*Config, int64)) configField {
	return configField{option, zeroIsZero, load, store}
}

const maxDuration = time.Duration(1<<63 - 1)

func toMs(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	ms := int64(d / time.Millisecond)
	if d%time.Millisecond != 0 {
		ms++
	}
	return ms
}

func fromMs(ms int64) time.Duration {
	if ms > int64(maxDuration/time.Millisecond) {
		return maxDuration
	}
	return time.Duration(ms) * time.Millisecond
}

var configFields = []configField{
	enumField(ncpOptionMode,
		func(c *Config) int64 { return int64(c.Mode) },
		func(c *Config, v int64) { c.Mode = PoolMode(v) }),
	intField(ncpOptionMaxConnections, zeroIsZero,
		func(c *Config) *int { return &c.MaxConnections }),
	intField(ncpOptionMinConnections, zeroIsZero,
		func(c *Config) *int { return &c.MinConnections }),
	intField(ncpOptionMaxIdleConnections, zeroIsZero,
		func(c *Config) *int { return &c.MaxIdleConnections }),
	durationField(ncpOptionConnectionTimeout, zeroIsZero,
		func(c *Config) *time.Duration { return &c.ConnectionTimeout }),
	durationField(ncpOptionIdleTimeout, zeroIsZero,
		func(c *Config) *time.Duration { return &c.IdleTimeout }),
	durationField(ncpOptionMaxLifetime, zeroIsZero,
		func(c *Config) *time.Duration { return &c.MaxLifetime }),
	durationField(ncpOptionGetTimeout, zeroIsZero,
		func(c *Config) *time.Duration { return &c.GetConnectionTimeout }),
	durationField(ncpOptionHealthCheckInterval, zeroIsZero,
		func(c *Config) *time.Duration { return &c.HealthCheckInterval }),
	durationField(ncpOptionHealthCheckTimeout, zeroIsZero,
		func(c *Config) *time.Duration { return &c.HealthCheckTimeout }),
	durationField(ncpOptionLeakTimeout, zeroIsZero,
		func(c *Config) *time.Duration { return &c.ConnectionLeakTimeout }),
	durationField(ncpOptionLeakInterval, zeroIsZero,
		func(c *Config) *time.Duration { return &c.LeakDetectionInterval }),
	boolField(ncpOptionStats, zeroIsZero,
		func(c *Config) *bool { return &c.EnableStats }),
	boolField(ncpOptionHealthCheck, zeroIsZero,
		func(c *Config) *bool { return &c.EnableHealthCheck }),
	boolField(ncpOptionClearUdp, zeroIsZero,
		func(c *Config) *bool { return &c.ClearUDPBufferOnReturn }),
	durationField(ncpOptionUdpClearTimeout, zeroIsZero,
		func(c *Config) *time.Duration { return &c.UDPBufferClearTimeout }),
	intField(ncpOptionMaxBufferClearPackets, zeroIsZero,
		func(c *Config) *int { return &c.MaxBufferClearPackets }),

	intField(ncpOptionExpiryJitter, zeroIsDefault,
		func(c *Config) *int { return &c.ExpiryJitter }),
	boolField(ncpOptionCheckOnBorrow, zeroIsDefault,
		func(c *Config) *bool { return &c.CheckOnBorrow }),
	intField(ncpOptionLeakEvictMultiplier, zeroIsDefault,
		func(c *Config) *int { return &c.LeakEvictMultiplier }),
	intField(ncpOptionLatencySamples, zeroIsDefault,
		func(c *Config) *int { return &c.LatencySamples }),
	boolField(ncpOptionRestoreBlocking, zeroIsDefault,
		func(c *Config) *bool { return &c.RestoreBlocking }),
	intField(ncpOptionMaxConcurrentCreates, zeroIsDefault,
		func(c *Config) *int { return &c.MaxConcurrentCreates }),
	intField(ncpOptionCreateRetries, zeroIsDefault,
		func(c *Config) *int { return &c.CreateRetries }),
	durationField(ncpOptionCreateRetryInterval, zeroIsDefault,
		func(c *Config) *time.Duration { return &c.CreateRetryInterval }),
	intField(ncpOptionDialRate, zeroIsDefault,
		func(c *Config) *int { return &c.DialRate }),
	intField(ncpOptionDialBurst, zeroIsDefault,
		func(c *Config) *int { return &c.DialBurst }),
	durationField(ncpOptionDialBackoff, zeroIsDefault,
		func(c *Config) *time.Duration { return &c.DialBackoff }),
	durationField(ncpOptionDialBackoffMax, zeroIsDefault,
		func(c *Config) *time.Duration { return &c.DialBackoffMax }),
	intField(ncpOptionBreakerFailures, zeroIsDefault,
		func(c *Config) *int { return &c.BreakerFailures }),
	durationField(ncpOptionBreakerCooldown, zeroIsDefault,
		func(c *Config) *time.Duration { return &c.BreakerCooldown }),
	enumField(ncpOptionDialPolicy,
		func(c *Config) int64 { return int64(c.DialPolicy) },
		func(c *Config, v int64) { c.DialPolicy = DialPolicy(v) }),
	durationField(ncpOptionCleanupInterval, zeroIsDefault,
		func(c *Config) *time.Duration { return &c.CleanupInterval }),
	boolField(ncpOptionMaintainMin, zeroIsDefault,
		func(c *Config) *bool { return &c.MaintainMinConnections }),
	boolField(ncpOptionPrewarmRetry, zeroIsDefault,
		func(c *Config) *bool { return &c.PrewarmRetryEnabled }),
	intField(ncpOptionPrewarmMaxRetries, zeroIsDefault,
		func(c *Config) *int { return &c.PrewarmMaxRetries }),
	durationField(ncpOptionPrewarmRetryInterval, zeroIsDefault,
		func(c *Config) *time.Duration { return &c.PrewarmRetryInterval }),
	enumField(ncpOptionIdleOrder,
		func(c *Config) int64 { return int64(c.IdleOrder) },
		func(c *Config, v int64) { c.IdleOrder = IdleOrder(v) }),
	enumField(ncpOptionFairness,
		func(c *Config) int64 { return int64(c.Fairness) },
		func(c *Config, v int64) { c.Fairness = Fairness(v) }),
	enumField(ncpOptionStore,
		func(c *Config) int64 { return int64(c.Store) },
		func(c *Config, v int64) { c.Store = StoreKind(v) }),
	intField(ncpOptionMaxWaiters, zeroIsDefault,
		func(c *Config) *int { return &c.MaxWaiters }),
	{ncpOptionTcpNodelay, zeroIsDefault,
		func(c *Config) int64 { return int64(c.TCPNoDelay) },
		func(c *Config, v int64) { c.TCPNoDelay = Switch(v) }},
	durationField(ncpOptionTcpKeepalive, zeroIsDefault,
		func(c *Config) *time.Duration { return &c.TCPKeepAlive }),
	intField(ncpOptionSendBuffer, zeroIsDefault,
		func(c *Config) *int { return &c.SendBuffer }),
	intField(ncpOptionReceiveBuffer, zeroIsDefault,
		func(c *Config) *int { return &c.ReceiveBuffer }),
	durationField(ncpOptionHappyEyeballsDelay, zeroIsDefault,
		func(c *Config) *time.Duration { return &c.HappyEyeballsDelay }),
	boolField(ncpOptionCaptureStacks, zeroIsOurs,
		func(c *Config) *bool { return &c.CaptureStacks }),
	boolField(ncpOptionPrewarmBlocking, zeroIsOurs,
		func(c *Config) *bool { return &c.PrewarmBlocking }),
	{ncpOptionLogLevel, zeroIsDefault,
		func(c *Config) int64 { return int64(c.LogLevel) },
		func(c *Config, v int64) { c.LogLevel = LogLevel(v) }},
}

// give writes a field into a configuration of C.
func (f *configField) give(c *Config, lib libConfig) int {
	value := f.load(c)
	if f.zero == zeroIsOurs {
		return ncpOk
	}
	if f.zero == zeroIsDefault {
		if value == 0 {
			return ncpOk // C has its default
		}
		if value < 0 {
			value = 0
		}
	}
	return lib.setInt(f.option, value)
}

// fetch reads a field back if C corrected it.
func (f *configField) fetch(c *Config, lib libConfig) {
	value, status := lib.getInt(f.option)
	if status != ncpOk || f.zero != zeroIsZero || value == f.load(c) {
		return
	}
	f.store(c, value)
}
