// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp

import "github.com/prometheus/client_golang/prometheus"

// Why a member was lost, as label values.
const (
	fleetFull  = "full"
	fleetEnded = "ended"
)

// fleetMetrics are those of all Fleets of a registry. A nil *fleetMetrics counts
// nothing.
type fleetMetrics struct {
	members, dials prometheus.Gauge
	losses         *prometheus.CounterVec
}

func newFleetMetrics(reg prometheus.Registerer) (*fleetMetrics, error) {
	if reg == nil {
		return nil, nil //nolint:nilnil // nil is the fleetMetrics that counts nothing
	}
	members, err := register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "uspgate_fleet_members", Help: "Endpoints represented by a connection of their own.",
	}))
	if err != nil {
		return nil, err
	}
	dials, err := register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "uspgate_fleet_dials_waiting", Help: "Members of fleets that wait for their turn to dial.",
	}))
	if err != nil {
		return nil, err
	}
	losses, err := register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_fleet_members_lost_total", Help: "Endpoints that a fleet does not represent, or no longer.",
	}, []string{"reason"}))
	if err != nil {
		return nil, err
	}
	m := &fleetMetrics{members: members, dials: dials, losses: losses}
	for _, reason := range []string{fleetFull, fleetEnded} {
		losses.WithLabelValues(reason)
	}
	return m, nil
}

func (m *fleetMetrics) represented(n int) {
	if m != nil {
		m.members.Add(float64(n))
	}
}

func (m *fleetMetrics) waiting(n int) {
	if m != nil {
		m.dials.Add(float64(n))
	}
}

func (m *fleetMetrics) lost(reason string) {
	if m != nil {
		m.losses.WithLabelValues(reason).Inc()
	}
}
