// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	full *prometheus.CounterVec // bound
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{full: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_models_full_total",
		Help: "Trees of CPE of which not all that is common to their model could be kept with it.",
	}, []string{"bound"})}
	for _, bound := range []string{"names", "bytes"} {
		m.full.WithLabelValues(bound)
	}
	if r != nil {
		if err := r.Register(m.full); err != nil {
			return nil, fmt.Errorf("state: %w", err)
		}
	}
	return m, nil
}
