// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what crosses the network; nil counts nothing.
type metrics struct {
	packets   *prometheus.CounterVec
	conflicts prometheus.Counter
}

// Results of a packet, the closed set of the label.
const (
	packetIn        = "in"
	packetOut       = "out"
	packetMalformed = "malformed"
	packetDropped   = "dropped" // too many at once
	packetFailed    = "failed"  // could not be sent
)

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	if reg == nil {
		return nil, nil //nolint:nilnil // nil counts nothing
	}
	m := &metrics{
		packets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_discovery_packets_total", Help: "Packets of Multicast DNS by what became of them.",
		}, []string{"result"}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "uspgate_discovery_conflicts_total", Help: "Names of ours that somebody else on the network claims.",
		}),
	}
	if err := reuse(reg, &m.packets); err != nil {
		return nil, err
	}
	return m, reuse(reg, &m.conflicts)
}

// reuse registers c, or replaces it by the equal one that reg has already.
func reuse[C prometheus.Collector](reg prometheus.Registerer, c *C) error {
	err := reg.Register(*c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := already.ExistingCollector.(C); ok {
			*c = existing
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("discovery: register metrics: %w", err)
	}
	return nil
}

func (m *metrics) packet(result string) {
	if m != nil {
		m.packets.WithLabelValues(result).Inc()
	}
}

func (m *metrics) conflict() {
	if m != nil {
		m.conflicts.Inc()
	}
}
