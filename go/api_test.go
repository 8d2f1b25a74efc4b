package netconnpool_test

import (
	"context"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/netconnpool/netconnpool/go"
)

// The exported API of the original, with its types: a program that was written
// for it compiles. (tests/go compares with the original itself where that is to
// be had.)
var (
	_ func() *netconnpool.Config                           = netconnpool.DefaultConfig
	_ func() *netconnpool.Config                           = netconnpool.DefaultServerConfig
	_ func(*netconnpool.Config) error                      = (*netconnpool.Config).Validate
	_ func(*netconnpool.Config) (*netconnpool.Pool, error) = netconnpool.NewPool

	_ func(net.Conn, *netconnpool.Pool, func() error) *netconnpool.Connection = netconnpool.NewConnection

	_ func(net.Conn) netconnpool.Protocol      = netconnpool.DetectProtocol
	_ func(net.Conn) netconnpool.IPVersion     = netconnpool.DetectIPVersion
	_ func(string) netconnpool.Protocol        = netconnpool.ParseProtocol
	_ func(string) netconnpool.IPVersion       = netconnpool.ParseIPVersion
	_ func(string) netconnpool.PoolMode        = netconnpool.ParsePoolMode
	_ func(net.Conn, time.Duration, int) error = netconnpool.ClearUDPReadBuffer
	_ func(net.Conn, time.Duration, int)       = netconnpool.ClearUDPReadBufferNonBlocking
	_ func(net.Conn) bool                      = netconnpool.HasUDPDataInBuffer
	_ func() *netconnpool.StatsCollector       = netconnpool.NewStatsCollector

	_ func(*netconnpool.Pool, *netconnpool.Config) *netconnpool.HealthCheckManager = netconnpool.NewHealthCheckManager
	_ func(*netconnpool.Pool, *netconnpool.Config) *netconnpool.CleanupManager     = netconnpool.NewCleanupManager
	_ func(*netconnpool.Pool, *netconnpool.Config) *netconnpool.LeakDetector       = netconnpool.NewLeakDetector

	_ netconnpool.Dialer        = func(context.Context) (net.Conn, error) { return nil, nil }
	_ netconnpool.Acceptor      = func(context.Context, net.Listener) (net.Conn, error) { return nil, nil }
	_ netconnpool.HealthChecker = func(net.Conn) bool { return true }
)

type (
	getter  func(*netconnpool.Pool, context.Context) (*netconnpool.Connection, error)
	teller  func(*netconnpool.Connection) bool
	counter func(*netconnpool.StatsCollector)
	adder   func(*netconnpool.StatsCollector, int64)
	within  func(*netconnpool.Connection, time.Duration) bool
)

var (
	_ = []getter{(*netconnpool.Pool).Get, (*netconnpool.Pool).GetIPv4,
		(*netconnpool.Pool).GetIPv6, (*netconnpool.Pool).GetTCP,
		(*netconnpool.Pool).GetUDP}
	_ func(*netconnpool.Pool, context.Context, time.Duration) (*netconnpool.Connection, error)                        = (*netconnpool.Pool).GetWithTimeout
	_ func(*netconnpool.Pool, context.Context, netconnpool.Protocol, time.Duration) (*netconnpool.Connection, error)  = (*netconnpool.Pool).GetWithProtocol
	_ func(*netconnpool.Pool, context.Context, netconnpool.IPVersion, time.Duration) (*netconnpool.Connection, error) = (*netconnpool.Pool).GetWithIPVersion
	_ func(*netconnpool.Pool, *netconnpool.Connection) error                                                          = (*netconnpool.Pool).Put
	_ func(*netconnpool.Pool) error                                                                                   = (*netconnpool.Pool).Close
	_ func(*netconnpool.Pool) netconnpool.Stats                                                                       = (*netconnpool.Pool).Stats

	_ func(*netconnpool.Connection) net.Conn              = (*netconnpool.Connection).GetConn
	_ func(*netconnpool.Connection) netconnpool.Protocol  = (*netconnpool.Connection).GetProtocol
	_ func(*netconnpool.Connection) netconnpool.IPVersion = (*netconnpool.Connection).GetIPVersion
	_ func(*netconnpool.Connection) time.Duration         = (*netconnpool.Connection).GetAge
	_ func(*netconnpool.Connection) time.Duration         = (*netconnpool.Connection).GetIdleTime
	_ func(*netconnpool.Connection) int64                 = (*netconnpool.Connection).GetReuseCount
	_ func(*netconnpool.Connection)                       = (*netconnpool.Connection).IncrementReuseCount
	_ func(*netconnpool.Connection)                       = (*netconnpool.Connection).MarkInUse
	_ func(*netconnpool.Connection)                       = (*netconnpool.Connection).MarkIdle
	_ func(*netconnpool.Connection, bool)                 = (*netconnpool.Connection).UpdateHealth
	_ func(*netconnpool.Connection) error                 = (*netconnpool.Connection).Close
	_                                                     = []teller{
		(*netconnpool.Connection).GetHealthStatus, (*netconnpool.Connection).IsInUse}
	_ = []within{(*netconnpool.Connection).IsExpired,
		(*netconnpool.Connection).IsIdleTooLong, (*netconnpool.Connection).IsLeaked}

	_ func(*netconnpool.StatsCollector) netconnpool.Stats = (*netconnpool.StatsCollector).GetStats
	_ func(*netconnpool.StatsCollector, time.Duration)    = (*netconnpool.StatsCollector).RecordGetTime
	_                                                     = []counter{
		(*netconnpool.StatsCollector).IncrementTotalConnectionsCreated,
		(*netconnpool.StatsCollector).IncrementTotalConnectionsClosed,
		(*netconnpool.StatsCollector).IncrementTotalGetRequests,
		(*netconnpool.StatsCollector).IncrementSuccessfulGets,
		(*netconnpool.StatsCollector).IncrementFailedGets,
		(*netconnpool.StatsCollector).IncrementTimeoutGets,
		(*netconnpool.StatsCollector).IncrementHealthCheckAttempts,
		(*netconnpool.StatsCollector).IncrementHealthCheckFailures,
		(*netconnpool.StatsCollector).IncrementUnhealthyConnections,
		(*netconnpool.StatsCollector).IncrementConnectionErrors,
		(*netconnpool.StatsCollector).IncrementLeakedConnections,
		(*netconnpool.StatsCollector).IncrementTotalConnectionsReused}
	_ = []adder{
		(*netconnpool.StatsCollector).IncrementCurrentIdleConnections,
		(*netconnpool.StatsCollector).IncrementCurrentActiveConnections,
		(*netconnpool.StatsCollector).IncrementCurrentIPv4Connections,
		(*netconnpool.StatsCollector).IncrementCurrentIPv6Connections,
		(*netconnpool.StatsCollector).IncrementCurrentIPv4IdleConnections,
		(*netconnpool.StatsCollector).IncrementCurrentIPv6IdleConnections,
		(*netconnpool.StatsCollector).IncrementCurrentTCPConnections,
		(*netconnpool.StatsCollector).IncrementCurrentUDPConnections,
		(*netconnpool.StatsCollector).IncrementCurrentTCPIdleConnections,
		(*netconnpool.StatsCollector).IncrementCurrentUDPIdleConnections}
	_ = []func(netconnpool.Protocol) bool{netconnpool.Protocol.IsTCP,
		netconnpool.Protocol.IsUDP}
	_ = []interface{ String() string }{netconnpool.PoolModeClient,
		netconnpool.PoolModeServer, netconnpool.ProtocolUnknown,
		netconnpool.ProtocolTCP, netconnpool.ProtocolUDP,
		netconnpool.IPVersionUnknown, netconnpool.IPVersionIPv4,
		netconnpool.IPVersionIPv6}
	_ = []interface {
		Start()
		Stop()
	}{&netconnpool.HealthCheckManager{}, &netconnpool.CleanupManager{},
		&netconnpool.LeakDetector{}}
)

// Literals with every field of the original, each with its type.
func TestTheStructsOfTheOriginalAreThere(t *testing.T) {
	hook := func(net.Conn) {}
	config := netconnpool.Config{
		Mode: netconnpool.PoolModeClient, MaxConnections: int(1),
		MinConnections: int(1), MaxIdleConnections: int(1),
		ConnectionTimeout: time.Second, IdleTimeout: time.Second,
		MaxLifetime: time.Second, GetConnectionTimeout: time.Second,
		HealthCheckInterval: time.Second, HealthCheckTimeout: time.Second,
		ConnectionLeakTimeout: time.Second, LeakDetectionInterval: time.Second,
		Dialer:        func(context.Context) (net.Conn, error) { return nil, nil },
		Listener:      net.Listener(nil),
		Acceptor:      func(context.Context, net.Listener) (net.Conn, error) { return nil, nil },
		HealthChecker: func(net.Conn) bool { return true },
		CloseConn:     func(net.Conn) error { return nil },
		OnCreated:     func(net.Conn) error { return nil },
		OnBorrow:      hook, OnReturn: hook,
		EnableStats: true, EnableHealthCheck: true, ClearUDPBufferOnReturn: true,
		UDPBufferClearTimeout: time.Second, MaxBufferClearPackets: int(1),
	}
	if err := config.Validate(); err != nil {
		t.Fatal(err)
	}
	_ = netconnpool.Connection{ID: uint64(1), Conn: net.Conn(nil),
		Protocol: netconnpool.ProtocolTCP, IPVersion: netconnpool.IPVersionIPv4,
		CreatedAt: time.Time{}, LastUsedAt: time.Time{},
		LastHealthCheckAt: time.Time{}, IsHealthy: true, InUse: true,
		LeakDetected: true, ReuseCount: int64(1)}
	checkFields(t, netconnpool.Stats{}, reflect.TypeOf(int64(0)),
		"TotalConnectionsCreated", "TotalConnectionsClosed", "CurrentConnections",
		"CurrentIdleConnections", "CurrentActiveConnections",
		"CurrentIPv4Connections", "CurrentIPv6Connections",
		"CurrentIPv4IdleConnections", "CurrentIPv6IdleConnections",
		"CurrentTCPConnections", "CurrentUDPConnections",
		"CurrentTCPIdleConnections", "CurrentUDPIdleConnections",
		"TotalGetRequests", "SuccessfulGets", "FailedGets", "TimeoutGets",
		"HealthCheckAttempts", "HealthCheckFailures", "UnhealthyConnections",
		"ConnectionErrors", "LeakedConnections", "TotalConnectionsReused")
	checkFields(t, netconnpool.Stats{}, reflect.TypeOf(time.Duration(0)),
		"AverageGetTime", "TotalGetTime")
	checkFields(t, netconnpool.Stats{}, reflect.TypeOf(float64(0)), "AverageReuseCount")
	checkFields(t, netconnpool.Stats{}, reflect.TypeOf(time.Time{}), "LastUpdateTime")
}

func checkFields(t *testing.T, of interface{}, expected reflect.Type, names ...string) {
	t.Helper()
	for _, name := range names {
		field, there := reflect.TypeOf(of).FieldByName(name)
		if !there || field.Type != expected {
			t.Errorf("field %s: there %v, type %v", name, there, field.Type)
		}
	}
}

func TestTheErrorsOfTheOriginalAreThere(t *testing.T) {
	for err, text := range map[error]string{
		netconnpool.ErrPoolClosed:               "pool is closed",
		netconnpool.ErrConnectionClosed:         "connection is closed",
		netconnpool.ErrGetConnectionTimeout:     "get connection timeout",
		netconnpool.ErrMaxConnectionsReached:    "max connections limit reached",
		netconnpool.ErrInvalidConnection:        "invalid connection",
		netconnpool.ErrConnectionUnhealthy:      "connection unhealthy",
		netconnpool.ErrInvalidConfig:            "invalid config parameters",
		netconnpool.ErrConnectionLeaked:         "connection leak detected: connection not returned within timeout",
		netconnpool.ErrPoolExhausted:            "pool exhausted, cannot create new connection",
		netconnpool.ErrUnsupportedIPVersion:     "unsupported IP version",
		netconnpool.ErrNoConnectionForIPVersion: "no available connection for specified IP version",
		netconnpool.ErrUnsupportedProtocol:      "unsupported protocol type",
		netconnpool.ErrNoConnectionForProtocol:  "no available connection for specified protocol",
	} {
		if err.Error() != text {
			t.Errorf("%q, expected %q", err, text)
		}
	}
	for i, value := range []int{int(netconnpool.PoolModeClient),
		int(netconnpool.PoolModeServer)} {
		if value != i {
			t.Errorf("mode %d is %d", i, value)
		}
	}
	for i := 0; i < 3; i++ {
		protocols := []netconnpool.Protocol{netconnpool.ProtocolUnknown,
			netconnpool.ProtocolTCP, netconnpool.ProtocolUDP}
		versions := []netconnpool.IPVersion{netconnpool.IPVersionUnknown,
			netconnpool.IPVersionIPv4, netconnpool.IPVersionIPv6}
		if int(protocols[i]) != i || int(versions[i]) != i {
			t.Errorf("%v %v are not %d", protocols[i], versions[i], i)
		}
	}
}
