// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// Each value has the time at which the CPE has given it, in whatever way.
func TestValuesHaveTheirTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "freshness=5m", "fresh=Device.WiFi.+live")
		defer func() { r.stop() }()
		at := func(path string) agent.Value {
			t.Helper()
			list, more, err := r.host.Values(t.Context(), r.agent.EndpointID(), path, 10)
			if err != nil || more || len(list) != 1 || list[0].Path != path {
				t.Fatalf("%s: got %v, %t, %v, want it alone", path, list, more, err)
			}
			return list[0]
		}
		const model, code = "Device.DeviceInfo.ModelName", "Device.DeviceInfo.ProvisioningCode"
		r.inform(events("1_BOOT"))
		synctest.Wait()
		booted := time.Now()
		<-time.After(time.Hour)
		r.cpe.set(code, "x")
		r.inform(events("2_PERIODIC"))
		synctest.Wait()
		informed := time.Now()
		<-time.After(time.Hour)
		r.send("self::ctl", "", split("Get Device.WiFi.SSID.1.SSID"))
		synctest.Wait()
		read := time.Now()
		calls := r.cpe.calls
		for path, want := range map[string]time.Time{
			model: booted, code: informed, "Device.WiFi.SSID.1.SSID": read, "Device.WiFi.SSID.2.SSID": booted,
		} {
			if got := at(path); !got.ReadAt.Equal(want) {
				t.Errorf("%s: got %v, want %v", path, got.ReadAt, want)
			}
		}
		if got := at(code); got.Value != "x" || got.Rule.MaxAge != 5*time.Minute {
			t.Errorf("got %+v, want the value of the Inform, which may be 5 min old", got)
		}
		if got := at("Device.WiFi.SSID.1.SSID").Rule; got.MaxAge != 0 || got.Path != "Device.WiFi." {
			t.Errorf("got %+v, want that of Device.WiFi.", got)
		}
		list, more, err := r.host.Values(t.Context(), r.agent.EndpointID(), "Device.", 3)
		if err != nil || !more || len(list) != 3 {
			t.Errorf("got %d values, %t, %v, want 3 and that there are more", len(list), more, err)
		}
		var e *usp.Error
		if _, _, err := r.host.Values(t.Context(), r.agent.EndpointID(), "Device.Nonsense.", 3); !errors.As(err, &e) {
			t.Errorf("got %v for what is not there, want a *usp.Error", err)
		}
		if _, _, err := r.host.Values(t.Context(), "self::nobody", "Device.", 3); !errors.Is(err, agent.ErrUnknownAgent) {
			t.Errorf("got %v for nobody, want ErrUnknownAgent", err)
		}
		if r.cpe.calls != calls {
			t.Errorf("got %d RPCs, want none", r.cpe.calls-calls)
		}
		r.restart() // what only the Inform has said counts as older
		if got := at(code); !got.ReadAt.Equal(booted.Truncate(time.Second)) {
			t.Errorf("got %v after a restart, want %v", got.ReadAt, booted)
		}
	})
}
