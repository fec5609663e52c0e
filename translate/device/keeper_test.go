// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"errors"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/translate/device"
)

// A Device that sleeps is not in memory: who asks for it, or its CPE, brings it
// back with all that it knows.
func TestRetiredDeviceComesBack(t *testing.T) {
	w, o := &waker{}, &observer{}
	attached := 0
	keeper := &shelf{known: map[cwmp.DeviceID]device.Known{boxID.Key(): {
		Identity: boxID, ConnectionRequestURL: boxURL, LoginSet: true, ParameterKey: "pk", Source: boxInfo.Remote.Addr(),
		Login: device.Login{Username: "u", Password: "p"}, WokenBy: connreq.UDP,
	}}}
	opts := device.Options{Waker: w, Keeper: keeper, Attach: func(*device.Device) (device.Observer, error) {
		attached++
		return o, nil
	}}
	bubble(t, opts, func(env bed) {
		t, f := env.T, env.fleet

		if f.Device(boxID) != nil {
			t.Fatal("got a Device in memory that nobody has asked for")
		}
		d, err := f.Get(boxID)
		if err != nil || d.Identity() != boxID {
			t.Fatalf("got %v, %v, want the box", d, err)
		}
		c := call(t.Context(), d, getA)
		if w.count() != 1 || w.calls[0].Logins[0].Password != "p" || w.calls[0].URL != boxURL {
			t.Fatalf("got wakes %+v, want one with what was kept", w.calls)
		}
		if d.Retire() {
			t.Fatal("a Device with an RPC in its queue has retired")
		}
		v := open(t, f, inform("6 CONNECTION REQUEST"))
		v.next(nil, getA) // no login: it is set
		if d.Retire() {
			t.Fatal("a Device in session has retired")
		}
		v.end(gotA)
		want(t, c, gotA, nil)
		release := d.Hold()
		if d.Retire() {
			t.Fatal("a Device that is held has retired")
		}
		release()
		if !d.Retire() || f.Device(boxID) != nil {
			t.Fatal("a Device with nothing in hand is still in memory")
		}
		open(t, f, inform("2 PERIODIC")).end(nil)
		if attached != 2 || keeper.count() != 0 {
			t.Errorf("got %d Attach and %d saves, want 2 and none: nothing has changed", attached, keeper.count())
		}
		if _, err := f.Get(cwmp.DeviceID{OUI: "00256D", SerialNumber: "none"}); !errors.Is(err, device.ErrUnknownDevice) {
			t.Errorf("got %v for a Device never seen, want ErrUnknownDevice", err)
		}
	})
}

// What an Inform or a TransferComplete has brought is stored before it is
// answered; where that cannot be done, the CPE is to try again.
func TestNothingIsAnsweredUnstored(t *testing.T) {
	full := errors.New("full")
	keeper, o := &shelf{}, &observer{}
	opts := device.Options{KeepLogin: true, Keeper: keeper, Attach: func(*device.Device) (device.Observer, error) {
		return o, nil
	}}
	bubble(t, opts, func(env bed) {
		t, f := env.T, env.fleet
		v := open(t, f, inform("1 BOOT"))
		if keeper.count() != 1 {
			t.Fatalf("got %d saves at the first Inform, want 1", keeper.count())
		}
		o.commit = full
		resp, err := v.s.Request(v.ctx, &cwmp.TransferComplete{CommandKey: "k"})
		if fault, ok := resp.(*cwmp.Fault); err != nil || !ok || fault.Code != cwmp.FaultACSRetryRequest {
			t.Fatalf("got %v, %v, want fault 8005", resp, err)
		}
		v.end(nil)
		if _, err := f.Open(t.Context(), inform("1 BOOT"), boxInfo); !errors.Is(err, full) {
			t.Fatalf("got %v for an Inform that is not stored, want that error", err)
		}
		o.commit = nil
		moved := inform("1 BOOT")
		moved.Params[0].Value = "http://10.0.0.8/cr"
		keeper.err = full
		if _, err := f.Open(t.Context(), moved, boxInfo); !errors.Is(err, full) {
			t.Fatalf("got %v where what is known is not stored, want that error", err)
		}
		keeper.err = nil
		if f.Device(boxID).Retire() {
			t.Fatal("got a Device out of memory that is not stored")
		}
		open(t, f, moved).end(nil)
		if got := keeper.known[boxID.Key()].ConnectionRequestURL; got != "http://10.0.0.8/cr" || !f.Device(boxID).Retire() {
			t.Errorf("got %s, want the address of the Inform that failed, stored by the next", got)
		}
	})
}
