package netconnpool

import (
	"encoding/json"
	"os"
	"testing"
	"unsafe"
)

func writeJSON(t *testing.T, variable string, value interface{}) {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Skip(variable + " is not set")
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWriteConstants(t *testing.T) {
	writeJSON(t, "NCP_CONSTANTS_OUT", ncpConstants)
}

func TestWriteLayout(t *testing.T) {
	var e event
	writeJSON(t, "NCP_LAYOUT_OUT", map[string]uintptr{
		"size":        unsafe.Sizeof(e),
		"type":        unsafe.Offsetof(e.kind),
		"status":      unsafe.Offsetof(e.status),
		"pool":        unsafe.Offsetof(e.pool),
		"lease":       unsafe.Offsetof(e.lease),
		"ticket":      unsafe.Offsetof(e.ticket),
		"handle":      unsafe.Offsetof(e.handle),
		"conn_id":     unsafe.Offsetof(e.connID),
		"timeout_ms":  unsafe.Offsetof(e.timeoutMs),
		"protocol":    unsafe.Offsetof(e.protocol),
		"ip":          unsafe.Offsetof(e.ip),
		"reason":      unsafe.Offsetof(e.reason),
		"reused":      unsafe.Offsetof(e.reused),
		"code":        unsafe.Offsetof(e.code),
		"creation_ms": unsafe.Offsetof(e.creationMs),
	})
}
