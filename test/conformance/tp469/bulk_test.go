// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/internal/sim/controller"
)

const profiles = "Device.BulkData.Profile."

// push makes a Profile, with the references given by the Names that they have in reports,
// and returns a function that returns what a report of it says: where the plan waits for the
// interval, which is at least a minute, it is made by ForceCollection().
func (b *bench) push(id string, params map[string]string, references map[string]string) func() string {
	b.Helper()
	all := map[string]string{
		"Enable": "true", "Protocol": "USPEventNotif", "EncodingType": "JSON", "ReportingInterval": "3600",
		"JSONEncoding.ReportFormat": "NameValuePair", "JSONEncoding.ReportTimestamp": "None",
	}
	maps.Copy(all, params)
	row := b.add(false, controller.Create(profiles, all))[0]
	for name, ref := range references {
		create := controller.Create(row+"Parameter.", map[string]string{"Name": name, "Reference": ref})
		if _, err := b.with.Add(b.ctx(), b.cpe.Agent, false, create); err != nil { // without unique keys
			b.Fatal(err)
		}
	}
	b.subscribe(id, "Event", row+"Push!")
	return func() string {
		b.Helper()
		if r := b.operate(row+"ForceCollection()", id, nil); r.GetCmdFailure() != nil {
			b.Fatalf("got %v, want success", r)
		}
		e := b.notified(b.first, id).GetEvent()
		if e.GetObjPath() != row || e.GetEventName() != "Push!" {
			b.Errorf("got %v, want Push! of %s", e, row)
		}
		return e.GetParams()["Data"]
	}
}

// pairs are what the one report in a text of NameValuePair says.
func (b *bench) pairs(text string) map[string]string {
	b.Helper()
	var r struct{ Report []map[string]any }
	if err := json.Unmarshal([]byte(text), &r); err != nil || len(r.Report) != 1 {
		b.Fatalf("got %q (%v), want one report", text, err)
	}
	values := make(map[string]string)
	for name, v := range r.Report[0] {
		values[name] = fmt.Sprint(v)
	}
	return values
}

// says compares what a report says with what the CPE has, by the names it has there.
func (b *bench) says(got, want map[string]string) {
	b.Helper()
	if len(want) == 0 || !maps.Equal(got, want) {
		b.Errorf("got the report\n%v\nwant\n%v", got, want)
	}
}

func case10_10(b *bench) {
	const version, ssids = "Device.DeviceInfo.SoftwareVersion", "Device.WiFi.SSID."
	refs := map[string]string{"": version, "bands": "Device.WiFi.RadioNumberOfEntries"}
	want := b.values(slices.Collect(maps.Values(refs))...)
	want["bands"] = want[refs["bands"]]
	delete(want, refs["bands"])
	b.says(b.pairs(b.push("not1010", nil, refs)()), want)

	deep := b.push("not1010-hierarchy", map[string]string{"JSONEncoding.ReportFormat": "ObjectHierarchy"},
		map[string]string{"": version})
	var r struct {
		Report []struct {
			Device struct {
				DeviceInfo struct{ SoftwareVersion string }
			}
		}
	}
	if err := json.Unmarshal([]byte(deep()), &r); err != nil || len(r.Report) != 1 ||
		r.Report[0].Device.DeviceInfo.SoftwareVersion != want[version] {
		b.Errorf("got %v (%v), want SoftwareVersion %s", r, err, want[version])
	}

	columns := b.push("not1010-csv", map[string]string{"EncodingType": "CSV", "CSVEncoding.RowTimestamp": "None"},
		map[string]string{"": ssids + "*.SSID"})
	rows, err := csv.NewReader(strings.NewReader(columns())).ReadAll()
	if err != nil || len(rows) != 2 {
		b.Fatalf("got %v (%v), want a row of names and one of values", rows, err)
	}
	got := make(map[string]string)
	for i, name := range rows[0] {
		got[name] = rows[1][i]
	}
	b.says(got, b.values(ssids+"*.SSID"))
}

func case10_11(b *bench) {
	const ssid = "Device.WiFi.SSID.*.SSID"
	want := make(map[string]string)
	for path, v := range b.values(ssid) {
		want["ssid."+strings.Split(path, ".")[3]] = v
	}
	b.says(b.pairs(b.push("not1011", nil, map[string]string{"ssid": ssid})()), want)
}

func case10_12(b *bench) {
	const object = "Device.LocalAgent.Controller.1."
	want := make(map[string]string)
	for path, v := range b.values(object) {
		want["me."+strings.TrimPrefix(path, object)] = v
	}
	b.says(b.pairs(b.push("not1012", nil, map[string]string{"me": object})()), want)
}
