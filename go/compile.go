package netconnpool

import "net"

// compile makes the configuration of C, checked and corrected, and writes the
// corrections back. The caller frees it.
func (c *Config) compile() (lib libConfig, reason string, err error) {
	if !cgoEnabled {
		return lib, "", ErrCgoDisabled
	}
	if c == nil {
		return lib, "the configuration is nil", ErrInvalidConfig
	}
	if reason := c.missing(); reason != "" {
		return lib, reason, ErrInvalidConfig
	}
	lib, status := newLibConfig(c.Mode)
	if status != ncpOk {
		return lib, "mode is neither client nor server", statusError(status)
	}
	if status = c.give(lib); status == ncpOk {
		status = lib.validate()
	}
	if status != ncpOk {
		reason = lib.reason()
		lib.free()
		return libConfig{}, reason, statusError(status)
	}
	c.fetch(lib)
	return lib, "", nil
}

// missing names the part that only Go knows of and that is not there.
func (c *Config) missing() string {
	switch {
	case c.Mode == PoolModeClient && c.Dialer == nil && c.Target == "":
		return "Dialer and Target are missing: set a Dialer, or a Target to " +
			"have one made"
	case c.Mode == PoolModeServer && isNilListener(c.Listener):
		return "Listener is nil: a server accepts from one"
	}
	return ""
}

func isNilListener(listener net.Listener) bool {
	switch l := listener.(type) {
	case nil:
		return true
	case *net.TCPListener:
		return l == nil
	case *net.UnixListener:
		return l == nil
	}
	return false
}

func (c *Config) give(lib libConfig) int {
	for i := range configFields {
		if status := configFields[i].give(c, lib); status != ncpOk {
			return status
		}
	}
	if c.Name != "" {
		if status := lib.setText("name", c.Name); status != ncpOk {
			return status
		}
	}
	if c.Target != "" && c.Mode == PoolModeClient {
		if status := lib.setText("target", c.Target); status != ncpOk {
			return status
		}
	}
	return c.giveDriver(lib)
}

// giveDriver says that the pool is driven by events, and by which.
func (c *Config) giveDriver(lib libConfig) int {
	queue, status := theQueue()
	if status == ncpOk {
		status = lib.setQueue(queue)
	}
	if status == ncpOk {
		status = lib.setInt(ncpOptionDriver, ncpDriverPull)
	}
	if status == ncpOk {
		status = lib.setInt(ncpOptionHostEvents, c.hostEvents())
	}
	if status == ncpOk && c.Clock != nil {
		status = lib.setClock(c.Clock.lib)
	}
	return status
}

func (c *Config) hostEvents() int64 {
	events := int64(ncpHostLeak | ncpHostDue)
	if c.OnBorrow != nil || c.BorrowHook != nil {
		events |= ncpHostBorrow
	}
	if c.Logger != nil {
		events |= ncpHostLog
	}
	return events
}

func (c *Config) fetch(lib libConfig) {
	for i := range configFields {
		configFields[i].fetch(c, lib)
	}
	if c.Mode == PoolModeServer && c.Acceptor == nil {
		c.Acceptor = acceptOne
	}
}
