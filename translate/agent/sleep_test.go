// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// subscribe adds a Subscription and wants it taken.
func (r *rig) subscribe(line string) {
	r.t.Helper()
	r.send("self::ctl", "", split("Add whole Device.LocalAgent.Subscription. Enable!=true "+line))
	synctest.Wait()
	if last := r.lastSent(); last.GetBody().GetResponse().GetAddResp() == nil {
		r.t.Fatalf("got %v, want the Subscription", last)
	}
}

func (r *rig) lastSent() *uspmsg.Msg {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent[len(r.sent)-1]
}

func (r *rig) sentCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sent)
}

func (r *rig) awake(want int) {
	r.t.Helper()
	synctest.Wait()
	if n := r.host.Awake(); n != want {
		r.t.Fatalf("got %d Agents in memory, want %d", n, want)
	}
}

// After Options.Idle an Agent is out of memory. A Record brings it back, in order,
// and it knows what it knew: the CPE is not asked.
func TestAgentSleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "idle=2m", "freshness=1h")
		defer r.stop()
		r.inform(events("1_BOOT"))
		r.awake(1)
		<-time.After(3 * time.Minute)
		r.awake(0)
		calls := r.cpe.calls
		r.shelf.gate = make(chan struct{})
		for range 3 {
			r.send("self::ctl", "", split("Get Device.WiFi.SSID.1.SSID"))
		}
		synctest.Wait()
		if n := r.sentCount(); n != 0 {
			t.Fatalf("got %d answers of an Agent that is not in memory", n)
		}
		close(r.shelf.gate)
		r.awake(1)
		if r.cpe.calls != calls || r.sentCount() != 3 {
			t.Fatalf("got %d RPCs and %d answers, want none and 3", r.cpe.calls-calls, r.sentCount())
		}
		for i, want := range []string{"m1", "m2", "m3"} {
			if got := r.sent[i].GetHeader().GetMsgId(); got != want {
				t.Errorf("answer %d: got msg_id %s, want %s", i, got, want)
			}
		}
		<-time.After(3 * time.Minute)
		r.awake(0)
	})
}

// The timers of an Agent that sleeps wake it: none of its Subscriptions and
// commands is late.
func TestSleepingAgentWakesForItsTimers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "idle=10s")
		defer r.stop()
		r.send("self::ctl", "", split("Set whole Device.LocalAgent.Controller.1. PeriodicNotifInterval!=600"))
		synctest.Wait()
		begin := time.Now()
		r.subscribe("ID!=p NotifType!=Event ReferenceList!=Device.LocalAgent.Periodic!")
		r.subscribe("ID!=c NotifType!=OperationComplete ReferenceList!=Device.ScheduleTimer()")
		r.send("self::ctl", "", split("Operate Device.ScheduleTimer() key=k DelaySeconds=1500"))
		synctest.Wait()
		before := r.sentCount()
		for _, at := range []int{600, 1200, 1500, 1800} {
			<-time.After(time.Until(begin.Add(time.Duration(at-1) * time.Second)))
			r.awake(0)
			if n := r.sentCount(); n != before {
				t.Fatalf("got %d Notifies a second before %d s, want none", n-before, at)
			}
			<-time.After(2 * time.Second)
			synctest.Wait()
			if n := r.sentCount(); n != before+1 {
				t.Fatalf("got %d Notifies at %d s, want 1", n-before, at)
			}
			before++
		}
	})
}

// What has not changed is not written: neither by an Inform that says nothing new,
// nor by falling asleep.
func TestNothingNewIsNotWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "idle=1m")
		defer r.stop()
		r.inform(events("1_BOOT"))
		<-time.After(2 * time.Minute)
		r.awake(0)
		saves, plants := r.shelf.counts()
		if saves == 0 || plants == 0 {
			t.Fatalf("got %d saves and %d trees, want some", saves, plants)
		}
		for range 5 {
			r.inform(events("2_PERIODIC"))
			synctest.Wait()
			if err := r.agent.Commit(); err != nil {
				t.Fatal(err)
			}
			<-time.After(5 * time.Minute)
		}
		r.awake(0)
		if s, p := r.shelf.counts(); s != saves || p != plants {
			t.Errorf("got %d saves and %d trees by Informs that say nothing new, want none", s-saves, p-plants)
		}
		r.cpe.set("Device.DeviceInfo.ProvisioningCode", "new")
		r.inform(events("4_VALUE_CHANGE"))
		synctest.Wait()
		if s, p := r.shelf.counts(); s != saves || p != plants {
			t.Errorf("got %d saves and %d trees at once by one changed value, want none", s-saves, p-plants)
		}
		<-time.After(2 * time.Minute)
		if s, p := r.shelf.counts(); s != saves || p != plants+1 {
			t.Errorf("got %d saves and %d trees by one changed value, want none and 1", s-saves, p-plants)
		}
	})
}

// A process that is killed loses nothing of what was committed: the next one
// answers from what is known, and tells what has changed meanwhile.
func TestKilled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "freshness=1h")
		defer func() { r.stop() }()
		r.inform(events("1_BOOT"))
		synctest.Wait()
		r.send("self::ctl", "", split("Set whole Device.LocalAgent.Controller.1. OnBoardingComplete!=true"))
		r.inform(events("2_PERIODIC")) // the session in which it was read is over
		synctest.Wait()
		r.subscribe("ID!=v Persistent!=true NotifRetry!=true NotifType!=ValueChange " +
			"ReferenceList!=Device.DeviceInfo.ProvisioningCode")
		r.restart("killed")
		calls, sent := r.cpe.calls, r.sentCount()
		r.send("self::ctl", "", split("Get Device.WiFi.SSID.1.SSID"))
		synctest.Wait()
		if r.cpe.calls != calls || r.sentCount() != sent+1 {
			t.Fatalf("got %d RPCs and %d answers after the restart, want none and 1", r.cpe.calls-calls, r.sentCount()-sent)
		}
		r.cpe.set("Device.DeviceInfo.ProvisioningCode", "new")
		r.inform(events("2_PERIODIC"))
		synctest.Wait()
		n := r.lastSent().GetBody().GetRequest().GetNotify()
		if n.GetValueChange().GetParamValue() != "new" {
			t.Fatalf("got %v, want the ValueChange", n)
		}
		// The Notify is not answered, and the Inform has been: it is sent again.
		if err := r.agent.Commit(); err != nil {
			t.Fatal(err)
		}
		r.restart("killed")
		sent = r.sentCount()
		<-time.After(11 * time.Second)
		synctest.Wait()
		again := r.lastSent().GetBody().GetRequest().GetNotify()
		if r.sentCount() != sent+1 || again.GetSubscriptionId() != "v" {
			t.Fatalf("got %d Messages after the restart, want the Notify again", r.sentCount()-sent)
		}
	})
}

// Requests that were in hand when the process died are answered, and never done.
func TestRequestsInHandAreAnswered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		onWire bool
		code   uint32
	}{{"queued", false, 7003}, {"on the wire", true, 7800}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "tr181", "freshness=1h")
				defer func() { r.stop() }()
				r.inform(events("1_BOOT"))
				synctest.Wait()
				key := device.Key{To: string(r.agent.EndpointID()), From: "self::ctl", MsgID: "lost#1"}
				if _, err := r.opts.Journal.Begin(key); err != nil {
					t.Fatal(err)
				}
				if c.onWire {
					if err := r.opts.Journal.OnWire(key); err != nil {
						t.Fatal(err)
					}
				}
				r.restart("killed")
				synctest.Wait()
				last := r.lastSent()
				if last.GetHeader().GetMsgId() != "lost" || last.GetBody().GetError().GetErrCode() != c.code {
					t.Fatalf("got %v, want Error %d to lost", last, c.code)
				}
				if e, err := r.opts.Journal.Begin(key); err != nil || e.State != device.StateAnswered {
					t.Errorf("got state %d, %v in the journal, want it answered", e.State, err)
				}
				calls := r.cpe.calls
				r.inform(events("2_PERIODIC"))
				synctest.Wait()
				if read := r.cpe.calls > calls; read != c.onWire {
					t.Errorf("got the CPE read back %t in the next session, want %t", read, c.onWire)
				}
			})
		})
	}
}

// No more Agents than Options.MaxAwake are in memory: who was used longest ago
// makes room, and who has something in hand does not.
func TestMaxAwake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		r.stop()
		r.opts.MaxAwake = 2
		r.start()
		defer r.stop()
		first := r.agent
		for _, serial := range []string{"2", "3", "4"} {
			other := newCPE(t, "tr181")
			other.id.SerialNumber = serial
			r.attach(other)
			if n := r.host.Awake(); n > 2 {
				t.Fatalf("got %d Agents in memory, want 2 at most", n)
			}
		}
		if got := r.attach(r.cpe); got == first {
			t.Error("got the same Agent, want one taken into memory again")
		}
		r.awake(2)
		if n := len(r.host.Agents()); n != 4 {
			t.Errorf("got %d Agents, want 4", n)
		}
		serials := map[string]bool{}
		r.host.Each(func(id usp.EndpointID, identity cwmp.DeviceID) {
			serials[identity.SerialNumber] = id == agent.EndpointIDFor(identity)
		})
		if len(serials) != 4 || !serials["2"] || !serials["3"] || !serials["4"] {
			t.Errorf("got %v, want each of the 4, with its Endpoint ID", serials)
		}
	})
}

// What cannot be loaded is told to who wants it, and tried again by the next.
func TestAgentThatCannotBeLoaded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "idle=1m")
		defer r.stop()
		<-time.After(2 * time.Minute)
		r.awake(0)
		broken := errors.New("broken")
		r.shelf.set(func() { r.shelf.err = broken })
		var outcomes []error
		r.deliver("self::ctl", get("m", "Device.LocalAgent.EndpointID"), func(err error) { outcomes = append(outcomes, err) })
		synctest.Wait()
		if len(outcomes) != 1 || !errors.Is(outcomes[0], broken) {
			t.Fatalf("got outcomes %v, want broken", outcomes)
		}
		if _, err := r.host.Attach(r.cpe); !errors.Is(err, broken) {
			t.Fatalf("got %v from Attach, want broken", err)
		}
		r.shelf.set(func() { r.shelf.err = nil })
		r.send("self::ctl", "", split("Get Device.LocalAgent.EndpointID"))
		r.awake(1)
		if r.sentCount() != 1 {
			t.Errorf("got %d answers, want 1", r.sentCount())
		}
	})
}

// The first of two CPE keeps the Endpoint ID that both would have, also where the
// second comes first after a restart [R-ARC.2a].
func TestCollisionOverARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer func() { r.stop() }()
		first, second := newCPE(t, "tr181"), newCPE(t, "tr181")
		first.id.ProductClass, first.id.SerialNumber = "A-B", "C"
		second.id.ProductClass, second.id.SerialNumber = "A", "B-C"
		ids := map[*fakeCPE]usp.EndpointID{}
		for _, c := range []*fakeCPE{first, second} {
			ids[c] = r.attach(c).EndpointID()
		}
		if agent.EndpointIDFor(first.id) != agent.EndpointIDFor(second.id) {
			t.Skip("the two do not collide")
		}
		if ids[first] != agent.EndpointIDFor(first.id) || ids[second] == ids[first] {
			t.Fatalf("got %v, want the first to have its name", ids)
		}
		r.restart("killed")
		for _, c := range []*fakeCPE{second, first} {
			if got := r.attach(c).EndpointID(); got != ids[c] {
				t.Errorf("got %s after the restart, want %s", got, ids[c])
			}
		}
	})
}
