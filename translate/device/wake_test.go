// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/translate/device"
)

func TestOneWakeForAll(t *testing.T) {
	w := &waker{}
	bubble(t, device.Options{KeepLogin: true, Login: device.Login{Username: "u", Password: "p"}, Waker: w},
		func(env bed) {
			t, f := env.T, env.fleet

			d := known(t, f)
			var calls []<-chan outcome
			for range 100 {
				calls = append(calls, call(t.Context(), d, getA))
			}
			want1 := connreq.Target{URL: boxURL, Username: "u", Password: "p", Source: netip.MustParseAddr("192.0.2.7")}
			if w.count() != 1 || w.calls[0] != want1 {
				t.Fatalf("got wakes %+v, want one of %+v", w.calls, want1)
			}
			if !d.Status().Waking {
				t.Fatal("got a Device that is not being woken, want one that is")
			}
			v := open(t, f, inform("6 CONNECTION REQUEST"))
			v.next(nil, getA)
			for range 99 {
				v.next(gotA, getA)
			}
			v.end(gotA)
			for _, c := range calls {
				want(t, c, gotA, nil)
			}
			<-time.After(time.Hour)
			if w.count() != 1 {
				t.Fatalf("got %d wakes, want none after the first", w.count())
			}
		})
}

// gaps are the pauses between wakes.
func (w *waker) gaps() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var gaps []time.Duration
	for i := 1; i < len(w.at); i++ {
		gaps = append(gaps, w.at[i].Sub(w.at[i-1]))
	}
	return gaps
}

func TestWakePauses(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		want []time.Duration
	}{
		{"taken, but nobody comes [quirk 77]", nil, []time.Duration{30e9, 30e9, 30e9}},
		{"unreachable", connreq.ErrUnreachable, []time.Duration{2e9, 4e9, 8e9, 16e9, 30e9, 30e9}},
		{"in a session", connreq.ErrInSession, []time.Duration{2e9, 4e9, 8e9, 16e9, 30e9, 30e9}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := &waker{wake: func(int, connreq.Target) error { return tc.err }}
			bubble(t, device.Options{KeepLogin: true, Waker: w}, func(env bed) {
				t, f := env.T, env.fleet

				d := known(t, f)
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
				defer cancel()
				c := call(ctx, d, getA)
				<-ctx.Done()
				want(t, c, nil, device.ErrNotSent)
				if got := w.gaps(); !slices.Equal(got, tc.want) {
					t.Fatalf("got pauses %v, want %v", got, tc.want)
				}
				n := w.count()
				<-time.After(time.Hour)
				if w.count() != n || d.Status().Waking {
					t.Fatal("got wakes for nobody, want none")
				}
			})
		})
	}
}

// Callers that come and go in haste do not hammer the CPE.
func TestHastyCallers(t *testing.T) {
	w := &waker{}
	bubble(t, device.Options{KeepLogin: true, Waker: w}, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			_, _ = d.Call(ctx, getA)
			cancel()
		}
		if w.count() != 1 {
			t.Fatalf("got %d wakes in 10s, want 1", w.count())
		}
	})
}

// The announced address may be private or old: then that of the last session
// is tried in turn [quirk 80].
func TestWakeAtTheSourceAddress(t *testing.T) {
	w := &waker{wake: func(int, connreq.Target) error { return fmt.Errorf("x: %w", connreq.ErrUnreachable) }}
	bubble(t, device.Options{KeepLogin: true, Waker: w}, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, _ = d.Call(ctx, getA)
		var got []string
		for _, c := range w.calls {
			got = append(got, c.URL)
		}
		elsewhere := "http://192.0.2.7:30005/cr"
		if want := []string{boxURL, elsewhere, boxURL}; !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

// Where the CPE refuses its own login the others are tried at once, and the one
// that fits is remembered [quirk 79].
func TestOtherLogins(t *testing.T) {
	w := &waker{wake: func(_ int, t connreq.Target) error {
		if t.Username != "factory" {
			return connreq.ErrCredentials
		}
		return nil
	}}
	o := device.Options{
		KeepLogin: true, Login: device.Login{Username: "own"}, Waker: w,
		OtherLogins: []device.Login{{Username: "admin"}, {Username: "factory"}},
	}
	bubble(t, o, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		users := func() (list []string) {
			for _, c := range w.calls {
				list = append(list, c.Username)
			}
			return list
		}
		c := call(t.Context(), d, getA)
		if got := users(); !slices.Equal(got, []string{"own", "admin", "factory"}) {
			t.Fatalf("got %q, want one after the other", got)
		}
		v := open(t, f, inform("6 CONNECTION REQUEST"))
		v.next(nil, getA)
		v.end(gotA)
		want(t, c, gotA, nil)
		call(t.Context(), d, getA)
		if got := users(); len(got) != 4 || got[3] != "factory" {
			t.Fatalf("got %q, want factory at once", got)
		}
	})
}

func TestNoWakeWithoutAnAddress(t *testing.T) {
	w := &waker{}
	bubble(t, device.Options{KeepLogin: true, Waker: w}, func(env bed) {
		t, f := env.T, env.fleet

		in := inform("2 PERIODIC")
		in.Params = nil
		open(t, f, in).end(nil)
		c := call(t.Context(), f.Device(boxID), getA)
		if w.count() != 0 {
			t.Fatalf("got %d wakes, want none", w.count())
		}
		// It is served when the CPE comes by itself.
		v := open(t, f, inform("2 PERIODIC"))
		v.next(nil, getA)
		v.end(gotA)
		want(t, c, gotA, nil)
	})
}

// blocker is a Waker whose CPE do not answer.
type blocker chan struct{}

func (b blocker) Wake(ctx context.Context, _ connreq.Target) error {
	select {
	case b <- struct{}{}:
		<-ctx.Done()
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

func TestMaxWakes(t *testing.T) {
	b := make(blocker, 100)
	bubble(t, device.Options{KeepLogin: true, Waker: b, MaxWakes: 2}, func(env bed) {
		t, f := env.T, env.fleet

		ctx, cancel := context.WithCancel(t.Context())
		for i := range 5 {
			in := inform("2 PERIODIC")
			in.DeviceID.SerialNumber = string(rune('a' + i))
			open(t, f, in).end(nil)
			call(ctx, f.Device(in.DeviceID), getA)
		}
		if len(b) != 2 {
			t.Fatalf("got %d CPE called at a time, want 2", len(b))
		}
		cancel()
		synctest.Wait()
	})
}

// loginOf answers the SetParameterValues that gives the CPE its login.
func loginOf(t *testing.T, v *visit) *cwmp.SetParameterValues {
	t.Helper()
	req, err := v.s.Next(v.ctx, nil)
	set, ok := req.(*cwmp.SetParameterValues)
	if err != nil || !ok || len(set.Params) != 2 || set.ParameterKey != "pk" ||
		set.Params[0].Name != "InternetGatewayDevice.ManagementServer.ConnectionRequestUsername" ||
		set.Params[1].Name != "InternetGatewayDevice.ManagementServer.ConnectionRequestPassword" ||
		len(set.Params[0].Value) < 16 || len(set.Params[1].Value) < 20 {
		t.Fatalf("got %+v, %v, want a login for the CPE with the ParameterKey it has", req, err)
	}
	return set
}

func TestLoginIsSetBeforeAllElse(t *testing.T) {
	w := &waker{}
	keeper := &shelf{}
	o := device.Options{Waker: w, Keeper: keeper}
	bubble(t, o, func(env bed) {
		t, f := env.T, env.fleet

		in := inform("0 BOOTSTRAP")
		v := open(t, f, in)
		d := f.Device(boxID)
		c := call(t.Context(), d, setA)
		set := loginOf(t, v)
		v.next(setOK, setA)
		v.end(setOK)
		want(t, c, setOK, nil)

		open(t, f, inform("2 PERIODIC")).end(nil) // once is enough
		call(t.Context(), d, getA)
		if w.count() != 1 || w.calls[0].Username != set.Params[0].Value || w.calls[0].Password != set.Params[1].Value {
			t.Fatalf("got wakes %+v, want one with the login that was set", w.calls)
		}
		last := keeper.known[boxID.Key()]
		if keeper.count() != 2 || !last.LoginSet || last.Login.Password != set.Params[1].Value ||
			last.ConnectionRequestURL != boxURL || last.Identity != boxID {
			t.Fatalf("got %+v, want it saved when made and when set", keeper.known)
		}
		// The same login again when the CPE has forgotten it.
		v = open(t, f, inform("0 BOOTSTRAP"))
		if again := loginOf(t, v); again.Params[1].Value != set.Params[1].Value {
			t.Fatal("got another password, want the same")
		}
		v.cut(acs.ErrVanished)
		// Nobody knows whether the CPE took it: again.
		loginOf(t, open(t, f, inform("2 PERIODIC")))
	})
}

func TestLoginRefused(t *testing.T) {
	bubble(t, device.Options{}, func(env bed) {
		t, f := env.T, env.fleet

		v := open(t, f, inform("1 BOOT"))
		c := call(t.Context(), f.Device(boxID), getA)
		loginOf(t, v)
		v.next(&cwmp.Fault{Code: 9001}, getA)
		v.end(gotA)
		want(t, c, gotA, nil)
		open(t, f, inform("1 BOOT")).end(nil) // and it is not asked again
	})
}

func TestFixedLogin(t *testing.T) {
	o := device.Options{Login: device.Login{Username: "fixed", Password: "secret"}}
	bubble(t, o, func(env bed) {
		t, f := env.T, env.fleet

		v := open(t, f, inform("1 BOOT"))
		req, err := v.s.Next(v.ctx, nil)
		set, ok := req.(*cwmp.SetParameterValues)
		if err != nil || !ok || set.Params[0].Value != "fixed" || set.Params[1].Value != "secret" {
			t.Fatalf("got %+v, %v, want the login of the options", req, err)
		}
		v.end(setOK)
	})
}
