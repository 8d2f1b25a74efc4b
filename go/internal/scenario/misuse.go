package main

import netconnpool "github.com/netconnpool/netconnpool/go"

// doMisuse calls what takes a connection or a configuration with what nobody ever
// gave out: an error, never a crash.
func doMisuse(step object, _ *task) {
	h := stepPool(step).handle
	for _, nobodys := range []*netconnpool.Connection{nil, {}, {ID: 1, InUse: true},
		strangeLease(4711).borrowed} {
		l := &lease{nobodys}
		is("put", h.put(l), "INVALID_CONN")
		is("discard", h.discard(l), "INVALID_CONN")
		_, err := h.detach(l)
		is("detach", err, "INVALID_CONN")
		if nobodys == nil {
			continue
		}
		is("set_tag", l.setTag(7), "INVALID_CONN")
		is("renew", l.renew(nil), "INVALID_CONN")
		is("close", nobodys.Close(), "OK")
		is("close again", nobodys.Close(), "OK")
		nobodys.UpdateHealth(false)
	}
	misuseConfigs(h)
}

func misuseConfigs(h *handle) {
	_, err := newHandle(nil)
	is("new of nothing", err, "INVALID_CONFIG")
	_, err = newHandle(&config{&netconnpool.Config{}})
	is("new of an empty configuration", err, "INVALID_CONFIG")
	is("resize", h.resize(-1), "INVALID_CONFIG")
	_, err = h.option("no_such_option")
	is("option", err, "NOT_FOUND")
	is("set", h.set("no_such_option", 1), "NOT_FOUND")
	is("find", h.find(""), "NOT_FOUND")
	netconnpool.DetectProtocol(nil)
	netconnpool.DetectIPVersion(nil)
	netconnpool.HasUDPDataInBuffer(nil)
	is("clear", netconnpool.ClearUDPReadBuffer(nil, 0, 0), "OK")
}

func is(what string, err error, wanted string) {
	counted()
	if result := resultOf(err); result != wanted {
		fail("%s of nobody's: %s (%v), expected %s", what, result, err, wanted)
	}
}
