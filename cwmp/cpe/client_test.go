// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/cpe"
)

// Periodic Informs come in their interval, or on the phase of PeriodicTime.
func TestPeriodic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		phase func(now time.Time) time.Time
		first time.Duration
	}{
		{"interval", func(time.Time) time.Time { return time.Time{} }, time.Minute},
		{"phase in the past", func(now time.Time) time.Time { return now.Add(-10 * time.Second) }, 50 * time.Second},
		{"phase in the future", func(now time.Time) time.Time { return now.Add(90 * time.Second) }, 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, informed(), done(), informed(), done())
				defer r.stop()
				start := time.Now()
				r.dev.change(func(s *cpe.Settings) {
					s.PeriodicInterval, s.PeriodicTime = time.Minute, c.phase(start)
				})
				r.client.Refresh()
				for i := range 2 {
					r.sessions(1)
					if got, want := time.Since(start), c.first+time.Duration(i)*time.Minute; got != want {
						t.Errorf("periodic Inform %d after %s, want %s", i, got, want)
					}
					if got := codes(r.acs.inform(2 * i).Events); !slices.Equal(got, []string{cwmp.EventPeriodic}) {
						t.Errorf("events: got %q", got)
					}
				}
			})
		})
	}
}

// A session for another reason does not move the periodic Informs.
func TestPeriodicIsNotMoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, informed(), done(), informed(), done())
		defer r.stop()
		start := time.Now()
		r.dev.change(func(s *cpe.Settings) { s.PeriodicInterval = time.Minute })
		r.client.Refresh()
		time.AfterFunc(40*time.Second, func() { r.client.Raise(cwmp.Event{Code: cwmp.EventConnectionRequest}) })
		r.sessions(2)
		if got := time.Since(start); got != time.Minute {
			t.Errorf("periodic Inform after %s, want 1m0s", got)
		}
	})
}

// What is raised as a session begins is said in it, and in no other.
func TestRaisedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, informed(), done())
		defer r.stop()
		synctest.Wait()
		change := cwmp.Event{Code: cwmp.EventValueChange}
		r.dev.mu.Lock()
		r.dev.asked = func() { r.client.Raise(change) }
		r.dev.mu.Unlock()
		r.client.Raise(boot...)
		r.sessions(1)
		synctest.Wait()
		if got := codes(r.acs.inform(0).Events); !slices.Contains(got, change.Code) {
			t.Errorf("events: got %q, want all that was raised", got)
		}
		if got := len(r.acs.seen); got != 2 {
			t.Errorf("got %d POSTs, want those of one session", got)
		}
	})
}

// A new ACS URL is told 0 BOOTSTRAP at once, and nothing else
// [TR-069 3.7.1.5].
func TestNewURL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, informed(), reply(&cwmp.SetParameterValues{}), done(), informed(), done())
		defer r.stop()
		r.dev.answer = func(cwmp.Request) (cwmp.Response, error) {
			r.dev.change(func(s *cpe.Settings) { s.URL = "http://new.example.net/" })
			r.client.Note(cwmp.Event{Code: cwmp.EventValueChange})
			return &cwmp.SetParameterValuesResponse{}, nil
		}
		r.client.Raise(boot...)
		r.sessions(2)
		if got := r.acs.seen[3].host; got != "new.example.net" {
			t.Errorf("second session at %q, want new.example.net", got)
		}
		if got := codes(r.acs.inform(3).Events); !slices.Equal(got, []string{cwmp.EventBootstrap}) {
			t.Errorf("events: got %q, want 0 BOOTSTRAP only", got)
		}
	})
}

// Which events survive what [TR-069 3.7.1.5].
func TestEventsSurvive(t *testing.T) {
	t.Parallel()
	single := func(codes ...string) []cwmp.Event {
		var out []cwmp.Event
		for _, c := range codes {
			out = append(out, cwmp.Event{Code: c})
		}
		return out
	}
	keyed := []cwmp.Event{{Code: "M Reboot", CommandKey: "a"}, {Code: "M Reboot", CommandKey: "b"}}
	for _, c := range []struct {
		name   string
		events []cwmp.Event
		failed []string // after a failed session
		reboot []string // after a reboot
	}{
		{
			"connection request", single("6 CONNECTION REQUEST", "14 HEARTBEAT", "2 PERIODIC"),
			[]string{"2 PERIODIC"},
			[]string{"2 PERIODIC"},
		},
		{
			"until reboot", single("1 BOOT", "4 VALUE CHANGE", "8 DIAGNOSTICS COMPLETE", "13 WAKEUP", "3 SCHEDULED"),
			[]string{"1 BOOT", "4 VALUE CHANGE", "8 DIAGNOSTICS COMPLETE", "13 WAKEUP", "3 SCHEDULED"},
			[]string{"3 SCHEDULED"},
		},
		{
			"single and multiple", slices.Concat(single("2 PERIODIC", "2 PERIODIC"), keyed, keyed),
			[]string{"2 PERIODIC", "M Reboot", "M Reboot"},
			[]string{"2 PERIODIC", "M Reboot", "M Reboot"},
		},
		{
			"bootstrap drops the others", slices.Concat(single("2 PERIODIC"), keyed, single("0 BOOTSTRAP", "1 BOOT")),
			[]string{"0 BOOTSTRAP", "1 BOOT"},
			[]string{"0 BOOTSTRAP"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, status(500))
				r.client.Raise(c.events...)
				r.sessions(1)
				if got := codes(r.client.Pending()); !slices.Equal(got, c.failed) {
					t.Errorf("after a failed session: got %q, want %q", got, c.failed)
				}
				r.stop()
				if got := codes(r.client.Pending()); !slices.Equal(got, c.reboot) {
					t.Errorf("after a reboot: got %q, want %q", got, c.reboot)
				}
			})
		})
	}
}

// The event list of an Inform has 64 entries at most; the oldest M event gives
// way, the others stay.
func TestEventsBounded(t *testing.T) {
	t.Parallel()
	c, err := cpe.New(cpe.Options{Device: newDevice()})
	if err != nil {
		t.Fatal(err)
	}
	c.Note(cwmp.Event{Code: cwmp.EventPeriodic})
	for i := range 100 {
		c.Note(cwmp.Event{Code: cwmp.EventMReboot, CommandKey: fmt.Sprint(i)})
	}
	got := c.Pending()
	if len(got) != 64 || got[0].Code != cwmp.EventPeriodic || got[63].CommandKey != "99" {
		t.Errorf("pending: got %d events, %v first and %v last, want 64, 2 PERIODIC, 99", len(got), got[0], got[len(got)-1])
	}
	accepted := 0
	for range 100 {
		if c.Defer(&cwmp.TransferComplete{}) {
			accepted++
		}
	}
	if accepted != 64 {
		t.Errorf("own requests accepted: got %d, want 64", accepted)
	}
}

// What is raised between the Inform and its response is not lost with it.
func TestEventDuringInform(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r *rig
		change := cwmp.Event{Code: cwmp.EventValueChange}
		r = newRig(t, func(w http.ResponseWriter, e exchange) {
			r.client.Raise(change)
			informed()(w, e)
		}, done(), informed(), done())
		defer r.stop()
		r.client.Raise(change)
		r.sessions(2)
		if got := codes(r.acs.inform(2).Events); !slices.Equal(got, []string{cwmp.EventValueChange}) {
			t.Errorf("events of the second session: got %q, want 4 VALUE CHANGE", got)
		}
	})
}

// A refused TransferComplete stays, for the next session.
func TestRefusedRequestStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, informed(), reply(&cwmp.Fault{Code: 8002}), done())
		defer r.stop()
		r.client.Send(&cwmp.TransferComplete{}, cwmp.Event{Code: cwmp.EventTransferComplete})
		if s := r.sessions(1); s.Err != nil {
			t.Fatalf("session: %v", s.Err)
		}
		if got := codes(r.client.Pending()); !slices.Equal(got, []string{cwmp.EventTransferComplete}) {
			t.Errorf("pending: got %q, want 7 TRANSFER COMPLETE", got)
		}
	})
}

// Run is one at a time, and can be called again.
func TestRunTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, informed(), done(), informed(), done())
		r.client.Raise(boot...)
		r.sessions(1)
		if err := r.client.Run(t.Context()); !errors.Is(err, cpe.ErrRunning) {
			t.Errorf("second Run: got %v, want %v", err, cpe.ErrRunning)
		}
		r.stop()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.client.Run(ctx); err != nil {
			t.Errorf("Run after Run: got %v, want nil", err)
		}
	})
}

func TestRetryRange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		retry       cpe.Retry
		n           uint32
		least, most time.Duration
	}{
		{cpe.Retry{}, 1, 5 * time.Second, 10 * time.Second},
		{cpe.Retry{}, 2, 10 * time.Second, 20 * time.Second},
		{cpe.Retry{}, 10, 2560 * time.Second, 5120 * time.Second},
		{cpe.Retry{}, 4_000_000_000, 2560 * time.Second, 5120 * time.Second},
		{cpe.Retry{MinWait: time.Second, Multiplier: 1000}, 7, time.Second, time.Second},
		{cpe.Retry{MinWait: 65535 * time.Second, Multiplier: 65535}, 10, 8760 * time.Hour, 8760 * time.Hour},
	} {
		if least, most := c.retry.Range(c.n); least != c.least || most != c.most {
			t.Errorf("%+v.Range(%d): got %s, %s, want %s, %s", c.retry, c.n, least, most, c.least, c.most)
		}
		if w := c.retry.Wait(c.n, 0.5); w < c.least || w > c.most {
			t.Errorf("%+v.Wait(%d): got %s, want within %s, %s", c.retry, c.n, w, c.least, c.most)
		}
	}
}
