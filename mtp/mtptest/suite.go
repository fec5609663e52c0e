// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package mtptest is the behaviour that all MTPs have in common, as tests, and
// a Recorder that stands for the router.
//
// A new MTP adds its row by a test of its own package:
//
//	func TestSuite(t *testing.T) {
//		mtptest.Run(t, mtptest.Suite{
//			NewServer: func(t testing.TB, o mtptest.Options) mtp.Transport { … },
//			NewClient: func(t testing.TB, addr string, o mtptest.Options) mtp.Transport { … },
//			Dial:      func(t testing.TB, addr string, id usp.EndpointID) net.Conn { … },
//			…
//		})
//	}
//
// together with goleak in its TestMain. What an MTP does not have it leaves
// nil; the tests that need it are not run then, without a skip.
package mtptest

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// The Endpoints of the suite: clients are Agents, the server's side is that of
// a Controller.
const (
	Controller usp.EndpointID = "self::controller"
	Agent      usp.EndpointID = "os::00D09E-agent-1"
	Neighbour  usp.EndpointID = "os::00D09E-agent-2"
)

// Options are what the suite wants of a Transport; zero values are the MTP's
// defaults.
type Options struct {
	// Listen is the address to bind; "": a free port of loopback. For servers.
	Listen string
	// Endpoint is the own Endpoint ID.
	Endpoint usp.EndpointID
	// MaxRecord is the largest Record to take from the peer.
	MaxRecord int
	// QueueRecords bounds the queue of a Link.
	QueueRecords int
	// Retry is how a client reconnects.
	Retry mtp.BackoffOptions
	// CloseTimeout bounds a graceful close.
	CloseTimeout time.Duration
}

// Suite is one MTP with both of its roles.
type Suite struct {
	// NewServer makes a Transport in server role. Its Links are its clients.
	NewServer func(t testing.TB, o Options) mtp.Transport
	// NewClient makes one in client role for the server at addr, whose Link
	// reaches Controller there.
	NewClient func(t testing.TB, addr string, o Options) mtp.Transport
	// Hint is what Enqueue needs to reach an Endpoint; nil: nothing.
	Hint func(to usp.EndpointID) mtp.Hint
	// Connector says that Links have Connect Records.
	Connector bool
	// Endless says that MaxRecord does not end the Link but drops the Record.
	Endless bool
	// Connectionless says that a Link is what is known of an Endpoint: a Record
	// belongs to that of its from_id, and the peer does not notice its end.
	Connectionless bool
	// Dial connects to the server as the Endpoint id and goes as far as
	// Records may flow; then the suite writes and reads nothing but what it
	// means to. nil: the MTP has no connections.
	Dial func(t testing.TB, addr string, id usp.EndpointID) net.Conn
	// Frame is one Record as a client sends it over what Dial returned.
	Frame func(raw []byte) []byte
	// Fragments is the same in as many pieces as the MTP allows; nil: none.
	Fragments func(raw []byte) []byte
	// Malformed is input that ends the Link, by name.
	Malformed map[string][]byte
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	t.Helper()
	tests := []struct {
		name string
		test func(*testing.T, Suite)
		need bool
	}{
		{"Echo", testEcho, true},
		{"Ordering", testOrdering, true},
		{"ConnectRecord", testConnectRecord, s.Connector},
		{"SizeLimit", testSizeLimit, true},
		{"Fragmentation", testFragmentation, s.Fragments != nil},
		{"Malformed", testMalformed, s.Malformed != nil},
		{"HalfClose", testHalfClose, s.Dial != nil},
		{"SlowReader", testSlowReader, s.Dial != nil},
		{"Window", testWindow, true},
		{"Reconnect", testReconnect, true},
		{"Refused", testRefused, true},
		{"EnqueueWithinLinkUp", testEnqueueWithinLinkUp, true},
		{"Forbidden", testForbidden, !s.Connectionless},
		{"AckOrder", testAckOrder, true},
		{"Close", testClose, true},
		{"Drain", testDrain, true},
	}
	for _, tt := range tests {
		if tt.need {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				tt.test(t, s)
			})
		}
	}
}

// Running is a Transport whose Run has been started.
type Running struct {
	Transport mtp.Transport
	stop      context.CancelFunc
	done      chan struct{}
	once      sync.Once
}

// Start listens, runs tr with h, and stops it at the end of the test. A failure
// of Run fails the test.
func Start(tb testing.TB, tr mtp.Transport, h mtp.Handler) *Running {
	tb.Helper()
	if err := tr.Listen(tb.Context()); err != nil {
		tb.Fatalf("Listen: got %v, want nil", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	r := &Running{Transport: tr, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		if err := tr.Run(ctx, h); err != nil {
			tb.Errorf("Run: got %v, want nil", err)
		}
	}()
	tb.Cleanup(func() { r.Stop(tb) })
	return r
}

// Stop ends Run and waits for it.
func (r *Running) Stop(tb testing.TB) {
	tb.Helper()
	r.once.Do(func() {
		r.stop()
		select {
		case <-r.done:
		case <-time.After(Timeout):
			tb.Errorf("Run did not return within %v after its context ended", Timeout)
		}
	})
}

// pair is a server and a client that are connected.
type pair struct {
	suite          Suite
	server, client *Running
	hub, peer      *Recorder // of the server and of the client
	south, north   *Port     // the server's Link to the client; the client's to the server
}

func (s Suite) pair(t *testing.T, server Options) *pair {
	t.Helper()
	p := &pair{suite: s, hub: NewRecorder(t), peer: NewRecorder(t)}
	p.connect(t, server)
	return p
}

func (p *pair) connect(t *testing.T, server Options) {
	t.Helper()
	p.server = p.suite.serve(t, server, p.hub)
	p.client = p.suite.dial(t, p.server, Options{}, p.peer)
	p.south, p.north = p.hub.Link(), p.peer.Link()
}

func (s Suite) serve(t *testing.T, o Options, h mtp.Handler) *Running {
	t.Helper()
	o.Endpoint = Controller
	return Start(t, s.NewServer(t, o), h)
}

func (s Suite) dial(t *testing.T, server *Running, o Options, h mtp.Handler) *Running {
	t.Helper()
	if o.Endpoint == "" {
		o.Endpoint = Agent
	}
	if o.Retry.Interval == 0 {
		o.Retry.Interval = 10 * time.Millisecond
	}
	return Start(t, s.NewClient(t, server.Transport.Addr(), o), h)
}

// hint returns what Enqueue needs to reach id.
func (s Suite) hint(id usp.EndpointID) mtp.Hint {
	if s.Hint == nil {
		return mtp.Hint{}
	}
	return s.Hint(id)
}

// Record makes a Record whose payload is text, repeated up to size bytes in all
// if that is more.
func Record(from, to usp.EndpointID, text string, size int) []byte {
	rec := usp.NewNoSession(from, to, "", []byte(text))
	for rec.Len() < size {
		text += strings.Repeat(".", size-rec.Len())
		rec = usp.NewNoSession(from, to, "", []byte(text))
		for rec.Len() > size { // a length prefix has grown
			text = text[:len(text)-1]
			rec = usp.NewNoSession(from, to, "", []byte(text))
		}
	}
	return rec.Bytes()
}

// wantRecord fails the test unless got is want, byte for byte.
func wantRecord(t *testing.T, got Received, want []byte) {
	t.Helper()
	if !bytes.Equal(got.Record.Bytes(), want) {
		t.Fatalf("Record: got %q, want %q", clip(got.Record.Bytes()), clip(want))
	}
}

func clip(b []byte) []byte { return b[:min(len(b), 120)] }

// wantSettled fails the test unless the next outcome is that token was delivered.
func wantSettled(t *testing.T, p *Port, token mtp.Token) {
	t.Helper()
	if got := p.Settlement(); got != (Settlement{Token: token}) {
		t.Fatalf("Settled: got %d %v, want %d <nil>", got.Token, got.Err, token)
	}
}
