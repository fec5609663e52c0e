// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/cpe"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// pipes is a network of one listener whose connections are net.Pipes, fit for
// a synctest bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	dialed []string
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, address string) (net.Conn, error) {
	here, there := net.Pipe()
	p.mu.Lock()
	p.dialed = append(p.dialed, address)
	p.mu.Unlock()
	select {
	case p.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// exchange is one HTTP request as the scripted ACS saw it.
type exchange struct {
	header http.Header
	host   string
	path   string
	env    *cwmp.Envelope // nil for an empty POST
	remote string
}

// step answers one request of the script.
type step func(w http.ResponseWriter, e exchange)

// acs answers requests by a script; after its end everything is 500.
type acs struct {
	t     *testing.T
	mu    sync.Mutex
	steps []step
	seen  []exchange
}

func (a *acs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		a.t.Errorf("read: %v", err)
	}
	e := exchange{header: r.Header, host: r.Host, path: r.URL.Path, remote: r.RemoteAddr}
	if len(b) > 0 {
		if e.env, err = soap.DecodeBytes(b, r.Header.Get("Content-Type"), soap.Limits{}); err != nil {
			a.t.Errorf("the CPE sent %q: %v", b, err)
		}
	}
	a.mu.Lock()
	a.seen = append(a.seen, e)
	next := status(http.StatusInternalServerError)
	if len(a.steps) > 0 {
		next, a.steps = a.steps[0], a.steps[1:]
	}
	a.mu.Unlock()
	next(w, e)
}

// methods lists what the CPE sent; an empty POST is "".
func (a *acs) methods() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, e := range a.seen {
		if e.env == nil {
			out = append(out, "")
			continue
		}
		out = append(out, e.env.Body.Method())
	}
	return out
}

// inform is the i-th exchange, which has to be an Inform.
func (a *acs) inform(i int) *cwmp.Inform {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if i >= len(a.seen) || a.seen[i].env == nil {
		a.t.Fatalf("exchange %d of %d is no Inform", i, len(a.seen))
	}
	in, ok := a.seen[i].env.Body.(*cwmp.Inform)
	if !ok {
		a.t.Fatalf("exchange %d: got %s, want Inform", i, a.seen[i].env.Body.Method())
	}
	return in
}

// status answers with an HTTP status; headers come in pairs.
func status(code int, headers ...string) step {
	return func(w http.ResponseWriter, _ exchange) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Add(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
	}
}

// reply answers with an envelope that echoes ID and namespace; headers come in
// pairs.
func reply(m cwmp.Message, headers ...string) step {
	return func(w http.ResponseWriter, e exchange) { send(w, e, m, false, headers...) }
}

// hold is reply with HoldRequests.
func hold(m cwmp.Message) step {
	return func(w http.ResponseWriter, e exchange) { send(w, e, m, true) }
}

func send(w http.ResponseWriter, e exchange, m cwmp.Message, holdRequests bool, headers ...string) {
	env := cwmp.Envelope{Namespace: cwmp.Namespace12, ID: "acs", HoldRequests: holdRequests, Body: m}
	if e.env != nil {
		env.Namespace, env.ID = e.env.Namespace, e.env.ID
	}
	b, err := soap.Append(nil, &env)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for i := 0; i+1 < len(headers); i += 2 {
		w.Header().Add(headers[i], headers[i+1])
	}
	w.Header().Set("Content-Type", `text/xml; charset="utf-8"`)
	_, _ = w.Write(b)
}

// informed and done are the two answers of the shortest session.
func informed() step { return reply(&cwmp.InformResponse{MaxEnvelopes: 1}) }
func done() step     { return status(http.StatusNoContent) }

// device is a Device that answers everything with one response.
type device struct {
	mu       sync.Mutex
	set      cpe.Settings
	answer   func(cwmp.Request) (cwmp.Response, error)
	informed []*cwmp.Inform
	sessions []cpe.Session
	ended    chan struct{}
	asked    func() // unless nil, called by Settings, once
}

func newDevice() *device {
	return &device{
		set:    cpe.Settings{URL: "http://acs.example.net/cwmp", Username: "cpe", Password: "secret"},
		answer: func(cwmp.Request) (cwmp.Response, error) { return &cwmp.GetParameterValuesResponse{}, nil },
		ended:  make(chan struct{}, 100),
	}
}

func (d *device) Settings() cpe.Settings {
	d.mu.Lock()
	asked, set := d.asked, d.set
	d.asked = nil
	d.mu.Unlock()
	if asked != nil {
		asked()
	}
	return set
}

func (d *device) change(f func(*cpe.Settings)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.set)
}

func (d *device) Inform([]cwmp.Event) (cwmp.DeviceID, []cwmp.ParameterValue) {
	return cwmp.DeviceID{OUI: "00D09E", ProductClass: "DSL100", SerialNumber: "1"}, nil
}

func (d *device) Informed(in *cwmp.Inform) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.informed = append(d.informed, in)
}

func (d *device) Handle(_ context.Context, req cwmp.Request) (cwmp.Response, error) {
	return d.answer(req)
}

func (d *device) SessionEnded(s cpe.Session) {
	d.mu.Lock()
	d.sessions = append(d.sessions, s)
	d.mu.Unlock()
	d.ended <- struct{}{}
}

// rig is a Client against a scripted ACS, within a synctest bubble.
type rig struct {
	t      *testing.T
	acs    *acs
	dev    *device
	net    *pipes
	client *cpe.Client
	stop   func()
}

func newRig(t *testing.T, steps ...step) *rig {
	t.Helper()
	dev, network := newDevice(), newPipes()
	return runRig(t, &acs{t: t, steps: steps}, dev, network, cpe.Options{Device: dev, Dial: network.dial})
}

func runRig(t *testing.T, a *acs, dev *device, network *pipes, o cpe.Options) *rig {
	t.Helper()
	r := &rig{t: t, acs: a, dev: dev, net: network}
	c, err := cpe.New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.client = c
	srv := &http.Server{Handler: r.acs}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(r.net) })
	wg.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	r.stop = func() {
		cancel()
		_ = srv.Close()
		wg.Wait()
	}
	return r
}

// sessions waits until n more sessions are over, and returns the last.
func (r *rig) sessions(n int) cpe.Session {
	for range n {
		<-r.dev.ended
	}
	r.dev.mu.Lock()
	defer r.dev.mu.Unlock()
	return r.dev.sessions[len(r.dev.sessions)-1]
}

// script adds steps.
func (r *rig) script(steps ...step) {
	r.acs.mu.Lock()
	defer r.acs.mu.Unlock()
	r.acs.steps = append(r.acs.steps, steps...)
}

func (r *rig) wantMethods(want ...string) {
	r.t.Helper()
	if got := r.acs.methods(); !slices.Equal(got, want) {
		r.t.Errorf("the CPE sent %q, want %q", got, want)
	}
}

func codes(events []cwmp.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.Code)
	}
	return out
}
