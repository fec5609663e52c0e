// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/cwmp/soap"
	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/usp"
)

// office is a node to which CPE open their sessions.
type office struct {
	*house
	acs  *acs.Server
	desk *fleet
}

// fleet serves the sessions of the node: it asks for one parameter, as often as
// its Requests say.
type fleet struct {
	t *testing.T

	mu       sync.Mutex
	opened   []string // with the remote and the username
	got      []string // values, faults
	requests []string
	closed   []error
	refuse   error
	hold     chan struct{} // Next waits for it
}

func addressOf(id cwmp.DeviceID) usp.Address {
	return usp.Address{ID: usp.EndpointID("os::" + id.String()), Role: usp.RoleAgent}
}

func newOffice(t *testing.T, o *town, name string) *office {
	t.Helper()
	n := &office{house: o.start(name, nil), desk: &fleet{t: t}}
	var err error
	n.acs, err = acs.New(acs.Options{
		Addr: "127.0.0.1:0", Handler: n.Sessions(n.desk, addressOf), Node: cluster.CookieNode(name),
		Elsewhere: n.Exchanges(), DrainTimeout: time.Second,
	})
	if err != nil {
		t.Fatalf("acs.New: got %v, want nil", err)
	}
	n.ServeExchanges(n.acs)
	if err := n.acs.Listen(t.Context()); err != nil {
		t.Fatalf("Listen: got %v, want nil", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.acs.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run of the ACS: got %v, want nil", err)
		}
	})
	return n
}

func (f *fleet) Open(_ context.Context, in *cwmp.Inform, info acs.Info) (acs.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return nil, f.refuse
	}
	f.opened = append(f.opened, fmt.Sprintf("%s %s %s %v", in.DeviceID, in.Events[0].Code,
		info.Remote.Addr(), info.SessionTimeout))
	return &fleetSession{f: f}, nil
}

type fleetSession struct {
	f     *fleet
	asked int
}

func (s *fleetSession) Request(_ context.Context, req cwmp.Request) (cwmp.Response, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.f.requests = append(s.f.requests, req.Method())
	if _, ok := req.(*cwmp.TransferComplete); ok {
		return &cwmp.TransferCompleteResponse{}, nil
	}
	return &cwmp.Fault{Code: cwmp.FaultACSMethodNotSupported, Text: "Method not supported"}, nil
}

func (s *fleetSession) Next(ctx context.Context, last cwmp.Response) (cwmp.Request, error) {
	f := s.f
	f.mu.Lock()
	hold := f.hold
	switch m := last.(type) {
	case *cwmp.GetParameterValuesResponse:
		f.got = append(f.got, m.Params[0].Value)
	case *cwmp.Fault:
		f.got = append(f.got, m.Error())
	}
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if s.asked++; s.asked > 2 {
		return nil, io.EOF
	}
	return &cwmp.GetParameterValues{Names: []string{fmt.Sprintf("Device.X.%d", s.asked)}}, nil
}

func (s *fleetSession) Close(cause error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.f.closed = append(s.f.closed, cause)
}

func (f *fleet) closes() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]error(nil), f.closed...)
}

// cpe posts by hand, each POST to the node that the test wants.
type cpe struct {
	t      *testing.T
	id     cwmp.DeviceID
	cookie string
	http   http.Client
}

func newCPE(t *testing.T, serial string) *cpe {
	t.Helper()
	c := &cpe{t: t, id: cwmp.DeviceID{Manufacturer: "M", OUI: "00D09E", ProductClass: "P", SerialNumber: serial}}
	c.http.Transport = &http.Transport{DisableKeepAlives: true}
	return c
}

func (c *cpe) post(to *office, m cwmp.Message) (int, cwmp.Message) {
	c.t.Helper()
	var body []byte
	if m != nil {
		var err error
		body, err = soap.Append(nil, &cwmp.Envelope{ID: "1", Body: m, SessionTimeout: 60})
		if err != nil {
			c.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "http://"+to.acs.Addr(), bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.cookie != "" {
		r.Header.Set("Cookie", c.cookie)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		c.t.Fatalf("POST: got %v, want nil", err)
	}
	defer resp.Body.Close()
	if s := resp.Header.Get("Set-Cookie"); s != "" {
		c.cookie, _, _ = strings.Cut(s, ";")
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		c.t.Fatal(err)
	}
	if len(b) == 0 {
		return resp.StatusCode, nil
	}
	env, err := soap.DecodeBytes(b, resp.Header.Get("Content-Type"), soap.Limits{})
	if err != nil {
		c.t.Fatalf("answer: got %v", err)
	}
	return resp.StatusCode, env.Body
}

func (c *cpe) inform(to *office) (int, cwmp.Message) {
	c.t.Helper()
	return c.post(to, &cwmp.Inform{
		DeviceID: c.id, Events: []cwmp.Event{{Code: cwmp.EventBoot}}, MaxEnvelopes: 1,
		CurrentTime: "2026-01-01T00:00:00Z",
		Params:      []cwmp.ParameterValue{{Name: "Device.X.1", Value: "<&>", Type: cwmp.TypeString}},
	})
}

// session runs a whole session, each POST at the next of the nodes.
func (c *cpe) session(value string, nodes ...*office) {
	c.t.Helper()
	at := 0
	next := func() *office {
		at++
		return nodes[(at-1)%len(nodes)]
	}
	code, m := c.inform(next())
	if _, ok := m.(*cwmp.InformResponse); code != 200 || !ok {
		c.t.Fatalf("Inform: got %d, %T, want an InformResponse", code, m)
	}
	if code, m = c.post(next(), &cwmp.TransferComplete{CommandKey: "k"}); code != 200 {
		c.t.Fatalf("TransferComplete: got %d, %T, want 200", code, m)
	}
	code, m = c.post(next(), nil)
	for i := 1; i <= 2; i++ {
		get, ok := m.(*cwmp.GetParameterValues)
		if code != 200 || !ok || get.Names[0] != fmt.Sprintf("Device.X.%d", i) {
			c.t.Fatalf("request %d: got %d, %+v, want GetParameterValues", i, code, m)
		}
		code, m = c.post(next(), &cwmp.GetParameterValuesResponse{
			Params: []cwmp.ParameterValue{{Name: get.Names[0], Value: value, Type: cwmp.TypeString}},
		})
	}
	if code != http.StatusNoContent {
		c.t.Fatalf("the end: got %d, %+v, want 204", code, m)
	}
}

func TestSessionAtTheOwner(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	a, b := newOffice(t, o, "a"), newOffice(t, o, "b")
	c := newCPE(t, "1")
	c.session("v", a) // nobody owns it: a does from now on
	if own := a.Peers().Owner(addressOf(c.id)); !own.Mine {
		t.Fatalf("after the first session: got %+v, want a", own)
	}
	eventually(t, "b knows", func() bool { return b.Peers().Owner(addressOf(c.id)).Node == "a" })
	value := strings.Repeat("v<&>", 200_000) // more than one message of a stream
	c.session(value, b)
	c.session("w", b, a) // without affinity
	c.session("x", a, b)
	a.desk.mu.Lock()
	defer a.desk.mu.Unlock()
	if len(a.desk.opened) != 4 || len(b.desk.opened) != 0 {
		t.Fatalf("sessions: got %d at a, %d at b, want 4 and 0", len(a.desk.opened), len(b.desk.opened))
	}
	want := "00D09E-P-1 1 BOOT 127.0.0.1 1m0s"
	for _, got := range a.desk.opened {
		if got != want {
			t.Errorf("opened: got %q, want %q", got, want)
		}
	}
	for i, want := range []string{"v", "v", value, value, "w", "w", "x", "x"} {
		if a.desk.got[i] != want {
			t.Errorf("value %d: got %.20q, want %.20q", i, a.desk.got[i], want)
		}
	}
	if len(a.desk.requests) != 4 || a.desk.requests[1] != "TransferComplete" {
		t.Errorf("requests: got %v, want 4 of TransferComplete", a.desk.requests)
	}
	for _, cause := range a.desk.closed {
		if cause != nil {
			t.Errorf("closed: got %v, want nil", cause)
		}
	}
}

func TestSessionIsRefusedByTheOwner(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	a, b := newOffice(t, o, "a"), newOffice(t, o, "b")
	c := newCPE(t, "1")
	if _, err := a.claim(t, addressOf(c.id), nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "b knows", func() bool { return b.Peers().Owner(addressOf(c.id)).Node == "a" })
	a.desk.refuse = &cwmp.Fault{Code: cwmp.FaultACSResourcesExceeded, Text: "Too many devices"}
	code, m := c.inform(b)
	if f, ok := m.(*cwmp.Fault); code != 200 || !ok || f.Code != cwmp.FaultACSResourcesExceeded {
		t.Errorf("a Fault: got %d, %+v, want it", code, m)
	}
	a.desk.mu.Lock()
	a.desk.refuse = errors.New("not now")
	a.desk.mu.Unlock()
	if code, m = c.inform(b); code != http.StatusServiceUnavailable {
		t.Errorf("an error: got %d, %+v, want 503", code, m)
	}
}

// The CPE vanishes, or opens another session: the owner hears why.
func TestRemoteSessionBreaks(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	a, b := newOffice(t, o, "a"), newOffice(t, o, "b")
	c := newCPE(t, "1")
	if _, err := a.claim(t, addressOf(c.id), nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "b knows", func() bool { return b.Peers().Owner(addressOf(c.id)).Node == "a" })
	c.inform(b)
	c.cookie = ""
	c.inform(b)
	eventually(t, "the first is closed", func() bool { return len(a.desk.closes()) == 1 })
	if got := a.desk.closes()[0]; !errors.Is(got, acs.ErrReplaced) {
		t.Errorf("closed: got %v, want ErrReplaced", got)
	}
	// While the owner keeps the CPE waiting the node of the CPE dies.
	a.desk.mu.Lock()
	a.desk.hold = make(chan struct{})
	a.desk.mu.Unlock()
	go func() {
		ctx := context.WithoutCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.acs.Addr(), http.NoBody)
		if err != nil {
			return
		}
		r.Header.Set("Cookie", c.cookie)
		if resp, err := c.http.Do(r); err == nil {
			_ = resp.Body.Close()
		}
	}()
	o.hub.Cut(b.bus, true)
	b.door.setShut(true)
	eventually(t, "the second is closed", func() bool { return len(a.desk.closes()) == 2 })
	if a.desk.closes()[1] == nil {
		t.Error("closed: got nil, want an error")
	}
	o.hub.Cut(b.bus, false)
	b.door.setShut(false)
}

// The owner dies in the middle: the CPE gets 503, and its next session is served
// where it comes in.
func TestOwnerDiesInTheSession(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	a, b := newOffice(t, o, "a"), newOffice(t, o, "b")
	c := newCPE(t, "1")
	if _, err := a.claim(t, addressOf(c.id), nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "b knows", func() bool { return b.Peers().Owner(addressOf(c.id)).Node == "a" })
	if code, _ := c.inform(b); code != 200 {
		t.Fatalf("Inform: got %d, want 200", code)
	}
	o.hub.Cut(a.bus, true)
	a.door.setShut(true)
	if code, m := c.post(b, nil); code != http.StatusServiceUnavailable {
		t.Errorf("after the death: got %d, %+v, want 503", code, m)
	}
	eventually(t, "b sees a die", func() bool { return b.sawDead("a") })
	c.session("v", b)
	if own := b.Peers().Owner(addressOf(c.id)); !own.Mine {
		t.Errorf("got %+v, want b", own)
	}
	o.hub.Cut(a.bus, false)
	a.door.setShut(false)
}
