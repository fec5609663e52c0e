// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// profiled gives every CPE the same Profile.
func profiled(p acs.Profile) acs.Options {
	return acs.Options{Profile: func(*cwmp.Inform) acs.Profile { return p }}
}

// lines returns the raw header lines of the answer to a POST, without its status.
func (p *cpe) lines(body string) []string {
	p.t.Helper()
	p.connect()
	if _, err := p.c.Write([]byte(p.text(body))); err != nil {
		p.t.Fatal(err)
	}
	var all []string
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			p.t.Fatal(err)
		}
		if line = strings.TrimSpace(line); line == "" {
			return all[1:]
		}
		all = append(all, line)
	}
}

// The cookie has a Path that every CPE sends it back for, or the one of its Profile.
func TestQuirk29(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"": "; Path=/", "/acs": "; Path=/acs"} {
		p := newCPE(t, serve(t, &script{}, profiled(acs.Profile{CookiePath: path})))
		c := p.post(inform("1")).head.Get("Set-Cookie")
		if !strings.HasSuffix(c, want) || strings.Count(c, ";") != 1 {
			t.Errorf("got Set-Cookie %q, want %q and nothing else", c, want)
		}
	}
}

// A CPE that returns no cookie and hangs up after each POST is known by its address,
// if that is in its Profile, and found if it is not [quirk 28].
func TestQuirk28(t *testing.T) {
	run := func(t *testing.T, o acs.Options, f func(b bed, h *script)) {
		t.Helper()
		h := &script{next: []cwmp.Request{getDevice}}
		bubble(t, h, o, func(b bed) { f(b, h) })
	}
	open := func(b bed, addr string) *cpe {
		p := b.cpeAt(addr)
		p.header = "Connection: close\r\n"
		p.post(inform(addr)).envelope("InformResponse")
		p.cookie = ""
		return p
	}
	known := profiled(acs.Profile{Cookieless: true})
	t.Run("whole session", func(t *testing.T) {
		run(t, known, func(b bed, h *script) {
			p, other := open(b, "192.0.2.1"), open(b, "2001:db8::1")
			id := p.post("").envelope("GetParameterValues").ID
			p.post(message(id, getValues)).want(http.StatusNoContent)
			h.wantClosed(b.T, nil)
			other.post("").envelope("GetParameterValues")
		})
	})
	t.Run("not with two behind one address", func(t *testing.T) {
		run(t, known, func(b bed, _ *script) {
			p, q := open(b, "192.0.2.1"), b.cpeAt("192.0.2.1")
			q.post(inform("2")).envelope("InformResponse")
			p.post("").want(http.StatusBadRequest)
		})
	})
	f := new(findings)
	t.Run("is found", func(t *testing.T) {
		run(t, acs.Options{Found: f.add}, func(b bed, _ *script) {
			open(b, "192.0.2.1").post("").want(http.StatusBadRequest)
			f.want(b.T, acs.FoundCookieless)
		})
	})
}

// Empty POSTs after the end are answered as often as the Profile says [quirk 35].
func TestQuirk35(t *testing.T) {
	t.Parallel()
	for n, profile := range map[int]acs.Profile{1: {}, 3: {FarewellPosts: 3}} {
		p := newCPE(t, serve(t, &script{}, profiled(profile)))
		p.post(inform("1")).envelope("InformResponse")
		p.post("").want(http.StatusNoContent)
		for range n {
			p.post("").want(http.StatusNoContent)
		}
		p.post("").want(http.StatusBadRequest)
	}
}

// The end is 200 with an empty body, also in the farewell [quirk 36].
func TestQuirk36(t *testing.T) {
	t.Parallel()
	p := newCPE(t, serve(t, &script{}, profiled(acs.Profile{EndWith200: true})))
	p.post(inform("1")).envelope("InformResponse")
	for range 2 {
		if a := p.post("").want(http.StatusOK); a.body != "" || a.head.Get("Content-Length") != "0" {
			t.Fatalf("got %+v, want an empty body", a)
		}
	}
}

// Headers that a CPE wants in answers, spelt as it wants them [quirk 37].
func TestQuirk37(t *testing.T) {
	t.Parallel()
	profile := acs.Profile{Header: http.Header{"SOAPServer": {"GenieACS/1.2"}, "SOAPAction": {""}}}
	p := newCPE(t, serve(t, &script{}, profiled(profile)))
	for _, body := range []string{inform("1"), ""} {
		got := strings.Join(p.lines(body), "\n")
		if !strings.Contains(got, "SOAPServer: GenieACS/1.2") || !strings.Contains(got, "SOAPAction:") {
			t.Errorf("got %q, want both headers as they were spelt", got)
		}
		p.hangUp()
		p.post(inform("1"))
	}
	p = newCPE(t, serve(t, &script{}, acs.Options{}))
	if got := strings.ToLower(strings.Join(p.lines(inform("1")), "\n")); strings.Contains(got, "soap") {
		t.Errorf("got %q, want neither by default", got)
	}
}

// A CPE that informs for ever is answered with as little as can be from the fifth
// time on, which is told once it has worked [quirk 41].
func TestQuirk41(t *testing.T) {
	for name, retransmits := range map[string]bool{"on new connections": false, "on the same one": true} {
		t.Run(name, func(t *testing.T) {
			f := new(findings)
			reg := prometheus.NewPedanticRegistry()
			h := &script{next: []cwmp.Request{getDevice}}
			bubble(t, h, acs.Options{Found: f.add, Metrics: reg}, func(b bed) {
				t := b.T
				p := b.cpeAt("192.0.2.1")
				again := func() {
					if !retransmits {
						p.hangUp()
					}
					<-time.After(time.Minute / 2)
				}
				for range 4 {
					if l := p.post(inform("1")).envelope("InformResponse"); l.HoldRequests {
						t.Fatal("got HoldRequests, want none")
					}
					again()
				}
				got := p.post(inform("1"))
				got.envelope("InformResponse")
				if len(got.head) != 3 || got.head.Get("Date") != "" || got.head.Get("Set-Cookie") == "" {
					t.Fatalf("got %v, want Content-Type, Content-Length and Set-Cookie", got.head)
				}
				f.want(t) // nothing has worked yet
				if a := p.post("").want(http.StatusOK); a.body != "" || len(a.head) != 1 {
					t.Fatalf("got %+v, want 200 with Content-Length 0 and no RPC", a)
				}
				synctest.Wait()
				f.want(t, acs.FoundInformLoop)
				if !retransmits && !h.infos[len(h.infos)-1].InformLoop {
					t.Fatal("got no InformLoop in Info, want the owner to know")
				}
				wantCount(t, reg, "uspgate_cwmp_findings_total", "inform_loop", 1)
				p.post(inform("1")).envelope("InformResponse") // and from now on as the owner says
				p.post("").envelope("GetParameterValues")
			})
		})
	}
}

// What goes on after its Inform is in no loop, however often it comes.
func TestNoLoopWithEmptyPosts(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice}}
	p := newCPE(t, serve(t, h, acs.Options{}))
	for range 9 {
		p.post(inform("1")).envelope("InformResponse")
		p.post("").envelope("GetParameterValues")
		p.hangUp()
	}
	for _, event := range []string{"1 BOOT", "2 PERIODIC", "1 BOOT", "2 PERIODIC", "1 BOOT", "2 PERIODIC"} {
		p.post(message("1", informOf("1", event, "0"))).envelope("InformResponse")
		p.hangUp()
	}
	fail := func(err error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.openErr = err
	}
	fail(errors.New("store is down"))
	for range 9 {
		p.post(inform("1")).want(http.StatusServiceUnavailable)
	}
	fail(nil)
	p.post(inform("1")).envelope("InformResponse")
	p.post("").envelope("GetParameterValues")
}

// TestQuirk81: a RetryCount that is never 0 again makes no session another one.
func TestQuirk81(t *testing.T) {
	t.Parallel()
	f := new(findings)
	p := newCPE(t, serve(t, &script{next: []cwmp.Request{getDevice}}, acs.Options{Found: f.add}))
	for _, retry := range []string{"1", "2", "3", "4", "5", "6", "1485", "4294967295"} {
		p.post(message("1", informOf("1", "2 PERIODIC", retry))).envelope("InformResponse")
		p.post("").envelope("GetParameterValues")
		p.hangUp()
	}
	f.want(t)
}

// What a Profile says of the time between POSTs counts.
func TestProfileSessionTimeout(t *testing.T) {
	h := &script{}
	bubble(t, h, profiled(acs.Profile{SessionTimeout: 7 * time.Second}), func(b bed) {
		b.cpeAt("192.0.2.1").post(inform("1")).envelope("InformResponse")
		h.wantClosedAfter(b.T, 7*time.Second, acs.ErrTimeout)
	})
}
