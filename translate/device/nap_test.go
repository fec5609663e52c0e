// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/translate/device"
)

// napping has a box whose last Inform was "2 PERIODIC" and whose Device and Observer,
// who is deaf to the values of some parameters, are not in memory any more.
func napping(t *testing.T, keeper *shelf, f func(b bed, o *observer), deaf ...string) {
	t.Helper()
	o := &observer{}
	var rest device.Rest
	keeper.known = map[cwmp.DeviceID]device.Known{boxID.Key(): {
		Identity: boxID, ConnectionRequestURL: boxURL, ParameterKey: "pk", Source: boxInfo.Remote.Addr(),
	}}
	opts := device.Options{
		KeepLogin: true, Keeper: keeper, Attach: func(*device.Device) (device.Observer, error) { return o, nil },
		Resting: func(cwmp.DeviceID) device.Rest { return rest },
		Renew:   func(_ cwmp.DeviceID, was, now device.Rest) { rest = now },
	}
	bubble(t, opts, func(b bed) {
		v := open(b.T, b.fleet, inform("2 PERIODIC"))
		v.end(nil)
		d := b.fleet.Device(boxID)
		mask := uint64(0)
		for i, p := range inform("2 PERIODIC").Params {
			if slices.Contains(deaf, p.Name) {
				mask |= 1 << i
			}
		}
		if rest = d.Rest(mask); rest.Whole == 0 || !d.Retire() {
			b.Fatalf("got %+v, and a Device that may not leave", rest)
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
		"another address": {"2 PERIODIC", from("10.9.9.9:1"), false},
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

// What an Observer does not listen to is kept for it, with how the CPE is called now, and
// it sleeps on; anything else wakes it.
func TestDeferred(t *testing.T) {
	const url = "http://192.0.2.77:7547/new"
	set := func(leaf, value string) func(*cwmp.Inform, *acs.Info) {
		return func(in *cwmp.Inform, _ *acs.Info) {
			for i := range in.Params {
				if in.Params[i].Name == "InternetGatewayDevice."+leaf {
					in.Params[i].Value = value
				}
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*cwmp.Inform, *acs.Info)
		wakes  bool
		known  device.Known // what of it is compared
	}{
		"another URL": {
			set("ManagementServer.ConnectionRequestURL", url), false,
			device.Known{ConnectionRequestURL: url, Source: boxInfo.Remote.Addr()},
		},
		"another address": {
			func(_ *cwmp.Inform, info *acs.Info) { info.Remote = netip.MustParseAddrPort("10.9.9.9:1") }, false,
			device.Known{ConnectionRequestURL: boxURL, Source: netip.MustParseAddr("10.9.9.9")},
		},
		"what is heard": {set("ManagementServer.ParameterKey", "other"), true, device.Known{}},
		"too much":      {set("ManagementServer.ConnectionRequestURL", strings.Repeat("u", 9<<10)), true, device.Known{}},
		"another name": {func(in *cwmp.Inform, _ *acs.Info) {
			in.Params = append(in.Params, cwmp.ParameterValue{Name: "Device.X", Value: "1"})
		}, true, device.Known{}},
	} {
		t.Run(name, func(t *testing.T) {
			keeper := &shelf{}
			deaf(t, keeper, func(b bed, o *observer) {
				in, info := inform("4 VALUE CHANGE"), boxInfo
				c.change(in, &info)
				s, err := b.fleet.Open(b.Context(), in, info)
				if err != nil {
					b.Fatal(err)
				}
				(&visit{t: b.T, s: s, ctx: b.Context()}).end(nil)
				if woken := len(o.events) > 0; woken != c.wakes {
					b.Fatalf("got %v, want the Observer told: %t", o.events, c.wakes)
				}
				if c.wakes {
					return
				}
				got := keeper.known[boxID.Key()]
				if got.ConnectionRequestURL != c.known.ConnectionRequestURL || got.Source != c.known.Source {
					b.Errorf("got %+v stored, want %+v", got, c.known)
				}
				wantTold(b, keeper, c.known.ConnectionRequestURL)
			})
		})
	}
}

// deaf has a box as napping does, whose Observer does not listen to its Connection Request URL.
func deaf(t *testing.T, keeper *shelf, f func(b bed, o *observer)) {
	t.Helper()
	napping(t, keeper, f, "InternetGatewayDevice.ManagementServer.ConnectionRequestURL")
}

// wantTold looks at what the Device says when it is back, until its Observer has it.
func wantTold(b bed, keeper *shelf, url string) {
	b.Helper()
	d, err := b.fleet.Get(boxID)
	if err != nil {
		b.Fatal(err)
	}
	told := d.Told()
	const name = "InternetGatewayDevice.ManagementServer.ConnectionRequestURL"
	if len(told) != 1 || told[0].Name != name || told[0].Value != url {
		b.Errorf("got %+v told, want the URL %s", told, url)
	}
	keeper.err = errors.New("full")
	if err := d.ToldKept(); !errors.Is(err, keeper.err) {
		b.Errorf("got %v, want that error", err)
	}
	keeper.err = nil
	if err := d.ToldKept(); err != nil || d.Told() != nil || keeper.known[boxID.Key()].Told != "" {
		b.Errorf("got %v, %v, want nothing left to tell", err, d.Told())
	}
}

// What cannot be stored is not taken: the CPE is refused, and comes again.
func TestDeferredIsStored(t *testing.T) {
	keeper := &shelf{}
	deaf(t, keeper, func(b bed, o *observer) {
		keeper.err = errors.New("full")
		info := boxInfo
		info.Remote = netip.MustParseAddrPort("10.9.9.9:1")
		if _, err := b.fleet.Open(b.Context(), inform("2 PERIODIC"), info); !errors.Is(err, keeper.err) {
			b.Errorf("got %v, want that error", err)
		}
		if len(o.events) > 0 {
			b.Errorf("got %v, want the Observer asleep", o.events)
		}
	})
}
