// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffertest

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/routing/buffer"
)

// damage has the store lose or alter one of the Records: it is counted and listed,
// once, and the rest is delivered.
func damage(t *testing.T, s Suite) {
	t.Helper()
	if len(s.Damages) == 0 {
		t.Skip("this Queue has no store that could be damaged")
	}
	const all = 5
	for name, spoil := range s.Damages {
		for _, lost := range []int{0, 2, all - 1} {
			t.Run(fmt.Sprintf("%s/%d", name, lost+1), func(t *testing.T) {
				t.Parallel()
				reg := prometheus.NewPedanticRegistry()
				q, l := s.New(t, Limits{Metrics: reg}), lane(1)
				var rest []string
				var bad buffer.Item
				for i := range all {
					it := whole(l, strconv.Itoa(i))
					it.Seq = mustPut(t, q, it)
					mustPut(t, q, item(lane(2), "other "+strconv.Itoa(i)))
					if i == lost {
						bad = it
					} else {
						rest = append(rest, strconv.Itoa(i))
					}
				}
				q = spoil(t, q, bad)
				for range 2 {
					wantTexts(t, read(t, q, l, 0, 100), rest...)
				}
				if got := q.Depth(l).Records; got != len(rest) {
					t.Errorf("got depth %d, want %d", got, len(rest))
				}
				wantTexts(t, read(t, q, lane(2), 0, 100), "other 0", "other 1", "other 2", "other 3", "other 4")
				drops := dropped(t, q, buffer.ReasonDamaged)
				if s.Second != nil && len(drops) == 1 && drops[0].Lane.From == "" {
					drops[0].Lane.From = l.From // which was in what is lost
				}
				if len(drops) != 1 || drops[0].Lane != l || drops[0].Seq != bad.Seq || drops[0].Records != 1 {
					t.Errorf("got drops %+v, want the one with Seq %d", drops, bad.Seq)
				}
				wantDamaged(t, reg, 1)
				if seq := mustPut(t, q, item(l, "new")); seq <= bad.Seq {
					t.Errorf("got Seq %d, want one never used before", seq)
				}
				if s.Reopen == nil {
					return
				}
				q = s.Reopen(t, q)
				wantTexts(t, read(t, q, l, 0, 100), append(rest, "new")...)
				if drops := dropped(t, q, buffer.ReasonDamaged); len(drops) > 0 {
					t.Errorf("got drops %+v in the next life, want nothing again", drops)
				}
				wantDamaged(t, reg, 1)
			})
		}
	}
}

// wantDamaged compares what was counted.
func wantDamaged(t *testing.T, reg prometheus.Gatherer, want float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetValue() == buffer.ReasonDamaged.String() {
					if got := m.GetCounter().GetValue(); got != want {
						t.Errorf("%s: got %v damaged, want %v", f.GetName(), got, want)
					}
					return
				}
			}
		}
	}
	t.Error("got no count of what is damaged")
}
