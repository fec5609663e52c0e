// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Reject says why a carrier turned a connection away before it became a Link.
type Reject uint8

// The reasons, spelt as in the label reason by String.
const (
	RejectConnections Reject = iota // too many connections
	RejectAddress                   // too many connections from one address
	RejectHandshake                 // malformed or incomplete handshake
	RejectAuth                      // authentication failed
	RejectIdentity                  // authenticated as somebody else
	RejectRouter                    // Handler.LinkUp refused
	rejectCount
)

// String returns the label value.
func (r Reject) String() string {
	return [...]string{"connections", "address", "handshake", "auth", "identity", "router", "other"}[min(r, rejectCount)]
}

// result is the closed set of label values of records_total.
type result uint8

const (
	resultOK result = iota
	resultMalformed
	resultForbidden
	resultUnroutable
	resultTooLarge
	resultBusy
	resultLinkDown
	resultCount
)

func (r result) String() string {
	return [...]string{"ok", "malformed", "forbidden", "unroutable", "too_large", "busy", "link_down"}[r]
}

func resultOf(err error) result {
	switch {
	case err == nil:
		return resultOK
	case errors.Is(err, ErrMalformed):
		return resultMalformed
	case errors.Is(err, ErrForbidden):
		return resultForbidden
	case errors.Is(err, ErrUnroutable):
		return resultUnroutable
	case errors.Is(err, ErrTooLarge):
		return resultTooLarge
	case errors.Is(err, ErrLinkDown):
		return resultLinkDown
	default:
		return resultBusy
	}
}

// KindMetrics are the metrics of one MTP. A nil *KindMetrics counts nothing.
// Safe for concurrent use.
type KindMetrics struct {
	connections prometheus.Gauge
	in, out     [resultCount]prometheus.Counter
	rejected    [rejectCount]prometheus.Counter
}

// NewMetrics registers the metrics that all carriers share with reg, or finds
// them there, and returns those of kind. A nil reg gives nil.
func NewMetrics(reg prometheus.Registerer, kind Kind) (*KindMetrics, error) {
	if reg == nil {
		return nil, nil //nolint:nilnil // nil is the KindMetrics that counts nothing
	}
	connections, err := register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "uspgate_connections", Help: "Connections with peers that are up.",
	}, []string{"mtp"}))
	if err != nil {
		return nil, err
	}
	records, err := register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_records_total", Help: "USP Records by their outcome.",
	}, []string{"mtp", "direction", "result"}))
	if err != nil {
		return nil, err
	}
	rejected, err := register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_connections_rejected_total", Help: "Connections turned away before they became a Link.",
	}, []string{"mtp", "reason"}))
	if err != nil {
		return nil, err
	}
	m := &KindMetrics{connections: connections.WithLabelValues(string(kind))}
	for r := range resultCount {
		m.in[r] = records.WithLabelValues(string(kind), "in", r.String())
		m.out[r] = records.WithLabelValues(string(kind), "out", r.String())
	}
	for r := range rejectCount {
		m.rejected[r] = rejected.WithLabelValues(string(kind), r.String())
	}
	return m, nil
}

// register returns c, or the equal collector that reg has already.
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
	return c, fmt.Errorf("register metrics: %w", err)
}

// LinkUp counts a connection that came up.
func (m *KindMetrics) LinkUp() {
	if m != nil {
		m.connections.Inc()
	}
}

// LinkDown counts a connection that ended.
func (m *KindMetrics) LinkDown() {
	if m != nil {
		m.connections.Dec()
	}
}

// Received counts one Record from a peer by the outcome given to Link.Ack.
func (m *KindMetrics) Received(err error) {
	if m != nil {
		m.in[resultOf(err)].Inc()
	}
}

// Sent counts n Records to a peer by the outcome given to Port.Settled.
func (m *KindMetrics) Sent(n int, err error) {
	if m != nil {
		m.out[resultOf(err)].Add(float64(n))
	}
}

// Rejected counts a connection that was turned away.
func (m *KindMetrics) Rejected(r Reject) {
	if m != nil && r < rejectCount {
		m.rejected[r].Inc()
	}
}
