// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in, canonical, object, supported, leaf string
		kind                                   path.Kind
		search                                 bool
	}{
		{"Device.", "", "Device.", "Device.", "", path.Object, false},
		{"Device.WiFi.", "", "Device.WiFi.", "Device.WiFi.", "", path.Object, false},
		{"Device.WiFi.SSID.1.", "", "Device.WiFi.SSID.1.", "Device.WiFi.SSID.{i}.", "", path.Instance, false},
		{
			"Device.WiFi.SSID.4294967295.SSID", "", "Device.WiFi.SSID.4294967295.",
			"Device.WiFi.SSID.{i}.SSID", "SSID", path.Parameter, false,
		},
		{"Device._x.Y_2", "", "Device._x.", "Device._x.Y_2", "Y_2", path.Parameter, false},
		{"Device.Reboot()", "", "Device.", "Device.Reboot()", "Reboot", path.Command, false},
		{"Device.Boot!", "", "Device.", "Device.Boot!", "Boot", path.Event, false},
		{"Device.IP.Port.3.Reset()", "", "Device.IP.Port.3.", "Device.IP.Port.{i}.Reset()", "Reset", path.Command, false},
		{"Device.WiFi.SSID.*.SSID", "", "Device.WiFi.SSID.", "Device.WiFi.SSID.{i}.SSID", "SSID", path.Parameter, true},
		{"Device.WiFi.SSID.*.", "", "Device.WiFi.SSID.", "Device.WiFi.SSID.{i}.", "", path.Instance, true},
		{
			`Device.WiFi.SSID.[Alias=="cpe-1"].Stats.`, "", "Device.WiFi.SSID.",
			"Device.WiFi.SSID.{i}.Stats.", "", path.Object, true,
		},
		{
			"Device.A.1.B.[ X >= 1\t&& Y~=\"a b\" ].C.2.D", `Device.A.1.B.[X>=1&&Y~="a b"].C.2.D`, "Device.A.1.B.",
			"Device.A.{i}.B.{i}.C.{i}.D", "D", path.Parameter, true,
		},
		{`Device.A.[N=="%22100%25%22"].`, "", "Device.A.", "Device.A.{i}.", "", path.Instance, true},
		{`Device.A.[N==""].`, "", "Device.A.", "Device.A.{i}.", "", path.Instance, true},
		{`Device.A.[N=="a]b.c&&d"].`, "", "Device.A.", "Device.A.{i}.", "", path.Instance, true},
		{"Device.A.[T<2024-01-31T01:02:03+01:00].", "", "Device.A.", "Device.A.{i}.", "", path.Instance, true},
		{"Device.A.[N==-08].", "", "Device.A.", "Device.A.{i}.", "", path.Instance, true},
		{"Device.A.[B.C#1+.D!=true].", "Device.A.[B.C+.D!=true].", "Device.A.", "Device.A.{i}.", "", path.Instance, true},
		{"Device.A.1.Ref+.Name", "", "Device.A.1.", "Device.A.{i}.Ref+.Name", "Name", path.Parameter, true},
		{"Device.A.1.R#1+.Name", "Device.A.1.R+.Name", "Device.A.1.", "Device.A.{i}.R+.Name", "Name", path.Parameter, true},
		{"Device.A.1.Ref#12+.B.", "", "Device.A.1.", "Device.A.{i}.Ref#12+.B.", "", path.Object, true},
		{"Device.A.*.Ref#*+.", "", "Device.A.", "Device.A.{i}.Ref#*+.", "", path.Instance, true},
	} {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			p, err := path.Parse(tt.in)
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if tt.canonical == "" {
				tt.canonical = tt.in
			}
			if p.String() != tt.canonical {
				t.Errorf("String: got %s, want %s", p.String(), tt.canonical)
			}
			if p.Kind() != tt.kind {
				t.Errorf("Kind: got %v, want %v", p.Kind(), tt.kind)
			}
			if p.IsSearch() != tt.search {
				t.Errorf("IsSearch: got %v, want %v", p.IsSearch(), tt.search)
			}
			if p.Object() != tt.object {
				t.Errorf("Object: got %s, want %s", p.Object(), tt.object)
			}
			if p.Supported() != tt.supported {
				t.Errorf("Supported: got %s, want %s", p.Supported(), tt.supported)
			}
			if p.Leaf() != tt.leaf {
				t.Errorf("Leaf: got %s, want %s", p.Leaf(), tt.leaf)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for in, text := range map[string]string{
		"":                        "character 1: want a name",
		"Device":                  "character 7: want a dot",
		".Device.":                "character 1: want a name",
		"Device..":                "character 8: want a name",
		"Device.WiFi..SSID":       "character 13: want a name",
		"Device.1.":               "character 8: an instance identifier must follow",
		"Device.A.1.2.":           "character 12: an instance identifier must follow",
		"Device.A.1":              "character 11: want a dot",
		"Device.A.*":              "character 11: want a dot",
		"Device.A.0.":             "character 10: an instance number does not start with 0",
		"Device.A.01.":            "character 10: an instance number does not start with 0",
		"Device.A.4294967296.":    "an instance number is at most",
		"Device.A.-1.":            "character 10: want a name",
		"Device.A B.":             "character 9: want a dot",
		"Device.A-B.":             "character 9: want a dot",
		" Device.A.":              "character 1: want a name",
		"Device.A()x":             "character 9: want a dot",
		"Device.A().":             "character 9: want a dot",
		"Device.A!.":              "character 9: want a dot",
		"Device.A.[].":            "character 11: an expression is not empty",
		"Device.A.[ ].":           "character 12: an expression is not empty",
		"Device.A.{}.":            "character 10: {i} is for paths of the supported data model",
		"Device.A.{i}.":           "character 10: {i} is for paths of the supported data model",
		"Device.A.[B].":           "character 12: want one of",
		"Device.A.[B=1].":         "character 12: want one of",
		"Device.A.[B==].":         "character 14: want a value",
		`Device.A.[B=="x].`:       "character 15: the string has no closing quote",
		`Device.A.[B=="100%"].`:   "character 18: in a string % is written %25",
		`Device.A.[B=="%41"].`:    "character 15: in a string % is written %25",
		"Device.A.[B==1":          "character 15: want && or ]",
		"Device.A.[B==1&&].":      "character 17: want a name",
		"Device.A.[B==1||C==2].":  "character 15: want && or ]",
		"Device.A.[B==1&C==2].":   "character 15: want && or ]",
		"Device.A.[B.1.C==1].":    "character 13: want a name",
		"Device.A.[B.*.C==1].":    "character 13: want a name",
		"Device.A.[.B==1].":       "character 11: want a name",
		"Device.A.[Ref+==1].":     "character 15: want a dot",
		"Device.A.1.Ref+":         "character 16: want a dot",
		"Device.A.1.Ref#+.B":      "character 16: want the index of a reference",
		"Device.A.1.Ref#0+.B":     "character 16: the index of a reference does not start with 0",
		"Device.A.1.Ref#2.B":      "character 17: want +",
		"Device.A.1.Ref+.1.B":     "character 17: an instance identifier must follow",
		"Device.A\x00.":           "character 9: want a dot",
		"Dev\xffice.":             "character 4: want a dot",
		strings.Repeat("A.", 600): "longer than 1024 bytes",
		strings.Repeat("A.", 33):  "more than 32 parts",
		"Device.A.[" + strings.Repeat("B==1&&", 16) + "B==1].": "more than 16 comparisons",
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			p, err := path.Parse(in)
			var e *usp.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %+v, %v, want a *usp.Error", p, err)
			}
			if e.Code != usp.CodeInvalidPathSyntax || !strings.Contains(e.Text, text) {
				t.Errorf("got %v, want 7008 with %q", e, text)
			}
		})
	}
}

func TestParseSupported(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Device.":                     "Device.",
		"Device.WiFi.SSID.{i}.":       "Device.WiFi.SSID.{i}.",
		"Device.WiFi.SSID.":           "Device.WiFi.SSID.",
		"Device.WiFi.SSID.3.Stats.":   "Device.WiFi.SSID.{i}.Stats.",
		"Device.A.1.B.{i}.C":          "Device.A.{i}.B.{i}.C",
		"Device.IP.Interface.{i}.R()": "Device.IP.Interface.{i}.R()",
		"Device.WiFi.SSID.{i}.Event!": "Device.WiFi.SSID.{i}.Event!",
		"Device.A.{i}.B.1.":           "7008",
		"Device.A.*.":                 "7008",
		"Device.A.[B==1].":            "7008",
		"Device.A.{j}.":               "7008",
		"Device.A.{}.":                "7008",
		"Device.{i}.":                 "7008",
		"Device.A.{i}.Ref+.B":         "7008",
		"Device.A.{i}":                "7008",
	} {
		p, err := path.ParseSupported(in)
		got := p.Supported()
		var e *usp.Error
		if errors.As(err, &e) && e.Code == usp.CodeInvalidPathSyntax {
			got = "7008"
		}
		if got != want {
			t.Errorf("ParseSupported(%s): got %s (%v), want %s", in, got, err, want)
		}
	}
}

func TestGeneric(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Device.WiFi.SSID.3.SSID": "Device.WiFi.SSID.{i}.SSID",
		"Device.A.1.B.22.":        "Device.A.{i}.B.{i}.",
		"Device.DeviceInfo.":      "Device.DeviceInfo.",
		"Device.A1.B2":            "Device.A1.B2",
		"Device.WiFi.SSID.{i}.":   "Device.WiFi.SSID.{i}.",
		"":                        "",
	} {
		if got := path.Generic(in); got != want {
			t.Errorf("Generic(%s): got %s, want %s", in, got, want)
		}
	}
}

func TestLess(t *testing.T) {
	t.Parallel()
	sorted := []string{
		"Device.", "Device.A", "Device.A.2.", "Device.A.2.B", "Device.A.10.", "Device.A.10.B", "Device.B.1.",
	}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := path.Less(a, b); got != (i < j) {
				t.Errorf("Less(%s, %s): got %v, want %v", a, b, got, i < j)
			}
		}
	}
}

func TestQuoteIsReadBack(t *testing.T) {
	t.Parallel()
	tree := newTree(map[string]string{"Device.A.1.N": `"100%"`, "Device.A.2.N": "100"})
	p, err := path.Parse("Device.A.[N==" + path.Quote(`"100%"`) + "].")
	if err != nil {
		t.Fatal(err)
	}
	got, err := path.Resolve(p, tree, 10)
	if err != nil || len(got) != 1 || got[0] != "Device.A.1." {
		t.Errorf("got %v, %v, want Device.A.1.", got, err)
	}
}

func TestParseAllocations(t *testing.T) { // not parallel: AllocsPerRun forbids it
	p := "Device.WiFi.SSID.3.Stats.BytesSent"
	if n := testing.AllocsPerRun(100, func() { _, _ = path.Parse(p) }); n > 1 {
		t.Errorf("Parse of a plain path: got %v allocations, want 1", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"Device.", "Device.WiFi.SSID.1.SSID", "Device.A.*.B.[C==1&&D~=\"x\"].E", "Device.A.1.Ref#*+.B()",
		`Device.A.[N=="%22%25"].X!`, "Device.A.[ B.C#2+.D >= 2024-01-01T00:00:00Z ].", "Device.A.[B==1 && C!=true].D.*.",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := path.Parse(s)
		if err != nil {
			var e *usp.Error
			if !errors.As(err, &e) || e.Code != usp.CodeInvalidPathSyntax {
				t.Fatalf("Parse(%q): got %v, want *usp.Error 7008", s, err)
			}
			return
		}
		q, err := path.Parse(p.String())
		if err != nil {
			t.Fatalf("Parse(%q) of canonical form of %q: %v", p.String(), s, err)
		}
		if q.String() != p.String() || q.Kind() != p.Kind() || q.IsSearch() != p.IsSearch() ||
			q.Leaf() != p.Leaf() || q.Object() != p.Object() || q.Supported() != p.Supported() {
			t.Fatalf("got %+v after %+v", q, p)
		}
		if !p.IsSearch() && p.String() != s {
			t.Fatalf("canonical form of %q without search: got %q", s, p.String())
		}
		if !strings.HasPrefix(p.String(), p.Object()) || !strings.HasSuffix(p.Object(), ".") {
			t.Fatalf("Object of %q: got %q", s, p.Object())
		}
		if !p.IsSearch() && path.Generic(s) != p.Supported() {
			t.Fatalf("Generic(%q): got %q, want %q", s, path.Generic(s), p.Supported())
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, s := range []string{
		"Device.WiFi.SSID.3.Stats.BytesSent",
		`Device.WiFi.SSID.[Enable==true&&SSID=="home"].SSID`,
	} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := path.Parse(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
