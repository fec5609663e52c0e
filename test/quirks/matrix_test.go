// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package quirks_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// plain is what a Controller reads of any CPE of a model, whatever its identity.
type plain map[string]map[string]string

// goesOn matches what changes with the time.
var goesOn = regexp.MustCompile(`\.(CurrentLocalTime|UpTime|Uptime|LastChange)$`)

// learnPlain reads two CPE without quirks of each model; what both have alike
// every CPE has.
func learnPlain(t *testing.T, gw *gateway) plain {
	t.Helper()
	out := plain{}
	for _, model := range models {
		one := newBox(t, gw, model, "plain1", nil).everything()
		two := newBox(t, gw, model, "plain2", nil).everything()
		maps.DeleteFunc(one, func(path, v string) bool {
			return two[path] != v || goesOn.MatchString(path)
		})
		if len(one) < 150 {
			t.Fatalf("%s: got %d parameters, want 150 or more", model, len(one))
		}
		out[model] = one
	}
	return out
}

// TestMatrix is every quirk with either data model.
func TestMatrix(t *testing.T) {
	t.Parallel()
	have := make(map[string]*cpe.Model)
	for _, model := range models {
		have[model] = small(t, model)
	}
	gws := map[string]*gateway{"": newGateway(t, "", have)}
	for _, r := range rows {
		if gws[r.cwmp] == nil {
			gws[r.cwmp] = newGateway(t, r.cwmp, have)
		}
	}
	standard := learnPlain(t, gws[""])
	for _, q := range cpe.AllQuirks() {
		r := rows[q.Name]
		for _, model := range models {
			t.Run(q.Name+"/"+model, func(t *testing.T) {
				t.Parallel()
				b := newBox(t, gws[r.cwmp], model, q.Name, func(o *cpe.Options) {
					if err := o.Quirks.Turn(q.Name); err != nil {
						t.Fatal(err)
					}
					if r.change != nil {
						r.change(o)
					}
				})
				b.run(r, standard[model])
			})
		}
	}
}

// run is the life of a CPE that is managed.
func (b *box) run(r row, standard map[string]string) {
	for _, d := range differences(standard, b.everything(), r.differs()) {
		b.t.Error(d)
	}
	b.write(r)
	b.refuse()
	b.addAndDelete()
	b.kept()
	b.reboot()
	b.found()
	b.download(r)
	b.backup(r)
	if !r.unsaid {
		b.ping()
	}
	if r.extra != nil {
		r.extra(b)
	}
	b.reset()
	if b.wakes.Load() == 0 {
		b.t.Error("got no session with 6 CONNECTION REQUEST")
	}
}

// ssid has what has to be escaped.
const ssid = `R&D "ü" <2>`

// write changes a string, a boolean, a number and a time.
func (b *box) write(r row) {
	b.t.Helper()
	const date = "2026-11-28T12:00:00Z"
	in := raw[b.model]
	for _, w := range []struct{ object, name, value, raw, in string }{
		{"Device.WiFi.SSID.1.", "SSID", ssid, in.ssid, ssid},
		{"Device.Time.", "Enable", "false", in.enable, in.no},
		{"Device.DHCPv4.Server.Pool.1.", "LeaseTime", "3600", in.lease, "3600"},
		{in.dateOf, "WarrantyDate", date, in.date, date},
	} {
		if err := b.set(w.object, w.name, w.value); err != nil {
			b.t.Errorf("Set %s%s: %v", w.object, w.name, err)
			continue
		}
		b.inCPE(w.raw, w.in)
		if w.name != "WarrantyDate" || !r.differs()("Device.UserInterface.WarrantyDate") {
			b.want(w.object+w.name, w.value)
		}
	}
}

// refuse writes what cannot be written.
func (b *box) refuse() {
	b.t.Helper()
	if err := b.set("Device.DeviceInfo.", "SerialNumber", "2"); err == nil {
		b.t.Error("Set SerialNumber: got no error")
	}
}

// addAndDelete makes a row and takes it away again.
func (b *box) addAndDelete() {
	b.t.Helper()
	const table = "Device.NAT.PortMapping."
	before := b.rows(table)
	row := b.add(table, map[string]string{
		"Enable": "true", "ExternalPort": "9443", "InternalPort": "443", "InternalClient": "192.168.1.20", "Protocol": "TCP",
	})
	b.want(row+"ExternalPort", "9443")
	b.want(row+"Enable", "true")
	if got := b.rows(table); len(got) != len(before)+1 || !slices.Contains(got, row) {
		b.t.Errorf("rows: got %q, want %q and %s", got, before, row)
	}
	b.delete(row)
	if got, err := b.tryGet(row); err == nil || !strings.Contains(err.Error(), "7026") {
		b.t.Errorf("Get of a row that is gone: got %v, %v, want 7026", got, err)
	}
	if got := b.rows(table); len(got) != len(before) {
		b.t.Errorf("rows: got %q, want %q", got, before)
	}
}

// reboot waits for Boot! after Reboot().
func (b *box) reboot() {
	b.t.Helper()
	b.subscribe("boot", "Event", "Device.Boot!")
	if _, err := b.ctl.Operate(b.ctx(), b.agent, "Device.Reboot()", "key", nil); err != nil {
		b.t.Errorf("Reboot(): %v", err)
		return
	}
	n := b.notified("Boot!", func(n *uspmsg.Notify) bool { return n.GetEvent().GetEventName() == "Boot!" })
	params := n.GetEvent().GetParams()
	if params["Cause"] != "RemoteReboot" || params["CommandKey"] != "key" {
		b.t.Errorf("Boot!: got %v, want RemoteReboot with the key", params)
	}
	b.want("Device.WiFi.SSID.1.SSID", ssid)
}
