// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/cohort"
	"github.com/uspgate/uspgate/usp"
)

// defaultsFor are the Defaults of the scripts.
func defaultsFor(tb testing.TB, names string) []agent.Defaults {
	tb.Helper()
	boots := subscriptionSeed("self::ctl", "boots", "Event", "Device.Boot!")
	v1, v2 := cohort.Patterns{"1.*"}, cohort.Patterns{"2.*"}
	viewer := agent.Role{Name: "Viewer", Permissions: []agent.Permission{{
		Targets: []string{"Device."}, Param: "r--n", Obj: "r--n", InstantiatedObj: "r--n", CommandEvent: "r--n",
	}}}
	all := map[string]agent.Defaults{
		"wifi": {Select: cohort.Selector{ProductClass: cohort.Patterns{"TR181"}}, Seeds: []agent.Seed{
			boots,
			subscriptionSeed("self::ctl", "days", "Event", "Device.LocalAgent.Periodic!"),
			subscriptionSeed("self::ctl", "ssid", "ValueChange", "Device.WiFi.SSID.*.SSID"),
			{
				Table: agent.TableBootParameter, Owner: "self::ctl", Key: "ParameterName",
				Values: []agent.SeedValue{{"ParameterName", "Device.DeviceInfo.SoftwareVersion"}, {"Enable", "true"}},
			},
		}},
		"bulk": {Seeds: []agent.Seed{
			subscriptionSeed("self::ctl", "push", "Event", "Device.BulkData.Profile.*.Push!"),
			{
				Table: agent.TableBulkProfile, Owner: "self::ctl", Key: "Alias",
				Values: []agent.SeedValue{
					{"Alias", "names"},
					{"Protocol", "USPEventNotif"},
					{"EncodingType", "JSON"},
					{"ReportingInterval", "3600"},
					{"JSONEncoding.ReportFormat", "NameValuePair"},
					{"JSONEncoding.ReportTimestamp", "None"},
					{"Enable", "true"},
				},
				Rows: []agent.Seed{{Table: "Parameter.", Values: []agent.SeedValue{
					{"Reference", "Device.WiFi.SSID.*.SSID"}, {"Name", "net"},
				}}},
			},
		}},
		"old": {
			Select: cohort.Selector{SoftwareVersion: v1}, Controllers: []agent.DefaultController{
				{EndpointID: "self::ctl", ProvisioningCode: "old"}, {EndpointID: "self::old"},
			},
			Seeds: []agent.Seed{subscriptionSeed("self::old", "boots", "Event", "Device.Boot!")},
		},
		"new": {
			Select: cohort.Selector{SoftwareVersion: v2}, Roles: []agent.Role{viewer},
			Controllers: []agent.DefaultController{
				{EndpointID: "self::new", Role: "Viewer", PeriodicNotifInterval: time.Hour}, {EndpointID: "self::ctl"},
			},
			Seeds: []agent.Seed{subscriptionSeed("self::new", "boots", "Event", "Device.Boot!")},
		},
		"pilot": {
			Select:      cohort.Selector{Tag: cohort.Patterns{"pilot"}},
			Controllers: []agent.DefaultController{{EndpointID: "self::new"}},
		},
		"more": {Seeds: []agent.Seed{boots, subscriptionSeed("self::ctl", "mine", "Event", "Device.Boot!")}},
		"more2": {Seeds: []agent.Seed{
			boots, subscriptionSeed("self::ctl", "mine", "Event", "Device.LocalAgent.Periodic!"),
			subscriptionSeed("self::ctl", "own", "Event", "Device.Boot!"),
		}},
	}
	var list []agent.Defaults
	for name := range strings.SplitSeq(names, "+") {
		name, missing := strings.CutSuffix(name, "/missing")
		d, ok := all[name]
		if name != "" && !ok {
			tb.Fatalf("there are no Defaults %s", name)
		}
		d.Name, d.Missing = strings.TrimSuffix(name, "2"), missing
		if name != "" {
			list = append(list, d)
		}
	}
	return list
}

func subscriptionSeed(owner usp.EndpointID, id, typ, refs string) agent.Seed {
	return agent.Seed{Table: agent.TableSubscription, Owner: owner, Key: "ID", Values: []agent.SeedValue{
		{"ID", id}, {"NotifType", typ}, {"ReferenceList", refs}, {"Persistent", "true"}, {"Enable", "true"},
	}}
}
