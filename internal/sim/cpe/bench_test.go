// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"runtime"
	"strconv"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/cpe"
)

// A CPE that is not running costs little beside its model: thousands fit in a
// process.
func TestFootprint(t *testing.T) { //nolint:paralleltest // measures the heap
	const count, most = 2000, 16 << 10
	m := builtin(t, "tr098-gpon")
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := heap()
	fleet := make([]*cpe.CPE, count)
	for i := range fleet {
		c, err := cpe.New(cpe.Options{ACS: "http://127.0.0.1:1/", Model: m, Serial: strconv.Itoa(i)})
		if err != nil {
			t.Fatal(err)
		}
		answer[*cwmp.SetParameterValuesResponse](t, c, set(wlan+"SSID", "Changed", cwmp.TypeString))
		fleet[i] = c
	}
	each := (heap() - before) / count
	t.Logf("%d bytes for each CPE", each)
	if each > most {
		t.Errorf("bytes for each CPE: got %d, want %d at most", each, most)
	}
	runtime.KeepAlive(fleet)
}

func BenchmarkGetParameterValues(b *testing.B) {
	m, err := cpe.LoadBuiltin("tr098-gpon")
	if err != nil {
		b.Fatal(err)
	}
	c, err := cpe.New(cpe.Options{ACS: "http://127.0.0.1:1/", Model: m})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c.Answer(&cwmp.GetParameterValues{Names: []string{""}})
	}
}
