package netconnpool

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDefaultsAreThoseOfTheOriginal(t *testing.T) {
	client, server := DefaultConfig(), DefaultServerConfig()
	for name, pair := range map[string][2]interface{}{
		"MaxConnections":          {client.MaxConnections, 10},
		"MinConnections":          {client.MinConnections, 2},
		"MaxIdleConnections":      {client.MaxIdleConnections, 10},
		"ConnectionTimeout":       {client.ConnectionTimeout, 10 * time.Second},
		"IdleTimeout":             {client.IdleTimeout, 5 * time.Minute},
		"MaxLifetime":             {client.MaxLifetime, 30 * time.Minute},
		"GetConnectionTimeout":    {client.GetConnectionTimeout, 5 * time.Second},
		"HealthCheckInterval":     {client.HealthCheckInterval, 30 * time.Second},
		"HealthCheckTimeout":      {client.HealthCheckTimeout, 3 * time.Second},
		"ConnectionLeakTimeout":   {client.ConnectionLeakTimeout, 5 * time.Minute},
		"LeakDetectionInterval":   {client.LeakDetectionInterval, time.Duration(0)},
		"EnableStats":             {client.EnableStats, true},
		"EnableHealthCheck":       {client.EnableHealthCheck, true},
		"ClearUDPBufferOnReturn":  {client.ClearUDPBufferOnReturn, true},
		"UDPBufferClearTimeout":   {client.UDPBufferClearTimeout, 100 * time.Millisecond},
		"MaxBufferClearPackets":   {client.MaxBufferClearPackets, 100},
		"Mode":                    {client.Mode, PoolModeClient},
		"server Mode":             {server.Mode, PoolModeServer},
		"server MaxConnections":   {server.MaxConnections, 100},
		"server MinConnections":   {server.MinConnections, 0},
		"server MaxIdle":          {server.MaxIdleConnections, 50},
		"server MaxLifetime":      {server.MaxLifetime, 30 * time.Minute},
		"server leak timeout":     {server.ConnectionLeakTimeout, 5 * time.Minute},
		"zero LatencySamples":     {client.LatencySamples, 0},
		"zero MaxConcurrentCreat": {client.MaxConcurrentCreates, 0},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, expected %v", name, pair[0], pair[1])
		}
	}
}

func TestValidateCorrectsAndRefuses(t *testing.T) {
	config := plain(nil2(), 5)
	config.MaxIdleConnections = 50
	config.EnableHealthCheck = true
	config.HealthCheckInterval = 2 * time.Second
	config.HealthCheckTimeout = 10 * time.Second
	config.ConnectionLeakTimeout = 20 * time.Second
	want1(t, config.Validate(), nil)
	want1(t, config.MaxIdleConnections, 5)
	want1(t, config.HealthCheckTimeout, time.Second)
	want1(t, config.LeakDetectionInterval, 10*time.Second)

	for name, spoil := range map[string]func(*Config){
		"no dialer":        func(c *Config) { c.Dialer = nil },
		"bad target":       func(c *Config) { c.Dialer = nil; c.Target = "nonsense" },
		"min below 0":      func(c *Config) { c.MinConnections = -1 },
		"min above max":    func(c *Config) { c.MinConnections = 6 },
		"max below 0":      func(c *Config) { c.MaxConnections = -1 },
		"max too large":    func(c *Config) { c.MaxConnections = 100001 },
		"no idle":          func(c *Config) { c.MaxIdleConnections = 0 },
		"no creation time": func(c *Config) { c.ConnectionTimeout = 0 },
		"no get time":      func(c *Config) { c.GetConnectionTimeout = 0 },
		"idle above life":  func(c *Config) { c.IdleTimeout = c.MaxLifetime + 1 },
		"no interval":      func(c *Config) { c.HealthCheckInterval = 0 },
		"mode":             func(c *Config) { c.Mode = PoolMode(7) },
		"server":           func(c *Config) { c.Mode = PoolModeServer },
	} {
		config := plain(nil2(), 5)
		config.EnableHealthCheck = true
		spoil(config)
		if err := config.Validate(); err != ErrInvalidConfig {
			t.Errorf("%s: %v", name, err)
		}
		reason, _ := config.Explain()
		if reason == "" {
			t.Errorf("%s: no reason", name)
		}
		if _, err := NewPool(config); err != ErrInvalidConfig {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := NewPool(nil)
	want1(t, err, ErrInvalidConfig)
}

// Every option of the library is a field of Config, or is named here.
func TestEveryOptionIsAField(t *testing.T) {
	elsewhere := map[int]string{
		ncpOptionDriver:       "a pool of Go is driven by events",
		ncpOptionHostEvents:   "follows from the hooks",
		ncpOptionListenerFd:   "Config.Listener",
		ncpOptionDialInCaller: "a dial is a goroutine",
	}
	for _, row := range options() {
		_, there := elsewhere[row.option]
		var config Config
		if config.forGo(&row) == there {
			t.Errorf("option %s: field %v, listed %v", row.name, !there, there)
		}
	}
	seen := make(map[int]bool)
	for i := range configFields {
		if seen[configFields[i].option] {
			t.Errorf("option %d has two fields", configFields[i].option)
		}
		seen[configFields[i].option] = true
	}
}

// What is written into a field arrives in the pool of C.
func TestFieldsReachTheLibrary(t *testing.T) {
	config := plain(nil2(), 7)
	config.ExpiryJitter = -1
	config.LeakEvictMultiplier = -1
	config.MaxConcurrentCreates = 3
	config.CreateRetries = 2
	config.DialBackoff = 1500 * time.Microsecond
	config.Fairness = FairnessAdaptive
	config.DialPolicy = DialFailAll
	config.LogLevel = LogOff
	config.IdleOrder = IdleFIFO
	config.Store = StoreSharded
	config.MaxWaiters = 12
	pool := mustPool(t, config)
	for name, expected := range map[string]int64{
		"max_connections": 7, "expiry_jitter": 0, "leak_evict_multiplier": 0,
		"max_concurrent_creates": 3, "create_retries": 2, "dial_backoff": 2,
		"fairness": ncpFairnessAdaptive, "dial_policy": ncpDialFailAll,
		"log_level": ncpLogOff, "idle_order": ncpIdleFifo, "max_waiters": 12,
		"store":           ncpStoreSharded,
		"latency_samples": 1000, "dial_burst": 1, "get_timeout": 5000,
	} {
		value, err := pool.Option(name)
		if err != nil || value != expected {
			t.Errorf("%s is %d (%v), expected %d", name, value, err, expected)
		}
	}
	_, err := pool.Option("nonsense")
	want1(t, err, ErrNotFound)
	want1(t, pool.SetOption("max_connections", 9), nil)
	value, _ := pool.Option("max_connections")
	want1(t, value, int64(9))
	want1(t, pool.SetOption("idle_order", 0), ErrState)
	want1(t, pool.SetOption("max_connections", -5), ErrInvalidConfig)
	want1(t, pool.SetOption("get_timeout", 20), nil)
	held := mustGet(t, pool)
	want1(t, pool.Resize(1), nil)
	_, err = pool.Get(background)
	want1(t, err, ErrGetConnectionTimeout)
	mustPut(t, pool, held)
}

func TestOptionsDescribeThemselves(t *testing.T) {
	for _, option := range Options() {
		if option.Name == "max_connections" {
			want1(t, option.Default, int64(10))
			want1(t, option.ServerDefault, int64(100))
			want1(t, option.Max, int64(100000))
			want1(t, option.Live, true)
			want1(t, option.Help != "", true)
			return
		}
	}
	t.Fatal("no max_connections")
}

func TestOptionsByName(t *testing.T) {
	config := DefaultConfig()
	want1(t, config.SetOption("idle_timeout", "90s"), nil)
	want1(t, config.IdleTimeout, 90*time.Second)
	want1(t, config.SetOption("fairness", "adaptive"), nil)
	want1(t, config.Fairness, FairnessAdaptive)
	want1(t, config.SetOption("store", "sharded"), nil)
	want1(t, config.Store, StoreSharded)
	want1(t, config.SetOption("max_concurrent_creates", "0"), nil)
	want1(t, config.MaxConcurrentCreates, -1) // none, not the default
	want1(t, config.SetOption("tcp_nodelay", "off"), nil)
	want1(t, config.TCPNoDelay, SwitchOff)
	want1(t, config.SetOption("target", "tcp://localhost:1"), nil)
	want1(t, config.Target, "tcp://localhost:1")
	want1(t, config.SetOption("prewarm_blocking", "yes"), nil)
	want1(t, config.PrewarmBlocking, true)
	for name, text := range map[string]string{"idle_timeout": "soon",
		"fairness": "none", "stats": "maybe", "driver": "push"} {
		err := config.SetOption(name, text)
		wantIs(t, err, ErrInvalidConfig)
	}
	wantIs(t, config.SetOption("nonsense", "1"), ErrNotFound)
	text, err := config.Option("idle_timeout")
	want1(t, err, nil)
	want1(t, text, "1m30s")
}

func TestConfigsSurviveJSON(t *testing.T) {
	config := DefaultServerConfig()
	config.IdleTimeout = 42 * time.Second
	config.MaxConcurrentCreates = -1
	config.Name = "quo\"ted"
	config.EnableStats = false
	config.CaptureStacks = true
	config.DialPolicy = DialWait
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"idle_timeout":"42s"`) {
		t.Errorf("%s", text)
	}
	var read Config
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(&read)
	want1(t, err, nil)
	want1(t, string(again), string(text))
	want1(t, read.Mode, PoolModeServer)
	want1(t, read.MaxConcurrentCreates, -1)
	want1(t, read.CaptureStacks, true)
}

func TestWrongJSONChangesNothing(t *testing.T) {
	for text, named := range map[string]string{
		`{"idle_timeout":"1s","nonsense":1}`:          "nonsense",
		`{"idle_timeout":"1s","idle_timeout":"2s"}`:   "idle_timeout",
		`{"idle_timeout":"1s","max_connections":"x"}`: "max_connections",
		`{"idle_timeout":"1s","max_connections":1.5}`: "max_connections",
		`{"idle_timeout":"1s","stats":1}`:             "stats",
		`{"idle_timeout":"1s","mode":"both"}`:         "mode",
		`{"idle_timeout":"1s","driver":"push"}`:       "driver",
		`[1]`:                                         "object",
	} {
		config := DefaultConfig()
		before := config.IdleTimeout
		err := config.UnmarshalJSON([]byte(text))
		var refused *ConfigError
		if !errors.As(err, &refused) || !errors.Is(err, ErrInvalidConfig) ||
			!strings.Contains(refused.Reason, named) {
			t.Errorf("%s: %v", text, err)
		}
		want1(t, config.IdleTimeout, before)
	}
	config := DefaultConfig()
	want1(t, config.UnmarshalJSON([]byte(`{"idle_timeout":1500}`)), nil)
	want1(t, config.IdleTimeout, 1500*time.Millisecond)
}

func TestParsersTakeAnyCase(t *testing.T) {
	want1(t, ParseProtocol("tcp"), ProtocolTCP)
	want1(t, ParseProtocol("Udp"), ProtocolUDP)
	want1(t, ParseProtocol("sctp"), ProtocolUnknown)
	want1(t, ParseIPVersion("ipV4"), IPVersionIPv4)
	want1(t, ParseIPVersion("6"), IPVersionIPv6)
	want1(t, ParseIPVersion("5"), IPVersionUnknown)
	want1(t, ParsePoolMode("SERVER"), PoolModeServer)
	want1(t, ParsePoolMode("x"), PoolModeClient)
	want1(t, PoolMode(9).String(), "unknown")
	want1(t, Protocol(9).String(), "Unknown")
	want1(t, IPVersionIPv6.String(), "IPv6")
	want1(t, ProtocolUDP.IsUDP() && !ProtocolUDP.IsTCP(), true)
}

func TestWhatAConnectionIsIsSeenFromItsAddresses(t *testing.T) {
	unix := &net.UnixAddr{Name: "/tmp/my-udp.sock", Net: "unix"}
	mapped := &net.TCPAddr{IP: net.ParseIP("::ffff:10.0.0.1")}
	for _, c := range []struct {
		address  net.Addr
		protocol Protocol
		ip       IPVersion
	}{
		{tcp4, ProtocolTCP, IPVersionIPv4}, {tcp6, ProtocolTCP, IPVersionIPv6},
		{udp4, ProtocolUDP, IPVersionIPv4}, {udp6, ProtocolUDP, IPVersionIPv6},
		{unix, ProtocolUnknown, IPVersionUnknown},
		{mapped, ProtocolTCP, IPVersionIPv4},
		{nil, ProtocolUnknown, IPVersionUnknown},
		{(*net.TCPAddr)(nil), ProtocolUnknown, IPVersionUnknown},
		{textAddr{"tcp", "[fe80::1%eth0]:80"}, ProtocolTCP, IPVersionIPv6},
		{textAddr{"pipe", "tcp"}, ProtocolUnknown, IPVersionUnknown},
	} {
		conn := &fakeConn{remote: c.address}
		want1(t, DetectProtocol(conn), c.protocol)
		want1(t, DetectIPVersion(conn), c.ip)
	}
	want1(t, DetectProtocol(nil), ProtocolUnknown)
	want1(t, DetectIPVersion(nil), IPVersionUnknown)
}

type textAddr struct{ network, text string }

func (a textAddr) Network() string { return a.network }
func (a textAddr) String() string  { return a.text }

func TestStatsHaveEveryCounter(t *testing.T) {
	names := libCounters()
	want1(t, len(names), ncpCounterCount)
	fields := make(map[int]bool)
	for i := range statsFields {
		fields[statsFields[i].counter] = true
	}
	for counter, name := range names {
		if !fields[counter] && counter != ncpCounterLastUpdate {
			t.Errorf("counter %s has no field in Stats", name)
		}
	}
	// Each field of Stats is filled by one counter, or is the time.
	var stats Stats
	for i := range statsFields {
		statsFields[i].store(&stats, 1)
	}
	value := reflect.ValueOf(stats)
	for i := 0; i < value.NumField(); i++ {
		if value.Field(i).IsZero() && value.Type().Field(i).Name != "LastUpdateTime" {
			t.Errorf("Stats.%s is filled by no counter", value.Type().Field(i).Name)
		}
	}
	pool := mustPool(t, plain(nil2(), 1))
	mustPut(t, pool, mustGet(t, pool))
	want1(t, pool.Counters()["created"], uint64(1))
	config := plain(nil2(), 1)
	config.EnableStats = false
	silent := mustPool(t, config)
	mustPut(t, silent, mustGet(t, silent))
	want1(t, silent.Stats(), Stats{})
	want1(t, silent.IdleCount(), 1)
}

func TestAStatsCollectorCounts(t *testing.T) {
	s := NewStatsCollector()
	s.IncrementTotalConnectionsCreated()
	s.IncrementTotalConnectionsCreated()
	s.IncrementTotalConnectionsClosed()
	s.IncrementTotalConnectionsReused()
	s.IncrementSuccessfulGets()
	s.IncrementSuccessfulGets()
	s.RecordGetTime(time.Second)
	s.IncrementCurrentUDPIdleConnections(3)
	s.IncrementCurrentUDPIdleConnections(-1)
	stats := s.GetStats()
	want1(t, stats.CurrentConnections, int64(1))
	want1(t, stats.AverageReuseCount, 0.5)
	want1(t, stats.AverageGetTime, 500*time.Millisecond)
	want1(t, stats.CurrentUDPIdleConnections, int64(2))
}

func TestManagersStartAndStop(t *testing.T) {
	config := plain(nil2(), 1)
	config.HealthCheckInterval = time.Millisecond
	config.LeakDetectionInterval = time.Millisecond
	pool := mustPool(t, plain(nil2(), 1))
	for _, m := range []interface {
		Start()
		Stop()
	}{NewHealthCheckManager(pool, config), NewCleanupManager(pool, config),
		NewLeakDetector(pool, config)} {
		m.Stop()
		m.Start() // not after Stop
		m.Stop()
	}
	manager := NewHealthCheckManager(pool, config)
	manager.Start()
	manager.Start()
	mustPut(t, pool, mustGet(t, pool))
	manager.Stop()
	eventually(t, "it has ended", func() bool { return ours() <= 2 })
}

// Numbers of the header that was generated from and of the library that is
// loaded are the same.
func TestTheLoadedLibraryHasTheSameTables(t *testing.T) {
	byName := make(map[string]int64)
	for _, constant := range ncpConstants {
		byName[constant.Name] = constant.Value
	}
	for _, row := range options() {
		name := "NCP_OPTION_" + strings.ToUpper(row.name)
		value, there := byName[name]
		if !there || value != int64(row.option) {
			t.Errorf("%s is %d in the library and %d here", name, row.option, value)
		}
	}
	for counter, name := range libCounters() {
		if byName["NCP_COUNTER_"+strings.ToUpper(name)] != int64(counter) {
			t.Errorf("counter %s", name)
		}
	}
	for status := range sentinels {
		name := libStatusName(-status)
		if value, there := byName[name]; !there || value != int64(-status) {
			t.Errorf("status %s", name)
		}
		if sentinels[status] != nil {
			want1(t, sentinels[status].Error(), libStatusText(-status))
			want1(t, errorStatus(sentinels[status]), -status)
			want1(t, statusError(-status), sentinels[status])
		}
	}
	for reason := ReasonNone; reason <= ReasonForked; reason++ {
		name := "NCP_REASON_" + strings.ToUpper(reason.String())
		if byName[name] != int64(reason) {
			t.Errorf("reason %s", name)
		}
	}
	want1(t, libVersion(), "0.1.0")
}

func TestTheLogIsTold(t *testing.T) {
	lines := make(chan LogEntry, 100)
	config := plain(nil2(), 1)
	config.Name = "logged"
	config.LogLevel = LogDebug
	config.Logger = func(entry LogEntry) { lines <- entry }
	pool := mustPool(t, config)
	found, err := FindPool("logged")
	want1(t, err, nil)
	mustPut(t, found, mustGet(t, found))
	_ = pool.Close()
	_, err = FindPool("logged")
	want1(t, err, ErrNotFound)
	timeout := time.After(patience)
	for {
		select {
		case line := <-lines:
			want1(t, line.Pool, "logged")
			if strings.Contains(line.Text, "event=close") {
				return
			}
		case <-timeout:
			t.Fatal("no line about the close")
		}
	}
}

func TestAZeroConnectionHarmsNobody(t *testing.T) {
	pool := mustPool(t, plain(nil2(), 1))
	zero := &Connection{}
	want1(t, zero.Close(), nil)
	want1(t, pool.Put(zero), ErrInvalidConnection)
	want1(t, pool.Discard(zero), ErrInvalidConnection)
	want1(t, zero.SetTag(1), ErrInvalidConnection)
	_ = zero.GetAge()
	zero.MarkInUse()
	want1(t, zero.IsInUse(), true)
	zero.MarkIdle()
	_ = zero.GetIdleTime()
	closed := 0
	own := NewConnection(&fakeConn{remote: udp6}, nil, func() error { closed++; return nil })
	want1(t, own.Protocol, ProtocolUDP)
	want1(t, own.Close(), nil)
	want1(t, own.Close(), nil)
	want1(t, closed, 1)
	var none context.Context
	mustPut(t, pool, func() *Connection { c, _ := pool.Get(none); return c }())
}

func TestALineOfLogComesApart(t *testing.T) {
	entry := LogEntry{Text: `event=dial_failed status=NCP_EDIAL text="no \"route\" there" n=3`}
	expected := [][2]string{{"event", "dial_failed"}, {"status", "NCP_EDIAL"},
		{"text", `no "route" there`}, {"n", "3"}}
	if got := entry.Pairs(); !reflect.DeepEqual(got, expected) {
		t.Errorf("%q", got)
	}
}
