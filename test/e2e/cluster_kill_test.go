// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/engine/enginetest"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/test/harness"
	vagent "github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// station is an Endpoint on MQTT with QoS 1 that sends numbered Records to others,
// one after the other per target, and notes what comes. Each number is sent until
// it is acknowledged, and none after it before.
type station struct {
	t    *testing.T
	self usp.Address
	to   []usp.EndpointID

	mu      sync.Mutex
	changed sync.Cond
	link    mtp.Link
	down    bool                     // link is
	waits   map[mtp.Token]chan error // by the senders
	next    mtp.Token
	acked   map[usp.EndpointID]uint64 // up to which number
	got     map[usp.EndpointID]uint64 // likewise, by sender
	twice   int
	ended   bool
	cancel  context.CancelFunc // of the connection
	over    chan struct{}
}

func newStation(t *testing.T, self usp.Address, to ...usp.EndpointID) *station {
	t.Helper()
	s := &station{
		t: t, self: self, to: to, waits: map[mtp.Token]chan error{},
		acked: map[usp.EndpointID]uint64{}, got: map[usp.EndpointID]uint64{},
	}
	s.changed.L = &s.mu
	t.Cleanup(s.hangUp)
	return s
}

// dial has the station connect to a gateway, whatever it was connected to.
func (s *station) dial(addr string) {
	s.t.Helper()
	s.hangUp()
	tr, err := mqtt.NewClient(mqtt.ClientOptions{
		URL: "mqtt://" + addr, Endpoint: s.self.ID, Role: s.self.Role, Username: string(s.self.ID), Password: "p",
		Retry: mtp.BackoffOptions{Interval: 50 * time.Millisecond, Max: 200 * time.Millisecond},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	s.cancel, s.over = cancel, make(chan struct{})
	go func() {
		defer close(s.over)
		_ = tr.Run(ctx, s) // ends with ctx
	}()
}

func (s *station) hangUp() {
	if s.cancel != nil {
		s.cancel()
		<-s.over
		s.cancel = nil
	}
}

// LinkUp implements mtp.Handler.
func (s *station) LinkUp(l mtp.Link, _ mtp.Peer) (mtp.Port, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link, s.down = l, false
	s.changed.Broadcast()
	if c, ok := l.(mtp.Connector); ok && s.self.Role == usp.RoleAgent {
		for _, to := range s.to { // [R-MTP.6]
			s.next++
			if err := l.Enqueue(c.ConnectRecord(s.self.ID, to), mtp.Hint{}, s.next); err != nil {
				return nil, err
			}
		}
	}
	return &stationPort{s: s, link: l}, nil
}

type stationPort struct {
	s    *station
	link mtp.Link
}

func (*stationPort) Bind(usp.Address, mtp.Hint) error { return nil }
func (*stationPort) Unbind(usp.Address)               {}
func (*stationPort) Presence(usp.Address, bool)       {}

// Accept implements mtp.Port.
func (p *stationPort) Accept(rec usp.Record, _ mtp.Hint, t mtp.Token) {
	if h := rec.Header(); len(h.Payload) == 8 {
		p.s.note(h.From, binary.BigEndian.Uint64(h.Payload))
	}
	p.link.Ack(t, nil)
}

// note checks that nothing is missing before n.
func (s *station) note(from usp.EndpointID, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch have := s.got[usp.EndpointID(strings.Clone(string(from)))]; {
	case n == have+1:
		s.got[usp.EndpointID(strings.Clone(string(from)))] = n
	case n <= have:
		s.twice++
	default:
		s.t.Errorf("%s got %d of %s after %d: something is missing", s.self.ID, n, from, have)
		s.got[usp.EndpointID(strings.Clone(string(from)))] = n
	}
	s.changed.Broadcast()
}

// Settled implements mtp.Port.
func (p *stationPort) Settled(t mtp.Token, err error) {
	p.s.mu.Lock()
	c := p.s.waits[t]
	delete(p.s.waits, t)
	p.s.mu.Unlock()
	if c != nil {
		c <- err
	}
}

// Down implements mtp.Port.
func (p *stationPort) Down(error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.s.link == p.link {
		p.s.down = true
	}
}

// send sends one Record and waits for its outcome.
func (s *station) send(to usp.EndpointID, n uint64) error {
	rec := usp.NewNoSession(s.self.ID, to, "1.3", binary.BigEndian.AppendUint64(nil, n))
	c := make(chan error, 1)
	s.mu.Lock()
	for (s.link == nil || s.down) && !s.ended {
		s.changed.Wait()
	}
	if s.ended {
		s.mu.Unlock()
		return errStopped
	}
	link := s.link
	s.next++
	t := s.next
	s.waits[t] = c
	s.mu.Unlock()
	if err := link.Enqueue(rec, mtp.Hint{}, t); err != nil {
		s.mu.Lock()
		delete(s.waits, t)
		s.mu.Unlock()
		return err
	}
	select {
	case err := <-c:
		return err
	case <-time.After(2 * harness.Timeout):
		return fmt.Errorf("%s: no outcome of %d to %s", s.self.ID, n, to)
	}
}

var errStopped = errors.New("stopped")

// load sends to all targets until stop.
func (s *station) load() (stop func()) {
	var all sync.WaitGroup
	for _, to := range s.to {
		all.Go(func() {
			pace := time.NewTicker(2 * time.Millisecond)
			defer pace.Stop()
			for n := uint64(1); ; n++ {
				for {
					<-pace.C
					err := s.send(to, n)
					if err == nil {
						break
					}
					s.mu.Lock()
					ended := s.ended
					s.mu.Unlock()
					if ended {
						return
					}
				}
				s.mu.Lock()
				s.acked[to] = n
				ended := s.ended
				s.mu.Unlock()
				if ended {
					return
				}
			}
		})
	}
	return func() {
		s.mu.Lock()
		s.ended = true
		s.mu.Unlock()
		s.changed.Broadcast()
		all.Wait()
	}
}

// has is what of a sender has come.
func (s *station) has(from usp.EndpointID) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got[from]
}

func (s *station) hasAcked(to usp.EndpointID) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked[to]
}

// fleetOf is two Agents and two Controllers that all send to each other.
type fleetOf struct {
	t        *testing.T
	stations map[usp.EndpointID]*station
}

func newFleetOf(t *testing.T) *fleetOf {
	t.Helper()
	f := &fleetOf{t: t, stations: map[usp.EndpointID]*station{}}
	agents := []usp.EndpointID{"os::00D09E-1", "os::00D09E-2"}
	controllers := []usp.EndpointID{"self::north", "self::south"}
	for _, id := range agents {
		f.stations[id] = newStation(t, usp.Address{ID: id, Role: usp.RoleAgent}, controllers...)
	}
	for _, id := range controllers {
		f.stations[id] = newStation(t, usp.Address{ID: id, Role: usp.RoleController}, agents...)
	}
	return f
}

// goOn waits until every pair has got n more Records through.
func (f *fleetOf) goOn(what string, n uint64) {
	f.t.Helper()
	begin := time.Now()
	for id, s := range f.stations {
		for _, to := range s.to {
			target := f.stations[to].has(id) + n
			harness.Eventually(f.t, func() error {
				if got := f.stations[to].has(id); got < target {
					return fmt.Errorf("%s: %s has %d of %s, want %d", what, to, got, id, target)
				}
				return nil
			})
		}
	}
	f.t.Logf("%s: all pairs went on after %v", what, time.Since(begin).Round(time.Millisecond))
}

// TestNodesAndServersDieUnderLoad: Records go both ways between two Agents and two
// Controllers at two gateways, while a NATS server, a gateway by SIGKILL and each
// gateway by SIGTERM goes away and comes back. Nothing acknowledged is lost, and
// nothing overtakes.
func TestNodesAndServersDieUnderLoad(t *testing.T) {
	t.Parallel()
	program, err := harness.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	nats := enginetest.New(t, 3)
	var users []string
	for _, id := range []string{"os::00D09E-1", "os::00D09E-2", "self::north", "self::south"} {
		users = append(users, fmt.Sprintf("{username: %q, password: p, endpoint_id: %q}", id, id))
	}
	node := func(name string) (p *harness.Process, addr string) {
		addr = harness.FreeAddr(t)
		yaml := fmt.Sprintf("mtp: [{name: mqtt, type: mqtt, listen: %q, auth: {mode: password, users: [%s]}}]\n",
			addr, strings.Join(users, ", ")) + engineOf(nats, name)
		p = harness.NewProcess(t, program, "", yaml)
		p.Start()
		return p, addr
	}
	a, addrA := node("a")
	b, addrB := node("b")
	f := newFleetOf(t)
	at := func(addr string, ids ...usp.EndpointID) {
		for _, id := range ids {
			f.stations[id].dial(addr)
		}
	}
	at(addrA, "os::00D09E-1", "self::north")
	at(addrB, "os::00D09E-2", "self::south")
	var stops []func()
	for _, s := range f.stations {
		stops = append(stops, s.load())
	}
	const some = 50
	f.goOn("at first", some)

	leader := max(0, nats.Leader())
	nats.Kill(leader)
	f.goOn("a NATS server was killed", some)
	nats.Start(leader)
	nats.WaitReady()

	a.Kill()
	at(addrB, "os::00D09E-1", "self::north")
	f.goOn("gateway a was killed", some)
	a.Start()
	at(addrA, "os::00D09E-1", "self::south")
	f.goOn("a is back, and two have moved to it", some)

	for _, step := range []struct {
		p           *harness.Process
		name, other string
	}{{b, "b", addrA}, {a, "a", addrB}} { // rolling restart
		if code, took := step.p.Stop(harness.Timeout); code != 0 {
			t.Errorf("SIGTERM of %s: got exit code %d after %v, want 0", step.name, code, took)
		}
		at(step.other, "os::00D09E-1", "os::00D09E-2", "self::north", "self::south")
		f.goOn("gateway "+step.name+" was stopped", some)
		step.p.Start()
		f.goOn("gateway "+step.name+" is back", some)
	}

	for _, stop := range stops {
		stop()
	}
	total, twice := uint64(0), 0
	for id, s := range f.stations {
		twice += s.twice
		for _, to := range s.to {
			total += s.hasAcked(to)
			harness.Eventually(t, func() error {
				if got, want := f.stations[to].has(id), s.hasAcked(to); got < want {
					return fmt.Errorf("%s has %d of %s, want the %d that were acknowledged", to, got, id, want)
				}
				return nil
			})
		}
	}
	t.Logf("%d Records acknowledged, %d came twice", total, twice)
}

// TestVirtualAgentsAreAdopted: the node of a Virtual Agent is killed. The other has
// it, with its Subscriptions, although its CPE sleeps; and the CPE goes on there.
func TestVirtualAgentsAreAdopted(t *testing.T) {
	t.Parallel()
	program, err := harness.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	nats := enginetest.New(t, 3)
	node := func(name string) (p *harness.Process, addr string) {
		addr = harness.FreeAddr(t)
		yaml := fmt.Sprintf("mtp: [{name: mqtt, type: mqtt, listen: %q}]\n", addr) + engineOf(nats, name)
		p = harness.NewProcess(t, program, "", yaml)
		p.Start()
		return p, addr
	}
	a, _ := node("a")
	b, addr := node("b")
	box := boxAt(t, "http://"+a.CWMP)
	id := vagent.EndpointIDFor(box.Identity())
	north := controllerOn(t, "mqtt://"+addr, "self::north")
	manufacturer(t, north, id)
	ctx := deadline(t)
	_, err = north.Subscribe(ctx, id, controller.Subscription{
		ID: "kept", Type: "ValueChange", References: []string{"Device.WiFi.SSID.1.SSID"}, Persistent: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Kill()
	harness.Eventually(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout/10)
		defer cancel()
		resp, err := north.Get(ctx, id, 0, "Device.LocalAgent.Subscription.*.ID")
		if err != nil {
			return err
		}
		for _, value := range controller.Params(resp) {
			if value == "kept" {
				return nil
			}
		}
		return errors.New("the Subscription is gone")
	})
	again := boxAt(t, "http://"+b.CWMP) // the same box
	if got := vagent.EndpointIDFor(again.Identity()); got != id {
		t.Fatalf("got %s, want %s", got, id)
	}
	manufacturer(t, north, id)
}

// boxAt runs a simulated CPE until its first session is over, and on.
func boxAt(t *testing.T, acs string) *cpe.CPE {
	t.Helper()
	m, err := cpe.LoadBuiltin("tr098-dsl")
	if err != nil {
		t.Fatal(err)
	}
	c, err := cpe.New(cpe.Options{ACS: acs, Model: m, Serial: "1", Log: harness.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	harness.Background(t, "cpe", c.Run)
	for {
		select {
		case s := <-c.Sessions():
			if s.Err == nil {
				return c
			}
		case <-time.After(harness.Timeout):
			t.Fatal("the CPE had no session")
		}
	}
}

func controllerOn(t *testing.T, url string, id usp.EndpointID) *controller.Controller {
	t.Helper()
	tr, err := mqtt.NewClient(mqtt.ClientOptions{URL: url, Endpoint: id, Role: usp.RoleController})
	if err != nil {
		t.Fatal(err)
	}
	c, err := controller.New(controller.Options{Endpoint: id, Transport: tr, Log: harness.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	harness.Background(t, "controller "+string(id), c.Run)
	return c
}
