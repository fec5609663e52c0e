// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"

	stomp "github.com/go-stomp/stomp/v3/server"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Broker is somebody else's broker on a port of loopback: it fans out by topic
// or destination and knows nothing of USP.
type Broker struct {
	// Addr is host:port.
	Addr string

	t     *testing.T
	run   func(net.Listener) (stop func())
	stop  func()
	heard func(topic string) bool // has a subscriber; nil: what nobody listens to waits
}

// MQTTBroker runs a broker for MQTT 5 and 3.1.1 until the test ends. It is for tests in
// which no client is sent more at a time than its Receive Maximum, at which it does not
// look: where mochi 2.7.9 does, it may lock itself up (Inflight.NextImmediate takes a read
// lock twice).
func MQTTBroker(t *testing.T) *Broker {
	t.Helper()
	return mqttBroker(t, new(auth.AllowHook), new(uncounted))
}

// uncounted has the broker send without regard to the quota of a client.
type uncounted struct{ mochi.HookBase }

// ID implements mochi.Hook.
func (*uncounted) ID() string { return "uncounted" }

// Provides implements mochi.Hook.
func (*uncounted) Provides(b byte) bool { return b == mochi.OnSessionEstablish }

// OnSessionEstablish implements mochi.Hook.
func (*uncounted) OnSessionEstablish(cl *mochi.Client, _ packets.Packet) {
	cl.State.Inflight.ResetSendQuota(0)
}

func mqttBroker(t *testing.T, hooks ...mochi.Hook) *Broker {
	t.Helper()
	b := &Broker{t: t}
	return b.begin(func(ln net.Listener) func() {
		s := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
		for _, h := range hooks {
			if err := s.AddHook(h, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.AddListener(listeners.NewNet("tcp", ln)); err != nil {
			t.Fatal(err)
		}
		if err := s.Serve(); err != nil {
			t.Fatal(err)
		}
		b.heard = func(topic string) bool { return len(s.Topics.Subscribers(topic).Subscriptions) > 0 }
		return func() { _ = s.Close() } // what it had is gone with it
	})
}

// BrokerLeak is the function of the STOMP library that goes on for ever in a
// goroutine, for goleak.
const BrokerLeak = "github.com/go-stomp/stomp/v3/server.(*requestProcessor).Serve"

// STOMPBroker runs a broker for STOMP until the test ends. What begins with
// /queue goes to one of its subscribers, all else to every one.
func STOMPBroker(t *testing.T) *Broker {
	t.Helper()
	return (&Broker{t: t}).begin(func(ln net.Listener) func() {
		l := &tracked{Listener: ln}
		go func() {
			s := stomp.Server{Log: silent{}}
			_ = s.Serve(l) // it never ends, see BrokerLeak
		}()
		return l.closeAll
	})
}

func (b *Broker) begin(run func(net.Listener) func()) *Broker {
	b.t.Helper()
	b.Addr, b.run = "127.0.0.1:0", run
	b.Start()
	b.t.Cleanup(b.Stop)
	return b
}

// Await waits until somebody is subscribed to a topic, where what comes before
// is lost.
func (b *Broker) Await(topic string) {
	b.t.Helper()
	if b.heard == nil {
		return
	}
	Eventually(b.t, func() error {
		if !b.heard(topic) {
			return errors.New("nobody is subscribed to " + topic)
		}
		return nil
	})
}

// Start begins again after Stop, on the same port.
func (b *Broker) Start() {
	b.t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(b.t.Context(), "tcp", b.Addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Addr = ln.Addr().String()
	b.stop = b.run(ln)
}

// Stop ends the broker and every connection to it.
func (b *Broker) Stop() {
	if b.stop != nil {
		b.stop()
		b.stop = nil
	}
}

// tracked is a listener that can close what it has accepted.
type tracked struct {
	net.Listener

	mu    sync.Mutex
	conns []net.Conn
	done  bool
}

// Accept implements net.Listener.
func (l *tracked) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	l.conns = append(l.conns, conn)
	return conn, nil
}

func (l *tracked) closeAll() {
	_ = l.Close() // the test is over
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = true
	for _, c := range l.conns {
		_ = c.Close() // or has been closed by the peer
	}
}

// silent is a logger for the STOMP library.
type silent struct{}

func (silent) Debugf(string, ...any)   {}
func (silent) Infof(string, ...any)    {}
func (silent) Warningf(string, ...any) {}
func (silent) Errorf(string, ...any)   {}
func (silent) Debug(string)            {}
func (silent) Info(string)             {}
func (silent) Warning(string)          {}
func (silent) Error(string)            {}
