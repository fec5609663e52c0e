// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/translate/agent"
)

func TestTriggerConfigSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		list string
		want [][3]string // nil: refused
	}{
		{"", [][3]string{}},
		{"Device.A.B=1", [][3]string{{"Device.A.", "B", "1"}}},
		{"Device.A.B=", [][3]string{{"Device.A.", "B", ""}}},
		{`Device.A.B=""`, [][3]string{{"Device.A.", "B", ""}}},
		{`Device.A.B="x,%22=%25" , Device.C.D= y z `, [][3]string{{"Device.A.", "B", `x,"=%`}, {"Device.C.", "D", "y z"}}},
		{"Device.A.B=c=d", [][3]string{{"Device.A.", "B", "c=d"}}},
		{`Device.T.[Name=="a=]b"].P=2`, [][3]string{{`Device.T.[Name=="a=]b"].`, "P", "2"}}},
		{"Device.T.*.P=2", [][3]string{{"Device.T.*.", "P", "2"}}},
		{"Device.A.B", nil},
		{"Device.A.=1", nil},
		{"Device.A()=1", nil},
		{"Device.R+.P=1", nil},
		{"Device.A.B=1,", nil},
		{"Device.A.B=1,,Device.A.C=1", nil},
		{`Device.A.B="x`, nil},
		{`Device.A.B="x"y`, nil},
		{`Device.A.B="x",`, nil},
		{`Device.A.B=x"y`, nil},
		{strings.Repeat("Device.A.B=1,", 32) + "Device.A.B=1", nil},
	} {
		got, err := agent.ParseTrigger(c.list)
		if (err != nil) != (c.want == nil) || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, %v, want %q", c.list, got, err, c.want)
		}
	}
}

// What can be read says the same when it is written again.
func FuzzTriggerConfigSettings(f *testing.F) {
	for _, s := range []string{
		"Device.A.B=1", `Device.A.B="x,%22=%25" , Device.C.D= y z `, `Device.T.[Name=="a=]b"].P=2`, `Device.A.B="`, "=,",
	} {
		f.Add(s)
	}
	quote := strings.NewReplacer("%", "%25", `"`, "%22")
	f.Fuzz(func(t *testing.T, list string) {
		got, err := agent.ParseTrigger(list)
		if err != nil {
			return
		}
		var items []string
		for _, s := range got {
			items = append(items, s[0]+s[1]+`="`+quote.Replace(s[2])+`"`)
		}
		again, err := agent.ParseTrigger(strings.Join(items, ","))
		if err != nil || !slices.Equal(again, got) {
			t.Errorf("%q: got %q, %v when written again, want %q", list, again, err, got)
		}
	})
}

// What a Subscription sets is set with the rights of its recipient, and what becomes of it
// is counted.
func TestTriggerConfigHasTheRightsOfTheRecipient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		r.stop()
		r.opts.Roles = []agent.Role{{Name: "Night", Permissions: []agent.Permission{
			{Order: 1, Targets: []string{"Device."}, Param: "r--n", Obj: "r---"},
			{Order: 2, Targets: []string{"Device.LocalAgent.Subscription."}, Param: "rw--", Obj: "rw--"},
			{Order: 3, Targets: []string{"Device.WiFi.SSID.*.Enable"}, Param: "rw-n", Obj: "r---"},
		}}}
		r.opts.Controllers = []agent.Controller{{EndpointID: "self::ctl", Role: "Night"}}
		reg := prometheus.NewRegistry()
		r.opts.Metrics = reg
		r.start()
		defer r.stop()
		r.inform(events("1_BOOT"))
		synctest.Wait()
		for _, name := range []string{"Enable=true", "SSID=mine"} {
			r.send("self::ctl", "", split("Add whole Device.LocalAgent.Subscription. NotifType!=ValueChange "+
				"ReferenceList!=Device.WiFi.SSID.1.Enable TriggerAction!=Config Enable!=true "+
				"TriggerConfigSettings!=Device.WiFi.SSID.2."+name))
			synctest.Wait()
			if e := r.lastSent().GetBody().GetError(); e != nil {
				t.Fatalf("got %v, want a Subscription", e)
			}
		}
		for i := range 11 {
			value := strconv.FormatBool(i%2 == 1)
			r.cpe.set("Device.WiFi.SSID.1.Enable", value)
			r.inform(events("4_VALUE_CHANGE"), "Device.WiFi.SSID.1.Enable")
			synctest.Wait()
		}
		const want = `
			# HELP uspgate_translate_triggers_total What Subscriptions were to set: done, failed, or too often.
			# TYPE uspgate_translate_triggers_total counter
			uspgate_translate_triggers_total{result="dropped"} 2
			uspgate_translate_triggers_total{result="failed"} 10
			uspgate_translate_triggers_total{result="ok"} 10
		`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "uspgate_translate_triggers_total"); err != nil {
			t.Error(err)
		}
		if got := r.cpe.snapshot()["Device.WiFi.SSID.2.SSID"]; got != "guest" {
			t.Errorf("got SSID %q, want guest: its recipient may not set it", got)
		}
		<-time.After(time.Minute)
		r.cpe.set("Device.WiFi.SSID.2.Enable", "false")
		r.cpe.set("Device.WiFi.SSID.1.Enable", "true")
		r.inform(events("4_VALUE_CHANGE"), "Device.WiFi.SSID.1.Enable")
		synctest.Wait()
		if got := r.cpe.snapshot()["Device.WiFi.SSID.2.Enable"]; got != "1" {
			t.Errorf("got Enable %q a minute later, want 1", got)
		}
	})
}
