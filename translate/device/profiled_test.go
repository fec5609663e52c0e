// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/cwmp/soap"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/profile"
)

// table has one row, for the firmware 1 of the box.
func table(t *testing.T, p profile.Profile) *profile.Table {
	t.Helper()
	tab, err := profile.NewTable([]profile.Row{{For: profile.Model{OUI: boxID.OUI, SoftwareVersion: "1.*"}, Profile: p}})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func informOf(serial, firmware string) *cwmp.Inform {
	in := inform("2 PERIODIC")
	in.DeviceID.SerialNumber = serial
	in.Params = append(in.Params, cwmp.ParameterValue{
		Name: "InternetGatewayDevice.DeviceInfo.SoftwareVersion", Value: firmware,
	})
	return in
}

// What is written down of a firmware is how the sessions of CPE with it are served
// [quirk 35, quirk 36, quirk 37, quirk 60, quirk 61].
func TestQuirk37SessionsByProfile(t *testing.T) {
	o := device.Options{KeepLogin: true, Profiles: table(t, profile.Profile{
		EndWith200: true, FarewellPosts: 2, Cookieless: true, MinimalHeader: true, NoRequests: true,
		Header: []string{"SOAPServer: uspgate", "x-odd:1"}, SessionTimeout: time.Minute,
		Booleans: profile.Words, WholeSeconds: true,
	})}
	bubble(t, o, func(env bed) {
		t, f := env.T, env.fleet

		want := acs.Profile{
			EndWith200: true, FarewellPosts: 2, Cookieless: true, MinimalHeader: true, NoRequests: true,
			Header: map[string][]string{"SOAPServer": {"uspgate"}, "x-odd": {"1"}}, SessionTimeout: time.Minute,
			Style: soap.Style{Booleans: soap.BooleansWords, WholeSeconds: true},
		}
		if got := f.Profile(informOf("7", "1.2")); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if got := f.Profile(informOf("7", "2.1")); !reflect.DeepEqual(got, acs.Profile{}) {
			t.Errorf("another firmware: got %+v, want nothing", got)
		}
	})
}

// What two CPE of a model have shown the third need not show.
func TestQuirk28And41AreOfTheModel(t *testing.T) {
	bubble(t, device.Options{KeepLogin: true}, func(env bed) {
		t, f := env.T, env.fleet

		find := func(serial string, kinds ...acs.FindingKind) {
			id := boxID
			id.SerialNumber = serial
			for _, k := range kinds {
				f.Found(acs.Finding{Kind: k, Device: id})
			}
		}
		find("1", acs.FoundCookieless, acs.FoundInformLoop)
		find("1", acs.FoundCookieless)
		if got := f.Profile(informOf("3", "1")); !reflect.DeepEqual(got, acs.Profile{}) {
			t.Errorf("got %+v of a CPE whose sister is odd, want nothing", got)
		}
		find("2", acs.FoundCookieless)
		if got := f.Profile(informOf("3", "1")); !reflect.DeepEqual(got, acs.Profile{Cookieless: true}) {
			t.Errorf("got %+v, want what two sisters have: Cookieless", got)
		}
		other := informOf("3", "1")
		other.DeviceID.ProductClass = "Other"
		if got := f.Profile(other); !reflect.DeepEqual(got, acs.Profile{}) {
			t.Errorf("got %+v of another model, want nothing", got)
		}
		want := []profile.Trait{
			{Name: "end_with_200", Value: "true", From: device.LearnedOfCPE},
			{Name: "cookieless", Value: "true", From: device.LearnedOfModel},
			{Name: "minimal_header", Value: "true", From: device.LearnedOfCPE},
		}
		got := profile.Traits(f.Layers(boxID, "1", device.Found{InformLoop: true}))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// A CPE is woken in the ways of its Profile, whatever it says itself.
func TestWaysByProfile(t *testing.T) {
	for _, tc := range []struct{ firmware, want string }{{"1.2", "STUN,HTTP"}, {"2.1", "XMPP"}} {
		t.Run(tc.want, func(t *testing.T) { wokenBy(t, tc.firmware, tc.want) })
	}
}

// wokenBy has a CPE woken that says XMPP, and that may have a Profile.
func wokenBy(t *testing.T, firmware, ways string) {
	t.Helper()
	w := &waker{}
	o := device.Options{
		KeepLogin: true, Waker: w, Profiles: table(t, profile.Profile{ConnectionRequest: []string{"udp", "http"}}),
	}
	bubble(t, o, func(env bed) {
		t, f := env.T, env.fleet

		in := informOf("1", firmware)
		in.Params = append(in.Params, cwmp.ParameterValue{
			Name: "InternetGatewayDevice.ManagementServer.SupportedConnReqMethods", Value: "XMPP",
		})
		v := open(t, f, in)
		v.end(nil)
		c := call(t.Context(), f.Device(boxID), getA)
		synctest.Wait()
		if w.count() != 1 || w.calls[0].Methods != ways {
			t.Errorf("got %+v, want one wake by %s", w.calls, ways)
		}
		v = open(t, f, in)
		v.next(nil, getA)
		v.end(gotA)
		want(t, c, gotA, nil)
	})
}

// What a CPE does not say in its Informs is taken from what it is asked for.
func TestWaysAreRead(t *testing.T) {
	keeper := &shelf{}
	bubble(t, device.Options{KeepLogin: true, Keeper: keeper}, func(env bed) {
		t, f := env.T, env.fleet

		const ms = "InternetGatewayDevice.ManagementServer."
		got := &cwmp.GetParameterValuesResponse{Params: []cwmp.ParameterValue{
			{Name: ms + "ConnReqJabberID", Value: "cpe@example.net/1"},
			{Name: ms + "SupportedConnReqMethods", Value: "HTTP,XMPP"},
			{Name: ms + "STUNUsername", Value: "stun"},
			{Name: ms + "UDPConnectionRequestAddress", Value: "192.0.2.7:5000"},
			{Name: ms + "ConnectionRequestURL", NoValue: true},
			{Name: "InternetGatewayDevice.Services.ManagementServer.ParameterKey", Value: "no"},
		}}
		v := open(t, f, inform("2 PERIODIC"))
		c := call(t.Context(), f.Device(boxID), getA)
		v.next(nil, getA)
		v.end(got)
		want(t, c, got, nil)
		known := keeper.known[boxID.Key()]
		if known.JID != "cpe@example.net/1" || known.Methods != "HTTP,XMPP" || known.STUNUsername != "stun" ||
			known.UDPAddress != "192.0.2.7:5000" || known.ConnectionRequestURL != boxURL || known.ParameterKey != "pk" {
			t.Errorf("got %+v kept, want what was read", known)
		}
	})
}
