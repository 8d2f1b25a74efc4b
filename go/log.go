package netconnpool

import (
	"strconv"
	"strings"
)

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

// Pairs takes the text apart: keys and values, without their quotes.
func (e LogEntry) Pairs() [][2]string {
	var pairs [][2]string
	for rest := e.Text; rest != ""; {
		key, value, found := strings.Cut(rest, "=")
		if !found {
			return append(pairs, [2]string{strings.TrimSpace(rest), ""})
		}
		value, rest = cutValue(value)
		pairs = append(pairs, [2]string{strings.TrimSpace(key), value})
	}
	return pairs
}

// cutValue splits a value from what follows it. In quotes it may have spaces.
func cutValue(text string) (value, rest string) {
	if !strings.HasPrefix(text, `"`) {
		value, rest, _ = strings.Cut(text, " ")
		return value, rest
	}
	if quoted, err := strconv.QuotedPrefix(text); err == nil {
		value, _ = strconv.Unquote(quoted)
		return value, strings.TrimPrefix(text[len(quoted):], " ")
	}
	value, rest, _ = strings.Cut(text[1:], `"`) // not escaped: up to the next
	return value, strings.TrimPrefix(rest, " ")
}
