// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/cwmp/connreq"
)

type ways = map[connreq.Method]connreq.Requester

// TestQuirk77TakenIsNotASession: 30 s for the session, twice again, then the next
// way; the report says all that.
func TestQuirk77TakenIsNotASession(t *testing.T) {
	h, u, x := &way{name: "h"}, &way{name: "u"}, refuse("x", connreq.ErrUnreachable)
	o := connreq.WakerOptions{Ways: ways{connreq.HTTP: h, connreq.UDP: u, connreq.XMPP: x}}
	inBubble(t, o, func(b bed) {
		t, w := b.T, b.w
		r, err := w.Wake(t.Context(), boxCPE("a"))
		if !errors.Is(err, connreq.ErrNoSession) {
			t.Fatalf("got %v, want ErrNoSession", err)
		}
		if got, want := h.times(), []int{0, 30, 60}; !slices.Equal(got, want) {
			t.Errorf("HTTP: got requests at %v, want %v", got, want)
		}
		if got, want := u.times(), []int{90, 120, 150}; !slices.Equal(got, want) {
			t.Errorf("UDP: got requests at %v, want %v", got, want)
		}
		want := []string{
			"http no_session", "http no_session", "http no_session", "udp no_session", "udp no_session", "udp no_session",
			"xmpp unreachable",
		}
		if got := results(r); !slices.Equal(got, want) || r.Method != "" || r.Ended.Sub(r.Began) != 180*time.Second {
			t.Errorf("got %v, method %q, %v, want %v after 3 min", got, r.Method, r.Ended.Sub(r.Began), want)
		}
		if s := r.Steps[6]; s.To != "x:a" || s.Username != "own" || !strings.Contains(s.Detail, "unreachable") {
			t.Errorf("got %+v, want whom, as whom and why", s)
		}
		if again, ok := w.Report("a"); !ok || !slices.Equal(results(again), want) {
			t.Errorf("got %+v, %v, want the same report later", again, ok)
		}
	})
}

func TestSessionComes(t *testing.T) {
	h, u := refuse("h", connreq.ErrUnreachable), &way{name: "u"}
	o := connreq.WakerOptions{Ways: ways{connreq.HTTP: h, connreq.UDP: u}}
	inBubble(t, o, func(b bed) {
		t, w := b.T, b.w
		done := wakeUp(t.Context(), w, boxCPE("a"))
		<-time.After(29 * time.Second)
		if !w.Waking("a") || w.Waking("b") {
			t.Fatal("want a being woken, and b not")
		}
		w.Arrived("b")
		w.Arrived("a")
		got := <-done
		want := []string{"http unreachable", "udp session"}
		if got.err != nil || got.report.Method != connreq.UDP || got.report.Login.Username != "own" ||
			!slices.Equal(results(got.report), want) {
			t.Fatalf("got %+v, %v, want %v", got.report, got.err, want)
		}
		// What worked last comes first, and at once.
		at := u.count()
		done = wakeUp(t.Context(), w, boxCPE("a"))
		if u.count() != at+1 || h.count() != 1 {
			t.Fatalf("got %d requests by HTTP and %d by UDP, want UDP at once", h.count(), u.count())
		}
		w.Arrived("a")
		<-done
		// Which is also what the owner may know from before.
		c := boxCPE("c")
		c.Last = connreq.UDP
		done = wakeUp(t.Context(), w, c)
		w.Arrived("c")
		if r := (<-done).report; !slices.Equal(results(r), []string{"udp session"}) {
			t.Fatalf("got %v, want UDP first", results(r))
		}
	})
}

// TestSessionDuringTheRequest: a CPE may come before it has answered.
func TestSessionDuringTheRequest(t *testing.T) {
	h := &way{name: "h", hold: true}
	inBubble(t, connreq.WakerOptions{Ways: ways{connreq.HTTP: h}}, func(b bed) {
		t, w := b.T, b.w
		done := wakeUp(t.Context(), w, boxCPE("a"))
		w.Arrived("a")
		got := <-done
		if got.err != nil || got.report.Method != connreq.HTTP ||
			!slices.Equal(results(got.report), []string{"http session"}) {
			t.Fatalf("got %+v, %v, want a session by HTTP", got.report, got.err)
		}
	})
}

// TestOneWakeForAllWaiters: and it goes on while one of them waits.
func TestOneWakeForAllWaiters(t *testing.T) {
	h := &way{name: "h"}
	waking := make(chan string, 2)
	tell := func(key string) { waking <- key }
	inBubble(t, connreq.WakerOptions{Ways: ways{connreq.HTTP: h}, Waking: tell}, func(b bed) {
		t, w := b.T, b.w
		first, cancel := context.WithCancelCause(t.Context())
		why := errors.New("why")
		hasty := wakeUp(first, w, boxCPE("a"))
		var all []<-chan outcome
		for range 100 {
			all = append(all, wakeUp(t.Context(), w, boxCPE("a")))
		}
		cancel(why)
		if got := <-hasty; !errors.Is(got.err, why) || len(got.report.Steps) != 1 {
			t.Fatalf("got %+v, %v, want the cause of its context and the report so far", got.report, got.err)
		}
		w.Arrived("a")
		for _, c := range all {
			if got := <-c; got.err != nil || got.report.Method != connreq.HTTP {
				t.Fatalf("got %+v, %v, want a session for all", got.report, got.err)
			}
		}
		if h.count() != 1 || len(waking) != 1 || <-waking != "a" {
			t.Fatalf("got %d requests, want 1, and one call of Waking", h.count())
		}
	})
}

// TestHastyWaiters: those that come and go neither hammer the CPE nor keep each
// other from the ways after the first.
func TestHastyWaiters(t *testing.T) {
	h, u := &way{name: "h"}, &way{name: "u"}
	o := connreq.WakerOptions{Ways: ways{connreq.HTTP: h, connreq.UDP: u}}
	inBubble(t, o, func(b bed) {
		t, w := b.T, b.w
		for range 2000 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			_, _ = w.Wake(ctx, boxCPE("a"))
			cancel()
		}
		if got, want := h.times(), []int{0, 30, 60, 180}; !slices.Equal(got, want) {
			t.Errorf("HTTP: got requests at %v, want %v", got, want)
		}
		if got, want := u.times(), []int{90, 120, 150}; !slices.Equal(got, want) {
			t.Errorf("UDP: got requests at %v, want %v", got, want)
		}
	})
}

func TestPausesAfterFailure(t *testing.T) {
	h := refuse("h", connreq.ErrUnreachable)
	o := connreq.WakerOptions{Ways: ways{connreq.HTTP: h}}
	inBubble(t, o, func(b bed) {
		t, w := b.T, b.w
		for range 8 {
			if _, err := w.Wake(t.Context(), boxCPE("a")); !errors.Is(err, connreq.ErrNoSession) {
				t.Fatalf("got %v, want ErrNoSession", err)
			}
		}
		if got, want := h.times(), []int{0, 2, 6, 14, 30, 62, 122, 182}; !slices.Equal(got, want) {
			t.Errorf("got requests at %v, want %v", got, want)
		}
		w.Arrived("a") // by itself
		done := wakeUp(t.Context(), w, boxCPE("a"))
		if h.count() != 9 {
			t.Error("got a pause after a session, want none")
		}
		<-done
	})
}

// TestQuirk79Logins: one after the other, at once; and the one that fits first the
// next time.
func TestQuirk79Logins(t *testing.T) {
	h := &way{name: "h", f: func(_ int, _ *connreq.CPE, l connreq.Login) error {
		if l.Username != "factory" {
			return connreq.ErrCredentials
		}
		return nil
	}}
	c := boxCPE("a")
	c.Logins = append(c.Logins, connreq.Login{Username: "admin"}, connreq.Login{Username: "factory"})
	inBubble(t, connreq.WakerOptions{Ways: ways{connreq.HTTP: h}}, func(b bed) {
		t, w := b.T, b.w
		for _, want := range [][]string{{"own", "admin", "factory"}, {"factory"}} {
			h.calls = nil
			done := wakeUp(t.Context(), w, c)
			w.Arrived("a")
			got := <-done
			var users []string
			for _, c := range h.calls {
				users = append(users, c.user)
			}
			if got.err != nil || got.report.Login.Username != "factory" || !slices.Equal(users, want) {
				t.Fatalf("got %v, %v, want %v", users, got.err, want)
			}
		}
		c.Key, c.Logins = "b", c.Logins[:2]
		if r, err := w.Wake(t.Context(), c); !errors.Is(err, connreq.ErrNoSession) || len(r.Steps) != 2 {
			t.Fatalf("got %v, %v, want both refused once", results(r), err)
		}
	})
}

// TestUDPLogins: nobody answers, so each request has the next login.
func TestUDPLogins(t *testing.T) {
	u := &way{name: "u"}
	c := boxCPE("a")
	c.Logins = append(c.Logins, connreq.Login{Username: "factory"})
	inBubble(t, connreq.WakerOptions{Ways: ways{connreq.UDP: u}}, func(b bed) {
		t, w := b.T, b.w
		_, _ = w.Wake(t.Context(), c)
		if len(u.calls) != 3 || u.calls[0].user != "own" || u.calls[1].user != "factory" || u.calls[2].user != "own" {
			t.Fatalf("got %+v, want own, factory, own", u.calls)
		}
	})
}

func TestBusyCPE(t *testing.T) {
	h, u := refuse("h", connreq.ErrInSession), &way{name: "u"}
	o := connreq.WakerOptions{Ways: ways{connreq.HTTP: h, connreq.UDP: u}}
	inBubble(t, o, func(b bed) {
		t, w := b.T, b.w
		done := wakeUp(t.Context(), w, boxCPE("a"))
		<-time.After(15 * time.Second)
		if got, want := h.times(), []int{0, 2, 6}; !slices.Equal(got, want) || u.count() != 1 {
			t.Fatalf("got requests at %v, want %v and then UDP", got, want)
		}
		w.Arrived("a")
		<-done
	})
}

func TestWhatACPESupports(t *testing.T) {
	h, u, x := &way{name: "h"}, &way{name: "u"}, &way{name: "x"}
	for _, tc := range []struct {
		methods string
		want    *way
	}{
		{"", h}, {"HTTP,XMPP,STUN", h}, {"XMPP", x}, {" stun , xmpp", u}, {"none of ours", h},
	} {
		o := connreq.WakerOptions{Ways: ways{connreq.HTTP: h, connreq.UDP: u, connreq.XMPP: x}}
		inBubble(t, o, func(b bed) {
			t, w := b.T, b.w
			n := tc.want.count()
			c := boxCPE("a")
			c.Methods = tc.methods
			done := wakeUp(t.Context(), w, c)
			w.Arrived("a")
			<-done
			if tc.want.count() != n+1 {
				t.Errorf("%q: want %s first", tc.methods, tc.want.name)
			}
		})
	}
	o := connreq.WakerOptions{Order: []connreq.Method{connreq.UDP, connreq.HTTP}, Ways: ways{connreq.HTTP: h}}
	inBubble(t, o, func(b bed) {
		t, w := b.T, b.w
		c := boxCPE("a")
		c.URL = "-"
		if _, err := w.Wake(t.Context(), c); !errors.Is(err, connreq.ErrNoWay) {
			t.Fatalf("got %v, want ErrNoWay", err)
		}
	})
}

func TestRequestsAtATime(t *testing.T) {
	h := &way{name: "h", hold: true}
	o := connreq.WakerOptions{Ways: ways{connreq.HTTP: h}, MaxActive: 10, MaxPerNetwork: 4, MaxWaking: 50}
	inBubble(t, o, func(b bed) {
		t, w := b.T, b.w
		ctx, cancel := context.WithCancel(t.Context())
		var all []<-chan outcome
		add := func(i int, source string) {
			c := boxCPE(strconv.Itoa(i))
			c.Source = netip.MustParseAddr(source)
			all = append(all, wakeUp(ctx, w, c))
		}
		for i := range 20 {
			add(i, "192.0.2."+strconv.Itoa(i))
		}
		if h.most != 4 {
			t.Errorf("got %d requests to one network at a time, want 4", h.most)
		}
		for i := range 30 {
			add(20+i, "198.51."+strconv.Itoa(i)+".1")
		}
		if h.most != 10 {
			t.Errorf("got %d requests at a time, want 10", h.most)
		}
		if _, err := w.Wake(ctx, boxCPE("more")); !errors.Is(err, connreq.ErrTooMany) {
			t.Errorf("got %v, want ErrTooMany", err)
		}
		cancel()
		for _, c := range all {
			if got := <-c; !errors.Is(got.err, context.Canceled) {
				t.Errorf("got %v, want the end of the context", got.err)
			}
		}
		synctest.Wait()
		if h.now != 0 || w.Waking("1") {
			t.Error("got requests that go on, want none")
		}
	})
}

// TestStorm: very many CPE at a time, of which every second one comes.
func TestStorm(t *testing.T) {
	h := &way{name: "h"}
	const n = 5000
	o := connreq.WakerOptions{Ways: ways{connreq.HTTP: h}, MaxActive: 16, Retries: -1}
	inBubble(t, o, func(b bed) {
		t, w := b.T, b.w
		all := make([]<-chan outcome, n)
		for i := range all {
			done := make(chan outcome, 1)
			go func() {
				c := boxCPE(strconv.Itoa(i))
				c.Source = netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})
				r, err := w.Wake(t.Context(), c)
				done <- outcome{r, err}
			}()
			all[i] = done
		}
		synctest.Wait()
		for i := 0; i < n; i += 2 {
			w.Arrived(strconv.Itoa(i))
		}
		for i, c := range all {
			if got := <-c; (got.err == nil) != (i%2 == 0) {
				t.Fatalf("CPE %d: got %v, want a session for every second one", i, got.err)
			}
		}
		if h.count() != n || h.most > 16 {
			t.Fatalf("got %d requests, %d at a time, want %d, at most 16", h.count(), h.most, n)
		}
	})
}

func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &way{name: "h"}
		w := connreq.NewWaker(connreq.WakerOptions{Ways: ways{connreq.HTTP: h}})
		ctx, cancel := context.WithCancel(t.Context())
		done := wakeUp(t.Context(), w, boxCPE("a"))
		cancel()
		if err := w.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if got := <-done; !errors.Is(got.err, connreq.ErrClosed) {
			t.Fatalf("got %v, want ErrClosed", got.err)
		}
		if _, err := w.Wake(t.Context(), boxCPE("a")); !errors.Is(err, connreq.ErrClosed) {
			t.Fatalf("got %v, want ErrClosed", err)
		}
	})
}

func TestRememberedIsBounded(t *testing.T) {
	o := connreq.WakerOptions{
		Ways: ways{connreq.HTTP: refuse("h", connreq.ErrCredentials)}, MaxRemembered: 10,
	}
	inBubble(t, o, func(b bed) {
		t, w := b.T, b.w
		for i := range 30 {
			_, _ = w.Wake(t.Context(), boxCPE(strconv.Itoa(i)))
		}
		_, old := w.Report("19")
		if _, ok := w.Report("29"); !ok || old {
			t.Fatalf("got the last %v, the one before ten %v, want the last ten only", ok, old)
		}
	})
}

func TestWakerMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	client := connreq.New(connreq.Options{Metrics: reg}) // shares the counter
	h := refuse("h", connreq.ErrUnreachable)
	o := connreq.WakerOptions{Ways: ways{connreq.HTTP: h, connreq.UDP: &way{name: "u"}}, Metrics: reg}
	inBubble(t, o, func(b bed) {
		t, w := b.T, b.w
		_ = client.Wake(t.Context(), connreq.Target{URL: "ftp://x"})
		done := wakeUp(t.Context(), w, boxCPE("a"))
		w.Arrived("a")
		<-done
		c := boxCPE("a")
		c.URL = "-"
		_, _ = w.Wake(t.Context(), c)
	})
	want := `# HELP uspgate_connreq_total Connection Requests by method and result.
# TYPE uspgate_connreq_total counter
uspgate_connreq_total{method="http",result="forbidden"} 1
uspgate_connreq_total{method="http",result="unreachable"} 1
uspgate_connreq_total{method="udp",result="ok"} 1
# HELP uspgate_connreq_wakes_total CPE woken, by the method that brought the session and result.
# TYPE uspgate_connreq_wakes_total counter
uspgate_connreq_wakes_total{method="none",result="no_way"} 1
uspgate_connreq_wakes_total{method="udp",result="session"} 1
# HELP uspgate_connreq_waking CPE that are being woken.
# TYPE uspgate_connreq_waking gauge
uspgate_connreq_waking 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Fatal(err)
	}
}
