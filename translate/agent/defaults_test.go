// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/cwmp"
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
	provision := subscriptionSeed("self::ctl", "provision", "Event", "Device.Boot!")
	provision.Values = append(provision.Values, agent.SeedValue{Param: "TriggerAction", Value: "Config"},
		agent.SeedValue{Param: "TriggerConfigSettings", Value: "Device.DeviceInfo.ProvisioningCode=north"})
	all["provision"] = agent.Defaults{Seeds: []agent.Seed{provision}}
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

// An Agent is shown to the Controllers of its cohort alone, also while it sleeps; where that
// depends on the firmware, by itself once the CPE has told it.
func TestShownTo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "controllers=self::ctl+self::old+self::new", "defaults=old+new")
		defer func() { r.stop() }()
		id := r.agent.EndpointID()
		want := func(when string, ids ...usp.EndpointID) {
			t.Helper()
			if got := r.host.ShownTo(id); !slices.Equal(got, ids) {
				t.Errorf("%s: got %v, want %v", when, got, ids)
			}
		}
		want("before the CPE has come")
		r.inform([]cwmp.Event{{Code: cwmp.EventBoot}})
		synctest.Wait()
		connects := []usp.EndpointID{"self::ctl", "self::old"}
		if got := r.connects(); !slices.Equal(got, connects) {
			t.Errorf("got Connect Records for %v, want %v", got, connects)
		}
		want("awake", "self::ctl", "self::old")
		<-time.After(time.Second)
		r.host.PutToSleep()
		if n := r.host.Awake(); n != 0 {
			t.Fatalf("got %d Agents awake, want none", n)
		}
		want("asleep", "self::ctl", "self::old")

		r.end()
		r.startHost()
		want("after a restart", "self::ctl", "self::old")
		if n := r.host.Awake(); n != 0 {
			t.Errorf("got %d Agents awake, want none", n)
		}
		r.end()
		r.shelf.older = true
		r.startHost()
		want("with a record of before")
		r.attach(r.cpe)
		if got := r.connects(); !slices.Equal(got, connects) {
			t.Errorf("got Connect Records for %v, want %v", got, connects)
		}
		want("in memory again", "self::ctl", "self::old")
		if got := r.host.ShownTo("os::none"); got != nil {
			t.Errorf("got %v for nobody, want none", got)
		}
	})
}

// connects are those for whom there were Connect Records since it was asked last.
func (r *rig) connects() []usp.EndpointID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []usp.EndpointID
	for _, rec := range r.records {
		if h := rec.Header(); h.Type.IsConnect() {
			ids = append(ids, h.To)
		}
	}
	r.records = nil
	return ids
}

// What an Agent cannot have is counted, and does not keep it from the rest.
func TestDefaultsBeyondABound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "controllers=self::ctl")
		r.stop()
		reg := prometheus.NewRegistry()
		r.opts.Metrics, r.opts.Subscriptions, r.opts.Defaults = reg, 2, defaultsFor(t, "more+bulk")
		r.shelf = newShelf()
		r.opts.Keeper = r.shelf
		r.start()
		r.inform([]cwmp.Event{{Code: cwmp.EventBoot}})
		synctest.Wait()
		defer r.stop()
		count := func(when, failed, ok string) {
			t.Helper()
			const name = "uspgate_translate_defaults_total"
			want := "# HELP " + name + " What Virtual Agents were given of translate.defaults, or could not have.\n" +
				"# TYPE " + name + " counter\n" +
				name + `{result="failed"} ` + failed + "\n" + name + `{result="ok"} ` + ok + "\n"
			if err := testutil.GatherAndCompare(reg, strings.NewReader(want), name); err != nil {
				t.Errorf("%s: %v", when, err)
			}
		}
		count("at first", "1", "3")
		reg = prometheus.NewRegistry()
		r.opts.Metrics = reg
		r.restart("defaults=more/missing+bulk/missing")
		r.inform([]cwmp.Event{{Code: cwmp.EventBoot}})
		count("after a restart, when nothing is tried again", "0", "0")
		given := r.agent.State().Given
		status := []agent.DefaultsStatus{
			{Name: "more", Fits: true, Given: 2, Of: 2}, {Name: "bulk", Fits: true, Given: 1, Of: 2},
		}
		if got := r.host.DefaultsOf(r.agent.Identity(), "1.0.0", nil, given); !reflect.DeepEqual(got, status) {
			t.Errorf("got %+v, want %+v", got, status)
		}
		other := cwmp.DeviceID{OUI: "FFFFFF", ProductClass: "X", SerialNumber: "1"}
		if got := r.host.DefaultsOf(other, "", nil, nil); len(got) != 2 || got[0].Given+got[1].Given != 0 {
			t.Errorf("got %+v, want both, and nothing given", got)
		}
	})
}

// Defaults that make no sense are refused before anybody is let in.
func TestDefaultsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	loaded, err := rules()
	if err != nil {
		t.Fatal(err)
	}
	seeds := func(s ...agent.Seed) []agent.Defaults { return []agent.Defaults{{Name: "x", Seeds: s}} }
	for want, list := range map[string][]agent.Defaults{
		"Defaults[0] name":                           {{Roles: []agent.Role{{Name: "A"}}}},
		"Defaults[0] : it gives nothing":             {{Name: "x"}},
		"Defaults[-1] : 65 entries":                  make([]agent.Defaults, 65),
		"seeds[0].: \"self::b\" is not a controller": seeds(subscriptionSeed("self::b", "s", "Event", "Device.Boot!")),
		"seeds[0].NotifType: want one of":            seeds(subscriptionSeed("self::ctl", "s", "Boot", "Device.Boot!")),
		"seeds[0].ID: it has none":                   seeds(subscriptionSeed("self::ctl", "", "Event", "Device.Boot!")),
	} {
		_, err := agent.NewHost(agent.Options{
			Send: func(usp.Record) {}, Rules: loaded, Defaults: list, Controllers: []agent.Controller{{EndpointID: "self::ctl"}},
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error about %q", err, want)
		}
	}
}

// What was given is known by this, for ever.
func TestMarks(t *testing.T) {
	t.Parallel()
	one := subscriptionSeed("self::ctl", "boots", "Event", "Device.Boot!")
	other := one
	other.Values = slices.Clone(one.Values)
	slices.Reverse(other.Values)
	bulk := defaultsFor(t, "bulk")[0].Seeds[1]
	for _, tc := range []struct {
		seed agent.Seed
		want string
	}{{one, "FmFlr8BA"}, {other, "FmFlr8BA"}, {bulk, "whJqlXMq"}} {
		if got := tc.seed.Mark(); got != tc.want {
			t.Errorf("%+v: got %s, want %s", tc.seed, got, tc.want)
		}
	}
}
