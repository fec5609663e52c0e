// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package routetest is for tests of carriers against a real Router whose buffer is
// full.
package routetest

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// patience is how long the waits of this package last.
const patience = 30 * time.Second

// Full is a Router that has no room for more Records to one address, which is
// away. Its Links have a window of 8 Records, of which 2 may be held.
type Full struct {
	*routing.Router
	Metrics *prometheus.Registry

	tb   testing.TB
	lane buffer.Lane
}

// New makes a Full for Records to the Endpoint, in a role. Its life is that of the
// test.
func New(tb testing.TB, to usp.Address) *Full {
	tb.Helper()
	mem, err := buffer.NewMemory(buffer.MemoryOptions{Limits: buffer.Limits{MaxRecords: 1}})
	if err != nil {
		tb.Fatal(err)
	}
	f := &Full{Metrics: prometheus.NewRegistry(), tb: tb, lane: buffer.Lane{To: to}}
	mem.Put(buffer.Item{
		Lane: f.lane, Record: usp.NewNoSession("self::filler", to.ID, "1.4", []byte("filler")), At: time.Now(),
	}, func(_ uint64, err error) {
		if err != nil {
			tb.Fatal(err)
		}
	})
	f.Router, err = routing.New(routing.Options{Buffer: mem, WindowRecords: 8, Metrics: f.Metrics})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("Run: got %v, want nil", err)
		}
	})
	return f
}

// Room makes room for one Record, and returns the payload of what has been there.
func (f *Full) Room() string {
	f.tb.Helper()
	var payload string
	f.Eventually("something waits", func() bool {
		items, err := f.ShowQueue(f.tb.Context(), f.lane, 1)
		if err != nil {
			f.tb.Fatal(err)
		}
		if len(items) == 0 {
			return false
		}
		payload = string(items[0].Record.Header().Payload)
		return true
	})
	if _, err := f.PurgeQueue(f.tb.Context(), f.lane); err != nil {
		f.tb.Fatal(err)
	}
	return payload
}

// Want waits until a metric, named with its label values, has a value.
func (f *Full) Want(metric string, want float64) {
	f.tb.Helper()
	f.Eventually(metric, func() bool { return f.value(metric) == want })
}

// Eventually waits until cond is true.
func (f *Full) Eventually(what string, cond func() bool) {
	f.tb.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !cond(); {
		select {
		case <-tick.C:
		case <-deadline:
			f.tb.Fatalf("waited in vain for: %s", what)
		}
	}
}

// value is NaN if there is none.
func (f *Full) value(metric string) float64 {
	families, err := f.Metrics.Gather()
	if err != nil {
		f.tb.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := []string{family.GetName()}
			for _, l := range m.GetLabel() {
				name = append(name, l.GetValue())
			}
			if strings.Join(name, " ") == metric {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return math.NaN()
}
