// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cohort_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/cohort"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Each field alone, and all together.
func TestMatch(t *testing.T) {
	t.Parallel()
	id := cwmp.DeviceID{Manufacturer: "Acme GmbH", OUI: "00d09e", ProductClass: "DSL-5", SerialNumber: "SN0042"}
	for _, tc := range []struct {
		name string
		s    cohort.Selector
		want bool
	}{
		{"all", cohort.Selector{}, true},
		{"manufacturer", cohort.Selector{Manufacturer: cohort.Patterns{"acme*"}}, true},
		{"another manufacturer", cohort.Selector{Manufacturer: cohort.Patterns{"Acme"}}, false},
		{"one of two OUIs", cohort.Selector{OUI: cohort.Patterns{"FFFFFF", "00D09E"}}, true},
		{"none of two OUIs", cohort.Selector{OUI: cohort.Patterns{"FFFFFF", "00D09F"}}, false},
		{"product class", cohort.Selector{ProductClass: cohort.Patterns{"dsl-*"}}, true},
		{"firmware", cohort.Selector{SoftwareVersion: cohort.Patterns{"2.*"}}, true},
		{"another firmware", cohort.Selector{SoftwareVersion: cohort.Patterns{"2"}}, false},
		{"serial", cohort.Selector{Serial: cohort.Patterns{"*42"}}, true},
		{"first of the range", cohort.Selector{SerialFrom: "SN0042"}, true},
		{"last of the range", cohort.Selector{SerialTo: "sn0042"}, true},
		{"before the range", cohort.Selector{SerialFrom: "SN0043"}, false},
		{"after the range", cohort.Selector{SerialFrom: "SN0000", SerialTo: "SN0041"}, false},
		{"longer than the range", cohort.Selector{SerialTo: "SN999"}, false},
		{"shorter than the range", cohort.Selector{SerialFrom: "A000000"}, false},
		{"tag", cohort.Selector{Tag: cohort.Patterns{"vip", "pil*"}}, true},
		{"another tag", cohort.Selector{Tag: cohort.Patterns{"vip"}}, false},
		{"all but one", cohort.Selector{
			OUI: cohort.Patterns{"00D09E"}, Serial: cohort.Patterns{"SN*"}, Tag: cohort.Patterns{"vip"},
		}, false},
		{"percent", cohort.Selector{Percent: 100_00}, true},
	} {
		if got := tc.s.Match(id, "2.1", "north", "pilot"); got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
	if s := (cohort.Selector{Tag: cohort.Patterns{"*"}}); s.Match(id, "2.1") {
		t.Errorf("no tag: got a match for %s, want none", s.String())
	}
}

// The Place of a CPE is what it was: percentages of plans that run depend on it.
func TestPlace(t *testing.T) {
	t.Parallel()
	id := cwmp.DeviceID{Manufacturer: "Acme", OUI: "00D09E", ProductClass: "DSL", SerialNumber: "1"}
	other := cwmp.DeviceID{Manufacturer: "ACME", OUI: " 00d09e", ProductClass: "DSL", SerialNumber: "1"}
	for _, tc := range []struct {
		id   cwmp.DeviceID
		seed string
		want int
	}{
		{id, "", 789},
		{other, "", 789}, // the identity is the same
		{id, "wave", 9787},
		{cwmp.DeviceID{OUI: "00D09E", SerialNumber: "1"}, "", 731},
		{cwmp.DeviceID{OUI: "00256D", ProductClass: "ONT 4", SerialNumber: "A-7"}, "", 4344},
	} {
		if got := cohort.Place(tc.id, tc.seed); got != tc.want {
			t.Errorf("%s with seed %q: got %d, want %d", tc.id, tc.seed, got, tc.want)
		}
	}
}

// About as many are meant as there should be, and those of a lower percentage stay.
func TestPercent(t *testing.T) {
	t.Parallel()
	const n = 20_000
	few, more := cohort.Selector{Percent: 5_00}, cohort.Selector{Percent: 20_00}
	others := cohort.Selector{Percent: 20_00, Seed: "x"}
	var nFew, nMore, nBoth int
	for i := range n {
		id := cwmp.DeviceID{OUI: "00D09E", ProductClass: "DSL", SerialNumber: fmt.Sprint("SN", i)}
		a, b, c := few.Match(id, ""), more.Match(id, ""), others.Match(id, "")
		if a && !b {
			t.Fatalf("%s: got it at 5 %% and not at 20 %%, want it at both", id)
		}
		count(&nFew, a)
		count(&nMore, b)
		count(&nBoth, b && c)
	}
	near := func(what string, got, want int) {
		if got < want*9/10 || got > want*11/10 {
			t.Errorf("%s: got %d of %d, want about %d", what, got, n, want)
		}
	}
	near("5 %", nFew, n/20)
	near("20 %", nMore, n/5)
	near("20 % with either seed", nBoth, n/25)
}

func count(n *int, yes bool) {
	if yes {
		*n++
	}
}

func TestPercentText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": "0", "10": "10", "100": "100", "0.5": "0.5", "0.25%": "0.25", "12.50 %": "12.5", "007": "7",
		"101": "", "100.01": "", "-1": "", "1.234": "", ".5": "", "1.": "", "x": "", "": "", "1000": "", "+1": "",
	} {
		var p cohort.Percent
		if err := p.UnmarshalText([]byte(text)); (err == nil) != (want != "") || err == nil && p.String() != want {
			t.Errorf("%q: got %s, %v, want %q", text, p, err, want)
		}
	}
}

func FuzzPercent(f *testing.F) {
	f.Add("12.5 %")
	f.Add("100.00")
	f.Fuzz(func(t *testing.T, text string) {
		var p, again cohort.Percent
		if p.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(p.String())); err != nil || again != p || p < 0 || p > 100_00 {
			t.Errorf("%q: got %s, then %s, %v, want the same from 0 to 100", text, p, again, err)
		}
	})
}

// JSON has one text or a list of them, and comes back as it was.
func TestJSON(t *testing.T) {
	t.Parallel()
	var got cohort.Selector
	text := `{"oui":"00D09E","serial":["1*","2*"],"serial_from":"0","percent":"2.5"}`
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := cohort.Selector{
		OUI: cohort.Patterns{"00D09E"}, Serial: cohort.Patterns{"1*", "2*"}, SerialFrom: "0", Percent: 2_50,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	again, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"oui":["00D09E"],"serial":["1*","2*"],"serial_from":"0","percent":"2.5"}`; string(again) != want {
		t.Errorf("got %s, want %s", again, want)
	}
	if err := json.Unmarshal([]byte(`{"oui":7}`), &got); err == nil {
		t.Error("got no error for a number, want one")
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		s    cohort.Selector
		want string
	}{
		{cohort.Selector{}, "every CPE"},
		{cohort.Selector{OUI: cohort.Patterns{}}, "every CPE"},
		{cohort.Selector{Percent: 50}, "every CPE, 0.5 % of them"},
		{
			cohort.Selector{
				Manufacturer: cohort.Patterns{"Acme"}, OUI: cohort.Patterns{"00D09E", "00256D"}, SerialFrom: "1",
				SerialTo: "9", Tag: cohort.Patterns{"vip"},
			},
			"manufacturer Acme, oui 00D09E or 00256D, serial from 1, serial to 9, tag vip",
		},
	} {
		if got := tc.s.String(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
		if got := tc.s.IsZero(); got != (tc.want == "every CPE") {
			t.Errorf("%s: got zero %v", tc.want, got)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	many := make(cohort.Patterns, cohort.MaxPatterns+1)
	for i := range many {
		many[i] = "x"
	}
	for _, tc := range []struct {
		s    cohort.Selector
		want string
	}{
		{cohort.Selector{OUI: cohort.Patterns{"*"}, SerialFrom: "9", SerialTo: "10", Percent: 1, Seed: "x"}, ""},
		{cohort.Selector{OUI: cohort.Patterns{"A", " "}}, "oui[1]"},
		{cohort.Selector{Tag: many}, "tag"},
		{cohort.Selector{Serial: cohort.Patterns{strings.Repeat("x", 257)}}, "serial[0]"},
		{cohort.Selector{SerialFrom: "B1", SerialTo: "A9"}, "serial_to"},
		{cohort.Selector{SerialFrom: "B*"}, "serial_from"},
		{cohort.Selector{Percent: 100_01}, "percent"},
		{cohort.Selector{Seed: "x"}, "seed"},
	} {
		var fields []string
		for _, p := range tc.s.Check() {
			fields = append(fields, p.Field)
			if p.Text == "" || p.Hint == "" {
				t.Errorf("%s: got %+v, want a text and a remedy", p.Field, p)
			}
		}
		want := strings.Fields(tc.want)
		if !slices.Equal(fields, want) {
			t.Errorf("got problems with %v, want %v", fields, want)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	m := cohort.NewMatcher(&cohort.Selector{
		OUI: cohort.Patterns{"FFFFFF", "00D09E"}, Serial: cohort.Patterns{"SN*"}, Percent: 10_00,
	})
	id := cwmp.DeviceID{Manufacturer: "Acme", OUI: "00D09E", ProductClass: "DSL", SerialNumber: "SN0042"}
	b.ReportAllocs()
	for b.Loop() {
		m.Match(id, "2.1")
	}
}
