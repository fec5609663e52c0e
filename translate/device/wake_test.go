// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"context"
	"net/netip"
	"reflect"
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
			want1 := connreq.CPE{
				Key: boxID.String(), URL: boxURL, Logins: []connreq.Login{{Username: "u", Password: "p"}},
				Source: netip.MustParseAddr("192.0.2.7"),
			}
			if w.count() != 1 || !reflect.DeepEqual(w.calls[0], want1) {
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

// Who fails is woken again, as long as somebody waits; the Waker sees to the pauses.
func TestWokenAgain(t *testing.T) {
	for _, tc := range []struct {
		err   error
		want  int
		after time.Duration
	}{
		{connreq.ErrNoSession, 3, 0},
		{connreq.ErrTooMany, 3, 2 * time.Second},
		{connreq.ErrNoWay, 1, 0},
		{connreq.ErrClosed, 1, 0},
	} {
		t.Run(tc.err.Error(), func(t *testing.T) {
			w := &waker{wake: func(n int, _ connreq.CPE) error {
				if n < 3 {
					return tc.err
				}
				return nil
			}}
			bubble(t, device.Options{KeepLogin: true, Waker: w}, func(env bed) {
				t, f := env.T, env.fleet

				d := known(t, f)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				c := call(ctx, d, getA)
				<-time.After(tc.after)
				synctest.Wait()
				if w.count() != tc.want || d.Status().Waking != (tc.want == 3) {
					t.Fatalf("got %d wakes, waking %v, want %d", w.count(), d.Status().Waking, tc.want)
				}
				<-ctx.Done()
				want(t, c, nil, device.ErrNotSent)
				if d.Status().Waking {
					t.Fatal("got a Device that is being woken for nobody")
				}
			})
		})
	}
}

// Who calls just after the last caller has gone is not forgotten.
func TestCallersInTurn(t *testing.T) {
	w := &waker{}
	bubble(t, device.Options{KeepLogin: true, Waker: w}, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			call(ctx, d, getA)
			cancel()
			c := call(t.Context(), d, getA)
			if !d.Status().Waking {
				t.Fatal("got a Device that is not being woken, want one that is")
			}
			v := open(t, f, inform("6 CONNECTION REQUEST"))
			v.next(nil, getA)
			v.end(gotA)
			want(t, c, gotA, nil)
		}
	})
}

// All that the CPE has told is there for the Waker, and what has worked is kept.
func TestWhatTheWakerIsTold(t *testing.T) {
	w, keeper := &waker{}, &shelf{}
	o := device.Options{
		KeepLogin: true, Login: device.Login{Username: "own"}, Waker: w, Keeper: keeper,
		OtherLogins: []device.Login{{Username: "factory"}},
	}
	bubble(t, o, func(env bed) {
		t, f := env.T, env.fleet

		in := inform("2 PERIODIC")
		for name, v := range map[string]string{
			"UDPConnectionRequestAddress": "192.0.2.7:5000", "ConnReqJabberID": "cpe@example.com/r",
			"SupportedConnReqMethods": "HTTP,XMPP,STUN", "STUNUsername": "st",
		} {
			name = "InternetGatewayDevice.ManagementServer." + name
			in.Params = append(in.Params, cwmp.ParameterValue{Name: name, Value: v})
		}
		open(t, f, in).end(nil)
		d := f.Device(boxID)
		for _, last := range []connreq.Method{"", connreq.UDP} {
			c := call(t.Context(), d, getA)
			got := w.calls[w.count()-1]
			want1 := connreq.CPE{
				Key: boxID.String(), URL: boxURL, UDPAddress: "192.0.2.7:5000", STUNUsername: "st", JID: "cpe@example.com/r",
				Methods: "HTTP,XMPP,STUN", Logins: []connreq.Login{{Username: "own"}, {Username: "factory"}},
				Source: netip.MustParseAddr("192.0.2.7"), Last: last,
			}
			if !reflect.DeepEqual(got, want1) {
				t.Fatalf("got %+v, want %+v", got, want1)
			}
			v := open(t, f, inform("6 CONNECTION REQUEST"))
			v.next(nil, getA)
			v.end(gotA)
			want(t, c, gotA, nil)
		}
		if k := keeper.known[boxID.Key()]; k.WokenBy != connreq.UDP {
			t.Fatalf("got %+v, want it kept that UDP worked", k)
		}
	})
}

func TestNoWakeWithoutAnAddress(t *testing.T) {
	w := &waker{wake: func(int, connreq.CPE) error { return connreq.ErrNoWay }}
	bubble(t, device.Options{KeepLogin: true, Waker: w}, func(env bed) {
		t, f := env.T, env.fleet

		in := inform("2 PERIODIC")
		in.Params = nil
		open(t, f, in).end(nil)
		c := call(t.Context(), f.Device(boxID), getA)
		if w.count() != 1 {
			t.Fatalf("got %d wakes, want one that finds no way", w.count())
		}
		// It is served when the CPE comes by itself.
		v := open(t, f, inform("2 PERIODIC"))
		v.next(nil, getA)
		v.end(gotA)
		want(t, c, gotA, nil)
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
		if w.count() != 1 || w.calls[0].Logins[0].Username != set.Params[0].Value ||
			w.calls[0].Logins[0].Password != set.Params[1].Value {
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
