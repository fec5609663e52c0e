// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/model"
)

// fleet makes trees of CPE of one model from a captured dump: each has values of its
// own.
type fleet struct {
	rules *model.Rules
	root  model.Root
	infos []cwmp.ParameterInfo
	vals  []cwmp.ParameterValue
}

// readFleets returns one fleet for each dump beside the repository, by name.
func readFleets(tb testing.TB) map[string]*fleet {
	tb.Helper()
	dir := os.Getenv("USPGATE_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	files, err := filepath.Glob(filepath.Join(dir, "cwmp", "data", "dumps", "*.csv"))
	if err != nil || len(files) == 0 {
		tb.Skip("captured data is not part of the repository")
	}
	rules, err := model.Load("")
	if err != nil {
		tb.Fatal(err)
	}
	all := make(map[string]*fleet)
	for _, name := range files {
		all[strings.TrimSuffix(filepath.Base(name), ".csv")] = readFleet(tb, rules, name)
	}
	return all
}

func readFleet(tb testing.TB, rules *model.Rules, file string) *fleet {
	tb.Helper()
	f, err := os.Open(file)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	d := &fleet{rules: rules}
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

func identity(i int) cwmp.DeviceID {
	return cwmp.DeviceID{Manufacturer: "Acme", OUI: "00256D", ProductClass: "Box", SerialNumber: fmt.Sprintf("%08d", i)}
}

// tree is that of the i-th CPE.
func (f *fleet) tree(i int) *agent.Tree {
	v := model.NewView(f.rules, f.root, nil)
	v.SetNames("", f.infos)
	vals := make([]cwmp.ParameterValue, len(f.vals))
	copy(vals, f.vals)
	for k := range vals {
		switch name := vals[k].Name; {
		case strings.HasSuffix(name, "SerialNumber"):
			vals[k].Value = fmt.Sprintf("%08d", i)
		case strings.HasSuffix(name, "UpTime"), strings.Contains(name, ".Stats."):
			vals[k].Value = fmt.Sprint(i*7919%1000003 + k)
		case strings.HasSuffix(name, "MACAddress"):
			vals[k].Value = fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", i>>8&255, i&255, k>>8&255, k&255)
		}
	}
	v.SetValues([]string{f.root.Prefix()}, vals)
	t := &agent.Tree{
		Identity: identity(i), Firmware: "1.0", Known: true, Current: true, Shown: v.Snapshot(), Read: map[string]int64{},
	}
	for _, in := range f.infos {
		if rest, ok := strings.CutPrefix(in.Name, f.root.Prefix()); ok && (rest == "" || strings.Count(rest, ".") == 1) &&
			cwmp.IsPartialPath(in.Name) {
			t.Read[in.Name] = 1_700_000_000 + int64(i)
		}
	}
	return t
}

// BenchmarkTree is saving and loading the trees of many CPE of one model; B/tree is
// what one needs in the Store.
func BenchmarkTree(b *testing.B) {
	const many = 64
	for name, f := range readFleets(b) {
		s := &store.Memory{}
		st, err := state.Open(b.Context(), s, state.Options{})
		if err != nil {
			b.Fatal(err)
		}
		trees := make([]*agent.Tree, many)
		for i := range trees {
			trees[i] = f.tree(i)
		}
		save := func(i int) {
			t := trees[i%many]
			if err := st.Agents().SaveTree(agent.EndpointIDFor(t.Identity), t); err != nil {
				b.Fatal(err)
			}
		}
		for i := range trees {
			save(i)
		}
		size := bytesPerTree(b, s)
		b.Run(name+"/save", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				save(i)
			}
			b.ReportMetric(size, "B/tree")
			b.ReportMetric(float64(len(trees[0].Shown.Nodes)), "nodes")
		})
		b.Run(name+"/load", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if t, err := st.Agents().LoadTree(agent.EndpointIDFor(identity(i % many))); t == nil || err != nil {
					b.Fatal(t, err)
				}
			}
		})
	}
}

func bytesPerTree(tb testing.TB, s store.Store) float64 {
	tb.Helper()
	bucket, err := s.Bucket(tb.Context(), "TREE", store.BucketOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	n, sum := 0, 0
	if err := bucket.Each(tb.Context(), "", func(e store.Entry) error {
		n++
		sum += len(e.Value)
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
	return float64(sum) / float64(n)
}
