// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one Source; nil counts nothing.
type metrics struct {
	ok, failed prometheus.Counter
	notAfter   prometheus.Gauge
	nextUpdate prometheus.Gauge
}

// newMetrics registers the metrics that all Sources share, or finds them.
func newMetrics(reg prometheus.Registerer, name string) (*metrics, error) {
	if reg == nil {
		return nil, nil //nolint:nilnil // nil is the metrics that count nothing
	}
	reloads, err := register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_tls_reloads_total", Help: "Changes of certificate files, by what became of them.",
	}, []string{"result"}))
	if err != nil {
		return nil, err
	}
	notAfter, err := register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "uspgate_tls_cert_not_after_timestamp_seconds", Help: "When the own certificate expires; 0: there is none.",
	}, []string{"listener"}))
	if err != nil {
		return nil, err
	}
	nextUpdate, err := register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "uspgate_tls_crl_next_update_timestamp_seconds",
		Help: "When the first of the revocation lists goes out of date; 0: there is none.",
	}, []string{"listener"}))
	if err != nil {
		return nil, err
	}
	return &metrics{
		ok: reloads.WithLabelValues("ok"), failed: reloads.WithLabelValues("failed"),
		notAfter: notAfter.WithLabelValues(name), nextUpdate: nextUpdate.WithLabelValues(name),
	}, nil
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

func (m *metrics) reloaded(ok bool) {
	switch {
	case m == nil:
	case ok:
		m.ok.Inc()
	default:
		m.failed.Inc()
	}
}

// show sets the gauges to the dates of st.
func (m *metrics) show(st *state) {
	if m == nil {
		return
	}
	m.notAfter.Set(seconds(st.notAfter()))
	var first time.Time
	for _, c := range st.crls {
		if at := c.list.NextUpdate; first.IsZero() || !at.IsZero() && at.Before(first) {
			first = at
		}
	}
	m.nextUpdate.Set(seconds(first))
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
