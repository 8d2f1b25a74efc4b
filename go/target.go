package netconnpool

import (
	"context"
	"net"
	"strings"
	"syscall"
)

// dialTarget makes a connection to Config.Target, with what the caller wants as
// far as the target leaves it open.
func (c *core) dialTarget(ctx context.Context) (net.Conn, error) {
	hints, _ := HintsFromContext(ctx)
	network, address := splitTarget(c.config.Target)
	dialer := c.targetDialer()
	conn, err := dialer.DialContext(ctx, networkFor(network, hints.IPVersion), address)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok && c.config.TCPNoDelay == SwitchOff {
		_ = tcp.SetNoDelay(false)
	}
	return conn, nil
}

func (c *core) targetDialer() *net.Dialer {
	keepAlive := c.config.TCPKeepAlive
	if keepAlive == 0 {
		keepAlive = fromMs(libOptionDefault(ncpOptionTcpKeepalive, c.config.Mode))
	}
	delay := c.config.HappyEyeballsDelay
	if delay == 0 {
		delay = fromMs(libOptionDefault(ncpOptionHappyEyeballsDelay, c.config.Mode))
	}
	return &net.Dialer{KeepAlive: keepAlive, FallbackDelay: delay,
		Control: c.sizeBuffers}
}

// sizeBuffers is called before a socket is connected, when that still changes
// what TCP agrees on.
func (c *core) sizeBuffers(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		setBuffer(fd, syscall.SO_SNDBUF, c.config.SendBuffer)
		setBuffer(fd, syscall.SO_RCVBUF, c.config.ReceiveBuffer)
	})
}

// splitTarget takes a target apart that C found to be one.
func splitTarget(target string) (network, address string) {
	if strings.HasPrefix(target, "unix:") {
		return "unix", strings.TrimPrefix(target, "unix:")
	}
	at := strings.Index(target, "://")
	if at < 0 {
		return "", target
	}
	return target[:at], target[at+len("://"):]
}

func networkFor(network string, ip IPVersion) string {
	if network != "tcp" && network != "udp" {
		return network
	}
	switch ip {
	case IPVersionIPv4:
		return network + "4"
	case IPVersionIPv6:
		return network + "6"
	}
	return network
}
