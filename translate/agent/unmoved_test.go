// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
)

// rested is a CPE whose last Inform has a Rest.
type rested struct {
	*fakeCPE

	told []cwmp.ParameterValue // while its Agent slept
	kept atomic.Int32          // how often it was told that this is stored
}

func (*rested) Rest(deaf uint64) device.Rest { return device.Rest{Whole: 7, Core: 8, Deaf: deaf} }

func (c *rested) Told() []cwmp.ParameterValue { return c.told }

func (c *rested) ToldKept() error {
	c.told = nil
	c.kept.Add(1)
	return nil
}

// An Agent that sleeps need not wake for an Inform that says what the last one did,
// as long as that would be no news to it and start nothing.
func TestUnmovedAgentSleepsOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		event string // of the last Inform
		// then is what happens before it falls asleep.
		then func(r *rig)
		want bool
	}{
		{"the same", "2_PERIODIC", func(*rig) {}, true},
		{"after a boot", "1_BOOT", func(*rig) {}, true},
		{"what was read since differs", "2_PERIODIC", func(r *rig) {
			r.cpe.set("Device.DeviceInfo.ProvisioningCode", "new")
			r.send("self::ctl", "", split("Get Device.DeviceInfo.ProvisioningCode"))
		}, false},
		{"the CPE has to be read", "2_PERIODIC", func(r *rig) { r.agent.DoubtAll() }, false},
		{"a Subscription was refused its turn", "2_PERIODIC", func(r *rig) {
			r.cpe.turn(true)
			r.subscribe("ID!=v NotifType!=ValueChange ReferenceList!=Device.DeviceInfo.ProvisioningCode")
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "tr181", "idle=1m")
				defer r.stop()
				r.rest(c.event)
				if r.host.Resting(r.cpe.id) != (device.Rest{}) {
					t.Fatal("got an Agent that is in memory passed over")
				}
				c.then(r)
				r.fallAsleep()
				if got := r.host.Resting(r.cpe.id).Whole == 7; got != c.want {
					t.Errorf("got %+v, want it passed over: %t", r.host.Resting(r.cpe.id), c.want)
				}
				r.send("self::ctl", "", split("Get Device.LocalAgent.EndpointID"))
				r.fallAsleep()
				if got := r.host.Resting(r.cpe.id).Whole == 7; got != c.want {
					t.Errorf("got %+v, want an Agent that was only asked passed over: %t", r.host.Resting(r.cpe.id), c.want)
				}
				r.cpe.set("Device.DeviceInfo.ProvisioningCode", "newer")
				r.send("self::ctl", "", split("Get Device.DeviceInfo.ProvisioningCode"))
				r.fallAsleep()
				if r.host.Resting(r.cpe.id) != (device.Rest{}) {
					t.Error("got an Agent passed over that has read other values since the last Inform")
				}
			})
		})
	}
}

// fallAsleep waits until the Agent is asleep: what it sends again and again wakes it.
func (r *rig) fallAsleep() {
	r.t.Helper()
	<-time.After(10 * time.Minute)
	for n := 0; r.host.Awake() > 0 && n < 20; n++ {
		<-time.After(time.Minute)
	}
	r.awake(0)
}

// rest has the CPE end a session whose Inform has a Rest, and its Controller known.
func (r *rig) rest(event string) *rested {
	r.inform(events("1_BOOT"))
	synctest.Wait()
	r.send("self::ctl", "", split("Get Device.LocalAgent.EndpointID"))
	c := &rested{fakeCPE: r.cpe}
	r.agent = r.attach(c)
	r.agent.Inform(r.cpe.inform(events(event)))
	synctest.Wait()
	r.agent.SessionEnded(nil)
	return c
}

// Values that no Controller wants to be told of can wait until the Agent is awake.
func TestDeaf(t *testing.T) {
	t.Parallel()
	const code = "Device.DeviceInfo.ProvisioningCode"
	for _, c := range []struct {
		name, subscription string
		deaf               bool
	}{
		{"nobody", "", true},
		{"another parameter", "NotifType!=ValueChange ReferenceList!=Device.DeviceInfo.SerialNumber", true},
		{"another kind", "NotifType!=ObjectCreation ReferenceList!=Device.NAT.PortMapping.", true},
		{"the parameter", "NotifType!=ValueChange ReferenceList!=" + code, false},
		{"the object", "NotifType!=ValueChange ReferenceList!=Device.DeviceInfo.", false},
		{"a Threshold", "Threshold. Enable!=true ReferencePath!=Device.DeviceInfo. ThresholdParam!=ProvisioningCode" +
			" ThresholdValue!=5", false},
		{"a wildcard", "NotifType!=ValueChange ReferenceList!=Device.WiFi.SSID.*.SSID", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "tr181", "idle=1m")
				defer r.stop()
				r.rest("2_PERIODIC")
				switch {
				case strings.HasPrefix(c.subscription, "Threshold"):
					r.send("self::ctl", "", split("Add whole Device.LocalAgent."+c.subscription))
					r.rest("2_PERIODIC")
				case c.subscription != "":
					r.subscribe("ID!=v " + c.subscription)
					r.rest("2_PERIODIC")
				}
				r.fallAsleep()
				in := r.cpe.inform(events("2_PERIODIC"))
				at := slices.IndexFunc(in.Params, func(p cwmp.ParameterValue) bool { return p.Name == code })
				by := r.host.Resting(r.cpe.id)
				if got := by.Core != 0 && by.Deaf>>at&1 != 0; got != c.deaf {
					t.Errorf("got %+v, want it deaf to the %d-th parameter: %t", by, at, c.deaf)
				}
				firmware := slices.IndexFunc(in.Params, func(p cwmp.ParameterValue) bool {
					return p.Name == "Device.DeviceInfo.SoftwareVersion"
				})
				if firmware < 0 || by.Deaf>>firmware&1 != 0 {
					t.Errorf("got %+v, want the SoftwareVersion (the %d-th) heard", by, firmware)
				}
			})
		})
	}
}

// What Informs have said while the Agent slept it knows when it is awake, and lets go of
// when it has stored it.
func TestTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "idle=1m", "freshness=1h")
		defer r.stop()
		c := r.rest("2_PERIODIC")
		r.fallAsleep()
		c.told = []cwmp.ParameterValue{{Name: "Device.DeviceInfo.ProvisioningCode", Value: "told", Type: cwmp.TypeString}}
		r.agent = r.attach(c)
		r.takeTranscript()
		r.send("self::ctl", "", split("Get Device.DeviceInfo.ProvisioningCode"))
		synctest.Wait()
		if text := r.takeTranscript(); !strings.Contains(text, " = told") {
			t.Errorf("got %s, want the value told", text)
		}
		if c.kept.Load() != 0 {
			t.Error("got it let go of before it was stored")
		}
		r.fallAsleep()
		if n := c.kept.Load(); n != 1 {
			t.Errorf("got it let go of %d times, want once", n)
		}
	})
}

// By what an Agent sleeps outlasts the gateway, once on-boarding is over.
func TestRestOutlastsTheGateway(t *testing.T) {
	t.Parallel()
	for _, onBoarded := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, "tr181", "idle=1m")
			defer r.stop()
			r.rest("2_PERIODIC")
			if onBoarded {
				r.send("self::ctl", "", split("Set whole Device.LocalAgent.Controller.1. OnBoardingComplete!=true"))
				r.rest("2_PERIODIC")
			}
			r.fallAsleep()
			want := r.host.Resting(r.cpe.id)
			if want.Whole = 0; !onBoarded {
				want = device.Rest{}
			}
			r.stop()
			r.start() // which wakes it
			r.fallAsleep()
			if got := r.host.Resting(r.cpe.id); got != want {
				t.Errorf("got %+v, want %+v, on-boarding being over: %t", got, want, onBoarded)
			}
		})
	}
}
