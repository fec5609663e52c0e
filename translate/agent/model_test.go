// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"math/bits"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// sister makes another CPE of the same model, whose RPCs are noted.
func (r *rig) sister(serial string) (c *fakeCPE, rpcs *[]cwmp.Request) {
	r.t.Helper()
	t, ok := r.t.(*testing.T)
	if !ok {
		panic("for tests")
	}
	c, rpcs = newCPE(t, strings.ToLower(r.cpe.id.ProductClass)), new([]cwmp.Request)
	c.id.SerialNumber = serial
	c.before = func(req cwmp.Request) { *rpcs = append(*rpcs, req) }
	return c, rpcs
}

// meet gives a CPE its Agent, which discovers it.
func (r *rig) meet(c *fakeCPE) {
	r.t.Helper()
	r.cpe = c
	r.inform(events("1_BOOT"))
	synctest.Wait()
}

func namesAsked(rpcs []cwmp.Request) (asked []cwmp.GetParameterNames) {
	for _, req := range rpcs {
		if m, ok := req.(*cwmp.GetParameterNames); ok {
			asked = append(asked, *m)
		}
	}
	return asked
}

func valuesAsked(rpcs []cwmp.Request) (asked [][]string) {
	for _, req := range rpcs {
		if m, ok := req.(*cwmp.GetParameterValues); ok {
			asked = append(asked, m.Names)
		}
	}
	return asked
}

// probe is the serial number of a CPE that is asked as if its model was not known,
// others are those of CPE that are not.
const probe = "35"

var others = []string{"2", "3"}

// How a CPE gives its names is learned once for its model.
func TestNamesAsTheSistersGiveThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		const method = "GetParameterNames"
		refuse := plan{method: method, err: &cwmp.Fault{Code: cwmp.FaultInvalidParameterName, Text: "too much at once"}}
		r.cpe.plan(refuse)
		r.cpe.plan(refuse)
		r.meet(r.cpe)
		if n := r.shelf.lessons; n != 1 {
			t.Fatalf("got %d lessons of a CPE that refuses to give its names at once, want 1", n)
		}
		c, rpcs := r.sister(others[0])
		r.meet(c)
		asked := namesAsked(*rpcs)
		if len(asked) < 2 || slices.ContainsFunc(asked, func(m cwmp.GetParameterNames) bool { return !m.NextLevel }) {
			t.Errorf("got %+v asked of a sister, want it walked at once", asked)
		}
		if n := r.shelf.lessons; n != 1 {
			t.Errorf("got %d lessons after a sister that behaves the same, want 1", n)
		}
		// One of 16 CPE is asked for all at once, and this one gives it.
		c, rpcs = r.sister(probe)
		r.meet(c)
		if asked := namesAsked(*rpcs); len(asked) != 1 || asked[0].NextLevel || r.shelf.lessons != 2 {
			t.Errorf("got %+v and %d lessons, want one question, and a second lesson", asked, r.shelf.lessons)
		}
		c, rpcs = r.sister(others[1])
		r.meet(c)
		if asked := namesAsked(*rpcs); len(asked) != 1 || asked[0].NextLevel {
			t.Errorf("got %+v asked of the last sister, want all at once", asked)
		}
	})
}

// A hint that does not hold costs its try and nothing else.
func TestNamesOtherwiseThanTheSisters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		k, _ := agent.ModelKeyOf(r.cpe.id, "1.0.0")
		if err := r.shelf.Learn(k, agent.Habits{Names: agent.NamesByEmpty}); err != nil {
			t.Fatal(err)
		}
		c, rpcs := r.sister(others[0])
		c.plan(plan{method: "GetParameterNames", err: &cwmp.Fault{Code: cwmp.FaultInvalidArguments}})
		r.meet(c)
		asked := namesAsked(*rpcs)
		if len(asked) != 2 || asked[0].Path != "" || asked[1].Path != "Device." {
			t.Errorf("got %+v, want the way of the sisters first, then the usual one", asked)
		}
		if m, err := r.shelf.LoadModel(k); err != nil || m.Habits.Names != agent.NamesByRoot {
			t.Errorf("got %+v, %v, want the way of the last one", m, err)
		}
	})
}

// How many names a CPE takes at once is learned once for its model.
func TestBatchOfTheSisters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		r.cpe.plan(plan{method: "GetParameterValues", err: &cwmp.Fault{Code: cwmp.FaultResourcesExceeded}})
		r.meet(r.cpe)
		c, rpcs := r.sister(others[0])
		r.meet(c)
		k, _ := agent.ModelKeyOf(c.id, c.cells["Device.DeviceInfo.SoftwareVersion"].value)
		m, err := r.shelf.LoadModel(k)
		if err != nil || m.Habits.Batch < 2 {
			t.Fatalf("got %+v, %v, want a limit learned", m, err)
		}
		asked := valuesAsked(*rpcs)
		if len(asked) < 2 || slices.ContainsFunc(asked, func(names []string) bool { return len(names) > m.Habits.Batch }) {
			t.Errorf("got %q asked of a sister, want %d names at once at most", asked, m.Habits.Batch)
		}
	})
}

// A name that makes the CPE fail makes it fail alone: it limits nobody.
func TestOneNameThatFailsIsNoLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		const bad = "Device.WiFi."
		fault := &cwmp.Fault{Code: cwmp.FaultInternalError}
		r.cpe.before = func(req cwmp.Request) {
			if m, ok := req.(*cwmp.GetParameterValues); ok && slices.Contains(m.Names, bad) {
				r.cpe.plan(plan{method: "GetParameterValues", err: fault})
			}
		}
		r.meet(r.cpe)
		k, _ := agent.ModelKeyOf(r.cpe.id, r.cpe.cells["Device.DeviceInfo.SoftwareVersion"].value)
		m, err := r.shelf.LoadModel(k)
		if err != nil || m == nil || m.Habits.Batch != 0 {
			t.Errorf("got %+v, %v, want no limit", m, err)
		}
	})
}

// A name that a sister has refused is asked for apart, so that the others are answered
// at once.
func TestNamesThatTheSistersRefuse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		c, rpcs := r.sister(others[0])
		k, _ := agent.ModelKeyOf(c.id, c.cells["Device.DeviceInfo.SoftwareVersion"].value)
		if err := r.shelf.Learn(k, agent.Habits{Refused: []string{"Device.WiFi.SSID.{i}.SSID"}}); err != nil {
			t.Fatal(err)
		}
		r.meet(c)
		*rpcs = nil
		const request = "Get Device.WiFi.SSID.1.SSID Device.DeviceInfo.ProvisioningCode Device.WiFi.SSID.1.Enable"
		r.send("self::ctl", "", split(request))
		synctest.Wait()
		asked := valuesAsked(*rpcs)
		if len(asked) != 2 || len(asked[0]) != 2 || !slices.Equal(asked[1], []string{"Device.WiFi.SSID.1.SSID"}) {
			t.Errorf("got %q, want the doubtful name last and alone", asked)
		}
	})
}

// A name for which a sister does not take active notification is tried apart too.
func TestNamesThatTheSistersDoNotWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		const bad = "Device.DeviceInfo.ProvisioningCode"
		meet := func(c *fakeCPE) (tried [][]string) {
			r.meet(c)
			before := c.before
			c.before = func(req cwmp.Request) {
				if before != nil {
					before(req)
				}
				m, ok := req.(*cwmp.SetParameterAttributes)
				if !ok {
					return
				}
				var names []string
				for _, p := range m.Params {
					names = append(names, p.Name)
				}
				if tried = append(tried, names); slices.Contains(names, bad) {
					c.plan(plan{method: "SetParameterAttributes", err: &cwmp.Fault{Code: cwmp.FaultNotificationRejected}})
				}
			}
			r.subscribe("ID!=v NotifType!=ValueChange ReferenceList!=Device.DeviceInfo.,Device.WiFi.SSID.")
			synctest.Wait()
			return tried
		}
		tried := meet(r.cpe)
		alone := slices.ContainsFunc(tried, func(names []string) bool { return slices.Equal(names, []string{bad}) })
		if len(tried) < 3 || len(tried) > 2*bits.Len(uint(len(tried[0])))+1 || !alone {
			t.Fatalf("got %q tried, want all together, then halves until it is found", tried)
		}
		c, _ := r.sister(others[0])
		if tried := meet(c); len(tried) != 2 || len(tried[0]) < 2 || !slices.Equal(tried[1], []string{bad}) {
			t.Errorf("got %q tried with a sister, want the doubtful name last and alone", tried)
		}
	})
}

// Before a CPE has been read, GetSupportedDM is answered with what a sister of the same
// firmware supports, and nobody waits.
func TestSupportedDMOfTheSisters(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"tr181", "tr098"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, model)
				defer r.stop()
				const request = "GetSupportedDM Device."
				r.meet(r.cpe)
				r.inform(events("2_PERIODIC"))
				synctest.Wait()
				r.send("self::ctl", "", split(request))
				synctest.Wait()
				want := r.lastSent()
				c, rpcs := r.sister(others[0])
				c.turn(true)
				r.meet(c)
				before := r.sentCount()
				r.send("self::ctl", "", split(request))
				synctest.Wait()
				got := r.lastSent()
				if r.sentCount() != before+1 || len(*rpcs) != 0 {
					t.Fatalf("got %d answers after %d RPCs, want one at once", r.sentCount()-before, len(*rpcs))
				}
				if !proto.Equal(supportedIn(got), supportedIn(want)) {
					t.Errorf("got %v, want %v", got, want)
				}
				// The next firmware may support something else.
				c.set("Device.DeviceInfo.SoftwareVersion", "9.9")
				c.set("InternetGatewayDevice.DeviceInfo.SoftwareVersion", "9.9")
				r.inform(events("1_BOOT"))
				synctest.Wait()
				before = r.sentCount()
				r.send("self::ctl", "", split(request))
				synctest.Wait()
				if r.sentCount() != before {
					t.Errorf("got an answer for a firmware that no CPE has shown, want it to wait for the CPE")
				}
			})
		})
	}
}

func supportedIn(m *uspmsg.Msg) *uspmsg.GetSupportedDMResp {
	return m.GetBody().GetResponse().GetGetSupportedDmResp()
}

// A CPE with another firmware is read anew, also where it does not say that it has
// booted: it may have another data model.
func TestAnotherFirmwareIsReadAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		c, rpcs := r.sister(others[0])
		r.meet(c)
		*rpcs = nil
		c.set("Device.DeviceInfo.SoftwareVersion", "9.9")
		r.inform(events("2_PERIODIC"))
		synctest.Wait()
		if len(namesAsked(*rpcs)) != 1 {
			t.Fatalf("got %d RPCs, want the names read", len(*rpcs))
		}
		r.inform(events("2_PERIODIC"))
		synctest.Wait()
		k, _ := agent.ModelKeyOf(c.id, "9.9")
		if m, err := r.shelf.LoadModel(k); err != nil || m == nil || m.Sample == nil {
			t.Errorf("got %+v, %v, want the model of the new firmware learned", m, err)
		}
	})
}

// A CPE that was given another firmware while it was read teaches nothing of either,
// and is read again.
func TestFirmwareThatChangesUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		c, rpcs := r.sister(others[0])
		note := c.before
		var once sync.Once
		c.before = func(req cwmp.Request) {
			note(req)
			if req.Method() == "GetParameterValues" {
				once.Do(func() {
					c.set("Device.DeviceInfo.SoftwareVersion", "9.9")
					r.agent.Inform(c.inform(events("1_BOOT")))
				})
			}
		}
		r.meet(c)
		if n := len(r.shelf.models); n != 0 {
			t.Errorf("got %d models learned of a CPE between two firmwares, want none", n)
		}
		*rpcs = nil
		r.inform(events("2_PERIODIC"))
		synctest.Wait()
		r.inform(events("2_PERIODIC"))
		synctest.Wait()
		k, _ := agent.ModelKeyOf(c.id, "9.9")
		if m, err := r.shelf.LoadModel(k); err != nil || m == nil || len(namesAsked(*rpcs)) != 1 {
			t.Errorf("got %+v, %v after %d RPCs, want the CPE read anew", m, err, len(*rpcs))
		}
	})
}

func TestModelKey(t *testing.T) {
	t.Parallel()
	id := cwmp.DeviceID{Manufacturer: " Acme", OUI: "00d09e", ProductClass: "Box ", SerialNumber: "1"}
	want := agent.ModelKey{Manufacturer: "Acme", OUI: "00D09E", ProductClass: "Box", SoftwareVersion: "1.0"}
	if k, ok := agent.ModelKeyOf(id, "1.0 "); !ok || k != want {
		t.Errorf("got %+v, %t, want %+v", k, ok, want)
	}
	for name, change := range map[string]func(id *cwmp.DeviceID) (firmware string){
		"no firmware": func(*cwmp.DeviceID) string { return " " },
		"no OUI":      func(id *cwmp.DeviceID) string { id.OUI = ""; return "1.0" },
		"too long":    func(*cwmp.DeviceID) string { return strings.Repeat("1", 257) },
		"not UTF-8":   func(id *cwmp.DeviceID) string { id.ProductClass = "\xff"; return "1.0" },
	} {
		other := id
		firmware := change(&other)
		if k, ok := agent.ModelKeyOf(other, firmware); ok {
			t.Errorf("%s: got %+v, want no model", name, k)
		}
	}
}

// Of two Habits the way to read names is that of the later, the batch the smaller, and
// the names are those of both, as far as there is room.
func TestHabitsMerge(t *testing.T) {
	t.Parallel()
	many := make([]string, agent.MaxRefused+10)
	for i := range many {
		many[i] = "Device.N" + strings.Repeat("x", i)
	}
	old := agent.Habits{Names: agent.NamesByRoot, Batch: 8, Refused: []string{"Device.A", "Device.C"}}
	got := old.Merge(agent.Habits{Batch: 16, Refused: []string{"Device.C", "Device.B"}})
	want := agent.Habits{Names: agent.NamesByRoot, Batch: 8, Refused: []string{"Device.A", "Device.B", "Device.C"}}
	if !got.Equal(want) || !old.Merge(agent.Habits{}).Equal(old) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got = old.Merge(agent.Habits{Names: agent.NamesByWalk, Batch: 4, Refused: many, Unwatchable: many})
	if got.Names != agent.NamesByWalk || got.Batch != 4 || len(got.Refused) != agent.MaxRefused ||
		len(got.Unwatchable) != agent.MaxRefused || !slices.IsSorted(got.Refused) || got.Refused[0] != "Device.A" {
		t.Errorf("got %+v, want the later way, the smaller batch, and as many names as there is room for", got)
	}
	if len(old.Refused) != 2 {
		t.Errorf("got %q in what was merged, want it as it was", old.Refused)
	}
}
