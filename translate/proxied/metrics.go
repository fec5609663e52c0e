// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	mounted  prometheus.Gauge
	refused  prometheus.Counter
	asked    *prometheus.CounterVec // result
	notifies *prometheus.CounterVec // result
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		mounted: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "uspgate_proxied_devices", Help: "CPE that the gateway Agent shows below Device.ProxiedDevice.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "uspgate_proxied_refused_total", Help: "Selected CPE that are not shown since there are too many.",
		}),
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_proxied_requests_total", Help: "Requests of the gateway Agent to Virtual Agents.",
		}, []string{"result"}),
		notifies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_proxied_notifies_total", Help: "Notifies of Virtual Agents to the gateway Agent.",
		}, []string{"result"}),
	}
	for _, result := range []string{"ok", "error", "failed"} {
		m.asked.WithLabelValues(result)
	}
	for _, result := range []string{"passed", "not_wanted", "dropped"} {
		m.notifies.WithLabelValues(result)
	}
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.mounted, m.refused, m.asked, m.notifies} {
		errs = append(errs, r.Register(c))
	}
	return m, errors.Join(errs...)
}
