// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/translate/profile"
)

func TestProfiles(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ entry, want string }{
		{`{oui: 00D09E, batch: 8, download: {no_tls: true}, header: ["SOAPServer: x"], session_timeout: 2m}`, ""},
		{`{oui: "*", booleans: words}`, ""},
		{`{batch: 8}`, "cwmp.profiles[0]: it is for every CPE"},
		{`{oui: 00D09E}`, "cwmp.profiles[0]: it changes nothing"},
		{`{oui: 00D09E, alone: true}`, ""},
		{`{oui: 00D09E, booleans: "yes"}`, `cwmp.profiles[0].booleans: "yes" is not known`},
		{`{oui: 00D09E, download: {extension: bin}}`, `cwmp.profiles[0].download.extension: "bin" is not how a name ends`},
		{`{oui: 00D09E, header: [x]}`, `cwmp.profiles[0].header[0]: "x" is not a header`},
		{`{oui: 00D09E, bach: 8}`, "did you mean batch?"},
	} {
		_, err := config.Parse("f.yaml", []byte("cwmp: {profiles: ["+tc.entry+"]}\n"), nil)
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: got %v, want nil", tc.entry, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: got %v, want %s", tc.entry, err, tc.want)
		}
	}
	many := "cwmp: {profiles: [" + strings.Repeat(`{oui: "1", batch: 1}, `, 257) + "]}\n"
	if _, err := config.Parse("f.yaml", []byte(many), nil); err == nil || !strings.Contains(err.Error(), "257 entries") {
		t.Errorf("got %v, want too many entries", err)
	}
}

// Every field of a Profile can be set, by the name that it is shown with.
func TestProfileHasEveryField(t *testing.T) {
	t.Parallel()
	var p config.Profile
	want := set(reflect.ValueOf(&p).Elem(), "")
	row := p.Row()
	var got []string
	for _, tr := range profile.Traits([]profile.Layer{{Profile: row.Profile}}) {
		got = append(got, tr.Name)
	}
	slices.Sort(got)
	models := []string{"alone", "manufacturer", "oui", "product_class", "software_version"}
	want = slices.DeleteFunc(want, func(name string) bool { return slices.Contains(models, name) })
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if all := len(profile.Traits([]profile.Layer{{Profile: full()}})); len(got) != all {
		t.Errorf("got %d fields, want %d", len(got), all)
	}
	model := profile.Model{Manufacturer: "x", OUI: "x", ProductClass: "x", SoftwareVersion: "x"}
	if row.For != model || !row.Alone {
		t.Errorf("got %+v, want %+v, alone", row, model)
	}
}

func full() profile.Profile {
	var p profile.Profile
	set(reflect.ValueOf(&p).Elem(), "")
	return p
}

// set gives every field a value, and returns their keys.
func set(v reflect.Value, prefix string) []string {
	var names []string
	for i := range v.NumField() {
		f, name := v.Field(i), prefix+v.Type().Field(i).Tag.Get("yaml")
		switch f.Kind() {
		case reflect.Struct:
			names = append(names, set(f, name+".")...)
			continue
		case reflect.Bool:
			f.SetBool(true)
		case reflect.String:
			f.SetString("x")
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"x"}))
		default:
			f.SetInt(int64(time.Second))
		}
		names = append(names, name)
	}
	return names
}
