// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/translate/device"
)

// napping has a box whose last Inform was "2 PERIODIC" and whose Device and Observer
// are not in memory any more.
func napping(t *testing.T, keeper *shelf, f func(b bed, o *observer)) {
	t.Helper()
	o := &observer{}
	var sum device.Sum
	keeper.known = map[cwmp.DeviceID]device.Known{boxID.Key(): {
		Identity: boxID, ConnectionRequestURL: boxURL, ParameterKey: "pk", Source: boxInfo.Remote.Addr(),
	}}
	opts := device.Options{
		KeepLogin: true, Keeper: keeper, Attach: func(*device.Device) (device.Observer, error) { return o, nil },
		Unmoved: func(_ cwmp.DeviceID, s device.Sum) bool { return s != 0 && s == sum },
	}
	bubble(t, opts, func(b bed) {
		v := open(b.T, b.fleet, inform("2 PERIODIC"))
		v.end(nil)
		d := b.fleet.Device(boxID)
		if sum = d.Sum(); sum == 0 || !d.Retire() {
			b.Fatalf("got the Sum %d, and a Device that may not leave", sum)
		}
		o.events = nil
		f(b, o)
	})
}

// A CPE to which nothing has happened wakes nobody with its Inform; any other does.
func TestNap(t *testing.T) {
	type change = func(in *cwmp.Inform, info *acs.Info)
	none := func(*cwmp.Inform, *acs.Info) {}
	from := func(remote string) change {
		return func(_ *cwmp.Inform, info *acs.Info) { info.Remote = netip.MustParseAddrPort(remote) }
	}
	for name, c := range map[string]struct {
		event  string
		change change
		wakes  bool
	}{
		"as before":       {"2 PERIODIC", none, false},
		"called":          {"6 CONNECTION REQUEST", none, false},
		"another port":    {"2 PERIODIC", from(boxInfo.Remote.Addr().String() + ":9"), false},
		"another address": {"2 PERIODIC", from("10.9.9.9:1"), true},
		"another value":   {"2 PERIODIC", func(in *cwmp.Inform, _ *acs.Info) { in.Params[0].Value += "x" }, true},
		"one parameter more": {"4 VALUE CHANGE", func(in *cwmp.Inform, _ *acs.Info) {
			in.Params = append(in.Params, cwmp.ParameterValue{Name: "Device.X", Value: "1"})
		}, true},
		"another type": {"2 PERIODIC", func(in *cwmp.Inform, _ *acs.Info) { in.Params[0].Type = cwmp.TypeInt }, true},
		"a boot":       {"1 BOOT", none, true},
		"diagnostics":  {"8 DIAGNOSTICS COMPLETE", none, true},
		"a vendor's":   {"X 00256D BUTTON", none, true},
	} {
		t.Run(name, func(t *testing.T) {
			keeper := &shelf{}
			napping(t, keeper, func(b bed, o *observer) {
				in, info := inform(c.event), boxInfo
				c.change(in, &info)
				s, err := b.fleet.Open(b.Context(), in, info)
				if err != nil {
					b.Fatal(err)
				}
				v := &visit{t: b.T, s: s, ctx: b.Context()}
				v.end(nil)
				if woken := len(o.events) > 0; woken != c.wakes || (b.fleet.Device(boxID) != nil) != c.wakes {
					b.Errorf("got %v, want the Observer told: %t", o.events, c.wakes)
				}
			})
		})
	}
}

// Who wants something of the CPE while it is in such a session gets it there, and so
// does the CPE.
func TestNapEndsWithTheFirstWish(t *testing.T) {
	t.Run("a caller", func(t *testing.T) { napping(t, &shelf{}, napCalled) })
	t.Run("the CPE", func(t *testing.T) { napping(t, &shelf{}, napRequested) })
}

func napCalled(b bed, o *observer) {
	v := open(b.T, b.fleet, inform("2 PERIODIC"))
	d, err := b.fleet.Get(boxID)
	if err != nil {
		b.Fatal(err)
	}
	c := call(b.Context(), d, getA)
	v.next(nil, getA)
	v.end(gotA)
	want(b.T, c, gotA, nil)
	if want := []string{"inform 2 PERIODIC", "commit", "ended"}; !slices.Equal(o.events, want) {
		b.Errorf("got %v, want %v", o.events, want)
	}
}

func napRequested(b bed, o *observer) {
	v := open(b.T, b.fleet, inform("2 PERIODIC"))
	if _, err := v.s.Request(v.ctx, &cwmp.TransferComplete{CommandKey: "k"}); err != nil {
		b.Fatal(err)
	}
	v.end(nil)
	want := []string{"inform 2 PERIODIC", "commit", "transfer k", "commit", "ended"}
	if !slices.Equal(o.events, want) {
		b.Errorf("got %v, want %v", o.events, want)
	}
}

// Where nobody can be woken for it, the session ends.
func TestNapThatCannotEnd(t *testing.T) {
	keeper := &shelf{}
	napping(t, keeper, func(b bed, _ *observer) {
		v := open(b.T, b.fleet, inform("2 PERIODIC"))
		keeper.err = errors.New("full")
		if _, err := v.s.Request(v.ctx, &cwmp.TransferComplete{}); !errors.Is(err, keeper.err) {
			b.Errorf("got %v, want that error", err)
		}
		v.cut(errors.New("cut"))
	})
}
