// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// A whole session: Inform, the CPE's request, the ACS's requests, 204.
func TestWholeSession(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice, &cwmp.Reboot{CommandKey: "r"}}}
	p := newCPE(t, serve(t, h, acs.Options{}))

	a := p.post(inform("1"))
	env := a.envelope("InformResponse")
	if env.ID != "i1" || env.Namespace != cwmp.Namespace10 || env.UseVersion != "" || env.HoldRequests {
		t.Fatalf("got InformResponse %+v, want the ID and namespace of the Inform and nothing else", env)
	}
	if c := a.head.Get("Set-Cookie"); !strings.HasSuffix(c, "; Path=/") || len(c) > 512 ||
		strings.ContainsAny(strings.TrimSuffix(c, "; Path=/"), "; ,\"") {
		t.Fatalf("got Set-Cookie %q, want name=token; Path=/ [quirk 29]", c)
	}
	p.post(message("c2", complete)).envelope("TransferCompleteResponse")
	first := p.post("").envelope("GetParameterValues")
	if first.ID == "" || first.NoID {
		t.Fatalf("got request %+v, want an ID of the ACS", first)
	}
	second := p.post(message(first.ID, getValues)).envelope("Reboot")
	if second.ID == first.ID {
		t.Fatalf("got ID %q twice, want one for each request", first.ID)
	}
	end := p.post(message(second.ID, "<cwmp:RebootResponse/>")).want(http.StatusNoContent)
	if end.body != "" || end.head.Get("Connection") == "close" {
		t.Fatalf("got %+v, want 204 on a connection that stays", end)
	}
	h.wantClosed(t, nil)
	if len(h.requests) != 1 || len(h.answers) != 2 {
		t.Fatalf("got %d requests and %d answers, want 1 and 2", len(h.requests), len(h.answers))
	}
}

func TestNamespaceIsEchoed(t *testing.T) {
	t.Parallel()
	for _, ns := range []string{
		"urn:dslforum-org:cwmp-1-0", "urn:dslforum-org:cwmp-1-1", "urn:dslforum-org:cwmp-1-2",
		"urn:dslforum-org:cwmp-1-3", "urn:dslforum-org:cwmp-1-4",
	} {
		t.Run(ns, func(t *testing.T) {
			t.Parallel()
			p := newCPE(t, serve(t, &script{next: []cwmp.Request{getDevice}}, acs.Options{}))
			env := p.post(envelope(ns, "7", "", informOf("1", "1 BOOT", "0"))).envelope("InformResponse")
			req := p.post("").envelope("GetParameterValues")
			if env.Namespace != ns || req.Namespace != ns {
				t.Fatalf("got %q and %q, want %q", env.Namespace, req.Namespace, ns)
			}
		})
	}
}

func TestVersionNegotiation(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, supported, use, ns string }{
		{"newest of the list", "1.0,1.1,1.2,1.3,1.4", "1.4", cwmp.Namespace12},
		{"blanks, not sorted", " 1.3 , 1.2", "1.3", cwmp.Namespace12},
		{"newer than we know", "1.2,1.9", "1.2", cwmp.Namespace12},
		{"old one takes its namespace", "1.0, 1.1", "1.1", cwmp.Namespace11},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newCPE(t, serve(t, &script{}, acs.Options{}))
			head := `<cwmp:SupportedCWMPVersions s:mustUnderstand="0">` + tc.supported + `</cwmp:SupportedCWMPVersions>`
			a := p.post(envelope(cwmp.Namespace12, "7", head, informOf("1", "1 BOOT", "0")))
			env := a.envelope("InformResponse")
			if !strings.Contains(a.body, ">"+tc.use+"</cwmp:UseCWMPVersion>") || env.Namespace != tc.ns {
				t.Fatalf("got %s, want UseCWMPVersion %s in %s", a.body, tc.use, tc.ns)
			}
		})
	}
	t.Run("nothing in common", func(t *testing.T) {
		t.Parallel()
		h := &script{}
		p := newCPE(t, serve(t, h, acs.Options{}))
		head := `<cwmp:SupportedCWMPVersions>2.0</cwmp:SupportedCWMPVersions>`
		p.post(envelope(cwmp.Namespace12, "7", head, informOf("1", "1 BOOT", "0"))).fault(8006)
		if h.opened() != 0 {
			t.Fatal("got a session, want none")
		}
	})
}

func TestWithoutIDTheAnswerHasNone(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice}}
	p := newCPE(t, serve(t, h, acs.Options{}))
	if env := p.post(message("", informOf("1", "1 BOOT", "0"))).envelope("InformResponse"); !env.NoID {
		t.Fatalf("got ID %q, want none [quirk 4]", env.ID)
	}
	p.post("").envelope("GetParameterValues")
	p.post(message("", getValues)).want(http.StatusNoContent) // by turn, not by ID
	h.wantClosed(t, nil)
}

func TestIdleAnythingElse(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty":     "",
		"response":  message("1", getValues),
		"request":   message("1", complete),
		"malformed": "<s:Envelope",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &script{}
			p := newCPE(t, serve(t, h, acs.Options{}))
			if a := p.post(body).want(http.StatusBadRequest); p.c != nil || a.body != "" {
				t.Fatalf("got %+v, want an empty body and the connection closed", a)
			}
			if h.opened() != 0 {
				t.Fatal("got a session, want none")
			}
		})
	}
}

func TestCPERequests(t *testing.T) {
	t.Parallel()
	p := newCPE(t, serve(t, &script{}, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	p.post(message("2", unknownRequest)).fault(8000)
	env := p.post(message("3", methodsOfACS)).envelope("GetRPCMethodsResponse")
	m, ok := env.Body.(*cwmp.GetRPCMethodsResponse)
	if !ok || strings.Join(m.Methods, ",") != "Inform,GetRPCMethods,TransferComplete" {
		t.Fatalf("got %+v, want what we can", env.Body)
	}
	p.post("").want(http.StatusNoContent)
}

func TestHandlerRefusesARequest(t *testing.T) {
	t.Parallel()
	h := &script{onRequest: func(cwmp.Request) (cwmp.Response, error) {
		return &cwmp.Fault{Code: 8005, Text: "Retry request"}, nil
	}}
	p := newCPE(t, serve(t, h, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	p.post(message("2", complete)).fault(8005)
	p.post("").want(http.StatusNoContent)
}

func TestHandlerFailsInTheSession(t *testing.T) {
	t.Parallel()
	broken := errors.New("no more")
	for name, tc := range map[string]struct {
		h    *script
		body string
	}{
		"request": {
			&script{onRequest: func(cwmp.Request) (cwmp.Response, error) { return nil, broken }},
			message("2", complete),
		},
		"next": {&script{onNext: func(context.Context) error { return broken }}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newCPE(t, serve(t, tc.h, acs.Options{}))
			p.post(inform("1")).envelope("InformResponse")
			if a := p.post(tc.body).want(http.StatusServiceUnavailable); a.head.Get("Retry-After") == "" {
				t.Fatal("got no Retry-After, want one")
			}
			tc.h.wantClosed(t, broken)
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	t.Run("with a fault", func(t *testing.T) {
		t.Parallel()
		h := &script{openErr: &cwmp.Fault{Code: 8005, Text: "Retry request"}}
		p := newCPE(t, serve(t, h, acs.Options{}))
		p.post(inform("1")).fault(8005)
		p.post(inform("1")).fault(8005) // the CPE may go on at once, on the same connection
	})
	t.Run("with a redirect", func(t *testing.T) {
		t.Parallel()
		h := &script{openErr: &acs.RedirectError{URL: "http://acs2.example:7547/x"}}
		p := newCPE(t, serve(t, h, acs.Options{}))
		a := p.post(inform("1")).want(http.StatusTemporaryRedirect)
		if a.head.Get("Location") != "http://acs2.example:7547/x" || a.head.Get("Set-Cookie") != "" {
			t.Fatalf("got %v, want the other ACS and no cookie", a.head)
		}
	})
	t.Run("with an error", func(t *testing.T) {
		t.Parallel()
		h := &script{openErr: errors.New("store is down")}
		p := newCPE(t, serve(t, h, acs.Options{}))
		a := p.post(inform("1")).want(http.StatusServiceUnavailable)
		if a.head.Get("Retry-After") == "" || a.head.Get("Set-Cookie") != "" {
			t.Fatalf("got %v, want Retry-After and no cookie", a.head)
		}
	})
}

func TestFaultIsAResponse(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice}}
	p := newCPE(t, serve(t, h, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	id := p.post("").envelope("GetParameterValues").ID
	p.post(message(id, clientFault)).want(http.StatusNoContent)
	f, ok := h.answers[0].(*cwmp.Fault)
	if !ok || f.Code != 9005 {
		t.Fatalf("got %+v, want fault 9005", h.answers[0])
	}
}

// A response with a stale ID is still the response of this turn [quirk 5].
func TestResponseWithAnotherID(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice}}
	p := newCPE(t, serve(t, h, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	p.post("").envelope("GetParameterValues")
	p.post(message("4711", getValues)).want(http.StatusNoContent)
	if len(h.answers) != 1 {
		t.Fatalf("got %d answers, want 1", len(h.answers))
	}
}

func TestEmptyPostInsteadOfAResponse(t *testing.T) {
	t.Parallel()
	t.Run("a read is sent once more, then the session ends", func(t *testing.T) {
		t.Parallel()
		h := &script{next: []cwmp.Request{getDevice}}
		p := newCPE(t, serve(t, h, acs.Options{}))
		p.post(inform("1")).envelope("InformResponse")
		first := p.post("").envelope("GetParameterValues")
		if again := p.post("").envelope("GetParameterValues"); again.ID != first.ID {
			t.Fatalf("got ID %q, want %q again", again.ID, first.ID)
		}
		p.post("").want(http.StatusNoContent)
		h.wantClosed(t, acs.ErrLost)
	})
	t.Run("the second sending may be answered", func(t *testing.T) {
		t.Parallel()
		h := &script{next: []cwmp.Request{getDevice}}
		p := newCPE(t, serve(t, h, acs.Options{}))
		p.post(inform("1")).envelope("InformResponse")
		p.post("").envelope("GetParameterValues")
		id := p.post("").envelope("GetParameterValues").ID
		p.post(message(id, getValues)).want(http.StatusNoContent)
		h.wantClosed(t, nil)
	})
	t.Run("AddObject is never sent twice", func(t *testing.T) {
		t.Parallel()
		h := &script{next: []cwmp.Request{&cwmp.AddObject{ObjectName: "InternetGatewayDevice.X."}}}
		p := newCPE(t, serve(t, h, acs.Options{}))
		p.post(inform("1")).envelope("InformResponse")
		p.post("").envelope("AddObject")
		p.post("").want(http.StatusNoContent)
		h.wantClosed(t, acs.ErrLost)
	})
}

func TestCPERequestInTheTurnOfTheACS(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice}}
	p := newCPE(t, serve(t, h, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	id := p.post("").envelope("GetParameterValues").ID
	p.post(message("9", complete)).envelope("TransferCompleteResponse")
	p.post(message("10", unknownRequest)).fault(8000)
	p.post(message(id, getValues)).want(http.StatusNoContent) // still owed, and now paid
	h.wantClosed(t, nil)
}

func TestUnknownResponseIsOneToo(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice}}
	p := newCPE(t, serve(t, h, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	id := p.post("").envelope("GetParameterValues").ID
	p.post(message(id, "<cwmp:X_PingResponse/>")).want(http.StatusNoContent)
	if got := h.answers[0].Method(); got != "X_PingResponse" {
		t.Fatalf("got %s, want X_PingResponse", got)
	}
}

func TestResponseThatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice}}
	p := newCPE(t, serve(t, h, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	p.post(message("5", setValues)).envelope("GetParameterValues") // as if the POST were empty
	if len(h.answers) != 0 {
		t.Fatalf("got %d answers, want none", len(h.answers))
	}
}

func TestMalformedInASession(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice}}
	p := newCPE(t, serve(t, h, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	p.post("").envelope("GetParameterValues")
	p.post("<s:Envelope><nonsense").want(http.StatusBadRequest)
	h.wantClosed(t, acs.ErrProtocol)
	p.post("").want(http.StatusBadRequest) // the cookie is worth nothing any more
}

// A second Inform is a repetition, or else begins anew.
func TestQuirk40(t *testing.T) {
	t.Parallel()
	t.Run("retransmitted", func(t *testing.T) {
		t.Parallel()
		h := &script{}
		p := newCPE(t, serve(t, h, acs.Options{}))
		p.post(inform("1")).envelope("InformResponse")
		cookie := p.cookie
		p.post(message("i2", informOf("1", "2 PERIODIC", "0"))).envelope("InformResponse")
		if p.cookie != cookie || h.opened() != 1 {
			t.Fatalf("got %d sessions, want the one again", h.opened())
		}
		p.post("").want(http.StatusNoContent)
	})
	for name, tc := range map[string]struct {
		between bool
		body    string
	}{
		"after something else": {true, inform("1")},
		"with other events":    {false, message("i1", informOf("1", "1 BOOT", "0"))},
		"with a RetryCount":    {false, message("i1", informOf("1", "2 PERIODIC", "1"))},
		"of another device":    {false, inform("2")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &script{}
			p := newCPE(t, serve(t, h, acs.Options{}))
			p.post(inform("1")).envelope("InformResponse")
			if tc.between {
				p.post(message("2", methodsOfACS)).envelope("GetRPCMethodsResponse")
			}
			p.post(tc.body).envelope("InformResponse")
			h.wantClosed(t, acs.ErrReplaced)
			p.post("").want(http.StatusNoContent)
			h.wantClosed(t, nil)
		})
	}
	t.Run("on a new connection", func(t *testing.T) {
		t.Parallel()
		h := &script{next: []cwmp.Request{getDevice}}
		s := serve(t, h, acs.Options{})
		old, p := newCPE(t, s), newCPE(t, s)
		old.post(inform("1")).envelope("InformResponse")
		old.post("").envelope("GetParameterValues")
		p.post(inform("1")).envelope("InformResponse")
		h.wantClosed(t, acs.ErrReplaced)
		old.post(message("1", getValues)).want(http.StatusBadRequest)
		p.post("").envelope("GetParameterValues")
	})
}

// The Session of a CPE that is kept waiting is let go when the CPE comes anew.
func TestReplacedWhileTheHandlerThinks(t *testing.T) {
	t.Parallel()
	thinking := make(chan struct{}, 2)
	h := &script{onNext: func(ctx context.Context) error {
		thinking <- struct{}{}
		<-ctx.Done()
		return context.Cause(ctx)
	}}
	s := serve(t, h, acs.Options{})
	old, p := newCPE(t, s), newCPE(t, s)
	old.post(inform("1")).envelope("InformResponse")
	done := make(chan *answer)
	go func() { done <- old.post("") }()
	<-thinking
	p.post(inform("1")).envelope("InformResponse")
	h.wantClosed(t, acs.ErrReplaced)
	(<-done).want(http.StatusServiceUnavailable)
}
