// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/translate/device"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	boxID = cwmp.DeviceID{Manufacturer: "Acme", OUI: "00256D", ProductClass: "Box", SerialNumber: "1"}

	getA = &cwmp.GetParameterValues{Names: []string{"Device.A"}}
	setA = &cwmp.SetParameterValues{Params: []cwmp.ParameterValue{{Name: "Device.A", Value: "1"}}}

	gotA  = &cwmp.GetParameterValuesResponse{Params: []cwmp.ParameterValue{{Name: "Device.A", Value: "1"}}}
	setOK = &cwmp.SetParameterValuesResponse{}
)

const boxURL = "http://10.0.0.7:30005/cr"

// inform is an Inform of the box with one event.
func inform(event string) *cwmp.Inform {
	return &cwmp.Inform{
		DeviceID: boxID,
		Events:   []cwmp.Event{{Code: event}},
		Params: []cwmp.ParameterValue{
			{Name: "InternetGatewayDevice.ManagementServer.ConnectionRequestURL", Value: boxURL},
			{Name: "InternetGatewayDevice.ManagementServer.ParameterKey", Value: "pk"},
		},
	}
}

var boxInfo = acs.Info{Remote: netip.MustParseAddrPort("192.0.2.7:40000")}

// waker notes who is woken, and waits for the session, as a connreq.Waker does;
// wake, if not nil, fails instead.
type waker struct {
	mu      sync.Mutex
	calls   []connreq.CPE
	waiting map[string]chan struct{}
	wake    func(n int, c connreq.CPE) error
}

func (w *waker) Wake(ctx context.Context, c connreq.CPE) (connreq.Report, error) {
	w.mu.Lock()
	w.calls = append(w.calls, c)
	if w.wake != nil {
		if err := w.wake(len(w.calls), c); err != nil {
			w.mu.Unlock()
			return connreq.Report{}, err
		}
	}
	arrived := make(chan struct{})
	if w.waiting == nil {
		w.waiting = map[string]chan struct{}{}
	}
	w.waiting[c.Key] = arrived
	w.mu.Unlock()
	select {
	case <-arrived:
		return connreq.Report{Method: connreq.UDP}, nil
	case <-ctx.Done():
		return connreq.Report{}, context.Cause(ctx)
	}
}

func (w *waker) Arrived(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.waiting[key]; c != nil {
		close(c)
		delete(w.waiting, key)
	}
}

func (w *waker) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

// observer writes down what it is told.
type observer struct {
	mu     sync.Mutex
	events []string
	causes []error
	inform func()
	commit error
}

func (o *observer) Inform(in *cwmp.Inform) {
	o.note("inform "+in.Events[0].Code, nil)
	if o.inform != nil {
		o.inform()
	}
}

func (o *observer) Request(req cwmp.Request) cwmp.Response {
	event := req.Method()
	if tc, ok := req.(*cwmp.TransferComplete); ok {
		event = "transfer " + tc.CommandKey
	}
	o.note(event, nil)
	return device.Acknowledged(req)
}

func (o *observer) SessionEnded(cause error) { o.note("ended", cause) }

func (o *observer) Commit() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, "commit")
	return o.commit
}

// shelf is a Keeper in memory.
type shelf struct {
	mu    sync.Mutex
	known map[cwmp.DeviceID]device.Known
	saves int
	err   error
}

func (s *shelf) Load(id cwmp.DeviceID) (device.Known, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.known[id.Key()]
	return k, ok, s.err
}

func (s *shelf) Save(k device.Known) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.known == nil {
		s.known = make(map[cwmp.DeviceID]device.Known)
	}
	s.saves++
	s.known[k.Identity.Key()] = k
	return nil
}

func (s *shelf) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.known)
}

func (s *shelf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saves
}

func (o *observer) note(event string, cause error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, event)
	if event == "ended" {
		o.causes = append(o.causes, cause)
	}
}

// bed is what a test in a bubble works with.
type bed struct {
	*testing.T

	fleet *device.Fleet
}

// bubble runs f with a Fleet on a clock of its own.
func bubble(t *testing.T, o device.Options, f func(b bed)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fleet, err := device.New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		done := make(chan error, 1)
		go func() { done <- fleet.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: got %v, want nil", err)
			}
		}()
		f(bed{T: t, fleet: fleet})
	})
}

// visit is a session as the acs drives it.
type visit struct {
	t      *testing.T
	s      acs.Session
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func open(t *testing.T, f *device.Fleet, in *cwmp.Inform) *visit {
	t.Helper()
	v := &visit{t: t}
	v.ctx, v.cancel = context.WithCancelCause(t.Context())
	s, err := f.Open(v.ctx, in, boxInfo)
	if err != nil {
		t.Fatalf("Open: got %v, want nil", err)
	}
	v.s = s
	return v
}

// next wants the next request to be want.
func (v *visit) next(last cwmp.Response, want cwmp.Request) {
	v.t.Helper()
	got, err := v.s.Next(v.ctx, last)
	if err != nil || got != want {
		v.t.Fatalf("Next: got %v, %v, want %v", got, err, want)
	}
}

// end wants the session to be over after last.
func (v *visit) end(last cwmp.Response) {
	v.t.Helper()
	if got, err := v.s.Next(v.ctx, last); !errors.Is(err, io.EOF) {
		v.t.Fatalf("Next: got %v, %v, want io.EOF", got, err)
	}
	v.s.Close(nil)
}

// cut breaks the session.
func (v *visit) cut(cause error) {
	v.cancel(cause)
	v.s.Close(cause)
}

// outcome is what a Call returned.
type outcome struct {
	resp cwmp.Response
	err  error
}

// call makes a Call and waits until it is in the queue.
func call(ctx context.Context, d *device.Device, req cwmp.Request) <-chan outcome {
	c := make(chan outcome, 1)
	go func() {
		resp, err := d.Call(ctx, req)
		c <- outcome{resp, err}
	}()
	synctest.Wait()
	return c
}

func want(t *testing.T, c <-chan outcome, resp cwmp.Response, err error) {
	t.Helper()
	synctest.Wait()
	select {
	case got := <-c:
		if !errors.Is(got.err, err) || (err == nil && got.err != nil) || got.resp != resp {
			t.Fatalf("Call: got %v, %v, want %v, %v", got.resp, got.err, resp, err)
		}
	default:
		t.Fatalf("Call: still waiting, want %v, %v", resp, err)
	}
}

func waiting(t *testing.T, c <-chan outcome) {
	t.Helper()
	synctest.Wait()
	select {
	case got := <-c:
		t.Fatalf("Call: got %v, %v, want it to wait", got.resp, got.err)
	default:
	}
}
