// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffer

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Reason says why a Record that was to wait, or waited, does not any more.
type Reason uint8

// The reasons, spelt as in the label reason of queue_dropped_total by String.
const (
	ReasonFull     Reason = iota // refused: a limit is reached; the sender knows
	ReasonOldest                 // made room for a newer one
	ReasonExpired                // waited too long
	ReasonPurged                 // by the operator
	ReasonTooLarge               // larger than the Link that came carries
	ReasonRefused                // the peer would not have it
	ReasonDamaged                // lost in the store, or not what was put there
	reasons
)

// String returns the label value.
func (d Reason) String() string {
	names := [...]string{"full", "oldest", "expired", "purged", "too_large", "refused", "damaged"}
	if int(d) >= len(names) {
		return "other"
	}
	return names[d]
}

// Metrics are those of a Queue. Every implementation keeps them.
//
//	uspgate_queue_depth                  Records that wait
//	uspgate_queue_bytes                  their size
//	uspgate_queue_dropped_total{reason}  Records that do not wait any more, undelivered
type Metrics struct {
	depth, bytes prometheus.Gauge
	dropped      [reasons]prometheus.Counter
}

// NewMetrics registers with reg, or finds there what is registered already; a
// nil reg gives Metrics that nobody reads.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	depth, err := register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "uspgate_queue_depth", Help: "USP Records that wait in the buffer.",
	}))
	if err != nil {
		return nil, err
	}
	bytes, err := register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "uspgate_queue_bytes", Help: "Size of the USP Records that wait in the buffer.",
	}))
	if err != nil {
		return nil, err
	}
	dropped, err := register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_queue_dropped_total", Help: "USP Records that the buffer did not take or has given up.",
	}, []string{"reason"}))
	if err != nil {
		return nil, err
	}
	m := &Metrics{depth: depth, bytes: bytes}
	for d := range reasons {
		m.dropped[d] = dropped.WithLabelValues(d.String())
	}
	return m, nil
}

func register[C prometheus.Collector](reg prometheus.Registerer, c C) (C, error) {
	err := reg.Register(c)
	if err == nil {
		return c, nil
	}
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing, nil
		}
	}
	return c, fmt.Errorf("buffer: register metrics: %w", err)
}

// Add counts Records that have come or, negative, gone.
func (m *Metrics) Add(records int, bytes int64) {
	m.depth.Add(float64(records))
	m.bytes.Add(float64(bytes))
}

// Dropped counts n Records that were given up for the reason d.
func (m *Metrics) Dropped(d Reason, n int) {
	if d < reasons {
		m.dropped[d].Add(float64(n))
	}
}
