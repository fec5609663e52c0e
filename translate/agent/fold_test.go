// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The tree of an Agent in memory that nobody uses is packed, and back when somebody does;
// it then is as it was, and the CPE is not asked.
func TestTreesAreFolded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "idle=1h", "freshness=1h")
		defer r.stop()
		r.inform(events("1_BOOT"))
		synctest.Wait()
		get := func() string {
			r.takeTranscript()
			r.send("self::ctl", "", split("Get Device.WiFi. Device.NAT."))
			synctest.Wait()
			return r.takeTranscript()[len("usp< GetResp msg_id=m1"):]
		}
		want := get()
		folded := func(want bool) {
			t.Helper()
			if got := r.agent.Folded(); got != want {
				t.Errorf("got a tree folded: %t, want %t", got, want)
			}
		}
		folded(false)
		<-time.After(time.Minute)
		folded(true)
		if got := get(); got != want || strings.Contains(got, "Error") {
			t.Errorf("got %s, want as before %s", got, want)
		}
		folded(false)
		<-time.After(time.Minute)
		folded(true)
		r.subscribe("ID!=v NotifType!=ValueChange ReferenceList!=Device.NAT.")
		r.cpe.set("Device.NAT.PortMapping.1.Description", "seen")
		<-time.After(time.Minute)
		r.takeTranscript()
		r.inform(events("4_VALUE_CHANGE"), "Device.NAT.PortMapping.1.Description")
		synctest.Wait()
		if got := r.takeTranscript(); !strings.Contains(got, "Device.NAT.PortMapping.1.Description") {
			t.Errorf("got %q, want the change noticed that came while the tree was folded", got)
		}
	})
}

// An Agent falls asleep without its tree being unpacked for it.
func TestFoldedAgentFallsAsleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "idle=1m")
		defer r.stop()
		r.rest("2_PERIODIC")
		a := r.agent
		r.fallAsleep()
		if !a.Folded() {
			t.Error("got a tree unpacked as the Agent fell asleep, want it as it was")
		}
		if r.host.Resting(r.cpe.id).Whole == 0 {
			t.Error("got an Agent that every Inform wakes, want it to sleep by the last one")
		}
	})
}

func TestTreesAreNotFolded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "idle=1h")
		defer func() { r.stop() }()
		r.stop()
		r.opts.FoldEvery = -1
		r.start()
		r.inform(events("1_BOOT"))
		<-time.After(10 * time.Minute)
		if r.agent.Folded() {
			t.Error("got a tree folded, want it as it is")
		}
	})
}
