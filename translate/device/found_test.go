// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	logs "go.uber.org/zap/zaptest/observer"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/translate/device"
)

// Two boxes with one DeviceID are refused and said once, until they are not two any
// more.
func TestQuirk27Quarantine(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	core, lines := logs.New(zap.InfoLevel)
	bubble(t, device.Options{KeepLogin: true, Log: zap.New(core), Metrics: reg}, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		c := call(t.Context(), d, setA)
		twins := boxInfo
		twins.Conflict = &acs.Conflict{Boxes: [2]acs.Box{{Username: "a"}, {Username: "b"}}}
		for range 3 {
			_, err := f.Open(t.Context(), inform("2 PERIODIC"), twins)
			var fault *cwmp.Fault
			if !errors.As(err, &fault) || fault.Code != cwmp.FaultACSRequestDenied {
				t.Fatalf("got %v, want Fault 8001", err)
			}
		}
		waiting(t, c) // neither of them has had it
		if got := gauge(t, reg, "uspgate_quarantined_devices"); got != 1 {
			t.Errorf("got %v in quarantine, want 1", got)
		}
		if !f.InQuarantine(boxID) {
			t.Error("got false for the CPE, want it in quarantine")
		}
		if got := lines.FilterLevelExact(zap.WarnLevel).Len(); got != 1 {
			t.Errorf("got %d warnings, want 1", got)
		}
		v := open(t, f, inform("2 PERIODIC"))
		v.next(nil, setA)
		v.end(setOK)
		want(t, c, setOK, nil)
		if got := gauge(t, reg, "uspgate_quarantined_devices"); got != 0 || f.InQuarantine(boxID) {
			t.Errorf("got %v in quarantine after a session without a conflict, want 0", got)
		}
	})
}

func gauge(t *testing.T, reg prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

// What sessions have shown of a CPE is kept with the Device, is how its next session
// is served, and outlives the process.
func TestQuirk28And41AreRemembered(t *testing.T) {
	keeper := &shelf{}
	var text []byte
	bubble(t, device.Options{KeepLogin: true, Keeper: keeper}, func(env bed) {
		t, f := env.T, env.fleet

		v := open(t, f, inform("1 BOOT"))
		if got := f.Profile(inform("1 BOOT")); got.Cookieless || got.EndWith200 || got.MinimalHeader {
			t.Errorf("got %+v of a CPE of which nothing is known, want nothing", got)
		}
		f.Found(acs.Finding{Kind: acs.FoundCookieless, Device: boxID})
		v.cut(acs.ErrVanished)
		looping := boxInfo
		looping.InformLoop = true
		s, err := f.Open(t.Context(), inform("1 BOOT"), looping)
		if err != nil {
			t.Fatal(err)
		}
		if keeper.known[boxID.Key()].Found.InformLoop {
			t.Error("got a loop kept that has not ended, want it not")
		}
		s.Close(nil)
		if got, want := keeper.known[boxID.Key()].Found, (device.Found{InformLoop: true, Cookieless: true}); got != want {
			t.Errorf("kept: got %+v, want %+v", got, want)
		}
		f.Found(acs.Finding{Kind: acs.FoundInformLoop, Device: boxID})
		if saves := keeper.count(); !f.Device(boxID).Retire() || saves != 3 {
			t.Errorf("got %d saves, want 3 and nothing left to save", saves)
		}
		wantOdd(t, f) // also while it is not in memory
		if text, err = json.Marshal(keeper.known[boxID.Key()]); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("after a restart", func(t *testing.T) {
		var kept device.Known
		if err := json.Unmarshal(text, &kept); err != nil {
			t.Fatal(err)
		}
		shelf := &shelf{known: map[cwmp.DeviceID]device.Known{boxID.Key(): kept}}
		bubble(t, device.Options{KeepLogin: true, Keeper: shelf}, func(env bed) {
			open(env.T, env.fleet, inform("1 BOOT")).end(nil)
			wantOdd(env.T, env.fleet)
		})
	})
}

func wantOdd(t *testing.T, f *device.Fleet) {
	t.Helper()
	got := f.Profile(inform("1 BOOT"))
	if !got.Cookieless || !got.EndWith200 || !got.MinimalHeader || got.NoRequests {
		t.Errorf("got %+v, want Cookieless, EndWith200 and MinimalHeader, and requests", got)
	}
	other := inform("1 BOOT")
	other.DeviceID.SerialNumber = "2"
	if got := f.Profile(other); got.Cookieless {
		t.Errorf("got %+v of another CPE, want nothing", got)
	}
}
