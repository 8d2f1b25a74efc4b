// The job in Go: goroutines share a pool.
//
//	job TARGET WORKERS CONNECTIONS SECONDS DIALS
//
// Each worker sends 64 bytes and reads them back, again and again: first over a
// pool, for SECONDS, then over a connection dialed for each request, DIALS of
// them. Prints one line of JSON, which table.py turns into a row.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/netconnpool/netconnpool/go"
)

// result is what workers did; the tags are what table.py reads.
type result struct {
	Seconds  float64              `json:"seconds"`
	Requests int                  `json:"requests"`
	Failed   int                  `json:"failed"`
	Counters netconnpool.Counters `json:"counters,omitempty"`
	P50      float64              `json:"p50_us,omitempty"`
	P99      float64              `json:"p99_us,omitempty"`
}

var errWrong = errors.New("the reply is not what was sent")

// ask sends a text and reads it back.
func ask(conn net.Conn, text []byte) error {
	if _, err := conn.Write(text); err != nil {
		return err
	}
	reply := make([]byte, len(text))
	if _, err := io.ReadFull(conn, reply); err != nil {
		return err
	}
	if !bytes.Equal(reply, text) {
		return errWrong
	}
	return nil
}

// run lets workers call request for a time, each at most so often.
func run(workers int, limit time.Duration, count int,
	request func(text []byte) error) result {
	var (
		total result
		mu    sync.Mutex // guards total
		group sync.WaitGroup
	)
	begin := time.Now()
	for number := 0; number < workers; number++ {
		group.Add(1)
		go func(number int) {
			defer group.Done()
			good, failed := 0, 0
			for good+failed < count && time.Since(begin) < limit {
				text := []byte(fmt.Sprintf("%-32d%32d", number, good))
				if err := request(text); err != nil {
					log.Printf("worker %d: %v", number, err)
					failed++
				} else {
					good++
				}
			}
			mu.Lock()
			total.Requests += good
			total.Failed += failed
			mu.Unlock()
		}(number)
	}
	group.Wait()
	total.Seconds = time.Since(begin).Seconds()
	return total
}

func openPool(target string, connections int) (*netconnpool.Pool, error) {
	config := netconnpool.DefaultConfig()
	config.Target = target
	config.MaxConnections = connections
	config.MinConnections = 0
	config.LatencySamples = 10000
	return netconnpool.NewPool(config)
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 6 {
		log.Fatalf("usage: %s TARGET WORKERS CONNECTIONS SECONDS DIALS",
			os.Args[0])
	}
	target := os.Args[1]
	workers, _ := strconv.Atoi(os.Args[2])
	connections, _ := strconv.Atoi(os.Args[3])
	seconds, _ := strconv.ParseFloat(os.Args[4], 64)
	dials, _ := strconv.Atoi(os.Args[5])

	pool, err := openPool(target, connections)
	if err != nil {
		log.Fatal(err)
	}
	limit := time.Duration(seconds * float64(time.Second))
	pooled := run(workers, limit, math.MaxInt, func(text []byte) error {
		conn, err := pool.Get(context.Background())
		if err != nil {
			return err
		}
		if err := ask(conn.Conn, text); err != nil {
			_ = pool.Discard(conn) // broken: not for the next one
			return err
		}
		return pool.Put(conn)
	})
	if err := pool.Drain(context.Background()); err != nil {
		log.Fatal(err)
	}
	pooled.Counters = pool.Counters()
	pooled.P50 = float64(pooled.Counters["p50_get_time"]) / 1e3
	pooled.P99 = float64(pooled.Counters["p99_get_time"]) / 1e3

	address := strings.TrimPrefix(target, "tcp://")
	dialing := run(workers, math.MaxInt64, dials/workers, func(text []byte) error {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		defer conn.Close()
		return ask(conn, text)
	})
	err = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"language": "Go", "workers": "goroutines",
		"pool": pooled, "dialing": dialing})
	if err != nil {
		log.Fatal(err)
	}
}
