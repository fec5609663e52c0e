// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffer_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/routing/buffer/buffertest"
	"github.com/uspgate/uspgate/usp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func memory(t *testing.T, o buffer.MemoryOptions) *buffer.Memory {
	t.Helper()
	q, err := buffer.NewMemory(o)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestMemory(t *testing.T) {
	t.Parallel()
	buffertest.Run(t, buffertest.Suite{New: func(t *testing.T, l buffertest.Limits) buffer.Queue {
		t.Helper()
		return memory(t, buffer.MemoryOptions{Limits: buffer.Limits{
			MaxRecords: l.Records, MaxBytes: l.Bytes, MaxAge: l.MaxAge,
			TotalRecords: l.TotalRecords, TotalBytes: l.TotalBytes, Overflow: l.Overflow,
		}, Metrics: l.Metrics})
	}})
}

func item(to usp.EndpointID) buffer.Item {
	return buffer.Item{
		Lane:   buffer.Lane{To: usp.Address{ID: to, Role: usp.RoleAgent}},
		Record: usp.NewNoSession("self::c", to, "", []byte("x")), At: time.Now(),
	}
}

func TestMemoryOptions(t *testing.T) {
	t.Parallel()
	for _, l := range []buffer.Limits{
		{MaxRecords: -1}, {MaxBytes: -1}, {MaxAge: -1}, {TotalRecords: -1}, {TotalBytes: -1}, {Overflow: 9},
	} {
		if _, err := buffer.NewMemory(buffer.MemoryOptions{Limits: l}); err == nil {
			t.Errorf("NewMemory with %+v succeeded, want an error", l)
		}
	}
}

func TestExpiredRecordsElsewhereMakeRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := memory(t, buffer.MemoryOptions{Limits: buffer.Limits{TotalRecords: 1, MaxAge: time.Hour}})
		q.Put(item("os::1-A"), func(_ uint64, err error) {
			if err != nil {
				t.Fatal(err)
			}
		})
		<-time.After(2 * time.Hour)
		q.Put(item("os::1-B"), func(_ uint64, err error) {
			if err != nil {
				t.Errorf("got %v, want the room of what has expired", err)
			}
		})
		if got := q.Depth(item("os::1-A").Lane).Records; got != 0 {
			t.Errorf("got %d expired Records left, want 0", got)
		}
	})
}

func TestMemoryMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	q := memory(t, buffer.MemoryOptions{Limits: buffer.Limits{MaxRecords: 2}, Metrics: reg})
	one := item("os::1-A")
	for range 3 {
		q.Put(one, func(uint64, error) {})
	}
	other := memory(t, buffer.MemoryOptions{Metrics: reg}) // the same metrics
	other.Put(item("os::1-B"), func(uint64, error) {})
	if _, err := q.Purge(t.Context(), one.Lane); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := []string{f.GetName()}
			for _, l := range m.GetLabel() {
				name = append(name, l.GetValue())
			}
			got[strings.Join(name, " ")] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"uspgate_queue_depth": 1, "uspgate_queue_bytes": float64(one.Record.Len()),
		"uspgate_queue_dropped_total full": 1, "uspgate_queue_dropped_total purged": 2,
	} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}
