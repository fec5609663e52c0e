// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/cpe"
)

var boot = []cwmp.Event{{Code: cwmp.EventBootstrap}, {Code: cwmp.EventBoot}}

// A whole session: Inform, own request, empty POST, one RPC after the other,
// over one connection [TR-069 3.7.1].
func TestSessionOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t,
			reply(&cwmp.InformResponse{}, "Set-Cookie", "session=abc; Path=/"),
			reply(&cwmp.TransferCompleteResponse{}),
			reply(&cwmp.GetParameterValues{Names: []string{"Device."}}),
			reply(&cwmp.GetParameterValues{Names: []string{"Device."}}),
			done(),
		)
		defer r.stop()
		r.client.Note(boot...)
		r.client.Send(&cwmp.TransferComplete{CommandKey: "k"},
			cwmp.Event{Code: cwmp.EventTransferComplete}, cwmp.Event{Code: cwmp.EventMDownload, CommandKey: "k"})
		s := r.sessions(1)
		if s.Err != nil || !s.Informed {
			t.Fatalf("session: got %+v, want a regular end", s)
		}
		r.wantMethods("Inform", "TransferComplete", "", "GetParameterValuesResponse", "GetParameterValuesResponse")
		want := []string{"0 BOOTSTRAP", "1 BOOT", "7 TRANSFER COMPLETE", "M Download"}
		if got := codes(r.acs.inform(0).Events); !slices.Equal(got, want) {
			t.Errorf("events: got %q, want %q", got, want)
		}
		if got := len(r.net.dialed); got != 1 {
			t.Errorf("connections: got %d, want 1", got)
		}
		for i, e := range r.acs.seen[1:] {
			if got := e.header.Get("Cookie"); got != "session=abc" {
				t.Errorf("exchange %d: cookie %q, want session=abc", i+1, got)
			}
		}
		_, soapAction := r.acs.seen[0].header["Soapaction"]
		_, emptyAction := r.acs.seen[2].header["Soapaction"]
		if !soapAction || emptyAction {
			t.Errorf("SOAPAction: got %t with body and %t without, want true, false", soapAction, emptyAction)
		}
		if got := r.acs.seen[3].env.ID; got != "acs" {
			t.Errorf("the response's ID: got %q, want that of the request", got)
		}
		if p := r.client.Pending(); len(p) != 0 {
			t.Errorf("pending after delivery: got %v, want none", p)
		}
	})
}

// An ACS that closes the connection after every answer is served over as many
// connections; the session is known by its cookie [TR-069 3.4.1].
func TestConnectionClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t,
			reply(&cwmp.InformResponse{}, "Connection", "close", "Set-Cookie", "id=1; Path=/"),
			reply(&cwmp.GetParameterValues{Names: []string{"Device."}}, "Connection", "close"),
			status(http.StatusNoContent, "Connection", "close"))
		defer r.stop()
		r.client.Raise(boot...)
		if s := r.sessions(1); s.Err != nil {
			t.Fatalf("session: %v", s.Err)
		}
		if got := len(r.net.dialed); got != 3 {
			t.Errorf("connections: got %d, want 3", got)
		}
		if got := r.acs.seen[2].header.Get("Cookie"); got != "id=1" {
			t.Errorf("cookie on the third connection: got %q", got)
		}
	})
}

// An answer 200 without body ends the session as 204 does.
func TestEmpty200Ends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, informed(), status(http.StatusOK))
		defer r.stop()
		r.client.Raise(boot...)
		if s := r.sessions(1); s.Err != nil {
			t.Errorf("session: got %v, want a regular end", s.Err)
		}
	})
}

// While HoldRequests is true, the CPE's own requests wait for the next session
// [TR-069 3.4.7].
func TestHoldRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hold(&cwmp.InformResponse{}), done())
		defer r.stop()
		r.client.Defer(&cwmp.TransferComplete{}, cwmp.Event{Code: cwmp.EventTransferComplete})
		r.client.Raise(cwmp.Event{Code: cwmp.EventBoot})
		r.sessions(1)
		r.wantMethods("Inform", "")
		r.script(informed(), reply(&cwmp.TransferCompleteResponse{}), done())
		r.client.Raise(cwmp.Event{Code: cwmp.EventConnectionRequest})
		r.sessions(1)
		r.wantMethods("Inform", "", "Inform", "TransferComplete", "")
		want := []string{cwmp.EventConnectionRequest, cwmp.EventTransferComplete}
		if got := codes(r.acs.inform(2).Events); !slices.Equal(got, want) {
			t.Errorf("events: got %q, want %q", got, want)
		}
	})
}

// Fault 8005 repeats the request within the session.
func TestRetryRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		again := reply(&cwmp.Fault{Code: cwmp.FaultACSRetryRequest, Text: "Retry request"})
		r := newRig(t, again, again, informed(), done())
		defer r.stop()
		r.client.Raise(boot...)
		if s := r.sessions(1); s.Err != nil {
			t.Fatalf("session: got %v, want a regular end", s.Err)
		}
		r.wantMethods("Inform", "Inform", "Inform", "")
		if got := r.acs.inform(2).RetryCount; got != 0 {
			t.Errorf("RetryCount: got %d, want 0: it is one session", got)
		}
	})
}

// The ways in which a session fails, and what is known of it.
func TestSessionFails(t *testing.T) {
	t.Parallel()
	var (
		unauthorized = status(http.StatusUnauthorized, "WWW-Authenticate", `Digest realm="r", nonce="n", qop="auth"`)
		gpv          = reply(&cwmp.GetParameterValues{Names: []string{"Device."}})
		fault        = &cwmp.Fault{}
		code         = &cpe.StatusError{}
		busy         = &cpe.BusyError{}
	)
	for _, c := range []struct {
		name     string
		steps    []step
		is       error
		as       any
		informed bool
	}{
		{"404", []step{status(404)}, nil, &code, false},
		{"503", []step{status(503, "Retry-After", "30")}, nil, &busy, false},
		{"fault to Inform", []step{reply(&cwmp.Fault{Code: 8001})}, nil, &fault, false},
		{"empty answer to Inform", []step{done()}, cpe.ErrProtocol, nil, false},
		{"request as answer to Inform", []step{gpv}, cpe.ErrProtocol, nil, false},
		{"wrong response to Inform", []step{reply(&cwmp.TransferCompleteResponse{})}, cpe.ErrProtocol, nil, false},
		{"credentials refused", []step{unauthorized, unauthorized}, cpe.ErrUnauthorized, nil, false},
		{"NTLM", []step{status(401, "WWW-Authenticate", "NTLM")}, cpe.ErrUnauthorized, nil, false},
		{"response in the turn of the ACS", []step{informed(), informed()}, cpe.ErrProtocol, nil, true},
		{"500 in the turn of the ACS", []step{informed(), gpv, status(500)}, nil, &code, true},
		{"redirect without Location", []step{status(302)}, cpe.ErrProtocol, nil, false},
		{"redirect to a file", []step{status(302, "Location", "file:///etc/passwd")}, cpe.ErrProtocol, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, c.steps...)
				defer r.stop()
				r.client.Raise(boot...)
				s := r.sessions(1)
				if c.is != nil && !errors.Is(s.Err, c.is) || c.as != nil && !errors.As(s.Err, c.as) || s.Err == nil {
					t.Errorf("failure: got %v, want %v %T", s.Err, c.is, c.as)
				}
				if s.Informed != c.informed {
					t.Errorf("Informed: got %t, want %t", s.Informed, c.informed)
				}
				if got, want := len(r.client.Pending()) == 0, c.informed; got != want {
					t.Errorf("events delivered: got %t, want %t", got, want)
				}
			})
		})
	}
}

// A Device that breaks the session off leaves the request unanswered.
func TestDeviceBreaksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, informed(), reply(&cwmp.Reboot{CommandKey: "x"}))
		defer r.stop()
		r.dev.answer = func(cwmp.Request) (cwmp.Response, error) { return nil, errors.New("no power") }
		r.client.Raise(boot...)
		s := r.sessions(1)
		if !errors.Is(s.Err, cpe.ErrBroken) || !slices.Equal(s.Methods, []string{"Reboot"}) {
			t.Errorf("session: got %+v, want broken off at Reboot", s)
		}
		r.wantMethods("Inform", "")
	})
}

// The retry table of Settings, with RetryCount, and its end after a success
// [TR-069 3.2.1.1].
func TestRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, status(500), status(500), status(500), informed(), done(), informed(), done())
		defer r.stop()
		r.client.Raise(cwmp.Event{Code: cwmp.EventConnectionRequest}, cwmp.Event{Code: cwmp.EventValueChange})
		last := time.Now()
		for n := range uint32(4) {
			s := r.sessions(1)
			if s.RetryCount != n {
				t.Errorf("session %d: RetryCount %d", n, s.RetryCount)
			}
			least, most := time.Duration(0), time.Duration(0)
			if n > 0 {
				least, most = cpe.Retry{}.Range(n)
			}
			if got := time.Since(last); got < least || got > most {
				t.Errorf("session %d after %s, want %s to %s", n, got, least, most)
			}
			last = time.Now()
		}
		if got, want := codes(r.acs.inform(1).Events), []string{cwmp.EventValueChange}; !slices.Equal(got, want) {
			t.Errorf("events of the retry: got %q, want %q", got, want)
		}
		r.client.Raise(cwmp.Event{Code: cwmp.EventValueChange})
		if s := r.sessions(1); s.RetryCount != 0 {
			t.Errorf("RetryCount after success: got %d, want 0", s.RetryCount)
		}
	})
}

// 503 with Retry-After takes the place of the table; a new event does not
// wait for it and keeps the count.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, status(503, "Retry-After", "90"), status(503, "Retry-After", "90"), informed(), done())
		defer r.stop()
		start := time.Now()
		r.client.Raise(boot...)
		r.sessions(2)
		if got := time.Since(start); got != 90*time.Second {
			t.Errorf("second attempt after %s, want 1m30s", got)
		}
		time.AfterFunc(10*time.Second, func() { r.client.Raise(cwmp.Event{Code: cwmp.EventValueChange}) })
		if s := r.sessions(1); s.Err != nil || s.RetryCount != 2 || time.Since(start) != 100*time.Second {
			t.Errorf("third attempt: got %+v after %s, want success as retry 2 after 1m40s", s, time.Since(start))
		}
	})
}

// Digest: the 401 repeats the Inform with the same content, and later POSTs
// carry credentials with a rising nonce count [TR-069 3.4.4].
func TestDigest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const header = "WWW-Authenticate"
		challenge := `Digest realm="acs", nonce="dcd98b", qop="auth-int, auth", opaque="5ccc"`
		r := newRig(t, status(401, header, `Basic realm="acs"`, header, challenge), informed(), done())
		defer r.stop()
		r.client.Raise(boot...)
		if s := r.sessions(1); s.Err != nil {
			t.Fatalf("session: %v", s.Err)
		}
		r.wantMethods("Inform", "Inform", "")
		first, second := r.acs.inform(0), r.acs.inform(1)
		if first.CurrentTime != second.CurrentTime || second.RetryCount != 0 || r.acs.seen[0].env.ID != r.acs.seen[1].env.ID {
			t.Errorf("repeated Inform differs: got %+v, want %+v", second, first)
		}
		for i, nc := range []string{"nc=00000001", "nc=00000002"} {
			got := r.acs.seen[i+1].header.Get("Authorization")
			for _, want := range []string{
				`Digest username="cpe"`, `realm="acs"`, `uri="/cwmp"`, `opaque="5ccc"`, "qop=auth,", nc,
			} {
				if !strings.Contains(got, want) {
					t.Errorf("exchange %d: Authorization %q lacks %s", i+1, got, want)
				}
			}
		}
	})
}

func TestBasic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, status(401, "WWW-Authenticate", `Basic realm="acs"`), informed(), done())
		defer r.stop()
		r.client.Raise(boot...)
		r.sessions(1)
		for i := 1; i <= 2; i++ { // cpe:secret
			if got := r.acs.seen[i].header.Get("Authorization"); got != "Basic Y3BlOnNlY3JldA==" {
				t.Errorf("exchange %d: Authorization %q", i, got)
			}
		}
	})
}

// A redirect repeats the Inform at the new place, where the rest of the
// session stays, without cookies and credentials of the old one.
func TestRedirect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t,
			status(302, "Location", "http://other.example.net/x", "Set-Cookie", "a=b; Path=/"),
			status(307, "Location", "/y"), informed(), done(), informed(), done())
		defer r.stop()
		r.client.Raise(boot...)
		if s := r.sessions(1); s.Err != nil {
			t.Fatalf("session: %v", s.Err)
		}
		var got []string
		for _, e := range r.acs.seen {
			got = append(got, e.host+e.path)
			if c := e.header.Get("Cookie"); c != "" {
				t.Errorf("%s%s got the cookie %q", e.host, e.path, c)
			}
		}
		want := []string{
			"acs.example.net/cwmp", "other.example.net/x", "other.example.net/y", "other.example.net/y",
		}
		if !slices.Equal(got, want) {
			t.Errorf("requests: got %q, want %q", got, want)
		}
		r.client.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
		r.sessions(1)
		if got := r.acs.seen[4].host; got != "acs.example.net" {
			t.Errorf("next session at %q, want the configured ACS", got)
		}
	})
}

func TestRedirectLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		loop := status(302, "Location", "/again")
		r := newRig(t, loop, loop, loop, loop, loop, loop, loop)
		defer r.stop()
		r.client.Raise(boot...)
		if s := r.sessions(1); !errors.Is(s.Err, cpe.ErrProtocol) {
			t.Errorf("session: got %v, want %v", s.Err, cpe.ErrProtocol)
		}
		if got := len(r.acs.methods()); got != 6 {
			t.Errorf("requests: got %d, want 6: the first and five redirects", got)
		}
	})
}

// An endless ACS is broken off at MaxRPCs.
func TestMaxRPCs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gpv := reply(&cwmp.GetParameterValues{Names: []string{"Device."}})
		a, dev, network := &acs{t: t, steps: []step{informed(), gpv, gpv, gpv, gpv}}, newDevice(), newPipes()
		r := runRig(t, a, dev, network, cpe.Options{Device: dev, Dial: network.dial, MaxRPCs: 2})
		defer r.stop()
		r.client.Raise(boot...)
		if s := r.sessions(1); !errors.Is(s.Err, cpe.ErrTooManyRPCs) {
			t.Errorf("session: got %v, want %v", s.Err, cpe.ErrTooManyRPCs)
		}
		r.wantMethods("Inform", "", "GetParameterValuesResponse", "GetParameterValuesResponse")
	})
}

// An ACS that does not answer costs Timeout.
func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		r := newRig(t, func(http.ResponseWriter, exchange) { <-block })
		defer r.stop()
		defer close(block)
		start := time.Now()
		r.client.Raise(boot...)
		s := r.sessions(1)
		if got := time.Since(start); s.Err == nil || got != cpe.DefaultTimeout {
			t.Errorf("session: got %v after %s, want a failure after %s", s.Err, got, cpe.DefaultTimeout)
		}
	})
}
