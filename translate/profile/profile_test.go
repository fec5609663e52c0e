// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package profile_test

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/translate/profile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What the gateway comes with is good, and says why.
func TestBuiltIn(t *testing.T) {
	t.Parallel()
	rows, err := profile.BuiltIn()
	if err != nil || len(rows) == 0 {
		t.Fatalf("got %d rows, %v, want some", len(rows), err)
	}
	quirk := regexp.MustCompile(`\[quirk \d+\]$`)
	for i, r := range rows {
		if !quirk.MatchString(r.Why) {
			t.Errorf("row %d: got why %q, want the quirk at its end", i, r.Why)
		}
	}
}

func TestLayers(t *testing.T) {
	t.Parallel()
	table, err := profile.NewTable([]profile.Row{
		{For: profile.Model{OUI: "*"}, Profile: profile.Profile{Batch: 20, Booleans: profile.Words}},
		{For: profile.Model{OUI: "000b82", SoftwareVersion: "1.*"}, Profile: profile.Profile{
			Batch: 8, Download: profile.Download{NoTLS: true},
		}},
		{For: profile.Model{OUI: "000B82", ProductClass: "HT?02*"}, Profile: profile.Profile{Batch: 1}},
		{For: profile.Model{OUI: "00D09E"}, Alone: true, Profile: profile.Profile{WholeSeconds: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		model profile.Model
		want  profile.Profile
	}{
		{profile.Model{OUI: "FFFFFF"}, profile.Profile{Batch: 20, Booleans: profile.Words}},
		{
			profile.Model{OUI: "000B82", ProductClass: "HT802", SoftwareVersion: "1.0.2"},
			profile.Profile{Batch: 8, Booleans: profile.Words, Download: profile.Download{NoTLS: true}},
		},
		{profile.Model{OUI: "000B82", SoftwareVersion: "2.1"}, profile.Profile{Batch: 20, Booleans: profile.Words}},
		{profile.Model{OUI: "00D09E"}, profile.Profile{WholeSeconds: true}},
	} {
		if got := table.Of(tc.model); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%+v: got %+v, want %+v", tc.model, got, tc.want)
		}
	}
	want := []profile.Trait{
		{Name: "booleans", Value: "words", From: "cwmp.profiles[0]"},
		{Name: "batch", Value: "4", From: "learned"},
		{Name: "download.no_tls", Value: "true", From: "cwmp.profiles[1]"},
	}
	layers := append(table.Layers(profile.Model{OUI: "000B82", SoftwareVersion: "1.0"}),
		profile.Layer{From: "learned", Profile: profile.Profile{Batch: 4}})
	if got := profile.Traits(layers); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := (*profile.Table)(nil).Of(profile.Model{OUI: "000B82"}); !got.IsZero() {
		t.Errorf("no Table: got %+v, want nothing", got)
	}
}

// Every field has a name of its own, is shown, and is merged.
func TestEveryField(t *testing.T) {
	t.Parallel()
	var p profile.Profile
	n := fill(reflect.ValueOf(&p).Elem())
	traits := profile.Traits([]profile.Layer{{From: "x", Profile: p}})
	seen := map[string]bool{}
	for _, tr := range traits {
		if tr.Name == "" || tr.Value == "" || seen[tr.Name] {
			t.Errorf("got %+v, want a name of its own and a value", tr)
		}
		seen[tr.Name] = true
	}
	if len(traits) != n {
		t.Errorf("got %d traits, want those of %d fields", len(traits), n)
	}
	if got := (profile.Profile{}).Merge(p); !reflect.DeepEqual(got, p) {
		t.Errorf("got %+v, want %+v", got, p)
	}
	if got := p.Merge(profile.Profile{}); !reflect.DeepEqual(got, p) {
		t.Errorf("got %+v, want %+v", got, p)
	}
}

// fill sets every field, and returns how many they are.
func fill(v reflect.Value) int {
	n := 0
	for i := range v.NumField() {
		f := v.Field(i)
		if f.Kind() == reflect.Struct {
			n += fill(f)
			continue
		}
		n++
		switch f.Kind() {
		case reflect.Bool:
			f.SetBool(true)
		case reflect.String:
			f.SetString("x")
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"x"}))
		default:
			f.SetInt(int64(time.Second))
		}
	}
	return n
}

func TestCheck(t *testing.T) {
	t.Parallel()
	batch := profile.Profile{Batch: 1}
	some := profile.Model{OUI: "00D09E"}
	for _, tc := range []struct {
		row   profile.Row
		field string
	}{
		{profile.Row{Profile: batch}, ""},
		{profile.Row{For: some}, ""},
		{profile.Row{For: some, Profile: profile.Profile{Booleans: "yes"}}, "booleans"},
		{profile.Row{For: some, Profile: profile.Profile{NextLevel: "1"}}, "next_level"},
		{profile.Row{For: some, Profile: profile.Profile{Names: "all"}}, "names"},
		{profile.Row{For: some, Profile: profile.Profile{ConnectionRequest: []string{"smtp"}}}, "connection_request[0]"},
		{profile.Row{For: some, Profile: profile.Profile{Batch: profile.MaxBatch + 1}}, "batch"},
		{profile.Row{For: some, Profile: profile.Profile{FarewellPosts: profile.MaxFarewellPosts + 1}}, "farewell_posts"},
		{profile.Row{For: some, Profile: profile.Profile{WalkLevels: 2}}, "walk_levels"},
		{profile.Row{For: some, Profile: profile.Profile{
			Names: profile.NamesWalk, WalkLevels: profile.MaxWalkLevels + 1,
		}}, "walk_levels"},
		{profile.Row{For: some, Profile: profile.Profile{SessionTimeout: -1}}, "session_timeout"},
		{profile.Row{For: some, Profile: profile.Profile{TransferWait: -1}}, "transfer_wait"},
		{profile.Row{For: some, Profile: profile.Profile{Header: make9("A: b")}}, "header"},
		{profile.Row{For: some, Profile: profile.Profile{Header: []string{"no colon"}}}, "header[0]"},
		{profile.Row{For: some, Profile: profile.Profile{Header: []string{"A: b", "A: b\r\nC: d"}}}, "header[1]"},
		{profile.Row{For: some, Profile: profile.Profile{Header: []string{"A b: c"}}}, "header[0]"},
		{profile.Row{For: some, Profile: profile.Profile{Header: []string{"content-length: 3"}}}, "header[0]"},
		{profile.Row{For: some, Profile: profile.Profile{
			Header: []string{"A: " + strings.Repeat("b", profile.MaxHeader)},
		}}, "header[0]"},
		{profile.Row{For: some, Profile: profile.Profile{Ignore: []string{"WiFi."}}}, "ignore[0]"},
		{profile.Row{For: some, Profile: profile.Profile{Ignore: []string{"Device."}}}, "ignore[0]"},
		{profile.Row{For: some, Profile: profile.Profile{
			Ignore: slices.Repeat([]string{"Device.WiFi."}, profile.MaxIgnore+1),
		}}, "ignore"},
		{profile.Row{For: some, Profile: profile.Profile{
			Download: profile.Download{Extension: "bin"},
		}}, "download.extension"},
		{profile.Row{For: some, Profile: profile.Profile{Download: profile.Download{MaxURL: 3}}}, "download.max_url"},
	} {
		got := tc.row.Check()
		if len(got) != 1 || got[0].Field != tc.field || got[0].Text == "" || got[0].Hint == "" {
			t.Errorf("%+v: got %+v, want one of %q with a remedy", tc.row, got, tc.field)
		}
	}
	good := profile.Row{For: some, Profile: profile.Profile{
		Header: []string{"SOAPServer: uspgate"}, Names: profile.NamesWalk, WalkLevels: 2, NextLevel: profile.Words,
		Ignore:            []string{"Device.WiFi.SSID.{i}.Stats.", "InternetGatewayDevice.DeviceInfo.DeviceLog"},
		ConnectionRequest: []string{"udp", "http"}, Download: profile.Download{Extension: ".bin", MaxURL: 256},
	}}
	if got := good.Check(); len(got) > 0 {
		t.Errorf("got %+v, want none", got)
	}
}

func make9(s string) []string { return slices.Repeat([]string{s}, profile.MaxHeaders+1) }

// A pattern fits what the regular expression fits that has .* for each *.
func FuzzFits(f *testing.F) {
	for _, s := range [][2]string{
		{"a*b", "axxb"}, {"*", ""}, {"", "x"}, {"A*", "abc"}, {"*x*x", "xx"}, {"ab*bc", "abc"}, {"a", "ab"}, {"a**b", "ab"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if !ascii(pattern) || !ascii(s) {
			return
		}
		parts := strings.Split(pattern, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		want := pattern == "" || regexp.MustCompile("(?is)^"+strings.Join(parts, ".*")+"$").MatchString(s)
		r := profile.Row{For: profile.Model{ProductClass: pattern}}
		if got := r.Fits(profile.Model{ProductClass: s}); got != want {
			t.Errorf("%q, %q: got %t, want %t", pattern, s, got, want)
		}
	})
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
