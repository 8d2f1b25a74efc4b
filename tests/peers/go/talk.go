package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	netconnpool "github.com/netconnpool/netconnpool/go"
)

// What became of one request on one connection.
type outcome int

const (
	right   outcome = iota
	last            // right, and the server closes the connection now
	wrong           // what came is not the answer to what was sent
	missing         // the connection ended before a byte of it came
	cut             // it ended in the middle
)

func (o outcome) String() string {
	return [...]string{"right", "last", "wrong", "missing", "cut"}[o]
}

// A talk is a request and its answer; the error is what ended the connection.
type talk func(conn net.Conn, payload string) (outcome, error)

var talks = map[string]talk{"redis": askRedis, "http": askHTTP, "tls": askLine}

// An answer is what is read of one; `any` says that a byte of it came.
type answer struct {
	conn net.Conn
	any  bool
}

func (a *answer) Read(into []byte) (int, error) {
	n, err := a.conn.Read(into)
	a.any = a.any || n > 0
	return n, err
}

func (a *answer) ended(err error) (outcome, error) {
	if a.any {
		return cut, err
	}
	return missing, err
}

// exchange sends a request and compares the text that has to come.
func exchange(conn net.Conn, request, wanted string) (outcome, error) {
	from := &answer{conn: conn}
	if _, err := io.WriteString(conn, request); err != nil {
		return from.ended(err)
	}
	got := make([]byte, len(wanted))
	if _, err := io.ReadFull(from, got); err != nil {
		return from.ended(err)
	}
	if string(got) != wanted {
		return wrong, nil
	}
	return right, nil
}

// askRedis stores the payload under a key of its own and asks for it, in one go.
func askRedis(conn net.Conn, payload string) (outcome, error) {
	bulk := fmt.Sprintf("$%d\r\n%s\r\n", len(payload), payload)
	return exchange(conn, "*3\r\n$3\r\nSET\r\n"+bulk+bulk+"*2\r\n$3\r\nGET\r\n"+bulk,
		"+OK\r\n"+bulk)
}

func askLine(conn net.Conn, payload string) (outcome, error) {
	return exchange(conn, payload+"\n", payload+"\n")
}

func askHTTP(conn net.Conn, payload string) (outcome, error) {
	from := &answer{conn: conn}
	request := "GET /echo?text=" + payload + " HTTP/1.1\r\nHost: here\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		return from.ended(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(from), nil)
	if err != nil {
		return from.ended(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return cut, err
	case response.StatusCode != http.StatusOK || string(body) != payload:
		return wrong, nil
	case response.Close:
		return last, nil
	}
	return right, nil
}

// dialerOf reads a target: tcp://host:port or unix:path.
func dialerOf(protocol, target string) netconnpool.Dialer {
	network, address := "tcp", strings.TrimPrefix(target, "tcp://")
	if strings.HasPrefix(target, "unix:") {
		network, address = "unix", strings.TrimPrefix(target, "unix:")
	}
	if protocol != "tls" {
		var dialer net.Dialer
		return func(ctx context.Context) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		}
	}
	dialer := tls.Dialer{Config: trusting(os.Getenv("NCP_PEERS_CA"))}
	return func(ctx context.Context) (net.Conn, error) {
		return dialer.DialContext(ctx, network, address)
	}
}

func trusting(file string) *tls.Config {
	certificate, err := os.ReadFile(file)
	authorities := x509.NewCertPool()
	if err != nil || !authorities.AppendCertsFromPEM(certificate) {
		die("no certificate in NCP_PEERS_CA=%s (%v)", file, err)
	}
	return &tls.Config{RootCAs: authorities}
}
