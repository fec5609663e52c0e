// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/translate/device"
)

// summed is a CPE whose last Inform has a Sum.
type summed struct {
	*fakeCPE

	sum device.Sum
}

func (s *summed) Sum() device.Sum { return s.sum }

// An Agent that sleeps need not wake for an Inform that says what the last one did,
// as long as that would be no news to it and start nothing.
func TestUnmovedAgentSleepsOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		event string // of the last Inform
		// then is what happens before it falls asleep.
		then func(r *rig)
		sum  device.Sum // of what comes
		want bool
	}{
		{"the same", "2_PERIODIC", func(*rig) {}, 7, true},
		{"something else", "2_PERIODIC", func(*rig) {}, 8, false},
		{"nothing", "2_PERIODIC", func(*rig) {}, 0, false},
		{"after a boot", "1_BOOT", func(*rig) {}, 7, true},
		{"what was read since differs", "2_PERIODIC", func(r *rig) {
			r.cpe.set("Device.DeviceInfo.ProvisioningCode", "new")
			r.send("self::ctl", "", split("Get Device.DeviceInfo.ProvisioningCode"))
		}, 7, false},
		{"the CPE has to be read", "2_PERIODIC", func(r *rig) { r.agent.DoubtAll() }, 7, false},
		{"a Subscription was refused its turn", "2_PERIODIC", func(r *rig) {
			r.cpe.turn(true)
			r.subscribe("ID!=v NotifType!=ValueChange ReferenceList!=Device.DeviceInfo.ProvisioningCode")
		}, 7, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "tr181", "idle=1m")
				defer r.stop()
				r.inform(events("1_BOOT"))
				synctest.Wait()
				r.agent = r.attach(&summed{r.cpe, 7})
				r.agent.Inform(r.cpe.inform(events(c.event)))
				synctest.Wait()
				r.agent.SessionEnded(nil)
				if r.host.Unmoved(r.cpe.id, 7) {
					t.Fatal("got an Agent that is in memory passed over")
				}
				c.then(r)
				<-time.After(10 * time.Minute)
				r.awake(0)
				if got := r.host.Unmoved(r.cpe.id, c.sum); got != c.want {
					t.Errorf("got %t, want %t", got, c.want)
				}
				r.send("self::ctl", "", split("Get Device.LocalAgent.EndpointID"))
				<-time.After(10 * time.Minute)
				r.awake(0)
				if r.host.Unmoved(r.cpe.id, 7) {
					t.Error("got an Agent passed over that has been awake since the last Inform")
				}
			})
		})
	}
}
