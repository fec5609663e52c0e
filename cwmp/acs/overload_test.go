// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// What is above the rate is sent away before it is parsed, the later the more are
// sent away; the bucket fills again.
func TestSessionRate(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	h := &script{}
	o := acs.Options{SessionRate: 10, SessionBurst: 3, RetryAfter: 4 * time.Second, Metrics: reg}
	bubble(t, h, o, func(b bed) {
		t := b.T
		one := func(serial int) *answer {
			p := b.cpeAt("192.0.2.1")
			a := p.post(inform(strconv.Itoa(serial)))
			if a.code == http.StatusOK {
				p.post("").want(http.StatusNoContent)
			}
			return a
		}
		for i := range 3 {
			one(i).want(http.StatusOK)
		}
		b.cpeAt("192.0.2.1").post("not an envelope").want(http.StatusServiceUnavailable)
		for range 399 {
			n, err := strconv.Atoi(one(9).want(http.StatusServiceUnavailable).head.Get("Retry-After"))
			if err != nil || n < 2 || n > 60 {
				t.Fatalf("got Retry-After %d, %v, want between half the mean and half as much again", n, err)
			}
		}
		// 400 have been sent away: the next should not come before about 40 s.
		if n, err := strconv.Atoi(one(9).want(http.StatusServiceUnavailable).head.Get("Retry-After")); err != nil || n < 20 {
			t.Fatalf("got Retry-After %d, %v, want one for the whole queue", n, err)
		}
		wantCount(t, reg, "uspgate_cwmp_rejected_total", "rate", 401)
		<-time.After(200 * time.Millisecond)
		one(10).want(http.StatusOK)
		one(11).want(http.StatusOK)
		one(12).want(http.StatusServiceUnavailable)
	})
}

// Who somebody waits for is let in, by address or by device, also where all slots
// are taken.
func TestExpected(t *testing.T) {
	var hints sync.Map
	expected := func(hint acs.Hint) bool {
		hints.Store(hint.Device.SerialNumber, hint.Device)
		return hint.Device.SerialNumber == "awaited" || hint.Remote == netip.MustParseAddr("2001:db8::1")
	}
	for name, o := range map[string]acs.Options{
		"above the rate":  {SessionRate: 1, SessionBurst: 1},
		"above the slots": {MaxSessions: 1},
	} {
		t.Run(name, func(t *testing.T) {
			o.Expected = expected
			h := &script{next: []cwmp.Request{getDevice}}
			bubble(t, h, o, func(b bed) {
				t := b.T
				first := b.cpeAt("192.0.2.1")
				first.post(inform("1")).envelope("InformResponse")
				b.cpeAt("192.0.2.1").post(inform("2")).want(http.StatusServiceUnavailable)
				p := b.cpeAt("192.0.2.1")
				p.post(inform("awaited")).envelope("InformResponse")
				p.post("").envelope("GetParameterValues")
				got, _ := hints.Load("awaited")
				if got != (cwmp.DeviceID{OUI: "00256D", ProductClass: "Box", SerialNumber: "awaited"}) {
					t.Fatalf("got hint %v, want the device", got)
				}
				p.hangUp()
				b.cpeAt("192.0.2.1").post(inform("2")).want(http.StatusServiceUnavailable)
				first.post("").envelope("GetParameterValues") // who is in a session goes on
			})
		})
	}
}

// Who is in a session may begin anew, though nobody else may.
func TestNewSessionOutOfAnOldOne(t *testing.T) {
	t.Parallel()
	for _, o := range []acs.Options{{MaxSessions: 1}, {SessionRate: 1, SessionBurst: 1}} {
		h := &script{}
		s := serve(t, h, o)
		p := newCPE(t, s)
		p.post(inform("1")).envelope("InformResponse")
		newCPE(t, s).post(inform("2")).want(http.StatusServiceUnavailable)
		p.post(message("i2", informOf("1", "1 BOOT", "0"))).envelope("InformResponse")
		h.wantClosed(t, acs.ErrReplaced)
		p.post("").want(http.StatusNoContent)
	}
}

// Whatever comes before the DeviceId, and however it is written.
func TestPeekDevice(t *testing.T) {
	t.Parallel()
	want := cwmp.DeviceID{OUI: "00256D", ProductClass: "Box", SerialNumber: "1"}
	for name, body := range map[string]string{
		"as usual":   inform("1"),
		"prefixes":   strings.ReplaceAll(strings.ReplaceAll(inform("1"), "<OUI>", "<x:OUI>"), "</OUI>", "</x:OUI>"),
		"attributes": strings.ReplaceAll(inform("1"), "<OUI>", "<OUI xsi:type=\"xsd:string\" >"),
		"blanks":     strings.ReplaceAll(inform("1"), "<OUI>", "<OUI>\r\n  "),
		"order":      `<DeviceId><SerialNumber>1</SerialNumber><ProductClass>Box</ProductClass><OUI>00256d</OUI>`,
		"escaped":    strings.ReplaceAll(inform("1"), ">Box<", ">B&#111;x<"),
	} {
		if got := acs.PeekDevice([]byte(body)); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	for _, body := range []string{"", "DeviceId", "<DeviceId><OUI", "<DeviceId><OUI>", "<DeviceId><OUI>1", getValues} {
		if got := acs.PeekDevice([]byte(body)); got != (cwmp.DeviceID{}) {
			t.Errorf("%q: got %+v, want nothing", body, got)
		}
	}
}

func FuzzPeekDevice(f *testing.F) {
	f.Add(inform("1"))
	f.Add("<a:DeviceId><x:OUI y='>'>&lt;</x:OUI>")
	f.Fuzz(func(t *testing.T, s string) {
		if d := acs.PeekDevice([]byte(s)); d != d.Key() {
			t.Fatalf("got %+v, want a key", d)
		}
		// What a plain Inform says is found, whatever comes after it.
		if d := acs.PeekDevice([]byte(inform("1") + s)); d.SerialNumber != "1" || d.OUI != "00256D" {
			t.Fatalf("before %q: got %+v, want the device", s, d)
		}
	})
}

// CPE without a session get half of the memory; those with one wait for each other.
func TestMaxMemory(t *testing.T) {
	const half = 64 << 10
	reg := prometheus.NewPedanticRegistry()
	h := &script{next: []cwmp.Request{getDevice, getDevice}}
	o := acs.Options{MaxMemory: 2 * half, Metrics: reg}
	bubble(t, h, o, func(b bed) {
		t := b.T
		big := message("1", getValues) + strings.Repeat(" ", 100<<10)
		var all []*cpe
		for i := range 4 {
			p := b.cpeAt("192.0.2.1")
			p.post(inform(strconv.Itoa(i))).envelope("InformResponse")
			p.post("").envelope("GetParameterValues")
			all = append(all, p)
		}
		// All send but for the last byte: two at most are in the memory.
		text := make([]string, len(all))
		var wg sync.WaitGroup
		for i, p := range all {
			text[i] = p.text(big)
			wg.Go(func() { _, _ = io.WriteString(p.c, text[i][:len(text[i])-1]) })
		}
		synctest.Wait()
		if used := acs.MemoryUsed(b.server); used > 2*half+int64(2*len(big)) {
			t.Fatalf("got %d bytes in use, want at most the bound and one body", used)
		}
		// Somebody without a session is sent away meanwhile.
		stranger := b.cpeAt("192.0.2.9")
		stranger.post(inform("9")).want(http.StatusServiceUnavailable)
		wantCount(t, reg, "uspgate_cwmp_rejected_total", "memory", 1)
		for i, p := range all {
			wg.Go(func() { _, _ = io.WriteString(p.c, text[i][len(text[i])-1:]) })
		}
		for _, p := range all {
			p.read().envelope("GetParameterValues")
		}
		wg.Wait()
		synctest.Wait()
		if used := acs.MemoryUsed(b.server); used != 0 {
			t.Fatalf("got %d bytes in use, want 0", used)
		}
		stranger.post(inform("9")).envelope("InformResponse")
	})
}

// Above MaxConns an address from which a session is open may connect, and no other.
func TestSpareConnections(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	h := &script{next: []cwmp.Request{getDevice}}
	bubble(t, h, acs.Options{MaxConns: 8, Metrics: reg}, func(b bed) {
		t := b.T
		p := b.cpeAt("192.0.2.1")
		p.post(inform("1")).envelope("InformResponse")
		for i := range 7 {
			b.cpeAt("198.51.100." + strconv.Itoa(i)).connect()
		}
		synctest.Wait()
		other := b.cpeAt("198.51.100.9")
		other.connect()
		if _, err := other.r.ReadByte(); err == nil {
			t.Fatal("got a byte, want the connection closed")
		}
		next := b.cpeAt("192.0.2.1")
		next.cookie = p.cookie
		id := next.post("").envelope("GetParameterValues").ID
		next.post(message(id, getValues)).want(http.StatusNoContent)
		wantCount(t, reg, "uspgate_cwmp_rejected_total", "connections", 1)
	})
}

// A connection that is of no session any more is not kept for long.
func TestFreeIdleTimeout(t *testing.T) {
	h := &script{next: []cwmp.Request{getDevice}}
	bubble(t, h, acs.Options{}, func(b bed) {
		t := b.T
		p := b.cpeAt("192.0.2.1")
		p.post(inform("1")).envelope("InformResponse")
		<-time.After(50 * time.Second) // in a session there is more time
		id := p.post("").envelope("GetParameterValues").ID
		p.post(message(id, getValues)).want(http.StatusNoContent)
		start := time.Now()
		_, _ = p.r.ReadByte()
		if got := time.Since(start); got != 15*time.Second {
			t.Fatalf("got the connection closed after %v, want 15s", got)
		}
	})
}

// A storm: a thousand CPE inform at once, and come again when they are told to. All
// are served, none is faulted, whoever is in a session goes on, and who is awaited
// need not wait.
func TestStorm(t *testing.T) {
	h := &script{}
	o := acs.Options{
		SessionRate: 50, SessionBurst: 50, RetryAfter: 5 * time.Second, MaxSessions: 100, MaxConns: 400,
		Expected: func(hint acs.Hint) bool { return hint.Device.SerialNumber == "awaited" },
	}
	bubble(t, h, o, func(b bed) {
		const storm = 1000
		var wg sync.WaitGroup
		var served atomic.Int32
		old := b.cpeAt("192.0.2.1")
		old.post(inform("old")).envelope("InformResponse")
		start := time.Now()
		for i := range storm {
			p := b.cpeAt(fmt.Sprintf("2001:db8:0:%x::1", i))
			wg.Go(func() {
				if p.persist(strconv.Itoa(i)) {
					served.Add(1)
				}
			})
		}
		for range 60 {
			old.post(message("2", complete)).envelope("TransferCompleteResponse")
			<-time.After(time.Second)
		}
		awaited := b.cpeAt("192.0.2.3")
		awaited.post(inform("awaited")).envelope("InformResponse")
		awaited.post("").want(http.StatusNoContent)
		old.post("").want(http.StatusNoContent)
		wg.Wait()
		took := time.Since(start)
		if served.Load() != storm || took > 3*time.Minute {
			b.Fatalf("got %d of %d served after %v, want all within 3m", served.Load(), storm, took)
		}
	})
}

// persist has a session, and until it gets one comes again when it is told to. It
// returns false if it is turned away in any other way.
func (p *cpe) persist(serial string) bool {
	for {
		p.connect()
		code, wait := p.plain(inform(serial))
		switch code {
		case http.StatusOK:
			code, _ = p.plain("")
			return code == http.StatusNoContent
		case http.StatusServiceUnavailable:
			<-time.After(time.Duration(wait) * time.Second)
		case 0: // the connection was closed
			<-time.After(5 * time.Second)
		default:
			return false
		}
	}
}

// plain posts and returns the status, 0 for none, and Retry-After.
func (p *cpe) plain(body string) (code, wait int) {
	defer func() {
		if code != http.StatusOK {
			p.hangUp()
		}
	}()
	if _, err := io.WriteString(p.c, p.text(body)); err != nil {
		return 0, 0
	}
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		return 0, 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	if c := resp.Header.Get("Set-Cookie"); c != "" {
		p.cookie, _, _ = strings.Cut(c, ";")
	}
	wait, _ = strconv.Atoi(resp.Header.Get("Retry-After"))
	return resp.StatusCode, wait
}
