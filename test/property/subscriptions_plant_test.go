// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// plant is a CPE and what shows it as an Agent, with a clock of their own: they live in a
// synctest bubble. Gateways come and go over what the one before has kept.
type plant struct {
	t      *testing.T
	opts   agent.Options
	shape  *shape
	oracle *oracle
	net    *pipes
	keeper *keeper
	known  *devices
	cpe    *cpe.CPE
	id     usp.EndpointID
	asked  int
	end    func() // of the gateway

	mu      sync.Mutex
	host    *agent.Host // of the gateway that is alive
	away    map[usp.EndpointID]bool
	off     bool
	arrived chan struct{}
	answers map[string]chan *uspmsg.Msg
	refuses *cwmp.Fault // the CPE's answer to SetParameterAttributes; nil: it takes them
	lines   []string
}

// newPlant runs a CPE and a gateway until stop.
func newPlant(t *testing.T, s *shape, rules *model.Rules, o agent.Options) (p *plant, stop func()) {
	t.Helper()
	p = &plant{
		t: t, opts: o, shape: s, net: &pipes{}, known: newDevices(),
		away: make(map[usp.EndpointID]bool), answers: make(map[string]chan *uspmsg.Msg), arrived: make(chan struct{}),
	}
	p.oracle = newOracle(s, p.say)
	p.opts.Rules, p.opts.Journal = rules, device.NewMemoryJournal(device.MemoryOptions{})
	p.opts.Pending, p.opts.PendingBytes = 1<<16, 1<<26 // what is too much has a test of its own
	c, err := cpe.New(cpe.Options{
		ACS: "http://acs.example/", Model: s.model, Dial: p.net.dial, ConnReqListen: cpe.NoConnReq,
		PeriodicInterval: 10 * time.Minute, RebootTime: 20 * time.Second,
		RetryWait: func(uint32) time.Duration { return 5 * time.Second },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.cpe, p.id = c, agent.EndpointIDFor(c.Identity())
	p.keeper = newKeeper(c.Identity())
	p.opts.Keeper = p.keeper
	p.start()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	p.settle()
	return p, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("got %v from the CPE, want nil", err)
		}
		p.end()
	}
}

// settle lets go on what goes on.
func (p *plant) settle() {
	synctest.Wait()
	p.wait(2 * time.Second)
}

func (p *plant) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// start begins the life of a gateway.
func (p *plant) start() {
	o := p.opts
	var fleet *device.Fleet
	var host *agent.Host
	o.Send = func(rec usp.Record) { p.take(host, rec) }
	o.Device = func(id cwmp.DeviceID) (agent.Device, error) { return fleet.Get(id) }
	host, err := agent.NewHost(o)
	if err != nil {
		p.t.Fatal(err)
	}
	fleet, err = device.New(device.Options{
		Waker: p, Keeper: p.known, KeepLogin: true, Resting: host.Resting, Renew: host.Renew, Epoch: 1,
		Attach: func(d *device.Device) (device.Observer, error) { return host.Attach(d) },
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := host.Load(func(usp.EndpointID) error { return nil }); err != nil {
		p.t.Fatal(err)
	}
	ln := p.net.listen()
	server, err := acs.New(acs.Options{
		Handler: &tap{fleet, p}, Listener: ln, VanishGrace: 20 * time.Millisecond, DrainTimeout: time.Second,
		SessionRate: 1000, SessionBurst: 1000,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := server.Listen(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{server.Run, fleet.Run, host.Run} {
		wg.Go(func() { _ = run(ctx) })
	}
	p.mu.Lock()
	p.host = host
	p.mu.Unlock()
	p.end = func() {
		cancel()
		wg.Wait()
		p.net.close()
	}
}

// restart is a restart of the gateway. Killed: nothing more is kept and nobody hears of
// anything more from one moment to the next.
func (p *plant) restart(killed bool) {
	if killed {
		p.keeper.die(true)
		p.mu.Lock()
		p.host = nil
		p.mu.Unlock()
	}
	p.end()
	p.mu.Lock()
	p.host = nil
	for id, ch := range p.answers {
		close(ch)
		delete(p.answers, id)
	}
	p.mu.Unlock()
	p.keeper.die(false)
	p.start()
}

// take is agent.Options.Send.
func (p *plant) take(from *agent.Host, rec usp.Record) {
	h := rec.Header()
	p.mu.Lock()
	alive, away := p.host == from && from != nil, p.away[h.To]
	p.mu.Unlock()
	if !alive || h.Type != usp.RecordNoSession {
		return
	}
	var msg uspmsg.Msg
	if err := proto.Unmarshal(h.Payload, &msg); err != nil {
		p.t.Error(err)
		return
	}
	id := msg.GetHeader().GetMsgId()
	n := msg.GetBody().GetRequest().GetNotify()
	if n == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if ch := p.answers[id]; ch != nil {
			ch <- &msg
			delete(p.answers, id)
		}
		return
	}
	p.oracle.notified(h.To, id, n, !away)
	if !n.GetSendResp() || away {
		return
	}
	resp := &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: id, MsgType: uspmsg.Header_NOTIFY_RESP},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Response{Response: &uspmsg.Response{
			RespType: &uspmsg.Response_NotifyResp{NotifyResp: &uspmsg.NotifyResp{SubscriptionId: n.GetSubscriptionId()}},
		}}},
	}
	payload, err := proto.Marshal(resp)
	if err != nil {
		p.t.Error(err)
		return
	}
	_ = from.Deliver(usp.NewNoSession(h.To, h.From, "", payload), func(error) {}) // or it is repeated
}

// ask sends a request of a Controller; nil if there was no answer.
func (p *plant) ask(from usp.EndpointID, typ uspmsg.Header_MsgType, req *uspmsg.Request) *uspmsg.Msg {
	p.asked++
	id := "q" + strconv.Itoa(p.asked)
	payload, err := proto.Marshal(&uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: id, MsgType: typ},
		Body:   &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: req}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	ch := make(chan *uspmsg.Msg, 1)
	p.mu.Lock()
	p.answers[id] = ch
	host := p.host
	p.mu.Unlock()
	if err := host.Deliver(usp.NewNoSession(from, p.id, "", payload), func(error) {}); err != nil {
		p.t.Fatal(err)
	}
	select {
	case m := <-ch:
		return m
	case <-time.After(time.Minute):
		return nil
	}
}

// Wake implements device.Waker.
func (p *plant) Wake(ctx context.Context, _ connreq.CPE) (connreq.Report, error) {
	for {
		p.mu.Lock()
		arrived, off := p.arrived, p.off
		p.mu.Unlock()
		if !off {
			p.cpe.Raise(cwmp.Event{Code: cwmp.EventConnectionRequest})
		}
		select {
		case <-arrived:
			return connreq.Report{}, nil
		case <-time.After(10 * time.Second):
		case <-ctx.Done():
			return connreq.Report{}, ctx.Err()
		}
	}
}

// Arrived implements device.Waker.
func (p *plant) Arrived(string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.arrived)
	p.arrived = make(chan struct{})
}

// say notes what has happened, for the case that the test fails.
func (p *plant) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	const kept = 120
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
	p.lines = p.lines[max(0, len(p.lines)-kept):]
}

// tap shows the oracle what the CPE says, before anybody else.
type tap struct {
	acs.Handler

	plant *plant
}

func (t *tap) Open(ctx context.Context, in *cwmp.Inform, info acs.Info) (acs.Session, error) {
	t.plant.oracle.inform(in)
	s, err := t.Handler.Open(ctx, in, info)
	if err != nil {
		return nil, err
	}
	return &tapped{Session: s, plant: t.plant}, nil
}

type tapped struct {
	acs.Session

	plant *plant
	sent  cwmp.Request
}

func (s *tapped) Next(ctx context.Context, last cwmp.Response) (cwmp.Request, error) {
	if last != nil {
		s.plant.oracle.answer(s.sent, last)
	}
	req, err := s.Session.Next(ctx, last)
	s.sent = req
	if _, ok := req.(*cwmp.SetParameterAttributes); ok {
		s.plant.mu.Lock()
		defer s.plant.mu.Unlock()
		if f := s.plant.refuses; f != nil {
			s.plant.cpe.FailNext(req.Method(), f)
		}
	}
	return req, err
}

func (s *tapped) HoldRequests() bool {
	h, ok := s.Session.(acs.Holder)
	return ok && h.HoldRequests()
}

// pipes is a network with one listener at a time.
type pipes struct {
	mu    sync.Mutex
	ln    *pipeListener
	conns []net.Conn
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// pipeConn is one end, of an address that an ACS can make something of.
type pipeConn struct{ net.Conn }

func (pipeConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7547} }

func (n *pipes) listen() net.Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ln = &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	return n.ln
}

// close breaks all connections.
func (n *pipes) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = n.ln.Close()
	for _, c := range n.conns {
		_ = c.Close()
	}
	n.conns = nil
}

func (n *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	ln := n.ln
	here, there := net.Pipe()
	n.conns = append(n.conns[max(0, len(n.conns)-8):], here, there)
	n.mu.Unlock()
	select {
	case ln.conns <- pipeConn{there}:
		return here, nil
	case <-ln.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }
