// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/cwmp"
)

// metrics are the Fleet's collectors; they exist even if not registered.
type metrics struct {
	devices prometheus.Gauge
	waiting prometheus.Gauge
	calls   *prometheus.CounterVec

	quarantined prometheus.Gauge
	deferred    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		devices: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "uspgate_devices",
			Help: "CPE that are known.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "uspgate_device_rpcs_waiting",
			Help: "RPCs that wait for a session of their CPE.",
		}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_device_rpcs_total",
			Help: "RPCs to CPE by result.",
		}, []string{"result"}),
		quarantined: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "uspgate_quarantined_devices",
			Help: "CPE that are refused, as two boxes have their DeviceID.",
		}),
		deferred: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "uspgate_device_informs_deferred_total",
			Help: "Informs whose values are kept until the Virtual Agent, which sleeps, is needed.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(
		reg.Register(m.devices), reg.Register(m.waiting), reg.Register(m.calls), reg.Register(m.quarantined),
		reg.Register(m.deferred),
	)
}

// called counts the outcome of a Call.
func (m *metrics) called(err error) {
	var f *cwmp.Fault
	result := "error"
	switch {
	case err == nil:
		result = "ok"
	case errors.As(err, &f):
		result = "fault"
	case errors.Is(err, ErrOutcomeUnknown):
		result = "outcome_unknown"
	case errors.Is(err, ErrNotSent):
		result = "not_sent"
	case errors.Is(err, ErrBusy):
		result = "busy"
	}
	m.calls.WithLabelValues(result).Inc()
}
