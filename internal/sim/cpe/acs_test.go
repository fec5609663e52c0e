// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	session "github.com/uspgate/uspgate/cwmp/cpe"
	"github.com/uspgate/uspgate/cwmp/soap"
	"github.com/uspgate/uspgate/internal/sim/cpe"
)

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// fakeACS is an ACS for one CPE: sessions are served one turn at a time by the
// test itself.
type fakeACS struct {
	*httptest.Server
	informs chan *cwmp.Inform
	own     chan cwmp.Request // requests of the CPE
	sent    chan string       // methods of the requests to the CPE

	mu      sync.Mutex
	pending []rpc // in the present or next session
	asked   *rpc
	ns      string              // of the session
	conns   map[string]struct{} // remote addresses seen
	raws    []raw
	// before answers a request in place of the ACS; true if it has.
	before func(w http.ResponseWriter, r raw) bool
}

// raw is a POST as it came.
type raw struct {
	*http.Request

	body string
}

// bodies are all the envelopes so far.
func (a *fakeACS) bodies() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out strings.Builder
	for _, r := range a.raws {
		out.WriteString(r.body)
	}
	return out.String()
}

type rpc struct {
	req   cwmp.Request
	reply chan cwmp.Response // closed if the session broke
}

func newACS(t *testing.T) *fakeACS {
	t.Helper()
	a := &fakeACS{
		informs: make(chan *cwmp.Inform, 64), own: make(chan cwmp.Request, 64), sent: make(chan string, 64),
		conns: make(map[string]struct{}),
	}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *fakeACS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns[r.RemoteAddr] = struct{}{}
	a.raws = append(a.raws, raw{r, string(b)})
	if a.before != nil && a.before(w, raw{r, string(b)}) {
		return
	}
	if r.Header.Get("Content-Encoding") == "gzip" {
		b = gunzip(b)
	}
	env := &cwmp.Envelope{NoID: true}
	if len(b) > 0 {
		if env, err = soap.DecodeBytes(b, r.Header.Get("Content-Type"), soap.Limits{}); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	switch m := env.Body.(type) {
	case *cwmp.Inform:
		if a.asked != nil { // the last session broke
			close(a.asked.reply)
			a.asked = nil
		}
		a.informs <- m
		a.ns = env.Namespace
		http.SetCookie(w, &http.Cookie{Name: "session", Value: strconv.Itoa(len(a.raws)), Path: "/"})
		a.write(w, env, &cwmp.InformResponse{MaxEnvelopes: 1})
		return
	case *cwmp.TransferComplete:
		a.own <- m
		a.write(w, env, &cwmp.TransferCompleteResponse{})
		return
	case *cwmp.Unknown:
		a.own <- m
		a.write(w, env, &cwmp.Fault{Code: cwmp.FaultACSMethodNotSupported})
		return
	case *cwmp.Kicked:
		a.own <- m
		a.write(w, env, &cwmp.KickedResponse{NextURL: m.Next})
		return
	case *cwmp.RequestDownload:
		a.own <- m
		a.write(w, env, &cwmp.RequestDownloadResponse{})
		return
	case *cwmp.AutonomousTransferComplete:
		a.own <- m
		a.write(w, env, &cwmp.AutonomousTransferCompleteResponse{})
		return
	case *cwmp.DUStateChangeComplete:
		a.own <- m
		a.write(w, env, &cwmp.DUStateChangeCompleteResponse{})
		return
	case *cwmp.AutonomousDUStateChangeComplete:
		a.own <- m
		a.write(w, env, &cwmp.AutonomousDUStateChangeCompleteResponse{})
		return
	case cwmp.Response:
		if a.asked != nil {
			a.asked.reply <- m
			a.asked = nil
		}
	}
	if len(a.pending) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	next := a.pending[0]
	a.pending, a.asked = a.pending[1:], &next
	a.sent <- next.req.Method()
	a.write(w, &cwmp.Envelope{Namespace: a.ns, ID: "acs-" + strconv.Itoa(len(a.pending))}, next.req)
}

func (a *fakeACS) write(w http.ResponseWriter, to *cwmp.Envelope, body cwmp.Message) {
	b, err := soap.Append(nil, &cwmp.Envelope{Namespace: to.Namespace, ID: to.ID, NoID: to.NoID, Body: body})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", `text/xml; charset="utf-8"`)
	_, _ = w.Write(b)
}

// gunzip reads what a CPE has compressed; nil for what it has not.
func gunzip(b []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	out, err := io.ReadAll(io.LimitReader(z, 1<<20))
	if err != nil {
		return nil
	}
	return out
}

// queue puts a request in the next session.
func (a *fakeACS) queue(req cwmp.Request) chan cwmp.Response {
	p := rpc{req: req, reply: make(chan cwmp.Response, 1)}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending = append(a.pending, p)
	return p.reply
}

// bench is one running CPE with its ACS.
type bench struct {
	t    *testing.T
	acs  *fakeACS
	cpe  *cpe.CPE
	root string
}

// quirky runs a TR-098 CPE with quirks until its boot session is over.
func quirky(t *testing.T, names ...string) *bench {
	t.Helper()
	b := start(t, "tr098-dsl", quirks(t, names...))
	b.booted()
	return b
}

// quirks switches them on.
func quirks(t *testing.T, names ...string) func(*cpe.Options) {
	t.Helper()
	return func(o *cpe.Options) {
		for _, name := range names {
			if err := o.Quirks.Turn(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// start runs a CPE of the model.
func start(t *testing.T, model string, change func(*cpe.Options)) *bench {
	t.Helper()
	m, err := cpe.LoadBuiltin(model)
	if err != nil {
		t.Fatal(err)
	}
	return startModel(t, m, change)
}

func startModel(t *testing.T, m *cpe.Model, change func(*cpe.Options)) *bench {
	t.Helper()
	a := newACS(t)
	o := cpe.Options{
		ACS: a.URL + "/", Model: m, Serial: "7", RebootTime: time.Millisecond,
		RetryWait: func(uint32) time.Duration { return 10 * time.Millisecond },
	}
	if change != nil {
		change(&o)
	}
	c, err := cpe.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return &bench{t: t, acs: a, cpe: c, root: m.Root()}
}

// take receives from ch or fails the test.
func take[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s within %s", what, patience)
		panic("unreachable")
	}
}

// inform waits for the next Inform.
func (b *bench) inform() *cwmp.Inform { b.t.Helper(); return take(b.t, "Inform", b.acs.informs) }

// ended waits for the end of the next session.
func (b *bench) ended() session.Session {
	b.t.Helper()
	return take(b.t, "end of session", b.cpe.Sessions())
}

// booted waits for the session of the boot.
func (b *bench) booted() *cwmp.Inform {
	b.t.Helper()
	in := b.inform()
	if s := b.ended(); s.Err != nil {
		b.t.Fatalf("boot session: %v", s.Err)
	}
	return in
}

// call sends an RPC in a session that the CPE opens for it.
func (b *bench) call(req cwmp.Request) cwmp.Response {
	b.t.Helper()
	reply := b.acs.queue(req)
	b.cpe.Raise(cwmp.Event{Code: cwmp.EventConnectionRequest})
	resp := take(b.t, "answer to "+req.Method(), reply)
	b.inform()
	b.ended()
	return resp
}

// must is call for a request that may not fail.
func must[R cwmp.Response](b *bench, req cwmp.Request) R {
	b.t.Helper()
	resp := b.call(req)
	r, ok := resp.(R)
	if !ok {
		b.t.Fatalf("%s: got %s %v, want another response", req.Method(), resp.Method(), resp)
	}
	return r
}

// faultOf returns the code of a fault, 0 for any other response.
func faultOf(resp cwmp.Response) int {
	if f, ok := resp.(*cwmp.Fault); ok {
		return f.Code
	}
	return 0
}

// events lists "code(key)".
func events(in *cwmp.Inform) []string {
	var out []string
	for _, e := range in.Events {
		s := e.Code
		if e.CommandKey != "" {
			s += "(" + e.CommandKey + ")"
		}
		out = append(out, s)
	}
	return out
}

// eventually waits until f is true.
func eventually(t *testing.T, f func() bool) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still not, after %s", patience)
		}
	}
}
