package netconnpool

import (
	"net"
	"strings"
)

// A Protocol is the transport of a connection. In a request ProtocolUnknown
// stands for any.
type Protocol int

// The protocols.
const (
	ProtocolUnknown Protocol = ncpProtocolUnknown // neither TCP nor UDP
	ProtocolTCP     Protocol = ncpProtocolTcp
	ProtocolUDP     Protocol = ncpProtocolUdp
)

// String returns "TCP", "UDP" or "Unknown".
func (p Protocol) String() string {
	switch p {
	case ProtocolTCP:
		return "TCP"
	case ProtocolUDP:
		return "UDP"
	}
	return "Unknown"
}

// IsTCP reports whether it is TCP.
func (p Protocol) IsTCP() bool { return p == ProtocolTCP }

// IsUDP reports whether it is UDP.
func (p Protocol) IsUDP() bool { return p == ProtocolUDP }

// ParseProtocol reads "TCP" or "UDP" in any case; anything else is
// ProtocolUnknown.
func ParseProtocol(s string) Protocol {
	switch strings.ToUpper(s) {
	case "TCP":
		return ProtocolTCP
	case "UDP":
		return ProtocolUDP
	}
	return ProtocolUnknown
}

// DetectProtocol finds the protocol of a connection by its remote address, or
// its local one where it has no remote. A unix socket or a pipe is
// ProtocolUnknown whatever its name contains.
func DetectProtocol(conn net.Conn) Protocol {
	switch addressOf(conn).(type) {
	case *net.TCPAddr:
		return ProtocolTCP
	case *net.UDPAddr:
		return ProtocolUDP
	case nil:
		return ProtocolUnknown
	}
	return protocolOfNetwork(addressOf(conn).Network())
}

func protocolOfNetwork(network string) Protocol {
	switch network {
	case "tcp", "tcp4", "tcp6":
		return ProtocolTCP
	case "udp", "udp4", "udp6":
		return ProtocolUDP
	}
	return ProtocolUnknown
}

// addressOf is the remote address, else the local one, else nil.
func addressOf(conn net.Conn) net.Addr {
	if conn == nil {
		return nil
	}
	if address := conn.RemoteAddr(); !isNilAddress(address) {
		return address
	}
	if address := conn.LocalAddr(); !isNilAddress(address) {
		return address
	}
	return nil
}

// A connection without an address may answer with a nil pointer in an interface.
func isNilAddress(address net.Addr) bool {
	switch a := address.(type) {
	case nil:
		return true
	case *net.TCPAddr:
		return a == nil
	case *net.UDPAddr:
		return a == nil
	case *net.IPAddr:
		return a == nil
	case *net.UnixAddr:
		return a == nil
	}
	return false
}
