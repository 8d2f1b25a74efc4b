//go:build go1.21

package netconnpool

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func TestTheLogIsStructured(t *testing.T) {
	var out lockedBuffer
	config := plain(nil2(), 1)
	config.Name = "web"
	config.LogLevel = LogDebug
	config.Logger = SlogLogger(slog.New(slog.NewTextHandler(&out,
		&slog.HandlerOptions{Level: slog.LevelDebug})))
	pool := mustPool(t, config)
	mustPut(t, pool, mustGet(t, pool))
	_ = pool.Close()
	eventually(t, "the close is logged", func() bool {
		text := out.String()
		return strings.Contains(text, "level=DEBUG msg=close pool=web connection=") &&
			strings.Contains(text, "reason=pool_closed")
	})
}
