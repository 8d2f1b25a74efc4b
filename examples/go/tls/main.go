// A client of a line protocol over TLS, on a few connections that goroutines share.
//
//	go run ./tls        starts a server of its own on loopback
//
// The server is restarted in the middle. A request that finds its connection broken
// throws it away and is made again; nothing is lost, and no answer goes to somebody
// else.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netconnpool/netconnpool/go"
)

const (
	connections = 4
	workers     = 32
	requests    = 100 // of a worker
	patience    = 5 * time.Second
)

// A Client asks questions. Any number of goroutines may use it.
type Client struct {
	pool *netconnpool.Pool
}

// NewClient makes a client of the server at an address.
func NewClient(address string, config *tls.Config) (*Client, error) {
	dialer := &tls.Dialer{Config: config}
	options := netconnpool.DefaultConfig()
	options.Name = "lines"
	options.MaxConnections = connections
	options.MinConnections = 0
	options.GetConnectionTimeout = patience
	options.DialPolicy = netconnpool.DialWait // a restart takes a moment
	options.Dialer = func(ctx context.Context) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", address)
	}
	pool, err := netconnpool.NewPool(options)
	if err != nil {
		return nil, err
	}
	return &Client{pool}, nil
}

// Close ends the client once every answer is there.
func (c *Client) Close(ctx context.Context) error { return c.pool.Drain(ctx) }

// Ask sends a line and returns the line that comes back. It asks again when the
// connection turns out to be broken, until ctx ends.
func (c *Client) Ask(ctx context.Context, question string) (string, error) {
	for {
		answer, err := c.askOnce(ctx, question)
		var broken *brokenError
		if err == nil || !errors.As(err, &broken) || ctx.Err() != nil {
			return answer, err
		}
	}
}

// A brokenError is about the connection, not about the question.
type brokenError struct{ error }

func (c *Client) askOnce(ctx context.Context, question string) (string, error) {
	conn, err := c.pool.Get(ctx)
	if err != nil {
		return "", err
	}
	answer, err := talk(conn.Conn, question)
	if err != nil {
		// Half an answer may still be on its way: not for the next one.
		_ = c.pool.Discard(conn)
		return "", &brokenError{err}
	}
	return answer, c.pool.Put(conn)
}

// talk reads no further than the end of the line, so a reader for each is enough.
func talk(conn net.Conn, question string) (string, error) {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(conn, question); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSuffix(answer, "\n"), err
}

// work asks and compares: how many answers were right.
func work(client *Client, worker int, done *atomic.Int64) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	right := 0
	for i := 0; i < requests; i++ {
		question := fmt.Sprintf("worker %d, question %d", worker, i)
		answer, err := client.Ask(ctx, question)
		switch {
		case err != nil:
			log.Printf("%s: %v", question, err)
		case answer == strings.ToUpper(question):
			right++
		default:
			log.Printf("%s: the answer is %q", question, answer)
		}
		done.Add(1)
	}
	return right
}

func run() error {
	server, err := startServer()
	if err != nil {
		return err
	}
	defer server.stop()
	client, err := NewClient(server.address, server.clientConfig)
	if err != nil {
		return err
	}

	var group sync.WaitGroup
	var right, done atomic.Int64
	for worker := 0; worker < workers; worker++ {
		group.Add(1)
		go func(worker int) {
			defer group.Done()
			right.Add(int64(work(client, worker, &done)))
		}(worker)
	}
	for done.Load() < workers*requests/2 {
		time.Sleep(time.Millisecond)
	}
	if err := server.restart(); err != nil {
		return err
	}
	group.Wait()

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := client.Close(ctx); err != nil {
		return err
	}
	stats := client.pool.Stats()
	fmt.Printf("%d of %d answers were right, over %d TLS connections, at most %d at a "+
		"time,\nwith a restart of the server in the middle; median wait %v\n",
		right.Load(), workers*requests, stats.TotalConnectionsCreated, connections,
		stats.GetLatencyP50)
	if right.Load() != workers*requests || stats.CurrentConnections != 0 {
		return fmt.Errorf("not every answer was right:\n%s", client.pool.Describe())
	}
	return nil
}

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Print(err)
		os.Exit(1)
	}
}
