package netconnpool

import "strings"

// A PoolMode says where connections come from.
type PoolMode int

// The modes.
const (
	PoolModeClient PoolMode = ncpModeClient // the pool dials
	PoolModeServer PoolMode = ncpModeServer // the pool accepts from a listener
)

// String returns "client", "server" or "unknown".
func (m PoolMode) String() string {
	switch m {
	case PoolModeClient:
		return "client"
	case PoolModeServer:
		return "server"
	}
	return "unknown"
}

// ParsePoolMode reads "client" or "server" in any case; anything else is
// PoolModeClient.
func ParsePoolMode(s string) PoolMode {
	if strings.EqualFold(s, "server") {
		return PoolModeServer
	}
	return PoolModeClient
}
