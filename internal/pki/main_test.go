// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/internal/pki"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// met is what came of one connection.
type met struct {
	server, client error
	resumed        bool
	seen           tls.ConnectionState // by the client
}

// ok reports whether both sides were content.
func (m met) ok() bool { return m.server == nil && m.client == nil }

// meet connects a client with a server, exchanges a byte, and hangs up.
func meet(t *testing.T, server, client *tls.Config) met {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: got %v, want nil", err)
	}
	defer l.Close()
	var out met
	done := make(chan struct{})
	go func() {
		defer close(done)
		raw, err := l.Accept()
		if err != nil {
			out.server = err
			return
		}
		defer raw.Close()
		_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
		_, out.server = tls.Server(raw, server).Write([]byte{1}) // with the handshake
	}()
	out.client = func() error {
		raw, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		defer raw.Close()
		_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
		conn := tls.Client(raw, client)
		_, err = io.ReadFull(conn, make([]byte, 1))
		out.seen = conn.ConnectionState()
		out.resumed = out.seen.DidResume
		return err
	}()
	<-done
	return out
}

func source(t *testing.T, o pki.Options) *pki.Source {
	t.Helper()
	s, err := pki.New(o)
	if err != nil {
		t.Fatalf("New: got %v, want nil", err)
	}
	return s
}

func reload(t *testing.T, s *pki.Source) {
	t.Helper()
	if err := s.Reload(); err != nil {
		t.Fatalf("Reload: got %v, want nil", err)
	}
}
