package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"reflect"
	"strconv"
	"time"

	netconnpool "github.com/netconnpool/netconnpool/go"
)

// A config is a configuration of the package whose fields are set by the names
// that options have in the library.
type config struct{ *netconnpool.Config }

// A field of netconnpool.Config. Where zero stands for the default, -1 says 0.
type field struct {
	name          string
	zeroIsDefault bool
}

var fields = map[string]field{
	"max_connections":          {"MaxConnections", false},
	"min_connections":          {"MinConnections", false},
	"max_idle_connections":     {"MaxIdleConnections", false},
	"connection_timeout":       {"ConnectionTimeout", false},
	"idle_timeout":             {"IdleTimeout", false},
	"max_lifetime":             {"MaxLifetime", false},
	"get_timeout":              {"GetConnectionTimeout", false},
	"health_check_interval":    {"HealthCheckInterval", false},
	"health_check_timeout":     {"HealthCheckTimeout", false},
	"leak_timeout":             {"ConnectionLeakTimeout", false},
	"leak_interval":            {"LeakDetectionInterval", false},
	"stats":                    {"EnableStats", false},
	"health_check":             {"EnableHealthCheck", false},
	"clear_udp":                {"ClearUDPBufferOnReturn", false},
	"udp_clear_timeout":        {"UDPBufferClearTimeout", false},
	"max_buffer_clear_packets": {"MaxBufferClearPackets", false},
	"name":                     {"Name", false},
	"expiry_jitter":            {"ExpiryJitter", true},
	"check_on_borrow":          {"CheckOnBorrow", true},
	"leak_evict_multiplier":    {"LeakEvictMultiplier", true},
	"capture_stacks":           {"CaptureStacks", true},
	"latency_samples":          {"LatencySamples", true},
	"restore_blocking":         {"RestoreBlocking", true},
	"max_concurrent_creates":   {"MaxConcurrentCreates", true},
	"create_retries":           {"CreateRetries", true},
	"create_retry_interval":    {"CreateRetryInterval", true},
	"dial_rate":                {"DialRate", true},
	"dial_burst":               {"DialBurst", true},
	"dial_backoff":             {"DialBackoff", true},
	"dial_backoff_max":         {"DialBackoffMax", true},
	"breaker_failures":         {"BreakerFailures", true},
	"breaker_cooldown":         {"BreakerCooldown", true},
	"dial_policy":              {"DialPolicy", false},
	"cleanup_interval":         {"CleanupInterval", true},
	"maintain_min":             {"MaintainMinConnections", true},
	"prewarm_retry":            {"PrewarmRetryEnabled", true},
	"prewarm_max_retries":      {"PrewarmMaxRetries", true},
	"prewarm_retry_interval":   {"PrewarmRetryInterval", true},
	"prewarm_blocking":         {"PrewarmBlocking", true},
	"idle_order":               {"IdleOrder", false},
	"fairness":                 {"Fairness", false},
	"max_waiters":              {"MaxWaiters", true},
	"log_level":                {"LogLevel", true},
}

// Options that have no field, with the reason, which is also that of the skip.
var absent = map[string]string{
	"dial_in_caller": "dial_in_caller",
}

var enumWords = map[string]map[string]int64{
	"idle_order": {"lifo": int64(netconnpool.IdleLIFO), "fifo": int64(netconnpool.IdleFIFO)},
	"fairness": {"strict": int64(netconnpool.FairnessStrict),
		"adaptive": int64(netconnpool.FairnessAdaptive)},
	"dial_policy": {"fail_one": int64(netconnpool.DialFailOne),
		"fail_all": int64(netconnpool.DialFailAll), "wait": int64(netconnpool.DialWait)},
	"log_level": {"off": int64(netconnpool.LogOff), "error": int64(netconnpool.LogError),
		"warn": int64(netconnpool.LogWarn), "info": int64(netconnpool.LogInfo),
		"debug": int64(netconnpool.LogDebug)},
}

// modeOf reads the key `mode`; a number may be none.
func modeOf(options object) netconnpool.PoolMode {
	if number, ok := numberOf(options["mode"]); ok {
		return netconnpool.PoolMode(number)
	}
	return netconnpool.ParsePoolMode(textAt(options, "mode", "client"))
}

func newConfig(options object) *config {
	c := &config{netconnpool.DefaultConfig()}
	if isServer(options) {
		c.Config = netconnpool.DefaultServerConfig()
	}
	c.Mode = modeOf(options)
	c.apply(options)
	if clock.virtual() {
		c.Clock = clock.manual.clock
	}
	return c
}

func (c *config) apply(options object) {
	for name, value := range options {
		if name != "mode" {
			c.set(name, value)
		}
	}
}

func (c *config) at(name string) (reflect.Value, field) {
	f, known := fields[name]
	if !known {
		fail("the package has no option %s", name)
	}
	return reflect.ValueOf(c.Config).Elem().FieldByName(f.name), f
}

// setOther gives a field a value that is valid and not what it has.
func (c *config) setOther(name string) {
	at, _ := c.at(name)
	switch {
	case at.Kind() == reflect.String:
		at.SetString("other")
	case at.Kind() == reflect.Bool:
		at.SetBool(!at.Bool())
	case at.Type() == reflect.TypeOf(time.Duration(0)):
		at.SetInt(at.Int() + 1234*int64(time.Millisecond))
	default:
		at.SetInt(at.Int() + 1)
	}
}

func numberOf(value any) (int64, bool) {
	switch v := value.(type) {
	case json.Number:
		return integer(v), true
	case bool:
		return int64(truth(v)), true
	}
	return 0, false
}

func (c *config) set(name string, value any) {
	at, f := c.at(name)
	number, isNumber := numberOf(value)
	text, _ := value.(string)
	switch {
	case isNumber:
	case at.Kind() == reflect.String:
		at.SetString(text)
		return
	default:
		number, isNumber = enumWords[name][text]
		if !isNumber {
			fail("option %s: %s is no value", name, shown(value))
		}
	}
	setNumber(at, f, number)
}

func setNumber(at reflect.Value, f field, number int64) {
	if number == 0 && f.zeroIsDefault {
		number = -1
	}
	switch {
	case at.Kind() == reflect.Bool:
		at.SetBool(number > 0)
	case at.Type() == reflect.TypeOf(time.Duration(0)):
		at.SetInt(number * int64(time.Millisecond))
	default:
		at.SetInt(number)
	}
}

// number reads an option back.
func (c *config) number(name string) int64 {
	at, _ := c.at(name)
	switch {
	case at.Kind() == reflect.Bool:
		return int64(truth(at.Bool()))
	case at.Type() == reflect.TypeOf(time.Duration(0)):
		return at.Int() / int64(time.Millisecond)
	}
	return at.Int()
}

// option reads an option by the text that the package makes of it.
func (c *config) option(name string) float64 {
	text, err := c.Option(name)
	if err != nil {
		fail("the option %s cannot be read: %v", name, err)
	}
	if word, known := enumWords[name][text]; known {
		return float64(word)
	}
	if value, err := strconv.ParseBool(text); err == nil && len(text) > 1 {
		return truth(value)
	}
	if value, err := strconv.ParseFloat(text, 64); err == nil {
		return value
	}
	value, err := time.ParseDuration(text)
	if err != nil {
		fail("the option %s reads %q", name, text)
	}
	return milliseconds(value)
}

// -------------------------------------------------------------------- callbacks

func (c *config) setDialer(d *dialer) {
	c.Dialer = func(ctx context.Context) (net.Conn, error) { return d.make(ctx, nil) }
}

func (c *config) setAcceptor(d *dialer) { c.Acceptor = d.make }

func (c *config) setListener(listener net.Listener) { c.Listener = listener }

func (c *config) setHook(h *hook) {
	run := func(conn net.Conn) error { return h.run(conn, "") }
	switch h.name {
	case "on_created":
		c.OnCreated = run
	case "on_borrow":
		c.BorrowHook = run
	case "on_return":
		c.ReturnHook = run
	case "close_conn":
		c.CloseConn = run
	case "on_close":
		c.OnClose = func(conn net.Conn, reason netconnpool.CloseReason) {
			h.run(conn, reason.String())
		}
	case "on_leak":
		c.OnLeak = func(leak netconnpool.Leak) { h.run(leak.Conn, leakReason(leak)) }
	case "checker":
		c.HealthChecker = func(conn net.Conn) bool { return judge(h.run(conn, "")) }
	case "log":
		c.Logger = func(entry netconnpool.LogEntry) { h.line(entry.Text) }
	}
}

func leakReason(leak netconnpool.Leak) string {
	if leak.Evicted {
		return "leaked"
	}
	return "none"
}

// judge is what a checker answers. It has no error to return, so one that is the
// user's own is thrown.
func judge(err error) bool {
	var thrown *thrownError
	if errors.As(err, &thrown) && thrown.asUser {
		panic(thrown)
	}
	return err == nil
}
