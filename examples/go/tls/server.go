package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"
)

// A server answers each line with the same line in capitals.
type server struct {
	address      string
	clientConfig *tls.Config
	config       *tls.Config
	listener     net.Listener

	mu    sync.Mutex
	conns map[net.Conn]bool // guarded by mu
}

// startServer starts a server with a certificate of its own, which clientConfig
// trusts.
func startServer() (*server, error) {
	certificate, err := makeCertificate()
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	s := &server{
		address:      "127.0.0.1:0",
		config:       &tls.Config{Certificates: []tls.Certificate{certificate}},
		clientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"},
	}
	return s, s.listen()
}

func makeCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "localhost"},
		DNSNames:     []string{"localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey,
		key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

func (s *server) listen() error {
	listener, err := tls.Listen("tcp", s.address, s.config)
	if err != nil {
		return err
	}
	s.listener, s.address = listener, listener.Addr().String()
	s.mu.Lock()
	s.conns = map[net.Conn]bool{}
	s.mu.Unlock()
	go s.serve(listener)
	return nil
}

func (s *server) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = true
		s.mu.Unlock()
		go answer(conn)
	}
}

func answer(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if _, err := fmt.Fprintln(conn, strings.ToUpper(lines.Text())); err != nil {
			return
		}
	}
}

// stop hangs up on everybody.
func (s *server) stop() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close()
	}
}

// restart stops, and listens at the same address again after a moment.
func (s *server) restart() error {
	s.stop()
	time.Sleep(20 * time.Millisecond)
	return s.listen()
}
