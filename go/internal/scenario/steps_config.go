package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"syscall"

	netconnpool "github.com/netconnpool/netconnpool/go"
)

var _ = family(map[string]step{
	"mutate_config": {"pool config", func(s object, _ *task) {
		stepPool(s).config.apply(objectAt(s, "config"))
	}},
	"defaults": {"mode values", func(s object, _ *task) {
		freshConfig(s).check(objectAt(s, "values"))
	}},
	"config_text":      {"mode name text expect reads value", doConfigText},
	"config_json":      {"mode text expect says values", doConfigJSON},
	"config_roundtrip": {"mode", doConfigRoundtrip},
	"helper":           {"call arg is", doHelper},
	"detect":           {"kind protocol ip", doDetect},
	"find": {"pool name expect", func(s object, _ *task) {
		err := stepPool(s).handle.find(textAt(s, "name", "?"))
		expect(s, resultOf(err), "find", err)
	}},
})

func freshConfig(step object) *config {
	return newConfig(object{"mode": textAt(step, "mode", "client")})
}

func (c *config) check(values object) {
	for name, bound := range values {
		checkBound(bound, c.option(name), name)
	}
}

// doConfigText sets one option by its text.
func doConfigText(step object, _ *task) {
	fresh, name := freshConfig(step), textAt(step, "name", "?")
	err := fresh.SetOption(name, textAt(step, "text", ""))
	expect(step, resultOf(err), name, err)
	if err != nil {
		checkReason(err)
	}
	if reads, said := step["reads"].(string); said {
		if text, err := fresh.Option(name); text != reads {
			fail("%s reads back as %q (%v)", name, text, err)
		}
	}
	if bound, said := step["value"]; said {
		checkBound(bound, fresh.option(name), name)
	}
}

// doConfigJSON reads a document; one that is refused changes nothing.
func doConfigJSON(step object, _ *task) {
	fresh := freshConfig(step)
	before := must(fresh.MarshalJSON())
	// Not json.Unmarshal, which would find broken JSON itself.
	err := fresh.UnmarshalJSON([]byte(textAt(step, "text", "")))
	expect(step, resultOf(err), "config_json", err)
	if says, said := step["says"].(string); said && !strings.Contains(err.Error(), says) {
		fail("the reason says %q, not %s", err, says)
	}
	if err != nil {
		checkReason(err)
		if after := must(fresh.MarshalJSON()); !bytes.Equal(before, after) {
			fail("a configuration was refused and changed: %s", after)
		}
	}
	fresh.check(objectAt(step, "values"))
}

func checkReason(err error) {
	var refused *netconnpool.ConfigError
	if !errors.As(err, &refused) || refused.Reason == "" {
		fail("refused without a reason: %v", err)
	}
}

// doConfigRoundtrip gives every field a value that is not its default, and takes
// them all through texts and through a JSON document.
func doConfigRoundtrip(step object, _ *task) {
	all := freshConfig(step)
	for name := range fields {
		all.setOther(name)
	}
	text, document := freshConfig(step), freshConfig(step)
	for name := range fields {
		if err := text.SetOption(name, must(all.Option(name))); err != nil {
			fail("%s: %v", name, err)
		}
	}
	if err := json.Unmarshal(must(json.Marshal(all.Config)), document.Config); err != nil {
		fail("what was written cannot be read: %v", err)
	}
	for name := range fields {
		counted()
		written := must(all.Option(name))
		if byText, byJSON := must(text.Option(name)), must(document.Option(name)); written !=
			byText || written != byJSON {
			fail("%s was %s and became %s by text, %s by JSON", name, written, byText, byJSON)
		}
	}
}

func doHelper(step object, _ *task) {
	counted()
	call := textAt(step, "call", "?")
	if parse, known := parsers[call]; known {
		checkBound(step["is"], float64(parse(textAt(step, "arg", ""))), call)
		return
	}
	text := ""
	if print, known := printers[call]; known {
		text = print(int(intAt(step, "arg", 0)))
	} else if call == "status_text" {
		text = errorOf(textAt(step, "arg", "?")).Error()
	} else {
		fail("no such helper: %s", call)
	}
	if text != textAt(step, "is", "?") {
		fail("%s answers %q", call, text)
	}
}

// mappedSocket is an IPv6 socket that is connected to an IPv4 address.
func mappedSocket() net.Conn {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	defer listener.Close()
	fd := must(syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0))
	at := &syscall.SockaddrInet6{Port: listener.Addr().(*net.TCPAddr).Port}
	copy(at.Addr[:], net.IPv4(127, 0, 0, 1).To16())
	if err := syscall.Connect(fd, at); err != nil {
		fail("no connection to a mapped address: %v", err)
	}
	return socketOf(fd)
}

func detected(name string) net.Conn {
	switch name {
	case "mapped":
		return mappedSocket()
	case "unconnected_udp6":
		return must(net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback}))
	}
	conn, other := makePair(kindOf(name))
	other.Close()
	return conn
}

// doDetect says what a socket is found to be.
func doDetect(step object, _ *task) {
	counted()
	conn := detected(textAt(step, "kind", "?"))
	defer conn.Close()
	protocol, ip := detect(conn)
	if protocol != protocolOf(step["protocol"]) || ip != ipOf(step["ip"]) {
		fail("%s is found to be %d, %d", step["kind"], protocol, ip)
	}
}
