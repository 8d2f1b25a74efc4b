//go:build go1.21

package netconnpool

import (
	"context"
	"log/slog"
)

// SlogLogger makes a Config.Logger that writes to a structured logger:
//
//	config.Logger = netconnpool.SlogLogger(slog.Default())
//
// The pairs of a line become attributes, beside "pool" and "connection".
func SlogLogger(logger *slog.Logger) func(LogEntry) {
	return func(entry LogEntry) {
		level := slogLevel(entry.Level)
		if !logger.Enabled(context.Background(), level) {
			return
		}
		attrs := make([]slog.Attr, 0, 8)
		if entry.Pool != "" {
			attrs = append(attrs, slog.String("pool", entry.Pool))
		}
		if entry.ConnectionID != 0 {
			attrs = append(attrs, slog.Uint64("connection", entry.ConnectionID))
		}
		event := "netconnpool"
		for _, pair := range entry.Pairs() {
			if pair[0] == "event" {
				event = pair[1]
				continue
			}
			attrs = append(attrs, slog.String(pair[0], pair[1]))
		}
		logger.LogAttrs(context.Background(), level, event, attrs...)
	}
}

func slogLevel(level LogLevel) slog.Level {
	switch level {
	case LogError:
		return slog.LevelError
	case LogWarn:
		return slog.LevelWarn
	case LogInfo:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}
