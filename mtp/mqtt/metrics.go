// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Results of a message of plain MQTT, as in the label result.
const (
	resultDelivered   = iota // to one client
	resultDropped            // its queue was full
	resultNobody             // nobody is subscribed
	resultForbidden          // by PlainACL
	resultNotRetained        // no room
	resultCount
)

// plainMetrics are those of plain MQTT; nil counts nothing.
type plainMetrics struct {
	results  [resultCount]prometheus.Counter
	retained prometheus.Gauge
}

func newPlainMetrics(reg prometheus.Registerer) (*plainMetrics, error) {
	if reg == nil {
		return nil, nil //nolint:nilnil // nil is what counts nothing
	}
	results, err := register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_mqtt_plain_messages_total", Help: "Messages of plain MQTT by what became of them.",
	}, []string{"result"}))
	if err != nil {
		return nil, err
	}
	retained, err := register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "uspgate_mqtt_retained_messages", Help: "Messages of plain MQTT that are retained.",
	}))
	if err != nil {
		return nil, err
	}
	m := &plainMetrics{retained: retained}
	for i, name := range [resultCount]string{"delivered", "dropped", "nobody", "forbidden", "not_retained"} {
		m.results[i] = results.WithLabelValues(name)
	}
	return m, nil
}

func (m *plainMetrics) count(result int) {
	if m != nil {
		m.results[result].Inc()
	}
}

// retain counts messages that are retained, or not any more.
func (m *plainMetrics) retain(n int) {
	if m != nil {
		m.retained.Add(float64(n))
	}
}

// newUnrepresented counts what MaxRepresented keeps out.
func newUnrepresented(o *ClientOptions) (prometheus.Counter, error) {
	c := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "uspgate_mqtt_unrepresented_total",
		Help: "Endpoints that found no room on the shared connection to a broker.",
	})
	if o.Metrics == nil || !o.Shared {
		return c, nil
	}
	return register(o.Metrics, c)
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
