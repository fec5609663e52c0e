// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/translate/device"
)

// imported is a login that the operator knows of the box.
var imported = device.Login{Username: "imported", Password: "i"}

func ofBox(id cwmp.DeviceID) device.Login {
	if id.Key() == boxID.Key() {
		return imported
	}
	return device.Login{}
}

// A CPE that is new is given the login that was imported for it, and no other.
func TestImportedLoginIsProvisioned(t *testing.T) {
	w := &waker{}
	bubble(t, device.Options{Imported: ofBox, Waker: w}, func(env bed) {
		t, f := env.T, env.fleet

		v := open(t, f, inform("0 BOOTSTRAP"))
		const ms = "InternetGatewayDevice.ManagementServer.ConnectionRequest"
		got, err := v.s.Next(v.ctx, nil)
		want1 := &cwmp.SetParameterValues{
			Params: []cwmp.ParameterValue{
				{Name: ms + "Username", Value: imported.Username, Type: cwmp.TypeString},
				{Name: ms + "Password", Value: imported.Password, Type: cwmp.TypeString},
			},
			ParameterKey: "pk",
		}
		if err != nil || !reflect.DeepEqual(got, want1) {
			t.Fatalf("got %v, %v, want %v", got, err, want1)
		}
		v.end(setOK)
		c := call(t.Context(), f.Device(boxID), getA)
		synctest.Wait()
		if want := []connreq.Login{connreq.Login(imported)}; !reflect.DeepEqual(w.calls[0].Logins, want) {
			t.Errorf("got logins %v, want %v once", w.calls[0].Logins, want)
		}
		v = open(t, f, inform("6 CONNECTION REQUEST"))
		v.next(nil, getA)
		v.end(gotA)
		want(t, c, gotA, nil)
	})
}

// Where logins are left as they are, it is tried before those of all CPE.
func TestQuirk79ImportedLoginIsTried(t *testing.T) {
	w := &waker{}
	o := device.Options{
		KeepLogin: true, Imported: ofBox, Waker: w, OtherLogins: []device.Login{{Username: "factory"}},
	}
	bubble(t, o, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		done := make(chan error, 1)
		go func() {
			r, err := d.Summon(t.Context())
			if r.Method != connreq.UDP {
				err = errors.Join(err, errors.New("not woken by UDP"))
			}
			done <- err
		}()
		synctest.Wait()
		if want := []connreq.Login{connreq.Login(imported), {Username: "factory"}}; w.count() != 1 ||
			!reflect.DeepEqual(w.calls[0].Logins, want) {
			t.Fatalf("got wakes %+v, want one with %v", w.calls, want)
		}
		v := open(t, f, inform("6 CONNECTION REQUEST"))
		if err := <-done; err != nil {
			t.Errorf("Summon: got %v, want the session", err)
		}
		if r, err := d.Summon(t.Context()); err != nil || !r.Began.IsZero() || w.count() != 1 {
			t.Errorf("Summon of one in a session: got %+v, %v, %d wakes, want it left alone", r, err, w.count())
		}
		v.end(nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := d.Summon(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Summon: got %v, want that nobody waits", err)
		}
	})
}

func TestSummonWithoutWaker(t *testing.T) {
	bubble(t, device.Options{KeepLogin: true}, func(env bed) {
		if _, err := known(env.T, env.fleet).Summon(env.Context()); !errors.Is(err, connreq.ErrNoWay) {
			env.Errorf("without a Waker: got %v, want ErrNoWay", err)
		}
	})
}

// Who sleeps is woken without being taken into memory, by all that is known.
func TestSummonOneThatIsNotInMemory(t *testing.T) {
	w, keeper := &waker{}, &shelf{}
	bubble(t, device.Options{KeepLogin: true, Imported: ofBox, Waker: w, Keeper: keeper}, func(env bed) {
		t, f := env.T, env.fleet

		if _, err := f.Summon(t.Context(), boxID); !errors.Is(err, device.ErrUnknownDevice) {
			t.Errorf("of one that has never come: got %v, want ErrUnknownDevice", err)
		}
		open(t, f, inform("2 PERIODIC")).end(nil)
		if !f.Device(boxID).Retire() {
			t.Fatal("got a Device that stays, want it out of memory")
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := f.Summon(ctx, boxID)
			done <- err
		}()
		synctest.Wait()
		if w.count() != 1 || w.calls[0].URL != boxURL || len(w.calls[0].Logins) != 1 || f.Device(boxID) != nil {
			t.Errorf("got %+v, in memory %t, want one wake and no Device", w.calls, f.Device(boxID) != nil)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that nobody waits", err)
		}
	})
}
