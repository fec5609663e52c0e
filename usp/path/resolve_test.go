// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

func home() *tree {
	return newTree(map[string]string{
		"Device.Info.Model":        "box",
		"Device.Info.Stats.Uptime": "5",
		"Device.If.1.Name":         "eth0",
		"Device.If.1.Enable":       "true", "Device.If.1.Order": "012", "Device.If.1.Offset": "-3",
		"Device.If.1.LowerLayers": "Device.Link.1", "Device.If.1.LastChange": "2024-05-01T12:00:00Z",
		"Device.If.1.Stats.Port": "80", "Device.If.1.Tags": "wan, lan",
		"Device.If.2.Name":   "100%",
		"Device.If.2.Enable": "0", "Device.If.2.Order": "2", "Device.If.2.Offset": "4",
		"Device.If.2.LowerLayers": "Device.Link.2., Device.Link.1,Device.Gone.9",
		"Device.If.2.LastChange":  "0001-01-01T00:00:00Z",
		"Device.If.2.Stats.Port":  "443", "Device.If.2.Tags": "",
		"Device.If.10.Name":   "wlan",
		"Device.If.10.Enable": "false", "Device.If.10.Order": "", "Device.If.10.Offset": "0",
		"Device.If.10.LowerLayers": "", "Device.If.10.LastChange": "2024-05-01T13:00:00+02:00",
		"Device.If.10.Stats.Port": "8080", "Device.If.10.Tags": "guest",
		"Device.If.1.Addr.1.IP": "10.0.0.1", "Device.If.1.Addr.7.IP": "10.0.0.7", "Device.If.10.Addr.2.IP": "10.0.1.2",
		"Device.Link.1.Name": "L1", "Device.Link.1.Enable": "1", "Device.Link.1.LowerLayers": "Device.If.10",
		"Device.Link.2.Name": "L2", "Device.Link.2.Enable": "0", "Device.Link.2.LowerLayers": "",
	})
}

func TestResolve(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"Device.", "Device."},
		{"Device.Info.", "Device.Info."},
		{"Device.Info.Model", "Device.Info.Model"},
		{"Device.Info.Nope", "7026"},
		{"Device.Nope.", "7026"},
		{"Device.Nope.*.", "7026"},
		{"Device.Info.*.", "7026"},
		{"Device.Info.1.", "7026"},
		{"Device.If.", "Device.If."},
		{"Device.If.1.", "Device.If.1."},
		{"Device.If.1.Name", "Device.If.1.Name"},
		{"Device.If.Name", "7026"},
		{"Device.If.3.", "7016"},
		{"Device.If.3.Name", "7016"},
		{"Device.If.1.Addr.9.IP", "7016"},
		{"Device.If.*.Addr.9.IP", ""},
		{"Device.If.3.Addr.*.IP", ""},
		{"Device.Info.Reset()", "Device.Info.Reset()"},
		{"Device.If.*.Reset()", "Device.If.1.Reset() Device.If.2.Reset() Device.If.10.Reset()"},
		{"Device.If.1.Changed!", "Device.If.1.Changed!"},
		{"Device.Nope.Reset()", "7026"},
		{"Device.If.*.Name", "Device.If.1.Name Device.If.2.Name Device.If.10.Name"},
		{"Device.If.*.Nope", "7026"},
		{"Device.If.*.Addr.*.IP", "Device.If.1.Addr.1.IP Device.If.1.Addr.7.IP Device.If.10.Addr.2.IP"},
		{"Device.If.*.Addr.", "Device.If.1.Addr. Device.If.2.Addr. Device.If.10.Addr."},
		{"Device.If.*.Stats.", "Device.If.1.Stats. Device.If.2.Stats. Device.If.10.Stats."},
		{`Device.If.[Name=="wlan"].`, "Device.If.10."},
		{`Device.If.[Name=="100%25"].`, "Device.If.2."},
		{"Device.If.[Name==wlan].", "Device.If.10."}, // not quoted: tolerated
		{`Device.If.[Name!="wlan"].`, "Device.If.1. Device.If.2."},
		{`Device.If.[Name=="x"].`, ""},
		{`Device.If.[Name<"x"].`, "7008"},
		{"Device.If.[Enable==true].", "Device.If.1."},
		{"Device.If.[Enable==1].", "Device.If.1."},
		{"Device.If.[Enable!=1].", "Device.If.2. Device.If.10."},
		{`Device.If.[Enable=="true"].`, "7008"},
		{"Device.If.[Enable==yes].", "7008"},
		{"Device.If.[Enable>false].", "7008"},
		{"Device.If.[Order==12].", "Device.If.1."},
		{"Device.If.[Order>2].", "Device.If.1."},
		{"Device.If.[Order>=2].", "Device.If.1. Device.If.2."},
		{"Device.If.[Order<12].", "Device.If.2."},
		{"Device.If.[Order<=012].", "Device.If.1. Device.If.2."},
		{`Device.If.[Order=="2"].`, "7008"},
		{"Device.If.[Order==-2].", "7008"},
		{"Device.If.[Offset<-2].", "Device.If.1."},
		{"Device.If.[Offset==-0].", "Device.If.10."},
		{"Device.If.[Nope==1].", "7026"},
		{"Device.If.[Stats.Port>80&&Enable==0].", "Device.If.2. Device.If.10."},
		{`Device.If.[Addr.IP=="10.0.0.1"].`, "7008"},
		{"Device.If.[LastChange==2024-05-01T11:00:00Z].", "Device.If.10."},
		{"Device.If.[LastChange>2024-05-01T11:30:00Z].", "Device.If.1."},
		{`Device.If.[LastChange>"2024-05-01T11:30:00Z"].`, "Device.If.1."},
		{"Device.If.[LastChange<2030-01-01T00:00:00Z].", "Device.If.1. Device.If.10."},
		{"Device.If.[LastChange==0001-01-01T00:00:00Z].", "Device.If.2."},
		{"Device.If.[LastChange!=0001-01-01T00:00:00Z].", "Device.If.1. Device.If.10."},
		{"Device.If.[LastChange<0001-01-01T00:00:00Z].", "7008"},
		{`Device.If.[Tags~="lan"].`, "Device.If.1."},
		{`Device.If.[Tags~="la"].`, ""},
		{`Device.If.[Tags=="wan,lan"].`, "Device.If.1."},
		{"Device.If.[Order~=2].", "7008"},
		{"Device.If.1.LowerLayers+.Name", "Device.Link.1.Name"},
		{"Device.If.1.LowerLayers+.", "Device.Link.1."},
		{"Device.If.2.LowerLayers+.Name", "Device.Link.2.Name"},
		{"Device.If.2.LowerLayers#2+.Name", "Device.Link.1.Name"},
		{"Device.If.2.LowerLayers#3+.Name", ""},
		{"Device.If.2.LowerLayers#*+.Name", "Device.Link.1.Name Device.Link.2.Name"},
		{"Device.If.*.LowerLayers#*+.Name", "Device.Link.1.Name Device.Link.2.Name"},
		{"Device.If.10.LowerLayers+.Name", ""},
		{"Device.If.1.LowerLayers+.Nope", "7026"},
		{"Device.If.1.Nope+.Name", "7026"},
		{"Device.If.3.LowerLayers+.Name", ""},
		{"Device.If.1.LowerLayers+.Reset()", "Device.Link.1.Reset()"},
		{"Device.If.1.LowerLayers+.LowerLayers+.Addr.*.IP", "Device.If.10.Addr.2.IP"},
		{"Device.If.1.LowerLayers+.LowerLayers+.Addr.2.IP", "Device.If.10.Addr.2.IP"},
		{"Device.If.1.LowerLayers+.Addr.*.IP", "7026"},
		{"Device.If.1.LowerLayers+.Nope+.Name", "7026"},
		{`Device.If.1.LowerLayers+.LowerLayers+.Addr.[IP=="10.0.1.2"].`, "Device.If.10.Addr.2."},
		{"Device.If.[LowerLayers+.Enable==true].", "Device.If.1."},
		{"Device.If.[LowerLayers#*+.Enable==true].", "Device.If.1. Device.If.2."},
		{`Device.If.[LowerLayers#*+.Enable=="true"].`, "7008"},
		{`Device.If.[LowerLayers+.Nope=="true"].`, ""},
		{`Device.If.[LowerLayers+.LowerLayers+.Stats.Port==8080].`, "Device.If.1."},
	} {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			p, err := path.Parse(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			paths, err := path.Resolve(p, home(), 100)
			got := strings.Join(paths, " ")
			var e *usp.Error
			if errors.As(err, &e) {
				got = fmt.Sprint(uint32(e.Code))
			}
			if got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

func TestResolveStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	p, err := path.Parse("Device.If.*.Name")
	if err != nil {
		t.Fatal(err)
	}
	got, err := path.Resolve(p, home(), 3)
	if err != nil || len(got) != 3 {
		t.Errorf("limit 3: got %v, %v, want all 3", got, err)
	}
	got, err = path.Resolve(p, home(), 2)
	var e *usp.Error
	if !errors.As(err, &e) || e.Code != usp.CodeResourcesExceeded || got != nil {
		t.Errorf("limit 2: got %v, %v, want 7005", got, err)
	}
}

// Every row refers to all rows: 100 to the power of 4 paths, if nobody counted.
func TestResolveBoundsItsWork(t *testing.T) {
	t.Parallel()
	values := map[string]string{}
	var all []string
	for i := 1; i <= 100; i++ {
		all = append(all, fmt.Sprintf("Device.If.%d", i))
	}
	for _, row := range all {
		values[row+".LowerLayers"] = strings.Join(all, ",")
	}
	p, err := path.Parse("Device.If.*" + strings.Repeat(".LowerLayers#*+", 4) + ".")
	if err != nil {
		t.Fatal(err)
	}
	_, err = path.Resolve(p, newTree(values), 1000)
	var e *usp.Error
	if !errors.As(err, &e) || e.Code != usp.CodeResourcesExceeded {
		t.Errorf("got %v, want 7005", err)
	}
}

// An expression costs one read per row, whatever the number of rows.
func TestResolveIsLinear(t *testing.T) {
	t.Parallel()
	const rows = 5000
	values := map[string]string{}
	for i := 1; i <= rows; i++ {
		values[fmt.Sprintf("Device.If.%d.Order", i)] = fmt.Sprint(i)
	}
	tree := newTree(values)
	p, err := path.Parse("Device.If.[Order==4000].Order")
	if err != nil {
		t.Fatal(err)
	}
	got, err := path.Resolve(p, tree, 1)
	if err != nil || len(got) != 1 {
		t.Fatalf("got %v, %v, want one path", got, err)
	}
	if tree.reads != rows {
		t.Errorf("values read: got %d, want %d", tree.reads, rows)
	}
}

// Resolve of a path with wildcards finds exactly the parameters of the tree
// that match it, part by part.
func TestResolveWildcardEqualsBruteForce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := map[string]string{}
		number := rapid.IntRange(1, 12)
		for range rapid.IntRange(1, 30).Draw(t, "params") {
			a, b, c := number.Draw(t, "a"), number.Draw(t, "b"), number.Draw(t, "c")
			values[fmt.Sprintf("Device.A.%d.B.%d.C.%d.Name", a, b, c)] = "x"
		}
		part := rapid.OneOf(rapid.Just("*"), rapid.Map(number, func(n int) string { return fmt.Sprint(n) }))
		parts := []string{
			"Device", "A", part.Draw(t, "i"), "B", part.Draw(t, "j"), "C", part.Draw(t, "k"), "Name",
		}
		p, err := path.Parse(strings.Join(parts, "."))
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for v := range values {
			if matchParts(strings.Split(v, "."), parts) {
				want = append(want, v)
			}
		}
		slices.SortFunc(want, func(a, b string) int {
			if path.Less(a, b) {
				return -1
			}
			return 1
		})
		got, err := path.Resolve(p, newTree(values), 0)
		var e *usp.Error
		if errors.As(err, &e) && e.Code == usp.CodeObjectDoesNotExist && !p.IsSearch() {
			got, err = nil, nil
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%s: got %v, %v, want %v", p, got, err, want)
		}
	})
}

func matchParts(have, want []string) bool {
	for i := range have {
		if want[i] != "*" && want[i] != have[i] {
			return false
		}
	}
	return true
}

// FuzzResolve feeds any path to a fixed tree: the results exist, are of the
// path's kind, are sorted and distinct.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{
		"Device.If.*.Name", "Device.If.[Enable==true&&Order>2].Addr.*.IP", "Device.If.*.LowerLayers#*+.Name",
		`Device.If.[LowerLayers+.Enable==1].`, "Device.If.", `Device.If.[Tags~="lan"].Reset()`, "Device.If.2.Up!",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := path.Parse(s)
		if err != nil {
			return
		}
		tree := home()
		got, err := path.Resolve(p, tree, 100)
		var e *usp.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("got %v, want a *usp.Error", err)
		}
		if !slices.IsSortedFunc(got, func(a, b string) int {
			if path.Less(a, b) {
				return -1
			}
			return 1
		}) {
			t.Fatalf("not sorted, or twice: %v", got)
		}
		for _, g := range got {
			q, err := path.Parse(g)
			if err != nil || q.IsSearch() || (q.Leaf() == "") != (p.Leaf() == "") || q.Leaf() != p.Leaf() {
				t.Fatalf("%s: result %s: %v", s, g, err)
			}
			if again, err := path.Resolve(q, tree, 1); err != nil || len(again) != 1 || again[0] != g {
				t.Fatalf("%s: %s resolves to %v, %v", s, g, again, err)
			}
		}
	})
}

func BenchmarkResolve(b *testing.B) {
	values := map[string]string{}
	for i := 1; i <= 1000; i++ {
		values[fmt.Sprintf("Device.If.%d.Order", i)] = fmt.Sprint(i)
	}
	tree := newTree(values)
	for _, s := range []string{"Device.If.7.Order", "Device.If.*.Order", "Device.If.[Order==500].Order"} {
		p, err := path.Parse(s)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := path.Resolve(p, tree, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
