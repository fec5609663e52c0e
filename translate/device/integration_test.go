// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/cwmp/soap"
	"github.com/uspgate/uspgate/translate/device"
)

// box is a CPE over real sockets: a Connection Request port, and sessions as a
// client of the ACS.
type box struct {
	t    *testing.T
	acs  string
	port *httptest.Server
	// answer gives the response to a request, or nil to hang up.
	answer func(req cwmp.Message) cwmp.Message

	mu    sync.Mutex
	login *cwmp.SetParameterValues
	wakes int
	seen  []string
	wg    sync.WaitGroup
}

func newBox(t *testing.T, acs string) *box {
	t.Helper()
	b := &box{t: t, acs: "http://" + acs + "/"}
	b.port = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Digest realm="box", nonce="1", qop="auth"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		b.wakes++
		b.wg.Go(func() { b.session("6 CONNECTION REQUEST") })
	}))
	t.Cleanup(func() {
		b.port.Close()
		b.wg.Wait()
	})
	return b
}

// session runs one whole session, or until the box hangs up.
func (b *box) session(event string) {
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr, Timeout: 10 * time.Second}
	in := inform(event)
	in.Params[0].Value = b.port.URL + "/cr"
	var cookie string
	out := &cwmp.Envelope{ID: "1", Body: in}
	for {
		env, set, ok := b.post(client, out, cookie)
		if !ok {
			return
		}
		if set != "" {
			cookie = set
		}
		if env.Body.Method() == "InformResponse" {
			out = nil
			continue
		}
		b.mu.Lock()
		b.seen = append(b.seen, env.Body.Method())
		b.mu.Unlock()
		resp := b.respond(env.Body)
		if resp == nil {
			return
		}
		out = &cwmp.Envelope{ID: env.ID, Body: resp}
	}
}

func (b *box) respond(req cwmp.Message) cwmp.Message {
	if set, ok := req.(*cwmp.SetParameterValues); ok && len(set.Params) == 2 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.login = set
		return setOK
	}
	return b.answer(req)
}

// post sends one envelope, nil is an empty POST; ok is false at the end.
func (b *box) post(c *http.Client, env *cwmp.Envelope, cookie string) (*cwmp.Envelope, string, bool) {
	var body []byte
	if env != nil {
		var err error
		if body, err = soap.Append(nil, env); err != nil {
			b.t.Error(err)
			return nil, "", false
		}
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.acs, bytes.NewReader(body))
	if err != nil {
		b.t.Error(err)
		return nil, "", false
	}
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	resp, err := c.Do(r)
	if err != nil {
		return nil, "", false // the test is over
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, "", false
	}
	in, err := soap.DecodeBytes(got, resp.Header.Get("Content-Type"), soap.Limits{})
	if err != nil {
		b.t.Error(err)
		return nil, "", false
	}
	set := resp.Header.Get("Set-Cookie")
	if i := bytes.IndexByte([]byte(set), ';'); i > 0 {
		set = set[:i]
	}
	return in, set, true
}

// gateway runs a Fleet behind an acs.Server.
func gateway(t *testing.T) (*device.Fleet, string) {
	t.Helper()
	http := connreq.New(connreq.Options{Guard: connreq.Guard{AllowLoopback: true}})
	w := connreq.NewWaker(connreq.WakerOptions{Ways: map[connreq.Method]connreq.Requester{connreq.HTTP: http}})
	f, err := device.New(device.Options{Waker: w})
	if err != nil {
		t.Fatal(err)
	}
	s, err := acs.New(acs.Options{
		Handler: f, Addr: "127.0.0.1:0", VanishGrace: 20 * time.Millisecond, DrainTimeout: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.Run(ctx) })
	wg.Go(func() { _ = f.Run(ctx) })
	wg.Go(func() { _ = s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return f, s.Addr()
}

func TestSleepingCPEOverRealSockets(t *testing.T) {
	t.Parallel()
	f, addr := gateway(t)
	b := newBox(t, addr)
	b.answer = func(req cwmp.Message) cwmp.Message {
		if req.Method() == "GetParameterValues" {
			return gotA
		}
		return nil // hangs up
	}
	b.session("0 BOOTSTRAP") // announces where it can be called, and gets a login
	d := f.Device(boxID)
	if d == nil || b.login == nil {
		t.Fatal("got no Device or no login, want both")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			resp, err := d.Call(ctx, getA)
			got, ok := resp.(*cwmp.GetParameterValuesResponse)
			if err != nil || !ok || len(got.Params) != 1 || got.Params[0].Value != "1" {
				t.Errorf("got %v, %v, want the value", resp, err)
			}
		})
	}
	wg.Wait()
	b.mu.Lock()
	wakes := b.wakes
	b.mu.Unlock()
	if wakes < 1 || wakes > 3 { // usually one; a caller may come just after 204
		t.Fatalf("got %d wakes for 20 calls, want one or few", wakes)
	}
	_, err := d.Call(ctx, &cwmp.AddObject{ObjectName: "Device.X."})
	if !errors.Is(err, device.ErrOutcomeUnknown) || !errors.Is(err, acs.ErrVanished) {
		t.Fatalf("got %v, want ErrOutcomeUnknown as the CPE vanished", err)
	}
	if _, err := d.Call(ctx, &cwmp.Reboot{}); err != nil {
		t.Fatalf("Reboot without an answer: got %v, want nil", err)
	}
}
