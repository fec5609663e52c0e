// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp/path"
)

// shared returns a path in the directory of third-party data beside the
// repository, and skips the test where there is none.
func shared(tb testing.TB, elem ...string) string {
	tb.Helper()
	dir := os.Getenv("USPGATE_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	p := filepath.Join(append([]string{dir}, elem...)...)
	if _, err := os.Stat(p); err != nil {
		tb.Skipf("captured data is not part of the repository: %v", err)
	}
	return p
}

// dump is one parameter dump.
type dump struct {
	name  string
	root  model.Root
	infos []cwmp.ParameterInfo
	vals  []cwmp.ParameterValue
}

func dumps(tb testing.TB) []dump {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(shared(tb, "cwmp", "data", "dumps"), "*.csv"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("dumps: %v, %d files", err, len(files))
	}
	out := make([]dump, 0, len(files))
	for _, f := range files {
		out = append(out, readDump(tb, f))
	}
	return out
}

func readDump(tb testing.TB, file string) dump {
	tb.Helper()
	f, err := os.Open(file)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	d := dump{name: filepath.Base(file)}
	for _, r := range rows[1:] {
		if root, ok := model.RootOf(r[0]); ok {
			d.root = root
		}
		d.infos = append(d.infos, cwmp.ParameterInfo{Name: r[0], Writable: r[1] == "1"})
		if !cwmp.IsPartialPath(r[0]) {
			typ := cwmp.ParseType(strings.TrimPrefix(r[3], "xsd:"))
			d.vals = append(d.vals, cwmp.ParameterValue{Name: r[0], Value: r[2], Type: typ})
		}
	}
	return d
}

func (d *dump) view(tb testing.TB) *model.View {
	tb.Helper()
	v := model.NewView(mustLoad(tb), d.root, nil)
	v.SetNames("", d.infos)
	v.SetValues([]string{d.root.Prefix()}, d.vals)
	return v
}

// everything walks the whole view.
func everything(v *model.View) (objects []string, params []model.Param) {
	v.Walk("Device.", 0, func(object string, ps []model.Param) bool {
		objects = append(objects, object)
		params = append(params, ps...)
		return true
	})
	return objects, params
}

// TestDumpsLoad checks that the view of every captured device is sound: no path
// twice, every path found again by itself and declared in the supported data
// model, and every value in the lexical form of its type where the device's was.
func TestDumpsLoad(t *testing.T) {
	t.Parallel()
	for _, d := range dumps(t) {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			v := d.view(t)
			sup := v.Supported()
			objects, params := everything(v)
			seen := map[string]bool{}
			for _, o := range objects {
				if seen[o] {
					t.Errorf("%s twice", o)
				}
				seen[o] = true
				if sup.Object(path.Generic(o)) == nil {
					t.Errorf("%s is not in the supported data model", o)
				}
				if _, ok := v.Object(o); !ok {
					t.Errorf("%s is walked but not found", o)
				}
			}
			for _, p := range params {
				if seen[p.Path] {
					t.Errorf("%s twice", p.Path)
				}
				seen[p.Path] = true
				checkParam(t, v, sup, p)
			}
			t.Logf("%d names, %d values: %d objects, %d parameters", len(d.infos), len(d.vals), len(objects), len(params))
		})
	}
}

func checkParam(t *testing.T, v *model.View, sup *model.Supported, p model.Param) {
	t.Helper()
	got, ok := v.Param(p.Path)
	if !ok || got != p {
		t.Errorf("%s: got %+v %t, want %+v", p.Path, got, ok, p)
	}
	i := strings.LastIndexByte(p.Path, '.') + 1
	o := sup.Object(path.Generic(p.Path[:i]))
	if o == nil {
		return // reported with its object
	}
	sp, ok := o.Param(p.Path[i:])
	if !ok {
		t.Errorf("%s is not in the supported data model", p.Path)
	}
	if p.Writable && sp.Access == model.ReadOnly {
		t.Errorf("%s is writable, but not in the supported data model", p.Path)
	}
}

// TestDumpsLoseNothing checks that every parameter of a captured TR-098 device
// is shown by a rule, shown as it is, hidden, or dropped by name.
func TestDumpsLoseNothing(t *testing.T) {
	t.Parallel()
	for _, d := range dumps(t) {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			v := d.view(t)
			counts := map[string]int{}
			for _, pv := range d.vals {
				how := v.Explain(pv.Name)
				kind := ""
				for _, k := range []string{"shown as\n", "shown as it is", "hidden", "dropped", "as it is"} {
					if kind == "" && strings.Contains(how, k) {
						kind = k
					}
				}
				if kind == "" {
					t.Errorf("%s is lost: %q", pv.Name, how)
				}
				counts[strings.TrimSpace(kind)]++
			}
			t.Logf("%d parameters: %v", len(d.vals), counts)
		})
	}
}

// TestDumpsRoundTrip checks for every writable parameter of every captured
// device that writing back the value that is shown writes the value that the
// device has, and that a value which is translated anew reads as it was.
func TestDumpsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, d := range dumps(t) {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			v := d.view(t)
			raw := make(map[string]string, len(d.vals))
			for _, pv := range d.vals {
				raw[pv.Name] = pv.Value
			}
			_, params := everything(v)
			n := 0
			for _, p := range params {
				if !p.Writable || !p.Known || !path.Valid(p.Type, p.Value) {
					continue
				}
				vals, errs := v.PlanSet([]model.Setting{{Path: p.Path, Value: p.Value}})
				if len(errs) > 0 {
					t.Errorf("%s = %q: %v", p.Path, p.Value, errs[0].Err)
				}
				for _, pv := range vals {
					if pv.Value != raw[pv.Name] && !sameBoolean(pv.Value, raw[pv.Name]) && !fallback(v, p, pv.Name) {
						t.Errorf("%s = %q writes %s = %q, want %q", p.Path, p.Value, pv.Name, pv.Value, raw[pv.Name])
					}
				}
				if len(vals) > 0 {
					n++
					checkReread(t, v, p, vals)
				}
			}
			t.Logf("%d of %d parameters written back", n, len(params))
		})
	}
}

// fallback reports a parameter that is written beside the one that is read.
func fallback(v *model.View, p model.Param, name string) bool {
	first := v.Sources(p.Path)
	return len(first) > 1 && first[0] != name
}

func sameBoolean(a, b string) bool {
	words := map[string]string{"1": "true", "0": "false", "": "false"}
	if w, ok := words[a]; ok {
		a = w
	}
	if w, ok := words[b]; ok {
		b = w
	}
	return a == b
}

func checkReread(t *testing.T, v *model.View, p model.Param, vals []cwmp.ParameterValue) {
	t.Helper()
	delta := v.Observe(vals)
	if got, _ := v.Param(p.Path); got.Value != p.Value {
		t.Errorf("%s: reads %q after it was written as %q", p.Path, got.Value, p.Value)
	}
	for _, c := range delta.Changed {
		if c.Path == p.Path {
			t.Errorf("%s: changed by writing back %q", p.Path, p.Value)
		}
	}
}
