// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"maps"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// isRead reports whether an RPC reads values.
func isRead(req cwmp.Request) bool {
	_, ok := req.(*cwmp.GetParameterValues)
	return ok
}

// do sends a request as another Controller and waits until it is answered.
func (r *rig) do(line string) {
	r.msgs++
	id, done := "o"+strconv.Itoa(r.msgs), make(chan struct{})
	r.mu.Lock()
	if r.doing == nil {
		r.doing = make(map[string]chan struct{})
	}
	r.doing[id] = done
	r.mu.Unlock()
	t, ok := r.t.(*testing.T)
	if !ok {
		panic("not in a test")
	}
	msg := &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: id}, Body: parseRequest(t, split(line)),
	}
	r.deliver("self::other", msg, nil)
	<-done
}

// ssid asks for Device.WiFi.SSID. and returns the SSIDs of both rows.
func (r *rig) ssid(t *testing.T, id string) [2]string {
	t.Helper()
	r.deliver("self::ctl", get(id, "Device.WiFi.SSID."), nil)
	synctest.Wait()
	last := r.sent[len(r.sent)-1]
	if last.GetHeader().GetMsgId() != id {
		t.Fatalf("got %v, want the answer of %s", last, id)
	}
	var both [2]string
	for _, p := range last.GetBody().GetResponse().GetGetResp().GetReqPathResults() {
		for i, o := range p.GetResolvedPathResults() {
			both[i] = o.GetResultParams()["SSID"]
		}
	}
	return both
}

// A Get that waits behind the writes of others answers what the CPE has when it
// is asked, with one RPC [R-GET.0].
func TestReadAfterWritesOfOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		r.inform(events("1_BOOT"))
		synctest.Wait()
		writes, reads := 0, 0
		r.cpe.before = func(req cwmp.Request) {
			if !isRead(req) {
				return
			}
			reads++
			writes++
			r.do("Set whole Device.WiFi.SSID.1. SSID!=w" + strconv.Itoa(writes))
			r.cpe.set("Device.WiFi.SSID.2.SSID", "from outside")
		}
		if got, want := r.ssid(t, "g"), [2]string{"w1", "from outside"}; got != want || reads != 1 {
			t.Errorf("got %q with %d reads, want %q with 1", got, reads, want)
		}
	})
}

// A read whose answer arrives after that of a later write is repeated, not for
// ever, and then answers what the CPE had; such an answer is not fresh.
func TestReadOvertakenByWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "freshness=1h")
		defer r.stop()
		r.inform(events("1_BOOT"))
		synctest.Wait()
		r.cpe.plan(plan{method: "SetParameterValues", err: device.ErrOutcomeUnknown})
		r.do("Set whole Device.WiFi.SSID.1. Enable!=true") // nothing is fresh now
		r.cpe.set("Device.WiFi.SSID.2.SSID", "from outside")
		writes, reads := 0, 0
		r.cpe.after = func(req cwmp.Request) {
			if !isRead(req) {
				return
			}
			reads++
			writes++
			r.do("Set whole Device.WiFi.SSID.1. SSID!=w" + strconv.Itoa(writes))
		}
		if got, want := r.ssid(t, "g"), [2]string{"w3", "from outside"}; got != want || reads != 4 {
			t.Errorf("got %q with %d reads, want %q with 4", got, reads, want)
		}
		r.cpe.after = nil
		if got, want := r.ssid(t, "h"), [2]string{"w4", "from outside"}; got != want {
			t.Errorf("got %q next, want %q", got, want)
		}
	})
}

// While an Add makes a row others make and remove rows of the same table: each is
// told of, once [R-NOT.0].
func TestRowsOfOthersDuringAnAdd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const table = "Device.NAT.PortMapping."
		r := newRig(t, "tr181")
		defer r.stop()
		r.inform(events("1_BOOT"))
		synctest.Wait()
		r.do("Add whole Device.LocalAgent.Subscription. ID!=c NotifType!=ObjectCreation ReferenceList!=" + table +
			" Enable!=true ; Device.LocalAgent.Subscription. ID!=d NotifType!=ObjectDeletion ReferenceList!=" + table +
			" Enable!=true")
		synctest.Wait() // what the Subscriptions are about is read
		r.cpe.after = func(req cwmp.Request) {
			if _, ok := req.(*cwmp.AddObject); !ok {
				return
			}
			r.cpe.after = nil
			r.cpe.mu.Lock()
			_, addErr := r.cpe.addObject(&cwmp.AddObject{ObjectName: table})
			_, deleteErr := r.cpe.deleteObject(&cwmp.DeleteObject{ObjectName: table + "1."})
			r.cpe.mu.Unlock()
			if addErr != nil || deleteErr != nil {
				t.Errorf("got %v, %v from the CPE", addErr, deleteErr)
			}
			r.do("GetInstances " + table)
		}
		r.send("self::ctl", "", split("Add whole "+table+" Description!=mine"))
		synctest.Wait()
		told := make(map[string]int)
		for _, m := range r.sent {
			n := m.GetBody().GetRequest().GetNotify()
			if p := n.GetObjCreation().GetObjPath(); p != "" {
				told["+"+p]++
			}
			if p := n.GetObjDeletion().GetObjPath(); p != "" {
				told["-"+p]++
			}
		}
		want := map[string]int{"+" + table + "2.": 1, "+" + table + "3.": 1, "-" + table + "1.": 1}
		if !maps.Equal(told, want) {
			t.Errorf("got told of %v, want %v", told, want)
		}
	})
}

// A row that is made while the names of the CPE are on their way is not taken for
// one that is gone [R-NOT.0].
func TestRowMadeDuringADiscovery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const table = "Device.NAT.PortMapping."
		r := newRig(t, "tr181", "freshness=1h")
		defer r.stop()
		r.inform(events("1_BOOT"))
		synctest.Wait()
		r.do("Add whole Device.LocalAgent.Subscription. ID!=c NotifType!=ObjectCreation ReferenceList!=" + table +
			" Enable!=true ; Device.LocalAgent.Subscription. ID!=d NotifType!=ObjectDeletion ReferenceList!=" + table +
			" Enable!=true")
		synctest.Wait() // what the Subscriptions are about is read
		r.cpe.after = func(req cwmp.Request) {
			if _, ok := req.(*cwmp.GetParameterNames); ok {
				r.cpe.after = nil
				r.do("Add whole " + table + " Description!=new")
			}
		}
		r.inform(events("1_BOOT"))
		synctest.Wait()
		created, deleted := 0, 0
		for _, m := range r.sent {
			n := m.GetBody().GetRequest().GetNotify()
			if n.GetObjCreation() != nil {
				created++
			}
			if n.GetObjDeletion() != nil {
				deleted++
			}
		}
		if created != 1 || deleted != 0 {
			t.Errorf("got told of %d rows made and %d removed, want 1 and 0", created, deleted)
		}
	})
}
