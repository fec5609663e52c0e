// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"cmp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Each deviation is counted when a Controller could notice it, and none of the others.
func TestDeviationsAreCounted(t *testing.T) {
	t.Parallel()
	const image = "Device.DeviceInfo.FirmwareImage.1."
	const download = "Operate " + image + "Download() URL=http://192.0.2.1/f AutoActivate="
	for name, c := range map[string]struct {
		model string        // of the CPE; empty: tr181
		words string        // asked
		then  func(r *rig)  // happens
		wait  time.Duration // after that
	}{
		"activate_one_image": {words: "Operate " + image + "Activate()"},
		"activate_window": {
			words: "Operate " + image + "Activate() TimeWindow.1.Mode=WhenIdle TimeWindow.1.Start=0 TimeWindow.1.End=9",
		},
		"applied_at_once":  {words: download + "false"},
		"image_not_chosen": {words: download + "true"},
		"checksum_unverified": {
			words: "Operate Device.DeviceInfo.VendorConfigFile.1.Restore() " +
				"URL=http://192.0.2.1/f Username= Password= CheckSum=aa",
		},
		"unit_arguments": {
			model: "commands181",
			words: "Operate Device.SoftwareModules.InstallDU() URL=http://192.0.2.1/f Privileged=true",
		},
		"reboot_completion": {
			words: "Operate Device.Reboot() key=k",
			then:  func(r *rig) { r.inform(events("1_BOOT,M_Reboot:k")) },
		},
		"coalesced_value": {
			words: "Add whole Device.LocalAgent.Subscription. ID!=v NotifType!=ValueChange Enable!=true " +
				"ReferenceList!=Device.DeviceInfo.ProvisioningCode",
			then: func(r *rig) {
				r.cpe.set("Device.DeviceInfo.ProvisioningCode", "new")
				r.inform(events("4_VALUE_CHANGE"))
			},
		},
		"missing_result": {
			model: "commands098",
			words: "Operate Device.IP.Diagnostics.IPPing() ProtocolVersion=Any Host=h NumberOfRepetitions=3 Timeout=1000 " +
				"DataBlockSize=64",
			then: func(r *rig) {
				r.cpe.set("InternetGatewayDevice.IPPingDiagnostics.DiagnosticsState", "Complete")
				r.inform(events("8_DIAGNOSTICS_COMPLETE"))
			},
		},
		"secured_empty": {
			model: "permissions",
			words: "Set whole Device.LocalAgent.ControllerTrust. SecuredRoles!=Device.LocalAgent.ControllerTrust.Role.1",
			then: func(r *rig) {
				r.send("self::ctl", "", split("Get Device.WiFi.AccessPoint.1.Security.KeyPassphrase"))
			},
		},
		"stale_answer": {
			words: "Get Device.WiFi.SSID.1.SSID",
			then: func(r *rig) {
				<-time.After(time.Second)
				r.cpe.turn(true)
				r.send("self::ctl", "", split("Get Device.WiFi.SSID.1.SSID"))
			},
			wait: time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, cmp.Or(c.model, "tr181"), "fresh=Device.WiFi.SSID.+1ns+answer")
				r.stop()
				reg := prometheus.NewRegistry()
				r.opts.Metrics = reg
				r.start()
				defer r.stop()
				r.inform(events("1_BOOT"))
				synctest.Wait()
				if got := deviated(t, reg); len(got) > 0 {
					t.Fatalf("got %v counted before, want nothing", got)
				}
				r.send("self::ctl", "", split(c.words))
				synctest.Wait()
				if c.then != nil {
					c.then(r)
				}
				<-time.After(c.wait)
				synctest.Wait()
				if got := deviated(t, reg); len(got) != 1 || got[name] != 1 {
					t.Errorf("got %v, want %s once; the last answer was %v", got, name, r.lastSent())
				}
			})
		})
	}
}

// deviated returns what is counted more than zero times.
func deviated(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := make(map[string]float64)
	for _, f := range families {
		if f.GetName() != "uspgate_translate_deviations_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if v := m.GetCounter().GetValue(); v > 0 {
				counted[m.GetLabel()[0].GetValue()] = v
			}
		}
	}
	return counted
}
