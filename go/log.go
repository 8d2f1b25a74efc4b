package netconnpool

import "strconv"

func itoa(n int) string { return strconv.Itoa(n) }

// writeLog hands the lines of C to the user's Logger, in their order.
func (c *core) writeLog() {
	c.logging.Lock()
	defer c.logging.Unlock()
	for {
		level, connID, text, ok := c.lib.nextLogLine()
		if !ok {
			return
		}
		c.log(LogLevel(level), connID, text)
	}
}

func (c *core) log(level LogLevel, connID uint64, text string) {
	if c.config.Logger == nil {
		return
	}
	_ = guard(func() error {
		c.config.Logger(LogEntry{level, c.name, connID, text})
		return nil
	}, nil)
}

// logFailure logs what a callback did that nobody else hears of.
func (c *core) logFailure(what string, err error) {
	level := c.config.LogLevel
	if err == nil || c.config.Logger == nil ||
		level == LogOff || level == LogError {
		return
	}
	c.log(LogWarn, 0, "event=callback_failed callback="+what+" error="+
		strconv.Quote(err.Error()))
}
