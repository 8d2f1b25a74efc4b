package netconnpool

import (
	"net"
	"strings"
)

// An IPVersion is the version of IP of a connection. In a request
// IPVersionUnknown stands for any.
type IPVersion int

// The versions of IP.
const (
	IPVersionUnknown IPVersion = ncpIpUnknown // neither IPv4 nor IPv6
	IPVersionIPv4    IPVersion = ncpIpV4
	IPVersionIPv6    IPVersion = ncpIpV6
)

// String returns "IPv4", "IPv6" or "Unknown".
func (v IPVersion) String() string {
	switch v {
	case IPVersionIPv4:
		return "IPv4"
	case IPVersionIPv6:
		return "IPv6"
	}
	return "Unknown"
}

// ParseIPVersion reads "IPv4", "4", "IPv6" or "6" in any case; anything else is
// IPVersionUnknown.
func ParseIPVersion(s string) IPVersion {
	switch strings.ToLower(s) {
	case "ipv4", "4":
		return IPVersionIPv4
	case "ipv6", "6":
		return IPVersionIPv6
	}
	return IPVersionUnknown
}

// DetectIPVersion finds the version of IP of a connection by its remote address,
// or its local one where it has no remote. An IPv4 address mapped into IPv6 is
// IPv4.
func DetectIPVersion(conn net.Conn) IPVersion {
	switch address := addressOf(conn).(type) {
	case *net.TCPAddr:
		return versionOfIP(address.IP)
	case *net.UDPAddr:
		return versionOfIP(address.IP)
	case *net.IPAddr:
		return versionOfIP(address.IP)
	case nil:
		return IPVersionUnknown
	default:
		return versionOfText(address)
	}
}

// versionOfText is for types of address that are not of package net.
func versionOfText(address net.Addr) IPVersion {
	if protocolOfNetwork(address.Network()) == ProtocolUnknown {
		return IPVersionUnknown
	}
	host, _, err := net.SplitHostPort(address.String())
	if err != nil {
		return IPVersionUnknown
	}
	if zone := strings.IndexByte(host, '%'); zone >= 0 {
		host = host[:zone]
	}
	return versionOfIP(net.ParseIP(host))
}

func versionOfIP(ip net.IP) IPVersion {
	switch {
	case ip.To4() != nil:
		return IPVersionIPv4
	case len(ip) == net.IPv6len:
		return IPVersionIPv6
	}
	return IPVersionUnknown
}
