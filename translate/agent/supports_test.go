// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/agent"
)

const (
	acmeTable = "Device.X_ACME_T."
	acmeRow   = acmeTable + "{i}."
)

// withTable gives a CPE a table of its vendor, with rows up to a number.
func (c *fakeCPE) withTable(rows ...string) *fakeCPE {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cells[acmeTable] = cell{object: true, writable: true}
	for _, row := range append(rows, "{i}") {
		to := c.cells
		if row == "{i}" {
			to = c.templates
		}
		to[acmeTable+row+"."] = cell{object: true, writable: true}
		to[acmeTable+row+".Name"] = cell{typ: cwmp.TypeString, writable: true}
		to[acmeTable+row+".Stats."] = cell{object: true}
		to[acmeTable+row+".Stats.Count"] = cell{typ: cwmp.TypeUnsignedInt, value: "0"}
	}
	for name := range c.cells {
		c.count(name)
	}
	return c
}

// supports asks for the supported data model and returns the parameters by object.
func (r *rig) supports() map[string][]string {
	r.t.Helper()
	before := r.sentCount()
	r.send("self::ctl", "", split("GetSupportedDM Device. params"))
	synctest.Wait()
	if r.sentCount() != before+1 {
		r.t.Fatalf("got %d answers, want one at once", r.sentCount()-before)
	}
	all := make(map[string][]string)
	for _, o := range supportedIn(r.lastSent()).GetReqObjResults()[0].GetSupportedObjs() {
		names := []string{}
		for _, p := range o.GetSupportedParams() {
			names = append(names, p.GetParamName())
		}
		all[o.GetSupportedObjPath()] = names
	}
	return all
}

// What one CPE of a model has shown, all of them support; a new row in a table in which
// they have shown none has the parameters of those that others have shown.
func TestSistersSupportTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		second, _ := r.sister(others[0])
		third, _ := r.sister(others[1])
		first := r.cpe.withTable("1")
		r.meet(second.withTable())
		if have := r.supports(); have[acmeRow] == nil || slices.Contains(have[acmeRow], "Name") {
			t.Fatalf("got %q of a table that nobody has seen with rows, want no parameter of the vendor", have[acmeRow])
		}
		r.meet(first)
		r.meet(third)
		for _, c := range []*fakeCPE{first, second, third} {
			r.cpe = c
			r.agent = r.attach(c)
			have := r.supports()
			if !slices.Contains(have[acmeRow], "Name") || !slices.Contains(have[acmeRow+"Stats."], "Count") {
				t.Errorf("CPE %s: got %q and %q, want what one of them has shown",
					c.id.SerialNumber, have[acmeRow], have[acmeRow+"Stats."])
			}
		}
		r.cpe, r.agent = second, r.attach(second)
		r.send("self::ctl", "", split("Add whole "+acmeTable+" Name!=x"))
		synctest.Wait()
		added := r.lastSent().GetBody().GetResponse().GetAddResp().GetCreatedObjResults()
		if len(added) != 1 || added[0].GetOperStatus().GetOperSuccess().GetInstantiatedPath() != acmeTable+"1." {
			t.Errorf("got %v, want row 1", r.lastSent())
		}
	})
}

// What was supported stays so without its last row, over a restart of the gateway; another
// software version begins anew.
func TestSupportedOnlyGrowsWithinAVersion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		r.meet(r.cpe.withTable("1"))
		before := r.supports()
		r.send("self::ctl", "", split("Delete whole "+acmeTable+"1."))
		synctest.Wait()
		same := func(when string) {
			t.Helper()
			after := r.supports()
			for object, params := range before {
				for _, p := range params {
					if !slices.Contains(after[object], p) {
						t.Errorf("%s: got no %s%s any more", when, object, p)
					}
				}
			}
		}
		same("after the last row was deleted")
		r.inform(events("2_PERIODIC"))
		synctest.Wait()
		r.restart()
		same("after a restart")
		r.restart("lost")
		r.inform(events("1_BOOT"))
		synctest.Wait()
		same("after the tree was lost")
		r.cpe.set("Device.DeviceInfo.SoftwareVersion", "9.9")
		r.inform(events("1_BOOT"))
		synctest.Wait()
		if after := r.supports(); slices.Contains(after[acmeRow], "Name") || after[acmeRow] == nil {
			t.Errorf("got %q with another software version, want a table of which no row was seen", after[acmeRow])
		}
	})
}

// What a CPE lacks of its model is counted and kept, but for what is in rows to come.
func TestWhatACPELacksOfItsModel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		reg := prometheus.NewPedanticRegistry()
		r.opts.Metrics = reg
		r.restart()
		second, _ := r.sister(others[0])
		third, _ := r.sister(others[1])
		r.meet(r.cpe.withTable("1"))
		for _, c := range []struct {
			cpe  *fakeCPE
			want []string
		}{{second, []string{acmeRow, acmeRow + "Stats."}}, {third.withTable(), nil}} {
			r.meet(c.cpe)
			r.inform(events("2_PERIODIC"))
			synctest.Wait()
			if got := r.agent.State().Lacks; !slices.Equal(got, c.want) {
				t.Errorf("CPE %s: got %q, want %q", c.cpe.id.SerialNumber, got, c.want)
			}
		}
		if n := counted(t, reg, "uspgate_translate_lacking_total"); n != 1 {
			t.Errorf("got %v CPE counted, want the one without the table", n)
		}
	})
}

// counted returns the value of a counter without labels.
func counted(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("got no metric %s", name)
	return 0
}

// A command of a table is supported before a row was seen, as Device:2 has it, and each
// path may be asked for by its instance.
func TestCommandsOfATableWithoutRows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		r.cpe.mu.Lock()
		r.cpe.cells["Device.PPP."] = cell{object: true}
		r.cpe.cells["Device.PPP.Interface."] = cell{object: true, writable: true}
		r.cpe.mu.Unlock()
		r.meet(r.cpe)
		const command = "Device.PPP.Interface.{i}.Reset()"
		r.send("self::ctl", "", split("GetSupportedDM "+command))
		synctest.Wait()
		res := supportedIn(r.lastSent()).GetReqObjResults()[0]
		if res.GetErrCode() != 0 || len(res.GetSupportedObjs()[0].GetSupportedCommands()) != 1 {
			t.Errorf("got %v, want the command", res)
		}
		r.send("self::ctl", "", split("Operate Device.PPP.Interface.*.Reset()"))
		synctest.Wait()
		if e := r.lastSent().GetBody().GetError(); e != nil {
			t.Errorf("got %v, want nothing done", e)
		}
	})
}

// Supports grow at most to their bounds, and have those of the last two Rules.
func TestSupportsGrow(t *testing.T) {
	t.Parallel()
	roomy := agent.SupportsBounds{Elements: 100, Bytes: 1 << 20}
	one := &agent.Supports{Rules: 1, Commands: []string{"Device.B()"}}
	list, full := roomy.Grow(nil, one)
	if full || len(list) != 1 || list[0].Grown != 1 {
		t.Fatalf("got %+v, %t, want the first", list, full)
	}
	if same, _ := roomy.Grow(list, one); same[0] != list[0] {
		t.Error("got a list that has grown by nothing")
	}
	list, _ = roomy.Grow(list, &agent.Supports{Rules: 1, Commands: []string{"Device.A()", "Device.B()"}})
	if len(list) != 1 || list[0].Grown != 2 || !slices.Equal(list[0].Commands, []string{"Device.A()", "Device.B()"}) {
		t.Errorf("got %+v, want both commands", list[0])
	}
	for rules := range uint64(3) {
		list, _ = roomy.Grow(list, &agent.Supports{Rules: 10 + rules})
	}
	if len(list) != 2 || list[0].Rules != 12 || list[1].Rules != 11 {
		t.Errorf("got %+v, want the last two", list)
	}
}
